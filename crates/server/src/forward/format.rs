//! A record of the audit as a syslog message.
//!
//! Text of people and devices goes into messages that other programs take apart, so nothing in it may end a line, a field or a
//! message (S-22): control characters, line separators and marks that turn the direction of writing become `<U+000A>`; what
//! the format itself uses is escaped as the format says.

use crate::audit::config::Format;
use security::{AuditRecord, Checkpoint, Outcome, to_hex};
use serde::Serialize;
use std::fmt::Write as _;
use timebase::{Civil, Utc, Zone};

/// Facility 13, log audit, and the severities informational and warning of RFC 5424, 6.2.1.
const PRIORITY_DONE: u8 = 13 * 8 + 6;
const PRIORITY_REFUSED: u8 = 13 * 8 + 4;
/// Longest text of a field in a message, in bytes; a whole message stays below the 8,192 octets that receivers should take
/// (RFC 5425, 4.3.1). The hash covers the whole text, which the centre keeps.
const MAX_FIELD: usize = 700;
/// Identifier of our structured data: the number that RFC 5612 keeps for documentation, as we own none.
const STRUCTURED_DATA: &str = "audit@32473";

/// Writes messages of one centre.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    host: String,
    format: Format,
}

impl Writer {
    pub(crate) fn new(centre: &str, format: Format) -> Self {
        // HOSTNAME is 1 to 255 characters of PRINTUSASCII, RFC 5424, 6.
        let plain = |c: char| if c.is_ascii_graphic() { c } else { '-' };
        let host: String = centre.chars().map(plain).take(255).collect();
        Self { host: if host.is_empty() { "-".to_owned() } else { host }, format }
    }

    /// One record as a message without framing.
    pub(crate) fn record(&self, record: &AuditRecord) -> String {
        let priority = match record.entry.outcome {
            Outcome::Allowed | Outcome::Done => PRIORITY_DONE,
            Outcome::Refused | Outcome::Failed => PRIORITY_REFUSED,
        };
        let head = self.head(priority, record.entry.time, "AUDIT");
        match self.format {
            Format::Structured => format!("{head} {}", structured(record)),
            Format::Cef => format!("{head} - {}", cef(record)),
            Format::Json => format!("{head} - {}", json(record)),
        }
    }

    /// One checkpoint as a message without framing.
    pub(crate) fn checkpoint(&self, checkpoint: &Checkpoint) -> String {
        let head = self.head(PRIORITY_DONE, checkpoint.time, "CHECKPOINT");
        let hex = checkpoint.to_hex();
        match self.format {
            Format::Structured => {
                format!(
                    "{head} [{STRUCTURED_DATA} checkpoint=\"{hex}\"] audit checkpoint {}",
                    checkpoint.number
                )
            }
            Format::Cef => format!(
                "{head} - {}audit.checkpoint|audit checkpoint|1|rt={} cs2={hex} cs2Label=checkpoint",
                cef_start(),
                checkpoint.time.as_millis()
            ),
            Format::Json => {
                format!("{head} - {{\"checkpoint\":\"{hex}\",\"number\":{}}}", checkpoint.number)
            }
        }
    }

    fn head(&self, priority: u8, time: Utc, kind: &str) -> String {
        format!("<{priority}>1 {} {} tieline - {kind}", stamp(time), self.host)
    }
}

/// TIMESTAMP of RFC 5424, 6.2.3, with microseconds.
fn stamp(time: Utc) -> String {
    let civil = Civil::from_utc(time, &Zone::UTC);
    let micros = time.as_micros().rem_euclid(1_000_000);
    if !(0..=9_999).contains(&civil.year) {
        return "-".to_owned();
    }
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{micros:06}Z",
        civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second
    )
}

