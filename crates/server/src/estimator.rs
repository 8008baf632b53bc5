//! The estimator's job: one frozen picture of the points in, one estimated state out.
//!
//! Switch positions and taps that are not good hold their last good state; a measurement that is not good is left
//! out. The topology follows switch by switch, the solver keeps pattern and factors while the topology stays.
//!
//! A device's deviation is a share of the true value. Taken as a share of the reading it would weigh low readings more
//! than high ones and shift every estimate down. So each cycle estimates twice: with deviations from the readings,
//! then with deviations from the values estimated first.

use crate::config::EstimationConfig;
use crate::study::{Known, StudyBase};
use app::{BranchImage, BusImage, EstimateImage, EstimateState, PointImage};
use estimation::{End, Estimate, Kind, Measurement, Options, Outcome, Solver};
use model::{Equipment, LineIdx, MeasurementIdx, MeasurementRole, Network, SubstationIdx, TransformerIdx};
use signal::{PointId, PointList, Value};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use timebase::Now;
use topology::calc::{BranchFlow, BusIdx, Grid};
use topology::{GridMap, Schedule, Target, Topology};

/// Deviations between a reading and the middle one of three that set it apart; the difference of two has 1.2 of one
/// reading, and the threshold of residuals is 5 (ADR 0007).
const APART: f64 = 6.0;

/// The points at one moment.
pub struct Snapshot {
    /// When they were frozen.
    pub now: Now,
    /// State of every point, by id.
    pub values: Arc<[PointImage]>,
}

/// Estimator with everything that it keeps between cycles.
pub struct Estimator {
    network: Arc<Network>,
    config: EstimationConfig,
    point_of: Vec<Option<PointId>>,
    /// The measurements by what they mean: several where several devices read the same.
    alike: HashMap<MeasurementRole, Vec<MeasurementIdx>>,
    topology: Topology,
    schedule: Schedule,
    solver: Solver,
    base: Option<Arc<StudyBase>>,
}

/// Measurements with the point that each rests on.
#[derive(Default)]
struct Gathered {
    measurements: Vec<Measurement>,
    /// By measurement: where its points stand in `points`.
    parts: Vec<Range<usize>>,
    points: Vec<PointId>,
}

impl Gathered {
    fn add(&mut self, kind: Kind, value: f64, sigma: f64, points: impl IntoIterator<Item = PointId>) {
        let id = u32::try_from(self.measurements.len()).unwrap_or(u32::MAX);
        self.measurements.push(Measurement { kind, value, sigma, id });
        let start = self.points.len();
        self.points.extend(points);
        self.parts.push(start..self.points.len());
    }

    /// Takes the deviations from estimated values. A sum of several readings keeps its own.
    fn reweigh(&mut self, estimate: &Estimate, sigma: impl Fn(Kind, f64) -> f64) {
        let checked = self.parts.iter().zip(&estimate.measurements);
        for (measurement, (part, checked)) in self.measurements.iter_mut().zip(checked) {
            if part.len() == 1 && checked.estimated.is_finite() {
                measurement.sigma = sigma(measurement.kind, checked.estimated);
            }
        }
    }

    fn points_of(&self, measurement: usize) -> &[PointId] {
        self.parts.get(measurement).and_then(|part| self.points.get(part.clone())).unwrap_or_default()
    }
}

impl Estimator {
    /// An estimator for the points that measure the network; points that do not are ignored.
    pub fn new(network: Arc<Network>, points: &PointList, config: EstimationConfig) -> Self {
        let point_of = network.measurements().iter().map(|m| points.by_mrid(m.mrid.as_str())).collect();
        let topology = Topology::new(&network);
        let schedule = Schedule::of(&network);
        let mut alike: HashMap<MeasurementRole, Vec<MeasurementIdx>> = HashMap::new();
        for measurement in MeasurementIdx::all(network.measurements().len()) {
            alike.entry(network[measurement].role).or_default().push(measurement);
        }
        Self { network, config, point_of, alike, topology, schedule, solver: Solver::new(), base: None }
    }

    /// One cycle. O(points) besides the solver.
    pub fn run(&mut self, snapshot: &Snapshot) -> EstimateImage {
        self.follow_positions(snapshot);
        let (grid, map) = self.topology.grid(&self.network, &self.schedule);
        let mut gathered = self.gather(snapshot, &grid, &map);
        let options = Options {
            max_removals: u32::try_from(self.config.max_removals).unwrap_or(u32::MAX),
            ..Options::default()
        };
        let zero = &map.zero_injections;
        let first = self.solver.estimate(&grid, &gathered.measurements, zero, &options);
        gathered.reweigh(&first, |kind, value| self.sigma(kind, value, grid.base_mva));
        let estimate = self.solver.estimate(&grid, &gathered.measurements, zero, &options);
        let mut image = self.image(snapshot.now, (&grid, &map), &estimate);
        image.bad_data = self.bad_data(snapshot, &gathered, &estimate);
        self.base = (image.state == EstimateState::Converged).then(|| {
            let known = Known {
                network: &self.network,
                topology: &self.topology,
                schedule: &self.schedule,
                grid: (&grid, &map),
                estimate: &estimate,
            };
            let reading =
                |measurement| self.good(snapshot, measurement).and_then(|(_, value)| value.as_number());
            Arc::new(StudyBase::new(&known, snapshot.now, reading))
        });
        image
    }

