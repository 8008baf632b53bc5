//! The field as a whole. [`Twin::step`] once a second moves loads and machines; [`Twin::advance`] at
//! [`Twin::poll_timeout`] ends movements of drives, lets protection act and solves again if current paths changed.

mod view;

use crate::bindings::{Bindings, is_measured};
use crate::drive::{Device, Drives, Finished, SwitchState};
use crate::fault::{ActiveFault, Fault, FaultError, FaultId, Faults, GrossError, resolve};
use crate::noise::Noise;
use crate::physics::{Collapse, Physics};
use crate::profile::{Profiles, Share};
use model::{LoadIdx, MeasurementRole, Network, SubstationIdx, SwitchIdx, SwitchKind, TapChangerIdx};
use signal::{
    Command, CommandAnswer, CommandPhase, DoublePoint, PointId, PointKind, PointList, Quality, Sample, Value,
};
use std::sync::Arc;
use std::time::Duration;
use timebase::{Civil, Mono, Now, Utc, UtcStamp, Zone};

/// Largest standard deviation of a reading.
const MAX_NOISE_PERCENT: f64 = 50.0;
/// Fastest course of the day.
const MAX_TIME_SCALE: f64 = 86_400.0;
/// Counters of a remote terminal unit have 31 bits and a sign (IEC 60870-5-101 7.2.6.9); they start over at 0.
const COUNTER_RANGE_KWH: f64 = 2_147_483_648.0;

/// How a twin behaves.
#[derive(Clone, Debug)]
pub struct TwinOptions {
    /// Seed of everything random.
    pub seed: u64,
    /// Standard deviation of every reading's error, in percent of the true value.
    pub noise_percent: f64,
    /// Simulated instant of the first step: it decides where in the day loads and sun are.
    pub start: Utc,
    /// How much faster than the clock the simulated day goes.
    pub time_scale: f64,
    /// Zone whose wall clock customers and sun follow.
    pub zone: Zone,
}

impl Default for TwinOptions {
    fn default() -> Self {
        Self { seed: 1, noise_percent: 1.0, start: Utc::default(), time_scale: 1.0, zone: Zone::UTC }
    }
}

/// Why a twin cannot be made.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum TwinError {
    /// A point reads a measurement that the network does not have.
    #[error("point {point:?}: the network has no measurement {mrid:?}")]
    UnknownMeasurement {
        /// Name of the point.
        point: String,
        /// The mRID that is not found.
        mrid: String,
    },
    /// A point cannot carry what it reads.
    #[error("point {point:?}: a point of kind {kind:?} cannot carry this measurement")]
    WrongKind {
        /// Name of the point.
        point: String,
        /// Its kind.
        kind: &'static str,
    },
    /// An option is out of range.
    #[error("{option} is {value}, it must be {range}")]
    Option {
        /// Which option.
        option: &'static str,
        /// What was given.
        value: f64,
        /// What is possible.
        range: &'static str,
    },
    /// The network as it is given has no operating state.
    #[error("the power flow of the network has no solution around {substation}: {reason}")]
    NoSolution {
        /// A substation in the island.
        substation: String,
        /// Why not.
        reason: String,
    },
}

/// Something worth a line in the log.
#[derive(Clone, PartialEq, Debug)]
pub enum Report {
    /// The power flow of an island has no solution: it is dead until a switch, a tap or a fault changes.
    IslandCollapsed {
        /// Substations in it.
        substations: Vec<String>,
        /// Why.
        reason: String,
    },
    /// Protection opens a switch.
    Tripped {
        /// Name of the switch.
        switch: String,
    },
    /// A command was refused.
    CommandRefused {
        /// What it was for.
        point: PointId,
        /// Why.
        reason: &'static str,
    },
    /// A fault has run out.
    FaultEnded,
}

/// What a step brought.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StepOutcome {
    /// New readings, in the order in which they came about.
    pub samples: Vec<Sample>,
    /// Commands whose movement has ended.
    pub terminated: Vec<Command>,
    /// For the log.
    pub reports: Vec<Report>,
}

/// What a command would do.
enum Plan {
    /// The device is there already.
    Nothing,
    /// The device takes the command and stays.
    Stuck,
    Switch(SwitchIdx, bool),
    Tap(TapChangerIdx, i16),
}

/// The simulated field.
#[derive(Clone, Debug)]
pub struct Twin {
    network: Network,
    points: Arc<PointList>,
    options: TwinOptions,
    bindings: Arc<Bindings>,
    profiles: Profiles,
    noise: Noise,
    drives: Drives,
    physics: Physics,
    faults: Faults,
    /// By load, since the beginning.
    energy_kwh: Vec<f64>,
    /// First call and latest call.
    first: Option<Now>,
    last: Option<Now>,
    stepped: Option<Mono>,
    /// What came about between two calls that return an outcome.
    pending: StepOutcome,
    /// Whether the electrical state no longer fits switches, taps and faults.
    dirty: bool,
}

