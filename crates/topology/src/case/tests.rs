//! What MATPOWER does with references, PV buses without machines and DC lines (User's Manual 8.0, 3.8 and 7.6.3; PYPOWER
//! 5.1.21 `bustypes` and `toggle_dcline`), on the ring of six buses of the topology tests.
#![allow(clippy::unwrap_used)]

use model::busbranch::{BusBranchCase, BusNumber, CaseBusType, CaseDcLine};

use crate::calc::BusKind;
use crate::nodes::tests::ring;
use crate::{CaseGrid, from_case};

fn built(change: impl FnOnce(&mut BusBranchCase)) -> CaseGrid {
    let mut case = ring();
    change(&mut case);
    from_case(&case).unwrap()
}

fn kinds(built: &CaseGrid) -> Vec<BusKind> {
    built.grid.buses.iter().map(|bus| bus.kind).collect()
}

fn line(from: u32, to: u32) -> CaseDcLine {
    CaseDcLine {
        from: BusNumber(from),
        to: BusNumber(to),
        in_service: true,
        pf_mw: 20.0,
        qf_mvar: 1.0,
        qt_mvar: 2.0,
        vf_pu: 1.01,
        vt_pu: 1.02,
        pmin_mw: 0.0,
        pmax_mw: 50.0,
        qminf_mvar: -5.0,
        qmaxf_mvar: 6.0,
        qmint_mvar: -7.0,
        qmaxt_mvar: 8.0,
        loss0_mw: 1.0,
        loss1: 0.05,
    }
}

#[test]
fn kinds_follow_references_and_machines() {
    use BusKind::{Pq, Pv, Slack};
    let check = |change: fn(&mut BusBranchCase), expected: [BusKind; 6]| {
        assert_eq!(kinds(&built(change)), expected);
    };
    check(|case| case.buses[3].kind = CaseBusType::Pv, [Slack, Pq, Pq, Pv, Pq, Pq]);
    check(|case| case.buses[3].kind = CaseBusType::Reference, [Slack, Pq, Pq, Slack, Pq, Pq]);
    check(|case| case.buses[2].kind = CaseBusType::Pv, [Slack, Pq, Pq, Pq, Pq, Pq]);
    check(|case| case.buses[2].kind = CaseBusType::Reference, [Slack, Pq, Pq, Pq, Pq, Pq]);
    // The machine of the reference is out of service: the other one takes over.
    check(|case| case.generators[0].in_service = false, [Pq, Pq, Pq, Slack, Pq, Pq]);
}

#[test]
fn a_dc_line_is_two_sources_that_hold_voltages() {
    let plain = built(|_| ());
    let with = built(|case| case.dc_lines = vec![line(1, 3), CaseDcLine { in_service: false, ..line(2, 5) }]);
    assert_eq!(kinds(&with), {
        let mut kinds = kinds(&plain);
        kinds[2] = BusKind::Pv;
        kinds
    });
    let moved = |at: usize| with.grid.buses[at].p_pu - plain.grid.buses[at].p_pu;
    // 20 MW in, 1 + 0.05 * 20 = 2 MW lost, 18 MW out.
    assert!((moved(0) + 0.2).abs() < 1e-12 && (moved(2) - 0.18).abs() < 1e-12);
    let to = &with.grid.buses[2];
    assert_eq!((to.vm_pu, to.q_gen_min_pu, to.q_gen_max_pu), (1.02, -0.07, 0.08));
    assert_eq!(with.grid.buses[0].vm_pu, 1.01);
    assert_eq!(with.map.dc_lines.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    let reported: Vec<String> = with.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(reported, ["dropped dc line 2 from 2 to 5: out of service"]);
}
