//! DC power flow: active power and angles alone, with magnitudes of 1 and without losses (Stott, Jardim and Alsac, "DC
//! power flow revisited", IEEE Trans. Power Systems 24(3), 2009; MATPOWER User's Manual 3.5).
//!
//! ```text
//! b      = 1 / (x · ratio)
//! P(f,t) = b (θ(f) - θ(t) - shift)
//! B θ    = P - G_shunt + Σ ± b · shift       with θ held at the slacks
//! ```
//!
//! The result has magnitudes of 1 and no reactive power: the model says nothing of either.

use std::ops::RangeInclusive;

use topology::calc::{Branch, BranchFlow, Bus};

use crate::island::{Held, Island, Run};
use crate::nodal::NodalSystem;

/// Magnitudes that a start may have.
pub(crate) const USUAL_PU: RangeInclusive<f64> = 0.7..=1.3;

/// Susceptance of a branch in the DC model.
pub(crate) fn susceptance(branch: &Branch) -> f64 {
    let x_pu = if branch.x_pu == 0.0 { branch.r_pu } else { branch.x_pu };
    1.0 / (x_pu * branch.ratio)
}

/// Flow of a branch for the angles of its ends.
pub(crate) fn flow(branch: &Branch, va_from_rad: f64, va_to_rad: f64) -> BranchFlow {
    let p = susceptance(branch) * (va_from_rad - va_to_rad - branch.shift_rad);
    BranchFlow { p_from_pu: p, q_from_pu: 0.0, p_to_pu: -p, q_to_pu: 0.0 }
}

/// Writes angles, magnitudes of 1 and injections. The active set points are those of the island; a resistance alone is
/// no branch for this model (its susceptance is not finite), so the caller has refused it.
pub(crate) fn run<'a>(
    island: &mut Island,
    (buses, branches): (&[&'a Bus], &[([u32; 2], &'a Branch)]),
) -> Run {
    let va_rad = match angles(island, (buses, branches)) {
        Ok(va_rad) => va_rad,
        Err(bus) => return Run::Singular { bus },
    };
    island.va_rad.copy_from_slice(&va_rad);
    island.vm_pu.fill(1.0);
    island.q_pu.fill(0.0);
    for (p, bus) in island.p_pu.iter_mut().zip(buses) {
        *p = bus.g_shunt_pu;
    }
    for ([from, to], branch) in branches {
        let (f, t) = (*from as usize, *to as usize);
        let p = flow(branch, va_rad[f], va_rad[t]).p_from_pu;
        island.p_pu[f] += p;
        island.p_pu[t] -= p;
    }
    let mut largest = (0, 0.0);
    for i in (0..buses.len()).filter(|&i| island.held[i] != Held::VoltageAndAngle) {
        let off = (island.p_set_pu[i] - island.p_pu[i]).abs();
        if !off.is_finite() {
            return Run::Stopped { worst: i, mismatch_pu: off, steps: 1 };
        }
        if off > largest.1 {
            largest = (i, off);
        }
    }
    Run::Converged { steps: 1, mismatch_pu: largest.1 }
}

/// Angles for the active set points of the island, with those of its slacks kept; the bus where the matrix is singular
/// otherwise. A branch without reactance counts with its resistance, which is good enough to start from.
pub(crate) fn angles<'a>(
    island: &mut Island,
    (buses, branches): (&[&'a Bus], &[([u32; 2], &'a Branch)]),
) -> Result<Vec<f64>, usize> {
    let [mut system, other] = island.take_systems();
    let mut right: Vec<f64> =
        island.p_set_pu.iter().zip(buses).map(|(p_set_pu, bus)| p_set_pu - bus.g_shunt_pu).collect();
    system.clear();
    for (at, &(ends, branch)) in branches.iter().enumerate() {
        let b = susceptance(branch);
        right[ends[0] as usize] += b * branch.shift_rad;
        right[ends[1] as usize] -= b * branch.shift_rad;
        system.add_branch(at, ends, [b, -b, -b, b]);
    }
    let held = |i: usize| island.held[i] == Held::VoltageAndAngle;
    let solved = solve(&mut system, held, (&island.va_rad, right));
    island.keep_systems([system, other]);
    solved
}

/// Magnitudes for a start: where nothing is held, those without any current in the series elements,
///
/// ```text
/// Σ 1/x (v(i)/ratio - v(j)) = 0
/// ```
pub(crate) fn magnitudes(island: &mut Island, branches: &[([u32; 2], &Branch)]) -> Result<Vec<f64>, usize> {
    let [other, mut system] = island.take_systems();
    system.clear();
    for (at, &(ends, branch)) in branches.iter().enumerate() {
        let b = susceptance(branch) * branch.ratio;
        let far = -b / branch.ratio;
        system.add_branch(at, ends, [b / (branch.ratio * branch.ratio), far, far, b]);
    }
    let held = |i: usize| island.held[i] != Held::Power;
    let solved = solve(&mut system, held, (&island.vm_pu, vec![0.0; island.vm_pu.len()]));
    island.keep_systems([other, system]);
    solved
}

/// Solves for what is not held; `values` are those of what is.
fn solve(
    system: &mut NodalSystem,
    held: impl Fn(usize) -> bool,
    (values, mut right): (&[f64], Vec<f64>),
) -> Result<Vec<f64>, usize> {
    system.hold(&held, Some((values, &mut right)));
    for (i, (right, value)) in right.iter_mut().zip(values).enumerate() {
        *right = if held(i) { *value } else { *right };
    }
    system.factor()?;
    system.solve(&mut right);
    Ok(right)
}
