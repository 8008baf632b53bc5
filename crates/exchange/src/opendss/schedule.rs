//! A time series that a script asks for: what follows a load shape, step by step.
//!
//! ```text
//! hour of step k   begin + (k + 1)·step
//! fixed interval   value number round(hour / interval), half to even; 0 is the last one, and after it comes the first
//! hours of its own straight between two of them, over again after the last
//! ```
//!
//! A battery counts its energy (`dt`: one step, `η`: charging or discharging, DC behind the inverter):
//!
//! ```text
//! charging      E⁺ = E + (P_DC - P_idle) η dt      idles from the step after it is full
//! discharging   E⁺ = E - (P_DC + P_idle) / η dt    idles from the step after its reserve is reached
//! ```

use super::convert::{BatteryPlan, Panel, reactive};

/// Steps of a fixed point for the power behind an inverter whose efficiency depends on it.
const EFFICIENCY_STEPS: usize = 40;

/// Values over time.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct LoadShape {
    /// Hours between two values; 0 where they have hours of their own.
    pub(super) interval_h: f64,
    pub(super) hours: Vec<f64>,
    pub(super) p: Vec<f64>,
    /// Values of reactive power; empty where they are those of active power.
    pub(super) q: Vec<f64>,
    /// Whether values are kilowatt and kilovar.
    pub(super) actual: bool,
}

/// What a step sets, by position in the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Injection {
    /// A load.
    Load(u32),
    /// A generator, photovoltaic system or battery.
    Converter(u32),
}

/// The power of one of them in one step.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Setting {
    /// Whose power it is.
    pub of: Injection,
    /// Active power in kilowatt: drawn by a load, delivered by a converter.
    pub p_kw: f64,
    /// Reactive power in kilovar, as the active power.
    pub q_kvar: f64,
    /// Power behind an inverter, also while it is off.
    pub behind_kw: f64,
}

/// What follows a shape.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Follower {
    pub(super) of: Injection,
    pub(super) shape: Option<u32>,
    pub(super) rule: Rule,
}

/// How it follows.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Rule {
    /// Powers at a value of 1, or the power factor where values are powers.
    Power { kw: f64, kvar: f64, kvar_stays: bool, power_factor: Option<f64> },
    /// Values multiply the sun.
    Sun { panel: Panel, kvar: Option<f64>, power_factor: f64 },
    /// Energy in kilowatt-hours at the begin.
    Battery { plan: BatteryPlan, stored_kwh: f64 },
}

/// A time series.
#[derive(Clone, PartialEq, Debug)]
pub struct Schedule {
    /// Steps.
    pub steps: usize,
    /// Hours of a step.
    pub step_h: f64,
    /// Hours since the begin of the first day before the first step.
    pub begin_h: f64,
    pub(super) shapes: Vec<LoadShape>,
    pub(super) followers: Vec<Follower>,
}

/// How far a series is.
#[derive(Clone, PartialEq, Debug)]
pub struct Course {
    step: usize,
    /// What each battery does and holds; by follower.
    batteries: Vec<Option<Battery>>,
}

#[derive(Clone, PartialEq, Debug)]
struct Battery {
    stored_kwh: f64,
    idle: bool,
}

impl LoadShape {
    /// Values of active and reactive power at an hour.
    pub(super) fn at(&self, hour: f64) -> [f64; 2] {
        let p = self.value(&self.p, hour);
        let q = if !self.q.is_empty() {
            self.value(&self.q, hour)
        } else if self.actual {
            0.0
        } else {
            p
        };
        [p, q]
    }

    fn value(&self, values: &[f64], hour: f64) -> f64 {
        let count = self.p.len();
        let value = |at: usize| values.get(at).copied().unwrap_or(0.0);
        if count <= 1 {
            return value(0);
        }
        if self.interval_h > 0.0 {
            let turn = (hour / self.interval_h).round_ties_even().rem_euclid(count as f64);
            return value((turn as usize + count - 1) % count);
        }
        let last = self.hours.last().copied().unwrap_or(0.0);
        let hour = if hour > last && last > 0.0 { hour.rem_euclid(last) } else { hour };
        let after = self.hours.partition_point(|&at| at < hour);
        match (after.checked_sub(1), self.hours.get(after)) {
            (Some(before), Some(&to)) => {
                let from = self.hours[before];
                value(before) + (value(after) - value(before)) * (hour - from) / (to - from)
            }
            (None, Some(_)) => value(0),
            (_, None) => value(count - 1),
        }
    }
}

impl Schedule {
    /// Hour of a step, counted from 0, since the begin of the first day.
    pub fn hour(&self, step: usize) -> f64 {
        self.begin_h + (step + 1) as f64 * self.step_h
    }

    /// A course before its first step.
    pub fn course(&self) -> Course {
        let battery = |follower: &Follower| match &follower.rule {
            Rule::Battery { stored_kwh, .. } => Some(Battery { stored_kwh: *stored_kwh, idle: false }),
            Rule::Power { .. } | Rule::Sun { .. } => None,
        };
        Course { step: 0, batteries: self.followers.iter().map(battery).collect() }
    }
}

