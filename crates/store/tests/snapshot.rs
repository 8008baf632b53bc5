//! Copies of a store in use: whole, with the audit and its head, and as broken as the original when that is broken.
#![allow(clippy::unwrap_used)]

use rusqlite::Connection;
use security::{AuditEntry, Outcome};
use std::sync::atomic::{AtomicBool, Ordering};
use store::{AuditState, NewEvent, Options, Record, Store, snapshot};
use timebase::Utc;

/// An event and an audit record that belong together.
fn pair(number: u64) -> Vec<Record> {
    let time = Utc::from_micros(1_700_000_000_000_000);
    vec![
        Record::Event(NewEvent {
            seq: Some(number),
            time,
            kind: "state".into(),
            severity: "info".into(),
            point: None,
            source: "S4".into(),
            text: "x".repeat(200),
            actor: None,
            data: None,
        }),
        Record::Audit(AuditEntry {
            time,
            actor: "anna".into(),
            source: "console".into(),
            action: "test".into(),
            target: number.to_string(),
            old: None,
            new: None,
            outcome: Outcome::Done,
            reason: String::new(),
        }),
    ]
}

#[test]
fn a_copy_under_load_is_one_instant() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("centre.db");
    let store = Store::open(&path, &Options::default()).unwrap().0;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in (1..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                store.append(pair(number)).unwrap();
            }
        });
        let mut last = 0;
        for number in 0..20 {
            let before = store.last_event().unwrap();
            let to = folder.path().join(format!("copy{number}.db"));
            let found = snapshot(&path, &to).unwrap();
            assert_eq!(found.last_event, found.last_audit, "a transaction is in or not");
            assert!(found.last_event >= before && matches!(found.audit, AuditState::Whole(_)), "{found:?}");
            assert!(matches!(store::verify_audit_file(&to).unwrap(), AuditState::Whole(_)));
            // A restored centre goes on from there.
            let (copy, recovery) = Store::open(&to, &Options::default()).unwrap();
            assert!(recovery.events.gap_free && recovery.events.last == found.last_event);
            copy.append(pair(found.last_event + 1)).unwrap();
            assert!(matches!(copy.verify_audit().unwrap(), AuditState::Whole(_)));
            last = found.last_event;
        }
        stop.store(true, Ordering::Relaxed);
        assert!(last > 20, "too little load: {last} events");
    });
}

#[test]
fn a_broken_chain_stays_broken_in_the_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("centre.db");
    let store = Store::open(&path, &Options::default()).unwrap().0;
    (1..=9).for_each(|number| drop(store.append(pair(number)).unwrap()));
    drop(store);
    let forge = |statement: &str| Connection::open(&path).unwrap().execute(statement, []).unwrap();
    for (number, statement) in
        ["DELETE FROM audit WHERE seq = 9", "DELETE FROM audit WHERE seq = 3", "DELETE FROM audit"]
            .iter()
            .enumerate()
    {
        forge(statement);
        let to = folder.path().join(format!("copy{number}.db"));
        let found = snapshot(&path, &to).unwrap();
        assert!(matches!(found.audit, AuditState::Broken(_)), "{statement}: {found:?}");
        let seen = store::verify_audit_file(&to).unwrap();
        assert!(matches!(seen, AuditState::Broken(_)), "{statement}: the copy hides it");
        assert!(snapshot(&path, &to).is_err(), "a copy never replaces anything");
    }
}
