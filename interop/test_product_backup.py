"""Backups of the running product: taken under load, opened by Debian's own `age`, `tar` and `zstd`, restored elsewhere,
started there, and equal up to the cut.
"""

import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import threading
import time

import pytest

import product
from product import tieline, wait_until

READ = [f"S{n}/V" for n in range(1, 15)] + ["S4/L2-4/P", "S14/Load/CB"]
OPERATED = "S14/Load/CB"
TAGGED = "S5/Load/CB"


@pytest.fixture(scope="module")
def key(binary, tmp_path_factory):
    """A private key of ours and its recipient."""
    file = tmp_path_factory.mktemp("key") / "key.txt"
    recipient = tieline("backup", "--keygen", file).stdout.strip()
    assert recipient.startswith("age1") and file.stat().st_mode & 0o077 == 0
    return file, recipient


def need(*programs):
    for name in programs:
        if not shutil.which(name):
            pytest.skip(f"skipped: {name} is missing")


class Load:
    """Commands, tags and their removal until the end."""

    def __init__(self, plant):
        self.plant, self.stop, self.done = plant, threading.Event(), 0
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self):
        api = self.plant.api
        while not self.stop.is_set():
            point = api.point(OPERATED)
            made = api.operate(OPERATED, 0 if point["text"] == "closed" else 1, f"load {self.done}")
            assert made["state"] == "confirmed", made
            placed = api.post(f"points/{api.point(TAGGED)['id']}/tags", {"kind": "information", "text": f"{self.done}"})
            if self.done % 2:
                api.delete(f"points/{api.point(TAGGED)['id']}/tags/{placed['id']}")
            self.done += 1

    def end(self):
        self.stop.set()
        self.thread.join(60)


def audit(data):
    tieline("audit", "verify", "--data", data)
    return tieline("audit", "list", "--limit", 1_000_000, "--data", data).stdout.splitlines()


def history(api, name, start, end):
    view = api.get(f"points/{api.point(name)['id']}/history", **{"from": start, "to": end}, max_points=10_000)
    assert not view["decimated"], name
    return [(bucket["t"], bucket["last"], bucket["quality"]) for bucket in view["buckets"]]


def manifest_of(folder):
    return json.loads((folder / "tieline-backup.json").read_text())


def start_restored(plant, folder):
    """A centre on restored files; the original is stopped, for a station talks to one centre."""
    plant.data = folder / "data"
    plant.centre = product.Process("run", folder / "centre.toml")
    base, token = plant.centre.line("http://").split("/#token=")
    product.until_ready(base, plant.centre.began)
    plant.api = product.Api(base, token)


def test_a_backup_under_load_is_the_original_up_to_the_cut(plant, key, tmp_path):
    identity, recipient = key
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    load = Load(plant)
    wait_until(lambda: load.done >= 3, 30)
    time.sleep(3)
    before = {"events": plant.api.events()[-1]["seq"], "time": plant.api.status()["now"]}
    # What the field stamped before that instant has arrived and is on the disk before the cut.
    time.sleep(1)
    archive = tmp_path / "backup.tar.zst.age"
    made = tieline("backup", plant.folder / "centre.toml", "--to", archive, "--recipient", recipient, "--prove", seconds=120)
    assert "restored for a test" in made.stdout, made.stdout
    assert archive.stat().st_mode & 0o077 == 0 and not (plant.data / "backup-work").exists()
    done = load.done
    assert wait_until(lambda: load.done > done + 2, 30), "the centre stood still behind the backup"
    load.end()
    plant.api.point(TAGGED)
    events = plant.api.events()
    verified = tieline("backup", "--verify", archive, "--identity", identity).stdout
    assert "is whole" in verified
    restored = tmp_path / "elsewhere" / "centre"
    told = tieline("restore", archive, "--to", restored, "--identity", identity, seconds=60)
    manifest = manifest_of_archive(archive, identity, tmp_path / "by-hand")
    state = manifest["state"]
    assert f"up to event {state['last_event']}, audit record {state['last_audit']}" in told.stdout
    assert state["last_event"] >= before["events"] and not state["audit_fault"]
    assert len(events) > state["last_event"], "the load went on behind the cut"
    rows = {name: history(plant.api, name, events[0]["time"], before["time"]) for name in READ}
    assert sum(map(len, rows.values())) > 100, rows
    assert plant.centre.stop() == 0
    original = audit(plant.data)

    held = audit(restored / "data")
    assert held == original[: state["last_audit"]], "the audit is not that of the original up to the cut"
    # Keys come on demand only; they are asked for below.
    assert not list(restored.rglob("*.key"))
    start_restored(plant, restored)
    assert plant.all_good() is not None
    again = plant.api.events()
    cut = state["last_event"]
    assert again[:cut] == events[:cut], "events differ up to the cut"
    assert [event["seq"] for event in again] == list(range(1, len(again) + 1))
    told = [event for event in again[cut:] if "restored at" in event["text"]]
    assert len(told) == 1 and archive.name in told[0]["text"] and f"after event {cut}" in told[0]["text"], again[cut:]
    for name, wanted in rows.items():
        assert history(plant.api, name, events[0]["time"], before["time"]) == wanted, f"history of {name} differs"
    assert plant.api.operate(OPERATED, 0, "on the restored centre")["state"] in ("confirmed", "refused")
    assert not (restored / "data" / "RESTORED.json").exists()
    assert plant.centre.stop() == 0
    held = audit(restored / "data")
    assert held[: state["last_audit"]] == original[: state["last_audit"]]
    assert sum("\trestore\t" in line for line in held) == 1, "the restore is not in the audit"
    print(f"\n{archive.stat().st_size} bytes; {cut} of {len(events)} events, {state['last_audit']} of {len(original)} audit"
          f" records, {state['history_rows']} rows")


