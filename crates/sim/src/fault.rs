//! Faults on request: what can go wrong in the field, and for how long.

use crate::drive::Drives;
use model::{Equipment, LineIdx, LoadIdx, Network, SubstationIdx, SwitchIdx, SwitchKind, TransformerIdx};
use signal::{PointId, PointList};
use std::fmt;
use std::time::Duration;
use timebase::{Mono, Now};

use crate::bindings::Bindings;
use model::MeasurementRole;

/// Most faults at the same time.
pub const MAX_FAULTS: usize = 1_000;
/// Largest factor of a load step or of a bad measurement.
const MAX_FACTOR: f64 = 1_000.0;
/// Largest gross error in standard deviations.
const MAX_SIGMAS: f64 = 100_000.0;

/// Identity of an injected fault, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FaultId(pub u64);

/// How a measuring chain lies.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum GrossError {
    /// The reading is multiplied.
    Factor(f64),
    /// So many standard deviations of the normal error are added.
    Sigmas(f64),
}

/// What goes wrong. Targets are the names of the network and of the point list.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {
    /// A permanent short circuit on a line or transformer: protection opens the breakers at both ends within
    /// 100 ms, and again whenever one is closed onto it. Removing it closes nothing.
    LineTrip {
        /// Name of the line or transformer.
        branch: String,
    },
    /// The loads of a substation are multiplied.
    LoadStep {
        /// Name of the substation.
        substation: String,
        /// Factor on active and reactive power, not negative.
        factor: f64,
    },
    /// The remote terminal unit of a substation stops answering. The physics go on; whoever hosts the stations
    /// keeps its sockets silent.
    RtuSilent {
        /// Name of the substation.
        station: String,
    },
    /// A measured value is wrong.
    BadMeasurement {
        /// Name of an analogue point.
        point: String,
        /// By how much.
        error: GrossError,
    },
    /// A breaker or disconnector accepts commands and trips, but does not move.
    StuckBreaker {
        /// Name of the point of its position.
        point: String,
    },
}

/// A fault in force.
#[derive(Clone, PartialEq, Debug)]
pub struct ActiveFault {
    /// Its identity.
    pub id: FaultId,
    /// What it is.
    pub fault: Fault,
    /// When it began.
    pub since: Now,
    /// When it goes away by itself, if ever.
    pub until: Option<Mono>,
}

/// Why a fault was not injected.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum FaultError {
    /// No such element.
    #[error("no {kind} is named {name:?} (hint: names look like {example:?})")]
    Unknown {
        /// What kind of element was wanted.
        kind: &'static str,
        /// The name that was given.
        name: String,
        /// A name that exists.
        example: String,
    },
    /// The element exists, but the fault cannot befall it.
    #[error("{name:?} {reason}")]
    Unsuited {
        /// The name that was given.
        name: String,
        /// Why not, e.g. `has no breaker`.
        reason: &'static str,
    },
    /// A number out of range.
    #[error("{what} is {value}, it must be {range}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// What was given.
        value: f64,
        /// What is possible.
        range: &'static str,
    },
    /// No room for another one.
    #[error("{MAX_FAULTS} faults are in force already")]
    TooMany,
}

impl Fault {
    /// Every kind with its name in the command line and in the API.
    pub const KINDS: [&'static str; 5] =
        ["line_trip", "load_step", "rtu_silent", "bad_measurement", "stuck_breaker"];

    /// The name of its kind in the command line and in the API.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::LineTrip { .. } => Self::KINDS[0],
            Self::LoadStep { .. } => Self::KINDS[1],
            Self::RtuSilent { .. } => Self::KINDS[2],
            Self::BadMeasurement { .. } => Self::KINDS[3],
            Self::StuckBreaker { .. } => Self::KINDS[4],
        }
    }

    /// What it befalls.
    pub fn target(&self) -> &str {
        match self {
            Self::LineTrip { branch: target }
            | Self::LoadStep { substation: target, .. }
            | Self::RtuSilent { station: target }
            | Self::BadMeasurement { point: target, .. }
            | Self::StuckBreaker { point: target } => target,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTrip { branch } => write!(f, "short circuit on {branch}"),
            Self::LoadStep { substation, factor } => write!(f, "loads of {substation} times {factor}"),
            Self::RtuSilent { station } => write!(f, "{station} is silent"),
            Self::BadMeasurement { point, error: GrossError::Factor(factor) } => {
                write!(f, "{point} reads times {factor}")
            }
            Self::BadMeasurement { point, error: GrossError::Sigmas(sigmas) } => {
                write!(f, "{point} reads {sigmas} deviations off")
            }
            Self::StuckBreaker { point } => write!(f, "{point} is stuck"),
        }
    }
}

