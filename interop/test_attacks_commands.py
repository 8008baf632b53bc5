"""Attacks by valid commands, and what is expected: blocked (B), told (A), with evidence (E).

The identities are those of the catalogue of scenarios; techniques after MITRE ATT&CK for ICS.
"""

import pathlib
import re
import time

import pytest

import product
from product import Api, Plant, tieline, wait_until
from rawstation import RawStation, cp56time2a

M_DP_TB_1, C_RP_NA_1, C_TS_TA_1, P_ME_NA_1 = 31, 105, 107, 110
RETURN_REMOTE, INTERROGATED = 11, 20
ALARM_S = 5.0


def users(plant, **roles):
    """Bearer tokens of users; made while the centre is down, after its first start has made the store."""
    plant.start_centre()
    assert plant.centre.stop() == 0
    tokens = {}
    for name, role in roles.items():
        tieline("user", "add", name, "--role", role, "--data", plant.data)
        tokens[name] = tieline("token", "create", name, "--data", plant.data).stdout.strip()
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    return {name: Api(plant.api.base, bearer=token) for name, token in tokens.items()}


@pytest.fixture(scope="module")
def field(binary, tmp_path_factory):
    extra = ("[gate]\nper_substation_per_minute = 6.0\nper_substation_burst = 3.0\nvelocity_points = 5\n"
             "[study]\nviolations = \"off\"\n")
    plant = Plant(tmp_path_factory.mktemp("attacks"), extra=extra)
    people = users(plant, mallory="OPERATOR", otto="OPERATOR", vera="VIEWER", sara="SECAUD")
    yield plant, people
    plant.stop()


def breakers(plant, count, substations=None):
    points = [p for p in plant.api.points(search="/CB") if p["control"] and p["text"] == "closed"]
    wanted = [p for p in points if substations is None or p["substation"] in substations]
    return wanted[:count]


def test_a05_a_stolen_session_opens_few_breakers_and_everybody_knows(field):
    """A-05, T0823 T0859 T0855: a valid session opens many breakers fast. B by the rate per substation, A on velocity."""
    plant, people = field
    targets = breakers(plant, 12, {"S5", "S6"})
    assert len(targets) >= 8
    began, opened, refused = time.monotonic(), [], []
    for point in targets:
        answer = people["mallory"].ask("POST", "/api/v1/commands", {"point": point["id"], "value": 0, "reason": "strike"})
        if answer.status != 201:
            refused.append(answer.json["refusal_code"])
            continue
        number = people["mallory"].command_beyond(answer.json["id"], ("studying", "selecting"))["id"]
        if people["mallory"].ask("POST", f"/api/v1/commands/{number}/execute").status == 200:
            opened.append(point["name"])
        else:
            refused.append("execute")
    # Two substations, three at once each, and a trickle after that.
    assert 2 <= len(opened) <= 8 and "rate" in refused, (opened, refused)
    source = "command:commands of mallory"
    alarm = wait_until(lambda: plant.api.alarms().get(source), ALARM_S)
    assert alarm and time.monotonic() - began <= ALARM_S + 15, plant.api.alarms().keys()
    texts = " ".join(event["text"] for event in plant.api.events() if "mallory" in event["text"])
    assert "within a minute" in texts and "too many commands" in texts, texts


def test_a14_what_was_captured_does_not_work_again(field):
    """A-14, T0855: replay of select and execute. B: no state leads back, and the seen state is over."""
    plant, people = field
    point = breakers(plant, 1, {"S9"})[0]
    otto = people["otto"]
    order = {"point": point["id"], "value": 0, "reason": "works"}
    captured = order | otto.shown(point["id"])
    made = otto.post("commands", captured)
    number = otto.command_beyond(made["id"], ("studying", "selecting"))["id"]
    execute = f"/api/v1/commands/{number}/execute"
    assert otto.ask("POST", execute).status == 200
    assert otto.command_beyond(number, ("executing", "awaiting_return"))["state"] == "confirmed"
    before = len(plant.api.get("commands", limit=500)["commands"])
    for _ in range(3):
        assert otto.ask("POST", execute).status == 409
        again = otto.ask("POST", "/api/v1/commands", captured)
        assert again.status == 409 and again.json["refusal_code"] == "stale_view", again.json
    commands = plant.api.get("commands", limit=500)["commands"]
    assert len(commands) == before + 3 and all(c["state"] == "refused" for c in commands[:3])
    # Closed again, the old view is still old: it has moved since.
    assert otto.operate(point["name"], 1, "back")["state"] == "confirmed"
    again = otto.ask("POST", "/api/v1/commands", captured)
    assert again.status == 409 and again.json["refusal_code"] == "stale_view", again.json


def test_a25_nobody_without_the_right_makes_a_command(field):
    """A-25, T0871 T0889: whatever a low role plants ends at the one gate. B, with a record of the attempt."""
    plant, people = field
    point = breakers(plant, 1)[0]
    before = len(plant.api.get("commands", limit=500)["commands"])
    for name in ("vera", "sara"):
        answer = people[name].ask("POST", "/api/v1/commands", {"point": point["id"], "value": 0, "reason": "planted"})
        assert answer.status == 403, (name, answer.status)
    made = plant.api.get("commands", limit=500)["commands"][: len(plant.api.get("commands", limit=500)["commands"]) - before]
    assert all(command["state"] == "refused" for command in made)
    assert plant.api.point(point["name"])["text"] == "closed"


