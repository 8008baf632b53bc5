//! Cases of the expansion rule, worked out by hand.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::index::MeasurementIdx;
use crate::measurement::MeasurementRole;

fn bus(number: u32, kind: CaseBusType, base_kv: f64) -> CaseBus {
    CaseBus {
        number: BusNumber(number),
        name: None,
        kind,
        pd_mw: 10.0,
        qd_mvar: 5.0,
        gs_mw: 0.0,
        bs_mvar: 19.0,
        area: 1,
        vm_pu: 1.0,
        va_degree: 0.0,
        base_kv,
        zone: 1,
        vmax_pu: 1.1,
        vmin_pu: 0.9,
    }
}

fn branch(from: u32, to: u32, ratio: f64) -> CaseBranch {
    CaseBranch {
        from: BusNumber(from),
        to: BusNumber(to),
        r_pu: 0.01,
        x_pu: 0.1,
        b_pu: 0.02,
        rate_a_mva: 100.0,
        rate_b_mva: 0.0,
        rate_c_mva: 0.0,
        ratio,
        shift_degree: 0.0,
        in_service: true,
        angmin_degree: -360.0,
        angmax_degree: 360.0,
    }
}

fn case() -> BusBranchCase {
    let generator = CaseGenerator {
        bus: BusNumber(1),
        pg_mw: 50.0,
        qg_mvar: 0.0,
        qmax_mvar: f64::INFINITY,
        qmin_mvar: f64::NEG_INFINITY,
        vg_pu: 1.02,
        mbase_mva: 100.0,
        in_service: true,
        pmax_mw: 100.0,
        pmin_mw: 0.0,
    };
    BusBranchCase {
        name: "three".into(),
        base_mva: 100.0,
        buses: vec![
            bus(1, CaseBusType::Reference, 132.0),
            bus(7, CaseBusType::Pq, 132.0),
            bus(9, CaseBusType::Pq, 33.0),
        ],
        generators: vec![generator],
        branches: vec![branch(1, 7, 0.0), branch(1, 7, 0.0), branch(7, 9, 0.978)],
        costs: vec![],
        dc_lines: vec![],
    }
}

fn named<'a>(found: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    found.collect()
}

#[test]
fn every_bay_has_a_disconnector_and_a_breaker() {
    let network = expand(&case(), ExpandOptions::default()).unwrap().network;
    // 6 branch ends, 1 generator, 3 loads, 3 shunts.
    assert_eq!((network.bays().len(), network.switches().len()), (13, 26));
    assert_eq!(named(network.lines().iter().map(|line| &*line.name)), ["L1-7", "L1-7#2"]);
    assert_eq!(named(network.transformers().iter().map(|t| &*t.name)), ["T7-9"]);
    assert_eq!(network.machines()[0].name, "S1/G1");
    let bay = network.switches_of(network.lines()[1].terminals[1]);
    let switches = named(bay.iter().map(|switch| &*network[*switch].name));
    assert_eq!(switches, ["S7/L1-7#2/DS", "S7/L1-7#2/CB"]);
    assert!(network.switches().iter().all(|switch| !switch.normal_open));
    let low = network.voltage_levels()[2].low_voltage_limit_kv.unwrap();
    assert!((low - 29.7).abs() < 1e-12);
}

#[test]
fn measurements_are_named_after_the_equipment_and_found_by_mrid() {
    let network = expand(&case(), ExpandOptions::default()).unwrap().network;
    let names: HashSet<&str> = network.measurements().iter().map(|m| &*m.name).collect();
    assert_eq!(names.len(), network.measurements().len());
    let expected = [
        "S1/V",
        "S1/G1/P",
        "S7/Load/Q",
        "S7/Load/E",
        "S9/Shunt/Q",
        "S1/L1-7/P",
        "S1/L1-7/P3",
        "S1/L1-7/V",
        "S7/Load/V2",
        "S9/Shunt/Q3",
        "S7/L1-7#2/Q",
        "S9/T7-9/P",
        "S7/T7-9/Tap",
        "S7/T7-9/CB",
        "S1/L1-7/DS",
    ];
    for name in expected {
        assert!(names.contains(name), "{name}");
    }
    let found = network.measurement_by_mrid("_three.S7.T7-9.Tap").unwrap();
    assert_eq!(network[found].role, MeasurementRole::TapPosition(TapChangerIdx(0)));
    assert!(network.measurement_by_mrid("_three.S1.L1-7.CB.Pos").is_some());
    for (index, measurement) in MeasurementIdx::all(names.len()).zip(network.measurements()) {
        let first = network.measurement_of(measurement.role).unwrap();
        assert!(first <= index && network[first].role == measurement.role);
        assert_eq!(
            network.equipment_by_mrid(network.mrid_of(measurement.equipment).as_str()),
            Some(measurement.equipment)
        );
    }
}

#[test]
fn the_ratio_of_the_case_is_exact_at_the_normal_step() {
    for (ratio, step) in [(0.978, -4), (1.0, 0), (1.1, 16), (1.3, 16), (0.5, -16), (0.969, -5)] {
        let mut case = case();
        case.branches[2].ratio = ratio;
        let network = expand(&case, ExpandOptions::default()).unwrap().network;
        let changer = &network.tap_changers()[0];
        assert_eq!((changer.normal_step, changer.ratio_at(step)), (step, ratio));
        let one_down = changer.ratio_at(step.max(-15) - 1);
        if step > -16 {
            assert!((ratio - one_down - 0.00625).abs() < 1e-12);
        }
    }
}

#[test]
fn what_is_out_of_service_stands_behind_open_switches_or_is_dropped() {
    let mut case = case();
    case.branches[1].in_service = false;
    let open = |network: &Network| network.switches().iter().filter(|switch| switch.normal_open).count();
    let expansion = expand(&case, ExpandOptions::default()).unwrap();
    assert_eq!(open(&expansion.network), 4);
    let options = ExpandOptions { breakers: false, ..ExpandOptions::default() };
    let expansion = expand(&case, options).unwrap();
    assert_eq!((expansion.network.switches().len(), expansion.network.lines().len()), (0, 1));
    assert_eq!((expansion.branches[1], expansion.diagnostics.len()), (None, 1));
}

#[test]
fn faulty_cases_and_networks_are_refused() {
    let mut no_reference = case();
    no_reference.buses[0].kind = CaseBusType::Pv;
    let mut twice = case();
    twice.buses[1].number = BusNumber(1);
    let mut dangling = case();
    dangling.branches[0].to = BusNumber(99);
    let mut short = case();
    (short.branches[0].r_pu, short.branches[0].x_pu) = (0.0, 0.0);
    let mut not_finite = case();
    not_finite.buses[2].pd_mw = f64::NAN;
    for faulty in [no_reference, twice, dangling, short, not_finite] {
        assert!(matches!(expand(&faulty, ExpandOptions::default()), Err(ExpandError::Case(_))));
    }
    let mut parts = expand(&case(), ExpandOptions::default()).unwrap().network.into_parts();
    parts.switches[0].terminals[1] = TerminalIdx(u32::MAX);
    assert!(Network::new(parts).is_err());
    let mut parts = expand(&case(), ExpandOptions::default()).unwrap().network.into_parts();
    parts.lines[1].mrid = parts.lines[0].mrid.clone();
    assert_eq!(Network::new(parts).unwrap_err().reason, "mRID is used twice");
}