/// A fault with its target found.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Effect {
    Trip(Vec<SwitchIdx>),
    Load { loads: Vec<LoadIdx>, factor: f64 },
    Silent(SubstationIdx),
    Bad { point: PointId, error: GrossError },
    Stuck(SwitchIdx),
}

/// All faults in force, in the order of their ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    last: u64,
    active: Vec<(ActiveFault, Effect)>,
}

impl Faults {
    pub(crate) fn add(
        &mut self,
        now: Now,
        fault: Fault,
        found: (Effect, Option<Duration>),
    ) -> Result<FaultId, FaultError> {
        if self.active.len() >= MAX_FAULTS {
            return Err(FaultError::TooMany);
        }
        let (effect, lasts) = found;
        self.last += 1;
        let id = FaultId(self.last);
        let until = lasts.map(|lasts| now.mono + lasts);
        self.active.push((ActiveFault { id, fault, since: now, until }, effect));
        Ok(id)
    }

    pub(crate) fn remove(&mut self, id: FaultId) -> Option<ActiveFault> {
        let at = self.active.iter().position(|(fault, _)| fault.id == id)?;
        Some(self.active.remove(at).0)
    }

    /// Drops what has run out; returns whether anything did.
    pub(crate) fn expire(&mut self, now: Mono) -> bool {
        let before = self.active.len();
        self.active.retain(|(fault, _)| fault.until.is_none_or(|until| now < until));
        self.active.len() < before
    }

    pub(crate) fn poll_timeout(&self) -> Option<Mono> {
        self.active.iter().filter_map(|(fault, _)| fault.until).min()
    }

    pub(crate) fn list(&self) -> impl Iterator<Item = &ActiveFault> {
        self.active.iter().map(|(fault, _)| fault)
    }

    fn effects(&self) -> impl Iterator<Item = &Effect> {
        self.active.iter().map(|(_, effect)| effect)
    }

    pub(crate) fn load_factor(&self, load: LoadIdx) -> f64 {
        self.effects()
            .map(|effect| match effect {
                Effect::Load { loads, factor } if loads.contains(&load) => *factor,
                Effect::Load { .. }
                | Effect::Trip(_)
                | Effect::Silent(_)
                | Effect::Bad { .. }
                | Effect::Stuck(_) => 1.0,
            })
            .product()
    }

    pub(crate) fn is_stuck(&self, switch: SwitchIdx) -> bool {
        self.effects().any(|effect| *effect == Effect::Stuck(switch))
    }

    pub(crate) fn is_silent(&self, substation: SubstationIdx) -> bool {
        self.effects().any(|effect| *effect == Effect::Silent(substation))
    }

    /// Errors of a measuring chain, in the order of their injection.
    pub(crate) fn errors_of(&self, point: PointId) -> impl Iterator<Item = GrossError> {
        self.effects().filter_map(move |effect| match effect {
            Effect::Bad { point: bad, error } if *bad == point => Some(*error),
            Effect::Bad { .. }
            | Effect::Load { .. }
            | Effect::Trip(_)
            | Effect::Silent(_)
            | Effect::Stuck(_) => None,
        })
    }

