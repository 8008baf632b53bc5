//! `Capacitor` and `Reactor`.

use model::distribution::{SeriesCompensator, ShuntCompensator, ShuntConnection};

use super::{Converter, Text, phase_volts, property, shunt_conductors};
use crate::opendss::DssError;
use crate::opendss::script::{Assignment, Object};

/// Most steps of a bank.
const MAX_STEPS: u8 = 200;

struct Capacitor {
    bus1: Text,
    bus2: Option<Text>,
    phases: u8,
    delta: bool,
    kv: f64,
    kvar: Vec<f64>,
    micro_farad: Option<f64>,
    states: Vec<bool>,
    r: f64,
    x: f64,
    harmonic: f64,
}

struct Reactor {
    bus1: Text,
    bus2: Option<Text>,
    phases: u8,
    delta: bool,
    kv: f64,
    kvar: f64,
    given: Given,
    z: [f64; 2],
    z0: [f64; 2],
    r_matrix: Vec<f64>,
    x_matrix: Vec<f64>,
    parallel_r: f64,
}

/// How the impedance of a reactor is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    Power,
    Ohms,
    Matrix,
    Sequence,
}

impl Converter<'_> {
    pub(super) fn capacitor(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = Capacitor {
            bus1: object.own_bus(1),
            bus2: None,
            phases: 3,
            delta: false,
            kv: 12.47,
            kvar: vec![1200.0],
            micro_farad: None,
            states: Vec::new(),
            r: 0.0,
            x: 0.0,
            harmonic: 0.0,
        };
        for assigned in &object.assignments {
            let name = property(object, assigned);
            if !state.assign(name, assigned)? && name == "cmatrix" {
                self.dropped(object, assigned, "the bank is taken from kvar and kV");
            }
        }
        let (phases, delta) = (usize::from(state.phases), state.delta);
        let conductors = if delta { shunt_conductors(state.phases, true) } else { phases };
        let terminal = self.terminal(&state.bus1, phases, conductors)?;
        let neutral = match &state.bus2 {
            Some(bus) => self.terminal(bus, phases, phases)?,
            None => Self::grounded(&terminal, phases),
        };
        let volts = phase_volts(state.kv, state.phases, delta);
        let omega = std::f64::consts::TAU * self.network.frequency_hz;
        let faster = self.network.frequency_hz / object.base_frequency_hz;
        let b = match state.micro_farad {
            Some(micro) => micro * 1e-6 * omega,
            None => state.kvar[0] * 1000.0 / f64::from(state.phases) / (volts * volts) * faster,
        };
        let x = if state.harmonic > 0.0 { 1.0 / b / (state.harmonic * state.harmonic) } else { state.x };
        let r = if x != 0.0 && state.r == 0.0 { x.abs() / 1000.0 } else { state.r };
        let steps = state.kvar.len();
        let on = if state.states.is_empty() {
            steps
        } else {
            state.states.iter().take(steps).filter(|on| **on).count()
        };
        let in_service = self.connected(object);
        self.network.capacitors.push(ShuntCompensator {
            name: object.name.clone(),
            terminal,
            neutral,
            connection: if delta { ShuntConnection::Delta } else { ShuntConnection::Wye },
            phases: state.phases,
            step_b_s: vec![b; steps],
            steps_on: u16::try_from(on).unwrap_or(u16::MAX),
            series_ohm: [r, x],
            in_service,
        });
        self.made(object, self.network.capacitors.len() - 1);
        Ok(())
    }

    pub(super) fn reactor(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = Reactor {
            bus1: object.own_bus(1),
            bus2: None,
            phases: 3,
            delta: false,
            kv: 12.47,
            kvar: 100.0,
            given: Given::Power,
            z: [0.0; 2],
            z0: [0.0; 2],
            r_matrix: Vec::new(),
            x_matrix: Vec::new(),
            parallel_r: 0.0,
        };
        for assigned in &object.assignments {
            let name = property(object, assigned);
            if !state.assign(name, assigned, object.base_frequency_hz)?
                && matches!(name, "parallel" | "rcurve" | "lcurve" | "z2")
            {
                self.dropped(object, assigned, "the reactor is a series impedance of its frequency");
            }
        }
        let phases = usize::from(state.phases);
        let conductors = if state.delta { shunt_conductors(state.phases, true) } else { phases };
        let first = self.terminal(&state.bus1, phases, conductors)?;
        let second = match &state.bus2 {
            Some(bus) if !state.delta => self.terminal(bus, phases, phases)?,
            Some(_) | None => Self::grounded(&first, conductors),
        };
        let faster = self.network.frequency_hz / object.base_frequency_hz;
        let (r_ohm, x_ohm) = state.matrices(conductors);
        let in_service = self.connected(object);
        self.network.reactors.push(SeriesCompensator {
            name: object.name.clone(),
            terminals: [first, second],
            r_ohm,
            x_ohm: x_ohm.into_iter().map(|x| x * faster).collect(),
            delta: state.delta,
            in_service,
        });
        self.made(object, self.network.reactors.len() - 1);
        Ok(())
    }
}

