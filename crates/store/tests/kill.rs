//! Killed with SIGKILL at any instant, nothing acknowledged is lost. The child process is this test itself.
#![allow(clippy::unwrap_used)]

use security::{AuditEntry, Outcome};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use store::{AuditState, CommandRecord, NewEvent, Options, Record, Store};
use timebase::Utc;

const FOLDER: &str = "TIELINE_STORE_KILL_FOLDER";
const ROUNDS: u64 = 10;
const IN_FLIGHT: usize = 4;

/// What the child writes as its `number`-th batch of this store's life: event, audit record and command alike.
fn batch(number: u64) -> Vec<Record> {
    let time = Utc::from_micros(i64::try_from(number).unwrap());
    let text = format!("batch {number}");
    let event = NewEvent {
        seq: Some(number),
        time,
        kind: "test".into(),
        severity: "info".into(),
        point: None,
        source: String::new(),
        text: text.clone(),
        actor: None,
        data: None,
    };
    let audit = AuditEntry {
        time,
        actor: "child".into(),
        source: String::new(),
        action: "test".into(),
        target: text.clone(),
        old: None,
        new: None,
        outcome: Outcome::Done,
        reason: String::new(),
    };
    let command = CommandRecord { id: 1, point: String::new(), state: text, at: time, data: String::new() };
    vec![Record::Event(event), Record::Audit(audit), Record::PutCommand(command)]
}

/// Not a test of its own: the process that is killed. Does nothing when run without its variable.
#[test]
fn child_writes_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (store, recovery) =
        Store::open(&PathBuf::from(folder).join("store.db"), &Options::default()).unwrap();
    let mut out = std::io::stdout();
    let mut in_flight = VecDeque::new();
    for number in recovery.events.last + 1.. {
        // Several in flight, so that commits are groups.
        in_flight.push_back(store.append_async(batch(number)).unwrap());
        if in_flight.len() < IN_FLIGHT {
            continue;
        }
        let receipt = in_flight.pop_front().unwrap().wait().unwrap();
        let line = format!("acknowledged {}\n", receipt.events.unwrap().1);
        out.write_all(line.as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

/// Runs the child, kills it after `life` counted from its first receipt, and returns its last receipt.
fn run_and_kill(folder: &Path, life: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child_writes_until_killed", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let number = |line: &str| line.strip_prefix("acknowledged ").and_then(|rest| rest.parse::<u64>().ok());
    let mut last = lines.by_ref().find_map(|line| number(&line.unwrap())).unwrap();
    std::thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    // A line that was cut by the kill may hold a part of a number: only whole lines count.
    let mut rest: Vec<String> = lines.map_while(Result::ok).collect();
    rest.pop();
    last = rest.iter().filter_map(|line| number(line)).next_back().unwrap_or(last);
    last
}

#[test]
fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut total = 0;
    for round in 0..ROUNDS {
        // Spread over more than one period of the head file.
        let acknowledged = run_and_kill(folder.path(), Duration::from_millis(17 + round * 149 % 1_300));
        let (store, recovery) = Store::open(&folder.path().join("store.db"), &Options::default()).unwrap();
        assert!(acknowledged > total, "round {round} made no progress");
        assert!(
            recovery.events.last >= acknowledged,
            "lost events {acknowledged} > {}",
            recovery.events.last
        );
        assert!(recovery.events.gap_free && matches!(recovery.audit, AuditState::Whole(_)), "{recovery:?}");
        let AuditState::Whole(whole) = store.verify_audit().unwrap() else { panic!("audit is broken") };
        assert_eq!(whole.count, recovery.events.last, "a batch was torn");
        assert_eq!(store.commands().unwrap()[0].state, format!("batch {}", whole.count), "a batch was torn");
        for event in store.events_after(0, 10_000).unwrap() {
            assert_eq!(event.event.text, format!("batch {}", event.seq));
        }
        total = recovery.events.last;
    }
}
