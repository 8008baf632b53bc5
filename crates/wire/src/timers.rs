//! The deadlines of one session.

use timebase::Mono;

/// A small table of named deadlines. A session has a handful of them, so a scan beats any ordered structure.
#[derive(Clone, Debug)]
pub struct TimerTable<K> {
    armed: Vec<(K, Mono)>,
}

impl<K> Default for TimerTable<K> {
    fn default() -> Self {
        Self { armed: Vec::new() }
    }
}

impl<K: Copy + Eq> TimerTable<K> {
    /// Arms `timer` for `at`; an earlier deadline of the same name is replaced.
    pub fn arm(&mut self, timer: K, at: Mono) {
        self.stop(timer);
        self.armed.push((timer, at));
    }

    /// Arms `timer` for `at` unless it runs already.
    pub fn arm_if_stopped(&mut self, timer: K, at: Mono) {
        if !self.is_armed(timer) {
            self.armed.push((timer, at));
        }
    }

    /// Stops `timer`.
    pub fn stop(&mut self, timer: K) {
        self.armed.retain(|(name, _)| *name != timer);
    }

    /// Stops every timer.
    pub fn stop_all(&mut self) {
        self.armed.clear();
    }

    /// Whether `timer` runs.
    pub fn is_armed(&self, timer: K) -> bool {
        self.armed.iter().any(|(name, _)| *name == timer)
    }

    /// Whether `timer` runs and its deadline has come. It goes on running; stop or arm it again.
    pub fn expired(&self, timer: K, now: Mono) -> bool {
        self.armed.iter().any(|(name, at)| *name == timer && *at <= now)
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Mono> {
        self.armed.iter().map(|(_, at)| *at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_deadline_comes_first_and_arming_replaces() {
        let mut timers = TimerTable::default();
        assert_eq!(timers.next(), None);
        timers.arm('a', Mono::from_nanos(5));
        timers.arm('b', Mono::from_nanos(3));
        assert_eq!(timers.next(), Some(Mono::from_nanos(3)));
        timers.arm_if_stopped('b', Mono::from_nanos(1));
        timers.arm('b', Mono::from_nanos(9));
        assert_eq!(timers.next(), Some(Mono::from_nanos(5)));
        assert!(timers.expired('a', Mono::from_nanos(5)) && !timers.expired('a', Mono::from_nanos(4)));
        timers.stop('a');
        assert!(!timers.is_armed('a') && timers.is_armed('b'));
        timers.stop_all();
        assert_eq!(timers.next(), None);
    }
}
