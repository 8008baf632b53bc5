"""Ten times more from the field than is taken (B-15): memory stays within its cap, of measured values the newest wins and every
older one is counted, indications are all kept, and people are told.
"""

import csv
import io
import time

import product
import pytest
from product import Process, until_ready, wait_until
from rawstation import RawStation

ANALOGS, FRAMES, PER_FRAME, TOGGLE_EVERY = 300, 6_000, 30, 10
INDICATION = 5_000
# What may wait is configured this small, so that any machine is overloaded.
LIMITS = "[limits]\ncrowded_events = 100\nwaiting_events = 2000\n"
MORE_MB = 60.0
COLUMNS = ("name mrid equipment substation kind unit link address control_address control_mode low_low low high high_high"
           " hysteresis normal stale_after_s deadband").split()


class Centre:
    def __init__(self, folder, station):
        rows = io.StringIO()
        writer = csv.DictWriter(rows, COLUMNS, restval="")
        writer.writeheader()
        common = {"substation": "F", "link": "L"}
        for at in range(ANALOGS):
            writer.writerow({"name": f"A{at}", "mrid": f"_A{at}", "kind": "analog", "unit": "MW",
                             "address": f"M_ME_NC_1@{100 + at}"} | common)
        writer.writerow({"name": "I", "mrid": "_I", "kind": "single", "address": f"M_SP_TB_1@{INDICATION}"} | common)
        (folder / "points.csv").write_text(rows.getvalue())
        (folder / "centre.toml").write_text(
            f'points = "points.csv"\n[network]\nfile = "{product.NETWORK}"\n[data]\ndirectory = "data"\n'
            f'[http]\nlisten = "127.0.0.1:0"\n[identity]\nenrolment = "none"\n{LIMITS}'
            f'[[link]]\nname = "L"\nprotocol.iec104 = {{ endpoints = ["{station.where}"], common_address = 1 }}\n'
        )
        self.process = Process("run", folder / "centre.toml")
        base, token = self.process.line("http://").split("/#token=")
        until_ready(base, self.process.began)
        self.api = product.Api(base, token)


@pytest.fixture
def plant(tmp_path):
    station = RawStation()
    centre = Centre(tmp_path, station)
    yield station, centre
    centre.process.stop()
    station.close()


def flood(station):
    """Measured values as fast as the window allows, an indication that moves now and then; returns the last values."""
    last, on, number = {}, False, 0
    for frame in range(FRAMES):
        first = frame * PER_FRAME % ANALOGS
        values = []
        for at in range(first, first + PER_FRAME):
            number += 1
            last[at] = float(number)
            values.append((100 + at, last[at]))
        station.floats(values)
        if frame % TOGGLE_EVERY == 0:
            on = not on
            station.indication(INDICATION, on, time.time())
    return last, on


def test_overload_thins_measured_values_only_and_counts_each(plant):
    station, centre = plant
    api = centre.api
    assert station.started.wait(20) and wait_until(lambda: api.status()["sessions"][0]["state"] == "up", 20.0)
    station.indication(INDICATION, False, time.time())
    assert wait_until(lambda: api.point("I")["value"] == 0.0)
    before, rss = api.status()["counters"], centre.process.rss_mb()
    seen = api.events()[-1]["seq"]
    began = time.monotonic()
    last, on = flood(station)
    seconds = time.monotonic() - began

    def settled():
        counters = api.status()["counters"]
        done = counters["received"] - before["received"] == station.objects - 1 and counters["waiting"] == 0
        return counters if done else None

    counters = wait_until(settled, 60.0)
    assert counters, (api.status()["counters"], station.objects)
    replaced = counters["coalesced"] - before["coalesced"]
    print(f"{station.objects / seconds:.0f} objects/s offered, {replaced} of {station.objects} values replaced by newer")
    assert replaced > 0, "the test did not overload the centre"
    assert counters["received"] == counters["processed"] + counters["coalesced"] + counters["shed"]
    assert counters["shed"] == counters["changes_shed"] == counters["states_shed"] == 0
    # The newest of every value is there, and every movement of the indication is an event, in order.
    values = {point["name"]: point["value"] for point in api.points(substation="F")}
    assert all(values[f"A{at}"] == value for at, value in last.items()) and values["I"] == float(on)
    moves = [event["text"] for event in api.events(seen) if event["source"] == "I" and event["kind"] == "state"]
    assert len(moves) == FRAMES // TOGGLE_EVERY, len(moves)
    assert all(("→ on" in text) == (at % 2 == 0) for at, text in enumerate(moves)), moves[:6]
    more = centre.process.rss_mb() - rss
    print(f"{more:.1f} MB more")
    assert more < MORE_MB
    # People learn of it, and of its end.
    told = lambda: [event["text"] for event in api.events(seen) if event["source"] == "intake"]
    assert wait_until(lambda: any("overload is over" in text for text in told()), 30.0), told()
    left_out = [int(text.split("; ")[1].split()[0]) for text in told() if "overload is over" in text]
    assert sum(left_out) == replaced, (left_out, replaced)
    # The events' own rows are durable like everything else.
    assert wait_until(lambda: (now := api.status()["counters"])["changed"] == now["stored"], 10.0)
