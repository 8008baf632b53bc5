"""Line constants by OpenDSS, written as the case file that the tests of `topology::wires` read.

    python -m venv venv && venv/bin/pip install opendssdirect.py==0.9.4
    venv/bin/python interop/line_constants_cases.py OUT_FILE

Every case is a LineGeometry of OpenDSS in metres, taken through a Line of one metre. `rmatrix` and `xmatrix` are in
ohm per metre, `cmatrix` in nF per metre. Three constants of OpenDSS are rounded in its source (LineConstants.pas) and
come with the cases, so that the test can put them in: permittivity, and the lengths in both formulas of Carson.
"""

import math
import pathlib
import sys

import opendssdirect as dss

EARTH = {"modified_carson": "Carson", "carson": "FullCarson", "deri": "Deri"}
# radius, gmr, r_ac, r_dc in m and ohm/m
ACSR_556 = (0.0117729, 0.00947928, 1.15512e-4, 1.1247e-4)
ACSR_4_0 = (0.0071501, 0.002481072, 3.67852e-4, 3.5821e-4)
COPPER_1_0 = (0.0046736, 0.003392424, 3.77172e-4, 3.6998e-4)
CORE_250 = (0.0072009, 0.00521208, 2.54762e-4, 2.4977e-4)
CORE_1_0 = (0.0046736, 0.00338328, 6.02730e-4, 5.9091e-4)
# diameter over insulation, thickness of insulation, permittivity
CABLE_250 = (0.026924, 0.005588, 2.3)
CABLE_1_0 = (0.020828, 0.005588, 2.3)
# diameter over neutral, strands, radius, gmr and resistance of a strand
NEUTRAL = (0.032766, 13, 0.00081407, 0.000633984, 0.0092411566)
# OpenDSS: 0.3183 ρ/(d T) with ρ = 2.3718e-8, where others have ρ/(π d T).
TAPE_RESISTIVITY = math.pi * 0.3183 * 2.3718e-8
# diameter over the screen below the tape, thickness, lap in percent, resistivity
TAPE = (0.022098, 0.000127, 20.0, TAPE_RESISTIVITY)

POLE = [(-1.2192, 8.5344), (-0.3048, 8.5344), (0.9144, 8.5344), (0.0, 7.3152)]


def wires(*placed):
    return [("wire", x, y, *data) for (x, y), data in placed]


def cn(x, y):
    return ("cn", x, y, *CORE_250, *CABLE_250, *NEUTRAL)


def ts(x, y):
    return ("ts", x, y, *CORE_1_0, *CABLE_1_0, *TAPE)


GEOMETRIES = {
    "three_wires": (3, wires(*zip(POLE[:3], [ACSR_556] * 3))),
    "four_wires": (3, wires(*zip(POLE, [ACSR_556] * 3 + [ACSR_4_0]))),
    "four_wires_unreduced": (4, wires(*zip(POLE, [ACSR_556] * 3 + [ACSR_4_0]))),
    "two_wires": (1, wires(((0.1524, 8.8392), ACSR_4_0), (POLE[3], COPPER_1_0))),
    "tower": (3, wires(((-9.0, 22.0), ACSR_556), ((0.0, 22.0), ACSR_556), ((9.0, 22.0), ACSR_556),
                       ((-5.0, 31.0), ACSR_4_0), ((5.0, 31.0), ACSR_4_0))),
    "concentric_neutral": (3, [cn(-0.1524, -1.2192), cn(0.0, -1.2192), cn(0.1524, -1.2192)]),
    "concentric_neutral_close": (3, [cn(-0.0330, -0.9), cn(0.0, -0.9), cn(0.0330, -0.9),
                                     ("wire", 0.1, -0.9, *COPPER_1_0)]),
    "tape_shield": (1, [ts(0.0, -1.2192), ("wire", 0.0762, -1.2192, *COPPER_1_0)]),
    "tape_shield_three": (3, [ts(-0.1524, -1.2192), ts(0.0, -1.3), ts(0.1524, -1.2192)]),
}
# frequency, resistivity of the earth. OpenDSS ends the series of Carson after four terms: a dry earth at 1200 Hz.
CONDITIONS = [(60.0, 100.0), (50.0, 1000.0), (1200.0, 1000.0)]


