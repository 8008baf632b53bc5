//! Accounts, roles and areas, as administrators change them; with the rule of two persons (`security::steward`).

use super::console::{self, NewToken};
use super::{Caller, Identity, entry, locked, public_id};
use scada::approval::{ApprovalRefusal, Request};
use security::catalogue::{MAX_AREAS, MAX_ROLES, UnfitName, check_name, check_role};
use security::steward::{Deed, Others, Ruling, Standing, judge};
use security::{Areas, Outcome, Principal, PrincipalKind, Right, Role, Token};
use std::collections::BTreeSet;
use std::time::Duration;
use store::{CredentialRecord, IdentityRecord, NamedSet, Record, Store, StoreError, UserRecord};
use timebase::{Now, Utc};

/// How long the one-time secret of a new or reset account is good.
const SECRET_LIFE: Duration = Duration::from_secs(24 * 3_600);
/// Accounts at most.
const MAX_USERS: usize = 10_000;

/// What an account is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) kind: PrincipalKind,
    pub(crate) roles: Vec<String>,
    pub(crate) areas: Vec<String>,
    pub(crate) disabled: bool,
    pub(crate) valid_from: Option<Utc>,
    pub(crate) valid_until: Option<Utc>,
}

/// A deed that an administrator wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    /// Make or change an account.
    Put(Account),
    /// Replace password and factors of an account by a one-time secret.
    Reset(String),
    /// End the sessions with this public name.
    Close { user: String, session: String },
}

impl Act {
    /// The account concerned.
    pub(crate) fn target(&self) -> &str {
        match self {
            Self::Put(account) => &account.name,
            Self::Reset(name) | Self::Close { user: name, .. } => name,
        }
    }

    /// What it is called in audit and API.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Put(_) => "put user",
            Self::Reset(_) => "reset user",
            Self::Close { .. } => "end session",
        }
    }
}

/// A deed with who wants it and why.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) act: Act,
    pub(crate) reason: String,
    pub(crate) session: String,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Became {
    /// It is done; a new or reset account has a one-time secret.
    Done(Option<String>),
    /// It waits for a second administrator.
    Waits(Request<Wanted>),
}

/// Why it was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum AccountRefusal {
    #[error("there is no such {0}")]
    Unknown(&'static str),
    #[error("{0}")]
    Unfit(String),
    #[error("nobody would be left who may manage users")]
    LastAdministrator,
    #[error("this is the last operator on shift, and there is no second administrator")]
    LastOnShift,
    #[error(transparent)]
    Approval(#[from] ApprovalRefusal),
    #[error("it is in use: {0}")]
    InUse(String),
    #[error("the audit cannot be written")]
    Audit,
    #[error("{0}")]
    Store(String),
}

impl From<StoreError> for AccountRefusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::AuditBroken => Self::Audit,
            error => Self::Store(error.to_string()),
        }
    }
}

impl From<UnfitName> for AccountRefusal {
    fn from(error: UnfitName) -> Self {
        Self::Unfit(error.to_string())
    }
}

impl Identity {
    /// Does what an administrator wants, or lets it wait for a second one. Blocks on the store.
    pub(crate) fn administer(&self, wanted: Wanted, by: &Caller, now: Now) -> Result<Became, AccountRefusal> {
        let _one = self.deeds();
        let ruling = self.rule(&wanted.act, &by.principal.name, now.utc)?;
        let actor = &by.principal.name;
        match ruling {
            Ruling::Alone => self.carry_out(&wanted, actor, now).map(Became::Done),
            Ruling::SecondPerson => {
                let mut requests = locked(&self.requests);
                drop(requests.expire(now));
                let id = requests.ask(actor, wanted.clone(), now)?;
                let request = requests.get(id, now).cloned().ok_or(ApprovalRefusal::Unknown)?;
                self.note(&wanted, actor, ("ask to", Outcome::Allowed), now.utc)?;
                Ok(Became::Waits(request))
            }
            Ruling::LastAdministrator | Ruling::LastOnShift => {
                self.note(&wanted, actor, ("try to", Outcome::Refused), now.utc)?;
                let last = ruling == Ruling::LastAdministrator;
                Err(if last { AccountRefusal::LastAdministrator } else { AccountRefusal::LastOnShift })
            }
        }
    }

    /// The deeds that wait.
    pub(crate) fn requests(&self, now: Now) -> Vec<Request<Wanted>> {
        let mut requests = locked(&self.requests);
        drop(requests.expire(now));
        requests.iter().cloned().collect()
    }

