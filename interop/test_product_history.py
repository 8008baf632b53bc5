"""History over the HTTP interface: integrals and values between rows against NumPy, corrections, and a full disk."""

import datetime
import os
import subprocess
import time

import numpy
import pytest

import product
from product import wait_until

FULL_S = 10.0
# MB of the small disk: room for a centre and its first minutes.
DISK_MB = 24


def micros(text):
    return int(datetime.datetime.fromisoformat(text).timestamp() * 1e6 + 0.5)


def stamp(at):
    moment = datetime.datetime.fromtimestamp(at / 1e6, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture(scope="module")
def measured(demo):
    """A point of the demonstration that has changed for a while."""
    time.sleep(15)
    point = demo.api.point("S4/L2-4/P")
    rows = demo.api.get(f"points/{point['id']}/rows", limit=10_000)
    assert rows["complete"] and rows["damaged"] == 0 and len(rows["rows"]) > 5
    return point, rows["rows"]


def test_rows_carry_both_times(measured):
    for row in measured[1]:
        assert -60e6 < micros(row["received"]) - micros(row["t"]) < 60e6, row
        assert row["correction"] is None


@pytest.mark.parametrize("method", ["step", "linear"])
def test_integral_and_samples_equal_numpy(demo, measured, method):
    point, rows = measured
    good = [row for row in rows if row["quality"] == "good" and row["value"] is not None]
    at = numpy.array([micros(row["t"]) for row in good], dtype=numpy.int64)
    value = numpy.array([row["value"] for row in good])
    first = next(n for n in range(1, len(at)) if len(good) == len(rows) or n > 1)
    begin, end = int(at[first]), int(at[-2])
    path, span = f"points/{point['id']}", {"from": stamp(begin), "to": stamp(end), "method": method}
    inside = slice(first, len(at) - 2)
    seconds = numpy.diff(at[first:len(at) - 1]) / 1e6
    if method == "step":
        wanted = (value[inside] * seconds).sum() / 3600
    else:
        wanted = numpy.trapezoid(value[first:len(at) - 1], (at[first:len(at) - 1] - begin) / 1e6) / 3600
    found = demo.api.get(path + "/integral", **span)
    assert found["unit_hours"] == pytest.approx(wanted, rel=1e-9), found
    assert found["coverage"] == 1.0 and found["gaps"] == 0 and found["rows"] == len(at) - 2 - first
    grid = numpy.arange(begin, end, 700_000)
    samples = demo.api.get(path + "/samples", step_s=0.7, **span)["samples"]
    assert [micros(sample["t"]) for sample in samples] == list(grid)
    if method == "step":
        expected = value[numpy.searchsorted(at, grid, side="right") - 1]
    else:
        expected = numpy.interp(grid - begin, at - begin, value)
    numpy.testing.assert_allclose([sample["value"] for sample in samples], expected, rtol=1e-12)


def test_time_before_the_first_row_is_a_gap_and_no_energy(demo, measured):
    point, rows = measured
    first = micros(rows[0]["t"])
    found = demo.api.get(f"points/{point['id']}/integral", **{"from": stamp(first - 60_000_000), "to": stamp(first)})
    assert (found["unit_hours"], found["coverage"], found["gaps"]) == (0.0, 0.0, 1)


def test_a_correction_keeps_the_original(demo, measured):
    point, rows = measured
    path, wrong = f"points/{point['id']}", rows[3]
    made = demo.api.post(path + "/corrections", {"t": wrong["t"], "value": 12.5, "reason": "test set on the relay"})
    assert made["correction"] == "first: test set on the relay"
    at = micros(wrong["t"])
    span = {"from": stamp(at), "to": stamp(at + 1)}
    values = {read: [row["value"] for row in demo.api.get(path + "/rows", read=read, **span)["rows"]]
              for read in ("corrected", "original", "all")}
    assert values == {"corrected": [12.5], "original": [wrong["value"]], "all": [wrong["value"], 12.5]}
    refused = demo.api.ask("POST", f"/api/v1/{path}/corrections", {"t": wrong["t"], "value": 1.0, "reason": " "})
    assert refused.status == 400, refused.body


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own for the data of a plant."""
    folder = tmp_path / "data"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("skipped: a small disk needs root and mount")
    yield folder
    subprocess.run(["umount", "-l", folder], check=False)


def fill(folder):
    with open(folder / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4_096))
        except OSError:
            pass


def test_a_full_disk_stops_commands_and_nothing_else(small_disk, plant):
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    api = plant.api
    fill(small_disk)
    standing = lambda: {name for name in ("system:store", "system:history") if api.alarms().get(name, {}).get("active")}
    began = time.monotonic()
    # Something to audit, so that the store has to write.
    target = api.point("S14/Load/CB")
    refused = api.ask("POST", "/api/v1/commands", {"point": target["id"], "value": 0, "reason": "on a full disk"})
    assert wait_until(lambda: standing() == {"system:store", "system:history"}, FULL_S), (standing(), refused.body)
    alarm_s = time.monotonic() - began
    # The view goes on.
    seen = api.point("S1/V")["receive_time"]
    assert wait_until(lambda: api.point("S1/V")["receive_time"] != seen, 10)
    assert api.point("S14/Load/CB")["text"] == "closed", "a command left without an audit"
    (small_disk / "filler").unlink()
    began = time.monotonic()
    assert wait_until(lambda: not standing(), FULL_S), standing()
    healed_s = time.monotonic() - began
    counters = lambda: api.status()["counters"]
    balanced = lambda: (now := counters())["changed"] == now["stored"] + now["changes_shed"] and now["changes_shed"] == 0
    assert wait_until(balanced, 20), counters()
    assert api.operate("S14/Load/CB", 0, "there is room again")["state"] == "confirmed"
    assert plant.centre.stop() == 0
    product.tieline("audit", "verify", "--data", plant.data)
    print(f"\nalarms after {alarm_s:.1f} s, healed after {healed_s:.1f} s")
