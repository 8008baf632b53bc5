"""Reference power flows with controls from foreign software, written as case files for the tests of `powerflow::control`.

    python -m venv venv && venv/bin/pip install pypower==5.1.21 pandapower==3.5.6 pypowsybl==1.16.1
    venv/bin/python interop/control_cases.py OUT_FOLDER pandapower     # distributed slack, loads, taps, shunts
    venv/bin/python interop/control_cases.py OUT_FOLDER powsybl        # remote voltage, phase shifter, DC line with droop

pandapower's own per-unit model before the control is the input, its state after it the result. The powsybl networks are
made here, with one nominal voltage, so that ohms become per unit by one factor; OpenLoadFlow solves them.
"""

import argparse
import math
import pathlib
import warnings

import numpy as np

from powerflow_cases import inputs, line

def solve(net, **options):
    import pandapower as pp

    pp.runpp(net, tolerance_mva=1e-8, max_iteration=50, trafo_model="pi", init="dc", lightsim2grid=False, **options)
    inner = net._ppc["internal"]
    copied = {key: inner[key].real.copy() for key in ("bus", "gen", "branch")}
    # Results of a kept model are overwritten by the next run.
    return copied | {"baseMVA": float(inner["baseMVA"]), "lookup": net._pd2ppc_lookups["bus"].copy()}


def pandapower_lines(before, net):
    gen = before["gen"].copy()
    gen[:, 7] = 1
    bus = before["bus"]
    start_va = np.where(bus[:, 1] == 3, bus[:, 8], 0.0)
    yield from inputs(bus, gen, before["branch"], before["baseMVA"], np.ones(len(bus)), start_va)
    # The model of a controlled run may have another order of buses; results by element have not.
    state = np.full((len(bus), 2), np.nan)
    for number, result in net.res_bus.dropna().iterrows():
        state[before["lookup"][number]] = result.vm_pu, math.radians(result.va_degree)
    # Buses of the model alone, behind open switches.
    alone = np.isnan(state[:, 0])
    after = net._ppc["internal"]["bus"].real
    assert not alone.any() or len(after) == len(bus)
    state[alone] = np.c_[after[alone, 7], np.radians(after[alone, 8])]
    yield "# v vm va"
    for vm, va in state:
        yield line("v", vm, va)


def distributed_slack():
    import pandapower.networks as networks

    net = networks.case118()
    before = solve(net)
    net.gen["slack_weight"] = np.arange(len(net.gen)) % 4 * 0.5
    net.ext_grid["slack_weight"] = 2.0
    # More load than is scheduled, so that there is something to share.
    net.load["p_mw"] *= 1.05
    start = solve(net)
    assert (start["bus"][:, 0] == before["bus"][:, 0]).all()
    solve(net, distributed_slack=True)
    # What is scheduled at the external grid is nothing, not what it delivered.
    start["gen"][start["gen"][:, 0] == np.flatnonzero(start["bus"][:, 1] == 3)[0], 1] = 0.0
    yield "# pandapower 3.5.6, networks.case118 with loads of 105 %, distributed_slack."
    yield from pandapower_lines(start, net)
    for table in (net.gen, net.ext_grid):
        for bus, weight in zip(table.bus, table.slack_weight):
            if weight > 0:
                yield line("participant", str(int(start["lookup"][bus])), weight)


def voltage_dependent_loads():
    import pandapower.networks as networks

    net = networks.case30()
    net.load["p_mw"] *= 1.3
    before = solve(net)
    shares = {}
    for name, step in (("const_z_p_percent", 7), ("const_z_q_percent", 5), ("const_i_p_percent", 11), ("const_i_q_percent", 13)):
        net.load[name] = np.arange(len(net.load)) * step % 50.0
        shares[name] = net.load[name].to_numpy() / 100
    solve(net, voltage_depend_loads=True)
    base = before["baseMVA"]
    lines = []
    for row, load in enumerate(net.load.itertuples()):
        at = int(before["lookup"][load.bus])
        part = {name: share[row] for name, share in shares.items()}
        before["bus"][at, 2] -= load.p_mw * (part["const_z_p_percent"] + part["const_i_p_percent"])
        before["bus"][at, 3] -= load.q_mvar * (part["const_z_q_percent"] + part["const_i_q_percent"])
        lines.append(line("load", str(at), load.p_mw * part["const_i_p_percent"] / base,
                          load.q_mvar * part["const_i_q_percent"] / base, load.p_mw * part["const_z_p_percent"] / base,
                          load.q_mvar * part["const_z_q_percent"] / base))
    yield "# pandapower 3.5.6, networks.case30 with loads of 130 %, parts of constant current and impedance."
    yield from pandapower_lines(before, net)
    yield from lines


