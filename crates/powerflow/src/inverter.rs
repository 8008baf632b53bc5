//! Steady state of an inverter under the control functions of IEEE 1547-2018, clauses 5.2 to 5.4.
//!
//! Symbols: `S` rated apparent power, `P`, `Q` injections, `P'` where the resource absorbs, `V` the applicable voltage
//! per unit of the nominal one. Settings are shares as the standard has them: of rated active power for `P`, of rated
//! apparent power for `Q`.
//!
//! ```text
//! P  = min(available, limit (4.6.2), volt-watt(V) (5.4.2))                within what is rated
//! Q  = ± |P| √(1 - pf²)/pf            constant power factor               5.3.2
//!      curve(V) S                     voltage - reactive power            5.3.3, Table 8
//!      curve(P) S                     active power - reactive power       5.3.4, Table 9
//!      constant S                     constant reactive power             5.3.5
//! Q  within the reactive capability at P                                  5.2, Table 7
//! P² + Q² <= S²                       by priority: [`Priority`]; along the ray for a constant power factor, along
//!                                     the curve for active power - reactive power
//! ```
//!
//! The arithmetic of curves and limits is that of [`model::distribution`], which the inverters of unbalanced networks use
//! with the curves that network files give them; here settings are held to what the standard allows.
//!
//! Nothing here has a memory. The open-loop response times of the tables are data for whoever simulates time.

mod curve;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::RangeInclusive;

use model::distribution::{along_ray, by_priority};

pub use curve::{VoltVar, VoltWatt, WattVar};

/// Below this share of rated active power no reactive power is required (5.2).
const NO_Q_BELOW: f64 = 0.05;
/// From this share of rated active power on all reactive power is required (5.2).
const ALL_Q_FROM: f64 = 0.2;

/// Normal operating performance category (1.4, Table 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Category {
    /// Little variable generation in the area.
    A,
    /// Much of it.
    B,
}

/// What reactive power there is below a fifth of rated active power.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LowPower {
    /// As much as the standard requires (5.2): in proportion, none below a twentieth.
    #[default]
    Required,
    /// All of it, also without active power.
    All,
}

/// Ratings, per unit of any one base.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Nameplate {
    /// Category that the tables depend on.
    pub category: Category,
    /// Rated apparent power.
    pub s_rated_pu: f64,
    /// Rated active power of injection.
    pub p_rated_pu: f64,
    /// Least active power at which it can run.
    pub p_min_pu: f64,
    /// Rated active power of absorption; zero when it can only generate.
    pub p_charge_rated_pu: f64,
    /// Rated reactive power of injection.
    pub q_injected_rated_pu: f64,
    /// Rated reactive power of absorption.
    pub q_absorbed_rated_pu: f64,
    /// Reactive power at low active power.
    pub low_power: LowPower,
}

/// Where constant power factor puts the reactive power.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Excitation {
    /// Into the grid.
    Injecting,
    /// Out of the grid.
    Absorbing,
}

/// The one reactive power function that is on (5.3.1).
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ReactiveMode {
    /// 5.3.2; a power factor of one is the default of the standard.
    ConstantPowerFactor {
        /// In (0, 1].
        power_factor: f64,
        /// Direction of the reactive power, whichever way the active power flows.
        excitation: Excitation,
    },
    /// 5.3.3.
    VoltVar(VoltVar),
    /// 5.3.4.
    WattVar(WattVar),
    /// 5.3.5: share of rated apparent power, positive into the grid.
    ConstantReactivePower {
        /// The share.
        q: f64,
    },
}

/// What yields at rated apparent power in the modes that do not tie `Q` to `P`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Priority {
    /// The reactive power that the standard requires (5.2, Table 7) comes first, then active power, then what is
    /// beyond of reactive power.
    #[default]
    ReactiveAsRequired,
    /// Active power yields.
    Reactive,
    /// Reactive power yields; does not conform to 5.2.
    Active,
}

