//! DC lines with a set point, and with a droop that makes them behave like a line:
//!
//! ```text
//! P(from) = p_set + droop (θ(from) - θ(to)), within its range          r = what it should be - P(from)
//! delivered = P(from) - (loss0 + loss1 |P(from)|)
//! ```

use topology::calc::Grid;
use topology::control::DcLineControl;

use super::secant::Secant;
use super::{Act, Control, SETTLED, Which};
use crate::Solution;

/// Reactance between the ends that the first slope assumes.
const GUESS_PU: f64 = 0.05;
/// Largest step of power.
const LARGEST_PU: f64 = 5.0;

/// One line.
pub(super) struct DcLine {
    at: usize,
    line: DcLineControl,
    p_pu: f64,
    secant: Secant,
}

impl DcLine {
    pub(super) fn new(at: usize, line: DcLineControl, grid: &mut Grid) -> Self {
        let p_pu = line.p_set_pu.clamp(line.p_pu[0], line.p_pu[1]);
        let secant = Secant::new(-1.0 - line.droop_pu * GUESS_PU, LARGEST_PU);
        let found = Self { at, line, p_pu, secant };
        found.inject(grid, 1.0);
        found
    }

    /// Adds the line's injections to its buses, or takes them away.
    fn inject(&self, grid: &mut Grid, sign: f64) {
        let loss = self.line.loss0_pu + self.line.loss1 * self.p_pu.abs();
        grid.buses[self.line.from.at()].p_pu -= sign * self.p_pu;
        grid.buses[self.line.to.at()].p_pu += sign * (self.p_pu - loss);
    }
}

impl Control for DcLine {
    fn which(&self) -> Which {
        Which::DcLine(self.at)
    }

    fn act(&mut self, grid: &mut Grid, solution: &Solution) -> Act {
        let angle = |bus: topology::calc::BusIdx| solution.voltages.va_rad[bus.at()];
        let across = angle(self.line.from) - angle(self.line.to);
        let off = self.line.p_set_pu + self.line.droop_pu * across - self.p_pu;
        if self.line.droop_pu == 0.0 || off.abs() <= SETTLED {
            return Act::Settled;
        }
        let next = self.secant.next(self.p_pu, off).clamp(self.line.p_pu[0], self.line.p_pu[1]);
        if next == self.p_pu {
            return Act::AtEnd;
        }
        self.inject(grid, -1.0);
        self.p_pu = next;
        self.inject(grid, 1.0);
        Act::Moved
    }
}
