//! Conditions that come and go too often: three raises within a minute, as ISA-18.2 counts them.

use super::AlarmId;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use timebase::Mono;

/// Raises that make a chatter.
const RAISES: usize = 3;
/// Within this time.
const SPAN: Duration = Duration::from_secs(60);
/// Without a raise for this long it is over.
const REST: Duration = Duration::from_secs(600);

/// When conditions were last raised.
#[derive(Clone, Debug, Default)]
pub(super) struct Chatter {
    last: HashMap<AlarmId, [Option<Mono>; RAISES]>,
    /// By last raise, so that what rests is found without a search.
    by_time: BTreeSet<(Mono, AlarmId)>,
    chattering: BTreeSet<AlarmId>,
}

impl Chatter {
    /// Notes a raise; whether the condition chatters.
    pub(super) fn note(&mut self, id: &AlarmId, now: Mono) -> bool {
        let last = self.last.entry(id.clone()).or_default();
        if let Some(before) = last[RAISES - 1] {
            self.by_time.remove(&(before, id.clone()));
        }
        last.rotate_left(1);
        last[RAISES - 1] = Some(now);
        self.by_time.insert((now, id.clone()));
        if last[0].is_some_and(|first| now.since(first) <= SPAN) {
            self.chattering.insert(id.clone());
        }
        self.chattering.contains(id)
    }

    /// Forgets what has rested long enough; those among them that chattered.
    pub(super) fn rested(&mut self, now: Mono) -> Vec<AlarmId> {
        let mut calm = Vec::new();
        while let Some((last, _)) = self.by_time.first() {
            if now.since(*last) < REST {
                break;
            }
            let Some((_, id)) = self.by_time.pop_first() else { break };
            self.last.remove(&id);
            if self.chattering.remove(&id) {
                calm.push(id);
            }
        }
        calm
    }

    /// The conditions that chatter.
    pub(super) fn iter(&self) -> impl Iterator<Item = &AlarmId> {
        self.chattering.iter()
    }
}
