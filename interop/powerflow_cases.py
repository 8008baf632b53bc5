"""Reference power flows from foreign software, written as case files for the tests of `powerflow`.

    python -m venv venv && venv/bin/pip install pypower==5.1.21 "numpy<2" scipy pandapower==3.5.6
    venv/bin/python interop/powerflow_cases.py OUT_FOLDER            # writes case*.txt
    venv/bin/python interop/powerflow_cases.py OUT_FOLDER --check    # compares with the files there

Free limits: PYPOWER (Newton, tolerance 1e-10) on its own cases, which are the MATPOWER cases.
With reactive limits: pandapower on its own networks; its internal per-unit model is the input.
"""

import argparse
import pathlib
import sys

import numpy as np
from pypower import api
from pypower.ext2int import ext2int
from pypower.loadcase import loadcase

SIZES = (9, 14, 30, 57, 118, 300)
# Shunt conductance of a branch: a column that pandapower adds to the MATPOWER columns.
BRANCH_G = 23
KINDS = {1: "pq", 2: "pv", 3: "slack"}


def number(value):
    return repr(float(value)) if abs(float(value)) != 0.0 else "0"


def line(*fields):
    return " ".join(f if isinstance(f, str) else number(f) for f in fields)


def sums_per_bus(bus_count, gen):
    """Machines of one bus are one source: sums of power and limits, set point of the last."""
    p, qmin, qmax, vm = np.zeros(bus_count), np.zeros(bus_count), np.zeros(bus_count), np.full(bus_count, np.nan)
    for row in gen:
        if row[7] <= 0:
            continue
        at = int(row[0])
        p[at] += row[1]
        qmin[at] += row[4]
        qmax[at] += row[3]
        vm[at] = row[5]
    return p, qmin, qmax, vm


def inputs(bus, gen, branch, base, start_vm, start_va):
    """Lines of input in per unit on `base`; angles in radians. Buses count from 0 in file order."""
    p_gen, qmin, qmax, vset = sums_per_bus(len(bus), gen)
    yield f"base_mva {number(base)}"
    yield "# bus kind p q q_gen_min q_gen_max q_load g_shunt b_shunt vm va base_kv"
    for at, row in enumerate(bus):
        kind = KINDS[int(row[1])]
        vm = vset[at] if kind != "pq" else start_vm[at]
        pq = (p_gen[at] - row[2]) / base
        yield line("bus", kind, pq, -row[3] / base, qmin[at] / base, qmax[at] / base, row[3] / base,
                   row[4] / base, row[5] / base, vm, np.radians(start_va[at]), row[9])
    yield "# branch from to r x g b ratio shift"
    for row in branch:
        ratio = row[8] if row[8] != 0 else 1.0
        yield line("branch", str(int(row[0])), str(int(row[1])), row[2], row[3], row[BRANCH_G] if len(row) > BRANCH_G else 0.0,
                   row[4], ratio, np.radians(row[9]))


def results(bus, branch, base):
    """Reference: voltages, and flows into the branch at both ends."""
    yield "# v vm va"
    for row in bus:
        yield line("v", row[7], np.radians(row[8]))
    yield "# flow p_from q_from p_to q_to"
    for row in branch:
        yield line("flow", *(row[13:17] / base))


def pypower_case(size):
    case = getattr(api, f"case{size}")()
    # Some of the cases hold integers, into which results would be truncated.
    case["gen"] = case["gen"].astype(float)
    options = api.ppoption(PF_TOL=1e-10, PF_MAX_IT=30, VERBOSE=0, OUT_ALL=0)
    solved, success = api.runpf(case, options)
    assert success, f"case{size} did not converge"
    internal = ext2int(loadcase(getattr(api, f"case{size}")()))
    after = ext2int(solved)
    yield f"# PYPOWER 5.1.21, case{size} (the MATPOWER case), PF_TOL 1e-10, reactive limits free."
    base = internal["baseMVA"]
    yield from inputs(internal["bus"], internal["gen"], internal["branch"], base,
                      internal["bus"][:, 7], internal["bus"][:, 8])
    yield from results(after["bus"], after["branch"], base)
    yield "# slack p q: net injection there"
    slack = [row for row in solved["bus"] if row[1] == 3][0]
    machines = [row for row in solved["gen"] if row[0] == slack[0] and row[7] > 0]
    p, q = (sum(row[at] for row in machines) for at in (1, 2))
    yield line("slack", (p - slack[2]) / base, (q - slack[3]) / base)


