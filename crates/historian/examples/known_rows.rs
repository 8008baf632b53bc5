//! Writes 100,000 rows that follow from their number into a segment, for foreign readers to compare:
//! `known_rows FOLDER [MRIDS]`, with the names of the first series in a file, a line each. See `interop/test_historian_parquet.py`, which holds the same formulas.

use historian::{Historian, NoteId, Options, Row, SeriesId};
use std::path::PathBuf;
use std::time::Duration;
use timebase::Utc;

const ROWS: u32 = 100_000;

fn row(number: u32) -> Row {
    Row {
        series: SeriesId(number % 997),
        time: Utc::from_micros(
            1_700_000_000_000_000 + i64::from(number) * 1_001 - i64::from(number % 7) * 10_000_000,
        ),
        value: if number.is_multiple_of(101) { f64::NAN } else { (f64::from(number) - 50_000.0) / 8.0 },
        quality: u16::try_from(number % 65_536).unwrap_or(0),
        kind: u8::try_from(number % 6).unwrap_or(0),
        note: NoteId::FIELD,
        lag_ms: 7,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: known_rows FOLDER")?;
    let options = Options { memtable_rows: ROWS as usize, ..Options::default() };
    let (historian, _) = Historian::open(&folder, options)?;
    let mut names: Vec<String> = (0..997).map(|series| format!("_mrid-{series}")).collect();
    if let Some(file) = std::env::args_os().nth(2) {
        let given = std::fs::read_to_string(file)?;
        names.iter_mut().zip(given.lines()).for_each(|(name, given)| given.clone_into(name));
    }
    historian.register(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    historian.append(&(0..ROWS).map(row).collect::<Vec<_>>())?;
    historian.flush()?;
    while historian.stats().segment_rows < u64::from(ROWS) {
        if let Some(fault) = historian.stats().fault {
            return Err(fault.into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
