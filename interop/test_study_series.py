"""`tieline study powerflow --profiles` against PYPOWER 5.1.21: every step of a profile is a case that PYPOWER solves."""

import csv
import os
import signal
import subprocess
import time

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from pypower.idx_brch import BR_STATUS, F_BUS, PF, PT, QF, T_BUS, TAP
from pypower.idx_bus import BUS_I, PD, QD, VA, VM
from pypower.idx_gen import PG

import product
from test_study_pypower import EXAMPLES, case_of, solve, tieline, write

pytestmark = pytest.mark.usefixtures("binary")

STEPS = 40
LIMIT_PU = 1e-8


def profile_of(case, seed):
    """Columns by name, and what each does to a case."""
    random = np.random.default_rng(seed)
    loads = [int(bus[BUS_I]) for bus in case["bus"] if bus[PD] != 0]
    ends = case["branch"][:, [F_BUS, T_BUS]].astype(int)
    line, trafo = ends[2], ends[np.flatnonzero(case["branch"][:, TAP])[0]]
    columns = {
        "load:*:factor": random.uniform(0.8, 1.2, STEPS),
        f"load:{loads[1]}:factor": random.uniform(0.9, 1.1, STEPS),
        f"load:{loads[3]}:p_mw": random.uniform(5, 25, STEPS),
        f"load:{loads[3]}:q_mvar": random.uniform(1, 9, STEPS),
        "generator:2:p_mw": random.uniform(10, 40, STEPS),
        f"branch:{line[0]}-{line[1]}:in_service": random.integers(0, 2, STEPS).astype(float),
        f"branch:{trafo[0]}-{trafo[1]}:tap_ratio": random.choice([0.96, 0.98, 1.0, 1.02], STEPS),
    }

    def changed(step):
        values = {name: column[step] for name, column in columns.items()}
        own = {name: table.copy() if isinstance(table, np.ndarray) else table for name, table in case.items()}
        own["bus"][:, [PD, QD]] *= values["load:*:factor"]
        row = {int(number): at for at, number in enumerate(own["bus"][:, BUS_I])}
        own["bus"][row[loads[1]], [PD, QD]] *= values[f"load:{loads[1]}:factor"]
        own["bus"][row[loads[3]], [PD, QD]] = values[f"load:{loads[3]}:p_mw"], values[f"load:{loads[3]}:q_mvar"]
        own["gen"][1, PG] = values["generator:2:p_mw"]
        own["branch"][2, BR_STATUS] = values[f"branch:{line[0]}-{line[1]}:in_service"]
        own["branch"][np.flatnonzero(case["branch"][:, TAP])[0], TAP] = values[f"branch:{trafo[0]}-{trafo[1]}:tap_ratio"]
        return own

    return columns, changed


def write_csv(columns, path):
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["time", *columns])
        for step in range(STEPS):
            out.writerow([f"step {step}", *(repr(float(column[step])) for column in columns.values())])
    return path


def write_parquet(columns, path):
    labels = pyarrow.array([f"step {step}" for step in range(STEPS)])
    table = pyarrow.table({"time": labels, **columns})
    pyarrow.parquet.write_table(table, path, row_group_size=17)
    return path


@pytest.mark.parametrize("size", (14, 57))
@pytest.mark.parametrize("writer,ending", ((write_csv, "csv"), (write_parquet, "parquet")))
def test_every_step_is_that_of_pypower(size, writer, ending, tmp_path):
    case = case_of(size)
    columns, changed = profile_of(case, size)
    network = write(case, tmp_path / "case.m")
    profile, output = writer(columns, tmp_path / f"profile.{ending}"), tmp_path / "out.parquet"
    done = tieline(
        "study", "powerflow", network, "--profiles", profile, "--out", output, "--threads", 2,
        # What is left of the mismatch is multiplied by the grid on its way to the voltages.
        "--tolerance", 1e-10,
        "--columns", "vm_pu,va_degree,p_mw,p_from_mw,q_from_mvar,p_to_mw",
    )
    assert done.returncode == 0, done.stderr
    buses = pyarrow.parquet.read_table(tmp_path / "out-bus.parquet").to_pydict()
    branches = pyarrow.parquet.read_table(tmp_path / "out-branch.parquet").to_pydict()
    count, lines = len(case["bus"]), len(case["branch"])
    assert buses["time"] == [f"step {step}" for step in range(STEPS) for _ in range(count)]
    for step in range(STEPS):
        expected = solve(changed(step))
        rows = slice(step * count, (step + 1) * count)
        assert buses["bus"][rows] == expected["bus"][:, BUS_I].astype(int).tolist()
        assert np.max(np.abs(np.array(buses["vm_pu"][rows]) - expected["bus"][:, VM])) < LIMIT_PU
        angle = np.radians(np.array(buses["va_degree"][rows]) - expected["bus"][:, VA])
        assert np.max(np.abs(angle)) < LIMIT_PU
        rows = slice(step * lines, (step + 1) * lines)
        on = expected["branch"][:, BR_STATUS] == 1
        for name, at in (("p_from_mw", PF), ("q_from_mvar", QF), ("p_to_mw", PT)):
            found = np.array(branches[name][rows], float)
            assert np.max(np.abs(found[on] - expected["branch"][on, at])) < 1e-5, name
            assert np.isnan(found[~on]).all()


