//! What configuration says of conditions: delays, latching, groups, the texts of the rationalisation, suppression by
//! design.

use super::{AlarmId, AlarmKind};
use crate::event::Severity;
use signal::{PointId, PointList};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// What is decided of one condition (ISA-18.2 calls this the rationalisation). An empty rule changes nothing.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Rule {
    /// Instead of the priority that it is raised with.
    pub priority: Option<Severity>,
    /// How long it must hold.
    pub on_delay: Option<Duration>,
    /// How long it must be gone.
    pub off_delay: Option<Duration>,
    /// Whether it stays until somebody resets it.
    pub latching: bool,
    /// Instead of the group that follows from its point.
    pub group: Option<String>,
    /// What it usually comes from.
    pub cause: String,
    /// What happens when nobody does anything.
    pub consequence: String,
    /// What to do.
    pub response: String,
}

/// While a condition holds, others are its consequence and are hidden.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suppression {
    /// The condition that is shown instead. It is itself never hidden by design.
    pub when: AlarmId,
    /// These are hidden.
    pub conditions: Vec<AlarmId>,
    /// And those of these groups,
    pub groups: Vec<String>,
    /// if they are of these kinds.
    pub kinds: Vec<AlarmKind>,
}

/// How alarms are managed.
#[derive(Clone, Debug)]
pub struct AlarmSettings {
    /// By condition.
    pub rules: HashMap<AlarmId, Rule>,
    /// Suppression by design.
    pub suppressions: Vec<Suppression>,
    /// On-delay of limits without a rule.
    pub limit_on_delay: Duration,
    /// Off-delay of limits without a rule.
    pub limit_off_delay: Duration,
    /// Longest shelving (MaxTimeShelved).
    pub max_shelved: Duration,
    /// Longest time out of service.
    pub max_out_of_service: Duration,
    /// More conditions than this, inhibited by people within ten minutes, are an alarm.
    pub mass_change: u64,
    /// An alarm that holds for this long is stale.
    pub stale_after: Duration,
    /// Group by point; a point without one is grouped by its kind of condition.
    pub groups: Vec<String>,
}

impl Default for AlarmSettings {
    fn default() -> Self {
        Self {
            rules: HashMap::new(),
            suppressions: Vec::new(),
            limit_on_delay: Duration::ZERO,
            limit_off_delay: Duration::ZERO,
            max_shelved: Duration::from_secs(8 * 3_600),
            max_out_of_service: Duration::from_secs(90 * 86_400),
            mass_change: 10,
            stale_after: Duration::from_secs(86_400),
            groups: Vec::new(),
        }
    }
}

impl AlarmSettings {
    /// Groups every point by its substation.
    #[must_use]
    pub fn grouped_by_substation(mut self, points: &PointList) -> Self {
        self.groups = points.iter().map(|(_, def)| def.substation.clone()).collect();
        self
    }

    /// The rule of a condition.
    pub fn rule(&self, id: &AlarmId) -> Option<&Rule> {
        self.rules.get(id)
    }

    pub(super) fn on_delay(&self, id: &AlarmId, kind: AlarmKind) -> Duration {
        let usual = if kind == AlarmKind::Limit { self.limit_on_delay } else { Duration::ZERO };
        self.rule(id).and_then(|rule| rule.on_delay).unwrap_or(usual)
    }

    pub(super) fn off_delay(&self, id: &AlarmId, kind: AlarmKind) -> Duration {
        let usual = if kind == AlarmKind::Limit { self.limit_off_delay } else { Duration::ZERO };
        self.rule(id).and_then(|rule| rule.off_delay).unwrap_or(usual)
    }

    /// The group of a condition: its rule's, its point's, its link, or what it is about.
    pub(super) fn group(
        &self,
        id: &AlarmId,
        kind: AlarmKind,
        source: &str,
        point: Option<PointId>,
    ) -> String {
        let ruled = self.rule(id).and_then(|rule| rule.group.as_ref());
        let placed = point.and_then(|point| self.groups.get(point.at())).filter(|group| !group.is_empty());
        match (ruled.or(placed), kind) {
            (Some(group), _) => group.clone(),
            (None, AlarmKind::Link) => source.to_owned(),
            (
                None,
                AlarmKind::Limit
                | AlarmKind::Rate
                | AlarmKind::State
                | AlarmKind::Uncommanded
                | AlarmKind::Estimator
                | AlarmKind::Command
                | AlarmKind::System,
            ) => kind.name().to_owned(),
        }
    }
}

/// The suppressions, by what they hide and by what hides it.
#[derive(Clone, Debug, Default)]
pub(super) struct Design {
    by_cause: HashMap<AlarmId, Vec<usize>>,
    by_condition: HashMap<AlarmId, Vec<usize>>,
    by_group: HashMap<String, Vec<usize>>,
    holding: BTreeSet<AlarmId>,
    dead: BTreeSet<String>,
}

impl Design {
    pub(super) fn new(suppressions: &[Suppression]) -> Self {
        let mut design = Self::default();
        for (at, rule) in suppressions.iter().enumerate() {
            design.by_cause.entry(rule.when.clone()).or_default().push(at);
            for id in &rule.conditions {
                design.by_condition.entry(id.clone()).or_default().push(at);
            }
            for group in &rule.groups {
                design.by_group.entry(group.clone()).or_default().push(at);
            }
        }
        design
    }

    /// Whether a rule names the condition as a cause.
    pub(super) fn is_cause(&self, id: &AlarmId) -> bool {
        self.by_cause.contains_key(id)
    }

    /// Notes whether a cause holds; the rules that this concerns, if it changed.
    pub(super) fn set_holding(&mut self, id: &AlarmId, holds: bool) -> Option<&[usize]> {
        let rules = self.by_cause.get(id)?;
        let changed = if holds { self.holding.insert(id.clone()) } else { self.holding.remove(id) };
        changed.then_some(rules)
    }

    /// Notes which groups are dead; those whose state changed.
    pub(super) fn set_dead(&mut self, dead: BTreeSet<String>) -> Vec<String> {
        let changed = self.dead.symmetric_difference(&dead).cloned().collect();
        self.dead = dead;
        changed
    }

    /// Takes up a group that was dead when the centre stopped.
    pub(super) fn remember_dead(&mut self, group: &str) {
        self.dead.insert(group.to_owned());
    }

    /// What hides a condition at present.
    pub(super) fn hides(&self, rules: &[Suppression], alarm: &super::Alarm) -> Option<String> {
        if self.is_cause(&alarm.id) || alarm.kind.is_own() {
            return None;
        }
        if alarm.kind == AlarmKind::Limit && alarm.below && self.dead.contains(&alarm.group) {
            return Some(format!("dead:{}", alarm.group));
        }
        let named = self.by_condition.get(&alarm.id).into_iter().flatten();
        let grouped = self.by_group.get(&alarm.group).into_iter().flatten();
        let of_kind =
            grouped.filter(|at| rules.get(**at).is_some_and(|rule| rule.kinds.contains(&alarm.kind)));
        let mut causes = named.chain(of_kind).filter_map(|at| rules.get(*at)).map(|rule| &rule.when);
        causes.find(|cause| self.holding.contains(*cause)).map(|cause| cause.as_str().to_owned())
    }
}

/// Counts by name, for people who want to see what is hidden by what.
pub type Hidden = BTreeMap<String, usize>;