def number(value):
    return repr(float(value))


def define(kind, name, figures):
    """The wire data of one position as OpenDSS wants them."""
    radius, gmr, r_ac, r_dc, *rest = figures
    core = (f"radius={number(radius)} gmrac={number(gmr)} rac={number(r_ac)} rdc={number(r_dc)} "
            "runits=m radunits=m gmrunits=m")
    if kind == "wire":
        dss.Text.Command(f"new WireData.{name} {core}")
        return f"wire={name}"
    outside, thickness, permittivity, *rest = rest
    core += f" diains={number(outside)} inslayer={number(thickness)} epsr={number(permittivity)}"
    if kind == "cn":
        over_neutral, strands, strand_radius, strand_gmr, strand_r = rest
        dss.Text.Command(f"new CNData.{name} {core} diacable={number(over_neutral)} k={strands} "
                         f"diastrand={number(2 * strand_radius)} gmrstrand={number(strand_gmr)} "
                         f"rstrand={number(strand_r)}")
        return f"cncable={name}"
    over_screen, tape, lap, _ = rest
    over_tape = over_screen + 2 * tape
    dss.Text.Command(f"new TSData.{name} {core} diacable={number(over_tape + 0.005)} diashield={number(over_tape)} "
                     f"tapelayer={number(tape)} tapelap={number(lap)}")
    return f"tscable={name}"


def matrices(earth, frequency, resistivity, phases, positions):
    dss.Text.Command("clear")
    dss.Text.Command(f"set defaultbasefrequency={number(frequency)}")
    dss.Text.Command(f"new circuit.lines basefreq={number(frequency)}")
    dss.Text.Command(f"set earthmodel={EARTH[earth]}")
    names = [define(kind, f"w{at}", figures) for at, (kind, _, _, *figures) in enumerate(positions)]
    dss.Text.Command(f"new LineGeometry.g nconds={len(positions)} nphases={phases} reduce=yes")
    for at, ((_, x, y, *_), name) in enumerate(zip(positions, names)):
        dss.Text.Command(f"~ cond={at + 1} {name} x={number(x)} h={number(y)} units=m")
    nodes = "".join(f".{phase + 1}" for phase in range(phases))
    dss.Text.Command(f"new line.l bus1=sourcebus{nodes} bus2=b{nodes} geometry=g length=1 units=m "
                     f"rho={number(resistivity)} earthmodel={EARTH[earth]}")
    dss.Text.Command("solve mode=snapshot")
    dss.Lines.Name("l")
    return [list(map(float, each)) for each in (dss.Lines.RMatrix(), dss.Lines.XMatrix(), dss.Lines.CMatrix())]


def lines():
    yield "# @generated by interop/line_constants_cases.py with opendssdirect.py 0.9.4"
    yield "# " + dss.Basic.Version().split(" [")[0]
    yield "# wire x y radius gmr r_ac r_dc"
    yield "# cn   ... diameter over insulation, thickness, permittivity, diameter over neutral, strands,"
    yield "#      radius, gmr and resistance of a strand"
    yield "# ts   ... diameter over insulation, thickness, permittivity, diameter over screen, tape, lap, resistivity"
    yield "# r, x in ohm/m, c in nF/m, row by row"
    yield "permittivity 8.854e-12"
    yield "modified_carson_length 658.5"
    yield "carson_factor 2.8099e-3"
    for name, (phases, positions) in GEOMETRIES.items():
        for frequency, resistivity in CONDITIONS:
            for earth in EARTH:
                yield f"case {name} {earth} {number(frequency)} {number(resistivity)} {phases}"
                for kind, *figures in positions:
                    yield " ".join([kind, *map(number, figures)])
                for letter, values in zip("rxc", matrices(earth, frequency, resistivity, phases, positions)):
                    yield " ".join([letter, *map(number, values)])


def main():
    pathlib.Path(sys.argv[1]).write_text("\n".join(lines()) + "\n")


if __name__ == "__main__":
    main()
