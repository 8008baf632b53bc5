//! How long measurements are kept, by class of points, and the audit of what was removed.

use historian::{Class, Historian, Ledger, OTHER, Removal};
use security::{AuditEntry, Outcome};
use serde::{Deserialize, Serialize};
use signal::{PointDef, PointKind, PointList, pattern_matches};
use std::collections::HashSet;
use std::sync::Arc;
use store::{Record, Store};
use transport::Clock;

/// What an audit record of a removal calls itself.
pub const REMOVE_HISTORY: &str = "remove history";
/// Classes at most.
const MAX_CLASSES: usize = 64;
/// A century.
const MAX_DAYS: u32 = 36_500;

/// Points that are kept equally long. A point is in the first class that names it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionClass {
    /// Name of the class, for the audit.
    pub class: String,
    /// Names or mRIDs of its points, `*` and `?` stand for any characters; all without.
    #[serde(default)]
    pub points: Vec<String>,
    /// Kinds of its points: `analog`, `single`, `double`, `step`, `counter`, `bits`; all without.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Days that its rows are kept; without it for ever.
    pub days: Option<u32>,
}

impl RetentionClass {
    fn holds(&self, def: &PointDef) -> bool {
        let named =
            |pattern: &String| pattern_matches(pattern, &def.name) || pattern_matches(pattern, &def.mrid);
        (self.points.is_empty() || self.points.iter().any(named))
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == def.kind.name()))
    }
}

/// Checks what the types cannot say.
pub(crate) fn check(days_of_others: Option<u32>, classes: &[RetentionClass]) -> Result<(), String> {
    let in_bounds = |days: Option<u32>| days.is_none_or(|days| (1..=MAX_DAYS).contains(&days));
    if !in_bounds(days_of_others) {
        return Err(format!("data.retention_days: not between 1 and {MAX_DAYS}"));
    }
    if classes.len() > MAX_CLASSES {
        return Err(format!("data.retention: {} classes, {MAX_CLASSES} at most", classes.len()));
    }
    let mut names = HashSet::from([OTHER, historian::DAMAGED]);
    for class in classes {
        let name = &class.class;
        let fault = |what: &str| Err(format!("data.retention: class {name:?} {what}"));
        if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            return fault("needs a name of 1 to 64 bytes without control characters");
        }
        if !names.insert(name) {
            return fault("has a name that is taken (hint: other and damaged are, too)");
        }
        if !in_bounds(class.days) {
            return fault(
                "has days that are not between 1 and 36500 (hint: leave them out to keep rows for ever)",
            );
        }
        if class.points.is_empty() && class.kinds.is_empty() {
            return fault("names neither points nor kinds (hint: retention_days is for all others)");
        }
        if let Some(kind) =
            class.kinds.iter().find(|kind| PointKind::ALL.iter().all(|(_, known)| known != kind))
        {
            return fault(&format!(
                "has no kind {kind:?} to take (hint: analog, single, double, step, counter or bits)"
            ));
        }
    }
    Ok(())
}

/// Tells the historian which points are in which class, also when points have changed.
pub(crate) fn classify(historian: &Historian, classes: &[RetentionClass], points: &PointList) {
    let mut told: Vec<Class> = classes
        .iter()
        .map(|class| Class { name: class.class.clone(), days: class.days, series: Vec::new() })
        .collect();
    for (_, def) in points.iter() {
        let class = classes.iter().position(|class| class.holds(def));
        if let (Some(at), Some(series)) = (class, historian.series(&def.mrid)) {
            told[at].series.push(series);
        }
    }
    for class in told.iter().filter(|class| class.series.is_empty()) {
        tracing::warn!(class = %class.name, "No point is in this class of retention");
    }
    historian.classify(&told);
}

/// What an audit record says of a removal, as JSON in `new`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RemovalNote {
    /// Number of the segment: `seg-N.parquet`.
    pub segment: u64,
    /// Days that the class is kept.
    pub days: u32,
    /// Rows removed.
    pub rows: u64,
    /// Points that they were of.
    pub points: u64,
    /// Earliest row.
    pub from: String,
    /// Latest row.
    pub to: String,
    /// SHA-256 of the rows, see `how-to/keep-history.md` of the book.
    pub sha256: String,
}

/// Writes removals into the audit: before they happen, and after.
pub(crate) struct AuditLedger {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Clock,
}

impl AuditLedger {
    fn write(&self, removal: &Removal, outcome: Outcome) -> bool {
        let note = RemovalNote {
            segment: removal.segment,
            days: removal.days,
            rows: removal.rows,
            points: removal.series,
            from: removal.span.0.to_string(),
            to: removal.span.1.to_string(),
            sha256: removal.digest_hex(),
        };
        let entry = AuditEntry {
            time: self.clock.now().utc,
            actor: "centre".to_owned(),
            source: "historian".to_owned(),
            action: REMOVE_HISTORY.to_owned(),
            target: removal.class.clone(),
            old: None,
            new: serde_json::to_string(&note).ok(),
            outcome,
            reason: format!("older than {} days", removal.days),
        };
        let written = self.store.append(vec![Record::Audit(entry)]);
        if let Err(error) = &written {
            tracing::error!(%error, class = %removal.class, "Removal of history not audited");
        }
        written.is_ok()
    }
}

impl Ledger for AuditLedger {
    /// Without a durable audit nothing is removed.
    fn announce(&mut self, removal: &Removal) -> bool {
        self.write(removal, Outcome::Allowed)
    }

    fn done(&mut self, removal: &Removal) {
        // The announcement stands: what is missing then is the word that it happened.
        self.write(removal, Outcome::Done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faulty_classes_are_refused() {
        let class = |class: &str, days, kinds: &[&str]| RetentionClass {
            class: class.to_owned(),
            points: Vec::new(),
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            days,
        };
        let refused = |classes: &[RetentionClass], part: &str| {
            let refusal = check(Some(7), classes).expect_err("taken");
            assert!(refusal.contains(part), "{refusal}");
        };
        assert_eq!(check(None, &[class("a", Some(1), &["analog"]), class("b", None, &["bits"])]), Ok(()));
        refused(&[class("a", Some(0), &["analog"])], "days");
        refused(&[class("a", Some(99_999), &["analog"])], "days");
        refused(&[class("a", Some(1), &[])], "neither points nor kinds");
        refused(&[class("a", Some(1), &["analogue"])], "no kind \"analogue\"");
        refused(&[class("other", Some(1), &["analog"])], "taken");
        refused(&[class("", Some(1), &["analog"])], "needs a name");
        let twice = class("a", Some(1), &["analog"]);
        refused(&[twice.clone(), twice], "taken");
        assert!(check(Some(0), &[]).is_err());
    }
}
