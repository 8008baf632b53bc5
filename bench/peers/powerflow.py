"""One Newton power flow, warm and cold: lightsim2grid against `tieline bench powerflow`.

Both start from the voltages of the file and stop at 1e-8 p.u. Warm keeps the pattern and the order of elimination, cold
makes them anew. Our results have voltages, flows and injections; the peer's call too.
"""

import tempfile

import networks
from side_by_side import arguments, compare, read_sample, same, tieline

CASES = ["case118", "case1354pegase", "case9241pegase", "case_ACTIVSg10k"]
TOLERANCE = 1e-8


def run(name, folder, rounds):
    path = networks.case_file(name)
    network = networks.Ls2g(path)
    sample = f"{folder}/sample.csv"
    options = ("powerflow", path, "--start", "case")
    tieline(*options, "--runs", 1, "--sample", sample)
    ((number, _, voltage),) = read_sample(sample).values()
    rows = [network.rows[number] for number in number]
    difference = same(network.solve(TOLERANCE)[rows], voltage, name)

    def ours():
        return tieline(*options, "--runs", 15)

    def cold():
        network.grid.tell_solver_need_reset()
        return network.solve(TOLERANCE)

    more = {"start": "case", "difference_pu": difference}
    warm = {"lightsim2grid NR_KLU": lambda: network.solve(TOLERANCE)}
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
