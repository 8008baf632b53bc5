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

use sparse::block::Block;

use crate::admittances::Admittances;
use crate::island::{Held, Island, Linear, Run};
use crate::nodal::worst;

/// Whether the matrix follows the voltages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Matrix {
    Newton,
    Constant,
}

/// Steps from the present voltages, on the blocks and the pattern of the island; with pivoting from there again when these
/// did not arrive.
pub(crate) fn run(island: &mut Island, kind: Matrix, limits: (f64, u32)) -> Run {
    let start = [island.vm_pu.clone(), island.va_rad.clone()];
    let first = run_on(island, kind, Linear::Blocks, limits);
    if matches!(first, Run::Converged { .. }) {
        return first;
    }
    island.vm_pu.copy_from_slice(&start[0]);
    island.va_rad.copy_from_slice(&start[1]);
    run_on(island, kind, Linear::Pivoting, limits)
}

fn run_on(island: &mut Island, kind: Matrix, linear: Linear, (tolerance_pu, most): (f64, u32)) -> Run {
    let set_pu = island.vm_pu.clone();
    let polar = island.vm_pu.iter().zip(&island.va_rad);
    let mut v: Vec<[f64; 2]> = polar.map(|(vm, va)| [vm * va.cos(), vm * va.sin()]).collect();
    let mut system = System::new(island.admittances());
    let mut current = vec![[0.0; 2]; v.len()];
    let mut steps = 0;
    loop {
        currents(island.admittances(), &v, &mut current);
        let (bus, mismatch_pu) = take_over(island, (&v, &current), &set_pu);
        if mismatch_pu <= tolerance_pu {
            return Run::Converged { steps, mismatch_pu };
        }
        if steps >= most || !mismatch_pu.is_finite() {
            return Run::Stopped { worst: bus, mismatch_pu, steps };
        }
        let kept = kind == Matrix::Constant && steps > 0;
        if !kept {
            system.fill(island, (&v, &current), kind);
            island.write_blocks(&system.diagonal, &system.off);
        }
        right_side(island, (&v, &current), (&set_pu, &mut system.right));
        match island.solve_blocks(linear, kept, &system.right) {
            Ok(step) => {
                for (v, step) in v.iter_mut().zip(step) {
                    *v = [v[0] + step[0], v[1] + step[1]];
                }
            }
            Err(bus) => return Run::Singular { bus },
        }
        steps += 1;
    }
}

/// `I = Y V`
fn currents(y: &Admittances, v: &[[f64; 2]], out: &mut [[f64; 2]]) {
    let product = |[g, b]: [f64; 2], [e, f]: [f64; 2]| [g * e - b * f, g * f + b * e];
    for (i, out) in out.iter_mut().enumerate() {
        *out = product(y.diagonal[i], v[i]);
        let range = y.ptr[i] as usize..y.ptr[i + 1] as usize;
        for (&y, &j) in y.y[range.clone()].iter().zip(&y.col[range]) {
            let [re, im] = product(y, v[j as usize]);
            *out = [out[0] + re, out[1] + im];
        }
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

fn right_side(
    island: &Island,
    (v, current): (&[[f64; 2]], &[[f64; 2]]),
    (set_pu, right): (&[f64], &mut [[f64; 2]]),
) {
    for (i, ([e, f], [re, im])) in v.iter().zip(current).enumerate() {
        let (p, q) = (island.p_set_pu[i], island.q_set_pu[i]);
        let square = e * e + f * f;
        right[i] = match island.held[i] {
            Held::VoltageAndAngle => [0.0, 0.0],
            Held::PowerAndVoltage => [p - (e * re + f * im), set_pu[i] * set_pu[i] - square],
            Held::Power => [(p * e + q * f) / square - re, (p * f - q * e) / square - im],
        };
    }
}

/// Blocks `∂first/∂e, ∂first/∂f, ∂second/∂e, ∂second/∂f` by bus and by entry of the admittance matrix; right-hand side.
struct System {
    diagonal: Vec<Block>,
    off: Vec<Block>,
    right: Vec<[f64; 2]>,
}

impl System {
    fn new(y: &Admittances) -> Self {
        let n = y.diagonal.len();
        Self { diagonal: vec![[0.0; 4]; n], off: vec![[0.0; 4]; y.y.len()], right: vec![[0.0; 2]; n] }
    }

    fn fill(&mut self, island: &Island, (v, current): (&[[f64; 2]], &[[f64; 2]]), kind: Matrix) {
        let y = island.admittances();
        for i in 0..v.len() {
            let (held, [e, f]) = (island.held[i], v[i]);
            let block = |[g, b]: [f64; 2]| match held {
                Held::VoltageAndAngle => [0.0; 4],
                Held::PowerAndVoltage => [e * g + f * b, f * g - e * b, 0.0, 0.0],
                Held::Power => [g, -b, b, g],
            };
            let more = match held {
                Held::VoltageAndAngle => [1.0, 0.0, 0.0, 1.0],
                Held::PowerAndVoltage => [current[i][0], current[i][1], 2.0 * e, 2.0 * f],
                Held::Power if kind == Matrix::Newton => {
                    own_derivative([e, f], [island.p_set_pu[i], island.q_set_pu[i]]).map(|part| -part)
                }
                Held::Power => [0.0; 4],
            };
            self.diagonal[i] = block(y.diagonal[i]);
            self.diagonal[i].iter_mut().zip(more).for_each(|(part, more)| *part += more);
            let range = y.ptr[i] as usize..y.ptr[i + 1] as usize;
            for (off, &y) in self.off[range.clone()].iter_mut().zip(&y.y[range]) {
                *off = block(y);
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
