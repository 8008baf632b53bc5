//! The admittance of a transformer of any number of windings (Dugan, "A perspective on transformer modeling for
//! distribution system analysis", IEEE PES General Meeting 2003; Dugan and Santoso, "An example of 3-phase
//! transformer modeling for distribution system analysis", IEEE PES T&D 2003).
//!
//! One phase is a core with `m` coils. The short-circuit impedances of coil 1 with each other coil, on one volt, make
//! the matrix `Z_B`; every pair of others adds what its own short-circuit test says:
//!
//! ```text
//! Z_B(i,i) = z(1,i+1)
//! Z_B(i,j) = ½ (z(1,i+1) + z(1,j+1) - z(i+1,j+1))
//! Y_1      = B Z_B⁻¹ Bᵀ + Y_m        B: rows -1 … -1 for coil 1, unit rows for the others; Y_m at the second end
//! Y(a,b)   = Y_1(a,b) / (V_a t_a V_b t_b)     V: volts of a coil, t: tap
//! ```
//!
//! Each coil lies between two conductors, so `Y(a,b)` of each phase enters four places with the signs of a branch. The
//! connection (wye, delta, open, centre tap) is nothing but these pairs of conductors. Taps change values and no
//! pattern.
//!
//! A wye or a delta has one coil per phase. A zigzag has two of `V_LN/√3` each, on two cores, that meet at a conductor
//! which nothing else reaches and which is eliminated. With the zero-sequence impedance `z0` of its end, and `z` of
//! the tests of whole ends,
//!
//! ```text
//! z(half,half)   = 3 z0                              halves of one end, on one core
//! z(half,other)  = z + ½ z0                          plus ½ z0 of the other end, if that is a zigzag too
//! ```
//!
//! for currents of zero sequence cancel on every core but for the leakage between the halves, `Z0 = V_LN² z(half,half)/3`,
//! while those of positive sequence see `Z1 = V_LN² (z(half,other) - z(half,half)/6)`.

use model::distribution::{OpenConductor, PowerTransformer, PowerTransformerEnd, WindingConnection};
use sparse::complex::Complex;

use crate::dense;

/// Conductance of a neutral that is solidly grounded.
const SOLID_S: f64 = 1e6;

/// One winding of all phases.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Winding {
    /// Rated volts across it.
    pub volts: f64,
    /// Turns in use, per unit.
    pub tap_pu: f64,
    /// Fewest turns.
    pub min_tap_pu: f64,
    /// Most turns.
    pub max_tap_pu: f64,
    /// Turns of one step; 0 without steps.
    pub step_pu: f64,
}

/// A coil of every core.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Coil {
    winding: usize,
    /// Its volts by those of the winding.
    share: f64,
}

/// What the element of a transformer is made of.
#[derive(Clone, PartialEq, Debug)]
pub struct TransformerWindings {
    /// The element.
    pub element: u32,
    /// Its windings.
    pub windings: Vec<Winding>,
    /// Conductors of the element.
    size: usize,
    /// Conductors inside of zigzags, after those of the element.
    inner: usize,
    coils: Vec<Coil>,
    /// Admittance of one phase on one volt, coils by coils, row by row.
    per_volt: Vec<Complex>,
    /// Where the coil of each core begins and ends, core by core: positions in the element.
    between: Vec<[u16; 2]>,
    /// Where the winding of each phase begins and ends, phase by phase: positions in the element.
    ends: Vec<[u16; 2]>,
    /// Admittance to ground at conductors, whatever the taps.
    shunts: Vec<(u16, Complex)>,
    /// Conductors of the element that are open.
    open: Vec<u16>,
}

impl TransformerWindings {
    /// From the transformer of a network; `None` if its impedances are singular.
    pub(super) fn new(transformer: &PowerTransformer, element: u32) -> Option<Self> {
        let phases = usize::from(transformer.phases);
        let windings: Vec<Winding> = transformer.ends.iter().map(|end| winding(end, phases)).collect();
        let coils = coils(transformer);
        let places = Places::of(transformer);
        let mut made = Self {
            element,
            size: (phases + 1) * windings.len(),
            inner: places.inner,
            per_volt: per_volt(transformer, &coils)?,
            between: places.between,
            ends: places.ends,
            shunts: Vec::new(),
            open: open(&transformer.open, phases + 1).map(narrow).collect(),
            coils,
            windings,
        };
        made.add_shunts(transformer);
        let mut values = vec![Complex::ZERO; made.size * made.size];
        made.admittance(&mut values).then_some(made)
    }

    /// Conductors of the element.
    pub const fn size(&self) -> usize {
        self.size
    }

