//! What is tried when a method stops: another start, smaller steps, and a way from the unloaded grid.
//!
//! 1. **DC start**: Newton again from the angles of the DC power flow.
//! 2. **Step control**: Iwamoto and Tamura, "A load flow calculation method for ill-conditioned power systems", IEEE
//!    Trans. PAS-100, 1981, in polar coordinates. Along the Newton step `Δx`, with `a = F(x)` and `c` the part of the
//!    mismatch that the full step leaves beyond its linear prediction,
//!
//!    ```text
//!    F(x + μ Δx) ≈ (1 - μ) a + μ² c            μ = argmin |F|²,  halved until |F|² has really fallen
//!    ```
//!
//!    A step that shrinks to nothing is a minimum of the mismatch: there is no solution nearby.
//! 3. **Continuation**: all injections times `λ`, from 0 to 1, each solved from the secant through the last two
//!    (Ajjarapu and Christy, "The continuation power flow", IEEE Trans. Power Systems 7(1), 1992, with the load factor as
//!    parameter). Where the unloaded grid has no solution either, the mismatch of the DC start is released instead:
//!    `F(x) = (1 - λ) F(x0)`. The largest `λ` that was solved and the bus whose voltage gave way there are the diagnosis.
//!
//! Voltages far below what anybody operates, or an angle beyond 90° across a branch, are the marks of the other
//! solutions that the equations have. Such a result is not taken before the other ways have been tried, and carries a
//! [`Doubt`] if nothing better is found.

use topology::calc::{Branch, BranchIdx, Bus, BusIdx, BusKind, Grid};

use crate::current_injection::{self, Matrix};
use crate::island::{Island, Run};
use crate::nodal::mismatch;
use crate::solver::Part;
use crate::{Method, Options, dc, decoupled, fixed_point};

/// Steps with step control.
const MOST_CONTROLLED: u32 = 60;
/// A step below this share of Newton's is none.
const SMALLEST_SHARE: f64 = 1e-4;
/// Largest change of an angle and relative change of a magnitude in one controlled step.
const LARGEST_STEP: f64 = 0.5;
/// Solutions on the way from no load to full load.
const MOST_POINTS: u32 = 120;
/// The way stops when its steps become smaller than this.
const SMALLEST_ADVANCE: f64 = 1e-3;
/// Newton steps per point on the way.
const STEPS_PER_POINT: u32 = 8;
/// Mismatch that is good enough on the way.
const WAYPOINT_PU: f64 = 1e-6;
/// A magnitude below this is no operating point.
const COLLAPSED_PU: f64 = 0.5;

/// Which way led to the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Way {
    /// The method from the start that was asked for.
    #[default]
    Plain,
    /// Newton's method from the angles of the DC power flow.
    DcStart,
    /// Newton's method with step control.
    StepControl,
    /// Injections raised step by step.
    Continuation,
}

/// Why a solution of the equations may not be a state of the grid.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Doubt {
    /// The lowest magnitude, far below any operating voltage.
    LowVoltage(BusIdx, f64),
    /// More than 90° across a branch.
    WideAngle(BranchIdx),
}

/// What it took to solve an island, or how far it came.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Effort {
    /// The way that served, or the last one tried.
    pub way: Way,
    /// Without a solution: the largest share of all injections that has one, and the bus whose voltage gives way there;
    /// 0 and the bus with the largest mismatch if none was found for the unloaded grid either.
    pub reached: Option<(f64, BusIdx)>,
    /// What speaks against the result.
    pub doubt: Option<Doubt>,
}

/// Voltages to come back to.
type Place = [Vec<f64>; 2];

fn place(island: &Island) -> Place {
    [island.vm_pu.clone(), island.va_rad.clone()]
}

fn go_to(island: &mut Island, place: &Place) {
    island.vm_pu.copy_from_slice(&place[0]);
    island.va_rad.copy_from_slice(&place[1]);
}

const fn converged(run: &Run) -> bool {
    matches!(run, Run::Converged { .. })
}

