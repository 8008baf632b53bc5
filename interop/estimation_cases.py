"""Reference state estimates from pandapower, written as case files for the tests of `estimation`.

    venv/bin/pip install pypower==5.1.21 "numpy<2" scipy pandapower==3.5.6
    venv/bin/python interop/estimation_cases.py OUT_FOLDER [--check]

Grid: pandapower's own network in its internal per-unit model. Measurements: its power flow with seeded noise.
Reference: `estimate(algorithm="wls")`, and `"wls_with_zero_constraint"` where buses without injection are
equality constraints. Lines, all per unit and radians, net injection = generation minus load without shunts:

    m KIND INDEX END VALUE SIGMA     a measurement; KIND vm, p_bus, q_bus, p_branch, q_branch; END from, to, -
    zero INDEX                       a bus without injection
    estimate VM VA                   per bus, without constraints
    constrained VM VA                per bus, with constraints
    rn VALUE                         normalised residual per measurement, without constraints; 0 for a critical one
"""

import argparse
import logging
import pathlib
import sys

import numpy as np
import pandapower as pp
import pandapower.networks as networks
from pandapower.estimation import estimate
from pandapower.estimation.algorithm.base import WLSAlgorithm

from powerflow_cases import difference, inputs, line, results

SIGMA = {"v": 0.004, "p": 0.01, "q": 0.012}


# The algorithm objects that ran: they hold the matrices of their last step.
KEPT = []
run = WLSAlgorithm.estimate


def keep(self, eppci, **options):
    KEPT.append(self)
    return run(self, eppci, **options)


WLSAlgorithm.estimate = keep


class Recorder:
    """Gives a measurement to pandapower and writes the same one down in per unit."""

    def __init__(self, net, base, seed):
        self.net, self.base, self.rng, self.lines = net, base, np.random.default_rng(seed), []
        self.bus = net._pd2ppc_lookups["bus"]

    def add(self, kind, element_type, element, side, truth, sign):
        """`truth` in the units of pandapower, `sign` turns its convention into ours."""
        scale = 1.0 if kind == "v" else self.base
        sigma = SIGMA[kind]
        value = truth / scale + self.rng.normal(0.0, sigma)
        pp.create_measurement(self.net, kind, element_type, value * scale, sigma * scale, element, side=side)
        if element_type == "bus":
            name = "vm" if kind == "v" else f"{kind}_bus"
            index, end = int(self.bus[element]), "-"
        else:
            name = f"{kind}_branch"
            place = list(self.net[element_type].index).index(element)
            index = place if element_type == "line" else len(self.net.line) + place
            end = {"from": "from", "hv": "from", "to": "to", "lv": "to"}[side]
        self.lines.append(line("m", name, str(index), end, sign * value, sigma))


def injection(net, bus):
    """Net generation at a bus in MW and Mvar, without shunts."""
    p = q = 0.0
    for table, sign in (("gen", 1), ("ext_grid", 1), ("sgen", 1), ("load", -1)):
        rows = net[table].index[net[table].bus == bus]
        p += sign * net[f"res_{table}"].p_mw[rows].sum()
        q += sign * net[f"res_{table}"].q_mvar[rows].sum()
    return p, q


def measure(net, base, seed, bus_share, line_share):
    recorder = Recorder(net, base, seed)
    rng = np.random.default_rng(seed + 1)
    zero = []
    for bus in net.bus.index:
        p, q = injection(net, bus)
        if abs(p) < 1e-12 and abs(q) < 1e-12:
            zero.append(bus)
        elif rng.random() < bus_share:
            recorder.add("p", "bus", bus, None, -p, -1)
            recorder.add("q", "bus", bus, None, -q, -1)
        if rng.random() < bus_share:
            recorder.add("v", "bus", bus, None, net.res_bus.vm_pu[bus], 1)
    for table, sides in (("line", ("from", "to")), ("trafo", ("hv", "lv"))):
        for element in net[table].index:
            for side in sides:
                if rng.random() < line_share:
                    for kind, column in (("p", "p_{}_mw"), ("q", "q_{}_mvar")):
                        truth = net[f"res_{table}"][column.format(side)][element]
                        recorder.add(kind, table, element, side, truth, 1)
    return recorder.lines, zero


def solve(net, algorithm, zero):
    result = estimate(net, algorithm=algorithm, init="flat", tolerance=1e-10, maximum_iterations=50,
                      zero_injection=zero)
    assert result["success"] if isinstance(result, dict) else result, algorithm
    lookup = net._pd2ppc_lookups["bus"]
    order = sorted(net.bus.index, key=lambda bus: lookup[bus])
    return [(net.res_bus_est.vm_pu[b], np.radians(net.res_bus_est.va_degree[b])) for b in order]


def normalised_residuals(lines):
    """From the matrices of pandapower's last run, in the order of `lines`."""
    H, R_inv, r = (np.asarray(getattr(KEPT[-1], name)) for name in ("H", "R_inv", "r"))
    omega = np.linalg.inv(R_inv) - H @ np.linalg.solve(H.T @ R_inv @ H, H.T)
    share = np.diag(omega) * np.diag(R_inv)
    values = np.where(share < 1e-5, 0.0, np.abs(r.ravel()) / np.sqrt(np.maximum(np.diag(omega), 1e-30)))
    stacked = ["p_bus -", "q_bus -", "p_branch from", "q_branch from", "p_branch to", "q_branch to", "vm -"]
    fields = [text.split() for text in lines]
    order = sorted(range(len(lines)), key=lambda m: (stacked.index(f"{fields[m][1]} {fields[m][3]}"), int(fields[m][2])))
    out = np.empty(len(lines))
    out[order] = values
    return out


def case(size, seed, bus_share, line_share):
    net = getattr(networks, f"case{size}")()
    pp.runpp(net, tolerance_mva=1e-9)
    model = net._ppc["internal"]
    base = float(model["baseMVA"])
    bus, gen, branch = (model[name].real.copy() for name in ("bus", "gen", "branch"))
    lines, zero = measure(net, base, seed, bus_share, line_share)
    lookup = net._pd2ppc_lookups["bus"]
    yield f"# pandapower {pp.__version__}, networks.case{size}, noise seed {seed}; see interop/estimation_cases.py."
    yield from inputs(bus, gen, branch, base, np.ones(len(bus)), np.where(bus[:, 1] == 3, bus[:, 8], 0.0))
    yield from results(bus, branch, base)
    yield from lines
    yield from sorted((line("zero", str(int(lookup[b]))) for b in zero), key=lambda text: int(text.split()[1]))
    for word, algorithm in (("estimate", "wls"), ("constrained", "wls_with_zero_constraint")):
        constraints = zero if word == "constrained" else None
        yield from (line(word, *row) for row in solve(net, algorithm, constraints))
        if word == "estimate":
            yield from (line("rn", value) for value in normalised_residuals(lines))


def main():
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    failed = 0
    for name, arguments in {"case14.txt": (14, 7, 0.9, 0.7), "case118.txt": (118, 11, 0.7, 0.6)}.items():
        text = "\n".join(case(*arguments)) + "\n"
        path = options.folder / name
        if options.check:
            off = difference(path.read_text(), text)
            print(f"{name}: largest difference {off:.1e}")
            failed += off > 1e-8
        else:
            path.write_text(text)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