impl Capacitor {
    fn assign(&mut self, name: &str, assigned: &Assignment) -> Result<bool, DssError> {
        let first = |numbers: Vec<f64>| numbers.first().copied().unwrap_or(0.0);
        match name {
            "bus1" => self.bus1 = assigned.text(),
            "bus2" => self.bus2 = Some(assigned.text()),
            "phases" => self.phases = assigned.count(3)?,
            "kv" => self.kv = assigned.number()?,
            "conn" => self.delta = assigned.delta()?,
            "kvar" => {
                self.micro_farad = None;
                for (place, number) in self.kvar.iter_mut().zip(assigned.numbers()?) {
                    *place = number;
                }
            }
            "cuf" => self.micro_farad = Some(first(assigned.numbers()?)),
            "r" => self.r = first(assigned.numbers()?),
            "xl" => self.x = first(assigned.numbers()?),
            "harm" => self.harmonic = first(assigned.numbers()?),
            "numsteps" => {
                let steps = usize::from(assigned.count(MAX_STEPS)?);
                // What was one bank becomes steps of the same total.
                let each = if self.kvar.len() == 1 { self.kvar[0] / steps as f64 } else { self.kvar[0] };
                self.kvar = vec![each; steps];
            }
            "states" => self.states = assigned.numbers()?.iter().map(|state| *state != 0.0).collect(),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Reactor {
    fn assign(&mut self, name: &str, assigned: &Assignment, frequency_hz: f64) -> Result<bool, DssError> {
        let order = usize::from(self.phases);
        match name {
            "bus1" => self.bus1 = assigned.text(),
            "bus2" => self.bus2 = Some(assigned.text()),
            "phases" => self.phases = assigned.count(3)?,
            "kv" => self.kv = assigned.number()?,
            "conn" => self.delta = assigned.delta()?,
            "kvar" => (self.kvar, self.given) = (assigned.number()?, Given::Power),
            "r" => self.z[0] = assigned.number()?,
            "x" => (self.z[1], self.given) = (assigned.number()?, Given::Ohms),
            "lmh" => {
                let x = assigned.number()? * 1e-3 * std::f64::consts::TAU * frequency_hz;
                (self.z[1], self.given) = (x, Given::Ohms);
            }
            "z" => (self.z, self.given) = (assigned.pair()?, Given::Ohms),
            "z1" => {
                (self.z, self.given) = (assigned.pair()?, Given::Sequence);
                self.z0 = self.z;
            }
            "z0" => (self.z0, self.given) = (assigned.pair()?, Given::Sequence),
            "rmatrix" => (self.r_matrix, self.given) = (assigned.matrix(order)?, Given::Matrix),
            "xmatrix" => (self.x_matrix, self.given) = (assigned.matrix(order)?, Given::Matrix),
            "rp" => self.parallel_r = assigned.number()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn matrices(&self, n: usize) -> (Vec<f64>, Vec<f64>) {
        let diagonal = |own: f64, mutual: f64| -> Vec<f64> {
            (0..n * n).map(|at| if at / n == at % n { own } else { mutual }).collect()
        };
        match self.given {
            Given::Power => {
                let volts = phase_volts(self.kv, self.phases, self.delta);
                let x = volts * volts / (self.kvar * 1000.0 / f64::from(self.phases));
                let z = self.beside([self.z[0], x]);
                (diagonal(z[0], 0.0), diagonal(z[1], 0.0))
            }
            Given::Ohms => {
                let z = self.beside(self.z);
                (diagonal(z[0], 0.0), diagonal(z[1], 0.0))
            }
            Given::Sequence => {
                let own = |k: usize| {
                    if n == 1 { self.z[k] } else { (2.0 * self.z[k] + self.z0[k]) / 3.0 }
                };
                let mutual = |k: usize| (self.z0[k] - self.z[k]) / 3.0;
                (diagonal(own(0), mutual(0)), diagonal(own(1), mutual(1)))
            }
            Given::Matrix => {
                let full = |matrix: &Vec<f64>| {
                    if matrix.len() == n * n { matrix.clone() } else { vec![0.0; n * n] }
                };
                (full(&self.r_matrix), full(&self.x_matrix))
            }
        }
    }

    /// The impedance with the parallel resistance, if there is one.
    fn beside(&self, z: [f64; 2]) -> [f64; 2] {
        if self.parallel_r == 0.0 {
            return z;
        }
        let square = z[0] * z[0] + z[1] * z[1];
        let (g, b) = (z[0] / square + 1.0 / self.parallel_r, -z[1] / square);
        let square = g * g + b * b;
        [g / square, -b / square]
    }
}
