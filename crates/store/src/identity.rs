//! Who may sign in and with what: tables of version 3, their records, and how those are written and read.
//!
//! Nothing in these tables is a secret in the clear: passwords are Argon2id hashes, recovery codes and tokens SHA-256 of
//! random bits, secrets of authenticators are sealed by whoever calls.

use crate::read::{list, optional_utc, utc};
use crate::{Store, StoreError, sums};
use rusqlite::{Connection, Row, ToSql, params};
use security::{Areas, Catalogue, Principal, PrincipalKind, Right, Role, TokenHash};
use std::collections::BTreeSet;
use timebase::Utc;

/// Columns that version 3 adds to tables of version 1, and what their sums cover then.
const WIDENED: [(&str, &str, &[&str]); 3] = [
    (
        "users",
        "name, roles, areas, kind, disabled, created, valid_from, valid_until, sealed",
        &["valid_from INTEGER", "valid_until INTEGER", "sealed INTEGER NOT NULL DEFAULT 0"],
    ),
    (
        "tokens",
        "hash, user, one_time, created, expires, used, last_used, label, rights, areas",
        &["label TEXT NOT NULL DEFAULT ''", "rights TEXT", "areas TEXT"],
    ),
    (
        "sessions",
        "hash, user, created, expires, idle_s, last_used, source, began, frozen",
        &["source TEXT NOT NULL DEFAULT ''", "began TEXT NOT NULL DEFAULT 'token'", "frozen TEXT"],
    ),
];

/// Tables of version 3 with the columns that their sums cover.
const ADDED: [(&str, &str); 4] = [
    ("credentials", "user, password, changed, totp, totp_step, recovery"),
    ("passkeys", "id, user, name, created, last_used, data"),
    ("roles", "name, rights, by, changed"),
    ("areas", "name, substations, by, changed"),
];

const TABLES: &str = "
CREATE TABLE credentials (
    user TEXT PRIMARY KEY REFERENCES users (name) ON DELETE CASCADE, password TEXT, changed INTEGER NOT NULL,
    totp BLOB, totp_step INTEGER NOT NULL, recovery TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE passkeys (
    id BLOB PRIMARY KEY, user TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE, name TEXT NOT NULL,
    created INTEGER NOT NULL, last_used INTEGER, data TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE roles (
    name TEXT PRIMARY KEY, rights TEXT NOT NULL, by TEXT NOT NULL, changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE areas (
    name TEXT PRIMARY KEY, substations TEXT NOT NULL, by TEXT NOT NULL, changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// The step from version 2 of the tables to version 3.
pub(crate) fn migration() -> String {
    let widened = WIDENED.iter().map(|(table, columns, added)| {
        let add = added.iter().map(|column| format!("ALTER TABLE {table} ADD COLUMN {column};\n"));
        format!("{}{}", add.collect::<String>(), sums::renew(table, columns))
    });
    let added = ADDED.iter().map(|(table, columns)| sums::begin(table, columns));
    widened.chain(std::iter::once(TABLES.to_owned())).chain(added).collect()
}

/// What the sums of version 3 cover, where that differs from version 2.
pub(crate) fn summed() -> impl Iterator<Item = (&'static str, &'static str)> {
    WIDENED.iter().map(|(table, columns, _)| (*table, *columns)).chain(ADDED)
}

/// One thing to be written about who may sign in.
#[derive(Clone, PartialEq, Debug)]
pub enum IdentityRecord {
    /// Creates or replaces a user.
    PutUser(UserRecord),
    /// Creates or replaces what a user signs in with.
    PutCredential(CredentialRecord),
    /// Creates or replaces a passkey.
    PutPasskey(PasskeyRecord),
    /// Removes a passkey.
    DropPasskey(Vec<u8>),
    /// Creates or replaces a custom role.
    PutRole(NamedSet),
    /// Removes a custom role.
    DropRole(String),
    /// Creates or replaces a named area.
    PutArea(NamedSet),
    /// Removes a named area.
    DropArea(String),
    /// Freezes a session, for that reason, or lets it go on.
    FreezeSession(TokenHash, Option<String>),
    /// Says that a token was used.
    TouchToken(TokenHash, Utc),
    /// Ends all sessions of a user.
    DropSessionsOf(String),
    /// Removes all tokens of a user.
    DropTokensOf(String),
}

/// A user, service or application that may log in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserRecord {
    /// Name, roles, areas, kind, as they were given: names of areas are not expanded.
    pub principal: Principal,
    /// May not log in any more; kept because the audit names it.
    pub disabled: bool,
    /// When the user was created.
    pub created: Utc,
    /// Not before.
    pub valid_from: Option<Utc>,
    /// Not from then on.
    pub valid_until: Option<Utc>,
    /// Opened by two custodians only (break-glass).
    pub sealed: bool,
}

impl UserRecord {
    /// A user without limits in time.
    pub const fn new(principal: Principal, created: Utc) -> Self {
        Self { principal, disabled: false, created, valid_from: None, valid_until: None, sealed: false }
    }

    /// Whether the user may act at `now`.
    pub fn is_active(&self, now: Utc) -> bool {
        !self.disabled
            && self.valid_from.is_none_or(|from| from <= now)
            && self.valid_until.is_none_or(|until| now < until)
    }
}

/// What a user signs in with.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialRecord {
    /// Whose.
    pub user: String,
    /// Argon2id hash as a PHC string.
    pub password: Option<String>,
    /// When the password was set or taken away.
    pub changed: Utc,
    /// The secret of the authenticator, sealed.
    pub totp: Option<Vec<u8>>,
    /// The last step that was used; older ones are refused.
    pub totp_step: i64,
    /// SHA-256 of the recovery codes that are left, hexadecimal.
    pub recovery: Vec<String>,
}

impl CredentialRecord {
    /// Nothing yet.
    pub const fn none(user: String, changed: Utc) -> Self {
        Self { user, password: None, changed, totp: None, totp_step: -1, recovery: Vec::new() }
    }
}

impl std::fmt::Debug for CredentialRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialRecord").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A passkey.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PasskeyRecord {
    /// Identity that the device chose.
    pub id: Vec<u8>,
    /// Whose.
    pub user: String,
    /// What the user calls it.
    pub name: String,
    /// When it was registered.
    pub created: Utc,
    /// Last use.
    pub last_used: Option<Utc>,
    /// Public key and counter, as JSON text.
    pub data: String,
}

/// A custom role or a named area: a name with what it stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedSet {
    /// The name.
    pub name: String,
    /// Rights of a role, substations of an area.
    pub members: Vec<String>,
    /// Who said so.
    pub by: String,
    /// When.
    pub changed: Utc,
}

