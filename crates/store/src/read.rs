//! Queries. They run on their own connection beside the writer and see what is committed.

use crate::audit::{AuditState, last_checkpoint, verify_audit_file};
use crate::write::integer;
use crate::{
    AlarmRecord, CommandRecord, ConfigRecord, EventRecord, NewEvent, SessionRecord, Store, StoreError,
    TagKind, TagRecord, TokenRecord,
};
use rusqlite::{Connection, OptionalExtension, Params, Row};
use security::{AuditRecord, Checkpoint, TokenHash};
use timebase::Utc;

/// Rows of one page at most, whatever the caller asks for.
const PAGE_ROWS: usize = 10_000;

const EVENT_COLUMNS: &str = "seq, time, kind, severity, point, source, text, actor, data, sum";

impl Store {
    /// The first events after `seq`, in order.
    pub fn events_after(&self, seq: u64, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
        let sql = format!("SELECT {EVENT_COLUMNS} FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2");
        let events = self.events(&sql, (clamped(seq), rows(limit)))?;
        check_continuous(events)
    }

    /// The last events before `seq`, in order.
    pub fn events_before(&self, seq: u64, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
        let sql = format!("SELECT {EVENT_COLUMNS} FROM events WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2");
        let mut events = self.events(&sql, (clamped(seq), rows(limit)))?;
        events.reverse();
        check_continuous(events)
    }

    /// The last events, in order.
    pub fn events_latest(&self, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
        self.events_before(u64::MAX, limit)
    }

    /// The first events with `from <= time < to`, in the order of the log.
    pub fn events_between(&self, from: Utc, to: Utc, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
        let sql = format!(
            "SELECT {EVENT_COLUMNS} FROM events WHERE time >= ?1 AND time < ?2 ORDER BY seq LIMIT ?3"
        );
        self.events(&sql, (from.as_micros(), to.as_micros(), rows(limit)))
    }

