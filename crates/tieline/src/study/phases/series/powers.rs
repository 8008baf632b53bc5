//! Rows of a profile or steps of a schedule → powers of loads and converters.

use std::path::Path;

use exchange::opendss::{Course, DssStudy, Injection, Schedule};
use model::distribution::DistributionNetwork;

use super::targets::{Names, Target};
use crate::study::series::profile::{Labels, Profile};

/// Active and reactive power, and the power behind an inverter, in kilowatt and kilovar.
pub(super) type Power = [f64; 3];

/// Powers of some steps.
pub(super) struct Chunk {
    pub(super) labels: Labels,
    pub(super) rows: usize,
    /// By row, then load, then converter. INVARIANT: `rows · width` of them.
    powers: Vec<Power>,
    width: usize,
    /// Hour of the day by row, where the source has one.
    pub(super) hours: Vec<Option<f64>>,
}

impl Chunk {
    pub(super) fn powers(&self, row: usize) -> &[Power] {
        &self.powers[row * self.width..(row + 1) * self.width]
    }
}

/// Where steps come from.
pub(super) struct Source<'a> {
    from: From<'a>,
    base: Vec<Power>,
    /// Position of the first converter in the powers of a row.
    loads: usize,
    /// Whether reactive power goes with active power, by position.
    with_factor: Vec<bool>,
}

enum From<'a> {
    Profile(Box<Profile<Target>>),
    Schedule { schedule: &'a Schedule, course: Course, done: usize },
}

impl<'a> Source<'a> {
    /// Opens a profile, or begins the series of the script.
    pub(super) fn open(study: &'a DssStudy, profiles: Option<&Path>) -> anyhow::Result<Self> {
        let network = &study.network;
        let from = match (profiles, &study.schedule) {
            (Some(file), _) => {
                let names = Names::new(network);
                From::Profile(Box::new(Profile::open(file, |name| names.target(name))?))
            }
            (None, Some(schedule)) => From::Schedule { schedule, course: schedule.course(), done: 0 },
            (None, None) => anyhow::bail!("the script asks for no series (give one with --profiles)"),
        };
        let with_factor = network
            .loads
            .iter()
            .map(|_| false)
            .chain(network.converters.iter().map(|converter| converter.power_factor_given))
            .collect();
        Ok(Self { from, base: base(network), loads: network.loads.len(), with_factor })
    }

    /// Whether each row stands for itself, not for what comes after the one before.
    pub(super) const fn by_scenario(&self) -> bool {
        match &self.from {
            From::Profile(profile) => matches!(profile.label, Labels::Scenario(_)),
            From::Schedule { .. } => false,
        }
    }

    /// How steps are named, without names.
    pub(super) const fn label(&self) -> Labels {
        if self.by_scenario() { Labels::Scenario(Vec::new()) } else { Labels::Time(Vec::new()) }
    }

    /// Share of the steps that are read, from 0 to 1.
    pub(super) fn share(&self) -> f64 {
        match &self.from {
            From::Profile(profile) => profile.share(),
            From::Schedule { schedule, done, .. } => *done as f64 / schedule.steps.max(1) as f64,
        }
    }

    /// Up to `most` further steps; none at the end.
    pub(super) fn next(&mut self, most: usize) -> anyhow::Result<Chunk> {
        let width = self.base.len();
        let loads = self.loads;
        match &mut self.from {
            From::Profile(profile) => {
                let rows = profile.next(most)?;
                let mut powers = self.base.repeat(rows.rows);
                for row in 0..rows.rows {
                    let own = &mut powers[row * width..(row + 1) * width];
                    set(&profile.targets, rows.figures(row), own, (loads, &self.with_factor));
                }
                let hours = vec![None; rows.rows];
                Ok(Chunk { labels: rows.labels, rows: rows.rows, powers, width, hours })
            }
            From::Schedule { schedule, course, done } => {
                let (mut labels, mut powers, mut hours) = (Vec::new(), Vec::new(), Vec::new());
                while labels.len() < most {
                    let first = powers.len();
                    powers.extend_from_slice(&self.base);
                    let own = &mut powers[first..];
                    let step = course.next(schedule, &mut |set| {
                        own[place(loads, set.of)] = [set.p_kw, set.q_kvar, set.behind_kw];
                    });
                    let Some(step) = step else {
                        powers.truncate(first);
                        break;
                    };
                    let hour = schedule.hour(step);
                    labels.push(shown(hour));
                    hours.push(Some(hour.rem_euclid(24.0)));
                    *done = step + 1;
                }
                let rows = labels.len();
                Ok(Chunk { labels: Labels::Time(labels), rows, powers, width, hours })
            }
        }
    }
}

/// Hours since the begin, to a millisecond.
fn shown(hour: f64) -> String {
    let text = format!("{hour:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

const fn place(loads: usize, injection: Injection) -> usize {
    match injection {
        Injection::Load(at) => at as usize,
        Injection::Converter(at) => loads + at as usize,
    }
}

fn base(network: &DistributionNetwork) -> Vec<Power> {
    let loads = network.loads.iter().map(|load| [load.p_kw, load.q_kvar, 0.0]);
    let converters = network
        .converters
        .iter()
        .map(|converter| [converter.p_kw, converter.q_kvar, converter.control.behind_kw]);
    loads.chain(converters).collect()
}

/// Sets what a row says; NaN is what the script has. Factors come first, then powers, then reactive powers.
fn set(targets: &[Target], figures: &[f64], powers: &mut [Power], (loads, with_factor): (usize, &[bool])) {
    let at = |injection: &Injection| place(loads, *injection);
    let given = || targets.iter().zip(figures).filter(|(_, figure)| !figure.is_nan());
    for (target, &factor) in given() {
        if let Target::Factor(all) = target {
            for injection in all {
                powers[at(injection)].iter_mut().for_each(|figure| *figure *= factor);
            }
        }
    }
    for (target, &p_kw) in given() {
        if let Target::P(injection) = target {
            let own = &mut powers[at(injection)];
            if with_factor[at(injection)] && own[0] != 0.0 {
                own[1] *= p_kw / own[0];
            }
            (own[0], own[2]) = (p_kw, p_kw);
        }
    }
    for (target, &q_kvar) in given() {
        if let Target::Q(injection) = target {
            powers[at(injection)][1] = q_kvar;
        }
    }
}