def manifest_of_archive(archive, identity, folder):
    """Opens an archive without any program of ours."""
    need("age", "tar", "zstd")
    folder.mkdir()
    subprocess.run(f"age --decrypt -i '{identity}' '{archive}' | tar --zstd -x -C '{folder}'", shell=True, check=True,
                   executable="/bin/bash")
    return manifest_of(folder)


def test_age_and_tar_open_it_and_every_digest_holds(plant, key, tmp_path):
    identity, recipient = key
    need("age", "age-keygen", "tar", "zstd", "sha256sum")
    foreign = tmp_path / "foreign.txt"
    subprocess.run(["age-keygen", "-o", foreign], check=True, capture_output=True)
    second = subprocess.run(["age-keygen", "-y", foreign], check=True, capture_output=True, text=True).stdout.strip()
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    archive = tmp_path / "a.tar.zst.age"
    tieline("backup", plant.folder / "centre.toml", "--to", archive, "--recipient", recipient, "--recipient", second)
    plant.centre.kill()
    # Two recipients: either opens it, and ours opens with the key of age-keygen too.
    folder = tmp_path / "by-hand"
    manifest = manifest_of_archive(archive, foreign, folder)
    tieline("backup", "--verify", archive, "--identity", foreign)
    assert manifest["parts"] == ["data", "config"]
    sums = "".join(f"{file['sha256']}  {file['path']}\n" for file in manifest["files"])
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet"], input=sums, text=True, check=True, cwd=folder)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {file["path"] for file in manifest["files"]} | {"tieline-backup.json"}
    with sqlite3.connect(folder / "data" / "centre.db") as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert store.execute("SELECT max(seq) FROM events").fetchone()[0] == manifest["state"]["last_event"]
    assert (folder / "centre.toml").read_bytes() == (plant.folder / "centre.toml").read_bytes()
    # What tar unpacked starts without `tieline restore`.
    start_restored(plant, folder)
    assert plant.all_good() is not None


