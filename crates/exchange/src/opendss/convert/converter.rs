//! `Generator`, `PVSystem`, `Storage` and `InvControl`.

use model::DiagnosticKind;
use model::distribution::{
    ConverterControl, ConverterKind, PowerElectronicsConnection, ShuntConnection, VoltageRange, curve_at,
};

use super::{Converter, Text, property, reactive, shunt_conductors};
use crate::opendss::DssError;
use crate::opendss::class::Class;
use crate::opendss::lex;
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
        self.push_converter(object, &state, ConverterKind::Generator, power, rating)
    }

    pub(super) fn photovoltaic(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = State::usual(object, 0.0);
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
        let p = panel.power(rating);
        let q = if state.reactive_given { state.kvar } else { reactive(p, state.power_factor) };
        self.push_converter(object, &state, ConverterKind::Photovoltaic, [p, q], rating)?;
        if let Some(made) = self.network.converters.last_mut() {
            made.control.rated_kw = panel.peak;
        }
        Ok(())
    }

    /// The points of the curve that a property names.
    fn curve(&self, assigned: &Assignment) -> Result<Vec<[f64; 2]>, DssError> {
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
        let (mut rated, mut mode) = (25.0, String::from("idling"));
        let (mut charge, mut discharge, mut idle, mut power_given) = (1.0, 1.0, 0.01, false);
        let (mut energy, mut stored, mut reserve) = (50.0, 1.0, 0.2);
        for assigned in &object.assignments {
            match property(object, assigned) {
                "kwrated" => rated = assigned.number()?,
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
        let p = match mode.chars().next() {
            Some('c') if stored < 1.0 => -rated * charge,
            Some('d') if stored > reserve => rated * discharge,
            Some(_) | None => -rated * idle,
        };
        let q = if state.reactive_given { state.kvar } else { reactive(p, state.power_factor) };
        self.push_converter(object, &state, ConverterKind::Battery, [p, q], rating)
    }

    fn push_converter(
        &mut self,
        object: &Object,
        state: &State,
        kind: ConverterKind,
        [p_kw, q_kvar]: [f64; 2],
        rated_kva: f64,
    ) -> Result<(), DssError> {
        let conductors = shunt_conductors(state.phases, state.delta);
        let terminal = self.terminal(&state.bus, usize::from(state.phases), conductors)?;
        let q_max = state.kvar_max.unwrap_or(rated_kva);
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
            q_limits_kvar: [state.kvar_min.unwrap_or(-q_max), q_max],
            watt_priority: state.watt_priority,
            control: ConverterControl::default(),
            range: state.range,
            constant_impedance: state.model == 2,
            in_service: object.enabled && object.open.is_empty(),
        });
        self.made(object, self.network.converters.len() - 1);
        Ok(())
    }

    pub(super) fn inverter_control(&mut self, object: &Object) -> Result<(), DssError> {
        let mut control = ConverterControl::default();
        let (mut names, mut mode) = (Vec::new(), String::from("voltvar"));
        let (mut volt_var, mut volt_watt) = (Vec::new(), Vec::new());
        for assigned in &object.assignments {
            match property(object, assigned) {
                "derlist" | "pvsystemlist" => names = lex::list(&assigned.value),
                "mode" | "combimode" => mode = assigned.value.to_ascii_lowercase(),
                "vvc_curve1" => volt_var = self.curve(assigned)?,
                "voltwatt_curve" => volt_watt = self.curve(assigned)?,
                "refreactivepower" => {
                    control.volt_var_of_rating = assigned.value.to_ascii_lowercase().starts_with("varmax");
                }
                "voltage_curvex_ref" if !assigned.value.to_ascii_lowercase().starts_with('r') => {
                    self.dropped(object, assigned, "curves are by the rated voltage");
                }
                "voltwattyaxis" if !assigned.value.to_ascii_lowercase().starts_with("pmpp") => {
                    self.dropped(object, assigned, "volt-watt is by the rating of the panel");
                }
                _ => {}
            }
        }
        match mode.as_str() {
            "voltvar" => control.volt_var = volt_var,
            "voltwatt" => control.volt_watt = volt_watt,
            "vv_vw" => (control.volt_var, control.volt_watt) = (volt_var, volt_watt),
            mode => {
                let text = format!("mode={mode} is not read");
                self.note(DiagnosticKind::Dropped, "invcontrol mode", object, &text);
                return Ok(());
            }
        }
        if object.enabled {
            self.give_control(object, &names, &control);
        }
        Ok(())
    }

    fn give_control(&mut self, object: &Object, names: &[String], control: &ConverterControl) {
        let mut wanted = Vec::new();
        for name in names {
            let found = [Class::PvSystem, Class::Storage].into_iter().find_map(|class| {
                self.position(class, name).or_else(|| {
                    let bare = name.split_once('.').map_or(name.as_str(), |(_, bare)| bare);
                    self.position(class, bare)
                })
            });
            match found {
                Some(at) => wanted.push(at as usize),
                None => {
                    let text = format!("there is no inverter {name}");
                    self.note(DiagnosticKind::Dropped, "invcontrol", object, &text);
                }
            }
        }
        let all = names.is_empty();
        for (at, converter) in self.network.converters.iter_mut().enumerate() {
            let inverter = converter.kind != ConverterKind::Generator;
            if inverter && (all || wanted.contains(&at)) {
                let rated_kw = converter.control.rated_kw;
                converter.control = ConverterControl { rated_kw, ..control.clone() };
            }
        }
    }
}

/// What the panels of a photovoltaic system say.
struct Panel {
    peak: f64,
    share: f64,
    sun: f64,
    temperature: f64,
    cut_out: f64,
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
            cut_out: 0.2,
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
            "%cutin" => self.cut_out = assigned.number()? / 100.0,
            "%cutout" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Power behind the inverter: of the panels, by temperature and efficiency, not above its share of the peak. Below
    /// the power at which it would start it is off.
    fn power(&self, rating: f64) -> f64 {
        let at = |curve: &Option<Vec<[f64; 2]>>, x: f64| {
            curve.as_ref().and_then(|points| curve_at(points, x)).unwrap_or(1.0)
        };
        let panel = self.peak * self.sun * at(&self.by_temperature, self.temperature);
        if panel < self.cut_out * rating {
            return 0.0;
        }
        (panel * at(&self.efficiency, panel / rating)).min(self.peak * self.share)
    }
}

fn factor_of(p: f64, q: f64) -> f64 {
    let factor = p.abs() / p.hypot(q);
    if p * q < 0.0 { -factor } else { factor }
}
