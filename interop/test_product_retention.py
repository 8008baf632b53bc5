"""Rows beyond the retention of their class leave a running centre: the audit says which, and their digest, computed here from
a copy of the segment as the book describes it, is that of the record."""

import csv
import fnmatch
import hashlib
import os
import pathlib
import shutil
import struct
import subprocess

import pytest

import product
from product import wait_until

pq = pytest.importorskip("pyarrow.parquet")

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
WRITER = TARGET / "debug" / "examples" / "known_rows"
# The rows are from November 2023.
CLASSES = """
[[data.retention]]
class = "protected"
points = ["S4/*"]
[[data.retention]]
class = "telemetry"
points = ["S*/P", "S*/Q", "S*/P2", "S*/Q2"]
kinds = ["analog"]
days = 30
"""

pytestmark = pytest.mark.skipif(not WRITER.exists(), reason="skipped: cargo build -p historian --examples")


def digest(table):
    """SHA-256 over the rows in the order of the file, each packed as documented."""
    total = hashlib.sha256()
    micros = [int(t.timestamp()) * 1_000_000 + t.microsecond for t in table["t"].to_pylist()]
    if "t_us" in table.column_names:
        micros = [whole + rest for whole, rest in zip(micros, table["t_us"].to_pylist())]
    columns = [table[name].to_pylist() for name in ("point", "lag_ms", "v", "q", "k", "note")]
    for t, point, lag, value, quality, kind, note in zip(micros, *columns):
        total.update(struct.pack("<IqidHBI", point, t, lag, value, quality, kind, note))
    return total.hexdigest()


def removals(data):
    names = ["seq", "time", "class", "state", "rows", "points", "from", "to", "segment", "sha256"]
    lines = product.tieline("audit", "removals", "--data", data).stdout.splitlines()
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines]


def test_removals_are_recorded_and_their_digest_is_that_of_the_rows(binary, tmp_path):
    listed = list(csv.DictReader(product.tieline("points", product.NETWORK).stdout.splitlines()))
    (tmp_path / "mrids").write_text("\n".join(point["mrid"] for point in listed))
    subprocess.run([WRITER, tmp_path / "data" / "history", tmp_path / "mrids"], check=True, timeout=60)
    (segment,) = (tmp_path / "data" / "history").glob("seg-*.parquet")
    copy = shutil.copy(segment, tmp_path / "copy.parquet")
    before = pq.read_table(copy)

    plant = product.Plant(tmp_path, extra=CLASSES)
    try:
        plant.start_centre()
        assert wait_until(lambda: any(line["state"] == "done" for line in removals(plant.data)), 30)
        announced, done = removals(plant.data)
        gone = wait_until(lambda: any("beyond their retention" in event["text"] for event in plant.api.events()), 10)
        assert gone
        kept = next(n for n, point in enumerate(listed) if point["name"].startswith("S4/"))
        query = {"from": "2020-01-01T00:00:00Z", "limit": 10_000, "read": "all"}
        point = plant.api.point(listed[kept]["name"])
        assert len(plant.api.get(f"points/{point['id']}/rows", **query)["rows"]) >= 100
    finally:
        plant.stop()

    # Which points: the first class that names them, worked out here.
    patterns = ["S*/P", "S*/Q", "S*/P2", "S*/Q2"]
    of_class = {
        number for number, point in enumerate(listed[:997])
        if not point["name"].startswith("S4/") and point["kind"] == "analog"
        and any(fnmatch.fnmatchcase(point["name"], pattern) for pattern in patterns)
    }
    removed = before.filter([number in of_class for number in before["point"].to_pylist()])
    assert removed.num_rows > 1_000
    assert [announced["state"], done["state"]] == ["announced", "done"]
    for line in (announced, done):
        assert (line["class"], int(line["rows"]), int(line["points"])) == ("telemetry", removed.num_rows, len(of_class))
        assert line["segment"] == segment.stem.removeprefix("seg-")
        assert line["sha256"] == digest(removed)
    after = product.tieline("export", "--data", tmp_path / "data", "--list").stdout
    assert listed[kept]["mrid"] in after
    rows = [pq.read_table(file) for file in (tmp_path / "data" / "history").glob("seg-*.parquet")]
    assert sum(table.num_rows for table in rows) == before.num_rows - removed.num_rows


def test_faulty_classes_stop_the_start(binary, tmp_path):
    plant = product.Plant(tmp_path, extra='[[data.retention]]\nclass = "a"\nkinds = ["analogue"]\ndays = 3\n')
    done = product.tieline("run", tmp_path / "centre.toml", check=False)
    assert done.returncode == 1 and "centre.toml" in done.stderr and "no kind" in done.stderr, done.stderr
    plant.stop()
