"""What the product shows to the outside: its interface against its own description, its sockets, its process.

schemathesis (https://schemathesis.io) is the independent reader of the OpenAPI document: it makes requests from it, good
and bad, and checks that every answer is one that the document declares.
"""

import os
import pathlib
import subprocess
import sys

import pytest

import product
from product import Live, Plant, Process

# Length of the run of B-25 is 300 s; a shorter one repeats every phase, with fewer random requests.
SCHEMA_SECONDS = int(os.environ.get("TIELINE_SCHEMA_SECONDS", "90"))
# Whether a request is good in every respect is more than the schema says (a reason must not be empty, a time must lie in
# the past), so that what schemathesis calls "rejected although valid" is no fault; everything else is.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth,missing_required_header"
)
EVERY_ROLE = ("VIEWER", "OPERATOR", "ENGINEER", "INSTALLER", "SECADM", "SECAUD", "RBACMNT")


@pytest.fixture
def plant(tmp_path):
    plant = Plant(tmp_path)
    yield plant
    plant.stop()


@pytest.mark.timeout(SCHEMA_SECONDS + 120)
def test_every_answer_is_one_that_the_document_declares(plant, tmp_path):
    plant.start_centre()
    assert plant.centre.stop() == 0
    roles = [part for role in EVERY_ROLE for part in ("--role", role)]
    product.tieline("user", "add", "fuzz", *roles, "--data", plant.data)
    token = product.tieline("token", "create", "fuzz", "--data", plant.data).stdout.strip()
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    program = pathlib.Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [
            program, "run", f"{plant.api.base}/api/v1/openapi.json", "--checks", CHECKS, "--seed", "1",
            "--header", f"Authorization: Bearer {token}",
            # Streams without an end have their own tests.
            "--exclude-path-regex", "/(live|stream)$",
            "--max-time", str(SCHEMA_SECONDS), "--suppress-health-check", "all", "--warnings", "off", "--no-color",
        ],
        capture_output=True, text=True, cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    tested = [line for line in done.stdout.splitlines() if "Tested:" in line]
    selected = [line for line in done.stdout.splitlines() if "Selected:" in line]
    assert tested[0].split()[-1] == selected[0].split()[-1].split("/")[0], done.stdout[-2000:]
    # Thousands of odd requests later it still works, cycle by cycle.
    cycle = plant.api.status()["cycle"]
    assert product.wait_until(lambda: plant.api.status()["cycle"] > cycle + 1)


def sockets_of(pid):
    """Kinds and local addresses of the sockets that a process listens or receives on, from the kernel's tables."""
    inodes = set()
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]:
            columns = line.split()
            # A TCP socket in state 0A listens; a datagram socket receives in any state.
            if columns[9] in inodes and (columns[3] == "0A" or not kind.startswith("tcp")):
                found.append((kind, columns[1]))
    return found


def test_a_fresh_installation_listens_on_one_port_of_loopback(tmp_path):
    (tmp_path / "centre.toml").write_text(
        f'[network]\nfile = "{product.NETWORK}"\n[data]\ndirectory = "data"\n[http]\nlisten = "127.0.0.1:0"\n'
    )
    # Points follow from the network and want links; a list without any is the fresh installation.
    header = product.tieline("points", product.NETWORK).stdout.splitlines()[0]
    (tmp_path / "points.csv").write_text(header + "\n")
    (tmp_path / "centre.toml").write_text('points = "points.csv"\n' + (tmp_path / "centre.toml").read_text())
    centre = Process("run", tmp_path / "centre.toml")
    try:
        base, _ = centre.line("http://").split("/#token=")
        port = int(base.rsplit(":", 1)[1])
        assert sockets_of(centre.pid) == [("tcp", f"0100007F:{port:04X}")]
    finally:
        centre.kill()


def facts_of(pid):
    """The kernel's word on a process."""
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())


def test_the_running_process_has_given_up_what_it_does_not_need(plant, tmp_path):
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    for process in (plant.centre, plant.twin_process):
        facts = facts_of(process.pid)
        # 2 is a filter; every thread has it.
        assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
        threads = [int(thread.name) for thread in pathlib.Path(f"/proc/{process.pid}/task").iterdir()]
        assert {facts_of(thread)["Seccomp"] for thread in threads} == {"2"}


def test_one_caller_cannot_take_the_others_share(tmp_path):
    """S-34: beyond its rate a caller is told to wait; whoever else is signed in is served."""
    plant = Plant(tmp_path, rate=20)
    try:
        plant.start_centre()
        assert plant.centre.stop() == 0
        tokens = []
        for name in ("greedy", "modest"):
            product.tieline("user", "add", name, "--role", "VIEWER", "--data", plant.data)
            tokens.append(product.tieline("token", "create", name, "--data", plant.data).stdout.strip())
        plant.start_centre()
        greedy, modest = (product.Api(plant.api.base, bearer=token) for token in tokens)
        answers = [greedy.ask("GET", "/api/v1/status") for _ in range(300)]
        refused = [answer for answer in answers if answer.status == 429]
        # Twice the rate at once, and what a second or two refill; the machine may be slow.
        assert len(refused) > 100, len(refused)
        assert {answer.status for answer in answers} == {200, 429}
        assert refused[0].headers["Retry-After"] == "1"
        assert modest.ask("GET", "/api/v1/status").status == 200
        assert product.wait_until(lambda: greedy.ask("GET", "/api/v1/status").status == 200, 5)
    finally:
        plant.stop()


def masked_text(text):
    """A text frame as a client sends it (RFC 6455 5.3), with the mask of four zero octets."""
    data = text.encode()
    assert len(data) < 126
    return bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data


def test_a_client_that_floods_the_live_socket_is_cut_off_and_others_are_not(plant):
    plant.start_centre()
    calm, flood = Live(plant.api), Live(plant.api)
    flood.socket.sendall(b"".join(masked_text(f'{{"ping":{n}}}') for n in range(200)))
    assert flood.ended.wait(5)
    calm.socket.sendall(masked_text('{"ping":1}'))
    assert product.wait_until(lambda: any(frame.get("pong") == 1 for _, frame in list(calm.frames)), 5)
    assert not calm.ended.is_set()
    calm.close()
