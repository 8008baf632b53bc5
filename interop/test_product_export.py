"""`tieline export` beside a running centre, read by Arrow C++ (pyarrow), DuckDB, pandas and Spark: values equal to those of
the HTTP interface, types as the book says, cancelled files whole."""

import csv
import datetime
import json
import shutil
import signal
import subprocess
import time

import pytest

import product
from product import wait_until

SCHEMA = {
    "point": "string", "t": "timestamp[us, tz=UTC]", "received": "timestamp[us, tz=UTC]", "value": "double",
    "unit": "string", "quality": "string", "flags": "int32", "kind": "string", "correction": "string",
}
PATTERN = "S4/*"


def export(data, *arguments, check=True):
    return product.tieline("export", "--data", data, *arguments, check=check)


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.fixture(scope="module")
def exported(demo, tmp_path_factory):
    """Rows of some points while the demonstration runs: the file, and what the HTTP interface says of the same span."""
    time.sleep(12)
    points = [point for point in demo.api.points(search="S4/") if point["name"].startswith("S4/")]
    to = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=2)
    to = to.strftime("%Y-%m-%dT%H:%M:%SZ")
    folder = tmp_path_factory.mktemp("export")
    files = {ending: folder / f"rows.{ending}" for ending in ("parquet", "csv")}
    for file in files.values():
        export(demo.data, PATTERN, "--to", to, "--out", file)
    rows = {}
    for point in points:
        answer = demo.api.get(f"points/{point['id']}/rows", **{"from": "2020-01-01T00:00:00Z", "to": to, "limit": 10_000})
        assert answer["complete"] and answer["damaged"] == 0
        if answer["rows"]:
            rows[point["name"]] = (point, answer["rows"])
    assert sum(len(found) for _, found in rows.values()) > 100
    return files, rows, to


def wanted(rows):
    """(point, t, received, value, unit, quality, kind) of every row in the order of the HTTP interface."""
    return {
        name: [(moment(row["t"]), moment(row["received"]), row["value"], point["unit"], row["quality"], point["kind"])
               for row in found]
        for name, (point, found) in rows.items()
    }


