//! Who asks: sign-in, sessions in cookies, bearer tokens for scripts, accounts.
//!
//! Secrets lie hashed or sealed in the store. A session ends by its age, by idling, by signing out, or because somebody ends
//! it; its open live connections are cut then. Failed sign-ins are slowed down and locked per account and source, never per
//! account (S-07), and written to the audit.

pub(crate) mod accounts;
mod breached;
pub(crate) mod break_glass;
mod certificates;
pub(crate) mod config;
pub(crate) mod console;
pub(crate) mod factors;
pub(crate) mod oidc;
pub(crate) mod passkeys;
mod sealing;
pub(crate) mod seals;
pub(crate) mod sessions;

use self::config::{Enrolment, Policy};
pub(crate) use self::sealing::FILE as KEY_FILE;
use anyhow::Result;
use scada::approval::Approvals;
use security::pace::{Failure, Verdict};
use security::{
    Assurance, AuditEntry, Catalogue, Factor, Outcome, Pace, Password, Principal, Token, TokenHash,
};
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{Record, SessionRecord, Store, StoreError, TokenRefusal, UserRecord};
use timebase::{Mono, Now, Utc};
use tokio::sync::{Semaphore, watch};

/// A session's or token's last use is written down this often at most.
const TOUCH_PERIOD: Duration = Duration::from_secs(60);
/// Passwords that are hashed at the same time: each takes 64 MiB and a good part of a second.
const MAX_HASHING: usize = 2;
/// Unknown bearer tokens of one source within a minute that make an alarm.
const MAX_GUESSES: usize = 20;
/// Second factors remembered at most; beyond that those of sessions that ended are looked for.
const MAX_ASSURED: usize = 4_096;

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
    /// The session, where it is one and no bearer token.
    pub(crate) own: Option<TokenHash>,
    /// What the person has to set up before anything else is open.
    pub(crate) missing: Option<Enrolment>,
    /// Why the session may change nothing any more.
    pub(crate) frozen: Option<String>,
}

/// What somebody signs in with.
pub(crate) enum Secret {
    Token(String),
    Password { user: String, password: Password, code: Option<String> },
}

/// What a session was begun with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Began {
    Token,
    Password,
    Totp,
    Passkey,
    Oidc,
    BreakGlass,
}

impl Began {
    const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Password => "password",
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::Oidc => "oidc",
            Self::BreakGlass => "break-glass",
        }
    }
}

/// Why a sign-in failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum SignInError {
    /// Wrong, used or expired; whoever tried learns no more.
    #[error("the token, or the name, password or code, is not valid")]
    Refused(Failure),
    /// The password is right; the code of the authenticator is wanted, too.
    #[error("the code of the authenticator is needed")]
    CodeNeeded,
    /// The password is right; there is a passkey, which is to be used.
    #[error("sign in with the passkey")]
    PasskeyNeeded,
    /// Too many failures.
    #[error("too many failed sign-ins, wait {} s", .0.as_secs() + 1)]
    Wait(Duration),
    /// The store did not answer.
    #[error("the sign-in could not be written down")]
    Store,
}

/// A session or token with open live connections.
struct Live {
    user: String,
    sender: watch::Sender<bool>,
}

/// Sign-in, sessions and accounts.
pub(crate) struct Identity {
    store: Arc<Store>,
    pub(crate) policy: Policy,
    key: sealing::SealingKey,
    passkeys: passkeys::Passkeys,
    oidc: Option<oidc::Oidc>,
    pace: Mutex<Pace>,
    live: Mutex<HashMap<[u8; 32], Live>>,
    assured: Mutex<HashMap<[u8; 32], Assurance>>,
    /// Last use of sessions to the instant; the store knows it to the minute.
    seen: Mutex<HashMap<[u8; 32], Utc>>,
    /// Authenticators that are being set up, by session.
    pending: Mutex<HashMap<[u8; 32], factors::Pending>>,
    catalogue: Mutex<Option<Arc<Catalogue>>>,
    /// Deeds that wait for a second administrator.
    requests: Mutex<Approvals<accounts::Wanted>>,
    freezes: Mutex<Vec<(String, Mono)>>,
    guesses: Mutex<Vec<(IpAddr, Mono)>>,
    /// Held while something is read, judged and written.
    deeds: Mutex<()>,
    /// Whoever hashes a password waits for one of these.
    pub(crate) hashing: Semaphore,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Secret {
    /// The name given, empty without one.
    pub(crate) fn user(&self) -> String {
        match self {
            Self::Token(_) => String::new(),
            Self::Password { user, .. } => user.clone(),
        }
    }
}

impl Identity {
    /// Opens the key beside the store; refuses one that is missing or an example.
    pub(crate) fn open(store: Arc<Store>, policy: Policy, key: Option<&Path>, data: &Path) -> Result<Self> {
        let sealed = store.credentials()?.iter().any(|credential| credential.totp.is_some());
        let origin = policy.origin.as_deref().unwrap_or_default();
        let oidc = policy.oidc.as_ref().map(|config| oidc::Oidc::new(config, origin)).transpose()?;
        let path = key.map_or_else(|| data.join(sealing::FILE), Path::to_path_buf);
        Ok(Self {
            key: sealing::SealingKey::open(&path, sealed)?,
            passkeys: passkeys::Passkeys::new(policy.origin.as_deref(), &policy.issuer)?,
            oidc,
            store,
            policy,
            pace: Mutex::default(),
            live: Mutex::default(),
            assured: Mutex::default(),
            seen: Mutex::default(),
            pending: Mutex::default(),
            catalogue: Mutex::default(),
            requests: Mutex::default(),
            freezes: Mutex::default(),
            guesses: Mutex::default(),
            deeds: Mutex::default(),
            hashing: Semaphore::new(MAX_HASHING),
        })
    }

