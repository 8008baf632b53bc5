"""One year of quarter-hours on a SimBench MV grid: power-grid-model and lightsim2grid against Tieline.

The grid is 1-MV-rural--0-sw, 35,136 steps. pandapower makes a case of it, which goes to all three; the year's profiles
of loads and generators become net injections of every bus. Ours is the calculation alone, as theirs; a second line has the
whole of `tieline study powerflow --profiles` on our side, from Parquet to Parquet, with reading and writing.
"""

import pathlib
import resource
import subprocess
import tempfile
import time

import lightsim2grid.lightsim2grid_cpp as ls2g
import numpy as np
import pandapower
import pyarrow
import pyarrow.parquet
import simbench
from pandapower.converter.pypower import to_ppc
from power_grid_model import CalculationMethod, ComponentType

import networks
from side_by_side import arguments, compare, program, same, tieline

GRID = "1-MV-rural--0-sw"
TOLERANCE = 1e-8
BASE_MVA = 1.0


def case_of(net, path):
    """The grid as MATPOWER case with one load per bus; the transformers' voltage is behind the slack."""
    pandapower.runpp(net)
    ppc = to_ppc(net, init="flat", calculate_voltage_angles=False)
    scale = BASE_MVA / ppc["baseMVA"]
    bus, branch, gen = ppc["bus"].copy(), ppc["branch"][:, :13].real.copy(), ppc["gen"].copy()
    branch[:, [2, 3]] *= scale
    branch[:, 4] /= scale
    # A ratio of 1 without a shift is a line's.
    branch[(branch[:, 8] == 1) & (branch[:, 9] == 0), 8] = 0
    lines = ["function mpc = simbench", "mpc.version = '2';", f"mpc.baseMVA = {BASE_MVA};"]
    for name, table in (("bus", bus[:, :13]), ("gen", gen[:1, :21]), ("branch", branch)):
        table = table.copy()
        if name in ("bus", "branch"):
            table[:, :2 if name == "branch" else 1] += 1
        else:
            table[:, 0] += 1
        rows = (" ".join(repr(float(figure)) for figure in row) for row in table.real)
        lines += [f"mpc.{name} = [", *(f"{row};" for row in rows), "];"]
    path.write_text("\n".join(lines) + "\n")
    return ppc


def profiles_of(net, buses):
    """Demand minus generation by step and bus row in MW and Mvar."""
    values = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    steps = len(next(iter(values.values())))
    p, q = np.zeros((steps, buses)), np.zeros((steps, buses))
    lookup = net._pd2ppc_lookups["bus"]
    for table, sign in (("load", 1), ("sgen", -1)):
        rows = lookup[net[table].bus.to_numpy()]
        for power, column in ((p, "p_mw"), (q, "q_mvar")):
            if (table, column) in values:
                of_elements = values[table, column].to_numpy()
                np.add.at(power.T, rows, sign * of_elements.T)
            else:
                np.add.at(power.T, rows, sign * np.repeat(net[table][column].to_numpy()[:, None], steps, 1))
    return p, q


def write_profiles(path, numbers, p, q):
    used = np.flatnonzero(np.abs(p).sum(0) + np.abs(q).sum(0))
    columns = {"scenario": np.arange(len(p))}
    for row in used:
        columns[f"load:{numbers[row]}:p_mw"] = p[:, row]
        columns[f"load:{numbers[row]}:q_mvar"] = q[:, row]
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return used


def pgm_modes(network, update):
    model = network.model()

    def run(method):
        return lambda: model.calculate_power_flow(
            symmetric=True, error_tolerance=TOLERANCE, max_iterations=50, calculation_method=method,
            update_data=update, threading=-1, output_component_types={ComponentType.node: ["u_pu", "u_angle"]},
        )

    return {
        "power-grid-model iterative_current": run(CalculationMethod.iterative_current),
        "power-grid-model newton_raphson": run(CalculationMethod.newton_raphson),
    }


def ls2g_modes(network, p, q):
    """Chained: each step starts from the one before, which suits a time series."""
    start = network.solve(TOLERANCE)
    own_p, own_q = np.ascontiguousarray(p[:, network.load_bus]), np.ascontiguousarray(q[:, network.load_bus])

    def run(kind, refactor):
        series = kind(network.grid)
        config = series.get_algo_config()
        policies = list(config.int_params)
        policies[1] = refactor
        config.int_params = policies
        series.set_algo_config(config)

        def work():
            series.modify_load_p(own_p)
            series.modify_load_q(own_q)
            series.compute(start, 30, TOLERANCE)
            if not np.all(series.converged_mask()):
                raise RuntimeError("lightsim2grid does not converge")
            return series

        return work

    return {
        "lightsim2grid chained": run(ls2g.TimeSeriesCPP, 0),
        "lightsim2grid chained chord": run(ls2g.TimeSeriesCPP, 2),
    }


class Study:
    """The whole study as a process: reads Parquet, writes all voltages as Parquet."""

    def __init__(self, folder):
        self.command = [program(), "study", "powerflow", folder / "case.m", "--profiles", folder / "year.parquet",
                        "--out", folder / "result.parquet", "--quiet"]
        self.output = folder / "result.parquet"

    def __call__(self, steps):
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(list(map(str, self.command)), check=True, stderr=None)
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begin
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"cpu_us_per_item": cpu / steps * 1e6, "wall_us_per_item": wall / steps * 1e6}

    def voltages(self, buses):
        table = pyarrow.parquet.read_table(self.output)
        vm, va = (table.column(name).to_numpy().reshape(-1, buses) for name in ("vm_pu", "va_degree"))
        return vm * np.exp(1j * np.radians(va))


def main():
    options = arguments(__doc__.splitlines()[0], [GRID])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        net = simbench.get_simbench_net(GRID)
        ppc = case_of(net, folder / "case.m")
        buses = len(ppc["bus"])
        p, q = profiles_of(net, buses)
        steps = len(p)
        network = networks.Ls2g(folder / "case.m")
        used = write_profiles(folder / "year.parquet", network.numbers, p, q)
        pgm = networks.Pgm(folder / "case.m", loads=used)
        update = pgm.update(p[:, used] * 1e6, q[:, used] * 1e6)
        study = Study(folder)
        study(steps)
        ours = study.voltages(buses)
        modes = {**pgm_modes(pgm, update), **ls2g_modes(network, p, q)}
        nodes = modes["power-grid-model newton_raphson"]()[ComponentType.node]
        difference = same(nodes["u_pu"] * np.exp(1j * nodes["u_angle"]), ours, "power-grid-model")
        found = modes["lightsim2grid chained"]().get_voltages()
        difference = max(difference, same(found, ours, "lightsim2grid"))
        more = {"buses": buses, "difference_pu": difference}

        def batch():
            return tieline("powerflow-batch", folder / "case.m", "--profiles", folder / "year.parquet", "--runs", 3)

        def whole():
            return {**batch_line, **study(steps)}

        batch_line = batch()
        compare("year, calculation", batch, modes, case=GRID, items=steps, bar=15, rounds=options.rounds, **more)
        compare("year, with files", whole, modes, case=GRID, items=steps, bar=15, rounds=options.rounds, **more)


if __name__ == "__main__":
    main()
