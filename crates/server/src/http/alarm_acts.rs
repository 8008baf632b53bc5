//! What people do to alarms beside acknowledging: shelve, take out of service, reset. Each call leaves one audit
//! record, and one event for each alarm that it changes; a refused call leaves an audit record too.

use super::alarms::covered;
use super::approvals::{self, Answer};
use super::extract::Json;
use super::session::Signed;
use super::wording::{MAX_TEXT, line};
use super::{ApiError, Shared};
use crate::approvals::{SetAside, What};
use crate::core::Core;
use api::{
    AlarmIdsRequest, AlarmRefusal, AlarmsChanged, ApprovalView, ErrorView, OutOfServiceRequest, ShelveRequest,
};
use axum::extract::State;
use scada::alarm::{AlarmId, AlarmList, Inhibit};
use security::{AuditEntry, Outcome, Principal, Right};
use signal::PointId;
use std::time::Duration;
use store::Record;
use timebase::{Now, Utc};

/// Alarms that one call may change.
const MAX_IDS: usize = 1_000;
/// Identities that an audit record names.
const NAMED: usize = 20;
/// Longest time that a call may ask for; the centre's own limits are shorter.
const MAX_HOURS: f64 = 24.0 * 366.0;

/// Puts alarms aside, with a reason and an end.
#[utoipa::path(post, path = "/api/v1/alarms/shelve", tag = "alarms", request_body = ShelveRequest,
    responses((status = 200, body = AlarmsChanged), (status = 202, body = ApprovalView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn shelve(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<ShelveRequest>,
) -> Result<Answer<AlarmsChanged>, ApiError> {
    let span = span(body.minutes / 60.0)?;
    let what = What::Shelve { ids: body.ids, span, one_shot: body.one_shot };
    set_aside(&shared, &signed, what, body.reason).await
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
    responses((status = 200, body = AlarmsChanged), (status = 202, body = ApprovalView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub(crate) async fn out_of_service(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<OutOfServiceRequest>,
) -> Result<Answer<AlarmsChanged>, ApiError> {
    let what = What::OutOfService { ids: body.ids, span: span(body.hours)? };
    set_aside(&shared, &signed, what, body.reason).await
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
    check_count(&act.ids)?;
    let (principal, session) = (signed.0.principal.clone(), signed.0.session.clone());
    let allowed = signed.require(act.right);
    let may = allowed.is_ok();
    let changed = shared.core.ask(move |core, now| {
        let doer = Doer { name: principal.name.clone(), at: now.utc, reason: act.reason.clone() };
        let covers = |area: &str| principal.areas.cover(area);
        perform(core, &act, (&doer, &session, may), covers, work)
    });
    let changed = changed.await?;
    allowed?;
    Ok(Json(changed))
}

fn check_count(ids: &[String]) -> Result<(), ApiError> {
    if ids.is_empty() || ids.len() > MAX_IDS {
        return Err(ApiError::bad_request(format!("between 1 and {MAX_IDS} alarms"), "work page by page"));
    }
    Ok(())
}

/// Sets conditions aside, or files a request where that is more than one person may do.
async fn set_aside(
    shared: &Shared,
    signed: &Signed,
    what: What,
    reason: String,
) -> Result<Answer<AlarmsChanged>, ApiError> {
    line(&reason, "the reason", MAX_TEXT)?;
    if let What::Shelve { ids, .. } | What::OutOfService { ids, .. } = &what {
        check_count(ids)?;
    }
    let (who, session) = (signed.0.principal.clone(), signed.0.session.clone());
    let allowed = signed.require(what.right());
    let may = allowed.is_ok();
    let wanted = SetAside { what, reason, who, session };
    let done = shared.core.ask(move |core, now| {
        if may && let Some(filed) = approvals::file(core, &wanted, now) {
            return filed.map(Answer::Waits);
        }
        Ok(Answer::Done(act_on(core, &wanted, None, may, now)))
    });
    let done = done.await?;
    allowed?;
    done
}

/// Sets aside what one person asked for and another one approved, where both may.
pub(crate) fn carry_out(
    core: &mut Core,
    wanted: &SetAside,
    second: Option<&Principal>,
    now: Now,
) -> AlarmsChanged {
    act_on(core, wanted, second, true, now)
}

fn act_on(
    core: &mut Core,
    wanted: &SetAside,
    second: Option<&Principal>,
    may: bool,
    now: Now,
) -> AlarmsChanged {
    let SetAside { what, reason, who, session } = wanted;
    let ids = match what {
        What::Shelve { ids, .. } | What::OutOfService { ids, .. } => ids.clone(),
        What::Mode { .. } | What::Command { .. } => Vec::new(),
    };
    let act = Act { action: what.action(), right: what.right(), ids, reason: reason.clone() };
    let doer = Doer { name: who.name.clone(), at: now.utc, reason: reason.clone() };
    let covers = |area: &str| who.areas.cover(area) && second.is_none_or(|second| second.areas.cover(area));
    perform(core, &act, (&doer, session, may), covers, |alarms, id, who, point| match what {
        What::Shelve { span, one_shot, .. } => {
            alarms.shelve(id, who.inhibit(*span, *one_shot)).map_err(|refusal| refusal.to_string())
        }
        What::OutOfService { span, .. } => {
            let inhibit = who.inhibit(*span, false);
            alarms.take_out_of_service(id, point, inhibit).map_err(|refusal| refusal.to_string())
        }
        What::Mode { .. } | What::Command { .. } => Ok(()),
    })
}

fn perform(
    core: &mut Core,
    act: &Act,
    (doer, session, may): (&Doer, &str, bool),
    covers: impl Fn(&str) -> bool,
    work: impl Fn(&mut AlarmList, &AlarmId, &Doer, Option<PointId>) -> Result<(), String>,
) -> AlarmsChanged {
    let mut result = AlarmsChanged { changed: 0, refused: Vec::new() };
    for text in &act.ids {
        let done = if may { Ok(()) } else { Err("no right".to_owned()) };
        let done = done.and_then(|()| place(core, text, &covers));
        let done = done.and_then(|(id, point)| work(core.centre.alarms_mut(), &id, doer, point));
        match done {
            Ok(()) => result.changed += 1,
            Err(reason) => result.refused.push(AlarmRefusal { id: text.clone(), reason }),
        }
    }
    audit(core, act, doer, session, &result);
    result
}

/// Whether a condition is one that a person may work on.
pub(crate) fn is_covered(core: &Core, text: &str, who: &Principal) -> bool {
    place(core, text, |area| who.areas.cover(area)).is_ok()
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
