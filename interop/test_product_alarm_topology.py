"""What the topology and the areas do to the alarm list of the running product."""

import product
from product import Api, tieline, wait_until

# The two lines that feed S14; without them it has no voltage.
FEEDERS = ("L9-14", "L13-14")
DEAD = "S14"


def people(plant, **areas):
    """Bearer tokens of operators by area; made while the centre is down."""
    plant.start_centre()
    assert plant.centre.stop() == 0
    tokens = {}
    for name, area in areas.items():
        tieline("user", "add", name, "--role", "OPERATOR", "--area", area, "--data", plant.data)
        tokens[name] = tieline("token", "create", name, "--data", plant.data).stdout.strip()
    return tokens


def test_a_dead_substation_hides_its_low_voltages_counted_and_areas_see_their_own(binary, tmp_path):
    plant = product.Plant(tmp_path, extra="[alarms]\nlimit_on_delay_s = 0.0\nlimit_off_delay_s = 0.0\n")
    try:
        tokens = people(plant, fourteen=DEAD, nine="S9")
        plant.start_twin().start_centre()
        assert plant.all_good() is not None
        low = f"limit:{DEAD}/V"
        assert low not in plant.api.alarms()
        for line in FEEDERS:
            plant.twin.inject("line_trip", line)
        found = lambda: plant.api.alarms().get(low)
        assert wait_until(lambda: (alarm := found()) and alarm["place"] == "suppressed", 20), (found(), plant.api.alarms().keys())
        alarm = found()
        assert alarm["active"] and alarm["suppressed_by"] == f"dead:{DEAD}", alarm
        counts = plant.api.status()["alarms"]
        hidden = [one for one in plant.api.alarms().values() if one["place"] == "suppressed"]
        assert counts["suppressed"] == len(hidden) >= 1
        # The cause stays in front of the operator: the breakers that moved by themselves.
        moved = {one["id"] for one in plant.api.alarms().values() if one["kind"] == "uncommanded" and one["place"] == "shown"}
        assert {f"uncommanded:{DEAD}/{line}/CB" for line in FEEDERS} <= moved, moved
        # Everything is an event, hidden or not.
        assert any(event["source"] == f"{DEAD}/V" for event in plant.api.events())
        # Areas: the list, the groups and single alarms end at the border.
        for name, area, other in (("fourteen", DEAD, "S9"), ("nine", "S9", DEAD)):
            theirs = Api(plant.api.base, bearer=tokens[name])
            sources = {one["source"].split("/")[0] for one in theirs.alarms().values() if one["kind"] != "link"}
            assert area in sources and other not in sources, (name, sources)
            groups = {group for line in theirs.get("alarms/groups")["lines"] for group in line["groups"]}
            assert area in groups and other not in groups, (name, groups)
        nine = Api(plant.api.base, bearer=tokens["nine"])
        assert nine.ask("GET", f"/api/v1/alarms/{low.replace('/', '%2F')}").status == 404
        act = nine.ask("POST", "/api/v1/alarms/shelve", {"ids": [low], "reason": "x", "minutes": 5}).json
        assert act["changed"] == 0 and "area" in act["refused"][0]["reason"], act
        # Voltage is back: what was hidden by its absence is gone, and nothing is hidden any more.
        plant.twin.clear()
        for breaker in ("S9/L9-14/CB", f"{DEAD}/L9-14/CB"):
            assert plant.api.operate(breaker, 1, "voltage back")["state"] == "confirmed", breaker
        assert wait_until(lambda: plant.api.status()["alarms"]["suppressed"] == 0, 30), plant.api.alarms()
        assert (alarm := found()) is None or not alarm["active"], alarm
    finally:
        plant.stop()