    /// Does what waits, in the name of a second administrator. What became impossible meanwhile is refused.
    pub(crate) fn approve(&self, id: u64, by: &Caller, now: Now) -> Result<Option<String>, AccountRefusal> {
        let _one = self.deeds();
        let actor = &by.principal.name;
        let mut request = locked(&self.requests).approve(id, actor, now)?;
        if self.rule(&request.what.act, &request.by, now.utc)? == Ruling::LastAdministrator {
            return Err(AccountRefusal::LastAdministrator);
        }
        request.what.reason = format!("{} (asked by {})", request.what.reason, request.by);
        self.note(&request.what, actor, ("approve to", Outcome::Allowed), now.utc)?;
        self.carry_out(&request.what, actor, now)
    }

    /// Lets a deed go that waits.
    pub(crate) fn refuse(&self, id: u64, by: &Caller, now: Now) -> Result<(), AccountRefusal> {
        let request = locked(&self.requests).refuse(id, now)?;
        self.note(&request.what, &by.principal.name, ("refuse to", Outcome::Refused), now.utc)
    }

    fn note(
        &self,
        wanted: &Wanted,
        actor: &str,
        (verb, outcome): (&str, Outcome),
        now: Utc,
    ) -> Result<(), AccountRefusal> {
        let action = format!("{verb} {}", wanted.act.name());
        let mut entry = entry(now, actor, [&action, wanted.act.target(), &wanted.reason], outcome);
        entry.source.clone_from(&wanted.session);
        Ok(self.store.append(vec![Record::Audit(entry)]).map(drop)?)
    }

    /// What one administrator may do alone.
    fn rule(&self, act: &Act, actor: &str, now: Utc) -> Result<Ruling, AccountRefusal> {
        let catalogue = self.catalogue()?;
        let users = self.store.users()?;
        let resolved = |user: &UserRecord| (catalogue.resolve(user.principal.clone()), user.is_active(now));
        let administers = |user: &&UserRecord| {
            let (who, active) = resolved(user);
            active && !user.sealed && who.has(Right::ManageUsers)
        };
        let administrators: Vec<&str> =
            users.iter().filter(administers).map(|user| user.principal.name.as_str()).collect();
        let target = act.target();
        let beside = |name: &str| administrators.iter().filter(|other| **other != name).count();
        let on_shift = self.on_shift(&users, now)?;
        let others = Others {
            administrators_beside_actor: beside(actor),
            administrators_beside_target: beside(target),
            operators_on_shift_beside_target: on_shift.iter().filter(|name| **name != target).count(),
            target_on_shift: on_shift.contains(target),
            own: actor == target,
        };
        let from = users.iter().find(|user| user.principal.name == target).map(resolved);
        let standing = from.as_ref().map(|(who, active)| Standing { who, active: *active });
        Ok(match act {
            Act::Put(account) => {
                let user = self.record(account, now)?;
                let (who, active) = resolved(&user);
                judge(Deed::Change { from: standing, to: Standing { who: &who, active } }, others)
            }
            Act::Reset(_) => judge(Deed::Reset(standing.ok_or(AccountRefusal::Unknown("user"))?), others),
            Act::Close { .. } => {
                judge(Deed::Close(standing.ok_or(AccountRefusal::Unknown("session"))?), others)
            }
        })
    }

    /// Names of people with a living session who may operate.
    fn on_shift(&self, users: &[UserRecord], now: Utc) -> Result<BTreeSet<String>, AccountRefusal> {
        let catalogue = self.catalogue()?;
        let sessions = self.store.sessions()?;
        let operates = |user: &&UserRecord| {
            user.is_active(now) && catalogue.resolve(user.principal.clone()).has(Right::Command)
        };
        let names = users.iter().filter(operates).map(|user| user.principal.name.clone());
        let lives =
            |name: &String| sessions.iter().any(|session| session.user == *name && session.is_alive(now));
        Ok(names.filter(lives).collect())
    }

