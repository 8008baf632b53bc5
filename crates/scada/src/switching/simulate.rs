//! The check of an order in study mode: its steps are played, one after the other, on positions and tags as they will be.
//!
//! What the network makes of each step (interlocks, power flow) is asked from `study`, which gets the positions after the
//! step. O(steps) questions.

use super::{Action, DocumentState, SwitchingOrder};
use crate::tag::TagKind;
use signal::{PointId, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Something that the check found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The step, from 0.
    pub step: usize,
    /// A fault keeps the order from being approved; anything else is a hint.
    pub is_fault: bool,
    /// What, for people.
    pub text: String,
}

/// What a point is now.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Present {
    /// Whether it has a control.
    pub controllable: bool,
    /// The good value, if there is one.
    pub value: Option<Value>,
    /// Whether a hold tag hangs on it.
    pub held: bool,
}

/// What has become of the network after the steps so far.
struct Play<'a> {
    order: &'a SwitchingOrder,
    /// Positions that steps have changed.
    positions: BTreeMap<PointId, Value>,
    /// Points on which steps have hung a hold tag.
    held: BTreeSet<PointId>,
    /// Documents for which a tag hangs.
    tags: BTreeSet<usize>,
    documents: Vec<DocumentState>,
    findings: Vec<Finding>,
}

/// Plays an order. `present` tells what a point is now, `study` what the network says about the positions after a step that
/// operates: faults as `Err`, hints as `Ok`.
pub fn simulate(
    order: &SwitchingOrder,
    present: impl Fn(PointId) -> Present,
    mut study: impl FnMut(&BTreeMap<PointId, Value>, PointId) -> Result<Vec<String>, Vec<String>>,
) -> Vec<Finding> {
    let mut play = Play {
        order,
        positions: BTreeMap::new(),
        held: BTreeSet::new(),
        tags: BTreeSet::new(),
        documents: vec![DocumentState::Prepared; order.documents.len()],
        findings: Vec::new(),
    };
    for (at, step) in order.steps.iter().enumerate() {
        let now = step.action.point().map(&present).unwrap_or_default();
        if play.step(at, &step.action, &now)
            && let Action::Operate { point, .. } = step.action
        {
            let (is_fault, texts) = match study(&play.positions, point) {
                Ok(hints) => (false, hints),
                Err(faults) => (true, faults),
            };
            play.findings.extend(texts.into_iter().map(|text| Finding { step: at, is_fault, text }));
        }
    }
    play.end();
    play.findings
}

/// What a point shows after a command: a tap changer moves by the step that it is told.
fn after(seen: Option<Value>, command: Value) -> Value {
    match (seen, command) {
        (Some(Value::Step(at)), Value::Step(by)) => Value::Step(at.saturating_add(by)),
        (_, command) => command,
    }
}

impl Play<'_> {
    fn fault(&mut self, step: usize, text: impl Into<String>) {
        self.findings.push(Finding { step, is_fault: true, text: text.into() });
    }

    fn hint(&mut self, step: usize, text: impl Into<String>) {
        self.findings.push(Finding { step, is_fault: false, text: text.into() });
    }

    /// Plays one step; whether the network has to be asked about it.
    fn step(&mut self, at: usize, action: &Action, now: &Present) -> bool {
        match action {
            Action::Operate { point, value } => return self.operate(at, *point, *value, now),
            Action::Verify { point, value } => {
                let seen = self.positions.get(point).copied().or(now.value);
                match seen {
                    Some(seen) if seen == *value => {}
                    Some(_) => self.fault(at, "will not be in that position"),
                    None => self.hint(at, "its measured state is not good now"),
                }
            }
            Action::PlaceTag { point, kind, document, .. } => {
                if let Some(document) = document {
                    self.known_document(at, *document);
                    self.tags.insert(*document);
                }
                if *kind == TagKind::Hold {
                    self.held.insert(*point);
                }
            }
            Action::RemoveTags { point } => self.remove_tags(at, *point),
            Action::Issue { document } => {
                if !self.tags.contains(document) {
                    self.fault(at, "no tag protects the document before it is issued");
                }
                self.turn(at, *document, DocumentState::Prepared, DocumentState::Issued);
            }
            Action::Clear { document } => {
                self.turn(at, *document, DocumentState::Issued, DocumentState::Cleared)
            }
            Action::Instruct { .. } => {}
        }
        false
    }

    fn operate(&mut self, at: usize, point: PointId, value: Value, now: &Present) -> bool {
        if !now.controllable {
            self.fault(at, "has no control");
            return false;
        }
        if self.held.contains(&point) {
            self.fault(at, "an earlier step has hung a hold tag on it");
        } else if now.held {
            self.hint(at, "a hold tag hangs on it now");
        }
        let seen = self.positions.get(&point).copied().or(now.value);
        let after = after(seen, value);
        match seen {
            Some(seen) if seen == after => self.hint(at, "will be in that position already"),
            Some(_) => {}
            None => self.hint(at, "its measured state is not good now"),
        }
        self.positions.insert(point, after);
        true
    }

    fn remove_tags(&mut self, at: usize, point: PointId) {
        let mut tied = None;
        let mut hung = false;
        for step in &self.order.steps[..at] {
            if let Action::PlaceTag { point: on, document, .. } = step.action
                && on == point
            {
                hung = true;
                tied = tied.or(document);
            }
        }
        if !hung {
            self.fault(at, "no earlier step has hung a tag there");
        }
        let issued = |at: &usize| self.documents.get(*at) == Some(&DocumentState::Issued);
        if let Some(document) = tied.filter(issued) {
            self.fault(at, format!("document {} will be in somebody's hands", document + 1));
        }
        self.held.remove(&point);
    }

    fn known_document(&mut self, at: usize, document: usize) -> bool {
        let known = document < self.documents.len();
        if !known {
            self.fault(at, format!("there is no document {}", document + 1));
        }
        known
    }

    fn turn(&mut self, at: usize, document: usize, from: DocumentState, to: DocumentState) {
        if !self.known_document(at, document) {
            return;
        }
        if self.documents[document] != from {
            let state = self.documents[document].name();
            self.fault(at, format!("document {} will be {state}", document + 1));
        }
        self.documents[document] = to;
    }

    /// What is left over after the last step.
    fn end(&mut self) {
        let last = self.order.steps.len().saturating_sub(1);
        let issued = self.documents.iter().position(|state| *state == DocumentState::Issued);
        if let Some(document) = issued {
            self.hint(last, format!("document {} stays issued after the last step", document + 1));
        }
    }
}
