//! Full AC contingency analysis: every outage a power flow to the tolerance of the base state.
//!
//! Outages of branches that leave every island whole go to an engine for many of them, if the caller has one;
//! everything else gets the model that is left of it and Newton's method from the base voltages.
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

use std::ops::ControlFlow;
use std::sync::OnceLock;

use powerflow::{Options, Outcome, Solution, Solver, Start};
use sparse::pool::Pool;
use topology::calc::{BranchIdx, BusKind, Voltages};

use crate::bridges::{Bridges, Neighbours, Reach};
use crate::dc::Rules;
use crate::finding::{Finding, Monitor, Status};
use crate::outage::{Contingency, Outage};
use crate::system::System;
use compare::Compare;

pub use general::AcState;

/// Contingencies that a worker solves between two looks at the pool.
const PER_JOB: usize = 16;
/// Jobs per worker between two reports to the caller.
const JOBS_PER_WAVE: usize = 4;

/// An engine for many outages of branches that leave every island whole.
pub trait BranchOutages: Sync {
    /// Solves them, each as its own power flow, and shows every one: its position, what became of it, and the
    /// voltages `[e, f]` in p.u. by bus. What it does not show is solved otherwise.
    fn solve(&self, outages: &[&[BranchIdx]], visit: &mut dyn FnMut(usize, Outcome, &[[f64; 2]]));
}

/// Why there is nothing to compare with.
#[derive(Clone, PartialEq, Debug)]
pub struct BaseFault {
    /// The base state that was not solved.
    pub solution: Solution,
}

/// A system at its base state, ready for outages.
pub struct AcSweep<'a> {
    system: System,
    base: Solution,
    options: Options,
    rules: Rules,
    compare: Compare,
    bridges: Bridges,
    neighbours: Neighbours,
    engine: Option<&'a dyn BranchOutages>,
}

impl<'a> AcSweep<'a> {
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
        let base = Solver::new().solve(&system.grid, options);
        if base.islands.is_empty() || !base.converged() {
            return Err(Box::new(BaseFault { solution: base }));
        }
        let system = settled(system, &base);
        Ok(Self {
            compare: Compare::new(&system, monitor, &base),
            bridges: Bridges::new(&system.grid),
            neighbours: Neighbours::new(&system.grid),
            options: Options { start: Start::FromGrid, ..*options },
            system,
            base,
            rules,
            engine: None,
        })
    }

    /// Lets an engine solve the outages of branches that leave every island whole.
    #[must_use]
    pub fn with_engine(mut self, engine: &'a dyn BranchOutages) -> Self {
        self.engine = Some(engine);
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
        let per_wave = PER_JOB * JOBS_PER_WAVE * pool.workers().max(1);
        let mut done = 0;
        for (wave, part) in list.chunks(per_wave).enumerate() {
            let first = wave * per_wave;
            let jobs: Vec<(usize, &[Contingency])> =
                (first..).step_by(PER_JOB).zip(part.chunks(PER_JOB)).collect();
            let found: Vec<OnceLock<Vec<Finding>>> = jobs.iter().map(|_| OnceLock::new()).collect();
            pool.run(jobs.len(), &|_, job| {
                let (first, cases) = jobs[job];
                // Each job is called once, so its place is free.
                let _ = found[job].set(self.job(cases, first));
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

    fn job(&self, cases: &[Contingency], first: usize) -> Vec<Finding> {
        let mut found: Vec<Option<Finding>> = vec![None; cases.len()];
        if let Some(engine) = self.engine {
            self.by_engine(engine, cases, &mut found);
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

    fn by_engine(&self, engine: &dyn BranchOutages, cases: &[Contingency], found: &mut [Option<Finding>]) {
        let mut reach = Reach::new(self.system.grid.buses.len());
        let (mut places, mut outages): (Vec<usize>, Vec<&[BranchIdx]>) = (Vec::new(), Vec::new());
        for (at, case) in cases.iter().enumerate() {
            let branches = &case.outage.branches;
            if case.outage.only_branches() && !self.splits(branches, &mut reach) {
                places.push(at);
                outages.push(branches);
            }
        }
        engine.solve(&outages, &mut |at, outcome, voltages| {
            // What the engine could not solve has no name for the worst bus yet: the full method finds it.
            if let Outcome::Converged { iterations, .. } = outcome {
                let mut finding = Finding::new(0, Status::Solved { iterations });
                self.compare.plain(outages[at], voltages, &mut finding);
                found[places[at]] = Some(finding);
            }
        });
    }

    /// Whether these branches leave a bus without the reference.
    fn splits(&self, branches: &[BranchIdx], reach: &mut Reach) -> bool {
        if let [branch] = branches {
            return self.bridges.is_bridge(*branch);
        }
        let mut out: Vec<u32> = branches.iter().map(|branch| branch.0).collect();
        out.sort_unstable();
        let is_reference = |bus: u32| self.system.grid.buses[bus as usize].kind == BusKind::Slack;
        branches.iter().any(|branch| {
            let branch = &self.system.grid.branches[branch.at()];
            [branch.from, branch.to]
                .iter()
                .any(|bus| reach.cut_off(&self.neighbours, bus.0, &out, &is_reference).is_some())
        })
    }
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
