"""Attack scenarios against the running product, each with what is expected of it: detected (A), blocked (B), held off (D).

The identities are those of the catalogue of scenarios; techniques after MITRE ATT&CK for ICS.
"""

import contextlib
import csv
import datetime
import io
import os
import pathlib
import resource
import socket
import threading
import time

import pytest

import product
from product import Api, tieline, wait_until

COLUMNS = ("name mrid equipment substation kind unit link address control_address control_mode low_low low high high_high"
           " hysteresis normal stale_after_s deadband").split()
SLOW = 600  # connections, more than there are slots


def people(plant, **roles):
    """Bearer tokens of users; made while the centre is down, after its first start has made the store."""
    plant.start_centre()
    assert plant.centre.stop() == 0
    tokens = {}
    for name, role in roles.items():
        tieline("user", "add", name, "--role", role, "--data", plant.data)
        tokens[name] = tieline("token", "create", name, "--data", plant.data).stdout.strip()
    return tokens


def audit(plant):
    tieline("audit", "verify", "--data", plant.data)
    lines = tieline("audit", "list", "--limit", 100_000, "--data", plant.data).stdout.splitlines()
    return [line.split("\t") for line in lines]


@pytest.fixture
def control_room(binary, tmp_path):
    """A plant in which more than eight things set aside need two people, and the people."""
    plant = product.Plant(tmp_path, extra="[alarms]\ntwo_person_above = 8\nmass_change = 5\nlimit_on_delay_s = 0.0\n")
    tokens = people(plant, mallory="OPERATOR", otto="OPERATOR", vera="VIEWER", emil="ENGINEER")
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    yield plant, {name: Api(plant.api.base, bearer=token) for name, token in tokens.items()}
    plant.stop()


def out_of_service(who, ids):
    return who.ask("POST", "/api/v1/alarms/out-of-service", {"ids": ids, "reason": "works", "hours": 2})


def hold(who, point, **mode):
    return who.ask("PUT", f"/api/v1/points/{point['id']}/mode", {"reason": "works", **mode})


def test_a16_alarms_cannot_be_silenced_en_masse_by_one_person(control_room):
    """A-16, T0838 T0878: alarms out of service and points held before the strike. B above eight, A on the mass."""
    plant, people = control_room
    mallory, otto, emil = people["mallory"], people["otto"], people["emil"]
    conditions = [f"limit:S{n}/V" for n in range(1, 15)]
    # Five by one person go through, the sixth is a mass, which is an alarm that nobody can hide.
    assert out_of_service(emil, conditions[:5]).status == 200
    mass = "system:alarm inhibition"
    assert mass not in plant.api.alarms()
    points = {name: plant.api.point(name) for name in ("S4/V", "S5/V", "S9/V", "S10/V", "S11/V")}
    assert hold(mallory, points["S4/V"], value=140.0).status == 200
    assert plant.api.alarms()[mass]["active"] and "mallory" in plant.api.alarms()[mass]["text"]
    hidden = plant.api.ask("POST", "/api/v1/alarms/out-of-service", {"ids": [mass], "reason": "quiet", "hours": 1}).json
    assert hidden["changed"] == 0 and "cannot be hidden" in hidden["refused"][0]["reason"]
    # Two more; the ninth waits for a second person, whatever it is: conditions, held, entered or test values.
    assert hold(mallory, points["S5/V"], inhibited=True).status == 200
    assert hold(mallory, points["S9/V"], test=True).status == 200
    before = plant.api.status()["alarms"]
    answers = [
        hold(mallory, points["S10/V"], inhibited=True), hold(mallory, points["S10/V"], value=1.0),
        hold(mallory, points["S10/V"], test=True), out_of_service(emil, conditions[5:]),
    ]
    assert [answer.status for answer in answers] == [202] * 4, answers
    asked = [answer.json for answer in answers]
    assert asked[3]["count"] == 9 and asked[3]["by"] == "emil" and "and 4 more" in asked[3]["targets"], asked[3]
    after = plant.api.status()["alarms"]
    assert after["out_of_service"] == before["out_of_service"] == 5, "something was set aside without a second person"
    assert plant.api.point("S10/V")["quality"]["validity"] == "good" and after["approvals"] == 4
    # Giving back is never held up.
    assert hold(mallory, points["S4/V"]).status == 200
    # Whoever asked cannot approve, a viewer cannot, and the right must be the one that the act needs.
    decide = lambda who, request, how: who.ask("POST", f"/api/v1/approvals/{request['id']}/{how}")
    assert decide(mallory, asked[0], "approve").status == 403
    assert decide(people["vera"], asked[0], "approve").status == 403
    assert decide(otto, asked[3], "approve").status == 403, "an operator approves for an engineer"
    assert len(plant.api.get("approvals")["approvals"]) == 4
    # Another operator approves one and refuses one; the one who asked withdraws one. Nothing is decided twice.
    assert decide(otto, asked[0], "approve").status == 200
    assert plant.api.point("S10/V")["mode"]["inhibited"]
    assert decide(otto, asked[1], "refuse").status == 200 and decide(mallory, asked[2], "refuse").status == 200
    for request in asked[:3]:
        assert decide(otto, request, "approve").status == 404
    # An engineer of the first user's roles approves the mass.
    assert decide(plant.api, asked[3], "approve").status == 200
    assert plant.api.status()["alarms"]["out_of_service"] == 14 and not plant.api.get("approvals")["approvals"]
    told = [event for event in plant.api.events() if event["source"] == "approval"]
    became = ["waits"] * 4 + ["approved", "refused", "refused", "approved"]
    assert all(word in event["text"] for word, event in zip(became, told, strict=True)), told
    assert plant.centre.stop() == 0
    records = audit(plant)
    found = {(record[2], record[4], record[6]) for record in records}
    assert {("mallory", "ask to set point mode", "allowed"), ("otto", "approve to set point mode", "allowed"),
            ("otto", "refuse to set point mode", "refused"), ("emil", "ask to alarm out of service", "allowed")} <= found
    assert any(record[2] == "mallory" and "approved by otto" in record[7] for record in records), records[-6:]


