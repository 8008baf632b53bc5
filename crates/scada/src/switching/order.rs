//! One switching order with its steps and safety documents.

use super::{Finding, SwitchingRefusal};
use crate::tag::TagKind;
use signal::{CommandId, PointId, Value};
use timebase::Utc;

/// What an order is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OrderKind {
    /// Work that was planned: checked, approved by a second person, then done.
    Planned,
    /// An emergency: may begin at once.
    Emergency,
    /// A pattern to copy.
    Template,
}

impl OrderKind {
    /// Every kind with its name in the store and in the API.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Planned, "planned"), (Self::Emergency, "emergency"), (Self::Template, "template")];

    /// The name in the store and in the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("planned", |(_, name)| name)
    }

    /// The kind with that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// How far an order has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OrderState {
    /// Being written.
    Draft,
    /// Passed its check.
    Checked,
    /// Taken as good by a second person.
    Approved,
    /// Its steps are being done.
    InProgress,
    /// Every step is done or left out.
    Completed,
    /// Ended before.
    Cancelled,
}

impl OrderState {
    /// Every state with its name in the store and in the API.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Draft, "draft"),
        (Self::Checked, "checked"),
        (Self::Approved, "approved"),
        (Self::InProgress, "in_progress"),
        (Self::Completed, "completed"),
        (Self::Cancelled, "cancelled"),
    ];

    /// The name in the store and in the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("draft", |(_, name)| name)
    }

    /// The state with that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
    }

    /// Whether nothing more happens with the order.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

/// What a step does (IEC 61968-3 `SwitchAction`, `TagAction`, `VerificationAction`, `GenericAction`).
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Operates a device through the command gate.
    Operate {
        /// The monitored point.
        point: PointId,
        /// The wanted value.
        value: Value,
    },
    /// Looks whether a device is as it should be.
    Verify {
        /// The monitored point.
        point: PointId,
        /// The value that it must show.
        value: Value,
    },
    /// Hangs a tag.
    PlaceTag {
        /// The point.
        point: PointId,
        /// What it does.
        kind: TagKind,
        /// Why it hangs there.
        text: String,
        /// The safety document that it belongs to, from 0.
        document: Option<usize>,
    },
    /// Takes the tags of this order off a point.
    RemoveTags {
        /// The point.
        point: PointId,
    },
    /// Gives a safety document to its holder.
    Issue {
        /// The document, from 0.
        document: usize,
    },
    /// Takes a safety document back: the work is over.
    Clear {
        /// The document, from 0.
        document: usize,
    },
    /// Something that people do in the field, e.g. hang a portable earth; whoever confirms it says that it is done.
    Instruct {
        /// What.
        text: String,
    },
}

impl Action {
    /// The point that it is about.
    pub const fn point(&self) -> Option<PointId> {
        match self {
            Self::Operate { point, .. }
            | Self::Verify { point, .. }
            | Self::PlaceTag { point, .. }
            | Self::RemoveTags { point } => Some(*point),
            Self::Issue { .. } | Self::Clear { .. } | Self::Instruct { .. } => None,
        }
    }
}

/// How far a step has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StepState {
    /// Not done yet.
    Open,
    /// Its command is under way.
    Running(CommandId),
    /// Done.
    Done,
    /// Left out.
    Skipped,
}

impl StepState {
    /// The name in the store and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Running(_) => "running",
            Self::Done => "done",
            Self::Skipped => "skipped",
        }
    }
}

/// One step.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// What it does.
    pub action: Action,
    /// How far it has come.
    pub state: StepState,
    /// Who did or skipped it.
    pub by: Option<String>,
    /// When.
    pub at: Option<Utc>,
    /// Why it was skipped, or why its last try failed.
    pub note: String,
    /// The tag that it has hung.
    pub tag: Option<u64>,
}

impl Step {
    /// A step that is not done yet.
    pub const fn new(action: Action) -> Self {
        Self { action, state: StepState::Open, by: None, at: None, note: String::new(), tag: None }
    }
}

/// Kinds of safety documents.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DocumentKind {
    /// Work on equipment that is isolated and earthed.
    PermitToWork,
    /// Work with tests for which the earths may be moved.
    SanctionForTest,
    /// Work near equipment that stays alive.
    LimitationOfAccess,
}

impl DocumentKind {
    /// Every kind with its name in the store and in the API.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::PermitToWork, "permit_to_work"),
        (Self::SanctionForTest, "sanction_for_test"),
        (Self::LimitationOfAccess, "limitation_of_access"),
    ];

    /// The name in the store and in the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("permit_to_work", |(_, name)| name)
    }

    /// The kind with that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// In whose hands a safety document is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DocumentState {
    /// Written.
    Prepared,
    /// In the holder's hands: its tags stay.
    Issued,
    /// Given back.
    Cleared,
}

impl DocumentState {
    /// Every state with its name in the store and in the API.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Prepared, "prepared"), (Self::Issued, "issued"), (Self::Cleared, "cleared")];

    /// The name in the store and in the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("prepared", |(_, name)| name)
    }

    /// The state with that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
    }
}

/// A safety document (IEC 61968-3 `SafetyDocument`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// What it permits.
    pub kind: DocumentKind,
    /// Who holds it while it is issued.
    pub holder: String,
    /// What work, where.
    pub text: String,
    /// In whose hands it is.
    pub state: DocumentState,
}

