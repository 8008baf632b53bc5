//! `RegControl` and `CapControl`.

use model::DiagnosticKind;
use model::distribution::{
    CapacitorControl, CapacitorControlMode, Conductor, MonitoredEnd, MonitoredPhase, ReverseSetting,
    TapChangerControl,
};

use super::{Converter, Text, property};
use crate::opendss::DssError;
use crate::opendss::class::{Class, ClassName};
use crate::opendss::script::{Assignment, Object};

struct Regulator {
    transformer: String,
    bus: Option<Text>,
    winding: u8,
    tap_winding: u8,
    reversible: bool,
    reverse: ReverseSetting,
    remote_ratio: f64,
    tap_number: Option<f64>,
    control: TapChangerControl,
}

impl Converter<'_> {
    pub(super) fn tap_control(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = Regulator::usual(object);
        for assigned in &object.assignments {
            let name = property(object, assigned);
            state.assign(name, assigned)?;
        }
        let Some(transformer) = self.position(Class::Transformer, &state.transformer) else {
            let reason = format!("regcontrol.{}: there is no transformer {}", object.name, state.transformer);
            return Err(object.place.error(reason, "it has to stand before its control"));
        };
        let mut control = state.control;
        control.transformer = transformer;
        control.end = state.winding - 1;
        control.tap_end = state.tap_winding - 1;
        control.reverse = (state.reversible || state.reverse.cogeneration).then_some(state.reverse);
        if let Some(bus) = state.bus {
            let terminal = self.terminal(&bus, 1, 1)?;
            let conductor = terminal.conductors.first().copied().unwrap_or(Conductor(1));
            control.remote = Some((terminal.node, conductor, state.remote_ratio));
        }
        if let Some(number) = state.tap_number {
            let ends = &mut self.network.transformers[transformer as usize].ends;
            if let Some(end) = ends.get_mut(usize::from(control.tap_end)) {
                let step = (end.max_tap_pu - end.min_tap_pu) / f64::from(end.tap_steps.max(1));
                let tap = number * step + (end.max_tap_pu + end.min_tap_pu) / 2.0;
                end.tap_pu = tap.max(end.min_tap_pu).min(end.max_tap_pu);
            }
        }
        self.network.tap_controls.push(control);
        Ok(())
    }

    pub(super) fn capacitor_control(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = Switching::usual(object);
        for assigned in &object.assignments {
            let name = property(object, assigned);
            if !state.assign(name, assigned)? && matches!(name, "usermodel" | "controlsignal") {
                self.dropped(object, assigned, "this mode of the control is not read");
            }
        }
        let Some(capacitor) = self.position(Class::Capacitor, &state.capacitor) else {
            let reason = format!("capcontrol.{}: there is no capacitor {}", object.name, state.capacitor);
            return Err(object.place.error(reason, "it has to stand before its control"));
        };
        let mut control = state.control;
        control.capacitor = capacitor;
        let monitored = if state.element.is_empty() {
            Some(MonitoredEnd::Capacitor(capacitor))
        } else {
            self.monitored(&state.element, state.terminal - 1)
        };
        let Some(monitored) = monitored else {
            let text =
                format!("the monitored element {} is not known: the bank stays as it is", state.element);
            self.note(DiagnosticKind::Dropped, "capcontrol", object, &text);
            return Ok(());
        };
        control.monitored = monitored;
        control.override_v = state.overrides.then_some(state.limits);
        if let Some(bus) = state.override_bus {
            control.override_node = Some(self.terminal(&bus, 1, 1)?.node);
        }
        self.network.capacitor_controls.push(control);
        Ok(())
    }

    fn monitored(&self, element: &str, end: u8) -> Option<MonitoredEnd> {
        let lower = element.to_ascii_lowercase();
        let (class, name) = lower.split_once('.')?;
        let ClassName::Read(class) = Class::named(class) else { return None };
        let at = self.position(class, name)?;
        match class {
            Class::Line => Some(MonitoredEnd::Line(at, end)),
            Class::Transformer => Some(MonitoredEnd::Transformer(at, end)),
            Class::Capacitor => Some(MonitoredEnd::Capacitor(at)),
            Class::Reactor => Some(MonitoredEnd::Reactor(at, end)),
            Class::Load => Some(MonitoredEnd::Load(at)),
            _ => None,
        }
    }
}

