//! `Generator`, `PVSystem`, `Storage`, and `XYCurve`.

use model::DiagnosticKind;
use model::distribution::{
    ConverterControl, ConverterKind, ConverterPriority, PowerElectronicsConnection, ShuntConnection,
    VoltageRange,
};

use super::shape::Shapes;
use super::{Converter, Text, property, reactive, shunt_conductors};
use crate::opendss::DssError;
use crate::opendss::schedule::{Injection, Rule};
use crate::opendss::script::{Assignment, Object};

/// What the three classes have in common.
struct State {
    bus: Text,
    phases: u8,
    delta: bool,
    kv: f64,
    kva: Option<f64>,
    kw: f64,
    kvar: f64,
    power_factor: f64,
    /// Whether reactive power was given last, not a power factor.
    reactive_given: bool,
    kvar_max: Option<f64>,
    kvar_min: Option<f64>,
    model: u8,
    range: VoltageRange,
    watt_priority: bool,
    factor_priority: bool,
    /// Shares of the rated active power below which there is no reactive power, and less of it.
    least_for_q: [f64; 2],
    follows_inverter: bool,
    cut_in: f64,
}

impl State {
    fn usual(object: &Object, kw: f64) -> Self {
        Self {
            bus: object.own_bus(1),
            phases: 3,
            delta: false,
            kv: 12.47,
            kva: None,
            kw,
            kvar: 0.0,
            power_factor: 1.0,
            reactive_given: false,
            kvar_max: None,
            kvar_min: None,
            model: 1,
            range: VoltageRange { low_pu: 0.9, min_pu: 0.9, max_pu: 1.1 },
            watt_priority: false,
            factor_priority: false,
            least_for_q: [0.0; 2],
            follows_inverter: false,
            cut_in: 0.0,
        }
    }