/// What the check of an order found, against the network as it will be.
#[derive(Clone, PartialEq, Debug)]
pub struct Check {
    /// When.
    pub at: Utc,
    /// Who asked for it.
    pub by: String,
    /// Faults and hints, by step.
    pub findings: Vec<Finding>,
}

/// One order.
#[derive(Clone, PartialEq, Debug)]
pub struct SwitchingOrder {
    /// Its number.
    pub id: u64,
    /// What it is called.
    pub title: String,
    /// What it is for.
    pub kind: OrderKind,
    /// How far it has come.
    pub state: OrderState,
    /// Why it is done.
    pub reason: String,
    /// Who wrote it.
    pub author: String,
    /// When.
    pub created: Utc,
    /// Who approved it.
    pub approver: Option<String>,
    /// The steps, in their order.
    pub steps: Vec<Step>,
    /// The safety documents.
    pub documents: Vec<Document>,
    /// The latest check of what it says now.
    pub check: Option<Check>,
    /// Why it was cancelled.
    pub end_reason: Option<String>,
}

impl SwitchingOrder {
    /// The step that is to be done, from 0.
    pub fn next(&self) -> Option<usize> {
        self.steps.iter().position(|step| matches!(step.state, StepState::Open | StepState::Running(_)))
    }

    /// Every point that it is about.
    pub fn points(&self) -> impl Iterator<Item = PointId> {
        self.steps.iter().filter_map(|step| step.action.point())
    }

    /// The same steps, fresh, for another order.
    pub fn copy(&self, kind: OrderKind, author: &str, now: Utc) -> Self {
        let fresh = |document: &Document| Document { state: DocumentState::Prepared, ..document.clone() };
        Self {
            id: 0,
            kind,
            state: OrderState::Draft,
            author: author.to_owned(),
            created: now,
            approver: None,
            steps: self.steps.iter().map(|step| Step::new(step.action.clone())).collect(),
            documents: self.documents.iter().map(fresh).collect(),
            check: None,
            end_reason: None,
            ..self.clone()
        }
    }

    pub(super) fn refuse_unless_next(&self, at: usize) -> Result<(), SwitchingRefusal> {
        let step = self.steps.get(at).ok_or(SwitchingRefusal::Unknown("step"))?;
        if self.state != OrderState::InProgress {
            return Err(SwitchingRefusal::State(self.state));
        }
        match (step.state, self.next()) {
            (StepState::Open, Some(next)) if next == at => Ok(()),
            (StepState::Open, Some(next)) => Err(SwitchingRefusal::NotNext(next + 1)),
            (state, _) => Err(SwitchingRefusal::StepState(state.name())),
        }
    }

    /// Notes that a step is done; after the last one the order is completed.
    pub(super) fn finish(&mut self, at: usize, who: &str, now: Utc) {
        let step = &mut self.steps[at];
        step.state = StepState::Done;
        step.by = Some(who.to_owned());
        step.at = Some(now);
        step.note.clear();
        if self.next().is_none() {
            self.state = OrderState::Completed;
        }
    }

    pub(super) fn issue(&mut self, at: usize) -> Result<(), SwitchingRefusal> {
        let hangs = |step: &Step| match step.action {
            Action::PlaceTag { document, .. } if document == Some(at) => step.tag.is_some(),
            _ => true,
        };
        if !self.steps.iter().all(hangs) {
            return Err(SwitchingRefusal::TagsMissing(at + 1));
        }
        self.move_document(at, DocumentState::Prepared, DocumentState::Issued)
    }

    pub(super) fn clear(&mut self, at: usize) -> Result<(), SwitchingRefusal> {
        self.move_document(at, DocumentState::Issued, DocumentState::Cleared)
    }

    fn move_document(
        &mut self,
        at: usize,
        from: DocumentState,
        to: DocumentState,
    ) -> Result<(), SwitchingRefusal> {
        let document = self.documents.get_mut(at).ok_or(SwitchingRefusal::Unknown("document"))?;
        if document.state != from {
            return Err(SwitchingRefusal::StepState(document.state.name()));
        }
        document.state = to;
        Ok(())
    }

    /// The tags that this order has hung on a point.
    pub(super) fn tags_on(&self, point: PointId) -> Vec<u64> {
        let here = |step: &&Step| step.action.point() == Some(point);
        self.steps.iter().filter(here).filter_map(|step| step.tag).collect()
    }

    pub(super) fn refuse_if_held(&self, point: PointId) -> Result<(), SwitchingRefusal> {
        self.tags_on(point).into_iter().try_for_each(|tag| self.refuse_if_tag_held(tag))
    }

    pub(super) fn refuse_if_tag_held(&self, tag: u64) -> Result<(), SwitchingRefusal> {
        let step = self.steps.iter().find(|step| step.tag == Some(tag));
        match step.map(|step| &step.action) {
            Some(Action::PlaceTag { document: Some(document), .. }) => {
                self.refuse_if_document_issued(*document)
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn refuse_if_issued(&self) -> Result<(), SwitchingRefusal> {
        (0..self.documents.len()).try_for_each(|at| self.refuse_if_document_issued(at))
    }

    fn refuse_if_document_issued(&self, at: usize) -> Result<(), SwitchingRefusal> {
        match self.documents.get(at).filter(|document| document.state == DocumentState::Issued) {
            None => Ok(()),
            Some(document) => Err(SwitchingRefusal::Issued {
                order: self.id,
                document: at + 1,
                holder: document.holder.clone(),
            }),
        }
    }
}