/// Which phase is measured.
fn phase(assigned: &Assignment) -> Result<MonitoredPhase, DssError> {
    Ok(match assigned.value.to_ascii_lowercase().as_str() {
        "max" => MonitoredPhase::Largest,
        "min" => MonitoredPhase::Smallest,
        "avg" => MonitoredPhase::Average,
        _ => MonitoredPhase::Phase(assigned.count(3)?),
    })
}

impl Regulator {
    fn usual(object: &Object) -> Self {
        Self {
            transformer: String::new(),
            bus: None,
            winding: 1,
            tap_winding: 1,
            reversible: false,
            reverse: ReverseSetting {
                target_v: 120.0,
                band_v: 3.0,
                line_drop_v: [0.0; 2],
                line_drop_magnitude_v: 0.0,
                cogeneration: false,
                to_neutral: false,
                threshold_w: 100_000.0,
                delay_s: 60.0,
            },
            remote_ratio: 60.0,
            tap_number: None,
            control: TapChangerControl {
                name: object.name.clone(),
                transformer: 0,
                end: 0,
                tap_end: 0,
                target_v: 120.0,
                band_v: 3.0,
                pt_ratio: 60.0,
                ct_rating_a: 300.0,
                line_drop_v: [0.0; 2],
                line_drop_magnitude_v: 0.0,
                reverse: None,
                remote: None,
                limit_v: None,
                phase: MonitoredPhase::Phase(1),
                delay_s: 15.0,
                inverse_time: false,
                max_steps: 16,
                in_service: object.enabled,
            },
        }
    }

    fn assign(&mut self, name: &str, assigned: &Assignment) -> Result<(), DssError> {
        match name {
            "transformer" => self.transformer.clone_from(&assigned.value),
            "winding" => {
                self.winding = assigned.count(16)?;
                self.tap_winding = self.winding;
            }
            "tapwinding" => self.tap_winding = assigned.count(16)?,
            "vreg" => self.control.target_v = assigned.number()?,
            "band" => self.control.band_v = assigned.number()?,
            "ptratio" => {
                self.control.pt_ratio = assigned.number()?;
                self.remote_ratio = self.control.pt_ratio;
            }
            "remoteptratio" => self.remote_ratio = assigned.number()?,
            "ctprim" => self.control.ct_rating_a = assigned.number()?,
            "r" => self.control.line_drop_v[0] = assigned.number()?,
            "x" => self.control.line_drop_v[1] = assigned.number()?,
            "bus" => self.bus = Some(assigned.text()).filter(|bus| !bus.text.is_empty()),
            "delay" => self.control.delay_s = assigned.number()?,
            "reversible" => self.reversible = assigned.flag()?,
            "revvreg" => self.reverse.target_v = assigned.number()?,
            "revband" => self.reverse.band_v = assigned.number()?,
            "revr" => self.reverse.line_drop_v[0] = assigned.number()?,
            "revx" => self.reverse.line_drop_v[1] = assigned.number()?,
            "ldc_z" => self.control.line_drop_magnitude_v = assigned.number()?,
            "rev_z" => self.reverse.line_drop_magnitude_v = assigned.number()?,
            "cogen" => self.reverse.cogeneration = assigned.flag()?,
            "revneutral" => self.reverse.to_neutral = assigned.flag()?,
            "revthreshold" => self.reverse.threshold_w = assigned.number()? * 1000.0,
            "revdelay" => self.reverse.delay_s = assigned.number()?,
            "maxtapchange" => {
                let steps = assigned.number()?.max(0.0).min(f64::from(u16::MAX));
                self.control.max_steps = steps as u16;
            }
            "inversetime" => self.control.inverse_time = assigned.flag()?,
            "vlimit" => self.control.limit_v = Some(assigned.number()?).filter(|v| *v > 0.0),
            "ptphase" => self.control.phase = phase(assigned)?,
            "tapnum" => self.tap_number = Some(assigned.number()?),
            _ => {}
        }
        Ok(())
    }
}