def test_a16_limits_cannot_be_moved_away_en_masse_by_one_person(control_room):
    """A-16, T0838: limits changed before the strike. B above eight points, A on the mass."""
    plant, people = control_room
    emil = people["emil"]
    text = emil.ask("GET", "/api/v1/point-list").body.decode()

    def apply(count, already=0):
        """Moves the upper limit of so many voltages out of reach, of which some are already."""
        rows = list(csv.DictReader(io.StringIO(text)))
        changed = [row for row in rows if row["name"].endswith("/V") and row["high"]][:count]
        assert len(changed) == count
        for row in changed:
            row["high"], row["high_high"] = "9999", ""
        out = io.StringIO()
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
        seen = emil.post("point-list/compare", {"csv": out.getvalue()})
        assert seen["changed_count"] == count - already, seen
        body = {"csv": out.getvalue(), "revision": seen["revision"], "reason": "works"}
        return emil.ask("POST", "/api/v1/point-list/apply", body)

    refused = apply(9)
    assert refused.status == 409 and refused.json["error"]["code"] == "second_person", refused.body
    assert plant.api.point("S1/V")["limits"]["high"] < 9_000
    assert apply(6).status == 200
    assert plant.api.alarms()["system:alarm inhibition"]["active"], "six limits moved and nobody is told"
    # One after the other is no way around it.
    assert apply(9, already=6).status == 409


def test_a16_requests_do_not_outlive_the_process(control_room):
    plant, people = control_room
    conditions = [f"limit:S{n}/V" for n in range(1, 15)]
    asked = out_of_service(people["emil"], conditions)
    assert asked.status == 202
    plant.centre.kill()
    plant.start_centre()
    assert plant.api.get("approvals")["approvals"] == []
    assert plant.api.ask("POST", f"/api/v1/approvals/{asked.json['id']}/approve").status == 404
    assert plant.api.status()["alarms"]["out_of_service"] == 0


# Volt-var on S9 as in the demonstration, quick enough that it would act within the test.
VOLT_VAR = """
[[application.volt_var.regulator]]
substation = "S9"
tap = "S4/T4-9/Tap"
low_pu = {low}
high_pu = {high}
higher_step = "lowers"
min_step = -16
max_step = 16
delay_s = 2.0
settle_s = 2.0
"""


