//! Fast decoupled power flow: Stott and Alsac, "Fast decoupled load flow", IEEE Trans. PAS-93, 1974 (XB); van
//! Amerongen, "A general-purpose version of the fast decoupled loadflow", IEEE Trans. Power Systems 4(2), 1989 (BX).
//!
//! ```text
//! B'  Δθ = ΔP / v        B' : no shunts, no charging, ratios 1;  XB: r = 0
//! B'' Δv = ΔQ / v        B'': no phase shifts;                   BX: r = 0
//! ```
//!
//! `B'` and `B''` are minus the imaginary part of the admittance matrix of such branches. Both are factorised once.
//! One iteration is a `P` and a `Q` half step, each at the voltages of the half step before.

use sparse::{Lu, LuError};
use topology::calc::{Branch, Bus};

use crate::island::{Held, Island, Run};
use crate::nodal::{Nodal, mismatch};

/// Which of the two matrices leaves the resistances out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// `B'`: for grids of lines with little resistance.
    Xb,
    /// `B''`: for grids with much of it.
    Bx,
}

/// Half steps from the present voltages.
pub(crate) fn run<'a>(
    variant: Variant,
    island: &mut Island,
    (buses, branches): (&[&'a Bus], &[([u32; 2], &'a Branch)]),
    (tolerance_pu, most): (f64, u32),
) -> Run {
    let nodal = Nodal::of(buses.iter().copied(), branches.iter().copied());
    let angles = Nodal::new(
        buses.iter().map(|_| [0.0; 2]),
        branches.iter().map(|(ends, branch)| {
            let r_pu = if variant == Variant::Xb { 0.0 } else { branch.r_pu };
            let plain = Branch { r_pu, g_pu: 0.0, b_pu: 0.0, ratio: 1.0, ..bare(branch) };
            (*ends, plain.admittance())
        }),
    );
    let magnitudes = Nodal::new(
        buses.iter().map(|bus| [bus.g_shunt_pu, bus.b_shunt_pu]),
        branches.iter().map(|(ends, branch)| {
            let r_pu = if variant == Variant::Bx { 0.0 } else { branch.r_pu };
            (*ends, Branch { r_pu, shift_rad: 0.0, ..bare(branch) }.admittance())
        }),
    );
    let held = island.held.clone();
    let mut p_factors = match factors(&angles, |i| held[i] != Held::VoltageAndAngle) {
        Ok(factors) => factors,
        Err(bus) => return Run::Singular { bus },
    };
    let mut q_factors = match factors(&magnitudes, |i| held[i] == Held::Power) {
        Ok(factors) => factors,
        Err(bus) => return Run::Singular { bus },
    };
    let mut steps = 0;
    loop {
        let (worst, mismatch_pu) = nodal.evaluate(island);
        if mismatch_pu <= tolerance_pu {
            return Run::Converged { steps, mismatch_pu };
        }
        if steps >= most || !mismatch_pu.is_finite() {
            return Run::Stopped { worst, mismatch_pu, steps };
        }
        let mut step = half_step(island, 0);
        p_factors.solve(&mut step);
        island.va_rad.iter_mut().zip(&step).for_each(|(va, step)| *va += step);
        nodal.evaluate(island);
        let mut step = half_step(island, 1);
        q_factors.solve(&mut step);
        island.vm_pu.iter_mut().zip(&step).for_each(|(vm, step)| *vm += step);
        steps += 1;
    }
}

/// The numbers of a branch without its name.
fn bare(branch: &Branch) -> Branch {
    let Branch { from, to, r_pu, x_pu, g_pu, b_pu, ratio, shift_rad, rate_mva, .. } = *branch;
    Branch { name: String::new(), from, to, r_pu, x_pu, g_pu, b_pu, ratio, shift_rad, rate_mva }
}

fn factors(nodal: &Nodal, kept: impl Fn(usize) -> bool) -> Result<Lu, usize> {
    let (matrix, order) = nodal.reduced(kept, |y| -y[1]);
    let mut lu = Lu::with_order(order);
    match lu.factor(&matrix) {
        Ok(()) => Ok(lu),
        Err(LuError::Singular(singular)) => Err(singular.column),
        Err(LuError::Shape { .. }) => Err(0),
    }
}

fn half_step(island: &Island, part: usize) -> Vec<f64> {
    (0..island.vm_pu.len()).map(|i| mismatch(island, i)[part] / island.vm_pu[i]).collect()
}
