//! Passwords, authenticators and recovery codes of a signed-in person, and showing a second factor again (S-06).

use super::{Began, Caller, Enrolment, Identity, SignInError, append_audited, console, entry, hex, locked};
use security::password::UnfitPassword;
use security::totp::SECRET_OCTETS;
use security::{Assurance, Factor, Outcome, Password, TotpSecret};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use store::{CredentialRecord, IdentityRecord, Record, UserRecord};
use timebase::{Mono, Now, Utc};
use zeroize::Zeroizing;

/// Recovery codes given out at a time.
const RECOVERY_CODES: usize = 10;
/// How long setting up an authenticator may take.
const SET_UP: std::time::Duration = std::time::Duration::from_secs(600);
/// Authenticators that are being set up at the same time.
const MAX_PENDING: usize = 1_000;
/// Stands in for the hash of a user who has no password, so that the answer takes as long. Its output is arbitrary: no
/// password is known for it, and a match would be refused all the same.
const DECOY: &str =
    "$argon2id$v=19$m=65536,t=3,p=4$YW55IHNhbHQgd2lsbCBkbw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// An authenticator that is being set up.
pub(crate) struct Pending {
    secret: TotpSecret,
    since: Mono,
}

/// What an authenticator needs to know.
pub(crate) struct SetUp {
    pub(crate) secret: Zeroizing<String>,
    pub(crate) uri: Zeroizing<String>,
}

/// Why a change of one's own factors was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum FactorRefusal {
    /// A bearer token is no person.
    #[error("only somebody who has signed in to a session can do this")]
    NeedsSession,
    /// The new password does not fit.
    #[error(transparent)]
    Unfit(#[from] UnfitPassword),
    /// The present password or code is wrong.
    #[error("the present password, or the code, is not right")]
    Wrong,
    /// A fresh second factor is needed first.
    #[error("show the second factor again first")]
    StepUpNeeded,
    /// Nothing is being set up.
    #[error("no authenticator is being set up, or it took too long")]
    NotBegun,
    /// There is none.
    #[error("no authenticator is set up")]
    NoFactor,
    /// Too many failures.
    #[error("too many failures, wait {} s", .0.as_secs() + 1)]
    Wait(std::time::Duration),
    /// The store, the list of leaked passwords or the random source failed.
    #[error("{0}")]
    Failed(String),
}

/// What a person has set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Enrolled {
    pub(crate) password: bool,
    pub(crate) totp: bool,
    pub(crate) recovery_codes: usize,
    pub(crate) passkeys: usize,
}

impl Identity {
    /// Judges name, password and code. A wrong one is noted and written down.
    pub(super) fn verify(
        &self,
        name: &str,
        password: &Password,
        code: Option<&str>,
        from: IpAddr,
        now: Now,
    ) -> Result<Began, SignInError> {
        let user = self.store.user(name).map_err(|_| SignInError::Store)?;
        let user = user.filter(|user| user.is_active(now.utc) && !user.sealed);
        let credential = self.store.credential(name).map_err(|_| SignInError::Store)?;
        let stored = credential.as_ref().and_then(|credential| credential.password.clone());
        let matches = password.matches(stored.as_deref().unwrap_or(DECOY));
        let Some(credential) = credential.filter(|_| user.is_some() && stored.is_some() && matches) else {
            return Err(self.failed(name, from, now, "name or password is not valid"));
        };
        if credential.totp.is_none() {
            let keys = self.passkeys_of(name).map_err(|_| SignInError::Store)?;
            // Whoever has a second factor is not known by the first one alone.
            return if keys.is_empty() { Ok(Began::Password) } else { Err(SignInError::PasskeyNeeded) };
        }
        match code.map(str::trim).filter(|code| !code.is_empty()) {
            None => Err(SignInError::CodeNeeded),
            Some(code) if self.take_code(name, code, now.utc) => Ok(Began::Totp),
            Some(_) => Err(self.failed(name, from, now, "the code is not valid")),
        }
    }

