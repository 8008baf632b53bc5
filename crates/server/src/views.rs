//! Domain types as the API shows them.

use api::{
    AlarmView, BadDataView, BranchEstimateView, BusEstimateView, CommandView, ControlOption, ControlView,
    EstimateView, EventView, LimitsView, LivePoint, NumericControl, PointModeView, PointView, ProposalView,
    QualityView, StageView, TagView,
};
use app::EstimateImage;
use scada::alarm::Alarm;
use scada::centre::Centre;
use scada::event::Event;
use scada::gate::{CommandRecord, Origin, StudyReport, StudyViolation};
use scada::mode::SetMode;
use scada::table::PointState;
use scada::tag::Tag;
use scada::wording::value_text;
use signal::{
    ControlMode, DoublePoint, PointDef, PointId, PointKind, PointList, Quality, Source, Validity, Value,
};
use timebase::{Now, Utc};

/// A stamp as the API writes it.
pub(crate) fn stamp(at: Utc) -> String {
    at.to_string()
}

/// A point with its present state.
pub(crate) fn point(id: PointId, centre: &Centre, now: Now) -> Option<PointView> {
    let def = centre.table().points().get(id)?;
    let state = centre.table().get(id)?;
    let binding = def.binding.as_ref();
    Some(PointView {
        id: id.0,
        name: def.name.clone(),
        mrid: def.mrid.clone(),
        equipment: def.equipment.clone(),
        substation: def.substation.clone(),
        kind: def.kind.name().to_owned(),
        unit: def.unit.clone(),
        link: binding.map_or_else(String::new, |binding| binding.link.to_string()),
        address: binding.map_or_else(String::new, |binding| binding.address.clone()),
        value: state.value.and_then(Value::as_number),
        text: text(def, &state),
        quality: quality(state.quality),
        stale: state.stale,
        age_s: state.received.map(|received| now.mono.since(received.mono).as_secs_f64()),
        source_time: state.source_time.map(|at| stamp(at.time)),
        receive_time: state.received.map(|at| stamp(at.utc)),
        limits: LimitsView {
            low_low: def.limits.low_low,
            low: def.limits.low,
            high: def.limits.high,
            high_high: def.limits.high_high,
        },
        control: control(def),
        formula: def.formula.as_ref().map(|formula| formula.text().to_owned()),
        mode: centre.modes().get(&id).map(mode),
        tags: centre.tags().of(id).map(tag).collect(),
        alarm: centre.alarms().of_point(id).map(|severity| severity.name().to_owned()),
    })
}

fn mode(set: &SetMode) -> PointModeView {
    PointModeView {
        inhibited: set.mode.inhibited,
        test: set.mode.test,
        replaced: set.mode.replaced.is_some(),
        by: set.by.clone(),
        at: stamp(set.at),
        reason: set.reason.clone(),
    }
}

/// A point in a live frame.
pub(crate) fn live_point(id: PointId, def: &PointDef, state: &PointState) -> LivePoint {
    LivePoint(
        id.0,
        state.value.and_then(Value::as_number),
        text(def, state),
        match state.quality.validity {
            Validity::Good => 0,
            Validity::Questionable => 1,
            Validity::Invalid => 2,
        },
        u8::from(state.stale),
        state.time().map(Utc::as_millis),
    )
}

fn text(def: &PointDef, state: &PointState) -> String {
    state.value.map_or_else(|| "–".to_owned(), |value| value_text(def, value))
}

fn quality(quality: Quality) -> QualityView {
    QualityView {
        validity: validity_name(quality.validity).to_owned(),
        detail: quality.detail.names().map(str::to_owned).collect(),
        source: match quality.source {
            Source::Process => "process".to_owned(),
            Source::Substituted => "substituted".to_owned(),
        },
        test: quality.test,
        blocked: quality.operator_blocked,
    }
}

/// The API's word for a validity.
pub(crate) const fn validity_name(validity: Validity) -> &'static str {
    match validity {
        Validity::Good => "good",
        Validity::Questionable => "questionable",
        Validity::Invalid => "invalid",
    }
}

