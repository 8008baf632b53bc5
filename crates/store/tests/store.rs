//! The store as its users see it: round trips, atomicity, tokens, and every damage found.
#![allow(clippy::unwrap_used)]

use rusqlite::Connection;
use security::{Areas, AuditEntry, Break, Outcome, Principal, PrincipalKind, Role, Token, TokenHash};
use std::path::{Path, PathBuf};
use store::{
    AlarmRecord, AuditFault, AuditState, CommandRecord, ConfigRecord, IdentityRecord, NewEvent, Options,
    Record, Recovery, SessionRecord, Store, StoreError, TagKind, TagRecord, TokenRecord, TokenRefusal,
    UserRecord,
};
use timebase::Utc;

fn at(micros: i64) -> Utc {
    Utc::from_micros(1_700_000_000_000_000 + micros)
}

fn event(number: i64) -> Record {
    Record::Event(NewEvent {
        seq: None,
        time: at(number),
        kind: "state".into(),
        severity: "info".into(),
        point: (number % 2 == 0).then(|| format!("mrid-{number}")),
        source: "S4/Breaker2".into(),
        text: format!("opened {number}"),
        actor: (number % 3 == 0).then(|| "anna".into()),
        data: None,
    })
}

fn entry(number: i64) -> AuditEntry {
    AuditEntry {
        time: at(number),
        actor: "anna".into(),
        source: "192.0.2.7".into(),
        action: "command.execute".into(),
        target: format!("S4/Breaker{number}"),
        old: None,
        new: Some("open".into()),
        outcome: Outcome::Allowed,
        reason: "maintenance".into(),
    }
}

fn user(name: &str, disabled: bool) -> UserRecord {
    let roles = [Role::Operator, Role::SecAud].into_iter().collect();
    let areas = Areas::from_names(&["north", "south"]);
    let principal = Principal::new(name, PrincipalKind::Human, roles, areas);
    UserRecord { disabled, ..UserRecord::new(principal, at(0)) }
}

fn put_user(user: UserRecord) -> Record {
    Record::Identity(IdentityRecord::PutUser(user))
}

fn token(number: u8, user: &str) -> TokenRecord {
    let hash = TokenHash::from_bytes([number; 32]);
    TokenRecord {
        hash,
        user: user.into(),
        one_time: false,
        created: at(0),
        expires: None,
        used: None,
        last_used: None,
        label: "reads values".into(),
        rights: Some(vec!["view".into()]),
        areas: None,
    }
}

fn open(path: &Path) -> (Store, Recovery) {
    Store::open(path, &Options::default()).unwrap()
}

struct Folder {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn folder() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    Folder { _folder: folder, path }
}

