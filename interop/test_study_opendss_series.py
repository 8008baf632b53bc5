"""`tieline study powerflow` over many steps of OpenDSS scripts against OpenDSS itself (opendssdirect.py 0.9.4): load shapes,
profiles, batteries, and controls that go on from step to step; every node of every step."""

import csv
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import opendssdirect as dss
import pyarrow
import pyarrow.parquet
import pytest

import opendss_references as references
import product

pytestmark = pytest.mark.usefixtures("binary")

LIMIT_PU = 5e-6
SHAPES = """new loadshape.day npts=24 interval=1 mult=(file=day.csv, column=2, header=yes)
new loadshape.quarters npts=96 minterval=15 csvfile=quarters.txt
new loadshape.own npts=4 interval=0 hour=[0 6 13 24] mult=[0.4 0.9 1.1 0.5] qmult=[0.5 0.7 1.3 0.6]
new loadshape.sun npts=24 interval=1 mult=[0 0 0 0 0 0.1 0.3 0.5 0.7 0.85 0.95 1 0.98 0.9 0.75 0.6 0.4 0.25 0.1 0 0 0 0 0]
new loadshape.battery npts=24 interval=1 mult=(dblfile=battery.dbl)
"""


def write_shapes(folder):
    day = 0.7 + 0.4 * np.sin(np.arange(24) / 3.7) ** 2
    (folder / "day.csv").write_text("hour,mult\n" + "".join(f"{k},{value!r}\n" for k, value in enumerate(day.tolist())))
    quarters = (0.6 + 0.5 * np.cos(np.arange(96) / 11.0) ** 2).tolist()
    (folder / "quarters.txt").write_text("".join(f"{value!r}\n" for value in quarters))
    np.where(np.arange(24) % 9 < 4, -0.4, 0.55).astype("<f8").tofile(folder / "battery.dbl")


def prepared(script):
    """The lines of a script up to its reports and its second circuit."""
    lines = []
    for line in script.read_text(encoding="latin-1").splitlines():
        word = line.strip().lower()
        if word.startswith("clear") and lines:
            break
        if word and not word.startswith(references.PASSED_OVER):
            lines.append(line.replace("\t", " "))
    return lines


def script_of(folder, lines, ending):
    text = "\n".join(["clear", *lines, ending]) + "\n"
    path = folder / "series.dss"
    path.write_text(text)
    return path


def peer_steps(path, count, controls=True, before=lambda step: None):
    """Voltages by node and nominal voltage, of every step."""
    dss.Text.Command("clear")
    dss.Text.Command(f'set datapath="{path.parent}"')
    for line in path.read_text().splitlines():
        if line.strip() and not line.lower().startswith("clear"):
            dss.Text.Command(line)
    for option in ["tolerance=1e-10", "maxiterations=1000", "maxcontroliter=300"]:
        dss.Text.Command(f"set {option}")
    if not controls:
        dss.Text.Command("set controlmode=off")
    dss.Text.Command("set number=1")
    for step in range(count):
        before(step)
        dss.Text.Command("solve")
        assert dss.Solution.Converged()
        yield {(bus, node): (complex(re, im), base) for bus, node, re, im, base in references.voltages()}


