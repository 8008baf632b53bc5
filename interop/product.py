"""The product as its users meet it: its processes, its HTTP interface, its live socket, the twin's API.

Everything here is standard library, so that what it says about the product rests on nothing of ours.
"""

import base64
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
NETWORK = ROOT / "examples" / "ieee14.m"
STATIONS = [f"S{n}" for n in range(1, 15)]
# Ports for stations that must come back where they were: below the range that the kernel hands out.
PORTS = range(20_000, 32_000)


def program():
    """The binary under test: TIELINE_BIN, else the newest one of this workspace; None if there is none."""
    if "TIELINE_BIN" in os.environ:
        return pathlib.Path(os.environ["TIELINE_BIN"])
    built = [path for path in (TARGET / "release" / "tieline", TARGET / "debug" / "tieline") if path.exists()]
    return max(built, key=lambda path: path.stat().st_mtime, default=None)


def is_release():
    return "release" in str(program())


def wait_until(condition, seconds=10.0, pause=0.05):
    """The condition's first true value, or its last one."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found or time.monotonic() >= end:
            return found
        time.sleep(pause)


def free_ports(count):
    """The first of `count` neighbouring free ports."""
    for first in range(PORTS.start + os.getpid() % 97 * 100, PORTS.stop - count, count):
        with contextlib.ExitStack() as held:
            try:
                for port in range(first, first + count):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise RuntimeError("no free ports")


def tieline(*arguments, check=True, seconds=30):
    """Runs a command of the program to its end."""
    done = subprocess.run([program(), *map(str, arguments)], capture_output=True, text=True, timeout=seconds)
    if check:
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done


class Process:
    """One long-running command of the program with its lines of output."""

    def __init__(self, *arguments, log="warn", **environment):
        self.began = time.monotonic()
        environment = os.environ | {"TIELINE_LOG": log, "NO_COLOR": "1"} | environment
        self.process = subprocess.Popen(
            [program(), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
            env=environment,
        )
        self.out, self.err = [], []
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(line.rstrip())

    def line(self, start, seconds=15.0):
        """The first line of output with that start."""
        find = lambda: next((line for line in list(self.out) if line.startswith(start)), None)
        found = wait_until(lambda: find() or self.process.poll() is not None, seconds, 0.002)
        assert isinstance(found, str), f"no line {start!r}; exit {self.process.poll()}; {self.err}"
        return found

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def rss_mb(self):
        """Resident memory of the process and its children."""
        pids = [str(self.pid)]
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        if children.exists():
            pids += children.read_text().split()
        total = 0
        for pid in pids:
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                total += int(line.split()[1]) if line.startswith("VmRSS") else 0
        return total / 1024

    def stop(self, how=signal.SIGINT, seconds=20):
        """Asks the process to end and returns its exit code."""
        if self.alive():
            self.process.send_signal(how)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
            raise

    def kill(self):
        """Ends the process without a warning, as a crash does."""
        self.process.kill()
        self.process.wait(10)


class Answer:
    """Status, headers and JSON of one HTTP exchange."""

    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def json(self):
        return json.loads(self.body) if self.body else None


class Http:
    """One server, a new connection per request."""

    # Address that requests come from, where it matters.
    source = None

    def __init__(self, base):
        self.base = base.rstrip("/")
        self.host = urllib.parse.urlsplit(base).netloc

    def request(self, method, path, body=None, headers=None, seconds=10.0):
        connection = http.client.HTTPConnection(self.host, timeout=seconds, source_address=self.source)
        try:
            headers = dict(headers or {})
            if body is not None:
                headers.setdefault("Content-Type", "application/json")
                body = json.dumps(body).encode()
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response, response.read())
        finally:
            connection.close()


class Refused(AssertionError):
    """An answer that is not 2xx."""

    def __init__(self, method, path, answer):
        super().__init__(f"{method} {path}: {answer.status} {answer.body[:400]!r}")
        self.answer = answer


class Api(Http):
    """The centre's API for one signed-in user, like a page: with cookie and Origin."""

    def __init__(self, base, token=None, bearer=None):
        super().__init__(base)
        self.credentials = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        if token:
            answer = self.request("POST", "/api/v1/session", {"token": token})
            assert answer.status == 200, answer.body
            cookie = answer.headers["Set-Cookie"].split(";")[0]
            self.credentials = {"Cookie": cookie, "Origin": self.base}

    def ask(self, method, path, body=None):
        if (method, path) == ("POST", "/api/v1/commands") and "point" in (body or {}) and "seen" not in body:
            body = body | self.shown(body["point"])
        return self.request(method, path, body, self.credentials)

    def shown(self, point):
        """What a page shows of a point, as a command names it."""
        answer = self.request("GET", f"/api/v1/points/{point}", headers=self.credentials)
        if answer.status != 200:
            return {}
        view = answer.json
        return {"seen": {"value": view["value"], "at": view["source_time"] or view["receive_time"]}}

    def _good(self, method, path, body=None):
        answer = self.ask(method, path, body)
        if not 200 <= answer.status < 300:
            raise Refused(method, path, answer)
        return answer.json

    def get(self, path, **query):
        query = urllib.parse.urlencode(query)
        return self._good("GET", f"/api/v1/{path}" + (f"?{query}" if query else ""))

    def post(self, path, body=None):
        return self._good("POST", f"/api/v1/{path}", {} if body is None else body)

    def delete(self, path):
        return self._good("DELETE", f"/api/v1/{path}")

    def status(self):
        return self.get("status")

    def points(self, **query):
        return self.get("points", limit=10_000, **query)["points"]

    def point(self, name):
        return next(point for point in self.points(search=name) if point["name"] == name)

    def alarms(self):
        return {alarm["id"]: alarm for alarm in self.get("alarms", state="all")["alarms"]}

    def events(self, after=0):
        """Every event after a number."""
        found = []
        while True:
            page = self.get("events", after=after, limit=5_000)
            found += page["events"]
            if not page["events"] or page["events"][-1]["seq"] >= page["last_seq"]:
                return found
            after = page["events"][-1]["seq"]

    def command(self, point, value, reason):
        """Selects and waits until the device holds the select; returns the command, whatever became of it."""
        made = self.post("commands", {"point": point, "value": value, "reason": reason})
        return self.command_beyond(made["id"], ("studying", "selecting"))

    def command_beyond(self, number, states, seconds=20.0):
        """The command as soon as it is in none of the states."""
        fetch = lambda: self.get(f"commands/{number}")
        wait_until(lambda: fetch()["state"] not in states, seconds)
        return fetch()

    def operate(self, name, value, reason):
        """Select, execute and wait for the outcome."""
        made = self.command(self.point(name)["id"], value, reason)
        assert made["state"] == "selected", made
        self.post(f"commands/{made['id']}/execute")
        return self.command_beyond(made["id"], ("selected", "executing", "awaiting_return"))


