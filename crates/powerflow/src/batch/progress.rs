//! Which lanes of a block still move.

use sparse::lanes::{MAX_LANES, Simd, from_array};

/// A step that leaves more than this share of the mismatch means that the method does not serve.
const SLOWEST: f64 = 0.6;
/// Steps before a slow lane is given up.
const PATIENCE: u32 = 3;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) tolerance_pu: f64,
    pub(crate) most_steps: u32,
}

/// What became of each lane. A lane that has arrived is held, so that what it shows does not depend on how long its
/// neighbours take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Largest mismatch, as last seen.
    pub(crate) worst_pu: [f64; MAX_LANES],
    pub(crate) steps: [u32; MAX_LANES],
    moving: [bool; MAX_LANES],
    slowest: f64,
    patience: u32,
}

impl Progress {
    pub(crate) fn new(width: usize) -> Self {
        let mut moving = [false; MAX_LANES];
        moving[..width].fill(true);
        let worst_pu = [f64::INFINITY; MAX_LANES];
        Self { worst_pu, steps: [0; MAX_LANES], moving, slowest: SLOWEST, patience: PATIENCE }
    }

    /// Gives a lane up when a step leaves more than the share `slowest` of the mismatch after `patience` steps, instead
    /// of what suits most.
    pub(crate) fn with_patience(self, slowest: f64, patience: u32) -> Self {
        Self { slowest, patience, ..self }
    }

    /// Takes over the present mismatches and says whether a lane needs another step.
    #[inline(always)]
    pub(crate) fn goes_on(&mut self, worst_pu: [f64; MAX_LANES], limits: Limits) -> bool {
        let mut any = false;
        for (lane, &worst_pu) in worst_pu.iter().enumerate() {
            if !self.moving[lane] {
                continue;
            }
            let falls = worst_pu <= self.slowest * self.worst_pu[lane];
            self.worst_pu[lane] = worst_pu;
            let patient = self.steps[lane] < self.patience || falls;
            let open = worst_pu > limits.tolerance_pu && worst_pu.is_finite();
            self.moving[lane] = open && patient && self.steps[lane] < limits.most_steps;
            self.steps[lane] += u32::from(self.moving[lane]);
            any |= self.moving[lane];
        }
        any
    }

    /// A lane begins anew, with a first step whose mismatch nobody looked at because it is that of the base case.
    pub(crate) fn restart(&mut self, lane: usize) {
        (self.worst_pu[lane], self.steps[lane], self.moving[lane]) = (f64::INFINITY, 1, true);
    }

    /// Whether a lane takes the next step.
    pub(crate) fn is_moving(&self, lane: usize) -> bool {
        self.moving[lane]
    }

    /// The lanes that take the next step.
    #[inline(always)]
    pub(crate) fn moving<S: Simd>(&self, simd: S) -> S::m64s {
        let mut flags = [0.0; MAX_LANES];
        for (flag, &moving) in flags.iter_mut().zip(&self.moving) {
            *flag = f64::from(u8::from(moving));
        }
        simd.greater_than_f64s(from_array::<S>(&flags), simd.splat_f64s(0.5))
    }
}
