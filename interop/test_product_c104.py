"""The whole product against c104 (lib60870-C): its client at a station of `tieline twin`, its server under `tieline run`.

What the sessions themselves do against this peer is in `test_iec104_c104.py`; here the twin's physics and the centre's
gate, table and page stand behind them.
"""

import csv
import datetime
import socket
from types import SimpleNamespace

import c104
import product
import pytest
from product import free_ports, wait_until

OFF, ON = c104.Double.OFF, c104.Double.ON


class Rtu:
    """Station S2 of the IEEE 14-bus grid as a c104 server: all that the point list by rule says, one breaker to operate."""

    COMMON_ADDRESS = 2

    def __init__(self, tls=None):
        port = free_ports(1)
        self.where = f"127.0.0.1:{port}"
        self.server = c104.Server(ip="127.0.0.1", port=port, tick_rate_ms=50, transport_security=tls)
        self.station = self.server.add_station(common_address=self.COMMON_ADDRESS)
        self.clocks, self.commands, self.points = [], [], {}
        kinds = {"analog": (c104.Type.M_ME_NC_1, 10.0), "double": (c104.Type.M_DP_TB_1, ON), "counter": (c104.Type.M_IT_TB_1, 4711)}
        for row in csv.DictReader(product.tieline("points", product.NETWORK).stdout.splitlines()):
            if row["substation"] == "S2":
                kind, value = kinds[row["kind"]]
                point = self.station.add_point(io_address=int(row["address"].split("@")[1]), type=kind)
                point.value = 137.9 if row["unit"] == "kV" else value
                self.points[row["name"]] = point
                if row["name"] == "S2/L1-2/CB":
                    operated = int(row["control_address"].split("@")[1])
        breaker = self.station.add_point(
            io_address=operated, type=c104.Type.C_DC_NA_1, command_mode=c104.CommandMode.SELECT_AND_EXECUTE
        )
        breaker.on_receive(callable=self._command)
        self.server.on_clock_sync(callable=self._clock)
        self.server.start()

    def _clock(self, server: c104.Server, ip: str, date_time: datetime.datetime) -> c104.ResponseState:
        self.clocks.append(date_time)
        return c104.ResponseState.SUCCESS

    def _command(
        self, point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
    ) -> c104.ResponseState:
        self.commands.append(point.value)
        return c104.ResponseState.SUCCESS

    def report(self, name, value):
        self.points[name].value = value
        assert self.points[name].transmit(cause=c104.Cot.SPONTANEOUS)


def check_foreign_station(rtu, plant):
    """Everything that a centre does with a station: clock, interrogations, values, a command in two steps."""
    plant.start_twin().start_centre()
    link = lambda: next(s for s in plant.api.status()["sessions"] if s["name"] == "S2")
    assert wait_until(lambda: link()["state"] == "up", 20.0), link()
    assert rtu.clocks, "clock synchronisation"
    values = {point["name"]: point for point in plant.api.points(substation="S2")}
    assert abs(values["S2/V"]["value"] - 137.9) < 1e-4 and values["S2/V"]["quality"]["validity"] == "good"
    assert values["S2/L1-2/CB"]["text"] == "closed"
    # Counters come by counter interrogation only: after the start, and every ten seconds here.
    counter = lambda: plant.api.point("S2/Load/E")
    assert wait_until(lambda: counter()["value"] == 4711), counter()
    assert counter()["quality"]["validity"] == "good" and not counter()["stale"]
    rtu.points["S2/Load/E"].value = 4799
    assert wait_until(lambda: counter()["value"] == 4799, 15.0), counter()
    rtu.report("S2/V", 138.5)
    assert wait_until(lambda: abs(plant.api.point("S2/V")["value"] - 138.5) < 1e-4)
    # Select and execute reach the device; the symbol stays until the device reports the movement.
    made = plant.api.command(plant.api.point("S2/L1-2/CB")["id"], 0, "interop")
    assert made["state"] == "selected", made
    plant.api.post(f"commands/{made['id']}/execute")
    assert wait_until(lambda: rtu.commands == [OFF]), rtu.commands
    state = lambda: plant.api.get(f"commands/{made['id']}")["state"]
    assert wait_until(lambda: state() == "awaiting_return"), state()
    assert plant.api.point("S2/L1-2/CB")["text"] == "closed"
    rtu.report("S2/L1-2/CB", OFF)
    assert wait_until(lambda: state() == "confirmed"), state()
    assert plant.api.point("S2/L1-2/CB")["text"] == "open"
    assert link()["state"] == "up" and link()["faults"] == 0, link()


