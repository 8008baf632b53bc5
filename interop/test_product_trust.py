"""The audit of a running centre (S-20 to S-23, A-27, B-30): signed, watched, copied to a collector that is a foreign program,
and found out when somebody alters it."""

import contextlib
import json
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
import time

import product
import pytest
from product import wait_until

# How soon an altered audit is an alarm, and how old the copy may be (B-30).
BOUND_S = 60.0
HEX = re.compile(r"[0-9a-f]{64}")

# RFC 5424, 6: ABNF of a message, PRINTUSASCII as %d33-126, SD-NAME without = SP ] and ". Written from the RFC, strict: what
# does not match is no message.
NAME = r'[!#-<>-\\^-~]{1,32}'
PARAM = rf'{NAME}="(?:[^"\\\]]|\\["\\\]])*"'
MESSAGE = re.compile(
    r"<(?P<pri>[0-9]{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)|-) "
    r"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<proc>[!-~]{1,128}) (?P<id>[!-~]{1,32}) "
    rf"(?P<sd>-|(?:\[{NAME}(?: {PARAM})*\])+)(?: (?P<msg>.*))?",
    re.DOTALL,
)


def parameters(sd):
    """Structured data as a dictionary, the escapes of RFC 5424, 6.3.3, undone."""
    pairs = re.findall(rf'({NAME})="((?:[^"\\\]]|\\["\\\]])*)"', sd)
    return {name: re.sub(r'\\(["\\\]])', r"\1", text) for name, text in pairs}


class Collector:
    """A syslog listener with frames of RFC 6587, 3.4.1 (octet counting), written from the RFC."""

    def __init__(self, port=0):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.messages, self.open, self.peers = [], True, []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while self.open:
            with contextlib.suppress(OSError):
                peer, _ = self.listener.accept()
                self.peers.append(peer)
                threading.Thread(target=self._read, args=(peer,), daemon=True).start()

    def _read(self, peer):
        stream = peer.makefile("rb")
        with contextlib.suppress(OSError, ValueError):
            while True:
                count = b""
                while (octet := stream.read(1)) not in (b" ", b""):
                    count += octet
                if not count:
                    return
                assert re.fullmatch(rb"[1-9][0-9]*", count), count
                message = stream.read(int(count))
                if len(message) == int(count):
                    self.messages.append(message.decode())

    def close(self):
        self.open = False
        # A blocked accept keeps the socket: shutting it down wakes it.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
            peer.close()

    def records(self):
        """Places and hashes received, whatever else a message says."""
        found = {}
        for message in list(self.messages):
            fields = parameters(MESSAGE.fullmatch(message)["sd"])
            if "seq" in fields:
                found[int(fields["seq"])] = fields
        return found


def forward(port, **keys):
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    return f'[audit]\ncheckpoint_s = 2.0\n[audit.forward]\nto = "127.0.0.1:{port}"\n{lines}'


def verify(plant, *arguments, check=True):
    return product.tieline("audit", "verify", "--data", plant.data, *arguments, check=check, seconds=60)


def audit_alarm(plant):
    return plant.api.alarms().get("system:audit", {}).get("active")


def centre_of(tmp_path, extra):
    plant = product.Plant(tmp_path, extra=extra)
    plant.start_twin()
    plant.start_centre()
    return plant


def end(plant):
    for process in (plant.centre, plant.twin_process):
        if process:
            process.kill()


@pytest.fixture
def copied(tmp_path):
    collector = Collector()
    plant = centre_of(tmp_path, forward(collector.port))
    yield plant, collector
    end(plant)
    collector.close()


def tag(plant, text):
    point = plant.api.point("S14/Load/CB")["id"]
    return plant.api.ask("POST", f"/api/v1/points/{point}/tags", {"kind": "information", "text": text})


# What the interface takes of a text that wants to be a field, a record or a message of its own; control characters it refuses.
HOSTILE = 'x"] [y z="1 <110>1 - forged - - - - seq="1" hash="00" checkpoint="00" =cs1=00 externalId=1 | \\'


