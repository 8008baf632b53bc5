//! What is said about a contingency, what counts as a violation, and which contingency is worse.
//!
//! ```text
//! severity = Σ (percent - threshold)/100 over overloads        (a branch at 150 % counts 0.5)
//!          + Σ |v - limit| / 0.05 over voltages                 (5 % beyond the band count 1)
//!          + Σ (|Δv| - limit) / 0.05 over voltage changes
//!          + 10 · lost load / total load
//!          ∞ where there is no solution
//! ```

use std::cmp::Ordering;

use topology::calc::BranchIdx;
use topology::calc::BusIdx;

use crate::system::{Rating, Ratings, System};

/// Voltage beyond a limit that counts as much as 100 % of overload.
const VOLTAGE_UNIT_PU: f64 = 0.05;
/// Weight of losing all load.
const ALL_LOAD: f64 = 10.0;
/// Rounding beyond a limit that is no violation.
const ROUNDING: f64 = 1e-9;

/// What is watched.
#[derive(Clone, PartialEq, Debug)]
pub struct Monitor {
    /// Rating that counts after an outage.
    pub rating: Rating,
    /// Loading above which a branch is overloaded.
    pub threshold_percent: f64,
    /// Branches that are watched; `None` is all that have a rating.
    pub branches: Option<Vec<BranchIdx>>,
    /// Buses whose voltage is watched; `None` is all that have a band.
    pub buses: Option<Vec<BusIdx>>,
    /// Change of voltage by the outage that is a violation.
    pub voltage_change_pu: Option<f64>,
    /// Leaves out what was as bad before the outage, up to this share (0.01 is one percent of the value).
    pub worsened_by: Option<f64>,
    /// Most violations that are kept per contingency, the worst; all are counted.
    pub keep: usize,
    /// Whether findings carry all voltages and flows.
    pub detail: bool,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            rating: Rating::A,
            threshold_percent: 100.0,
            branches: None,
            buses: None,
            voltage_change_pu: None,
            worsened_by: None,
            keep: 100,
            detail: false,
        }
    }
}

/// Something beyond a limit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Violation {
    /// A branch above its rating.
    Overload {
        /// The branch.
        branch: BranchIdx,
        /// Which rating.
        rating: Rating,
        /// That rating.
        rating_mva: f64,
        /// Apparent power at the heavier end; active power in the DC model.
        flow_mva: f64,
        /// Loading in percent of that rating.
        percent: f64,
        /// Loading before the outage, in percent of the same rating.
        before_percent: f64,
    },
    /// A voltage outside its band.
    Voltage {
        /// The bus.
        bus: BusIdx,
        /// Its voltage.
        vm_pu: f64,
        /// The limit that it passed.
        limit_pu: f64,
        /// Voltage before the outage.
        before_pu: f64,
    },
    /// A voltage that the outage moved too far.
    VoltageChange {
        /// The bus.
        bus: BusIdx,
        /// Voltage after minus before.
        change_pu: f64,
        /// Largest change allowed.
        limit_pu: f64,
        /// Voltage before the outage.
        before_pu: f64,
    },
}

/// How the calculation of a contingency ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Status {
    /// Solved.
    Solved {
        /// Newton steps; 0 in the DC model.
        iterations: u32,
    },
    /// Newton's method stopped without a solution.
    NotConverged {
        /// Bus with the largest mismatch.
        worst: BusIdx,
        /// That mismatch.
        mismatch_pu: f64,
    },
    /// There is nothing to solve, or it cannot be.
    NotSolvable {
        /// Why, lower case, no full stop.
        reason: String,
    },
}

/// Loading of the branch that is loaded most.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Heaviest {
    /// The branch.
    pub branch: BranchIdx,
    /// Which rating.
    pub rating: Rating,
    /// Loading in percent of it.
    pub percent: f64,
}