/// Available power at which an inverter begins and ceases to run. Not of the standard.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CutIn {
    /// It starts from here on.
    pub start_pu: f64,
    /// It stops below this.
    pub stop_pu: f64,
}

/// All settings of an inverter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settings {
    /// Ratings.
    pub nameplate: Nameplate,
    /// Reactive power.
    pub mode: ReactiveMode,
    /// Active power by voltage (5.4.2); off by default.
    pub volt_watt: Option<VoltWatt>,
    /// Limit of active power (4.6.2) as a share of rated active power.
    pub p_limit: Option<f64>,
    /// What yields.
    pub priority: Priority,
    /// Start and stop; `None` runs always.
    pub cut_in: Option<CutIn>,
}

/// An inverter whose settings have been checked.
///
/// INVARIANT: every setting is within the ranges of the standard.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Inverter {
    settings: Settings,
}

/// Under what an inverter runs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Condition {
    /// Active power that sun or battery schedule offer; negative to charge.
    pub p_available_pu: f64,
    /// Applicable voltage (4.3).
    pub v_pu: f64,
    /// Whether it ran before, which decides between start and stop of [`CutIn`].
    pub was_running: bool,
}

/// What an inverter does.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Operation {
    /// Active power into the grid. NaN when a condition is no number.
    pub p_injection_pu: f64,
    /// Reactive power into the grid. NaN when a condition is no number.
    pub q_injection_pu: f64,
    /// Whether it runs.
    pub running: bool,
    /// What held it back.
    pub limits: Limits,
}

/// What keeps an inverter from what its source or its curve wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Rated active power or the limit of active power.
    pub active_power: bool,
    /// The function voltage - active power.
    pub volt_watt: bool,
    /// Reactive capability at this active power.
    pub reactive_capability: bool,
    /// Rated apparent power.
    pub apparent_power: bool,
}

/// A setting outside of what the standard allows.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SettingFault {
    /// Clause or table.
    pub place: &'static str,
    /// Name of the setting there.
    pub setting: &'static str,
    /// Its value.
    pub value: f64,
    /// Smallest that is allowed.
    pub low: f64,
    /// Largest that is allowed.
    pub high: f64,
}

impl Category {
    /// Least reactive power of injection and of absorption, as shares of rated apparent power (Table 7).
    pub const fn required_q(self) -> (f64, f64) {
        match self {
            Self::A => (0.44, 0.25),
            Self::B => (0.44, 0.44),
        }
    }
}

impl Nameplate {
    /// A resource that only generates, with rated active power equal to apparent power and the reactive power that
    /// Table 7 requires.
    pub fn generator(category: Category, s_rated_pu: f64) -> Self {
        let (injected, absorbed) = category.required_q();
        Self {
            category,
            s_rated_pu,
            p_rated_pu: s_rated_pu,
            p_min_pu: 0.0,
            p_charge_rated_pu: 0.0,
            q_injected_rated_pu: injected * s_rated_pu,
            q_absorbed_rated_pu: absorbed * s_rated_pu,
            low_power: LowPower::Required,
        }
    }

    /// The same with storage that charges as fast as it discharges, and all reactive power at any active power.
    pub fn storage(category: Category, s_rated_pu: f64) -> Self {
        let generator = Self::generator(category, s_rated_pu);
        Self { p_charge_rated_pu: s_rated_pu, low_power: LowPower::All, ..generator }
    }

    /// Largest reactive power of injection and of absorption at an active power (5.2).
    pub fn reactive_capability(&self, p_injection_pu: f64) -> (f64, f64) {
        let share = match self.low_power {
            LowPower::All => 1.0,
            LowPower::Required => self.share_at(p_injection_pu),
        };
        (share * self.q_injected_rated_pu, share * self.q_absorbed_rated_pu)
    }

    /// Least reactive power of injection and of absorption that the standard requires at an active power (5.2).
    pub fn required_reactive_power(&self, p_injection_pu: f64) -> (f64, f64) {
        let (injected, absorbed) = self.category.required_q();
        let s = self.share_at(p_injection_pu) * self.s_rated_pu;
        (injected * s, absorbed * s)
    }

