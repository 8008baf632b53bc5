//! What people do to alarms beside acknowledging: shelve, take out of service, reset. Each call leaves one audit
//! record, and one event for each alarm that it changes; a refused call leaves an audit record too.

use super::alarms::covered;
use super::session::Signed;
use super::{ApiError, Shared};
use crate::core::Core;
use api::{AlarmIdsRequest, AlarmRefusal, AlarmsChanged, ErrorView, OutOfServiceRequest, ShelveRequest};
use axum::Json;
use axum::extract::State;
use scada::alarm::{AlarmId, AlarmList, Inhibit};
use security::{AuditEntry, Outcome, Right};
use signal::PointId;
use std::time::Duration;
use store::Record;
use timebase::Utc;

/// Alarms that one call may change.
const MAX_IDS: usize = 1_000;
/// Identities that an audit record names.
const NAMED: usize = 20;
/// Longest time that a call may ask for; the centre's own limits are shorter.
const MAX_HOURS: f64 = 24.0 * 366.0;

/// Puts alarms aside, with a reason and an end.
#[utoipa::path(post, path = "/api/v1/alarms/shelve", tag = "alarms", request_body = ShelveRequest,
    responses((status = 200, body = AlarmsChanged), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn shelve(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<ShelveRequest>,
) -> Result<Json<AlarmsChanged>, ApiError> {
    let span = span(body.minutes / 60.0)?;
    let act = Act { action: "shelve alarm", right: Right::Acknowledge, ids: body.ids, reason: body.reason };
    let one_shot = body.one_shot;
    run(&shared, &signed, act, move |alarms, id, who, _| {
        let inhibit = who.inhibit(span, one_shot);
        alarms.shelve(id, inhibit).map_err(|refusal| refusal.to_string())
    })
    .await
}

/// Takes shelved alarms back.
#[utoipa::path(post, path = "/api/v1/alarms/unshelve", tag = "alarms", request_body = AlarmIdsRequest,
    responses((status = 200, body = AlarmsChanged), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn unshelve(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<AlarmIdsRequest>,
) -> Result<Json<AlarmsChanged>, ApiError> {
    let act = Act::plain("unshelve alarm", Right::Acknowledge, body.ids);
    run(&shared, &signed, act, |alarms, id, who, _| {
        alarms.unshelve(id, &who.name, who.at).then_some(()).ok_or_else(|| "it is not shelved".to_owned())
    })
    .await
}

/// Takes alarms out of service for work on them, listed or not. For engineers.
#[utoipa::path(post, path = "/api/v1/alarms/out-of-service", tag = "alarms", request_body = OutOfServiceRequest,
    responses((status = 200, body = AlarmsChanged), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn out_of_service(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<OutOfServiceRequest>,
) -> Result<Json<AlarmsChanged>, ApiError> {
    let span = span(body.hours)?;
    let act =
        Act { action: "alarm out of service", right: Right::Configure, ids: body.ids, reason: body.reason };
    run(&shared, &signed, act, move |alarms, id, who, point| {
        let inhibit = who.inhibit(span, false);
        alarms.take_out_of_service(id, point, inhibit).map_err(|refusal| refusal.to_string())
    })
    .await
}

/// Takes alarms into service again.
#[utoipa::path(post, path = "/api/v1/alarms/return-to-service", tag = "alarms", request_body = AlarmIdsRequest,
    responses((status = 200, body = AlarmsChanged), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn return_to_service(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<AlarmIdsRequest>,
) -> Result<Json<AlarmsChanged>, ApiError> {
    let act = Act::plain("alarm into service", Right::Configure, body.ids);
    run(&shared, &signed, act, |alarms, id, who, _| {
        let back = alarms.return_to_service(id, &who.name, who.at);
        back.then_some(()).ok_or_else(|| "it is in service".to_owned())
    })
    .await
}

/// Lets latched alarms go that ended and were acknowledged.
#[utoipa::path(post, path = "/api/v1/alarms/reset", tag = "alarms", request_body = AlarmIdsRequest,
    responses((status = 200, body = AlarmsChanged), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn reset(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<AlarmIdsRequest>,
) -> Result<Json<AlarmsChanged>, ApiError> {
    let act = Act::plain("reset alarm", Right::Acknowledge, body.ids);
    run(&shared, &signed, act, |alarms, id, who, _| {
        let reset = alarms.reset(id, &who.name, who.at);
        reset
            .then_some(())
            .ok_or_else(|| "it is not latched, still holds or waits for acknowledgement".to_owned())
    })
    .await
}

/// What somebody wants done.
struct Act {
    action: &'static str,
    right: Right,
    ids: Vec<String>,
    reason: String,
}

impl Act {
    fn plain(action: &'static str, right: Right, ids: Vec<String>) -> Self {
        Self { action, right, ids, reason: String::new() }
    }
}

/// Who does it, when and why.
struct Doer {
    name: String,
    at: Utc,
    reason: String,
}

impl Doer {
    fn inhibit(&self, span: Duration, one_shot: bool) -> Inhibit {
        let (by, reason) = (self.name.clone(), self.reason.clone());
        Inhibit { by, at: self.at, until: self.at + span, reason, one_shot }
    }
}

fn span(hours: f64) -> Result<Duration, ApiError> {
    if hours > 0.0 && hours <= MAX_HOURS {
        return Ok(Duration::from_secs_f64(hours * 3_600.0));
    }
    Err(ApiError::bad_request(
        "the time is out of range",
        "a positive number within the limits of the configuration",
    ))
}

async fn run(
    shared: &Shared,
    signed: &Signed,
    act: Act,
    work: impl Fn(&mut AlarmList, &AlarmId, &Doer, Option<PointId>) -> Result<(), String> + Send + 'static,
) -> Result<Json<AlarmsChanged>, ApiError> {
    if act.ids.is_empty() || act.ids.len() > MAX_IDS {
        return Err(ApiError::bad_request(format!("between 1 and {MAX_IDS} alarms"), "work page by page"));
    }
    let (principal, session) = (signed.0.principal.clone(), signed.0.session.clone());
    let allowed = signed.require(act.right);
    let may = allowed.is_ok();
    let changed = shared.core.ask(move |core, now| {
        let doer = Doer { name: principal.name.clone(), at: now.utc, reason: act.reason.clone() };
        let mut result = AlarmsChanged { changed: 0, refused: Vec::new() };
        for text in &act.ids {
            let done = if may { Ok(()) } else { Err("no right".to_owned()) };
            let done = done.and_then(|()| place(core, text, |area| principal.areas.cover(area)));
            let done = done.and_then(|(id, point)| work(core.centre.alarms_mut(), &id, &doer, point));
            match done {
                Ok(()) => result.changed += 1,
                Err(reason) => result.refused.push(AlarmRefusal { id: text.clone(), reason }),
            }
        }
        audit(core, &act, &doer, &session, &result);
        result
    });
    let changed = changed.await?;
    allowed?;
    Ok(Json(changed))
}

/// The condition and its point, if it is or can be one that the caller may work on.
fn place(
    core: &Core,
    text: &str,
    covers: impl Fn(&str) -> bool,
) -> Result<(AlarmId, Option<PointId>), String> {
    let points = core.centre.table().points();
    let id = AlarmId::from(text.to_owned());
    if let Some(alarm) = core.centre.alarms().get(&id) {
        let area = alarm.point.and_then(|point| points.get(point)).map(|def| def.substation.as_str());
        let seen = area.is_none_or(&covers);
        return if seen { Ok((id, alarm.point)) } else { Err("it is outside your area".to_owned()) };
    }
    let links: Vec<String> = core.gateway.links().iter().map(|link| link.name.to_string()).collect();
    let id = crate::alarm_config::condition(text, &links, points)?;
    let point = id.parts().and_then(|(_, source)| points.named(source));
    match point.and_then(|point| points.get(point)) {
        Some(def) if !covers(&def.substation) => Err("it is outside your area".to_owned()),
        Some(_) | None => Ok((id, point)),
    }
}

fn audit(core: &mut Core, act: &Act, doer: &Doer, session: &str, result: &AlarmsChanged) {
    let refused = |id: &String| result.refused.iter().any(|refusal| refusal.id == *id);
    let mut named: Vec<&str> = act.ids.iter().filter(|id| !refused(id)).map(String::as_str).collect();
    if named.is_empty() {
        named = act.ids.iter().map(String::as_str).collect();
    }
    let more = named.len().saturating_sub(NAMED);
    named.truncate(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    note(
        core,
        doer,
        session,
        AuditEntry {
            time: doer.at,
            actor: doer.name.clone(),
            source: session.to_owned(),
            action: act.action.to_owned(),
            target: named.join(", ") + &rest,
            old: None,
            new: Some(format!("{} of {}", result.changed, act.ids.len())),
            outcome: if result.changed > 0 { Outcome::Done } else { Outcome::Refused },
            reason: act.reason.clone(),
        },
    );
}

fn note(core: &mut Core, doer: &Doer, session: &str, entry: AuditEntry) {
    if core.audit_broken {
        tracing::error!(
            actor = doer.name,
            session,
            action = entry.action,
            "Not audited: the chain is broken"
        );
    } else {
        core.backlog.push_back(Record::Audit(entry));
    }
}

/// The audit record of acknowledgements.
pub(crate) fn audit_acknowledged(core: &mut Core, who: (&str, &str), what: &[String], count: usize, at: Utc) {
    let (name, session) = who;
    let act = Act::plain("acknowledge alarm", Right::Acknowledge, what.to_vec());
    let doer = Doer { name: name.to_owned(), at, reason: String::new() };
    audit(core, &act, &doer, session, &AlarmsChanged { changed: count, refused: Vec::new() });
}

/// Whether the caller may see an alarm of the core.
pub(crate) fn seen<'a>(
    core: &'a Core,
    areas: &'a security::Areas,
) -> impl Fn(&scada::alarm::Alarm) -> bool + 'a {
    let points = core.centre.table().points();
    move |alarm| covered(alarm, areas, points)
}
