//! Who may have a certificate by the API: enrolment with a token that works once (S-10).

use super::authority::{Authority, Issued, Made, Wish};
use super::watch::Seen;
use security::{Token, TokenHash};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use timebase::{Mono, Utc};
use tokio::sync::watch;

/// How long a token for an enrolment is good.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(3_600);
/// Enrolments that wait at most; further ones take the place of the oldest.
const MAX_WAITING: usize = 64;
/// Refusals in [`WINDOW`] before everybody has to wait: the door is open to all.
const MAX_REFUSED: usize = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// What handlers need.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) seen: watch::Receiver<Vec<Seen>>,
    authority: Option<Arc<Mutex<Authority>>>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    // They end with the process: a restart voids them.
    wishes: HashMap<[u8; 32], (Mono, Wish)>,
    refused: Vec<Mono>,
}

/// Why nobody is served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    /// The configuration names none.
    #[error("there is no authority on this machine")]
    NoAuthority,
    /// Unknown, used or too old.
    #[error("the token is not valid")]
    Token,
    /// Too many refusals.
    #[error("too many refused enrolments, wait a minute")]
    TooMany,
    /// What was asked for cannot be.
    #[error("{0}")]
    Wrong(String),
}

impl Desk {
    pub(crate) fn new(seen: watch::Receiver<Vec<Seen>>, authority: Option<Arc<Mutex<Authority>>>) -> Self {
        Self { seen, authority, waiting: Arc::default() }
    }

    fn authority(&self) -> Result<MutexGuard<'_, Authority>, DeskError> {
        let authority = self.authority.as_ref().ok_or(DeskError::NoAuthority)?;
        Ok(authority.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was issued; `None` without an authority. Reads files.
    pub(crate) fn index(&self) -> Result<Option<Vec<Issued>>, DeskError> {
        match self.authority() {
            Ok(authority) => authority.index().map(Some).map_err(wrong),
            Err(_) => Ok(None),
        }
    }

    /// Lets whoever brings this token have such a certificate.
    pub(crate) fn expect(&self, token: &Token, wish: Wish, now: Mono) -> Result<(), DeskError> {
        drop(self.authority()?);
        wish.check().map_err(wrong)?;
        let mut waiting = self.waiting();
        waiting.wishes.retain(|_, (made, _)| now.since(*made) < TOKEN_LIFE);
        if waiting.wishes.len() >= MAX_WAITING {
            let oldest = waiting.wishes.iter().min_by_key(|(_, (made, _))| *made).map(|(hash, _)| *hash);
            oldest.and_then(|hash| waiting.wishes.remove(&hash));
        }
        waiting.wishes.insert(*token.hash().as_bytes(), (now, wish));
        Ok(())
    }

    /// Takes a token; it is void afterwards, whatever comes of the request.
    pub(crate) fn take(&self, token: &str, now: Mono) -> Result<Wish, DeskError> {
        let hash: Option<TokenHash> = Token::parse(token).map(|token| token.hash());
        let mut waiting = self.waiting();
        waiting.refused.retain(|at| now.since(*at) < WINDOW);
        if waiting.refused.len() >= MAX_REFUSED {
            return Err(DeskError::TooMany);
        }
        let found = hash.and_then(|hash| waiting.wishes.remove(hash.as_bytes()));
        match found.filter(|(made, _)| now.since(*made) < TOKEN_LIFE) {
            Some((_, wish)) => Ok(wish),
            None => {
                waiting.refused.push(now);
                Err(DeskError::Token)
            }
        }
    }

    /// Signs a request. Writes files.
    pub(crate) fn sign(&self, request: &str, wish: &Wish, now: Utc) -> Result<(Made, String), DeskError> {
        let authority = self.authority()?;
        let made = authority.sign(request, wish, now).map_err(wrong)?;
        Ok((made, authority.roots().map_err(wrong)?))
    }

    /// Revokes a certificate. Writes files.
    pub(crate) fn revoke(&self, serial: &str, reason: &str, now: Utc) -> Result<Issued, DeskError> {
        self.authority()?.revoke(serial, reason, now).map_err(wrong)
    }
}

fn wrong(error: anyhow::Error) -> DeskError {
    DeskError::Wrong(format!("{error:#}"))
}

/// The authority of a folder, for everybody in this process.
pub(crate) fn open(folder: Option<&Path>) -> anyhow::Result<Option<Arc<Mutex<Authority>>>> {
    let authority = folder.map(Authority::open).transpose()?;
    Ok(authority.map(|authority| Arc::new(Mutex::new(authority))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trust::authority::{Usage, make_request};

    #[test]
    fn a_token_is_good_once_and_for_an_hour() {
        let folder = tempfile::tempdir().unwrap();
        let utc = Utc::from_micros(1_790_000_000_000_000);
        Authority::create(folder.path(), "Test", 365, false, utc).unwrap();
        let (_, seen) = watch::channel(Vec::new());
        let desk = Desk::new(seen, open(Some(folder.path())).unwrap());
        let at = |seconds: u64| Mono::from_nanos(seconds * 1_000_000_000);
        let wish = Wish { name: "north".to_owned(), names: Vec::new(), usage: Usage::Client, days: 9 };
        let tokens: Vec<Token> = (0..2).map(|_| crate::fresh_token().unwrap()).collect();
        for token in &tokens {
            desk.expect(token, wish.clone(), at(0)).unwrap();
        }
        let (request, _) = make_request("whoever", &[]).unwrap();
        let taken = desk.take(&tokens[0].reveal(), at(10)).unwrap();
        let (made, roots) = desk.sign(&request, &taken, utc).unwrap();
        assert!(made.certificate.contains("BEGIN CERTIFICATE") && roots.contains("BEGIN CERTIFICATE"));
        assert!(matches!(desk.take(&tokens[0].reveal(), at(11)), Err(DeskError::Token)), "twice");
        assert!(matches!(desk.take(&tokens[1].reveal(), at(3_601)), Err(DeskError::Token)), "late");
        for _ in 0..MAX_REFUSED {
            assert!(matches!(desk.take("nothing", at(4_000)), Err(DeskError::Token)));
        }
        assert!(matches!(desk.take("nothing", at(4_000)), Err(DeskError::TooMany)));
        let star = Wish { name: "*.x".to_owned(), ..wish };
        assert!(matches!(desk.expect(&tokens[0], star, at(0)), Err(DeskError::Wrong(_))));
    }
}
