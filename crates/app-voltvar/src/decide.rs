//! The decision: pure, one regulator at a time.

use crate::APPLICATION;
use crate::config::{Config, ConfigError, HigherStep, Regulator};
use crate::state::{RegulatorState, Side};
use app::{Application, Outlook, Priority, ProcessImage, Proposal};
use signal::{PointId, PointList, Value};
use std::time::Duration;
use timebase::Mono;

/// How long a proposal stays sensible.
const PROPOSAL_LIFE: Duration = Duration::from_secs(5);

/// The application.
#[derive(Clone, Debug)]
pub struct VoltVar {
    regulators: Vec<(Regulator, PointId, RegulatorState)>,
}

/// What a regulator sees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct View {
    pub(crate) now: Mono,
    pub(crate) vm_pu: Option<f64>,
    pub(crate) step: Option<i16>,
}

/// What a regulator decides.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Decision {
    /// All is well.
    Rest,
    /// Outside, but not long enough or too soon after the last step.
    Wait,
    /// Cannot act; the text says why.
    Hold(&'static str),
    /// Move the tap by this much.
    Step(i16),
}

impl VoltVar {
    /// Checks the configuration against the points.
    pub fn new(config: Config, points: &PointList) -> Result<Self, ConfigError> {
        let mut regulators = Vec::with_capacity(config.regulator.len());
        for regulator in config.regulator {
            regulator.check()?;
            let tap = points.named(&regulator.tap).ok_or_else(|| {
                ConfigError(format!("regulator of {}: no point {}", regulator.substation, regulator.tap))
            })?;
            regulators.push((regulator, tap, RegulatorState::default()));
        }
        Ok(Self { regulators })
    }
}

impl Application for VoltVar {
    fn name(&self) -> &str {
        APPLICATION
    }

    fn decide(&mut self, image: &ProcessImage) -> Outlook {
        let mut outlook = Outlook::default();
        for (regulator, tap, state) in &mut self.regulators {
            let position = image.point(*tap).and_then(|point| point.good());
            let step = if let Some(Value::Step(step)) = position { Some(step) } else { None };
            let view = View { now: image.now.mono, vm_pu: image.vm_pu(&regulator.substation), step };
            match decide(&view, state, regulator) {
                Decision::Rest | Decision::Wait => {}
                Decision::Hold(why) => outlook.holding = Some(format!("{}: {why}", regulator.substation)),
                Decision::Step(by) => outlook.proposals.push(propose(regulator, *tap, &view, by)),
            }
        }
        outlook
    }
}

/// One cycle of one regulator.
pub(crate) fn decide(view: &View, state: &mut RegulatorState, regulator: &Regulator) -> Decision {
    let Some(vm_pu) = view.vm_pu else {
        state.outside = None;
        return Decision::Hold("no estimated voltage");
    };
    let side = if vm_pu < regulator.low_pu {
        Side::Low
    } else if vm_pu > regulator.high_pu {
        Side::High
    } else {
        state.outside = None;
        return Decision::Rest;
    };
    let since = match state.outside {
        Some((before, since)) if before == side => since,
        Some(_) | None => view.now,
    };
    state.outside = Some((side, since));
    if view.now.since(since) < Duration::from_secs_f64(regulator.delay_s) {
        return Decision::Wait;
    }
    if state.stepped.is_some_and(|at| view.now.since(at) < Duration::from_secs_f64(regulator.settle_s)) {
        return Decision::Wait;
    }
    let Some(step) = view.step else { return Decision::Hold("tap position is not good") };
    let raise_voltage = side == Side::Low;
    let by = if raise_voltage == (regulator.higher_step == HigherStep::Raises) { 1 } else { -1 };
    if !(regulator.min_step..=regulator.max_step).contains(&(step + by)) {
        return Decision::Hold("tap is at the end of its range");
    }
    state.stepped = Some(view.now);
    Decision::Step(by)
}

fn propose(regulator: &Regulator, tap: PointId, view: &View, by: i16) -> Proposal {
    let (vm_pu, step) = (view.vm_pu.unwrap_or_default(), view.step.unwrap_or_default());
    let (word, limit, trend) = if vm_pu < regulator.low_pu {
        ("below", regulator.low_pu, "rises")
    } else {
        ("above", regulator.high_pu, "falls")
    };
    Proposal {
        application: APPLICATION.to_owned(),
        target: tap,
        value: Value::Step(by),
        priority: Priority::SafetyLimit,
        reason: format!(
            "{} is at {vm_pu:.4} p.u., {word} its limit of {limit:.4} p.u. for {} s",
            regulator.substation, regulator.delay_s
        ),
        expected: format!(
            "tap goes from {step} to {}, voltage of {} {trend}",
            step + by,
            regulator.substation
        ),
        expires: view.now + PROPOSAL_LIFE,
    }
}
