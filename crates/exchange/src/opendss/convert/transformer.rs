//! `Transformer` and `XfmrCode`.

use model::distribution::{PowerTransformer, PowerTransformerEnd, WindingConnection};

use super::{Converter, Text, connection_is_delta, property};
use crate::opendss::DssError;
use crate::opendss::lex;
use crate::opendss::script::{Assignment, Object};

/// Most windings of one transformer.
const MAX_WINDINGS: u8 = 16;

/// Zero-sequence impedance of a zigzag by its positive one, what power-grid-model takes too.
const ZIGZAG_ZERO_SEQUENCE: f64 = 0.1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Connection {
    Wye,
    Delta,
    /// Not of the language: OpenDSS makes a zigzag of single-phase transformers.
    Zigzag,
}

impl Connection {
    fn named(word: &str) -> Option<Self> {
        if word.to_ascii_lowercase().starts_with('z') {
            return Some(Self::Zigzag);
        }
        connection_is_delta(word).map(|delta| if delta { Self::Delta } else { Self::Wye })
    }
}

#[derive(Clone, Debug)]
struct Winding {
    bus: Text,
    connection: Connection,
    kv: f64,
    kva: f64,
    tap: f64,
    r_pu: f64,
    neutral: Option<f64>,
    neutral_x: f64,
    min_tap: f64,
    max_tap: f64,
    steps: u16,
}

impl Winding {
    fn usual(bus: Text) -> Self {
        Self {
            bus,
            connection: Connection::Wye,
            kv: 12.47,
            kva: 1000.0,
            tap: 1.0,
            r_pu: 0.002,
            neutral: None,
            neutral_x: 0.0,
            min_tap: 0.9,
            max_tap: 1.1,
            steps: 32,
        }
    }
}

/// What the properties of a transformer or its code say.
#[derive(Clone, Debug)]
pub(super) struct Windings {
    phases: u8,
    windings: Vec<Winding>,
    active: usize,
    x_hl: f64,
    x_ht: f64,
    x_lt: f64,
    pairs: Option<Vec<f64>>,
    no_load_loss: f64,
    magnetising: f64,
    anti_float: f64,
    high_leads: bool,
}

impl Windings {
    fn usual() -> Self {
        Self {
            phases: 3,
            windings: vec![Winding::usual(Text::default()); 2],
            active: 0,
            x_hl: 0.07,
            x_ht: 0.35,
            x_lt: 0.30,
            pairs: None,
            no_load_loss: 0.0,
            magnetising: 0.0,
            anti_float: 1e-6,
            high_leads: false,
        }
    }

    /// Takes all but the buses of a code.
    fn take(&mut self, code: &Self) {
        let buses: Vec<Text> = self.windings.iter().map(|winding| winding.bus.clone()).collect();
        *self = Self { active: self.active, high_leads: self.high_leads, ..code.clone() };
        for (winding, bus) in self.windings.iter_mut().zip(buses) {
            winding.bus = bus;
        }
        self.active = self.active.min(self.windings.len() - 1);
    }

    fn each(&mut self, assigned: &Assignment, set: fn(&mut Winding, f64)) -> Result<(), DssError> {
        for (winding, number) in self.windings.iter_mut().zip(assigned.numbers()?) {
            set(winding, number);
        }
        Ok(())
    }

