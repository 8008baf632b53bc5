//! Objects → [`DistributionNetwork`]: assignments are replayed in their order onto the defaults of the class.

mod control;
mod converter;
mod geometry;
mod inverter;
mod line;
mod load;
mod shape;
mod shunt;
mod source;
mod transformer;

pub(super) use converter::{BatteryPlan, Panel};

use std::collections::HashMap;

use model::DiagnosticKind;
use model::distribution::{
    Conductor, ConnectivityNode, DistributionNetwork, NodeIdx, OpenConductor, Terminal, WireKind,
};

use super::class::Class;
use super::lex;
use super::schedule::{Follower, LoadShape};
use super::script::{Assignment, Object, Options, Place, Script};
use super::{DssError, DssStudy};
use crate::ReadError;

/// The network of a script.
pub(super) fn study(script: &mut Script) -> Result<DssStudy, DssError> {
    let Some(circuit) = script.circuit.clone() else {
        let error = ReadError::new(0, "no circuit is made", "a script needs `new circuit.NAME`");
        return Err(DssError { file: String::new(), error });
    };
    let mut converter = Converter::new(script, circuit);
    converter.default_shape();
    // Shapes and curves stand for themselves: what was made before them may use them by a later edit.
    let alone = |class: Class| matches!(class, Class::LoadShape | Class::XyCurve);
    for first in [true, false] {
        for at in 0..converter.script.objects.len() {
            if alone(converter.script.objects[at].class) == first {
                let object = converter.script.objects[at].clone();
                converter.object(&object)?;
            }
        }
    }
    let schedule = converter.schedule();
    let (network, options) = (converter.network, script.options.clone());
    network.check().map_err(|fault| DssError {
        file: String::new(),
        error: ReadError::new(0, fault.to_string(), "see the definition of this element"),
    })?;
    Ok(DssStudy {
        network,
        controls_off: options.controls_off,
        max_control_rounds: options.max_control_rounds,
        hour: options.hour,
        schedule,
    })
}

struct Converter<'a> {
    script: &'a mut Script,
    network: DistributionNetwork,
    options: Options,
    nodes: HashMap<String, NodeIdx>,
    /// Position in its array of the network, by class and name in small letters.
    made: HashMap<(Class, String), u32>,
    codes: HashMap<String, line::LineCode>,
    transformer_codes: HashMap<String, transformer::Windings>,
    sections: HashMap<(Class, String), geometry::Section>,
    wire_kinds: HashMap<(Class, String), WireKind>,
    curves: HashMap<String, Vec<[f64; 2]>>,
    shapes: Vec<LoadShape>,
    shape_names: HashMap<String, u32>,
    followers: Vec<Follower>,
    /// What stands behind inverters, by position of their converter.
    sources: Vec<(usize, converter::Source)>,
}

impl<'a> Converter<'a> {
    fn new(script: &'a mut Script, name: String) -> Self {
        let options = script.options.clone();
        let network = DistributionNetwork {
            name,
            frequency_hz: options.base_frequency_hz,
            base_voltages_kv: options.voltage_bases_kv.iter().copied().filter(|kv| *kv > 0.0).collect(),
            ..DistributionNetwork::default()
        };
        Self {
            script,
            network,
            options,
            nodes: HashMap::new(),
            made: HashMap::new(),
            codes: HashMap::new(),
            transformer_codes: HashMap::new(),
            sections: HashMap::new(),
            wire_kinds: HashMap::new(),
            curves: HashMap::new(),
            sources: Vec::new(),
            shapes: Vec::new(),
            shape_names: HashMap::new(),
            followers: Vec::new(),
        }
    }

