"""The centre is killed with -9 a hundred times under load, and loses power twenty times; nothing that it acknowledged may be
missing afterwards.

Each life of the centre works on the same data directory against a twin that keeps running: faults come and go,
alarms are acknowledged, commands and tags are made, events and history are read, all through the API and the live
socket. `Ledger` holds what was answered before each kill. After each restart the ledger is held against the API, and
between the lives against the audit on disk. The twin's log shows which commands really reached the field.
"""

import contextlib
import http.client
import itertools
import random
import sqlite3
import threading
import time

import faulty
import product
from product import wait_until

LIVES = 100
LOAD_S = (0.3, 0.8)
# Lives that end with a loss of power, and kills during the start.
FEW = 20
SEED = 104
# A trip that stands through all lives: two alarms that nobody acknowledges, one that the first life acknowledges.
TRIPPED = "L12-13"
LATCHED = [f"uncommanded:S{n}/{TRIPPED}/CB" for n in (12, 13)]
SEEN_ONCE = f"state:S12/{TRIPPED}/CB"
# A select that is never executed, so that every kill leaves a command open.
SELECTED_ONLY = "S11/Load/CB"
OPERATED = ["S14/Load/CB", "S10/Load/CB"]
TAGGED = "S5/Load/CB"
READ = ["S1/V", "S9/V", "S4/L2-4/P", "S14/Load/CB"]
OPEN = ("selecting", "selected", "executing", "awaiting_return")


class Ledger:
    """What the centre has acknowledged in all its lives."""

    def __init__(self):
        self.events, self.history, self.tags = {}, {}, {}
        self.removed, self.doubtful = set(), False
        self.selected, self.executed, self.texts, self.acknowledged = [], [], [], []
        self.serial = itertools.count(1)

    def note_events(self, events):
        for event in events:
            known = self.events.setdefault(event["seq"], event)
            assert known == event, f"one number, two events: {known} {event}"


class Load:
    """The work of one life; every worker ends when the centre is gone."""

    def __init__(self, plant, ledger):
        self.plant, self.api, self.ledger = plant, plant.api, ledger
        self.stop = threading.Event()
        self.live = product.Live(self.api, take=lambda frame: ledger.note_events(frame["events"]))
        works = (self.operate, self.tag, self.acknowledge, self.read_events, self.read_history, self.disturb)
        self.threads = [threading.Thread(target=self.until_gone, args=(work,)) for work in works]
        for thread in self.threads:
            thread.start()

    def until_gone(self, work):
        while not self.stop.is_set():
            try:
                work()
            except product.Refused as refused:
                if refused.answer.status != 409:
                    self.failure = refused
                    return
            except (OSError, http.client.HTTPException, ValueError):
                # The answer was cut off: this is what a kill looks like from here.
                return
            time.sleep(0.02)

    failure = None

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(30)
        self.live.close()
        assert self.failure is None, self.failure

    def operate(self):
        name = random.choice(OPERATED)
        point = self.api.point(name)
        reason = f"crash test {next(self.ledger.serial)}"
        value = 0 if point["text"] == "closed" else 1
        made = self.api.post("commands", {"point": point["id"], "value": value, "reason": reason})
        self.ledger.selected.append(reason)
        made = self.api.command_beyond(made["id"], ("studying", "selecting"))
        self.api.post(f"commands/{made['id']}/execute")
        self.ledger.executed.append(reason)
        self.api.command_beyond(made["id"], OPEN, 5)

    def tag(self):
        point = self.api.point(TAGGED)
        text = f"crash tag {next(self.ledger.serial)}"
        self.ledger.doubtful = True
        placed = self.api.post(f"points/{point['id']}/tags", {"kind": "information", "text": text})
        self.ledger.tags[placed["id"]] = placed
        self.ledger.texts.append(("place tag", text))
        if len(self.ledger.tags) > 3:
            oldest = min(self.ledger.tags)
            gone = self.ledger.tags.pop(oldest)
            self.api.delete(f"points/{point['id']}/tags/{oldest}")
            self.ledger.removed.add(oldest)
            self.ledger.texts.append(("remove tag", gone["text"]))
        self.ledger.doubtful = False
        time.sleep(0.1)

    def acknowledge(self):
        for number, alarm in self.api.alarms().items():
            if not alarm["acknowledged"] and number not in LATCHED:
                self.api.post("alarms/acknowledge", {"ids": [number]})
                self.ledger.acknowledged.append((alarm["source"], alarm["text"]))
        time.sleep(0.1)

    def read_events(self):
        self.ledger.note_events(self.api.get("events", limit=500)["events"])
        time.sleep(0.05)

    def read_history(self):
        name = random.choice(READ)
        view = history(self.api, name)
        if not view["decimated"]:
            rows = self.ledger.history.setdefault(name, {})
            rows |= {bucket["t"]: (bucket["last"], bucket["quality"]) for bucket in view["buckets"]}

    def disturb(self):
        twin = self.plant.twin
        kind, target, numbers = random.choice([
            ("bad_measurement", "S4/V", {"sigma": 30.0}), ("rtu_silent", "S8", {}),
            ("stuck_breaker", "S10/Load/CB", {}), ("load_step", "S9", {"factor": 1.5}),
        ])
        with contextlib.suppress(product.Refused):
            twin.inject(kind, target, for_s=random.uniform(0.5, 2.0), **numbers)
        time.sleep(0.4)


