//! Single bits of the database are flipped (B-02): what comes out is what went in, or somebody says that it does not.
#![allow(clippy::unwrap_used)]

use security::{AuditEntry, Outcome};
use std::path::Path;
use store::{AlarmRecord, AuditState, ConfigRecord, NewEvent, Options, Record, Store, TagKind, TagRecord};
use timebase::Utc;

fn at(second: i64) -> Utc {
    Utc::from_micros(second * 1_000_000)
}

fn fill(path: &Path) {
    let (store, _) = Store::open(path, &Options::default()).unwrap();
    let event = |number: i64| NewEvent {
        seq: None,
        time: at(number),
        kind: "alarm".to_owned(),
        severity: "high".to_owned(),
        point: Some(format!("_{number}")),
        source: "somewhere".to_owned(),
        text: format!("something {number}"),
        actor: None,
        data: None,
    };
    let entry = |number: i64| AuditEntry {
        time: at(number),
        actor: "somebody".to_owned(),
        source: "console".to_owned(),
        action: "act".to_owned(),
        target: format!("target {number}"),
        old: None,
        new: Some("new".to_owned()),
        outcome: Outcome::Allowed,
        reason: "because".to_owned(),
    };
    let alarm = |number: i64| AlarmRecord {
        key: format!("limit:{number}"),
        state: "active".to_owned(),
        data: format!("{{\"value\": {number}}}"),
    };
    let tag = TagRecord {
        id: 1,
        point: "_1".to_owned(),
        kind: TagKind::Hold,
        text: "do not touch".to_owned(),
        by: "somebody".to_owned(),
        at: at(5),
    };
    let config = ConfigRecord { key: "configuration".to_owned(), json: "\"text\"".to_owned() };
    let mut records: Vec<Record> = (0..12).map(event).map(Record::Event).collect();
    records.extend((0..12).map(entry).map(Record::Audit));
    records.extend((0..12).map(alarm).map(Record::PutAlarm));
    records.extend([Record::PutTag(tag), Record::PutConfig(config)]);
    store.append(records).unwrap();
}

/// Everything that is served, as text; `None` if any of it is refused.
fn served(path: &Path) -> Option<String> {
    let (store, recovery) = Store::open(path, &Options::default()).ok()?;
    let AuditState::Whole(_) = store.verify_audit().ok()? else { return None };
    if !recovery.events.gap_free {
        return None;
    }
    let parts = (
        (recovery.events, store.events_after(0, 100).ok()?, store.audit_after(0, 100).ok()?),
        (store.alarms().ok()?, store.tags().ok()?, store.configs().ok()?, store.commands().ok()?),
        (store.users().ok()?.len(), store.tokens().ok()?.len(), store.sessions().ok()?.len()),
    );
    Some(format!("{parts:?}"))
}

#[test]
fn flipped_bits_are_told_or_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("centre.db");
    fill(&path);
    let (good, head) =
        (std::fs::read(&path).unwrap(), std::fs::read(folder.path().join("centre.db.head")).unwrap());
    let whole = served(&path).unwrap();
    let bits = good.len() * 8;
    let (mut refused, mut harmless) = (0, 0);
    // A prime stride goes through all pages, and through all bits of a byte.
    for bit in (0..bits).step_by(211) {
        for leftover in std::fs::read_dir(folder.path()).unwrap() {
            std::fs::remove_file(leftover.unwrap().path()).unwrap();
        }
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, bytes).unwrap();
        std::fs::write(folder.path().join("centre.db.head"), &head).unwrap();
        match served(&path) {
            None => refused += 1,
            Some(found) => {
                let from = found
                    .bytes()
                    .zip(whole.bytes())
                    .position(|(a, b)| a != b)
                    .unwrap_or(found.len().min(whole.len()));
                let part =
                    |text: &str| text.chars().skip(from.saturating_sub(60)).take(120).collect::<String>();
                assert!(found == whole, "bit {bit} is served: {} for {}", part(&found), part(&whole));
                harmless += 1;
            }
        }
    }
    println!("{refused} refused, {harmless} in space that nobody reads");
    assert!(refused > 50 && harmless > 50);
}
