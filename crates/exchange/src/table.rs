//! CSV with a fixed header: rows with their lines, cells by column name.

use crate::ReadError;

/// Longest file of rows that is read.
const MAX_ROWS: usize = 8_000_000;

/// One row with its place.
pub(crate) struct Row {
    pub(crate) line: u32,
    cells: csv::StringRecord,
    header: &'static [&'static str],
}

/// Reads all rows; the header must be exactly the one expected.
pub(crate) fn rows(bytes: &[u8], header: &'static [&'static str]) -> Result<Vec<Row>, ReadError> {
    rows_from(bytes, header, header.len())
}

/// Reads all rows; columns behind the first `required` may be missing, from the end.
pub(crate) fn rows_from(
    bytes: &[u8],
    mut header: &'static [&'static str],
    required: usize,
) -> Result<Vec<Row>, ReadError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let expected = header.join(",");
    let mut rows = Vec::new();
    let mut titled = false;
    for record in reader.records() {
        let cells = record.map_err(|error| fault(bytes, &error))?;
        let line = line_of(bytes, cells.position());
        if !titled {
            header = header.get(..cells.len()).filter(|start| start.len() >= required).unwrap_or(header);
            if cells.iter().ne(header.iter().copied()) {
                return Err(ReadError::new(
                    line,
                    "the header is not the expected one",
                    format!("write {expected}"),
                ));
            }
            titled = true;
            continue;
        }
        if cells.len() != header.len() {
            let reason = format!("the row has {} cells, the header {}", cells.len(), header.len());
            return Err(ReadError::new(line, reason, format!("the columns are {expected}")));
        }
        if rows.len() >= MAX_ROWS {
            return Err(ReadError::new(line, format!("more than {MAX_ROWS} rows"), "split the file"));
        }
        rows.push(Row { line, cells, header });
    }
    if titled {
        Ok(rows)
    } else {
        Err(ReadError::new(0, "the file is empty", format!("begin it with {expected}")))
    }
}

/// The line where a row begins. The reader counts a row from behind the row before, with the comments and empty
/// lines between them.
fn line_of(bytes: &[u8], position: Option<&csv::Position>) -> u32 {
    let Some(position) = position else { return 0 };
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let lines = bytes.get(start..).unwrap_or_default().split(|byte| *byte == b'\n');
    let skipped = lines.take_while(|line| matches!(line, [] | [b'\r'] | [b'#', ..])).count();
    let line = position.line().saturating_add(u64::try_from(skipped).unwrap_or(u64::MAX));
    u32::try_from(line).unwrap_or(u32::MAX)
}

fn fault(bytes: &[u8], error: &csv::Error) -> ReadError {
    let reason = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "the row is not UTF-8".to_owned(),
        _ => error.to_string(),
    };
    ReadError::new(line_of(bytes, error.position()), reason, "save the file as CSV in UTF-8")
}

impl Row {
    /// The cell of a column, empty if the header has no such column.
    pub(crate) fn cell(&self, column: &str) -> &str {
        let at = self.header.iter().position(|name| *name == column);
        at.and_then(|at| self.cells.get(at)).unwrap_or("")
    }

    /// A finite number, or nothing in an empty cell.
    pub(crate) fn number(&self, column: &str) -> Result<Option<f64>, ReadError> {
        let text = self.cell(column);
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            Ok(_) | Err(_) => Err(self.refuse(
                column,
                format!("{text:?} is not a finite number"),
                "write a number like 12.5",
            )),
        }
    }

    /// A fault of this row.
    pub(crate) fn refuse(&self, column: &str, reason: impl AsRef<str>, hint: impl Into<String>) -> ReadError {
        ReadError::new(self.line, format!("{column}: {}", reason.as_ref()), hint)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn comments_and_empty_lines_count() {
        let check = |text: &str, expected: &[u32]| {
            let found: Vec<u32> =
                rows(text.as_bytes(), &["a", "b"]).unwrap().iter().map(|row| row.line).collect();
            assert_eq!(found, expected, "{text:?}");
        };
        check("a,b\n1,2\n3,4\n", &[2, 3]);
        check("# note\n\na,b\n# more\n1,2\n3,4", &[5, 6]);
        check("a,b\r\n\r\n# note\r\n1,2\r\n\r\n3,4\r\n", &[4, 6]);
        check("\u{feff}# note\na,b\n\"1\n1\",2\n#\n3,4\n", &[3, 6]);
        let error = |text: &[u8]| rows(text, &["a", "b"]).err().map(|error| error.line);
        assert_eq!(error(b"# note\nb,a\n"), Some(2));
        assert_eq!(error(b"a,b\n# note\n1\n"), Some(3));
        assert_eq!(error(b"a,b\n# note\n1,\xff\n"), Some(3));
    }
}
