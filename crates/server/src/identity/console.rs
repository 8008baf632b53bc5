//! What an administrator does on the console of the machine that holds the data, while the centre is stopped.

use super::{append_audited, hex};
use anyhow::{Context as _, Result, bail, ensure};
use security::catalogue::check_name;
use security::{AuditEntry, Outcome, Password, Principal, Right, Token, TokenHash};
use std::time::Duration;
use store::{CredentialRecord, IdentityRecord, Record, Store, TokenRecord, UserRecord};
use timebase::Utc;

/// Longest life of a token for scripts.
pub const MAX_TOKEN_DAYS: u32 = 366;

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
    Token::from_random(random()?).context("the random source returned a constant")
}

/// Octets from the operating system's random source.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(bytes)
}

/// What a new token is to be.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    /// Good for one sign-in to the page; otherwise a bearer token for scripts.
    pub one_time: bool,
    /// How long it is good.
    pub life: Option<Duration>,
    /// What it is for.
    pub label: String,
    /// Rights that it gives at most; `None` for all of its user.
    pub rights: Option<Vec<String>>,
    /// Areas that it reaches at most; `None` for all of its user.
    pub areas: Option<Vec<String>>,
}

impl NewToken {
    /// A one-time secret with a label.
    pub(crate) fn once(label: &str, life: Duration) -> Self {
        Self { one_time: true, life: Some(life), label: label.to_owned(), ..Self::default() }
    }

    /// The record for a secret.
    pub(crate) fn record(self, user: &str, hash: TokenHash, now: Utc) -> TokenRecord {
        TokenRecord {
            hash,
            user: user.to_owned(),
            one_time: self.one_time,
            created: now,
            expires: self.life.map(|life| now + life),
            used: None,
            last_used: None,
            label: self.label,
            rights: self.rights,
            areas: self.areas,
        }
    }

    fn check(&self) -> Result<()> {
        for right in self.rights.iter().flatten() {
            let known = Right::ALL.map(|(_, name)| name).join(" ");
            ensure!(Right::named(right).is_some(), "no right {right:?} (hint: one of {known})");
        }
        let longest = Duration::from_secs(u64::from(MAX_TOKEN_DAYS) * 86_400);
        ensure!(
            self.life.is_some_and(|life| life <= longest),
            "a token is good for at most {MAX_TOKEN_DAYS} days"
        );
        Ok(())
    }
}

/// Creates a token for a user in one durable step with its audit record. Returns the token's text.
///
/// # Errors
/// There is no such user, the token would be good for more than a year, or the store does not write.
pub fn create_token(store: &Store, user: &str, now: Utc, wanted: NewToken) -> Result<String> {
    ensure!(store.user(user)?.is_some(), "no user {user:?}; create it with: tieline user add {user}");
    wanted.check()?;
    let token = fresh_token()?;
    let kind = if wanted.one_time { "create one-time token" } else { "create API token" };
    let entry = console_entry(now, kind, user, "asked on the console");
    append_audited(store, vec![Record::PutToken(wanted.record(user, token.hash(), now))], entry)?;
    Ok(token.reveal())
}

/// Removes every token of a user whose number begins like this. Returns how many.
///
/// # Errors
/// There is none, or the store does not write.
pub fn revoke_token(store: &Store, id: &str, now: Utc) -> Result<usize> {
    let found: Vec<TokenRecord> =
        store.tokens()?.into_iter().filter(|token| super::public_id(&token.hash) == id).collect();
    let Some(first) = found.first() else { bail!("no token {id:?} (hint: tieline token list --data DIR)") };
    let entry = console_entry(now, "revoke token", &first.user, id);
    append_audited(store, found.iter().map(|token| Record::DropToken(token.hash)).collect(), entry)?;
    Ok(found.len())
}

/// Writes a record that came about on the console, with its audit record.
pub(crate) fn note_on_console(store: &Store, record: Record, now: Utc, what: &str) -> Result<()> {
    Ok(append_audited(store, vec![record], console_entry(now, "configuration", "centre", what))?)
}

/// Creates or replaces a user in one durable step with its audit record.
///
/// # Errors
/// A name or role does not fit, or the store does not write.
pub fn put_user(store: &Store, principal: Principal, now: Utc) -> Result<()> {
    let user = match store.user(&principal.name)? {
        Some(before) => UserRecord { principal, ..before },
        None => UserRecord::new(principal, now),
    };
    let principal = &user.principal;
    check_name(&principal.name)?;
    let custom = store.roles()?;
    for role in &principal.custom_roles {
        ensure!(custom.iter().any(|known| known.name == *role), "no role {role:?}");
    }
    let (roles, areas) = (principal.role_names().join(" "), principal.areas.to_names().join(" "));
    let entry = console_entry(now, "put user", &principal.name, &format!("roles {roles}, areas {areas}"));
    Ok(append_audited(store, vec![Record::Identity(IdentityRecord::PutUser(user))], entry)?)
}

