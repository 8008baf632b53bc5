//! Passkeys (WebAuthn): registration and sign-in with a device that verifies its user, two factors in one act.
//!
//! The library judges; what it needs between the two halves of an exchange waits here, for some minutes and bounded.

use super::factors::FactorRefusal;
use super::{Began, Caller, Identity, SignInError, append_audited, console, entry, hex, locked};
use anyhow::{Context as _, Result};
use core::net::IpAddr;
use security::{Assurance, Factor, Outcome};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use store::{IdentityRecord, PasskeyRecord, Record, StoreError};
use timebase::{Mono, Now};
use uuid::Uuid;
use webauthn_rs::prelude::{
    CreationChallengeResponse, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, RequestChallengeResponse, Url, Webauthn, WebauthnBuilder,
};

/// How long an exchange may take.
const EXCHANGE: Duration = Duration::from_secs(300);
/// Exchanges under way at the same time.
const MAX_EXCHANGES: usize = 1_000;
/// Passkeys of one person.
const MAX_KEYS: usize = 10;
/// Where the page is without a configured origin: browsers take no address of numbers.
const LOCAL: &str = "http://localhost";

/// What the library needs to go on.
enum Exchange {
    Registration { session: [u8; 32], state: PasskeyRegistration },
    SignIn { user: String, state: PasskeyAuthentication },
}

/// The library and the exchanges under way.
pub(crate) struct Passkeys {
    webauthn: Webauthn,
    exchanges: Mutex<HashMap<String, (Exchange, Mono)>>,
}

impl Passkeys {
    /// For the address that browsers know the page by; `None` is this machine, at any port.
    pub(crate) fn new(origin: Option<&str>, centre: &str) -> Result<Self> {
        let local = origin.is_none();
        let text = origin.unwrap_or(LOCAL);
        let url = Url::parse(text).with_context(|| format!("identity.origin: {text:?} is no address"))?;
        let host =
            url.host_str().with_context(|| format!("identity.origin: {text:?} names no host"))?.to_owned();
        let builder = WebauthnBuilder::new(&host, &url)
            .map_err(|error| anyhow::anyhow!("identity.origin: {text:?}: {error:?}"))?;
        let webauthn = builder.rp_name(centre).allow_any_port(local).timeout(EXCHANGE).build();
        let webauthn = webauthn.map_err(|error| anyhow::anyhow!("identity.origin: {text:?}: {error:?}"))?;
        Ok(Self { webauthn, exchanges: Mutex::default() })
    }

    fn keep(&self, exchange: Exchange, now: Mono) -> Option<String> {
        let id = hex(&console::random::<16>().ok()?);
        let mut exchanges = locked(&self.exchanges);
        exchanges.retain(|_, (_, since)| now.since(*since) < EXCHANGE);
        if exchanges.len() >= MAX_EXCHANGES {
            return None;
        }
        exchanges.insert(id.clone(), (exchange, now));
        Some(id)
    }

    /// Each exchange is finished once, rightly or not.
    fn take(&self, id: &str, now: Mono) -> Option<Exchange> {
        let (exchange, since) = locked(&self.exchanges).remove(id)?;
        (now.since(since) < EXCHANGE).then_some(exchange)
    }
}

fn failed(error: impl std::fmt::Display) -> FactorRefusal {
    FactorRefusal::Failed(error.to_string())
}

impl Identity {
    /// The passkeys of a person.
    pub(crate) fn passkeys_of(&self, user: &str) -> Result<Vec<PasskeyRecord>, StoreError> {
        Ok(self.store.passkeys()?.into_iter().filter(|key| key.user == user).collect())
    }

    fn keys_of(&self, user: &str) -> Vec<Passkey> {
        let records = self.passkeys_of(user).unwrap_or_default();
        records.iter().filter_map(|record| serde_json::from_str(&record.data).ok()).collect()
    }