    fn assign(&mut self, name: &str, assigned: &Assignment) -> Result<bool, DssError> {
        match name {
            "phases" => self.phases = assigned.count(3)?,
            "bus1" => self.bus = assigned.text(),
            "kv" => self.kv = assigned.number()?,
            "kw" => self.kw = assigned.number()?,
            "kva" => self.kva = Some(assigned.number()?),
            "mva" => self.kva = Some(assigned.number()? * 1000.0),
            "pf" => (self.power_factor, self.reactive_given) = (assigned.number()?, false),
            "kvar" => (self.kvar, self.reactive_given) = (assigned.number()?, true),
            "kvarmax" | "maxkvar" => self.kvar_max = Some(assigned.number()?),
            "kvarmaxabs" => self.kvar_min = Some(-assigned.number()?.abs()),
            "minkvar" => self.kvar_min = Some(assigned.number()?),
            "conn" => self.delta = assigned.delta()?,
            "model" => self.model = assigned.count(7)?,
            "vminpu" => {
                self.range.min_pu = assigned.number()?;
                self.range.low_pu = self.range.min_pu;
            }
            "vmaxpu" => self.range.max_pu = assigned.number()?,
            "wattpriority" => self.watt_priority = assigned.flag()?,
            "pfpriority" => self.factor_priority = assigned.flag()?,
            "%pminnovars" => self.least_for_q[0] = assigned.number()? / 100.0,
            "%pminkvarmax" => self.least_for_q[1] = assigned.number()? / 100.0,
            "varfollowinverter" => self.follows_inverter = assigned.flag()?,
            "%cutin" => self.cut_in = assigned.number()? / 100.0,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Converter<'_> {
    pub(super) fn generator(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = State::usual(object, 1000.0);
        state.power_factor = 0.88;
        let mut fixed = false;
        let mut shapes = Shapes::of_generator();
        for assigned in &object.assignments {
            let name = property(object, assigned);
            match name {
                name if shapes.assign(name, assigned) => {}
                "status" => fixed = assigned.value.to_ascii_lowercase().starts_with('f'),
                // A new active power keeps the power factor, not the reactive power.
                "kw" => {
                    if state.reactive_given && state.kw != 0.0 {
                        state.power_factor = factor_of(state.kw, state.kvar);
                    }
                    (state.kw, state.reactive_given) = (assigned.number()?, false);
                }
                name => {
                    state.assign(name, assigned)?;
                }
            }
        }
        let factor = if fixed { 1.0 } else { self.options.generator_multiplier };
        let q = if state.reactive_given { state.kvar } else { reactive(state.kw, state.power_factor) };
        if !matches!(state.model, 1 | 2) {
            let text = format!("model={} is taken as constant power", state.model);
            self.note(DiagnosticKind::Substituted, "generator model", object, &text);
        }
        let power = [state.kw * factor, q * factor];
        let rating = state.kva.unwrap_or(state.kw * 1.2);
        self.push_converter(object, &state, (ConverterKind::Generator, state.kw), (power, rating))?;
        if !fixed {
            let power_factor = (!state.reactive_given).then_some(state.power_factor);
            let [kw, kvar] = power;
            self.follow_last(&shapes, Rule::Power { kw, kvar, kvar_stays: false, power_factor })?;
        }
        Ok(())
    }

    pub(super) fn photovoltaic(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = State { cut_in: 0.2, ..State::usual(object, 0.0) };
        let mut panel = Panel::usual();
        let mut shapes = Shapes::default();
        for assigned in &object.assignments {
            let name = property(object, assigned);
            match name {
                name if shapes.assign(name, assigned) => {}
                "tdaily" | "tyearly" | "tduty" => {
                    self.not_followed(object, assigned, "the temperature stays");
                }
                "effcurve" => panel.efficiency = Some(self.curve(assigned)?),
                "p-tcurve" => panel.by_temperature = Some(self.curve(assigned)?),
                name => {
                    if !panel.assign(name, assigned)? {
                        state.assign(name, assigned)?;
                    }
                }
            }
        }
        let rating = state.kva.unwrap_or(500.0);
        panel.start_kw = state.cut_in * rating;
        panel.rating_kva = rating;
        let [p, behind] = panel.power(panel.sun);
        let q = if state.reactive_given { state.kvar } else { reactive(p, state.power_factor) };
        self.push_converter(object, &state, (ConverterKind::Photovoltaic, panel.peak), ([p, q], rating))?;
        if let Some(made) = self.network.converters.last_mut() {
            made.control.behind_kw = behind;
        }
        let source = Source { most_kw: panel.peak * panel.share };
        self.sources.push((self.network.converters.len() - 1, source));
        let kvar = state.reactive_given.then_some(state.kvar);
        self.follow_last(&shapes, Rule::Sun { panel, kvar, power_factor: state.power_factor })
    }

    /// Lets the converter that was made last follow a shape.
    fn follow_last(&mut self, shapes: &Shapes, rule: Rule) -> Result<(), DssError> {
        let last = self.network.converters.len() - 1;
        self.follow(Injection::Converter(u32::try_from(last).unwrap_or(u32::MAX)), shapes, rule)
    }

    /// The points of the curve that a property names.
    pub(super) fn curve(&self, assigned: &Assignment) -> Result<Vec<[f64; 2]>, DssError> {
        self.curves.get(&assigned.value.to_ascii_lowercase()).cloned().ok_or_else(|| {
            let reason = format!("there is no xycurve.{}", assigned.value);
            assigned.place.error(reason, "make it with `new xycurve.NAME`")
        })
    }

    pub(super) fn xy_curve(&mut self, object: &Object) -> Result<(), DssError> {
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for assigned in &object.assignments {
            match property(object, assigned) {
                "xarray" => xs = assigned.numbers()?,
                "yarray" => ys = assigned.numbers()?,
                "points" => {
                    let both = assigned.numbers()?;
                    (xs, ys) = both.chunks_exact(2).map(|point| (point[0], point[1])).unzip();
                }
                "csvfile" | "sngfile" | "dblfile" => {
                    self.dropped(object, assigned, "points in files of their own are not read");
                }
                _ => {}
            }
        }
        let points: Vec<[f64; 2]> = xs.into_iter().zip(ys).map(|(x, y)| [x, y]).collect();
        let rises = points.windows(2).all(|pair| pair[0][0] < pair[1][0]);
        if !rises {
            let reason = format!("xycurve.{}: x does not rise from point to point", object.name);
            return Err(object.place.error(reason, ""));
        }
        self.curves.insert(object.name.to_ascii_lowercase(), points);
        Ok(())
    }

    pub(super) fn battery(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = State::usual(object, 0.0);
        let mut cell = Cell::usual();
        let mut shapes = Shapes::default();
        for assigned in &object.assignments {
            match property(object, assigned) {
                name if shapes.assign(name, assigned) => {}
                "effcurve" => cell.efficiency = Some(self.curve(assigned)?),
                "dispmode" => {
                    let word = assigned.value.to_ascii_lowercase();
                    cell.follows = word.starts_with("fo");
                    if !cell.follows && !word.starts_with("de") {
                        self.dropped(object, assigned, "the battery does what its state says");
                    }
                }
                "dischargetrigger" | "chargetrigger" if assigned.number()? != 0.0 => {
                    self.not_followed(object, assigned, "the battery does what its state says");
                }
                name => {
                    if !cell.assign(name, assigned)? {
                        state.assign(name, assigned)?;
                    }
                }
            }
        }
        let plan = cell.plan(&state);
        let possible = match plan.wanted_kw {
            kw if kw > 0.0 => cell.stored > cell.reserve,
            _ => cell.stored < 1.0,
        };
        let now = plan.power(if possible { plan.wanted_kw } else { 0.0 });
        self.push_converter(
            object,
            &state,
            (ConverterKind::Battery, cell.rated),
            (now.power, plan.rating_kva),
        )?;
        self.sources.push((self.network.converters.len() - 1, Source { most_kw: plan.most_kw }));
        let stored_kwh = cell.stored * cell.energy;
        if !cell.follows {
            shapes = Shapes::default();
        }
        self.follow_last(&shapes, Rule::Battery { plan, stored_kwh })
    }

    fn push_converter(
        &mut self,
        object: &Object,
        state: &State,
        (kind, rated_kw): (ConverterKind, f64),
        ([p_kw, q_kvar], rated_kva): ([f64; 2], f64),
    ) -> Result<(), DssError> {
        let conductors = shunt_conductors(state.phases, state.delta);
        let terminal = self.terminal(&state.bus, usize::from(state.phases), conductors)?;
        let q_max = state.kvar_max.unwrap_or(rated_kva);
        let in_service = self.connected(object);
        self.network.converters.push(PowerElectronicsConnection {
            name: object.name.clone(),
            kind,
            terminal,
            phases: state.phases,
            connection: if state.delta { ShuntConnection::Delta } else { ShuntConnection::Wye },
            nominal_kv: state.kv,
            rated_kva,
            p_kw,
            q_kvar,
            power_factor_given: !state.reactive_given,
            q_limits_kvar: [state.kvar_min.unwrap_or(-q_max), q_max],
            least_kw_for_q: state.least_for_q.map(|share| share * rated_kw),
            reactive_when_off: !state.follows_inverter,
            priority: match (state.factor_priority, state.watt_priority) {
                (true, _) => ConverterPriority::Factor,
                (false, true) => ConverterPriority::Active,
                (false, false) => ConverterPriority::Reactive,
            },
            control: ConverterControl { base_kw: rated_kw, ..ConverterControl::default() },
            range: state.range,
            constant_impedance: state.model == 2,
            in_service,
        });
        self.made(object, self.network.converters.len() - 1);
        Ok(())
    }
}

/// What stands behind an inverter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// Most active power that is let through.
    pub(super) most_kw: f64,
}

/// What a `Storage` says of itself.
struct Cell {
    rated: f64,
    rated_share: f64,
    mode: String,
    charge: f64,
    discharge: f64,
    idle: f64,
    /// Power that is given says by its sign what the battery does.
    given_kw: Option<f64>,
    energy: f64,
    stored: f64,
    reserve: f64,
    charging: f64,
    discharging: f64,
    efficiency: Option<Vec<[f64; 2]>>,
    follows: bool,
}

impl Cell {
    fn usual() -> Self {
        Self {
            rated: 25.0,
            rated_share: 1.0,
            mode: String::from("idling"),
            charge: 1.0,
            discharge: 1.0,
            idle: 0.01,
            given_kw: None,
            energy: 50.0,
            stored: 1.0,
            reserve: 0.2,
            charging: 0.9,
            discharging: 0.9,
            efficiency: None,
            follows: false,
        }
    }

