//! `Vsource`, and with it `Circuit`.

use model::distribution::{EnergySource, SourceImpedance};

use super::{Converter, Text, property};
use crate::opendss::DssError;
use crate::opendss::script::Object;

/// How the impedance is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    Power,
    Current,
    Ohms,
    PerUnit,
}

struct State {
    bus1: Text,
    bus2: Option<Text>,
    kv: f64,
    pu: f64,
    angle: f64,
    phases: u8,
    given: Given,
    mva_sc: [f64; 2],
    i_sc: [f64; 2],
    x1r1: f64,
    x0r0: f64,
    z1: [f64; 2],
    z0: [f64; 2],
    z0_given: bool,
    base_mva: f64,
}

impl Converter<'_> {
    pub(super) fn source(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = State {
            bus1: Text { text: "sourcebus".to_owned(), place: object.place.clone() },
            bus2: None,
            kv: 115.0,
            pu: 1.0,
            angle: 0.0,
            phases: 3,
            given: Given::Power,
            mva_sc: [2000.0, 2100.0],
            i_sc: [10_000.0, 10_540.0],
            x1r1: 4.0,
            x0r0: 3.0,
            z1: [1.65, 6.6],
            z0: [1.9, 5.7],
            z0_given: false,
            base_mva: 100.0,
        };
        for assigned in &object.assignments {
            match property(object, assigned) {
                "bus1" => state.bus1 = assigned.text(),
                "bus2" => state.bus2 = Some(assigned.text()),
                "basekv" => state.kv = assigned.number()?,
                "pu" => state.pu = assigned.number()?,
                "angle" => state.angle = assigned.number()?,
                "phases" => state.phases = assigned.count(3)?,
                "mvasc3" => (state.mva_sc[0], state.given) = (assigned.number()?, Given::Power),
                "mvasc1" => (state.mva_sc[1], state.given) = (assigned.number()?, Given::Power),
                "isc3" => (state.i_sc[0], state.given) = (assigned.number()?, Given::Current),
                "isc1" => (state.i_sc[1], state.given) = (assigned.number()?, Given::Current),
                "x1r1" => state.x1r1 = assigned.number()?,
                "x0r0" => state.x0r0 = assigned.number()?,
                "r1" => (state.z1[0], state.given) = (assigned.number()?, Given::Ohms),
                "x1" => (state.z1[1], state.given) = (assigned.number()?, Given::Ohms),
                "r0" => (state.z0[0], state.given) = (assigned.number()?, Given::Ohms),
                "x0" => (state.z0[1], state.given) = (assigned.number()?, Given::Ohms),
                "z1" => state.set_z1(assigned.pair()?, Given::Ohms),
                "puz1" => state.set_z1(assigned.pair()?, Given::PerUnit),
                "z0" => state.set_z0(assigned.pair()?, Given::Ohms),
                "puz0" => state.set_z0(assigned.pair()?, Given::PerUnit),
                "basemva" => state.base_mva = assigned.number()?,
                "daily" | "yearly" | "duty" => {
                    self.not_followed(object, assigned, "the voltage of the source stays");
                }
                "z2" | "puz2" => {
                    self.dropped(object, assigned, "the negative sequence is taken as the positive")
                }
                "sequence" if !assigned.value.to_ascii_lowercase().starts_with('p') => {
                    self.dropped(object, assigned, "the source is of positive sequence");
                }
                "model" if assigned.value.to_ascii_lowercase().starts_with('i') => {
                    self.dropped(object, assigned, "the source keeps its impedance");
                }
                _ => {}
            }
        }
        self.push_source(object, &state)
    }

    fn push_source(&mut self, object: &Object, state: &State) -> Result<(), DssError> {
        let phases = usize::from(state.phases);
        let impedance = state.impedance().ok_or_else(|| {
            object.place.error(
                "no zero-sequence impedance gives these short-circuit powers",
                "check mvasc3, mvasc1 or isc3, isc1",
            )
        })?;
        let terminal = self.terminal(&state.bus1, phases, phases)?;
        let neutral = match &state.bus2 {
            Some(bus) => self.terminal(bus, phases, phases)?,
            None => Self::grounded(&terminal, phases),
        };
        self.network.sources.push(EnergySource {
            name: object.name.clone(),
            terminal,
            neutral,
            nominal_kv: state.kv,
            voltage_pu: state.pu,
            angle_degree: state.angle,
            impedance,
            in_service: object.enabled,
        });
        self.made(object, self.network.sources.len() - 1);
        Ok(())
    }
}

impl State {
    fn set_z1(&mut self, z: [f64; 2], given: Given) {
        self.z1 = z;
        if !self.z0_given {
            self.z0 = z;
        }
        self.given = given;
    }

    fn set_z0(&mut self, z: [f64; 2], given: Given) {
        self.z0 = z;
        self.z0_given = true;
        self.given = given;
    }

    /// From short-circuit power: `|z1| = kV²/MVA3`, and `|2 z1 + z0| = √3 kV/I1` with `x0 = r0·(X0/R0)`.
    fn impedance(&self) -> Option<SourceImpedance> {
        let phase_factor = if self.phases == 1 { 1.0 } else { 3.0_f64.sqrt() };
        let (mva3, i1) = match self.given {
            Given::Power => (self.mva_sc[0], self.mva_sc[1] * 1000.0 / (phase_factor * self.kv)),
            Given::Current => (3.0_f64.sqrt() * self.kv * self.i_sc[0] / 1000.0, self.i_sc[1]),
            Given::Ohms => return Some(self.of([self.z1, self.z0], 1.0)),
            Given::PerUnit => {
                return Some(self.of([self.z1, self.z0], self.kv * self.kv / self.base_mva));
            }
        };
        let x1 = self.kv * self.kv / mva3 / (1.0 + 1.0 / (self.x1r1 * self.x1r1)).sqrt();
        let r1 = x1 / self.x1r1;
        let a = 1.0 + self.x0r0 * self.x0r0;
        let b = 4.0 * (r1 + x1 * self.x0r0);
        let all = 3.0 * self.kv * 1000.0 / phase_factor / i1;
        let c = 4.0 * (r1 * r1 + x1 * x1) - all * all;
        let r0 = larger_root(a, b, c)?;
        Some(self.of([[r1, x1], [r0, r0 * self.x0r0]], 1.0))
    }

    fn of(&self, [z1, z0]: [[f64; 2]; 2], ohm: f64) -> SourceImpedance {
        let z0 = if self.phases == 1 { z1 } else { z0 };
        SourceImpedance { z1_ohm: z1.map(|z| z * ohm), z0_ohm: z0.map(|z| z * ohm) }
    }
}

fn larger_root(a: f64, b: f64, c: f64) -> Option<f64> {
    let inner = b * b - 4.0 * a * c;
    (inner >= 0.0).then(|| {
        let root = inner.sqrt();
        ((-b + root) / (2.0 * a)).max((-b - root) / (2.0 * a))
    })
}