def test_statistics_are_those_of_all_steps(tmp_path):
    case = case_of(14)
    columns, changed = profile_of(case, 3)
    network, profile = write(case, tmp_path / "case.m"), write_csv(columns, tmp_path / "profile.csv")
    done = tieline("study", "powerflow", network, "--profiles", profile, "--statistics", "--out", tmp_path / "s.csv")
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "s-bus.csv", newline="") as file:
        found = list(csv.DictReader(file))
    voltages = np.array([solve(changed(step))["bus"][:, VM] for step in range(STEPS)])
    for row, of_bus in zip(found, voltages.T):
        assert int(row["steps"]) == STEPS
        for name, expected in (("min", of_bus.min()), ("mean", of_bus.mean()), ("max", of_bus.max())):
            assert abs(float(row[f"vm_pu_{name}"]) - expected) < LIMIT_PU
        for name, share in (("p05", 5), ("p50", 50), ("p95", 95)):
            expected = np.percentile(of_bus, share, method="inverted_cdf")
            # Half of a bin, as documented.
            assert abs(float(row[f"vm_pu_{name}"]) - expected) < 5.1e-5


def test_violations_are_those_beyond_limits(tmp_path):
    case = case_of(14)
    case["bus"][:, 11] = 1.06
    columns, changed = profile_of(case, 5)
    network, profile = write(case, tmp_path / "case.m"), write_csv(columns, tmp_path / "profile.csv")
    output = tmp_path / "v.parquet"
    done = tieline("study", "powerflow", network, "--profiles", profile, "--violations", "--out", output)
    found = pyarrow.parquet.read_table(output).to_pydict()
    expected = set()
    for step in range(STEPS):
        for bus in solve(changed(step))["bus"]:
            if bus[VM] > 1.06 + 1e-9:
                expected.add((f"step {step}", f"bus {int(bus[BUS_I])}"))
    assert expected and set(zip(found["time"], found["element"])) == expected
    assert done.returncode == 3


def test_a_step_without_solution_has_empty_results_and_exit_code_2(tmp_path):
    profile = tmp_path / "p.csv"
    profile.write_text("scenario,load:*:factor\n7,1\n8,10\n")
    done = tieline("study", "powerflow", EXAMPLES / "ieee14.m", "--profiles", profile, "--format", "csv")
    assert done.returncode == 2
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["scenario"] for row in rows] == ["7"] * 14 + ["8"] * 14
    assert all(row["vm_pu"] for row in rows[:14]) and not any(row["vm_pu"] for row in rows[14:])
    assert "1 of 2 steps not solved" in done.stderr


def test_ctrl_c_leaves_a_file_of_what_was_done(tmp_path):
    profile, output = tmp_path / "p.csv", tmp_path / "out.parquet"
    steps = 400_000
    with open(profile, "w") as file:
        file.write("scenario,load:*:factor\n")
        file.writelines(f"{step},{0.9 + 0.2 * (step * 0.618 % 1)}\n" for step in range(steps))
    running = subprocess.Popen(
        [product.program(), "study", "powerflow", EXAMPLES / "ieee14.m", "--profiles", profile, "--out", output],
        stderr=subprocess.PIPE, text=True,
    )
    while not (output.exists() and output.stat().st_size > 10_000):
        assert running.poll() is None, "ended before it could be cancelled"
        time.sleep(0.005)
    os.kill(running.pid, signal.SIGINT)
    _, messages = running.communicate(timeout=60)
    assert running.returncode == 1 and "cancelled after" in messages
    table = pyarrow.parquet.read_table(output)
    done = int(messages.split("cancelled after ")[1].split()[0])
    assert table.num_rows == 14 * done and 0 < done < steps
    assert table.column("scenario").to_pylist()[-1] == done - 1
