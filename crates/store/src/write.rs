//! How each record is written. Runs inside a savepoint of the writer.

use crate::anchor::Anchor;
use crate::writer::{Receipt, Work};
use crate::{
    CommandRecord, NewEvent, Record, SessionRecord, StoreError, TagRecord, TokenRecord, TokenRefusal,
};
use rusqlite::{Connection, ToSql, params};
use security::{AuditEntry, ChainHead, Checkpoint, SigningKey, TokenHash};
use timebase::Utc;

/// Counters as they are after everything applied so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Applied {
    pub(crate) last_event: u64,
    pub(crate) audit: ChainHead,
    /// Number of the last checkpoint.
    pub(crate) checkpoints: u64,
    pub(crate) audit_broken: bool,
}

/// A place or identity as SQLite holds it.
pub(crate) fn integer(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Range(value))
}

fn execute(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

impl Applied {
    pub(crate) fn anchor(&self) -> Anchor {
        Anchor { chain: self.audit, checkpoints: self.checkpoints }
    }

    pub(crate) fn apply(&mut self, connection: &Connection, work: Work) -> Result<Receipt, StoreError> {
        let mut receipt = Receipt::default();
        match work {
            Work::Batch(records) => {
                for record in records {
                    self.write(connection, record, &mut receipt)?;
                }
            }
            Work::Redeem { hash, now } => receipt.redeemed = Some(redeem(connection, hash, now)?),
            Work::Checkpoint { key, now } => {
                receipt.checkpoint = Some(self.checkpoint(connection, &key, now)?)
            }
        }
        Ok(receipt)
    }

    fn write(&mut self, to: &Connection, record: Record, receipt: &mut Receipt) -> Result<(), StoreError> {
        match record {
            Record::Event(event) => {
                let seq = self.write_event(to, &event)?;
                receipt.events = Some((receipt.events.map_or(seq, |(first, _)| first), seq));
                Ok(())
            }
            Record::Audit(entry) => {
                receipt.audit = Some(self.write_audit(to, entry)?);
                Ok(())
            }
            Record::PruneEvents(before) => {
                // The last event stays, so that the count goes on after a restart.
                let before = integer(before.min(self.last_event))?;
                execute(to, "DELETE FROM events WHERE seq < ?1", params![before])
            }
            Record::PutAlarm(alarm) => {
                let sql = "INSERT OR REPLACE INTO alarms (key, state, data) VALUES (?1, ?2, ?3)";
                execute(to, sql, params![alarm.key, alarm.state, alarm.data])
            }
            Record::DropAlarm(key) => execute(to, "DELETE FROM alarms WHERE key = ?1", params![key]),
            Record::PutTag(tag) => put_tag(to, &tag),
            Record::DropTag(id) => execute(to, "DELETE FROM tags WHERE id = ?1", params![integer(id)?]),
            Record::PutConfig(config) => {
                let sql = "INSERT OR REPLACE INTO config (key, json) VALUES (?1, ?2)";
                execute(to, sql, params![config.key, config.json])
            }
            Record::DropConfig(key) => execute(to, "DELETE FROM config WHERE key = ?1", params![key]),
            Record::PutCommand(command) => put_command(to, &command),
            Record::DropCommand(id) => {
                execute(to, "DELETE FROM commands WHERE id = ?1", params![integer(id)?])
            }
            Record::Identity(record) => crate::identity::write(to, record),
            Record::DropUser(_)
            | Record::PutToken(_)
            | Record::DropToken(_)
            | Record::PutSession(_)
            | Record::TouchSession(..)
            | Record::MoveSessions(_)
            | Record::DropSession(_) => write_identity(to, record),
        }
    }

    fn write_event(&mut self, to: &Connection, event: &NewEvent) -> Result<u64, StoreError> {
        let seq = self.last_event.saturating_add(1);
        if let Some(got) = event.seq
            && got != seq
        {
            return Err(StoreError::EventGap { last: self.last_event, got });
        }
        let sql = "INSERT INTO events (seq, time, kind, severity, point, source, text, actor, data, sum) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let values = params![
            integer(seq)?,
            event.time.as_micros(),
            event.kind,
            event.severity,
            event.point,
            event.source,
            event.text,
            event.actor,
            event.data,
            event.sum(seq),
        ];
        execute(to, sql, values)?;
        self.last_event = seq;
        Ok(seq)
    }

    fn checkpoint(&mut self, to: &Connection, key: &SigningKey, now: Utc) -> Result<Checkpoint, StoreError> {
        if self.audit_broken {
            return Err(StoreError::AuditBroken);
        }
        let checkpoint = Checkpoint::sign(key, self.checkpoints.saturating_add(1), self.audit, now);
        let sql = "INSERT INTO audit_checkpoints (number, checkpoint) VALUES (?1, ?2)";
        execute(to, sql, params![integer(checkpoint.number)?, checkpoint.encode()])?;
        self.checkpoints = checkpoint.number;
        Ok(checkpoint)
    }

    fn write_audit(&mut self, to: &Connection, entry: AuditEntry) -> Result<ChainHead, StoreError> {
        if self.audit_broken {
            return Err(StoreError::AuditBroken);
        }
        let record = self.audit.append(entry);
        let sql = "INSERT INTO audit (seq, record) VALUES (?1, ?2)";
        execute(to, sql, params![integer(record.seq)?, record.encode()])?;
        self.audit = record.head();
        Ok(self.audit)
    }
}

