//! What draws or delivers power: loads, generators, photovoltaic systems, batteries.

use super::Terminal;

/// How the phases of shunt equipment are connected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ShuntConnection {
    /// Each from its phase to the last conductor of the terminal.
    Wye,
    /// Each from its phase to the next conductor, the last to the first.
    Delta,
}

/// Between which voltages a power model holds, per unit of the nominal voltage; outside it becomes an impedance.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct VoltageRange {
    /// At and below, the nominal impedance counts. Between here and `min_pu` the current changes linearly.
    pub low_pu: f64,
    /// Lowest voltage of the model.
    pub min_pu: f64,
    /// Highest voltage of the model.
    pub max_pu: f64,
}

/// CIM `LoadResponseCharacteristic`: how power depends on the magnitude of voltage.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum LoadResponse {
    /// Does not.
    ConstantPower,
    /// With the square, at any voltage.
    ConstantImpedance,
    /// Linearly.
    ConstantCurrent,
    /// CIM `pVoltageExponent`, `qVoltageExponent`.
    Exponential {
        /// Exponent of active power.
        p: f64,
        /// Exponent of reactive power.
        q: f64,
    },
    /// Active power does not, reactive power stays at its figure for a load factor of 1.
    FixedReactive {
        /// Reactive power of all phases.
        q_kvar: f64,
    },
    /// CIM `pConstantImpedance`, `pConstantCurrent`, `pConstantPower` and those of reactive power.
    Zip {
        /// Shares of active power: impedance, current, power.
        p: [f64; 3],
        /// Shares of reactive power: impedance, current, power.
        q: [f64; 3],
        /// Voltage at which it drops out, per unit; 0 if it does not.
        cut_off_pu: f64,
    },
}

/// A load.
#[derive(Clone, PartialEq, Debug)]
pub struct EnergyConsumer {
    /// Unique name.
    pub name: String,
    /// Where it is connected: one conductor per phase, and the neutral of a wye or the last of an open delta.
    pub terminal: Terminal,
    /// Phases.
    pub phases: u8,
    /// CIM `phaseConnection`.
    pub connection: ShuntConnection,
    /// Nominal voltage: line to line for two and three phases and for a delta, across the load otherwise.
    pub nominal_kv: f64,
    /// CIM `p`, of all phases, drawn at nominal voltage.
    pub p_kw: f64,
    /// CIM `q`, of all phases, drawn at nominal voltage.
    pub q_kvar: f64,
    /// How it depends on voltage.
    pub response: LoadResponse,
    /// Where that holds.
    pub range: VoltageRange,
    /// Impedance from the neutral to ground besides what the terminal connects, in ohm.
    pub grounding_ohm: Option<[f64; 2]>,
    /// Whether it is connected.
    pub in_service: bool,
}

/// Subclasses of CIM `PowerElectronicsUnit`, and machines that act like one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ConverterKind {
    /// A generator of any kind.
    Generator,
    /// `PhotoVoltaicUnit`.
    Photovoltaic,
    /// `BatteryUnit`.
    Battery,
}

/// A generator, photovoltaic system or battery behind its converter. Delivers, against the load convention.
#[derive(Clone, PartialEq, Debug)]
pub struct PowerElectronicsConnection {
    /// Unique name.
    pub name: String,
    /// What stands behind it.
    pub kind: ConverterKind,
    /// Where it is connected, as of a load.
    pub terminal: Terminal,
    /// Phases.
    pub phases: u8,
    /// Wye or delta.
    pub connection: ShuntConnection,
    /// CIM `ratedU`, as the nominal voltage of a load.
    pub nominal_kv: f64,
    /// CIM `ratedS`.
    pub rated_kva: f64,
    /// Active power that is to be delivered; a battery that charges delivers less than nothing.
    pub p_kw: f64,
    /// Reactive power that is to be delivered while no control says otherwise.
    pub q_kvar: f64,
    /// Least and most reactive power, `minQ` and `maxQ`, while the rating allows it.
    pub q_limits_kvar: [f64; 2],
    /// Whether active power is kept when the rating binds; otherwise reactive power is.
    pub watt_priority: bool,
    /// What it does with voltage.
    pub control: ConverterControl,
    /// How far from the nominal voltage power is held.
    pub range: VoltageRange,
    /// Whether it is an impedance at any voltage.
    pub constant_impedance: bool,
    /// Whether it is connected.
    pub in_service: bool,
}

/// The functions of IEEE 1547-2018, clauses 5.3 and 5.4. Curves are points (x, y) with x ascending, constant beyond
/// their ends.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ConverterControl {
    /// Voltage-reactive power: voltage per unit → reactive power delivered per unit of what is available.
    pub volt_var: Vec<[f64; 2]>,
    /// Voltage-active power: voltage per unit → most active power delivered per unit of the rated active power.
    pub volt_watt: Vec<[f64; 2]>,
    /// Rated active power that `volt_watt` refers to.
    pub rated_kw: f64,
    /// Whether volt-var is per unit of the rating, not of what active power leaves of it.
    pub volt_var_of_rating: bool,
}

impl PowerElectronicsConnection {
    /// What remains of a demand for active and reactive power under the rating: reactive power stays within its limits,
    /// then the one without priority gives way. A generator that is no converter delivers what is asked.
    pub fn within_rating(&self, p_kw: f64, q_kvar: f64) -> [f64; 2] {
        if self.kind == ConverterKind::Generator {
            return [p_kw, q_kvar];
        }
        let s = self.rated_kva;
        let rest = |used: f64| (s * s - used * used).max(0.0).sqrt();
        let q = q_kvar.max(self.q_limits_kvar[0]).min(self.q_limits_kvar[1]);
        if p_kw.hypot(q) <= s {
            return [p_kw, q];
        }
        if self.watt_priority {
            let p = p_kw.max(-s).min(s);
            [p, q.max(-rest(p)).min(rest(p))]
        } else {
            let q = q.max(-s).min(s);
            [p_kw.max(-rest(q)).min(rest(q)), q]
        }
    }

    /// Active and reactive power at a voltage per unit of the rated one.
    pub fn at_voltage(&self, v_pu: f64) -> [f64; 2] {
        let control = &self.control;
        let most = curve_at(&control.volt_watt, v_pu).map_or(f64::INFINITY, |share| share * control.rated_kw);
        let p = self.p_kw.min(most);
        let q = match curve_at(&control.volt_var, v_pu) {
            Some(share) if control.volt_var_of_rating => {
                let [least, most] = self.q_limits_kvar;
                share * if share < 0.0 { -least } else { most }
            }
            Some(share) => share * (self.rated_kva * self.rated_kva - p * p).max(0.0).sqrt(),
            None if p != self.p_kw && self.p_kw != 0.0 => self.q_kvar * p / self.p_kw,
            None => self.q_kvar,
        };
        self.within_rating(p, q)
    }
}

impl ConverterControl {
    /// Whether power depends on voltage.
    pub fn is_active(&self) -> bool {
        !self.volt_var.is_empty() || !self.volt_watt.is_empty()
    }
}

/// A curve between its points, constant beyond them; `None` without points.
pub fn curve_at(points: &[[f64; 2]], x: f64) -> Option<f64> {
    let after = points.iter().position(|point| x < point[0]);
    match after {
        Some(0) => points.first().map(|point| point[1]),
        Some(at) => {
            let ([x0, y0], [x1, y1]) = (points[at - 1], points[at]);
            Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
        }
        None => points.last().map(|point| point[1]),
    }
}
