//! Who asks: sign-in with tokens, sessions in cookies, bearer tokens for scripts.
//!
//! Tokens and sessions lie hashed in the store. A one-time token works once; a session ends by its age, by idling or
//! by signing out. Failed sign-ins are slowed down per source (S-34) and written to the audit.

use anyhow::{Context as _, Result};
use security::{Assurance, AuditEntry, Outcome, Principal, Token, TokenHash};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{Record, SessionRecord, Store, StoreError, TokenRecord, UserRecord};
use timebase::{Mono, Now, Utc};
use tokio::sync::watch;

/// Sign-ins that one source may fail in [`FAILURE_WINDOW`] before it has to wait.
const MAX_FAILURES: usize = 5;
/// Window of [`MAX_FAILURES`].
const FAILURE_WINDOW: Duration = Duration::from_secs(60);
/// Sources remembered at most.
const MAX_SOURCES: usize = 4_096;
/// A session's last use is written down this often at most.
const TOUCH_PERIOD: Duration = Duration::from_secs(60);

/// A signed-in caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// Name of the session in audit and command binding; not a secret.
    pub(crate) session: String,
    pub(crate) expires: Utc,
    pub(crate) revoked: watch::Receiver<bool>,
    /// The latest second factor; none for bearer tokens.
    pub(crate) assurance: Assurance,
}

/// Why a sign-in failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum SignInError {
    /// Wrong, used or expired.
    #[error("the token is not valid")]
    Refused,
    /// Too many failures from this source.
    #[error("too many failed sign-ins, wait a minute")]
    TooMany,
    /// The store did not answer.
    #[error("the sign-in could not be written down")]
    Store,
}

/// Sign-in and sessions.
pub(crate) struct Identity {
    store: Arc<Store>,
    lifetime: Duration,
    idle: Duration,
    failures: Mutex<HashMap<IpAddr, Vec<Mono>>>,
    live: Mutex<HashMap<[u8; 32], watch::Sender<bool>>>,
}

impl Identity {
    pub(crate) fn new(store: Arc<Store>, lifetime: Duration, idle: Duration) -> Self {
        Self { store, lifetime, idle, failures: Mutex::default(), live: Mutex::default() }
    }

    /// Exchanges a token for a session secret. Blocks on the store.
    pub(crate) fn sign_in(&self, text: &str, from: IpAddr, now: Now) -> Result<String, SignInError> {
        self.check_pace(from, now.mono)?;
        let refused = Token::parse(text).map(|token| self.store.redeem_token(&token.hash(), now.utc));
        let Some(Ok(token)) = refused else {
            self.note_failure(from, now.mono);
            self.audit(now.utc, "unknown", from, Outcome::Refused, "token is not valid")?;
            return Err(SignInError::Refused);
        };
        let secret = fresh_token().map_err(|_| SignInError::Store)?;
        let session = SessionRecord {
            hash: secret.hash(),
            user: token.user.clone(),
            created: now.utc,
            expires: now.utc + self.lifetime,
            idle_s: u32::try_from(self.idle.as_secs()).unwrap_or(u32::MAX),
            last_used: now.utc,
        };
        self.store.append(vec![Record::PutSession(session)]).map_err(|_| SignInError::Store)?;
        self.audit(now.utc, &token.user, from, Outcome::Done, "signed in with a token")?;
        Ok(secret.reveal())
    }

    /// The caller behind a session secret.
    pub(crate) fn by_session(&self, text: &str, now: Now) -> Option<Caller> {
        let hash = Token::parse(text)?.hash();
        let session = self.store.session(&hash).ok()??;
        if !session.is_alive(now.utc) {
            return None;
        }
        let user = self.store.user(&session.user).ok()?.filter(|user| !user.disabled)?;
        if now.utc.since(session.last_used) > TOUCH_PERIOD {
            // Losing one touch only shortens the session.
            drop(self.store.append_async(vec![Record::TouchSession(hash, now.utc)]));
        }
        Some(self.caller(user, "session", hash, session.expires))
    }

    /// The caller behind an API token.
    pub(crate) fn by_bearer(&self, text: &str, now: Now) -> Option<Caller> {
        let hash = Token::parse(text)?.hash();
        let token = self.store.token(&hash).ok()??;
        let expires = token.expires.unwrap_or(now.utc + self.lifetime);
        if token.one_time || expires <= now.utc {
            return None;
        }
        let user = self.store.user(&token.user).ok()?.filter(|user| !user.disabled)?;
        Some(self.caller(user, "token", hash, expires))
    }

    /// Ends a session: the next request is refused, open live connections are cut.
    pub(crate) fn sign_out(&self, text: &str) {
        let Some(hash) = Token::parse(text).map(|token| token.hash()) else { return };
        if let Err(error) = self.store.append(vec![Record::DropSession(hash)]) {
            tracing::error!(%error, "Session could not be ended");
        }
        if let Some(sender) = self.live.lock().unwrap_or_else(PoisonError::into_inner).remove(hash.as_bytes())
        {
            sender.send_replace(true);
        }
    }

