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


# Six buses of 400 kV: lines (from, to, r, x, b) in p.u. on 100 MVA, machines (bus, MW, Mvar range), loads (bus, MW, Mvar).
KV, BASE = 400.0, 100.0
OHM = KV * KV / BASE
LINES = [(1, 2, 0.004, 0.04, 0.1), (1, 3, 0.006, 0.06, 0.15), (2, 4, 0.005, 0.05, 0.1), (4, 5, 0.004, 0.03, 0.05),
         (5, 6, 0.003, 0.03, 0.05), (2, 6, 0.008, 0.08, 0.2)]
SHIFTER = (3, 4, 0.0005, 0.02)
MACHINES = [(1, 0.0, 900.0), (2, 250.0, 300.0), (6, 150.0, 300.0)]
LOADS = [(3, 150.0, 40.0), (4, 320.0, 60.0), (5, 180.0, 30.0)]
STEP_DEGREE, STEPS = 1.5, 10


def powsybl_network():
    import pandas as pd
    import pypowsybl.network as pn

    network = pn.create_empty("controls")

    def frame(rows):
        return pd.DataFrame(rows).set_index("id")

    network.create_substations(frame([{"id": "S"}]))
    levels = [{"id": f"V{n}", "substation_id": "S", "topology_kind": "BUS_BREAKER", "nominal_v": KV} for n in range(1, 7)]
    network.create_voltage_levels(frame(levels))
    network.create_buses(frame([{"id": f"B{n}", "voltage_level_id": f"V{n}"} for n in range(1, 7)]))

    def ends(a, b):
        return {"voltage_level1_id": f"V{a}", "bus1_id": f"B{a}", "voltage_level2_id": f"V{b}", "bus2_id": f"B{b}"}

    network.create_lines(frame([
        {"id": f"L{a}-{b}", **ends(a, b), "r": r * OHM, "x": x * OHM, "g1": 0.0, "b1": y / 2 / OHM, "g2": 0.0, "b2": y / 2 / OHM}
        for a, b, r, x, y in LINES]))
    a, b, r, x = SHIFTER
    network.create_2_windings_transformers(frame([
        {"id": "T", **ends(a, b), "r": r * OHM, "x": x * OHM, "g": 0.0, "b": 0.0, "rated_u1": KV, "rated_u2": KV}]))
    network.create_generators(frame([
        {"id": f"G{n}", "voltage_level_id": f"V{n}", "bus_id": f"B{n}", "target_p": p, "target_q": 0.0, "target_v": 1.02 * KV,
         "min_p": -1000.0, "max_p": 1000.0, "voltage_regulator_on": True} for n, p, _ in MACHINES]))
    network.create_minmax_reactive_limits(frame([{"id": f"G{n}", "min_q": -q, "max_q": q} for n, _, q in MACHINES]))
    network.create_loads(frame([
        {"id": f"D{n}", "voltage_level_id": f"V{n}", "bus_id": f"B{n}", "p0": p, "q0": q} for n, p, q in LOADS]))
    return network


def shifter_in(network, regulating):
    import pandas as pd

    middle = STEPS
    network.create_phase_tap_changers(
        pd.DataFrame([{"id": "T", "target_deadband": 14.0, "regulation_mode": "ACTIVE_POWER_CONTROL", "low_tap": 0, "tap": middle}])
        .set_index("id"),
        pd.DataFrame([{"id": "T", "b": 0.0, "g": 0.0, "r": 0.0, "x": 0.0, "rho": 1.0, "alpha": STEP_DEGREE * (n - middle)}
                      for n in range(2 * STEPS + 1)]).set_index("id"))
    network.update_phase_tap_changers(id="T", regulation_value=105.0, regulated_side="ONE", regulating=regulating)


def powsybl_run(network, **options):
    import pypowsybl.loadflow as lf

    parameters = lf.Parameters(
        distributed_slack=False, use_reactive_limits=False, read_slack_bus=False, write_slack_bus=False,
        voltage_init_mode=lf.VoltageInitMode.DC_VALUES,
        provider_parameters={"slackBusSelectionMode": "NAME", "slackBusesIds": "V1_0", "newtonRaphsonConvEpsPerEq": "1e-11",
                             "phaseShifterControlMode": "INCREMENTAL", "lowImpedanceThreshold": "1e-12"},
        **options)
    result = lf.run_ac(network, parameters)[0]
    assert result.status == lf.ComponentStatus.CONVERGED, result.status_text