#[test]
fn everything_written_is_there_after_reopening() {
    let folder = folder();
    let (store, recovery) = open(&folder.path);
    assert_eq!((recovery.found_version, recovery.events.last), (0, 0));
    let alarm = AlarmRecord { key: "limit:7".into(), state: "raised".into(), data: "{}".into() };
    let tag = TagRecord {
        id: store.next_tag_id().unwrap(),
        point: "mrid-7".into(),
        kind: TagKind::Hold,
        text: "people at work".into(),
        by: "anna".into(),
        at: at(5),
    };
    let config = ConfigRecord { key: "ui".into(), json: "{\"dark\":true}".into() };
    let command = CommandRecord {
        id: 4,
        point: "mrid-7".into(),
        state: "executing".into(),
        at: at(6),
        data: "{}".into(),
    };
    let session = SessionRecord {
        hash: TokenHash::from_bytes([9; 32]),
        user: "anna".into(),
        created: at(0),
        expires: at(1_000_000_000),
        idle_s: 60,
        last_used: at(0),
        source: "192.0.2.7".into(),
        began: "totp".into(),
        frozen: None,
    };
    let batch = vec![
        Record::PutAlarm(alarm.clone()),
        Record::PutTag(tag.clone()),
        Record::PutConfig(config.clone()),
        Record::PutCommand(command.clone()),
        put_user(user("anna", false)),
        Record::PutToken(token(1, "anna")),
        Record::PutSession(session.clone()),
        Record::TouchSession(session.hash, at(30_000_000)),
        event(1),
        event(2),
        Record::Audit(entry(1)),
    ];
    let receipt = store.append(batch).unwrap();
    assert_eq!(receipt.events, Some((1, 2)));
    drop(store);

    let (store, recovery) = open(&folder.path);
    assert_eq!(
        (recovery.found_version, recovery.events.first, recovery.events.last),
        (store::SCHEMA_VERSION, 1, 2)
    );
    assert_eq!(store.alarms().unwrap(), [alarm]);
    assert_eq!(store.tags().unwrap(), [tag]);
    assert_eq!(store.configs().unwrap(), [config]);
    assert_eq!(store.config("ui").unwrap().as_deref(), Some("{\"dark\":true}"));
    assert_eq!(store.commands().unwrap(), [command]);
    assert_eq!(store.users().unwrap(), [user("anna", false)]);
    assert_eq!(store.tokens().unwrap(), [token(1, "anna")]);
    let kept = store.session(&session.hash).unwrap().unwrap();
    assert_eq!(kept.last_used, at(30_000_000));
    assert!(kept.is_alive(at(89_000_000)) && !kept.is_alive(at(90_000_000)));
    // The clock is set forward by an hour: the sign-in lives as long as it would have.
    store.append(vec![Record::MoveSessions(3_600_000_000)]).unwrap();
    let moved = store.session(&session.hash).unwrap().unwrap();
    assert!(moved.is_alive(at(3_689_000_000)) && !moved.is_alive(at(3_690_000_000)));
    assert_eq!(moved.expires, at(4_600_000_000));
    assert_eq!(store.events_latest(9).unwrap().len(), 2);
    assert_eq!(store.audit_after(0, 9).unwrap()[0].entry, entry(1));
    assert!(
        matches!(store.verify_audit().unwrap(), AuditState::Whole(whole) if Some(whole.head) == receipt.audit)
    );

    let drops = vec![Record::DropAlarm("limit:7".into()), Record::DropTag(1), Record::DropCommand(4)];
    store.append(drops).unwrap();
    store.append(vec![Record::DropConfig("ui".into()), Record::DropUser("anna".into())]).unwrap();
    assert!(store.alarms().unwrap().is_empty() && store.tags().unwrap().is_empty());
    assert!(store.configs().unwrap().is_empty() && store.commands().unwrap().is_empty());
    assert!(store.tokens().unwrap().is_empty() && store.sessions().unwrap().is_empty());
    // Identities are not used twice, even when their rows are gone.
    assert_eq!((store.next_tag_id().unwrap(), store.next_command_id().unwrap()), (2, 5));
}

#[test]
fn a_batch_is_written_whole_or_not_at_all() {
    let folder = folder();
    let (store, _) = open(&folder.path);
    let gap = Record::Event(NewEvent {
        seq: Some(9),
        time: at(0),
        kind: String::new(),
        severity: String::new(),
        point: None,
        source: String::new(),
        text: String::new(),
        actor: None,
        data: None,
    });
    let first = store.append_async(vec![event(1)]).unwrap();
    let bad = store.append_async(vec![event(2), Record::Audit(entry(1)), gap]).unwrap();
    let orphan = store.append_async(vec![event(3), Record::PutToken(token(1, "nobody"))]).unwrap();
    let last = store.append_async(vec![event(4), Record::Audit(entry(2))]).unwrap();
    assert_eq!(first.wait().unwrap().events, Some((1, 1)));
    assert!(matches!(bad.wait(), Err(StoreError::EventGap { last: 2, got: 9 })));
    assert!(matches!(orphan.wait(), Err(StoreError::Sql(_))));
    let receipt = last.wait().unwrap();
    assert_eq!((receipt.events, receipt.audit.unwrap().seq), (Some((2, 2)), 1));
    let texts: Vec<String> = store.events_after(0, 9).unwrap().into_iter().map(|e| e.event.text).collect();
    assert_eq!(texts, ["opened 1", "opened 4"]);
    let many = vec![event(0); 10_001];
    assert!(matches!(store.append(many), Err(StoreError::BatchSize { got: 10_001, .. })));
}

