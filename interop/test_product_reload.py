"""The point list of the running centre: written out, compared, exchanged without a restart and without losing a sample."""

import csv
import io
import threading
import time

import product
import pytest
from product import Live, Plant, Process, until_ready, wait_until
from rawstation import RawStation


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    built = Plant(tmp_path_factory.mktemp("reload"))
    built.start_twin().start_centre()
    assert built.all_good() is not None
    yield built
    built.stop()


def export(api):
    answer = api.ask("GET", "/api/v1/point-list")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.body.decode())))


def text(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def row(rows, name):
    return next(row for row in rows if row["name"] == name)


def compare(api, rows):
    return api.post("point-list/compare", {"csv": text(rows)})


def apply(api, rows, reason="test", revision=None):
    revision = compare(api, rows)["revision"] if revision is None else revision
    return api.ask("POST", "/api/v1/point-list/apply", {"csv": text(rows), "revision": revision, "reason": reason})


def test_what_is_written_out_is_the_list(plant):
    by_rule = list(csv.DictReader(io.StringIO(product.tieline("points", product.NETWORK).stdout)))
    assert export(plant.api) == by_rule
    same = compare(plant.api, by_rule)
    assert (same["added_count"], same["removed_count"], same["changed_count"]) == (0, 0, 0)


def test_a_list_is_compared_applied_and_kept(plant):
    api = plant.api
    rows = export(api)
    ids = {point["name"]: point["id"] for point in api.points()}
    row(rows, "S4/V")["high"], row(rows, "S4/V")["high_high"] = "1", ""
    row(rows, "S4/V")["low"], row(rows, "S4/V")["low_low"] = "", ""
    row(rows, "S5/V")["name"] = "S5/Voltage"
    rows.remove(row(rows, "S1/L1-2/Q2"))
    blank = dict.fromkeys(rows[0], "")
    rows.append(blank | {"name": "Sum", "mrid": "_sum", "kind": "analog", "unit": "kV", "hysteresis": "0", "deadband": "0",
                         "formula": "{S4/V} + {S5/Voltage}"})
    found = compare(api, rows)
    assert (found["added"], found["removed"], found["in_use"]) == (["Sum"], ["S1/L1-2/Q2"], [])
    cells = {change["name"]: {cell["column"]: (cell["old"], cell["new"]) for cell in change["cells"]} for change in found["changed"]}
    assert set(cells) == {"S4/V", "S5/V"} and cells["S5/V"] == {"name": ("S5/V", "S5/Voltage")}
    assert cells["S4/V"]["high"][1] == "1"
    # Nothing has changed yet, and nobody but who may configure changes it.
    assert api.point("S5/V")["id"] == ids["S5/V"]
    before, live = api.status(), Live(api)
    assert wait_until(lambda: live.frames)
    answer = apply(api, rows, "limits of the season", found["revision"])
    assert answer.status == 200, answer.body
    assert answer.json["revision"] == found["revision"] + 1
    after = api.status()
    # Every link stands as it stood; ids are what they were; every sample is somewhere.
    assert [(link["name"], link["since"]) for link in after["sessions"]] == [(link["name"], link["since"]) for link in before["sessions"]]
    counters = after["counters"]
    assert counters["received"] == sum(counters[name] for name in ("waiting", "coalesced", "processed", "held", "shed"))
    now = {point["name"]: point["id"] for point in api.points()}
    renamed = {"S5/Voltage" if name == "S5/V" else name: number for name, number in ids.items() if name != "S1/L1-2/Q2"}
    assert {name: number for name, number in now.items() if name != "Sum"} == renamed
    assert now["Sum"] == max(ids.values()) + 1 and api.ask("GET", f"/api/v1/points/{ids['S1/L1-2/Q2']}").status == 404
    assert after["points"]["total"] == len(now) and after["points"]["revision"] == found["revision"] + 1
    # The new limit is held against the present value, the new point is calculated, the page hears of both.
    alarm = lambda: plant.api.alarms().get("limit:S4/V")
    assert wait_until(lambda: alarm() and alarm()["active"], 15.0)
    total = lambda: api.point("Sum")
    assert wait_until(lambda: total()["quality"]["validity"] == "good" and not total()["stale"], 10.0), total()
    assert abs(total()["value"] - api.point("S4/V")["value"] - api.point("S5/Voltage")["value"]) < 5.0
    snapshots = lambda: [frame for _, frame in live.frames if frame["snapshot"]]
    assert wait_until(lambda: len(snapshots()) == 2, 5.0)
    assert {point[0] for point in snapshots()[1]["points"]} == set(now.values())
    live.close()
    # Estimation goes on with the list; the history of a renamed point goes on too.
    cycle = api.status()["cycle"]
    assert wait_until(lambda: api.status()["cycle"] > cycle + 2 and api.status()["estimation"]["state"] == "converged", 15.0)
    assert len(api.get(f"points/{ids['S5/V']}/rows", **{"from": "2020-01-01T00:00:00Z", "to": "2090-01-01T00:00:00Z"})["rows"]) > 3
    told = [event for event in api.events() if event["source"] == "point list"]
    assert len(told) == 1 and "limits of the season" in told[0]["text"] and told[0]["actor"] == "first", told
    # A point of before is operated as before, and the next start finds the list.
    assert api.operate("S4/L4-5/CB", 0, "after the change")["state"] == "confirmed"
    plant.centre.stop()
    product.tieline("audit", "verify", "--data", plant.data)
    plant.start_centre()
    assert plant.api.point("Sum") and not [p for p in plant.api.points() if p["name"] == "S1/L1-2/Q2"]
    # Back to what it was.
    assert plant.all_good(40.0) is not None
    back = list(csv.DictReader(io.StringIO(product.tieline("points", product.NETWORK).stdout)))
    assert apply(plant.api, back).status == 200
    assert wait_until(lambda: not plant.api.alarms().get("limit:S4/V", {"active": False})["active"], 15.0)
    assert wait_until(lambda: not plant.api.point("S1/L1-2/Q2")["stale"], 20.0), "what comes back is asked for"


def test_what_does_not_fit_changes_nothing(plant):
    api = plant.api
    rows = export(api)
    state = lambda: (export(api), api.status()["points"]["revision"])
    before = state()

    def refused(rows, status, *words):
        answer = api.ask("POST", "/api/v1/point-list/compare", {"csv": text(rows)})
        assert answer.status == status and all(word in answer.json["error"]["message"] for word in words), answer.body
        assert answer.json["error"]["hint"]

    twice = export(api)
    twice[3]["name"] = twice[4]["name"]
    refused(twice, 400, "line 6", "used twice")
    lost = export(api)
    lost[0]["link"] = "nowhere"
    refused(lost, 400, "nowhere", "not configured")
    wrong = export(api)
    row(wrong, "S4/V")["address"] = "M_XX_YY_1@5"
    refused(wrong, 400, "link S4", "M_XX_YY_1")
    # Another list came between, and a point is worked with.
    assert apply(api, rows, revision=before[1] + 7).status == 409
    point = api.point("S4/V")["id"]
    tag = api.post(f"points/{point}/tags", {"kind": "caution", "text": "being calibrated"})
    rows.remove(row(rows, "S4/V"))
    assert compare(api, rows)["in_use"] == ["S4/V carries a tag"]
    answer = apply(api, rows)
    assert answer.status == 409 and "S4/V carries a tag" in answer.json["error"]["message"]
    api.delete(f"points/{point}/tags/{tag['id']}")
    assert apply(api, export(api), reason=" ").status == 400
    assert state() == before


def test_the_command_line_tells_and_applies(plant, tmp_path):
    product_data = plant.data
    plant.centre.stop()
    token = tmp_path / "token"
    token.write_text(product.tieline("token", "create", "first", "--data", product_data).stdout)
    plant.start_centre()
    rows = export(plant.api)
    row(rows, "S4/V")["high"] = "139.5"
    row(rows, "S4/V")["high_high"] = "141"
    old = row(export(plant.api), "S4/V")["high"]
    (tmp_path / "list.csv").write_text(text(rows))
    call = lambda *more: product.tieline("reload", plant.api.base, "--token-file", token, "--list", tmp_path / "list.csv", *more, check=False)
    told = call()
    assert told.returncode == 0 and f'~ S4/V high: "{old}" -> "139.5"' in told.stdout, (told.stdout, told.stderr)
    assert "0 added, 0 removed, 1 changed" in told.stderr and row(export(plant.api), "S4/V")["high"] == old
    done = call("--apply", "from the console")
    assert done.returncode == 0 and "in force as revision 2" in done.stderr, done.stderr
    assert row(export(plant.api), "S4/V")["high"] == "139.5"
    (tmp_path / "list.csv").write_text("name,mrid\n")
    bad = call()
    assert bad.returncode == 1 and "line 1" in bad.stderr and "hint" in bad.stderr, bad.stderr


def test_no_sample_is_lost_while_lists_change(tmp_path):
    """A counter counts as fast as it can while the list changes again and again: every reading is a row of history."""
    station = RawStation()
    columns = product.tieline("points", product.NETWORK).stdout.splitlines()[0].split(",")
    blank = dict.fromkeys(columns, "")
    def lists(number):
        extra = [blank | {"name": f"X{number % 3}", "mrid": f"_X{number % 3}", "kind": "analog", "link": "L", "hysteresis": "0",
                          "deadband": "0", "address": f"M_ME_NC_1@{900 + number}"}]
        counting = blank | {"name": "Count", "mrid": "_C", "kind": "analog", "link": "L", "address": "M_ME_NC_1@1",
                            "high": str(10 ** 7 + number), "hysteresis": "0", "deadband": "0"}
        return [counting, *(extra if number else [])]
    (tmp_path / "points.csv").write_text(text(lists(0)))
    (tmp_path / "centre.toml").write_text(
        f'points = "points.csv"\n[network]\nfile = "{product.NETWORK}"\n[data]\ndirectory = "data"\n[http]\nlisten = "127.0.0.1:0"\n[identity]\nenrolment = "none"\n'
        f'[[link]]\nname = "L"\nprotocol.iec104 = {{ endpoints = ["{station.where}"], common_address = 1 }}\n'
    )
    centre = Process("run", tmp_path / "centre.toml")
    base, token = centre.line("http://").split("/#token=")
    until_ready(base, centre.began)
    api = product.Api(base, token)
    assert wait_until(lambda: api.status()["sessions"][0]["state"] == "up", 20.0)
    sent, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            sent[0] += 1
            station.floats([(1, float(sent[0]))])
            time.sleep(0.0005)

    thread = threading.Thread(target=count)
    thread.start()
    for number in range(1, 101):
        answer = apply(api, lists(number))
        assert answer.status == 200, answer.body
    stop.set()
    thread.join()
    assert wait_until(lambda: api.point("Count")["value"] == float(sent[0]), 10.0)
    assert wait_until(lambda: (now := api.status()["counters"])["changed"] == now["stored"], 10.0)
    point = api.point("Count")["id"]
    rows = api.get(f"points/{point}/rows", **{"from": "2020-01-01T00:00:00Z", "to": "2090-01-01T00:00:00Z", "limit": 100_000})
    assert rows["complete"]
    assert [row["value"] for row in rows["rows"] if row["value"]] == [float(at) for at in range(1, sent[0] + 1)]
    assert api.status()["counters"]["coalesced"] == api.status()["counters"]["shed"] == 0
    print(f"100 lists in force one after the other, {sent[0]} readings, each a row")
    centre.stop()
    station.close()
