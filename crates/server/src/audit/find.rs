//! Audit records by filter.

use security::{AuditRecord, Outcome};
use store::{Store, StoreError};
use timebase::Utc;

/// Records read at a time.
const PAGE: usize = 5_000;
/// Records looked at for one answer at most; whoever wants more goes on from where the answer ends.
const MAX_LOOKED_AT: usize = 200_000;

/// Which records are wanted; an empty filter wants all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Part of the name of who did it.
    pub actor: Option<String>,
    /// Part of what was done.
    pub action: Option<String>,
    /// Part of what it was done to.
    pub target: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Not before.
    pub from: Option<Utc>,
    /// Before.
    pub to: Option<Utc>,
}

impl Filter {
    /// Whether a record is wanted. Texts are compared without regard to capitals.
    pub fn wants(&self, record: &AuditRecord) -> bool {
        let entry = &record.entry;
        let has = |part: &Option<String>, text: &str| {
            part.as_ref().is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()))
        };
        has(&self.actor, &entry.actor)
            && has(&self.action, &entry.action)
            && has(&self.target, &entry.target)
            && self.outcome.is_none_or(|outcome| outcome == entry.outcome)
            && self.from.is_none_or(|from| entry.time >= from)
            && self.to.is_none_or(|to| entry.time < to)
    }
}

/// Records found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// Newest first.
    pub records: Vec<AuditRecord>,
    /// Where to go on; `None` when the beginning of the chain was reached.
    pub before: Option<u64>,
}

/// The newest records before a place that the filter wants.
///
/// # Errors
/// Those of the store.
pub fn before(store: &Store, place: Option<u64>, limit: usize, filter: &Filter) -> Result<Found, StoreError> {
    let mut found = Found { records: Vec::new(), before: place.or(Some(u64::MAX)) };
    let mut looked_at = 0;
    while let Some(place) = found.before
        && looked_at < MAX_LOOKED_AT
    {
        let page = store.audit_before(place, PAGE)?;
        if page.is_empty() {
            found.before = None;
            break;
        }
        for record in page.into_iter().rev() {
            if found.records.len() >= limit {
                return Ok(found);
            }
            looked_at += 1;
            found.before = Some(record.seq).filter(|seq| *seq > 1);
            if filter.wants(&record) {
                found.records.push(record);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use security::AuditEntry;
    use store::{Options, Record};

    #[test]
    fn pages_hold_what_the_filter_wants_and_lead_on() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(&folder.path().join("x.db"), &Options::default()).unwrap();
        let entry = |number: i64| AuditEntry {
            time: Utc::from_micros(number),
            actor: if number % 3 == 0 { "Anna" } else { "bert" }.to_owned(),
            source: "console".to_owned(),
            action: "act".to_owned(),
            target: format!("t{number}"),
            old: None,
            new: None,
            outcome: if number % 2 == 0 { Outcome::Done } else { Outcome::Refused },
            reason: String::new(),
        };
        store.append((1..=30).map(entry).map(Record::Audit).collect()).unwrap();
        let seqs = |place, limit, filter: &Filter| {
            let found = before(&store, place, limit, filter).unwrap();
            (found.records.iter().map(|record| record.seq).collect::<Vec<_>>(), found.before)
        };
        let all = Filter::default();
        assert_eq!(seqs(None, 2, &all), (vec![30, 29], Some(29)));
        assert_eq!(seqs(Some(3), 9, &all), (vec![2, 1], None));
        let anna = Filter { actor: Some("ann".to_owned()), outcome: Some(Outcome::Refused), ..all.clone() };
        assert_eq!(seqs(None, 99, &anna), (vec![27, 21, 15, 9, 3], None));
        let (first, rest) = seqs(None, 2, &anna);
        assert_eq!(first, [27, 21]);
        assert_eq!(seqs(rest, 9, &anna).0, [15, 9, 3]);
        let span = Filter { from: Some(Utc::from_micros(5)), to: Some(Utc::from_micros(7)), ..all.clone() };
        assert_eq!(seqs(None, 9, &span).0, [6, 5]);
        let target = Filter { target: Some("T11".to_owned()), ..all };
        assert_eq!(seqs(None, 9, &target).0, [11]);
    }
}