def pypower_dc_case(size):
    """The DC power flow: angles and active flows, magnitudes of 1."""
    case = getattr(api, f"case{size}")()
    case["gen"] = case["gen"].astype(float)
    case["branch"] = case["branch"].astype(float)
    case["bus"] = case["bus"].astype(float)
    solved, success = api.rundcpf(case, api.ppoption(VERBOSE=0, OUT_ALL=0))
    assert success, f"case{size} did not converge"
    internal = ext2int(loadcase(getattr(api, f"case{size}")()))
    after = ext2int(solved)
    yield f"# PYPOWER 5.1.21, case{size} (the MATPOWER case), rundcpf."
    base = internal["baseMVA"]
    yield from inputs(internal["bus"], internal["gen"], internal["branch"], base,
                      internal["bus"][:, 7], internal["bus"][:, 8])
    yield from results(after["bus"], after["branch"], base)


def pandapower_case(size):
    import pandapower as pp
    import pandapower.networks as networks

    net = getattr(networks, f"case{size}")()
    pp.runpp(net, tolerance_mva=1e-8, max_iteration=50)
    free = net._ppc["internal"]
    kinds = free["bus"][:, 1].real.copy()
    start = free["bus"].real.copy()
    pp.runpp(net, tolerance_mva=1e-8, enforce_q_lims=True, max_iteration=50)
    model = net._ppc["internal"]
    base = float(model["baseMVA"])
    bus, gen, branch = model["bus"].real.copy(), model["gen"].real.copy(), model["branch"].real.copy()
    loads = start[:, 2:4]
    bus_in = bus.copy()
    bus_in[:, 1] = kinds
    bus_in[:, 2:4] = loads
    free_gen = free["gen"].real.copy()
    free_gen[:, 7] = 1
    yield f"# pandapower {pp.__version__}, networks.case{size}, enforce_q_lims, tolerance_mva 1e-8."
    yield from inputs(bus_in, free_gen, branch, base, np.ones(len(bus)), np.where(kinds == 3, bus[:, 8], 0.0))
    bus[:, 1] = kinds
    yield from results(bus, branch, base)


def difference(old, new):
    """Largest difference of the numbers of two files, infinite when their words differ."""
    worst = 0.0
    a, b = ([l.split() for l in text.splitlines() if not l.startswith("#")] for text in (old, new))
    if len(a) != len(b):
        return float("inf")
    for x, y in zip(a, b):
        if len(x) != len(y) or x[0] != y[0]:
            return float("inf")
        for p, q in zip(x[1:], y[1:]):
            if p != q:
                try:
                    worst = max(worst, abs(float(p) - float(q)))
                except ValueError:
                    return float("inf")
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    makers = {f"case{n}.txt": (pypower_case, n) for n in SIZES}
    makers |= {f"case{n}_dc.txt": (pypower_dc_case, n) for n in (9, 118, 300)}
    makers |= {f"case{n}_q_limits.txt": (pandapower_case, n) for n in (39, 118)}
    failed = 0
    for name, (make, size) in makers.items():
        text = "\n".join(make(size)) + "\n"
        path = options.folder / name
        if options.check:
            off = difference(path.read_text(), text)
            print(f"{name}: largest difference {off:.1e}")
            failed += off > 1e-9
        else:
            path.write_text(text)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
