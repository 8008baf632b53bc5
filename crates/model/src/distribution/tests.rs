//! Faults by name, impedances and inverters by hand.
#![allow(clippy::unwrap_used)]
use super::*;

fn line(conductors: [Vec<Conductor>; 2], z: f64) -> AcLineSegment {
    let [from, to] = conductors;
    AcLineSegment {
        name: "l1".into(),
        terminals: [
            Terminal { node: NodeIdx(0), conductors: from },
            Terminal { node: NodeIdx(1), conductors: to },
        ],
        impedance: LineImpedance::Sequence { z1_ohm: [z, 0.2], z0_ohm: [0.4, 0.6], b_s: [3e-6, 1.5e-6] },
        rated_a: None,
        switch: false,
        open: Vec::new(),
        in_service: true,
    }
}

fn network(line: AcLineSegment) -> DistributionNetwork {
    let node = |name: &str| ConnectivityNode { name: name.into(), nominal_kv: Some(0.4) };
    DistributionNetwork {
        name: "net".into(),
        frequency_hz: 50.0,
        nodes: vec![node("a"), node("b")],
        lines: vec![line],
        ..Default::default()
    }
}

#[test]
fn faults_are_named_with_their_element() {
    let check = |line: AcLineSegment, expected: Option<&str>| {
        let found = network(line).check().err().map(|error| error.to_string());
        assert_eq!(found.as_deref(), expected);
    };
    let abc = || vec![Conductor(1), Conductor(2), Conductor(3)];
    check(line([abc(), abc()], 0.1), None);
    check(line([abc(), vec![Conductor(1)]], 0.1), Some("l1: 1 conductors where 3 are needed"));
    check(line([abc(), abc()], f64::NAN), Some("l1: a figure is not finite"));
}

#[test]
fn zigzags_have_three_phases_and_a_zero_sequence_impedance() {
    let check = |phases: u8, zero_sequence_pu: [f64; 2], expected: Option<&str>| {
        let conductors: Vec<Conductor> = (1..=phases + 1).map(Conductor).collect();
        let end = |node, connection| PowerTransformerEnd {
            terminal: Terminal { node: NodeIdx(node), conductors: conductors.clone() },
            connection,
            rated_kv: 0.4,
            rated_kva: 100.0,
            r_pu: 0.005,
            tap_pu: 1.0,
            min_tap_pu: 0.9,
            max_tap_pu: 1.1,
            tap_steps: 0,
            zero_sequence_pu,
            grounding_ohm: None,
        };
        let mut network = network(line([vec![Conductor(1)], vec![Conductor(1)]], 0.1));
        network.transformers.push(PowerTransformer {
            name: "t1".into(),
            phases,
            ends: vec![
                end(0, WindingConnection::Delta),
                end(1, WindingConnection::Zigzag { backward: false }),
            ],
            x_pu: vec![0.06],
            no_load_loss_pu: 0.0,
            magnetising_pu: 0.0,
            anti_float_pu: 0.0,
            delta_backward: false,
            open: Vec::new(),
            in_service: true,
        });
        assert_eq!(network.check().err().map(|error| error.to_string()).as_deref(), expected);
    };
    check(3, [0.0, 0.006], None);
    check(1, [0.0, 0.006], Some("t1: a zigzag does not have three phases"));
    check(3, [0.0; 2], Some("t1: the zero-sequence impedance of a zigzag is zero"));
}

#[test]
fn sequence_impedance_becomes_self_and_mutual() {
    // Kersting, Distribution System Modeling and Analysis, equations 4.69: z_s = (2 z1 + z0)/3, z_m = (z0 - z1)/3.
    let impedance = line([vec![], vec![]], 0.1).impedance;
    let (z, b) = impedance.matrices(3).unwrap();
    let (own, mutual) = (z[0], z[1]);
    assert!((own[0] - 0.2).abs() < 1e-15 && (mutual[0] - 0.1).abs() < 1e-15);
    assert!((b[1] + 0.5e-6).abs() < 1e-20);
}

fn inverter() -> PowerElectronicsConnection {
    PowerElectronicsConnection {
        name: "pv".into(),
        kind: ConverterKind::Photovoltaic,
        terminal: Terminal { node: NodeIdx(0), conductors: vec![Conductor(1), Conductor(0)] },
        phases: 1,
        connection: ShuntConnection::Wye,
        nominal_kv: 0.23,
        rated_kva: 10.0,
        p_kw: 8.0,
        q_kvar: 0.0,
        q_limits_kvar: [-10.0, 10.0],
        power_factor_given: false,
        least_kw_for_q: [0.0; 2],
        reactive_when_off: true,
        priority: ConverterPriority::Reactive,
        control: ConverterControl {
            // IEEE 1547-2018, table 8, category B; table 10 for volt-watt.
            volt_var: vec![[0.92, 0.44], [0.98, 0.0], [1.02, 0.0], [1.08, -0.44]],
            volt_watt: vec![[1.06, 1.0], [1.1, 0.2]],
            volt_watt_base_kw: Some(10.0),
            base_kw: 10.0,
            of_rating: true,
            ..Default::default()
        },
        range: VoltageRange { low_pu: 0.5, min_pu: 0.5, max_pu: 2.0 },
        constant_impedance: false,
        in_service: true,
    }
}

#[test]
fn inverters_follow_their_curves_within_their_rating() {
    // By hand from the points of the curves.
    let check = |v_pu: f64, [p, q]: [f64; 2]| {
        let [found_p, found_q] = inverter().at_voltage(v_pu);
        assert!((found_p - p).abs() < 1e-9 && (found_q - q).abs() < 1e-9, "{v_pu}: {found_p} {found_q}");
    };
    check(0.9, [8.0, 4.4]);
    check(0.95, [8.0, 2.2]);
    check(1.0, [8.0, 0.0]);
    check(1.05, [8.0, -2.2]);
    check(1.08, [6.0, -4.4]);
    check(1.2, [2.0, -4.4]);
    let mut full = PowerElectronicsConnection { p_kw: 10.0, ..inverter() };
    let left = (100.0_f64 - 4.4 * 4.4).sqrt();
    let [p, q] = full.at_voltage(0.9);
    assert!((p - left).abs() < 1e-12 && (q - 4.4).abs() < 1e-12);
    full.priority = ConverterPriority::Active;
    assert_eq!(full.at_voltage(0.9), [10.0, 0.0]);
    // Of what active power leaves: √(10² - 8²) = 6.
    let mut rest = inverter();
    rest.control.of_rating = false;
    assert!((rest.at_voltage(0.9)[1] - 0.44 * 6.0).abs() < 1e-12);
}
