//! Least, mean, largest and percentiles of many figures in little memory.
//!
//! Figures are counted in bins. A bin is `width · 2^k` wide with the smallest `k` that lets [`MOST_BINS`] cover the
//! range, so a percentile is off by at most half a bin: half of `width`, or a `1 / MOST_BINS` part of the range.

/// Most bins of one quantity of one element.
const MOST_BINS: usize = 1024;

/// Figures of one quantity of one element.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::study) struct Summary {
    width: f64,
    /// Number of the first bin.
    first: i64,
    bins: Vec<u32>,
    pub(in crate::study) count: u64,
    sum: f64,
    pub(in crate::study) least: f64,
    pub(in crate::study) largest: f64,
}

impl Summary {
    /// Without figures; `width` is that of the finest bins.
    pub(in crate::study) const fn new(width: f64) -> Self {
        Self {
            width,
            first: 0,
            bins: Vec::new(),
            count: 0,
            sum: 0.0,
            least: f64::INFINITY,
            largest: f64::NEG_INFINITY,
        }
    }

    /// Takes a figure in; what is not finite is no figure.
    pub(in crate::study) fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.count += 1;
        self.sum += value;
        self.least = self.least.min(value);
        self.largest = self.largest.max(value);
        // Far out of anything that a grid has, bins have no meaning; `as` saturates.
        let mut bin = (value / self.width).floor() as i64;
        if self.bins.is_empty() {
            self.first = bin;
        }
        while bin.max(self.last()).saturating_sub(bin.min(self.first)) >= MOST_BINS as i64 {
            self.coarsen();
            bin = (value / self.width).floor() as i64;
        }
        if bin < self.first {
            let before = usize::try_from(self.first - bin).unwrap_or(0);
            self.bins.splice(0..0, std::iter::repeat_n(0, before));
            self.first = bin;
        }
        let at = usize::try_from(bin - self.first).unwrap_or(0);
        if at >= self.bins.len() {
            self.bins.resize(at + 1, 0);
        }
        self.bins[at] += 1;
    }

    /// The mean, NaN without figures.
    pub(in crate::study) fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    /// The figure that a share of all figures does not exceed, NaN without figures.
    pub(in crate::study) fn percentile(&self, share: f64) -> f64 {
        let rank = (share * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bin, &count) in (self.first..).zip(&self.bins) {
            seen += u64::from(count);
            if seen >= rank {
                return ((bin as f64 + 0.5) * self.width).clamp(self.least, self.largest);
            }
        }
        f64::NAN
    }

    const fn last(&self) -> i64 {
        self.first + self.bins.len() as i64 - 1
    }

    /// Joins bins two by two.
    fn coarsen(&mut self) {
        let first = self.first.div_euclid(2);
        let last = if self.bins.is_empty() { first } else { self.last().div_euclid(2) };
        let mut bins = vec![0; usize::try_from(last - first + 1).unwrap_or(1)];
        for (bin, count) in (self.first..).zip(&self.bins) {
            bins[usize::try_from(bin.div_euclid(2) - first).unwrap_or(0)] += count;
        }
        (self.first, self.bins, self.width) = (first, bins, 2.0 * self.width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against sorting; the bins are the only thing between.
    fn check(figures: &[f64], width: f64) {
        let mut summary = Summary::new(width);
        figures.iter().for_each(|&figure| summary.add(figure));
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let range = sorted[sorted.len() - 1] - sorted[0];
        let bin = width.max(2.0 * range / MOST_BINS as f64);
        assert_eq!((summary.least, summary.largest), (sorted[0], sorted[sorted.len() - 1]));
        for share in [0.0, 0.01, 0.05, 0.5, 0.95, 1.0] {
            let rank = ((share * figures.len() as f64).ceil() as usize).max(1);
            let off = (summary.percentile(share) - sorted[rank - 1]).abs();
            assert!(off <= bin / 2.0 + 1e-12, "share {share}: off by {off}, bin {bin}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_figures_within_half_a_bin() {
        let wave = |at: usize| (at as f64 * 0.618).fract();
        check(&(0..1000).map(|at| 0.95 + 0.1 * wave(at)).collect::<Vec<_>>(), 1e-4);
        check(&(0..1000).map(|at| -300.0 + 1000.0 * wave(at)).collect::<Vec<_>>(), 1e-4);
        check(&(0..5000).map(|at| wave(at).powi(9) * 1e6).collect::<Vec<_>>(), 0.1);
        check(&[1.0], 1e-4);
        check(&[-1.0, 1e9], 1e-4);
    }

    #[test]
    fn without_figures_there_are_none() {
        let mut summary = Summary::new(0.1);
        summary.add(f64::NAN);
        assert_eq!(summary.count, 0);
        assert!(summary.mean().is_nan() && summary.percentile(0.5).is_nan());
    }
}
