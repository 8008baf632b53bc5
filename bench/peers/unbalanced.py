"""Many unbalanced load scenarios on radial feeders: power-grid-model's asymmetric mode against
`tieline bench powerflow-batch --unbalanced`.

The network has three phases, zero-sequence impedances of four times the positive ones, and single-phase loads with a
factor of their own each (±30 %). Both stop at 1e-8 of voltage and keep the voltages of all phases.
"""

import csv
import tempfile

import numpy as np
from power_grid_model import CalculationMethod, ComponentType

import networks
from side_by_side import arguments, compare, same, tieline

FEEDERS = {"feeder1000": 1000, "feeder3000": 3000}
SCENARIOS = 10_000
PEER_NODES = 200_000
TOLERANCE = 1e-8


def sample_of(path, nodes):
    """By scenario: powers drawn in W and var, and voltages in p.u., by bus and phase."""
    found = {}
    base_v = networks.BASE_KV * 1e3 / 3**0.5
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            power, voltage = found.setdefault(int(row["scenario"]), np.zeros((2, nodes, 3), complex))
            place = int(row["bus"]) - 1, int(row["conductor"]) - 1
            power[place] = complex(float(row["p_w"]), float(row["q_var"]))
            voltage[place] = complex(float(row["e_v"]), float(row["f_v"])) / base_v
    return found


def check(network, sample):
    model, worst = network.model(asymmetric=True), 0.0
    for scenario, (power, voltage) in sample.items():
        load = power[network.load_bus]
        result = model.calculate_power_flow(
            symmetric=False, error_tolerance=1e-11, max_iterations=50,
            update_data=network.update(load.real[None], load.imag[None], asymmetric=True),
        )[ComponentType.node]
        found = result["u_pu"][0] * np.exp(1j * result["u_angle"][0])
        worst = max(worst, same(found, voltage, f"scenario {scenario}"))
    return worst


def run(name, folder, rounds):
    nodes, items = FEEDERS[name], PEER_NODES // FEEDERS[name]
    path, sample = networks.feeder_file(nodes, folder), f"{folder}/sample.csv"
    options = ("powerflow-batch", path, "--unbalanced", "--spread", 0.3)
    tieline(*options, "--scenarios", 64, "--runs", 1, "--sample", sample)
    network = networks.Pgm(path)
    difference = check(network, sample_of(sample, nodes + 1))
    change = 1 + 0.3 * np.random.default_rng(1).uniform(-1, 1, (items, len(network.load_p), 3))
    model = network.model(asymmetric=True)
    p, q = (power[None, :, None] / 3 * change for power in (network.load_p, network.load_q))
    update = network.update(p, q, asymmetric=True)

    def peer(method):
        return lambda: model.calculate_power_flow(
            symmetric=False, error_tolerance=TOLERANCE, max_iterations=50, calculation_method=method,
            update_data=update, threading=-1, output_component_types={ComponentType.node: ["u_pu", "u_angle"]},
        )

    modes = {
        "power-grid-model asym iterative_current": peer(CalculationMethod.iterative_current),
        "power-grid-model asym newton_raphson": peer(CalculationMethod.newton_raphson),
    }
    compare("powerflow-batch unbalanced", lambda: tieline(*options, "--scenarios", SCENARIOS, "--runs", 3), modes,
            case=name, items=items, bar=50, rounds=rounds, spread=0.3, scenarios=SCENARIOS, difference_pu=difference)


def main():
    options = arguments(__doc__.splitlines()[0], list(FEEDERS))
    with tempfile.TemporaryDirectory() as folder:
        for name in options.cases:
            run(name, folder, options.rounds)


if __name__ == "__main__":
    main()