fn write_identity(to: &Connection, record: Record) -> Result<(), StoreError> {
    match record {
        Record::DropUser(name) => execute(to, "DELETE FROM users WHERE name = ?1", params![name]),
        Record::PutToken(token) => put_token(to, &token),
        Record::DropToken(hash) => {
            execute(to, "DELETE FROM tokens WHERE hash = ?1", params![hash.as_bytes()])
        }
        Record::PutSession(session) => put_session(to, &session),
        Record::TouchSession(hash, at) => {
            let sql = "UPDATE sessions SET last_used = max(last_used, ?2) WHERE hash = ?1";
            execute(to, sql, params![hash.as_bytes(), at.as_micros()])
        }
        Record::MoveSessions(micros) => {
            let sql = "UPDATE sessions SET created = created + ?1, expires = expires + ?1, last_used = last_used + ?1";
            execute(to, sql, params![micros])
        }
        Record::DropSession(hash) => {
            execute(to, "DELETE FROM sessions WHERE hash = ?1", params![hash.as_bytes()])
        }
        Record::Event(_)
        | Record::Audit(_)
        | Record::PutAlarm(_)
        | Record::DropAlarm(_)
        | Record::PutTag(_)
        | Record::DropTag(_)
        | Record::PutConfig(_)
        | Record::DropConfig(_)
        | Record::PutCommand(_)
        | Record::DropCommand(_)
        | Record::Identity(_)
        | Record::PruneEvents(_) => Ok(()),
    }
}

fn put_tag(to: &Connection, tag: &TagRecord) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO tags (id, point, kind, text, by, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let id = integer(tag.id)?;
    execute(to, sql, params![id, tag.point, tag.kind.name(), tag.text, tag.by, tag.at.as_micros()])
}

fn put_command(to: &Connection, command: &CommandRecord) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO commands (id, point, state, at, data) VALUES (?1, ?2, ?3, ?4, ?5)";
    let id = integer(command.id)?;
    execute(to, sql, params![id, command.point, command.state, command.at.as_micros(), command.data])
}

fn put_token(to: &Connection, token: &TokenRecord) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO tokens \
               (hash, user, one_time, created, expires, used, last_used, label, rights, areas) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let json =
        |names: &Option<Vec<String>>| names.clone().map(|names| serde_json::Value::from(names).to_string());
    let micros = |time: Option<Utc>| time.map(Utc::as_micros);
    let values = params![
        token.hash.as_bytes(),
        token.user,
        token.one_time,
        token.created.as_micros(),
        micros(token.expires),
        micros(token.used),
        micros(token.last_used),
        token.label,
        json(&token.rights),
        json(&token.areas),
    ];
    execute(to, sql, values)
}

fn put_session(to: &Connection, session: &SessionRecord) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO sessions \
               (hash, user, created, expires, idle_s, last_used, source, began, frozen) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let values = params![
        session.hash.as_bytes(),
        session.user,
        session.created.as_micros(),
        session.expires.as_micros(),
        session.idle_s,
        session.last_used.as_micros(),
        session.source,
        session.began,
        session.frozen,
    ];
    execute(to, sql, values)
}

fn redeem(to: &Connection, hash: TokenHash, now: Utc) -> Result<TokenRecord, StoreError> {
    let refuse = |refusal| Err(StoreError::Token(refusal));
    let Some(mut token) = crate::read::token(to, &hash)? else {
        return refuse(TokenRefusal::Unknown);
    };
    let sql = "SELECT count(*) FROM users WHERE name = ?1 AND disabled = 0 \
               AND coalesce(valid_from, ?2) <= ?2 AND coalesce(valid_until, ?2 + 1) > ?2";
    let active: i64 = to.query_row(sql, params![token.user, now.as_micros()], |row| row.get(0))?;
    if active != 1 {
        return refuse(TokenRefusal::UserDisabled);
    }
    // A token for scripts opens no session: it would be one without its scope.
    if !token.one_time {
        return refuse(TokenRefusal::ForScripts);
    }
    if token.used.is_some() {
        return refuse(TokenRefusal::Used);
    }
    if token.expires.is_some_and(|expires| now >= expires) {
        return refuse(TokenRefusal::Expired);
    }
    token.used = token.used.or(Some(now));
    token.last_used = Some(now);
    put_token(to, &token)?;
    Ok(token)
}