    /// The state that studies begin with; none while there is no estimate.
    pub(crate) fn base(&self) -> Option<Arc<StudyBase>> {
        self.base.clone()
    }

    /// The points of what was removed. Where a sum is bad and other devices tell which part of it is, only that part.
    fn bad_data(&self, snapshot: &Snapshot, gathered: &Gathered, estimate: &Estimate) -> Vec<(PointId, f64)> {
        let mut found = Vec::new();
        for removed in &estimate.removed {
            let points = gathered.points_of(removed.index);
            let apart: Vec<PointId> = if points.len() > 1 {
                points.iter().copied().filter(|point| self.stands_apart(snapshot, *point)).collect()
            } else {
                Vec::new()
            };
            let named = if apart.is_empty() { points } else { &apart };
            found.extend(named.iter().map(|point| (*point, removed.normalised_residual)));
        }
        found
    }

    /// Whether a reading lies far from the middle one of at least three devices.
    fn stands_apart(&self, snapshot: &Snapshot, point: PointId) -> bool {
        let alike =
            self.alike.values().find(|alike| alike.iter().any(|m| self.point_of[m.at()] == Some(point)));
        let read = |m: &MeasurementIdx| {
            let (of, value) = self.good(snapshot, *m)?;
            value.as_number().map(|number| (of, number))
        };
        let readings: Vec<(PointId, f64)> = alike.into_iter().flatten().filter_map(read).collect();
        let mut sorted: Vec<f64> = readings.iter().map(|(_, value)| *value).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let own = readings.iter().find(|(of, _)| *of == point);
        match (sorted.len() >= 3, own) {
            (true, Some((_, value))) => {
                let middle = sorted[sorted.len() / 2];
                (value - middle).abs() > APART * self.power_sigma(middle)
            }
            (false, _) | (_, None) => false,
        }
    }

    fn good(&self, snapshot: &Snapshot, measurement: MeasurementIdx) -> Option<(PointId, Value)> {
        let point = self.point_of[measurement.at()]?;
        snapshot.values.get(point.at()).and_then(PointImage::good).map(|value| (point, value))
    }

    fn follow_positions(&mut self, snapshot: &Snapshot) {
        for measurement in MeasurementIdx::all(self.point_of.len()) {
            let Some((_, value)) = self.good(snapshot, measurement) else { continue };
            match (self.network[measurement].role, value) {
                (MeasurementRole::SwitchPosition(switch), value) => {
                    if let Some(closed) = value.is_on() {
                        self.topology.set_switch(switch, !closed);
                    }
                }
                (MeasurementRole::TapPosition(changer), Value::Step(step)) => {
                    self.schedule.tap_step[changer.at()] = step;
                }
                _ => {}
            }
        }
    }

    fn gather(&self, snapshot: &Snapshot, grid: &Grid, map: &GridMap) -> Gathered {
        let mut gathered = Gathered::default();
        let base = grid.base_mva;
        let number = |measurement| {
            let (point, value) = self.good(snapshot, measurement)?;
            value.as_number().map(|number| (point, number))
        };
        for measurement in MeasurementIdx::all(self.point_of.len()) {
            let Some((point, value)) = number(measurement) else { continue };
            let power = |kind, gathered: &mut Gathered| {
                gathered.add(kind, value / base, self.sigma(kind, value / base, base), [point]);
            };
            match map.target(&self.network, measurement) {
                Target::Voltage { bus, base_kv } => {
                    // A busbar that reads no voltage although the topology calls it live is left to the others.
                    let vm_pu = value / base_kv;
                    let kind = Kind::Vm(bus);
                    gathered.add(kind, vm_pu, self.sigma(kind, vm_pu, base), [point]);
                }
                Target::ActiveFlow(branch, end) => power(Kind::PFlow(branch, side(end)), &mut gathered),
                Target::ReactiveFlow(branch, end) => power(Kind::QFlow(branch, side(end)), &mut gathered),
                Target::ActivePart { .. } | Target::ReactivePart { .. } | Target::None => {}
            }
        }
        for injection in map.injections(&self.network) {
            let bus = injection.bus;
            for (kind, parts) in
                [(Kind::PInjection(bus), injection.active), (Kind::QInjection(bus), injection.reactive)]
            {
                let read =
                    parts.iter().map(|(m, sign)| number(*m).map(|(point, value)| (point, *sign, value)));
                if let Some(parts) = read.collect::<Option<Vec<_>>>() {
                    self.add_injection(&mut gathered, kind, &parts, base);
                }
            }
        }
        gathered
    }

