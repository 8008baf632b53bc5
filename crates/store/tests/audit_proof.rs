//! Nobody alters the audit unseen (S-20, B-30): every flipped bit of records, checkpoints and head, every deletion, exchange,
//! cut and rewriting is found, the last by checkpoints or by the copy that a collector keeps.
#![allow(clippy::unwrap_used)]

use rusqlite::Connection;
use security::{
    AuditCopy, AuditEntry, AuditRecord, ChainHead, Checkpoint, Outcome, PublicKey, SigningKey, to_hex,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{AuditFault, AuditState, Options, Proof, Record, Store, prove_audit_file};
use timebase::Utc;

/// Records of the store; after these places a checkpoint was signed. The last record has none after it.
const RECORDS: u64 = 9;
const SIGNED: [u64; 3] = [2, 5, 8];

fn key() -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed(&[7; 32]).unwrap())
}

fn entry(number: u64) -> AuditEntry {
    AuditEntry {
        time: Utc::from_micros(i64::try_from(number).unwrap()),
        actor: "anna".to_owned(),
        source: "console".to_owned(),
        action: "act".to_owned(),
        target: format!("target {number}"),
        old: None,
        new: Some("x".to_owned()),
        outcome: Outcome::Done,
        reason: "why".to_owned(),
    }
}

struct Case {
    _folder: tempfile::TempDir,
    path: PathBuf,
    connection: Connection,
    records: Vec<AuditRecord>,
}

fn filled() -> Case {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("centre.db");
    let (store, _) = Store::open(&path, &Options::default()).unwrap();
    for number in 1..=RECORDS {
        store.append(vec![Record::Audit(entry(number))]).unwrap();
        if SIGNED.contains(&number) {
            store.sign_audit(&key(), Utc::from_micros(0)).unwrap();
        }
    }
    let records = store.audit_after(0, 100).unwrap();
    drop(store);
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "synchronous", "OFF").unwrap();
    Case { _folder: folder, path, connection, records }
}

impl Case {
    fn proof(&self, proof: &Proof) -> Result<(), AuditFault> {
        prove_audit_file(&self.path, proof, |_| ()).unwrap().map(|_| ())
    }

    fn trusted() -> Proof {
        Proof { keys: vec![key().public()], copy: None }
    }

    /// Runs statements, expects that it shows, and takes them back.
    fn found(&self, what: &str, damage: impl FnOnce(&Connection)) {
        self.found_by(&Self::trusted(), what, damage);
    }

    fn found_by(&self, proof: &Proof, what: &str, damage: impl FnOnce(&Connection)) {
        let head = std::fs::read(self.head()).unwrap();
        let dump = |table: &str, column: &str| -> Vec<(i64, Vec<u8>)> {
            let mut all =
                self.connection.prepare(&format!("SELECT * FROM {table} ORDER BY {column}")).unwrap();
            all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
        };
        let (records, signed) = (dump("audit", "seq"), dump("audit_checkpoints", "number"));
        damage(&self.connection);
        assert!(self.proof(proof).is_err(), "{what}");
        self.connection.execute_batch("DELETE FROM audit; DELETE FROM audit_checkpoints;").unwrap();
        for (table, rows) in [("audit", records), ("audit_checkpoints", signed)] {
            for (at, bytes) in rows {
                self.connection
                    .execute(&format!("INSERT INTO {table} VALUES (?1, ?2)"), (at, bytes))
                    .unwrap();
            }
        }
        std::fs::write(self.head(), head).unwrap();
    }

    fn head(&self) -> PathBuf {
        self.path.with_file_name("centre.db.head")
    }

    /// What an attacker without the key can do best: a chain that is whole in itself, with a head that fits.
    fn rewrite_from(&self, seq: u64, connection: &Connection) {
        let at = usize::try_from(seq).unwrap() - 1;
        let mut head = at.checked_sub(1).map_or(ChainHead::EMPTY, |before| self.records[before].head());
        for record in &self.records[at..] {
            let mut entry = record.entry.clone();
            entry.actor = "mallory".to_owned();
            let record = head.append(entry);
            head = record.head();
            let sql = "UPDATE audit SET record = ?2 WHERE seq = ?1";
            connection.execute(sql, (i64::try_from(record.seq).unwrap(), record.encode())).unwrap();
        }
        // The sum of the head file has no secret in it: opening the store anew writes it.
        std::fs::remove_file(self.head()).unwrap();
        let options = Options { continue_broken_audit: true, ..Options::default() };
        drop(Store::open(&self.path, &options).unwrap());
    }
}

