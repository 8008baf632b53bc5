//! Setting much aside in a short time needs a second person (scenario A-16: alarms are silenced before the strike).

use crate::core::Core;
use crate::views::stamp;
use exchange::points_csv::Difference;
use scada::approval::{Approvals, Request};
use scada::event::{EventKind, NewEvent, Severity};
use scada::gate::{CommandRecord, CommandState};
use scada::mode::PointMode;
use security::{AuditEntry, Outcome, Principal, Right};
use signal::{CommandId, PointId, PointList};
use std::time::Duration;
use store::Record;
use timebase::Now;

/// Source of the events.
const SOURCE: &str = "approval";
/// Identities that a text names.
const NAMED: usize = 5;

/// What somebody wants to set aside.
#[derive(Clone, Debug)]
pub(crate) struct SetAside {
    pub(crate) what: What,
    pub(crate) reason: String,
    pub(crate) who: Principal,
    pub(crate) session: String,
}

/// Conditions or a point.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Shelve {
        ids: Vec<String>,
        span: Duration,
        one_shot: bool,
    },
    OutOfService {
        ids: Vec<String>,
        span: Duration,
    },
    Mode {
        point: PointId,
        mode: PointMode,
    },
    /// A command that the gate holds until somebody approves; `text` says to what.
    Command {
        id: CommandId,
        point: PointId,
        text: String,
    },
}

impl What {
    /// How many conditions or points it is about.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Shelve { ids, .. } | Self::OutOfService { ids, .. } => {
                u64::try_from(ids.len()).unwrap_or(u64::MAX)
            }
            // Giving a point back is no setting aside.
            Self::Command { .. } => 1,
            Self::Mode { mode, .. } => u64::from(*mode != PointMode::default()),
        }
    }

    /// Whether it is about a point itself.
    pub(crate) fn is_about(&self, id: PointId) -> bool {
        matches!(self, Self::Mode { point, .. } | Self::Command { point, .. } if *point == id)
    }

    /// The right that asking and approving need.
    pub(crate) const fn right(&self) -> Right {
        match self {
            Self::Shelve { .. } => Right::Acknowledge,
            Self::OutOfService { .. } => Right::Configure,
            Self::Mode { .. } | Self::Command { .. } => Right::Command,
        }
    }

    pub(crate) const fn action(&self) -> &'static str {
        match self {
            Self::Shelve { .. } => "shelve alarm",
            Self::OutOfService { .. } => "alarm out of service",
            Self::Mode { .. } => "set point mode",
            Self::Command { .. } => "command",
        }
    }

    /// What it is about, for people.
    pub(crate) fn targets(&self, points: &PointList) -> String {
        match self {
            Self::Shelve { ids, .. } | Self::OutOfService { ids, .. } => {
                let named: Vec<&str> = ids.iter().take(NAMED).map(String::as_str).collect();
                let more = ids.len() - named.len();
                named.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
            }
            Self::Command { point, text, .. } => {
                let name = points.get(*point).map_or("", |def| def.name.as_str());
                format!("{text} {name}")
            }
            Self::Mode { point, mode } => {
                let name = points.get(*point).map_or("", |def| def.name.as_str());
                format!("{name} ({})", crate::modes::wording(*mode))
            }
        }
    }
}

/// The rule and the requests that wait.
#[derive(Default)]
pub(crate) struct TwoPersons {
    /// More than this within ten minutes needs a second person.
    pub(crate) above: Option<u64>,
    pub(crate) list: Approvals<SetAside>,
}

/// Columns of the point list that decide whether a point raises an alarm.
const ALARM_COLUMNS: [&str; 8] =
    ["low_low", "low", "high", "high_high", "hysteresis", "normal", "stale_after_s", "rate_limit"];

/// Points that a changed list takes away, or of which it changes what is an alarm.
pub(crate) fn less_watched(differences: &[Difference]) -> u64 {
    let counts = |difference: &&Difference| match difference {
        Difference::Added(_) => false,
        Difference::Removed(_) => true,
        Difference::Changed { cells, .. } => cells.iter().any(|(column, ..)| ALARM_COLUMNS.contains(column)),
    };
    u64::try_from(differences.iter().filter(counts).count()).unwrap_or(u64::MAX)
}

/// Whether one person may set that many more aside.
pub(crate) fn is_too_much(core: &Core, count: u64) -> bool {
    let lately = core.centre.alarms().set_aside_lately();
    count > 0 && core.approvals.above.is_some_and(|above| lately.saturating_add(count) > above)
}

/// Whether it would be more than one person may set aside.
pub(crate) fn must_wait(core: &Core, what: &What) -> bool {
    is_too_much(core, what.count())
}