    /// Switches which protection has to open: closed, at rest, not stuck, and at a branch with a short circuit.
    pub(crate) fn to_trip(&self, drives: &Drives) -> Vec<SwitchIdx> {
        let mut found: Vec<SwitchIdx> = self
            .effects()
            .filter_map(|effect| match effect {
                Effect::Trip(switches) => Some(switches),
                Effect::Load { .. } | Effect::Silent(_) | Effect::Bad { .. } | Effect::Stuck(_) => None,
            })
            .flatten()
            .copied()
            .filter(|switch| drives.state(*switch) == crate::SwitchState::Closed && !self.is_stuck(*switch))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Finds the target of a fault and checks its numbers.
pub(crate) fn resolve(
    network: &Network,
    points: &PointList,
    bindings: &Bindings,
    fault: &Fault,
) -> Result<Effect, FaultError> {
    match fault {
        Fault::LineTrip { branch } => trip(network, branch),
        Fault::LoadStep { substation, factor } => {
            in_range("the factor", *factor, (0.0, MAX_FACTOR, "between 0 and 1000"))?;
            let place = substation_named(network, substation)?;
            let loads: Vec<LoadIdx> = LoadIdx::all(network.loads().len())
                .filter(|load| network.substation_of(network.node_of(network[*load].terminal)) == place)
                .collect();
            if loads.is_empty() {
                return Err(FaultError::Unsuited { name: substation.clone(), reason: "has no load" });
            }
            Ok(Effect::Load { loads, factor: *factor })
        }
        Fault::RtuSilent { station } => substation_named(network, station).map(Effect::Silent),
        Fault::BadMeasurement { point, error } => {
            match error {
                GrossError::Factor(factor) => {
                    in_range("the factor", *factor, (-MAX_FACTOR, MAX_FACTOR, "between -1000 and 1000"))?;
                }
                GrossError::Sigmas(sigmas) => {
                    in_range("sigma", *sigmas, (-MAX_SIGMAS, MAX_SIGMAS, "between -100000 and 100000"))?;
                }
            }
            let id = point_named(points, point)?;
            match bindings.role(id) {
                Some(role) if crate::bindings::is_measured(role) => {
                    Ok(Effect::Bad { point: id, error: *error })
                }
                Some(_) | None => {
                    Err(FaultError::Unsuited { name: point.clone(), reason: "is not a measured value" })
                }
            }
        }
        Fault::StuckBreaker { point } => match bindings.role(point_named(points, point)?) {
            Some(MeasurementRole::SwitchPosition(switch)) => Ok(Effect::Stuck(switch)),
            Some(_) | None => {
                Err(FaultError::Unsuited { name: point.clone(), reason: "is not the position of a switch" })
            }
        },
    }
}

fn in_range(what: &'static str, value: f64, range: (f64, f64, &'static str)) -> Result<(), FaultError> {
    let (low, high, range) = range;
    if low <= value && value <= high { Ok(()) } else { Err(FaultError::OutOfRange { what, value, range }) }
}

fn unknown(kind: &'static str, name: &str, example: Option<&str>) -> FaultError {
    FaultError::Unknown { kind, name: name.to_owned(), example: example.unwrap_or("").to_owned() }
}

fn point_named(points: &PointList, name: &str) -> Result<PointId, FaultError> {
    let example = || points.iter().next().map(|(_, point)| point.name.as_str());
    points.named(name).ok_or_else(|| unknown("point", name, example()))
}

fn substation_named(network: &Network, name: &str) -> Result<SubstationIdx, FaultError> {
    let places = network.substations();
    SubstationIdx::all(places.len())
        .find(|place| network[*place].name == name)
        .ok_or_else(|| unknown("substation", name, places.first().map(|place| place.name.as_str())))
}

/// The breakers at both ends of a branch.
fn trip(network: &Network, name: &str) -> Result<Effect, FaultError> {
    let lines = LineIdx::all(network.lines().len()).map(Equipment::Line);
    let transformers = TransformerIdx::all(network.transformers().len()).map(Equipment::Transformer);
    let example = network.lines().first().map(|line| line.name.as_str());
    let branch = lines
        .chain(transformers)
        .find(|branch| network.name_of(*branch) == name)
        .ok_or_else(|| unknown("line or transformer", name, example))?;
    let breakers: Vec<SwitchIdx> = network
        .terminals_of(branch)
        .into_iter()
        .flat_map(|terminal| network.switches_of(terminal))
        .copied()
        .filter(|switch| network[*switch].kind == SwitchKind::Breaker)
        .collect();
    if breakers.is_empty() {
        return Err(FaultError::Unsuited { name: name.to_owned(), reason: "has no breaker" });
    }
    Ok(Effect::Trip(breakers))
}
