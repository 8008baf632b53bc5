//! The measurement plan: every measurement of a network becomes a point of its substation's link, by rule.
//!
//! Addresses are those of IEC 60870-5-104 (`TYPE@IOA`). Per substation, counted from the first of each band:
//!
//! | what | monitored | from | operated by | from | mode |
//! |---|---|---|---|---|---|
//! | switch position | `M_DP_TB_1` | 101 | `C_DC_NA_1` | 5101 | select before operate |
//! | tap position | `M_ST_TB_1` | 301 | `C_RC_NA_1` | 5301 | direct |
//! | load energy | `M_IT_TB_1` | 401 | | | |
//! | analogue value | `M_ME_TF_1` | 1001 | | | |
//!
//! A band that is full goes on at 10,000 times its first address (commands 500,000 above), so that any
//! substation fits.

use std::sync::Arc;
use std::time::Duration;

use model::{Equipment, Measurement, MeasurementRole, Network, NodeIdx, SubstationIdx, TerminalIdx};
use signal::{Binding, ControlMode, Limits, PointDef, PointKind, PointList, PointListError};

/// What the rule leaves open.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PlanOptions {
    /// Age at which an analogue value is stale.
    pub analog_stale_after: Duration,
    /// Age at which a position is stale.
    pub discrete_stale_after: Duration,
    /// Age at which a counter is stale; counters come by counter interrogation only.
    pub counter_stale_after: Duration,
    /// Deadband as a share of the nominal value.
    pub deadband: f64,
    /// Hysteresis of voltage limits as a share of the nominal voltage: beyond the scatter of a meter.
    pub hysteresis: f64,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            analog_stale_after: Duration::from_secs(10),
            discrete_stale_after: Duration::from_secs(25),
            counter_stale_after: Duration::from_secs(300),
            deadband: 0.0005,
            hysteresis: 0.02,
        }
    }
}

/// The points of a network, in the order of its measurements.
pub fn plan(network: &Network, options: PlanOptions) -> Result<PointList, PointListError> {
    let links: Vec<Arc<str>> = network.substations().iter().map(|place| Arc::from(&*place.name)).collect();
    let mut used = vec![[0_u32; 4]; links.len()];
    let points = network
        .measurements()
        .iter()
        .map(|measurement| {
            let shape = shape(network, measurement);
            let count = &mut used[measurement.substation.at()][shape.band.at()];
            let address = shape.band.address(*count);
            *count += 1;
            point(
                network,
                measurement,
                &shape,
                (links[measurement.substation.at()].clone(), address),
                options,
            )
        })
        .collect();
    PointList::new(points)
}

/// Kinds of addresses.
#[derive(Clone, Copy)]
enum Band {
    Double,
    Step,
    Counter,
    Analog,
}

/// Both addresses of a point.
struct Address {
    monitored: String,
    control: Option<(String, ControlMode)>,
}

impl Band {
    const fn at(self) -> usize {
        match self {
            Self::Double => 0,
            Self::Step => 1,
            Self::Counter => 2,
            Self::Analog => 3,
        }
    }

    fn address(self, count: u32) -> Address {
        let (first, size, kind, control) = match self {
            Self::Double => (101, 200, "M_DP_TB_1", Some(("C_DC_NA_1", ControlMode::SelectBeforeOperate))),
            Self::Step => (301, 100, "M_ST_TB_1", Some(("C_RC_NA_1", ControlMode::Direct))),
            Self::Counter => (401, 600, "M_IT_TB_1", None),
            Self::Analog => (1001, 4000, "M_ME_TF_1", None),
        };
        let (ioa, command) = if count < size {
            (first + count, first + count + 5_000)
        } else {
            let beyond = first * 10_000 + (count - size);
            (beyond, beyond + 500_000)
        };
        Address {
            monitored: format!("{kind}@{ioa}"),
            control: control.map(|(kind, mode)| (format!("{kind}@{command}"), mode)),
        }
    }
}

/// What the role of a measurement makes of its point.
struct Shape {
    band: Band,
    kind: PointKind,
    unit: &'static str,
    /// The value that shares are taken of.
    nominal: f64,
}

