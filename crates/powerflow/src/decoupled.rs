//! Fast decoupled power flow: Stott and Alsac, "Fast decoupled load flow", IEEE Trans. PAS-93, 1974 (XB); van
//! Amerongen, "A general-purpose version of the fast decoupled loadflow", IEEE Trans. Power Systems 4(2), 1989 (BX).
//!
//! ```text
//! B'  Δθ = ΔP / v        B' : no shunts, no charging, ratios 1;  XB: r = 0
//! B'' Δv = ΔQ / v        B'': no phase shifts;                   BX: r = 0
//! ```
//!
//! `B'` and `B''` are minus the imaginary part of the admittance matrix of such branches. Both are factorised once per run,
//! on a pattern that the island keeps.
//! One iteration is a `P` and a `Q` half step, each at the voltages of the half step before.

use topology::calc::{Branch, Bus};

use crate::island::{Held, Island, Run};
use crate::nodal::{NodalSystem, mismatch};

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
    let [mut angles, mut magnitudes] = island.take_systems();
    let run = match prepare(variant, island, (buses, branches), [&mut angles, &mut magnitudes]) {
        Ok(()) => half_steps(island, [&mut angles, &mut magnitudes], (tolerance_pu, most)),
        Err(bus) => Run::Singular { bus },
    };
    island.keep_systems([angles, magnitudes]);
    run
}

/// Fills and factorises `B'` and `B''`; the bus where one of them is singular otherwise.
fn prepare<'a>(
    variant: Variant,
    island: &Island,
    (buses, branches): (&[&'a Bus], &[([u32; 2], &'a Branch)]),
    [angles, magnitudes]: [&mut NodalSystem; 2],
) -> Result<(), usize> {
    angles.clear();
    magnitudes.clear();
    for (i, bus) in buses.iter().enumerate() {
        magnitudes.add(i, -bus.b_shunt_pu);
    }
    let susceptances = |branch: Branch| {
        let y = branch.admittance();
        [y.ff, y.ft, y.tf, y.tt].map(|[_, b]| -b)
    };
    for (at, &(ends, branch)) in branches.iter().enumerate() {
        let r_pu = if variant == Variant::Xb { 0.0 } else { branch.r_pu };
        let plain = Branch { r_pu, g_pu: 0.0, b_pu: 0.0, ratio: 1.0, ..bare(branch) };
        angles.add_branch(at, ends, susceptances(plain));
        let r_pu = if variant == Variant::Bx { 0.0 } else { branch.r_pu };
        magnitudes.add_branch(at, ends, susceptances(Branch { r_pu, shift_rad: 0.0, ..bare(branch) }));
    }
    angles.hold(|i| island.held[i] == Held::VoltageAndAngle, None);
    magnitudes.hold(|i| island.held[i] != Held::Power, None);
    angles.factor()?;
    magnitudes.factor()
}

fn half_steps(
    island: &mut Island,
    [angles, magnitudes]: [&mut NodalSystem; 2],
    (tolerance_pu, most): (f64, u32),
) -> Run {
    let mut step = vec![0.0; island.vm_pu.len()];
    let mut steps = 0;
    loop {
        let (worst, mismatch_pu) = island.check();
        if mismatch_pu <= tolerance_pu {
            return Run::Converged { steps, mismatch_pu };
        }
        if steps >= most || !mismatch_pu.is_finite() {
            return Run::Stopped { worst, mismatch_pu, steps };
        }
        half_step(island, 0, &mut step);
        angles.solve(&mut step);
        island.va_rad.iter_mut().zip(&step).for_each(|(va, step)| *va += step);
        island.check();
        half_step(island, 1, &mut step);
        magnitudes.solve(&mut step);
        island.vm_pu.iter_mut().zip(&step).for_each(|(vm, step)| *vm += step);
        steps += 1;
    }
}

/// The numbers of a branch without its name.
fn bare(branch: &Branch) -> Branch {
    let Branch { from, to, r_pu, x_pu, g_pu, b_pu, ratio, shift_rad, rate_mva, .. } = *branch;
    Branch { name: String::new(), from, to, r_pu, x_pu, g_pu, b_pu, ratio, shift_rad, rate_mva }
}

fn half_step(island: &Island, part: usize, out: &mut [f64]) {
    for (i, out) in out.iter_mut().enumerate() {
        *out = mismatch(island, i)[part] / island.vm_pu[i];
    }
}