def study(*arguments):
    done = subprocess.run(
        [product.program(), "study", "powerflow", *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    return done


def our_steps(output):
    """Voltages per unit by node, of every step."""
    table = pyarrow.parquet.read_table(output).to_pydict()
    steps = {}
    for label, bus, phase, vm, va in zip(*(table[name] for name in ("time", "bus", "phase", "vm_pu", "va_degree"))):
        voltage = None if vm is None else vm * np.exp(1j * np.radians(va))
        steps.setdefault(label, {})[bus.lower(), phase] = voltage
    return list(steps.values())


def compare(ours, theirs):
    assert len(ours) == len(theirs)
    for step, (found, expected) in enumerate(zip(ours, theirs)):
        assert found.keys() == expected.keys()
        for key, (voltage, base) in expected.items():
            if found[key] is None:
                assert voltage == 0, (step, key)
            else:
                assert abs(found[key] - voltage / base) < LIMIT_PU, (step, key)


NEEDS_SHARED = pytest.mark.skipif(
    not references.SHARED.is_dir(), reason="the scripts of the IEEE feeders are not here"
)


@NEEDS_SHARED
@pytest.mark.parametrize("controls", (False, True))
@pytest.mark.parametrize("name", ("ieee13", "ieee34-1", "ieee37", "ieee123"))
def test_every_step_of_a_day_is_that_of_opendss(name, controls, tmp_path):
    source = references.SHARED / references.SHARED_CASES[name]
    folder = tmp_path / "feeder"
    shutil.copytree(source.parent, folder)
    # Codes of lines that feeders share lie beside their folders.
    for file in source.parent.parent.glob("*.[dD][sS][sS]"):
        shutil.copy(file, tmp_path)
    write_shapes(folder)
    lines = prepared(source)
    names = [line.split()[1].split(".")[1] for line in lines if line.lower().startswith("new load.")]
    own = [f"load.{load}.daily={('day', 'own')[k % 2]}" for k, load in enumerate(names)]
    # What stands in files of its own follows too.
    own += [] if names else ["batchedit load..* daily=day"]
    path = script_of(folder, [*lines, *SHAPES.splitlines(), *own], "set maxcontroliter=300 mode=daily\n")
    theirs = list(peer_steps(path, 24, controls))
    output = tmp_path / "out.parquet"
    done = study(path, "--out", output, "--tolerance", "1e-9", *([] if controls else ["--no-controls"]))
    assert done.returncode == 0, done.stderr
    compare(our_steps(output), theirs)


FEEDER = """new circuit.own basekv=12.47 bus1=s pu=1.02 mvasc3=150 mvasc1=120
new linecode.c nphases=3 units=km r1=0.25 x1=0.4 r0=0.6 x0=1.2 c1=10 c0=6
new line.a bus1=s bus2=m linecode=c length=3 units=km normamps=35
new transformer.t buses=[m l] conns=[delta wye] kvs=[12.47 0.48] kvas=[500 500] xhl=5 %rs=[0.5 0.5]
new line.b bus1=l bus2=e linecode=c length=0.05 units=km normamps=500
new load.a bus1=m kv=12.47 kw=900 kvar=300 daily=day vminpu=0.8
new load.b bus1=e.1 phases=1 kv=0.277 kw=60 pf=0.95 daily=quarters vminpu=0.8
new load.six bus1=e.2 phases=1 kv=0.277 kw=40 kvar=12 model=6 daily=quarters vminpu=0.8
new load.fixed bus1=e.3 phases=1 kv=0.277 kw=30 status=fixed daily=day vminpu=0.8
new generator.g bus1=m kv=12.47 kw=200 pf=0.9 daily=own
new pvsystem.p bus1=e kv=0.48 kva=220 pmpp=200 irradiance=0.9 daily=sun vmaxpu=1.3
new pvsystem.q bus1=l kv=0.48 kva=110 pmpp=100 irradiance=1 pf=0.95 daily=sun vmaxpu=1.3
new line.open bus1=m bus2=far linecode=c length=2 units=km
open line.open 2
new storage.f bus1=e kv=0.48 kva=120 kwrated=100 kwhrated=300 %stored=50 dispmode=follow daily=battery vmaxpu=1.3
new storage.d bus1=l kv=0.48 kva=60 kwrated=50 kwhrated=200 %stored=90 state=discharging vmaxpu=1.3
"""
CONTROLS = """new regcontrol.r transformer=t winding=2 vreg=120 band=2 ptratio=2.3
new capacitor.c bus1=m kv=12.47 kvar=300 states=[0]
new capcontrol.c element=line.a capacitor=c type=time onsetting=8 offsetting=20
new capacitor.v bus1=e kv=0.48 kvar=60 states=[0]
new capcontrol.v element=line.b terminal=2 capacitor=v type=kvar onsetting=35 offsetting=-60
new xycurve.vv npts=4 xarray=[0.92 0.98 1.02 1.08] yarray=[0.44 0 0 -0.44]
new invcontrol.i derlist=[pvsystem.p] mode=voltvar vvc_curve1=vv refreactivepower=varmax voltagechangetolerance=1e-8 varchangetolerance=1e-7
"""


def feeder():
    """The feeder with its shapes after the circuit."""
    circuit, *others = FEEDER.splitlines()
    return [circuit, *SHAPES.splitlines(), *others]


@pytest.mark.parametrize("controls", ("", CONTROLS))
@pytest.mark.parametrize("mode,step", (("daily", "1h"), ("yearly", "1h"), ("daily", "15m")))
def test_our_feeder_over_time(controls, mode, step, tmp_path):
    write_shapes(tmp_path)
    ending = f"set voltagebases=[12.47 0.48]\ncalcvoltagebases\nset maxcontroliter=300 mode={mode} number=48 stepsize={step}"
    path = script_of(tmp_path, [*feeder(), *controls.splitlines()], ending)
    theirs = list(peer_steps(path, 48))
    output = tmp_path / "out.parquet"
    done = study(path, "--out", output, "--tolerance", "1e-10", "--threads", 2)
    assert done.returncode == 0, done.stderr
    compare(our_steps(output), theirs)


@pytest.mark.parametrize("controls", ("", CONTROLS))
@pytest.mark.parametrize("ending", ("csv", "parquet"))
def test_every_row_of_a_profile_is_that_of_opendss(controls, ending, tmp_path):
    write_shapes(tmp_path)
    path = script_of(
        tmp_path,
        [*feeder(), *controls.splitlines()],
        "set voltagebases=[12.47 0.48]\ncalcvoltagebases\nset maxcontroliter=300",
    )
    count = 30
    random = np.random.default_rng(4)
    columns = {
        "load:a:p_kw": random.uniform(300, 1500, count),
        "load:A:q_kvar": random.uniform(100, 400, count),
        "load:b:factor": random.uniform(0.3, 1.4, count),
        "generator:g:p_kw": random.uniform(50, 300, count),
        "generator:g:q_kvar": random.uniform(-50, 90, count),
    }

    def before(step):
        value = {name: float(column[step]) for name, column in columns.items()}
        kw, kvar = value["load:a:p_kw"], value["load:A:q_kvar"]
        dss.Text.Command(f"edit load.a kw={kw!r} kvar={kvar!r}")
        factor = value["load:b:factor"]
        dss.Text.Command(f"edit load.b kw={60 * factor!r} pf=0.95")
        dss.Text.Command(f"edit generator.g kw={value['generator:g:p_kw']!r} kvar={value['generator:g:q_kvar']!r}")

    theirs = list(peer_steps(path, count, before=before))
    labels = [f"step {step}" for step in range(count)]
    profile, output = tmp_path / f"p.{ending}", tmp_path / "out.parquet"
    if ending == "parquet":
        pyarrow.parquet.write_table(pyarrow.table({"time": labels, **columns}), profile, row_group_size=7)
    else:
        with open(profile, "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["time", *columns])
            out.writerows([label, *(repr(float(column[k])) for column in columns.values())] for k, label in enumerate(labels))
    done = study(path, "--profiles", profile, "--out", output, "--tolerance", "1e-10", "--threads", 2)
    assert done.returncode == 0, done.stderr
    compare(our_steps(output), theirs)


def test_threads_do_not_change_a_digit_and_statistics_are_those_of_all_steps(tmp_path):
    write_shapes(tmp_path)
    lines = feeder()
    path = script_of(tmp_path, lines, "set voltagebases=[12.47 0.48]\ncalcvoltagebases")
    profile = tmp_path / "p.csv"
    draw = np.random.default_rng(7).uniform(0.2, 1.8, 101)
    profile.write_text("scenario,load:*:factor\n" + "".join(f"{k},{value!r}\n" for k, value in enumerate(draw.tolist())))
    for extra in ([], CONTROLS.splitlines()):
        path = script_of(tmp_path, [*lines, *extra], "set voltagebases=[12.47 0.48]\ncalcvoltagebases\nset maxcontroliter=300")
        found = []
        for threads in (1, 3):
            done = study(path, "--profiles", profile, "--format", "csv", "--threads", threads)
            assert done.returncode == 0, done.stderr
            found.append(done.stdout)
        assert found[0] == found[1]
    done = study(path, "--profiles", profile, "--statistics", "--out", tmp_path / "s.csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(found[0].splitlines()))
    nodes = [(row["bus"], row["phase"]) for row in rows[: len(rows) // 101]]
    voltages = np.array([float(row["vm_pu"] or "nan") for row in rows]).reshape(101, -1)
    with open(tmp_path / "s-bus.csv", newline="") as file:
        for row, node, of_bus in zip(csv.DictReader(file), nodes, voltages.T, strict=True):
            assert (row["bus"], row["phase"]) == node
            if node[0] == "far":
                assert np.isnan(of_bus).all() and row["steps"] == "0" and row["vm_pu_mean"] == ""
                continue
            assert int(row["steps"]) == 101
            for name, expected in (("min", of_bus.min()), ("mean", of_bus.mean()), ("max", of_bus.max())):
                assert abs(float(row[f"vm_pu_{name}"]) - expected) < 1e-12
            assert abs(float(row["vm_pu_p50"]) - np.percentile(of_bus, 50, method="inverted_cdf")) <= 5.1e-5


def test_violations_are_the_lines_beyond_their_rating(tmp_path):
    write_shapes(tmp_path)
    lines = feeder()
    path = script_of(tmp_path, lines, "set voltagebases=[12.47 0.48]\ncalcvoltagebases\nset mode=daily")
    expected = []
    for step, _ in enumerate(peer_steps(path, 24)):
        dss.Circuit.SetActiveElement("line.a")
        largest = max(dss.CktElement.CurrentsMagAng()[0::2])
        if largest > 35:
            expected.append((str(step + 1), "line.a", 100 * largest / 35))
    done = study(path, "--violations", "--format", "csv")
    found = [row for row in csv.DictReader(done.stdout.splitlines()) if row["element"] == "line.a"]
    assert expected and done.returncode == 3
    for row, (label, name, loading) in zip(found, expected, strict=True):
        assert (row["time"], row["element"], row["quantity"]) == (label, name, "loading_percent")
        assert abs(float(row["value"]) - loading) < 1e-3


def test_bad_columns_name_file_line_reason_and_hint(tmp_path):
    path = script_of(tmp_path, ["new circuit.x", "new load.a bus1=sourcebus kv=115"], "")
    for column, part in (
        ("load:b:p_kw", "no load.b"),
        ("bus:a:p_kw", 'no class "bus"'),
        ("load:a:v_kv", 'nothing has a "v_kv"'),
        ("storage:*:factor", "the script has no storage"),
    ):
        profile = tmp_path / "p.csv"
        profile.write_text(f"time,{column}\na,1\n")
        done = study(path, "--profiles", profile)
        assert done.returncode == 1 and "p.csv:1: column 2" in done.stderr and part in done.stderr, done.stderr
    for arguments in (["--columns", "p_mw"], ["--result", "bus"]):
        done = study(path, "--profiles", profile, *arguments)
        assert done.returncode != 0 and done.stderr


def test_a_series_that_is_interrupted_leaves_what_was_done(tmp_path):
    write_shapes(tmp_path)
    lines = [*feeder(), *CONTROLS.splitlines()]
    ending = "set voltagebases=[12.47 0.48]\ncalcvoltagebases\nset maxcontroliter=300 mode=yearly number=3000000"
    path, output = script_of(tmp_path, lines, ending), tmp_path / "out.parquet"
    running = subprocess.Popen(
        [product.program(), "study", "powerflow", path, "--out", output], stderr=subprocess.PIPE, text=True
    )
    while not (output.exists() and os.path.getsize(output) > 10_000):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=60) == 1
    assert "cancelled after" in running.stderr.read()
    steps = our_steps(output)
    assert len(steps) % 256 == 0 and len(steps) > 0