    /// Uses up a code of the authenticator or a recovery code.
    fn take_code(&self, user: &str, code: &str, now: Utc) -> bool {
        // One at a time: two sign-ins cannot use the same code.
        let _one = self.deeds();
        let Ok(Some(mut credential)) = self.store.credential(user) else { return false };
        let Some(sealed) = &credential.totp else { return false };
        let Some(secret) = self.key.unseal(user, sealed) else {
            tracing::error!(user, "The authenticator's secret does not open with the key of the centre");
            return false;
        };
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        if let Some(step) = TotpSecret::new(&secret).accept(&digits, now, credential.totp_step) {
            credential.totp_step = step;
        } else {
            let hash = recovery_hash(&digits);
            let Some(at) = credential.recovery.iter().position(|known| *known == hash) else { return false };
            credential.recovery.remove(at);
        }
        let record = Record::Identity(IdentityRecord::PutCredential(credential));
        self.store.append(vec![record]).is_ok()
    }

    /// What a person has to set up before anything else is open. Only people enrol.
    pub(super) fn missing(&self, user: &UserRecord) -> Option<Enrolment> {
        if user.principal.kind != security::PrincipalKind::Human {
            return None;
        }
        let enrolled = self.enrolled(&user.principal.name);
        match self.policy.enrolment {
            Enrolment::None => None,
            // A passkey verifies its user: it is both factors.
            Enrolment::Password | Enrolment::SecondFactor if enrolled.passkeys > 0 => None,
            Enrolment::Password | Enrolment::SecondFactor if !enrolled.password => Some(Enrolment::Password),
            Enrolment::SecondFactor if !enrolled.totp => Some(Enrolment::SecondFactor),
            Enrolment::Password | Enrolment::SecondFactor => None,
        }
    }

    /// What a person has set up.
    pub(crate) fn enrolled(&self, user: &str) -> Enrolled {
        let credential = self.store.credential(user).ok().flatten();
        let passkeys = self.passkeys_of(user).map_or(0, |keys| keys.len());
        let none = Enrolled { passkeys, ..Enrolled::default() };
        credential.map_or(none, |credential| Enrolled {
            password: credential.password.is_some(),
            totp: credential.totp.is_some(),
            recovery_codes: credential.recovery.len(),
            passkeys,
        })
    }

    /// Sets one's own password; whoever has one shows it. Every other session of the person ends. Blocks on hashing.
    pub(crate) fn set_password(
        &self,
        caller: &Caller,
        present: Option<&Password>,
        new: &Password,
        from: IpAddr,
        now: Now,
    ) -> Result<(), FactorRefusal> {
        let own = caller.own.ok_or(FactorRefusal::NeedsSession)?;
        let name = &caller.principal.name;
        self.check_pace(name, from, now.mono).map_err(waiting)?;
        let before = self.store.credential(name).map_err(failed)?;
        if let Some(stored) = before.as_ref().and_then(|credential| credential.password.as_deref())
            && !present.is_some_and(|present| present.matches(stored))
        {
            let _noted = self.failed(name, from, now, "change of the password: the present one is not right");
            return Err(FactorRefusal::Wrong);
        }
        new.check(name)?;
        if let Some(list) = &self.policy.breached
            && super::breached::is_breached(list, new.as_bytes()).map_err(failed)?
        {
            return Err(UnfitPassword::Breached.into());
        }
        let salt = console::random().map_err(failed)?;
        let hash = new.hash(&salt).ok_or_else(|| failed("the password could not be hashed"))?;
        let _one = self.deeds();
        let before = self.store.credential(name).map_err(failed)?;
        let before = before.unwrap_or_else(|| CredentialRecord::none(name.clone(), now.utc));
        let credential = CredentialRecord { password: Some(hash), changed: now.utc, ..before };
        self.write_own(caller, credential, "set own password", now.utc)?;
        let others = self.sessions_of(name, now.utc).map_err(failed)?;
        for session in others.iter().filter(|session| session.hash != own) {
            self.sign_out(&session.hash);
        }
        Ok(())
    }

    /// Begins to set up an authenticator. Whoever has one shows it first.
    pub(crate) fn begin_totp(&self, caller: &Caller, now: Now) -> Result<SetUp, FactorRefusal> {
        let own = caller.own.ok_or(FactorRefusal::NeedsSession)?;
        let name = &caller.principal.name;
        if self.enrolled(name).totp && !caller.assurance.is_fresh(now.mono, self.policy.step_up) {
            return Err(FactorRefusal::StepUpNeeded);
        }
        let octets = Zeroizing::new(console::random::<SECRET_OCTETS>().map_err(failed)?);
        let secret = TotpSecret::new(&*octets);
        let set_up = SetUp { secret: secret.base32(), uri: secret.uri(&self.policy.issuer, name) };
        let mut pending = locked(&self.pending);
        pending.retain(|_, pending| now.mono.since(pending.since) < SET_UP);
        if pending.len() >= MAX_PENDING {
            return Err(failed("too many authenticators are being set up"));
        }
        pending.insert(*own.as_bytes(), Pending { secret, since: now.mono });
        Ok(set_up)
    }