def test_a01_a_second_master_is_seen_as_one_sweep(binary, tmp_path):
    """A-01, T0848 T0855 T0806 T0831: another master commands one address after the other at a station of ours.

    Whom the station serves is its own to decide (TLS). What it reports says it: changes that nobody here asked for, with the
    cause "return information caused by a remote command". A at the centre, at most 5 s after the fifth; E by name.
    """
    station = RawStation()
    plant = Plant(tmp_path, stations={"S4": station.where})
    try:
        plant.start_twin().start_centre()
        assert station.started.wait(20)
        addresses = reported_addresses(plant)
        targets = sorted(name for name in addresses if re.fullmatch(r"S4/.*/CB", name))[:6]
        assert len(targets) >= 6
        for name in targets:
            station.send_asdu(M_DP_TB_1, INTERROGATED, b"\2" + cp56time2a(time.time()), (4, addresses[name]))
        assert wait_until(lambda: all(plant.api.point(name)["text"] == "closed" for name in targets), 10)
        for name in targets:
            station.send_asdu(M_DP_TB_1, RETURN_REMOTE, b"\1" + cp56time2a(time.time()), (4, addresses[name]))
            time.sleep(0.2)
        sweep = "uncommanded:uncommanded movements"
        alarm = wait_until(lambda: plant.api.alarms().get(sweep), ALARM_S)
        assert alarm and alarm["priority"] == "critical", [key for key in plant.api.alarms() if "uncommanded" in key]
        assert wait_until(lambda: "6 points moved" in plant.api.alarms()[sweep]["text"], ALARM_S), alarm["text"]
        own = [plant.api.alarms().get(f"uncommanded:{name}") for name in targets]
        assert all(alarm and "another master" in alarm["text"] for alarm in own), own
    finally:
        plant.stop()
        station.close()


def reported_addresses(plant):
    """Object addresses by names of points."""
    return {point["name"]: int(point["address"].split("@")[1].split(":")[-1]) for point in plant.api.points()}


def test_a15_and_a04_functions_that_nobody_listed_do_not_pass(binary, tmp_path):
    """A-15 T0816 T0858 and A-04 T0836: resets, tests, parameters. B by the conduit, each A, with counters."""
    station = RawStation()
    conduit = """
[[gate.class]]
name = "loads"
points = ["*/Load/CB"]
[study]
violations = "off"
unstudied = "off"
[[zone]]
name = "centre"
[[zone]]
name = "field"
[[conduit]]
name = "all"
from = "centre"
to = "field"
protocol = "iec104"
links = [%s]
to_field = ["C_IC_NA_1", "C_CI_NA_1", "C_CS_NA_1", "C_SC_NA_1"]
classes = ["loads"]
""" % ", ".join(f'"{name}"' for name in product.STATIONS)
    plant = Plant(tmp_path, stations={"S1": station.where}, extra=conduit)
    try:
        plant.start_twin().start_centre()
        assert station.started.wait(20)
        for type_id, cause in ((C_RP_NA_1, 6), (C_TS_TA_1, 6), (P_ME_NA_1, 3), (127, 3)):
            station.send_asdu(type_id, cause)
        def forbidden():
            links = [link for c in plant.api.get("conduits")["conduits"] for link in c["links"] if link["link"] == "S1"]
            return {row["function"]["code"]: row["count"] for row in links[0]["forbidden"]}
        found = wait_until(lambda: forbidden() if len(forbidden()) >= 4 else None, ALARM_S)
        assert found and set(found) >= {C_RP_NA_1, C_TS_TA_1, P_ME_NA_1, 127}, forbidden()
        alarm = plant.api.alarms()["system:conduit of S1"]
        assert "not allowed on link S1" in alarm["text"]
        # Outwards: double commands are not in the list, and what is no load is in no class of it.
        wait_until(lambda: plant.api.point("S14/Load/CB")["text"] == "closed", 30)
        made = plant.api.command(plant.api.point("S14/Load/CB")["id"], 0, "not listed")
        made = plant.api.command_beyond(made["id"], ("studying", "selecting"))
        if made["state"] == "selected":
            plant.api.ask("POST", f"/api/v1/commands/{made['id']}/execute")
            made = plant.api.command_beyond(made["id"], ("selected", "executing", "awaiting_return"))
        assert made["state"] == "failed" and "conduit" in made["stages"][-1]["text"], made
        point = plant.api.point("S4/L4-5/CB")
        refused = plant.api.ask("POST", "/api/v1/commands", {"point": point["id"], "value": 0, "reason": "no class"})
        assert refused.status == 409 and refused.json["refusal_code"] == "conduit", refused.json
    finally:
        plant.stop()
        station.close()


def test_a25_one_place_makes_what_executes():
    """A-25, S-05: in the sources, an execute is made at the gate and decoded by the gateway's protocol, nowhere else."""
    crates = pathlib.Path(__file__).resolve().parent.parent / "crates"
    makers = set()
    for path in crates.glob("*/src/**/*.rs"):
        if path.name in ("tests.rs", "interleavings.rs") or "/tests/" in str(path):
            continue
        for line in path.read_text().split("#[cfg(test)]\nmod tests {")[0].splitlines():
            code = line.split("//")[0]
            if re.search(r"Request::Execute(\(|\b)", code) and "=>" not in code and "if let" not in code and "let (" not in code:
                makers.add(str(path.relative_to(crates)))
    allowed = {"scada/src/gate.rs", "uplink/src/codec/request.rs"}
    assert makers - allowed == set() or all("Request::Select(" in text for text in makers - allowed), makers
