//! One outage by the model that is left of it.

use powerflow::{Options, Outcome, Reason, Solution, Solver};
use topology::calc::{BranchFlow, BusKind, Voltages};

use crate::dc::{Balance, Rules};
use crate::finding::Status;
use crate::outage::{Lost, Outage, Remainder, remainder};
use crate::system::System;

/// Rounds of the loop that spreads missing power.
const MAX_ROUNDS: u32 = 30;

/// What an outage is solved with.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) system: &'a System,
    pub(super) base: &'a Voltages,
    pub(super) options: &'a Options,
    pub(super) rules: Rules,
}

/// The state after an outage.
#[derive(Clone, PartialEq, Debug)]
pub struct AcState {
    /// The model that is left, with the way back to the base.
    pub left: Remainder,
    /// Its solution; NaN where it is not solved.
    pub solution: Solution,
}

impl AcState {
    /// Voltage magnitude and angle per bus of the base; NaN where dead or not solved.
    pub fn voltages(&self) -> Voltages {
        let figures = |values: &[f64]| -> Vec<f64> {
            self.left.bus.iter().map(|bus| bus.map_or(f64::NAN, |bus| values[bus.at()])).collect()
        };
        let Voltages { vm_pu, va_rad } = &self.solution.voltages;
        Voltages { vm_pu: figures(vm_pu), va_rad: figures(va_rad) }
    }

    /// Flow per branch of the base that is left, NaN for the others.
    pub fn flows(&self, branches: usize) -> Vec<BranchFlow> {
        let nan = f64::NAN;
        let none = BranchFlow { p_from_pu: nan, q_from_pu: nan, p_to_pu: nan, q_to_pu: nan };
        let mut flows = vec![none; branches];
        for (branch, flow) in self.left.branches.iter().zip(&self.solution.flows) {
            if let Some(place) = flows.get_mut(branch.at()) {
                *place = *flow;
            }
        }
        flows
    }

    /// How the calculation ended: of several islands the first that failed.
    pub fn status(&self) -> Status {
        if self.solution.islands.is_empty() {
            return Status::NotSolvable { reason: "no machine is left that can carry an island".to_owned() };
        }
        let mut iterations = 0;
        for outcome in &self.solution.islands {
            match outcome {
                Outcome::Converged { iterations: steps, .. } => iterations = iterations.max(*steps),
                Outcome::Stopped { worst, mismatch_pu, .. } => {
                    let worst = self.left.buses.get(worst.at()).copied().unwrap_or(*worst);
                    return Status::NotConverged { worst, mismatch_pu: *mismatch_pu };
                }
                Outcome::NotSolvable { reason } => {
                    return Status::NotSolvable { reason: self.in_words(*reason) };
                }
            }
        }
        Status::Solved { iterations }
    }

    /// The reason with the names of the model: indices of what is left tell nobody anything.
    fn in_words(&self, reason: Reason) -> String {
        let bus = |index: topology::calc::BusIdx| {
            self.left.grid.buses.get(index.at()).map_or("?", |bus| bus.name.as_str())
        };
        match reason {
            Reason::NoSlack => "an island has no reference".to_owned(),
            Reason::BadBus(at) => format!("bus {} has unusable data", bus(at)),
            Reason::BadBranch(at) => {
                let name = self.left.grid.branches.get(at.at()).map_or("?", |branch| branch.name.as_str());
                format!("branch {name} has unusable data")
            }
            Reason::Singular(at) => format!("the equations are singular at bus {}", bus(at)),
            Reason::LimitsCycle(at) => format!("reactive limits keep changing at bus {}", bus(at)),
        }
    }
}

/// The base state in the same form.
pub(super) fn base_state(system: &System, base: &Solution) -> AcState {
    let mut left = remainder(system, &Outage::default(), &base.voltages, crate::outage::Parts::Dead);
    left.lost = Lost::default();
    AcState { left, solution: base.clone() }
}

pub(super) fn solve(setting: Setting<'_>, outage: &Outage) -> AcState {
    let left = remainder(setting.system, outage, setting.base, setting.rules.parts);
    let mut solver = Solver::new();
    let solution = match setting.rules.balance {
        Balance::Reference => solver.solve(&left.grid, setting.options),
        Balance::Participation => spread(&mut solver, &left, setting.options),
    };
    AcState { left, solution }
}

/// Repeats the power flow until nothing is left to the reference alone.
fn spread(solver: &mut Solver, left: &Remainder, options: &Options) -> Solution {
    let mut grid = left.grid.clone();
    let shared: Vec<bool> = (0..grid.islands as usize)
        .map(|island| {
            let members = grid.buses.iter().zip(&left.participation);
            members.filter(|(bus, _)| bus.island.at() == island).any(|(_, share)| *share > 0.0)
        })
        .collect();
    let mut solution = solver.solve(&grid, options);
    for _ in 0..MAX_ROUNDS {
        let mut missing = vec![0.0; grid.islands as usize];
        for (bus, p_pu) in grid.buses.iter().zip(&solution.p_injection_pu) {
            let island = bus.island.at();
            if bus.kind == BusKind::Slack && shared[island] && p_pu.is_finite() {
                missing[island] = p_pu - bus.p_pu;
            }
        }
        if missing.iter().all(|missing| missing.abs() <= options.tolerance_pu) {
            return solution;
        }
        for (bus, share) in grid.buses.iter_mut().zip(&left.participation) {
            bus.p_pu += share * missing[bus.island.at()];
        }
        for (bus, (vm, va)) in
            grid.buses.iter_mut().zip(solution.voltages.vm_pu.iter().zip(&solution.voltages.va_rad))
        {
            if vm.is_finite() && va.is_finite() && bus.kind != BusKind::Slack {
                bus.va_rad = *va;
                if bus.kind == BusKind::Pq {
                    bus.vm_pu = *vm;
                }
            }
        }
        let next = solver.solve(&grid, options);
        let failed = !next.converged();
        solution = next;
        if failed {
            return solution;
        }
    }
    solution
}
