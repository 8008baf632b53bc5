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

use sparse::{Csc, Lu, LuError, minimum_degree};
use topology::calc::{Branch, BranchFlow, Bus};

use crate::island::{Held, Island, Run};

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
    island: &Island,
    (buses, branches): (&[&'a Bus], &[([u32; 2], &'a Branch)]),
) -> Result<Vec<f64>, usize> {
    let n = buses.len();
    let held: Vec<Option<f64>> =
        (0..n).map(|i| (island.held[i] == Held::VoltageAndAngle).then_some(island.va_rad[i])).collect();
    let mut right: Vec<f64> = (0..n).map(|i| island.p_set_pu[i] - buses[i].g_shunt_pu).collect();
    let entries = branches.iter().map(|([from, to], branch)| {
        let b = susceptance(branch);
        right[*from as usize] += b * branch.shift_rad;
        right[*to as usize] -= b * branch.shift_rad;
        ([*from, *to], [b, -b, b])
    });
    let entries: Vec<_> = entries.collect();
    solve(&held, right, &entries)
}

/// Magnitudes for a start: where nothing is held, those without any current in the series elements,
///
/// ```text
/// Σ 1/x (v(i)/ratio - v(j)) = 0
/// ```
pub(crate) fn magnitudes(island: &Island, branches: &[([u32; 2], &Branch)]) -> Result<Vec<f64>, usize> {
    let held: Vec<Option<f64>> =
        (0..island.vm_pu.len()).map(|i| (island.held[i] != Held::Power).then_some(island.vm_pu[i])).collect();
    let entries: Vec<_> = branches
        .iter()
        .map(|(ends, branch)| {
            let b = susceptance(branch) * branch.ratio;
            (*ends, [b / (branch.ratio * branch.ratio), -b / branch.ratio, b])
        })
        .collect();
    solve(&held, vec![0.0; island.vm_pu.len()], &entries)
}

/// Solves the system of the branches' entries `from-from, from-to, to-to` for what is not held.
fn solve(
    held: &[Option<f64>],
    mut right: Vec<f64>,
    entries: &[([u32; 2], [f64; 3])],
) -> Result<Vec<f64>, usize> {
    let n = held.len();
    let mut of_matrix = Vec::with_capacity(n + 4 * entries.len());
    for (i, held) in held.iter().enumerate() {
        of_matrix.push((i, i, if held.is_some() { 1.0 } else { 0.0 }));
    }
    for ([from, to], [ff, ft, tt]) in entries {
        let (f, t) = (*from as usize, *to as usize);
        for (i, j, value) in [(f, f, *ff), (f, t, *ft), (t, f, *ft), (t, t, *tt)] {
            match (held[i], held[j]) {
                (Some(_), _) => {}
                (None, Some(fixed)) => right[i] -= value * fixed,
                (None, None) => of_matrix.push((i, j, value)),
            }
        }
    }
    for (right, held) in right.iter_mut().zip(held) {
        *right = held.unwrap_or(*right);
    }
    let matrix = Csc::square(n, &of_matrix);
    let mut lu = Lu::with_order(minimum_degree(&matrix));
    match lu.factor(&matrix) {
        Ok(()) => {}
        Err(LuError::Singular(singular)) => return Err(singular.column),
        Err(LuError::Shape { .. }) => return Err(0),
    }
    lu.solve(&mut right);
    Ok(right)
}
