//! The JSON of the twin's API. Units are in the names; times are ISO 8601 in UTC.

use serde::{Deserialize, Serialize};
use sim::{ActiveFault, Fault, GrossError, InjectionKind, SwitchState, Truth};
use std::time::Duration;
use timebase::Now;

/// Longest time that a fault may be asked to last: a year.
const MAX_FOR_S: f64 = 31_536_000.0;

/// A fault as it is asked for.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFault {
    /// `line_trip`, `load_step`, `rtu_silent`, `bad_measurement` or `stuck_breaker`.
    pub(crate) kind: String,
    /// Name of a line, substation or point.
    pub(crate) target: String,
    /// Of a load step or bad measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) factor: Option<f64>,
    /// Of a bad measurement: deviations to add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sigma: Option<f64>,
    /// How long it lasts; absent: until it is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) for_s: Option<f64>,
}

impl NewFault {
    /// The fault and how long it lasts, or what is wrong with the request.
    pub(crate) fn parse(self) -> Result<(Fault, Option<Duration>), String> {
        let lasts = match self.for_s {
            None => None,
            Some(seconds) if seconds > 0.0 && seconds <= MAX_FOR_S => Some(Duration::from_secs_f64(seconds)),
            Some(seconds) => {
                return Err(format!("for_s is {seconds}, it must be above 0 and at most a year"));
            }
        };
        let target = self.target;
        let fault = match (self.kind.as_str(), self.factor, self.sigma) {
            ("line_trip", None, None) => Fault::LineTrip { branch: target },
            ("load_step", Some(factor), None) => Fault::LoadStep { substation: target, factor },
            ("load_step", None, None) => return Err("a load step needs a factor".into()),
            ("rtu_silent", None, None) => Fault::RtuSilent { station: target },
            ("bad_measurement", Some(factor), None) => {
                Fault::BadMeasurement { point: target, error: GrossError::Factor(factor) }
            }
            ("bad_measurement", None, Some(sigmas)) => {
                Fault::BadMeasurement { point: target, error: GrossError::Sigmas(sigmas) }
            }
            ("bad_measurement", _, _) => {
                return Err("a bad measurement needs either a factor or a sigma".into());
            }
            ("stuck_breaker", None, None) => Fault::StuckBreaker { point: target },
            (kind, _, _) if Fault::KINDS.contains(&kind) => {
                return Err(format!("{kind} does not take that factor or sigma"));
            }
            (kind, _, _) => {
                return Err(format!(
                    "no fault is called {kind:?} (hint: one of {})",
                    Fault::KINDS.join(", ")
                ));
            }
        };
        Ok((fault, lasts))
    }
}

/// A fault in force.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct FaultView {
    pub(crate) id: u64,
    pub(crate) kind: String,
    pub(crate) target: String,
    /// For people.
    pub(crate) text: String,
    pub(crate) since: String,
    /// Seconds left; null: until it is cleared.
    pub(crate) remaining_s: Option<f64>,
}

impl FaultView {
    pub(crate) fn of(active: &ActiveFault, now: Now) -> Self {
        Self {
            id: active.id.0,
            kind: active.fault.kind().to_owned(),
            target: active.fault.target().to_owned(),
            text: active.fault.to_string(),
            since: active.since.utc.to_string(),
            remaining_s: active.until.map(|until| until.since(now.mono).as_secs_f64()),
        }
    }
}

/// A station of the field.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct StationView {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) common_address: usize,
    pub(crate) state: &'static str,
    pub(crate) silent: bool,
    pub(crate) rx_bytes: u64,
    pub(crate) tx_bytes: u64,
    pub(crate) faults: u64,
    /// Values that the station was too busy to take.
    pub(crate) lost: u64,
}

/// The whole true state.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct TruthView {
    time: String,
    substations: Vec<SubstationView>,
    branches: Vec<BranchView>,
    switches: Vec<SwitchView>,
    taps: Vec<TapView>,
    injections: Vec<InjectionView>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct SubstationView {
    name: String,
    energised: bool,
    vm_pu: Option<f64>,
    va_degree: Option<f64>,
    vm_kv: Option<f64>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct BranchView {
    name: String,
    from: String,
    to: String,
    p_from_mw: f64,
    q_from_mvar: f64,
    p_to_mw: f64,
    q_to_mvar: f64,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct SwitchView {
    name: String,
    state: &'static str,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct TapView {
    name: String,
    step: i16,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct InjectionView {
    name: String,
    kind: &'static str,
    p_mw: f64,
    q_mvar: f64,
}

impl From<Truth> for TruthView {
    fn from(truth: Truth) -> Self {
        let substation = |place: sim::SubstationTruth| SubstationView {
            energised: place.vm_pu.is_some(),
            name: place.name,
            vm_pu: place.vm_pu,
            va_degree: place.va_degree,
            vm_kv: place.vm_kv,
        };
        let branch = |branch: sim::BranchTruth| BranchView {
            name: branch.name,
            from: branch.from,
            to: branch.to,
            p_from_mw: branch.p_from_mw,
            q_from_mvar: branch.q_from_mvar,
            p_to_mw: branch.p_to_mw,
            q_to_mvar: branch.q_to_mvar,
        };
        Self {
            time: truth.time.to_string(),
            substations: truth.substations.into_iter().map(substation).collect(),
            branches: truth.branches.into_iter().map(branch).collect(),
            switches: truth
                .switches
                .into_iter()
                .map(|switch| SwitchView { name: switch.name, state: state_name(switch.state) })
                .collect(),
            taps: truth.taps.into_iter().map(|tap| TapView { name: tap.name, step: tap.step }).collect(),
            injections: truth
                .injections
                .into_iter()
                .map(|injection| InjectionView {
                    name: injection.name,
                    kind: kind_name(injection.kind),
                    p_mw: injection.p_mw,
                    q_mvar: injection.q_mvar,
                })
                .collect(),
        }
    }
}

const fn state_name(state: SwitchState) -> &'static str {
    match state {
        SwitchState::Open => "open",
        SwitchState::Closed => "closed",
        SwitchState::Travelling => "travelling",
    }
}

const fn kind_name(kind: InjectionKind) -> &'static str {
    match kind {
        InjectionKind::Machine => "machine",
        InjectionKind::Load => "load",
        InjectionKind::Shunt => "shunt",
    }
}