    fn object(&mut self, object: &Object) -> Result<(), DssError> {
        match object.class {
            Class::Vsource => self.source(object),
            Class::Line => self.line(object),
            Class::LineCode => self.line_code(object),
            Class::Transformer => self.transformer(object),
            Class::XfmrCode => self.transformer_code(object),
            Class::Load => self.load(object),
            Class::Capacitor => self.capacitor(object),
            Class::Reactor => self.reactor(object),
            Class::RegControl => self.tap_control(object),
            Class::CapControl => self.capacitor_control(object),
            Class::Generator => self.generator(object),
            Class::PvSystem => self.photovoltaic(object),
            Class::Storage => self.battery(object),
            Class::InvControl => self.inverter_control(object),
            Class::LineGeometry => self.line_geometry(object),
            Class::LineSpacing => self.line_spacing(object),
            Class::WireData | Class::CnData | Class::TsData => self.wire_data(object),
            Class::XyCurve => self.xy_curve(object),
            Class::LoadShape => self.load_shape(object),
        }
    }

    /// Whether a load, a converter or a bank is connected: one that is open at its only end is not.
    fn connected(&mut self, object: &Object) -> bool {
        if object.open.iter().any(|(_, conductor, _)| *conductor != 0) {
            let text = "one open conductor is taken as all of them";
            self.note(DiagnosticKind::Substituted, "open conductor", object, text);
        }
        object.enabled && object.open.is_empty()
    }

    fn made(&mut self, object: &Object, position: usize) {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        self.made.insert((object.class, object.name.to_ascii_lowercase()), position);
    }

    /// A terminal from `bus.1.2.3.0`. Conductors that are not given are the phases in order, then ground.
    fn terminal(&mut self, assigned: &Text, phases: usize, conductors: usize) -> Result<Terminal, DssError> {
        let mut parts = assigned.text.split('.');
        let name = parts.next().unwrap_or_default().trim();
        let mut list: Vec<Conductor> = (1..=conductors)
            .map(|k| Conductor(if k <= phases { u8::try_from(k).unwrap_or(0) } else { 0 }))
            .collect();
        for (at, part) in parts.enumerate() {
            let number = part.trim().parse().map_err(|_| {
                assigned.place.error(
                    format!("bus {}: conductor {part} is no number from 0 to 255", assigned.text),
                    "write name.1.2.3",
                )
            })?;
            if let Some(place) = list.get_mut(at) {
                *place = Conductor(number);
            }
        }
        let key = name.to_ascii_lowercase();
        let next = NodeIdx(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let node = *self.nodes.entry(key).or_insert(next);
        if node == next {
            self.network.nodes.push(ConnectivityNode { name: name.to_owned(), nominal_kv: None });
        }
        Ok(Terminal { node, conductors: list })
    }

    /// The same place, all conductors at ground.
    fn grounded(terminal: &Terminal, conductors: usize) -> Terminal {
        Terminal { node: terminal.node, conductors: vec![Conductor::GROUND; conductors] }
    }

    /// Position of an object that another one names as `class.name` or `name`.
    fn position(&self, class: Class, reference: &str) -> Option<u32> {
        let lower = reference.to_ascii_lowercase();
        let name = match lower.split_once('.') {
            Some((known, name)) if known == class.name() => name.to_owned(),
            Some(_) | None => lower,
        };
        self.made.get(&(class, name)).copied()
    }

    fn note(&mut self, kind: DiagnosticKind, key: &str, object: &Object, text: &str) {
        let element = element(object);
        self.script.note(kind, key, &element, &object.place, text);
    }

    /// Says that a property would matter but is not read.
    fn dropped(&mut self, object: &Object, assigned: &Assignment, why: &str) {
        let property = property(object, assigned);
        let key = format!("{}.{property}", object.class.name());
        let element = element(object);
        let text = format!("{property}={}: {why}", assigned.value);
        self.script.note(DiagnosticKind::Dropped, &key, &element, &assigned.place, &text);
    }
}

/// `Class.name` for messages.
fn element(object: &Object) -> String {
    format!("{}.{}", object.class.name(), object.name)
}

/// Name of the property that is assigned.
fn property(object: &Object, assigned: &Assignment) -> &'static str {
    object.class.properties().get(assigned.property).copied().unwrap_or_default()
}

/// A text with its place.
#[derive(Clone, Debug, Default)]
struct Text {
    text: String,
    place: Place,
}