    fn share_at(&self, p_injection_pu: f64) -> f64 {
        let rated = if p_injection_pu < 0.0 { self.p_charge_rated_pu } else { self.p_rated_pu };
        let p = p_injection_pu.abs() / rated;
        if p < NO_Q_BELOW { 0.0 } else { (p / ALL_Q_FROM).min(1.0) }
    }

    fn check(&self) -> Result<(), SettingFault> {
        let (injected, absorbed) = self.category.required_q();
        let s = self.s_rated_pu;
        within(("nameplate", "rated apparent power"), s, f64::MIN_POSITIVE..=f64::MAX)?;
        within(("nameplate", "rated active power"), self.p_rated_pu, f64::MIN_POSITIVE..=s)?;
        within(("nameplate", "least active power"), self.p_min_pu, 0.0..=self.p_rated_pu)?;
        within(("nameplate", "rated active power of absorption"), self.p_charge_rated_pu, 0.0..=s)?;
        within(("Table 7", "reactive power of injection"), self.q_injected_rated_pu, injected * s..=s)?;
        within(("Table 7", "reactive power of absorption"), self.q_absorbed_rated_pu, absorbed * s..=s)
    }
}

impl Inverter {
    /// Takes settings over.
    ///
    /// # Errors
    /// The first setting that the standard does not allow.
    pub fn new(settings: Settings) -> Result<Self, SettingFault> {
        let nameplate = &settings.nameplate;
        nameplate.check()?;
        match &settings.mode {
            ReactiveMode::ConstantPowerFactor { power_factor, .. } => {
                within(("5.3.2", "power factor"), *power_factor, f64::MIN_POSITIVE..=1.0)?;
            }
            ReactiveMode::VoltVar(curve) => curve.check(nameplate)?,
            ReactiveMode::WattVar(curve) => curve.check(nameplate)?,
            ReactiveMode::ConstantReactivePower { q } => {
                let (low, high) = nameplate.q_shares();
                within(("5.3.5", "reactive power"), *q, low..=high)?;
            }
        }
        if let Some(curve) = &settings.volt_watt {
            curve.check(nameplate)?;
        }
        if let Some(limit) = settings.p_limit {
            within(("4.6.2", "limit of active power"), limit, 0.0..=1.0)?;
        }
        if let Some(cut_in) = settings.cut_in {
            within(("cut-in", "start"), cut_in.start_pu, 0.0..=nameplate.p_rated_pu)?;
            within(("cut-in", "stop"), cut_in.stop_pu, 0.0..=cut_in.start_pu)?;
        }
        Ok(Self { settings })
    }

    /// Its settings.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it does under a condition, when all responses have settled.
    pub fn operate(&self, condition: &Condition) -> Operation {
        let mut limits = Limits::default();
        if !(condition.p_available_pu.is_finite() && condition.v_pu.is_finite()) {
            let nothing = f64::NAN;
            return Operation { p_injection_pu: nothing, q_injection_pu: nothing, running: false, limits };
        }
        if !self.runs(condition) {
            return Operation { p_injection_pu: 0.0, q_injection_pu: 0.0, running: false, limits };
        }
        let p = self.active_power(condition, &mut limits);
        let (p, q) = match &self.settings.mode {
            ReactiveMode::ConstantPowerFactor { power_factor, excitation } => {
                self.on_ray(p, tangent(*power_factor, *excitation), &mut limits)
            }
            ReactiveMode::WattVar(curve) => self.on_curve(p, curve, &mut limits),
            ReactiveMode::VoltVar(curve) => self.by_priority(p, curve.q_at(condition.v_pu), &mut limits),
            ReactiveMode::ConstantReactivePower { q } => self.by_priority(p, *q, &mut limits),
        };
        Operation { p_injection_pu: p, q_injection_pu: q, running: true, limits }
    }

    fn runs(&self, condition: &Condition) -> bool {
        self.settings.cut_in.is_none_or(|cut_in| {
            let threshold = if condition.was_running { cut_in.stop_pu } else { cut_in.start_pu };
            // A battery that charges runs as one that discharges.
            threshold <= condition.p_available_pu.abs()
        })
    }