def history(api, name):
    return api.get(f"points/{api.point(name)['id']}/history", max_points=5_000)


def audit(plant):
    """Verifies the chain and returns all records as (actor, action, target, outcome, reason)."""
    product.tieline("audit", "verify", "--data", plant.data)
    lines = product.tieline("audit", "list", "--limit", 1_000_000, "--data", plant.data).stdout.splitlines()
    records = [line.split("\t") for line in lines]
    assert [int(record[0]) for record in records] == list(range(1, len(records) + 1)), "audit numbers have gaps"
    return [(record[2], record[4], record[5], record[6], record[7]) for record in records]


def check_audit(records, ledger):
    by_reason = {}
    for _, action, _, outcome, reason in records:
        by_reason.setdefault(reason, set()).add((action.split()[0], outcome))
    wanted = [("select", reason) for reason in ledger.selected] + [("execute", reason) for reason in ledger.executed]
    missing = [(action, reason) for action, reason in wanted if (action, "allowed") not in by_reason.get(reason, ())]
    missing += [(action, text) for action, text in ledger.texts
                if not any(done[1] == action and done[4] == text for done in records)]
    assert not missing, f"not in the audit: {missing}"


def check_events(api, ledger):
    events = api.events()
    numbers = [event["seq"] for event in events]
    assert numbers == list(range(1, len(numbers) + 1)), "event numbers have gaps"
    held = {event["seq"]: event for event in events}
    lost = [event for number, event in ledger.events.items() if held.get(number) != event]
    assert not lost, f"{len(lost)} events are missing or changed, e.g. {lost[0]} is now {held.get(lost[0]['seq'])}"
    ledger.note_events(events)
    for source, text in set(ledger.acknowledged):
        asked = ledger.acknowledged.count((source, text))
        done = sum(event["source"] == source and event["text"].startswith("acknowledged") for event in events)
        assert done >= 1, f"acknowledgement of {source} ({asked} times) is missing"
    return events


def check_alarms(api, before):
    alarms = api.alarms()
    for number in LATCHED:
        alarm = alarms.get(number)
        assert alarm and alarm["active"] and not alarm["acknowledged"], (number, alarm)
        assert alarm["raised_at"] == before[number]["raised_at"]
    seen = alarms.get(SEEN_ONCE)
    assert seen and seen["active"] and seen["acknowledged"] and seen["acknowledged_by"] == "first", seen


def check_tags(api, ledger):
    held = {tag["id"]: tag for tag in api.point(TAGGED)["tags"]}
    lost = [tag for number, tag in ledger.tags.items() if held.get(number) != tag]
    back = ledger.removed & held.keys()
    assert not lost and not back, (lost, back)
    extra = held.keys() - ledger.tags.keys()
    assert len(extra) <= int(ledger.doubtful), "a tag that nobody placed"
    # What was asked in the moment of the kill may or may not have happened; from now on it counts as seen.
    ledger.tags, ledger.doubtful = held, False


def check_history(api, ledger):
    for name, rows in ledger.history.items():
        view = history(api, name)
        if view["decimated"]:
            continue
        held = {bucket["t"]: (bucket["last"], bucket["quality"]) for bucket in view["buckets"]}
        lost = {t: row for t, row in rows.items() if held.get(t) != row}
        assert not lost, f"{name}: {len(lost)} of {len(rows)} rows are missing or changed: {lost}"


def received(plant):
    """Commands that reached the twin, from its log."""
    return [line for line in list(plant.twin_process.err) if " Command " in line]


