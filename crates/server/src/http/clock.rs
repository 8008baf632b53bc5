//! Our time beside the machine's: what people decide about it.

use super::extract::Json;
use super::session::Signed;
use super::wording::text;
use super::{ApiError, Shared};
use crate::core::Core;
use crate::time_keeper;
use api::{ClockFollowRequest, ClockView, ErrorView};
use axum::extract::State;
use axum::http::StatusCode;
use scada::event::{EventKind, NewEvent, Severity};
use security::{AuditEntry, Outcome};
use store::Record;

/// Follows the machine's clock after it jumped: somebody has compared it with another source and says that it is right.
#[utoipa::path(post, path = "/api/v1/clock/follow", tag = "system", request_body = ClockFollowRequest,
    responses((status = 200, body = ClockView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn follow(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<ClockFollowRequest>,
) -> Result<Json<ClockView>, ApiError> {
    let reason = text(&body.reason, "the reason")?;
    let (by, session) = (signed.0.principal.name.clone(), signed.0.session.clone());
    let done = shared.core.ask(move |core, _| believe(core, (by, session), reason));
    done.await?.map(Json)
}

fn believe(core: &mut Core, (by, session): (String, String), reason: String) -> Result<ClockView, ApiError> {
    let before = core.clock.now().utc;
    let clock = core.clock;
    let Some(micros) = core.time.believe(&clock, &mut core.centre) else {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "not_in_holdover",
            "the clocks agree: there is nothing to follow",
            "only after a jump of the machine's clock",
        ));
    };
    let (after, by_seconds) = (clock.now().utc, time_keeper::seconds(micros));
    core.centre.record_by(NewEvent {
        time: after,
        kind: EventKind::System,
        severity: Severity::Medium,
        source: "clock".to_owned(),
        point: None,
        text: format!("time was set by {by_seconds} to that of the machine: {reason}"),
        actor: Some(by.clone()),
    });
    core.backlog.push_back(Record::MoveSessions(micros));
    core.backlog.push_back(Record::Audit(AuditEntry {
        time: after,
        actor: by,
        source: session,
        action: "follow the machine's clock".to_owned(),
        target: "clock".to_owned(),
        old: Some(before.to_string()),
        new: Some(after.to_string()),
        outcome: Outcome::Done,
        reason,
    }));
    Ok(core.time.view())
}