    fn carry_out(&self, wanted: &Wanted, actor: &str, now: Now) -> Result<Option<String>, AccountRefusal> {
        let target = wanted.act.target().to_owned();
        let token = console::fresh_token().map_err(|error| AccountRefusal::Store(error.to_string()))?;
        let mut entry = entry(now.utc, actor, [wanted.act.name(), &target, &wanted.reason], Outcome::Done);
        entry.source.clone_from(&wanted.session);
        let before = self.store.user(&target)?;
        let mut secret = None;
        let mut ended = Vec::new();
        let mut records = match &wanted.act {
            Act::Put(account) => {
                let user = self.record(account, now.utc)?;
                entry.old = before.as_ref().map(wording);
                entry.new = Some(wording(&user));
                let mut records = vec![Record::Identity(IdentityRecord::PutUser(user))];
                if before.is_none() && account.kind == PrincipalKind::Human {
                    secret = Some(token.reveal());
                    let once = NewToken::once("first sign-in", SECRET_LIFE);
                    records.push(Record::PutToken(once.record(&target, token.hash(), now.utc)));
                }
                if account.disabled {
                    records.push(Record::Identity(IdentityRecord::DropSessionsOf(target.clone())));
                }
                records
            }
            Act::Reset(_) => {
                secret = Some(token.reveal());
                reset_records(&self.store, &target, &token, SECRET_LIFE, now.utc)?
            }
            Act::Close { session, .. } => {
                let alive = self.sessions_of(&target, now.utc)?.into_iter();
                ended.extend(alive.map(|found| found.hash).filter(|hash| public_id(hash) == *session));
                entry.new = Some(session.clone());
                ended.iter().map(|hash| Record::DropSession(*hash)).collect()
            }
        };
        records.push(Record::Audit(entry));
        self.store.append(records)?;
        match &wanted.act {
            // Whoever may come back does so at once, with what he may now.
            Act::Put(_) | Act::Reset(_) => self.cut_all(Some(&target)),
            Act::Close { .. } => ended.iter().for_each(|hash| self.cut(hash)),
        }
        Ok(secret)
    }

    /// The record of an account as it is to be.
    fn record(&self, account: &Account, now: Utc) -> Result<UserRecord, AccountRefusal> {
        let before = self.store.user(&account.name)?;
        if before.is_none() {
            check_name(&account.name)?;
            if self.store.users()?.len() >= MAX_USERS {
                return Err(UnfitName::Full.into());
            }
        }
        let catalogue = self.catalogue()?;
        let (mut roles, mut custom) = (BTreeSet::new(), BTreeSet::new());
        for name in &account.roles {
            match Role::named(name) {
                Some(role) => drop(roles.insert(role)),
                None if catalogue.roles.contains_key(name) => drop(custom.insert(name.clone())),
                None => return Err(AccountRefusal::Unfit(format!("no role {name:?}"))),
            }
        }
        if account.valid_from.zip(account.valid_until).is_some_and(|(from, until)| from >= until) {
            return Err(AccountRefusal::Unfit("valid_from is not before valid_until".to_owned()));
        }
        let areas = Areas::from_names(&account.areas);
        let mut principal = Principal::new(account.name.clone(), account.kind, roles, areas);
        principal.custom_roles = custom;
        Ok(UserRecord {
            principal,
            disabled: account.disabled,
            created: before.as_ref().map_or(now, |before| before.created),
            valid_from: account.valid_from,
            valid_until: account.valid_until,
            sealed: before.is_some_and(|before| before.sealed),
        })
    }

    /// Makes or changes a custom role. Everybody's live connections begin anew.
    pub(crate) fn put_role(
        &self,
        name: &str,
        rights: &[String],
        by: &Caller,
        now: Now,
    ) -> Result<(), AccountRefusal> {
        let named: Option<BTreeSet<Right>> = rights.iter().map(|name| Right::named(name)).collect();
        let named = named.ok_or_else(|| {
            let known = Right::ALL.map(|(_, name)| name).join(" ");
            AccountRefusal::Unfit(format!("not one of the rights {known}"))
        })?;
        check_role(name, &named)?;
        let known = self.store.roles()?;
        if known.len() >= MAX_ROLES && known.iter().all(|role| role.name != name) {
            return Err(UnfitName::Full.into());
        }
        let members = named.iter().map(|right| right.name().to_owned()).collect();
        let old = known.into_iter().find(|role| role.name == name);
        let set =
            NamedSet { name: name.to_owned(), members, by: by.principal.name.clone(), changed: now.utc };
        self.change_catalogue(("put role", set, old), IdentityRecord::PutRole, by)
    }

    /// Makes or changes a named area.
    pub(crate) fn put_area(
        &self,
        name: &str,
        substations: &[String],
        by: &Caller,
        now: Now,
    ) -> Result<(), AccountRefusal> {
        check_name(name)?;
        let members: BTreeSet<String> = substations.iter().filter(|name| !name.is_empty()).cloned().collect();
        if members.is_empty() {
            return Err(UnfitName::Empty.into());
        }
        let known = self.store.areas()?;
        if known.len() >= MAX_AREAS && known.iter().all(|area| area.name != name) {
            return Err(UnfitName::Full.into());
        }
        let old = known.into_iter().find(|area| area.name == name);
        let (members, by_name) = (members.into_iter().collect(), by.principal.name.clone());
        let set = NamedSet { name: name.to_owned(), members, by: by_name, changed: now.utc };
        self.change_catalogue(("put area", set, old), IdentityRecord::PutArea, by)
    }