    fn assign(&mut self, name: &str, assigned: &Assignment) -> Result<bool, DssError> {
        let share = || Ok::<f64, DssError>(assigned.number()? / 100.0);
        match name {
            "kwrated" => self.rated = assigned.number()?,
            "%kwrated" => self.rated_share = share()?,
            "state" => self.mode = assigned.value.to_ascii_lowercase(),
            "%charge" => self.charge = share()?,
            "%discharge" => self.discharge = share()?,
            "%idlingkw" => self.idle = share()?,
            "kw" => self.given_kw = Some(assigned.number()?),
            "kwhrated" => self.energy = assigned.number()?,
            "kwhstored" => self.stored = assigned.number()? / self.energy,
            "%stored" => self.stored = share()?,
            "%reserve" => self.reserve = share()?,
            "%effcharge" => self.charging = share()?,
            "%effdischarge" => self.discharging = share()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn plan(&self, state: &State) -> BatteryPlan {
        let most_kw = self.rated * self.rated_share;
        let wanted = self.given_kw.unwrap_or_else(|| match self.mode.chars().next() {
            Some('c') => -self.rated * self.charge,
            Some('d') => self.rated * self.discharge,
            Some(_) | None => 0.0,
        });
        let rating_kva = state.kva.unwrap_or(self.rated);
        BatteryPlan {
            rated_kw: self.rated,
            most_kw,
            wanted_kw: wanted.max(-most_kw).min(most_kw),
            start_kw: state.cut_in * rating_kva,
            rating_kva,
            idle_kw: self.rated * self.idle,
            kvar: state.reactive_given.then_some(state.kvar),
            power_factor: state.power_factor,
            full_kwh: self.energy,
            reserve_kwh: self.reserve * self.energy,
            charging: self.charging,
            discharging: self.discharging,
            efficiency: self.efficiency.clone(),
        }
    }
}

/// What a battery does while it can.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::opendss) struct BatteryPlan {
    pub(in crate::opendss) rated_kw: f64,
    pub(in crate::opendss) most_kw: f64,
    /// Delivered; what charges is negative.
    pub(in crate::opendss) wanted_kw: f64,
    start_kw: f64,
    rating_kva: f64,
    pub(in crate::opendss) idle_kw: f64,
    kvar: Option<f64>,
    power_factor: f64,
    pub(in crate::opendss) full_kwh: f64,
    pub(in crate::opendss) reserve_kwh: f64,
    pub(in crate::opendss) charging: f64,
    pub(in crate::opendss) discharging: f64,
    efficiency: Option<Vec<[f64; 2]>>,
}

/// What it delivers then.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::opendss) struct BatteryPower {
    pub(in crate::opendss) power: [f64; 2],
    pub(in crate::opendss) is_idle: bool,
}

impl BatteryPlan {
    /// Power when so much is wanted and there is the energy for it.
    pub(in crate::opendss) fn power(&self, wanted_kw: f64) -> BatteryPower {
        let is_idle = wanted_kw == 0.0 || wanted_kw.abs() < self.start_kw;
        // What it takes to idle comes through the inverter.
        let p = if is_idle { -self.idle_kw / self.efficiency_at(self.idle_kw) } else { wanted_kw };
        BatteryPower { power: [p, self.kvar.unwrap_or_else(|| reactive(p, self.power_factor))], is_idle }
    }

