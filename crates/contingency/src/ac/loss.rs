//! Which outages the lanes can take.

use powerflow::batch::Loss;
use topology::calc::{BusIdx, BusKind};

use crate::bridges::Bridges;
use crate::outage::Outage;
use crate::system::System;

/// What decides about it in a system.
#[derive(Clone, Debug)]
pub(super) struct Losses {
    bridges: Bridges,
    /// Machines that hold the voltage, by bus.
    regulating: Vec<u32>,
}

impl Losses {
    pub(super) fn new(system: &System) -> Self {
        let mut regulating = vec![0; system.grid.buses.len()];
        for machine in system.machines.iter().filter(|machine| machine.regulating) {
            regulating[machine.bus.at()] += 1;
        }
        Self { bridges: Bridges::new(&system.grid), regulating }
    }

    /// An outage as the lanes see it; `None` where they do not apply.
    pub(super) fn of(&self, system: &System, outage: &Outage) -> Option<Loss> {
        if let [branch] = *outage.branches
            && outage.only_branches()
        {
            return (!self.bridges.is_bridge(branch)).then_some(Loss::Branch(branch));
        }
        self.at_a_bus(system, outage)
    }

    /// Machines and loads at one bus: power that is missing there, and perhaps a voltage that nothing holds any more.
    fn at_a_bus(&self, system: &System, outage: &Outage) -> Option<Loss> {
        let only_power = outage.branches.is_empty()
            && outage.open_ends.is_empty()
            && outage.buses.is_empty()
            && outage.shunts.is_empty()
            && outage.splits.is_empty();
        let machines = outage.machines.iter().map(|machine| &system.machines[*machine as usize]);
        let loads = outage.loads.iter().map(|load| &system.loads[*load as usize]);
        let mut buses = machines.clone().map(|machine| machine.bus).chain(loads.clone().map(|load| load.bus));
        let bus: BusIdx = buses.next()?;
        let kind = system.grid.buses[bus.at()].kind;
        if !only_power || kind == BusKind::Slack || buses.any(|other| other != bus) {
            return None;
        }
        let mut s_pu = [0.0; 2];
        let mut left = self.regulating[bus.at()];
        for machine in machines {
            s_pu[0] -= machine.p_pu;
            if machine.regulating {
                left = left.saturating_sub(1);
            } else {
                s_pu[1] -= machine.q_pu;
            }
        }
        for load in loads {
            s_pu = [s_pu[0] + load.p_pu, s_pu[1] + load.q_pu];
        }
        let released = kind == BusKind::Pv && !outage.machines.is_empty() && left == 0;
        Some(Loss::Power { bus, s_pu, released })
    }
}
