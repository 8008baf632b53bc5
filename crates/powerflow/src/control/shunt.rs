//! Shunts whose blocks are switched one at a time while a voltage is outside of its band.

use topology::calc::Grid;
use topology::control::ShuntControl;

use super::{Act, Control, Turns, Which, direction};
use crate::Solution;

/// One shunt.
pub(super) struct Shunt {
    at: usize,
    shunt: ShuntControl,
    /// Susceptance of the bus without the blocks.
    rest_pu: f64,
    turns: Turns,
    hunting: bool,
}

impl Shunt {
    pub(super) fn new(at: usize, shunt: ShuntControl, grid: &mut Grid) -> Self {
        let rest_pu = grid.buses[shunt.shunt.at()].b_shunt_pu;
        let found = Self { at, shunt, rest_pu, turns: Turns::default(), hunting: false };
        found.set(grid);
        found
    }

    fn set(&self, grid: &mut Grid) {
        let blocks = f64::from(self.shunt.blocks) * self.shunt.block_pu;
        grid.buses[self.shunt.shunt.at()].b_shunt_pu = self.rest_pu + blocks;
    }
}

impl Control for Shunt {
    fn which(&self) -> Which {
        Which::Shunt(self.at)
    }

    fn act(&mut self, grid: &mut Grid, solution: &Solution) -> Act {
        let v_pu = solution.voltages.vm_pu[self.shunt.bus.at()];
        let Some(direction) = direction(v_pu, self.shunt.band_pu) else { return Act::Settled };
        self.hunting |= self.turns.hunting(direction);
        if self.hunting {
            return Act::Hunting;
        }
        let more = direction * self.shunt.block_pu > 0.0;
        self.shunt.blocks = match (more, self.shunt.blocks) {
            (true, blocks) if blocks < self.shunt.most_blocks => blocks + 1,
            (false, blocks) if blocks > 0 => blocks - 1,
            (true | false, _) => return Act::AtEnd,
        };
        self.set(grid);
        Act::Moved
    }
}
