//! Voltage-dependent loads. The part of constant impedance is a shunt from the beginning; the part of constant current
//! follows the voltage:
//!
//! ```text
//! P = p_current v,  Q = q_current v            until neither changes any more
//! ```

use topology::calc::Grid;
use topology::control::VoltageDependentLoad;

use super::{Act, Control, SETTLED, Which};
use crate::Solution;

/// One load.
pub(super) struct Load {
    at: usize,
    load: VoltageDependentLoad,
    /// What its constant-current part draws in the grid now.
    drawn: [f64; 2],
}

impl Load {
    pub(super) fn new(at: usize, load: VoltageDependentLoad, grid: &mut Grid) -> Self {
        let bus = &mut grid.buses[load.bus.at()];
        bus.g_shunt_pu += load.constant_impedance_pu[0];
        bus.b_shunt_pu -= load.constant_impedance_pu[1];
        let mut found = Self { at, load, drawn: [0.0; 2] };
        let v_pu = if bus.vm_pu > 0.0 { bus.vm_pu } else { 1.0 };
        found.draw(grid, v_pu);
        found
    }

    /// Sets what is drawn; returns the larger change.
    fn draw(&mut self, grid: &mut Grid, v_pu: f64) -> f64 {
        let wanted = self.load.constant_current_pu.map(|part| part * v_pu);
        let change = [wanted[0] - self.drawn[0], wanted[1] - self.drawn[1]];
        let bus = &mut grid.buses[self.load.bus.at()];
        bus.p_pu -= change[0];
        bus.q_pu -= change[1];
        bus.q_load_pu += change[1];
        self.drawn = wanted;
        change[0].abs().max(change[1].abs())
    }
}

impl Control for Load {
    fn which(&self) -> Which {
        Which::Load(self.at)
    }

    fn act(&mut self, grid: &mut Grid, solution: &Solution) -> Act {
        let v_pu = solution.voltages.vm_pu[self.load.bus.at()];
        if self.draw(grid, v_pu) <= SETTLED { Act::Settled } else { Act::Moved }
    }
}