/// The text without anything that ends a line or turns it round, and cut to what a message carries.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_FIELD) + 8);
    for c in text.chars() {
        if out.len() >= MAX_FIELD {
            out.push('…');
            break;
        }
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') {
            // Writing to a string cannot fail.
            let _written = write!(out, "<U+{:04X}>", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn escaped(text: &str, special: &[char]) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in clean(text).chars() {
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Fields of a record that are texts, with their names.
fn texts(record: &AuditRecord) -> [(&'static str, &str); 7] {
    let entry = &record.entry;
    [
        ("actor", &entry.actor),
        ("source", &entry.source),
        ("action", &entry.action),
        ("target", &entry.target),
        ("old", entry.old.as_deref().unwrap_or_default()),
        ("new", entry.new.as_deref().unwrap_or_default()),
        ("reason", &entry.reason),
    ]
}

/// Structured data and message. What people wrote stands in parameters only, where its end is certain.
fn structured(record: &AuditRecord) -> String {
    let mut out = format!("[{STRUCTURED_DATA} seq=\"{}\" hash=\"{}\"", record.seq, to_hex(&record.hash));
    for (name, text) in texts(record).into_iter().filter(|(_, text)| !text.is_empty()) {
        // PARAM-VALUE escapes these three, RFC 5424, 6.3.3.
        let _written = write!(out, " {name}=\"{}\"", escaped(text, &['"', '\\', ']']));
    }
    let outcome = record.entry.outcome.name();
    let _written = write!(out, " outcome=\"{outcome}\"] audit record {} {outcome}", record.seq);
    out
}

fn cef_start() -> String {
    format!("CEF:0|Tieline|Tieline|{}|", escaped(crate::VERSION, &['|', '\\']))
}

/// A record in the Common Event Format.
pub(crate) fn cef(record: &AuditRecord) -> String {
    let entry = &record.entry;
    let severity = match entry.outcome {
        Outcome::Allowed | Outcome::Done => 3,
        Outcome::Refused | Outcome::Failed => 6,
    };
    let in_head = |text: &str| escaped(text, &['|', '\\']);
    let value = |text: &str| escaped(text, &['=', '\\']);
    let mut out = format!(
        "{}{}|{}|{severity}|rt={} externalId={} cs1={} cs1Label=hash",
        cef_start(),
        in_head(&entry.action),
        in_head(&entry.action),
        entry.time.as_millis(),
        record.seq,
        to_hex(&record.hash)
    );
    for (key, text) in [
        ("suser", entry.actor.as_str()),
        ("act", &entry.action),
        ("outcome", entry.outcome.name()),
        ("reason", &entry.reason),
        ("cs3Label=target cs3", &entry.target),
        ("cs4Label=source cs4", &entry.source),
        ("cs5Label=old cs5", entry.old.as_deref().unwrap_or_default()),
        ("cs6Label=new cs6", entry.new.as_deref().unwrap_or_default()),
    ] {
        if !text.is_empty() {
            let _written = write!(out, " {key}={}", value(text));
        }
    }
    out
}

#[derive(Serialize)]
struct JsonRecord<'a> {
    // First and in this order: copies are read back by it.
    seq: u64,
    hash: String,
    time: String,
    actor: &'a str,
    source: &'a str,
    action: &'a str,
    target: &'a str,
    old: Option<&'a str>,
    new: Option<&'a str>,
    outcome: &'a str,
    reason: &'a str,
}

/// A record as one JSON object in one line.
pub(crate) fn json(record: &AuditRecord) -> String {
    let [actor, source, action, target, old, new, reason] = texts(record).map(|(_, text)| clean(text));
    let entry = &record.entry;
    let written = serde_json::to_string(&JsonRecord {
        seq: record.seq,
        hash: to_hex(&record.hash),
        time: stamp(entry.time),
        actor: &actor,
        source: &source,
        action: &action,
        target: &target,
        old: entry.old.is_some().then_some(&old),
        new: entry.new.is_some().then_some(&new),
        outcome: entry.outcome.name(),
        reason: &reason,
    });
    // Texts and numbers always are JSON.
    written.unwrap_or_default()
}

#[cfg(test)]
mod tests;
