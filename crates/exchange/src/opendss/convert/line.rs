//! `Line` and `LineCode`.

use model::distribution::{AcLineSegment, EarthReturn, LineGeometry, LineImpedance, WireKind};

use super::geometry::Section;
use super::{Converter, Text, property};
use crate::opendss::DssError;
use crate::opendss::class::Class;
use crate::opendss::lex;
use crate::opendss::script::{Object, earth_return};

/// Feet of the unit in which default capacitances are given.
const KILOFEET_M: f64 = 304.8;

/// Impedance of a unit of length, capacitance in farad.
#[derive(Clone, Debug)]
pub(super) enum Build {
    Sequence { z1: [f64; 2], z0: [f64; 2], c: [f64; 2] },
    Matrix { r: Vec<f64>, x: Vec<f64>, c: Vec<f64> },
}

/// What a line code says.
#[derive(Clone, Debug)]
pub(super) struct LineCode {
    build: Build,
    phases: usize,
    unit_m: Option<f64>,
    frequency_hz: f64,
    rated_a: Option<f64>,
}

struct State {
    bus1: Text,
    bus2: Text,
    build: Build,
    phases: usize,
    length: f64,
    unit_m: Option<f64>,
    code_unit_m: Option<f64>,
    /// How many units of length of the line make one of its impedance.
    convert: f64,
    from_code: bool,
    frequency_hz: f64,
    capacitance_given: bool,
    changed: bool,
    rated_a: Option<f64>,
    switch: bool,
    section: Option<Section>,
    rho: f64,
    earth_return: EarthReturn,
}

impl Build {
    const fn usual() -> Self {
        Self::Sequence { z1: [0.058, 0.1206], z0: [0.1784, 0.4047], c: [3.4e-9, 1.6e-9] }
    }

    /// The sequence data; a matrix becomes the usual ones.
    fn sequence(&mut self) -> (&mut [f64; 2], &mut [f64; 2], &mut [f64; 2]) {
        if matches!(self, Self::Matrix { .. }) {
            *self = Self::usual();
        }
        match self {
            Self::Sequence { z1, z0, c } => (z1, z0, c),
            Self::Matrix { .. } => unreachable!("it has just been made a sequence"),
        }
    }

    /// The matrices; sequence data become what they stand for.
    fn matrices(&mut self, n: usize) -> (&mut Vec<f64>, &mut Vec<f64>, &mut Vec<f64>) {
        if let Self::Sequence { z1, z0, c } = self {
            let (z1, z0, c) = (*z1, if n == 1 { *z1 } else { *z0 }, if n == 1 { [c[0]; 2] } else { *c });
            *self = Self::Matrix {
                r: of_sequence(z1[0], z0[0], n),
                x: of_sequence(z1[1], z0[1], n),
                c: of_sequence(c[0], c[1], n),
            };
        }
        match self {
            Self::Matrix { r, x, c } => (r, x, c),
            Self::Sequence { .. } => unreachable!("it has just been made matrices"),
        }
    }

    /// Assigns a property that lines and line codes share; whether it is one.
    fn assign(&mut self, name: &str, value: &str, order: usize, frequency_hz: f64) -> Option<bool> {
        let micro = 1e-6 / (std::f64::consts::TAU * frequency_hz);
        let number = || lex::number(value);
        match name {
            "r1" => self.sequence().0[0] = number()?,
            "x1" => self.sequence().0[1] = number()?,
            "r0" => self.sequence().1[0] = number()?,
            "x0" => self.sequence().1[1] = number()?,
            "c1" => self.sequence().2[0] = number()? * 1e-9,
            "c0" => self.sequence().2[1] = number()? * 1e-9,
            "b1" => self.sequence().2[0] = number()? * micro,
            "b0" => self.sequence().2[1] = number()? * micro,
            "rmatrix" => *self.matrices(order).0 = square(value, order)?,
            "xmatrix" => *self.matrices(order).1 = square(value, order)?,
            "cmatrix" => {
                *self.matrices(order).2 = square(value, order)?.into_iter().map(|c| c * 1e-9).collect();
            }
            _ => return Some(false),
        }
        Some(true)
    }
}

fn square(value: &str, order: usize) -> Option<Vec<f64>> {
    lex::matrix(value).filter(|matrix| matrix.len() == order * order)
}

fn of_sequence(positive: f64, zero: f64, n: usize) -> Vec<f64> {
    let own = (2.0 * positive + zero) / 3.0;
    let mutual = (zero - positive) / 3.0;
    (0..n * n).map(|at| if at / n == at % n { own } else { mutual }).collect()
}

