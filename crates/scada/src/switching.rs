//! Switching orders (IEC 61968-3 `SwitchingPlan`): steps that are written, checked against the network as it will be,
//! approved and then done one after the other, and safety documents whose tags hold while they are issued.
//!
//! ```text
//! draft ──check──▶ checked ──approve (another person)──▶ approved ──begin──▶ in progress ──last step──▶ completed
//!   ▲─────edit───────┘                                                          │
//!   └ emergency: begin without approval                     cancel, with a reason, at any time before completed
//! ```
//!
//! An order never operates by itself: [`Switching::act`] says what has to be done, and whoever asks does it through the
//! command gate, the tag list or in the field. A template is never begun, only copied.

mod order;
mod simulate;
#[cfg(test)]
mod tests;

pub use order::{
    Action, Check, Document, DocumentKind, DocumentState, OrderKind, OrderState, Step, StepState,
    SwitchingOrder,
};
pub use simulate::{Finding, Present, simulate};

use crate::gate::{CommandRecord, CommandState};
use crate::tag::TagKind;
use signal::{CommandId, PointId, Value};
use std::collections::{BTreeMap, HashMap};
use timebase::Utc;

/// Orders kept at most, ended ones included; the oldest that has ended makes room.
pub const MAX_ORDERS: usize = 1_000;
/// Steps of one order at most.
pub const MAX_STEPS: usize = 500;
/// Safety documents of one order at most.
pub const MAX_DOCUMENTS: usize = 20;

/// Why something was not done with an order.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SwitchingRefusal {
    /// There is no such order, step or document.
    #[error("no such {0}")]
    Unknown(&'static str),
    /// The order is in another state.
    #[error("the order is {}", .0.name().replace('_', " "))]
    State(OrderState),
    /// Somebody else has to approve.
    #[error("another person than {0} has to approve")]
    SamePerson(String),
    /// The check found faults, or was made before the last change.
    #[error("the order has not passed its check")]
    NotChecked,
    /// Steps are done in their order.
    #[error("step {0} comes first")]
    NotNext(usize),
    /// The step is under way or over.
    #[error("the step is {0}")]
    StepState(&'static str),
    /// The network is not as the step wants it.
    #[error("{0}")]
    Verify(String),
    /// A document's tags are not all in place.
    #[error("document {0} cannot be issued: its tags are not all in place")]
    TagsMissing(usize),
    /// A document that is issued holds its tags and its order.
    #[error("safety document {document} of order {order} is issued to {holder}")]
    Issued {
        /// The order.
        order: u64,
        /// The document, from 1.
        document: usize,
        /// Who holds it.
        holder: String,
    },
    /// Too many.
    #[error("at most {0}")]
    TooMany(usize),
    /// Something is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
}

/// What has to happen for a step, by whoever asked for it.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// A command through the gate; say its number to [`Switching::attach`].
    Operate {
        /// The point.
        point: PointId,
        /// The wanted value.
        value: Value,
        /// The reason that the gate and the audit get.
        reason: String,
    },
    /// A tag; say its number to [`Switching::tagged`].
    PlaceTag {
        /// The point.
        point: PointId,
        /// What it does.
        kind: TagKind,
        /// Its text, which names the order and the document.
        text: String,
    },
    /// Tags that this order has placed come off.
    RemoveTags(Vec<u64>),
    /// Nothing more: the step is done.
    Done,
}

/// All orders.
#[derive(Clone, Debug, Default)]
pub struct Switching {
    orders: BTreeMap<u64, SwitchingOrder>,
    last: u64,
    /// Commands under way with their order and step.
    running: HashMap<CommandId, (u64, usize)>,
}

impl Switching {
    /// The orders that the store held. A command that was under way has ended with the process: its step is open again.
    pub fn restore(orders: Vec<SwitchingOrder>) -> Self {
        let last = orders.iter().map(|order| order.id).max().unwrap_or(0);
        let mut list = Self { last, ..Self::default() };
        for mut order in orders {
            for step in order.steps.iter_mut().filter(|step| matches!(step.state, StepState::Running(_))) {
                step.state = StepState::Open;
                step.note =
                    "its command was under way when the centre stopped: look before doing it again".into();
            }
            list.orders.insert(order.id, order);
        }
        list
    }

    /// One order.
    pub fn get(&self, id: u64) -> Option<&SwitchingOrder> {
        self.orders.get(&id)
    }