    /// Number of the last event, 0 for an empty log.
    pub fn last_event(&self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(seq), 0) FROM events";
        let last: i64 = self.reader().query_row(sql, [], |row| row.get(0))?;
        u64::try_from(last).map_err(|_| StoreError::damaged("events", last))
    }

    fn events(&self, sql: &str, values: impl Params) -> Result<Vec<EventRecord>, StoreError> {
        list(&self.reader(), sql, values, event)
    }

    /// The first audit records after `seq`, in order. They are decoded, not verified: [`Store::verify_audit`] does that.
    pub fn audit_after(&self, seq: u64, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        let sql = "SELECT seq, record FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        list(&self.reader(), sql, (clamped(seq), rows(limit)), audit)
    }

    /// The last audit records before `seq`, in order.
    pub fn audit_before(&self, seq: u64, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        let sql = "SELECT seq, record FROM audit WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2";
        let mut records = list(&self.reader(), sql, (clamped(seq), rows(limit)), audit)?;
        records.reverse();
        Ok(records)
    }

    /// Checks the whole audit chain on a connection of its own.
    pub fn verify_audit(&self) -> Result<AuditState, StoreError> {
        verify_audit_file(&self.path)
    }

    /// The last checkpoint of the audit; `None` without any. It is not verified.
    pub fn last_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        last_checkpoint(&self.reader())
    }

    /// The first checkpoints of the audit after a number, in order, not verified.
    pub fn checkpoints_after(&self, number: u64, limit: usize) -> Result<Vec<Checkpoint>, StoreError> {
        let sql =
            "SELECT number, checkpoint FROM audit_checkpoints WHERE number > ?1 ORDER BY number LIMIT ?2";
        list(&self.reader(), sql, (clamped(number), rows(limit)), |row| {
            let bytes: Vec<u8> = row.get(1)?;
            let damaged = || StoreError::damaged("audit_checkpoints", row.get::<_, i64>(0).unwrap_or(0));
            Checkpoint::decode(&bytes).ok_or_else(damaged)
        })
    }

    /// All alarms in force.
    pub fn alarms(&self) -> Result<Vec<AlarmRecord>, StoreError> {
        list(&self.reader(), "SELECT key, state, data FROM alarms ORDER BY key", [], |row| {
            Ok(AlarmRecord { key: row.get(0)?, state: row.get(1)?, data: row.get(2)? })
        })
    }

    /// All tags.
    pub fn tags(&self) -> Result<Vec<TagRecord>, StoreError> {
        list(&self.reader(), "SELECT id, point, kind, text, by, at FROM tags ORDER BY id", [], tag)
    }

    /// An identity for a new tag that no tag ever had.
    pub fn next_tag_id(&self) -> Result<u64, StoreError> {
        self.next_id("tags")
    }

    /// All commands in flight when the last run ended, or now.
    pub fn commands(&self) -> Result<Vec<CommandRecord>, StoreError> {
        list(&self.reader(), "SELECT id, point, state, at, data FROM commands ORDER BY id", [], command)
    }

    /// An identity for a new command that no stored command ever had.
    pub fn next_command_id(&self) -> Result<u64, StoreError> {
        self.next_id("commands")
    }

    fn next_id(&self, table: &'static str) -> Result<u64, StoreError> {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
        let last: Option<i64> = self.reader().query_row(sql, [table], |row| row.get(0)).optional()?;
        let last = last.unwrap_or(0);
        u64::try_from(last).map(|last| last.saturating_add(1)).map_err(|_| StoreError::damaged(table, last))
    }

    /// All configuration values.
    pub fn configs(&self) -> Result<Vec<ConfigRecord>, StoreError> {
        list(&self.reader(), "SELECT key, json FROM config ORDER BY key", [], |row| {
            Ok(ConfigRecord { key: row.get(0)?, json: row.get(1)? })
        })
    }

    /// One configuration value as JSON text.
    pub fn config(&self, key: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT json FROM config WHERE key = ?1";
        Ok(self.reader().query_row(sql, [key], |row| row.get(0)).optional()?)
    }

    /// All tokens.
    pub fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        list(&self.reader(), &format!("{TOKEN_SELECT} ORDER BY user, created"), [], token_row)
    }

    /// One token. A login uses [`Store::redeem_token`].
    pub fn token(&self, hash: &TokenHash) -> Result<Option<TokenRecord>, StoreError> {
        token(&self.reader(), hash)
    }

    /// All sessions, alive or not.
    pub fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        list(&self.reader(), &format!("{SESSION_SELECT} ORDER BY user, created"), [], session)
    }

    /// One session, alive or not: see [`SessionRecord::is_alive`].
    pub fn session(&self, hash: &TokenHash) -> Result<Option<SessionRecord>, StoreError> {
        let sql = format!("{SESSION_SELECT} WHERE hash = ?1");
        Ok(list(&self.reader(), &sql, [hash.as_bytes()], session)?.pop())
    }
}

const TOKEN_SELECT: &str =
    "SELECT hash, user, one_time, created, expires, used, last_used, label, rights, areas FROM tokens";
const SESSION_SELECT: &str =
    "SELECT hash, user, created, expires, idle_s, last_used, source, began, frozen FROM sessions";

pub(crate) fn token(from: &Connection, hash: &TokenHash) -> Result<Option<TokenRecord>, StoreError> {
    Ok(list(from, &format!("{TOKEN_SELECT} WHERE hash = ?1"), [hash.as_bytes()], token_row)?.pop())
}

/// A limit as SQLite takes it.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit.min(PAGE_ROWS)).unwrap_or(0)
}

/// A place as SQLite takes it; none is beyond.
fn clamped(seq: u64) -> i64 {
    integer(seq).unwrap_or(i64::MAX)
}