#[test]
fn pages_of_events() {
    let folder = folder();
    let (store, _) = open(&folder.path);
    store.append((1..=100).map(event).collect()).unwrap();
    let check = |events: Result<Vec<store::EventRecord>, StoreError>, wanted: &[u64]| {
        let found: Vec<u64> = events.unwrap().into_iter().map(|event| event.seq).collect();
        assert_eq!(found, wanted);
    };
    check(store.events_after(97, 9), &[98, 99, 100]);
    check(store.events_after(0, 2), &[1, 2]);
    check(store.events_after(u64::MAX, 2), &[]);
    check(store.events_before(3, 9), &[1, 2]);
    check(store.events_before(50, 2), &[48, 49]);
    check(store.events_latest(2), &[99, 100]);
    check(store.events_between(at(10), at(13), 9), &[10, 11, 12]);
    store.append(vec![Record::PruneEvents(1_000)]).unwrap();
    check(store.events_latest(9), &[100]);
    drop(store);
    let (store, recovery) = open(&folder.path);
    assert!(recovery.events.gap_free);
    assert_eq!(store.append(vec![event(101)]).unwrap().events, Some((101, 101)));
}

#[test]
fn tokens_are_taken_once_in_time_and_for_living_users() {
    let folder = folder();
    let (store, _) = open(&folder.path);
    let one_time = TokenRecord { one_time: true, ..token(1, "anna") };
    let expiring = TokenRecord { one_time: true, expires: Some(at(100)), ..token(2, "anna") };
    let berts = TokenRecord { one_time: true, ..token(3, "bert") };
    store
        .append(vec![
            put_user(user("anna", false)),
            put_user(user("bert", true)),
            Record::PutToken(one_time.clone()),
            Record::PutToken(expiring.clone()),
            Record::PutToken(berts.clone()),
            Record::PutToken(token(4, "anna")),
        ])
        .unwrap();
    let check = |hash: &TokenHash, now: i64, wanted: Result<&str, TokenRefusal>| {
        let found = match store.redeem_token(hash, at(now)) {
            Ok(token) => Ok(token.user),
            Err(StoreError::Token(refusal)) => Err(refusal),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found, wanted.map(str::to_owned), "{hash:?} at {now}");
    };
    check(&one_time.hash, 5, Ok("anna"));
    check(&one_time.hash, 6, Err(TokenRefusal::Used));
    check(&expiring.hash, 100, Err(TokenRefusal::Expired));
    check(&expiring.hash, 99, Ok("anna"));
    check(&berts.hash, 5, Err(TokenRefusal::UserDisabled));
    // It would be a session without the token's scope.
    check(&token(4, "anna").hash, 5, Err(TokenRefusal::ForScripts));
    let other = Token::from_random(std::array::from_fn(|at| u8::try_from(at * 5).unwrap())).unwrap();
    check(&other.hash(), 5, Err(TokenRefusal::Unknown));
    // Changing a user keeps his tokens.
    store.append(vec![put_user(user("bert", false))]).unwrap();
    let later = UserRecord { valid_from: Some(at(6)), valid_until: Some(at(8)), ..user("bert", false) };
    store.append(vec![put_user(later)]).unwrap();
    check(&berts.hash, 5, Err(TokenRefusal::UserDisabled));
    check(&berts.hash, 8, Err(TokenRefusal::UserDisabled));
    check(&berts.hash, 6, Ok("bert"));
}

/// Opens after `damage` and says what is found about the audit.
fn after(damage: impl Fn(&Connection), folder: &Folder) -> AuditState {
    let connection = Connection::open(&folder.path).unwrap();
    damage(&connection);
    drop(connection);
    open(&folder.path).1.audit
}

fn filled() -> Folder {
    let folder = folder();
    let (store, _) = open(&folder.path);
    store.append((1..=20).map(|number| Record::Audit(entry(number))).collect()).unwrap();
    drop(store);
    folder
}

