//! The checks of the gate, in the order of the design. A new check is a function and a line in [`CHECKS`].

use super::{CommandRecord, CommandState, Order};
use crate::table::Table;
use crate::tag::TagList;
use security::{Principal, Right};
use signal::{CommandId, PointDef, PointKind, Value};
use std::fmt;
use timebase::Mono;

/// Why the gate said no.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateRefusal {
    /// Stable name of the check.
    pub code: &'static str,
    /// Why, for people.
    pub text: String,
    /// What to do about it.
    pub hint: &'static str,
}

impl fmt::Display for GateRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for GateRefusal {}

/// Everything that a check may look at.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry<'a> {
    /// Who asks.
    pub who: &'a Principal,
    /// What for.
    pub order: &'a Order,
    /// Present values.
    pub table: &'a Table,
    /// Tags in force.
    pub tags: &'a TagList,
    /// Another command that is open on the point.
    pub open: Option<&'a CommandRecord>,
}

type Verdict = Result<(), GateRefusal>;

/// A check with the name that its refusals go by.
type Check = (&'static str, fn(&Inquiry<'_>) -> Verdict);

/// The checks, in order: identity and role, area, reason, point and value, tag, measurement, other commands.
const CHECKS: [Check; 7] = [
    ("role", role),
    ("area", area),
    ("reason", reason),
    ("point", point),
    ("tag", tag),
    ("measurement", measurement),
    ("open", other_command),
];

/// Runs all checks; the first that says no decides.
pub(super) fn run(inquiry: &Inquiry<'_>) -> Verdict {
    CHECKS.iter().try_for_each(|(_, check)| check(inquiry))
}

/// Whether an open command may be executed by this user in this session now.
pub(super) fn may_execute(record: &CommandRecord, who: &Principal, session: &str, now: Mono) -> Verdict {
    if record.actor != who.name || record.session != session {
        return refuse(
            "select_owner",
            format!("selected by {} in another session", record.actor),
            "select it yourself",
        );
    }
    if record.state != CommandState::Selected {
        return Err(GateRefusal::too_late(record.state));
    }
    if record.expires.is_some_and(|expires| expires <= now) {
        return refuse("select_expired", "the select has expired".to_owned(), "select again");
    }
    Ok(())
}

impl GateRefusal {
    pub(super) fn unknown(id: CommandId) -> Self {
        Self { code: "unknown_command", text: format!("no command {}", id.0), hint: "list the commands" }
    }

    pub(super) fn too_late(state: CommandState) -> Self {
        let text = format!("the command is {}", state.name().replace('_', " "));
        Self { code: "wrong_state", text, hint: "only a command that is selected can go on" }
    }

    pub(super) fn busy(limit: usize) -> Self {
        let text = format!("{limit} commands are open");
        Self { code: "busy", text, hint: "wait for some to end" }
    }
}

fn refuse(code: &'static str, text: String, hint: &'static str) -> Verdict {
    Err(GateRefusal { code, text, hint })
}

fn definition<'a>(inquiry: &Inquiry<'a>) -> Result<&'a PointDef, GateRefusal> {
    let unknown =
        || GateRefusal { code: "unknown_point", text: "no such point".into(), hint: "search the point list" };
    inquiry.table.points().get(inquiry.order.point).ok_or_else(unknown)
}

fn role(inquiry: &Inquiry<'_>) -> Verdict {
    if inquiry.who.has(Right::Command) {
        return Ok(());
    }
    refuse(
        "role",
        format!("{} has no right to command", inquiry.who.name),
        "ask a security administrator for a role",
    )
}

fn area(inquiry: &Inquiry<'_>) -> Verdict {
    let def = definition(inquiry)?;
    if inquiry.who.authorise(Right::Command, &def.substation).is_ok() {
        return Ok(());
    }
    let text = format!("{} is outside the area of {}", def.name, inquiry.who.name);
    refuse("area", text, "ask the operator whose area it is")
}

fn reason(inquiry: &Inquiry<'_>) -> Verdict {
    if inquiry.order.reason.trim().is_empty() {
        return refuse("reason", "a command needs a reason".to_owned(), "say why");
    }
    Ok(())
}

fn point(inquiry: &Inquiry<'_>) -> Verdict {
    let def = definition(inquiry)?;
    if def.binding.as_ref().is_none_or(|binding| binding.control.is_none()) {
        return refuse(
            "not_controllable",
            format!("{} cannot be operated", def.name),
            "choose a point with a control",
        );
    }
    let fits = match (def.kind, inquiry.order.value) {
        (PointKind::Analog, Value::Analog(number)) => number.is_finite(),
        (PointKind::Single, Value::Single(_)) => true,
        (PointKind::Double, value @ Value::Double(_)) => value.is_on().is_some(),
        (PointKind::Step, Value::Step(step)) => step == 1 || step == -1,
        (PointKind::Bits, Value::Bits(_)) => true,
        (
            PointKind::Analog
            | PointKind::Single
            | PointKind::Double
            | PointKind::Step
            | PointKind::Counter
            | PointKind::Bits,
            _,
        ) => false,
    };
    if fits {
        Ok(())
    } else {
        refuse("value", format!("{} cannot take that value", def.name), "see the point's control")
    }
}

fn tag(inquiry: &Inquiry<'_>) -> Verdict {
    match inquiry.tags.hold(inquiry.order.point) {
        None => Ok(()),
        Some(tag) => {
            let text = format!("hold tag by {}: {}", tag.by, tag.text);
            refuse("tag_hold", text, "have the tag removed by the person who placed it")
        }
    }
}

/// Without a good measurement nobody could see what the command did: bad or old data holds.
fn measurement(inquiry: &Inquiry<'_>) -> Verdict {
    let state = inquiry.table.get(inquiry.order.point);
    match state.map(|state| (state.good().is_some(), state.stale)) {
        Some((true, _)) => Ok(()),
        Some((false, true)) => {
            refuse("measurement", "the measured state is stale".to_owned(), "wait until the link is back")
        }
        Some((false, false)) | None => {
            refuse("measurement", "the measured state is not good".to_owned(), "look at the point's quality")
        }
    }
}

fn other_command(inquiry: &Inquiry<'_>) -> Verdict {
    let Some(open) = inquiry.open else { return Ok(()) };
    let own = open.actor == inquiry.who.name && open.session == inquiry.order.session;
    if own && matches!(open.state, CommandState::Selecting | CommandState::Selected) {
        return Ok(());
    }
    let text = format!("{} has command {} open on this point", open.actor, open.id.0);
    refuse("open_command", text, "wait until it has ended")
}
