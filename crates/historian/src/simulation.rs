//! The whole historian on a simulated disk, one seed at a time: ingest, flush, merge, retention, queries, and between
//! any two file operations a loss of power, a full disk or a failing device.
//!
//! `cargo test -p historian simulation` runs [`SEEDS`] seeds; `TIELINE_SEEDS=10000` as many, `TIELINE_SEED=77` that one,
//! with its steps printed. A seed does the same on every machine: one thread, no clock.

#![allow(clippy::unwrap_used)]

pub mod disk;
#[cfg(test)]
mod life;

/// Seeds of a test run (B-33).
#[cfg(test)]
const SEEDS: u64 = 300;

#[cfg(test)]
pub(crate) fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_damaged_is_served() {
    let one = variable("TIELINE_SEED");
    let seeds = match one {
        Some(seed) => seed..seed + 1,
        None => 1..variable("TIELINE_SEEDS").unwrap_or(SEEDS) + 1,
    };
    let mut seen = life::Seen::default();
    for seed in seeds {
        let run = std::panic::catch_unwind(|| life::run(seed, one.is_some()));
        match run {
            Ok(found) => seen.add(&found),
            Err(cause) => {
                eprintln!(
                    "seed {seed} failed; replay: TIELINE_SEED={seed} cargo test -p historian simulation"
                );
                std::panic::resume_unwind(cause);
            }
        }
    }
    println!("{seen:?}");
    if one.is_none() {
        seen.check_everything_happened();
    }
}

#[test]
fn a_seed_replays_to_the_same_bytes() {
    for seed in [3, 4, 5] {
        assert_eq!(life::run(seed, false), life::run(seed, false), "seed {seed}");
    }
}