    /// Begins to register a passkey. Whoever has a second factor shows it first.
    pub(crate) fn begin_passkey(
        &self,
        caller: &Caller,
        now: Now,
    ) -> Result<(String, CreationChallengeResponse), FactorRefusal> {
        let own = caller.own.ok_or(FactorRefusal::NeedsSession)?;
        let name = &caller.principal.name;
        let known = self.keys_of(name);
        let has_factor = self.enrolled(name).totp || !known.is_empty();
        if has_factor && !caller.assurance.is_fresh(now.mono, self.policy.step_up) {
            return Err(FactorRefusal::StepUpNeeded);
        }
        if known.len() >= MAX_KEYS {
            return Err(failed(format!("{MAX_KEYS} passkeys are the most")));
        }
        let exclude = known.iter().map(|key| key.cred_id().clone()).collect();
        let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
        let handle = Uuid::from_bytes(std::array::from_fn(|at| digest[at]));
        let begun = self.passkeys.webauthn.start_passkey_registration(handle, name, name, Some(exclude));
        let (challenge, state) = begun.map_err(|error| failed(format!("{error:?}")))?;
        let exchange = Exchange::Registration { session: *own.as_bytes(), state };
        let id = self.passkeys.keep(exchange, now.mono).ok_or_else(|| failed("too many exchanges"))?;
        Ok((id, challenge))
    }

    /// Finishes it with what the device answered.
    pub(crate) fn finish_passkey(
        &self,
        caller: &Caller,
        id: &str,
        (label, answer): (&str, &RegisterPublicKeyCredential),
        now: Now,
    ) -> Result<(), FactorRefusal> {
        let own = caller.own.ok_or(FactorRefusal::NeedsSession)?;
        let Some(Exchange::Registration { session, state }) = self.passkeys.take(id, now.mono) else {
            return Err(FactorRefusal::NotBegun);
        };
        if session != *own.as_bytes() {
            return Err(FactorRefusal::NotBegun);
        }
        let key = self.passkeys.webauthn.finish_passkey_registration(answer, &state);
        let key = key.map_err(|_| FactorRefusal::Wrong)?;
        let name = &caller.principal.name;
        let record = PasskeyRecord {
            id: key.cred_id().to_vec(),
            user: name.clone(),
            name: label.to_owned(),
            created: now.utc,
            last_used: None,
            data: serde_json::to_string(&key).map_err(failed)?,
        };
        let _one = self.deeds();
        if self.store.passkeys().map_err(failed)?.iter().any(|known| known.id == record.id) {
            return Err(FactorRefusal::Wrong);
        }
        let mut entry = entry(now.utc, name, ["register passkey", name, label], Outcome::Done);
        entry.source.clone_from(&caller.session);
        let records = vec![Record::Identity(IdentityRecord::PutPasskey(record))];
        append_audited(&self.store, records, entry).map_err(failed)?;
        self.assure(&own, Assurance::shown(Factor::Passkey, now.mono));
        Ok(())
    }

    /// Removes one's own passkey. Whoever removes the last factor enrols anew.
    pub(crate) fn drop_passkey(&self, caller: &Caller, id: &str, now: Now) -> Result<(), FactorRefusal> {
        caller.own.ok_or(FactorRefusal::NeedsSession)?;
        let name = &caller.principal.name;
        let known = self.passkeys_of(name).map_err(failed)?;
        let key = known.into_iter().find(|key| hex(&key.id) == id).ok_or(FactorRefusal::NoFactor)?;
        if !caller.assurance.is_fresh(now.mono, self.policy.step_up) {
            return Err(FactorRefusal::StepUpNeeded);
        }
        let mut entry = entry(now.utc, name, ["remove passkey", name, &key.name], Outcome::Done);
        entry.source.clone_from(&caller.session);
        let records = vec![Record::Identity(IdentityRecord::DropPasskey(key.id))];
        append_audited(&self.store, records, entry).map_err(failed)
    }

