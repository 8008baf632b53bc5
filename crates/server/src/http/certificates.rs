//! Certificates: which there are, revocation, and enrolment of gateways and services.

use super::extract::Json;
use super::session::Signed;
use super::{ApiError, Shared};
use crate::trust::authority::{Issued, Usage, Wish};
use crate::trust::desk::{DeskError, TOKEN_LIFE};
use crate::trust::watch::Seen;
use api::{
    CertificatesView, Enrol, EnrolledCertificateView, EnrolmentView, ErrorView, ExpectEnrolment,
    IssuedCertificateView, RevokeCertificate, UsedCertificateView,
};
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use security::{AuditEntry, Outcome};
use std::net::SocketAddr;
use store::Record;
use timebase::Utc;

/// Certificates that the centre uses, and those that were issued here.
#[utoipa::path(get, path = "/api/v1/certificates", tag = "certificates",
    responses((status = 200, body = CertificatesView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub(crate) async fn list(State(shared): State<Shared>) -> Result<Json<CertificatesView>, ApiError> {
    let desk = shared.certificates.clone();
    let issued = blocking(move || desk.index()).await?;
    let now = shared.clock.now().utc;
    let used = shared.certificates.seen.borrow().iter().map(|seen| used_view(seen, now)).collect();
    Ok(Json(CertificatesView { used, issued: issued.map(|all| all.into_iter().map(issued_view).collect()) }))
}

/// Revokes a certificate that was issued here. Who checks the revocation list refuses it within a minute.
#[utoipa::path(post, path = "/api/v1/certificates/revoke", tag = "certificates", request_body = RevokeCertificate,
    responses((status = 200, body = IssuedCertificateView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn revoke(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<RevokeCertificate>,
) -> Result<Json<IssuedCertificateView>, ApiError> {
    let (desk, now) = (shared.certificates.clone(), shared.clock.now().utc);
    let (serial, reason) = (body.serial.clone(), body.reason.clone());
    let result = blocking(move || desk.revoke(&serial, &reason, now)).await;
    let target =
        result.as_ref().map_or(body.serial.clone(), |issued| format!("{} {}", issued.name, issued.serial));
    let deed = Deed::of(&signed, "certificate.revoke", target, result.is_ok(), body.reason);
    deed.record(&shared, now).await?;
    Ok(Json(issued_view(result?)))
}

/// Makes a token with which a gateway or a service can have a certificate.
#[utoipa::path(post, path = "/api/v1/certificates/enrolments", tag = "certificates", request_body = ExpectEnrolment,
    responses((status = 200, body = EnrolmentView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn expect(
    State(shared): State<Shared>,
    signed: Signed,
    Json(body): Json<ExpectEnrolment>,
) -> Result<Json<EnrolmentView>, ApiError> {
    let usage = Usage::named(&body.usage).ok_or_else(|| {
        ApiError::bad_request(format!("usage: {:?} is none", body.usage), "server, client or both")
    })?;
    let wish = Wish { name: body.name.clone(), names: body.names, usage, days: body.days };
    let token = crate::fresh_token().map_err(|error| ApiError::internal(error.to_string()))?;
    let now = shared.clock.now();
    shared.certificates.expect(&token, wish, now.mono)?;
    let reason = format!("{} days, {}", body.days, body.usage);
    Deed::of(&signed, "certificate.expect", body.name, true, reason).record(&shared, now.utc).await?;
    Ok(Json(EnrolmentView { token: token.reveal(), expires_at: (now.utc + TOKEN_LIFE).to_string() }))
}

/// Exchanges a token and a request for a certificate.
#[utoipa::path(post, path = "/api/v1/certificates/enrol", tag = "certificates", request_body = Enrol,
    responses((status = 200, body = EnrolledCertificateView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 409, body = ErrorView), (status = 429, body = ErrorView)))]
pub(crate) async fn enrol(
    State(shared): State<Shared>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Json(body): Json<Enrol>,
) -> Result<Json<EnrolledCertificateView>, ApiError> {
    let (desk, now) = (shared.certificates.clone(), shared.clock.now());
    let wish = match desk.take(&body.token, now.mono) {
        Ok(wish) => wish,
        Err(error) => {
            if matches!(error, DeskError::Token) {
                let deed = Deed::enrolment("unknown", from, false, error.to_string());
                deed.record(&shared, now.utc).await?;
            }
            return Err(error.into());
        }
    };
    let name = wish.name.clone();
    let result = blocking(move || desk.sign(&body.request, &wish, now.utc)).await;
    let reason = match &result {
        Ok((made, _)) => format!("certificate {}", made.serial),
        Err(error) => error.to_string(),
    };
    Deed::enrolment(&name, from, result.is_ok(), reason).record(&shared, now.utc).await?;
    let (made, ca) = result?;
    Ok(Json(EnrolledCertificateView { certificate: made.certificate, ca }))
}

/// What goes into the audit.
struct Deed {
    actor: String,
    source: String,
    action: &'static str,
    target: String,
    outcome: Outcome,
    reason: String,
}

impl Deed {
    fn of(signed: &Signed, action: &'static str, target: String, done: bool, reason: String) -> Self {
        let outcome = if done { Outcome::Done } else { Outcome::Refused };
        let (actor, source) = (signed.0.principal.name.clone(), signed.0.session.clone());
        Self { actor, source, action, target, outcome, reason }
    }

    /// An enrolment, by whoever the token was made for.
    fn enrolment(who: &str, from: SocketAddr, done: bool, reason: String) -> Self {
        let outcome = if done { Outcome::Done } else { Outcome::Refused };
        let (actor, source, target) = (who.to_owned(), from.ip().to_string(), who.to_owned());
        Self { actor, source, action: "certificate.enrol", target, outcome, reason }
    }

    /// Nothing is answered that is not in the audit.
    async fn record(self, shared: &Shared, time: Utc) -> Result<(), ApiError> {
        let Self { actor, source, action, target, outcome, reason } = self;
        let action = action.to_owned();
        let entry = AuditEntry { time, actor, source, action, target, old: None, new: None, outcome, reason };
        let store = shared.store.clone();
        let written = tokio::task::spawn_blocking(move || store.append(vec![Record::Audit(entry)])).await;
        written.map_err(|error| ApiError::internal(error.to_string()))??;
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DeskError> + Send + 'static,
) -> Result<T, DeskError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(DeskError::Wrong(error.to_string())))
}

impl From<DeskError> for ApiError {
    fn from(error: DeskError) -> Self {
        let text = error.to_string();
        match error {
            DeskError::NoAuthority => {
                let hint = "the table [certificates] names the folder of an authority";
                Self::new(StatusCode::CONFLICT, "no_authority", text, hint)
            }
            DeskError::Token => {
                Self::new(StatusCode::UNAUTHORIZED, "token", text, "a token works once, for an hour")
            }
            DeskError::TooMany => Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", text, "wait a minute"),
            DeskError::Wrong(_) => Self::bad_request(text, "see GET /api/v1/certificates"),
        }
    }
}

fn used_view(seen: &Seen, now: Utc) -> UsedCertificateView {
    let facts = seen.facts.as_ref().ok();
    UsedCertificateView {
        used_by: seen.used.by.clone(),
        subject: facts.map(|facts| facts.subject.clone()),
        issuer: facts.map(|facts| facts.issuer.clone()),
        serial: facts.map(|facts| facts.serial.clone()),
        names: facts.map_or_else(Vec::new, |facts| facts.names.clone()),
        from: facts.map(|facts| facts.from.to_string()),
        until: facts.map(|facts| facts.until.to_string()),
        days_left: facts.map(|facts| facts.until.since(now).as_secs_f64() / 86_400.0),
        error: seen.facts.as_ref().err().cloned(),
    }
}

fn issued_view(issued: Issued) -> IssuedCertificateView {
    let (revoked_at, reason) = issued.revoked.map(|(at, why)| (at.to_string(), why)).unzip();
    IssuedCertificateView {
        serial: issued.serial,
        name: issued.name,
        until: issued.until.to_string(),
        revoked_at,
        reason,
    }
}
