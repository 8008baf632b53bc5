//! What is decided of alarms as CSV, one row per condition. Empty cells leave the usual.

use std::time::Duration;

use crate::ReadError;
use crate::table::{Row, rows};

/// The columns, in their order.
pub const HEADER: [&str; 9] = [
    "condition",
    "priority",
    "on_delay_s",
    "off_delay_s",
    "latching",
    "group",
    "cause",
    "consequence",
    "response",
];

/// A delay beyond a day is no delay but a condition that nobody wants.
const MAX_DELAY_S: f64 = 86_400.0;
/// Longest text of a cell in octets.
const MAX_TEXT: usize = 2_000;

/// One row. Whether the condition and the priority exist is for the reader's caller to say.
#[derive(Clone, PartialEq, Debug)]
pub struct AlarmRow {
    /// Where it stands, from 1.
    pub line: u32,
    /// `KIND:SOURCE`, e.g. `limit:S4/V`.
    pub condition: String,
    /// Name of the priority.
    pub priority: Option<String>,
    /// How long it must hold.
    pub on_delay: Option<Duration>,
    /// How long it must be gone.
    pub off_delay: Option<Duration>,
    /// Whether it stays until somebody resets it.
    pub latching: bool,
    /// Group instead of the usual.
    pub group: Option<String>,
    /// What it usually comes from.
    pub cause: String,
    /// What happens when nobody does anything.
    pub consequence: String,
    /// What to do.
    pub response: String,
}

/// Reads the rows; a condition that stands there twice is refused.
pub fn read(bytes: &[u8]) -> Result<Vec<AlarmRow>, ReadError> {
    let mut known = std::collections::HashMap::new();
    let mut found = Vec::new();
    for row in rows(bytes, &HEADER)? {
        let alarm = alarm(&row)?;
        if let Some(before) = known.insert(alarm.condition.clone(), row.line) {
            let reason = format!("{:?} stands in line {before} already", alarm.condition);
            return Err(row.refuse("condition", reason, "one row per condition"));
        }
        found.push(alarm);
    }
    Ok(found)
}

fn alarm(row: &Row) -> Result<AlarmRow, ReadError> {
    let optional = |column: &str| Some(row.cell(column).to_owned()).filter(|text| !text.is_empty());
    let condition = row.cell("condition");
    if condition.split_once(':').is_none_or(|(kind, source)| kind.is_empty() || source.is_empty()) {
        return Err(row.refuse(
            "condition",
            format!("{condition:?} is no condition"),
            "write KIND:SOURCE, e.g. limit:S4/V",
        ));
    }
    let latching = match row.cell("latching") {
        "" | "no" => false,
        "yes" => true,
        other => {
            return Err(row.refuse("latching", format!("{other:?} is neither"), "write yes, no or nothing"));
        }
    };
    for column in ["group", "cause", "consequence", "response"] {
        if row.cell(column).len() > MAX_TEXT {
            return Err(row.refuse(column, format!("longer than {MAX_TEXT} octets"), "shorten it"));
        }
    }
    Ok(AlarmRow {
        line: row.line,
        condition: condition.to_owned(),
        priority: optional("priority"),
        on_delay: delay(row, "on_delay_s")?,
        off_delay: delay(row, "off_delay_s")?,
        latching,
        group: optional("group"),
        cause: row.cell("cause").to_owned(),
        consequence: row.cell("consequence").to_owned(),
        response: row.cell("response").to_owned(),
    })
}

fn delay(row: &Row, column: &str) -> Result<Option<Duration>, ReadError> {
    match row.number(column)? {
        None => Ok(None),
        Some(seconds) if (0.0..=MAX_DELAY_S).contains(&seconds) => Ok(Some(Duration::from_secs_f64(seconds))),
        Some(_) => Err(row.refuse(column, "out of range", format!("seconds from 0 to {MAX_DELAY_S}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_become_decisions_and_faults_name_their_line() {
        let head = HEADER.join(",");
        let text = format!(
            "{head}\n# note\nlimit:S4/V,high,2.5,,yes,F1,tap stuck,\"motors, heat\",step it\nlink:S1,,,,,,,,\n"
        );
        let rows = read(text.as_bytes()).unwrap();
        assert_eq!((rows.len(), rows[0].line, rows[1].line), (2, 3, 4));
        assert_eq!((rows[0].on_delay, rows[0].off_delay), (Some(Duration::from_millis(2_500)), None));
        assert_eq!(
            (rows[0].consequence.as_str(), rows[0].latching, rows[1].latching),
            ("motors, heat", true, false)
        );
        let check = |row: &str, part: &str| {
            let error = read(format!("{head}\nlink:S1,,,,,,,,\n{row}\n").as_bytes()).unwrap_err();
            assert_eq!(error.line, 3, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        };
        check("link:S1,,,,,,,,", "line 2 already");
        check("link,,,,,,,,", "KIND:SOURCE");
        check("link:S2,,-1,,,,,,", "on_delay_s");
        check("link:S2,,,x,,,,,", "off_delay_s");
        check("link:S2,,,,maybe,,,,", "latching");
        check("link:S2", "cells");
    }
}
