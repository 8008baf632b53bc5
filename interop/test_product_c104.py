"""The whole product against c104 (lib60870-C): its client at a station of `tieline twin`, its server under `tieline run`.

What the sessions themselves do against this peer is in `test_iec104_c104.py`; here the twin's physics and the centre's
gate, table and page stand behind them.
"""

import datetime
from types import SimpleNamespace

import c104
import product
import pytest
from product import free_ports, wait_until

OFF, ON = c104.Double.OFF, c104.Double.ON


@pytest.fixture
def rtu():
    """Station S1 of the IEEE 14-bus grid as a c104 server: measured values, positions, one breaker to operate."""
    port = free_ports(1)
    server = c104.Server(ip="127.0.0.1", port=port, tick_rate_ms=50)
    station = server.add_station(common_address=1)
    side = SimpleNamespace(where=f"127.0.0.1:{port}", clocks=[], commands=[])
    side.measured = {1001 + n: station.add_point(io_address=1001 + n, type=c104.Type.M_ME_NC_1) for n in range(7)}
    for address, value in zip(side.measured, [139.9, 150.0, -20.0, 75.0, 3.0, 225.0, -17.0]):
        side.measured[address].value = value
    side.positions = {101 + n: station.add_point(io_address=101 + n, type=c104.Type.M_DP_TB_1) for n in range(6)}
    for point in side.positions.values():
        point.value = ON

    def on_clock(server: c104.Server, ip: str, date_time: datetime.datetime) -> c104.ResponseState:
        side.clocks.append(date_time)
        return c104.ResponseState.SUCCESS

    def on_command(
        point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
    ) -> c104.ResponseState:
        side.commands.append(point.value)
        return c104.ResponseState.SUCCESS

    server.on_clock_sync(callable=on_clock)
    breaker = station.add_point(io_address=5104, type=c104.Type.C_DC_NA_1, command_mode=c104.CommandMode.SELECT_AND_EXECUTE)
    breaker.on_receive(callable=on_command)
    server.start()
    yield side
    server.stop()


def test_the_centre_runs_a_foreign_station(rtu, tmp_path, binary):
    plant = product.Plant(tmp_path, stations={"S1": rtu.where})
    try:
        plant.start_twin().start_centre()
        link = lambda: next(s for s in plant.api.status()["sessions"] if s["name"] == "S1")["state"]
        assert wait_until(lambda: link() == "up", 20.0), link()
        assert rtu.clocks, "clock synchronisation"
        values = {point["name"]: point for point in plant.api.points(substation="S1")}
        assert abs(values["S1/V"]["value"] - 139.9) < 1e-4 and values["S1/V"]["quality"]["validity"] == "good"
        assert values["S1/L1-2/CB"]["text"] == "closed"
        rtu.measured[1001].value = 138.5
        assert rtu.measured[1001].transmit(cause=c104.Cot.SPONTANEOUS)
        assert wait_until(lambda: abs(plant.api.point("S1/V")["value"] - 138.5) < 1e-4)
        # Select and execute reach the device; the symbol stays until the device reports the movement.
        made = plant.api.command(plant.api.point("S1/L1-2/CB")["id"], 0, "interop")
        assert made["state"] == "selected", made
        plant.api.post(f"commands/{made['id']}/execute")
        assert wait_until(lambda: rtu.commands == [OFF]), rtu.commands
        state = lambda: plant.api.get(f"commands/{made['id']}")["state"]
        assert wait_until(lambda: state() == "awaiting_return"), state()
        assert plant.api.point("S1/L1-2/CB")["text"] == "closed"
        rtu.positions[104].value = OFF
        assert rtu.positions[104].transmit(cause=c104.Cot.SPONTANEOUS)
        assert wait_until(lambda: state() == "confirmed"), state()
        assert plant.api.point("S1/L1-2/CB")["text"] == "open"
    finally:
        plant.stop()


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
    # Spontaneous values with time tag: within the class of the instrument of the truth.
    assert wait_until(lambda: voltage.value and abs(voltage.value / truth()["vm_kv"] - 1.0) < 0.011, 20.0), voltage.value
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
