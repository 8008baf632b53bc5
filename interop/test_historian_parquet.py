"""Segments of the historian read by Arrow C++ (pyarrow), DuckDB and pandas: every row, type and order.

The rows are written by the example `known_rows` of the crate `historian`, which `cargo test` or
`cargo build -p historian --examples` builds.
"""

import csv
import os
import pathlib
import subprocess

import numpy
import pytest

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
WRITER = TARGET / "debug" / "examples" / "known_rows"
ROWS = 100_000

pytestmark = pytest.mark.skipif(not WRITER.exists(), reason="skipped: cargo build -p historian --examples")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("historian")
    subprocess.run([WRITER, folder], check=True, timeout=60)
    return folder


def test_every_row_is_read_as_it_was_written(folder):
    (segment,) = folder.glob("seg-*.parquet")
    table = pa.parquet.read_table(segment)
    assert table.schema.field("t").type == pa.timestamp("ms", tz="UTC")
    number = numpy.arange(ROWS)
    point = number % 997
    time = 1_700_000_000_000_000 + number * 1_001 - number % 7 * 10_000_000
    value = numpy.where(number % 101 == 0, numpy.nan, (number - 50_000) / 8)
    order = numpy.lexsort((number, time, point))
    # Receive time and note are 7 ms and none in every row.
    wanted = {"point": point, "t": time // 1_000, "t_us": time % 1_000, "lag_ms": number * 0 + 7, "v": value, "q": number % 65_536, "k": number % 6,
              "note": number * 0}
    assert table.column_names == list(wanted)
    for name, column in wanted.items():
        found = table[name].cast(pa.int64()) if name == "t" else table[name]
        numpy.testing.assert_array_equal(found.to_numpy(), column[order], err_msg=name)


def test_one_point_is_found_by_statistics(folder):
    (segment,) = folder.glob("seg-*.parquet")
    file = pa.parquet.ParquetFile(segment)
    bounds = [file.metadata.row_group(group).column(0).statistics for group in range(file.num_row_groups)]
    assert sum(bound.min <= 500 <= bound.max for bound in bounds) <= 2 < file.num_row_groups
    table = pa.parquet.read_table(segment, filters=[("point", "=", 500)])
    assert table.num_rows == len(range(500, ROWS, 997))


def test_names_of_the_series_are_plain_text(folder):
    with open(folder / "series.csv", newline="") as file:
        names = {int(number): name for number, _, name in csv.reader(file)}
    assert names == {number: f"_mrid-{number}" for number in range(997)}


def test_duckdb_and_pandas_compute_what_numpy_does(folder):
    duckdb, pandas = pytest.importorskip("duckdb"), pytest.importorskip("pandas")
    (segment,) = folder.glob("seg-*.parquet")
    number = numpy.arange(500, ROWS, 997)
    value = numpy.where(number % 101 == 0, numpy.nan, (number - 50_000) / 8)
    wanted = (len(number), numpy.nansum(value), numpy.nanmin(value), numpy.nanmax(value))
    query = "select count(*), sum(v), min(v), max(v) from read_parquet(?) where point = 500 and not isnan(v)"
    found = duckdb.execute(query, [str(segment)]).fetchone()
    assert found == (wanted[0] - int(numpy.isnan(value).sum()), *wanted[1:])
    frame = pandas.read_parquet(segment, filters=[("point", "=", 500)])
    assert (len(frame), frame.v.sum(), frame.v.min(), frame.v.max()) == wanted
    assert str(frame.t.dt.tz) == "UTC" and (frame.t + pandas.to_timedelta(frame.lag_ms, "ms") > frame.t).all()
