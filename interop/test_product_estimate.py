"""The running state estimate against the twin's truth: every cycle, every bus, with a gross error and a switched line.

The truth comes from the twin's own API, the estimate over the live socket, so that no cycle is left out. Both name the
moment that they stand for; an estimate is held against the last truth before it.
"""

import threading
import time

import pytest

import product
from product import utc, wait_until

# Promises of the issue at 1 % noise: one standard deviation of every reading.
VM_PERCENT, VA_DEGREE = 0.2, 0.1
CYCLES = 100
GROSS_SIGMA = 20.0
# The cycles in which old and new values of a switched line may lie side by side.
SETTLING_CYCLES = 3


class Watch:
    """Every estimate and every truth since the start."""

    def __init__(self, demo):
        self.demo, self.estimates, self.truths, self.stop = demo, {}, {}, threading.Event()
        self.network = demo.api.get("network")
        self.live = product.Live(demo.api, take=self._take)
        threading.Thread(target=self._ask, daemon=True).start()

    def _take(self, frame):
        if frame.get("estimate") and frame["estimate"]["time"]:
            self.estimates[utc(frame["estimate"]["time"])] = frame["estimate"]

    def _ask(self):
        while not self.stop.is_set():
            truth = self.demo.twin.truth()
            self.truths[utc(truth["time"])] = truth
            time.sleep(0.1)

    def since(self, begin):
        """The estimates after a moment, in order."""
        return [(at, self.estimates[at]) for at in sorted(list(self.estimates)) if at > begin]

    def await_cycles(self, count, begin):
        assert wait_until(lambda: len(self.since(begin)) >= count, 2.0 * count + 10), "cycles are missing"
        return self.since(begin)

    def errors(self, at, estimate):
        """Largest error of the magnitudes in percent and of the angles in degrees; angles are relative to S1."""
        truth = self.truths[max(moment for moment in list(self.truths) if moment <= at)]
        places = {place["name"]: place for place in truth["substations"]}
        reference = estimate["buses"][0]["va_degree"] - places["S1"]["va_degree"]
        vm = va = 0.0
        for bus in estimate["buses"]:
            true = places[bus["name"]]
            assert bus["energised"] == true["energised"], bus["name"]
            vm = max(vm, abs(bus["vm_pu"] / true["vm_pu"] - 1.0) * 100.0)
            va = max(va, abs(bus["va_degree"] - reference - true["va_degree"]))
        return vm, va

    def check(self, estimates):
        """Every estimate converged and within the bounds; returns the worst errors."""
        worst = [0.0, 0.0]
        for at, estimate in estimates:
            assert estimate["state"] == "converged", estimate["state"]
            assert len(estimate["buses"]) == 14 and not estimate["unobservable"]
            vm, va = self.errors(at, estimate)
            worst = [max(worst[0], vm), max(worst[1], va)]
        print(f"\n{len(estimates)} cycles: worst magnitude {worst[0]:.4f} %, worst angle {worst[1]:.4f} degrees")
        assert worst[0] <= VM_PERCENT and worst[1] <= VA_DEGREE, worst
        return worst


@pytest.fixture(scope="module")
def watch(demo):
    made = Watch(demo)
    assert wait_until(lambda: demo.api.status()["estimation"]["state"] == "converged", 10)
    yield made
    made.stop.set()
    made.live.close()


def now():
    return time.time()


def test_every_bus_is_right_in_every_cycle(watch):
    begin = now()
    estimates = watch.await_cycles(CYCLES, begin)
    gaps = [later - earlier for (earlier, _), (later, _) in zip(estimates, estimates[1:])]
    print(f"\nlongest pause between two estimates {max(gaps):.2f} s")
    watch.check(estimates)


# S2 and S5 have small loads beside large flows, S2 a machine besides: there the other devices of the bay tell. That
# every single reading is found is held by testsuite/tests/loop_on_virtual_time.rs.
@pytest.mark.parametrize("point", [
    "S4/V", "S2/L2-4/P", "S6/L6-13/Q", "S9/Load/P", "S8/G5/Q", "S2/Load/P", "S5/Load/Q3", "S9/T4-9/V2",
])
def test_a_gross_error_is_found_named_and_removed(watch, point):
    api = watch.demo.api
    fault = watch.demo.twin.inject("bad_measurement", point, sigma=GROSS_SIGMA)
    begin = now() + 1.5
    estimates = watch.await_cycles(5, begin)
    watch.demo.twin.clear(fault)
    for _, estimate in estimates:
        named = [bad["name"] for bad in estimate["bad_data"]]
        assert point in named, f"{named} instead of {point}"
    others = {bad["name"] for _, estimate in estimates for bad in estimate["bad_data"]} - {point}
    print(f"\n{point}: residuals {[round(bad['normalised_residual'], 1) for bad in estimates[0][1]['bad_data']]}"
          f"{', named beside it: ' + ' '.join(others) if others else ''}")
    watch.check(estimates)
    alarm = lambda: api.alarms().get(f"estimator:{point}")
    assert wait_until(lambda: not (found := alarm()) or not found["active"], 5.0), alarm()
    listed = alarm()
    assert listed and listed["count"] == 1 and not listed["acknowledged"], listed
    assert any(event["source"] == point and event["severity"] == "medium" for event in api.events())


@pytest.mark.parametrize("branch, end", [("L2-4", "from"), ("L6-13", "to")])
def test_an_opened_line_end_changes_the_topology_in_the_next_cycle(watch, branch, end):
    api = watch.demo.api
    index, line = next((n, b) for n, b in enumerate(watch.network["branches"]) if b["name"] == branch)
    breaker = api.get(f"points/{line[f'{end}_end']['breaker_point']}")
    assert breaker["text"] == "closed"
    start = now()
    for value, text in ((0, "open"), (1, "closed")):
        before = api.events()[-1]["seq"]
        command = api.operate(breaker["name"], value, f"switch {branch}")
        assert command["state"] == "confirmed", command
        moved = [event for event in api.events(before) if event["point"] == breaker["id"] and event["kind"] == "state"]
        assert moved and moved[-1]["text"].endswith(text), moved
        arrived = utc(api.get(f"points/{breaker['id']}")["receive_time"])
        settled = watch.await_cycles(5 + SETTLING_CYCLES, utc(command["stages"][-1]["at"]))
        flow = [abs(view["branches"][index][f"{part}_{end}_{unit}"]) for _, view in settled
                for part, unit in (("p", "mw"), ("q", "mvar"))]
        assert arrived and (max(flow) < 1e-9 if text == "open" else min(flow[::2]) > 0.5), (text, flow)
        watch.check(settled[SETTLING_CYCLES:])
    for at, view in watch.since(start):
        assert view["state"] == "converged", (at, view["state"])
