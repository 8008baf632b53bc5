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
    /// Whether `q_kvar` comes from a power factor, and so goes with the active power.
    pub power_factor_given: bool,
    /// Least and most reactive power, `minQ` and `maxQ`, while the rating allows it.
    pub q_limits_kvar: [f64; 2],
    /// Active power below which there is no reactive power, and that from which its limits are whole; between zero and
    /// that they are in proportion.
    pub least_kw_for_q: [f64; 2],
    /// Whether reactive power goes on while a photovoltaic inverter is below the power at which it starts.
    pub reactive_when_off: bool,
    /// What is kept when the rating binds.
    pub priority: ConverterPriority,
    /// What it does with voltage and active power.
    pub control: ConverterControl,
    /// How far from the nominal voltage power is held.
    pub range: VoltageRange,
    /// Whether it is an impedance at any voltage.
    pub constant_impedance: bool,
    /// Whether it is connected.
    pub in_service: bool,
}

/// What an inverter keeps when its rating binds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ConverterPriority {
    /// Reactive power: active power gives way.
    #[default]
    Reactive,
    /// Active power.
    Active,
    /// The power factor, where reactive power does not follow the voltage.
    Factor,
}

/// The functions of IEEE 1547-2018, clauses 5.3 and 5.4. Curves are points (x, y) with x ascending, constant beyond
/// their ends; at most one of those for reactive power is there.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ConverterControl {
    /// Voltage-reactive power: voltage per unit → share of reactive power delivered.
    pub volt_var: Vec<[f64; 2]>,
    /// Active power-reactive power: active power by `base_kw` → share of reactive power delivered.
    pub watt_var: Vec<[f64; 2]>,
    /// Active power-power factor: active power by `base_kw` → power factor; reactive power has the sign of the active
    /// power times that of the factor.
    pub watt_pf: Vec<[f64; 2]>,
    /// Voltage-active power: voltage per unit → most active power delivered by `volt_watt_base_kw`.
    pub volt_watt: Vec<[f64; 2]>,
    /// The same of what a battery draws while it charges.
    pub volt_watt_charging: Vec<[f64; 2]>,
    /// Active power that the volt-watt curves refer to; `None` for what is behind the inverter at the time.
    pub volt_watt_base_kw: Option<f64>,
    /// Active power that curves over active power refer to.
    pub base_kw: f64,
    /// Power behind the inverter, also while it is off.
    pub behind_kw: f64,
    /// Whether shares of reactive power are of its limits, not of what active power leaves of the rating.
    pub of_rating: bool,
    /// Voltage of which phase counts.
    pub voltage: ConverterVoltage,
}

/// Which voltage across its phases an inverter follows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ConverterVoltage {
    /// The mean of all.
    #[default]
    Average,
    /// The largest.
    Largest,
    /// The smallest.
    Smallest,
    /// That of a phase, from 1.
    Phase(u8),
}

impl ConverterControl {
    /// Whether power depends on voltage or active power.
    pub fn is_active(&self) -> bool {
        let curves =
            [&self.volt_var, &self.watt_var, &self.watt_pf, &self.volt_watt, &self.volt_watt_charging];
        curves.iter().any(|curve| !curve.is_empty())
    }
}
