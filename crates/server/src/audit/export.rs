//! The audit as a file for other programs.

use crate::forward::format::{cef, clean, json};
use security::{AuditRecord, to_hex};

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Export {
    /// Comma separated, RFC 4180, with a head line.
    Csv,
    /// One JSON object per line.
    Json,
    /// One record of the Common Event Format per line.
    Cef,
}

impl Export {
    /// Every format with its name and media type.
    pub const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Csv, "csv", "text/csv; charset=utf-8"),
        (Self::Json, "json", "application/x-ndjson"),
        (Self::Cef, "cef", "text/plain; charset=utf-8"),
    ];

    /// The format of that name.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name, _)| *name == text).map(|(export, ..)| *export)
    }

    /// Name and media type.
    pub fn names(self) -> (&'static str, &'static str) {
        Self::ALL
            .iter()
            .find(|(export, ..)| *export == self)
            .map_or(("csv", "text/plain"), |(_, name, media)| (*name, *media))
    }

    /// What stands before the first record.
    pub fn head(self) -> &'static str {
        match self {
            Self::Csv => "seq,time,actor,source,action,target,old,new,outcome,reason,hash\r\n",
            Self::Json | Self::Cef => "",
        }
    }

    /// One record with the end of its line.
    pub fn line(self, record: &AuditRecord) -> String {
        match self {
            Self::Csv => csv(record),
            Self::Json => json(record) + "\n",
            Self::Cef => cef(record) + "\n",
        }
    }
}

fn csv(record: &AuditRecord) -> String {
    let entry = &record.entry;
    let (seq, time, hash) = (record.seq.to_string(), entry.time.to_string(), to_hex(&record.hash));
    let cells = [
        &seq,
        &time,
        &entry.actor,
        &entry.source,
        &entry.action,
        &entry.target,
        entry.old.as_deref().unwrap_or_default(),
        entry.new.as_deref().unwrap_or_default(),
        entry.outcome.name(),
        &entry.reason,
        &hash,
    ];
    cells.map(cell).join(",") + "\r\n"
}

/// A cell. Spreadsheets take one that begins with these characters for a formula; a quote before it makes it text (S-22).
fn cell(text: &str) -> String {
    let text = clean(text);
    let is_formula = text.starts_with(['=', '+', '-', '@']) || text.starts_with("<U+0009>");
    let text = if is_formula { format!("'{text}") } else { text };
    if text.contains(['"', ',', '\'', ';']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_no_formula_and_no_second_cell() {
        let check = |text: &str, wanted: &str| assert_eq!(cell(text), wanted, "{text}");
        check("anna", "anna");
        check("a,b", "\"a,b\"");
        check("say \"x\"", "\"say \"\"x\"\"\"");
        check("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\"");
        check("+1", "\"'+1\"");
        check("-1", "\"'-1\"");
        check("@x", "\"'@x\"");
        check("\t=1", "\"'<U+0009>=1\"");
        check("a\r\nb", "a<U+000D><U+000A>b");
    }
}
