//! How far a long study is, on a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Time between two lines.
const INTERVAL: Duration = Duration::from_millis(250);

/// A line that is written over.
pub(in crate::study) struct Progress {
    shown: bool,
    begin: Instant,
    last: Option<Instant>,
}

impl Progress {
    /// Silent unless standard error is a terminal.
    pub(in crate::study) fn new(quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        Self { shown, begin: Instant::now(), last: None }
    }

    /// Tells the steps done and the share of all work that they are.
    pub(in crate::study) fn tell(&mut self, steps: usize, share: f64) {
        if !self.shown || self.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            return;
        }
        self.last = Some(Instant::now());
        let line = line(steps, share, self.begin.elapsed().as_secs_f64());
        // That nobody reads it is no reason to stop.
        let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
    }

    /// Makes room for what comes after.
    pub(in crate::study) fn end(&self) {
        if self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(steps: usize, share: f64, seconds: f64) -> String {
    let rate = steps as f64 / seconds.max(1e-9);
    let left = seconds * (1.0 - share) / share.max(1e-9);
    format!("{steps} steps, {:.0} %, {rate:.0} steps/s, {left:.0} s left", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_rate_and_time_left() {
        assert_eq!(line(500, 0.25, 2.0), "500 steps, 25 %, 250 steps/s, 6 s left");
    }
}