    /// Assigns a property; whether it is known.
    fn assign(&mut self, name: &str, assigned: &Assignment) -> Result<bool, DssError> {
        let last = self.windings.len() - 1;
        let active = self.active.min(last);
        match name {
            "phases" => self.phases = assigned.count(3)?,
            "windings" => {
                let count = usize::from(assigned.count(MAX_WINDINGS)?);
                let buses = self.windings.iter().map(|winding| winding.bus.clone());
                let buses = buses.chain(std::iter::repeat(Text::default()));
                self.windings = buses.take(count.max(2)).map(Winding::usual).collect();
            }
            "wdg" => self.active = usize::from(assigned.count(MAX_WINDINGS)?) - 1,
            "xhl" | "x12" => self.set_reactance(assigned, |s, x| s.x_hl = x)?,
            "xht" | "x13" => self.set_reactance(assigned, |s, x| s.x_ht = x)?,
            "xlt" | "x23" => self.set_reactance(assigned, |s, x| s.x_lt = x)?,
            "xscarray" => self.pairs = Some(assigned.numbers()?.iter().map(|x| x / 100.0).collect()),
            "%loadloss" => {
                let half = assigned.number()? / 200.0;
                self.windings[0].r_pu = half;
                self.windings[1].r_pu = half;
            }
            "%noloadloss" => self.no_load_loss = assigned.number()? / 100.0,
            "%imag" => self.magnetising = assigned.number()? / 100.0,
            "ppm_antifloat" => self.anti_float = assigned.number()? * 1e-6,
            "leadlag" => {
                let word = assigned.value.to_ascii_lowercase();
                self.high_leads = word.starts_with("le") || word.starts_with("eu");
            }
            "kvs" => self.each(assigned, |winding, kv| winding.kv = kv)?,
            "kvas" => self.each(assigned, |winding, kva| winding.kva = kva)?,
            "taps" => self.each(assigned, |winding, tap| winding.tap = tap)?,
            "%rs" => self.each(assigned, |winding, percent| winding.r_pu = percent / 100.0)?,
            "conns" => {
                for (winding, word) in self.windings.iter_mut().zip(lex::list(&assigned.value)) {
                    winding.connection =
                        Connection::named(&word).ok_or_else(|| assigned.wrong("list of connections"))?;
                }
            }
            "buses" => {
                let words = lex::list(&assigned.value);
                for (winding, text) in self.windings.iter_mut().zip(words) {
                    winding.bus = Text { text, place: assigned.place.clone() };
                }
            }
            "kva" => {
                let kva = assigned.number()?;
                self.windings[active].kva = kva;
                // The first winding sets all, and of two the second sets both.
                if active == 0 || last == 1 {
                    self.windings.iter_mut().for_each(|winding| winding.kva = kva);
                }
            }
            name => return self.windings[active].assign(name, assigned),
        }
        Ok(true)
    }

    fn set_reactance(&mut self, assigned: &Assignment, set: fn(&mut Self, f64)) -> Result<(), DssError> {
        set(self, assigned.number()? / 100.0);
        self.pairs = None;
        Ok(())
    }

    /// Whether the next phase of a delta is the one before: by whether the high side is to lead or to lag.
    fn delta_backward(&self) -> bool {
        let [first, second] = [&self.windings[0], &self.windings[1]];
        let delta = |winding: &Winding| winding.connection == Connection::Delta;
        if delta(first) == delta(second) {
            return false;
        }
        let high = if first.kv >= second.kv { first } else { second };
        delta(high) != self.high_leads
    }

    /// The same of the halves of a zigzag, which turn the other way than a delta does: beside a delta the two cancel,
    /// beside a wye the high side leads or lags.
    fn zigzag_backward(&self) -> bool {
        let [first, second] = [&self.windings[0], &self.windings[1]];
        let zigzag = |winding: &Winding| winding.connection == Connection::Zigzag;
        if [first, second].iter().any(|winding| winding.connection == Connection::Delta) {
            return !self.delta_backward();
        }
        let high = if first.kv >= second.kv { first } else { second };
        zigzag(first) != zigzag(second) && zigzag(high) == self.high_leads
    }

    fn connection(&self, winding: &Winding) -> WindingConnection {
        match winding.connection {
            Connection::Wye => WindingConnection::Wye,
            Connection::Delta => WindingConnection::Delta,
            Connection::Zigzag => WindingConnection::Zigzag { backward: self.zigzag_backward() },
        }
    }