/// What was found for one contingency.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// Position of the contingency in the list.
    pub index: usize,
    /// How the calculation ended.
    pub status: Status,
    /// Buses that lost their voltage: how many, and the first of them.
    pub lost_buses: (u32, Option<BusIdx>),
    /// Load that is lost with them.
    pub lost_load_mw: f64,
    /// Scheduled generation that is lost with them.
    pub lost_generation_mw: f64,
    /// The branch loaded most, if one with a rating is watched.
    pub heaviest: Option<Heaviest>,
    /// Lowest watched voltage.
    pub lowest: Option<(BusIdx, f64)>,
    /// Highest watched voltage.
    pub highest: Option<(BusIdx, f64)>,
    /// How many violations there are.
    pub violation_count: u32,
    /// The worst of them, the worst first.
    pub violations: Vec<Violation>,
    /// How bad all that is; see the head of the module.
    pub severity: f64,
    /// All voltages and flows, where they were asked for and there is a solution.
    pub detail: Option<Box<Detail>>,
}

/// The whole state after a contingency.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Detail {
    /// Voltages `[e, f]` by bus, NaN where dead; empty in the DC model.
    pub voltages_pu: Vec<[f64; 2]>,
    /// Active power into every branch at its *from* end; zero where it is out or dead.
    pub p_from_pu: Vec<f64>,
}

/// What the voltages and flows were before the outage, and the limits, laid out for the comparison.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) branches: Vec<WatchedBranch>,
    pub(crate) threshold_percent: f64,
    pub(crate) worsened_by: Option<f64>,
    pub(crate) keep: usize,
    pub(crate) detail: bool,
    pub(crate) base_mva: f64,
    pub(crate) total_load_pu: f64,
}

/// A branch with a rating.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WatchedBranch {
    pub(crate) branch: BranchIdx,
    pub(crate) rating: Rating,
    pub(crate) rating_mva: f64,
    pub(crate) before_percent: f64,
}

impl Watch {
    /// `before_mva` is the flow per branch in the base state.
    pub(crate) fn new(system: &System, monitor: &Monitor, before_mva: impl Fn(BranchIdx) -> f64) -> Self {
        let all = (0_u32..).map(BranchIdx).take(system.grid.branches.len());
        let watched = |branch: BranchIdx| {
            let ratings = system.ratings.get(branch.at()).copied().unwrap_or(Ratings::default());
            let (rating, rating_mva) = ratings.applicable(monitor.rating)?;
            let before_percent = 100.0 * before_mva(branch) / rating_mva;
            Some(WatchedBranch { branch, rating, rating_mva, before_percent })
        };
        Self {
            branches: wanted(monitor.branches.as_deref(), all).into_iter().filter_map(watched).collect(),
            threshold_percent: monitor.threshold_percent,
            worsened_by: monitor.worsened_by,
            keep: monitor.keep,
            detail: monitor.detail,
            base_mva: system.grid.base_mva,
            total_load_pu: system.loads.iter().map(|load| load.p_pu.max(0.0)).sum(),
        }
    }

    /// Takes the loading of a branch into a finding.
    pub(crate) fn loading(&self, at: usize, percent: f64, finding: &mut Finding) {
        let watched = &self.branches[at];
        let heavier = finding.heaviest.is_none_or(|heaviest| percent > heaviest.percent);
        if heavier {
            finding.heaviest = Some(Heaviest { branch: watched.branch, rating: watched.rating, percent });
        }
        let before_percent = watched.before_percent;
        let over = percent > self.threshold_percent * (1.0 + ROUNDING);
        if over && self.worsened(percent, before_percent) {
            let (rating, rating_mva) = (watched.rating, watched.rating_mva);
            let flow_mva = percent * rating_mva / 100.0;
            let branch = watched.branch;
            finding.violations.push(Violation::Overload {
                branch,
                rating,
                rating_mva,
                flow_mva,
                percent,
                before_percent,
            });
            finding.severity += (percent - self.threshold_percent) / 100.0;
            finding.violation_count += 1;
            finding.trim(2 * self.keep.max(1), self.keep);
        }
    }

    /// Whether a value is worse than before by more than what is asked for.
    pub(crate) fn worsened(&self, after: f64, before: f64) -> bool {
        self.worsened_by.is_none_or(|share| after.abs() > before.abs() * (1.0 + share))
    }