def taps(continuous):
    import pandapower as pp
    import pandapower.control as control
    import pandapower.networks as networks

    net = networks.mv_oberrhein()
    net.trafo["tap_pos"] = 3
    before = solve(net)
    rows = net._pd2ppc_lookups["branch"]["trafo"]
    net.trafo["tap_pos"] = 4
    step = solve(net)["branch"][rows[0], 8] - before["branch"][rows[0], 8]
    net.trafo["tap_pos"] = 3
    band = (1.0149, 1.0151) if continuous else (1.005, 1.02)
    for trafo in net.trafo.index:
        if continuous:
            control.ContinuousTapControl(net, trafo, vm_set_pu=1.015, tol=1e-10)
        else:
            control.DiscreteTapControl(net, trafo, vm_lower_pu=band[0], vm_upper_pu=band[1])
    pp.runpp(net, run_control=True, tolerance_mva=1e-8, trafo_model="pi", max_iter=200, lightsim2grid=False)
    after = solve(net)
    yield f"# pandapower 3.5.6, networks.mv_oberrhein, {'Continuous' if continuous else 'Discrete'}TapControl, trafo_model pi."
    yield from pandapower_lines(before, net)
    for nth, trafo in enumerate(net.trafo.index):
        row = rows[0] + nth
        ratio = before["branch"][row, 8]
        low, high = (ratio + (net.trafo.at[trafo, end] - 3) * step for end in ("tap_min", "tap_max"))
        held = int(before["lookup"][net.trafo.at[trafo, "lv_bus"]])
        yield line("tap", str(row), str(held), *band, low, high, 0.0 if continuous else step)
        yield line("ratio", str(row), after["branch"][row, 8])


def shunts():
    import pandapower as pp
    import pandapower.control as control
    import pandapower.networks as networks

    net = networks.case30()
    net.load["p_mw"] *= 1.6
    net.load["q_mvar"] *= 1.6
    places = [25, 18]
    before = solve(net)
    lines = []
    for place in places:
        shunt = pp.create_shunt(net, place, q_mvar=-1.5, p_mw=0.0, step=0, max_step=8)
        control.DiscreteShuntController(net, shunt, vm_set_pu=0.975, tol=0.006)
        at = str(int(before["lookup"][place]))
        lines.append(("shunt", at, at, 0.969, 0.981, 1.5 / before["baseMVA"], 0.0, 8.0))
    pp.runpp(net, run_control=True, tolerance_mva=1e-8, max_iter=200, lightsim2grid=False)
    solve(net)
    blocks = net.shunt.step.to_numpy()[-len(places):]
    yield "# pandapower 3.5.6, networks.case30 with loads of 160 %, DiscreteShuntController at two buses."
    yield from pandapower_lines(before, net)
    for fields, count in zip(lines, blocks):
        yield line(*fields)
        yield line("blocks", fields[1], float(count))


PANDAPOWER = {
    "control_slack.txt": distributed_slack,
    "control_loads.txt": voltage_dependent_loads,
    "control_taps.txt": lambda: taps(False),
    "control_taps_continuous.txt": lambda: taps(True),
    "control_shunts.txt": shunts,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("peer", choices=["pandapower", "powsybl"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, make in (PANDAPOWER if options.peer == "pandapower" else POWSYBL).items():
        (options.folder / name).write_text("\n".join(make()) + "\n")


POWSYBL = {}

if __name__ == "__main__":
    main()
