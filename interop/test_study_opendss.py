"""`tieline study powerflow` of OpenDSS scripts against OpenDSS itself (opendssdirect.py 0.9.4) at every node and tap, and
of a feeder that both can say against power-grid-model 1.12.110 in its asymmetric mode."""

import json
import math
import random
import subprocess

import numpy as np
import power_grid_model as pgm
import pytest

import opendss_references as references
import product

pytestmark = pytest.mark.usefixtures("binary")

OURS = {name: f"{name}.dss" for name in references.OURS}


def study(script, *arguments):
    done = subprocess.run(
        [product.program(), "study", "powerflow", str(script), "--format", "json", "--quiet", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def prepared(script, path):
    """The script with as many rounds of controls as the peer gets."""
    path.write_text(f'compile "{script}"\nset maxcontroliter=300\n')
    return path


def check(script, path, tolerance_pu):
    for controls in (False, True):
        references.solve(script, controls)
        expected = {(bus, node): (complex(re, im), base) for bus, node, re, im, base in references.voltages()}
        found = study(prepared(script, path), *([] if controls else ["--no-controls"]))
        for row in found["bus"]:
            key = (row["bus"].lower(), row["phase"])
            if row["vm_v"] is None:
                # The peer has zero volts where no source feeds, or does not know the node.
                assert expected.pop(key, (0, 1))[0] == 0
                continue
            voltage, base = expected.pop(key)
            ours = row["vm_v"] * np.exp(1j * math.radians(row["va_degree"]))
            assert abs(ours - voltage) / base < tolerance_pu, (key, controls)
        assert not expected
        taps = {(row["equipment"].split(".", 1)[1].lower(), row["winding"]): row for row in found["control"]}
        for name, winding, tap in references.taps():
            assert abs(taps[name, winding]["tap_pu"] - tap) < 1e-9, (name, controls)
        for name, on in references.steps():
            assert taps[name, None]["step"] == on, (name, controls)


@pytest.mark.parametrize("name", OURS)
def test_our_scripts(name, tmp_path):
    check(references.TESTDATA / OURS[name], tmp_path / "run.dss", 5e-6)


CASES = references.SHARED_CASES | references.LARGE_CASES


@pytest.mark.skipif(not references.SHARED.is_dir(), reason="the scripts of the IEEE feeders are not here")
@pytest.mark.parametrize("name", CASES)
def test_ieee_feeders(name, tmp_path):
    check(references.SHARED / CASES[name], tmp_path / "run.dss", 5e-6)


def test_stored_results_are_those_of_the_peer():
    for name, script in OURS.items():
        references.solve(references.TESTDATA / script, True)
        stored = (references.TESTDATA / f"{name}-on.csv").read_text().splitlines()[1:]
        for line, (bus, node, re, im, base) in zip(stored, references.voltages(), strict=True):
            cells = line.split(",")
            assert cells[:2] == [bus, str(node)]
            assert abs(complex(float(cells[2]), float(cells[3])) - complex(re, im)) < 1e-6 * base


def test_power_grid_model_asymmetric(tmp_path):
    """A radial feeder of 60 nodes with loads of their own on every phase."""
    draw = random.Random(5)
    count, kv = 60, 10.0
    parents = [draw.randrange(max(0, k - 4), k) for k in range(1, count)]
    kilometres = [draw.uniform(0.1, 0.6) for _ in parents]
    loads = [[draw.uniform(0.0, 40.0) for _ in range(6)] for _ in parents]
    r1, x1, c1, r0, x0, c0 = 0.25, 0.35, 1.0e-8, 0.6, 1.2, 0.5e-8

    node = pgm.initialize_array("input", "node", count)
    node["id"], node["u_rated"] = np.arange(count), kv * 1e3
    line = pgm.initialize_array("input", "line", count - 1)
    line["id"], line["from_node"], line["to_node"] = 1000 + np.arange(count - 1), parents, np.arange(1, count)
    line["from_status"] = line["to_status"] = 1
    length = np.array(kilometres)
    for name, figure in dict(r1=r1, x1=x1, c1=c1, r0=r0, x0=x0, c0=c0).items():
        line[name] = figure * length
    line["tan1"] = line["tan0"] = 0.0
    line["i_n"] = 1000.0
    load = pgm.initialize_array("input", "asym_load", count - 1)
    load["id"], load["node"], load["status"] = 2000 + np.arange(count - 1), np.arange(1, count), 1
    load["type"] = pgm.LoadGenType.const_power
    load["p_specified"] = np.array(loads)[:, :3] * 1e3
    load["q_specified"] = np.array(loads)[:, 3:] * 0.4e3
    source = pgm.initialize_array("input", "source", 1)
    source["id"], source["node"], source["status"], source["u_ref"] = 5000, 0, 1, 1.03
    source["sk"], source["rx_ratio"], source["z01_ratio"] = 2e8, 0.1, 1.5
    model = pgm.PowerGridModel({"node": node, "line": line, "asym_load": load, "source": source}, system_frequency=50)
    result = model.calculate_power_flow(symmetric=False, error_tolerance=1e-12, max_iterations=50)["node"]

    z = kv * kv / 200.0
    x = z / math.sqrt(1 + 0.1**2)
    text = [
        "set defaultbasefrequency=50",
        f"new circuit.x basekv={kv} pu=1.03 bus1=n0 z1=[{0.1 * x!r} {x!r}] z0=[{0.15 * x!r} {1.5 * x!r}]",
        f"new linecode.c units=km r1={r1} x1={x1} c1={c1 * 1e9} r0={r0} x0={x0} c0={c0 * 1e9}",
    ]
    for k, (parent, km) in enumerate(zip(parents, kilometres), 1):
        text.append(f"new line.l{k} bus1=n{parent} bus2=n{k} linecode=c length={km!r} units=km")
        for phase in range(3):
            p, q = loads[k - 1][phase], 0.4 * loads[k - 1][3 + phase]
            text.append(
                f"new load.s{k}{phase} phases=1 bus1=n{k}.{phase + 1} kv={kv / math.sqrt(3)!r} kw={p!r} kvar={q!r} "
                "vminpu=0.1 vlowpu=0 vmaxpu=2"
            )
    text.append(f"set voltagebases=[{kv}]")
    script = tmp_path / "feeder.dss"
    script.write_text("\n".join(text) + "\n")
    for row in study(script, "--tolerance", "1e-10")["bus"]:
        ours = row["vm_v"] * np.exp(1j * math.radians(row["va_degree"]))
        at = int(row["bus"][1:])
        theirs = result["u"][at][row["phase"] - 1] * np.exp(1j * result["u_angle"][at][row["phase"] - 1])
        assert abs(ours - theirs) / (kv * 1e3 / math.sqrt(3)) < 1e-8, row


def two_node_model(connections, clock):
    """A transformer between a source and loads of their own on every phase, in power-grid-model."""
    node = pgm.initialize_array("input", "node", 2)
    node["id"], node["u_rated"] = [0, 1], [10e3, 400]
    source = pgm.initialize_array("input", "source", 1)
    source["id"], source["node"], source["status"], source["u_ref"] = 5, 0, 1, 1.01
    source["sk"], source["rx_ratio"], source["z01_ratio"] = 2e8, 0.1, 1.0
    transformer = pgm.initialize_array("input", "transformer", 1)
    given = dict(id=3, from_node=0, to_node=1, from_status=1, to_status=1, u1=10e3, u2=400, sn=400e3, clock=clock)
    given |= dict(uk=0.06, pk=4e3, i0=0, p0=0, tap_side=0, tap_pos=0, tap_min=0, tap_max=0, tap_nom=0, tap_size=0)
    given |= dict(r_grounding_to=0.05, x_grounding_to=0.02)
    given |= {f"winding_{end}": pgm.WindingType[of] for end, of in zip(("from", "to"), connections)}
    for name, figure in given.items():
        transformer[name] = figure
    load = pgm.initialize_array("input", "asym_load", 1)
    load["id"], load["node"], load["status"], load["type"] = 7, 1, 1, pgm.LoadGenType.const_power
    load["p_specified"], load["q_specified"] = [[100e3, 60e3, 20e3]], [[30e3, 10e3, -5e3]]
    parts = {"node": node, "source": source, "transformer": transformer, "asym_load": load}
    model = pgm.PowerGridModel(parts, system_frequency=50)
    result = model.calculate_power_flow(symmetric=False, error_tolerance=1e-12, max_iterations=50)["node"]
    return result["u"][1] * np.exp(1j * result["u_angle"][1])


@pytest.mark.parametrize(
    ("connections", "clock", "ours"),
    [
        (("delta", "zigzag_n"), 0, "conns=[delta zigzag]"),
        (("wye", "zigzag_n"), 1, "conns=[wye zigzag]"),
        (("wye", "zigzag_n"), 11, "conns=[wye zigzag] leadlag=lead"),
        (("delta", "wye_n"), 1, "conns=[delta wye]"),
    ],
)
def test_power_grid_model_zigzag(connections, clock, ours, tmp_path):
    expected = two_node_model(connections, clock)
    z = 10e3**2 / 2e8
    x = z / math.sqrt(1.01)
    xhl = 100 * math.sqrt(0.06**2 - 0.01**2)
    text = f"""set defaultbasefrequency=50
new circuit.x basekv=10 pu=1.01 bus1=p z1=[{0.1 * x!r} {x!r}] z0=[{0.1 * x!r} {x!r}]
new transformer.t buses=[p s] kvs=[10 0.4] kvas=[400 400] xhl={xhl!r} %rs=[0.5 0.5] ppm_antifloat=0 {ours}
~ wdg=2 bus=s.1.2.3.4 rneut=0.05 xneut=0.02
~ wdg=1 bus=p.1.2.3.4
"""
    if connections[0] == "delta":
        text = text.replace("~ wdg=1 bus=p.1.2.3.4\n", "")
    for phase, (p, q) in enumerate([(100, 30), (60, 10), (20, -5)], 1):
        text += f"new load.l{phase} phases=1 bus1=s.{phase} kv={0.4 / math.sqrt(3)!r} kw={p} kvar={q} vminpu=0.1 "
        text += "vlowpu=0 vmaxpu=2\n"
    script = tmp_path / "zigzag.dss"
    script.write_text(text + "set voltagebases=[10 0.4]\n")
    found = {(row["bus"], row["phase"]): row for row in study(script, "--tolerance", "1e-10")["bus"]}
    for phase in (1, 2, 3):
        row = found["s", phase]
        voltage = row["vm_v"] * np.exp(1j * math.radians(row["va_degree"]))
        assert abs(voltage - expected[phase - 1]) < 1e-6 * 231, (connections, clock, phase)