def test_parts_are_separable_and_private_keys_only_on_demand(binary, certificates, key, tmp_path):
    identity, recipient = key
    plain = product.Plant(tmp_path)
    for name in ("ca.pem", "centre.pem", "centre.key"):
        shutil.copy(certificates / name, tmp_path / name)
    tls = '{ ca = "ca.pem", certificate = "centre.pem", key = "centre.key" }'
    text = (tmp_path / "centre.toml").read_text()
    (tmp_path / "centre.toml").write_text(text.replace("common_address = 1,", "common_address = 1,", 1).replace(
        "counters_every_s = 10.0\n", f"counters_every_s = 10.0\ntls = {tls}\n", 1))
    plain.start_centre()
    plain.centre.stop()

    def files(*only):
        archive = tmp_path / f"{'-'.join(only) or 'usual'}.age"
        arguments = ["--only", ",".join(only)] if only else []
        tieline("backup", tmp_path / "centre.toml", "--to", archive, "--recipient", recipient, *arguments)
        out = tmp_path / f"out-{archive.stem}"
        told = tieline("restore", archive, "--to", out, "--identity", identity)
        return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}, told.stderr

    usual, told = files()
    assert {"centre.toml", "ca.pem", "centre.pem", "data/centre.db", "outside/ieee14.m"} <= usual
    assert "centre.key" not in usual
    assert f"says {product.NETWORK}, which is now outside/ieee14.m" in told
    assert not any(name.endswith(".key") for name in usual) and "data/audit.pub" in usual
    keys, _ = files("keys")
    assert keys == {"centre.key", "data/audit.key", "data/identity.key"}
    # Whoever had set up an authenticator still has it with this key, and only the centre's user reads it.
    held = tmp_path / "out-keys" / "data" / "identity.key"
    assert held.read_bytes() == (plain.data / "identity.key").read_bytes() and held.stat().st_mode & 0o077 == 0
    config, _ = files("config")
    assert "centre.toml" in config and not any(name.startswith("data/") or name.endswith(".key") for name in config)
    data, _ = files("data")
    assert "data/centre.db" in data and "centre.toml" not in data


def refused(*arguments, told, seconds=60):
    done = tieline(*arguments, check=False, seconds=seconds)
    assert done.returncode == 1 and told in done.stderr and "hint:" in done.stderr, (arguments, done)
    return done.stderr


@pytest.fixture
def archived(plant, key, tmp_path):
    """An archive of a centre that does not run."""
    plant.start_centre()
    plant.centre.stop()
    archive = tmp_path / "a.age"
    tieline("backup", plant.folder / "centre.toml", "--to", archive, "--recipient", key[1])
    return archive


def test_what_is_wrong_is_named_and_nothing_is_half_written(plant, archived, key, tmp_path):
    identity, recipient = key
    config = plant.folder / "centre.toml"
    other = tmp_path / "other.txt"
    tieline("backup", "--keygen", other)
    refused("backup", "--keygen", other, told="is there already")
    to = tmp_path / "to"

    def none_left():
        left = [path.name for path in tmp_path.iterdir() if path.name.startswith("to")]
        assert not left, left

    refused("restore", archived, "--to", to, "--identity", other, told="does not open this archive")
    whole = archived.read_bytes()
    random.seed(45)
    bad = tmp_path / "bad.age"
    for _ in range(12):
        bad.write_bytes(whole[: random.randrange(1, len(whole))])
        done = tieline("restore", bad, "--to", to, "--identity", identity, check=False)
        assert done.returncode == 1 and "hint:" in done.stderr, done
        none_left()
        place = random.randrange(len(whole))
        bad.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << random.randrange(8)]) + whole[place + 1:])
        done = tieline("restore", bad, "--to", to, "--identity", identity, check=False)
        assert done.returncode == 1 and "hint:" in done.stderr, (place, done)
        none_left()
    refused("restore", archived, "--to", to, "--identity", config, told="centre.toml:1: no private key")
    refused("restore", tmp_path / "none", "--to", to, "--identity", identity, told="none:")
    refused("restore", config, "--to", to, "--identity", identity, told="is no age file")
    none_left()

    refused("backup", config, "--to", archived, "--recipient", recipient, told="is there already")
    refused("backup", config, "--to", tmp_path / "b", "--recipient", "age1nonsense", told="no recipient of age")
    refused("backup", config, "--to", tmp_path / "b", told="who may open the archive?")
    refused("backup", config, "--to", tmp_path / "no" / "b", "--recipient", recipient, told="No such file")
    short = tmp_path / "short.txt"
    short.write_text("short\n")
    refused("backup", config, "--to", tmp_path / "b", "--passphrase-file", short, told="too short")
    assert not (tmp_path / "b").exists() and not (tmp_path / "b.part").exists()

    to.mkdir()
    (to / "precious").write_text("mine")
    refused("restore", archived, "--to", to, "--identity", identity, told="is not empty")
    assert [path.name for path in to.iterdir()] == ["precious"]
    done = tieline("restore", archived, "--to", to, "--identity", identity, "--replace")
    assert "what was there before is in" in done.stderr
    assert (tmp_path / "to.replaced-1" / "precious").read_text() == "mine" and (to / "data" / "centre.db").exists()
    # A centre that runs there is in the way, and stays.
    plant.data = to / "data"
    plant.centre = product.Process("run", to / "centre.toml")
    plant.centre.line("http://")
    done = tieline("restore", archived, "--to", to, "--identity", identity, "--replace", check=False)
    assert done.returncode == 1 and "stop the running centre first" in done.stderr, done
    assert plant.centre.alive() and plant.centre.stop() == 0


