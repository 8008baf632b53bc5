"""`tieline study` against PYPOWER 5.1.21: its cases are the MATPOWER cases, its Newton power flow is not ours.

The cases are written as MATPOWER files, which takes the reader into the test.
"""

import io
import json
import pathlib
import subprocess

import numpy as np
import pyarrow.parquet
import pytest
from pypower import api
from pypower.idx_brch import BR_STATUS, PF, PT, QF, QT, RATE_A
from pypower.idx_bus import BS, BUS_I, BUS_TYPE, GS, PD, QD, VA, VM, VMAX, VMIN
from pypower.idx_gen import GEN_BUS, GEN_STATUS, PG, QG, QMAX, QMIN, VG

import product

pytestmark = pytest.mark.usefixtures("binary")

ROOT = pathlib.Path(__file__).resolve().parent.parent

SIZES = (9, 14, 30, 57, 118, 300)
EXAMPLES = ROOT / "examples"
# Columns of bus, gen and branch that are input; what follows are results.
INPUTS = {"bus": 13, "gen": 21, "branch": 13}


def tieline(*arguments):
    return subprocess.run([product.program(), *map(str, arguments)], capture_output=True, text=True, timeout=120)


def case_of(size):
    case = getattr(api, f"case{size}")()
    # Some of the cases hold integers, into which results would be truncated.
    return {name: np.asarray(value, float) if name in INPUTS else value for name, value in case.items()}


def write(case, path):
    """The case as a MATPOWER file; `repr` keeps every figure exactly."""
    lines = [f"function mpc = {path.stem}", "mpc.version = '2';", f"mpc.baseMVA = {float(case['baseMVA'])!r};"]
    for name, columns in INPUTS.items():
        rows = (" ".join(repr(float(figure)) for figure in row[:columns]) for row in case[name])
        lines += [f"mpc.{name} = [", *(f"\t{row};" for row in rows), "];"]
    path.write_text("\n".join(lines) + "\n")
    return path


def solve(case, **options):
    solved, success = api.runpf(case, api.ppoption(PF_TOL=1e-10, PF_MAX_IT=30, VERBOSE=0, OUT_ALL=0, **options))
    assert success
    return solved


def column(rows, name):
    return np.array([np.nan if row[name] is None else row[name] for row in rows], float)


def largest(found, expected):
    return float(np.max(np.abs(np.asarray(found) - np.asarray(expected))))


def check_voltages(found, bus):
    assert [row["bus"] for row in found["bus"]] == [int(number) for number in bus[:, BUS_I]]
    assert largest(column(found["bus"], "vm_pu"), bus[:, VM]) < 1e-8
    assert largest(np.radians(column(found["bus"], "va_degree")), np.radians(bus[:, VA])) < 1e-8


def check_flows(found, branch):
    assert (branch[:, BR_STATUS] == 1).all()
    for name, at in (("p_from_mw", PF), ("q_from_mvar", QF), ("p_to_mw", PT), ("q_to_mvar", QT)):
        assert largest(column(found["branch"], name), branch[:, at]) < 1e-6, name
    apparent = np.maximum(np.hypot(branch[:, PF], branch[:, QF]), np.hypot(branch[:, PT], branch[:, QT]))
    rated = branch[:, RATE_A] > 0
    loading = column(found["branch"], "loading_percent")
    assert np.isnan(loading[~rated]).all()
    if rated.any():
        assert largest(loading[rated], 100 * apparent[rated] / branch[rated, RATE_A]) < 1e-6


def check_powers(found, solved):
    """Generators, and the balance of every bus in the sign of pandapower."""
    bus, gen, branch = solved["bus"], solved["gen"], solved["branch"]
    assert largest(column(found["generator"], "p_mw"), gen[:, PG]) < 1e-6
    for number in {int(number) for number in gen[:, GEN_BUS]}:
        # How machines at one bus share reactive power is a matter of taste; their sum is not.
        ours = sum(row["q_mvar"] for row in found["generator"] if row["bus"] == number)
        assert abs(ours - gen[gen[:, GEN_BUS] == number, QG].sum()) < 1e-6, number
    generated = {at: {int(n): 0.0 for n in bus[:, BUS_I]} for at in (PG, QG)}
    for row in gen:
        for at in (PG, QG):
            generated[at][int(row[GEN_BUS])] += row[at]
    for row, ours in zip(bus, found["bus"]):
        number = int(row[BUS_I])
        p = row[PD] + row[GS] * row[VM] ** 2 - generated[PG][number]
        q = row[QD] - row[BS] * row[VM] ** 2 - generated[QG][number]
        assert abs(ours["p_mw"] - p) < 1e-6 and abs(ours["q_mvar"] - q) < 1e-6, number
        into = sum(b["p_from_mw"] for b in found["branch"] if b["from_bus"] == number)
        into += sum(b["p_to_mw"] for b in found["branch"] if b["to_bus"] == number)
        assert abs(ours["p_mw"] + into) < 1e-6, number
    loss = found["summary"]["islands"][0]["loss_mw"]
    assert abs(loss - (branch[:, PF] + branch[:, PT]).sum()) < 1e-6


