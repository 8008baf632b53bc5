//! Services that come by a client certificate.

use super::{Caller, Identity};
use security::{PrincipalKind, TokenHash};
use store::UserRecord;
use timebase::Now;
use transport::PeerCertificate;

impl Identity {
    /// The service that a client certificate was issued for: it carries the user's name as a DNS name. People do not come by
    /// certificate, and nobody comes by one that is revoked: the connection has checked it.
    pub(crate) fn by_certificate(&self, certificate: &PeerCertificate, now: Now) -> Option<Caller> {
        let is_meant = |user: &UserRecord| {
            let principal = &user.principal;
            let is_open = user.is_active(now.utc) && !user.sealed;
            principal.kind == PrincipalKind::Service && is_open && certificate.carries(&principal.name)
        };
        let user = self.store.users().ok()?.into_iter().find(is_meant)?;
        let hash = TokenHash::from_bytes(certificate.fingerprint());
        self.caller(user, "certificate", hash, now.utc + self.policy.lifetime)
    }
}