    /// Adds what depends on the lost load and brings the violations in order.
    pub(crate) fn close(&self, finding: &mut Finding) {
        if self.total_load_pu > 0.0 {
            finding.severity += ALL_LOAD * finding.lost_load_mw / (self.base_mva * self.total_load_pu);
        }
        if !matches!(finding.status, Status::Solved { .. }) {
            finding.severity = f64::INFINITY;
        }
        finding.trim(0, self.keep);
    }
}

/// What is watched of all that there is, ascending and each once: the list, or everything.
pub(crate) fn wanted<T: Copy + Ord>(list: Option<&[T]>, all: impl Iterator<Item = T>) -> Vec<T> {
    let Some(list) = list else { return all.collect() };
    let mut list = list.to_vec();
    list.sort_unstable();
    list.dedup();
    list
}

impl Finding {
    /// A finding that nothing is said in yet.
    pub(crate) fn new(index: usize, status: Status) -> Self {
        Self {
            index,
            status,
            lost_buses: (0, None),
            lost_load_mw: 0.0,
            lost_generation_mw: 0.0,
            heaviest: None,
            lowest: None,
            highest: None,
            violation_count: 0,
            violations: Vec::new(),
            severity: 0.0,
            detail: None,
        }
    }

    /// Whether the state after the outage is known.
    pub fn solved(&self) -> bool {
        matches!(self.status, Status::Solved { .. })
    }

    /// Takes a violation of a voltage in.
    pub(crate) fn voltage(&mut self, violation: Violation, keep: usize) {
        self.severity += violation.excess();
        self.violation_count += 1;
        self.violations.push(violation);
        self.trim(2 * keep.max(1), keep);
    }

    /// The worst violations first, once there are more than `above`.
    fn trim(&mut self, above: usize, keep: usize) {
        if self.violations.len() > above {
            self.violations.sort_by(Violation::worse_first);
            self.violations.truncate(keep);
        }
    }

    /// The worse one first; equal ones in the order of the list.
    pub fn worse_first(&self, other: &Self) -> Ordering {
        other.severity.total_cmp(&self.severity).then(self.index.cmp(&other.index))
    }
}

impl Violation {
    /// How far beyond the limit, in units that can be compared.
    pub fn excess(&self) -> f64 {
        match *self {
            Self::Overload { percent, .. } => (percent - 100.0) / 100.0,
            Self::Voltage { vm_pu, limit_pu, .. } => (vm_pu - limit_pu).abs() / VOLTAGE_UNIT_PU,
            Self::VoltageChange { change_pu, limit_pu, .. } => (change_pu.abs() - limit_pu) / VOLTAGE_UNIT_PU,
        }
    }

    fn order(&self) -> (u8, u32) {
        match *self {
            Self::Overload { branch, .. } => (0, branch.0),
            Self::Voltage { bus, .. } => (1, bus.0),
            Self::VoltageChange { bus, .. } => (2, bus.0),
        }
    }

    fn worse_first(&self, other: &Self) -> Ordering {
        other.excess().total_cmp(&self.excess()).then(self.order().cmp(&other.order()))
    }
}

/// The worst of many, in bounded memory.
#[derive(Clone, Debug)]
pub struct Worst {
    limit: usize,
    found: Vec<Finding>,
}

impl Worst {
    /// Keeps this many.
    pub const fn new(limit: usize) -> Self {
        Self { limit, found: Vec::new() }
    }

    /// Looks at a finding; those without severity are not kept.
    pub fn offer(&mut self, finding: &Finding) {
        if finding.severity <= 0.0 || self.limit == 0 {
            return;
        }
        if self.found.len() == self.limit
            && let Some(last) = self.found.last()
            && last.worse_first(finding) != Ordering::Greater
        {
            return;
        }
        let at = self.found.partition_point(|known| known.worse_first(finding) != Ordering::Greater);
        self.found.insert(at, Finding { detail: None, ..finding.clone() });
        self.found.truncate(self.limit);
    }

    /// The worst, the worst first.
    pub fn found(&self) -> &[Finding] {
        &self.found
    }
}