def test_records_reach_a_collector_whole_and_verify(copied, tmp_path):
    plant, collector = copied
    assert tag(plant, HOSTILE).status in (200, 201)
    assert tag(plant, "two\nlines").status == 400
    last = lambda: plant.api.get("audit", limit=1)["records"][0]["seq"]
    top = last()
    assert wait_until(lambda: top in collector.records(), 20), collector.messages[-3:]
    records = collector.records()
    assert sorted(records) == list(range(1, max(records) + 1)), "no gap"
    for message in list(collector.messages):
        assert MESSAGE.fullmatch(message), message
        assert len(message.encode()) <= 8_192 and not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u202e]", message)
    page = {record["seq"]: record for record in plant.api.get("audit", limit=1_000)["records"]}
    assert all(page[seq]["hash"] == fields["hash"] for seq, fields in records.items() if seq in page)
    hostile = [fields for fields in records.values() if "forged" in json.dumps(fields)]
    assert hostile and all(any(HOSTILE in value for value in fields.values()) for fields in hostile), hostile
    state = plant.api.get("audit/state")
    assert state["copy"]["connected_at"] and state["checkpoint"]["seq"] <= top + 50
    assert wait_until(lambda: plant.api.get("audit/state")["copy"]["taken_seq"] >= top, 30)
    assert HEX.fullmatch(state["key"])
    copy = tmp_path / "collector.log"
    copy.write_text("\n".join(collector.messages) + "\n")
    told = verify(plant, "--key", state["key"], "--copy", copy)
    assert "records of the copy are the same" in told.stdout, told.stdout
    assert verify(plant, "--key", "0" * 64, check=False).returncode == 1


def test_a_dead_collector_is_an_alarm_and_gets_everything_later(tmp_path):
    collector = Collector()
    plant = centre_of(tmp_path, forward(collector.port))
    try:
        assert wait_until(lambda: plant.api.get("audit/state")["copy"]["taken_seq"] > 0, 30)
        taken = plant.api.get("audit/state")["copy"]["taken_seq"]
        collector.close()
        for number in range(5):
            tag(plant, f"while it is away {number}")
        late = lambda: plant.api.alarms().get("system:audit copy", {}).get("active")
        began = time.monotonic()
        assert wait_until(late, 90, 0.5), plant.api.get("audit/state")
        assert time.monotonic() - began < 75
        # A restart forgets nothing: the chain is the queue.
        assert plant.centre.stop() == 0
        plant.start_centre()
        tag(plant, "after the restart")
        top = plant.api.get("audit", limit=1)["records"][0]["seq"]
        again = Collector(collector.port)
        assert wait_until(lambda: top in again.records(), 40), plant.api.get("audit/state")
        assert set(range(taken + 1, top + 1)) <= set(again.records()), "a record is missing in the copy"
        assert wait_until(lambda: not late(), 60, 0.5)
        again.close()
    finally:
        end(plant)
        collector.close()


@pytest.mark.parametrize("form", ["cef", "json"])
def test_other_formats_are_read_back(form, tmp_path):
    collector = Collector()
    plant = centre_of(tmp_path, forward(collector.port, format=form))
    try:
        tag(plant, HOSTILE)
        top = plant.api.get("audit", limit=1)["records"][0]["seq"]
        key = {"cef": f" externalId={top} cs1=", "json": f'"seq":{top},"hash":"'}[form]
        assert wait_until(lambda: any(key in message for message in collector.messages), 20), collector.messages[-2:]
        for message in list(collector.messages):
            found = MESSAGE.fullmatch(message)
            assert found and found["sd"] == "-", message
            if form == "json":
                json.loads(found["msg"])
            else:
                # CEF: seven fields before the extension, bars in them escaped.
                assert len(re.split(r"(?<!\\)\|", found["msg"], maxsplit=7)) == 8, message
        copy = tmp_path / "collector.log"
        copy.write_text("\n".join(collector.messages))
        assert "the same" in verify(plant, "--copy", copy).stdout
    finally:
        end(plant)
        collector.close()