    /// Exchanges what somebody signs in with for a session secret, always a new one. Blocks on the store and on hashing.
    pub(crate) fn sign_in(&self, with: &Secret, from: IpAddr, now: Now) -> Result<String, SignInError> {
        match with {
            Secret::Token(text) => {
                self.check_pace("", from, now.mono)?;
                let user = self.redeem(text, from, now)?;
                self.begin(&user, from, Began::Token, now)
            }
            Secret::Password { user, password, code } => {
                self.check_pace(user, from, now.mono)?;
                let began = self.verify(user, password, code.as_deref(), from, now)?;
                self.begin(user, from, began, now)
            }
        }
    }

    fn redeem(&self, text: &str, from: IpAddr, now: Now) -> Result<String, SignInError> {
        let hash = Token::parse(text).map(|token| token.hash());
        let sealed = |hash: &TokenHash| {
            let user = self.store.token(hash).ok().flatten().map(|token| token.user);
            user.and_then(|user| self.store.user(&user).ok().flatten()).is_some_and(|user| user.sealed)
        };
        let why = match hash.map(|hash| (sealed(&hash), hash)) {
            None => "token is not valid".to_owned(),
            Some((true, _)) => "a sealed account needs both custodians".to_owned(),
            Some((false, hash)) => match self.store.redeem_token(&hash, now.utc) {
                Ok(token) => return Ok(token.user),
                Err(StoreError::Token(TokenRefusal::Unknown)) => "token is not valid".to_owned(),
                Err(StoreError::Token(refusal)) => format!("token is not valid: {refusal}"),
                Err(_) => return Err(SignInError::Store),
            },
        };
        Err(self.failed("", from, now, &why))
    }

    /// Begins a session, and ends the one of the user that was not used for longest if there are too many.
    fn begin(&self, user: &str, from: IpAddr, began: Began, now: Now) -> Result<String, SignInError> {
        let (secret, mut session) = fresh_session(user, from, began, now.utc)?;
        session.expires = now.utc + self.policy.lifetime;
        session.idle_s = u32::try_from(self.policy.idle.as_secs()).unwrap_or(u32::MAX);
        let hash = session.hash;
        let mut alive = self.sessions_of(user, now.utc).map_err(|_| SignInError::Store)?;
        let seen = locked(&self.seen).clone();
        alive.sort_by_key(|session| seen.get(session.hash.as_bytes()).copied().unwrap_or(session.last_used));
        let surplus = (alive.len() + 1).saturating_sub(self.policy.max_sessions);
        let ended: Vec<TokenHash> = alive.iter().take(surplus).map(|session| session.hash).collect();
        let mut records: Vec<Record> = ended.iter().map(|hash| Record::DropSession(*hash)).collect();
        records.push(Record::PutSession(session));
        let how = format!("signed in with {}", began.name());
        let mut entry = entry(now.utc, user, ["sign in", "centre", &how], Outcome::Done);
        entry.source = from.to_string();
        append_audited(&self.store, records, entry).map_err(|_| SignInError::Store)?;
        for hash in ended {
            self.cut(&hash);
        }
        match began {
            Began::Totp => self.assure(&hash, Assurance::shown(Factor::Totp, now.mono)),
            Began::Passkey => self.assure(&hash, Assurance::shown(Factor::Passkey, now.mono)),
            Began::Token | Began::Password | Began::Oidc | Began::BreakGlass => {}
        }
        locked(&self.pace).succeeded(user, from);
        Ok(secret.reveal())
    }