fn shape(network: &Network, measurement: &Measurement) -> Shape {
    let analog = |unit, nominal| Shape { band: Band::Analog, kind: PointKind::Analog, unit, nominal };
    match measurement.role {
        MeasurementRole::BusbarVoltage(node) => analog("kV", network.voltage_level_of(node).nominal_kv),
        MeasurementRole::BayVoltage(terminal) => {
            analog("kV", network.voltage_level_of(network.node_of(terminal)).nominal_kv)
        }
        MeasurementRole::ActiveFlow(terminal) => analog("MW", rating(network, terminal)),
        MeasurementRole::ReactiveFlow(terminal) => analog("Mvar", rating(network, terminal)),
        MeasurementRole::MachineActiveInjection(index) => analog("MW", machine_size(network, index)),
        MeasurementRole::MachineReactiveInjection(index) => analog("Mvar", machine_size(network, index)),
        MeasurementRole::LoadActive(index) => analog("MW", network[index].p_mw.hypot(network[index].q_mvar)),
        MeasurementRole::LoadReactive(index) => {
            analog("Mvar", network[index].p_mw.hypot(network[index].q_mvar))
        }
        MeasurementRole::ShuntReactiveInjection(index) => {
            analog("Mvar", network[index].b_per_section_pu.abs() * network.base_mva())
        }
        MeasurementRole::LoadEnergy(_) => {
            Shape { band: Band::Counter, kind: PointKind::Counter, unit: "kWh", nominal: 0.0 }
        }
        MeasurementRole::SwitchPosition(_) => {
            Shape { band: Band::Double, kind: PointKind::Double, unit: "", nominal: 0.0 }
        }
        MeasurementRole::TapPosition(_) => {
            Shape { band: Band::Step, kind: PointKind::Step, unit: "", nominal: 0.0 }
        }
    }
}

fn rating(network: &Network, terminal: TerminalIdx) -> f64 {
    let given = match network[terminal].equipment {
        Equipment::Line(index) => network[index].rating_mva,
        Equipment::Transformer(index) => network[index].rating_mva,
        Equipment::Busbar(_)
        | Equipment::Switch(_)
        | Equipment::Machine(_)
        | Equipment::Load(_)
        | Equipment::Shunt(_) => None,
    };
    // Planning cases write ratings like 9900 for "none", which would swallow every change.
    given.unwrap_or(f64::INFINITY).min(network.base_mva())
}

fn machine_size(network: &Network, index: model::MachineIdx) -> f64 {
    let machine = &network[index];
    let largest = machine.max_p_mw.max(machine.max_q_mvar);
    if largest > 0.0 { largest.min(network.base_mva()) } else { network.base_mva() }
}

fn point(
    network: &Network,
    measurement: &Measurement,
    shape: &Shape,
    place: (Arc<str>, Address),
    options: PlanOptions,
) -> PointDef {
    let (link, address) = place;
    // Voltmeters of bays have none: one busbar out of its limits is one alarm.
    let mut limits = Limits::default();
    if let MeasurementRole::BusbarVoltage(node) = measurement.role {
        limits = voltage_limits(network, node, options);
    }
    let mut normal = None;
    if let MeasurementRole::SwitchPosition(switch) = measurement.role {
        normal = Some(!network[switch].normal_open);
    }
    let stale_after = match shape.band {
        Band::Analog => options.analog_stale_after,
        Band::Double | Band::Step => options.discrete_stale_after,
        Band::Counter => options.counter_stale_after,
    };
    let analog = matches!(shape.kind, PointKind::Analog);
    PointDef {
        name: measurement.name.clone(),
        mrid: measurement.mrid.to_string(),
        equipment: network.mrid_of(measurement.equipment).to_string(),
        substation: substation_name(network, measurement.substation),
        kind: shape.kind,
        unit: shape.unit.into(),
        binding: Some(Binding { link, address: address.monitored, control: address.control }),
        limits,
        normal,
        stale_after: Some(stale_after),
        deadband: if analog { shape.nominal * options.deadband } else { 0.0 },
        ..PointDef::default()
    }
}

fn substation_name(network: &Network, substation: SubstationIdx) -> String {
    network[substation].name.clone()
}