fn flip(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

#[test]
fn every_flipped_bit_is_found() {
    let case = filled();
    assert_eq!(case.proof(&Case::trusted()), Ok(()));
    for (table, key) in [("audit", "seq"), ("audit_checkpoints", "number")] {
        let rows: Vec<(i64, Vec<u8>)> = {
            let mut all = case.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
            all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
        };
        let column = if table == "audit" { "record" } else { "checkpoint" };
        let sql = format!("UPDATE {table} SET {column} = ?2 WHERE {key} = ?1");
        for (at, bytes) in rows {
            for bit in 0..bytes.len() * 8 {
                case.connection.execute(&sql, (at, flip(&bytes, bit))).unwrap();
                assert!(case.proof(&Case::trusted()).is_err(), "{table} {at} bit {bit}");
            }
            case.connection.execute(&sql, (at, bytes)).unwrap();
        }
    }
    let head = std::fs::read(case.head()).unwrap();
    for bit in 0..head.len() * 8 {
        std::fs::write(case.head(), flip(&head, bit)).unwrap();
        assert!(case.proof(&Case::trusted()).is_err(), "head bit {bit}");
    }
    std::fs::write(case.head(), head).unwrap();
    assert_eq!(case.proof(&Case::trusted()), Ok(()));
}

#[test]
fn every_deletion_exchange_and_cut_is_found() {
    let case = filled();
    let run = |sql: String| case.found(&sql.clone(), |to| to.execute_batch(&sql).unwrap());
    for seq in 1..=RECORDS {
        run(format!("DELETE FROM audit WHERE seq = {seq}"));
        run(format!("DELETE FROM audit WHERE seq >= {seq}"));
        run(format!("DELETE FROM audit WHERE seq <= {seq}"));
        run(format!(
            "DELETE FROM audit WHERE seq >= {seq};
             DELETE FROM audit_checkpoints WHERE number > {}",
            SIGNED.iter().filter(|at| **at < seq).count()
        ));
    }
    for number in 1..=SIGNED.len() {
        run(format!("DELETE FROM audit_checkpoints WHERE number = {number}"));
        run(format!("DELETE FROM audit_checkpoints WHERE number >= {number}"));
    }
    for (table, column, count) in [("audit", "seq", RECORDS), ("audit_checkpoints", "number", 3)] {
        for at in 1..count {
            run(format!(
                "UPDATE {table} SET {column} = -1 WHERE {column} = {at};
                 UPDATE {table} SET {column} = {at} WHERE {column} = {at} + 1;
                 UPDATE {table} SET {column} = {at} + 1 WHERE {column} = -1"
            ));
        }
    }
    run("DELETE FROM audit; DELETE FROM audit_checkpoints".to_owned());
    assert_eq!(case.proof(&Case::trusted()), Ok(()), "all of it was taken back");
}

#[test]
fn a_chain_rewritten_without_the_key_is_found() {
    let case = filled();
    for seq in 1..=*SIGNED.last().unwrap() {
        case.found(&format!("rewritten from {seq}"), |to| case.rewrite_from(seq, to));
    }
    // After the last checkpoint only a copy elsewhere knows better; the same for somebody who signs with a key of their own.
    let lines: Vec<String> =
        case.records.iter().map(|r| format!("seq=\"{}\" hash=\"{}\"", r.seq, to_hex(&r.hash))).collect();
    let copy = AuditCopy::read(lines.iter().map(String::as_str)).unwrap();
    let with_copy = Proof { copy: Some(copy.clone()), ..Case::trusted() };
    assert_eq!(case.proof(&with_copy), Ok(()));
    for seq in 1..=RECORDS {
        case.found_by(&with_copy, &format!("rewritten from {seq}, copy"), |to| case.rewrite_from(seq, to));
    }
    let forge = |to: &Connection| {
        case.rewrite_from(1, to);
        let mallory = SigningKey::from_seed(&[8; 32]).unwrap();
        let heads: Vec<Vec<u8>> = {
            let mut all = to.prepare("SELECT record FROM audit ORDER BY seq").unwrap();
            all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        for (number, seq) in (1..).zip(SIGNED) {
            let head = AuditRecord::decode(&heads[usize::try_from(seq).unwrap() - 1]).unwrap().head();
            let forged = Checkpoint::sign(&mallory, number, head, Utc::from_micros(0));
            let sql = "UPDATE audit_checkpoints SET checkpoint = ?2 WHERE number = ?1";
            to.execute(sql, (i64::try_from(number).unwrap(), forged.encode())).unwrap();
        }
    };
    case.found("signed with another key", forge);
    case.found_by(&Proof { keys: Vec::new(), copy: Some(copy) }, "another key, copy", forge);
    let other = Proof { keys: vec![PublicKey::from_bytes([1; 32])], copy: None };
    assert!(case.proof(&other).is_err(), "a key that nobody used");
}

#[test]
fn opening_finds_what_does_not_meet_the_last_checkpoint() {
    let check = |damage: &dyn Fn(&Case)| {
        let case = filled();
        damage(&case);
        let (_, recovery) = Store::open(&case.path, &Options::default()).unwrap();
        matches!(recovery.audit, AuditState::Broken(_))
    };
    assert!(!check(&|_| ()));
    assert!(check(&|case| case.rewrite_from(8, &case.connection)));
    assert!(check(&|case| case.connection.execute_batch("DELETE FROM audit_checkpoints").unwrap()));
    assert!(check(&|case| case
        .connection
        .execute_batch("DELETE FROM audit_checkpoints WHERE number = 3")
        .unwrap()));
    let unsigned = |case: &Case| {
        let (store, _) = Store::open(Path::new(&case.path), &Options::default()).unwrap();
        store.append(vec![Record::Audit(entry(10))]).unwrap();
        drop(store);
    };
    assert!(!check(&unsigned), "records after the last checkpoint are good ones");
}