    /// The living sessions of a user.
    fn sessions_of(&self, user: &str, now: Utc) -> Result<Vec<SessionRecord>, StoreError> {
        let all = self.store.sessions()?.into_iter();
        Ok(all.filter(|session| session.user == user && session.is_alive(now)).collect())
    }

    /// The caller behind a session secret.
    pub(crate) fn by_session(&self, text: &str, now: Now) -> Option<Caller> {
        self.by_hash(Token::parse(text)?.hash(), now)
    }

    /// The caller behind a session.
    pub(crate) fn by_hash(&self, hash: TokenHash, now: Now) -> Option<Caller> {
        let session = self.store.session(&hash).ok()??;
        if !session.is_alive(now.utc) {
            return None;
        }
        let user = self.store.user(&session.user).ok()?.filter(|user| user.is_active(now.utc))?;
        self.note_use(&hash, now.utc);
        if now.utc.since(session.last_used) > TOUCH_PERIOD {
            // Losing one touch only shortens the session.
            drop(self.store.append_async(vec![Record::TouchSession(hash, now.utc)]));
        }
        // Whoever comes from the provider has shown there what the provider asks for.
        let elsewhere = [Began::BreakGlass, Began::Oidc].iter().any(|began| session.began == began.name());
        let missing = if elsewhere { None } else { self.missing(&user) };
        let mut caller = self.caller(user, "session", hash, session.expires)?;
        caller.assurance = locked(&self.assured).get(hash.as_bytes()).copied().unwrap_or_default();
        caller.own = Some(hash);
        caller.missing = missing;
        caller.frozen = session.frozen;
        Some(caller)
    }

    /// The caller behind an API token.
    pub(crate) fn by_bearer(&self, text: &str, now: Now) -> Option<Caller> {
        let hash = Token::parse(text)?.hash();
        let token = self.store.token(&hash).ok()??;
        let expires = token.expires.unwrap_or(now.utc + self.policy.lifetime);
        if token.one_time || expires <= now.utc {
            return None;
        }
        let user = self.store.user(&token.user).ok()?;
        let user = user.filter(|user| user.is_active(now.utc) && !user.sealed)?;
        if token.last_used.is_none_or(|last| now.utc.since(last) > TOUCH_PERIOD) {
            let touch = store::IdentityRecord::TouchToken(hash, now.utc);
            // Losing one touch loses nothing else.
            drop(self.store.append_async(vec![Record::Identity(touch)]));
        }
        let mut caller = self.caller(user, "token", hash, expires)?;
        let named =
            |names: &Vec<String>| names.iter().filter_map(|name| security::Right::named(name)).collect();
        caller.principal.scope = token.rights.as_ref().map(named);
        if let Some(areas) = &token.areas {
            let reach = self.catalogue().ok()?.expand(&security::Areas::from_names(areas));
            caller.principal.areas = caller.principal.areas.within(&reach);
        }
        Some(caller)
    }

    /// Ends a session: the next request is refused, open live connections are cut.
    pub(crate) fn sign_out(&self, hash: &TokenHash) {
        if let Err(error) = self.store.append(vec![Record::DropSession(*hash)]) {
            tracing::error!(%error, "Session could not be ended");
        }
        self.cut(hash);
    }

    /// Cuts the live connections of a session or token; whoever may come back does so with what he may now.
    fn cut(&self, hash: &TokenHash) {
        if let Some(live) = locked(&self.live).remove(hash.as_bytes()) {
            live.sender.send_replace(true);
        }
        locked(&self.assured).remove(hash.as_bytes());
        locked(&self.seen).remove(hash.as_bytes());
    }

    /// Cuts the live connections of a user, or of everybody.
    fn cut_all(&self, user: Option<&str>) {
        locked(&self.live).retain(|_, live| {
            let goes = user.is_none_or(|user| live.user == user);
            if goes {
                live.sender.send_replace(true);
            }
            !goes
        });
    }

