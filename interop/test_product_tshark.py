"""The whole product on the wire, as tshark (Wireshark's dissector, not ours) reads it.

`tieline run` and `tieline twin` talk over loopback from the first connection on: interrogation, counters, clock, measured
values, a breaker operated in two steps. Every octet must be part of an APDU that tshark decodes, none malformed, and the
information objects that it counts are what the centre says it received.
"""

import os
import shutil
import subprocess
import time

import pytest

import product
from product import wait_until

pytestmark = pytest.mark.skipif(
    not shutil.which("tshark") or os.geteuid() != 0, reason="skipped: tshark as root is missing"
)

# IEC 60870-5-101 7.2.1 and 7.2.3.
MONITORED = range(1, 41)
COMMANDS = range(45, 65)
INTERROGATION, COUNTER_INTERROGATION, CLOCK, INITIALISED = 100, 101, 103, 70
ACTIVATION, CONFIRMATION, TERMINATION, INTERROGATED = 6, 7, 10, 20
MIN_FRAMES, MIN_OBJECTS = 500, 5_000


@pytest.fixture(scope="module")
def wire(binary, tmp_path_factory):
    """The capture of a plant's life, its ports, and what the centre counted when the field had fallen silent."""
    folder = tmp_path_factory.mktemp("wire")
    plant = product.Plant(folder)
    first, last = plant.port, plant.port + len(product.STATIONS) - 1
    capture = folder / "lo.pcapng"
    sniffer = subprocess.Popen(
        ["tshark", "-q", "-B", "64", "-i", "lo", "-f", f"tcp portrange {first}-{last}", "-w", str(capture)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )
    try:
        for line in sniffer.stderr:
            if "Capturing on" in line:
                break
        # The line comes a moment before the socket is open.
        time.sleep(1)
        plant.start_twin().start_centre()
        assert plant.all_good() is not None
        for value in (0, 1):
            command = plant.api.operate("S4/L4-5/CB", value, "on the wire")
            assert command["state"] == "confirmed", command
        begin = plant.api.status()["cycle"]
        assert wait_until(lambda: plant.api.status()["cycle"] >= begin + 10, 30)
        for name in product.STATIONS:
            plant.twin.inject("rtu_silent", name)
        counters = quiet(plant.api)
        yield capture, (first, last), counters, sniffer
    finally:
        plant.stop()
        if sniffer.poll() is None:
            sniffer.terminate()
            sniffer.wait(10)


def quiet(api):
    """The counters when nothing arrives any more."""
    before = None
    for _ in range(40):
        counters = api.status()["counters"]
        if before and before["received"] == counters["received"] and counters["waiting"] == 0:
            return counters
        before = counters
        time.sleep(1.5)
    raise AssertionError(f"the field does not fall silent: {counters}")


@pytest.fixture(scope="module")
def decoded(wire):
    """Per TCP segment: source port, length, and the lists of APDU lengths, types, causes and numbers of objects."""
    capture, (first, last), _, sniffer = wire
    time.sleep(1)
    sniffer.terminate()
    sniffer.wait(10)

    def tshark(*arguments):
        command = ["tshark", "-r", str(capture), "-d", f"tcp.port=={first}-{last},iec60870_104", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    fields = ["tcp.srcport", "tcp.len", "iec60870_104.apdulen", "iec60870_asdu.typeid", "iec60870_asdu.causetx",
              "iec60870_asdu.numix"]
    lines = tshark("-T", "fields", *(part for field in fields for part in ("-e", field)))
    rows = [[[int(figure) for figure in cell.split(",") if figure] for cell in line.split("\t")] for line in lines]
    return tshark, [row for row in rows if row[1] != [0]]


def test_no_frame_is_malformed_and_every_octet_is_decoded(wire, decoded):
    tshark, rows = decoded
    assert tshark("-Y", "_ws.malformed || _ws.expert.group == \"Malformed\" || _ws.expert.severity == error") == []
    assert tshark("-Y", "tcp.analysis.lost_segment") == [], "the capture is not whole"
    octets = sum(row[1][0] for row in rows)
    apdus = [length for row in rows for length in row[2]]
    print(f"\n{len(rows)} frames, {len(apdus)} APDUs, {octets} octets")
    assert len(rows) >= MIN_FRAMES
    # An APDU has a start octet and its length before what the length counts (IEC 60870-5-104 5).
    assert sum(apdus) + 2 * len(apdus) == octets


def test_interrogations_and_commands_are_on_the_wire(wire, decoded):
    _, rows = decoded
    seen = {}
    for row in rows:
        assert len(row[3]) == len(row[4]) == len(row[5]), row
        for type_id, cause in zip(row[3], row[4]):
            seen[type_id, cause] = seen.get((type_id, cause), 0) + 1
    print(f"\n{dict(sorted(seen.items()))}")
    stations = len(product.STATIONS)
    for type_id in (INTERROGATION, COUNTER_INTERROGATION):
        for cause in (ACTIVATION, CONFIRMATION, TERMINATION):
            assert seen.get((type_id, cause), 0) >= stations, (type_id, cause)
    assert seen.get((CLOCK, ACTIVATION), 0) >= stations and seen.get((CLOCK, CONFIRMATION), 0) >= stations
    assert any(cause == INTERROGATED for _, cause in seen)
    commands = {cause: sum(n for (kind, of), n in seen.items() if kind in COMMANDS and of == cause)
                for cause in (ACTIVATION, CONFIRMATION, TERMINATION)}
    # Two operations, each a select and an execute.
    assert commands[ACTIVATION] >= 4 and commands[CONFIRMATION] >= 4 and commands[TERMINATION] >= 2, commands


def test_what_the_wire_carries_is_what_the_centre_counts(wire, decoded):
    _, (first, last), counters, _ = wire
    _, rows = decoded
    objects = sum(count for row in rows if first <= row[0][0] <= last
                  for type_id, count in zip(row[3], row[5]) if type_id in MONITORED)
    print(f"\n{objects} objects on the wire; {counters}")
    assert objects >= MIN_OBJECTS
    assert counters["received"] == objects
    assert counters["received"] == counters["processed"] + counters["shed"] and counters["shed"] == 0