fn json(names: &[String]) -> String {
    serde_json::Value::from(names.to_vec()).to_string()
}

fn names(row: &Row<'_>, column: usize, table: &'static str) -> Result<Vec<String>, StoreError> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|_| StoreError::damaged(table, text))
}

fn micros(time: Option<Utc>) -> Option<i64> {
    time.map(Utc::as_micros)
}

fn execute(to: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<(), StoreError> {
    to.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Writes a record of these tables.
pub(crate) fn write(to: &Connection, record: IdentityRecord) -> Result<(), StoreError> {
    match record {
        IdentityRecord::PutUser(user) => put_user(to, &user),
        IdentityRecord::PutCredential(credential) => put_credential(to, &credential),
        IdentityRecord::PutPasskey(key) => put_passkey(to, &key),
        IdentityRecord::DropPasskey(id) => execute(to, "DELETE FROM passkeys WHERE id = ?1", params![id]),
        IdentityRecord::PutRole(role) => put_set(to, "roles", "rights", &role),
        IdentityRecord::DropRole(name) => execute(to, "DELETE FROM roles WHERE name = ?1", params![name]),
        IdentityRecord::PutArea(area) => put_set(to, "areas", "substations", &area),
        IdentityRecord::DropArea(name) => execute(to, "DELETE FROM areas WHERE name = ?1", params![name]),
        IdentityRecord::FreezeSession(hash, why) => {
            execute(to, "UPDATE sessions SET frozen = ?2 WHERE hash = ?1", params![hash.as_bytes(), why])
        }
        IdentityRecord::TouchToken(hash, at) => {
            let sql = "UPDATE tokens SET last_used = ?2, used = coalesce(used, ?2) WHERE hash = ?1";
            execute(to, sql, params![hash.as_bytes(), at.as_micros()])
        }
        IdentityRecord::DropSessionsOf(user) => {
            execute(to, "DELETE FROM sessions WHERE user = ?1", params![user])
        }
        IdentityRecord::DropTokensOf(user) => {
            execute(to, "DELETE FROM tokens WHERE user = ?1", params![user])
        }
    }
}

fn put_user(to: &Connection, user: &UserRecord) -> Result<(), StoreError> {
    // No INSERT OR REPLACE: that would delete the row first, and with it the user's tokens and sessions.
    let sql = "INSERT INTO users (name, roles, areas, kind, disabled, created, valid_from, valid_until, sealed) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
               ON CONFLICT (name) DO UPDATE SET roles = excluded.roles, areas = excluded.areas, \
               kind = excluded.kind, disabled = excluded.disabled, valid_from = excluded.valid_from, \
               valid_until = excluded.valid_until, sealed = excluded.sealed";
    let principal = &user.principal;
    let values = params![
        principal.name,
        json(&principal.role_names()),
        json(&principal.areas.to_names()),
        principal.kind.name(),
        user.disabled,
        user.created.as_micros(),
        micros(user.valid_from),
        micros(user.valid_until),
        user.sealed,
    ];
    execute(to, sql, values)
}

fn put_credential(to: &Connection, credential: &CredentialRecord) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO credentials (user, password, changed, totp, totp_step, recovery) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = params![
        credential.user,
        credential.password,
        credential.changed.as_micros(),
        credential.totp,
        credential.totp_step,
        json(&credential.recovery),
    ];
    execute(to, sql, values)
}

fn put_passkey(to: &Connection, key: &PasskeyRecord) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO passkeys (id, user, name, created, last_used, data) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values =
        params![key.id, key.user, key.name, key.created.as_micros(), micros(key.last_used), key.data];
    execute(to, sql, values)
}

