//! Machines that hold the voltage of another bus together. Their buses become PQ; the sum of their reactive power is the
//! setting that the secant moves, shared by their factors and cut at their limits:
//!
//! ```text
//! Q(i) = min(max(factor(i) Q, Q_min(i)), Q_max(i))            r = v(bus) - v_set
//! ```
//!
//! With all of them at a limit the voltage is no longer held; they come back as soon as the secant turns.

use topology::calc::{BusKind, Grid};
use topology::control::RemoteVoltage;

use super::secant::Secant;
use super::{Act, Control, SETTLED, Which};
use crate::Solution;

/// First guess of what reactive power does to the voltage, in p.u. per p.u.
const GUESS: f64 = 0.05;
/// Largest step of reactive power.
const LARGEST_PU: f64 = 2.0;

/// One group.
pub(super) struct Remote {
    at: usize,
    remote: RemoteVoltage,
    secant: Secant,
    /// Sum of reactive power before limits; `None` before the first solution.
    q_pu: Option<f64>,
}

impl Remote {
    pub(super) fn new(at: usize, mut remote: RemoteVoltage) -> Self {
        let sum: f64 = remote.machines.iter().map(|(_, factor)| factor).sum();
        for (_, factor) in &mut remote.machines {
            *factor /= sum;
        }
        Self { at, remote, secant: Secant::new(GUESS, LARGEST_PU), q_pu: None }
    }

    /// Writes the shares; returns whether each machine is at a limit in the direction given.
    fn set(&self, grid: &mut Grid, q_pu: f64) {
        for (bus, factor) in &self.remote.machines {
            let bus = &mut grid.buses[bus.at()];
            bus.kind = BusKind::Pq;
            bus.q_pu = (factor * q_pu).clamp(bus.q_gen_min_pu, bus.q_gen_max_pu) - bus.q_load_pu;
        }
    }

    /// Least and most of the sum that still changes something.
    fn range(&self, grid: &Grid) -> [f64; 2] {
        let ends = |pick: fn(&topology::calc::Bus) -> f64| {
            self.remote.machines.iter().map(move |(bus, factor)| pick(&grid.buses[bus.at()]) / factor)
        };
        let least = ends(|bus| bus.q_gen_min_pu).fold(f64::INFINITY, f64::min);
        let most = ends(|bus| bus.q_gen_max_pu).fold(f64::NEG_INFINITY, f64::max);
        [least, most]
    }
}

impl Control for Remote {
    fn which(&self) -> Which {
        Which::RemoteVoltage(self.at)
    }

    fn act(&mut self, grid: &mut Grid, solution: &Solution) -> Act {
        let [least, most] = self.range(grid);
        let Some(q_pu) = self.q_pu else {
            let total: f64 =
                self.remote.machines.iter().map(|(bus, _)| solution.machine_q_pu(grid, *bus)).sum();
            let q_pu = total.clamp(least, most);
            self.set(grid, q_pu);
            self.q_pu = Some(q_pu);
            return Act::Moved;
        };
        let off = solution.voltages.vm_pu[self.remote.bus.at()] - self.remote.v_set_pu;
        if off.abs() <= SETTLED {
            return Act::Settled;
        }
        let next = self.secant.next(q_pu, off).clamp(least, most);
        if next == q_pu {
            return Act::AtEnd;
        }
        self.set(grid, next);
        self.q_pu = Some(next);
        Act::Moved
    }
}