def run_with(rtu, folder, tls=None):
    plant = product.Plant(folder, stations={"S2": rtu.where}, tls=tls)
    try:
        check_foreign_station(rtu, plant)
    finally:
        plant.stop()
        rtu.server.stop()


def test_the_centre_runs_a_foreign_station(tmp_path, binary):
    run_with(Rtu(), tmp_path)


@pytest.mark.parametrize("version", ["TLS_1_2", "TLS_1_3"])
def test_the_centre_runs_a_foreign_station_over_tls(tmp_path, binary, certificates, version):
    tls = (f'{{ ca = "{certificates / "ca.pem"}", certificate = "{certificates / "centre.pem"}", '
           f'key = "{certificates / "centre.key"}", server_name = "station" }}')
    rtu = Rtu(product.c104_station_security(certificates, version))
    # What passes on the wire begins as a TLS record; a plain centre gets nothing from this station.
    with socket.create_connection(("127.0.0.1", int(rtu.where.split(":")[1])), timeout=5) as plain:
        plain.sendall(bytes([0x68, 4, 0x07, 0, 0, 0]))
        plain.settimeout(2)
        try:
            assert bytes([0x68, 4, 0x0B, 0, 0, 0]) not in plain.recv(64)
        except OSError:
            pass
    run_with(rtu, tmp_path, {"S2": tls})


@pytest.fixture
def client(plant):
    """A c104 client at station S4 (common address 4) of a twin."""
    plant.start_twin()
    client = c104.Client(tick_rate_ms=50, command_timeout_ms=5000)
    connection = client.add_connection(ip="127.0.0.1", port=plant.port + 3, init=c104.Init.NONE)
    station = connection.add_station(common_address=4)
    yield SimpleNamespace(link=connection, add=station.add_point, start=client.start)
    client.stop()


def begin(client):
    client.start()
    assert wait_until(lambda: client.link.is_connected)
    # The peer now and then loses its own note of a fast confirmation; see test_iec104_c104.py.
    if not wait_until(lambda: client.link.state == c104.ConnectionState.OPEN, 1.0):
        client.link.unmute()
    assert wait_until(lambda: client.link.state == c104.ConnectionState.OPEN)


def test_a_foreign_client_reads_and_operates_a_station_of_the_twin(client, plant):
    truth = lambda: next(s for s in plant.twin.truth()["substations"] if s["name"] == "S4")
    voltage = client.add(io_address=1001, type=c104.Type.M_ME_TF_1)
    tap = client.add(io_address=301, type=c104.Type.M_ST_TB_1)
    raise_tap = client.add(io_address=5301, type=c104.Type.C_RC_NA_1, command_mode=c104.CommandMode.DIRECT)
    seen = []

    def on_raw(connection: c104.Connection, data: bytes) -> None:
        seen.append(bytes(data))

    client.link.on_receive_raw(callable=on_raw)
    begin(client)
    assert client.link.interrogation(common_address=4)
    # Activation confirmation, at least one answer, activation termination of C_IC_NA_1 (type 100).
    kinds = lambda: {(frame[6], frame[8] & 0x3F) for frame in seen if len(frame) > 12 and frame[2] & 1 == 0}
    assert wait_until(lambda: {(100, 7), (100, 10), (13, 20), (3, 20)} <= kinds()), kinds()
    assert client.link.counter_interrogation(common_address=4)
    assert wait_until(lambda: any(cause == 37 for _, cause in kinds())), kinds()
    assert client.link.clock_sync(common_address=4)
    # Spontaneous values with time tag: within six deviations of the truth.
    assert wait_until(lambda: voltage.value and abs(voltage.value / truth()["vm_kv"] - 1.0) < 0.06, 20.0), voltage.value
    before = lambda: next(tap for tap in plant.twin.truth()["taps"] if tap["name"].startswith("S4/T4-7"))["step"]
    step = before()
    raise_tap.value = c104.Step.HIGHER
    assert raise_tap.transmit(cause=c104.Cot.ACTIVATION)
    assert wait_until(lambda: before() == step + 1)
    assert wait_until(lambda: tap.value is not None and int(tap.value) == step + 1), tap.value


def test_a_foreign_client_opens_a_breaker_in_two_steps(client, plant):
    position = client.add(io_address=102, type=c104.Type.M_DP_TB_1)
    command = client.add(
        io_address=5102, type=c104.Type.C_DC_NA_1, command_mode=c104.CommandMode.SELECT_AND_EXECUTE
    )
    begin(client)
    command.value = OFF
    assert command.transmit(cause=c104.Cot.ACTIVATION)
    assert wait_until(lambda: position.value == OFF), position.value
