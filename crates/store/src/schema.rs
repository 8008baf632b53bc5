//! Tables and their migrations.

use crate::{StoreError, identity, sums};
use rusqlite::Connection;

/// One entry per version; entry n leads from version n to n + 1. Entries are never changed, only added.
const MIGRATIONS: [fn() -> String; 4] =
    [|| TABLES.to_owned(), sums::migration, identity::migration, || CHECKPOINTS.to_owned()];

/// Signed heads of the audit chain. They carry their own signature, so there is no sum.
const CHECKPOINTS: &str =
    "CREATE TABLE audit_checkpoints (number INTEGER PRIMARY KEY, checkpoint BLOB NOT NULL) STRICT;";

const TABLES: &str = "
CREATE TABLE users (
    name TEXT PRIMARY KEY, roles TEXT NOT NULL, areas TEXT NOT NULL, kind TEXT NOT NULL,
    disabled INTEGER NOT NULL, created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    hash BLOB PRIMARY KEY, user TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE, one_time INTEGER NOT NULL,
    created INTEGER NOT NULL, expires INTEGER, used INTEGER, last_used INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
    hash BLOB PRIMARY KEY, user TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE, created INTEGER NOT NULL,
    expires INTEGER NOT NULL, idle_s INTEGER NOT NULL, last_used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE config (key TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL, severity TEXT NOT NULL, point TEXT,
    source TEXT NOT NULL, text TEXT NOT NULL, actor TEXT, data TEXT, sum BLOB NOT NULL
) STRICT;
CREATE INDEX events_time ON events (time);
CREATE TABLE alarms (key TEXT PRIMARY KEY, state TEXT NOT NULL, data TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tags (
    id INTEGER PRIMARY KEY AUTOINCREMENT, point TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
    by TEXT NOT NULL, at INTEGER NOT NULL
) STRICT;
CREATE TABLE commands (
    id INTEGER PRIMARY KEY AUTOINCREMENT, point TEXT NOT NULL, state TEXT NOT NULL, at INTEGER NOT NULL, data TEXT NOT NULL
) STRICT;
CREATE TABLE audit (seq INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
";

/// Version of the tables that this program writes; SQLite's `user_version`.
pub const SCHEMA_VERSION: usize = MIGRATIONS.len();

/// Brings the tables to [`SCHEMA_VERSION`]; each step is one transaction. Returns the version found.
pub(crate) fn migrate(connection: &mut Connection) -> Result<usize, StoreError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let found = usize::try_from(found).map_err(|_| StoreError::Version { found, known: SCHEMA_VERSION })?;
    if found > SCHEMA_VERSION {
        let found = i64::try_from(found).unwrap_or(i64::MAX);
        return Err(StoreError::Version { found, known: SCHEMA_VERSION });
    }
    for (version, step) in MIGRATIONS.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(&step())?;
        let next = i64::try_from(version + 1).unwrap_or(i64::MAX);
        transaction.pragma_update(None, "user_version", next)?;
        transaction.commit()?;
    }
    Ok(found)
}
