//! `InvControl`.

use model::DiagnosticKind;
use model::distribution::{ConverterControl, ConverterKind, ConverterVoltage, PowerElectronicsConnection};

use super::{Converter, property};
use crate::opendss::DssError;
use crate::opendss::class::Class;
use crate::opendss::lex;
use crate::opendss::script::{Assignment, Object};

/// What the y of a volt-watt curve is a share of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Base {
    Rated,
    /// What the panels offer at the time.
    Offered,
    Limited,
    Apparent,
}

struct State {
    names: Vec<String>,
    mode: String,
    volt_var: Vec<[f64; 2]>,
    watt_var: Vec<[f64; 2]>,
    watt_pf: Vec<[f64; 2]>,
    volt_watt: Vec<[f64; 2]>,
    charging: Vec<[f64; 2]>,
    base: Base,
    of_rating: bool,
    voltage: ConverterVoltage,
}

impl Converter<'_> {
    pub(super) fn inverter_control(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = State {
            names: Vec::new(),
            mode: String::from("voltvar"),
            volt_var: Vec::new(),
            watt_var: Vec::new(),
            watt_pf: Vec::new(),
            volt_watt: Vec::new(),
            charging: Vec::new(),
            base: Base::Rated,
            of_rating: false,
            voltage: ConverterVoltage::Average,
        };
        for assigned in &object.assignments {
            let name = property(object, assigned);
            if !self.inverter_curve(&mut state, name, assigned)?
                && !state.assign(name, assigned)?
                && let Some(why) = not_read(name, assigned)
            {
                self.dropped(object, assigned, why);
            }
        }
        let Some(control) = state.control() else {
            let text = format!("mode={} is not read: its inverters keep their power", state.mode);
            self.note(DiagnosticKind::Dropped, "invcontrol mode", object, &text);
            return Ok(());
        };
        if !control.is_active() {
            let reason = format!("invcontrol.{}: mode={} has no curve", object.name, state.mode);
            let hint =
                "give the curve of the mode: vvc_curve1, voltwatt_curve, wattvar_curve or wattpf_curve";
            return Err(object.place.error(reason, hint));
        }
        if object.enabled {
            self.give_control(object, &state, &control);
        }
        Ok(())
    }

    fn inverter_curve(&self, state: &mut State, name: &str, assigned: &Assignment) -> Result<bool, DssError> {
        let place = match name {
            "vvc_curve1" => &mut state.volt_var,
            "wattvar_curve" => &mut state.watt_var,
            "wattpf_curve" => &mut state.watt_pf,
            "voltwatt_curve" => &mut state.volt_watt,
            "voltwattch_curve" => &mut state.charging,
            _ => return Ok(false),
        };
        *place = self.curve(assigned)?;
        Ok(true)
    }

    fn give_control(&mut self, object: &Object, state: &State, control: &ConverterControl) {
        let mut wanted = Vec::new();
        for name in &state.names {
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
        let all = state.names.is_empty();
        for (at, source) in &self.sources {
            if all || wanted.contains(at) {
                let converter = &mut self.network.converters[*at];
                let volt_watt_base_kw = state.base_kw(converter, source.most_kw);
                let (base_kw, behind_kw) = (converter.control.base_kw, converter.control.behind_kw);
                converter.control =
                    ConverterControl { volt_watt_base_kw, base_kw, behind_kw, ..control.clone() };
            }
        }
    }
}

/// Why a property that would matter is not read.
fn not_read(name: &str, assigned: &Assignment) -> Option<&'static str> {
    let word = assigned.value.to_ascii_lowercase();
    let off = |usual: &str| word.starts_with(usual);
    match name {
        "voltage_curvex_ref" if !off("rated") => Some("curves are by the rated voltage"),
        "hysteresis_offset" if lex::number(&word) != Some(0.0) => Some("the curve has no hysteresis"),
        "rateofchangemode" if !off("inactive") => Some("powers follow at once"),
        "monbus" | "monbusesvbase" => Some("the voltage at the inverter is followed"),
        "controlmodel" if lex::number(&word) != Some(0.0) => Some("inverters follow with the static control"),
        _ => None,
    }
}

impl State {
    fn assign(&mut self, name: &str, assigned: &Assignment) -> Result<bool, DssError> {
        let word = assigned.value.to_ascii_lowercase();
        match name {
            "derlist" | "pvsystemlist" => self.names = lex::list(&assigned.value),
            "mode" | "combimode" => self.mode = word,
            "refreactivepower" | "vv_refreactivepower" => self.of_rating = word.starts_with("varmax"),
            "voltwattyaxis" => {
                self.base = match word.as_str() {
                    "pmpppu" => Base::Rated,
                    "pavailablepu" => Base::Offered,
                    "pctpmpppu" => Base::Limited,
                    "kvaratingpu" => Base::Apparent,
                    _ => return Err(assigned.wrong("axis of a volt-watt curve")),
                }
            }
            "monvoltagecalc" => {
                self.voltage = match word.as_str() {
                    "avg" => ConverterVoltage::Average,
                    "max" => ConverterVoltage::Largest,
                    "min" => ConverterVoltage::Smallest,
                    _ => ConverterVoltage::Phase(assigned.count(3)?),
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The curves of the mode; `None` for a mode that is not read.
    fn control(&self) -> Option<ConverterControl> {
        let usual = ConverterControl {
            of_rating: self.of_rating,
            voltage: self.voltage,
            ..ConverterControl::default()
        };
        let (volt_watt, volt_watt_charging) = (self.volt_watt.clone(), self.charging.clone());
        Some(match self.mode.as_str() {
            "voltvar" => ConverterControl { volt_var: self.volt_var.clone(), ..usual },
            "voltwatt" => ConverterControl { volt_watt, volt_watt_charging, ..usual },
            "vv_vw" => {
                ConverterControl { volt_var: self.volt_var.clone(), volt_watt, volt_watt_charging, ..usual }
            }
            "wattvar" => ConverterControl { watt_var: self.watt_var.clone(), ..usual },
            "wattpf" => ConverterControl { watt_pf: self.watt_pf.clone(), ..usual },
            _ => return None,
        })
    }

    fn base_kw(&self, converter: &PowerElectronicsConnection, most_kw: f64) -> Option<f64> {
        match (self.base, converter.kind) {
            (Base::Offered, ConverterKind::Photovoltaic) => None,
            (Base::Rated | Base::Offered, _) => Some(converter.control.base_kw),
            (Base::Limited, _) => Some(most_kw),
            (Base::Apparent, _) => Some(converter.rated_kva),
        }
    }
}