    /// Zero-sequence impedance of a zigzag: a share of that between the first two ends.
    fn zero_sequence_pu(&self, winding: &Winding, x_pu: f64) -> [f64; 2] {
        match winding.connection {
            Connection::Wye | Connection::Delta => [0.0; 2],
            Connection::Zigzag => {
                let r_pu = self.windings[0].r_pu + self.windings[1].r_pu;
                [r_pu, x_pu].map(|part| part * ZIGZAG_ZERO_SEQUENCE)
            }
        }
    }

    fn reactances(&self) -> Vec<f64> {
        let count = self.windings.len();
        let pairs = count * (count - 1) / 2;
        let given = match &self.pairs {
            Some(pairs) => pairs.clone(),
            None => vec![self.x_hl, self.x_ht, self.x_lt],
        };
        given.into_iter().chain(std::iter::repeat(0.30)).take(pairs).collect()
    }
}

impl Winding {
    fn assign(&mut self, name: &str, assigned: &Assignment) -> Result<bool, DssError> {
        match name {
            "bus" => self.bus = assigned.text(),
            "conn" => {
                self.connection = Connection::named(&assigned.value)
                    .ok_or_else(|| assigned.wrong("connection: wye, delta or zigzag"))?;
            }
            "kv" => self.kv = assigned.number()?,
            "tap" => self.tap = assigned.number()?,
            "%r" => self.r_pu = assigned.number()? / 100.0,
            "rneut" => self.neutral = Some(assigned.number()?).filter(|r| *r >= 0.0),
            "xneut" => self.neutral_x = assigned.number()?,
            "maxtap" => self.max_tap = assigned.number()?,
            "mintap" => self.min_tap = assigned.number()?,
            "numtaps" => {
                let steps = assigned.number()?;
                if !(0.0..=f64::from(u16::MAX)).contains(&steps) || steps.fract() != 0.0 {
                    return Err(assigned.wrong("count of taps"));
                }
                self.steps = steps as u16;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Converter<'_> {
    pub(super) fn transformer_code(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = Windings::usual();
        for assigned in &object.assignments {
            state.assign(property(object, assigned), assigned)?;
        }
        self.transformer_codes.insert(object.name.to_ascii_lowercase(), state);
        Ok(())
    }

    pub(super) fn transformer(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = Windings::usual();
        for assigned in &object.assignments {
            match property(object, assigned) {
                "xfmrcode" => {
                    let code = self.transformer_codes.get(&assigned.value.to_ascii_lowercase()).ok_or_else(
                        || {
                            let reason = format!("there is no xfmrcode.{}", assigned.value);
                            assigned.place.error(reason, "it has to stand before the transformer")
                        },
                    )?;
                    state.take(code);
                }
                name => {
                    state.assign(name, assigned)?;
                }
            }
        }
        let phases = usize::from(state.phases);
        let mut ends = Vec::with_capacity(state.windings.len());
        let x_pu = state.reactances();
        for (at, winding) in state.windings.iter().enumerate() {
            let mut bus = winding.bus.clone();
            if bus.text.is_empty() {
                bus = object.own_bus(at + 1);
            }
            ends.push(PowerTransformerEnd {
                terminal: self.terminal(&bus, phases, phases + 1)?,
                connection: state.connection(winding),
                rated_kv: winding.kv,
                rated_kva: winding.kva,
                r_pu: winding.r_pu,
                tap_pu: winding.tap,
                min_tap_pu: winding.min_tap,
                max_tap_pu: winding.max_tap,
                tap_steps: winding.steps,
                zero_sequence_pu: state.zero_sequence_pu(winding, x_pu[0]),
                grounding_ohm: winding.neutral.map(|r| [r, winding.neutral_x]),
            });
        }
        self.network.transformers.push(PowerTransformer {
            name: object.name.clone(),
            phases: state.phases,
            ends,
            x_pu,
            no_load_loss_pu: state.no_load_loss,
            magnetising_pu: state.magnetising,
            anti_float_pu: state.anti_float,
            delta_backward: state.delta_backward(),
            open: object.open_conductors((state.windings.len(), phases + 1))?,
            in_service: object.enabled,
        });
        self.made(object, self.network.transformers.len() - 1);
        Ok(())
    }
}