impl Part {
    fn parts<'a>(&self, grid: &'a Grid) -> (Vec<&'a Bus>, Vec<([u32; 2], &'a Branch)>) {
        let buses = self.buses.iter().map(|&b| &grid.buses[b]).collect();
        let branches = self.branches.iter().map(|&b| &grid.branches[b]);
        (buses, self.island.ends().iter().copied().zip(branches).collect())
    }

    /// Replaces the angles by those of the DC power flow and the magnitudes that are not held by what lies between the
    /// held ones, if there are such.
    pub(crate) fn dc_start(&mut self, grid: &Grid) {
        let (buses, branches) = self.parts(grid);
        if let Ok(va_rad) = dc::angles(&mut self.island, (&buses, &branches))
            && va_rad.iter().all(|angle| angle.is_finite())
        {
            self.island.va_rad.copy_from_slice(&va_rad);
        }
        if let Ok(vm_pu) = dc::magnitudes(&mut self.island, &branches)
            && vm_pu.iter().all(|vm| dc::USUAL_PU.contains(vm))
        {
            self.island.vm_pu.copy_from_slice(&vm_pu);
        }
    }

    fn plain(&mut self, grid: &Grid, options: &Options) -> Run {
        let limits = (options.tolerance_pu, options.max_iterations);
        if options.method == Method::Newton {
            return self.island.run(limits.0, limits.1);
        }
        let (buses, branches) = self.parts(grid);
        let island = &mut self.island;
        match options.method {
            Method::Newton => island.run(limits.0, limits.1),
            Method::Decoupled(variant) => decoupled::run(variant, island, (&buses, &branches), limits),
            Method::CurrentInjection => current_injection::run(island, Matrix::Newton, limits),
            Method::FixedPoint => fixed_point::run(island, limits),
            Method::Dc => dc::run(island, (&buses, &branches)),
        }
    }

    /// The method from the present voltages, and the other ways if it needs them.
    pub(crate) fn attempt(&mut self, grid: &Grid, options: &Options, effort: &mut Effort) -> Run {
        let begin = options.rescue.then(|| place(&self.island));
        let plain = self.plain(grid, options);
        let doubt = if converged(&plain) && options.method != Method::Dc { self.doubt(grid) } else { None };
        let good = converged(&plain) && doubt.is_none();
        if good || !options.rescue || options.method != Method::Newton {
            *effort = Effort { doubt, ..*effort };
            return plain;
        }
        let end = place(&self.island);
        let mut taken = match plain {
            Run::Converged { steps, .. } | Run::Stopped { steps, .. } => steps,
            Run::Singular { .. } => 0,
        };
        for way in [Way::DcStart, Way::StepControl, Way::Continuation] {
            let run = match way {
                Way::Plain => continue,
                Way::DcStart => {
                    self.unload(grid);
                    self.dc_start(grid);
                    self.island.run_once(options.tolerance_pu, options.max_iterations)
                }
                Way::StepControl => {
                    if let Some(begin) = &begin {
                        go_to(&mut self.island, begin);
                    }
                    controlled(&mut self.island, options.tolerance_pu)
                }
                Way::Continuation => self.continuation(grid, options, effort),
            };
            match run {
                Run::Converged { steps, mismatch_pu } if self.doubt(grid).is_none() => {
                    *effort = Effort { way, reached: None, doubt: None };
                    return Run::Converged { steps: steps + taken, mismatch_pu };
                }
                Run::Converged { steps, .. } | Run::Stopped { steps, .. } => taken += steps,
                Run::Singular { .. } => {}
            }
        }
        // Nothing better: what the method itself found.
        go_to(&mut self.island, &end);
        self.island.check();
        effort.doubt = doubt;
        effort.way = if converged(&plain) { Way::Plain } else { Way::Continuation };
        plain
    }

    /// Magnitudes of set points and 1, angles of the slack.
    fn unload(&mut self, grid: &Grid) {
        let kind = |b: usize| grid.buses[b].kind;
        let slack = self.buses.iter().find(|&&b| kind(b) == BusKind::Slack);
        let reference_rad = slack.map_or(0.0, |&b| grid.buses[b].va_rad);
        for (i, &b) in self.buses.iter().enumerate() {
            let bus = &grid.buses[b];
            let (vm_pu, va_rad) = match bus.kind {
                BusKind::Slack => (bus.vm_pu, bus.va_rad),
                BusKind::Pv => (bus.vm_pu, reference_rad),
                BusKind::Pq => (1.0, reference_rad),
            };
            (self.island.vm_pu[i], self.island.va_rad[i]) = (vm_pu, va_rad);
        }
    }

    fn continuation(&mut self, grid: &Grid, options: &Options, effort: &mut Effort) -> Run {
        let full = [self.island.p_set_pu.clone(), self.island.q_set_pu.clone()];
        let scale = |island: &mut Island, base: &[Vec<f64>; 2], share: f64| {
            let mix = |set: &mut [f64], base: &[f64], full: &[f64]| {
                for ((set, base), full) in set.iter_mut().zip(base).zip(full) {
                    *set = base + share * (full - base);
                }
            };
            mix(&mut island.p_set_pu, &base[0], &full[0]);
            mix(&mut island.q_set_pu, &base[1], &full[1]);
        };
        let mut base = [vec![0.0; full[0].len()], vec![0.0; full[1].len()]];
        self.unload(grid);
        scale(&mut self.island, &base, 0.0);
        self.dc_start(grid);
        let loaded = converged(&controlled(&mut self.island, WAYPOINT_PU));
        if !loaded {
            // Not even the unloaded grid: from the DC start of the loaded one, its mismatch released.
            scale(&mut self.island, &base, 1.0);
            self.unload(grid);
            self.dc_start(grid);
            self.island.check();
            base = [self.island.p_pu.clone(), self.island.q_pu.clone()];
        }
        let (share, weakest) = follow(&mut self.island, |island, share| scale(island, &base, share));
        [self.island.p_set_pu, self.island.q_set_pu] = full;
        if share < 1.0 {
            let (worst, mismatch_pu) = self.island.check();
            effort.reached = Some(if loaded { (share, self.bus(weakest)) } else { (0.0, self.bus(worst)) });
            return Run::Stopped { worst, mismatch_pu, steps: 0 };
        }
        self.island.run(options.tolerance_pu, options.max_iterations)
    }

    /// What speaks against the present voltages.
    fn doubt(&self, grid: &Grid) -> Option<Doubt> {
        let island = &self.island;
        let lowest = (0..self.buses.len()).min_by(|&a, &b| island.vm_pu[a].total_cmp(&island.vm_pu[b]))?;
        if island.vm_pu[lowest] < COLLAPSED_PU {
            return Some(Doubt::LowVoltage(self.bus(lowest), island.vm_pu[lowest]));
        }
        let wide = |(&b, [from, to]): (&usize, &[u32; 2])| {
            let across =
                island.va_rad[*from as usize] - island.va_rad[*to as usize] - grid.branches[b].shift_rad;
            if across.abs() <= std::f64::consts::FRAC_PI_2 {
                return None;
            }
            // Whole turns do not count.
            let wide = (across / std::f64::consts::TAU).fract().abs();
            (0.25 < wide && wide < 0.75).then(|| BranchIdx(u32::try_from(b).unwrap_or(u32::MAX)))
        };
        self.branches.iter().zip(island.ends()).find_map(wide).map(Doubt::WideAngle)
    }
}