def check(found, rows):
    """Rows as (point, t, received, value, unit, quality, kind) against those of the HTTP interface."""
    by_point = {}
    for point, *rest in found:
        by_point.setdefault(point, []).append(tuple(rest))
    expected = wanted(rows)
    assert by_point.keys() == expected.keys()
    for name, lines in expected.items():
        # The interface shows milliseconds.
        shown = [(t.replace(microsecond=t.microsecond // 1000 * 1000), r.replace(microsecond=r.microsecond // 1000 * 1000),
                  *rest) for t, r, *rest in by_point[name]]
        assert shown == lines, name


COLUMNS = ["point", "t", "received", "value", "unit", "quality", "kind"]


def test_arrow_reads_types_values_and_metadata(exported):
    pq = pytest.importorskip("pyarrow.parquet")
    files, rows, to = exported
    table = pq.read_table(files["parquet"])
    assert {field.name: str(field.type) for field in table.schema} == SCHEMA
    check(zip(*(table[name].to_pylist() for name in COLUMNS)), rows)
    about = json.loads(table.schema.metadata[b"tieline.export"])
    assert about["complete"] and about["read"] == "corrected" and moment(about["to"]) == moment(to)
    points = {point["point"]: point for point in json.loads(table.schema.metadata[b"tieline.points"])}
    assert {name: point["unit"] for name, point in points.items() if name in rows} == {
        name: point["unit"] for name, (point, _) in rows.items()}
    assert {name: points[name]["rows"] for name in rows} == {name: len(found) for name, (_, found) in rows.items()}


def test_duckdb_reads_equal_values(exported):
    duckdb = pytest.importorskip("duckdb")
    files, rows, _ = exported
    duckdb.execute("set timezone = 'UTC'")
    for source in (f"read_parquet('{files['parquet']}')", f"read_csv('{files['csv']}')"):
        micros = "select point, epoch_us(t), epoch_us(received), value, coalesce(unit, ''), quality, kind from "
        found = duckdb.execute(micros + source).fetchall()
        zero = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
        at = lambda us: zero + datetime.timedelta(microseconds=us)
        check([(point, at(t), at(received), *rest) for point, t, received, *rest in found], rows)


def test_pandas_reads_equal_values(exported):
    pandas = pytest.importorskip("pandas")
    files, rows, _ = exported
    frames = [pandas.read_parquet(files["parquet"]),
              pandas.read_csv(files["csv"], parse_dates=["t", "received"], keep_default_na=False,
                              na_values={"value": [""]}, float_precision="round_trip")]
    for frame in frames:
        assert str(frame.t.dt.tz) == "UTC"
        value = [None if number != number else number for number in frame.value]
        stamps = ([stamp.to_pydatetime() for stamp in frame[name]] for name in ("t", "received"))
        check(zip(frame.point, *stamps, value, frame.unit, frame.quality, frame.kind), rows)


def test_spark_reads_equal_values(exported):
    sql = pytest.importorskip("pyspark.sql")
    if not shutil.which("java"):
        pytest.skip("skipped: java is missing")
    files, rows, _ = exported
    builder = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    spark = builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    try:
        frame = spark.read.parquet(str(files["parquet"]))
        assert dict(frame.dtypes) == {"point": "string", "t": "timestamp", "received": "timestamp", "value": "double",
                                      "unit": "string", "quality": "string", "flags": "int", "kind": "string",
                                      "correction": "string"}
        frame = frame.selectExpr("point", "unix_micros(t)", "unix_micros(received)", "value", "unit", "quality", "kind")
        zero = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
        at = lambda us: zero + datetime.timedelta(microseconds=us)
        found = [(row[0], at(row[1]), at(row[2]), *row[3:]) for row in frame.collect()]
    finally:
        spark.stop()
    check(found, rows)


def test_samples_equal_those_of_the_interface(demo, exported, tmp_path):
    _, rows, to = exported
    name, (point, found) = next((name, both) for name, both in rows.items() if len(both[1]) > 8)
    begin = found[1]["t"]
    for method in ("step", "linear"):
        out = tmp_path / f"{method}.csv"
        export(demo.data, name, "--from", begin, "--to", to, "--step", "700ms", "--method", method, "--out", out)
        with open(out, newline="") as file:
            lines = list(csv.DictReader(file))
        query = {"from": begin, "to": to, "step_s": 0.7, "method": method}
        samples = demo.api.get(f"points/{point['id']}/samples", **query)["samples"]
        assert len(lines) == len(samples) > 3
        for line, sample in zip(lines, samples):
            assert line["point"] == name and line["quality"] == sample["quality"]
            assert (float(line["value"]) if line["value"] else None) == sample["value"]
            assert abs(moment(line["t"]) - moment(sample["t"])) < datetime.timedelta(milliseconds=1)


def test_local_times_are_those_of_their_zone(demo, exported):
    _, rows, _ = exported
    name = next(iter(rows))
    utc = export(demo.data, name, "--from", "2026-07-01T10:00:00Z").stdout
    local = export(demo.data, name, "--from", "2026-07-01T12:00", "--zone", "Europe/Berlin").stdout
    assert local.splitlines()[:5] == utc.splitlines()[:5] and len(utc.splitlines()) > 3


@pytest.mark.parametrize("arguments, hint", [
    (["nobody/*"], "export --list"),
    (["--from", "2026-01-01"], "--zone"),
    (["--from", "2026-10-25T02:30", "--zone", "Europe/Berlin"], "comes twice"),
    (["--from", "2026-01-02T00:00Z", "--to", "2026-01-01T00:00Z"], "not before"),
    (["--out", "rows.xlsx"], "FILE.parquet"),
    (["--step", "0s", "--from", "2026-01-01T00:00Z"], "length of time"),
    (["--step", "1s"], "--from"),
])
def test_mistakes_are_told_with_a_hint(demo, arguments, hint):
    done = export(demo.data, *arguments, check=False)
    assert done.returncode == 1 and hint in done.stderr, done
    assert done.stdout == ""


def test_a_directory_without_history_is_told(tmp_path):
    done = export(tmp_path, check=False)
    assert done.returncode == 1 and "[data]" in done.stderr


def test_a_cancelled_export_leaves_a_whole_file(demo, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    out, part = tmp_path / "long.parquet", tmp_path / "long.parquet.part"
    # Hours of milliseconds of every point: nobody waits for that.
    arguments = ["--from", "2020-01-01T00:00:00Z", "--step", "100ms", "--out", out]
    process = subprocess.Popen([product.program(), "export", "--data", demo.data, *arguments], stderr=subprocess.PIPE, text=True)
    assert wait_until(lambda: part.exists() and part.stat().st_size > 10_000, 60)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "cancelled" in said, said
    assert not part.exists()
    table = pq.read_table(out)
    assert table.num_rows > 0 and not json.loads(table.schema.metadata[b"tieline.export"])["complete"]


def test_an_export_that_cannot_write_leaves_nothing(demo, tmp_path):
    done = export(demo.data, "--out", tmp_path / "no" / "rows.parquet", check=False)
    assert done.returncode == 1 and "cannot be written" in done.stderr
    assert list(tmp_path.iterdir()) == []