    fn change_catalogue(
        &self,
        (action, set, old): (&str, NamedSet, Option<NamedSet>),
        make: impl FnOnce(NamedSet) -> IdentityRecord,
        by: &Caller,
    ) -> Result<(), AccountRefusal> {
        let _one = self.deeds();
        let mut entry = entry(set.changed, &set.by, [action, &set.name, ""], Outcome::Done);
        entry.source.clone_from(&by.session);
        entry.old = old.map(|old| old.members.join(" "));
        entry.new = Some(set.members.join(" "));
        self.store.append(vec![Record::Identity(make(set)), Record::Audit(entry)])?;
        *locked(&self.catalogue) = None;
        self.cut_all(None);
        Ok(())
    }

    /// Removes a custom role that nobody has any more.
    pub(crate) fn drop_role(&self, name: &str, by: &Caller, now: Now) -> Result<(), AccountRefusal> {
        let exists = self.store.roles()?.iter().any(|role| role.name == name);
        let uses = |user: &UserRecord| user.principal.custom_roles.contains(name);
        self.drop_named(("drop role", name, exists), uses, IdentityRecord::DropRole, (by, now))
    }

    /// Removes a named area that nobody has any more.
    pub(crate) fn drop_area(&self, name: &str, by: &Caller, now: Now) -> Result<(), AccountRefusal> {
        let exists = self.store.areas()?.iter().any(|area| area.name == name);
        let uses = |user: &UserRecord| user.principal.areas.to_names().iter().any(|area| area == name);
        self.drop_named(("drop area", name, exists), uses, IdentityRecord::DropArea, (by, now))
    }

    fn drop_named(
        &self,
        (action, name, exists): (&str, &str, bool),
        uses: impl Fn(&UserRecord) -> bool,
        make: impl FnOnce(String) -> IdentityRecord,
        (by, now): (&Caller, Now),
    ) -> Result<(), AccountRefusal> {
        let _one = self.deeds();
        if !exists {
            return Err(AccountRefusal::Unknown("name"));
        }
        let users: Vec<String> = self
            .store
            .users()?
            .into_iter()
            .filter(|user| uses(user))
            .map(|user| user.principal.name)
            .collect();
        if !users.is_empty() {
            return Err(AccountRefusal::InUse(users.join(", ")));
        }
        let mut entry = entry(now.utc, &by.principal.name, [action, name, ""], Outcome::Done);
        entry.source.clone_from(&by.session);
        self.store.append(vec![Record::Identity(make(name.to_owned())), Record::Audit(entry)])?;
        *locked(&self.catalogue) = None;
        Ok(())
    }
}

/// What replaces password and factors of a user by a one-time secret, and ends the sessions.
pub(super) fn reset_records(
    store: &Store,
    name: &str,
    token: &Token,
    life: Duration,
    now: Utc,
) -> Result<Vec<Record>, StoreError> {
    let keys = store.passkeys()?.into_iter().filter(|key| key.user == name);
    let mut records: Vec<Record> =
        keys.map(|key| Record::Identity(IdentityRecord::DropPasskey(key.id))).collect();
    let none = CredentialRecord::none(name.to_owned(), now);
    records.push(Record::Identity(IdentityRecord::PutCredential(none)));
    records.push(Record::Identity(IdentityRecord::DropSessionsOf(name.to_owned())));
    records.push(Record::Identity(IdentityRecord::DropTokensOf(name.to_owned())));
    let once = NewToken::once("reset", life);
    records.push(Record::PutToken(once.record(name, token.hash(), now)));
    Ok(records)
}

/// An account in the audit.
fn wording(user: &UserRecord) -> String {
    let principal = &user.principal;
    let until = user.valid_until.map_or(String::new(), |until| format!(" until {until}"));
    let from = user.valid_from.map_or(String::new(), |from| format!(" from {from}"));
    let state = if user.disabled { "disabled" } else { "enabled" };
    format!(
        "{state}{from}{until}, roles {}, areas {}",
        principal.role_names().join(" "),
        principal.areas.to_names().join(" ")
    )
}
