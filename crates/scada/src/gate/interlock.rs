//! Interlocks that follow from the network (S-16): the gate asks, whoever knows the network answers.

use crate::table::Table;
use signal::{PointId, Value};
use std::collections::BTreeMap;
use std::fmt;

/// Something that stands against an action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bar {
    /// Stable name of the rule, e.g. `earthed`.
    pub code: &'static str,
    /// Which switch and why, for people.
    pub text: String,
    /// What to do about it.
    pub hint: &'static str,
    /// Refused, or only said.
    pub refuses: bool,
}

/// The rules of a network.
pub trait Interlock: fmt::Debug + Send + Sync {
    /// What stands against giving a point this value, in the state of the table; worst first.
    fn bars(&self, point: PointId, value: Value, table: &Table) -> Vec<Bar>;

    /// What would have stood against bringing a point to its position among these, which differ from the table's; for orders
    /// that are checked step by step.
    fn bars_among(&self, point: PointId, positions: &BTreeMap<PointId, Value>, table: &Table) -> Vec<Bar>;

    /// Whether operating a point changes the flows of the grid: then a command on it can be studied.
    fn has_effect(&self, point: PointId, value: Value, table: &Table) -> bool;
}

/// A network without rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoInterlock;

impl Interlock for NoInterlock {
    fn bars(&self, _: PointId, _: Value, _: &Table) -> Vec<Bar> {
        Vec::new()
    }

    fn bars_among(&self, _: PointId, _: &BTreeMap<PointId, Value>, _: &Table) -> Vec<Bar> {
        Vec::new()
    }

    fn has_effect(&self, _: PointId, _: Value, _: &Table) -> bool {
        false
    }
}