    /// Finishes it with a code that the authenticator shows. Returns recovery codes, which are told once.
    pub(crate) fn finish_totp(
        &self,
        caller: &Caller,
        code: &str,
        now: Now,
    ) -> Result<Vec<String>, FactorRefusal> {
        let own = caller.own.ok_or(FactorRefusal::NeedsSession)?;
        let name = &caller.principal.name;
        let secret = {
            let pending = locked(&self.pending);
            let found = pending.get(own.as_bytes()).filter(|pending| now.mono.since(pending.since) < SET_UP);
            found.ok_or(FactorRefusal::NotBegun)?.secret.clone()
        };
        let step = secret.accept(code.trim(), now.utc, -1).ok_or(FactorRefusal::Wrong)?;
        let codes: Vec<String> = (0..RECOVERY_CODES)
            .map(|_| console::fresh_recovery_code())
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        let sealed =
            self.key.seal(name, secret.as_bytes()).ok_or_else(|| failed("the secret could not be sealed"))?;
        let _one = self.deeds();
        let before = self.store.credential(name).map_err(failed)?;
        let before = before.unwrap_or_else(|| CredentialRecord::none(name.clone(), now.utc));
        let recovery = codes.iter().map(|code| recovery_hash(code)).collect();
        let credential = CredentialRecord { totp: Some(sealed), totp_step: step, recovery, ..before };
        self.write_own(caller, credential, "set up authenticator", now.utc)?;
        locked(&self.pending).remove(own.as_bytes());
        self.assure(&own, Assurance::shown(Factor::Totp, now.mono));
        Ok(codes)
    }

    /// Shows the second factor again.
    pub(crate) fn step_up(
        &self,
        caller: &Caller,
        code: &str,
        from: IpAddr,
        now: Now,
    ) -> Result<(), FactorRefusal> {
        let own = caller.own.ok_or(FactorRefusal::NeedsSession)?;
        let name = &caller.principal.name;
        if !self.enrolled(name).totp {
            return Err(FactorRefusal::NoFactor);
        }
        self.check_pace(name, from, now.mono).map_err(waiting)?;
        if !self.take_code(name, code.trim(), now.utc) {
            let _noted = self.failed(name, from, now, "step-up: the code is not valid");
            return Err(FactorRefusal::Wrong);
        }
        let mut entry =
            entry(now.utc, name, ["step up", "session", "code of the authenticator"], Outcome::Done);
        entry.source.clone_from(&caller.session);
        append_audited(&self.store, Vec::new(), entry).map_err(failed)?;
        self.assure(&own, Assurance::shown(Factor::Totp, now.mono));
        Ok(())
    }

    fn write_own(
        &self,
        caller: &Caller,
        credential: CredentialRecord,
        action: &str,
        now: Utc,
    ) -> Result<(), FactorRefusal> {
        let name = &caller.principal.name;
        let mut entry = entry(now, name, [action, name, "by oneself"], Outcome::Done);
        entry.source.clone_from(&caller.session);
        let record = Record::Identity(IdentityRecord::PutCredential(credential));
        append_audited(&self.store, vec![record], entry).map_err(failed)
    }
}

/// What is stored of a recovery code: it has 64 random bits, so that its plain hash says nothing.
fn recovery_hash(code: &str) -> String {
    let digits: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    hex(&Sha256::digest(digits.to_lowercase()))
}

fn failed(error: impl std::fmt::Display) -> FactorRefusal {
    FactorRefusal::Failed(error.to_string())
}

fn waiting(error: SignInError) -> FactorRefusal {
    match error {
        SignInError::Wait(wait) => FactorRefusal::Wait(wait),
        SignInError::Refused(_)
        | SignInError::CodeNeeded
        | SignInError::PasskeyNeeded
        | SignInError::Store => failed(error),
    }
}