/// Raises the share from 0 to 1; returns the largest one that was solved, where the island then is, and the bus whose
/// magnitude moved most at the end.
fn follow(island: &mut Island, mut scale: impl FnMut(&mut Island, f64)) -> (f64, usize) {
    let mut here = (0.0, place(island));
    let mut before: Option<(f64, Place)> = None;
    let mut advance = 0.25;
    let mut weakest = 0;
    for _ in 0..MOST_POINTS {
        let share = f64::min(1.0, here.0 + advance);
        scale(island, share);
        if let Some((last, from)) = &before {
            let stretch = (share - here.0) / (here.0 - last);
            for (now, (a, b)) in
                [&mut island.vm_pu, &mut island.va_rad].into_iter().zip(from.iter().zip(&here.1))
            {
                now.iter_mut().zip(a.iter().zip(b)).for_each(|(x, (a, b))| *x = b + stretch * (b - a));
            }
        }
        let solved = converged(&island.run_once(WAYPOINT_PU, STEPS_PER_POINT));
        let moved = largest_move(island, &here.1);
        if solved && moved.1 < LARGEST_STEP {
            weakest = moved.0;
            before = Some(std::mem::replace(&mut here, (share, place(island))));
            if share >= 1.0 {
                return (1.0, weakest);
            }
            advance *= 1.6;
        } else {
            go_to(island, &here.1);
            advance /= 2.0;
            if advance < SMALLEST_ADVANCE {
                break;
            }
        }
    }
    (here.0, weakest)
}

