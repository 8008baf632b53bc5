"""The product against those who may not: without session, with the wrong role, area, origin or bytes."""

import json
import os
import random
import socket
import struct
import threading
import time

import pytest

import product
from product import Api, Http, Live, Plant, wait_until

OPEN_TO_ALL = {("post", "/api/v1/session"), ("post", "/api/v1/session/break-glass"), ("get", "/api/v1/openapi.json"),
               ("post", "/api/v1/session/passkey"), ("post", "/api/v1/session/passkey/finish"), ("get", "/healthz"),
               # Enrolment comes with a token of its own.
               ("post", "/api/v1/certificates/enrol"),
               ("get", "/api/v1/session/oidc"), ("post", "/api/v1/session/oidc"),
               ("get", "/api/v1/session/oidc/callback")}
FOREIGN = "http://evil.example"
MAX_FAILURES = 5
# Hostile peers: this much in all, and this much may the victim's memory grow.
HOSTILE_BYTES, HOSTILE_PACKETS, GROWTH_MB = 20_000_000, 200_000, 20.0
STARTDT_ACT, STARTDT_CON, TESTFR_CON = (bytes([0x68, 4, control, 0, 0, 0]) for control in (0x07, 0x0B, 0x83))


class Site:
    """A field and a centre with users of several roles, each with a token."""

    def __init__(self, folder):
        self.plant = Plant(folder)
        # The first start makes the data directory and the first user.
        self.plant.start_centre()
        assert self.plant.centre.stop() == 0
        self.tokens = {}
        for name, role, area in (("vera", "VIEWER", "*"), ("otto", "OPERATOR", "*"), ("north", "OPERATOR", "S1"),
                                 ("sara", "SECAUD", "*")):
            product.tieline("user", "add", name, "--role", role, "--area", area, "--data", self.plant.data)
            self.tokens[name] = self.token(name)
        self.once = [self.token("otto", "--one-time") for _ in range(2)]
        self.plant.start_twin().start_centre()
        self.first = self.plant.api
        assert self.plant.all_good() is not None

    def token(self, name, *options):
        return product.tieline("token", "create", name, *options, "--data", self.plant.data).stdout.strip()

    def user(self, name):
        return Api(self.first.base, bearer=self.tokens[name])


@pytest.fixture(scope="module")
def site(binary, tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("security"))
    yield made
    made.plant.stop()


def paths(document):
    """Every documented method and path, with numbers for its parameters."""
    for path, methods in document["paths"].items():
        for method in methods:
            filled = path
            for name in ("{id}", "{tag}", "{name}"):
                filled = filled.replace(name, "1")
            yield method, path, filled


def document():
    return json.loads(product.tieline("openapi").stdout)


def body_for(method):
    return {} if method == "post" else None


def test_every_documented_path_needs_a_session(site):
    nobody = Http(site.first.base)
    served = site.first.get("openapi.json")
    assert served["openapi"].startswith("3.1") and served["paths"].keys() == document()["paths"].keys()
    checked = 0
    for method, path, filled in paths(served):
        guesses = ({"Cookie": "tieline_session=tl_" + "0" * 64, "Origin": nobody.base},
                   {"Authorization": "Bearer tl_" + "1" * 64})
        for headers in ({}, *guesses):
            answer = nobody.request(method.upper(), filled, body_for(method), headers)
            if (method, path) in OPEN_TO_ALL:
                continue
            assert answer.status == 401, (method, path, answer.status, answer.body)
            assert answer.json["error"]["code"] == "unauthenticated" and answer.json["error"]["hint"]
            checked += 1
    print(f"\n{checked} refusals")
    assert checked >= 3 * 20


def test_undocumented_methods_and_paths_do_nothing(site):
    nobody = Http(site.first.base)
    for method in ("PUT", "PATCH", "DELETE"):
        for path in ("/api/v1/status", "/api/v1/points", "/api/v1/users", "/api/v1/../../etc/passwd"):
            assert nobody.request(method, path).status in (400, 401, 404, 405), (method, path)
    assert nobody.request("GET", "/api/v1/nothing").status == 404
    assert nobody.request("POST", "/api/v1/session", {"token": "x" * 100_000}).status == 413


