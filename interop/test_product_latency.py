"""How long a change of state takes from the wire to a page (B-06): the station's time tag against the arrival of the event on the
live socket, at a thousand changes per second and in a burst of ten thousand per second; none is left out.
"""

import csv
import datetime
import io
import threading
import time

import product
import pytest
from product import Live, Process, until_ready, wait_until
from rawstation import RawStation

INDICATIONS, SECONDS = 500, 10
# B-06 for a release build; a debug build on a machine that others load gets more.
LEEWAY = 1.0 if product.is_release() else 4.0
COLUMNS = ("name mrid equipment substation kind unit link address control_address control_mode low_low low high high_high"
           " hysteresis normal stale_after_s deadband").split()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder, station, rows = tmp_path_factory.mktemp("latency"), RawStation(), io.StringIO()
    writer = csv.DictWriter(rows, COLUMNS, restval="")
    writer.writeheader()
    for at in range(INDICATIONS):
        writer.writerow({"name": f"I{at}", "mrid": f"_I{at}", "substation": "F", "kind": "single", "link": "L",
                         "address": f"M_SP_TB_1@{1 + at}"})
    (folder / "points.csv").write_text(rows.getvalue())
    (folder / "centre.toml").write_text(
        f'points = "points.csv"\n[network]\nfile = "{product.NETWORK}"\n[data]\ndirectory = "data"\n'
        f'[http]\nlisten = "127.0.0.1:0"\n[identity]\nenrolment = "none"\n'
        f'[[link]]\nname = "L"\nprotocol.iec104 = {{ endpoints = ["{station.where}"], common_address = 1 }}\n'
    )
    centre = Process("run", folder / "centre.toml")
    base, token = centre.line("http://").split("/#token=")
    until_ready(base, centre.began)
    api = product.Api(base, token)
    assert station.started.wait(20)
    # The first value of a point is no change.
    for at in range(INDICATIONS):
        station.indication(1 + at, False, time.time())
    assert wait_until(lambda: api.status()["points"]["stale"] == 0, 20.0)
    yield station, api
    centre.stop()
    station.close()


class Page:
    """What a page hears: the delay of every event about an indication."""

    def __init__(self, api):
        self.delays, self.ready = [], threading.Event()
        self.live = Live(api, self.take)
        assert self.ready.wait(10)

    def take(self, frame):
        now = time.time()
        if frame.get("snapshot"):
            self.ready.set()
            return
        for event in frame.get("events", ()):
            if event["kind"] == "state":
                self.delays.append(now - datetime.datetime.fromisoformat(event["time"]).timestamp())


def send(station, rate, seconds):
    """Changes at a steady pace, round the indications; returns their number."""
    began, number, on = time.monotonic(), 0, False
    while number < rate * seconds:
        if number % INDICATIONS == 0:
            on = not on
        station.indication(1 + number % INDICATIONS, on, time.time())
        number += 1
        ahead = began + number / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
    return number


@pytest.mark.parametrize("rate, limit_s", [(1_000, 0.5), (10_000, 1.0)])
def test_a_change_is_on_the_page_in_time(world, rate, limit_s):
    station, api = world
    page = Page(api)
    began = time.monotonic()
    sent = send(station, rate, SECONDS)
    took = time.monotonic() - began
    assert wait_until(lambda: len(page.delays) >= sent, 60.0), (len(page.delays), sent)
    page.live.close()
    delays = sorted(page.delays)
    share = lambda part: delays[min(len(delays) - 1, int(part * len(delays)))]
    print(f"{sent / took:.0f} changes/s: {len(delays)} of {sent} on the page, median {share(0.5) * 1e3:.0f} ms, "
          f"p99 {share(0.99) * 1e3:.0f} ms, longest {delays[-1] * 1e3:.0f} ms")
    assert len(delays) == sent and share(0.99) <= limit_s * LEEWAY
