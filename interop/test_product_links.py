"""Loss and return of the field: a killed twin, a silent station, and both back without a restart of the centre."""

import signal
import time

import pytest

import product
from product import Plant, wait_until

# Until a dead peer is noticed, IEC 60870-5-104 5.2 and the issue: t1 + t2 + 1 s.
NOTICED_S = Plant.TIMERS["t1_s"] + Plant.TIMERS["t2_s"] + 1.0
# A station that falls silent with its connection open is noticed one report period later at most.
REPORT_PERIOD_S = 4.0
# The centre tries again with growing pauses.
BACK_S = 40.0


class Clocks:
    """When, after `began`, conditions on the status and the alarms became true; asked every 50 ms."""

    def __init__(self, api):
        self.api, self.began = api, time.monotonic()

    def until(self, condition, seconds):
        assert wait_until(condition, seconds), "it did not happen"
        return time.monotonic() - self.began


def link_alarms(api, active=True):
    """Links with an alarm of their own; the one about many of them is another test's business."""
    found = {alarm["source"] for alarm in api.alarms().values() if alarm["kind"] == "link" and alarm["active"] == active}
    return found - {"several links"}


def all_stale(api, **query):
    points = api.points(**query)
    return points and all(point["stale"] for point in points)


def test_a_killed_twin_is_noticed_and_its_return_too(plant):
    plant.start_twin().start_centre()
    api = plant.api
    print(f"\nall good after {plant.all_good():.1f} s")
    started = api.status()["started_at"]
    plant.twin_process.kill()
    clocks = Clocks(api)
    stale = clocks.until(lambda: api.status()["points"]["stale"] == api.status()["points"]["total"], 3 * NOTICED_S)
    alarms = clocks.until(lambda: link_alarms(api) == set(product.STATIONS), 3 * NOTICED_S)
    print(f"all points stale after {stale:.2f} s, all link alarms after {alarms:.2f} s (limit {NOTICED_S} s)")
    assert stale <= NOTICED_S and alarms <= NOTICED_S
    assert wait_until(lambda: api.status()["estimation"]["state"] != "converged", 5), "an estimate of nothing"
    assert api.status()["estimation"]["state"] in ("unobservable", "waiting")

    plant.start_twin()
    clocks = Clocks(api)
    clocks.until(lambda: all(link["state"] == "up" for link in api.status()["sessions"]), BACK_S)
    good = clocks.until(lambda: (points := api.status()["points"])["good"] == points["total"], BACK_S)
    clear = clocks.until(lambda: not link_alarms(api), BACK_S)
    print(f"twin back: all points good after {good:.1f} s, link alarms cleared after {clear:.1f} s")
    assert clocks.until(lambda: api.status()["estimation"]["state"] == "converged", 10)
    assert api.status()["started_at"] == started and plant.centre.alive()
    # Cleared but not acknowledged: the operator still sees that it happened, as one incident. Single alarms that came and
    # went while it hid them are events.
    incident = api.alarms()["link:several links"]
    assert not incident["active"] and not incident["acknowledged"] and "14 of 14 links" in incident["text"], incident
    raised = {event["source"] for event in api.events() if event["kind"] == "alarm" and "link is down" in event["text"]}
    assert raised == set(product.STATIONS), raised
    uncommanded = [alarm for alarm in api.alarms().values() if alarm["kind"] == "uncommanded"]
    assert not uncommanded, "values after an outage are no movements"


@pytest.mark.parametrize("timers", [Plant.TIMERS, Plant.STANDARD], ids=["fifth", "standard"])
def test_a_silent_station_is_noticed_and_its_return_too(binary, tmp_path, timers):
    plant = Plant(tmp_path, timers=timers)
    try:
        silence(plant.start_twin().start_centre(), "S4", timers["t1_s"] + timers["t2_s"] + 1.0 + REPORT_PERIOD_S)
    finally:
        plant.stop()


def silence(plant, station, limit):
    api = plant.api
    assert plant.all_good() is not None
    fault = plant.twin.inject("rtu_silent", station)
    clocks = Clocks(api)
    stale = clocks.until(lambda: all_stale(api, substation=station), 2 * limit)
    alarm = clocks.until(lambda: link_alarms(api) == {station}, 2 * limit)
    print(f"\n{station} silent: its points stale after {stale:.2f} s, alarm after {alarm:.2f} s"
          f" (limit {limit} s)")
    assert stale <= limit and alarm <= limit
    counts = api.status()["points"]
    assert counts["stale"] == len(api.points(substation=station)), "only the points of the silent station"
    assert api.status()["estimation"]["state"] in ("converged", "unobservable")

    plant.twin.clear(fault)
    clocks = Clocks(api)
    good = clocks.until(lambda: (points := api.status()["points"])["good"] == points["total"], BACK_S)
    clear = clocks.until(lambda: not link_alarms(api), BACK_S)
    print(f"{station} back: all points good after {good:.1f} s, link alarm cleared after {clear:.1f} s")


def test_a_frozen_twin_is_noticed_and_its_return_too(plant):
    """Connections stay open and nothing answers: what a black hole in the network looks like."""
    plant.start_twin().start_centre()
    api, limit = plant.api, NOTICED_S + REPORT_PERIOD_S
    assert plant.all_good() is not None
    plant.twin_process.process.send_signal(signal.SIGSTOP)
    clocks = Clocks(api)
    stale = clocks.until(lambda: api.status()["points"]["stale"] == api.status()["points"]["total"], 2 * limit)
    alarms = clocks.until(lambda: link_alarms(api) == set(product.STATIONS), 2 * limit)
    print(f"\ntwin frozen: all points stale after {stale:.2f} s, all link alarms after {alarms:.2f} s"
          f" (limit {limit} s)")
    assert stale <= limit and alarms <= limit
    plant.twin_process.process.send_signal(signal.SIGCONT)
    clocks = Clocks(api)
    good = clocks.until(lambda: (points := api.status()["points"])["good"] == points["total"], BACK_S)
    clear = clocks.until(lambda: not link_alarms(api), BACK_S)
    print(f"twin goes on: all points good after {good:.1f} s, link alarms cleared after {clear:.1f} s")


def test_events_of_an_outage_reach_the_log(plant):
    """A breaker that trips while the link is down is in the log when it is back."""
    plant.start_twin().start_centre()
    api = plant.api
    assert plant.all_good() is not None
    before = api.events()[-1]["seq"]
    fault = plant.twin.inject("rtu_silent", "S12")
    assert wait_until(lambda: link_alarms(api) == {"S12"}, 3 * NOTICED_S)
    plant.twin.inject("line_trip", "L12-13")
    time.sleep(1.0)
    plant.twin.clear(fault)
    name = "S12/L12-13/CB"
    assert wait_until(lambda: (point := api.point(name))["text"] == "open" and not point["stale"], BACK_S)
    texts = [(event["kind"], event["text"]) for event in api.events(before) if event["source"] == name]
    print(f"\n{name}: {texts}")
    assert f"state:{name}" in api.alarms(), "the off-normal state is an alarm"
    # The outage itself: the link's events are there in order.
    link = [event["text"] for event in api.events(before) if event["source"] == "S12" and event["kind"] == "link"]
    assert "link down" in link and link[-1] != "link down", link
