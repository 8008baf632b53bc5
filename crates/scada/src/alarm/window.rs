//! How many things happened in the last ten minutes, in bounded memory whatever the rate.

use timebase::Mono;

/// Seconds in the window: ISA-18.2 and EEMUA 191 count alarms in ten minutes.
pub(super) const WINDOW_S: usize = 600;

/// A count over a sliding window of ten minutes, in steps of one second.
#[derive(Clone, Debug)]
pub(super) struct Window {
    seconds: Box<[u32]>,
    head: u64,
    sum: u64,
}

impl Default for Window {
    fn default() -> Self {
        Self { seconds: vec![0; WINDOW_S].into(), head: 0, sum: 0 }
    }
}

impl Window {
    /// Moves on to `now`; an earlier time changes nothing.
    pub(super) fn advance(&mut self, now: Mono) {
        let second = now.as_nanos() / 1_000_000_000;
        let size = self.seconds.len();
        let steps = usize::try_from(second.saturating_sub(self.head)).unwrap_or(size).min(size);
        for _ in 0..steps {
            self.head += 1;
            let at = self.at();
            self.sum -= u64::from(std::mem::take(&mut self.seconds[at]));
        }
        self.head = self.head.max(second);
    }

    /// Counts one.
    pub(super) fn count(&mut self, now: Mono) {
        self.advance(now);
        let at = self.at();
        if let Some(more) = self.seconds[at].checked_add(1) {
            self.seconds[at] = more;
            self.sum += 1;
        }
    }

    /// The count in the window that ends at the last call.
    pub(super) const fn sum(&self) -> u64 {
        self.sum
    }

    fn at(&self) -> usize {
        // The remainder is below the size, which is a usize.
        usize::try_from(self.head % WINDOW_S as u64).unwrap_or(0)
    }
}
