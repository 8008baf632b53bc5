"""Many load scenarios on one topology: lightsim2grid and power-grid-model against `tieline bench powerflow-batch`.

Radial feeders (±30 %) against both peers, meshed cases (±5 % and ±30 %) against lightsim2grid. Every engine keeps the
voltages of all nodes; all stop at 1e-8 p.u. of power (power-grid-model: 1e-8 of voltage). The scenarios of the check
are ours; those that are timed have the same distribution.
"""

import tempfile

import lightsim2grid.lightsim2grid_cpp as ls2g
import numpy as np
from power_grid_model import CalculationMethod, ComponentType

import networks
from side_by_side import arguments, compare, read_sample, same, tieline

TOLERANCE = 1e-8
# Tighter than the comparison; 1e-10 is below the rounding of the large cases.
CHECK_TOLERANCE = 1e-9
CHORD = 2
# Case, scenarios, spreads, bar against lightsim2grid.
MESHED = {"case118": (2000, 10), "case1354pegase": (2000, 10), "case9241pegase": (2000, 7)}
FEEDERS = {"feeder1000": 1000, "feeder3000": 3000}
FEEDER_SCENARIOS = 10_000
# Scenarios that a peer gets: its cost per scenario does not depend on their number.
PEER_NODES = 1_000_000


def factors(spread, scenarios, loads):
    return 1 + spread * np.random.default_rng(1).uniform(-1, 1, (scenarios, loads))


def ls2g_sweep(network, start, refactor):
    sweep = ls2g.InjectionSweepCPP(network.grid)
    sweep.nb_thread = 1
    config = sweep.get_algo_config()
    policies = list(config.int_params)
    policies[1] = refactor
    config.int_params = policies
    sweep.set_algo_config(config)
    return lambda p, q: (
        sweep.modify_load_p(p),
        sweep.modify_load_q(q),
        sweep.compute(start, 30, TOLERANCE),
        sweep,
    )[-1]


def lightsim2grid_modes(path, scenarios, spread):
    """Independent starts from the solved base case, Jacobian renewed in every step or once per scenario (chord)."""
    network = networks.Ls2g(path)
    start = network.solve(TOLERANCE)
    change = factors(spread, scenarios, len(network.load_p))
    p, q = network.load_p * change, network.load_q * change
    modes = {}
    for name, refactor in (("lightsim2grid NR_KLU warm", 0), ("lightsim2grid NR_KLU warm chord", CHORD)):
        run = ls2g_sweep(network, start, refactor)
        if np.all(run(p, q).converged_mask()):
            modes[name] = lambda run=run: run(p, q)
    return network, start, modes


def check_lightsim2grid(network, start, sample):
    """Our scenarios in lightsim2grid, to a tighter tolerance."""
    base = np.zeros(len(network.numbers), complex)
    np.add.at(base, network.load_bus, network.load_p + 1j * network.load_q)
    worst = 0.0
    for scenario, (bus, power, voltage) in sample.items():
        rows = np.array([network.rows[number] for number in bus])
        # The change of the load is the change of the injection against the first sample's base.
        load = base[rows] - (power - network.base_injection[rows])
        share = np.divide(load, base[rows], out=np.ones_like(load), where=base[rows] != 0).real
        by_row = dict(zip(rows, share))
        change = np.array([by_row[row] for row in network.load_bus])
        sweep = ls2g.InjectionSweepCPP(network.grid)
        sweep.modify_load_p((network.load_p * change)[None])
        sweep.modify_load_q((network.load_q * change)[None])
        sweep.compute(start, 30, CHECK_TOLERANCE)
        worst = max(worst, same(sweep.get_voltages()[0][rows], voltage, f"scenario {scenario}"))
    return worst


def base_injection(network, path, folder):
    """Net injections of the base case as we read them, by bus row."""
    sample = f"{folder}/base.csv"
    tieline("powerflow", path, "--runs", 1, "--sample", sample)
    ((bus, power, _),) = read_sample(sample).values()
    injection = np.zeros(len(network.numbers), complex)
    injection[[network.rows[number] for number in bus]] = power
    return injection


def pgm_modes(path, scenarios, spread):
    network = networks.Pgm(path)
    change = factors(spread, scenarios, len(network.load_p))
    model, update = network.model(), network.update(network.load_p * change, network.load_q * change)
    outputs = {ComponentType.node: ["u_pu", "u_angle"]}

    def run(method):
        return lambda: model.calculate_power_flow(
            symmetric=True, error_tolerance=TOLERANCE, max_iterations=50, calculation_method=method,
            update_data=update, threading=-1, output_component_types=outputs,
        )

    return network, {
        "power-grid-model iterative_current": run(CalculationMethod.iterative_current),
        "power-grid-model newton_raphson": run(CalculationMethod.newton_raphson),
    }


def check_pgm(network, sample):
    model = network.model()
    worst = 0.0
    for scenario, (_, power, voltage) in sample.items():
        load = -power[network.load_bus] * 1e6
        result = model.calculate_power_flow(
            symmetric=True, error_tolerance=1e-11, max_iterations=50,
            update_data=network.update(load.real[None], load.imag[None]),
        )[ComponentType.node]
        found = result["u_pu"][0] * np.exp(1j * result["u_angle"][0])
        worst = max(worst, same(found, voltage, f"power-grid-model, scenario {scenario}"))
    return worst


def meshed(name, folder, rounds):
    path, (scenarios, bar) = networks.case_file(name), MESHED[name]
    for spread in (0.05, 0.3):
        sample = f"{folder}/sample.csv"
        options = ("powerflow-batch", path, "--scenarios", scenarios, "--spread", spread, "--start", "flat")
        tieline(*options, "--runs", 1, "--sample", sample)
        own = max(64, PEER_NODES // len(networks.Ls2g(path).numbers))
        items = min(scenarios, own)
        network, start, modes = lightsim2grid_modes(path, items, spread)
        network.base_injection = base_injection(network, path, folder)
        difference = check_lightsim2grid(network, start, read_sample(sample))
        compare("powerflow-batch meshed", lambda: tieline(*options, "--runs", 3), modes, case=name, items=items,
                bar=bar, rounds=rounds, spread=spread, scenarios=scenarios, difference_pu=difference)


def feeder(name, folder, rounds):
    nodes = FEEDERS[name]
    path, sample = networks.feeder_file(nodes, folder), f"{folder}/sample.csv"
    options = ("powerflow-batch", path, "--scenarios", FEEDER_SCENARIOS, "--spread", 0.3, "--start", "flat")
    tieline(*options, "--runs", 1, "--sample", sample)
    items = PEER_NODES // nodes
    pgm, modes = pgm_modes(path, items, 0.3)
    difference = check_pgm(pgm, read_sample(sample))
    more = {"spread": 0.3, "scenarios": FEEDER_SCENARIOS}

    def ours():
        return tieline(*options, "--runs", 3)

    compare("powerflow-batch radial", ours, modes, case=name, items=items, bar=20, rounds=rounds,
            difference_pu=difference, **more)
    network, start, modes = lightsim2grid_modes(path, items, 0.3)
    network.base_injection = base_injection(network, path, folder)
    difference = check_lightsim2grid(network, start, read_sample(sample))
    compare("powerflow-batch radial", ours, modes, case=name, items=items, bar=12, rounds=rounds,
            difference_pu=difference, **more)


def main():
    options = arguments(__doc__.splitlines()[0], [*FEEDERS, *MESHED])
    with tempfile.TemporaryDirectory() as folder:
        for name in options.cases:
            (feeder if name in FEEDERS else meshed)(name, folder, options.rounds)


if __name__ == "__main__":
    main()
