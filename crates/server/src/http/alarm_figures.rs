//! Alarms in groups, one alarm with what was decided of it, and how well the alarm system does.

use super::alarm_acts::{audit_acknowledged, seen};
use super::extract::{Json, Path};
use super::session::Signed;
use super::{ApiError, Shared};
use crate::core::Core;
use crate::views::{self, stamp};
use api::{
    AcknowledgeGroupsRequest, Acknowledged, AlarmDetailView, AlarmFiguresView, AlarmRuleView, ErrorView,
    FirstOutView, FloodView, FrequentView, GroupLineView, GroupsView,
};
use axum::extract::State;
use scada::alarm::figures::{self, Figures};
use scada::alarm::flood::Flood;
use scada::alarm::group::{GroupLine, MAX_LINES, fold};
use scada::alarm::rule::Rule;
use scada::alarm::{Alarm, AlarmId, Place};
use scada::event::Severity;
use security::Areas;

/// Groups that one call may acknowledge.
const MAX_GROUPS: usize = 10_000;

/// The listed alarms in at most ten lines.
#[utoipa::path(get, path = "/api/v1/alarms/groups", tag = "alarms",
    responses((status = 200, body = GroupsView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn groups(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<GroupsView>, ApiError> {
    let areas = signed.0.principal.areas.clone();
    let view = shared.core.ask(move |core, _| {
        let alarms = core.centre.alarms();
        let lines = match &areas {
            Areas::All => alarms.groups(),
            Areas::Only(_) => alarms.groups_of(seen(core, &areas)),
        };
        let lines = fold(lines, MAX_LINES).iter().map(line).collect();
        GroupsView { lines, counts: crate::status::alarm_counts(alarms) }
    });
    Ok(Json(view.await?))
}

/// Acknowledges every alarm of some groups that is shown.
#[utoipa::path(post, path = "/api/v1/alarms/groups/acknowledge", tag = "alarms", request_body = AcknowledgeGroupsRequest,
    responses((status = 200, body = Acknowledged), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn acknowledge_groups(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<AcknowledgeGroupsRequest>,
) -> Result<Json<Acknowledged>, ApiError> {
    if body.groups.len() > MAX_GROUPS {
        return Err(ApiError::bad_request(
            format!("more than {MAX_GROUPS} groups"),
            "acknowledge some of them",
        ));
    }
    let (principal, session) = (signed.0.principal.clone(), signed.0.session.clone());
    let acknowledged = shared.core.ask(move |core, now| {
        let ids = waiting(core, &body.groups, &principal.areas);
        let mut acknowledged = 0;
        for id in &ids {
            acknowledged += usize::from(core.centre.acknowledge(id, &principal.name, now.utc));
        }
        let names: Vec<String> = body.groups.iter().map(|group| format!("group {group}")).collect();
        audit_acknowledged(core, (&principal.name, &session), &names, acknowledged, now.utc);
        acknowledged
    });
    Ok(Json(Acknowledged { acknowledged: acknowledged.await? }))
}

/// The alarms of some groups that are shown and wait for acknowledgement.
fn waiting(core: &Core, groups: &[String], areas: &Areas) -> Vec<AlarmId> {
    let (alarms, may) = (core.centre.alarms(), seen(core, areas));
    let waits = |alarm: &Alarm| alarm.place() == Place::Shown && !alarm.acknowledged && may(alarm);
    let ids = groups.iter().flat_map(|group| alarms.members(group));
    ids.filter(|id| alarms.get(id).is_some_and(&waits)).collect()
}

/// One listed alarm with what was decided of it.
#[utoipa::path(get, path = "/api/v1/alarms/{id}", tag = "alarms", params(("id" = String, Path)),
    responses((status = 200, body = AlarmDetailView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub(crate) async fn one(
    State(shared): State<Shared>,
    signed: Signed,
    Path(id): Path<String>,
) -> Result<Json<AlarmDetailView>, ApiError> {
    let areas = signed.0.principal.areas.clone();
    let found = shared.core.ask(move |core, _| {
        let id = AlarmId::from(id);
        let alarms = core.centre.alarms();
        let alarm = alarms.get(&id).filter(|alarm| seen(core, &areas)(alarm))?;
        let view = views::alarm(alarm, core.centre.table().points());
        Some(AlarmDetailView { alarm: view, rule: alarms.settings().rule(&id).map(rule) })
    });
    found.await?.map(Json).ok_or_else(|| ApiError::not_found("alarm"))
}

/// How well the alarm system does, after ISA-18.2 and EEMUA 191.
#[utoipa::path(get, path = "/api/v1/alarms/figures", tag = "alarms",
    responses((status = 200, body = AlarmFiguresView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn figures(
    State(shared): State<Shared>,
    signed: Signed,
) -> Result<Json<AlarmFiguresView>, ApiError> {
    // Names of conditions are shown to those only who may see them; the figures are of the whole centre.
    let areas = signed.0.principal.areas.clone();
    let view = shared.core.ask(move |core, _| {
        let points = core.centre.table().points();
        let visible = |id: &AlarmId| {
            let point = id.parts().and_then(|(_, source)| points.named(source)).and_then(|id| points.get(id));
            point.is_none_or(|def| areas.cover(&def.substation))
        };
        figures_view(&core.centre.alarms().figures(), visible)
    });
    Ok(Json(view.await?))
}

fn line(line: &GroupLine) -> GroupLineView {
    let tally = line.tally;
    GroupLineView {
        groups: line.groups.clone(),
        first_out: line.first_out.as_ref().map(|first| FirstOutView {
            id: first.id.as_str().to_owned(),
            source: first.source.clone(),
            text: first.text.clone(),
            priority: first.priority.name().to_owned(),
            at: stamp(first.at),
        }),
        worst: line.worst().map(Severity::name).map(str::to_owned),
        shown: tally.shown,
        active: tally.active,
        unacknowledged: tally.unacknowledged(),
        shelved: tally.shelved,
        suppressed: tally.suppressed,
        out_of_service: tally.out_of_service,
    }
}

fn rule(rule: &Rule) -> AlarmRuleView {
    AlarmRuleView {
        on_delay_s: rule.on_delay.map(|delay| delay.as_secs_f64()),
        off_delay_s: rule.off_delay.map(|delay| delay.as_secs_f64()),
        latching: rule.latching,
        cause: rule.cause.clone(),
        consequence: rule.consequence.clone(),
        response: rule.response.clone(),
    }
}

fn flood(flood: &Flood) -> FloodView {
    FloodView {
        began: stamp(flood.began),
        ended: flood.ended.map(stamp),
        alarms: flood.alarms,
        peak: flood.peak,
    }
}

fn figures_view(found: &Figures, visible: impl Fn(&AlarmId) -> bool) -> AlarmFiguresView {
    let names =
        |ids: &[AlarmId]| ids.iter().filter(|id| visible(id)).map(|id| id.as_str().to_owned()).collect();
    let top = found.top.iter().filter(|frequent| visible(&frequent.id));
    AlarmFiguresView {
        since: stamp(found.since),
        annunciated: found.annunciated,
        by_priority: found.by_priority,
        rate: found.rate,
        average: found.average,
        target_average: figures::TARGET_RATE,
        peak: found.peak,
        target_peak: figures::TARGET_PEAK,
        overloaded_percent: found.overloaded_percent,
        floods: found.floods,
        flood_percent: found.flood_percent,
        target_flood_percent: figures::TARGET_FLOOD_PERCENT,
        flood_list: found.flood_list.iter().map(flood).collect(),
        top_since: stamp(found.top_since),
        top: top.map(|each| FrequentView { id: each.id.as_str().to_owned(), count: each.count }).collect(),
        top_percent: found.top_percent,
        target_top_percent: figures::TARGET_TOP_PERCENT,
        stale: names(&found.stale),
        target_stale: figures::TARGET_STALE,
        chattering: names(&found.chattering),
        target_mix_percent: figures::TARGET_MIX_PERCENT,
    }
}