def violated(solved):
    bus, branch = solved["bus"], solved["branch"]
    voltages = (bus[:, VM] > bus[:, VMAX] + 1e-9) | (bus[:, VM] < bus[:, VMIN] - 1e-9)
    apparent = np.maximum(np.hypot(branch[:, PF], branch[:, QF]), np.hypot(branch[:, PT], branch[:, QT]))
    overloads = (branch[:, RATE_A] > 0) & (apparent > branch[:, RATE_A] * (1 + 1e-9))
    return int(voltages.sum()), int(overloads.sum())


@pytest.mark.parametrize("breakers", [False, True], ids=["bus-branch", "node-breaker"])
@pytest.mark.parametrize("size", SIZES)
def test_power_flow_agrees(tmp_path, size, breakers):
    case = case_of(size)
    file = write(case, tmp_path / f"case{size}.m")
    solved = solve(case)
    options = ["--breakers"] if breakers else []
    run = tieline("study", "powerflow", file, "--format", "json", "--tolerance", "1e-10", *options)
    voltages, overloads = violated(solved)
    assert run.returncode == (3 if voltages + overloads else 0), run.stderr
    found = json.loads(run.stdout)
    assert found["summary"]["converged"]
    check_voltages(found, solved["bus"])
    check_flows(found, solved["branch"])
    check_powers(found, solved)
    listed = [violation["quantity"] for violation in found["summary"]["violations"]]
    assert (listed.count("vm_pu"), listed.count("loading_percent")) == (voltages, overloads)
    assert run.stderr.count("limit violated: ") == voltages + overloads


@pytest.mark.parametrize("size", SIZES)
def test_a_flat_start_finds_the_same_state(tmp_path, size):
    case = case_of(size)
    run = tieline("study", "powerflow", write(case, tmp_path / "case.m"), "--format", "json", "--tolerance", "1e-10",
                  "--start", "flat", "--quiet")
    assert run.stderr == ""
    check_voltages(json.loads(run.stdout), solve(case)["bus"])


# PYPOWER 5.1.21 cannot enforce reactive limits itself (an IndexError once one binds). It solves the case with the
# machines that we say are at a limit held there, which must give our state; and the state must obey the rules: all
# other machines within their limits, no machine at a limit that would return to its set point.
@pytest.mark.parametrize("size, load", [(14, 1.2), (57, 1.1), (118, 1.0), (118, 1.3), (300, 1.0), (300, 1.02)])
def test_reactive_limits_agree(tmp_path, size, load):
    case = case_of(size)
    case["bus"][:, [PD, QD]] *= load
    case["gen"][:, PG] *= load
    file = write(case, tmp_path / f"case{size}.m")
    run = tieline("study", "powerflow", file, "--format", "json", "--tolerance", "1e-10", "--enforce-q-limits")
    found = json.loads(run.stdout)
    limited = {int(row["element"].split()[1]): row["limit"] for row in found["summary"]["q_limited"]}
    assert limited, "no limit binds in this case"
    set_points = dict(zip(case["gen"][:, GEN_BUS], case["gen"][:, VG]))
    for row in case["gen"]:
        if row[GEN_BUS] in limited:
            row[QG] = row[QMAX if limited[row[GEN_BUS]] == "upper" else QMIN]
    held = np.isin(case["bus"][:, BUS_I], list(limited))
    case["bus"][held, BUS_TYPE] = 1
    solved = solve(case)
    check_voltages(found, solved["bus"])
    check_flows(found, solved["branch"])
    for row in solved["bus"][held]:
        below = row[VM] - set_points[row[BUS_I]]
        assert below <= 1e-9 if limited[row[BUS_I]] == "upper" else below >= -1e-9, row[BUS_I]
    kinds = dict(zip(solved["bus"][:, BUS_I], solved["bus"][:, BUS_TYPE]))
    for number in {number for number in solved["gen"][:, GEN_BUS] if kinds[number] == 2}:
        machines = solved["gen"][solved["gen"][:, GEN_BUS] == number]
        assert machines[:, QMIN].sum() - 1e-6 <= machines[:, QG].sum() <= machines[:, QMAX].sum() + 1e-6, number