    fn active_power(&self, condition: &Condition, limits: &mut Limits) -> f64 {
        let nameplate = &self.settings.nameplate;
        let highest = nameplate.p_rated_pu * self.settings.p_limit.unwrap_or(1.0);
        let mut p = condition.p_available_pu.clamp(-nameplate.p_charge_rated_pu, highest);
        limits.active_power = p != condition.p_available_pu;
        if let Some(curve) = &self.settings.volt_watt {
            let most = curve.limit_pu(condition.v_pu, nameplate);
            limits.volt_watt = most < p;
            p = p.min(most);
        }
        p
    }

    /// `Q` is given, as a share.
    fn by_priority(&self, p: f64, q_share: f64, limits: &mut Limits) -> (f64, f64) {
        let nameplate = &self.settings.nameplate;
        let s = nameplate.s_rated_pu;
        let q = self.within_capability(p, q_share * s, limits);
        limits.apparent_power = p.hypot(q) > s;
        let (injected, absorbed) = nameplate.required_reactive_power(p);
        let reserved = match self.settings.priority {
            Priority::Reactive => q.abs(),
            Priority::ReactiveAsRequired => q.abs().min(if q < 0.0 { absorbed } else { injected }),
            Priority::Active => 0.0,
        };
        by_priority([p, q], s, reserved).into()
    }

    /// `Q` is in proportion to `P`: both shrink together.
    fn on_ray(&self, p: f64, tangent: f64, limits: &mut Limits) -> (f64, f64) {
        let s = self.settings.nameplate.s_rated_pu;
        let q = p.abs() * tangent;
        limits.apparent_power = p.hypot(q) > s;
        let [p, q] = along_ray([p, q], s);
        (p, self.within_capability(p, q, limits))
    }

    /// `Q` is a function of `P`: `P` shrinks until both are within rated apparent power.
    fn on_curve(&self, p: f64, curve: &WattVar, limits: &mut Limits) -> (f64, f64) {
        let nameplate = &self.settings.nameplate;
        let reached = curve.within_apparent_power(p, nameplate);
        limits.apparent_power = reached != p;
        let q = curve.q_at(reached, nameplate) * nameplate.s_rated_pu;
        (reached, self.within_capability(reached, q, limits))
    }

    fn within_capability(&self, p: f64, q: f64, limits: &mut Limits) -> f64 {
        let (injected, absorbed) = self.settings.nameplate.reactive_capability(p);
        let held = q.clamp(-absorbed, injected);
        limits.reactive_capability = held != q;
        held
    }
}

impl Nameplate {
    /// Rated reactive power of absorption, negative, and of injection, as shares of rated apparent power.
    fn q_shares(&self) -> (f64, f64) {
        (-self.q_absorbed_rated_pu / self.s_rated_pu, self.q_injected_rated_pu / self.s_rated_pu)
    }
}

fn tangent(power_factor: f64, excitation: Excitation) -> f64 {
    let size = (1.0 - power_factor * power_factor).max(0.0).sqrt() / power_factor;
    match excitation {
        Excitation::Injecting => size,
        Excitation::Absorbing => -size,
    }
}

/// Checks a range with its ends; what is off by rounding alone is in it.
fn within(
    (place, setting): (&'static str, &'static str),
    value: f64,
    range: RangeInclusive<f64>,
) -> Result<(), SettingFault> {
    const ROUNDING: f64 = 1e-9;
    let (low, high) = range.into_inner();
    let inside =
        value.is_finite() && low - ROUNDING * low.abs() <= value && value <= high + ROUNDING * high.abs();
    if inside { Ok(()) } else { Err(SettingFault { place, setting, value, low, high }) }
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, setting, value, low, high } = self;
        write!(f, "{setting} ({place} of IEEE 1547-2018) is {value}, allowed is {low} to {high}")
    }
}

impl std::error::Error for SettingFault {}
