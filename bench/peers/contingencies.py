"""Every branch outage, AC and DC: lightsim2grid's contingency analysis against `tieline bench contingencies`.

Outages that part the network are left out on both sides (lightsim2grid skips them; ours says how many). Ours compares every
branch with a rating and every voltage with its band; the peer computes voltages (AC), or flows of all branches (DC), and
compares nothing. The time of both has the base solution in it. `crates/contingency/tests` hold that both find the same.
"""

import argparse

import lightsim2grid.lightsim2grid_cpp as ls2g
import numpy as np

import networks
from side_by_side import compare, tieline

# Case, outages that the peer gets (all if there are fewer), bars of AC and DC.
CASES = {"case118": (None, 10, None), "case1354pegase": (None, 10, None), "case9241pegase": (300, 10, 20)}
MOST_DC = 2000
TOLERANCE = 1e-8


def analysis(network, outages, refactor=None, dc=False):
    """A call that solves the outages, and how many it solves."""
    found = ls2g.ContingencyAnalysisCPP(network.grid)
    if dc:
        found.change_algorithm(ls2g.AlgorithmType.DC_KLU)
    else:
        config = found.get_algo_config()
        policies = list(config.int_params)
        policies[1] = refactor
        config.int_params = policies
        found.set_algo_config(config)
    found.add_multiple_n1(list(outages))
    start = network.solve(TOLERANCE)

    def work():
        found.compute(start, 30, TOLERANCE)
        if dc:
            found.compute_power_flows()

    work()
    voltages = np.abs(found.get_voltages())
    return work, int(np.count_nonzero(voltages.max(axis=1) > 0))


def run(name, dc, rounds):
    most, ac_bar, dc_bar = CASES[name]
    path = networks.case_file(name)
    network = networks.Ls2g(path)
    count = len(network.grid.get_lines()) + len(network.grid.get_trafos())
    most = min(count, MOST_DC if dc else most or count)
    # Spread over all, so that a part stands for the whole.
    outages = np.linspace(0, count - 1, most).astype(int)
    if dc:
        work, solved = analysis(network, outages, dc=True)
        modes = {"lightsim2grid DC_KLU": work}
    else:
        modes, solved = {}, None
        for mode, refactor in (("lightsim2grid NR_KLU", 0), ("lightsim2grid NR_KLU chord", 2)):
            work, count = analysis(network, outages, refactor)
            # A mode that solves fewer is no exact one.
            if solved is None or count == solved:
                modes[mode], solved = work, count
    options = ["contingencies", path, "--runs", 3, *(["--dc"] if dc else [])]
    workload = f"contingencies {'DC' if dc else 'AC'}, per solved outage"
    compare(workload, lambda: tieline(*options), modes, case=name, items=solved, bar=dc_bar if dc else ac_bar,
            rounds=rounds, peer_outages=most)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--dc", action="store_true", help="only DC; without it AC, and DC where there is a bar")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for name in options.cases:
        if not options.dc:
            run(name, False, options.rounds)
        if CASES[name][2]:
            run(name, True, options.rounds)


if __name__ == "__main__":
    main()