#[test]
fn a_cut_or_rewritten_audit_is_found_and_stops_appending() {
    let run = |sql: &'static str| move |connection: &Connection| connection.execute_batch(sql).unwrap();
    let check = |sql: &'static str, wanted: Break| {
        let folder = filled();
        match after(run(sql), &folder) {
            AuditState::Broken(AuditFault::Chain(broken)) => assert_eq!(broken.what, wanted, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
        let (store, _) = open(&folder.path);
        assert!(matches!(store.append(vec![Record::Audit(entry(0))]), Err(StoreError::AuditBroken)));
        // Monitoring goes on.
        store.append(vec![event(1)]).unwrap();
        drop(store);
        // The evidence outlives the restart; an administrator may decide to go on.
        assert!(matches!(open(&folder.path).1.audit, AuditState::Broken(_)));
        let options = Options { continue_broken_audit: true, ..Options::default() };
        let (store, _) = Store::open(&folder.path, &options).unwrap();
        store.append(vec![Record::Audit(entry(0))]).unwrap();
    };
    check("DELETE FROM audit WHERE seq > 19", Break::Truncated { known: 20 });
    check("DELETE FROM audit", Break::Truncated { known: 20 });
    check(
        "UPDATE audit SET record = (SELECT record FROM audit WHERE seq = 19) WHERE seq = 20",
        Break::Sequence { expected: 20, got: 19 },
    );
}

#[test]
fn damage_before_the_head_is_found_by_the_full_check() {
    let check = |sql: &str| {
        let folder = filled();
        Connection::open(&folder.path).unwrap().execute_batch(sql).unwrap();
        let (store, _) = open(&folder.path);
        assert!(matches!(store.verify_audit().unwrap(), AuditState::Broken(_)), "{sql}");
    };
    check("DELETE FROM audit WHERE seq = 7");
    check("UPDATE audit SET record = x'00' WHERE seq = 7");
    check(
        "UPDATE audit SET record = CAST(replace(CAST(record AS TEXT), 'anna', 'bert') AS BLOB) WHERE seq = 7",
    );
    check("DELETE FROM audit WHERE seq = 1");
}

#[test]
fn a_lost_head_is_found() {
    for damage in [None, Some("")] {
        let folder = filled();
        let head = folder.path.with_extension("db.head");
        match damage {
            None => std::fs::remove_file(&head).unwrap(),
            Some(text) => std::fs::write(&head, text).unwrap(),
        }
        assert_eq!(open(&folder.path).1.audit, AuditState::Broken(AuditFault::HeadLost));
    }
}

#[test]
fn a_newer_file_is_refused() {
    let folder = filled();
    Connection::open(&folder.path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let error = Store::open(&folder.path, &Options::default()).unwrap_err();
    assert!(matches!(error, StoreError::Version { found: 999, .. }));
}

#[test]
fn a_flipped_bit_in_the_file_is_found_or_harmless() {
    let folder = folder();
    let (store, _) = open(&folder.path);
    store.append((1..=150).map(event).chain((1..=60).map(|n| Record::Audit(entry(n)))).collect()).unwrap();
    let events = store.events_after(0, 1_000).unwrap();
    let audit = store.audit_after(0, 1_000).unwrap();
    drop(store);
    let good = std::fs::read(&folder.path).unwrap();
    let head = std::fs::read(folder.path.with_extension("db.head")).unwrap();
    let (mut found, mut harmless) = (0, 0);
    for step in 0..400_usize {
        let copy = self::folder();
        let mut bytes = good.clone();
        let bit = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&copy.path, &bytes).unwrap();
        std::fs::write(copy.path.with_extension("db.head"), &head).unwrap();
        let served = Store::open(&copy.path, &Options::default()).and_then(|(store, recovery)| {
            let whole = matches!(store.verify_audit()?, AuditState::Whole(_)) && recovery.events.gap_free;
            Ok((whole, store.events_after(0, 1_000)?, store.audit_after(0, 1_000)?))
        });
        match served {
            Ok((true, seen_events, seen_audit)) => {
                assert!(seen_events == events && seen_audit == audit, "bit {bit} was served");
                harmless += 1;
            }
            Ok((false, ..)) | Err(_) => found += 1,
        }
    }
    assert!(found > 100, "found {found}, harmless {harmless}");
}