    /// Begins a sign-in, or a step-up, with a passkey of a user.
    pub(crate) fn challenge(
        &self,
        user: &str,
        from: IpAddr,
        now: Now,
    ) -> Result<(String, RequestChallengeResponse), SignInError> {
        self.check_pace(user, from, now.mono)?;
        let keys = self.keys_of(user);
        let begun = (!keys.is_empty()).then(|| self.passkeys.webauthn.start_passkey_authentication(&keys));
        let Some(Ok((challenge, state))) = begun else {
            return Err(self.failed(user, from, now, "no passkey of that name"));
        };
        let exchange = Exchange::SignIn { user: user.to_owned(), state };
        let id = self.passkeys.keep(exchange, now.mono).ok_or(SignInError::Store)?;
        Ok((id, challenge))
    }

    /// Judges what the device answered; returns whose it is.
    fn answered(
        &self,
        id: &str,
        answer: &PublicKeyCredential,
        from: IpAddr,
        now: Now,
    ) -> Result<String, SignInError> {
        let Some(Exchange::SignIn { user, state }) = self.passkeys.take(id, now.mono) else {
            return Err(self.failed("", from, now, "no such exchange with a passkey"));
        };
        let active = self.store.user(&user).map_err(|_| SignInError::Store)?;
        let active = active.is_some_and(|user| user.is_active(now.utc) && !user.sealed);
        let judged = self.passkeys.webauthn.finish_passkey_authentication(answer, &state);
        let Some(result) = judged.ok().filter(|result| active && result.user_verified()) else {
            return Err(self.failed(&user, from, now, "the passkey's answer is not valid"));
        };
        let _one = self.deeds();
        let known = self.passkeys_of(&user).map_err(|_| SignInError::Store)?;
        let used: &[u8] = result.cred_id().as_ref();
        let Some(mut record) = known.into_iter().find(|key| key.id == used) else {
            return Err(self.failed(&user, from, now, "the passkey was removed"));
        };
        record.last_used = Some(now.utc);
        if let Ok(mut key) = serde_json::from_str::<Passkey>(&record.data)
            && key.update_credential(&result) == Some(true)
        {
            record.data = serde_json::to_string(&key).map_err(|_| SignInError::Store)?;
        }
        let record = Record::Identity(IdentityRecord::PutPasskey(record));
        self.store.append(vec![record]).map_err(|_| SignInError::Store)?;
        Ok(user)
    }

    /// Signs in with a passkey. Returns the session's secret.
    pub(crate) fn sign_in_by_passkey(
        &self,
        id: &str,
        answer: &PublicKeyCredential,
        from: IpAddr,
        now: Now,
    ) -> Result<String, SignInError> {
        let user = self.answered(id, answer, from, now)?;
        self.begin(&user, from, Began::Passkey, now)
    }

    /// Shows a passkey again.
    pub(crate) fn step_up_by_passkey(
        &self,
        caller: &Caller,
        (id, answer): (&str, &PublicKeyCredential),
        from: IpAddr,
        now: Now,
    ) -> Result<(), FactorRefusal> {
        let own = caller.own.ok_or(FactorRefusal::NeedsSession)?;
        let name = &caller.principal.name;
        let user = self.answered(id, answer, from, now).map_err(|_| FactorRefusal::Wrong)?;
        if user != *name {
            return Err(FactorRefusal::Wrong);
        }
        let mut entry = entry(now.utc, name, ["step up", "session", "passkey"], Outcome::Done);
        entry.source.clone_from(&caller.session);
        append_audited(&self.store, Vec::new(), entry).map_err(failed)?;
        self.assure(&own, Assurance::shown(Factor::Passkey, now.mono));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_that_browsers_take_are_taken() {
        for (origin, fine) in [
            (None, true),
            (Some("https://scada.example"), true),
            (Some("https://scada.example:8443"), true),
            (Some("scada.example"), false),
            (Some("https://"), false),
            (Some(""), false),
        ] {
            assert_eq!(Passkeys::new(origin, "centre").is_ok(), fine, "{origin:?}");
        }
    }
}
