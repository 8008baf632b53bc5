//! What people sign in with, kept over a restart, and a store of an earlier version brought up to date.
#![allow(clippy::unwrap_used)]

use security::{Areas, Principal, PrincipalKind, Right, Role, TokenHash};
use std::collections::BTreeSet;
use store::{
    CredentialRecord, IdentityRecord, NamedSet, Options, PasskeyRecord, Record, SessionRecord, Store,
    StoreError, UserRecord,
};
use timebase::Utc;

fn at(micros: i64) -> Utc {
    Utc::from_micros(1_700_000_000_000_000 + micros)
}

fn anna() -> UserRecord {
    let roles = BTreeSet::from([Role::SecAdm]);
    let mut principal = Principal::new("anna", PrincipalKind::Human, roles, Areas::from_names(&["north"]));
    principal.custom_roles.insert("shift-lead".into());
    UserRecord { valid_until: Some(at(9)), ..UserRecord::new(principal, at(0)) }
}

fn set(name: &str, members: &[&str]) -> NamedSet {
    let members = members.iter().map(|member| (*member).to_owned()).collect();
    NamedSet { name: name.into(), members, by: "rita".into(), changed: at(3) }
}

fn open(path: &std::path::Path) -> Result<Store, StoreError> {
    Store::open(path, &Options::default()).map(|(store, _)| store)
}

#[test]
fn credentials_roles_and_areas_are_there_after_reopening_and_go_with_their_user() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = open(&path).unwrap();
    let credential = CredentialRecord {
        password: Some("$argon2id$…".into()),
        totp: Some(vec![1, 2, 3]),
        totp_step: 7,
        recovery: vec!["ab".into()],
        ..CredentialRecord::none("anna".into(), at(1))
    };
    let key = PasskeyRecord {
        id: vec![9; 16],
        user: "anna".into(),
        name: "key on the ring".into(),
        created: at(2),
        last_used: None,
        data: "{}".into(),
    };
    let session = SessionRecord {
        hash: TokenHash::from_bytes([7; 32]),
        user: "anna".into(),
        created: at(0),
        expires: at(100),
        idle_s: 60,
        last_used: at(0),
        source: "192.0.2.1".into(),
        began: "password".into(),
        frozen: None,
    };
    let identity = [
        IdentityRecord::PutUser(anna()),
        IdentityRecord::PutCredential(credential.clone()),
        IdentityRecord::PutPasskey(key.clone()),
        IdentityRecord::PutRole(set("shift-lead", &["view", "command", "of-tomorrow"])),
        IdentityRecord::PutArea(set("north", &["S1", "S2"])),
    ];
    store.append(identity.into_iter().map(Record::Identity).collect()).unwrap();
    store.append(vec![Record::PutSession(session.clone())]).unwrap();
    let frozen = IdentityRecord::FreezeSession(session.hash, Some("by otto".into()));
    store.append(vec![Record::Identity(frozen)]).unwrap();
    drop(store);

    let store = open(&path).unwrap();
    assert_eq!(store.users().unwrap(), [anna()]);
    assert_eq!(store.credential("anna").unwrap(), Some(credential));
    assert_eq!(store.passkeys().unwrap(), [key]);
    assert_eq!(store.session(&session.hash).unwrap().unwrap().frozen.as_deref(), Some("by otto"));
    let resolved = store.catalogue().unwrap().resolve(anna().principal);
    assert!(resolved.authorise(Right::Command, "S2").is_ok() && resolved.has(Right::ManageUsers));
    assert!(resolved.authorise(Right::Command, "S3").is_err());
    store.append(vec![Record::DropUser("anna".into())]).unwrap();
    assert_eq!(store.credentials().unwrap(), []);
    assert_eq!(store.passkeys().unwrap(), []);
}

/// Makes of a store one as version 2 wrote it.
fn as_of_version_2(path: &std::path::Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let nothing = |_: &rusqlite::functions::Context<'_>| Ok(Vec::<u8>::new());
    connection
        .create_scalar_function("row_sum", -1, rusqlite::functions::FunctionFlags::SQLITE_UTF8, nothing)
        .unwrap();
    for table in ["credentials", "passkeys", "roles", "areas"] {
        connection.execute_batch(&format!("DROP TABLE {table}")).unwrap();
    }
    for (table, columns) in [
        ("users", ["valid_from", "valid_until", "sealed"]),
        ("tokens", ["label", "rights", "areas"]),
        ("sessions", ["source", "began", "frozen"]),
    ] {
        connection
            .execute_batch(&format!("DROP TRIGGER {table}_inserted; DROP TRIGGER {table}_updated;"))
            .unwrap();
        for column in columns {
            connection.execute_batch(&format!("ALTER TABLE {table} DROP COLUMN {column}")).unwrap();
        }
        let trigger = |when: &str, suffix: &str| {
            format!("CREATE TRIGGER {table}_{suffix} AFTER {when} ON {table} BEGIN SELECT 1; END;")
        };
        connection.execute_batch(&(trigger("INSERT", "inserted") + &trigger("UPDATE", "updated"))).unwrap();
    }
    // Of version 4.
    connection.execute_batch("DROP TABLE audit_checkpoints").unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
}

#[test]
fn a_store_of_version_2_keeps_its_users_and_guards_its_new_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let before = UserRecord { valid_until: None, ..anna() };
    open(&path).unwrap().append(vec![Record::Identity(IdentityRecord::PutUser(before.clone()))]).unwrap();
    as_of_version_2(&path);
    let (store, recovery) = Store::open(&path, &Options::default()).unwrap();
    assert_eq!(recovery.found_version, 2);
    assert_eq!(store.users().unwrap(), [before]);
    store.append(vec![Record::Identity(IdentityRecord::PutUser(anna()))]).unwrap();
    drop(store);
    // A user is made valid for ever by whoever can write to the file, but not to the sums.
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("DROP TRIGGER users_updated; UPDATE users SET valid_until = NULL").unwrap();
    drop(connection);
    let error = open(&path).unwrap_err();
    assert!(error.to_string().contains("users"), "{error}");
}