    fn caller(&self, user: UserRecord, kind: &str, hash: TokenHash, expires: Utc) -> Caller {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|_, sender| sender.receiver_count() > 0);
        let revoked = live.entry(*hash.as_bytes()).or_insert_with(|| watch::Sender::new(false)).subscribe();
        let [a, b, c, d, ..] = *hash.as_bytes();
        Caller {
            principal: user.principal,
            session: format!("{kind} {a:02x}{b:02x}{c:02x}{d:02x}"),
            expires,
            revoked,
            assurance: Assurance::NONE,
        }
    }

    fn check_pace(&self, from: IpAddr, now: Mono) -> Result<(), SignInError> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, times| {
            times.retain(|at| now.since(*at) < FAILURE_WINDOW);
            !times.is_empty()
        });
        let failed = failures.get(&from).map_or(0, Vec::len);
        if failed >= MAX_FAILURES || failures.len() >= MAX_SOURCES {
            Err(SignInError::TooMany)
        } else {
            Ok(())
        }
    }

    fn note_failure(&self, from: IpAddr, now: Mono) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.entry(from).or_default().push(now);
    }

    fn audit(
        &self,
        time: Utc,
        who: &str,
        from: IpAddr,
        outcome: Outcome,
        reason: &str,
    ) -> Result<(), SignInError> {
        let entry = AuditEntry {
            time,
            actor: who.to_owned(),
            source: from.to_string(),
            action: "sign in".to_owned(),
            target: "centre".to_owned(),
            old: None,
            new: None,
            outcome,
            reason: reason.to_owned(),
        };
        append_audited(&self.store, Vec::new(), entry).map_err(|_| SignInError::Store)
    }
}

/// Writes records with their audit record. A broken chain stops commands, not monitoring: people must still get in to
/// see it, so the deed then stands in the log only.
fn append_audited(store: &Store, records: Vec<Record>, entry: AuditEntry) -> Result<(), StoreError> {
    let mut batch = records.clone();
    batch.push(Record::Audit(entry.clone()));
    match store.append(batch) {
        Err(StoreError::AuditBroken) => {
            tracing::error!(actor = entry.actor, action = entry.action, "Not audited: the chain is broken");
            store.append(records).map(drop)
        }
        result => result.map(drop),
    }
}

/// A record of an administrator's deed on the console.
fn console_entry(time: Utc, action: &str, target: &str, reason: &str) -> AuditEntry {
    AuditEntry {
        time,
        actor: "local administrator".to_owned(),
        source: "console".to_owned(),
        action: action.to_owned(),
        target: target.to_owned(),
        old: None,
        new: None,
        outcome: Outcome::Done,
        reason: reason.to_owned(),
    }
}

/// A secret from the operating system's random source.
pub fn fresh_token() -> Result<Token> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Token::from_random(bytes).context("the random source returned a constant")
}

/// Creates a user and a token for it in one durable step; `life` bounds the token. Returns the token's text.
pub fn create_token(
    store: &Store,
    user: &str,
    one_time: bool,
    now: Utc,
    life: Option<Duration>,
) -> Result<String> {
    anyhow::ensure!(store.user(user)?.is_some(), "no user {user:?}; create it with: tieline user add {user}");
    let token = fresh_token()?;
    let record = TokenRecord {
        hash: token.hash(),
        user: user.to_owned(),
        one_time,
        created: now,
        expires: life.map(|life| now + life),
        used: None,
        last_used: None,
    };
    let kind = if one_time { "create one-time token" } else { "create API token" };
    let entry = console_entry(now, kind, user, "asked on the console");
    append_audited(store, vec![Record::PutToken(record)], entry)?;
    Ok(token.reveal())
}

/// Writes a record that came about on the console, with its audit record.
pub(crate) fn note_on_console(store: &Store, record: Record, now: Utc, what: &str) -> Result<()> {
    Ok(append_audited(store, vec![record], console_entry(now, "configuration", "centre", what))?)
}

/// Creates or replaces a user in one durable step with its audit record.
pub fn put_user(store: &Store, principal: Principal, now: Utc) -> Result<()> {
    let name = principal.name.clone();
    let roles: Vec<&str> = principal.roles.iter().map(|role| role.name()).collect();
    let reason = format!("roles {}, areas {}", roles.join(" "), principal.areas.to_names().join(" "));
    let entry = console_entry(now, "put user", &name, &reason);
    append_audited(
        store,
        vec![Record::PutUser(UserRecord { principal, disabled: false, created: now })],
        entry,
    )?;
    Ok(())
}
