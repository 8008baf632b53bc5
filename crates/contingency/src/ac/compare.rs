//! Voltages and flows after an outage against the limits.
//!
//! ```text
//! i(from) = Yff V(from) + Yft V(to)      |S(from)| = |V(from)| |i(from)|      loading = max of both ends / rating
//! ```
//!
//! Rectangular voltages need no trigonometric function, and squares are compared before a root is drawn.

use powerflow::Solution;
use topology::calc::{BranchFlow, BranchIdx, BusIdx};

use super::general::AcState;
use crate::finding::{Finding, Monitor, Violation, Watch};
use crate::system::{Band, System};

/// Rounding beyond a limit that is no violation, in p.u.
const ROUNDING_PU: f64 = 1e-9;

/// A watched branch with its admittances, `[g, b]`.
#[derive(Clone, Copy, Debug)]
struct Row {
    ends: [u32; 2],
    ff: [f64; 2],
    ft: [f64; 2],
    tf: [f64; 2],
    tt: [f64; 2],
    /// Square of the percent of the rating per p.u.
    percent_squared: f64,
}

/// A watched bus.
#[derive(Clone, Copy, Debug)]
struct WatchedBus {
    bus: BusIdx,
    band: Band,
    before_pu: f64,
}

/// Limits and base state, laid out for the comparison.
#[derive(Clone, Debug)]
pub(super) struct Compare {
    watch: Watch,
    rows: Vec<Row>,
    /// Place in `rows` by branch.
    row_of: Vec<Option<u32>>,
    buses: Vec<WatchedBus>,
    /// Place in `buses` by bus.
    bus_of: Vec<Option<u32>>,
    change_pu: Option<f64>,
    base_mva: f64,
}

impl Compare {
    pub(super) fn new(system: &System, monitor: &Monitor, base: &Solution) -> Self {
        let base_mva = system.grid.base_mva;
        let watch = Watch::new(system, monitor, |branch| apparent(&base.flows[branch.at()]) * base_mva);
        let mut row_of = vec![None; system.grid.branches.len()];
        let mut rows = Vec::with_capacity(watch.branches.len());
        for (place, watched) in (0_u32..).zip(&watch.branches) {
            let branch = &system.grid.branches[watched.branch.at()];
            let y = branch.admittance();
            row_of[watched.branch.at()] = Some(place);
            rows.push(Row {
                ends: [branch.from.0, branch.to.0],
                ff: y.ff,
                ft: y.ft,
                tf: y.tf,
                tt: y.tt,
                percent_squared: (100.0 * base_mva / watched.rating_mva).powi(2),
            });
        }
        let mut buses = watched_buses(system, monitor, base);
        buses.sort_unstable_by_key(|watched| watched.bus);
        let mut bus_of = vec![None; system.grid.buses.len()];
        for (place, watched) in (0_u32..).zip(&buses) {
            bus_of[watched.bus.at()] = Some(place);
        }
        Self { watch, rows, row_of, buses, bus_of, change_pu: monitor.voltage_change_pu, base_mva }
    }

    /// After an outage of branches that left everything alive; voltages `[e, f]` by bus of the base.
    pub(super) fn plain(&self, out: &[BranchIdx], voltages: &[[f64; 2]], finding: &mut Finding) {
        let threshold = self.watch.threshold_percent;
        let mut bar = -1.0;
        for (at, row) in self.rows.iter().enumerate() {
            let squared = row.apparent_squared(voltages) * row.percent_squared;
            if squared > bar && !out.contains(&self.watch.branches[at].branch) {
                self.watch.loading(at, squared.sqrt(), finding);
                let known = finding.heaviest.map_or(0.0, |heaviest| heaviest.percent);
                bar = known.min(threshold).powi(2);
            }
        }
        for watched in &self.buses {
            let [e, f] = voltages[watched.bus.at()];
            self.voltage(watched, e.hypot(f), finding);
        }
        self.watch.close(finding);
    }

