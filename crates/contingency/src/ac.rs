//! Full AC contingency analysis: every outage a power flow to the tolerance of the base state.
//!
//! Outages of one branch that leave their island whole, and of machines and loads at one bus that is no reference, go to
//! the lanes of [`powerflow::batch::Outages`], unless reactive limits or shared balancing change what holds at a bus;
//! everything else, and what the lanes cannot solve, gets the model that is left of it and Newton's method from the base
//! voltages.
//!
//! Balancing by participation is an outer loop around the power flow (Wood and Wollenberg, ch. 4; the governors'
//! answer after the transient). With the schedule `p` and the shares `α` of an island, reference `r`:
//!
//! ```text
//! Δ = P(r) - p(r)       what the reference has to give beyond its schedule: lost power and changed losses
//! p(i) += α(i) Δ        until |Δ| <= tolerance
//! ```
//!
//! The base state is taken as it is: the schedule of its reference is what it delivers there. Limits of active power
//! do not end a machine's share.

mod compare;
mod general;
mod loss;

use std::ops::ControlFlow;
use std::sync::OnceLock;

use powerflow::batch::{AfterOutage, Batch, Outages, Watch};
use powerflow::{Options, Outcome, Solution, Solver, Start};
use sparse::pool::Pool;
use topology::calc::{Branch, BranchIdx, Bus, BusKind, Grid, Voltages};

use crate::dc::{Balance, Rules};
use crate::finding::{Finding, Monitor, Status};
use crate::outage::{Contingency, Outage};
use crate::system::System;
use compare::Compare;
use loss::Losses;

pub use general::AcState;

/// Most contingencies of one job: enough to keep the lanes filled, and few enough for a caller who waits for a word.
const MOST_PER_JOB: usize = 256;
/// Least contingencies of one job, where several workers share a short list.
const LEAST_PER_JOB: usize = 64;
/// Jobs per worker between two reports to the caller.
const JOBS_PER_WAVE: usize = 2;

/// Why there is nothing to compare with.
#[derive(Clone, PartialEq, Debug)]
pub struct BaseFault {
    /// The base state that was not solved.
    pub solution: Solution,
}

/// A system at its base state, ready for outages.
pub struct AcSweep {
    system: System,
    base: Solution,
    options: Options,
    rules: Rules,
    compare: Compare,
    losses: Losses,
    /// Shared by the outages that the lanes can solve, and what they compare; `None` where they do not apply.
    batch: Option<(Batch, Watch)>,
}

impl AcSweep {
    /// Solves the base state and prepares the comparison with the limits.
    ///
    /// # Errors
    /// When the base state is not solved.
    pub fn new(
        system: &System,
        options: &Options,
        monitor: &Monitor,
        rules: Rules,
    ) -> Result<Self, Box<BaseFault>> {
        let fault = |solution: Solution| Box::new(BaseFault { solution });
        let lanes = !options.enforce_q_limits && rules.balance == Balance::Reference;
        let batch = if lanes && system.grid.islands > 0 {
            Some(Batch::new(nameless(&system.grid), *options).map_err(|solution| fault(*solution))?)
        } else {
            None
        };
        let base = match &batch {
            Some(batch) => batch.base().clone(),
            None => Solver::new().solve(&system.grid, options),
        };
        if base.islands.is_empty() || !base.converged() {
            return Err(fault(base));
        }
        let system = settled(system, &base);
        let compare = Compare::new(&system, monitor, &base);
        Ok(Self {
            losses: Losses::new(&system),
            batch: batch.map(|batch| (batch, compare.watch())),
            compare,
            // From a solved base state, what Newton does not reach is a finding; ways out of hard starts would take
            // longer than all the other outages together.
            options: Options { start: Start::FromGrid, rescue: false, ..*options },
            system,
            base,
            rules,
        })
    }

    /// Leaves the lanes out: every outage by the model that is left of it.
    #[must_use]
    pub fn without_lanes(mut self) -> Self {
        self.batch = None;
        self
    }

    /// The base state.
    pub const fn base(&self) -> &Solution {
        &self.base
    }

    /// The system, its reference scheduled with what it delivers in the base state.
    pub const fn system(&self) -> &System {
        &self.system
    }

    /// What is beyond limits before any outage.
    pub fn base_finding(&self) -> Finding {
        let status = Status::Solved { iterations: 0 };
        let mut finding = Finding::new(0, status);
        let state = general::base_state(&self.system, &self.base);
        self.compare.general(&state, &mut finding);
        finding
    }

    /// Solves one outage and keeps its state.
    pub fn state(&self, outage: &Outage) -> AcState {
        self.state_of(&self.system, outage, &self.base.voltages)
    }

    /// The state of another system after an outage, from the given voltages.
    pub(crate) fn state_of(&self, system: &System, outage: &Outage, base: &Voltages) -> AcState {
        let setting = general::Setting { system, base, options: &self.options, rules: self.rules };
        general::solve(setting, outage)
    }