def powsybl_lines(network):
    """The network in per unit and its state; kinds before the control."""
    buses = network.get_buses()
    by_level = {bus.voltage_level_id: bus for bus in buses.itertuples()}
    machine = {n: (p, q) for n, p, q in MACHINES}
    demand = {n: (p, q) for n, p, q in LOADS}
    yield f"base_mva {BASE}"
    yield "# bus kind p q q_gen_min q_gen_max q_load g_shunt b_shunt vm va base_kv"
    for n in range(1, 7):
        p, q = demand.get(n, (0.0, 0.0))
        generated, room = machine.get(n, (0.0, 0.0))
        kind = "slack" if n == 1 else "pv" if n in machine else "pq"
        vm = 1.02 if n in machine else 1.0
        yield line("bus", kind, (generated - p) / BASE, -q / BASE, -room / BASE, room / BASE, q / BASE, 0.0, 0.0, vm, 0.0, KV)
    yield "# branch from to r x g b ratio shift"
    for a, b, r, x, y in LINES:
        yield line("branch", str(a - 1), str(b - 1), r, x, 0.0, y, 1.0, 0.0)
    a, b, r, x = SHIFTER
    yield line("branch", str(a - 1), str(b - 1), r, x, 0.0, 0.0, 1.0, 0.0)
    yield "# v vm va"
    slack = by_level["V1"].v_angle
    for n in range(1, 7):
        bus = by_level[f"V{n}"]
        yield line("v", bus.v_mag / KV, math.radians(bus.v_angle - slack))


def remote_voltage():
    network = powsybl_network()
    network.update_generators(id=["G2", "G6"], regulated_element_id=["D4", "D4"], target_v=[1.005 * KV, 1.005 * KV])
    powsybl_run(network)
    yield "# pypowsybl 1.16.1, OpenLoadFlow: machines at buses 2 and 6 hold the voltage of bus 4 with equal shares."
    yield from powsybl_lines(network)
    yield line("remote", "3", 1.005, "1", 1.0, "5", 1.0)


def phase_shifter():
    network = powsybl_network()
    shifter_in(network, True)
    powsybl_run(network, phase_shifter_regulation_on=True)
    tap = int(network.get_phase_tap_changers().at["T", "solved_tap_position"])
    shift = -math.radians(STEP_DEGREE * (tap - STEPS))
    yield "# pypowsybl 1.16.1, OpenLoadFlow: a phase shifter holds 105 MW with a dead band of 14 MW, incremental mode."
    yield from powsybl_lines(network)
    end = math.radians(STEP_DEGREE * STEPS)
    yield line("shift", str(len(LINES)), 0.98, 1.12, -end, end, math.radians(STEP_DEGREE))
    yield line("angle", str(len(LINES)), shift)


def dc_line_with_droop():
    import pandas as pd

    network = powsybl_network()
    stations = [{"id": f"C{n}", "voltage_level_id": f"V{n}", "bus_id": f"B{n}", "loss_factor": 0.0, "target_q": 0.0,
                 "voltage_regulator_on": False} for n in (1, 4)]
    network.create_vsc_converter_stations(pd.DataFrame(stations).set_index("id"))
    network.create_hvdc_lines(pd.DataFrame([{
        "id": "H", "converter_station1_id": "C1", "converter_station2_id": "C4", "r": 0.0, "nominal_v": KV,
        "converters_mode": "SIDE_1_RECTIFIER_SIDE_2_INVERTER", "max_p": 500.0, "target_p": 0.0}]).set_index("id"))
    network.create_extensions("hvdcAngleDroopActivePowerControl", id="H", droop=20.0, p0=35.0, enabled=True)
    powsybl_run(network, hvdc_ac_emulation=True)
    yield "# pypowsybl 1.16.1, OpenLoadFlow: a DC line from bus 1 to 4 with 35 MW and 20 MW per degree, no losses."
    yield from powsybl_lines(network)
    yield line("dc", "0", "3", 0.35, 20.0 * 180 / math.pi / BASE, -5.0, 5.0, 0.0, 0.0)


POWSYBL = {
    "control_remote.txt": remote_voltage,
    "control_shift.txt": phase_shifter,
    "control_dc.txt": dc_line_with_droop,
}

def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("peer", choices=["pandapower", "powsybl"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, make in (PANDAPOWER if options.peer == "pandapower" else POWSYBL).items():
        (options.folder / name).write_text("\n".join(make()) + "\n")


if __name__ == "__main__":
    main()