    fn add_shunts(&mut self, transformer: &PowerTransformer) {
        let conductors = usize::from(transformer.phases) + 1;
        let volt_amperes = transformer.ends[0].rated_kva * 1000.0 / f64::from(transformer.phases);
        for (at, (end, winding)) in transformer.ends.iter().zip(&self.windings).enumerate() {
            let b = -transformer.anti_float_pu * volt_amperes / (winding.volts * winding.volts) / 2.0;
            let float = Complex::new(0.0, b);
            if transformer.anti_float_pu != 0.0 {
                for pair in self.ends.iter().skip(at).step_by(self.windings.len()) {
                    self.shunts.extend(pair.map(|conductor| (conductor, float)));
                }
            }
            if end.connection != WindingConnection::Delta {
                let neutral = narrow((at + 1) * conductors - 1);
                match end.grounding_ohm {
                    Some([0.0, 0.0]) => self.shunts.push((neutral, Complex::new(SOLID_S, 0.0))),
                    Some([r, x]) => self.shunts.push((neutral, Complex::new(r, x).recip())),
                    None if transformer.anti_float_pu != 0.0 => self.shunts.push((neutral, float)),
                    None => {}
                }
            }
        }
    }

    /// Where the winding of a phase begins and ends: positions in the element.
    pub fn winding_ends(&self, winding: usize, phase: usize) -> [usize; 2] {
        self.ends[phase * self.windings.len() + winding].map(usize::from)
    }

    /// Number of phases.
    pub fn phases(&self) -> usize {
        self.ends.len() / self.windings.len()
    }

    /// Writes the values of the element for the taps in use; whether the conductors inside of zigzags could be taken out.
    pub(super) fn admittance(&self, out: &mut [Complex]) -> bool {
        out.fill(Complex::ZERO);
        let mut regular = true;
        if self.inner == 0 {
            self.stamp(out, self.size);
        } else {
            let whole = self.size + self.inner;
            let mut all = vec![Complex::ZERO; whole * whole];
            self.stamp(&mut all, whole);
            regular = dense::eliminate(&mut all, whole, self.size..whole);
            for (to, from) in out.chunks_exact_mut(self.size).zip(all.chunks_exact(whole)) {
                to.copy_from_slice(&from[..self.size]);
            }
        }
        dense::eliminate(out, self.size, self.open.iter().map(|&conductor| usize::from(conductor)));
        regular
    }

    /// Adds coils and shunts to a matrix with that many conductors.
    fn stamp(&self, out: &mut [Complex], size: usize) {
        let count = self.coils.len();
        for ends in self.between.chunks_exact(count) {
            for a in 0..count {
                for b in 0..count {
                    let turns = self.turns(a) * self.turns(b);
                    let y = self.per_volt[a * count + b] * (1.0 / turns);
                    let ([a0, a1], [b0, b1]) = (ends[a], ends[b]);
                    for (row, col, y) in [(a0, b0, y), (a1, b1, y), (a0, b1, -y), (a1, b0, -y)] {
                        out[usize::from(row) * size + usize::from(col)] += y;
                    }
                }
            }
        }
        for &(conductor, y) in &self.shunts {
            out[usize::from(conductor) * (size + 1)] += y;
        }
    }

    /// Volts across a coil at its tap.
    fn turns(&self, coil: usize) -> f64 {
        let coil = &self.coils[coil];
        let winding = &self.windings[coil.winding];
        winding.volts * coil.share * winding.tap_pu
    }
}

fn winding(end: &PowerTransformerEnd, phases: usize) -> Winding {
    let line_to_line = end.connection != WindingConnection::Delta && matches!(phases, 2 | 3);
    let range = end.max_tap_pu - end.min_tap_pu;
    Winding {
        volts: end.rated_kv * 1000.0 / if line_to_line { 3.0_f64.sqrt() } else { 1.0 },
        tap_pu: end.tap_pu,
        min_tap_pu: end.min_tap_pu,
        max_tap_pu: end.max_tap_pu,
        step_pu: if end.tap_steps > 0 { range / f64::from(end.tap_steps) } else { 0.0 },
    }
}

/// The coils of a core, end by end.
fn coils(transformer: &PowerTransformer) -> Vec<Coil> {
    let mut coils = Vec::with_capacity(transformer.ends.len());
    for (winding, end) in transformer.ends.iter().enumerate() {
        match end.connection {
            WindingConnection::Wye | WindingConnection::Delta => coils.push(Coil { winding, share: 1.0 }),
            WindingConnection::Zigzag { .. } => {
                coils.extend([Coil { winding, share: 1.0 / 3.0_f64.sqrt() }; 2]);
            }
        }
    }
    coils
}

/// Where coils and windings lie.
struct Places {
    /// Core by core, coil by coil.
    between: Vec<[u16; 2]>,
    /// Phase by phase, winding by winding.
    ends: Vec<[u16; 2]>,
    inner: usize,
}