    fn caller(&self, user: UserRecord, kind: &str, hash: TokenHash, expires: Utc) -> Option<Caller> {
        let expires = user.valid_until.map_or(expires, |until| until.min(expires));
        let principal = self.catalogue().ok()?.resolve(user.principal);
        let mut live = locked(&self.live);
        live.retain(|_, live| live.sender.receiver_count() > 0);
        let fresh = || Live { user: principal.name.clone(), sender: watch::Sender::new(false) };
        let revoked = live.entry(*hash.as_bytes()).or_insert_with(fresh).sender.subscribe();
        drop(live);
        Some(Caller {
            session: format!("{kind} {}", public_id(&hash)),
            principal,
            expires,
            revoked,
            assurance: Assurance::NONE,
            own: None,
            missing: None,
            frozen: None,
        })
    }

    /// What names of roles and areas mean, read once after each change.
    pub(crate) fn catalogue(&self) -> Result<Arc<Catalogue>, StoreError> {
        let mut held = locked(&self.catalogue);
        if let Some(catalogue) = &*held {
            return Ok(Arc::clone(catalogue));
        }
        let catalogue = Arc::new(self.store.catalogue()?);
        *held = Some(Arc::clone(&catalogue));
        Ok(catalogue)
    }

    fn note_use(&self, hash: &TokenHash, at: Utc) {
        let mut seen = locked(&self.seen);
        if seen.len() >= MAX_ASSURED {
            // What the store knows to the minute is good enough for those.
            seen.clear();
        }
        seen.insert(*hash.as_bytes(), at);
    }

    fn assure(&self, hash: &TokenHash, assurance: Assurance) {
        let mut assured = locked(&self.assured);
        if assured.len() >= MAX_ASSURED {
            assured
                .retain(|hash, _| matches!(self.store.session(&TokenHash::from_bytes(*hash)), Ok(Some(_))));
        }
        assured.insert(*hash.as_bytes(), assurance);
    }

    /// Held while something is read, judged and written.
    fn deeds(&self) -> MutexGuard<'_, ()> {
        locked(&self.deeds)
    }

    fn check_pace(&self, account: &str, from: IpAddr, now: Mono) -> Result<(), SignInError> {
        match locked(&self.pace).check(account, from, now) {
            Verdict::Go => Ok(()),
            Verdict::Wait(wait) => Err(SignInError::Wait(wait)),
        }
    }

    /// Counts an unknown token of a source; `true` when that makes an alarm.
    pub(crate) fn is_guessing(&self, from: IpAddr, now: Mono) -> bool {
        let mut guesses = locked(&self.guesses);
        guesses.retain(|(_, at)| now.since(*at) < security::pace::WINDOW);
        if guesses.len() >= MAX_ASSURED {
            return false;
        }
        guesses.push((from, now));
        guesses.iter().filter(|(source, _)| *source == from).count() == MAX_GUESSES
    }

    /// Notes and writes down a failed sign-in.
    fn failed(&self, account: &str, from: IpAddr, now: Now, why: &str) -> SignInError {
        let failure = locked(&self.pace).failed(account, from, now.mono);
        let who = match self.store.user(account) {
            Ok(Some(user)) => user.principal.name,
            // A name that is none may be a password typed in the wrong field.
            Ok(None) | Err(_) => "unknown".to_owned(),
        };
        let mut entry = entry(now.utc, &who, ["sign in", "centre", why], Outcome::Refused);
        entry.source = from.to_string();
        match append_audited(&self.store, Vec::new(), entry) {
            Ok(()) => SignInError::Refused(failure),
            Err(_) => SignInError::Store,
        }
    }
}

/// A secret and the session behind it, without its limits.
fn fresh_session(
    user: &str,
    from: IpAddr,
    began: Began,
    now: Utc,
) -> Result<(Token, SessionRecord), SignInError> {
    let secret = console::fresh_token().map_err(|_| SignInError::Store)?;
    let session = SessionRecord {
        hash: secret.hash(),
        user: user.to_owned(),
        created: now,
        expires: now,
        idle_s: 0,
        last_used: now,
        source: from.to_string(),
        began: began.name().to_owned(),
        frozen: None,
    };
    Ok((secret, session))
}

/// How a session or token is called in audit and API: enough of its hash to tell it from others.
pub fn public_id(hash: &TokenHash) -> String {
    hex(&hash.as_bytes()[..4])
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().filter(|_| pair.len() == 2))
        .collect()
}

/// An audit record of a deed: action, target, reason.
pub(crate) fn entry(
    time: Utc,
    actor: &str,
    [action, target, reason]: [&str; 3],
    outcome: Outcome,
) -> AuditEntry {
    AuditEntry {
        time,
        actor: actor.to_owned(),
        source: String::new(),
        action: action.to_owned(),
        target: target.to_owned(),
        old: None,
        new: None,
        outcome,
        reason: reason.to_owned(),
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
