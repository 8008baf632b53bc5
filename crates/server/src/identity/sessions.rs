//! Sessions and tokens as others see them: list, end, freeze.

use super::accounts::AccountRefusal;
use super::console::{self, NewToken};
use super::{Caller, Identity, entry, locked, public_id};
use security::{Outcome, Right, TokenHash};
use std::time::Duration;
use store::{IdentityRecord, Record, SessionRecord, TokenRecord};
use timebase::Now;

/// Sessions that one person may freeze in [`FREEZE_WINDOW`]: enough against a hijacker, too few to clear a control room.
const MAX_FREEZES: usize = 3;
/// Window of [`MAX_FREEZES`].
const FREEZE_WINDOW: Duration = Duration::from_secs(600);

/// Why a session was not frozen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FreezeRefusal {
    #[error("there is no such session")]
    Unknown,
    #[error("{MAX_FREEZES} sessions in ten minutes are the most that one person may freeze")]
    TooMany,
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

impl Identity {
    /// The living sessions that somebody may see: their own; all for administrators; those of people who may operate for people
    /// who may, so that one operator can stop another one's.
    pub(crate) fn visible_sessions(
        &self,
        caller: &Caller,
        now: Now,
    ) -> Result<Vec<SessionRecord>, store::StoreError> {
        let catalogue = self.catalogue()?;
        let operators: Vec<String> = self
            .store
            .users()?
            .into_iter()
            .filter(|user| catalogue.resolve(user.principal.clone()).has(Right::Command))
            .map(|user| user.principal.name)
            .collect();
        let who = &caller.principal;
        let sees = |session: &SessionRecord| {
            session.user == who.name
                || who.has(Right::ManageUsers)
                || (who.has(Right::Command) && operators.contains(&session.user))
        };
        let all = self.store.sessions()?.into_iter();
        Ok(all.filter(|session| session.is_alive(now.utc) && sees(session)).collect())
    }

    /// Freezes the sessions of that public name, or lets them go on.
    pub(crate) fn freeze(
        &self,
        id: &str,
        reason: Option<&str>,
        by: &Caller,
        now: Now,
    ) -> Result<Vec<SessionRecord>, FreezeRefusal> {
        let _one = self.deeds();
        let found: Vec<SessionRecord> = self
            .visible_sessions(by, now)?
            .into_iter()
            .filter(|found| public_id(&found.hash) == id)
            .collect();
        let Some(first) = found.first() else { return Err(FreezeRefusal::Unknown) };
        let actor = &by.principal.name;
        if reason.is_some() && !self.may_freeze(actor, now) {
            return Err(FreezeRefusal::TooMany);
        }
        let why = reason.map(|reason| format!("{actor}: {reason}"));
        let action = if reason.is_some() { "freeze session" } else { "unfreeze session" };
        let target = format!("{} of {}", id, first.user);
        let mut entry = entry(now.utc, actor, [action, &target, reason.unwrap_or_default()], Outcome::Done);
        entry.source.clone_from(&by.session);
        let change = |session: &SessionRecord| {
            Record::Identity(IdentityRecord::FreezeSession(session.hash, why.clone()))
        };
        let mut records: Vec<Record> = found.iter().map(change).collect();
        records.push(Record::Audit(entry));
        self.store.append(records)?;
        Ok(found)
    }

    fn may_freeze(&self, actor: &str, now: Now) -> bool {
        let mut freezes = locked(&self.freezes);
        freezes.retain(|(_, at)| now.mono.since(*at) < FREEZE_WINDOW);
        if freezes.iter().filter(|(who, _)| who == actor).count() >= MAX_FREEZES {
            return false;
        }
        freezes.push((actor.to_owned(), now.mono));
        true
    }

    /// Ends one's own session by its public name; `false` if there is none.
    pub(crate) fn end_own(&self, id: &str, caller: &Caller, now: Now) -> Result<bool, store::StoreError> {
        let mine = self.sessions_of(&caller.principal.name, now.utc)?.into_iter();
        let found: Vec<TokenHash> =
            mine.map(|session| session.hash).filter(|hash| public_id(hash) == id).collect();
        found.iter().for_each(|hash| self.sign_out(hash));
        Ok(!found.is_empty())
    }

    /// Whose session it is, among those that somebody may see.
    pub(crate) fn owner_of(&self, id: &str, caller: &Caller, now: Now) -> Option<String> {
        let seen = self.visible_sessions(caller, now).ok()?.into_iter();
        seen.filter(|session| public_id(&session.hash) == id).map(|session| session.user).next()
    }

    /// Tokens for scripts that somebody may see: their own, all for administrators. One-time secrets are none.
    pub(crate) fn visible_tokens(&self, caller: &Caller) -> Result<Vec<TokenRecord>, store::StoreError> {
        let who = &caller.principal;
        let sees = |token: &TokenRecord| who.has(Right::ManageUsers) || token.user == who.name;
        Ok(self.store.tokens()?.into_iter().filter(|token| !token.one_time && sees(token)).collect())
    }

    /// Makes a token for scripts. Returns its text, which is told once.
    pub(crate) fn new_token(
        &self,
        user: &str,
        wanted: NewToken,
        by: &Caller,
        now: Now,
    ) -> Result<(String, TokenRecord), AccountRefusal> {
        let secret = console::fresh_token().map_err(|error| AccountRefusal::Store(error.to_string()))?;
        let record = wanted.record(user, secret.hash(), now.utc);
        let mut entry =
            entry(now.utc, &by.principal.name, ["create API token", user, &record.label], Outcome::Done);
        entry.source.clone_from(&by.session);
        entry.new = Some(public_id(&record.hash));
        self.store.append(vec![Record::PutToken(record.clone()), Record::Audit(entry)])?;
        Ok((secret.reveal(), record))
    }

    /// Revokes a token by its public name; its open live connections are cut.
    pub(crate) fn revoke_token(&self, id: &str, by: &Caller, now: Now) -> Result<(), AccountRefusal> {
        let seen = self.visible_tokens(by)?.into_iter();
        let found: Vec<TokenRecord> = seen.filter(|token| public_id(&token.hash) == id).collect();
        let Some(first) = found.first() else { return Err(AccountRefusal::Unknown("token")) };
        let mut entry = entry(now.utc, &by.principal.name, ["revoke token", &first.user, id], Outcome::Done);
        entry.source.clone_from(&by.session);
        let mut records: Vec<Record> = found.iter().map(|token| Record::DropToken(token.hash)).collect();
        records.push(Record::Audit(entry));
        self.store.append(records)?;
        found.iter().for_each(|token| self.cut(&token.hash));
        Ok(())
    }
}
