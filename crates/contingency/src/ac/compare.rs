//! Voltages and flows after an outage against the limits.

use powerflow::Solution;
use powerflow::batch::AfterOutage;
use topology::calc::{Branch, BranchFlow, BranchIdx, BusIdx};

use super::general::AcState;
use crate::finding::{Detail, Finding, Heaviest, Monitor, Violation, Watch, WatchedBranch, wanted};
use crate::system::{Band, System};

/// Rounding beyond a limit that is no violation, in p.u.
const ROUNDING_PU: f64 = 1e-9;

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
    /// Place among the watched branches, by branch.
    row_of: Vec<Option<u32>>,
    buses: Vec<WatchedBus>,
    /// Place in `buses` by bus.
    bus_of: Vec<Option<u32>>,
    change_pu: Option<f64>,
    base_mva: f64,
    /// For the flows of a detailed finding; empty without.
    detailed: Vec<Branch>,
}

impl Compare {
    pub(super) fn new(system: &System, monitor: &Monitor, base: &Solution) -> Self {
        let base_mva = system.grid.base_mva;
        let watch = Watch::new(system, monitor, |branch| apparent(&base.flows[branch.at()]) * base_mva);
        let mut row_of = vec![None; system.grid.branches.len()];
        for (place, watched) in (0_u32..).zip(&watch.branches) {
            row_of[watched.branch.at()] = Some(place);
        }
        let buses = watched_buses(system, monitor, base);
        let mut bus_of = vec![None; system.grid.buses.len()];
        for (place, watched) in (0_u32..).zip(&buses) {
            bus_of[watched.bus.at()] = Some(place);
        }
        let detailed = if monitor.detail { system.grid.branches.clone() } else { Vec::new() };
        Self { watch, row_of, buses, bus_of, change_pu: monitor.voltage_change_pu, base_mva, detailed }
    }

    /// What the lanes look at. The limits of a bus are all that say something about it, a little narrow: what is met
    /// there is looked at once more.
    pub(super) fn watch(&self) -> powerflow::batch::Watch {
        let branches = self.watch.branches.iter();
        let change_pu = self.change_pu.unwrap_or(f64::INFINITY);
        let bounds = |watched: &WatchedBus| {
            let Band { low_pu, high_pu } = watched.band;
            let before_pu = watched.before_pu;
            [low_pu.max(before_pu - change_pu), high_pu.min(before_pu + change_pu)]
        };
        powerflow::batch::Watch {
            branches: branches.map(|watched| (watched.branch, watched.rating_mva / self.base_mva)).collect(),
            most_loading: self.watch.threshold_percent / 100.0,
            buses: self.buses.iter().map(|watched| (watched.bus, bounds(watched))).collect(),
        }
    }

    /// After an outage that left everything alive.
    pub(super) fn plain(&self, after: &AfterOutage<'_>, finding: &mut Finding) {
        let seen = after.seen;
        for &(place, loading) in &seen.loaded {
            self.watch.loading(place as usize, 100.0 * loading, finding);
        }
        for &(place, vm_pu) in &seen.outside {
            self.voltage(&self.buses[place as usize], vm_pu, finding);
        }
        finding.heaviest = seen.heaviest.map(|(place, loading)| {
            let WatchedBranch { branch, rating, .. } = self.watch.branches[place as usize];
            Heaviest { branch, rating, percent: 100.0 * loading }
        });
        let bus = |(place, vm_pu): (u32, f64)| (self.buses[place as usize].bus, vm_pu);
        (finding.lowest, finding.highest) = (seen.lowest.map(bus), seen.highest.map(bus));
        self.watch.close(finding);
        if self.watch.detail {
            let buses = self.bus_of.len();
            let branches = (0_u32..).map(BranchIdx).zip(&self.detailed);
            let voltages_pu: Vec<[f64; 2]> =
                (0_u32..).map(BusIdx).take(buses).map(|bus| after.voltage_pu(bus)).collect();
            let polar = |bus: BusIdx| {
                let [e, f] = voltages_pu[bus.at()];
                [e.hypot(f), f.atan2(e)]
            };
            let flow = |(index, branch): (BranchIdx, &Branch)| {
                let out = after.out == Some(index);
                if out { 0.0 } else { branch.flow(polar(branch.from), polar(branch.to)).p_from_pu }
            };
            let p_from_pu = branches.map(flow).collect();
            finding.detail = Some(Box::new(Detail { voltages_pu, p_from_pu }));
        }
    }

    /// After an outage without a solution.
    pub(super) fn unsolved(&self, finding: &mut Finding) {
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
                    let percent = self.percent(place, flow);
                    self.watch.loading(place as usize, percent, finding);
                }
            }
            for (bus, vm_pu) in state.left.buses.iter().zip(&state.solution.voltages.vm_pu) {
                if let Some(place) = self.bus_of.get(bus.at()).copied().flatten() {
                    self.voltage(&self.buses[place as usize], *vm_pu, finding);
                }
            }
            if self.watch.detail {
                finding.detail = Some(Box::new(self.detail(state)));
            }
        }
        self.watch.close(finding);
    }

    fn detail(&self, state: &AcState) -> Detail {
        let polar = state.voltages();
        let pairs = polar.vm_pu.iter().zip(&polar.va_rad);
        let voltages_pu = pairs.map(|(vm, va)| [vm * va.cos(), vm * va.sin()]).collect();
        let flows = state.flows(self.detailed.len());
        let p_from = |flow: &BranchFlow| if flow.p_from_pu.is_nan() { 0.0 } else { flow.p_from_pu };
        Detail { voltages_pu, p_from_pu: flows.iter().map(p_from).collect() }
    }

    /// Loading of one branch; `None` where it has no rating or is out.
    pub(super) fn loading_percent(&self, state: &AcState, branch: BranchIdx) -> Option<f64> {
        let place = (*self.row_of.get(branch.at())?)?;
        let at = state.left.branches.iter().position(|left| *left == branch)?;
        Some(self.percent(place, state.solution.flows.get(at)?))
    }

    fn percent(&self, place: u32, flow: &BranchFlow) -> f64 {
        100.0 * apparent(flow) * self.base_mva / self.watch.branches[place as usize].rating_mva
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
    let watched = |bus: BusIdx| {
        let band = system.bands.get(bus.at()).copied().unwrap_or(Band::OPEN);
        WatchedBus { bus, band, before_pu: base.voltages.vm_pu[bus.at()] }
    };
    wanted(monitor.buses.as_deref(), all).into_iter().map(watched).collect()
}

/// Apparent power at the heavier end.
pub(super) fn apparent(flow: &BranchFlow) -> f64 {
    flow.p_from_pu.hypot(flow.q_from_pu).max(flow.p_to_pu.hypot(flow.q_to_pu))
}