/// The bus whose magnitude differs most from a place, with that difference.
fn largest_move(island: &Island, from: &Place) -> (usize, f64) {
    let moves = island.vm_pu.iter().zip(&from[0]).map(|(now, before)| (now - before).abs()).enumerate();
    moves.fold((0, 0.0), |most, next| if next.1 > most.1 { next } else { most })
}

/// Newton's method with step control from the present voltages.
fn controlled(island: &mut Island, tolerance_pu: f64) -> Run {
    for steps in 0..MOST_CONTROLLED {
        let (step, (worst, mismatch_pu)) = island.newton_step();
        if mismatch_pu <= tolerance_pu {
            return Run::Converged { steps, mismatch_pu };
        }
        let stopped = Run::Stopped { worst, mismatch_pu, steps };
        let Some(step) = step.map(<[[f64; 2]]>::to_vec) else { return Run::Singular { bus: worst } };
        let longest = step.iter().flatten().fold(0.0, |longest: f64, part| longest.max(part.abs()));
        if !longest.is_finite() {
            return stopped;
        }
        let share = f64::min(1.0, LARGEST_STEP / longest);
        let here = place(island);
        let squares = island.squares();
        let before: Vec<[f64; 2]> = (0..step.len()).map(|i| mismatch(island, i)).collect();
        advance(island, &here, (&step, share));
        island.check();
        let after: Vec<[f64; 2]> = (0..step.len()).map(|i| mismatch(island, i)).collect();
        let mut part = share * best_part(before.as_flattened(), after.as_flattened(), share);
        loop {
            advance(island, &here, (&step, part));
            island.check();
            if island.squares() < squares {
                break;
            }
            part /= 2.0;
            if part < SMALLEST_SHARE {
                go_to(island, &here);
                island.check();
                return stopped;
            }
        }
    }
    let (worst, mismatch_pu) = island.check();
    if mismatch_pu <= tolerance_pu {
        return Run::Converged { steps: MOST_CONTROLLED, mismatch_pu };
    }
    Run::Stopped { worst, mismatch_pu, steps: MOST_CONTROLLED }
}

fn advance(island: &mut Island, from: &Place, (step, share): (&[[f64; 2]], f64)) {
    for (i, [angle, magnitude]) in step.iter().enumerate() {
        island.va_rad[i] = from[1][i] + share * angle;
        island.vm_pu[i] = from[0][i] * (1.0 + share * magnitude);
    }
}

/// The part `μ` of a step of the given share of Newton's for which `a (1 - share μ) + c μ²` is shortest.
fn best_part(before: &[f64], after: &[f64], share: f64) -> f64 {
    let (mut aa, mut ac, mut cc) = (0.0, 0.0, 0.0);
    for (a, end) in before.iter().zip(after) {
        let c = end - (1.0 - share) * a;
        aa += a * a;
        ac += a * c;
        cc += c * c;
    }
    let length = |part: f64| {
        let linear = 1.0 - share * part;
        linear * linear * aa + 2.0 * linear * part * part * ac + part.powi(4) * cc
    };
    let candidates = (1..=100).map(|n| f64::from(n) / 100.0);
    candidates.min_by(|a, b| length(*a).total_cmp(&length(*b))).unwrap_or(1.0)
}