fn control(def: &PointDef) -> Option<ControlView> {
    let (_, mode) = def.binding.as_ref()?.control.as_ref()?;
    let option = |value, label: &str| ControlOption { value, label: label.to_owned() };
    let mut numeric = None;
    let options = match def.kind {
        PointKind::Single | PointKind::Double => vec![option(0.0, "open"), option(1.0, "close")],
        PointKind::Step => vec![option(1.0, "raise"), option(-1.0, "lower")],
        PointKind::Analog | PointKind::Counter | PointKind::Bits => {
            let (min, max) = (def.limits.low_low, def.limits.high_high);
            numeric = Some(NumericControl { min, max, unit: def.unit.clone() });
            Vec::new()
        }
    };
    let mode = match mode {
        ControlMode::Direct => "direct",
        ControlMode::SelectBeforeOperate => "select",
    };
    Some(ControlView { mode: mode.to_owned(), options, numeric })
}

/// The command value that a client's number means for a point.
pub(crate) fn command_value(def: &PointDef, number: f64) -> Option<Value> {
    match def.kind {
        PointKind::Analog => Some(Value::Analog(number)),
        PointKind::Single if number == 0.0 || number == 1.0 => Some(Value::Single(number == 1.0)),
        PointKind::Double if number == 0.0 => Some(Value::Double(DoublePoint::Off)),
        PointKind::Double if number == 1.0 => Some(Value::Double(DoublePoint::On)),
        PointKind::Step if number == 1.0 => Some(Value::Step(1)),
        PointKind::Step if number == -1.0 => Some(Value::Step(-1)),
        PointKind::Single | PointKind::Double | PointKind::Step | PointKind::Counter | PointKind::Bits => {
            None
        }
    }
}

/// A tag.
pub(crate) fn tag(tag: &Tag) -> TagView {
    TagView {
        id: tag.id,
        kind: tag.kind.name().to_owned(),
        text: tag.text.clone(),
        by: tag.by.clone(),
        at: stamp(tag.at),
    }
}

/// An alarm.
pub(crate) fn alarm(alarm: &Alarm, points: &PointList) -> AlarmView {
    let def = alarm.point.and_then(|point| points.get(point));
    AlarmView {
        id: alarm.id.as_str().to_owned(),
        point: alarm.point.map(|point| point.0),
        source: alarm.source.clone(),
        substation: def.map_or_else(String::new, |def| def.substation.clone()),
        kind: alarm.kind.name().to_owned(),
        priority: alarm.priority.name().to_owned(),
        active: alarm.active,
        acknowledged: alarm.acknowledged,
        text: alarm.text.clone(),
        value_text: alarm.value_text.clone(),
        raised_at: stamp(alarm.raised_at),
        cleared_at: alarm.cleared_at.map(stamp),
        acknowledged_at: alarm.acknowledged_by.as_ref().map(|(_, at)| stamp(*at)),
        acknowledged_by: alarm.acknowledged_by.as_ref().map(|(by, _)| by.clone()),
        count: alarm.count,
        group: alarm.group.clone(),
        place: alarm.place().name().to_owned(),
        first_out: alarm.first_out,
        latched: alarm.latched,
        chattering: alarm.chattering,
        shelved: alarm.shelved.as_ref().map(inhibit),
        suppressed_by: alarm.suppressed_by.clone(),
        out_of_service: alarm.out_of_service.as_ref().map(inhibit),
    }
}

fn inhibit(inhibit: &scada::alarm::Inhibit) -> api::InhibitView {
    api::InhibitView {
        by: inhibit.by.clone(),
        at: stamp(inhibit.at),
        until: stamp(inhibit.until),
        reason: inhibit.reason.clone(),
        one_shot: inhibit.one_shot,
    }
}

/// An event.
pub(crate) fn event(event: &Event) -> EventView {
    EventView {
        seq: event.seq,
        time: stamp(event.time),
        kind: event.kind.name().to_owned(),
        severity: event.severity.name().to_owned(),
        source: event.source.clone(),
        text: event.text.clone(),
        actor: event.actor.clone(),
        point: event.point.map(|point| point.0),
    }
}

/// An event of the store.
pub(crate) fn stored_event(record: store::EventRecord, points: &PointList) -> EventView {
    let event = record.event;
    EventView {
        seq: record.seq,
        time: stamp(event.time),
        kind: event.kind,
        severity: event.severity,
        source: event.source,
        text: event.text,
        actor: event.actor,
        point: event.point.and_then(|mrid| points.by_mrid(&mrid)).map(|point| point.0),
    }
}