impl Object {
    /// The bus of a terminal, counted from 1, for which the script names none.
    fn own_bus(&self, terminal: usize) -> Text {
        Text { text: format!("{}_{terminal}", self.name), place: self.place.clone() }
    }

    /// Its open conductors, of so many ends with so many conductors each.
    fn open_conductors(&self, (ends, conductors): (usize, usize)) -> Result<Vec<OpenConductor>, DssError> {
        let mut open = Vec::new();
        for &(terminal, conductor, ref place) in &self.open {
            let inside = (1..=ends).contains(&usize::from(terminal)) && usize::from(conductor) <= conductors;
            if !inside {
                let reason =
                    format!("{} has no terminal {terminal} with a conductor {conductor}", element(self));
                return Err(place.error(reason, format!("it has {ends} with {conductors} conductors each")));
            }
            let last = u8::try_from(conductors).unwrap_or(u8::MAX);
            let which = if conductor == 0 { 1..=last } else { conductor..=conductor };
            open.extend(which.map(|one| OpenConductor { end: terminal - 1, conductor: one - 1 }));
        }
        Ok(open)
    }
}

impl Assignment {
    fn text(&self) -> Text {
        Text { text: self.value.clone(), place: self.place.clone() }
    }

    fn wrong(&self, what: &str) -> DssError {
        self.place.error(format!("{} is no {what}", self.value), "")
    }

    fn number(&self) -> Result<f64, DssError> {
        lex::number(&self.value).ok_or_else(|| self.wrong("number"))
    }

    fn numbers(&self) -> Result<Vec<f64>, DssError> {
        lex::numbers(&self.value).ok_or_else(|| self.wrong("list of numbers"))
    }

    fn matrix(&self, order: usize) -> Result<Vec<f64>, DssError> {
        lex::matrix(&self.value)
            .filter(|matrix| matrix.len() == order * order)
            .ok_or_else(|| self.wrong(&format!("{order} × {order} matrix")))
    }

    fn flag(&self) -> Result<bool, DssError> {
        lex::flag(&self.value).ok_or_else(|| self.wrong("yes or no"))
    }

    /// A count from 1 to `most`.
    fn count(&self, most: u8) -> Result<u8, DssError> {
        let number = self.number()?;
        let whole = (1.0..=f64::from(most)).contains(&number) && number.fract() == 0.0;
        if whole { Ok(number as u8) } else { Err(self.wrong(&format!("whole number from 1 to {most}"))) }
    }

    fn pair(&self) -> Result<[f64; 2], DssError> {
        let numbers = self.numbers()?;
        let first = numbers.first().ok_or_else(|| self.wrong("pair of numbers"))?;
        Ok([*first, numbers.get(1).copied().unwrap_or(0.0)])
    }

    /// Whether a connection is delta.
    fn delta(&self) -> Result<bool, DssError> {
        connection_is_delta(&self.value).ok_or_else(|| self.wrong("connection: wye or delta"))
    }
}

fn connection_is_delta(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    match text.chars().next()? {
        'y' | 'w' => Some(false),
        'd' => Some(true),
        'l' if text == "ln" => Some(false),
        'l' => Some(true),
        _ => None,
    }
}

/// Reactive power that goes with active power at a power factor; a negative factor leads.
pub(super) fn reactive(p: f64, power_factor: f64) -> f64 {
    if power_factor == 0.0 {
        return 0.0;
    }
    let q = p * (1.0 / (power_factor * power_factor) - 1.0).max(0.0).sqrt();
    if power_factor < 0.0 { -q } else { q }
}

/// Volts across one phase of shunt equipment.
fn phase_volts(kv: f64, phases: u8, delta: bool) -> f64 {
    if !delta && matches!(phases, 2 | 3) { kv * 1000.0 / 3.0_f64.sqrt() } else { kv * 1000.0 }
}

/// Conductors of shunt equipment: a wye has a neutral, an open delta a last conductor.
fn shunt_conductors(phases: u8, delta: bool) -> usize {
    usize::from(phases) + usize::from(!delta || phases < 3)
}
