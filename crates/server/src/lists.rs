//! What everybody outside the core knows of the points, and how a changed list comes into force under a running centre.
//!
//! A change is prepared beside the core: the new list keeps the ids of the points that stay (`PointList::revised`), is tried on
//! every link, and everything that follows from it is built. The core then takes it over between two reports, so that no
//! sample meets half of it, and tells links, clients and people.

use crate::approvals;
use crate::config::Config;
use crate::core::Core;
use crate::diagram;
use crate::estimator::Estimator;
use app::Application;
use exchange::points_csv::{Difference, compare};
use model::Network;
use scada::alarm::rule::AlarmSettings;
use scada::event::{EventKind, NewEvent, Severity};
use scada::table::Reader;
use security::{AuditEntry, Outcome};
use signal::PointList;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Record;
use timebase::Now;

/// Points named in an answer or an event.
const NAMED: usize = 20;

/// The points as everybody outside the core knows them.
pub(crate) struct Lists {
    /// Counts the lists since the start; a change is made against the one that somebody has seen.
    pub(crate) revision: u64,
    pub(crate) points: Arc<PointList>,
    /// Present states, read without asking the core.
    pub(crate) states: Reader,
    pub(crate) network: Arc<api::NetworkView>,
}

/// Why a list does not come into force.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ListRefusal {
    /// It does not fit the links, the applications or the alarms.
    #[error("{0}")]
    Unfit(String),
    /// Somebody works with a point that would go or be another.
    #[error("{} of the points that would go or move are in use: {}", .0.len(), .0.join("; "))]
    InUse(Vec<String>),
    /// It changes limits of more points than one person may set aside, or takes them away.
    #[error("it changes what is an alarm at {0} points: more than one person may within ten minutes")]
    TooMuch(u64),
    /// Another list came into force meanwhile.
    #[error("the list has changed since it was compared (revision {0} now)")]
    Overtaken(u64),
    /// The audit is broken or the history cannot take new points.
    #[error("{0}")]
    Broken(String),
}

/// From what a changed list is built.
pub(crate) struct Blueprint {
    pub(crate) config: Config,
    pub(crate) network: Arc<Network>,
}

/// A list with everything that follows from it.
pub(crate) struct Prepared {
    pub(crate) differences: Vec<Difference>,
    points: Arc<PointList>,
    estimator: Estimator,
    applications: Vec<Box<dyn Application>>,
    alarms: AlarmSettings,
    network: Arc<api::NetworkView>,
}

/// Who changes the list, and why.
pub(crate) struct By {
    pub(crate) name: String,
    pub(crate) session: String,
    pub(crate) reason: String,
}

impl Blueprint {
    /// Where a list that was applied is kept, so that the next start finds it.
    pub(crate) fn file(&self) -> PathBuf {
        self.config.points.clone().unwrap_or_else(|| applied_file(&self.config.data.directory))
    }

    /// Builds everything, and tries the list on every link. Takes its time: not for the core.
    pub(crate) fn prepare(&self, present: &PointList, next: &PointList) -> Result<Prepared, ListRefusal> {
        let unfit = |reason: String| ListRefusal::Unfit(reason);
        let points = Arc::new(present.revised(next).map_err(|error| unfit(error.reason))?);
        let names = crate::uplink::link_names(&self.config);
        let known: HashSet<&str> = names.iter().map(String::as_str).collect();
        for (_, def) in points.in_use() {
            let link = def.binding.as_ref().map(|binding| binding.link.as_ref());
            if let Some(link) = link.filter(|link| !known.contains(link)) {
                return Err(unfit(format!(
                    "point {:?} is bound to link {link:?}, which is not configured",
                    def.name
                )));
            }
        }
        for link in &self.config.link {
            link.protocol
                .session(&link.name, &points)
                .map_err(|error| unfit(format!("link {}: {error}", link.name)))?;
        }
        Ok(Prepared {
            differences: compare(present, next),
            estimator: Estimator::new(Arc::clone(&self.network), &points, self.config.estimation.clone()),
            applications: self.config.application.build(&points).map_err(unfit)?,
            alarms: crate::uplink::alarms(&self.config, &points)
                .map_err(|error| unfit(format!("{error:#}")))?,
            network: Arc::new(diagram::view(&self.network, &points)),
            points,
        })
    }
}

/// The list that was applied to a centre whose points otherwise follow from the network.
pub(crate) fn applied_file(directory: &Path) -> PathBuf {
    directory.join("points.csv")
}

