//! `Generator`, `PVSystem`, `Storage`, and `XYCurve`.

use model::DiagnosticKind;
use model::distribution::{
    ConverterControl, ConverterKind, ConverterPriority, PowerElectronicsConnection, ShuntConnection,
    VoltageRange,
};

use super::{Converter, Text, property, reactive, shunt_conductors};
use crate::opendss::DssError;
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
        for assigned in &object.assignments {
            let name = property(object, assigned);
            match name {
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
        self.push_converter(object, &state, (ConverterKind::Generator, state.kw), (power, rating))
    }

    pub(super) fn photovoltaic(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = State { cut_in: 0.2, ..State::usual(object, 0.0) };
        let mut panel = Panel::usual();
        for assigned in &object.assignments {
            let name = property(object, assigned);
            match name {
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
        let [p, behind] = panel.power(panel.sun, panel.temperature);
        let q = if state.reactive_given { state.kvar } else { reactive(p, state.power_factor) };
        self.push_converter(object, &state, (ConverterKind::Photovoltaic, panel.peak), ([p, q], rating))?;
        if let Some(made) = self.network.converters.last_mut() {
            made.control.behind_kw = behind;
            self.sources
                .push((self.network.converters.len() - 1, Source { most_kw: panel.peak * panel.share }));
        }
        Ok(())
    }

    /// The points of the curve that a property names.
    pub(super) fn curve(&self, assigned: &Assignment) -> Result<Vec<[f64; 2]>, DssError> {
        self.curves.get(&assigned.value.to_ascii_lowercase()).cloned().ok_or_else(|| {
            let reason = format!("there is no xycurve.{}", assigned.value);
            assigned.place.error(reason, "it has to stand before what uses it")
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
        let (mut rated, mut rated_share, mut mode) = (25.0, 1.0, String::from("idling"));
        let (mut charge, mut discharge, mut idle, mut power_given) = (1.0, 1.0, 0.01, false);
        let (mut energy, mut stored, mut reserve) = (50.0, 1.0, 0.2);
        let mut efficiency = None;
        for assigned in &object.assignments {
            match property(object, assigned) {
                "kwrated" => rated = assigned.number()?,
                "%kwrated" => rated_share = assigned.number()? / 100.0,
                "effcurve" => efficiency = Some(self.curve(assigned)?),
                "dispmode" if !assigned.value.to_ascii_lowercase().starts_with("def") => {
                    self.dropped(object, assigned, "the battery does what its state says");
                }
                "state" => mode = assigned.value.to_ascii_lowercase(),
                "%charge" => charge = assigned.number()? / 100.0,
                "%discharge" => discharge = assigned.number()? / 100.0,
                "%idlingkw" => idle = assigned.number()? / 100.0,
                "kw" => (state.kw, power_given) = (assigned.number()?, true),
                "kwhrated" => energy = assigned.number()?,
                "kwhstored" => stored = assigned.number()? / energy,
                "%stored" => stored = assigned.number()? / 100.0,
                "%reserve" => reserve = assigned.number()? / 100.0,
                name => {
                    state.assign(name, assigned)?;
                }
            }
        }
        if power_given {
            // Power that is given says by its sign what the battery does.
            mode = if state.kw > 0.0 {
                "discharging"
            } else if state.kw < 0.0 {
                "charging"
            } else {
                "idling"
            }
            .into();
            (charge, discharge) = (state.kw.abs() / rated, state.kw.abs() / rated);
        }
        let rating = state.kva.unwrap_or(rated);
        let most = rated * rated_share;
        let wanted = match mode.chars().next() {
            Some('c') if stored < 1.0 => -(rated * charge).min(most),
            Some('d') if stored > reserve => (rated * discharge).min(most),
            Some(_) | None => 0.0,
        };
        let p = if wanted != 0.0 && wanted.abs() >= state.cut_in * rating {
            wanted
        } else {
            // What it takes to idle comes through the inverter.
            let idle = rated * idle;
            -idle / efficiency.and_then(|points| straight_at(&points, idle / rating)).unwrap_or(1.0)
        };
        let q = if state.reactive_given { state.kvar } else { reactive(p, state.power_factor) };
        self.push_converter(object, &state, (ConverterKind::Battery, rated), ([p, q], rating))?;
        self.sources.push((self.network.converters.len() - 1, Source { most_kw: most }));
        Ok(())
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

/// What the panels of a photovoltaic system say.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Panel {
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

    /// Power through the inverter, and what the panels offer it: by temperature and efficiency, not above its share of
    /// the peak. Below the power at which it starts nothing comes through.
    fn power(&self, sun: f64, temperature: f64) -> [f64; 2] {
        let at = |curve: &Option<Vec<[f64; 2]>>, x: f64| {
            curve.as_ref().and_then(|points| straight_at(points, x)).unwrap_or(1.0)
        };
        let panel = self.peak * sun * at(&self.by_temperature, temperature);
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