pub(crate) fn list<T>(
    from: &Connection,
    sql: &str,
    values: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = from.prepare_cached(sql)?;
    let mut found = statement.query(values)?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

fn place(row: &Row<'_>, table: &'static str) -> Result<u64, StoreError> {
    let seq: i64 = row.get(0)?;
    u64::try_from(seq).map_err(|_| StoreError::damaged(table, seq))
}

pub(crate) fn utc(row: &Row<'_>, column: usize) -> Result<Utc, StoreError> {
    Ok(Utc::from_micros(row.get(column)?))
}

pub(crate) fn optional_utc(row: &Row<'_>, column: usize) -> Result<Option<Utc>, StoreError> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Utc::from_micros))
}

fn hash(row: &Row<'_>) -> Result<TokenHash, StoreError> {
    Ok(TokenHash::from_bytes(row.get(0)?))
}

fn event(row: &Row<'_>) -> Result<EventRecord, StoreError> {
    let seq = place(row, "events")?;
    let event = NewEvent {
        seq: Some(seq),
        time: utc(row, 1)?,
        kind: row.get(2)?,
        severity: row.get(3)?,
        point: row.get(4)?,
        source: row.get(5)?,
        text: row.get(6)?,
        actor: row.get(7)?,
        data: row.get(8)?,
    };
    let sum: Vec<u8> = row.get(9)?;
    if sum != event.sum(seq) {
        return Err(StoreError::damaged("events", seq));
    }
    Ok(EventRecord { seq, event })
}

fn check_continuous(events: Vec<EventRecord>) -> Result<Vec<EventRecord>, StoreError> {
    match events.windows(2).find(|pair| pair[1].seq != pair[0].seq + 1) {
        Some(pair) => Err(StoreError::damaged("events", pair[0].seq + 1)),
        None => Ok(events),
    }
}

fn audit(row: &Row<'_>) -> Result<AuditRecord, StoreError> {
    let seq = place(row, "audit")?;
    let bytes: Vec<u8> = row.get(1)?;
    match AuditRecord::decode(&bytes) {
        Ok(record) if record.seq == seq => Ok(record),
        Ok(_) | Err(_) => Err(StoreError::damaged("audit", seq)),
    }
}

fn tag(row: &Row<'_>) -> Result<TagRecord, StoreError> {
    let id = place(row, "tags")?;
    let kind: String = row.get(2)?;
    let kind = TagKind::named(&kind).ok_or_else(|| StoreError::damaged("tags", id))?;
    Ok(TagRecord { id, point: row.get(1)?, kind, text: row.get(3)?, by: row.get(4)?, at: utc(row, 5)? })
}

fn command(row: &Row<'_>) -> Result<CommandRecord, StoreError> {
    let id = place(row, "commands")?;
    Ok(CommandRecord { id, point: row.get(1)?, state: row.get(2)?, at: utc(row, 3)?, data: row.get(4)? })
}

fn optional_names(row: &Row<'_>, column: usize) -> Result<Option<Vec<String>>, StoreError> {
    let Some(text) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|_| StoreError::damaged("tokens", text))
}

fn token_row(row: &Row<'_>) -> Result<TokenRecord, StoreError> {
    Ok(TokenRecord {
        hash: hash(row)?,
        user: row.get(1)?,
        one_time: row.get(2)?,
        created: utc(row, 3)?,
        expires: optional_utc(row, 4)?,
        used: optional_utc(row, 5)?,
        last_used: optional_utc(row, 6)?,
        label: row.get(7)?,
        rights: optional_names(row, 8)?,
        areas: optional_names(row, 9)?,
    })
}

fn session(row: &Row<'_>) -> Result<SessionRecord, StoreError> {
    Ok(SessionRecord {
        hash: hash(row)?,
        user: row.get(1)?,
        created: utc(row, 2)?,
        expires: utc(row, 3)?,
        idle_s: row.get(4)?,
        last_used: utc(row, 5)?,
        source: row.get(6)?,
        began: row.get(7)?,
        frozen: row.get(8)?,
    })
}
