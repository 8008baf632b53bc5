//! What a piece of work costs: processor time of the whole process, time on the wall, memory.

use std::time::Instant;

/// Shortest time that one figure is measured over; shorter work is repeated.
const LEAST_SECONDS: f64 = 2e-3;

/// Cost of one run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// Processor time of all threads.
    pub(super) cpu_us: f64,
    /// Time that passed.
    pub(super) wall_us: f64,
}

impl Spent {
    /// The share of one item.
    pub(super) fn per(self, items: usize) -> Self {
        let items = items as f64;
        Self { cpu_us: self.cpu_us / items, wall_us: self.wall_us / items }
    }
}

/// Cost of one call of `work`.
pub(super) fn time(mut work: impl FnMut()) -> Spent {
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    work();
    let wall_us = wall.elapsed().as_secs_f64() * 1e6;
    let cpu_us = match (cpu, cpu_seconds()) {
        (Some(before), Some(after)) => (after - before) * 1e6,
        _ => wall_us,
    };
    Spent { cpu_us, wall_us }
}

/// Median cost of `runs` calls after one that warms up. Work that is too short for the clock is repeated within a
/// run.
pub(super) fn median_of(runs: usize, mut work: impl FnMut()) -> Spent {
    let first = time(&mut work);
    let repeats = (LEAST_SECONDS * 1e6 / first.wall_us.max(0.1)).ceil().clamp(1.0, 1e5);
    let spent: Vec<Spent> = (0..runs)
        .map(|_| {
            let Spent { cpu_us, wall_us } = time(|| (0..repeats as u32).for_each(|_| work()));
            Spent { cpu_us: cpu_us / repeats, wall_us: wall_us / repeats }
        })
        .collect();
    Spent {
        cpu_us: median(spent.iter().map(|spent| spent.cpu_us)),
        wall_us: median(spent.iter().map(|spent| spent.wall_us)),
    }
}

/// The figure in the middle; the mean of two when there are two.
pub(super) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    match (sorted.get(sorted.len().saturating_sub(1) / 2), sorted.get(sorted.len() / 2)) {
        (Some(low), Some(high)) => (low + high) / 2.0,
        _ => f64::NAN,
    }
}

/// Processor time of this process so far.
#[cfg(unix)]
pub(super) fn cpu_seconds() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

/// Without such a clock the time on the wall stands for it.
#[cfg(not(unix))]
pub(super) fn cpu_seconds() -> Option<f64> {
    None
}

/// Processor time of the process so far, in seconds; `None` where the system does not tell.
pub(super) fn cpu() -> Option<f64> {
    cpu_seconds()
}

/// Largest resident memory of this process so far, in MB of 10⁶ octets; only Linux tells.
pub(super) fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"))?;
    Some(kilobytes.trim().parse::<f64>().ok()? * 1024.0 / 1e6)
}

/// What this processor can do, of what matters here.
#[cfg(target_arch = "x86_64")]
pub(super) fn cpu_features() -> Vec<&'static str> {
    let found = [
        ("sse4.2", std::arch::is_x86_feature_detected!("sse4.2")),
        ("avx", std::arch::is_x86_feature_detected!("avx")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512dq", std::arch::is_x86_feature_detected!("avx512dq")),
        ("avx512vl", std::arch::is_x86_feature_detected!("avx512vl")),
    ];
    found.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect()
}

/// What this processor can do, of what matters here.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn cpu_features() -> Vec<&'static str> {
    if cfg!(target_feature = "neon") { vec!["neon"] } else { Vec::new() }
}

/// The processor's name, where Linux tells it.
pub(super) fn cpu_model() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let check = |figures: &[f64], expected: f64| assert_eq!(median(figures.iter().copied()), expected);
        check(&[3.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 3.0, 2.0], 2.5);
        check(&[7.0], 7.0);
        assert!(median(std::iter::empty()).is_nan());
    }
}
