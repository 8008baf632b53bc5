//! How often sign-ins may fail (S-07, S-34).
//!
//! Failures are counted per source, and per pair of account and source. A pair is slowed down first and then locked for a
//! while; nothing is ever locked for an account as a whole, so that nobody keeps somebody else out from where that one sits.

use core::net::IpAddr;
use std::collections::HashMap;
use std::time::Duration;
use timebase::Mono;

/// Failures of one source in [`WINDOW`] before it has to wait.
pub const MAX_PER_SOURCE: usize = 5;
/// Window of [`MAX_PER_SOURCE`].
pub const WINDOW: Duration = Duration::from_secs(60);
/// Failures of a pair without a pause.
const FREE: u32 = 2;
/// Failures in a row after which a pair is locked.
pub const LOCK_AFTER: u32 = 10;
/// How long a pair stays locked, and how long its failures are remembered.
pub const LOCK: Duration = Duration::from_secs(900);
/// Sources and pairs remembered at most; beyond that the oldest are forgotten.
const MAX_REMEMBERED: usize = 4_096;

/// What the next try of a source may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Try.
    Go,
    /// Wait that long first.
    Wait(Duration),
}

/// What a failure led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It was noted.
    Noted,
    /// The source has to wait now.
    Slowed,
    /// The pair is locked now.
    Locked,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    failures: u32,
    last: Mono,
    until: Mono,
}

/// The failures so far. Sources of IPv6 are counted by their first 64 bits, which one customer has to himself.
#[derive(Debug, Default)]
pub struct Pace {
    sources: HashMap<IpAddr, Vec<Mono>>,
    pairs: HashMap<(String, IpAddr), Pair>,
}

impl Pace {
    /// Whether a sign-in to an account may be tried. An empty account is one that nobody named.
    pub fn check(&mut self, account: &str, source: IpAddr, now: Mono) -> Verdict {
        self.forget(now);
        let source = network(source);
        let failed = self.sources.get(&source).filter(|times| times.len() >= MAX_PER_SOURCE);
        let of_source = failed
            .and_then(|times| times.first())
            .map_or(Duration::ZERO, |first| WINDOW.saturating_sub(now.since(*first)));
        let of_pair = self
            .pairs
            .get(&(account.to_owned(), source))
            .map_or(Duration::ZERO, |pair| pair.until.since(now));
        let wait = of_source.max(of_pair);
        if wait.is_zero() { Verdict::Go } else { Verdict::Wait(wait) }
    }

    /// Notes a failure.
    pub fn failed(&mut self, account: &str, source: IpAddr, now: Mono) -> Failure {
        let source = network(source);
        let times = self.sources.entry(source).or_default();
        times.push(now);
        let slowed = times.len() == MAX_PER_SOURCE;
        let fresh = Pair { failures: 0, last: now, until: now };
        let pair = self.pairs.entry((account.to_owned(), source)).or_insert(fresh);
        pair.failures = pair.failures.saturating_add(1);
        pair.last = now;
        let pause = match pair.failures.checked_sub(FREE) {
            None | Some(0) => Duration::ZERO,
            Some(more) => Duration::from_secs(1_u64 << (more - 1).min(6)),
        };
        let locked = pair.failures.is_multiple_of(LOCK_AFTER);
        pair.until = now + if locked { LOCK } else { pause };
        match (locked, slowed) {
            (true, _) => Failure::Locked,
            (false, true) => Failure::Slowed,
            (false, false) => Failure::Noted,
        }
    }

    /// Forgets the failures of a pair: the account's owner is there.
    pub fn succeeded(&mut self, account: &str, source: IpAddr) {
        self.pairs.remove(&(account.to_owned(), network(source)));
    }

    fn forget(&mut self, now: Mono) {
        self.sources.retain(|_, times| {
            times.retain(|at| now.since(*at) < WINDOW);
            !times.is_empty()
        });
        self.pairs.retain(|_, pair| now.since(pair.last) < LOCK);
        while self.sources.len() > MAX_REMEMBERED {
            let Some(oldest) = self.sources.iter().min_by_key(|(_, times)| times.last()).map(|(k, _)| *k)
            else {
                break;
            };
            self.sources.remove(&oldest);
        }
        while self.pairs.len() > MAX_REMEMBERED {
            let Some(oldest) = self.pairs.iter().min_by_key(|(_, pair)| pair.last).map(|(k, _)| k.clone())
            else {
                break;
            };
            self.pairs.remove(&oldest);
        }
    }
}

fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => IpAddr::V4(address),
            None => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::ZERO + Duration::from_secs(seconds)
    }

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_source_waits_after_five_failures_whatever_names_it_tries() {
        let mut pace = Pace::default();
        for (second, name) in (0..).zip(["a", "b", "c", "d", "e"]) {
            assert_eq!(pace.check(name, source(1), at(second)), Verdict::Go);
            let wanted = if name == "e" { Failure::Slowed } else { Failure::Noted };
            assert_eq!(pace.failed(name, source(1), at(second)), wanted, "{name}");
        }
        assert_eq!(pace.check("f", source(1), at(10)), Verdict::Wait(Duration::from_secs(50)));
        assert_eq!(pace.check("f", source(2), at(10)), Verdict::Go, "others are not concerned");
        assert_eq!(pace.check("f", source(1), at(60)), Verdict::Go);
    }

    #[test]
    fn a_pair_is_slowed_then_locked_and_no_other() {
        let mut pace = Pace::default();
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..LOCK_AFTER {
            // Slow enough for the limit of the source.
            now += 70;
            pace.failed("otto", source(1), at(now));
            let Verdict::Wait(wait) = pace.check("otto", source(1), at(now)) else {
                pauses.push(0);
                continue;
            };
            pauses.push(wait.as_secs());
        }
        assert_eq!(pauses, [0, 0, 1, 2, 4, 8, 16, 32, 64, 900]);
        assert_eq!(pace.check("otto", source(2), at(now)), Verdict::Go, "from where the owner sits");
        assert_eq!(pace.check("anna", source(1), at(now)), Verdict::Go, "another account");
        assert_eq!(pace.check("otto", source(1), at(now + 899)), Verdict::Wait(Duration::from_secs(1)));
        assert_eq!(pace.check("otto", source(1), at(now + 900)), Verdict::Go);
    }

    #[test]
    fn success_forgets_the_pair() {
        let mut pace = Pace::default();
        for second in [0, 70, 140] {
            pace.failed("otto", source(1), at(second));
        }
        pace.succeeded("otto", source(1));
        assert_eq!(pace.check("otto", source(1), at(140)), Verdict::Go);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_nobody_is_kept_out_by_it() {
        let mut pace = Pace::default();
        for n in 0..10_000_u32 {
            let address = IpAddr::from(n.to_be_bytes());
            pace.failed(&format!("user {n}"), address, at(1));
        }
        assert_eq!(pace.check("otto", source(1), at(2)), Verdict::Go);
        assert!(pace.sources.len() <= MAX_REMEMBERED && pace.pairs.len() <= MAX_REMEMBERED);
    }

    #[test]
    fn a_customer_of_ipv6_is_one_source() {
        let mut pace = Pace::default();
        for n in 0..5_u16 {
            let address = IpAddr::from([0x2001, 0xdb8, 0, 1, n, n, n, n]);
            pace.failed("otto", address, at(0));
        }
        let another = IpAddr::from([0x2001, 0xdb8, 0, 1, 9, 9, 9, 9]);
        assert!(matches!(pace.check("anna", another, at(1)), Verdict::Wait(_)));
    }
}
