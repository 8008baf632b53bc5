"""Bad input on the command line: file, line and reason on standard error, nothing on standard output, exit code 1.
And what `tieline decode`, `check`, `convert` and `points` make of good input; captures are counted by tshark too.
"""

import collections
import json
import pathlib
import re
import shutil
import subprocess

import pytest

import product

pytestmark = pytest.mark.usefixtures("binary")

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
CASE = EXAMPLES / "ieee14.m"
MEASUREMENTS = EXAMPLES / "ieee14-measurements.csv"
CAPTURES = ROOT.parent / "shared" / "pcaps" / "iti-iec104"


def tieline(*arguments, text=None):
    command = [product.program(), *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)


def refused(run, start, *reasons):
    """One line `error: FILE:LINE: reason (hint)`, and nothing else."""
    assert run.returncode == 1, (run.returncode, run.stderr)
    assert run.stdout == ""
    lines = run.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"error: {start}:"), run.stderr
    assert all(reason in lines[0] for reason in reasons), run.stderr


def changed(folder, source, number, line):
    """A copy of a file with another text in one of its lines, counted from 1."""
    lines = source.read_text().splitlines()
    lines[number - 1] = line
    path = folder / f"changed-{source.name}"
    path.write_text("\n".join(lines) + "\n")
    return path


def line_of(source, text):
    return next(number for number, line in enumerate(source.read_text().splitlines(), 1) if text in line)


BUS = line_of(CASE, "mpc.bus = [") + 1
BRANCH = line_of(CASE, "mpc.branch = [") + 1
READERS = [["study", "powerflow"], ["check"], ["points"]]


@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    "number, line, reason",
    [
        (BUS + 1, "2 2 21.7 12.7 0 0 1 1.045 -4.98 135 1 1.1;", "columns"),
        (BUS, "1 3 2*load 0 0 0 1 1.06 0 135 1 1.1 0.9;", "load"),
        (BUS, "1 7 0 0 0 0 1 1.06 0 135 1 1.1 0.9;", "type is 7"),
        (BUS, "2 3 0 0 0 0 1 1.06 0 135 1 1.1 0.9;", "bus number 2"),
        (BRANCH, "1 99 0.02 0.06 0.05 0 0 0 0 0 1 -360 360;", "bus 99"),
        (BRANCH, "1 2 0 0 0.05 0 0 0 0 0 1 -360 360;", "neither resistance nor reactance"),
        (BRANCH, "1 2 0.02 0.06x 0.05 0 0 0 0 0 1 -360 360;", "not a number"),
    ],
)
def test_a_malformed_case_is_refused_with_its_line(tmp_path, command, number, line, reason):
    path = changed(tmp_path, CASE, number, line)
    run = tieline(*command, path)
    reported = re.match(rf"error: {re.escape(str(path))}:(\d+): ", run.stderr)
    assert reported, run.stderr
    # A duplicate is noticed at its second place.
    expected = number + 1 if reason == "bus number 2" else number
    refused(run, f"{path}:{expected}", reason)


@pytest.mark.parametrize(
    "number, line, reason",
    [
        (1, "kind,element,end,value,sigma", "header"),
        (5, "v,99,,1.0,0.003", 'no bus "99"'),
        (5, "v,2,,one,0.003", "not a finite number"),
        (5, "v,2,,1.0,0", "not above 0"),
        (5, "v,2,,1.0", "4 cells"),
        (5, "p_flow,2-14,from,1.0,0.5", 'no branch "2-14"'),
        (5, "p_flow,1-2,middle,1.0,0.5", "no end"),
    ],
)
def test_malformed_measurements_are_refused_with_their_line(tmp_path, number, line, reason):
    plain = tmp_path / "plain.csv"
    plain.write_text("".join(row for row in MEASUREMENTS.open() if not row.startswith("#")))
    path = changed(tmp_path, plain, number, line)
    refused(tieline("study", "estimate", CASE, path), f"{path}:{number}", reason)