impl Twin {
    /// A field at rest in its normal state. Every point with a binding must read a measurement of the network.
    pub fn new(network: Network, points: Arc<PointList>, options: TwinOptions) -> Result<Self, TwinError> {
        check_range("noise_percent", options.noise_percent, (0.0, MAX_NOISE_PERCENT, "between 0 and 50"))?;
        check_range("time_scale", options.time_scale, (0.0, MAX_TIME_SCALE, "between 0 and 86400"))?;
        let loads = network.loads().len();
        let hour = hour_of_day(options.start, &options.zone);
        let mut twin = Self {
            bindings: Arc::new(Bindings::new(&network, &points)?),
            profiles: Profiles::new(loads, options.seed, hour),
            noise: Noise::new(options.seed, options.noise_percent),
            drives: Drives::new(&network, options.seed),
            physics: Physics::new(&network),
            faults: Faults::default(),
            energy_kwh: vec![0.0; loads],
            first: None,
            last: None,
            stepped: None,
            pending: StepOutcome::default(),
            dirty: false,
            network,
            points,
            options,
        };
        match twin.solve().into_iter().next() {
            None => Ok(twin),
            Some(collapse) => Err(TwinError::NoSolution {
                substation: twin.names_of(&collapse).into_iter().next().unwrap_or_default(),
                reason: collapse.reason,
            }),
        }
    }

    /// Moves loads, sun and machines on to `now` and reads every point. Meant to be called once a second.
    pub fn step(&mut self, now: Now) -> StepOutcome {
        self.arrive(now);
        self.apply_due(now);
        let elapsed = self.stepped.map_or(Duration::ZERO, |last| now.mono.since(last));
        self.stepped = Some(now.mono);
        self.profiles.advance(elapsed, self.hour(now));
        self.refresh(now);
        std::mem::take(&mut self.pending)
    }

    /// Ends what is due at `now`: movements, protection, faults. Harmless when called early.
    pub fn advance(&mut self, now: Now) -> StepOutcome {
        self.arrive(now);
        self.apply_due(now);
        if self.dirty {
            self.refresh(now);
        }
        std::mem::take(&mut self.pending)
    }

