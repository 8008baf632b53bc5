"""Calculated points, and points that people set aside, in the running product: through the API, over a restart, in the
audit and in the counters."""

import math

import pytest

import product
from product import tieline, wait_until

PARTS = ["S1/L1-2/P", "S1/L1-5/P"]
TOTAL, DOUBLE, LEVEL = "Calc/Total/P", "Calc/Double/P", "Hand/Level"


@pytest.fixture(scope="module")
def plant(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("points")
    running = product.Plant(folder)
    listed = tieline("points", product.NETWORK).stdout.splitlines()
    columns = listed[0].split(",")
    row = lambda **cells: ",".join(str(cells.get(column, "")) for column in columns)
    formula = " + ".join(f"{{{name}}}" for name in PARTS)
    listed += [
        row(name=DOUBLE, mrid="_double", kind="analog", unit="MW", formula=f"2 * {{{TOTAL}}}"),
        row(name=TOTAL, mrid="_total", kind="analog", unit="MW", formula=formula, low=-1e6, high=1e6),
        row(name=LEVEL, mrid="_level", kind="analog", unit="m"),
    ]
    (folder / "points.csv").write_text("\n".join(listed) + "\n")
    centre = folder / "centre.toml"
    centre.write_text('points = "points.csv"\n' + centre.read_text())
    running.start_twin().start_centre()
    yield running
    running.stop()


def set_mode(plant, name, reason="test", **mode):
    point = plant.api.point(name)["id"]
    return plant.api.ask("PUT", f"/api/v1/points/{point}/mode", {"reason": reason, **mode})


def conserved(plant):
    counters = plant.api.status()["counters"]
    parts = sum(counters[name] for name in ("waiting", "coalesced", "processed", "held", "shed"))
    return counters if counters["received"] == parts else None


def test_a_formula_is_the_sum_of_its_points(plant):
    good = lambda: plant.api.point(DOUBLE)["quality"]["validity"] == "good"
    assert wait_until(good, 30.0), plant.api.point(DOUBLE)

    def agrees():
        # Values move between two reads; one read of all is of one instant.
        values = {point["name"]: point["value"] for point in plant.api.points()}
        total = sum(values[name] for name in PARTS)
        return math.isclose(values[TOTAL], total) and math.isclose(values[DOUBLE], 2 * total)

    assert wait_until(agrees, 5.0)
    history = plant.api.get(f"points/{plant.api.point(TOTAL)['id']}/history")
    assert history["buckets"], "results are archived like measurements"


def test_a_value_entered_by_hand_is_marked_and_used(plant):
    assert plant.api.point(LEVEL)["quality"]["validity"] == "invalid"
    assert set_mode(plant, LEVEL, value=4.25).status == 200
    point = plant.api.point(LEVEL)
    assert point["value"] == 4.25 and point["quality"] == {
        "validity": "good", "detail": [], "source": "substituted", "test": False, "blocked": False,
    }
    assert point["mode"]["replaced"] and point["mode"]["reason"] == "test" and point["mode"]["by"]
    assert plant.all_good(), "points of links are untouched"


def test_a_replaced_measurement_holds_over_a_restart_and_comes_back(plant):
    assert set_mode(plant, PARTS[0], value=1234.5).status == 200
    held = lambda: (counters := conserved(plant)) and counters["held"] > 0
    assert wait_until(held, 30.0), plant.api.status()["counters"]
    replaced = lambda name: (point := plant.api.point(name))["quality"]["source"] == "substituted" and point
    assert plant.api.point(PARTS[0])["value"] == 1234.5 and replaced(TOTAL) and replaced(DOUBLE)
    plant.centre.kill()
    plant.start_centre()
    assert plant.api.point(PARTS[0])["value"] == 1234.5 and plant.api.point(LEVEL)["value"] == 4.25
    assert wait_until(lambda: replaced(TOTAL) and plant.api.point(TOTAL)["value"] > 1000, 30.0)
    assert set_mode(plant, PARTS[0]).status == 200
    back = lambda: (point := plant.api.point(PARTS[0]))["value"] < 1000 and point["quality"]["source"] == "process"
    assert wait_until(back, 30.0), plant.api.point(PARTS[0])
    assert plant.api.point(PARTS[0])["mode"] is None


def test_an_inhibited_point_is_blocked(plant):
    assert set_mode(plant, PARTS[1], inhibited=True).status == 200
    point = plant.api.point(PARTS[1])
    assert point["quality"]["blocked"] and point["mode"]["inhibited"]
    assert set_mode(plant, PARTS[1]).status == 200
    assert not plant.api.point(PARTS[1])["quality"]["blocked"]


def test_what_cannot_be_is_refused_and_all_that_was_done_is_audited(plant):
    assert set_mode(plant, LEVEL, reason=" ", value=1.0).status == 400
    breaker = next(point for point in plant.api.points() if point["kind"] == "double")
    assert set_mode(plant, breaker["name"], value=0.5).status == 400
    assert set_mode(plant, TOTAL, inhibited=True).status == 400
    assert plant.api.ask("PUT", "/api/v1/points/999999/mode", {"reason": "x"}).status == 404
    assert set_mode(plant, LEVEL).status == 200
    released = plant.api.point(LEVEL)
    assert released["mode"] is None and released["stale"] and released["quality"]["validity"] != "good"
    texts = [event["text"] for event in plant.api.events() if event["source"] == LEVEL]
    assert "replaced by 4.25: test" in texts
    plant.centre.stop()
    tieline("audit", "verify", "--data", plant.data)
    done = [line for line in tieline("audit", "list", "--data", plant.data).stdout.splitlines() if "set point mode" in line]
    assert len(done) == 6, done
