"""Reference contingencies from PYPOWER, written as case files for the tests of `contingency`.

    python -m venv venv && venv/bin/pip install pypower==5.1.21 numpy scipy
    venv/bin/python interop/contingency_cases.py crates/contingency/tests/cases            # writes case*
    venv/bin/python interop/contingency_cases.py crates/contingency/tests/cases --check    # compares with them

The networks are PYPOWER's own (the MATPOWER cases). An outage is a changed case that PYPOWER solves from scratch:
rows are taken out, and with them the part that lost the reference. Distribution factors are makePTDF and makeLODF.
"""

import argparse
import pathlib
import sys

import numpy as np
from pypower import api
from pypower.ext2int import ext2int
from pypower.makeLODF import makeLODF
from pypower.makePTDF import makePTDF

INPUTS = {"bus": 13, "gen": 21, "branch": 13}
SIZES = (14, 118, 300)


def case_of(size):
    case = getattr(api, f"case{size}")()
    return {name: np.asarray(value, float) if name in INPUTS else value for name, value in case.items()}


def matpower(case, name):
    lines = [f"function mpc = {name}", "mpc.version = '2';", f"mpc.baseMVA = {float(case['baseMVA'])!r};"]
    for table, columns in INPUTS.items():
        rows = (" ".join(repr(float(figure)) for figure in row[:columns]) for row in case[table])
        lines += [f"mpc.{table} = [", *(f"\t{row};" for row in rows), "];"]
    return "\n".join(lines) + "\n"


def numbers(values):
    return " ".join(f"{float(value):.13g}" if value else "0" for value in values)


def outages(case):
    """Branch rows, generator rows and bus rows that fail together, from 0."""
    branches, generators, buses = len(case["branch"]), len(case["gen"]), len(case["bus"])
    for row in range(0, branches, max(1, branches // 9)):
        yield [row], [], []
    for row in range(1, branches - 7, max(1, branches // 5)):
        yield [row, row + 7], [], []
    yield [0, branches // 2, branches - 1], [], []
    for row in range(1, generators, max(1, generators // 3)):
        yield [], [row], []
    yield [2], [generators - 1], []
    for row in range(3, buses, max(1, buses // 4)):
        if case["bus"][row, 1] != 3:
            yield [], [], [row]


def left(case, branches, generators, buses):
    """The case without what fails and without what then hangs on no reference; the kept rows per table."""
    number = {int(bus): row for row, bus in enumerate(case["bus"][:, 0])}
    ends = [[number[int(branch[0])], number[int(branch[1])]] for branch in case["branch"]]
    alive = [row for row in range(len(ends)) if row not in branches and not set(ends[row]) & set(buses)]
    reached = {row for row, bus in enumerate(case["bus"]) if bus[1] == 3}
    while True:
        more = {end for row in alive if set(ends[row]) & reached for end in ends[row]} - reached
        if not more:
            break
        reached |= more
    rows = {
        "bus": [row for row in range(len(case["bus"])) if row in reached],
        "branch": [row for row in alive if set(ends[row]) <= reached],
        "gen": [row for row in range(len(case["gen"]))
                if row not in generators and number[int(case["gen"][row, 0])] in reached],
    }
    kept = {name: case[name][rows[name]].copy() for name in INPUTS}
    machines = set(kept["gen"][kept["gen"][:, 7] > 0, 0])
    for bus in kept["bus"]:
        if bus[1] == 2 and bus[0] not in machines:
            bus[1] = 1
    return {"version": "2", "baseMVA": case["baseMVA"], **kept}, rows


def spread(rows, values, count):
    out = np.zeros(count)
    out[rows] = values
    return out


def dc_lines(case):
    options = api.ppoption(VERBOSE=0, OUT_ALL=0)
    for failing in outages(case):
        kept, rows = left(case, *failing)
        solved, success = api.rundcpf(kept, options)
        assert success
        yield heading(failing)
        yield "flow " + numbers(spread(rows["branch"], solved["branch"][:, 13], len(case["branch"])))


def ac_lines(case):
    options = api.ppoption(PF_TOL=1e-10, PF_MAX_IT=30, VERBOSE=0, OUT_ALL=0)
    for failing in outages(case):
        kept, rows = left(case, *failing)
        solved, success = api.runpf(kept, options)
        if not success:
            continue
        yield heading(failing)
        yield "vm " + numbers(spread(rows["bus"], solved["bus"][:, 7], len(case["bus"])))
        yield "va " + numbers(spread(rows["bus"], np.radians(solved["bus"][:, 8]), len(case["bus"])))


def heading(failing):
    return "outage " + " ".join(",".join(map(str, part)) or "-" for part in failing)


def factor_lines(case):
    """All factors of a small case, some rows and columns of a larger one."""
    inner = ext2int(case)
    reference = int(np.flatnonzero(inner["bus"][:, 1] == 3)[0])
    ptdf = makePTDF(inner["baseMVA"], inner["bus"], inner["branch"], reference)
    shares = np.zeros(len(inner["bus"]))
    for machine in inner["gen"]:
        shares[int(machine[0])] += machine[8]
    shares /= shares.sum()
    shared = makePTDF(inner["baseMVA"], inner["bus"], inner["branch"], shares)
    with np.errstate(divide="ignore", invalid="ignore"):
        lodf = makeLODF(inner["branch"], ptdf)
    step = max(1, len(ptdf) // (20 if len(ptdf) <= 20 else 6))
    for row in range(0, len(ptdf), step):
        yield f"ptdf {row} " + numbers(ptdf[row])
        yield f"shared {row} " + numbers(shared[row])
    for column in range(0, len(ptdf), step):
        # The outage of a bridge is no number; rounding may still make one.
        if np.isfinite(lodf[:, column]).all() and np.abs(lodf[:, column]).max() < 1e6:
            yield f"lodf {column} " + numbers(lodf[:, column])


def files():
    for size in SIZES:
        case = case_of(size)
        head = f"# PYPOWER 5.1.21, case{size}; made by interop/contingency_cases.py\n"
        yield f"case{size}.m", f"% PYPOWER 5.1.21, case{size}\n" + matpower(case, f"case{size}")
        for kind, lines in (("dc", dc_lines), ("ac", ac_lines), ("factors", factor_lines)):
            if kind == "factors" and size > 118:
                continue
            yield f"case{size}_{kind}.txt", head + "\n".join(lines(case_of(size))) + "\n"


def same(known, made):
    for ours, theirs in zip(known.splitlines(), made.splitlines(), strict=True):
        for one, other in zip(ours.split(), theirs.split(), strict=True):
            try:
                if abs(float(one) - float(other)) > 1e-9:
                    return False
            except ValueError:
                if one != other:
                    return False
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    differing = []
    for name, text in files():
        if arguments.check:
            if not same((arguments.folder / name).read_text(), text):
                differing.append(name)
        else:
            (arguments.folder / name).write_text(text)
    sys.exit(f"differing: {', '.join(differing)}" if differing else 0)


if __name__ == "__main__":
    main()