class Live:
    """The live socket (RFC 6455), read by a thread into `frames` with the time of their arrival."""

    OPCODE_TEXT, OPCODE_CLOSE, OPCODE_PING = 1, 8, 9

    def __init__(self, api, take=None):
        self.frames, self.take, self.ended = [], take, threading.Event()
        self.socket, head = self.connect(api, api.credentials)
        assert b" 101 " in head.split(b"\r\n")[0] + b" ", head
        threading.Thread(target=self._read, daemon=True).start()

    @staticmethod
    def connect(http_side, headers):
        """A socket after the handshake and the head of the answer."""
        host, port = http_side.host.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=30)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /api/v1/live HTTP/1.1", f"Host: {http_side.host}", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            octet = connection.recv(1)
            if not octet:
                break
            head += octet
        return connection, head

    def _exact(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the live socket ended")
            data += part
        return data

    def _frame(self):
        first, length = self._exact(2)
        if length == 126:
            (length,) = struct.unpack(">H", self._exact(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._exact(8))
        return first & 0x0F, self._exact(length)

    def _read(self):
        try:
            while True:
                opcode, data = self._frame()
                if opcode == self.OPCODE_TEXT:
                    frame = json.loads(data)
                    (self.take or self._keep)(frame)
                elif opcode == self.OPCODE_CLOSE:
                    return
        except (OSError, ConnectionError):
            pass
        finally:
            self.ended.set()

    def _keep(self, frame):
        self.frames.append((time.monotonic(), frame))

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.ended.wait(5)


class TwinApi(Http):
    """The twin's own API."""

    def _json(self, method, path, body=None):
        answer = self.request(method, path, body)
        if not 200 <= answer.status < 300:
            raise Refused(method, path, answer)
        return answer.json

    def truth(self):
        return self._json("GET", "/truth")

    def stations(self):
        return {station["name"]: station for station in self._json("GET", "/stations")}

    def inject(self, kind, target, **numbers):
        return self._json("POST", "/faults", {"kind": kind, "target": target, **numbers})

    def clear(self, fault=None):
        return self._json("DELETE", f"/faults/{fault['id']}" if fault else "/faults")


class Demo(Process):
    """`tieline demo` with a signed-in user."""

    def __init__(self, *arguments, **environment):
        super().__init__("demo", "--listen", "127.0.0.1:0", "--seed", "1", *arguments, **environment)
        url = self.line("http://")
        base, self.token = url.split("/#token=")
        self.ready_s = until_ready(base, self.began)
        self.api = Api(base, self.token)
        self.twin = TwinApi(self.line("twin http://").split()[1])


def until_ready(base, began):
    """Seconds from the start of the process until it answers."""
    server = Http(base)

    def answers():
        with contextlib.suppress(OSError):
            return server.request("GET", "/healthz").status == 200

    assert wait_until(answers, 15.0, 0.005), f"{base} does not answer"
    return time.monotonic() - began


class Plant:
    """A field and a centre in processes of their own, which can be killed and started again."""

    # The values of IEC 60870-5-104 9.6, and a fifth of them.
    STANDARD = {"t0_s": 30.0, "t1_s": 15.0, "t2_s": 10.0, "t3_s": 20.0}
    TIMERS = {key: seconds / 5.0 for key, seconds in STANDARD.items()}

    def __init__(
        self, folder, stations=None, extra="", timers=None, tls=None, rate=10_000, enrolment="none"
    ):
        """`stations` maps names to addresses for links that do not lead to the twin, `tls` to tables of their keys;
        `rate` is what one caller may ask a second: tests ask more than people. Studies warn unless `extra` says otherwise:
        what most tests switch is not what they are about. `enrolment` is what people set up first."""
        self.folder = folder
        # Stations, the twin, and two for whoever puts an uplink between.
        self.port = free_ports(len(STATIONS) + 3)
        self.data = folder / "data"
        self.twin_process = self.centre = self.twin = self.api = None
        timers = "\n".join(f"{key} = {value}" for key, value in (timers or self.TIMERS).items())
        (folder / "twin.toml").write_text(
            f'network = "{NETWORK}"\nseed = 1\n[stations]\nfirst_port = {self.port}\n'
            f'[http]\nlisten = "127.0.0.1:{self.port + len(STATIONS)}"\n[iec104]\n{timers}\n'
        )
        links = ""
        for at, name in enumerate(STATIONS):
            address = (stations or {}).get(name, f"127.0.0.1:{self.port + at}")
            links += (
                f'[[link]]\nname = "{name}"\n[link.protocol.iec104]\nendpoints = ["{address}"]\n'
                f"common_address = {at + 1}\ncounters_every_s = 10.0\n{timers}\n"
                f"{'tls = ' + tls[name] if name in (tls or {}) else ''}\n"
            )
        if "[study]" not in extra:
            extra += '\n[study]\nviolations = "warn"\nunstudied = "warn"\n'
        (folder / "centre.toml").write_text(
            f'name = "Test centre"\n[network]\nfile = "{NETWORK}"\n[data]\ndirectory = "data"\n'
            f'[http]\nlisten = "127.0.0.1:0"\nrequests_per_s = {rate}\n'
            f'[identity]\nenrolment = "{enrolment}"\n{extra}\n{links}'
        )

    def start_twin(self):
        self.twin_process = Process("twin", self.folder / "twin.toml", log="info")
        self.twin = TwinApi(self.twin_process.line("twin http://").split()[1])
        return self

    def start_centre(self):
        self.centre = Process("run", self.folder / "centre.toml")
        base, token = self.centre.line("http://").split("/#token=")
        self.ready_s = until_ready(base, self.centre.began)
        self.api = Api(base, token)
        return self

    def all_good(self, seconds=30.0):
        """Seconds until every point is good, or None."""
        began = time.monotonic()

        def good():
            points = self.api.status()["points"]
            return points["good"] == points["total"] > 0

        return time.monotonic() - began if wait_until(good, seconds) else None

    def stop(self):
        for process in (self.centre, self.twin_process):
            if process and process.alive():
                process.kill()


def c104_station_security(certificates, version):
    """Mutual TLS of exactly that version for a c104 server, with the certificates of the fixture."""
    import c104  # Everything else here does without it.

    tls = c104.TransportSecurity(validate=True, only_known=False)
    tls.set_ca_certificate(cert=str(certificates / "ca.pem"))
    tls.set_certificate(cert=str(certificates / "station.pem"), key=str(certificates / "station.key"))
    wanted = getattr(c104.TlsVersion, version)
    tls.set_version(min=wanted, max=wanted)
    if version == "TLS_1_2":
        tls.set_ciphers(ciphers=[c104.TlsCipher.ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                                 c104.TlsCipher.ECDHE_RSA_WITH_AES_128_GCM_SHA256])
    return tls


def utc(text):
    """Seconds since 1970 of an ISO 8601 time of the API."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