impl Course {
    /// Takes the powers of the next step; its number, or `None` after the last.
    pub fn next(&mut self, schedule: &Schedule, take: &mut dyn FnMut(Setting)) -> Option<usize> {
        if self.step >= schedule.steps {
            return None;
        }
        let hour = schedule.hour(self.step);
        for (follower, battery) in schedule.followers.iter().zip(&mut self.batteries) {
            let shape = follower.shape.and_then(|at| schedule.shapes.get(at as usize));
            let [p, q] = shape.map_or([1.0; 2], |shape| shape.at(hour));
            let (power, behind_kw) = match (&follower.rule, battery) {
                (Rule::Battery { plan, .. }, Some(battery)) => {
                    (battery.step(plan, shape.map(|_| p), schedule.step_h), 0.0)
                }
                (Rule::Sun { panel, kvar, power_factor }, _) => {
                    let [through, behind] = panel.power(panel.sun() * p);
                    ([through, kvar.unwrap_or_else(|| reactive(through, *power_factor))], behind)
                }
                (Rule::Power { kw, kvar, kvar_stays, power_factor }, _) => match shape {
                    Some(shape) if shape.actual => ([p, actual_kvar(p, q, *power_factor)], 0.0),
                    _ if *kvar_stays => ([kw * p, *kvar], 0.0),
                    _ => ([kw * p, kvar * q], 0.0),
                },
                (Rule::Battery { .. }, None) => continue,
            };
            take(Setting { of: follower.of, p_kw: power[0], q_kvar: power[1], behind_kw });
        }
        self.step += 1;
        Some(self.step - 1)
    }
}

fn actual_kvar(kw: f64, kvar: f64, power_factor: Option<f64>) -> f64 {
    if kvar != 0.0 { kvar } else { power_factor.map_or(0.0, |factor| reactive(kw, factor)) }
}

impl Battery {
    /// Power of a step; what is stored changes with it. A value says what is wanted by the rating.
    fn step(&mut self, plan: &BatteryPlan, value: Option<f64>, hours: f64) -> [f64; 2] {
        let wanted = match value {
            Some(value) => (value * plan.rated_kw).clamp(-plan.most_kw, plan.most_kw),
            None if self.idle => 0.0,
            None => plan.wanted_kw,
        };
        let possible = match wanted {
            kw if kw > 0.0 => self.stored_kwh > plan.reserve_kwh,
            kw if kw < 0.0 => self.stored_kwh < plan.full_kwh,
            _ => false,
        };
        let p = plan.power(if possible { wanted } else { 0.0 });
        if p.is_idle {
            return p.power;
        }
        let behind = plan.behind(p.power[0], EFFICIENCY_STEPS);
        if p.power[0] > 0.0 {
            self.stored_kwh -= (behind + plan.idle_kw) / plan.discharging * hours;
        } else {
            self.stored_kwh += (behind - plan.idle_kw) * plan.charging * hours;
        }
        if self.stored_kwh <= plan.reserve_kwh && p.power[0] > 0.0 {
            (self.stored_kwh, self.idle) = (plan.reserve_kwh, true);
        } else if self.stored_kwh >= plan.full_kwh && p.power[0] < 0.0 {
            (self.stored_kwh, self.idle) = (plan.full_kwh, true);
        }
        p.power
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures of OpenDSS 0.14.5 for the same shapes.
    #[test]
    fn shapes_are_read_as_the_peer_reads_them() {
        let shape = |interval_h: f64, hours: &[f64]| LoadShape {
            interval_h,
            hours: hours.to_vec(),
            p: vec![0.1, 0.2, 0.3, 0.4],
            q: Vec::new(),
            actual: false,
        };
        let check = |shape: &LoadShape, step: f64, expected: &[f64]| {
            for (k, expected) in (1..).zip(expected) {
                let found = shape.at(f64::from(k) * step)[0];
                assert!((found - expected).abs() < 1e-9, "hour {}: {found}", f64::from(k) * step);
            }
        };
        check(&shape(1.0, &[]), 1.0, &[0.1, 0.2, 0.3, 0.4, 0.1, 0.2]);
        check(&shape(1.0, &[]), 0.5, &[0.4, 0.1, 0.2, 0.2, 0.2, 0.3, 0.4, 0.4, 0.4, 0.1]);
        check(&shape(0.25, &[]), 0.25, &[0.1, 0.2, 0.3, 0.4, 0.1, 0.2]);
        let third = 0.1 / 3.0;
        let own = [0.15, 0.2, 0.2 + third, 0.3 - third, 0.3, 0.3 + third, 0.4 - third, 0.4, 0.15, 0.2];
        check(&shape(0.0, &[0.0, 2.0, 5.0, 8.0]), 1.0, &own);
    }
}
