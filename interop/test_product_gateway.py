"""A gateway between the field and the centre: the uplink is cut, either side is killed with -9, and nothing may be missing.

The truth is the gateway's own journal, read here by a second implementation of its format (docs/book/reference/uplink.md):
every entry under its number, from hard links that keep the files which the gateway removes. What the centre's history holds
of the gateway's points must be exactly that, in order.
"""

import collections
import contextlib
import datetime
import math
import os
import random
import socket
import struct
import threading
import time

import pytest

import product
from product import Plant, Process, wait_until

LINKS = product.STATIONS[:7]
OUTAGE_S = 30.0
MEASURED_S = 10.0
MAGIC = b"TLR\x02"


class Cuttable:
    """A TCP proxy that can be cut and joined again."""

    def __init__(self, listen, target):
        self.target, self.open, self.pairs = target, True, []
        self.server = socket.create_server(("127.0.0.1", listen))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.server.accept()
                if not self.open:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                self.pairs.append((near, far))
                for one, other in ((near, far), (far, near)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65_536):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def cut(self):
        self.open = False
        for pair in self.pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self.pairs.clear()

    def join(self):
        self.open = True


class JournalFiles:
    """Keeps every file of the journal by a second name."""

    def __init__(self, folder, kept):
        self.folder, self.kept = folder, kept
        kept.mkdir()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._keep, daemon=True)
        self.thread.start()

    def _keep(self):
        while not self.ended.wait(0.02):
            self.keep()

    def keep(self):
        for path in self.folder.glob("seg-*.log"):
            with contextlib.suppress(FileExistsError, FileNotFoundError):
                os.link(path, self.kept / path.name)

    def entries(self):
        """Entries by number, and the names of points."""
        self.ended.set()
        self.thread.join()
        self.keep()
        found = {}
        for path in sorted(self.kept.iterdir()):
            for payload in frames(path.read_bytes()):
                number, _ = struct.unpack_from("<Qq", payload)
                at = 16
                while at < len(payload):
                    (length,) = struct.unpack_from("<H", payload, at)
                    found[number] = payload[at + 2:at + 2 + length]
                    at, number = at + 2 + length, number + 1
        names = [payload[1:].decode() for payload in frames((self.folder / "names.log").read_bytes()) if payload[0] == 0]
        return found, names


def frames(data):
    at = 0
    while data[at:at + 4] == MAGIC:
        (length,) = struct.unpack_from("<I", data, at + 4)
        payload = data[at + 12:at + 12 + length]
        if len(payload) < length:
            return
        yield payload
        at += 12 + length


def sample(entry):
    """Point, time in ms, value, validity of an entry; None for one that is no sample."""
    if entry[0] != 1:
        return None
    point, kind = struct.unpack_from("<IB", entry, 1)
    raw = entry[6:14]
    quality, clock, source, received = struct.unpack_from("<HBqq", entry, 14)
    if kind == 0:
        (value,) = struct.unpack("<d", raw)
    else:
        (value,) = struct.unpack("<q", raw)
    if kind == 2:
        value = {1: 0, 2: 1}.get(value)
    at = source if clock else received
    return point, at // 1000, value, ("good", "questionable", "invalid")[quality & 3]


class GatewayPlant(Plant):
    """The plant with half of its stations behind a gateway."""

    def __init__(self, folder, tls=None):
        super().__init__(folder)
        self.uplink_port = self.port + len(product.STATIONS) + 1
        self.journal = folder / "gateway-data"
        text = (folder / "centre.toml").read_text()
        head, *links = text.split("[[link]]\n")
        behind = [link for link in links if link.split('"')[1] in LINKS]
        direct = [link for link in links if link.split('"')[1] not in LINKS]
        names = ", ".join(f'"{name}"' for name in LINKS)
        server_tls, edge_tls = tls or ("", "")
        (folder / "centre.toml").write_text(
            f'{head}\n[uplink]\nlisten = "127.0.0.1:{self.uplink_port + 1}"\n{server_tls}\n'
            f'[[gateway]]\nname = "north"\nlinks = [{names}]\n' + "".join("[[link]]\n" + link for link in direct)
        )
        (folder / "points.csv").write_text(product.tieline("points", product.NETWORK).stdout)
        (folder / "gateway.toml").write_text(
            f'name = "north"\npoints = "points.csv"\n[journal]\ndirectory = "gateway-data"\n'
            f'[uplink]\ncentre = "127.0.0.1:{self.uplink_port}"\n{edge_tls}\n'
            + "".join("[[link]]\n" + link for link in behind)
        )
        self.wire = Cuttable(self.uplink_port, self.uplink_port + 1)
        self.gateway = None

    def start_gateway(self):
        self.gateway = Process("gateway", self.folder / "gateway.toml")
        self.gateway.line("gateway north")
        return self

    def gateway_status(self):
        import json
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self.journal / "status.json").read_text())
        return {}

    def forwarded(self):
        status = self.gateway_status()
        return status.get("connected") and status["next"] - status["confirmed"] < 200

    def stop(self):
        if self.gateway and self.gateway.alive():
            self.gateway.kill()
        self.wire.server.close()
        super().stop()


