//! Check sums of the rows that are neither events nor audit, which have their own: a flipped bit is found at the next opening
//! and not taken for a state.
//!
//! SQLite knows nothing of content: its structural check finds broken pages and cells, not another digit in a text. The
//! column `sum` of each table is the first eight bytes of SHA-256 over the table's name and all other columns. Triggers keep
//! it, so that no way of writing goes past it.

use crate::StoreError;
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// Tables of version 2 with the columns that their sum covers. Later versions: see [`summed`].
const TABLES: [(&str, &str); 7] = [
    ("users", "name, roles, areas, kind, disabled, created"),
    ("tokens", "hash, user, one_time, created, expires, used, last_used"),
    ("sessions", "hash, user, created, expires, idle_s, last_used"),
    ("config", "key, json"),
    ("alarms", "key, state, data"),
    ("tags", "id, point, kind, text, by, at"),
    ("commands", "id, point, state, at, data"),
];

/// Gives a connection the function `row_sum`. Without it writing fails.
pub(crate) fn register(connection: &Connection) -> Result<(), StoreError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("row_sum", -1, flags, |values| Ok(row_sum(values)))?;
    Ok(())
}

fn row_sum(values: &Context<'_>) -> Vec<u8> {
    let mut sum = Sha256::new();
    let mut take = |kind: u8, bytes: &[u8]| {
        sum.update([kind]);
        // usize is at most 64 bits wide on every platform that Rust has.
        sum.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        sum.update(bytes);
    };
    for at in 0..values.len() {
        match values.get_raw(at) {
            ValueRef::Null => take(0, &[]),
            ValueRef::Integer(number) => take(1, &number.to_be_bytes()),
            ValueRef::Real(number) => take(2, &number.to_bits().to_be_bytes()),
            ValueRef::Text(text) => take(3, text),
            ValueRef::Blob(bytes) => take(4, bytes),
        }
    }
    let mut full = sum.finalize().to_vec();
    full.truncate(8);
    full
}

/// The step from version 1 of the tables to version 2.
pub(crate) fn migration() -> String {
    let step = |(table, columns): &(&str, &str)| {
        format!("ALTER TABLE {table} ADD COLUMN sum BLOB;\n{}", keep(table, columns))
    };
    TABLES.iter().map(step).collect()
}

/// Gives a table without sums its sums.
pub(crate) fn begin(table: &str, columns: &str) -> String {
    format!("ALTER TABLE {table} ADD COLUMN sum BLOB;\n{}", keep(table, columns))
}

/// Lets the sums of a table cover other columns.
pub(crate) fn renew(table: &str, columns: &str) -> String {
    format!("DROP TRIGGER {table}_inserted; DROP TRIGGER {table}_updated;\n{}", keep(table, columns))
}

/// Sums of the rows that are there, and triggers that keep them.
fn keep(table: &str, columns: &str) -> String {
    let key = columns.split(',').next().unwrap_or_default();
    let new: Vec<String> = columns.split(", ").map(|column| format!("NEW.{column}")).collect();
    let keep =
        format!("UPDATE {table} SET sum = row_sum('{table}', {}) WHERE {key} = NEW.{key};", new.join(", "));
    format!(
        "UPDATE {table} SET sum = row_sum('{table}', {columns});
         CREATE TRIGGER {table}_inserted AFTER INSERT ON {table} BEGIN {keep} END;
         CREATE TRIGGER {table}_updated AFTER UPDATE OF {columns} ON {table} BEGIN {keep} END;\n"
    )
}

/// What the sums of each table cover in the version that this program writes.
fn summed() -> BTreeMap<&'static str, &'static str> {
    TABLES.into_iter().chain(crate::identity::summed()).collect()
}

/// Looks at every row. O(rows): these tables hold what is in force, not what was.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    for (table, columns) in summed() {
        let sql = format!("SELECT count(*) FROM {table} WHERE sum IS NOT row_sum('{table}', {columns})");
        let damaged: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        if damaged > 0 {
            let detail = format!("{damaged} rows of {table} do not match their check sums");
            return Err(StoreError::Corrupt { path: path.to_owned(), detail });
        }
    }
    Ok(())
}
