//! What is stored, in words that depend on no other crate than `security`.

use crate::identity::IdentityRecord;
use security::{AuditEntry, TokenHash};
use sha2::{Digest, Sha256};
use timebase::Utc;

/// One thing to be written. The records of a batch are written together or not at all.
#[derive(Clone, PartialEq, Debug)]
pub enum Record {
    /// Appends to the event log.
    Event(NewEvent),
    /// Appends to the audit chain.
    Audit(AuditEntry),
    /// Creates or replaces an alarm in force.
    PutAlarm(AlarmRecord),
    /// Forgets an alarm that is over.
    DropAlarm(String),
    /// Creates or replaces a tag.
    PutTag(TagRecord),
    /// Removes a tag.
    DropTag(u64),
    /// Removes a user with tokens and sessions.
    DropUser(String),
    /// Creates or replaces a configuration value.
    PutConfig(ConfigRecord),
    /// Removes a configuration value.
    DropConfig(String),
    /// Creates or replaces a command in flight.
    PutCommand(CommandRecord),
    /// Forgets a command whose outcome is known.
    DropCommand(u64),
    /// Creates a token.
    PutToken(TokenRecord),
    /// Removes a token.
    DropToken(TokenHash),
    /// Creates or replaces a session.
    PutSession(SessionRecord),
    /// Says that a session was used.
    TouchSession(TokenHash, Utc),
    /// Moves the stamps of all sessions by microseconds: the clock was set, they last as long as they would have.
    MoveSessions(i64),
    /// Ends a session.
    DropSession(TokenHash),
    /// Who may sign in, and with what.
    Identity(IdentityRecord),
    /// Forgets the events before this one; the log stays gap-free from there on.
    PruneEvents(u64),
}

/// An event on its way into the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewEvent {
    /// Place in the log if the caller counts; it must be the next one. `None` lets the store count.
    pub seq: Option<u64>,
    /// When it happened.
    pub time: Utc,
    /// Kind, e.g. `state`, `alarm`, `command`, `login`.
    pub kind: String,
    /// Severity, e.g. `info`, `high`.
    pub severity: String,
    /// mRID of the point concerned.
    pub point: Option<String>,
    /// Name of the thing concerned, for people.
    pub source: String,
    /// What happened, for people.
    pub text: String,
    /// Who caused it.
    pub actor: Option<String>,
    /// Anything else, as JSON text.
    pub data: Option<String>,
}

/// An event in its place in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventRecord {
    /// Place in the log, without gaps.
    pub seq: u64,
    /// The event; its `seq` is set.
    pub event: NewEvent,
}

impl NewEvent {
    /// First eight bytes of SHA-256 over everything: tells a damaged row from a whole one.
    pub(crate) fn sum(&self, seq: u64) -> [u8; 8] {
        let mut hash = Sha256::new();
        hash.update(seq.to_be_bytes());
        hash.update(self.time.as_micros().to_be_bytes());
        let texts = [Some(&self.kind), Some(&self.severity), self.point.as_ref(), Some(&self.source)];
        for text in texts.into_iter().chain([Some(&self.text), self.actor.as_ref(), self.data.as_ref()]) {
            hash.update([u8::from(text.is_some())]);
            let text = text.map_or("", String::as_str);
            // usize is at most 64 bits wide on every platform that Rust has.
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(text.as_bytes());
        }
        let full: [u8; 32] = hash.finalize().into();
        std::array::from_fn(|at| full[at])
    }
}

/// An alarm in force or not yet acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlarmRecord {
    /// Identity over restarts.
    pub key: String,
    /// Its state, in the words of the alarm system.
    pub state: String,
    /// Everything else, as JSON text.
    pub data: String,
}

/// What a tag means for commands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TagKind {
    /// Commands are refused.
    Hold,
    /// Commands need a confirmation that names the tag.
    Caution,
    /// A note.
    Information,
}

impl TagKind {
    /// The name in the store and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Caution => "caution",
            Self::Information => "information",
        }
    }

    /// The kind with that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Hold, Self::Caution, Self::Information].into_iter().find(|kind| kind.name() == name)
    }
}

/// A tag on a point.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagRecord {
    /// Identity; see `Store::next_tag_id`.
    pub id: u64,
    /// mRID of the point.
    pub point: String,
    /// What it means for commands.
    pub kind: TagKind,
    /// Why it hangs there.
    pub text: String,
    /// Who placed it.
    pub by: String,
    /// When it was placed.
    pub at: Utc,
}

/// A configuration value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigRecord {
    /// Name.
    pub key: String,
    /// Value as JSON text.
    pub json: String,
}

/// A command that left the gate and whose outcome is not known yet. After a crash it is reported as failed and
/// never sent again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandRecord {
    /// Identity.
    pub id: u64,
    /// mRID of the point.
    pub point: String,
    /// How far it was, in the words of the gate.
    pub state: String,
    /// When that was.
    pub at: Utc,
    /// Everything else, as JSON text.
    pub data: String,
}

/// A bearer token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenRecord {
    /// Hash of the secret.
    pub hash: TokenHash,
    /// Whose it is.
    pub user: String,
    /// Whether it is good for one login only.
    pub one_time: bool,
    /// When it was made.
    pub created: Utc,
    /// From when on it is void.
    pub expires: Option<Utc>,
    /// First use.
    pub used: Option<Utc>,
    /// Last use.
    pub last_used: Option<Utc>,
    /// What it is for, for people.
    pub label: String,
    /// Rights that it gives at most; `None` for all that its user has.
    pub rights: Option<Vec<String>>,
    /// Areas that it reaches at most; `None` for all that its user has.
    pub areas: Option<Vec<String>>,
}

/// A login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionRecord {
    /// Hash of the secret in the cookie.
    pub hash: TokenHash,
    /// Whose it is.
    pub user: String,
    /// When it began.
    pub created: Utc,
    /// When it ends in any case.
    pub expires: Utc,
    /// Ends when unused for this many seconds.
    pub idle_s: u32,
    /// Last use.
    pub last_used: Utc,
    /// Address that it was begun from.
    pub source: String,
    /// What it was begun with: `token`, `password`, `totp`, `passkey`, `oidc`, `break-glass`.
    pub began: String,
    /// Why it may change nothing any more.
    pub frozen: Option<String>,
}

impl SessionRecord {
    /// Whether the session is still good at `now`.
    pub fn is_alive(&self, now: Utc) -> bool {
        now < self.expires && now.since(self.last_used).as_secs() < u64::from(self.idle_s)
    }
}

/// Why a token was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenRefusal {
    /// There is no such token.
    #[error("unknown token")]
    Unknown,
    /// It is void by its age.
    #[error("the token has expired")]
    Expired,
    /// It was good for one use and has been used.
    #[error("the one-time token has been used")]
    Used,
    /// It is a bearer token for scripts.
    #[error("a token for scripts opens no session")]
    ForScripts,
    /// Its user is disabled or gone.
    #[error("the user is disabled")]
    UserDisabled,
}
