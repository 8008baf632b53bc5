//! Newton's method on currents in rectangular coordinates: da Costa, Martins and Pereira, "Developments in the Newton
//! Raphson power flow formulation based on current injections", IEEE Trans. Power Systems 14(4), 1999. And the
//! fixed point on the same equations, which keeps one matrix.
//!
//! Symbols: `V = e + j f`, `Y = G + j B`, `I = Y V`, `P + j Q` the set injection of a bus.
//!
//! ```text
//! PQ bus:   (P - j Q) / (e - j f) - I = 0             two real equations
//! PV bus:   P - (e Re I + f Im I) = 0                 the part of the current that P decides
//!           v_set² - (e² + f²) = 0
//! slack:    Δe = Δf = 0
//!
//! off the diagonal of PQ rows      [ G  -B ]          the same in every step
//!                                  [ B   G ]
//! on the diagonal                  the same - ∂((P - j Q)/(e - j f)) / ∂(e, f)
//! ```
//!
//! The fixed point leaves the last derivative out and keeps the PV rows of its first voltages. Without PV buses it is
//! the implicit Z-bus method `V = Y⁻¹ conj(S/V)` of Chen and others, "Distribution system power flow analysis - a
//! rigid approach", IEEE Trans. Power Delivery 6(3), 1991, and one factorisation serves all steps.

use sparse::{Csc, Lu, LuError, PatternBuilder, minimum_degree};

use crate::island::{Held, Island, Run};
use crate::nodal::{Nodal, rectangular, worst};

/// Whether the matrix follows the voltages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Matrix {
    Newton,
    Constant,
}

/// Steps from the present voltages.
pub(crate) fn run(island: &mut Island, nodal: &Nodal, kind: Matrix, (tolerance_pu, most): (f64, u32)) -> Run {
    let set_pu = island.vm_pu.clone();
    let mut v = rectangular(&island.vm_pu, &island.va_rad);
    let mut system = System::new(nodal);
    let mut steps = 0;
    loop {
        let current = nodal.currents(&v);
        let (bus, mismatch_pu) = take_over(island, (&v, &current), &set_pu);
        if mismatch_pu <= tolerance_pu {
            return Run::Converged { steps, mismatch_pu };
        }
        if steps >= most || !mismatch_pu.is_finite() {
            return Run::Stopped { worst: bus, mismatch_pu, steps };
        }
        if kind == Matrix::Newton || steps == 0 {
            system.fill(island, nodal, (&v, &current), kind);
            match system.lu.update(&system.jacobian) {
                Ok(_) => {}
                Err(LuError::Singular(singular)) => return Run::Singular { bus: singular.column / 2 },
                Err(LuError::Shape { .. }) => return Run::Stopped { worst: bus, mismatch_pu, steps },
            }
        }
        let mut step = right_side(island, (&v, &current), &set_pu);
        system.lu.solve(&mut step);
        for (v, step) in v.iter_mut().zip(step.chunks_exact(2)) {
            *v = [v[0] + step[0], v[1] + step[1]];
        }
        steps += 1;
    }
}

/// Writes voltages and injections back; the largest mismatch counts the error of held magnitudes too.
fn take_over(island: &mut Island, (v, current): (&[[f64; 2]], &[[f64; 2]]), set_pu: &[f64]) -> (usize, f64) {
    let mut magnitude = (0, 0.0);
    for (i, ([e, f], [re, im])) in v.iter().zip(current).enumerate() {
        island.vm_pu[i] = e.hypot(*f);
        let angle = f.atan2(*e);
        // The angle nearest to the one before: an angle may pass half a turn.
        let turns = ((island.va_rad[i] - angle) / std::f64::consts::TAU).round();
        island.va_rad[i] = angle + turns * std::f64::consts::TAU;
        island.p_pu[i] = e * re + f * im;
        island.q_pu[i] = f * re - e * im;
        let off = (island.vm_pu[i] - set_pu[i]).abs();
        if island.held[i] == Held::PowerAndVoltage && off > magnitude.1 {
            magnitude = (i, off);
        }
    }
    let power = worst(island);
    if magnitude.1 > power.1 { magnitude } else { power }
}

