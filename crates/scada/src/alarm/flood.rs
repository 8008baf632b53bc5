//! Alarm floods: more than ten annunciated alarms in ten minutes, over when fewer than five (ISA-18.2, EEMUA 191).

use super::window::Window;
use std::collections::VecDeque;
use timebase::{Mono, Now, Utc};

/// A flood begins when more than this were annunciated in ten minutes.
pub const BEGINS_ABOVE: u64 = 10;
/// A flood ends when fewer than this were.
pub const ENDS_BELOW: u64 = 5;
/// Floods that are remembered.
pub const KEPT: usize = 100;

/// One flood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flood {
    /// When it began.
    pub began: Utc,
    /// When it ended; `None` while it lasts.
    pub ended: Option<Utc>,
    /// Alarms annunciated in it.
    pub alarms: u64,
    /// The most in ten minutes.
    pub peak: u64,
}

/// Looks for floods.
#[derive(Clone, Debug, Default)]
pub(super) struct FloodWatch {
    window: Window,
    past: VecDeque<Flood>,
    present: Option<(Mono, Flood)>,
    /// Length of the past floods.
    seconds: f64,
    count: u64,
}

impl FloodWatch {
    /// Counts an annunciated alarm; `true` when a flood begins with it.
    pub(super) fn count(&mut self, now: Now) -> bool {
        self.window.count(now.mono);
        let sum = self.window.sum();
        if let Some((_, flood)) = &mut self.present {
            flood.alarms += 1;
            flood.peak = flood.peak.max(sum);
            return false;
        }
        if sum <= BEGINS_ABOVE {
            return false;
        }
        self.count += 1;
        self.present = Some((now.mono, Flood { began: now.utc, ended: None, alarms: sum, peak: sum }));
        true
    }

    /// Moves on; the flood that ended.
    pub(super) fn tick(&mut self, now: Now) -> Option<Flood> {
        self.window.advance(now.mono);
        if self.window.sum() >= ENDS_BELOW {
            return None;
        }
        let (began, mut flood) = self.present.take()?;
        flood.ended = Some(now.utc);
        self.seconds += now.mono.since(began).as_secs_f64();
        if self.past.len() == KEPT {
            self.past.pop_front();
        }
        self.past.push_back(flood);
        Some(flood)
    }

    /// Alarms annunciated in the last ten minutes.
    pub(super) const fn rate(&self) -> u64 {
        self.window.sum()
    }

    /// The flood that lasts.
    pub(super) fn present(&self) -> Option<Flood> {
        self.present.map(|(_, flood)| flood)
    }

    /// The last [`KEPT`] floods, oldest first, with the present one.
    pub(super) fn all(&self) -> Vec<Flood> {
        self.past.iter().copied().chain(self.present()).collect()
    }

    /// How many there were, and how many seconds they lasted together.
    pub(super) fn totals(&self, now: Mono) -> (u64, f64) {
        let lasts = self.present.map_or(0.0, |(began, _)| now.since(began).as_secs_f64());
        (self.count, self.seconds + lasts)
    }
}