def test_a08_the_loss_of_many_sites_is_one_incident(binary, tmp_path):
    """A-08, T0815 T0827 T0829: sites lose communication within minutes. D one incident, quality shown, A, nothing commanded."""
    # A band that the voltage is never in: whenever the application sees the field, it acts.
    plant = product.Plant(tmp_path, extra=VOLT_VAR.format(low=1.10, high=1.12))
    try:
        plant.start_twin().start_centre()
        assert plant.all_good() is not None
        made = lambda: [command for command in plant.api.get("commands")["commands"] if command["actor"] == "volt-var"]
        assert wait_until(made, 20), "the application does nothing while it sees the field: the test would show nothing"
        lost = product.STATIONS[3:]
        incident = "link:several links"
        for name in lost:
            plant.twin.inject("rtu_silent", name)
            time.sleep(0.1)
        limit = plant.TIMERS["t1_s"] + plant.TIMERS["t2_s"] + 6
        alarm = lambda: plant.api.alarms().get(incident)
        assert wait_until(lambda: (found := alarm()) and f"{len(lost)} of 14 links" in found["text"], limit), alarm()
        found = alarm()
        assert found["active"] and found["priority"] == "critical" and "first S" in found["text"], found
        alarms = plant.api.alarms()
        single = [alarms[f"link:{name}"] for name in lost]
        assert all(one["active"] and one["place"] == "suppressed" for one in single), "single links call beside the incident"
        assert all(one["suppressed_by"] == incident for one in single)
        calling = [one["id"] for one in alarms.values() if one["kind"] == "link" and one["place"] == "shown"]
        assert calling == [incident]
        # Hidden, but not uncounted.
        assert plant.api.status()["alarms"]["suppressed"] >= len(lost)
        away = [point for point in plant.api.points() if point["substation"] in lost]
        fresh = [point for point in away if not point["stale"]]
        assert len(away) > 100 and not fresh, f"{len(fresh)} points of lost sites look fresh, e.g. {fresh[:1]}"
        # What is closed now stays all there is: the application holds, and says why.
        wait_until(lambda: all(command["state"] in ("confirmed", "unknown", "failed", "timed_out") for command in made()), 30)
        before = [command["id"] for command in made()]
        time.sleep(8)
        assert [command["id"] for command in made()] == before, "commanded on what nobody sees"
        assert any(event["source"] == "volt-var" and "holds:" in event["text"] for event in plant.api.events())
        # Most are back: the incident ends, and the application sees the field and acts again.
        plant.twin.clear()
        assert wait_until(lambda: not alarm() or not alarm()["active"], 60), alarm()
        assert plant.all_good(60) is not None
        assert wait_until(lambda: len(made()) > len(before), 30)
    finally:
        plant.stop()


def test_a08_two_lost_sites_are_two_alarms(plant):
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    for name in ("S4", "S5"):
        plant.twin.inject("rtu_silent", name)
    shown = lambda: {one["id"] for one in plant.api.alarms().values() if one["kind"] == "link" and one["place"] == "shown"}
    assert wait_until(lambda: shown() == {"link:S4", "link:S5"}, 20), shown()


