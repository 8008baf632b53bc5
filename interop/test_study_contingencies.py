"""`tieline study contingencies` and `sensitivity` as their users meet them: lists, rules, exit codes, Ctrl-C.

The figures are held elsewhere; where one appears here it is PYPOWER's (see contingency_cases.py).
"""

import json
import pathlib
import signal
import subprocess

import pyarrow.parquet
import pytest

import product

pytestmark = pytest.mark.usefixtures("binary")

CASE = pathlib.Path(__file__).resolve().parent.parent / "examples" / "ieee14.m"
LARGE = CASE.parent.parent / "crates" / "contingency" / "tests" / "cases" / "case300.m"


def tieline(*arguments):
    command = [product.program(), "study", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def study(*arguments):
    done = tieline("contingencies", *arguments, "--format", "json")
    assert done.returncode in (0, 2, 3), done.stderr
    return json.loads(done.stdout), done.returncode


def test_every_branch_fails_by_itself():
    found, code = study(CASE)
    summary = found["summary"]
    assert (summary["contingencies"], summary["done"], summary["complete"]) == (20, 20, True)
    # 7-8 alone carries bus 8.
    assert summary["with_lost_buses"] == 1
    assert code == 3 and found["contingency"][0]["contingency"] == "branch 1-2"
    severities = [row["severity"] for row in found["contingency"]]
    assert severities == sorted(severities, reverse=True)


def test_lists_fail_together_and_faults_have_a_line(tmp_path):
    file = tmp_path / "list.csv"
    file.write_text("name,type,element\nboth,branch,7-8\nboth,bus,3\n")
    out = tmp_path / "out.json"
    found, _ = study(CASE, "--list", file, "--findings", out)
    assert found["summary"]["contingencies"] == 1
    lost = [row for row in json.loads(out.read_text())["violation"] if row["violation"] == "lost_buses"]
    assert [(row["value"], row["element"]) for row in lost] == [(2, "3")] and abs(lost[0]["lost_load_mw"] - 94.2) < 1e-9
    file.write_text("name,type,element\nboth,branch,7-8\nboth,branch,7-99\n")
    done = tieline("contingencies", CASE, "--list", file)
    assert done.returncode == 1 and f"{file}:3: there is no branch" in done.stderr


def test_findings_go_to_a_file_as_they_come(tmp_path):
    out = tmp_path / "out.parquet"
    done = tieline("contingencies", CASE, "--out", out, "--top", 1)
    assert done.returncode == 3 and len(done.stdout.splitlines()) == 2
    table = pyarrow.parquet.read_table(out)
    assert len(set(table["contingency"].to_pylist())) == 20
    assert "branch 2-3" in table["contingency"].to_pylist() and "overload" in table["violation"].to_pylist()


@pytest.mark.parametrize("arguments", [[], ["--dc"], ["--breakers", "--outages", "busbar,bay,substation"]])
def test_each_way_gives_a_table(arguments):
    done = tieline("contingencies", CASE, *arguments)
    assert done.returncode in (0, 3) and done.stdout.startswith("rank"), done.stderr


def test_rules_say_before_and_after(tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "more from 2"\nafter = "branch 1-2"\noverloaded = "1-5"\n'
        'change_power = [{ generator = "2", p_mw = 60.0 }]\n'
    )
    found, _ = study(CASE, "--rules", rules)
    (remedy,) = found["remedy"]
    assert (remedy["contingency"], remedy["rules"]) == ("branch 1-2", "more from 2")
    assert remedy["after_percent"] < remedy["before_percent"] - 20
    rules.write_text('[[rule]]\nname = "x"\noverloaded = "1-99"\nopen_branch = ["1-2"]\n')
    done = tieline("contingencies", CASE, "--rules", rules)
    assert done.returncode == 1 and f"{rules}:1: there is no branch" in done.stderr


def test_pairs_are_screened():
    found, _ = study(CASE, "--n2", "screen:5", "--top", 10)
    assert found["summary"]["contingencies"] == 5
    done = tieline("contingencies", CASE, "--n2", "screen:0")
    assert done.returncode == 1 and "pairs" in done.stderr


def test_an_outage_without_a_solution_is_said_so():
    found, code = study(LARGE)
    assert code == 2 and found["summary"]["not_solved"] > 0
    worst = found["contingency"][0]
    assert worst["status"] == "not_converged" and worst["severity"] is None and worst["loading_percent"] is None


def test_an_interrupt_leaves_partial_results(tmp_path):
    out = tmp_path / "out.json"
    command = [product.program(), "study", "contingencies", str(LARGE), "--n2", "screen:30000", "--findings", str(out)]
    command += ["--threads", "1", "--format", "json"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    product.wait_until(lambda: out.exists() and out.stat().st_size > 0, seconds=60)
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == 1 and "stopped:" in stderr and "partial" in stderr
    summary = json.loads(stdout)["summary"]
    assert not summary["complete"] and 0 < summary["done"] < summary["contingencies"]
    assert json.loads(out.read_text())["complete"] is False


def test_factors_have_rows_for_what_was_named():
    done = tieline("sensitivity", CASE, "--lodf", "--branch", "1-2", "--outage", "1-5,7-8", "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["lodf"]
    # All of generator 1 goes over 1-2 without 1-5; 7-8 is a bridge.
    assert abs(rows[0]["lodf"] - 1) < 1e-12 and rows[1]["lodf"] is None
    done = tieline("sensitivity", CASE, "--ptdf", "--branch", "1-99")
    assert done.returncode == 1 and "no branch" in done.stderr