impl Places {
    fn of(transformer: &PowerTransformer) -> Self {
        let phases = usize::from(transformer.phases);
        let conductors = phases + 1;
        let size = conductors * transformer.ends.len();
        let zigzags = |ends: &[PowerTransformerEnd]| {
            ends.iter().filter(|end| matches!(end.connection, WindingConnection::Zigzag { .. })).count()
        };
        let mut made =
            Self { between: Vec::new(), ends: Vec::new(), inner: phases * zigzags(&transformer.ends) };
        for core in 0..phases {
            for (at, end) in transformer.ends.iter().enumerate() {
                let first = at * conductors;
                let (from, to) = winding_between(transformer, end.connection, core);
                let ends = [narrow(first + from), narrow(first + to)];
                made.ends.push(ends);
                let WindingConnection::Zigzag { backward } = end.connection else {
                    made.between.push(ends);
                    continue;
                };
                // The second coil of a core belongs to the phase whose next one this is.
                let met = |phase: usize| narrow(size + zigzags(&transformer.ends[..at]) * phases + phase);
                let of_second = (core + if backward { 1 } else { phases - 1 }) % phases;
                made.between.push([ends[0], met(core)]);
                made.between.push([ends[1], met(of_second)]);
            }
        }
        made
    }
}

/// Conductors of its terminal between which the winding of a phase lies.
fn winding_between(
    transformer: &PowerTransformer,
    connection: WindingConnection,
    phase: usize,
) -> (usize, usize) {
    let phases = usize::from(transformer.phases);
    match (connection, phases) {
        (WindingConnection::Wye | WindingConnection::Zigzag { .. }, _) | (WindingConnection::Delta, 1) => {
            (phase, phases)
        }
        // Two phases in delta are an open delta over three conductors.
        (WindingConnection::Delta, 2) if transformer.delta_backward => (phase, (phase + 2) % 3),
        (WindingConnection::Delta, 2) => (phase, phase + 1),
        (WindingConnection::Delta, _) if transformer.delta_backward => (phase, (phase + phases - 1) % phases),
        (WindingConnection::Delta, _) => (phase, (phase + 1) % phases),
    }
}

/// Impedance of a short-circuit test of two coils, per unit of end 1.
fn test_pu(transformer: &PowerTransformer, [a, b]: [Coil; 2]) -> Complex {
    let count = transformer.ends.len();
    let zero_sequence = |end: usize| {
        let [r, x] = transformer.ends[end].zero_sequence_pu;
        match transformer.ends[end].connection {
            WindingConnection::Wye | WindingConnection::Delta => Complex::ZERO,
            WindingConnection::Zigzag { .. } => Complex::new(r, x),
        }
    };
    let (i, j) = (a.winding.min(b.winding), a.winding.max(b.winding));
    if i == j {
        return zero_sequence(i) * 3.0;
    }
    // Position of the pair (i, j), i < j, in the order 1-2, 1-3, …, 2-3, ….
    let before = i * (2 * count - i - 1) / 2;
    let r = transformer.ends[i].r_pu + transformer.ends[j].r_pu;
    let whole = Complex::new(r, transformer.x_pu[before + j - i - 1]);
    whole + (zero_sequence(i) + zero_sequence(j)) * 0.5
}

/// `Y_1` of the module's equations.
fn per_volt(transformer: &PowerTransformer, coils: &[Coil]) -> Option<Vec<Complex>> {
    let count = coils.len();
    let base = f64::from(transformer.phases) / (transformer.ends[0].rated_kva * 1000.0);
    let inner = count - 1;
    let pair = |i: usize, j: usize| test_pu(transformer, [coils[i], coils[j]]) * base;
    let mut z = vec![Complex::ZERO; inner * inner];
    for i in 0..inner {
        z[i * inner + i] = pair(0, i + 1);
        for j in i + 1..inner {
            let mutual = (pair(0, i + 1) + pair(0, j + 1) - pair(i + 1, j + 1)) * 0.5;
            z[i * inner + j] = mutual;
            z[j * inner + i] = mutual;
        }
    }
    dense::invert(&mut z, inner)?;
    let mut y = vec![Complex::ZERO; count * count];
    for i in 0..inner {
        for j in 0..inner {
            let value = z[i * inner + j];
            y[(i + 1) * count + j + 1] += value;
            y[j + 1] -= value;
            y[(i + 1) * count] -= value;
            y[0] += value;
        }
    }
    let magnetising = Complex::new(transformer.no_load_loss_pu, -transformer.magnetising_pu);
    let second = coils.iter().position(|coil| coil.winding == 1).unwrap_or(1);
    y[second * (count + 1)] += magnetising * (1.0 / base);
    Some(y)
}

/// Positions of open conductors in an element with that many conductors per end.
pub(super) fn open(list: &[OpenConductor], per_end: usize) -> impl Iterator<Item = usize> {
    list.iter().map(move |open| usize::from(open.end) * per_end + usize::from(open.conductor))
}

fn narrow(position: usize) -> u16 {
    u16::try_from(position).unwrap_or(u16::MAX)
}
