"""A disk that answers every write with EIO, under a running centre (B-16): the view stays, commands stop, alarms come within ten
seconds, and within ten seconds after the disk is well again everything goes on by itself, with nothing lost."""

import pathlib
import time

import faulty
import product
from product import wait_until

BOUND_S = 10.0
POINT = "S14/Load/CB"


def standing(api):
    return {name for name in ("system:store", "system:history") if api.alarms().get(name, {}).get("active")}


def test_a_disk_with_io_errors_stops_commands_and_nothing_else(plant, tmp_path):
    plant.data.mkdir()
    disk = faulty.FaultyDisk(tmp_path, plant.data)
    plant.start_twin()
    with disk.beneath():
        plant.start_centre()
    assert plant.all_good() is not None
    api = plant.api
    assert str(disk.library) in pathlib.Path(f"/proc/{plant.centre.pid}/maps").read_text(), "the disk is not beneath it"

    disk.turn("E")
    began = time.monotonic()
    refused = api.ask("POST", "/api/v1/commands", {"point": api.point(POINT)["id"], "value": 0, "reason": "on a bad disk"})
    assert wait_until(lambda: standing(api) == {"system:store", "system:history"}, BOUND_S), (standing(api), refused.body)
    alarm_s = time.monotonic() - began
    seen = api.point("S1/V")["receive_time"]
    assert wait_until(lambda: api.point("S1/V")["receive_time"] != seen, BOUND_S), "the view stands still"
    again = api.ask("POST", "/api/v1/commands", {"point": api.point(POINT)["id"], "value": 0, "reason": "once more"})
    assert again.status >= 400 or again.json["state"] not in ("selected", "executing"), again.body
    time.sleep(2)
    assert api.point(POINT)["text"] == "closed", "a command left without an audit"

    disk.turn("")
    began = time.monotonic()
    assert wait_until(lambda: not standing(api), BOUND_S), standing(api)
    healed_s = time.monotonic() - began
    counters = lambda: api.status()["counters"]
    balanced = lambda: (now := counters())["changed"] == now["stored"] + now["changes_shed"] and now["changes_shed"] == 0
    assert wait_until(balanced, 20), counters()
    assert api.operate(POINT, 0, "the disk is well again")["state"] == "confirmed"
    events = api.events()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))

    assert plant.centre.stop() == 0
    product.tieline("audit", "verify", "--data", plant.data)
    plant.start_centre()
    held = {event["seq"]: event for event in plant.api.events()}
    assert all(held.get(event["seq"]) == event for event in events), "an event is missing after the restart"
    print(f"\nalarms after {alarm_s:.1f} s, healed after {healed_s:.1f} s")
