"""Daily steps of the IEEE test feeders: OpenDSS (DSS C-API) against `tieline bench powerflow-batch --unbalanced`.

Every step has its own loads. OpenDSS solves the step's loads as a snapshot in its daily mode: controls off, its fixed
point on the factorised admittance matrix, warm from the step before. Its tolerance is what its scripts use, 1e-4; ours
is 1e-8 of voltage. The scripts are those of EPRI; give their folder.
"""

import argparse
import os
import pathlib
import tempfile

import numpy as np
from opendssdirect import dss

from side_by_side import compare, cpu_us, tieline

CASES = {"123Bus": ("IEEE123Master.dss", 5), "8500-Node": ("Master-unbal.dss", 10)}
STEPS = 96


def engine(master):
    """The circuit with a daily shape on all loads, so that every step differs."""
    here = os.getcwd()
    dss.Basic.AllowChangeDir(False)
    dss.Text.Command("clear")
    dss.Text.Command(f'redirect "{master}"')
    os.chdir(here)
    shape = 0.7 + 0.3 * np.sin(np.arange(STEPS) / STEPS * 2 * np.pi) ** 2
    dss.Text.Command(f"new loadshape.bench npts={STEPS} minterval=15 mult=({' '.join(map(repr, map(float, shape)))})")
    dss.Text.Command("batchedit load..* daily=bench status=variable")
    dss.Text.Command("set controlmode=off maxiterations=100 tolerance=1e-4")
    dss.Text.Command("solve")

    def day():
        dss.Text.Command(f"set mode=daily stepsize=15m number={STEPS} hour=0 sec=0")
        dss.Solution.Solve()
        if not dss.Solution.Converged():
            raise RuntimeError("OpenDSS does not converge")

    return day


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="the folder with 123Bus and 8500-Node of the IEEE test cases")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for case, (master, bar) in CASES.items():
        path = options.folder / case / master
        day = engine(path)
        nodes = dss.Circuit.NumNodes()

        def ours(path=path):
            return tieline("powerflow-batch", path, "--unbalanced", "--scenarios", 1000, "--spread", 0.3, "--runs", 3)

        compare("daily steps", ours, {"OpenDSS daily, controls off": day}, case=case, items=STEPS, bar=bar,
                rounds=options.rounds, nodes=nodes)


if __name__ == "__main__":
    main()