    /// All orders, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &SwitchingOrder> {
        self.orders.values()
    }

    /// Takes a new order in; its number is given here. Returns the number and the one that made room.
    pub fn add(&mut self, mut order: SwitchingOrder) -> Result<(u64, Option<u64>), SwitchingRefusal> {
        check_size(&order)?;
        let mut gone = None;
        if self.orders.len() >= MAX_ORDERS {
            let ended = self.orders.values().find(|order| order.state.is_over()).map(|order| order.id);
            let ended = ended.ok_or(SwitchingRefusal::TooMany(MAX_ORDERS))?;
            self.orders.remove(&ended);
            gone = Some(ended);
        }
        self.last += 1;
        order.id = self.last;
        self.orders.insert(order.id, order);
        Ok((self.last, gone))
    }

    /// Replaces what an order says while nobody has approved it; its check has to be made anew. Whoever changed it last is its
    /// author from then on: nobody approves what he has written himself.
    pub fn edit(&mut self, id: u64, new: SwitchingOrder) -> Result<(), SwitchingRefusal> {
        check_size(&new)?;
        let order = self.find(id)?;
        match order.state {
            OrderState::Draft | OrderState::Checked => {
                let (id, created) = (order.id, order.created);
                *order = SwitchingOrder { id, created, state: OrderState::Draft, check: None, ..new };
                Ok(())
            }
            state => Err(SwitchingRefusal::State(state)),
        }
    }

    /// Keeps what a check found. Without faults the order is checked.
    pub fn checked(&mut self, id: u64, check: Check) -> Result<(), SwitchingRefusal> {
        let order = self.find(id)?;
        match order.state {
            OrderState::Draft | OrderState::Checked => {
                let faults = check.findings.iter().any(|finding| finding.is_fault);
                order.state = if faults { OrderState::Draft } else { OrderState::Checked };
                order.check = Some(check);
                Ok(())
            }
            state => Err(SwitchingRefusal::State(state)),
        }
    }

    /// Another person takes the order as good.
    pub fn approve(&mut self, id: u64, who: &str) -> Result<(), SwitchingRefusal> {
        let order = self.find(id)?;
        match order.state {
            OrderState::Draft => Err(SwitchingRefusal::NotChecked),
            OrderState::Checked if order.author == who => {
                Err(SwitchingRefusal::SamePerson(order.author.clone()))
            }
            OrderState::Checked => {
                order.approver = Some(who.to_owned());
                order.state = OrderState::Approved;
                Ok(())
            }
            state => Err(SwitchingRefusal::State(state)),
        }
    }

    /// Steps may be done from now on.
    pub fn begin(&mut self, id: u64) -> Result<(), SwitchingRefusal> {
        let order = self.find(id)?;
        let may = match (order.kind, order.state) {
            (OrderKind::Planned | OrderKind::Emergency, OrderState::Approved) => true,
            (OrderKind::Emergency, OrderState::Draft | OrderState::Checked) => true,
            (OrderKind::Planned, OrderState::Draft) => return Err(SwitchingRefusal::NotChecked),
            (OrderKind::Planned | OrderKind::Template | OrderKind::Emergency, _) => false,
        };
        if !may {
            return Err(SwitchingRefusal::State(order.state));
        }
        order.state = OrderState::InProgress;
        Ok(())
    }

    /// Ends an order before its last step. Documents that are issued have to come back first.
    pub fn cancel(&mut self, id: u64, reason: &str) -> Result<(), SwitchingRefusal> {
        let order = self.find(id)?;
        if order.state.is_over() {
            return Err(SwitchingRefusal::State(order.state));
        }
        order.refuse_if_issued()?;
        order.state = OrderState::Cancelled;
        order.end_reason = Some(reason.to_owned());
        Ok(())
    }

    /// What has to happen for the next step; `measured` tells the present good value of a point.
    pub fn act(
        &mut self,
        (id, at): (u64, usize),
        who: &str,
        now: Utc,
        measured: impl Fn(PointId) -> Option<Value>,
    ) -> Result<Effect, SwitchingRefusal> {
        let order = self.find(id)?;
        order.refuse_unless_next(at)?;
        let action = order.steps[at].action.clone();
        let effect = match &action {
            Action::Operate { point, value } => {
                let reason = format!("switching order {id}, step {}: {}", at + 1, order.title);
                // Done when the measurement confirms the command.
                return Ok(Effect::Operate { point: *point, value: *value, reason });
            }
            Action::PlaceTag { point, kind, text, document } => {
                let about = document.map_or_else(String::new, |n| format!(", document {}", n + 1));
                let text = format!("{text} (switching order {id}{about})");
                return Ok(Effect::PlaceTag { point: *point, kind: *kind, text });
            }
            Action::RemoveTags { point } => {
                order.refuse_if_held(*point)?;
                Effect::RemoveTags(order.tags_on(*point))
            }
            Action::Verify { point, value } => {
                verify(measured(*point), *value)?;
                Effect::Done
            }
            Action::Issue { document } => {
                order.issue(*document)?;
                Effect::Done
            }
            Action::Clear { document } => {
                order.clear(*document)?;
                Effect::Done
            }
            Action::Instruct { .. } => Effect::Done,
        };
        order.finish(at, who, now);
        Ok(effect)
    }

    /// The gate has taken the command of a step.
    pub fn attach(&mut self, (id, at): (u64, usize), command: CommandId) {
        if let Some(step) = self.orders.get_mut(&id).and_then(|order| order.steps.get_mut(at)) {
            step.state = StepState::Running(command);
            self.running.insert(command, (id, at));
        }
    }

    /// The tag of a step hangs.
    pub fn tagged(&mut self, (id, at): (u64, usize), tag: u64, who: &str, now: Utc) {
        if let Some(order) = self.orders.get_mut(&id)
            && at < order.steps.len()
        {
            order.steps[at].tag = Some(tag);
            order.finish(at, who, now);
        }
    }

    /// Follows a command that went a step; the number of the order if it is about one.
    pub fn follow(&mut self, command: &CommandRecord, now: Utc) -> Option<u64> {
        let &(id, at) = self.running.get(&command.id)?;
        if command.state.is_open() {
            return None;
        }
        self.running.remove(&command.id);
        let order = self.orders.get_mut(&id)?;
        if command.state == CommandState::Confirmed {
            order.finish(at, &command.actor, now);
        } else {
            let why = command.stages.last().map_or("", |stage| stage.text.as_str());
            order.steps[at].state = StepState::Open;
            order.steps[at].note = format!("command {} {}: {why}", command.id.0, command.state.name());
        }
        Some(id)
    }

    /// Leaves a step out, with a reason.
    pub fn skip(
        &mut self,
        (id, at): (u64, usize),
        (who, reason): (&str, &str),
        now: Utc,
    ) -> Result<(), SwitchingRefusal> {
        let order = self.find(id)?;
        order.refuse_unless_next(at)?;
        order.finish(at, who, now);
        order.steps[at].state = StepState::Skipped;
        order.steps[at].note = reason.to_owned();
        Ok(())
    }

    /// A tag that belongs to a document in somebody's hands stays where it is.
    pub fn may_remove(&self, tag: u64) -> Result<(), SwitchingRefusal> {
        let owner = self.orders.values().find(|order| order.steps.iter().any(|step| step.tag == Some(tag)));
        owner.map_or(Ok(()), |order| order.refuse_if_tag_held(tag))
    }

    fn find(&mut self, id: u64) -> Result<&mut SwitchingOrder, SwitchingRefusal> {
        self.orders.get_mut(&id).ok_or(SwitchingRefusal::Unknown("order"))
    }
}

fn verify(seen: Option<Value>, wanted: Value) -> Result<(), SwitchingRefusal> {
    match seen {
        Some(seen) if seen == wanted => Ok(()),
        Some(seen) => Err(SwitchingRefusal::Verify(format!("it is {seen:?}, not {wanted:?}"))),
        None => Err(SwitchingRefusal::Verify("its measured state is not good".to_owned())),
    }
}

fn check_size(order: &SwitchingOrder) -> Result<(), SwitchingRefusal> {
    if order.steps.len() > MAX_STEPS {
        return Err(SwitchingRefusal::TooMany(MAX_STEPS));
    }
    if order.documents.len() > MAX_DOCUMENTS {
        return Err(SwitchingRefusal::TooMany(MAX_DOCUMENTS));
    }
    if order.title.trim().is_empty() {
        return Err(SwitchingRefusal::Missing("a title"));
    }
    if order.steps.is_empty() {
        return Err(SwitchingRefusal::Missing("a step"));
    }
    Ok(())
}