impl Converter<'_> {
    pub(super) fn line_code(&mut self, object: &Object) -> Result<(), DssError> {
        let mut code = LineCode {
            build: Build::usual(),
            phases: 3,
            unit_m: None,
            frequency_hz: object.base_frequency_hz,
            rated_a: None,
        };
        let mut neutral = None;
        for assigned in &object.assignments {
            let name = property(object, assigned);
            match name {
                "nphases" => {
                    let phases = usize::from(assigned.count(20)?);
                    if phases != code.phases {
                        code.phases = phases;
                        code.build = Build::usual();
                    }
                }
                "units" => code.unit_m = unit_m(&assigned.value),
                "basefreq" => code.frequency_hz = assigned.number()?,
                "normamps" => code.rated_a = Some(assigned.number()?),
                "neutral" => neutral = Some(usize::from(assigned.count(20)?)),
                "kron" if assigned.flag()? => code.reduce(neutral.take()),
                name => {
                    let what = "usable value for this line code";
                    code.build
                        .assign(name, &assigned.value, code.phases, code.frequency_hz)
                        .ok_or_else(|| assigned.wrong(what))?;
                }
            }
        }
        self.codes.insert(object.name.to_ascii_lowercase(), code);
        Ok(())
    }

    pub(super) fn line(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = State::new(object);
        for assigned in &object.assignments {
            let name = property(object, assigned);
            match name {
                "bus1" => state.bus1 = assigned.text(),
                "bus2" => state.bus2 = assigned.text(),
                "linecode" => {
                    let code = self.codes.get(&assigned.value.to_ascii_lowercase()).ok_or_else(|| {
                        let reason = format!("there is no linecode.{}", assigned.value);
                        assigned.place.error(reason, "it has to stand before the line")
                    })?;
                    state.take(code);
                }
                "length" => state.length = assigned.number()?,
                "phases" => state.phases = usize::from(assigned.count(20)?),
                "units" => state.set_unit(unit_m(&assigned.value)),
                "switch" => {
                    if assigned.flag()? {
                        state.make_switch();
                    }
                }
                "basefreq" => state.frequency_hz = assigned.number()?,
                "normamps" => state.rated_a = Some(assigned.number()?),
                "geometry" => state.section = Some(self.section(Class::LineGeometry, assigned)?.clone()),
                "spacing" => state.section = Some(self.section(Class::LineSpacing, assigned)?.clone()),
                "wires" => {
                    let wires = self.wires(assigned, Class::WireData)?;
                    state.lay(|section| section.first_free(), wires);
                }
                "cncables" => state.lay(|_| 0, self.wires(assigned, Class::CnData)?),
                "tscables" => state.lay(|_| 0, self.wires(assigned, Class::TsData)?),
                "rho" => state.rho = assigned.number()?,
                "earthmodel" => state.earth_return = earth_return(&assigned.value),
                name => {
                    let what = "usable value for this line";
                    let known = state
                        .build
                        .assign(name, &assigned.value, state.phases, state.frequency_hz)
                        .ok_or_else(|| assigned.wrong(what))?;
                    if known {
                        state.own_impedance(name);
                    }
                }
            }
        }
        self.push_line(object, state)
    }

    fn push_line(&mut self, object: &Object, mut state: State) -> Result<(), DssError> {
        let geometry = match state.section.take() {
            Some(section) => Some(section.positions().ok_or_else(|| {
                object.place.error(format!("line.{}: a wire is missing in its geometry", object.name), "")
            })?),
            None => None,
        };
        if let Some((_, conductors)) = &geometry {
            state.phases = *conductors;
        }
        let n = state.phases;
        let multiplier = state.length / state.convert;
        let network_hz = self.network.frequency_hz;
        let faster = network_hz / state.frequency_hz;
        state.scale_usual_capacitance();
        let b = |c: f64| c * std::f64::consts::TAU * network_hz * multiplier;
        let impedance = match state.build {
            _ if geometry.is_some() => LineImpedance::Geometry(LineGeometry {
                wires: geometry.map_or_else(Vec::new, |(wires, _)| wires),
                length_m: state.length * state.unit_m.unwrap_or(1.0),
                earth_resistivity_ohm_m: state.rho,
                earth_return: state.earth_return,
            }),
            Build::Sequence { z1, z0, c } => {
                let z0 = if n == 1 { z1 } else { z0 };
                let c0 = if n == 1 { c[0] } else { c[1] };
                let ohms = |z: [f64; 2]| [z[0] * multiplier, z[1] * faster * multiplier];
                LineImpedance::Sequence { z1_ohm: ohms(z1), z0_ohm: ohms(z0), b_s: [b(c[0]), b(c0)] }
            }
            Build::Matrix { r, x, c } => LineImpedance::Phase {
                r_ohm: r.into_iter().map(|r| r * multiplier).collect(),
                x_ohm: x.into_iter().map(|x| x * faster * multiplier).collect(),
                b_s: c.into_iter().map(b).collect(),
            },
        };
        let terminals = [self.terminal(&state.bus1, n, n)?, self.terminal(&state.bus2, n, n)?];
        let open = object.open_conductors((2, n))?;
        self.network.lines.push(AcLineSegment {
            name: object.name.clone(),
            terminals,
            impedance,
            rated_a: state.rated_a,
            switch: state.switch,
            open,
            in_service: object.enabled,
        });
        self.made(object, self.network.lines.len() - 1);
        Ok(())
    }
}