@pytest.fixture
def plant(binary, tmp_path):
    made = GatewayPlant(tmp_path)
    yield made
    made.stop()


def millis(text):
    # Whole numbers: the halves of a float would move a millisecond here and there.
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (moment - epoch) // datetime.timedelta(milliseconds=1)


class Latencies:
    """How old values of the gateway's points are when the live socket shows them, in seconds."""

    def __init__(self, api):
        self.names = {point["id"] for point in api.points() if point["link"] in LINKS}
        self.found, self.collect = [], False
        self.live = product.Live(api, take=self._take)

    def _take(self, frame):
        now = time.time()
        if self.collect and not frame["snapshot"]:
            for point in frame["points"]:
                if point[0] in self.names and point[5] and not point[4]:
                    self.found.append(now - point[5] / 1000)

    def during(self, seconds):
        """99th percentile over a time."""
        self.found, self.collect = [], True
        time.sleep(seconds)
        self.collect = False
        ordered = sorted(self.found)
        assert len(ordered) > 50, "nothing came live"
        return ordered[min(len(ordered) - 1, math.ceil(0.99 * len(ordered)) - 1)]


def history(api, began):
    """Rows of every point of the gateway in order: time in ms, value, validity."""
    rows = {}
    for point in api.points():
        if point["link"] in LINKS:
            page = api.get(f"points/{point['id']}/rows", limit=10_000, **{"from": began})
            assert page["complete"] and page["damaged"] == 0
            rows[point["mrid"]] = [(millis(row["t"]), row["value"], row["quality"]) for row in page["rows"]]
    return rows


def compare(plant, files, began):
    """The journal and the history, entry by entry."""
    assert wait_until(lambda: plant.gateway_status().get("connected"), 30)
    # The field goes silent, so that what is compared stands still.
    plant.twin_process.kill()
    settled = lambda: (status := plant.gateway_status()) and status["next"] == status["confirmed"] and status["next"]
    assert wait_until(lambda: settled() and time.sleep(1.5) is None and settled(), 60), plant.gateway_status()
    entries, names = files.entries()
    status = plant.gateway_status()
    assert sorted(entries) == list(range(1, status["next"])), "the journal itself has gaps"
    assert (status["dropped"], status["shed"]) == (0, 0), status
    wanted = collections.defaultdict(list)
    for number in sorted(entries):
        if found := sample(entries[number]):
            wanted[names[found[0]]].append(found[1:])
    have = history(plant.api, began)
    total = missing = twice = 0
    for mrid, rows in wanted.items():
        # The history is ordered by time; of equal times by arrival, as the journal is.
        expected = sorted(rows, key=lambda row: row[0])
        found = sorted(have[mrid], key=lambda row: row[0])
        total += len(expected)
        gone, extra = collections.Counter(expected) - collections.Counter(found), collections.Counter(found) - collections.Counter(expected)
        missing, twice = missing + gone.total(), twice + extra.total()
        assert not gone and not extra, (mrid, gone, extra)
        assert found == expected, mrid
    print(f"{total} readings of {len(wanted)} points in the journal and in the history: {missing} missing, {twice} twice")
    assert total > 1_000 and sum(map(len, have.values())) == total
    return total


def link_alarms(api):
    alarms = [alarm for alarm in api.alarms().values() if alarm["kind"] == "link" and alarm["active"]]
    hidden = {alarm["source"] for alarm in alarms if alarm["suppressed_by"]}
    return {alarm["source"] for alarm in alarms} - hidden, hidden


