//! Tables → text for people, CSV and JSON.

use comfy_table::{CellAlignment, presets};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::table::{Cell, Column, Table, Values};
use crate::files::printable;

/// For people: framed on a terminal, aligned by blanks otherwise.
pub(crate) fn text(tables: &[&Table], framed: bool) -> String {
    let mut text = String::new();
    for table in tables {
        if tables.len() > 1 {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(table.kind);
            text.push('\n');
        }
        text.push_str(&if framed { frame(table) } else { align(table) });
    }
    text
}

fn frame(table: &Table) -> String {
    let mut drawn = comfy_table::Table::new();
    drawn.load_style(presets::UTF8_FULL_CONDENSED);
    drawn.set_header(table.columns.iter().map(|column| column.name));
    for row in 0..table.rows() {
        drawn.add_row(table.columns.iter().map(|column| shown(column, row)));
    }
    for (at, column) in table.columns.iter().enumerate() {
        if let Some(drawn) = drawn.column_mut(at) {
            drawn.set_cell_alignment(if to_the_left(column) {
                CellAlignment::Left
            } else {
                CellAlignment::Right
            });
        }
    }
    format!("{drawn}\n")
}

fn align(table: &Table) -> String {
    let cells: Vec<Vec<String>> = table
        .columns
        .iter()
        .map(|column| {
            let rows = (0..table.rows()).map(|row| shown(column, row));
            std::iter::once(column.name.to_owned()).chain(rows).collect()
        })
        .collect();
    let widths: Vec<usize> = cells
        .iter()
        .map(|column| column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in 0..=table.rows() {
        let mut row = String::new();
        for ((column, cells), &width) in table.columns.iter().zip(&cells).zip(&widths) {
            let cell = &cells[line];
            let blanks = " ".repeat(width - cell.chars().count());
            let (before, after) = if to_the_left(column) { ("", &*blanks) } else { (&*blanks, "") };
            row.push_str(&format!("{before}{cell}{after}  "));
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

const fn to_the_left(column: &Column) -> bool {
    matches!(column.values, Values::Text(_))
}

fn shown(column: &Column, row: usize) -> String {
    match column.cell(row) {
        Cell::Missing => "-".to_owned(),
        Cell::Integer(value) => value.to_string(),
        Cell::Number(value) if column.scientific() => format!("{value:.1e}"),
        Cell::Number(value) => {
            let text = format!("{value:.*}", column.decimals());
            // What rounds to zero has no sign.
            let zero = text.trim_start_matches('-').chars().all(|c| c == '0' || c == '.');
            if zero { text.trim_start_matches('-').to_owned() } else { text }
        }
        Cell::Text(value) => printable(value),
    }
}

/// CSV with a header; figures in full, missing ones as empty cells.
pub(crate) fn csv(table: &Table) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(table.columns.iter().map(|column| column.name))?;
    for row in 0..table.rows() {
        writer.write_record(table.columns.iter().map(|column| match column.cell(row) {
            Cell::Missing => String::new(),
            Cell::Integer(value) => value.to_string(),
            Cell::Number(value) => value.to_string(),
            Cell::Text(value) => value.to_owned(),
        }))?;
    }
    Ok(writer.into_inner()?)
}

/// One object with the summary and a list per table.
pub(crate) fn json(summary: &serde_json::Value, tables: &[&Table]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(&Document { summary, tables })?;
    bytes.push(b'\n');
    Ok(bytes)
}

struct Document<'a> {
    summary: &'a serde_json::Value,
    tables: &'a [&'a Table],
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("summary", self.summary)?;
        for table in self.tables {
            map.serialize_entry(table.kind, table)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table() -> Table {
        Table {
            kind: "bus",
            columns: vec![
                Column::integers("bus", [Some(1), Some(20)]),
                Column::texts("name", [Some("a, \"b\"".into()), Some("\u{1b}[2J".into())]),
                Column::numbers("vm_pu", [1.0 / 3.0, f64::NAN]),
                Column::numbers("p_mw", [-1e-9, -12.3456]),
            ],
        }
    }

    #[test]
    fn people_see_aligned_columns() {
        let expected = concat!(
            "bus  name       vm_pu     p_mw\n",
            "  1  a, \"b\"  0.333333    0.000\n",
            " 20  \u{fffd}[2J           -  -12.346\n"
        );
        assert_eq!(text(&[&table()], false), expected);
        let two = text(&[&table(), &table()], false);
        assert!(two.starts_with("bus\nbus  name") && two.contains("\n\nbus\n"), "{two}");
        let framed = text(&[&table()], true);
        assert!(framed.contains("│  20 ┆") && !framed.contains('\u{1b}'), "{framed}");
    }

    #[test]
    fn programs_get_figures_in_full_and_missing_ones_empty() {
        let expected = "bus,name,vm_pu,p_mw\n1,\"a, \"\"b\"\"\",0.3333333333333333,-0.000000001\n20,\u{1b}[2J,,-12.3456\n";
        assert_eq!(String::from_utf8(csv(&table()).unwrap()).unwrap(), expected);
        let expected = concat!(
            r#"{"summary":{},"bus":[{"bus":1,"name":"a, \"b\"","vm_pu":0.3333333333333333,"p_mw":-1e-9},"#,
            r#"{"bus":20,"name":"\u001b[2J","vm_pu":null,"p_mw":-12.3456}]}"#,
            "\n"
        );
        let made = json(&serde_json::json!({}), &[&table()]).unwrap();
        assert_eq!(String::from_utf8(made).unwrap(), expected);
    }
}