fn put_set(to: &Connection, table: &str, column: &str, set: &NamedSet) -> Result<(), StoreError> {
    let sql = format!("INSERT OR REPLACE INTO {table} (name, {column}, by, changed) VALUES (?1, ?2, ?3, ?4)");
    execute(to, &sql, params![set.name, json(&set.members), set.by, set.changed.as_micros()])
}

const USERS: &str =
    "SELECT name, roles, areas, kind, disabled, created, valid_from, valid_until, sealed FROM users";
const CREDENTIALS: &str = "SELECT user, password, changed, totp, totp_step, recovery FROM credentials";
const PASSKEYS: &str = "SELECT id, user, name, created, last_used, data FROM passkeys";

impl Store {
    /// All users.
    pub fn users(&self) -> Result<Vec<UserRecord>, StoreError> {
        list(&self.reader(), &format!("{USERS} ORDER BY name"), [], user)
    }

    /// One user.
    pub fn user(&self, name: &str) -> Result<Option<UserRecord>, StoreError> {
        Ok(list(&self.reader(), &format!("{USERS} WHERE name = ?1"), [name], user)?.pop())
    }

    /// What every user signs in with.
    pub fn credentials(&self) -> Result<Vec<CredentialRecord>, StoreError> {
        list(&self.reader(), &format!("{CREDENTIALS} ORDER BY user"), [], credential)
    }

    /// What one user signs in with.
    pub fn credential(&self, user: &str) -> Result<Option<CredentialRecord>, StoreError> {
        Ok(list(&self.reader(), &format!("{CREDENTIALS} WHERE user = ?1"), [user], credential)?.pop())
    }

    /// All passkeys.
    pub fn passkeys(&self) -> Result<Vec<PasskeyRecord>, StoreError> {
        list(&self.reader(), &format!("{PASSKEYS} ORDER BY user, created"), [], passkey)
    }

    /// Custom roles: names with rights.
    pub fn roles(&self) -> Result<Vec<NamedSet>, StoreError> {
        let sql = "SELECT name, rights, by, changed FROM roles ORDER BY name";
        list(&self.reader(), sql, [], |row| named_set(row, "roles"))
    }

    /// Named areas: names with substations.
    pub fn areas(&self) -> Result<Vec<NamedSet>, StoreError> {
        let sql = "SELECT name, substations, by, changed FROM areas ORDER BY name";
        list(&self.reader(), sql, [], |row| named_set(row, "areas"))
    }

    /// What names of roles and areas mean. Rights that this program does not know are left out.
    pub fn catalogue(&self) -> Result<Catalogue, StoreError> {
        let rights = |set: &NamedSet| set.members.iter().filter_map(|name| Right::named(name)).collect();
        let roles = self.roles()?.iter().map(|set| (set.name.clone(), rights(set))).collect();
        let areas = self.areas()?.into_iter().map(|set| (set.name, set.members.into_iter().collect()));
        Ok(Catalogue { roles, areas: areas.collect() })
    }
}

fn user(row: &Row<'_>) -> Result<UserRecord, StoreError> {
    let name: String = row.get(0)?;
    let kind: String = row.get(3)?;
    let kind = PrincipalKind::named(&kind).ok_or_else(|| StoreError::damaged("users", &name))?;
    let (mut roles, mut custom) = (BTreeSet::new(), BTreeSet::new());
    for role in names(row, 1, "users")? {
        match Role::named(&role) {
            Some(role) => drop(roles.insert(role)),
            None => drop(custom.insert(role)),
        }
    }
    let areas = Areas::from_names(&names(row, 2, "users")?);
    let mut principal = Principal::new(name, kind, roles, areas);
    principal.custom_roles = custom;
    Ok(UserRecord {
        principal,
        disabled: row.get(4)?,
        created: utc(row, 5)?,
        valid_from: optional_utc(row, 6)?,
        valid_until: optional_utc(row, 7)?,
        sealed: row.get(8)?,
    })
}

fn credential(row: &Row<'_>) -> Result<CredentialRecord, StoreError> {
    Ok(CredentialRecord {
        user: row.get(0)?,
        password: row.get(1)?,
        changed: utc(row, 2)?,
        totp: row.get(3)?,
        totp_step: row.get(4)?,
        recovery: names(row, 5, "credentials")?,
    })
}

fn passkey(row: &Row<'_>) -> Result<PasskeyRecord, StoreError> {
    Ok(PasskeyRecord {
        id: row.get(0)?,
        user: row.get(1)?,
        name: row.get(2)?,
        created: utc(row, 3)?,
        last_used: optional_utc(row, 4)?,
        data: row.get(5)?,
    })
}

fn named_set(row: &Row<'_>, table: &'static str) -> Result<NamedSet, StoreError> {
    Ok(NamedSet { name: row.get(0)?, members: names(row, 1, table)?, by: row.get(2)?, changed: utc(row, 3)? })
}