def test_nothing_is_missing_after_outages_and_crashes(plant):
    began = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    plant.journal.mkdir()
    files = JournalFiles(plant.journal, plant.folder / "kept")
    plant.start_twin().start_centre().start_gateway()
    api = plant.api
    assert plant.all_good(60), api.status()
    states = {link["name"]: link["state"] for link in api.status()["sessions"]}
    assert all(states[name] == "up" for name in ["north", *LINKS]), states

    latencies = Latencies(api)
    before = latencies.during(MEASURED_S)

    # An outage: one alarm, its consequences hidden; commands are refused, not stored.
    plant.wire.cut()
    assert wait_until(lambda: link_alarms(api) == ({"north"}, set(LINKS)), 20), link_alarms(api)
    point = api.point("S4/Load/CB")
    with pytest.raises(product.Refused, match="stale"):
        api.command(point["id"], 0, "while the gateway is away")
    # Nobody sees this trip, and the silence of a station, when they happen.
    tripped = time.time()
    plant.twin.inject("line_trip", "L2-4")
    plant.twin.inject("rtu_silent", "S3", for_s=5.0)
    time.sleep(OUTAGE_S)
    behind = (status := plant.gateway_status())["next"] - status["confirmed"]
    assert not status["connected"] and behind > 500, status
    plant.wire.join()
    joined = time.monotonic()
    assert wait_until(lambda: plant.gateway_status().get("connected"), 15)
    connected = time.monotonic()
    assert wait_until(plant.forwarded, 60), plant.gateway_status()
    caught_up = time.monotonic() - connected
    print(f"\n{behind} entries of {OUTAGE_S:.0f} s forwarded {caught_up:.2f} s after the connection ({connected - joined:.1f} s "
          f"to connect): {OUTAGE_S / max(caught_up, 0.001):.0f} times real time at least (looked at once a second)")
    late = [event for event in api.events() if event["source"] in ("S2/L2-4/CB", "S4/L2-4/CB") and "(late)" in event["text"]]
    opened = {event["source"] for event in late if event["text"] == "open (late)" and abs(product.utc(event["time"]) - tripped) < 3}
    assert opened == {"S2/L2-4/CB", "S4/L2-4/CB"}, late
    print([(event["source"], event["text"], f"{product.utc(event['time']) - tripped:.1f} s after the trip") for event in late])
    after = latencies.during(MEASURED_S)
    print(f"live p99 {before * 1000:.0f} ms before the outage, {after * 1000:.0f} ms right after it: {after / before:.2f}")
    assert wait_until(lambda: link_alarms(api) == (set(), set()), 30), link_alarms(api)
    done = api.operate("S4/Load/CB", 0, "behind the gateway")
    assert done["state"] == "confirmed", done

    # Crashes of either side, with the wire cut now and then.
    random.seed(11)
    for life in range(6):
        time.sleep(random.uniform(1.0, 4.0))
        if life % 2:
            plant.gateway.kill()
            time.sleep(random.uniform(0.0, 2.0))
            plant.start_gateway()
        else:
            plant.centre.kill()
            time.sleep(random.uniform(0.0, 2.0))
            plant.start_centre()
        if life % 3 == 0:
            plant.wire.cut()
            time.sleep(random.uniform(0.0, 2.0))
            plant.wire.join()
    assert plant.all_good(60), plant.api.status()
    compare(plant, files, began)


def test_the_certificate_must_carry_the_name(binary, tmp_path, certificates):
    """Mutual TLS: a certificate of the authority for another name is refused, the right one is taken."""
    def tls(name):
        return (f'tls = {{ ca = "{certificates}/ca.pem", certificate = "{certificates}/centre.pem", key = "{certificates}/centre.key" }}',
                f'server_name = "centre"\ntls = {{ ca = "{certificates}/ca.pem", certificate = "{certificates}/{name}.pem", '
                f'key = "{certificates}/{name}.key" }}')

    plant = GatewayPlant(tmp_path, tls("station"))
    try:
        plant.start_twin().start_centre().start_gateway()
        refusal = lambda: any("issued for another name" in line for line in plant.gateway.err)
        assert wait_until(refusal, 15), plant.gateway.err
        assert not plant.gateway_status().get("connected")
        plant.gateway.kill()
        # The same certificate is right for a gateway of that name.
        for file in ("centre.toml", "gateway.toml"):
            text = (tmp_path / file).read_text().replace('name = "north"', 'name = "station"')
            (tmp_path / file).write_text(text)
        plant.centre.kill()
        plant.start_centre()
        plant.gateway = Process("gateway", tmp_path / "gateway.toml")
        assert wait_until(lambda: plant.gateway_status().get("connected"), 20), plant.gateway.err
        assert plant.all_good(60)
    finally:
        plant.stop()
