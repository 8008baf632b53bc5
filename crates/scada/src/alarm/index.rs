//! Counts and members kept beside the list, so that no question walks through all conditions.

use super::group::{FirstOut, GroupLine};
use super::{Alarm, AlarmId, Place};
use crate::event::Severity;
use signal::PointId;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Numbers of conditions. Every listed condition is in exactly one of `shown`, `shelved`, `suppressed` and
/// `out_of_service`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// In front of the operator.
    pub shown: usize,
    /// Of those, how many hold.
    pub active: usize,
    /// Of those shown, how many wait for acknowledgement, from info to critical.
    unacknowledged: [usize; 5],
    /// Shelved.
    pub shelved: usize,
    /// Suppressed by design.
    pub suppressed: usize,
    /// Out of service.
    pub out_of_service: usize,
}

const fn rank(priority: Severity) -> usize {
    match priority {
        Severity::Info => 0,
        Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        Severity::Critical => 4,
    }
}

impl Tally {
    /// All listed conditions.
    pub const fn listed(&self) -> usize {
        self.shown + self.shelved + self.suppressed + self.out_of_service
    }

    /// Those shown that wait for acknowledgement.
    pub fn unacknowledged(&self) -> usize {
        self.unacknowledged.iter().sum()
    }

    /// Those of a priority that wait for acknowledgement.
    pub const fn unacknowledged_of(&self, priority: Severity) -> usize {
        self.unacknowledged[rank(priority)]
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.shown += other.shown;
        self.active += other.active;
        self.shelved += other.shelved;
        self.suppressed += other.suppressed;
        self.out_of_service += other.out_of_service;
        for (sum, more) in self.unacknowledged.iter_mut().zip(other.unacknowledged) {
            *sum += more;
        }
    }

    pub(super) fn add(&mut self, alarm: &Alarm) {
        self.each(alarm, |count| *count += 1);
    }

    fn remove(&mut self, alarm: &Alarm) {
        self.each(alarm, |count| *count -= 1);
    }

    fn each(&mut self, alarm: &Alarm, change: impl Fn(&mut usize)) {
        match alarm.place() {
            Place::Shelved => change(&mut self.shelved),
            Place::Suppressed => change(&mut self.suppressed),
            Place::OutOfService => change(&mut self.out_of_service),
            Place::Shown => {
                change(&mut self.shown);
                if alarm.active {
                    change(&mut self.active);
                }
                if !alarm.acknowledged {
                    change(&mut self.unacknowledged[rank(alarm.priority)]);
                }
            }
        }
    }
}

/// One group.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) members: BTreeSet<AlarmId>,
    pub(super) tally: Tally,
    pub(super) first_out: Option<FirstOut>,
}

/// Everything kept beside the list.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    by_point: HashMap<PointId, BTreeSet<AlarmId>>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) tally: Tally,
}

impl Index {
    /// Takes a condition up, or takes its changed state up again.
    pub(super) fn add(&mut self, alarm: &Alarm) {
        self.tally.add(alarm);
        if !self.groups.contains_key(&alarm.group) {
            self.groups.insert(alarm.group.clone(), Group::default());
        }
        if let Some(group) = self.groups.get_mut(&alarm.group) {
            group.tally.add(alarm);
            if !group.members.contains(&alarm.id) {
                group.members.insert(alarm.id.clone());
            }
        }
        if let Some(point) = alarm.point {
            self.by_point.entry(point).or_default().insert(alarm.id.clone());
        }
    }

    /// Takes the state of a condition out of the counts, before it changes.
    pub(super) fn discount(&mut self, alarm: &Alarm) {
        self.tally.remove(alarm);
        if let Some(group) = self.groups.get_mut(&alarm.group) {
            group.tally.remove(alarm);
        }
    }

    /// Forgets a condition that was discounted before. A group without one is forgotten with its first-out.
    pub(super) fn forget(&mut self, alarm: &Alarm) {
        if let Some(group) = self.groups.get_mut(&alarm.group) {
            group.members.remove(&alarm.id);
            if group.members.is_empty() {
                self.groups.remove(&alarm.group);
            }
        }
        if let Some(point) = alarm.point
            && let Some(ids) = self.by_point.get_mut(&point)
        {
            ids.remove(&alarm.id);
            if ids.is_empty() {
                self.by_point.remove(&point);
            }
        }
    }

    /// The conditions of a point.
    pub(super) fn of_point(&self, point: PointId) -> impl Iterator<Item = &AlarmId> {
        self.by_point.get(&point).into_iter().flatten()
    }

    /// The conditions of a group.
    pub(super) fn of_group(&self, group: &str) -> Vec<AlarmId> {
        self.groups.get(group).map_or_else(Vec::new, |group| group.members.iter().cloned().collect())
    }

    /// A line for every group.
    pub(super) fn lines(&self) -> Vec<GroupLine> {
        let line = |(name, group): (&String, &Group)| GroupLine {
            groups: vec![name.clone()],
            first_out: group.first_out.clone(),
            tally: group.tally,
        };
        self.groups.iter().map(line).collect()
    }
}
