"""Figures for the pre-switching study: the IEEE 14-bus case with a line open at one end, solved by PYPOWER.

`python study_cases.py` prints the table `PYPOWER` of crates/server/src/study/tests.rs. The open end is a bus of its own, so
that the charging of the line stays. Reactive limits are held as the study holds them: not at the slack.
"""

import numpy as np
from pypower.api import case14, ppoption, runpf
from pypower.idx_brch import BR_STATUS, F_BUS, PF, PT, QF, QT, T_BUS
from pypower.idx_bus import BUS_TYPE, PD, QD, VM
from pypower.idx_gen import GEN_BUS, GEN_STATUS, PG, QG, QMAX, QMIN

OPTIONS = ppoption(VERBOSE=0, OUT_ALL=0, PF_TOL=1e-12)


def solve(at, other):
    """The case with the line between two buses open at the first of them."""
    case = case14()
    case["gen"][0, [QMIN, QMAX]] = [-999, 999]
    branch = case["branch"]
    row = next(i for i, b in enumerate(branch) if {int(b[F_BUS]), int(b[T_BUS])} == {at, other})
    far = case["bus"][other - 1].copy()
    far[[0, 1, 2, 3, 4, 5]] = [15, 1, 0, 0, 0, 0]
    case["bus"] = np.vstack([case["bus"], far])
    column = F_BUS if int(branch[row, F_BUS]) == at else T_BUS
    branch[row, column] = 15
    assert branch[row, BR_STATUS] == 1
    while True:
        result, done = runpf(case, OPTIONS)
        assert done
        over = [(i, g) for i, g in enumerate(result["gen"]) if g[GEN_STATUS] and not g[QMIN] <= g[QG] <= g[QMAX]]
        if not over:
            return result
        # PYPOWER's own loop for reactive limits fails on today's NumPy: the worst machine is held at its limit by hand.
        at, machine = max(over, key=lambda entry: max(entry[1][QG] - entry[1][QMAX], entry[1][QMIN] - entry[1][QG]))
        bus = case["bus"][int(machine[GEN_BUS]) - 1]
        bus[BUS_TYPE] = 1
        bus[PD] -= machine[PG]
        bus[QD] -= machine[QMAX] if machine[QG] > machine[QMAX] else machine[QMIN]
        case["gen"][at, GEN_STATUS] = 0


def loading(result, one, other):
    """Larger apparent power of both ends in MVA."""
    for b in result["branch"]:
        if {int(b[F_BUS]), int(b[T_BUS])} == {one, other}:
            return max(np.hypot(b[PF], b[QF]), np.hypot(b[PT], b[QT]))
    raise KeyError((one, other))


if __name__ == "__main__":
    for at, other in [(2, 3), (1, 5), (4, 5)]:
        result = solve(at, other)
        vm = ", ".join(f"{v:.9f}" for v in result["bus"][:14, VM])
        flows = ", ".join(f"{loading(result, a, b):.6f}" for a, b in [(1, 2), (2, 4), (3, 4)])
        print(f'    ("S{at}/L{at}-{other}/CB", [{vm}], [{flows}]),'.replace(f"L{at}-{other}", f"L{min(at, other)}-{max(at, other)}"))
