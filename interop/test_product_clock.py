"""Clock steps, and the loss of the time source (B-12, A-17): the machine's clock is falsified under the running centre by
libfaketime and by a shim for adjtimex; the centre's own time runs on, deadlines hold, nothing is lost or doubled, people are told.
"""

import datetime
import pathlib
import shutil
import subprocess
import time

import product
import pytest
from product import Plant, Process, until_ready, wait_until

LIBRARY = pathlib.Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
SHIM = """
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/timex.h>
int adjtimex(struct timex *t) {
    FILE *file = fopen(getenv("TEST_CLOCK_STATE"), "r");
    char state = file ? fgetc(file) : 'u';
    if (file) fclose(file);
    memset(t, 0, sizeof *t);
    t->status = state == 's' ? STA_PLL : STA_UNSYNC;
    t->maxerror = 1500;
    return state == 's' ? TIME_OK : TIME_ERROR;
}
"""
HOUR, YEARS = 3_600, 10 * 365 * 86_400

pytestmark = pytest.mark.skipif(
    not LIBRARY.exists() or shutil.which("cc") is None, reason="libfaketime (Debian: faketime) and a C compiler are needed"
)


class Machine:
    """The clock of the machine that the centre believes to run on."""

    def __init__(self, folder):
        self.offset, self.state = folder / "offset", folder / "state"
        self.step(0)
        self.keep(True)
        source, shim = folder / "shim.c", folder / "shim.so"
        source.write_text(SHIM)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source], check=True)
        self.environment = {
            "LD_PRELOAD": f"{shim} {LIBRARY}", "FAKETIME_TIMESTAMP_FILE": str(self.offset), "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TEST_CLOCK_STATE": str(self.state),
        }

    def step(self, seconds):
        self.offset.write_text(f"{seconds:+d}\n")

    def keep(self, synchronised):
        self.state.write_text("s" if synchronised else "u")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clock")
    machine = Machine(folder)
    plant = Plant(folder, extra="[time]\nsettle_s = 0\n[gate]\nselect_window_s = 8\n")
    plant.start_twin()
    plant.centre = Process("run", folder / "centre.toml", **machine.environment)
    base, token = plant.centre.line("http://").split("/#token=")
    until_ready(base, plant.centre.began)
    plant.api = product.Api(base, token)
    assert plant.all_good() is not None
    yield plant, machine
    plant.stop()


def clock(plant):
    return plant.api.status()["clock"]


def own_error_s(plant):
    """How far the centre's time is from the true one."""
    now = datetime.datetime.fromisoformat(plant.api.status()["now"])
    return abs((now - datetime.datetime.now(datetime.timezone.utc)).total_seconds())


def alarm(plant, source):
    return [alarm for alarm in plant.api.alarms().values() if alarm["source"] == source and alarm["active"]]


@pytest.mark.parametrize("jump", [HOUR, -HOUR, YEARS, -YEARS])
def test_a_jump_is_told_and_changes_no_stamp_and_no_deadline(world, jump):
    plant, machine = world
    api = plant.api
    seen, before = api.events()[-1]["seq"], api.status()["counters"]
    # A select is open while the clock jumps: it must live its eight seconds, not an hour, and not end at once.
    breaker = api.point("S4/L4-5/CB")["id"]
    made = api.command(breaker, 0, "open while the clock jumps")
    assert made["state"] == "selected", made
    began = time.monotonic()
    machine.step(jump)
    assert wait_until(lambda: clock(plant)["state"] == "holdover", 5.0), clock(plant)
    print(f"told after {time.monotonic() - began:.2f} s")
    assert abs(clock(plant)["machine_ahead_s"] - jump) < 5 and alarm(plant, "clock")
    assert own_error_s(plant) < 5.0
    state = api.command_beyond(made["id"], ("selected",), 20.0)
    lived = time.monotonic() - began
    print(f"select lived {lived:.1f} s of 8")
    assert state["state"] == "expired" and 6.0 < lived < 12.0
    # The session of the user did not end, samples are conserved, stamps stay near.
    counters = api.status()["counters"]
    assert counters["received"] == sum(counters[name] for name in ("waiting", "coalesced", "processed", "held", "shed"))
    assert counters["processed"] > before["processed"] and counters["shed"] == 0
    today = datetime.datetime.now(datetime.timezone.utc)
    stamps = [datetime.datetime.fromisoformat(event["time"]) for event in api.events(seen)]
    assert stamps and all(abs((today - at).total_seconds()) < 120 for at in stamps), stamps
    # Rows written meanwhile say that their stamp is of no synchronised clock only where the stamp is ours.
    machine.step(0)
    assert wait_until(lambda: clock(plant)["state"] == "synchronised", 5.0), clock(plant)
    assert wait_until(lambda: not alarm(plant, "clock"), 5.0)
    numbers = [event["seq"] for event in api.events(seen)]
    assert numbers == list(range(seen + 1, seen + 1 + len(numbers))), "no event lost, none doubled"


def test_a_leap_second_is_worked_off_without_a_word(world):
    plant, machine = world
    machine.step(-1)
    time.sleep(2.0)
    assert clock(plant)["state"] == "synchronised" and not alarm(plant, "clock")
    assert own_error_s(plant) < 1.2
    machine.step(0)


def test_a_lost_time_source_is_flagged_within_a_second(world):
    plant, machine = world
    assert clock(plant)["state"] == "synchronised" and clock(plant)["max_error_ms"] == 1.5
    machine.keep(False)
    began = time.monotonic()
    assert wait_until(lambda: clock(plant)["state"] == "unsynchronised", 5.0, 0.02), clock(plant)
    after = time.monotonic() - began
    print(f"flagged after {after:.2f} s")
    # A cycle of one second, and what a busy machine adds.
    assert after < 2.5 and alarm(plant, "time source")
    # A counter of the twin carries the station's stamp; a point that a lost link makes old carries ours.
    plant.twin.inject("rtu_silent", "S5")
    voltage = plant.api.point("S5/V")["id"]
    rows = lambda: plant.api.get(f"points/{voltage}/rows", **{"from": today(-60), "to": today(60)})["rows"]
    assert wait_until(lambda: any(not row["clock_synchronised"] for row in rows()), 40.0), rows()[-3:]
    assert all(row["clock_synchronised"] for row in rows()[:3])
    plant.twin.clear()
    machine.keep(True)
    assert wait_until(lambda: clock(plant)["state"] == "synchronised" and not alarm(plant, "time source"), 5.0)


def today(seconds):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_somebody_may_say_that_the_machine_is_right(world):
    plant, machine = world
    assert plant.api.ask("POST", "/api/v1/clock/follow", {"reason": "no jump"}).status == 409
    machine.step(HOUR)
    assert wait_until(lambda: clock(plant)["state"] == "holdover", 5.0)
    assert plant.api.ask("POST", "/api/v1/clock/follow", {"reason": " "}).status == 400
    answer = plant.api.ask("POST", "/api/v1/clock/follow", {"reason": "compared with the receiver"})
    assert answer.status == 200 and answer.json["state"] == "synchronised", answer.body
    assert abs(own_error_s(plant) - HOUR) < 5
    told = [event for event in plant.api.events() if event["source"] == "clock" and "compared with the receiver" in event["text"]]
    assert len(told) == 1 and told[0]["actor"] == "first"
    plant.centre.stop()
    product.tieline("audit", "verify", "--data", plant.data)