/// Says in events and audit what became of a request; `by` is whoever decided.
pub(crate) fn note(
    core: &mut Core,
    request: &Request<SetAside>,
    by: Option<(&str, &str)>,
    became: Became,
    now: Now,
) {
    let SetAside { what, reason, session, .. } = &request.what;
    let targets = what.targets(core.centre.table().points());
    let (actor, from) = by.unwrap_or((&request.by, session));
    let text = format!(
        "request {} of {} to {}: {}; {targets}: {reason}",
        request.id,
        request.by,
        what.action(),
        became.name()
    );
    core.centre.record_by(NewEvent {
        time: now.utc,
        kind: EventKind::Configuration,
        severity: Severity::High,
        source: SOURCE.to_owned(),
        point: None,
        text,
        actor: Some(actor.to_owned()),
    });
    // What happens to a command is audited by the gate.
    if core.audit_broken || matches!(what, What::Command { .. }) {
        return;
    }
    let entry = AuditEntry {
        time: now.utc,
        actor: actor.to_owned(),
        source: from.to_owned(),
        action: format!("{} {}", became.verb(), what.action()),
        target: targets,
        old: Some(request.by.clone()),
        new: Some(request.id.to_string()),
        outcome: became.outcome(),
        reason: reason.clone(),
    };
    core.backlog.push_back(Record::Audit(entry));
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Became {
    Waiting,
    Approved,
    Refused,
    Expired,
}

impl Became {
    const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waits for a second person",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Expired => "expired, nobody decided",
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Waiting => "ask to",
            Self::Approved => "approve to",
            Self::Refused => "refuse to",
            Self::Expired => "expired: to",
        }
    }

    const fn outcome(self) -> Outcome {
        match self {
            Self::Waiting | Self::Approved => Outcome::Allowed,
            Self::Refused | Self::Expired => Outcome::Refused,
        }
    }
}

/// Lets requests go that nobody decided in time.
pub(crate) fn expire(core: &mut Core, now: Now) {
    for request in core.approvals.list.expire(now) {
        note(core, &request, None, Became::Expired, now);
    }
}

/// A request as clients see it.
pub(crate) fn view(request: &Request<SetAside>, points: &PointList) -> api::ApprovalView {
    let SetAside { what, reason, .. } = &request.what;
    api::ApprovalView {
        id: request.id,
        action: what.action().to_owned(),
        by: request.by.clone(),
        at: stamp(request.at.utc),
        expires_at: stamp(request.at.utc + scada::approval::LIFETIME),
        count: what.count(),
        targets: what.targets(points),
        reason: reason.clone(),
        command: match what {
            What::Command { id, .. } => Some(id.0),
            What::Shelve { .. } | What::OutOfService { .. } | What::Mode { .. } => None,
        },
    }
}

/// Files what the gate holds for a second person, and lets go what does not wait any more.
pub(crate) fn follow_commands(core: &mut Core, now: Now) {
    let waits = |id: CommandId| {
        core.centre.gate().get(id).is_some_and(|command| command.state == CommandState::WaitingApproval)
    };
    let filed: Vec<(u64, CommandId)> = core
        .approvals
        .list
        .iter()
        .filter_map(|request| match request.what.what {
            What::Command { id, .. } => Some((request.id, id)),
            What::Shelve { .. } | What::OutOfService { .. } | What::Mode { .. } => None,
        })
        .collect();
    let over: Vec<u64> = filed.iter().filter(|(_, id)| !waits(*id)).map(|(request, _)| *request).collect();
    let new: Vec<SetAside> = core
        .centre
        .gate()
        .waiting_approval()
        .filter(|command| filed.iter().all(|(_, id)| *id != command.id))
        .map(wish)
        .collect();
    for request in over {
        // It is decided, given back or over: nobody is asked any more.
        let _gone = core.approvals.list.refuse(request, now);
    }
    for wanted in new {
        let by = wanted.who.name.clone();
        let asked = core.approvals.list.ask(&by, wanted, now).ok();
        if let Some(request) = asked.and_then(|id| core.approvals.list.get(id, now).cloned()) {
            note(core, &request, None, Became::Waiting, now);
        }
    }
}

fn wish(command: &CommandRecord) -> SetAside {
    let (id, point, text) = (command.id, command.point, command.value_text.clone());
    // Only the name counts: whoever approves is asked for their own rights.
    let (kind, roles) = (security::PrincipalKind::Human, std::collections::BTreeSet::new());
    let who = Principal::new(command.actor.clone(), kind, roles, security::Areas::NONE);
    SetAside {
        what: What::Command { id, point, text },
        reason: command.reason.clone(),
        who,
        session: command.session.clone(),
    }
}