    /// The sum of the machines and loads of a bus as one measurement, of one device each. A bad sum is not used.
    fn add_injection(&self, gathered: &mut Gathered, kind: Kind, parts: &[(PointId, f64, f64)], base: f64) {
        let sum: f64 = parts.iter().map(|(_, sign, value)| sign * value).sum();
        let variance: f64 = parts.iter().map(|(_, _, value)| self.power_sigma(*value).powi(2)).sum();
        gathered.add(kind, sum / base, variance.sqrt() / base, parts.iter().map(|(point, _, _)| *point));
    }

    /// Standard deviation of a measurement in p.u.
    fn sigma(&self, kind: Kind, value_pu: f64, base_mva: f64) -> f64 {
        match kind {
            Kind::Vm(_) | Kind::Va(_) => self.config.voltage_sigma_percent / 100.0 * value_pu.abs().max(0.1),
            Kind::PInjection(_) | Kind::QInjection(_) | Kind::PFlow(..) | Kind::QFlow(..) => {
                self.power_sigma(value_pu * base_mva) / base_mva
            }
        }
    }

    fn power_sigma(&self, value_mw: f64) -> f64 {
        (self.config.power_sigma_percent / 100.0 * value_mw.abs()).max(self.config.power_sigma_floor_mw)
    }

    fn image(&self, now: Now, (grid, map): (&Grid, &GridMap), estimate: &Estimate) -> EstimateImage {
        let mut image = summary(&estimate.islands);
        image.at = Some(now);
        image.unobservable =
            estimate.unobservable.iter().map(|bus| grid.buses[bus.at()].name.clone()).collect();
        image.buses = self.buses(map, estimate);
        let lines = LineIdx::all(self.network.lines().len())
            .map(|index| (Equipment::Line(index), self.network[index].rating_mva));
        let transformers = TransformerIdx::all(self.network.transformers().len())
            .map(|index| (Equipment::Transformer(index), self.network[index].rating_mva));
        let branch = |(equipment, rating)| match map.branch(equipment) {
            None => BranchImage { flow: Some([0.0; 4]), loading_percent: None },
            Some(branch) => branch_image(&estimate.flows[branch.at()], grid.base_mva, rating),
        };
        image.branches = lines.chain(transformers).map(branch).collect();
        image
    }

    fn buses(&self, map: &GridMap, estimate: &Estimate) -> Vec<BusImage> {
        let finite = |value: f64| value.is_finite().then_some(value);
        SubstationIdx::all(self.network.substations().len())
            .map(|substation| {
                let busbar = self.network.busbars().iter().find(|busbar| {
                    self.network.substation_of(self.network.node_of(busbar.terminal)) == substation
                });
                let node = busbar.map(|busbar| self.network.node_of(busbar.terminal));
                let bus: Option<BusIdx> = node.and_then(|node| map.node[node.at()]);
                BusImage {
                    substation: self.network[substation].name.clone(),
                    base_kv: node.map_or(0.0, |node| self.network.voltage_level_of(node).nominal_kv),
                    vm_pu: bus.and_then(|bus| finite(estimate.voltages.vm_pu[bus.at()])),
                    va_degree: bus.and_then(|bus| finite(estimate.voltages.va_rad[bus.at()].to_degrees())),
                    energised: bus.is_some(),
                }
            })
            .collect()
    }
}

const fn side(end: topology::End) -> End {
    match end {
        topology::End::From => End::From,
        topology::End::To => End::To,
    }
}

/// The islands' outcomes as one: figures add up, the slowest and the worst island decide.
fn summary(islands: &[Outcome]) -> EstimateImage {
    let mut image = EstimateImage::default();
    let (mut estimated, mut stopped) = (0_u32, 0_u32);
    for outcome in islands {
        match outcome {
            Outcome::Estimated { iterations, objective, degrees_of_freedom, redundancy, chi2_threshold } => {
                estimated += 1;
                image.iterations = image.iterations.max(*iterations);
                image.objective += objective;
                image.degrees_of_freedom += degrees_of_freedom;
                image.chi2_threshold += chi2_threshold.unwrap_or(0.0);
                // The thinnest island is what one must know.
                let thinnest = if estimated == 1 { *redundancy } else { image.redundancy.min(*redundancy) };
                image.redundancy = thinnest;
            }
            Outcome::Stopped { iterations, .. } => {
                stopped += 1;
                image.iterations = image.iterations.max(*iterations);
            }
            Outcome::Unobservable | Outcome::Dead => {}
        }
    }
    image.state = match (estimated, stopped) {
        (_, 1..) => EstimateState::Stopped,
        (0, 0) => EstimateState::Unobservable,
        (1.., 0) => EstimateState::Converged,
    };
    image
}

fn branch_image(flow: &BranchFlow, base_mva: f64, rating: Option<f64>) -> BranchImage {
    let powers = [flow.p_from_pu, flow.q_from_pu, flow.p_to_pu, flow.q_to_pu].map(|power| power * base_mva);
    if powers.iter().any(|power| !power.is_finite()) {
        return BranchImage::default();
    }
    let apparent = powers[0].hypot(powers[1]).max(powers[2].hypot(powers[3]));
    BranchImage { flow: Some(powers), loading_percent: rating.map(|rating| 100.0 * apparent / rating) }
}
