//! How well the alarm system does: the figures of ISA-18.2 clause 16 (monitoring and assessment) and EEMUA 191.

use super::AlarmId;
use super::flood::Flood;
use super::group::PRIORITIES;
use crate::event::Severity;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use timebase::{Mono, Now, Utc};

/// Alarms per ten minutes and operator that are very likely to be acceptable (EEMUA 191; ISA-18.2: about 150 a day).
pub const TARGET_RATE: f64 = 1.0;
/// Alarms in any ten minutes that an operator can follow (ISA-18.2, EEMUA 191).
pub const TARGET_PEAK: u64 = 10;
/// Share of the time in flood, in percent (ISA-18.2).
pub const TARGET_FLOOD_PERCENT: f64 = 1.0;
/// Alarms that are stale on any day (ISA-18.2).
pub const TARGET_STALE: usize = 5;
/// Share of the ten most frequent conditions in all alarms, in percent (ISA-18.2: 1 to 5).
pub const TARGET_TOP_PERCENT: f64 = 5.0;
/// Share of critical and high, of medium and of low priority, in percent (ISA-18.2 for three priorities).
pub const TARGET_MIX_PERCENT: [f64; 3] = [5.0, 15.0, 80.0];
/// The most frequent conditions that are named.
pub const TOP: usize = 10;

/// A step of the average.
const STEP: Duration = Duration::from_secs(600);
/// Steps that are kept: a day.
const STEPS: usize = 144;
/// After this long the counts by condition begin anew; those before are kept once.
const TURN: Duration = Duration::from_secs(86_400);

/// A condition with how often it was annunciated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frequent {
    /// Which.
    pub id: AlarmId,
    /// How often.
    pub count: u64,
}

/// The figures at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Figures {
    /// Since when is counted; a restart begins anew.
    pub since: Utc,
    /// Annunciated alarms since then.
    pub annunciated: u64,
    /// Of those by priority: critical, high, medium, low.
    pub by_priority: [u64; 4],
    /// Annunciated in the last ten minutes.
    pub rate: u64,
    /// Average per ten minutes over the last day, or since the start.
    pub average: f64,
    /// The most in ten minutes of the last day.
    pub peak: u64,
    /// Ten-minute steps of the last day with more than ten alarms, in percent.
    pub overloaded_percent: f64,
    /// Floods since the start.
    pub floods: u64,
    /// Time in flood since the start, in percent.
    pub flood_percent: f64,
    /// The latest floods, oldest first.
    pub flood_list: Vec<Flood>,
    /// Since when the most frequent conditions are counted: one to two days ago, or the start.
    pub top_since: Utc,
    /// The most frequent conditions.
    pub top: Vec<Frequent>,
    /// Their share, in percent.
    pub top_percent: f64,
    /// Conditions that hold for longer than they should, oldest first.
    pub stale: Vec<AlarmId>,
    /// Conditions that come and go.
    pub chattering: Vec<AlarmId>,
}

/// Counts what is annunciated.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    began: Option<Now>,
    annunciated: u64,
    by_priority: [u64; 4],
    /// Complete steps, oldest first, and the present one.
    steps: VecDeque<u64>,
    step_began: Mono,
    present: u64,
    turned: [Option<Now>; 2],
    by_id: [HashMap<AlarmId, u64>; 2],
}

impl Counts {
    /// Moves on.
    pub(super) fn advance(&mut self, now: Now) {
        if self.began.is_none() {
            self.began = Some(now);
            self.step_began = now.mono;
            self.turned = [Some(now); 2];
        }
        // After a long sleep the steps between are empty, and there are never more than a day of them.
        for _ in 0..=STEPS {
            if now.mono.since(self.step_began) < STEP {
                break;
            }
            self.step_began = self.step_began + STEP;
            self.steps.push_back(std::mem::take(&mut self.present));
            if self.steps.len() > STEPS {
                self.steps.pop_front();
            }
        }
        if self.turned[1].is_some_and(|turned| now.mono.since(turned.mono) >= TURN) {
            self.by_id.swap(0, 1);
            self.by_id[1].clear();
            self.turned = [self.turned[1], Some(now)];
        }
    }

    /// Counts an annunciated alarm.
    pub(super) fn count(&mut self, id: &AlarmId, priority: Severity, now: Now) {
        self.advance(now);
        self.annunciated += 1;
        self.present += 1;
        if let Some(at) = PRIORITIES.iter().position(|known| *known == priority) {
            self.by_priority[at] += 1;
        }
        *self.by_id[1].entry(id.clone()).or_default() += 1;
    }

    /// The figures that counting gives; floods, stale and chattering conditions are the caller's.
    pub(super) fn figures(&self, now: Now) -> Figures {
        let since = self.began.unwrap_or(now);
        let span =
            now.mono.since(self.step_began) + STEP * u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        let recent: u64 = self.steps.iter().sum::<u64>() + self.present;
        let steps = || self.steps.iter().chain([&self.present]);
        let over = steps().filter(|count| **count > TARGET_PEAK).count();
        let (top, shared) = self.top();
        Figures {
            since: since.utc,
            annunciated: self.annunciated,
            by_priority: self.by_priority,
            rate: 0,
            // Less than a step is no average: the first minutes would be extrapolated.
            average: recent as f64 / (span.max(STEP).as_secs_f64() / STEP.as_secs_f64()),
            peak: steps().copied().max().unwrap_or(0),
            overloaded_percent: 100.0 * over as f64 / (self.steps.len() + 1) as f64,
            floods: 0,
            flood_percent: 0.0,
            flood_list: Vec::new(),
            top_since: self.turned[0].unwrap_or(now).utc,
            top,
            top_percent: shared,
            stale: Vec::new(),
            chattering: Vec::new(),
        }
    }

    fn top(&self) -> (Vec<Frequent>, f64) {
        let mut sums: HashMap<&AlarmId, u64> = HashMap::new();
        for (id, count) in self.by_id.iter().flatten() {
            *sums.entry(id).or_default() += count;
        }
        let all: u64 = sums.values().sum();
        let mut top: Vec<Frequent> =
            sums.into_iter().map(|(id, count)| Frequent { id: id.clone(), count }).collect();
        top.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.id.cmp(&b.id)));
        top.truncate(TOP);
        let named: u64 = top.iter().map(|frequent| frequent.count).sum();
        (top, if all == 0 { 0.0 } else { 100.0 * named as f64 / all as f64 })
    }

    /// When counting began.
    pub(super) const fn began(&self) -> Option<Now> {
        self.began
    }
}