def test_what_is_out_of_service_is_missing_and_reported(tmp_path):
    case = case_of(14)
    case["branch"][0, BR_STATUS] = 0
    case["gen"][4, GEN_STATUS] = 0
    case["bus"][7, BUS_TYPE] = 1
    file = write(case, tmp_path / "case.m")
    run = tieline("study", "powerflow", file, "--format", "json", "--tolerance", "1e-10")
    found = json.loads(run.stdout)
    solved = solve(case)
    check_voltages(found, solved["bus"])
    assert found["branch"][0]["p_from_mw"] is None and found["branch"][1]["p_from_mw"] is not None
    assert found["generator"][4]["p_mw"] is None
    assert "dropped branch 1-2: out of service" in run.stderr
    assert "dropped generator 5 at bus 8: out of service" in run.stderr


@pytest.mark.parametrize("options", [[], ["--breakers"]], ids=["bus-branch", "node-breaker"])
def test_no_figure_is_shown_without_a_solution(tmp_path, options):
    case = case_of(14)
    case["bus"][:, [PD, QD]] *= 10
    run = tieline("study", "powerflow", write(case, tmp_path / "case.m"), "--format", "json", *options)
    assert run.returncode == 2
    found = json.loads(run.stdout)
    island = found["summary"]["islands"][0]
    assert not found["summary"]["converged"] and island["state"] == "not_converged"
    assert island["worst"].startswith("bus ") and island["worst"] in run.stderr and "not converged" in run.stderr
    assert np.isnan(column(found["bus"], "vm_pu")).all() and np.isnan(column(found["branch"], "pl_mw")).all()
    assert np.isnan(column(found["generator"], "p_mw")).all()


def test_all_formats_hold_the_same(tmp_path):
    file = write(case_of(30), tmp_path / "case30.m")
    found = json.loads(tieline("study", "powerflow", file, "--format", "json").stdout)
    tieline("study", "powerflow", file, "--format", "parquet", "--result", "all", "--output", tmp_path / "out.parquet")
    tieline("study", "powerflow", file, "--format", "csv", "--result", "all", "--output", tmp_path / "out.csv")
    for kind in ("bus", "branch", "generator"):
        table = pyarrow.parquet.read_table(tmp_path / f"out-{kind}.parquet")
        assert table.to_pylist() == found[kind]
        on_stdout = tieline("study", "powerflow", file, "--format", "csv", "--result", kind).stdout
        assert on_stdout == (tmp_path / f"out-{kind}.csv").read_text()
        lines = on_stdout.splitlines()
        assert lines[0].split(",") == list(found[kind][0]) and len(lines) == len(found[kind]) + 1
        figures = np.genfromtxt(io.StringIO(on_stdout), delimiter=",", names=True)
        for name in figures.dtype.names:
            if name not in ("name", "branch"):
                assert largest(np.nan_to_num(figures[name]), np.nan_to_num(column(found[kind], name))) == 0.0, name


def test_parquet_and_several_csv_tables_need_a_file(tmp_path):
    file = write(case_of(9), tmp_path / "case9.m")
    for options in (["--format", "parquet"], ["--format", "csv", "--result", "all"]):
        run = tieline("study", "powerflow", file, *options)
        assert (run.returncode, run.stdout) == (1, "") and "--output" in run.stderr


def estimate(case, measurements, folder, *options):
    file, csv = write(case, folder / "case.m"), folder / "measurements.csv"
    csv.write_text("type,element,end,value,sigma\n" + "".join(f"{row}\n" for row in measurements))
    run = tieline("study", "estimate", file, csv, "--format", "json", *options)
    assert run.stdout, run.stderr
    return run, json.loads(run.stdout)