struct Switching {
    element: String,
    terminal: u8,
    capacitor: String,
    overrides: bool,
    limits: [f64; 2],
    override_bus: Option<Text>,
    control: CapacitorControl,
}

impl Switching {
    fn usual(object: &Object) -> Self {
        Self {
            element: String::new(),
            terminal: 1,
            capacitor: String::new(),
            overrides: false,
            limits: [115.0, 126.0],
            override_bus: None,
            control: CapacitorControl {
                name: object.name.clone(),
                capacitor: 0,
                monitored: MonitoredEnd::Capacitor(0),
                mode: CapacitorControlMode::Current,
                on_setting: 300.0,
                off_setting: 200.0,
                pt_ratio: 60.0,
                ct_ratio: 60.0,
                override_v: None,
                override_node: None,
                pt_phase: MonitoredPhase::Phase(1),
                ct_phase: MonitoredPhase::Phase(1),
                delay_on_s: 15.0,
                delay_off_s: 15.0,
                dead_time_s: 300.0,
                least_share: 0.5,
                in_service: object.enabled,
            },
        }
    }

    fn assign(&mut self, name: &str, assigned: &Assignment) -> Result<bool, DssError> {
        let control = &mut self.control;
        match name {
            "element" => self.element.clone_from(&assigned.value),
            "terminal" => self.terminal = assigned.count(16)?,
            "capacitor" => self.capacitor.clone_from(&assigned.value),
            "type" => {
                control.mode = match assigned.value.to_ascii_lowercase().chars().next() {
                    Some('c') => CapacitorControlMode::Current,
                    Some('v') => CapacitorControlMode::Voltage,
                    Some('k') => CapacitorControlMode::ReactivePower,
                    Some('t') => CapacitorControlMode::Time,
                    Some('p') => CapacitorControlMode::PowerFactor,
                    Some('f') => {
                        let reason = "a bank that follows a load shape is not read";
                        return Err(assigned.place.error(reason, "leave the control out and set `states`"));
                    }
                    Some(_) | None => return Err(assigned.wrong("kind of control")),
                };
                if control.mode == CapacitorControlMode::PowerFactor {
                    (control.on_setting, control.off_setting) = (0.95, 1.05);
                }
            }
            "ptratio" => control.pt_ratio = assigned.number()?,
            "ctratio" => control.ct_ratio = assigned.number()?,
            "onsetting" => control.on_setting = setting(control.mode, assigned.number()?),
            "offsetting" => control.off_setting = setting(control.mode, assigned.number()?),
            "delay" => control.delay_on_s = assigned.number()?,
            "delayoff" => control.delay_off_s = assigned.number()?,
            "deadtime" => control.dead_time_s = assigned.number()?,
            "voltoverride" => self.overrides = assigned.flag()?,
            "vmin" => self.limits[0] = assigned.number()?,
            "vmax" => self.limits[1] = assigned.number()?,
            "ctphase" => control.ct_phase = phase(assigned)?,
            "ptphase" => control.pt_phase = phase(assigned)?,
            "vbus" => self.override_bus = Some(assigned.text()),
            "pctminkvar" => control.least_share = assigned.number()? / 100.0,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Leading power factors are written as negative ones and compared as 2 minus their magnitude.
fn setting(mode: CapacitorControlMode, figure: f64) -> f64 {
    match mode {
        CapacitorControlMode::PowerFactor if figure < 0.0 => 2.0 + figure,
        _ => figure,
    }
}