    /// Loading of a branch in percent of the rating that is watched; `None` where it has none or is out.
    pub fn loading_percent(&self, state: &AcState, branch: BranchIdx) -> Option<f64> {
        self.compare.loading_percent(state, branch)
    }

    /// Judges a state.
    pub fn judge(&self, index: usize, state: &AcState) -> Finding {
        let mut finding = Finding::new(index, state.status());
        self.compare.general(state, &mut finding);
        finding
    }

    /// Solves all contingencies and hands the findings over in the order of the list, until the caller breaks.
    /// The answer is how many were handed over.
    pub fn run(
        &self,
        list: &[Contingency],
        pool: &dyn Pool,
        sink: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> usize {
        let outages = self.batch.as_ref().map(|(batch, watch)| Outages::new(batch, watch));
        let workers = pool.workers().max(1);
        // Results do not depend on what is solved side by side, so neither do they on the size of a job.
        let per_job = match workers {
            1 => MOST_PER_JOB,
            _ => list.len().div_ceil(JOBS_PER_WAVE * workers).clamp(LEAST_PER_JOB, MOST_PER_JOB),
        };
        let per_wave = per_job * JOBS_PER_WAVE * workers;
        let mut done = 0;
        for (wave, part) in list.chunks(per_wave).enumerate() {
            let first = wave * per_wave;
            let jobs: Vec<(usize, &[Contingency])> =
                (first..).step_by(per_job).zip(part.chunks(per_job)).collect();
            let found: Vec<OnceLock<Vec<Finding>>> = jobs.iter().map(|_| OnceLock::new()).collect();
            pool.run(jobs.len(), &|_, job| {
                let (first, cases) = jobs[job];
                // Each job is called once, so its place is free.
                let _ = found[job].set(self.job(outages.as_ref(), cases, first));
            });
            for finding in found.into_iter().filter_map(OnceLock::into_inner).flatten() {
                done += 1;
                if sink(finding).is_break() {
                    return done;
                }
            }
        }
        done
    }

    fn job(&self, outages: Option<&Outages<'_>>, cases: &[Contingency], first: usize) -> Vec<Finding> {
        let mut found: Vec<Option<Finding>> = vec![None; cases.len()];
        if let Some(outages) = outages {
            self.in_lanes(outages, cases, &mut found);
        }
        let mut findings = Vec::with_capacity(cases.len());
        for ((index, case), found) in (first..).zip(cases).zip(found) {
            findings.push(match found {
                Some(finding) => Finding { index, ..finding },
                None => self.judge(index, &self.state(&case.outage)),
            });
        }
        findings
    }

    fn in_lanes(&self, outages: &Outages<'_>, cases: &[Contingency], found: &mut [Option<Finding>]) {
        let (mut places, mut losses) = (Vec::new(), Vec::new());
        for (at, case) in cases.iter().enumerate() {
            if let Some(loss) = self.losses.of(&self.system, &case.outage) {
                places.push(at);
                losses.push(loss);
            }
        }
        if losses.is_empty() {
            return;
        }
        let mut worker = outages.worker();
        let mut take = |after: AfterOutage<'_>| found[places[after.index]] = self.found(&after);
        let rest = outages.solve(&mut worker, &losses, &mut take);
        for index in rest {
            outages.solve_alone(&mut worker, (index, losses[index]), &mut take);
        }
    }

    /// What an outage that was solved, or that Newton's method does not solve, amounts to; `None` where only the model
    /// that is left can tell.
    fn found(&self, after: &AfterOutage<'_>) -> Option<Finding> {
        match after.outcome {
            Outcome::Converged { iterations, .. } => {
                let mut finding = Finding::new(0, Status::Solved { iterations });
                self.compare.plain(after, &mut finding);
                Some(finding)
            }
            Outcome::Stopped { worst, mismatch_pu, .. } => {
                let mut finding = Finding::new(0, Status::NotConverged { worst, mismatch_pu });
                self.compare.unsolved(&mut finding);
                Some(finding)
            }
            Outcome::NotSolvable { .. } => None,
        }
    }
}

/// A grid without the names of its elements, which nobody asks the lanes for: on a small grid they take as long to copy as
/// an outage takes to solve, many times over.
fn nameless(grid: &Grid) -> Grid {
    let buses = grid.buses.iter().map(|bus| Bus { name: String::new(), ..*bus });
    let branches = grid.branches.iter().map(|branch| Branch { name: String::new(), ..*branch });
    Grid { buses: buses.collect(), branches: branches.collect(), ..*grid }
}

/// The references of a system scheduled with what they deliver in its base state.
fn settled(system: &System, base: &Solution) -> System {
    let mut system = system.clone();
    for (at, bus) in system.grid.buses.iter_mut().enumerate() {
        if bus.kind != BusKind::Slack {
            continue;
        }
        let more = base.p_injection_pu[at] - bus.p_pu;
        bus.p_pu += more;
        if let Some(machine) = system.machines.iter_mut().find(|machine| machine.bus.at() == at) {
            machine.p_pu += more;
        }
    }
    system
}