    /// After any outage.
    pub(super) fn general(&self, state: &AcState, finding: &mut Finding) {
        let lost = &state.left.lost;
        finding.lost_buses =
            (u32::try_from(lost.buses.len()).unwrap_or(u32::MAX), lost.buses.first().copied());
        finding.lost_load_mw = lost.load_pu * self.base_mva;
        finding.lost_generation_mw = lost.generation_pu * self.base_mva;
        if finding.solved() {
            for (branch, flow) in state.left.branches.iter().zip(&state.solution.flows) {
                if let Some(place) = self.row_of.get(branch.at()).copied().flatten() {
                    let percent = apparent(flow) * self.rows[place as usize].percent_squared.sqrt();
                    self.watch.loading(place as usize, percent, finding);
                }
            }
            for (bus, vm_pu) in state.left.buses.iter().zip(&state.solution.voltages.vm_pu) {
                if let Some(place) = self.bus_of.get(bus.at()).copied().flatten() {
                    self.voltage(&self.buses[place as usize], *vm_pu, finding);
                }
            }
        }
        self.watch.close(finding);
    }

    /// Loading of one branch; `None` where it has no rating or is out.
    pub(super) fn loading_percent(&self, state: &AcState, branch: BranchIdx) -> Option<f64> {
        let row = self.rows.get(*self.row_of.get(branch.at())?.as_ref()? as usize)?;
        let at = state.left.branches.iter().position(|left| *left == branch)?;
        Some(apparent(state.solution.flows.get(at)?) * row.percent_squared.sqrt())
    }

    fn voltage(&self, watched: &WatchedBus, vm_pu: f64, finding: &mut Finding) {
        let (bus, before_pu) = (watched.bus, watched.before_pu);
        if finding.lowest.is_none_or(|(_, lowest)| vm_pu < lowest) {
            finding.lowest = Some((bus, vm_pu));
        }
        if finding.highest.is_none_or(|(_, highest)| vm_pu > highest) {
            finding.highest = Some((bus, vm_pu));
        }
        let keep = self.watch.keep;
        let limit_pu = if vm_pu > watched.band.high_pu + ROUNDING_PU {
            Some(watched.band.high_pu)
        } else if vm_pu < watched.band.low_pu - ROUNDING_PU {
            Some(watched.band.low_pu)
        } else {
            None
        };
        if let Some(limit_pu) = limit_pu
            && self.watch.worsened(vm_pu - limit_pu, beyond(before_pu, watched.band))
        {
            finding.voltage(Violation::Voltage { bus, vm_pu, limit_pu, before_pu }, keep);
        }
        let change_pu = vm_pu - before_pu;
        if let Some(limit_pu) = self.change_pu.filter(|limit| change_pu.abs() > limit + ROUNDING_PU) {
            finding.voltage(Violation::VoltageChange { bus, change_pu, limit_pu, before_pu }, keep);
        }
    }
}

/// How far a voltage is outside of its band; 0 inside.
fn beyond(vm_pu: f64, band: Band) -> f64 {
    (vm_pu - band.high_pu).max(band.low_pu - vm_pu).max(0.0)
}

/// Buses with a band, or all of them if a change of voltage is watched.
fn watched_buses(system: &System, monitor: &Monitor, base: &Solution) -> Vec<WatchedBus> {
    let all = (0_u32..).map(BusIdx).take(system.grid.buses.len());
    let wanted: Vec<BusIdx> = match &monitor.buses {
        Some(list) => {
            let mut list = list.clone();
            list.sort_unstable();
            list.dedup();
            list
        }
        None => all.collect(),
    };
    let watched = |bus: BusIdx| {
        let band = system.bands.get(bus.at()).copied().unwrap_or(Band::OPEN);
        WatchedBus { bus, band, before_pu: base.voltages.vm_pu[bus.at()] }
    };
    wanted.into_iter().map(watched).collect()
}

/// Apparent power at the heavier end.
pub(super) fn apparent(flow: &BranchFlow) -> f64 {
    flow.p_from_pu.hypot(flow.q_from_pu).max(flow.p_to_pu.hypot(flow.q_to_pu))
}

impl Row {
    /// Square of the apparent power at the heavier end.
    fn apparent_squared(&self, voltages: &[[f64; 2]]) -> f64 {
        let [from, to] = self.ends.map(|end| voltages[end as usize]);
        let at_from = square(from) * square(sum(times(self.ff, from), times(self.ft, to)));
        let at_to = square(to) * square(sum(times(self.tf, from), times(self.tt, to)));
        at_from.max(at_to)
    }
}

fn times([a, b]: [f64; 2], [c, d]: [f64; 2]) -> [f64; 2] {
    [a * c - b * d, a * d + b * c]
}

fn sum([a, b]: [f64; 2], [c, d]: [f64; 2]) -> [f64; 2] {
    [a + c, b + d]
}

fn square([a, b]: [f64; 2]) -> f64 {
    a * a + b * b
}