@pytest.fixture
def many_descriptors():
    """Room for more sockets than the product has slots."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(address, text=b""):
    host, port = address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=5)
    if text:
        connection.sendall(text)
    return connection


def is_open(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_a18_slow_connections_do_not_keep_others_out_of_the_page(plant, many_descriptors):
    """A-18, T0814: connections that begin a request and never end it. D others are served, slots are bounded, A."""
    plant.start_centre()
    before = plant.centre.rss_mb()
    live = product.Live(plant.api)
    attack = [b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"",
              b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"]
    held = []
    try:
        waits = []
        for number in range(SLOW):
            held.append(connect(plant.api.host, attack[number % 3]))
            if number % 50 == 0:
                began = time.monotonic()
                assert plant.api.ask("GET", "/api/v1/status").status == 200
                waits.append(time.monotonic() - began)
        alarm = lambda: plant.api.alarms().get("system:http")
        assert wait_until(lambda: (found := alarm()) and found["active"], 5), "no alarm within 5 s"
        descriptors = len(list(pathlib.Path(f"/proc/{plant.centre.pid}/fd").iterdir()))
        assert descriptors < 600, f"{descriptors} descriptors: the slots are not bounded"
        # Heads that stand still are ended by their deadline, without anybody else pressing.
        heads = [connection for number, connection in enumerate(held) if number % 3 < 2]
        assert wait_until(lambda: not any(map(is_open, heads)), 25, 0.5), sum(map(is_open, heads))
        frames = len(live.frames)
        assert wait_until(lambda: len(live.frames) > frames, 5), "the live socket was given up for strangers"
        print(f"\nanswers during the attack within {max(waits):.3f} s; {plant.centre.rss_mb() - before:.1f} MB more")
    finally:
        for connection in held:
            connection.close()
        live.close()


def test_a18_idle_and_slow_connections_do_not_keep_the_centre_out_of_a_station(plant, many_descriptors):
    """A-18 against a controlled station of IEC 60870-5-104: strangers hold connections open. D the centre stays."""
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    station = f"127.0.0.1:{plant.port}"
    held = []
    try:
        for number in range(200):
            with contextlib.suppress(OSError):
                held.append(connect(station, [b"", b"\x68", b"\x68\x04\x07"][number % 3]))
        time.sleep(1)
        began = datetime.datetime.now(datetime.UTC).isoformat()
        session = lambda: next(one for one in plant.api.status()["sessions"] if one["name"] == "S1")
        assert session()["state"] == "up" and session()["since"] < began, "the link was lost"
        count = session()["rx_bytes"]
        assert wait_until(lambda: session()["rx_bytes"] > count, 10), "nothing comes any more"
        # A connection that does not start is ended by the station's own timers.
        assert wait_until(lambda: not any(map(is_open, held)), 40, 0.5), sum(map(is_open, held))
        assert session()["state"] == "up" and session()["since"] < began
        # And a link that is lost finds a way in.
        assert plant.all_good() is not None
    finally:
        for connection in held:
            connection.close()


class Flooder:
    """A controlled station that answers STARTDT and then sends one frame after the other, whatever it is told."""

    FRAMES, SECONDS = 5_000, 10.0
    STARTDT_CON = bytes([0x68, 4, 0x0B, 0, 0, 0])

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.where = "127.0.0.1:%d" % self.server.getsockname()[1]
        self.sent, self.done = 0, threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _frame(self, number):
        """I format with one single-point information, spontaneous; IEC 60870-5-104 5.1, 60870-5-101 7.3.1.1."""
        asdu = bytes([1, 1, 3, 0, 1, 0]) + (1_000 + number % 50).to_bytes(3, "little") + bytes([number // 50 % 2])
        send = (number % 32_768) << 1
        return bytes([0x68, 4 + len(asdu)]) + send.to_bytes(2, "little") + bytes(2) + asdu

    def _serve(self):
        with contextlib.suppress(OSError):
            connection, _ = self.server.accept()
            connection.recv(6)
            connection.sendall(self.STARTDT_CON)
            began = time.monotonic()
            for number in range(self.FRAMES):
                connection.sendall(self._frame(number))
                self.sent += 1
                pause = began + number * self.SECONDS / self.FRAMES - time.monotonic()
                if pause > 0:
                    time.sleep(pause)
            self.done.set()
            # Acknowledgements that nobody reads would end the connection with its last frames undelivered.
            while connection.recv(65_536):
                pass


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a12_a_flood_of_frames_costs_a_bounded_share_of_the_processor(binary, tmp_path):
    """A-12 on the protocol that there is, T0814: 5,000 frames in 10 s. D bounded CPU; every frame is taken, none is a command."""
    flooder = Flooder()
    with (tmp_path / "points.csv").open("w") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for at in range(50):
            writer.writerow({"name": f"I{at}", "mrid": f"_I{at}", "substation": "F", "kind": "single", "link": "A",
                             "address": f"M_SP_NA_1@{1_000 + at}"})
    (tmp_path / "centre.toml").write_text(
        f'points = "points.csv"\n[network]\nfile = "{product.NETWORK}"\n[data]\ndirectory = "data"\n'
        f'[http]\nlisten = "127.0.0.1:0"\n[identity]\nenrolment = "none"\n[[link]]\nname = "A"\n'
        f'protocol.iec104 = {{ endpoints = ["{flooder.where}"], common_address = 1 }}\n')
    centre = product.Process("run", tmp_path / "centre.toml")
    try:
        base, token = centre.line("http://").split("/#token=")
        product.until_ready(base, centre.began)
        api = Api(base, token)
        begin, answers = cpu_s(centre.pid), []
        while not flooder.done.wait(0.5):
            began = time.monotonic()
            assert api.ask("GET", "/api/v1/status").status == 200
            answers.append(time.monotonic() - began)
            assert centre.alive() and len(answers) < 100, flooder.sent
        used = cpu_s(centre.pid) - begin
        taken = lambda: api.status()["counters"]
        assert wait_until(lambda: taken()["received"] >= flooder.FRAMES, 10), taken()
        assert taken()["shed"] == 0 and api.status()["sessions"][0]["faults"] == 0
        print(f"\n{used:.2f} s of processor for {flooder.FRAMES} frames in {flooder.SECONDS} s; answers within {max(answers):.3f} s")
        assert used < flooder.SECONDS / 2, "a flood takes more than half a processor"
    finally:
        centre.kill()
        flooder.server.close()
