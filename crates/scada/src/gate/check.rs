//! The checks of the gate, in the order of the design. A new check is a function and a line in [`CHECKS`].

use super::{CommandRecord, CommandState, Gate, Order, Origin};
use crate::table::Table;
use crate::tag::TagList;
use security::{Principal, Right};
use signal::{CommandId, PointDef, PointKind, Value};
use std::fmt;
use timebase::{Mono, Now};

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
    /// The gate with its policy and what it has let through.
    pub gate: &'a Gate,
    /// When.
    pub now: Now,
    /// The command that is to be executed; `None` before a select.
    pub executing: Option<&'a CommandRecord>,
}

impl<'a> Inquiry<'a> {
    /// Another command that is open on the point.
    fn open(&self) -> Option<&'a CommandRecord> {
        self.gate
            .open_command(self.order.point)
            .filter(|open| Some(open.id) != self.executing.map(|own| own.id))
    }
}

type Verdict = Result<(), GateRefusal>;

/// A check with the name that its refusals go by.
type Check = (&'static str, fn(&Inquiry<'_>) -> Verdict);

/// The checks, in order: who may, what for, on what; then what the point, the network and the clock say.
const CHECKS: [Check; 14] = [
    ("role", role),
    ("area", area),
    ("step_up", step_up),
    ("reason", reason),
    ("point", point),
    ("band", band),
    ("conduit", conduit),
    ("tag", tag),
    ("measurement", measurement),
    ("seen", seen),
    ("open", other_command),
    ("opposite", opposite),
    ("rate", rate),
    ("interlock", interlock),
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

pub(super) fn refuse(code: &'static str, text: String, hint: &'static str) -> Verdict {
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
    let Some(open) = inquiry.open() else { return Ok(()) };
    let own = open.actor == inquiry.who.name && open.session == inquiry.order.session;
    if own && open.state.is_armed() {
        return Ok(());
    }
    let text = format!("{} has command {} open on this point", open.actor, open.id.0);
    refuse("open_command", text, "wait until it has ended")
}

/// The second factor of a person must be fresh where the class asks for it; a program has none.
fn step_up(inquiry: &Inquiry<'_>) -> Verdict {
    let def = definition(inquiry)?;
    let asked = inquiry.gate.policy().class(def).filter(|class| class.step_up);
    match asked {
        Some(class) if inquiry.order.origin == Origin::Operator && !inquiry.order.stepped_up => refuse(
            "step_up",
            format!("points of class {} need a fresh second factor", class.name),
            "confirm it with your second factor and try again",
        ),
        Some(_) | None => Ok(()),
    }
}

/// A set point outside its band never leaves.
fn band(inquiry: &Inquiry<'_>) -> Verdict {
    let def = definition(inquiry)?;
    let band = inquiry.gate.policy().class(def).and_then(|class| class.band);
    match (band, inquiry.order.value) {
        (Some((low, high)), Value::Analog(number)) if !(low..=high).contains(&number) => {
            let text = format!("{number} is outside {low} to {high} {}, the band of {}", def.unit, def.name);
            refuse("band", text, "choose a value of the band")
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// The conduit of the point's link must let commands on its class pass (S-12).
fn conduit(inquiry: &Inquiry<'_>) -> Verdict {
    let def = definition(inquiry)?;
    let policy = inquiry.gate.policy();
    let class = policy.class(def).map_or("", |class| class.name.as_str());
    let closed = |conduit: &&super::Conduit| {
        let named = conduit.classes.is_empty() || conduit.classes.iter().any(|known| known == class);
        conduit.carries(def) && !(conduit.commands && named)
    };
    match policy.conduits.iter().find(closed) {
        None => Ok(()),
        Some(conduit) => {
            let text = format!("conduit {} lets no command on {} pass", conduit.name, def.name);
            refuse("conduit", text, "the conduits of the configuration say what may pass")
        }
    }
}

/// The state that the wish was made for must still be the state (S-17).
fn seen(inquiry: &Inquiry<'_>) -> Verdict {
    let Some(state) = inquiry.table.get(inquiry.order.point) else { return Ok(()) };
    let present = state.value.and_then(Value::as_number);
    let stale = |text: String| refuse("stale_view", text, "look at the point again and decide anew");
    let is_analogue = matches!(state.value, Some(Value::Analog(_)));
    if let Some(own) = inquiry.executing {
        let moved = if is_analogue { false } else { present != own.before };
        return if moved || inquiry.gate.moves(inquiry.order.point).0 != own.moves {
            stale("the point has changed since it was selected".to_owned())
        } else {
            Ok(())
        };
    }
    let Some(seen) = inquiry.order.seen else {
        let must = inquiry.gate.policy().seen_required && inquiry.order.origin == Origin::Operator;
        return if must {
            stale("the command does not name the state that was seen".to_owned())
        } else {
            Ok(())
        };
    };
    let near = |a: f64, b: f64| (a - b).abs() <= inquiry.gate.policy().seen_tolerance * b.abs().max(1.0);
    let same = match (present, seen.value) {
        (Some(present), Some(seen)) if is_analogue => near(present, seen),
        (present, seen) => present == seen,
    };
    if !same {
        return stale("the point is not in the state that was seen any more".to_owned());
    }
    let last = inquiry.gate.moves(inquiry.order.point).1;
    // Views show milliseconds.
    match (last, seen.at) {
        (Some(last), Some(at)) if last.as_millis() > at.as_millis() => {
            stale("the point has changed, and back, since it was seen".to_owned())
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// A device gets time between a command and its opposite.
fn opposite(inquiry: &Inquiry<'_>) -> Verdict {
    let def = definition(inquiry)?;
    let pause = inquiry.gate.policy().class(def).and_then(|class| class.opposite_after);
    let last = inquiry.gate.last_executed(inquiry.order.point);
    match (pause, last) {
        (Some(pause), Some((at, value))) if value != inquiry.order.value => {
            let passed = inquiry.now.mono.since(at);
            if passed >= pause {
                return Ok(());
            }
            let text = format!(
                "{} was commanded otherwise {:.0} s ago, {:.0} s must lie between",
                def.name,
                passed.as_secs_f64(),
                pause.as_secs_f64()
            );
            refuse("opposite", text, "wait")
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// Only so many commands leave to an area and through a conduit (S-13).
fn rate(inquiry: &Inquiry<'_>) -> Verdict {
    let def = definition(inquiry)?;
    match inquiry.gate.exhausted(def, inquiry.now.mono) {
        None => Ok(()),
        Some(what) => {
            refuse("rate", format!("too many commands to {what}"), "wait, and see who commands so much")
        }
    }
}

/// What follows from the network; somebody with the right may go against it with a reason (S-16).
fn interlock(inquiry: &Inquiry<'_>) -> Verdict {
    let bars = inquiry.gate.bars(inquiry.order, inquiry.table);
    let Some(bar) = bars.into_iter().find(|bar| bar.refuses) else { return Ok(()) };
    if may_override(inquiry)? {
        return Ok(());
    }
    refuse(bar.code, bar.text, bar.hint)
}

/// Whether whoever asks goes against what stands against it, and may.
pub(super) fn may_override(inquiry: &Inquiry<'_>) -> Result<bool, GateRefusal> {
    if inquiry.order.override_reason.trim().is_empty() {
        return Ok(false);
    }
    let def = definition(inquiry)?;
    if inquiry.who.authorise(Right::Override, &def.substation).is_ok() {
        return Ok(true);
    }
    refuse(
        "override",
        format!("{} has no right to override", inquiry.who.name),
        "ask somebody who has it, or give way to what stands against it",
    )
    .map(|()| false)
}
