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
fn sequence_impedance_becomes_self_and_mutual() {
    // Kersting, Distribution System Modeling and Analysis, equations 4.69: z_s = (2 z1 + z0)/3, z_m = (z0 - z1)/3.
    let impedance = line([vec![], vec![]], 0.1).impedance;
    let (z, b) = impedance.matrices(3).unwrap();
    let (own, mutual) = (z[0], z[1]);
    assert!((own[0] - 0.2).abs() < 1e-15 && (mutual[0] - 0.1).abs() < 1e-15);
    assert!((b[1] + 0.5e-6).abs() < 1e-20);
}