def test_a_one_time_token_works_once_and_sets_a_guarded_cookie(site):
    nobody = Http(site.first.base)
    token = site.once[0]
    first = nobody.request("POST", "/api/v1/session", {"token": token})
    cookie = first.headers["Set-Cookie"]
    assert first.status == 200 and first.json["user"] == "otto"
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    assert nobody.request("POST", "/api/v1/session", {"token": token}).status == 401
    # Not as a bearer either, and the secret of the session is not the token.
    assert nobody.request("GET", "/api/v1/status", headers={"Authorization": f"Bearer {token}"}).status == 401
    assert token not in cookie
    # The end of a session is its end.
    kept = {"Cookie": cookie.split(";")[0], "Origin": site.first.base}
    assert nobody.request("GET", "/api/v1/status", headers=kept).status == 200
    assert nobody.request("DELETE", "/api/v1/session", headers=kept).status == 204
    assert nobody.request("GET", "/api/v1/status", headers=kept).status == 401


def test_another_origin_is_refused(site):
    cookie = {"Cookie": site.first.credentials["Cookie"]}
    for origin in ({"Origin": FOREIGN}, {"Origin": "null"}, {}, {"Origin": site.first.base + ".evil.example"}):
        answer = site.first.request("POST", "/api/v1/alarms/acknowledge", {"ids": []}, cookie | origin)
        assert answer.status == 403 and answer.json["error"]["code"] == "origin", (origin, answer.status)
        connection, head = Live.connect(site.first, cookie | origin)
        connection.close()
        assert head.startswith(b"HTTP/1.1 403"), (origin, head)
    connection, head = Live.connect(site.first, {})
    connection.close()
    assert head.startswith(b"HTTP/1.1 401"), head
    own = Live(site.first)
    assert wait_until(lambda: own.frames, 5)
    own.close()


