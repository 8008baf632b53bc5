"""The stored line constants of OpenDSS are what OpenDSS calculates today.

`cargo test -p topology` compares `topology::wires` with that file; this test keeps the file honest.
"""

import pathlib

import line_constants_cases

STORED = pathlib.Path(__file__).resolve().parent.parent / "crates/topology/tests/cases/line_constants_opendss.txt"
# Another build of OpenDSS may order its sums differently.
TOLERANCE = 1e-12


def statements(lines):
    return [line.split() for line in lines if not line.startswith("#")]


def test_the_stored_cases_are_those_of_opendss():
    stored = statements(STORED.read_text().splitlines())
    today = statements(line_constants_cases.lines())
    assert len(stored) == len(today) > 500
    for kept, new in zip(stored, today):
        if kept[0] not in ("r", "x", "c"):
            assert kept == new
            continue
        assert kept[0] == new[0] and len(kept) == len(new)
        kept, new = ([float(figure) for figure in each[1:]] for each in (kept, new))
        scale = max(map(abs, new))
        assert all(abs(a - b) <= TOLERANCE * scale for a, b in zip(kept, new)), (kept, new)
