"""IEC 60870-5-104 against c104 (lib60870-C), and tshark's verdict on what we send.

Both roles, plain and with TLS. The sides under test are the examples of the crate `transport`, which `cargo test` or
`cargo build -p transport --examples` builds; IEC104_EXAMPLES names their folder if it is another than
target/debug/examples.
"""

import os
import pathlib
import queue
import shutil
import socket
import subprocess
import threading
import time

import product
import pytest

c104 = pytest.importorskip("c104")

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
EXAMPLES = pathlib.Path(os.environ.get("IEC104_EXAMPLES", TARGET / "debug" / "examples"))

pytestmark = pytest.mark.skipif(
    not (EXAMPLES / "iec104_station").exists(), reason="skipped: cargo build -p transport --examples"
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


class Process:
    """One of our programs with its lines of output."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen(
            [EXAMPLES / name, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, bufsize=1,
        )
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def saw(self, *parts, seconds=10.0):
        return wait_until(lambda: any(all(part in line for part in parts) for line in list(self.lines)), seconds)

    def count(self, *parts):
        return sum(all(part in line for part in parts) for line in list(self.lines))

    def stop(self):
        self.process.terminate()
        self.process.wait(5)


@pytest.fixture
def station():
    port = free_port()
    process = Process("iec104_station", f"127.0.0.1:{port}")
    assert process.saw("listening on")
    yield port, process
    process.stop()


class Client:
    """A c104 client that notes every message by type and cause."""

    def __init__(self, port, points=()):
        self.client = c104.Client(tick_rate_ms=50, command_timeout_ms=5000)
        self.client.originator_address = 7
        self.connection = self.client.add_connection(ip="127.0.0.1", port=port, init=c104.Init.NONE)
        self.station = self.connection.add_station(common_address=1)
        self.points = {}
        self.raw = queue.Queue()
        for address, type_id, *mode in points:
            extra = {"command_mode": mode[0]} if mode else {}
            self.points[address] = self.station.add_point(io_address=address, type=type_id, **extra)
        self.connection.on_receive_raw(callable=self._raw)
        self.client.start()
        assert wait_until(lambda: self.connection.is_connected), "c104 client does not connect"
        # STARTDT goes out after the connection is reported. The peer now and then loses its own note of a fast
        # confirmation and stays muted, although data flows: then it is told again.
        if not wait_until(lambda: self.connection.state == c104.ConnectionState.OPEN, 1.0):
            self.connection.unmute()
        assert wait_until(lambda: self.connection.state == c104.ConnectionState.OPEN), self.connection.state

    def _raw(self, connection: c104.Connection, data: bytes) -> None:
        self.raw.put(bytes(data))

    def frames(self):
        """Information frames so far: (type, count, sequence, cause octet, originator, body)."""
        frames = []
        while not self.raw.empty():
            data = self.raw.get()
            if len(data) > 12 and data[2] & 1 == 0:
                frames.append((data[6], data[7] & 0x7F, data[7] >> 7, data[8], data[9], data[12:]))
        return frames

    def stop(self):
        self.client.stop()


@pytest.fixture
def connect():
    clients = []

    def make(port, points=()):
        clients.append(Client(port, points))
        return clients[-1]

    yield make
    for client in clients:
        client.stop()


def test_general_interrogation_is_complete(station, connect):
    port, _ = station
    measured = [(1001 + n, c104.Type.M_ME_NC_1) for n in range(200)]
    # The peer drops an ASDU that begins with an address it does not know: all are made known.
    others = [(101, c104.Type.M_DP_NA_1), (301, c104.Type.M_ST_NA_1), (501, c104.Type.M_ME_NC_1)]
    client = connect(port, measured + others)
    time.sleep(1.2)
    assert client.connection.interrogation(common_address=1)
    # Spontaneous values arrive in between: only the termination says that the interrogation is over.
    frames = []
    ended = lambda: frames.extend(client.frames()) or any((frame[0], frame[3]) == (100, 10) for frame in frames)
    assert wait_until(ended)
    assert wait_until(lambda: client.points[1200].value > 198.9)
    for n in range(200):
        assert abs(client.points[1001 + n].value - n) < 1.0, n
    assert client.points[101].value == c104.Double.OFF
    assert client.points[1001].quality.is_good()
    interrogated = [frame for frame in frames if frame[3] & 0x3F == 20]
    assert sum(frame[1] for frame in interrogated) == 204, "all but the counter"
    assert {frame[4] for frame in interrogated} == {7}, "the originator address comes back"
    causes = [frame[3] for frame in frames if frame[0] == 100]
    assert causes == [7, 10], "activation confirmation, then termination"


def test_spontaneous_values_arrive_with_time(station, connect):
    port, _ = station
    client = connect(port, [(1001 + n, c104.Type.M_ME_TF_1) for n in range(200)])
    assert wait_until(lambda: client.points[1200].recorded_at is not None)
    first = client.points[1001].value
    stamp = client.points[1001].recorded_at
    assert abs(stamp.timestamp() - time.time()) < 3
    assert wait_until(lambda: client.points[1001].value > first)


def test_clock_read_and_test(station, connect):
    port, process = station
    client = connect(port, [(1001, c104.Type.M_ME_NC_1)])
    assert client.connection.clock_sync(common_address=1)
    assert process.saw("ClockSet")
    assert client.connection.test(common_address=1, with_time=True)
    time.sleep(1.2)
    assert client.points[1001].read()
    assert wait_until(lambda: any(frame[0] == 13 and frame[3] == 5 for frame in client.frames()))


def test_counters(station, connect):
    port, _ = station
    client = connect(port, [(401, c104.Type.M_IT_TB_1)])
    time.sleep(2.2)
    # c104 waits a moment of its own for the confirmation; a busy machine needs another.
    assert wait_until(lambda: client.connection.counter_interrogation(common_address=1))
    assert wait_until(lambda: int(client.points[401].value) >= 1)
    frozen = int(client.points[401].value)
    assert client.connection.counter_interrogation(common_address=1, freeze=c104.Frz.FREEZE_WITH_RESET)
    time.sleep(3)
    assert wait_until(lambda: client.connection.counter_interrogation(common_address=1))
    assert wait_until(lambda: any(frame[0] == 37 and frame[3] == 37 for frame in client.frames()))
    assert int(client.points[401].value) >= frozen


def test_direct_commands(station, connect):
    port, process = station
    client = connect(port, [
        (5301, c104.Type.C_RC_NA_1), (5501, c104.Type.C_SE_NC_1), (5201, c104.Type.C_SC_NA_1),
        (301, c104.Type.M_ST_TB_1), (501, c104.Type.M_ME_TF_1), (201, c104.Type.M_SP_TB_1),
    ])
    client.points[5301].value = c104.Step.HIGHER
    assert client.points[5301].transmit(cause=c104.Cot.ACTIVATION)
    assert wait_until(lambda: int(client.points[301].value) == 1)
    client.points[5501].value = 1.25
    assert client.points[5501].transmit(cause=c104.Cot.ACTIVATION)
    assert wait_until(lambda: client.points[501].value == 1.25)
    client.points[5201].value = True
    assert client.points[5201].transmit(cause=c104.Cot.ACTIVATION)
    assert wait_until(lambda: client.points[201].value is True)
    assert process.count("Command(", "Execute") == 3


def test_select_before_operate(station, connect):
    port, process = station
    client = connect(port, [
        (5101, c104.Type.C_DC_NA_1, c104.CommandMode.SELECT_AND_EXECUTE), (101, c104.Type.M_DP_TB_1),
    ])
    client.points[5101].value = c104.Double.ON
    assert client.points[5101].transmit(cause=c104.Cot.ACTIVATION)
    assert wait_until(lambda: client.points[101].value == c104.Double.ON)
    assert process.count("Command(", "Select") == 1 and process.count("Command(", "Execute") == 1


def test_execute_without_select_is_refused(station, connect):
    port, process = station
    client = connect(port, [(5101, c104.Type.C_DC_NA_1, c104.CommandMode.DIRECT)])
    client.points[5101].value = c104.Double.ON
    assert not client.points[5101].transmit(cause=c104.Cot.ACTIVATION)
    assert process.count("Command(") == 0


def test_unknown_addresses_are_refused(station, connect):
    port, process = station
    client = connect(port, [(9999, c104.Type.C_SC_NA_1)])
    client.points[9999].value = True
    assert not client.points[9999].transmit(cause=c104.Cot.ACTIVATION)
    assert process.saw("unknown information object address")
    assert wait_until(lambda: any(frame[0] == 45 and frame[3] == 0x40 | 47 for frame in client.frames()))


# ---- c104 as the station, our controlling station against it -------------------------------------------------------

MASTER_POINTS = ",".join([
    *(f"analog=M_ME_TF_1@{1001 + n}" for n in range(50)),
    "double=M_DP_TB_1@101>C_DC_NA_1@5101",
    "step=M_ST_TB_1@301>C_RC_NA_1@5301",
    "analog=M_ME_TF_1@501>C_SE_NC_1@5501",
    "counter=M_IT_TB_1@401",
])


class Server:
    """A c104 server with 50 measured values, a breaker, a tap, a set point and a counter."""

    def __init__(self, tls=None):
        self.port = free_port()
        self.server = c104.Server(ip="127.0.0.1", port=self.port, tick_rate_ms=50, transport_security=tls)
        self.station = self.server.add_station(common_address=1)
        add = self.station.add_point
        self.measured = [add(io_address=1001 + n, type=c104.Type.M_ME_NC_1) for n in range(50)]
        for n, measured in enumerate(self.measured):
            measured.value = float(n)
        self.spontaneous = self.measured[0]
        self.breaker = add(io_address=101, type=c104.Type.M_DP_TB_1)
        self.breaker.value = c104.Double.OFF
        self.tap = add(io_address=301, type=c104.Type.M_ST_TB_1)
        self.counter = add(io_address=401, type=c104.Type.M_IT_TB_1)
        self.commands = []
        mode = c104.CommandMode
        for address, type_id, way in [
            (5101, c104.Type.C_DC_NA_1, mode.SELECT_AND_EXECUTE), (5301, c104.Type.C_RC_NA_1, mode.DIRECT),
            (5501, c104.Type.C_SE_NC_1, mode.DIRECT),
        ]:
            add(io_address=address, type=type_id, command_mode=way).on_receive(callable=self._command)
        self.clocks = []
        self.server.on_clock_sync(callable=self._clock)
        self.server.start()

    def _command(
        self, point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
    ) -> c104.ResponseState:
        self.commands.append((point.io_address, point.value))
        return c104.ResponseState.SUCCESS

    def _clock(self, server: c104.Server, ip: str, date_time: __import__("datetime").datetime) -> c104.ResponseState:
        self.clocks.append(date_time)
        return c104.ResponseState.SUCCESS

    def stop(self):
        self.server.stop()


def check_master(server, master):
    """Everything that a centre needs of a station."""
    assert master.saw("Link(Up)", seconds=20)
    assert server.clocks, "clock synchronisation before the interrogation"
    for n in range(50):
        assert master.saw(f"point: PointId({n})", f"Analog({float(n)})"), n
    assert master.saw("point: PointId(53)", "Counter("), "counter interrogation follows"
    server.spontaneous.value = 77.5
    server.spontaneous.transmit(cause=c104.Cot.SPONTANEOUS)
    assert master.saw("point: PointId(0)", "Analog(77.5)")
    # Before any select: the peer gives a select back only some time after its execute.
    master.say("execute 50 on")
    assert master.saw("Command(CommandId(1), Refused"), "execute without select"
    master.say("execute 51 1")
    assert master.saw("Command(CommandId(2), Accepted)")
    master.say("select 50 on")
    assert master.saw("Command(CommandId(3), Selected)")
    master.say("execute 50 on")
    assert master.saw("Command(CommandId(4), Accepted)")
    master.say("execute 52 1.5")
    assert master.saw("Command(CommandId(5), Accepted)")
    wanted = [(5301, c104.Step.HIGHER), (5101, c104.Double.ON), (5501, 1.5)]
    assert wait_until(lambda: len(server.commands) == 3), server.commands
    assert [address for address, _ in server.commands] == [address for address, _ in wanted]


def test_our_centre_against_the_c104_server():
    server = Server()
    master = Process("iec104_master", MASTER_POINTS, f"127.0.0.1:{server.port}")
    try:
        check_master(server, master)
    finally:
        master.stop()
        server.stop()


@pytest.mark.parametrize("version", ["TLS_1_2", "TLS_1_3"])
def test_our_centre_against_the_c104_server_with_tls(certificates, version):
    server = Server(product.c104_station_security(certificates, version))
    files = [str(certificates / name) for name in ["ca.pem", "centre.pem", "centre.key"]]
    master = Process("iec104_master", MASTER_POINTS, f"127.0.0.1:{server.port}", *files, "station")
    try:
        check_master(server, master)
    finally:
        master.stop()
        server.stop()


def test_a_centre_without_a_certificate_of_the_authority_gets_no_data(certificates, tmp_path):
    port = free_port()
    files = [str(certificates / name) for name in ["ca.pem", "station.pem", "station.key"]]
    station = Process("iec104_station", f"127.0.0.1:{port}", *files)
    try:
        assert station.saw("listening on")
        # Plain TCP: closed, not answered.
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            plain.sendall(bytes([0x68, 4, 0x07, 0, 0, 0]))
            plain.settimeout(15)
            answer = plain.recv(64)
        assert bytes([0x68, 4, 0x0B, 0, 0, 0]) not in answer
        assert station.saw("Handshake failed")
        # With a certificate of the authority it works.
        files = [str(certificates / name) for name in ["ca.pem", "centre.pem", "centre.key"]]
        master = Process("iec104_master", "analog=M_ME_TF_1@1001", f"127.0.0.1:{port}", *files, "station")
        assert master.saw("Link(Up)", seconds=20)
        master.stop()
    finally:
        station.stop()


@pytest.mark.skipif(not shutil.which("tshark") or os.geteuid() != 0, reason="skipped: tshark as root is missing")
def test_tshark_finds_no_malformed_frame(connect, tmp_path):
    port = free_port()
    capture = tmp_path / "lo.pcapng"
    sniffer = subprocess.Popen(
        ["tshark", "-q", "-i", "lo", "-f", f"tcp port {port}", "-w", str(capture)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )
    for line in sniffer.stderr:
        if "Capturing on" in line:
            break
    time.sleep(1)
    station = Process("iec104_station", f"127.0.0.1:{port}")
    assert station.saw("listening on")
    points = ",".join(["analog=M_ME_TF_1@1001", "double=M_DP_TB_1@101>C_DC_NA_1@5101",
                       "step=M_ST_TB_1@301>C_RC_NA_1@5301", "counter=M_IT_TB_1@401"])
    master = Process("iec104_master", points, f"127.0.0.1:{port}")
    assert master.saw("Link(Up)", seconds=20)
    for line in ["execute 2 1", "select 1 on", "execute 1 on", "execute 1 off", "counters", "interrogate", "clock"]:
        master.say(line)
        time.sleep(0.3)
    time.sleep(2)
    master.stop()
    station.stop()
    time.sleep(1)
    sniffer.terminate()
    sniffer.wait(10)

    def tshark(*filters):
        command = ["tshark", "-r", str(capture), "-d", f"tcp.port=={port},iec60870_104", *filters]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")

    assert [line for line in tshark("-Y", "_ws.malformed") if line] == []
    types = {part for line in tshark("-T", "fields", "-e", "iec60870_asdu.typeid") for part in line.split(",") if part}
    assert {"13", "3", "5", "36", "31", "32", "37", "46", "47", "70", "100", "101", "103"} <= types, types
