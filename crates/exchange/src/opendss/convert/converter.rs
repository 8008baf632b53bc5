//! `Generator`, `PVSystem`, `Storage` and `InvControl`.

use model::DiagnosticKind;
use model::distribution::{
    ConverterControl, ConverterKind, PowerElectronicsConnection, ShuntConnection, VoltageRange,
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
}

impl State {
    fn usual(object: &Object, kw: f64) -> Self {
        Self {
            bus: Text { text: format!("{}_1", object.name), place: object.place.clone() },
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
        let (mut peak, mut peak_share, mut sun) = (500.0, 1.0, 1.0);
        for assigned in &object.assignments {
            match property(object, assigned) {
                "pmpp" => peak = assigned.number()?,
                "%pmpp" => peak_share = assigned.number()? / 100.0,
                "irradiance" => sun = assigned.number()?,
                "effcurve" | "p-tcurve" => {
                    self.dropped(
                        object,
                        assigned,
                        "the efficiency is taken as 1 and temperature as that of the rating",
                    );
                }
                name => {
                    state.assign(name, assigned)?;
                }
            }
        }
        let rating = state.kva.unwrap_or(500.0);
        let panel = peak * sun;
        let p = panel.min(peak * peak_share).min(rating);
        let q = if state.reactive_given { state.kvar } else { reactive(p, state.power_factor) };
        self.push_converter(object, &state, ConverterKind::Photovoltaic, [p, q], rating)?;
        if let Some(made) = self.network.converters.last_mut() {
            made.control.rated_kw = peak;
        }
        Ok(())
    }

    pub(super) fn battery(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = State::usual(object, 0.0);
        let (mut rated, mut mode) = (25.0, String::from("idling"));
        let (mut charge, mut discharge, mut idle, mut power_given) = (1.0, 1.0, 0.01, false);
        for assigned in &object.assignments {
            match property(object, assigned) {
                "kwrated" => rated = assigned.number()?,
                "state" => mode = assigned.value.to_ascii_lowercase(),
                "%charge" => charge = assigned.number()? / 100.0,
                "%discharge" => discharge = assigned.number()? / 100.0,
                "%idlingkw" => idle = assigned.number()? / 100.0,
                "kw" => (state.kw, power_given) = (assigned.number()?, true),
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
            Some('c') => -rated * charge,
            Some('d') => rated * discharge,
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
        let text = "controls of inverters are not read yet";
        self.note(DiagnosticKind::Dropped, "invcontrol", object, text);
        Ok(())
    }
}

fn factor_of(p: f64, q: f64) -> f64 {
    let factor = p.abs() / p.hypot(q);
    if p * q < 0.0 { -factor } else { factor }
}