/// A command.
pub(crate) fn command(command: &CommandRecord) -> CommandView {
    CommandView {
        id: command.id.0,
        point: command.point.0,
        point_name: command.point_name.clone(),
        value: command.value.as_number(),
        value_text: command.value_text.clone(),
        reason: command.reason.clone(),
        actor: command.actor.clone(),
        origin: match command.origin {
            Origin::Operator => "operator".to_owned(),
            Origin::Application(_) => "application".to_owned(),
        },
        state: command.state.name().to_owned(),
        stages: command
            .stages
            .iter()
            .map(|stage| StageView {
                at: stamp(stage.at),
                stage: stage.state.name().to_owned(),
                text: stage.text.clone(),
            })
            .collect(),
        refusal: command.refusal.as_ref().map(|refusal| format!("{} – {}", refusal.text, refusal.hint)),
        refusal_code: command.refusal.as_ref().map(|refusal| refusal.code.to_owned()),
        class: command.class.clone(),
        warnings: command.warnings.clone(),
        overridden: command.overridden.clone(),
        override_reason: command.override_reason.clone(),
        study: command.study.as_ref().map(study),
        two_persons: command.two_persons,
        approved_by: command.approved_by.clone(),
        created_at: stamp(command.created),
        expires_at: command.expires_utc.map(stamp),
    }
}

fn study(report: &StudyReport) -> api::StudyView {
    let violation = |violation: &StudyViolation| api::StudyViolationView {
        kind: violation.kind.to_owned(),
        name: violation.name.clone(),
        before: violation.before,
        after: violation.after,
        limit: violation.limit,
        unit: violation.unit.to_owned(),
    };
    api::StudyView {
        outcome: report.outcome.name().to_owned(),
        objection: report.objection(),
        violations: report.violations.iter().map(violation).collect(),
        de_energised_mw: report.de_energised_mw,
        de_energised: report.de_energised.clone(),
        islands_before: report.islands.0,
        islands_after: report.islands.1,
        buses: report.buses,
        heaviest: report.heaviest.as_ref().map(|(name, _)| name.clone()),
        heaviest_percent: report.heaviest.as_ref().map(|(_, percent)| *percent),
        lowest_pu: report.voltages.map(|(low, _)| low),
        highest_pu: report.voltages.map(|(_, high)| high),
    }
}

/// A proposal with what became of it.
pub(crate) fn proposal(entry: &crate::proposals::Entry, points: &PointList) -> ProposalView {
    let proposal = &entry.proposal;
    let def = points.get(proposal.target);
    ProposalView {
        id: entry.id,
        time: stamp(entry.at),
        application: proposal.application.clone(),
        target: proposal.target.0,
        target_name: def.map_or_else(String::new, |def| def.name.clone()),
        value_text: def.map_or_else(String::new, |def| scada::wording::command_text(def, proposal.value)),
        priority: proposal.priority.name().to_owned(),
        reason: proposal.reason.clone(),
        expected: proposal.expected.clone(),
        state: entry.state.name().to_owned(),
        decision: entry.decision.clone(),
        command: entry.command.map(|id| id.0),
    }
}

/// The estimate.
pub(crate) fn estimate(image: &EstimateImage, points: &PointList) -> EstimateView {
    let bad = |(point, normalised_residual): &(PointId, f64)| BadDataView {
        point: point.0,
        name: points.get(*point).map_or_else(String::new, |def| def.name.clone()),
        normalised_residual: *normalised_residual,
    };
    EstimateView {
        state: image.state.name().to_owned(),
        time: image.at.map(|now| stamp(now.utc)),
        iterations: image.iterations,
        objective: image.objective,
        degrees_of_freedom: image.degrees_of_freedom,
        redundancy: image.redundancy,
        chi2_threshold: image.chi2_threshold,
        bad_data: image.bad_data.iter().map(bad).collect(),
        unobservable: image.unobservable.clone(),
        buses: image.buses.iter().enumerate().map(bus).collect(),
        branches: image.branches.iter().enumerate().map(branch).collect(),
    }
}

fn bus((substation, bus): (usize, &app::BusImage)) -> BusEstimateView {
    BusEstimateView {
        substation,
        name: bus.substation.clone(),
        vm_pu: bus.vm_pu,
        va_degree: bus.va_degree,
        vm_kv: bus.vm_pu.map(|vm_pu| vm_pu * bus.base_kv),
        energised: bus.energised,
    }
}

fn branch((branch, image): (usize, &app::BranchImage)) -> BranchEstimateView {
    let flow = |at: usize| image.flow.map(|flow| flow[at]);
    BranchEstimateView {
        branch,
        p_from_mw: flow(0),
        q_from_mvar: flow(1),
        p_to_mw: flow(2),
        q_to_mvar: flow(3),
        loading_percent: image.loading_percent,
    }
}
