"""One Newton power flow, warm and cold: lightsim2grid against `tieline bench powerflow`.

Both start from 1 p.u. and angle 0, or with `--start case` from the file's voltages, and stop at 1e-8 p.u. Warm keeps the
pattern and the order of elimination, cold makes them anew. Our results have voltages, flows and injections; the
peer's call too.
"""

import tempfile

import numpy as np
from matpowercaseframes import CaseFrames

import networks
from side_by_side import arguments, compare, read_sample, same, tieline

CASES = ["case118", "case1354pegase", "case9241pegase", "case_ACTIVSg10k"]
TOLERANCE = 1e-8
VM, VA = 7, 8


def solve(network, start):
    solution = network.grid.ac_pf(start.copy(), 30, TOLERANCE)
    if not len(solution):
        raise RuntimeError("lightsim2grid does not converge")
    return solution


def run(name, folder, rounds):
    path = networks.case_file(name)
    network = networks.Ls2g(path)
    bus = CaseFrames(str(path)).bus.to_numpy()
    start = bus[:, VM] * np.exp(1j * np.radians(bus[:, VA]))
    begin = "case"
    sample = f"{folder}/sample.csv"
    options = ("powerflow", path, "--start", begin)
    tieline(*options, "--runs", 1, "--sample", sample)
    ((number, _, voltage),) = read_sample(sample).values()
    at = {number: row for row, number in enumerate(network.numbers)}
    rows = [at[number] for number in number]
    difference = same(solve(network, start)[rows], voltage, name)

    def ours():
        return tieline(*options, "--runs", 15)

    def cold():
        network.grid.tell_solver_need_reset()
        return solve(network, start)

    more = {"start": begin, "difference_pu": difference}
    warm = {"lightsim2grid NR_KLU": lambda: solve(network, start)}
    compare("powerflow warm", ours, warm, case=name, items=1, bar=2, rounds=rounds, **more)
    compare("powerflow cold", ours, {"lightsim2grid NR_KLU, reset": cold}, case=name, items=1, bar=1.5, rounds=rounds,
            field="cold_cpu_us", **more)


def main():
    options = arguments(__doc__.splitlines()[0], CASES)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.cases:
            run(name, folder, options.rounds)


if __name__ == "__main__":
    main()