def live(plant, lives, start, end):
    """Lives of the centre on one data directory; each begins and ends as told, and is held against the ledger."""
    random.seed(SEED)
    ledger = Ledger()
    plant.start_twin()
    start()
    assert plant.all_good() is not None
    plant.twin.inject("line_trip", TRIPPED)
    assert wait_until(lambda: {*LATCHED, SEEN_ONCE} <= plant.api.alarms().keys(), 10), plant.api.alarms().keys()
    plant.api.post("alarms/acknowledge", {"ids": [SEEN_ONCE]})
    standing = plant.api.alarms()
    starts = []
    for life in range(lives):
        load = Load(plant, ledger)
        time.sleep(random.uniform(*LOAD_S))
        reason = f"left open {life}"
        left = plant.api.command(plant.api.point(SELECTED_ONLY)["id"], 0, reason)
        assert left["state"] == "selected", left
        ledger.selected.append(reason)
        time.sleep(random.uniform(0.0, 0.2))
        end()
        load.end()
        sent = len(received(plant))
        check_audit(audit(plant), ledger)
        start()
        starts.append(plant.ready_s)
        events = check_events(plant.api, ledger)
        unknown = [event for event in events if event["kind"] == "command" and "outcome is unknown" in event["text"]]
        assert sum(f"command {left['id']} was" in event["text"] for event in unknown) == 1, unknown
        assert f"command:{SELECTED_ONLY}" in plant.api.alarms()
        check_alarms(plant.api, standing)
        check_tags(plant.api, ledger)
        check_history(plant.api, ledger)
        assert plant.all_good(30) is not None or plant.twin.stations()["S8"]["silent"]
        assert len(received(plant)) == sent, "a command was sent again after the restart"
    assert plant.centre.stop() == 0
    records = audit(plant)
    executes = sum(" phase=Execute " in line for line in received(plant))
    audited = sum(action.startswith("execute") and outcome == "allowed" for _, action, _, outcome, _ in records)
    rows = sum(len(rows) for rows in ledger.history.values())
    print(f"\n{lives} lives: {len(ledger.events)} events, {len(records)} audit records,"
          f" {len(ledger.executed)} commands, {rows} history rows, {len(ledger.acknowledged)} acknowledgements held;"
          f" ready after {max(starts):.2f} s at most; {executes} executes in the field, {audited} in the audit")
    assert 0 < executes <= audited and len(ledger.executed) <= audited
    assert len(ledger.executed) >= lives / 2 and rows > 10 * lives


def test_kills_lose_nothing(plant):
    live(plant, LIVES, plant.start_centre, lambda: plant.centre.kill())


def test_losses_of_power_lose_nothing(plant, tmp_path):
    """What was not synced is kept or taken back block by block, of SQLite's files and of the historian's."""
    plant.data.mkdir()
    disk = faulty.FaultyDisk(tmp_path, plant.data, power=True)

    def start():
        with disk.beneath():
            plant.start_centre()

    def end():
        disk.turn("P")
        assert plant.centre.process.wait(20) == -9
        disk.turn("")

    live(plant, FEW, start, end)


def test_an_alarm_whose_cause_went_away_while_the_centre_was_down_clears(plant):
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    bad = plant.twin.inject("bad_measurement", "S4/V", sigma=30.0)
    trip = "state:S12/Load/CB"
    assert wait_until(lambda: (alarm := plant.api.alarms().get("estimator:S4/V")) and alarm["active"], 10)
    assert plant.api.operate("S12/Load/CB", 0, "open while alive")["state"] == "confirmed"
    assert wait_until(lambda: trip in plant.api.alarms(), 5)
    plant.centre.kill()
    plant.twin.clear(bad)
    time.sleep(2)
    plant.start_centre()
    assert plant.all_good() is not None
    alarms = plant.api.alarms()
    assert alarms[trip]["active"], "the breaker is still open"
    alarm = lambda: plant.api.alarms()["estimator:S4/V"]
    assert wait_until(lambda: not alarm()["active"], 10), alarm()


def test_kills_during_the_start_are_survived(plant):
    source = random.Random(SEED)
    for _ in range(FEW):
        centre = product.Process("run", plant.folder / "centre.toml")
        time.sleep(source.uniform(0.0, 0.25))
        centre.kill()
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    check_events(plant.api, Ledger())
    assert plant.centre.stop() == 0
    starts = [record for record in audit(plant) if record[1] == "create one-time token"]
    print(f"\n{len(starts) - 1} of {FEW} kills came after the first durable step")
    assert len(starts) >= 2


def change(plant, statement):
    connection = sqlite3.connect(plant.data / "centre.db")
    with connection:
        connection.execute(statement)
    connection.close()


def test_a_changed_audit_is_found_and_stops_commands(plant):
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    assert plant.api.operate("S14/Load/CB", 0, "before the forgery")["state"] == "confirmed"
    assert plant.centre.stop() == 0
    whole = (plant.data / "centre.db").read_bytes()
    forgeries = {
        "a field": "UPDATE audit SET record = CAST(replace(record, 'before the', 'after that') AS BLOB)",
        "an early record": "DELETE FROM audit WHERE seq = 1",
        "the last record": "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
        "all": "DELETE FROM audit",
    }
    for name, statement in forgeries.items():
        (plant.data / "centre.db").write_bytes(whole)
        product.tieline("audit", "verify", "--data", plant.data)
        change(plant, statement)
        done = product.tieline("audit", "verify", "--data", plant.data, check=False)
        assert done.returncode == 1 and "broken" in done.stderr, (name, done)
    (plant.data / "centre.db").write_bytes(whole)
    # The start looks at the records since the head was written beside the database; `verify` looks at all.
    change(plant, forgeries["the last record"])
    plant.start_centre()
    assert plant.all_good() is not None
    alarm = plant.api.alarms().get("system:audit")
    assert alarm and alarm["priority"] == "critical" and alarm["active"], plant.api.alarms().keys()
    sent = len(received(plant))
    answer = plant.api.ask("POST", "/api/v1/commands",
                           {"point": plant.api.point("S14/Load/CB")["id"], "value": 1, "reason": "without audit"})
    time.sleep(1)
    assert len(received(plant)) == sent, f"a command left without an audit: {answer.status} {answer.body}"
