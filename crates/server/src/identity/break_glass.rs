//! Break-glass (S-07): a sealed account that two custodians open together, for a limited time, with an alarm while it lasts.

use super::{Began, Identity, SignInError, append_audited, entry, fresh_session};
use security::{Outcome, Token};
use std::net::IpAddr;
use store::{Record, TokenRecord};
use timebase::Now;

/// Labels of the secrets, one per custodian.
pub(crate) const CUSTODIANS: [&str; 2] = ["custodian 1", "custodian 2"];

/// A sealed account that is open now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OpenSeal {
    pub(crate) user: String,
    pub(crate) session: String,
    pub(crate) until: timebase::Utc,
}

impl Identity {
    /// Opens a sealed account with the secrets of both custodians, which are good once. Blocks on the store.
    pub(crate) fn break_glass(
        &self,
        secrets: [&str; 2],
        reason: &str,
        from: IpAddr,
        now: Now,
    ) -> Result<(String, String), SignInError> {
        let account = "sealed account";
        self.check_pace(account, from, now.mono)?;
        // One at a time: the same secrets cannot be used twice.
        let _one = self.deeds();
        let found = secrets.map(|text| Token::parse(text).and_then(|token| self.custodian(&token, now)));
        let [Some(first), Some(second)] = found else {
            return Err(self.failed(account, from, now, "break-glass: not the secrets of two custodians"));
        };
        let both = CUSTODIANS.iter().all(|label| first.label == *label || second.label == *label);
        if first.user != second.user || !both {
            return Err(self.failed(
                &first.user,
                from,
                now,
                "break-glass: not the secrets of two custodians",
            ));
        }
        let (secret, mut session) = fresh_session(&first.user, from, Began::BreakGlass, now.utc)?;
        session.expires = now.utc + self.policy.break_glass;
        session.idle_s = u32::try_from(self.policy.break_glass.as_secs()).unwrap_or(u32::MAX);
        let records =
            vec![Record::DropToken(first.hash), Record::DropToken(second.hash), Record::PutSession(session)];
        let mut entry = entry(now.utc, &first.user, ["break glass", &first.user, reason], Outcome::Done);
        entry.source = from.to_string();
        append_audited(&self.store, records, entry).map_err(|_| SignInError::Store)?;
        Ok((secret.reveal(), first.user))
    }

    fn custodian(&self, token: &Token, now: Now) -> Option<TokenRecord> {
        let record = self.store.token(&token.hash()).ok()??;
        let user = self.store.user(&record.user).ok()??;
        let good = record.one_time && record.used.is_none() && CUSTODIANS.contains(&record.label.as_str());
        (good && user.sealed && user.is_active(now.utc)).then_some(record)
    }

    /// The sealed accounts that are open.
    pub(crate) fn open_seals(&self, now: Now) -> Vec<OpenSeal> {
        let sessions = self.store.sessions().unwrap_or_default().into_iter();
        let open =
            sessions.filter(|session| session.began == Began::BreakGlass.name() && session.is_alive(now.utc));
        open.map(|session| OpenSeal {
            session: super::public_id(&session.hash),
            until: session.expires,
            user: session.user,
        })
        .collect()
    }
}
