"""OpenDSS as the truth for unbalanced power flow.

`python interop/opendss_references.py` writes testdata/opendss/*.csv, which the tests of Rust read. It needs the package
of interop/requirements.txt and, for the IEEE feeders, the folder of their scripts (`opendss` of the shared data).
"""

import csv
import os
import sys
from pathlib import Path

import opendssdirect as dss

ROOT = Path(__file__).resolve().parent.parent
TESTDATA = ROOT / "testdata" / "opendss"
SHARED = Path(os.environ.get("TIELINE_SHARED_DATA", ROOT.parent / "shared" / "data")) / "opendss"

# Scripts of our own.
OURS = ["feeder", "inverters", "inverter-modes", "zigzag", "regulators", "open-ends"]
# Name: script below SHARED. Only the first circuit of a script counts, without its `solve` and reports.
SHARED_CASES = {
    "4bus-yy": "4Bus-YY-Bal/4Bus-YY-Bal.DSS",
    "4bus-dy": "4Bus-DY-Bal/4Bus-DY-Bal.DSS",
    "4bus-yd": "4Bus-YD-Bal/4Bus-YD-Bal.DSS",
    "4bus-gyd": "4Bus-GrdYD-Bal/4Bus-GrdYD-Bal.DSS",
    "4bus-oyod": "4Bus-OYOD-UnBal/4bus-OYOD-UnBal.dss",
    "ieee13": "13Bus/IEEE13Nodeckt.dss",
    "ieee34-1": "34Bus/ieee34Mod1.dss",
    "ieee34-2": "34Bus/ieee34Mod2.dss",
    "ieee37": "37Bus/ieee37.dss",
    "ieee123": "123Bus/IEEE123Master.dss",
}
LARGE_CASES = {
    "ieee8500": "8500-Node/Master.dss",
    "ieee8500-unbalanced": "8500-Node/Master-unbal.dss",
    "european-lv": "LVTestCase/Master.dss",
}
PASSED_OVER = ("!", "//", "clear", "solve", "show", "plot", "export", "fileedit", "buscoords")


def solve(script, controls):
    """Solves a script to far below the tolerance of the tests."""
    lines = []
    for line in script.read_text(encoding="latin-1").splitlines():
        word = line.strip().lower()
        if word.startswith("clear") and lines:  # the second script of the file
            break
        if word and not word.startswith(PASSED_OVER):
            lines.append(line)
    dss.Text.Command("clear")
    dss.Text.Command(f'set datapath="{script.parent}"')
    for line in lines:
        dss.Text.Command(line)
    for option in ["tolerance=1e-10", "maxiterations=1000", "maxcontroliter=300"]:
        dss.Text.Command(f"set {option}")
    if not controls:
        dss.Text.Command("set controlmode=off")
    dss.Text.Command("solve")
    if not dss.Solution.Converged():
        raise RuntimeError(f"{script} does not converge")


def voltages():
    """Bus, conductor, real and imaginary volts, nominal volts to neutral."""
    bases = {}
    for bus in dss.Circuit.AllBusNames():
        dss.Circuit.SetActiveBus(bus)
        bases[bus] = dss.Bus.kVBase() * 1000.0
    flat = list(dss.Circuit.AllBusVolts())
    pairs = zip(flat[0::2], flat[1::2])
    for name, (re, im) in zip(dss.Circuit.AllNodeNames(), pairs):
        bus, conductor = name.rsplit(".", 1)
        yield bus, int(conductor), float(re), float(im), float(bases[bus])


def taps():
    """Transformer, winding from 1, tap per unit, of every tap that is not 1."""
    for name in dss.Transformers.AllNames():
        dss.Transformers.Name(name)
        for winding in range(1, dss.Transformers.NumWindings() + 1):
            dss.Transformers.Wdg(winding)
            if abs(dss.Transformers.Tap() - 1.0) > 1e-9:
                yield name, winding, float(dss.Transformers.Tap())


def steps():
    """Capacitor and how many of its steps are on."""
    if dss.Capacitors.Count():
        for name in dss.Capacitors.AllNames():
            dss.Capacitors.Name(name)
            yield name, int(sum(dss.Capacitors.States()))


def write(name, script):
    for controls, ending in [(False, "off"), (True, "on")]:
        solve(script, controls)
        with open(TESTDATA / f"{name}-{ending}.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["bus", "conductor", "re_v", "im_v", "base_v"])
            writer.writerows(voltages())
    with open(TESTDATA / f"{name}-taps.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["equipment", "winding", "position"])
        writer.writerows(taps())
        writer.writerows((name, 0, on) for name, on in steps())


def main():
    for name in OURS:
        write(name, TESTDATA / f"{name}.dss")
    if not SHARED.is_dir():
        sys.exit(f"skipped: the IEEE feeders: {SHARED} is not here")
    for name, script in SHARED_CASES.items():
        write(name, SHARED / script)


if __name__ == "__main__":
    main()
