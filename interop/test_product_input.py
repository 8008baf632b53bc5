"""Faulty files on the command line: file, line and reason on stderr, nothing on stdout, exit 1; the twin's command.

The faults are made from the examples by one edit each, so that the line of the fault is known.
"""

import pytest

import product

CASE = product.NETWORK.read_text()
MEASUREMENTS = (product.ROOT / "examples" / "ieee14-measurements.csv").read_text()


def line_of(text, part):
    """Number of the first line with that part."""
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def edited(text, old, new):
    assert old in text
    return text.replace(old, new, 1)


FIRST_BUS, FIRST_BRANCH = "     1  3   0.0", "     1   2  0.01938"


@pytest.mark.parametrize("old, new, at", [
    (FIRST_BUS, "     1  3   0.0+x", FIRST_BUS),
    (FIRST_BUS, "     1  3   zero", FIRST_BUS),
    (FIRST_BRANCH, "     1  99  0.01938", FIRST_BRANCH),
    ("mpc.baseMVA = 100;", "mpc.baseMVA = 0;", "mpc.baseMVA"),
    ("mpc.baseMVA = 100;", "mpc.baseMVA = system('x');", "mpc.baseMVA"),
], ids=["unknown in arithmetic", "word", "no such bus", "no base", "call"])
@pytest.mark.parametrize("command", [("study", "powerflow"), ("check",)], ids="-".join)
def test_a_faulty_case_is_refused_with_its_line(binary, tmp_path, command, old, new, at):
    file = tmp_path / "faulty.m"
    file.write_text(edited(CASE, old, new))
    done = product.tieline(*command, file, check=False)
    assert done.returncode == 1 and done.stdout == "", done
    assert f"faulty.m:{line_of(CASE, at)}" in done.stderr and len(done.stderr.strip()) > 30, done.stderr


@pytest.mark.parametrize("new", ["nonsense", "1e999", "nan", ""])
def test_a_faulty_measurement_is_refused_with_its_line(binary, tmp_path, new):
    lines = MEASUREMENTS.splitlines()
    header = next(at for at, line in enumerate(lines) if line and not line.startswith("#"))
    fields, row = lines[header].split(","), lines[header + 1].split(",")
    row[fields.index("value")] = new
    lines[header + 1] = ",".join(row)
    file = tmp_path / "faulty.csv"
    file.write_text("\n".join(lines) + "\n")
    done = product.tieline("study", "estimate", product.NETWORK, file, check=False)
    assert done.returncode == 1 and done.stdout == "" and f"faulty.csv:{header + 2}" in done.stderr, done


@pytest.mark.parametrize("name, command", [("centre.toml", "run"), ("twin.toml", "twin")])
@pytest.mark.parametrize("faulty", ["colour = 'red'", "= 3", "points = 7 8", "name = 'open"])
def test_a_faulty_configuration_is_refused_with_its_line(binary, tmp_path, name, command, faulty):
    product.Plant(tmp_path)
    file = tmp_path / name
    # In front of everything, so that the fault is in line 1.
    file.write_text(faulty + "\n" + file.read_text())
    done = product.tieline(command, file, check=False)
    assert done.returncode == 1 and done.stdout == "", done
    assert name in done.stderr and ":1: " in done.stderr, done.stderr


@pytest.mark.parametrize("arguments", [
    ("run", "nowhere.toml"), ("twin", "nowhere.toml"), ("study", "powerflow", "nowhere.m"),
    ("audit", "verify", "--data", "nowhere"),
])
def test_a_missing_file_is_named(binary, arguments):
    done = product.tieline(*arguments, check=False)
    assert done.returncode == 1 and "nowhere" in done.stderr and done.stdout == "", done


def test_faults_are_injected_from_the_command_line(plant):
    plant.start_twin()
    inject = lambda *arguments, check=True: product.tieline(
        "twin", "inject", *arguments, "--twin", plant.twin.base, check=check)
    inject("load-step", "S9", "--factor", "1.5")
    inject("bad-measurement", "S4/V", "--sigma", "20", "--for", "60")
    inject("rtu-silent", "S8")
    inject("stuck-breaker", "S1/L1-2/CB")
    inject("line-trip", "L6-11")
    faults = plant.twin._json("GET", "/faults")
    assert [fault["kind"] for fault in faults] == [
        "load_step", "bad_measurement", "rtu_silent", "stuck_breaker", "line_trip"]
    listed = inject("list").stdout
    assert all(target in listed for target in ("S9", "S4/V", "S8", "S1/L1-2/CB", "L6-11")), listed
    inject("clear", str(faults[2]["id"]))
    assert len(plant.twin._json("GET", "/faults")) == 4
    inject("clear")
    assert plant.twin._json("GET", "/faults") == []
    for arguments in (("load-step", "S99", "--factor", "2"), ("load-step", "S9"), ("load-step", "S7", "--factor", "2"),
                      ("clear", "77"), ("bad-measurement", "S4/V")):
        done = inject(*arguments, check=False)
        assert done.returncode == 1 and done.stderr.strip(), (arguments, done)
    # Whoever reaches the twin's API may break things: no page may.
    origin = {"Origin": "http://evil.example"}
    answer = plant.twin.request("POST", "/faults", {"kind": "rtu_silent", "target": "S8"}, origin)
    assert answer.status == 403 and plant.twin._json("GET", "/faults") == []
