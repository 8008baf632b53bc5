//! Killed with SIGKILL at any instant, no row that was acknowledged is lost, doubled or altered. The child process is this
//! test itself; its small tables make it write and merge segments all the time.
#![allow(clippy::unwrap_used)]

use historian::{Historian, NoteId, Options, Row, SeriesId, Span};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use timebase::Utc;

const FOLDER: &str = "TIELINE_HISTORIAN_KILL_FOLDER";
const ROUNDS: u64 = 100;
/// Rounds on one folder.
const ROUNDS_OF_A_FOLDER: u64 = 10;
const SERIES: u64 = 5;

fn options() -> Options {
    Options { memtable_rows: 2_000, merge_segments: 3, ..Options::default() }
}

/// The `number`-th row ever written.
fn row(number: u64) -> Row {
    Row {
        series: SeriesId(u32::try_from(number % SERIES).unwrap()),
        time: Utc::from_micros(i64::try_from(number * 1_000).unwrap()),
        value: number as f64 / 8.0,
        quality: u16::try_from(number % 3).unwrap(),
        kind: u8::try_from(number % 6).unwrap(),
        note: NoteId::FIELD,
        lag_ms: 7,
    }
}

/// Not a test of its own: the process that is killed. Does nothing when run without its variable.
#[test]
fn child_writes_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (historian, recovery) = Historian::open(Path::new(&folder), options()).unwrap();
    let mut next = recovery.segment_rows + recovery.replayed_rows;
    let mut out = std::io::stdout();
    loop {
        for _ in 0..4 {
            let rows: Vec<Row> = (next..next + 97).map(row).collect();
            historian.append(&rows).unwrap();
            next += 97;
        }
        historian.flush().unwrap();
        out.write_all(format!("acknowledged {next}\n").as_bytes()).unwrap();
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
    let first = lines.by_ref().find_map(|line| number(&line.unwrap())).unwrap();
    std::thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    // A line that was cut by the kill may hold a part of a number: only whole lines count.
    let mut rest: Vec<String> = lines.map_while(Result::ok).collect();
    rest.pop();
    rest.iter().filter_map(|line| number(line)).next_back().unwrap_or(first)
}

#[test]
fn nothing_acknowledged_is_lost() {
    let mut folder = tempfile::tempdir().unwrap();
    let mut total = 0;
    for round in 0..ROUNDS {
        if round % ROUNDS_OF_A_FOLDER == 0 {
            (folder, total) = (tempfile::tempdir().unwrap(), 0);
        }
        let acknowledged = run_and_kill(folder.path(), Duration::from_millis(round * 131 % 250));
        let (historian, recovery) = Historian::open(folder.path(), options()).unwrap();
        let there = recovery.segment_rows + recovery.replayed_rows;
        assert!(acknowledged > total, "round {round} made no progress");
        assert!(there >= acknowledged, "lost rows: {acknowledged} acknowledged, {there} there");
        assert!(recovery.damaged.is_empty() && recovery.lost_rows == 0, "{recovery:?}");
        for series in 0..SERIES {
            let page = historian.range(row(series).series, Span::ALL, usize::MAX).unwrap();
            let wanted: Vec<Row> = (series..there).step_by(5).map(row).collect();
            assert!(page.rows == wanted, "round {round} series {series}");
        }
        total = there;
    }
}