def test_a_passphrase_is_an_alternative(plant, tmp_path):
    plant.start_centre()
    plant.centre.stop()
    secret = tmp_path / "secret.txt"
    secret.write_text("correct horse battery staple\n")
    archive = tmp_path / "a.age"
    tieline("backup", plant.folder / "centre.toml", "--to", archive, "--passphrase-file", secret, "--prove", seconds=120)
    tieline("backup", "--verify", archive, "--passphrase-file", secret, seconds=60)
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("correct horse battery stable\n")
    refused("backup", "--verify", archive, "--passphrase-file", wrong, told="does not open this archive")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own with a megabyte on it."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"skipped: no file system of its own: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_named_and_leaves_nothing(plant, archived, key, small_disk):
    identity, recipient = key
    (small_disk / "fill").write_bytes(os.urandom(1_040_000))
    told = refused("backup", plant.folder / "centre.toml", "--to", small_disk / "b", "--recipient", recipient,
                   told="No space left")
    assert "make room" in told
    refused("restore", archived, "--to", small_disk / "to", "--identity", identity, told="No space left")
    assert [path.name for path in small_disk.iterdir()] == ["fill"]
    assert not (plant.data / "backup-work").exists()


def schedule(plant):
    return plant.api.status()["backup"]


def test_the_running_centre_makes_proves_and_keeps_backups(binary, key, tmp_path):
    identity, recipient = key
    table = f'[backup]\nfolder = "backups"\nevery_hours = 0.001\nkeep = 2\nrecipients = ["{recipient}"]\n'
    plant = product.Plant(tmp_path, extra=table)
    try:
        plant.start_twin().start_centre()
        assert plant.all_good() is not None
        folder = tmp_path / "backups"
        archives = lambda: sorted(folder.glob("*.age"))
        made = lambda: [event for event in plant.api.events() if event["source"] == "backup"]
        assert wait_until(lambda: len(made()) >= 4, 40), made()
        assert all("made and restored for a test" in event["text"] for event in made()), made()
        assert len(archives()) == 2, archives()
        view = schedule(plant)
        assert view["proved"] and not view["error"] and not view["overdue"] and view["bytes"] > 1_000, view
        tieline("backup", "--verify", archives()[-1], "--identity", identity)
        # The folder turns into a file: the next backup fails, which is an alarm, and the good ones stay.
        folder.rename(tmp_path / "aside")
        folder.write_text("in the way")
        alarm = lambda: plant.api.alarms().get("system:backup")
        assert wait_until(lambda: (found := alarm()) and found["active"], 20), plant.api.alarms()
        assert "backup failed" in alarm()["text"] and schedule(plant)["error"], schedule(plant)
        assert wait_until(lambda: schedule(plant)["overdue"], 20)
        folder.unlink()
        assert wait_until(lambda: (found := alarm()) is None or not found["active"], 20), alarm()
        assert len(archives()) >= 1 and len(list((tmp_path / "aside").glob("*.age"))) == 2
        assert plant.centre.stop() == 0
        lines = [line for line in audit(plant.data) if "\tbackup\t" in line]
        assert sum("\tdone\t" in line for line in lines) >= 4 and sum("\tfailed\t" in line for line in lines) >= 1, lines
        # What the schedule did is known after a restart.
        plant.start_centre()
        assert schedule(plant)["last_good_at"]
    finally:
        plant.stop()


def test_a_schedule_that_cannot_work_stops_the_start(binary, tmp_path):
    for table, told in [
        ('recipients = ["age1nonsense"]', "no recipient of age"),
        ("", "either recipients or passphrase_file"),
        ('recipients = ["x"]\nevery_hours = 0.0', "every_hours"),
    ]:
        plant = product.Plant(tmp_path, extra=f'[backup]\nfolder = "b"\n{table}\n')
        done = tieline("run", plant.folder / "centre.toml", check=False)
        assert done.returncode == 1 and told in done.stderr, done
