//! The admittance of a transformer of any number of windings (Dugan, "A perspective on transformer modeling for
//! distribution system analysis", IEEE PES General Meeting 2003; Dugan and Santoso, "An example of 3-phase
//! transformer modeling for distribution system analysis", IEEE PES T&D 2003).
//!
//! One phase is a core with `m` windings. The short-circuit impedances of winding 1 with each other winding, on one
//! volt, make the matrix `Z_B`; every pair of others adds what its own short-circuit test says:
//!
//! ```text
//! Z_B(i,i) = z(1,i+1)
//! Z_B(i,j) = ½ (z(1,i+1) + z(1,j+1) - z(i+1,j+1))
//! Y_1      = B Z_B⁻¹ Bᵀ + Y_m        B: rows -1 … -1 for winding 1, unit rows for the others; Y_m at winding 2
//! Y(a,b)   = Y_1(a,b) / (V_a t_a V_b t_b)     V: volts of a winding, t: tap
//! ```
//!
//! Each winding lies between two conductors of its terminal, so `Y(a,b)` of each phase enters four places with the
//! signs of a branch. The connection (wye, delta, open, centre tap) is nothing but these pairs of conductors. Taps
//! change values and no pattern.

use model::distribution::{PowerTransformer, WindingConnection};
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

/// What the element of a transformer is made of.
#[derive(Clone, PartialEq, Debug)]
pub struct TransformerWindings {
    /// The element.
    pub element: u32,
    /// Its windings.
    pub windings: Vec<Winding>,
    /// Conductors of the element.
    pub size: usize,
    /// Admittance of one phase on one volt, windings by windings, row by row.
    pub per_volt: Vec<Complex>,
    /// Where the winding of each phase begins and ends, phase by phase: positions in the element.
    pub between: Vec<[u16; 2]>,
    /// Admittance to ground at conductors, whatever the taps.
    pub shunts: Vec<(u16, Complex)>,
}

impl TransformerWindings {
    /// From the transformer of a network; `None` if its impedances are singular.
    pub(super) fn new(transformer: &PowerTransformer, element: u32) -> Option<Self> {
        let phases = usize::from(transformer.phases);
        let conductors = phases + 1;
        let windings: Vec<Winding> = transformer
            .ends
            .iter()
            .map(|end| {
                let line_to_line = end.connection == WindingConnection::Wye && matches!(phases, 2 | 3);
                let volts = end.rated_kv * 1000.0 / if line_to_line { 3.0_f64.sqrt() } else { 1.0 };
                let range = end.max_tap_pu - end.min_tap_pu;
                Winding {
                    volts,
                    tap_pu: end.tap_pu,
                    min_tap_pu: end.min_tap_pu,
                    max_tap_pu: end.max_tap_pu,
                    step_pu: if end.tap_steps > 0 { range / f64::from(end.tap_steps) } else { 0.0 },
                }
            })
            .collect();
        let mut between = Vec::with_capacity(phases * windings.len());
        for phase in 0..phases {
            for (at, end) in transformer.ends.iter().enumerate() {
                let (from, to) = winding_between(transformer, end.connection, phase);
                between.push([narrow(at * conductors + from), narrow(at * conductors + to)]);
            }
        }
        let mut made = Self {
            element,
            size: conductors * windings.len(),
            per_volt: per_volt(transformer)?,
            between,
            shunts: Vec::new(),
            windings,
        };
        made.add_shunts(transformer);
        Some(made)
    }

    fn add_shunts(&mut self, transformer: &PowerTransformer) {
        let conductors = usize::from(transformer.phases) + 1;
        let volt_amperes = transformer.ends[0].rated_kva * 1000.0 / f64::from(transformer.phases);
        for (at, (end, winding)) in transformer.ends.iter().zip(&self.windings).enumerate() {
            let b = -transformer.anti_float_pu * volt_amperes / (winding.volts * winding.volts) / 2.0;
            let float = Complex::new(0.0, b);
            if transformer.anti_float_pu != 0.0 {
                for pair in self.between.iter().skip(at).step_by(self.windings.len()) {
                    self.shunts.extend(pair.map(|conductor| (conductor, float)));
                }
            }
            if end.connection == WindingConnection::Wye {
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
        self.between[phase * self.windings.len() + winding].map(usize::from)
    }

    /// Number of phases.
    pub fn phases(&self) -> usize {
        self.between.len() / self.windings.len()
    }

    /// Writes the values of the element for the taps in use.
    pub(super) fn admittance(&self, out: &mut [Complex]) {
        out.fill(Complex::ZERO);
        let count = self.windings.len();
        for ends in self.between.chunks_exact(count) {
            for a in 0..count {
                for b in 0..count {
                    let turns = self.turns(a) * self.turns(b);
                    let y = self.per_volt[a * count + b] * (1.0 / turns);
                    let ([a0, a1], [b0, b1]) = (ends[a], ends[b]);
                    for (row, col, y) in [(a0, b0, y), (a1, b1, y), (a0, b1, -y), (a1, b0, -y)] {
                        out[usize::from(row) * self.size + usize::from(col)] += y;
                    }
                }
            }
        }
        for &(conductor, y) in &self.shunts {
            out[usize::from(conductor) * (self.size + 1)] += y;
        }
    }

    /// Volts across a winding at its tap.
    fn turns(&self, winding: usize) -> f64 {
        let winding = &self.windings[winding];
        winding.volts * winding.tap_pu
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
        (WindingConnection::Wye, _) | (WindingConnection::Delta, 1) => (phase, phases),
        // Two phases in delta are an open delta over three conductors.
        (WindingConnection::Delta, 2) if transformer.delta_backward => (phase, (phase + 2) % 3),
        (WindingConnection::Delta, 2) => (phase, phase + 1),
        (WindingConnection::Delta, _) if transformer.delta_backward => (phase, (phase + phases - 1) % phases),
        (WindingConnection::Delta, _) => (phase, (phase + 1) % phases),
    }
}

/// `Y_1` of the module's equations.
fn per_volt(transformer: &PowerTransformer) -> Option<Vec<Complex>> {
    let count = transformer.ends.len();
    let base = f64::from(transformer.phases) / (transformer.ends[0].rated_kva * 1000.0);
    let inner = count - 1;
    let pair = |i: usize, j: usize| {
        // Position of the pair (i, j), i < j, in the order 1-2, 1-3, …, 2-3, ….
        let before = i * (2 * count - i - 1) / 2;
        let r = transformer.ends[i].r_pu + transformer.ends[j].r_pu;
        Complex::new(r, transformer.x_pu[before + j - i - 1]) * base
    };
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
    y[count + 1] += magnetising * (1.0 / base);
    Some(y)
}

fn narrow(position: usize) -> u16 {
    u16::try_from(position).unwrap_or(u16::MAX)
}
