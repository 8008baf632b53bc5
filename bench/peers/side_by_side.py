"""Runs our program and a peer in turns and prints one JSON line with both figures.

Both figures are processor time of the whole process in µs per item, one thread, without reading files and preparing
inputs. Our figure is `cpu_us_per_item` of `tieline bench`, in a process of its own; the peer's is
`time.process_time()` around its call. A round is one measurement of each, one right after the other, so that whatever
else the machine does meets both; the ratio is the median of the rounds' ratios.
"""

import os

# Before numpy is there: a library that spreads over all cores is not one thread.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import csv
import json
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A difference of voltages above this is no comparison of the same work.
LARGEST_DIFFERENCE_PU = 1e-8


def program():
    """The release build, or what TIELINE_BIN names."""
    return pathlib.Path(os.environ.get("TIELINE_BIN") or ROOT / "target/release/tieline")


def tieline(*arguments):
    """Runs `tieline bench …` and reads its line."""
    command = [str(program()), "bench", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600)
    if done.returncode not in (0, 2):
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def cpu_us(work, items=1, least_seconds=2e-3):
    """Processor time of one call, per item; short work is repeated."""
    begin = time.process_time()
    work()
    once = max(time.process_time() - begin, 1e-7)
    repeats = max(1, int(least_seconds / once))
    begin = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - begin) / repeats / items * 1e6


def compare(workload, ours, peers, *, case, items, bar, rounds=5, field="cpu_us_per_item", **more):
    """`ours` gives our line, `peers` maps the name of a mode to a call. The fastest mode in the first round is the peer.

    Prints the line and returns it.
    """
    line = ours()
    modes = {name: min(cpu_us(work, items) for _ in range(2)) for name, work in peers.items()}
    best = min(modes, key=modes.get)
    pairs = []
    for _ in range(rounds):
        line = ours()
        pairs.append((line[field], cpu_us(peers[best], items)))
    ratio = statistics.median(peer / own for own, peer in pairs)
    result = {
        "workload": workload,
        "case": case,
        "items": items,
        "converged": line["converged"],
        "tieline_us": statistics.median(own for own, _ in pairs),
        "peer": best,
        "peer_us": statistics.median(peer for _, peer in pairs),
        "peer_modes_us": modes,
        "ratio": ratio,
        "bar": bar,
        "reached": ratio >= bar,
        "rounds": rounds,
        "lanes": line["lanes"],
        "peak_memory_mb": line["peak_memory_mb"],
        "cpu_features": line["cpu_features"],
        "cpu_model": line["cpu_model"],
        **more,
    }
    print(json.dumps(result), flush=True)
    return result


def read_sample(path):
    """What `--sample` wrote: by scenario the bus numbers, net injections in MVA and complex voltages."""
    scenarios = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            power = complex(float(row["p_injection_mw"]), float(row["q_injection_mvar"]))
            voltage = complex(float(row["e_pu"]), float(row["f_pu"]))
            scenarios.setdefault(int(row["scenario"]), []).append((int(row["bus"]), power, voltage))
    return {
        scenario: tuple(np.array(column) for column in zip(*rows)) for scenario, rows in scenarios.items()
    }


def same(found, expected, what):
    """Stops where two results are not the same work; returns the largest difference."""
    difference = float(np.max(np.abs(np.asarray(found) - np.asarray(expected))))
    if not difference <= LARGEST_DIFFERENCE_PU:
        sys.exit(f"{what}: voltages differ by {difference:.1e} p.u.; no comparison")
    return difference


def arguments(description, cases):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("cases", nargs="*", default=cases, help=f"default: {' '.join(cases)}")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()
