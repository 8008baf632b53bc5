//! What the handlers about identity share: work off the runtime, refusals as answers, events and alarms.

use super::{ApiError, Shared};
use crate::identity::Identity;
use crate::identity::accounts::AccountRefusal;
use axum::http::StatusCode;
use scada::alarm::AlarmKind;
use scada::approval::ApprovalRefusal;
use scada::event::{EventKind, NewEvent, Severity};
use std::sync::Arc;

/// Does something that blocks on the store beside the runtime.
pub(super) async fn blocking<T: Send + 'static>(
    shared: &Shared,
    work: impl FnOnce(&Identity) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let identity = Arc::clone(&shared.identity);
    let done = tokio::task::spawn_blocking(move || work(&identity)).await;
    done.map_err(|error| ApiError::internal(error.to_string()))
}

/// Something that people should know.
pub(super) struct Told {
    pub(super) severity: Severity,
    pub(super) text: String,
    pub(super) actor: String,
    /// It is an alarm about this, too.
    pub(super) alarm: Option<String>,
}

/// Writes an event, and raises an alarm that stays listed until somebody has seen it.
pub(super) async fn tell(shared: &Shared, told: Told) -> Result<(), ApiError> {
    let note = move |core: &mut crate::core::Core, now: timebase::Now| {
        let Told { severity, text, actor, alarm } = told;
        if let Some(source) = alarm {
            core.centre.raise_about(AlarmKind::System, &source, severity, &text, now.utc);
            core.centre.clear_about(AlarmKind::System, &source, now.utc);
        }
        core.centre.record_by(NewEvent {
            time: now.utc,
            kind: EventKind::Login,
            severity,
            source: "identity".to_owned(),
            point: None,
            text,
            actor: Some(actor),
        });
    };
    Ok(shared.core.ask(note).await?)
}

/// Refuses an empty reason.
pub(super) fn reason(text: &str) -> Result<String, ApiError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(ApiError::bad_request("a reason is needed", "it goes into the audit"));
    }
    Ok(text.to_owned())
}

impl From<AccountRefusal> for ApiError {
    fn from(refusal: AccountRefusal) -> Self {
        let text = refusal.to_string();
        let conflict = |code: &str, hint: &str| Self::new(StatusCode::CONFLICT, code, text.clone(), hint);
        match refusal {
            AccountRefusal::Unknown(what) => Self::not_found(what),
            AccountRefusal::Unfit(_) => Self::bad_request(text, "GET /api/v1/roles lists roles and rights"),
            AccountRefusal::LastAdministrator => {
                conflict("last_administrator", "give another user the role SECADM first")
            }
            AccountRefusal::LastOnShift => conflict(
                "last_on_shift",
                "wait until another operator has signed in, or add a second administrator",
            ),
            AccountRefusal::InUse(_) => conflict("in_use", "take it from them first"),
            AccountRefusal::Approval(refusal) => approval(refusal),
            AccountRefusal::Audit => {
                let hint = "see the alarm about the audit";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "audit", text, hint)
            }
            AccountRefusal::Store(_) => Self::internal(text),
        }
    }
}

fn approval(refusal: ApprovalRefusal) -> ApiError {
    let text = refusal.to_string();
    match refusal {
        ApprovalRefusal::Unknown => ApiError::not_found("request"),
        ApprovalRefusal::SamePerson => {
            ApiError::new(StatusCode::CONFLICT, "same_person", text, "ask another security administrator")
        }
        ApprovalRefusal::Full => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many", text, "decide some of them first")
        }
    }
}