def exact_measurements(solved):
    """Every voltage, injection and flow of a power flow, without noise."""
    bus, gen, branch = solved["bus"], solved["gen"], solved["branch"]
    for row in bus:
        number = int(row[BUS_I])
        machines = gen[gen[:, GEN_BUS] == number]
        yield f"v,{number},,{float(row[VM])!r},0.003"
        yield f"p_inj,{number},,{float(machines[:, PG].sum() - row[PD])!r},0.5"
        yield f"q_inj,{number},,{float(machines[:, QG].sum() - row[QD])!r},0.5"
    for row in branch:
        name = f"{int(row[0])}-{int(row[1])}"
        for end, p, q in (("from", PF, QF), ("to", PT, QT)):
            yield f"p_flow,{name},{end},{float(row[p])!r},0.5"
            yield f"q_flow,{name},{end},{float(row[q])!r},0.5"


@pytest.mark.parametrize("size", (9, 14, 30))
def test_an_estimate_from_exact_measurements_is_the_power_flow(tmp_path, size):
    case = case_of(size)
    solved = solve(case)
    run, found = estimate(case, exact_measurements(solved), tmp_path)
    assert run.returncode == 0 and found["summary"]["estimated"]
    check_voltages(found, solved["bus"])
    check_flows(found, solved["branch"])
    assert "chi-square test passed" in run.stderr and found["summary"]["removed"] == []


def test_a_gross_error_is_named_and_removed(tmp_path):
    case = case_of(14)
    solved = solve(case)
    measurements = list(exact_measurements(solved))
    at = next(i for i, row in enumerate(measurements) if row.startswith("p_flow,4-5,from"))
    fields = measurements[at].split(",")
    measurements[at] = ",".join([*fields[:3], repr(float(fields[3]) + 20 * 0.5), fields[4]])
    run, found = estimate(case, measurements, tmp_path)
    assert run.returncode == 0
    assert [removed["name"] for removed in found["summary"]["removed"]] == ["p_flow 4-5 from"]
    assert "bad data removed: p_flow 4-5 from" in run.stderr and f"(line {at + 2}," in run.stderr
    check_voltages(found, solved["bus"])
    row = next(row for row in found["measurement"] if row["name"] == "p_flow 4-5 from")
    assert row["verdict"] == "removed" and row["quantity"] == "p_from_mw"
    assert row["normalised_residual"] > 5
    assert abs(row["estimated"] - solved["branch"][6, PF]) < 1e-6
    # Without permission to remove, the chi-square test must fail.
    run, found = estimate(case, measurements, tmp_path, "--max-removals", "0")
    assert found["summary"]["removed"] == [] and "chi-square test failed" in run.stderr


def test_what_is_not_observable_is_listed_and_not_guessed(tmp_path):
    case = case_of(14)
    solved = solve(case)
    # Nothing at or towards buses 12 to 14; the injections of their neighbours would tell of them.
    kept = [row for row in exact_measurements(solved) if not touches(row, {12, 13, 14})]
    kept = [row for row in kept if not row.startswith(("p_inj,6,", "q_inj,6,", "p_inj,9,", "q_inj,9,"))]
    run, found = estimate(case, kept, tmp_path)
    assert run.returncode == 0
    assert found["summary"]["unobservable"] == ["bus 12", "bus 13", "bus 14"]
    assert all(f"not observable: bus {number}" in run.stderr for number in (12, 13, 14))
    shown = {row["bus"]: row["vm_pu"] for row in found["bus"]}
    assert all(shown[number] is None for number in (12, 13, 14))
    seen = [number for number in shown if number not in (12, 13, 14)]
    assert largest([shown[n] for n in seen], [solved["bus"][n - 1, VM] for n in seen]) < 1e-8


def touches(row, numbers):
    return any(int(number) in numbers for number in row.split(",")[1].split("-"))


@pytest.mark.parametrize("measurements", [[], ["p_inj,2,,18.3,0.5", "q_inj,2,,30.9,0.5"]], ids=["none", "no voltage"])
def test_too_little_measured_is_no_estimate(tmp_path, measurements):
    run, found = estimate(case_of(14), measurements, tmp_path)
    assert run.returncode == 2 and not found["summary"]["estimated"]
    assert found["summary"]["islands"][0]["state"] == "not_observable"
    assert "island 1: no bus is observable" in run.stderr
    assert np.isnan(column(found["bus"], "vm_pu")).all()


def test_the_example_is_estimated():
    run = tieline("study", "estimate", EXAMPLES / "ieee14.m", EXAMPLES / "ieee14-measurements.csv", "--format", "json")
    assert run.returncode == 0
    found = json.loads(run.stdout)
    truth = solve(case_of(14))["bus"]
    assert largest(column(found["bus"], "vm_pu"), truth[:, VM]) < 0.002
    assert largest(column(found["bus"], "va_degree"), truth[:, VA]) < 0.1
