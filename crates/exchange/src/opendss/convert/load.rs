//! `Load`.

use model::distribution::{EnergyConsumer, LoadResponse, ShuntConnection, VoltageRange};

use super::shape::Shapes;
use super::{Converter, Text, property, reactive, shunt_conductors};
use crate::opendss::DssError;
use crate::opendss::schedule::{Injection, Rule};
use crate::opendss::script::{Assignment, Object};

/// Which properties say how much it draws.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    PowerAndFactor,
    PowerAndReactive,
    ApparentAndFactor,
    Allocated,
    Energy,
}

struct State {
    bus: Text,
    phases: u8,
    delta: bool,
    kv: f64,
    kw: f64,
    kvar: f64,
    kva: f64,
    power_factor: f64,
    given: Given,
    model: u8,
    status: String,
    range: VoltageRange,
    exponents: [f64; 2],
    zip: Vec<f64>,
    neutral: Option<f64>,
    neutral_x: f64,
    transformer_kva: f64,
    allocation: f64,
    kwh: f64,
    kwh_days: f64,
    c_factor: f64,
}

impl Converter<'_> {
    pub(super) fn load(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = State {
            bus: object.own_bus(1),
            phases: 3,
            delta: false,
            kv: 12.47,
            kw: 10.0,
            kvar: 5.0,
            kva: 10.0 / 0.88,
            power_factor: 0.88,
            given: Given::PowerAndFactor,
            model: 1,
            status: String::new(),
            range: VoltageRange { low_pu: 0.5, min_pu: 0.95, max_pu: 1.05 },
            exponents: [1.0, 2.0],
            zip: Vec::new(),
            neutral: None,
            neutral_x: 0.0,
            transformer_kva: 0.0,
            allocation: 0.5,
            kwh: 0.0,
            kwh_days: 30.0,
            c_factor: 4.0,
        };
        let mut shapes = Shapes::default();
        for assigned in &object.assignments {
            let name = property(object, assigned);
            if !shapes.assign(name, assigned)
                && !state.assign(name, assigned)?
                && matches!(name, "growth" | "cvrcurve")
            {
                self.dropped(object, assigned, "the study is a snapshot of the first year");
            }
        }
        let [p_kw, q_kvar] = state.power();
        let factor = match state.status.chars().next() {
            Some('f' | 'e') => 1.0,
            _ => self.options.load_multiplier,
        };
        let phases = usize::from(state.phases);
        let conductors = shunt_conductors(state.phases, state.delta);
        let terminal = self.terminal(&state.bus, phases, conductors)?;
        let in_service = self.connected(object);
        self.network.loads.push(EnergyConsumer {
            name: object.name.clone(),
            terminal,
            phases: state.phases,
            connection: if state.delta { ShuntConnection::Delta } else { ShuntConnection::Wye },
            nominal_kv: state.kv,
            p_kw: p_kw * factor,
            q_kvar: if state.kvar_stays() { q_kvar } else { q_kvar * factor },
            response: state.response(object, q_kvar)?,
            range: state.range,
            grounding_ohm: state.neutral.map(|r| [r, state.neutral_x]),
            in_service,
        });
        self.made(object, self.network.loads.len() - 1);
        // A fixed load follows no shape.
        if !state.status.starts_with('f') {
            let of = Injection::Load(u32::try_from(self.network.loads.len() - 1).unwrap_or(u32::MAX));
            let [kw, kvar] = [p_kw * factor, if state.kvar_stays() { q_kvar } else { q_kvar * factor }];
            let power_factor = (state.given != Given::PowerAndReactive)
                .then_some(state.power_factor)
                .filter(|pf| *pf != 1.0);
            let rule = Rule::Power { kw, kvar, kvar_stays: state.kvar_stays(), power_factor };
            self.follow(of, &shapes, rule)?;
        }
        Ok(())
    }
}

impl State {
    fn assign(&mut self, name: &str, assigned: &Assignment) -> Result<bool, DssError> {
        match name {
            "phases" => self.phases = assigned.count(3)?,
            "bus1" => self.bus = assigned.text(),
            "kv" => self.kv = assigned.number()?,
            "kw" => (self.kw, self.given) = (assigned.number()?, Given::PowerAndFactor),
            "kvar" => (self.kvar, self.given) = (assigned.number()?, Given::PowerAndReactive),
            "kva" => (self.kva, self.given) = (assigned.number()?, Given::ApparentAndFactor),
            "pf" => self.power_factor = assigned.number()?,
            "model" => self.model = assigned.count(8)?,
            "conn" => self.delta = assigned.delta()?,
            "status" => self.status = assigned.value.to_ascii_lowercase(),
            "vminpu" => self.range.min_pu = assigned.number()?,
            "vmaxpu" => self.range.max_pu = assigned.number()?,
            "vlowpu" => self.range.low_pu = assigned.number()?,
            "cvrwatts" => self.exponents[0] = assigned.number()?,
            "cvrvars" => self.exponents[1] = assigned.number()?,
            "zipv" => self.zip = assigned.numbers()?,
            "rneut" => self.neutral = Some(assigned.number()?).filter(|r| *r >= 0.0),
            "xneut" => self.neutral_x = assigned.number()?,
            "xfkva" => (self.transformer_kva, self.given) = (assigned.number()?, Given::Allocated),
            "allocationfactor" => (self.allocation, self.given) = (assigned.number()?, Given::Allocated),
            "kwh" => (self.kwh, self.given) = (assigned.number()?, Given::Energy),
            "kwhdays" => (self.kwh_days, self.given) = (assigned.number()?, Given::Energy),
            "cfactor" => (self.c_factor, self.given) = (assigned.number()?, Given::Energy),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Models whose reactive power stays whatever the active power does.
    const fn kvar_stays(&self) -> bool {
        matches!(self.model, 6 | 7)
    }

    fn power(&self) -> [f64; 2] {
        let factor = self.power_factor;
        match self.given {
            Given::PowerAndFactor => [self.kw, reactive(self.kw, factor)],
            Given::PowerAndReactive => [self.kw, self.kvar],
            Given::ApparentAndFactor => {
                let p = self.kva * factor.abs();
                [p, reactive(p, factor)]
            }
            Given::Allocated => {
                let p = self.transformer_kva * self.allocation * factor.abs();
                [p, reactive(p, factor)]
            }
            Given::Energy => {
                let p = self.kwh / (self.kwh_days * 24.0) * self.c_factor;
                [p, reactive(p, factor)]
            }
        }
    }

    fn response(&self, object: &Object, q_kvar: f64) -> Result<LoadResponse, DssError> {
        Ok(match self.model {
            2 => LoadResponse::ConstantImpedance,
            3 | 7 => LoadResponse::Exponential { p: 0.0, q: 2.0 },
            4 => LoadResponse::Exponential { p: self.exponents[0], q: self.exponents[1] },
            5 => LoadResponse::ConstantCurrent,
            6 => LoadResponse::FixedReactive { q_kvar },
            8 => {
                let [a, b, c, d, e, f, cut_off_pu] = self.zip[..] else {
                    let reason = format!("load.{}: zipv has {} figures", object.name, self.zip.len());
                    let hint =
                        "model=8 needs zipv=(z i p of active, z i p of reactive power, cut-off voltage)";
                    return Err(object.place.error(reason, hint));
                };
                LoadResponse::Zip { p: [a, b, c], q: [d, e, f], cut_off_pu }
            }
            _ => LoadResponse::ConstantPower,
        })
    }
}
