//! Tap changers under load. With steps: one step towards the band while the voltage is outside of it. Without steps:
//! the secant to the middle of the band.

use topology::calc::Grid;
use topology::control::{Effect, TapControl};

use super::secant::Secant;
use super::{Act, Control, SETTLED, Turns, Which, direction};
use crate::Solution;

/// Largest continuous move of a ratio.
const LARGEST: f64 = 0.1;
/// A ratio this near to its end is there.
const ROUNDING: f64 = 1e-12;

/// One tap changer.
pub(super) struct Tap {
    at: usize,
    tap: TapControl,
    secant: Secant,
    turns: Turns,
    hunting: bool,
}

impl Tap {
    pub(super) fn new(at: usize, tap: TapControl) -> Self {
        // A ratio moves a voltage by about as much as itself.
        let secant = Secant::new(sign(tap.effect), LARGEST);
        Self { at, tap, secant, turns: Turns::default(), hunting: false }
    }
}

const fn sign(effect: Effect) -> f64 {
    match effect {
        Effect::Raises => 1.0,
        Effect::Lowers => -1.0,
    }
}

impl Control for Tap {
    fn which(&self) -> Which {
        Which::Tap(self.at)
    }

    fn act(&mut self, grid: &mut Grid, solution: &Solution) -> Act {
        let v_pu = solution.voltages.vm_pu[self.tap.bus.at()];
        let ratio = &mut grid.branches[self.tap.branch.at()].ratio;
        let [least, most] = self.tap.ratio;
        let next = match self.tap.step {
            None => {
                let off = v_pu - f64::midpoint(self.tap.band_pu[0], self.tap.band_pu[1]);
                if off.abs() <= SETTLED {
                    return Act::Settled;
                }
                self.secant.next(*ratio, off).clamp(least, most)
            }
            Some(step) => {
                let Some(direction) = direction(v_pu, self.tap.band_pu) else { return Act::Settled };
                self.hunting |= self.turns.hunting(direction);
                if self.hunting {
                    return Act::Hunting;
                }
                let next = *ratio + sign(self.tap.effect) * direction * step;
                if next < least - ROUNDING || next > most + ROUNDING { *ratio } else { next }
            }
        };
        if next == *ratio {
            return Act::AtEnd;
        }
        *ratio = next;
        Act::Moved
    }
}