def alter(plant, *statements):
    """What somebody does who may write the file of a running centre."""
    with contextlib.closing(sqlite3.connect(plant.data / "centre.db", timeout=20)) as database:
        database.create_function("flipped", 1, lambda record: record[:90] + bytes([record[90] ^ 1]) + record[91:])
        for statement in statements:
            database.execute(statement)
        database.commit()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit",
        "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
        "DELETE FROM audit WHERE seq = 1",
        "UPDATE audit SET record = flipped(record) WHERE seq = 2",
        "DELETE FROM audit_checkpoints",
    ],
)
def test_altering_the_audit_of_a_running_centre_is_an_alarm(statement, tmp_path):
    plant = centre_of(tmp_path, "[audit]\ncheckpoint_s = 2.0")
    try:
        for number in range(3):
            tag(plant, f"number {number}")
        assert wait_until(lambda: plant.api.get("audit/state")["state"] == "whole", 20)
        time.sleep(3)
        alter(plant, statement)
        began = time.monotonic()
        assert wait_until(lambda: audit_alarm(plant), BOUND_S, 0.2), plant.api.get("audit/state")
        print(f"\nfound after {time.monotonic() - began:.1f} s")
        assert plant.api.get("audit/state")["state"] == "broken"
        point = plant.api.point("S14/Load/CB")["id"]
        refused = plant.api.ask("POST", "/api/v1/commands", {"point": point, "value": 0, "reason": "on a broken audit"})
        assert wait_until(lambda: refused.status >= 400 or plant.api.get(f"commands/{refused.json['id']}")["state"] == "failed", 5)
        assert plant.api.point("S14/Load/CB")["text"] == "closed", "a command left without an audit"
        plant.centre.kill()
        assert verify(plant, check=False).returncode == 1
    finally:
        end(plant)


def test_a_rewritten_chain_is_found_without_the_centre(tmp_path):
    """The whole chain with a head that fits, written anew by another centre's program: only key and copy tell."""
    collector = Collector()
    plant = centre_of(tmp_path, forward(collector.port))
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    try:
        key = plant.api.get("audit/state")["key"]
        top = plant.api.get("audit", limit=1)["records"][0]["seq"]
        assert wait_until(lambda: top in collector.records(), 20)
        assert plant.centre.stop() == 0
        copy = tmp_path / "collector.log"
        copy.write_text("\n".join(collector.messages))
        verify(plant, "--key", key, "--copy", copy)
        forged = centre_of(other_folder, "")
        tag(forged, "a history of our own")
        assert forged.centre.stop() == 0
        end(forged)
        for name in ("centre.db", "centre.db.head", "audit.pub"):
            shutil.copy(forged.data / name, plant.data / name)
        assert verify(plant, check=False).returncode == 0, "whole in itself"
        by_key = verify(plant, "--key", key, check=False)
        assert by_key.returncode == 1 and "unknown key" in by_key.stderr, by_key.stderr
        by_copy = verify(plant, "--copy", copy, check=False)
        assert by_copy.returncode == 1 and "rewritten" in by_copy.stderr, by_copy.stderr
    finally:
        end(plant)
        collector.close()