/// Points that would go or be another while somebody works with them.
pub(crate) fn in_use(core: &Core, next: &PointList) -> Vec<String> {
    let present = core.centre.table().points();
    let mut found = Vec::new();
    for (id, def) in present.in_use() {
        let new = next.by_mrid(&def.mrid).map(|new| &next[new]);
        let stays = new.is_some_and(|new| new.binding == def.binding && new.kind == def.kind);
        if stays {
            continue;
        }
        if core.centre.gate().open_command(id).is_some() {
            found.push(format!("a command to {} is open", def.name));
        }
        let goes = new.is_none_or(|new| new.kind != def.kind);
        if goes && core.centre.tags().of(id).next().is_some() {
            found.push(format!("{} carries a tag", def.name));
        }
        if goes && core.approvals.list.iter().any(|request| request.what.what.is_about(id)) {
            found.push(format!("a request about {} waits", def.name));
        }
        if goes && core.centre.modes().contains_key(&id) {
            found.push(format!("{} is set aside", def.name));
        }
    }
    found
}

/// Takes a prepared list over. Refused as a whole, or done.
pub(crate) fn apply(
    core: &mut Core,
    prepared: Prepared,
    seen: u64,
    by: By,
    now: Now,
) -> Result<u64, ListRefusal> {
    let revision = core.lists.borrow().revision;
    if seen != revision {
        return Err(ListRefusal::Overtaken(revision));
    }
    if core.audit_broken {
        return Err(ListRefusal::Broken(
            "the audit chain is broken: nothing is changed that it could not tell of".into(),
        ));
    }
    let less = approvals::less_watched(&prepared.differences);
    if approvals::is_too_much(core, less) {
        return Err(ListRefusal::TooMuch(less));
    }
    let used = in_use(core, &prepared.points);
    if !used.is_empty() {
        return Err(ListRefusal::InUse(used));
    }
    let Prepared { differences, points, estimator, applications, alarms, network } = prepared;
    // What can fail comes first.
    core.recorder.revise(&points).map_err(|error| ListRefusal::Broken(format!("history: {error:#}")))?;
    core.gateway.revise(&points).map_err(|error| ListRefusal::Unfit(error.to_string()))?;
    core.centre.revise(Arc::clone(&points), now);
    core.centre.alarms_mut().configure(alarms, now);
    core.applications = applications;
    core.holding.clear();
    core.renew_estimator(estimator);
    let states = core.centre.table().reader();
    let revision = revision + 1;
    for _ in 0..less {
        core.centre.alarms_mut().count_set_aside(&by.name, now.utc);
    }
    note(core, &differences, by, now);
    core.lists.send_replace(Arc::new(Lists { revision, points: Arc::clone(&points), states, network }));
    core.point_feed.send_replace(points);
    Ok(revision)
}

/// Event and audit record; both are durable before the answer.
fn note(core: &mut Core, differences: &[Difference], by: By, now: Now) {
    let text = summary(differences);
    core.centre.record_by(NewEvent {
        time: now.utc,
        kind: EventKind::Configuration,
        severity: Severity::Medium,
        source: "point list".to_owned(),
        point: None,
        text: format!("{text}: {}", by.reason),
        actor: Some(by.name.clone()),
    });
    core.backlog.push_back(Record::Audit(AuditEntry {
        time: now.utc,
        actor: by.name,
        source: by.session,
        action: "change point list".to_owned(),
        target: "point list".to_owned(),
        old: None,
        new: Some(text),
        outcome: Outcome::Done,
        reason: by.reason,
    }));
}

/// The differences in a line, with the first names of each sort.
fn summary(differences: &[Difference]) -> String {
    let part = |what: &str, names: Vec<&str>| {
        let rest = names.len().saturating_sub(NAMED);
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        let named = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(" ");
        (!names.is_empty()).then(|| format!("{} {what} ({named}{more})", names.len()))
    };
    let named = |wanted: fn(&Difference) -> Option<&str>| differences.iter().filter_map(wanted).collect();
    let added = named(|found| if let Difference::Added(name) = found { Some(name) } else { None });
    let removed = named(|found| if let Difference::Removed(name) = found { Some(name) } else { None });
    let changed = named(|found| if let Difference::Changed { name, .. } = found { Some(name) } else { None });
    let parts = [part("added", added), part("removed", removed), part("changed", changed)];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if text.is_empty() { "nothing changed".to_owned() } else { text }
}

/// Writes a list where the next start finds it: beside, then in place of the old one.
pub(crate) fn keep(file: &Path, points: &PointList) -> std::io::Result<()> {
    use std::io::Write as _;
    let beside = file.with_extension("csv.new");
    let mut to = std::fs::File::create(&beside)?;
    to.write_all(exchange::points_csv::write(points).as_bytes())?;
    to.sync_all()?;
    std::fs::rename(&beside, file)?;
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::File::open(folder)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}