fn right_side(island: &Island, (v, current): (&[[f64; 2]], &[[f64; 2]]), set_pu: &[f64]) -> Vec<f64> {
    let mut out = Vec::with_capacity(2 * v.len());
    for (i, ([e, f], [re, im])) in v.iter().zip(current).enumerate() {
        let (p, q) = (island.p_set_pu[i], island.q_set_pu[i]);
        let square = e * e + f * f;
        out.extend(match island.held[i] {
            Held::VoltageAndAngle => [0.0, 0.0],
            Held::PowerAndVoltage => [p - (e * re + f * im), set_pu[i] * set_pu[i] - square],
            Held::Power => [(p * e + q * f) / square - re, (p * f - q * e) / square - im],
        });
    }
    out
}

struct System {
    jacobian: Csc,
    /// Slots per entry of the admittance matrix, row by row: `∂first/∂e, ∂first/∂f, ∂second/∂e, ∂second/∂f`.
    slots: Vec<[usize; 4]>,
    lu: Lu,
}

impl System {
    fn new(nodal: &Nodal) -> Self {
        let n = nodal.len();
        let mut builder = PatternBuilder::new(2 * n, 2 * n);
        let mut pushed = Vec::new();
        for i in 0..n {
            for (j, _) in nodal.row(i) {
                let (a, b, e, f) = (2 * i, 2 * i + 1, 2 * j, 2 * j + 1);
                pushed.push([builder.push(a, e), builder.push(a, f), builder.push(b, e), builder.push(b, f)]);
            }
        }
        let (jacobian, places) = builder.build();
        let (pattern, _) = nodal.reduced(|_| true, |_| 1.0);
        let order = minimum_degree(&pattern).into_iter().flat_map(|i| [2 * i, 2 * i + 1]).collect();
        let slots = pushed.into_iter().map(|block| block.map(|at| places[at])).collect();
        Self { jacobian, slots, lu: Lu::with_order(order) }
    }

    fn fill(
        &mut self,
        island: &Island,
        nodal: &Nodal,
        (v, current): (&[[f64; 2]], &[[f64; 2]]),
        kind: Matrix,
    ) {
        let out = self.jacobian.values_mut();
        let mut slots = self.slots.iter();
        for i in 0..nodal.len() {
            let [e, f] = v[i];
            for ((j, [g, b]), slots) in nodal.row(i).zip(&mut slots) {
                let diagonal = i == j;
                let mut block = match island.held[i] {
                    Held::VoltageAndAngle => {
                        [f64::from(u8::from(diagonal)), 0.0, 0.0, f64::from(u8::from(diagonal))]
                    }
                    Held::PowerAndVoltage => [e * g + f * b, f * g - e * b, 0.0, 0.0],
                    Held::Power => [g, -b, b, g],
                };
                if diagonal {
                    let more = match island.held[i] {
                        Held::VoltageAndAngle => [0.0; 4],
                        Held::PowerAndVoltage => [current[i][0], current[i][1], 2.0 * e, 2.0 * f],
                        Held::Power if kind == Matrix::Newton => {
                            own_derivative([e, f], [island.p_set_pu[i], island.q_set_pu[i]]).map(|part| -part)
                        }
                        Held::Power => [0.0; 4],
                    };
                    block.iter_mut().zip(more).for_each(|(part, more)| *part += more);
                }
                slots.iter().zip(block).for_each(|(slot, part)| out[*slot] = part);
            }
        }
    }
}

/// `∂((P - j Q)/(e - j f)) / ∂(e, f)`: real part by e, by f, imaginary part by e, by f.
fn own_derivative([e, f]: [f64; 2], [p, q]: [f64; 2]) -> [f64; 4] {
    let square = e * e + f * f;
    let (re, im) = ((p * e + q * f) / square, (p * f - q * e) / square);
    [
        (p - 2.0 * e * re) / square,
        (q - 2.0 * f * re) / square,
        (-q - 2.0 * e * im) / square,
        (p - 2.0 * f * im) / square,
    ]
}