fn known(store: &Store, name: &str) -> Result<UserRecord> {
    store.user(name)?.with_context(|| format!("no user {name:?} (hint: tieline user list --data DIR)"))
}

/// Enables or disables a user; a disabled one loses sessions and tokens. The last administrator stays.
///
/// # Errors
/// There is no such user, it is the last administrator, or the store does not write.
pub fn enable_user(store: &Store, name: &str, enabled: bool, now: Utc) -> Result<()> {
    let mut user = known(store, name)?;
    if !enabled {
        let catalogue = store.catalogue()?;
        let others = store.users()?.into_iter().filter(|other| other.principal.name != name);
        let mut others = others.filter(|other| other.is_active(now));
        let is_left = others.any(|other| catalogue.resolve(other.principal).has(Right::ManageUsers));
        ensure!(is_left, "{name} is the last user who may manage users (hint: add another one first)");
    }
    user.disabled = !enabled;
    let mut records = vec![Record::Identity(IdentityRecord::PutUser(user))];
    if !enabled {
        records.push(Record::Identity(IdentityRecord::DropSessionsOf(name.to_owned())));
    }
    let action = if enabled { "enable user" } else { "disable user" };
    Ok(append_audited(store, records, console_entry(now, action, name, "asked on the console"))?)
}

/// Takes password, authenticator and passkeys of a user away and returns a one-time secret to enrol anew with.
///
/// # Errors
/// There is no such user, or the store does not write.
pub fn reset_user(store: &Store, name: &str, life: Duration, now: Utc) -> Result<String> {
    known(store, name)?;
    let token = fresh_token()?;
    let records = super::accounts::reset_records(store, name, &token, life, now)?;
    append_audited(store, records, console_entry(now, "reset user", name, "asked on the console"))?;
    Ok(token.reveal())
}

/// Sets the password of a user.
///
/// # Errors
/// There is no such user, the password does not fit, or the store does not write.
pub fn set_password(store: &Store, name: &str, password: &Password, now: Utc) -> Result<()> {
    known(store, name)?;
    password.check(name)?;
    let hash = password.hash(&random()?).context("the password could not be hashed")?;
    let before = store.credential(name)?.unwrap_or_else(|| CredentialRecord::none(name.to_owned(), now));
    let credential = CredentialRecord { password: Some(hash), changed: now, ..before };
    let records = vec![Record::Identity(IdentityRecord::PutCredential(credential))];
    Ok(append_audited(store, records, console_entry(now, "set password", name, "asked on the console"))?)
}

/// Takes the authenticators of everybody away, after their key was lost. Returns of how many users.
///
/// # Errors
/// The store does not write.
pub fn forget_factors(store: &Store, now: Utc) -> Result<usize> {
    let sealed: Vec<CredentialRecord> =
        store.credentials()?.into_iter().filter(|credential| credential.totp.is_some()).collect();
    let count = sealed.len();
    let bare =
        |credential| CredentialRecord { totp: None, totp_step: -1, recovery: Vec::new(), ..credential };
    let records = sealed.into_iter().map(|old| Record::Identity(IdentityRecord::PutCredential(bare(old))));
    let entry = console_entry(now, "forget factors", "all users", "the key of the authenticators was lost");
    append_audited(store, records.collect(), entry)?;
    Ok(count)
}

/// Seals an account for emergencies: it has no password, and only two custodians together open it. Returns their secrets;
/// earlier ones are void.
///
/// # Errors
/// There is no such user, or the store does not write.
pub fn seal_user(store: &Store, name: &str, now: Utc) -> Result<[String; 2]> {
    let user = known(store, name)?;
    let secrets = [fresh_token()?, fresh_token()?];
    let mut records = vec![
        Record::Identity(IdentityRecord::PutUser(UserRecord { sealed: true, ..user })),
        Record::Identity(IdentityRecord::DropSessionsOf(name.to_owned())),
        Record::Identity(IdentityRecord::DropTokensOf(name.to_owned())),
        Record::Identity(IdentityRecord::PutCredential(CredentialRecord::none(name.to_owned(), now))),
    ];
    for (label, secret) in super::break_glass::CUSTODIANS.into_iter().zip(&secrets) {
        let token = NewToken { one_time: true, label: label.to_owned(), ..NewToken::default() };
        records.push(Record::PutToken(token.record(name, secret.hash(), now)));
    }
    append_audited(store, records, console_entry(now, "seal account", name, "for two custodians"))?;
    Ok(secrets.map(|secret| secret.reveal()))
}

/// The secret of a recovery code: groups of hexadecimal digits.
pub(crate) fn fresh_recovery_code() -> Result<String> {
    let digits = hex(&random::<8>()?);
    Ok(format!("{}-{}-{}-{}", &digits[..4], &digits[4..8], &digits[8..12], &digits[12..]))
}