@pytest.mark.parametrize("command", ["run", "twin"])
@pytest.mark.parametrize(
    "text, line, reason",
    [("\n\nno_such_key = 1\n", 3, "no_such_key"), ("a = 1\nb = = 2\n", 2, "")],
    ids=["unknown key", "syntax"],
)
def test_a_malformed_configuration_is_refused_with_its_line(tmp_path, command, text, line, reason):
    path = tmp_path / "faulty.toml"
    path.write_text(text)
    run = tieline(command, path)
    assert (run.returncode, run.stdout) == (1, "")
    place = rf"error: {re.escape(str(path))}:{line}: .*{reason}"
    assert re.match(place, run.stderr), run.stderr


def test_files_that_cannot_be_read_or_written_are_named(tmp_path):
    missing = tmp_path / "missing.m"
    for command in READERS + [["study", "estimate", CASE], ["convert"]]:
        more = [tmp_path / "out.m"] if command == ["convert"] else []
        refused(tieline(*command, missing, *more), missing, "No such file")
    beyond = tmp_path / "no" / "folder" / "out.json"
    run = tieline("study", "powerflow", CASE, "--format", "json", "--output", beyond, "--quiet")
    refused(run, beyond, "cannot be written")
    refused(tieline("convert", CASE, tmp_path / "out.xyz"), tmp_path / "out.xyz", "format", ".m")


def test_standard_input_is_read_and_named():
    run = tieline("study", "powerflow", "-", "--format", "csv", text=CASE.read_text())
    assert run.returncode == 0 and run.stdout.startswith("bus,name,vm_pu,va_degree,p_mw,q_mvar\n1,")
    refused(tieline("study", "powerflow", "-", text="mpc.version = '2';\nmpc.baseMVA = x;\n"), "standard input:2")


def test_check_tells_what_a_network_holds_and_lacks(tmp_path):
    run = tieline("check", CASE)
    assert run.returncode == 0
    for part in ("14 (1 reference, 4 PV, 9 PQ, 0 isolated)", "20 of 20 in service", "1 energised", "converges"):
        assert part in run.stdout
    text = CASE.read_text().splitlines()
    row = text[BRANCH - 1].split()
    row[5] = "0"
    run = tieline("check", changed(tmp_path, CASE, BRANCH, " ".join(row)))
    assert "warning: branch 1-2: no rating (fill rateA" in run.stdout
    heavy = re.sub(r"(?m)^(\s*3\s+2\s+)\S+", r"\g<1>9420", CASE.read_text(), count=1)
    path = tmp_path / "heavy.m"
    path.write_text(heavy)
    run = tieline("check", path)
    assert run.returncode == 2 and "does not converge" in run.stdout and "raise Pmax" in run.stdout


def test_convert_keeps_the_solution_and_reports_losses(tmp_path):
    source, first, second = (tmp_path / name for name in ("source.m", "first.m", "second.m"))
    source.write_text(CASE.read_text() + "mpc.my_field = 3;\n")
    run = tieline("convert", source, first)
    assert run.returncode == 0 and "dropped my_field" in run.stderr and "loss report: 1 entry" in run.stderr
    run = tieline("convert", first, second)
    assert run.returncode == 0 and "loss report: 0 entries" in run.stderr
    assert first.read_text() == second.read_text()
    solved = [json.loads(tieline("study", "powerflow", file, "--format", "json", "-q").stdout) for file in (source, second)]
    assert solved[0]["bus"] == solved[1]["bus"] and solved[0]["branch"] == solved[1]["branch"]


def test_points_are_one_row_per_measurement(tmp_path):
    run = tieline("points", CASE, "-o", tmp_path / "points.csv")
    assert (run.returncode, run.stdout) == (0, "")
    rows = (tmp_path / "points.csv").read_text().splitlines()
    names = [row.split(",")[0] for row in rows[1:]]
    assert rows[0].startswith("name,mrid,") and len(set(names)) == len(names)
    # A voltage per busbar; V, P and Q by three devices at both ends of 20 branches.
    busbars = [name for name in names if re.fullmatch(r"S\d+/V", name)]
    ends = [name for name in names if re.fullmatch(r"S\d+/[LT]\d+-\d+/[VPQ][23]?", name)]
    assert (len(busbars), len(ends)) == (14, 40 * 3 * 3)
    assert tieline("points", CASE).stdout.splitlines() == rows
    fewer = tieline("points", CASE, "--without-breakers").stdout.splitlines()
    assert sum(bool(re.match(r"S\d+/V,", row)) for row in fewer) == 14 and not any(",double," in row for row in fewer)


