//! Phase shifters that hold the active power into their from end. A larger shift delays the to side and lowers the flow.

use topology::calc::Grid;
use topology::control::ShiftControl;

use super::secant::Secant;
use super::{Act, Control, SETTLED, Turns, Which, direction};
use crate::Solution;

/// Largest continuous move of a shift.
const LARGEST_RAD: f64 = 0.2;
/// A shift this near to its end is there.
const ROUNDING_RAD: f64 = 1e-12;

/// One phase shifter.
pub(super) struct Shift {
    at: usize,
    shifter: ShiftControl,
    secant: Option<Secant>,
    turns: Turns,
    hunting: bool,
}

impl Shift {
    pub(super) fn new(at: usize, shifter: ShiftControl) -> Self {
        Self { at, shifter, secant: None, turns: Turns::default(), hunting: false }
    }
}

impl Control for Shift {
    fn which(&self) -> Which {
        Which::PhaseShifter(self.at)
    }

    fn act(&mut self, grid: &mut Grid, solution: &Solution) -> Act {
        let flow = solution.flows[self.shifter.branch.at()].p_from_pu;
        let branch = &mut grid.branches[self.shifter.branch.at()];
        let [least, most] = self.shifter.shift_rad;
        let next = match self.shifter.step_rad {
            None => {
                let off = flow - f64::midpoint(self.shifter.band_pu[0], self.shifter.band_pu[1]);
                if off.abs() <= SETTLED {
                    return Act::Settled;
                }
                // The rest of the grid between the ends is taken to be as long as the branch.
                let guess = -0.5 / branch.x_pu.abs().max(1e-4);
                let secant = self.secant.get_or_insert_with(|| Secant::new(guess, LARGEST_RAD));
                secant.next(branch.shift_rad, off).clamp(least, most)
            }
            Some(step) => {
                let Some(direction) = direction(flow, self.shifter.band_pu) else { return Act::Settled };
                self.hunting |= self.turns.hunting(direction);
                if self.hunting {
                    return Act::Hunting;
                }
                let next = branch.shift_rad - direction * step;
                if next < least - ROUNDING_RAD || next > most + ROUNDING_RAD {
                    branch.shift_rad
                } else {
                    next
                }
            }
        };
        if next == branch.shift_rad {
            return Act::AtEnd;
        }
        branch.shift_rad = next;
        Act::Moved
    }
}