def test_files_for_other_programs(tmp_path):
    plant = centre_of(tmp_path, "")
    try:
        tag(plant, "=HYPERLINK(1)")
        rows = plant.api.ask("GET", "/api/v1/audit/export?format=csv")
        assert rows.headers["Content-Type"].startswith("text/csv") and "attachment" in rows.headers["Content-Disposition"]
        assert rows.body.count(b"\r\n") == 1 + len(plant.api.get("audit", limit=1_000)["records"])
        assert b",=HYPERLINK" not in rows.body
        lines = plant.api.ask("GET", "/api/v1/audit/export?format=json&actor=first").body.decode().splitlines()
        assert lines and all(json.loads(line)["actor"] == "first" for line in lines)
        assert plant.api.ask("GET", "/api/v1/audit/export?format=xml").status == 400
        assert plant.api.ask("GET", "/api/v1/audit?from=yesterday").status == 400
        assert [r["seq"] for r in plant.api.get("audit", before=3)["records"]] == [2, 1]
        printed = product.tieline("audit", "list", "--data", plant.data, "--actor", "first", "--limit", 2).stdout
        assert printed.count("\n") >= 1
        exported = product.tieline("audit", "export", "--data", plant.data, "--format", "json").stdout
        seqs = [json.loads(line)["seq"] for line in exported.splitlines()]
        assert seqs == list(range(1, len(seqs) + 1))
        shown = product.tieline("audit", "key", "--data", plant.data).stdout.split()
        assert shown == [plant.api.get("audit/state")["key"]]
        assert (plant.data / "audit.key").stat().st_mode & 0o777 == 0o600
    finally:
        end(plant)


RSYSLOG = """
global(workDirectory="{folder}" maxMessageSize="64k" defaultNetstreamDriver="ossl"
       defaultNetstreamDriverCAFile="{folder}/pki/ca.pem" defaultNetstreamDriverCertFile="{folder}/pki/logs.pem"
       defaultNetstreamDriverKeyFile="{folder}/pki/logs.key")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
input(type="imtcp" address="127.0.0.1" port="{port}")
action(type="omfile" file="{folder}/audit.log" template="RSYSLOG_SyslogProtocol23Format")
"""


def test_rsyslog_takes_the_copy_over_mutual_tls(binary, tmp_path):
    """A collector that is not ours in any part, with certificates checked on both sides."""
    program = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")
    if not program:
        pytest.skip("skipped: rsyslogd is missing")
    port = product.free_ports(40)
    pki = tmp_path / "pki"
    product.tieline("cert", "ca", "--dir", pki)
    for name in ("logs", "centre"):
        product.tieline("cert", "issue", name, "--dir", pki, "--out", pki / name)
    (tmp_path / "rsyslog.conf").write_text(RSYSLOG.format(folder=tmp_path, port=port + 30))
    log = tmp_path / "audit.log"
    paths = "".join(f'{key} = "pki/{file}"\n' for key, file in
                    {"ca": "ca.pem", "certificate": "centre.pem", "key": "centre.key", "crl": "crl.pem"}.items())
    extra = f'[audit]\ncheckpoint_s = 2.0\n[audit.forward]\nto = "127.0.0.1:{port + 30}"\nserver_name = "logs"\n[audit.forward.tls]\n{paths}'
    collector = subprocess.Popen([program, "-n", "-f", tmp_path / "rsyslog.conf", "-i", tmp_path / "pid"], stderr=subprocess.PIPE, text=True)
    plant = None
    try:
        plant = centre_of(tmp_path, extra)
        tag(plant, HOSTILE)
        top = plant.api.get("audit", limit=1)["records"][0]["seq"]
        written = lambda: log.read_text(errors="replace") if log.exists() else ""
        assert wait_until(lambda: f'seq="{top}"' in written() and "checkpoint=" in written(), 40, 0.5), (
            plant.api.get("audit/state"), collector.poll(), written()[-500:])
        lines = written().splitlines()
        assert all(MESSAGE.fullmatch(line) for line in lines), "one line per message, as rsyslog understood it"
        key = plant.api.get("audit/state")["key"]
        assert "the same" in verify(plant, "--key", key, "--copy", log).stdout
        # One hexadecimal digit of one line altered is told.
        altered = re.sub(r'(hash=")(.)', lambda found: found[1] + ("0" if found[2] != "0" else "1"), written(), count=1)
        log_altered = tmp_path / "altered.log"
        log_altered.write_text(altered)
        assert verify(plant, "--copy", log_altered, check=False).returncode == 1
    finally:
        collector.terminate()
        collector.wait(10)
        if plant:
            end(plant)