def test_the_page_may_load_nothing_from_elsewhere(site):
    answer = Http(site.first.base).request("GET", "/")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert answer.status == 200
    for directive, value in (("default-src", "'self'"), ("object-src", "'none'"), ("base-uri", "'none'"),
                             ("frame-ancestors", "'none'")):
        assert policy[directive] == value, policy
    assert "unsafe" not in answer.headers["Content-Security-Policy"] and "http" not in policy["connect-src"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def refusals(site, actor):
    """Refused audit records of a user, read once the centre has stopped."""
    lines = product.tieline("audit", "list", "--limit", 10_000, "--data", site.plant.data).stdout.splitlines()
    return [line for line in lines if line.split("\t")[2] == actor and line.split("\t")[6] == "refused"]


def test_a_viewer_looks_and_touches_nothing(site):
    vera = site.user("vera")
    for path in ("status", "points", "alarms", "events", "commands", "network", "estimate", "proposals"):
        assert vera.ask("GET", f"/api/v1/{path}").status == 200, path
    breaker = site.first.point("S2/Load/CB")["id"]
    order = {"point": breaker, "value": 0, "reason": "viewer tries"}
    refused = vera.ask("POST", "/api/v1/commands", order)
    assert refused.status == 403 and refused.json["state"] == "refused", refused.body
    for method, path, body in (
        ("POST", f"points/{breaker}/tags", {"kind": "hold", "text": "viewer"}),
        ("POST", "alarms/acknowledge", {"ids": ["link:S1"]}),
        ("POST", "alarms/link:S1/acknowledge", {}),
    ):
        assert vera.ask(method, f"/api/v1/{path}", body).status == 403, path
    # Nor may one who reads the audit.
    assert site.user("sara").ask("POST", "/api/v1/commands", order).status == 403
    selected = site.first.command(breaker, 0, "for the viewer to take")
    for step in ("execute", "cancel"):
        assert vera.ask("POST", f"/api/v1/commands/{selected['id']}/{step}").status == 403, step
    site.first.post(f"commands/{selected['id']}/cancel")
    assert site.first.point("S2/Load/CB")["text"] == "closed"


def test_an_area_ends_at_its_border(site):
    north = site.user("north")
    assert {point["substation"] for point in north.points()} == {"S1"}
    foreign = site.first.point("S2/Load/CB")["id"]
    for path in (f"points/{foreign}", f"points/{foreign}/history"):
        assert north.ask("GET", f"/api/v1/{path}").status in (403, 404), path
    order = {"point": foreign, "value": 0, "reason": "beyond the border"}
    assert north.ask("POST", "/api/v1/commands", order).status == 403
    assert north.ask("POST", f"/api/v1/points/{foreign}/tags", {"kind": "hold", "text": "x"}).status == 403
    mine = {point["id"] for point in north.points()}
    live = Live(north)
    assert wait_until(lambda: len(live.frames) > 10, 10)
    live.close()
    assert {point[0] for _, frame in live.frames for point in frame["points"]} <= mine
    own = site.first.command(foreign, 0, "seen by its area only")
    assert north.ask("GET", f"/api/v1/commands/{own['id']}").status in (403, 404)
    assert own["id"] not in {command["id"] for command in north.get("commands")["commands"]}
    assert north.ask("POST", f"/api/v1/commands/{own['id']}/cancel").status in (403, 404)
    site.first.post(f"commands/{own['id']}/cancel")


def test_a_hold_tag_stops_select_and_execute(site):
    point = site.first.point("S3/Load/CB")["id"]
    selected = site.first.command(point, 0, "before the tag")
    tag = site.user("otto").post(f"points/{point}/tags", {"kind": "hold", "text": "people at work"})
    answer = site.first.ask("POST", f"/api/v1/commands/{selected['id']}/execute")
    assert answer.status == 409 and answer.json["error"]["code"] == "tag_hold", answer.body
    assert "people at work" in answer.json["error"]["message"]
    site.first.post(f"commands/{selected['id']}/cancel")
    refused = site.first.ask("POST", "/api/v1/commands", {"point": point, "value": 0, "reason": "under the tag"})
    assert refused.status == 409 and refused.json["state"] == "refused" and "people at work" in refused.json["refusal"]
    assert site.first.point("S3/Load/CB")["text"] == "closed"
    site.first.delete(f"points/{point}/tags/{tag['id']}")
    assert site.first.operate("S3/Load/CB", 0, "tag removed")["state"] == "confirmed"
    assert site.first.operate("S3/Load/CB", 1, "put back")["state"] == "confirmed"


def test_a_select_belongs_to_its_session(site):
    otto, again = site.user("otto"), Api(site.first.base, token=site.once[1])
    point = site.first.point("S5/Load/CB")["id"]
    selected = otto.command(point, 0, "otto's own")
    assert selected["state"] == "selected"
    # Another user, and the same user in another session.
    for other in (site.first, again):
        answer = other.ask("POST", f"/api/v1/commands/{selected['id']}/execute")
        assert answer.status == 403 and answer.json["error"]["code"] == "select_owner", answer.body
        second = other.ask("POST", "/api/v1/commands", {"point": point, "value": 0, "reason": "me too"})
        assert second.status == 409 and second.json["state"] == "refused", second.body
    assert otto.get(f"commands/{selected['id']}")["state"] == "selected"
    assert otto.post(f"commands/{selected['id']}/execute")["state"] in ("executing", "awaiting_return", "confirmed")
    assert otto.command_beyond(selected["id"], ("executing", "awaiting_return"))["state"] == "confirmed"
    # Once executed it cannot be executed again.
    assert otto.ask("POST", f"/api/v1/commands/{selected['id']}/execute").status == 409
    assert otto.operate("S5/Load/CB", 1, "put back")["state"] == "confirmed"


def test_guessing_is_slowed_down_and_locks_nobody_out(site):
    nobody = Http(site.first.base)
    sign_in = lambda text: nobody.request("POST", "/api/v1/session", {"token": text}).status
    answers = [sign_in("tl_" + os.urandom(32).hex()) for _ in range(2 * MAX_FAILURES)]
    # Earlier tests have failed on purpose, too: at most five more, then silence.
    assert answers[-MAX_FAILURES:] == [429] * MAX_FAILURES and set(answers) <= {401, 429}, answers
    assert answers.index(429) <= MAX_FAILURES
    assert site.first.ask("GET", "/api/v1/status").status == 200, "who is signed in stays so"
    assert site.user("otto").ask("GET", "/api/v1/status").status == 200


def test_refusals_are_in_the_audit(site):
    """Comes last of those that share the centre: the audit is read when it has stopped."""
    assert site.plant.centre.stop() == 0
    reasons = {"vera": "no right to command", "sara": "no right to command", "north": "outside the area",
               "first": "people at work", "unknown": "token is not valid"}
    for actor, text in reasons.items():
        assert any(text in line for line in refusals(site, actor)), (actor, refusals(site, actor))
    product.tieline("audit", "verify", "--data", site.plant.data)
    stored = (site.plant.data / "centre.db").read_bytes()
    secrets = list(site.tokens.values()) + [site.first.credentials["Cookie"].split("=")[1]]
    assert not any(secret[3:].encode() in stored or bytes.fromhex(secret[3:]) in stored for secret in secrets)


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
def test_other_machines_are_not_listened_to(binary, tmp_path, listen):
    done = product.tieline("demo", "--listen", listen, "--data", tmp_path / "demo", check=False)
    assert done.returncode == 1 and "loopback" in done.stderr, done
    plant = Plant(tmp_path)
    for name, port in (("centre.toml", 0), ("twin.toml", plant.port + len(product.STATIONS))):
        key = f'listen = "127.0.0.1:{port}"'
        file = tmp_path / name
        text = file.read_text()
        assert key in text
        file.write_text(text.replace(key, f'listen = "{listen}"'))
        done = product.tieline("run" if name == "centre.toml" else "twin", file, check=False)
        assert done.returncode == 1 and "loopback" in done.stderr and name in done.stderr, done


def test_two_centres_do_not_share_a_directory(plant):
    plant.start_centre()
    done = product.tieline("run", plant.folder / "centre.toml", check=False)
    assert done.returncode == 1 and "in use" in done.stderr, done
    done = product.tieline("user", "list", "--data", plant.data, check=False)
    assert done.returncode == 1 and "in use" in done.stderr, done


def noise(source, count):
    """Octets without any form."""
    return [source.randbytes(source.randint(1, 100)) for _ in range(count)]


def wrapped(source, count):
    """Right start and length, wrong everything else."""
    return [bytes([0x68, length]) + source.randbytes(length) for length in
            (source.randint(0, 255) for _ in range(count))]


def numbered(source, count, begin):
    """I format frames in sequence whose ASDU is random; numbers are modulo 2^15."""
    frames = []
    for at in range(begin, begin + count):
        body = source.randbytes(source.randint(1, 120))
        frames.append(bytes([0x68, 4 + len(body)]) + struct.pack("<HH", at % 32_768 << 1, 0) + body)
    return frames


def lies(source, count, begin):
    """I format frames in sequence whose ASDU has a known type and a count that does not fit."""
    frames = []
    for at in range(begin, begin + count):
        kind = source.choice([1, 3, 5, 9, 11, 13, 15, 30, 36, 45, 46, 50, 100, 101, 103, 105])
        head = bytes([kind, source.randint(0, 255), source.randint(0, 63), 0, 5, 0])
        body = head + source.randbytes(source.randint(0, 60))
        frames.append(bytes([0x68, 4 + len(body)]) + struct.pack("<HH", at % 32_768 << 1, 0) + body)
    return frames


def strangers(source, count, begin):
    """Well-formed measured values (type 13) of addresses that nobody knows: nothing to close a connection for."""
    frames = []
    for at in range(begin, begin + count):
        objects = b"".join(source.randbytes(2) + b"\xff" + source.randbytes(4) + b"\x00" for _ in range(20))
        body = bytes([13, 20, 3, 0, 5, 0]) + objects
        frames.append(bytes([0x68, 4 + len(body)]) + struct.pack("<HH", at % 32_768 << 1, 0) + body)
    return frames


class Attack:
    """Sends hostile packets over a connection until it is closed; counts what went out."""

    NUMBERED = numbered, lies, strangers

    def __init__(self, seed, kinds=(noise, wrapped, numbered, lies)):
        self.kinds = kinds
        self.source, self.packets, self.octets, self.connections = random.Random(seed), 0, 0, 0

    def done(self):
        return self.packets >= HOSTILE_PACKETS and self.octets >= HOSTILE_BYTES

    def batches(self):
        """Endless batches of one kind for one connection."""
        kind = self.source.choice(self.kinds)
        begin = 0
        while True:
            if kind in self.NUMBERED:
                yield kind(self.source, 200, begin)
                begin += 200
            else:
                yield kind(self.source, 200)

    def assault(self, connection):
        """One connection; its answers are read and thrown away."""
        self.connections += 1
        connection.settimeout(2.0)
        sink = threading.Thread(target=self._drain, args=(connection,), daemon=True)
        sink.start()
        try:
            for batch, _ in zip(self.batches(), range(200)):
                self.packets, self.octets = self.packets + len(batch), self.octets + sum(map(len, batch))
                connection.sendall(b"".join(batch))
                if self.done():
                    return
        except OSError:
            pass
        finally:
            connection.close()

    @staticmethod
    def _drain(connection):
        try:
            while connection.recv(65_536):
                pass
        except OSError:
            pass


def test_hostile_bytes_do_not_harm_a_station(plant):
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    attack, before = Attack(1), plant.twin_process.rss_mb()
    while not attack.done():
        with socket.create_connection(("127.0.0.1", plant.port + 4), timeout=5) as connection:
            connection.sendall(STARTDT_ACT)
            attack.assault(connection)
    grown = plant.twin_process.rss_mb() - before
    faults = plant.twin.stations()["S5"]["faults"]
    print(f"\nstation: {attack.packets} packets, {attack.octets / 1e6:.1f} MB, {attack.connections} connections,"
          f" {faults} faults counted, memory +{grown:.1f} MB")
    assert plant.twin_process.alive() and grown < GROWTH_MB
    assert faults >= attack.connections * 0.9
    assert not any("panic" in line.lower() for line in plant.twin_process.err)
    assert plant.all_good(40) is not None, "the centre's own link serves on"


class HostileStation:
    """A server in a station's place that answers STARTDT and then attacks."""

    def __init__(self, seed):
        self.attack = Attack(seed, (noise, wrapped, numbered, lies, strangers, strangers))
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while not self.attack.done():
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            try:
                connection.settimeout(5.0)
                connection.recv(6)
                connection.sendall(STARTDT_CON)
            except OSError:
                continue
            self.attack.assault(connection)

    def close(self):
        self.server.close()


def test_a_hostile_station_does_not_harm_the_centre(binary, tmp_path):
    hostile = HostileStation(2)
    plant = Plant(tmp_path, stations={"S5": hostile.address})
    try:
        plant.start_twin().start_centre()
        api = plant.api
        good = lambda: all(point["quality"]["validity"] == "good" and not point["stale"]
                           for point in api.points() if point["substation"] != "S5")
        assert wait_until(good, 30)
        before, begin = plant.centre.rss_mb(), time.monotonic()
        wait_until(hostile.attack.done, 90)
        grown, link = plant.centre.rss_mb() - before, {s["name"]: s for s in api.status()["sessions"]}["S5"]
        attack = hostile.attack
        print(f"\ncentre: {attack.packets} packets, {attack.octets / 1e6:.1f} MB, {attack.connections} connections in"
              f" {time.monotonic() - begin:.0f} s, {link['faults']} faults counted, memory +{grown:.1f} MB")
        assert plant.centre.alive() and grown < GROWTH_MB
        assert link["faults"] > 0 and good()
        assert not any("panic" in line.lower() for line in plant.centre.err), plant.centre.err[:5]
        # The log tells of it and is not filled by it.
        told = [event for event in api.events() if event["source"] == "S5" and "fault" in event["text"]]
        print(f"{len(told)} of {api.events()[-1]['seq']} events tell of it")
        assert 1 <= len(told) <= 100
        assert not [point for point in api.points(substation="S5") if not point["stale"] and point["value"] is not None
                    and point["quality"]["validity"] == "good"] or link["state"] == "up"
        counters = api.status()["counters"]
        assert counters["received"] == counters["waiting"] + counters["coalesced"] + counters["processed"] + counters["shed"], counters
    finally:
        hostile.close()
        plant.stop()
