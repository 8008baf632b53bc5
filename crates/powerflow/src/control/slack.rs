//! Distributed slack: what the slacks of an island deliver beyond their schedule is shared by the participants.
//!
//! ```text
//! Δ = Σ slacks (P - P_scheduled)        P_scheduled(i) += Δ factor(i) / Σ factor     until |Δ| is settled
//! ```
//!
//! A participant at the end of its room leaves its part to the others.

use topology::calc::{BusKind, Grid};
use topology::control::Participant;

use super::{Act, Control, SETTLED, Which};
use crate::Solution;

/// The participants of one island.
pub(super) struct Slack {
    island: usize,
    slacks: Vec<usize>,
    participants: Vec<Participant>,
    /// Injection added so far.
    added: Vec<f64>,
}

impl Slack {
    pub(super) fn new(island: usize, all: &[Participant], grid: &Grid) -> Option<Self> {
        let here = |bus: usize| grid.buses.get(bus).is_some_and(|bus| bus.island.at() == island);
        let participants: Vec<Participant> = all
            .iter()
            .filter(|participant| participant.factor > 0.0 && here(participant.bus.at()))
            .copied()
            .collect();
        let slack = |bus: &usize| here(*bus) && grid.buses[*bus].kind == BusKind::Slack;
        let slacks = (0..grid.buses.len()).filter(slack).collect();
        let added = vec![0.0; participants.len()];
        (!participants.is_empty()).then_some(Self { island, slacks, participants, added })
    }

    /// Shares the whole amount anew, as far as there is room.
    fn share(&mut self, grid: &mut Grid, mut amount: f64) {
        let mut added = vec![0.0; self.participants.len()];
        // Each pass fills at least one participant or shares all of it.
        for _ in 0..=self.participants.len() {
            let end = |at: usize| self.participants[at].room_pu[usize::from(amount > 0.0)];
            let open: Vec<usize> =
                (0..added.len()).filter(|&at| (end(at) - added[at]) * amount.signum() > 0.0).collect();
            let weights: f64 = open.iter().map(|&at| self.participants[at].factor).sum();
            if open.is_empty() || amount == 0.0 {
                break;
            }
            let mut left = 0.0;
            for at in open {
                let wanted = amount * self.participants[at].factor / weights;
                let room = end(at) - added[at];
                let given = if wanted.abs() < room.abs() { wanted } else { room };
                left += wanted - given;
                added[at] += given;
            }
            amount = left;
        }
        for ((participant, before), now) in self.participants.iter().zip(&mut self.added).zip(added) {
            grid.buses[participant.bus.at()].p_pu += now - *before;
            *before = now;
        }
    }
}

impl Control for Slack {
    fn which(&self) -> Which {
        Which::Slack(self.island)
    }

    fn act(&mut self, grid: &mut Grid, solution: &Solution) -> Act {
        let beyond: f64 =
            self.slacks.iter().map(|&bus| solution.p_injection_pu[bus] - grid.buses[bus].p_pu).sum();
        if beyond.abs() <= SETTLED {
            return Act::Settled;
        }
        let before = self.added.clone();
        let shared: f64 = before.iter().sum();
        self.share(grid, shared + beyond);
        if self.added == before { Act::AtEnd } else { Act::Moved }
    }
}