    /// Magnitude of the power behind the inverter for a power before it; efficiency goes by the one behind.
    pub(in crate::opendss) fn behind(&self, p_kw: f64, steps: usize) -> f64 {
        let before = p_kw.abs();
        (0..steps).fold(before, |behind, _| {
            let efficiency = self.efficiency_at(behind);
            if p_kw > 0.0 { before / efficiency } else { before * efficiency }
        })
    }

    fn efficiency_at(&self, kw: f64) -> f64 {
        let curve = self.efficiency.as_ref();
        curve.and_then(|points| straight_at(points, kw / self.rating_kva)).unwrap_or(1.0)
    }
}

/// What the panels of a photovoltaic system say.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::opendss) struct Panel {
    peak: f64,
    share: f64,
    sun: f64,
    temperature: f64,
    start_kw: f64,
    rating_kva: f64,
    efficiency: Option<Vec<[f64; 2]>>,
    by_temperature: Option<Vec<[f64; 2]>>,
}

impl Panel {
    const fn usual() -> Self {
        Self {
            peak: 500.0,
            share: 1.0,
            sun: 1.0,
            temperature: 25.0,
            start_kw: 0.0,
            rating_kva: 500.0,
            efficiency: None,
            by_temperature: None,
        }
    }

    fn assign(&mut self, name: &str, assigned: &Assignment) -> Result<bool, DssError> {
        match name {
            "pmpp" => self.peak = assigned.number()?,
            "%pmpp" => self.share = assigned.number()? / 100.0,
            "irradiance" => self.sun = assigned.number()?,
            "temperature" => self.temperature = assigned.number()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Sun that the script gives.
    pub(in crate::opendss) const fn sun(&self) -> f64 {
        self.sun
    }

    /// Power through the inverter under some sun, and what the panels offer it: by temperature and efficiency, not above its share of
    /// the peak. Below the power at which it starts nothing comes through.
    pub(in crate::opendss) fn power(&self, sun: f64) -> [f64; 2] {
        let at = |curve: &Option<Vec<[f64; 2]>>, x: f64| {
            curve.as_ref().and_then(|points| straight_at(points, x)).unwrap_or(1.0)
        };
        let panel = self.peak * sun * at(&self.by_temperature, self.temperature);
        let offered = (panel * at(&self.efficiency, panel / self.rating_kva)).min(self.peak * self.share);
        [if panel < self.start_kw { 0.0 } else { offered }, offered]
    }
}

/// A curve that goes on in a straight line beyond its ends, as those of efficiency and temperature do.
fn straight_at(points: &[[f64; 2]], x: f64) -> Option<f64> {
    let after = points.iter().position(|point| x < point[0]).unwrap_or(points.len());
    match points {
        [] => None,
        [only] => Some(only[1]),
        points => {
            let at = after.clamp(1, points.len() - 1);
            let ([x0, y0], [x1, y1]) = (points[at - 1], points[at]);
            Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
        }
    }
}

fn factor_of(p: f64, q: f64) -> f64 {
    let factor = p.abs() / p.hypot(q);
    if p * q < 0.0 { -factor } else { factor }
}