fn voltage_limits(network: &Network, node: NodeIdx, options: PlanOptions) -> Limits {
    let level = network.voltage_level_of(node);
    Limits {
        low: level.low_voltage_limit_kv,
        high: level.high_voltage_limit_kv,
        hysteresis: level.nominal_kv * options.hysteresis,
        ..Limits::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use model::{ExpandOptions, expand};

    use super::*;

    fn ieee14() -> Network {
        let case = crate::matpower::read(include_bytes!("../../../examples/ieee14.m")).unwrap().0;
        expand(&case, ExpandOptions::default()).unwrap().network
    }

    #[test]
    fn points_follow_the_rule() {
        let points = plan(&ieee14(), PlanOptions::default()).unwrap();
        let check = |name: &str,
                     kind: &str,
                     unit: &str,
                     address: &str,
                     control: Option<(&str, ControlMode)>| {
            let point = &points[points.named(name).unwrap_or_else(|| panic!("{name}"))];
            let binding = point.binding.as_ref().unwrap();
            assert_eq!((point.kind.name(), &*point.unit, &*binding.address), (kind, unit, address), "{name}");
            let given = binding.control.as_ref().map(|(address, mode)| (&**address, *mode));
            assert_eq!((given, &*binding.link), (control, &*point.substation), "{name}");
        };
        let select = ControlMode::SelectBeforeOperate;
        check("S4/V", "analog", "kV", "M_ME_TF_1@1001", None);
        check("S4/L2-4/P", "analog", "MW", "M_ME_TF_1@1002", None);
        check("S4/L2-4/Q", "analog", "Mvar", "M_ME_TF_1@1003", None);
        check("S4/L2-4/V", "analog", "kV", "M_ME_TF_1@1004", None);
        check("S4/L2-4/P2", "analog", "MW", "M_ME_TF_1@1005", None);
        check("S4/L2-4/V3", "analog", "kV", "M_ME_TF_1@1010", None);
        assert_eq!(points[points.named("S4/L2-4/V").unwrap()].limits, Limits::default());
        check("S4/Load/E", "counter", "kWh", "M_IT_TB_1@401", None);
        check("S4/T4-7/Tap", "step", "", "M_ST_TB_1@301", Some(("C_RC_NA_1@5301", ControlMode::Direct)));
        check("S4/T4-9/Tap", "step", "", "M_ST_TB_1@302", Some(("C_RC_NA_1@5302", ControlMode::Direct)));
        check("S4/Load/DS", "double", "", "M_DP_TB_1@101", Some(("C_DC_NA_1@5101", select)));
        check("S4/Load/CB", "double", "", "M_DP_TB_1@102", Some(("C_DC_NA_1@5102", select)));
        check("S9/Shunt/Q", "analog", "Mvar", "M_ME_TF_1@1047", None);
        let voltage = &points[points.named("S4/V").unwrap()];
        let near = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() < 1e-9;
        assert!(near(voltage.limits.low, 124.08) && near(voltage.limits.high, 149.16));
        assert!((voltage.limits.hysteresis - 2.64).abs() < 1e-12);
        assert_eq!(points[points.named("S4/L4-5/CB").unwrap()].normal, Some(true));
        // 14 busbars; three devices with V, P and Q in the bays of 40 branch ends, 5 machines and 11 loads, with V and
        // Q in that of the shunt; 11 counters, 3 taps, two switches in each of 57 bays.
        assert_eq!(points.len(), 14 + 9 * (40 + 5 + 11) + 6 + 11 + 3 + 114);
    }

    #[test]
    fn addresses_of_a_link_never_meet() {
        let points = plan(&ieee14(), PlanOptions::default()).unwrap();
        let mut seen = HashSet::new();
        for (_, point) in points.iter() {
            let binding = point.binding.as_ref().unwrap();
            let control = binding.control.as_ref().map(|(address, _)| address.clone());
            for address in [Some(binding.address.clone()), control].into_iter().flatten() {
                let ioa = address.split('@').nth(1).unwrap().to_owned();
                assert!(seen.insert((binding.link.clone(), ioa)), "{} {address}", binding.link);
            }
        }
        let mut seen = HashSet::new();
        for band in [Band::Double, Band::Step, Band::Counter, Band::Analog] {
            for count in 0..10_000 {
                let address = band.address(count);
                for text in
                    [Some(address.monitored), address.control.map(|(text, _)| text)].into_iter().flatten()
                {
                    let ioa: u32 = text.split('@').nth(1).unwrap().parse().unwrap();
                    assert!(ioa < 1 << 24 && seen.insert(ioa), "{text}");
                }
            }
        }
    }
}
