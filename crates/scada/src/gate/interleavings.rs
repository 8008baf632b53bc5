//! Two operators at one breaker, in every order of what they, the device and the clock can do (S-14): never two commands at
//! once, never an execute of another's select, never one twice or too late.

use super::{
    Bar, CommandState, Gate, GateConfig, GatePolicy, Interlock, Order, Outgoing, PointClass, StudyOutcome,
    StudyReport, StudyRule, TwoPersons,
};
use crate::table::Table;
use crate::tag::TagList;
use security::{Areas, Principal, PrincipalKind, Role};
use signal::{
    Binding, Command, CommandId, CommandStage, ControlMode, DoublePoint, PointDef, PointId, PointKind,
    PointList, Quality, Request, Sample, Value,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use timebase::{Mono, Now, Utc};

const BREAKER: PointId = PointId(0);
/// Steps of the longest history that is looked at.
const DEPTH: u32 = 6;
const NAMES: [&str; 2] = ["anna", "ben"];

/// What can happen next. A number is an operator: 0 or 1.
#[derive(Clone, Copy, Debug)]
enum Act {
    Select(usize),
    /// The latest command.
    Execute(usize),
    /// The one before it.
    ExecuteOlder(usize),
    Cancel(usize),
    DeviceSelects,
    DeviceAccepts,
    DeviceRefuses,
    Measured,
    /// The study of the latest command ends, and the grid bears it if so.
    Studied(bool),
    /// The latest command.
    Approve(usize),
    /// Longer than any time of the gate.
    Wait,
}

const ACTS: [Act; 13] = [
    Act::Select(0),
    Act::Select(1),
    Act::Execute(0),
    Act::Execute(1),
    Act::ExecuteOlder(0),
    Act::ExecuteOlder(1),
    Act::Cancel(0),
    Act::Cancel(1),
    Act::DeviceSelects,
    Act::DeviceAccepts,
    Act::DeviceRefuses,
    Act::Measured,
    Act::Wait,
];

/// Where a study and a second person are asked for.
const GUARDED: [Act; 12] = [
    Act::Select(0),
    Act::Select(1),
    Act::Execute(0),
    Act::Execute(1),
    Act::Cancel(1),
    Act::DeviceSelects,
    Act::Measured,
    Act::Studied(true),
    Act::Studied(false),
    Act::Approve(0),
    Act::Approve(1),
    Act::Wait,
];

/// Every point can be studied, nothing is barred.
#[derive(Debug)]
struct Grid;

impl Interlock for Grid {
    fn bars(&self, _: PointId, _: Value, _: &Table) -> Vec<Bar> {
        Vec::new()
    }

    fn bars_among(&self, _: PointId, _: &BTreeMap<PointId, Value>, _: &Table) -> Vec<Bar> {
        Vec::new()
    }

    fn has_effect(&self, _: PointId, _: Value, _: &Table) -> bool {
        true
    }
}

/// The gate with what an observer on the line and at the desks has seen.
#[derive(Clone)]
struct World {
    gate: Gate,
    now: Now,
    last: u64,
    /// Who selected which command, and until when the select can stand.
    owner: BTreeMap<CommandId, (usize, Mono)>,
    executed: BTreeSet<CommandId>,
    /// What a second person approved, and what the grid was found to bear.
    approved: BTreeMap<CommandId, usize>,
    borne: BTreeSet<CommandId>,
    guarded: bool,
}

struct Desk {
    table: Table,
    tags: TagList,
    people: [Principal; 2],
}

fn desk(mode: ControlMode) -> Desk {
    let control = Some(("y".to_owned(), mode));
    let binding = Some(Binding { link: "S1".into(), address: "x".into(), control });
    let def = PointDef {
        name: "CB".into(),
        mrid: "_CB".into(),
        kind: PointKind::Double,
        binding,
        ..PointDef::default()
    };
    let mut table = Table::new(Arc::new(PointList::new(vec![def]).unwrap_or_default()));
    table.apply(&Sample {
        point: BREAKER,
        value: Value::Double(DoublePoint::On),
        quality: Quality::GOOD,
        source_time: None,
        received: begin(),
    });
    let person = |name: &str| {
        let roles = [Role::Operator].into_iter().collect();
        Principal::new(name, PrincipalKind::Human, roles, Areas::All)
    };
    Desk { table, tags: TagList::default(), people: NAMES.map(person) }
}

fn begin() -> Now {
    Now { mono: Mono::from_nanos(1), utc: Utc::from_micros(1) }
}

impl World {
    /// What happens, and what must hold afterwards.
    fn act(&mut self, desk: &Desk, act: Act) {
        self.now = self.now.advanced(Duration::from_millis(100));
        let (now, last) = (self.now, CommandId(self.last));
        match act {
            Act::Select(operator) => self.select(desk, operator),
            Act::Execute(operator) => self.execute(desk, operator, last),
            Act::ExecuteOlder(operator) => {
                self.execute(desk, operator, CommandId(self.last.saturating_sub(1)))
            }
            Act::Cancel(operator) => {
                // Giving back is safe for everybody; a refusal is one of the outcomes.
                let _refused = self.gate.cancel(now, &desk.people[operator], last, &desk.table);
            }
            Act::DeviceSelects => self.gate.device_answered(now, last, CommandStage::Selected, &desk.table),
            Act::DeviceAccepts => self.gate.device_answered(now, last, CommandStage::Accepted, &desk.table),
            Act::DeviceRefuses => {
                self.gate.device_answered(now, last, CommandStage::Refused("no".into()), &desk.table);
            }
            Act::Measured => self.gate.observe(BREAKER, Value::Double(DoublePoint::Off), now),
            Act::Studied(bears) => self.study(desk, last, bears),
            Act::Approve(operator) => {
                if self.gate.approve(now, &desk.people[operator], last, &desk.table).is_ok() {
                    self.approved.insert(last, operator);
                }
            }
            Act::Wait => {
                self.now = now.advanced(Duration::from_secs(60));
                self.gate.tick(self.now, &desk.table);
            }
        }
        let sent = self.gate.take_outgoing();
        self.check(&sent, act);
    }

    fn select(&mut self, desk: &Desk, operator: usize) {
        let order = Order::new(BREAKER, Value::Double(DoublePoint::Off), "test", NAMES[operator]);
        let before = self.gate.open_command(BREAKER).cloned();
        let who = &desk.people[operator];
        let id = self.gate.select(self.now, who, order, &desk.table, &desk.tags);
        if let Some(before) = before.filter(|before| before.actor != who.name || before.state.is_moving()) {
            let now = self.gate.get(before.id).map(|record| record.state);
            assert_eq!(now, Some(before.state), "a select ended another's command, or one that moves");
        }
        let config = GateConfig::default();
        let asked =
            if self.guarded { config.study_timeout + crate::approval::LIFETIME } else { Duration::ZERO };
        let until = self.now.mono + asked + config.answer_timeout + config.select_window;
        self.owner.insert(id, (operator, until));
        self.last = id.0;
    }

    fn execute(&mut self, desk: &Desk, operator: usize, id: CommandId) {
        let who = &desk.people[operator];
        let done = self.gate.execute(self.now, who, (id, NAMES[operator]), (&desk.table, &desk.tags));
        if done.is_ok() {
            let (owner, until) = self.owner[&id];
            assert_eq!(owner, operator, "an execute of another's select");
            assert!(self.now.mono < until, "an execute after its window");
            if self.guarded {
                assert!(self.borne.contains(&id), "an execute of what the grid does not bear");
                let second = self.approved.get(&id);
                assert!(second.is_some_and(|second| *second != owner), "an execute without a second person");
            }
        }
    }

    fn study(&mut self, desk: &Desk, id: CommandId, bears: bool) {
        let studying = self.gate.get(id).is_some_and(|record| record.state == CommandState::Studying);
        let outcome = if bears { StudyOutcome::Solved } else { StudyOutcome::NotConverged };
        self.gate.studied(self.now, id, StudyReport { outcome, ..StudyReport::impossible("") }, &desk.table);
        if studying && bears {
            self.borne.insert(id);
        }
    }

    fn check(&mut self, sent: &[Outgoing], act: Act) {
        let open: Vec<CommandState> =
            self.gate.iter().filter(|record| record.state.is_open()).map(|record| record.state).collect();
        assert!(open.len() <= 1, "{act:?}: two commands at one breaker: {open:?}");
        for outgoing in sent {
            if self.guarded
                && let Outgoing::Send(Request::Select(Command { id, .. })) = outgoing
            {
                assert!(
                    self.approved.contains_key(id) && self.borne.contains(id),
                    "{act:?}: an early select"
                );
            }
            if let Outgoing::Send(Request::Execute(Command { id, deadline, .. })) = outgoing {
                assert!(
                    deadline.is_some_and(|deadline| deadline > self.now.mono),
                    "no deadline, or a late one"
                );
                assert!(matches!(act, Act::Execute(_) | Act::ExecuteOlder(_)), "{act:?} made an execute");
                assert!(self.executed.insert(*id), "{act:?}: command {} went out twice", id.0);
            }
        }
        let moving: Vec<_> = self.gate.iter().filter(|record| record.state.is_moving()).collect();
        assert!(moving.iter().all(|record| self.executed.contains(&record.id)), "moves without an execute");
    }
}

/// Every history of that many steps that begins as this one. Returns how many steps were looked at.
fn all(world: &World, desk: &Desk, acts: &[Act], depth: u32) -> u64 {
    if depth == 0 {
        return 0;
    }
    let next = |act: &Act| {
        let mut world = world.clone();
        world.act(desk, *act);
        1 + all(&world, desk, acts, depth - 1)
    };
    acts.iter().map(next).sum()
}

fn everything(mode: ControlMode, guarded: bool, acts: &[Act]) {
    let desk = desk(mode);
    let mut gate = Gate::new(GateConfig::default(), 0);
    if guarded {
        let class = PointClass { two_persons: TwoPersons::Always, ..PointClass::default() };
        let policy = GatePolicy { classes: vec![class], study: StudyRule::Refuse, ..GatePolicy::default() };
        gate.configure(policy, Arc::new(Grid));
    }
    let world = World {
        gate,
        now: begin(),
        last: 0,
        owner: BTreeMap::new(),
        executed: BTreeSet::new(),
        approved: BTreeMap::new(),
        borne: BTreeSet::new(),
        guarded,
    };
    // Before the first select nothing can happen to a command: the histories begin with one.
    let mut first = world;
    first.act(&desk, Act::Select(0));
    let steps = all(&first, &desk, acts, DEPTH - 1);
    let wide = u64::try_from(acts.len()).unwrap_or(0);
    assert_eq!(steps, (1..DEPTH).map(|depth| wide.pow(depth)).sum::<u64>());
}

#[test]
fn two_operators_in_every_order() {
    for mode in [ControlMode::SelectBeforeOperate, ControlMode::Direct] {
        everything(mode, false, &ACTS);
    }
}

/// The same where the grid is studied and a second person asked before anything leaves (S-15).
#[test]
fn two_operators_with_study_and_approval_in_every_order() {
    for mode in [ControlMode::SelectBeforeOperate, ControlMode::Direct] {
        everything(mode, true, &GUARDED);
    }
}