    /// When [`Twin::advance`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Mono> {
        if self.dirty || self.pending != StepOutcome::default() {
            return Some(self.last.map_or(Mono::ZERO, |now| now.mono));
        }
        [self.drives.poll_timeout(), self.faults.poll_timeout()].into_iter().flatten().min()
    }

    /// A command of the control centre. An accepted execute is reported in [`StepOutcome::terminated`] when its
    /// movement has ended.
    pub fn command(&mut self, now: Now, command: Command, phase: CommandPhase) -> CommandAnswer {
        self.arrive(now);
        let plan = match self.plan(command) {
            Ok(plan) => plan,
            Err(reason) => {
                self.pending.reports.push(Report::CommandRefused { point: command.point, reason });
                return CommandAnswer::Refuse;
            }
        };
        match phase {
            CommandPhase::Select | CommandPhase::Deselect => {}
            CommandPhase::Execute => self.execute(now, command, plan),
        }
        CommandAnswer::Accept
    }

    /// Lets something go wrong, for a while or until it is removed.
    pub fn inject(&mut self, now: Now, fault: Fault, lasts: Option<Duration>) -> Result<FaultId, FaultError> {
        self.arrive(now);
        let effect = resolve(&self.network, &self.points, &self.bindings, &fault)?;
        let id = self.faults.add(now, fault, (effect, lasts))?;
        self.faults_changed();
        self.trip(now);
        Ok(id)
    }

    /// Removes a fault; `None` if there is none of this id.
    pub fn clear(&mut self, now: Now, id: FaultId) -> Option<ActiveFault> {
        self.arrive(now);
        let removed = self.faults.remove(id)?;
        self.faults_changed();
        Some(removed)
    }

    /// Faults in force, the oldest first.
    pub fn faults(&self) -> impl Iterator<Item = &ActiveFault> {
        self.faults.list()
    }

    /// Whether the remote terminal unit of a substation is silent.
    pub fn is_silent(&self, substation: SubstationIdx) -> bool {
        self.faults.is_silent(substation)
    }

    /// The network that is simulated.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The points that are read.
    pub fn points(&self) -> &Arc<PointList> {
        &self.points
    }

    /// Counts energy up to `now`; time never goes back.
    fn arrive(&mut self, now: Now) {
        self.first.get_or_insert(now);
        let elapsed = self.last.map_or(Duration::ZERO, |last| now.mono.since(last.mono));
        if self.last.is_none_or(|last| last.mono <= now.mono) {
            self.last = Some(now);
        }
        let hours = elapsed.as_secs_f64() / 3_600.0;
        for load in LoadIdx::all(self.energy_kwh.len()) {
            let p_mw = self.physics.reading(&self.network, MeasurementRole::LoadEnergy(load));
            self.energy_kwh[load.at()] += p_mw * 1_000.0 * hours;
        }
    }

    fn apply_due(&mut self, now: Now) {
        if self.faults.expire(now.mono) {
            self.pending.reports.push(Report::FaultEnded);
            self.faults_changed();
        }
        for finished in self.drives.finish(now.mono) {
            self.finished(now, finished);
        }
        self.trip(now);
    }

    fn finished(&mut self, now: Now, finished: Finished) {
        match finished.device {
            Device::Switch(switch) => {
                self.physics.set_switch(switch, self.drives.is_closed(switch));
                self.report_position(now, self.bindings.of_switch(switch));
            }
            Device::Tap(changer) => {
                self.physics.set_taps(self.drives.steps());
                self.report_position(now, self.bindings.of_tap(changer));
            }
        }
        self.physics.retry_collapsed();
        self.dirty = true;
        self.pending.terminated.extend(finished.command);
    }

    fn trip(&mut self, now: Now) {
        for switch in self.faults.to_trip(&self.drives) {
            self.drives.trip(now.mono, switch);
            self.pending.reports.push(Report::Tripped { switch: self.network[switch].name.clone() });
            self.report_position(now, self.bindings.of_switch(switch));
        }
    }

    fn faults_changed(&mut self) {
        self.physics.retry_collapsed();
        self.dirty = true;
    }

    fn refresh(&mut self, now: Now) {
        for collapse in self.solve() {
            let substations = self.names_of(&collapse);
            self.pending.reports.push(Report::IslandCollapsed { substations, reason: collapse.reason });
        }
        self.dirty = false;
        for (point, role) in Arc::clone(&self.bindings).all() {
            self.read(now, point, role);
        }
    }

    fn solve(&mut self) -> Vec<Collapse> {
        let Self { physics, profiles, faults, network, .. } = self;
        let share = |load: LoadIdx| -> Share { profiles.share(load.at(), faults.load_factor(load)) };
        physics.solve(network, share)
    }

    fn names_of(&self, collapse: &Collapse) -> Vec<String> {
        let mut places: Vec<SubstationIdx> =
            collapse.nodes.iter().map(|node| self.network.substation_of(*node)).collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|place| self.network[place].name.clone()).collect()
    }

    fn hour(&self, now: Now) -> f64 {
        let passed = self.first.map_or(Duration::ZERO, |first| now.utc.since(first.utc));
        hour_of_day(self.options.start + passed.mul_f64(self.options.time_scale), &self.options.zone)
    }

    fn plan(&self, command: Command) -> Result<Plan, &'static str> {
        match (self.bindings.role(command.point), command.value) {
            (
                Some(MeasurementRole::SwitchPosition(switch)),
                value @ (Value::Double(_) | Value::Single(_)),
            ) => {
                let close = value.is_on().ok_or("neither open nor close is asked for")?;
                self.plan_switch(switch, close)
            }
            (Some(MeasurementRole::TapPosition(changer)), Value::Step(direction)) => {
                self.plan_tap(changer, direction)
            }
            (Some(_), _) => Err("the value does not fit what is operated"),
            (None, _) => Err("the point is not of the field"),
        }
    }

    fn plan_switch(&self, switch: SwitchIdx, close: bool) -> Result<Plan, &'static str> {
        match self.drives.state(switch) {
            SwitchState::Travelling => return Err("the switch is on its way"),
            SwitchState::Closed if close => return Ok(Plan::Nothing),
            SwitchState::Open if !close => return Ok(Plan::Nothing),
            SwitchState::Open | SwitchState::Closed => {}
        }
        match self.network[switch].kind {
            SwitchKind::Breaker => {}
            SwitchKind::Disconnector if self.breaker_is_open(switch) => {}
            SwitchKind::Disconnector => return Err("interlock: the breaker of the bay is not open"),
        }
        Ok(if self.faults.is_stuck(switch) { Plan::Stuck } else { Plan::Switch(switch, close) })
    }

    /// Whether every breaker in the bay of a disconnector is open and at rest.
    fn breaker_is_open(&self, disconnector: SwitchIdx) -> bool {
        let Some(bay) = self.network[disconnector].bay else { return true };
        self.network
            .switches_of(self.network[bay].serves)
            .iter()
            .filter(|switch| self.network[**switch].kind == SwitchKind::Breaker)
            .all(|breaker| self.drives.state(*breaker) == SwitchState::Open)
    }

    /// A regulating step command: up or down by one (IEC 60870-5-101 7.2.6.17 RCO).
    fn plan_tap(&self, changer: TapChangerIdx, direction: i16) -> Result<Plan, &'static str> {
        if self.drives.is_moving(Device::Tap(changer)) {
            return Err("the tap changer is on its way");
        }
        if !matches!(direction, -1 | 1) {
            return Err("a tap changer moves by one step");
        }
        let step = self.drives.step(changer).saturating_add(direction);
        let range = self.network[changer].low_step..=self.network[changer].high_step;
        if range.contains(&step) {
            Ok(Plan::Tap(changer, step))
        } else {
            Err("the tap changer is at its end")
        }
    }

    fn execute(&mut self, now: Now, command: Command, plan: Plan) {
        match plan {
            Plan::Nothing => self.pending.terminated.push(command),
            Plan::Stuck => {}
            Plan::Switch(switch, close) => {
                let kind = self.network[switch].kind;
                self.drives.operate(now.mono, (switch, kind), close, command);
                self.report_position(now, self.bindings.of_switch(switch));
            }
            Plan::Tap(changer, step) => self.drives.move_tap(now.mono, changer, step, command),
        }
    }

    fn report_position(&mut self, now: Now, point: Option<PointId>) {
        if let Some((point, role)) = point.and_then(|point| Some((point, self.bindings.role(point)?))) {
            self.read(now, point, role);
        }
    }

    fn read(&mut self, now: Now, point: PointId, role: MeasurementRole) {
        let value = match role {
            MeasurementRole::SwitchPosition(switch) => {
                position(self.drives.state(switch), self.drives.is_closed(switch), self.points[point].kind)
            }
            MeasurementRole::TapPosition(changer) => Value::Step(self.drives.step(changer)),
            MeasurementRole::LoadEnergy(load) => {
                let count = self.energy_kwh[load.at()].floor().rem_euclid(COUNTER_RANGE_KWH);
                // Within 31 bits by the line above.
                Value::Counter(count as i64)
            }
            MeasurementRole::BusbarVoltage(_)
            | MeasurementRole::BayVoltage(_)
            | MeasurementRole::ActiveFlow(_)
            | MeasurementRole::ReactiveFlow(_)
            | MeasurementRole::MachineActiveInjection(_)
            | MeasurementRole::MachineReactiveInjection(_)
            | MeasurementRole::LoadActive(_)
            | MeasurementRole::LoadReactive(_)
            | MeasurementRole::ShuntReactiveInjection(_) => Value::Analog(self.measure(point, role)),
        };
        let source_time = Some(UtcStamp::synchronised(now.utc));
        self.pending.samples.push(Sample {
            point,
            value,
            quality: Quality::GOOD,
            source_time,
            received: now,
        });
    }

    /// The true value through the measuring chain.
    fn measure(&mut self, point: PointId, role: MeasurementRole) -> f64 {
        assert!(is_measured(role), "only analogue values pass an instrument transformer");
        let reading = self.physics.reading(&self.network, role);
        let sigma = self.noise.sigma_of(reading);
        let measured = self.noise.of(reading);
        self.faults.errors_of(point).fold(measured, |value, error| match error {
            GrossError::Factor(factor) => value * factor,
            GrossError::Sigmas(sigmas) => value + sigmas * sigma,
        })
    }
}

/// The indication of a switch. A single contact keeps the old position until the new one is reached.
fn position(state: SwitchState, closed: bool, kind: PointKind) -> Value {
    match (kind, state) {
        (PointKind::Single, _) => Value::Single(closed),
        (_, SwitchState::Open) => Value::Double(DoublePoint::Off),
        (_, SwitchState::Closed) => Value::Double(DoublePoint::On),
        (_, SwitchState::Travelling) => Value::Double(DoublePoint::Intermediate),
    }
}

fn hour_of_day(utc: Utc, zone: &Zone) -> f64 {
    let civil = Civil::from_utc(utc, zone);
    f64::from(civil.hour) + f64::from(civil.minute) / 60.0 + f64::from(civil.second) / 3_600.0
}

fn check_range(option: &'static str, value: f64, range: (f64, f64, &'static str)) -> Result<(), TwinError> {
    let (low, high, range) = range;
    if low <= value && value <= high { Ok(()) } else { Err(TwinError::Option { option, value, range }) }
}

#[cfg(test)]
mod tests;
