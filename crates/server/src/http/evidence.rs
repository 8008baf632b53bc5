//! Evidence for a period: who may do what, who did, and what the centre is (S-40).
//!
//! One pass over the whole audit, page by page, which has no index by time; kinds of acts are bounded. O(records).

use super::extract::{Json, Query};
use super::points::parse_time;
use super::{ApiError, Shared};
use crate::views::stamp;
use api::{EvidenceActView, EvidenceBaselineView, EvidencePersonView, EvidenceView};
use axum::extract::State;
use security::AuditRecord;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Store, StoreError};
use timebase::Utc;
use utoipa::IntoParams;

/// Length of a period without `from`.
const DEFAULT_PERIOD: Duration = Duration::from_secs(30 * 86_400);
/// Kinds of acts listed at most.
const MAX_KINDS: usize = 2_000;
/// Records read at a time.
const PAGE: usize = 2_000;

/// Which period.
#[derive(Deserialize, IntoParams, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EvidenceQuery {
    /// From when on, ISO 8601; 30 days before `to` by default.
    from: Option<String>,
    /// Until before when, ISO 8601; now by default.
    to: Option<String>,
}

/// Who may do what, who did what how often in a period, and what the centre is.
#[utoipa::path(get, path = "/api/v1/evidence", tag = "audit", params(EvidenceQuery),
    responses((status = 200, body = EvidenceView)))]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Query(query): Query<EvidenceQuery>,
) -> Result<Json<EvidenceView>, ApiError> {
    let now = shared.clock.now().utc;
    let time = |text: &Option<String>| text.as_deref().map(parse_time).transpose();
    let to = time(&query.to)?.unwrap_or(now);
    let from = time(&query.from)?.unwrap_or(to - DEFAULT_PERIOD);
    let baseline = baseline(&shared);
    let store = shared.store.clone();
    let gathered = tokio::task::spawn_blocking(move || -> Result<EvidenceView, StoreError> {
        let tally = Tally::of(&store, from, to)?;
        let people = people(&store, &tally, now)?;
        let not_listed = tally.not_listed;
        Ok(EvidenceView {
            from: stamp(from),
            to: stamp(to),
            people,
            acts: tally.into_views(),
            not_listed,
            baseline,
        })
    });
    Ok(Json(gathered.await.map_err(|error| ApiError::internal(error.to_string()))??))
}

fn baseline(shared: &Shared) -> EvidenceBaselineView {
    let config = &shared.blueprint.config;
    let sum = Sha256::digest(config.text.as_bytes());
    let uplink = config.uplink.as_ref().map(|uplink| format!("uplink {}", uplink.listen));
    EvidenceBaselineView {
        version: shared.server.version.clone(),
        config_sha256: sum.iter().map(|byte| format!("{byte:02x}")).collect(),
        point_list_revision: shared.lists.borrow().revision,
        listens: std::iter::once(format!("http {}", config.http.listen)).chain(uplink).collect(),
    }
}

/// How often, first and last.
struct Count {
    count: u64,
    first: Utc,
    last: Utc,
}

/// Acts of a period by person, kind and outcome.
#[derive(Default)]
struct Tally {
    kinds: BTreeMap<(String, String, &'static str), Count>,
    not_listed: u64,
}

impl Tally {
    fn of(store: &Store, from: Utc, to: Utc) -> Result<Self, StoreError> {
        let mut tally = Self::default();
        let mut after = 0;
        loop {
            let page = store.audit_after(after, PAGE)?;
            let Some(last) = page.last().map(|record| record.seq) else { return Ok(tally) };
            let within = |record: &&AuditRecord| (from..to).contains(&record.entry.time);
            page.iter().filter(within).for_each(|record| tally.add(record));
            after = last;
        }
    }

    fn add(&mut self, record: &AuditRecord) {
        let entry = &record.entry;
        let key = (entry.actor.clone(), kind_of(&entry.action), entry.outcome.name());
        if !self.kinds.contains_key(&key) && self.kinds.len() >= MAX_KINDS {
            self.not_listed += 1;
            return;
        }
        let fresh = || Count { count: 0, first: entry.time, last: entry.time };
        let count = self.kinds.entry(key).or_insert_with(fresh);
        count.count += 1;
        // Stamps of the audit follow its order but where the clock was set back.
        count.first = count.first.min(entry.time);
        count.last = count.last.max(entry.time);
    }

    fn last_act(&self, name: &str) -> Option<Utc> {
        self.kinds.iter().filter(|((actor, ..), _)| actor == name).map(|(_, count)| count.last).max()
    }

    fn into_views(self) -> Vec<EvidenceActView> {
        let view = |((actor, action, outcome), count): ((String, String, &'static str), Count)| {
            let Count { count, first, last } = count;
            let (first_at, last_at) = (stamp(first), stamp(last));
            EvidenceActView { actor, action, outcome: outcome.to_owned(), count, first_at, last_at }
        };
        let mut acts: Vec<EvidenceActView> = self.kinds.into_iter().map(view).collect();
        acts.sort_by_key(|act| std::cmp::Reverse(act.count));
        acts
    }
}

/// What kind of act it is: its words without numbers and names of things.
fn kind_of(action: &str) -> String {
    // Selects and executes name the point behind the wish: `select open`, `execute set to 3.2 MW`.
    let plain = |word: &&str| word.starts_with('/') || !word.contains(|letter: char| letter.is_ascii_digit());
    action.split(' ').filter(plain).take(4).collect::<Vec<_>>().join(" ")
}

fn people(store: &Store, tally: &Tally, now: Utc) -> Result<Vec<EvidencePersonView>, StoreError> {
    let catalogue = store.catalogue()?;
    let mut people = Vec::new();
    for user in store.users()? {
        let resolved = catalogue.resolve(user.principal.clone());
        people.push(EvidencePersonView {
            name: user.principal.name.clone(),
            kind: user.principal.kind.name().to_owned(),
            active: user.is_active(now),
            roles: user.principal.role_names(),
            areas: user.principal.areas.to_names(),
            rights: resolved.rights().into_iter().map(|right| right.name().to_owned()).collect(),
            last_act_at: tally.last_act(&user.principal.name).map(stamp),
        });
    }
    let mut others: Vec<&String> = tally.kinds.keys().map(|(actor, ..)| actor).collect();
    others.dedup();
    let known: Vec<String> = people.iter().map(|person| person.name.clone()).collect();
    for name in others.into_iter().filter(|name| !known.contains(name)) {
        people.push(EvidencePersonView {
            name: name.clone(),
            // Applications, the console, and names that had an account once or never existed.
            kind: "none".to_owned(),
            active: false,
            roles: Vec::new(),
            areas: Vec::new(),
            rights: Vec::new(),
            last_act_at: tally.last_act(name).map(stamp),
        });
    }
    Ok(people)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_are_one_kind_whatever_they_are_about() {
        for (action, kind) in [
            ("command 17", "command"),
            ("select open", "select open"),
            ("execute set to 12.5 MW", "execute set to MW"),
            ("POST /api/v1/users", "POST /api/v1/users"),
            ("sign in", "sign in"),
        ] {
            assert_eq!(kind_of(action), kind);
        }
    }
}