# An example of IEC 60870-5-104 framing: TESTFR act, then an S frame with N(R) = 1.
HEX = "68 04 43 00 00 00 # TESTFR\n68 04 01 00 02 00\n"


def test_hex_is_decoded_from_the_argument_a_file_and_standard_input(tmp_path):
    path = tmp_path / "frames.hex"
    path.write_text(HEX)
    octets = tmp_path / "frames.bin"
    octets.write_bytes(bytes.fromhex("680443000000680401000200"))
    runs = [tieline("decode", "iec104", "680443000000 680401000200"), tieline("decode", "iec104", path),
            tieline("decode", "iec104", octets), tieline("decode", "iec104", "-", text=HEX)]
    for run in runs:
        assert run.returncode == 0
        assert run.stdout == "00000000  U TESTFR act\n00000006  S N(R)=1\n"
        assert run.stderr.startswith("2 frames, 0 faults")


def test_what_cannot_be_decoded_is_refused(tmp_path):
    path = tmp_path / "frames.hex"
    path.write_text("68 04 43 00 00 00\n68 0g\n")
    refused(tieline("decode", "iec104", path), f"{path}:2", "not hex")
    refused(tieline("decode", "iec999", "680443000000"), 'no protocol "iec999" (known', "iec104")
    refused(tieline("decode", "iec104", "no-such-file"), "no-such-file", "neither a file nor hex")
    path.write_bytes(bytes.fromhex("0a0d0d0a") + bytes(100))
    refused(tieline("decode", "iec104", path), path, "tshark")
    path.write_bytes(bytes(range(128, 168)))
    run = tieline("decode", "iec104", path)
    assert run.returncode == 1 and "error: no frame of" in run.stderr and "fault: " in run.stdout


def frames_of(text, port=None):
    """Counts of U, S and I frames and of type identifications in what `decode` printed."""
    counts, taken = collections.Counter(), port is None
    for line in text.splitlines():
        if line.startswith("# "):
            taken = port is None or f":{port} " in f"{line} "
        elif taken and (found := re.match(r"[0-9a-f]{8}  ([UIS]) ", line)):
            counts[found[1]] += 1
        elif taken and (found := re.match(r"\s+\w+ \((\d+)\) ", line)):
            counts[int(found[1])] += 1
    return counts


def frames_by_tshark(capture, port=None):
    display = "iec60870_104" + (f" && tcp.port == {port}" if port else "")
    fields = ["-T", "fields", "-e", "iec60870_104.type", "-e", "iec60870_asdu.typeid"]
    run = subprocess.run(["tshark", "-r", capture, "-Y", display, *fields], capture_output=True, text=True, check=True)
    counts = collections.Counter()
    for line in run.stdout.splitlines():
        kinds, types = line.split("\t")
        counts.update("ISxU"[int(kind, 0)] for kind in kinds.split(",") if kind)
        counts.update(int(kind) for kind in types.split(",") if kind)
    return counts


# The third capture holds broken frames on purpose; its last connection is whole.
@pytest.mark.skipif(not CAPTURES.exists(), reason="skipped: the captures of ITI/ICS-Security-Tools are not here")
@pytest.mark.skipif(shutil.which("tshark") is None, reason="skipped: no tshark")
@pytest.mark.parametrize(
    "name, port", [("090813_diverse.pcap", None), ("JavaRMI_and_IEC_Misc.pcap", None), ("TestDissectIec104.pcap", 1578)]
)
def test_a_capture_holds_the_frames_that_tshark_sees(name, port):
    run = tieline("decode", "iec104", CAPTURES / name)
    assert run.returncode == 0
    counts = frames_of(run.stdout, port)
    assert counts == frames_by_tshark(CAPTURES / name, port) and counts["I"] > 0
    faults = int(re.search(r"(\d+) faults", run.stderr)[1])
    assert (faults > 0) == (port is not None)


def test_a_usage_error_is_no_study_without_solution():
    """Exit code 2 says that a study found no solution; a wrong option is an error like any other."""
    run = tieline("study", "powerflow", CASE, "--tolerance", "x")
    assert (run.returncode, run.stdout) == (1, "")
    assert tieline("--help").returncode == 0