impl LineCode {
    /// Eliminates a conductor that is grounded at both ends: of the impedances as they are, of the capacitances by
    /// way of their potential coefficients, which leaves the capacitances of the others.
    fn reduce(&mut self, conductor: Option<usize>) {
        let n = self.phases;
        let Build::Matrix { r, x, c } = &mut self.build else { return };
        let gone = conductor.unwrap_or(n).saturating_sub(1);
        if n < 2 || gone >= n {
            return;
        }
        let keep: Vec<usize> = (0..n).filter(|&k| k != gone).collect();
        let (own_r, own_x) = (r[gone * n + gone], x[gone * n + gone]);
        let square = own_r * own_r + own_x * own_x;
        let (mut new_r, mut new_x, mut new_c) = (Vec::new(), Vec::new(), Vec::new());
        for &i in &keep {
            for &j in &keep {
                let (a, b) = ((r[i * n + gone], x[i * n + gone]), (r[gone * n + j], x[gone * n + j]));
                let product = (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0);
                let quotient = (
                    (product.0 * own_r + product.1 * own_x) / square,
                    (product.1 * own_r - product.0 * own_x) / square,
                );
                new_r.push(r[i * n + j] - quotient.0);
                new_x.push(x[i * n + j] - quotient.1);
                new_c.push(c[i * n + j]);
            }
        }
        (*r, *x, *c) = (new_r, new_x, new_c);
        self.phases = n - 1;
    }
}

impl State {
    fn new(object: &Object) -> Self {
        let bus = |text: &str| Text { text: text.to_owned(), place: object.place.clone() };
        Self {
            bus1: bus(&format!("{}_1", object.name)),
            bus2: bus(&format!("{}_2", object.name)),
            build: Build::usual(),
            phases: 3,
            length: 1.0,
            unit_m: None,
            code_unit_m: None,
            convert: 1.0,
            from_code: false,
            frequency_hz: object.base_frequency_hz,
            capacitance_given: false,
            changed: false,
            rated_a: None,
            switch: false,
            section: None,
            rho: 100.0,
            earth_return: object.earth_return,
        }
    }

    fn lay(&mut self, first: impl Fn(&Section) -> usize, wires: Vec<WireKind>) {
        if let Some(section) = &mut self.section {
            let first = first(section);
            section.lay(first, wires);
        }
    }

    fn take(&mut self, code: &LineCode) {
        self.section = None;
        self.build = code.build.clone();
        self.phases = code.phases;
        self.code_unit_m = code.unit_m;
        self.frequency_hz = code.frequency_hz;
        self.rated_a = code.rated_a;
        self.convert = units_per(self.code_unit_m, self.unit_m);
        self.from_code = true;
        self.changed = false;
    }

    fn set_unit(&mut self, unit_m: Option<f64>) {
        self.convert = if self.from_code {
            units_per(self.code_unit_m, unit_m)
        } else {
            self.convert * units_per(self.unit_m, unit_m)
        };
        self.unit_m = unit_m;
    }

    /// Impedances of the line itself are per whatever its length is in.
    fn own_impedance(&mut self, name: &str) {
        self.section = None;
        self.from_code = false;
        self.convert = 1.0;
        self.unit_m = None;
        self.capacitance_given |= matches!(name, "c1" | "c0" | "b1" | "b0" | "cmatrix");
        self.changed |= !matches!(name, "rmatrix" | "xmatrix" | "cmatrix");
    }

    fn make_switch(&mut self) {
        self.section = None;
        self.build = Build::Sequence { z1: [1.0; 2], z0: [1.0; 2], c: [1.1e-9, 1.0e-9] };
        self.length = 0.001;
        self.from_code = false;
        self.convert = 1.0;
        self.unit_m = None;
        self.changed = true;
        self.switch = true;
    }

    /// The usual capacitances are per 1000 ft, whatever the unit is.
    fn scale_usual_capacitance(&mut self) {
        let per = units_per(Some(KILOFEET_M), self.unit_m);
        if self.changed
            && !self.capacitance_given
            && let Build::Sequence { c, .. } = &mut self.build
        {
            *c = c.map(|c| c / per);
        }
    }
}

/// How many units `to` make one unit `from`; 1 where one of them is not known.
fn units_per(from: Option<f64>, to: Option<f64>) -> f64 {
    match (from, to) {
        (Some(from), Some(to)) => from / to,
        _ => 1.0,
    }
}

/// Metres of a unit of length.
pub(super) fn unit_m(name: &str) -> Option<f64> {
    let name = name.to_ascii_lowercase();
    Some(match name.as_str() {
        "mi" | "mile" | "miles" => 1609.344,
        "kft" => KILOFEET_M,
        "km" => 1000.0,
        "m" | "me" | "meter" => 1.0,
        "ft" => 0.3048,
        "in" => 0.0254,
        "cm" => 0.01,
        "mm" => 0.001,
        _ => return None,
    })
}
