//! Acts that need a second person (IEC 62443-3-3 SR 2.1 RE 4, dual approval): one asks, another one decides, nobody twice.
//!
//! Requests live in memory and on the monotonic clock: a restart forgets them, which is the safe side.

use std::collections::BTreeMap;
use std::time::Duration;
use timebase::{Mono, Now};

/// Requests that may wait at the same time.
pub const MAX_WAITING: usize = 100;
/// How long a request waits.
pub const LIFETIME: Duration = Duration::from_secs(600);

/// A request that waits for a second person.
#[derive(Clone, Debug)]
pub struct Request<T> {
    /// Its number, counted from the start of the process.
    pub id: u64,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Now,
    /// What for.
    pub what: T,
}

impl<T> Request<T> {
    /// When nobody can approve it any more.
    pub fn expires(&self) -> Mono {
        self.at.mono + LIFETIME
    }
}

/// Why a request was not taken or not decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ApprovalRefusal {
    /// There is none of that number: decided, expired, or never made.
    #[error("no such request waits")]
    Unknown,
    /// Whoever asked cannot approve.
    #[error("a second person has to approve, not the one who asked")]
    SamePerson,
    /// Too many wait.
    #[error("{MAX_WAITING} requests wait already")]
    Full,
}

/// The requests that wait.
#[derive(Debug)]
pub struct Approvals<T> {
    waiting: BTreeMap<u64, Request<T>>,
    last: u64,
}

impl<T> Default for Approvals<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), last: 0 }
    }
}

impl<T> Approvals<T> {
    /// Files a request and returns its number.
    pub fn ask(&mut self, by: &str, what: T, now: Now) -> Result<u64, ApprovalRefusal> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(ApprovalRefusal::Full);
        }
        self.last += 1;
        let request = Request { id: self.last, by: by.to_owned(), at: now, what };
        self.waiting.insert(self.last, request);
        Ok(self.last)
    }

    /// Takes a request out for being carried out, in the name of a second person.
    pub fn approve(&mut self, id: u64, by: &str, now: Now) -> Result<Request<T>, ApprovalRefusal> {
        let request = self.get(id, now).ok_or(ApprovalRefusal::Unknown)?;
        if request.by == by {
            return Err(ApprovalRefusal::SamePerson);
        }
        self.waiting.remove(&id).ok_or(ApprovalRefusal::Unknown)
    }

    /// Takes a request out without carrying it out; whoever asked may do that too.
    pub fn refuse(&mut self, id: u64, now: Now) -> Result<Request<T>, ApprovalRefusal> {
        self.get(id, now).ok_or(ApprovalRefusal::Unknown)?;
        self.waiting.remove(&id).ok_or(ApprovalRefusal::Unknown)
    }

    /// A request that can still be decided.
    pub fn get(&self, id: u64, now: Now) -> Option<&Request<T>> {
        self.waiting.get(&id).filter(|request| now.mono < request.expires())
    }

    /// All that wait, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Request<T>> {
        self.waiting.values()
    }

    /// Takes out what nobody decided in time.
    pub fn expire(&mut self, now: Now) -> Vec<Request<T>> {
        // Numbers rise with time, so that the oldest is first.
        let mut over = Vec::new();
        while let Some(first) = self.waiting.first_entry() {
            if now.mono < first.get().expires() {
                break;
            }
            over.push(first.remove());
        }
        over
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use timebase::Utc;

    fn at(seconds: u64) -> Now {
        // UTC runs backwards: only the monotonic clock counts.
        let utc = Utc::from_micros(-i64::try_from(seconds).unwrap());
        Now { mono: Mono::ZERO + Duration::from_secs(seconds), utc }
    }

    #[test]
    fn another_person_approves_once_and_in_time() {
        let mut list = Approvals::default();
        let id = list.ask("anna", "x", at(0)).unwrap();
        assert_eq!(list.approve(id, "anna", at(1)).unwrap_err(), ApprovalRefusal::SamePerson);
        assert_eq!(list.approve(id + 1, "ben", at(1)).unwrap_err(), ApprovalRefusal::Unknown);
        assert_eq!(list.approve(id, "ben", at(599)).unwrap().what, "x");
        assert_eq!(list.approve(id, "ben", at(599)).unwrap_err(), ApprovalRefusal::Unknown);
    }

    #[test]
    fn what_is_over_cannot_be_approved_even_before_it_is_swept() {
        let mut list = Approvals::default();
        let id = list.ask("anna", "x", at(0)).unwrap();
        assert_eq!(list.approve(id, "ben", at(600)).unwrap_err(), ApprovalRefusal::Unknown);
        let later = list.ask("anna", "y", at(300)).unwrap();
        let over: Vec<u64> = list.expire(at(600)).iter().map(|request| request.id).collect();
        assert_eq!((over, list.iter().len()), (vec![id], 1));
        assert_eq!(list.refuse(later, at(601)).unwrap().what, "y");
        assert_eq!(list.refuse(later, at(601)).unwrap_err(), ApprovalRefusal::Unknown);
    }

    #[test]
    fn requests_are_bounded() {
        let mut list = Approvals::default();
        for _ in 0..MAX_WAITING {
            list.ask("anna", (), at(0)).unwrap();
        }
        assert_eq!(list.ask("anna", (), at(0)).unwrap_err(), ApprovalRefusal::Full);
    }
}
