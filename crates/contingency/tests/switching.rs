//! Outages by the switches against bus-branch cases that were changed by hand to the same state.
#![allow(clippy::unwrap_used)]

mod foreign;

use contingency::{
    AcSweep, Contingency, Failing, Kind, Monitor, Names, NetworkNames, NetworkSystem, Outage,
    Plant as Behind, Rules, Status, Switching, System, read_csv, read_toml,
};
use model::busbranch::{BusBranchCase, BusNumber, CaseBus, CaseBusType};
use model::{
    BusbarSection, ConnectivityNode, Equipment, ExpandOptions, Mrid, Network, Switch, SwitchIdx, SwitchKind,
    Terminal, TerminalIdx, expand,
};
use powerflow::{Options, Start};
use topology::calc::BusIdx;
use topology::{End, Schedule, Topology};

const OPTIONS: Options = Options {
    tolerance_pu: 1e-10,
    max_iterations: 20,
    enforce_q_limits: false,
    start: Start::FromGrid,
    method: powerflow::Method::Newton,
    rescue: true,
};

fn case14() -> BusBranchCase {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/case14.m");
    exchange::matpower::read(&std::fs::read(path).unwrap()).unwrap().0
}

/// Network, topology and system.
struct Plant {
    network: Network,
    topology: Topology,
    system: NetworkSystem,
}

fn plant(network: Network) -> Plant {
    let topology = Topology::new(&network);
    let system = System::from_network(&network, &topology, &Schedule::of(&network));
    Plant { network, topology, system }
}

impl Plant {
    fn check(&self, kind: Kind, name: &str, judge: impl FnOnce(&Outage, &contingency::AcState)) {
        let switching = Switching::new(&self.network, &self.topology, &self.system);
        let names = NetworkNames::new(&self.network, &switching);
        let outage = names.outage(kind, name).unwrap_or_else(|| panic!("no {kind:?} {name}"));
        let sweep = AcSweep::new(&self.system.system, &OPTIONS, &Monitor::default(), Rules::default());
        judge(&outage, &sweep.unwrap_or_else(|_| panic!("base")).state(&outage));
    }

    fn bus(&self, name: &str) -> BusIdx {
        let at = self.system.system.grid.buses.iter().position(|bus| bus.name == name);
        BusIdx(at.unwrap_or_else(|| panic!("no bus {name}")) as u32)
    }
}

/// Magnitudes of the case by bus number, for the numbers of case14.
fn truth(case: &BusBranchCase) -> Vec<f64> {
    let read = System::from_case(case).unwrap();
    let solution = powerflow::solve(&read.system.grid, &OPTIONS);
    assert!(solution.converged(), "{:?}", solution.islands);
    let magnitude = |bus: &Option<BusIdx>| bus.map_or(f64::NAN, |bus| solution.voltages.vm_pu[bus.at()]);
    read.map.buses.iter().map(magnitude).collect()
}

fn agrees(plant: &Plant, state: &contingency::AcState, want: &[f64], numbers: &[u32]) {
    assert!(matches!(state.status(), Status::Solved { .. }), "{:?}", state.status());
    let found = state.voltages();
    for number in numbers {
        let got = found.vm_pu[plant.bus(&format!("S{number}")).at()];
        let want = want[*number as usize - 1];
        assert!((got - want).abs() < 1e-9, "bus {number}: {got} {want}");
    }
}

/// A bus of the case without anything.
fn empty_bus(case: &BusBranchCase, number: u32) -> CaseBus {
    CaseBus {
        number: BusNumber(number),
        name: None,
        kind: CaseBusType::Pq,
        pd_mw: 0.0,
        qd_mvar: 0.0,
        gs_mw: 0.0,
        bs_mvar: 0.0,
        ..case.buses[0].clone()
    }
}

#[test]
fn equipment_opens_its_breakers() {
    let plant = plant(expand(&case14(), ExpandOptions::default()).unwrap().network);
    plant.check(Kind::Branch, "L4-5", |outage, _| {
        assert_eq!((outage.branches.len(), outage.only_branches()), (1, true));
    });
    plant.check(Kind::Load, "S3/Load", |outage, state| {
        assert_eq!((outage.loads.len(), outage.branches.len(), outage.buses.len()), (1, 0, 0));
        let mut case = case14();
        (case.buses[2].pd_mw, case.buses[2].qd_mvar) = (0.0, 0.0);
        agrees(&plant, state, &truth(&case), &[1, 2, 3, 4, 9, 14]);
    });
    plant.check(Kind::Generator, "S2/G2", |outage, state| {
        assert_eq!(outage.machines.len(), 1);
        let mut case = case14();
        case.generators[1].in_service = false;
        agrees(&plant, state, &truth(&case), &[1, 2, 3, 4, 9, 14]);
    });
    plant.check(Kind::Shunt, "S9/Shunt", |outage, state| {
        assert_eq!(outage.shunts.len(), 1);
        let mut case = case14();
        case.buses[8].bs_mvar = 0.0;
        agrees(&plant, state, &truth(&case), &[1, 4, 9, 10, 14]);
    });
}

/// The busbar of bus 5 fails. Its breakers open; the lines stay under voltage from their far ends, which a case says
/// with a bus of its own at each open end.
#[test]
fn a_busbar_leaves_its_lines_open_at_one_end() {
    let plant = plant(expand(&case14(), ExpandOptions::default()).unwrap().network);
    let mut case = case14();
    (case.buses[4].pd_mw, case.buses[4].qd_mvar) = (0.0, 0.0);
    let mut number = 100;
    for branch in &mut case.branches {
        for end in [&mut branch.from, &mut branch.to] {
            if *end == BusNumber(5) {
                *end = BusNumber(number);
                number += 1;
            }
        }
    }
    case.buses.remove(4);
    for number in 100..number {
        let bus = empty_bus(&case, number);
        case.buses.push(bus);
    }
    let mut want = truth(&case);
    want.insert(4, f64::NAN);
    plant.check(Kind::Busbar, "S5/BB", |outage, state| {
        assert_eq!((outage.open_ends.len(), outage.buses.as_slice()), (4, &[plant.bus("S5")][..]));
        agrees(&plant, state, &want, &[1, 2, 3, 4, 6, 9, 14]);
        assert!((state.left.lost.load_pu - 0.076).abs() < 1e-12);
    });
    // The whole substation goes: its lines are tripped at their far ends, too.
    let mut case = case14();
    for branch in &mut case.branches {
        branch.in_service &= branch.from != BusNumber(5) && branch.to != BusNumber(5);
    }
    case.buses[4].kind = CaseBusType::Isolated;
    let want = truth(&case);
    plant.check(Kind::Substation, "S5", |outage, state| {
        assert_eq!((outage.branches.len(), outage.open_ends.len()), (4, 0));
        agrees(&plant, state, &want, &[1, 2, 3, 4, 6, 9, 14]);
    });
}

/// Substation 4 gets a second busbar with a coupler; the bays of 4-7, 4-9 and of the load go there.
fn two_busbars() -> Network {
    let network = expand(&case14(), ExpandOptions::default()).unwrap().network;
    let moved = ["T4-7", "T4-9", "Load"];
    let bar = network.busbars().iter().position(|bar| bar.name == "S4/BB").unwrap();
    let node = network.node_of(network.busbars()[bar].terminal);
    let mut parts = network.into_parts();
    let level = parts.nodes[node.at()].voltage_level;
    let root = Mrid::root("second");
    let second = model::NodeIdx(parts.nodes.len() as u32);
    parts.nodes.push(ConnectivityNode {
        mrid: root.part("node"),
        name: "S4/BB2".into(),
        voltage_level: level,
    });
    let terminal =
        |parts: &mut model::NetworkParts, equipment: Equipment, (sequence, node): (u8, model::NodeIdx)| {
            let index = TerminalIdx(parts.terminals.len() as u32);
            let mrid = root.part(&format!("terminal{}", index.0));
            parts.terminals.push(Terminal { mrid, equipment, sequence, node });
            index
        };
    let bar_index = model::BusbarIdx(parts.busbars.len() as u32);
    let at = terminal(&mut parts, Equipment::Busbar(bar_index), (1, second));
    parts.busbars.push(BusbarSection { mrid: root.part("bar"), name: "S4/BB2".into(), terminal: at });
    let coupler = SwitchIdx(parts.switches.len() as u32);
    let ends = [(1, node), (2, second)].map(|end| terminal(&mut parts, Equipment::Switch(coupler), end));
    parts.switches.push(Switch {
        mrid: root.part("coupler"),
        name: "S4/Coupler".into(),
        kind: SwitchKind::Breaker,
        normal_open: false,
        terminals: ends,
        bay: None,
    });
    let disconnectors: Vec<TerminalIdx> = parts
        .switches
        .iter()
        .filter(|switch| switch.kind == SwitchKind::Disconnector && switch.name.starts_with("S4/"))
        .filter(|switch| moved.iter().any(|bay| switch.name.starts_with(&format!("S4/{bay}/"))))
        .map(|switch| *switch.terminals.iter().find(|end| parts.terminals[end.at()].node == node).unwrap())
        .collect();
    assert_eq!(disconnectors.len(), 3);
    for end in disconnectors {
        parts.terminals[end.at()].node = second;
    }
    Network::new(parts).unwrap()
}

#[test]
fn a_busbar_of_two_leaves_the_other() {
    let plant = plant(two_busbars());
    // The second busbar fails: the transformers to 7 and 9 and the load of 4 are lost, the rest of 4 stays.
    let mut case = case14();
    (case.buses[3].pd_mw, case.buses[3].qd_mvar) = (0.0, 0.0);
    for branch in &mut case.branches {
        let to = branch.to.0;
        branch.in_service &= !(branch.from == BusNumber(4) && (to == 7 || to == 9));
    }
    let want = truth(&case);
    plant.check(Kind::Busbar, "S4/BB2", |outage, state| {
        // The transformers have no charging, so open at one end is as good as out.
        assert_eq!((outage.open_ends.len(), outage.loads.len(), outage.buses.len()), (2, 1, 0));
        assert!(outage.open_ends.iter().all(|(_, end)| *end == End::From));
        agrees(&plant, state, &want, &[1, 2, 3, 5, 6, 9, 14]);
        let rest = state.voltages().vm_pu[plant.bus("S4/BB").at()];
        assert!((rest - want[3]).abs() < 1e-9, "{rest} {}", want[3]);
    });
}

#[test]
fn an_open_coupler_splits_the_bus() {
    let plant = plant(two_busbars());
    let switching = Switching::new(&plant.network, &plant.topology, &plant.system);
    let coupler = SwitchIdx(plant.network.switches().len() as u32 - 1);
    let zone = contingency::Zone { nodes: vec![], opened: vec![coupler] };
    let outage = switching.outage_of(&zone);
    assert_eq!(outage.splits.len(), 1);
    let mut case = case14();
    let bus = empty_bus(&case, 40);
    case.buses.push(CaseBus { pd_mw: case.buses[3].pd_mw, qd_mvar: case.buses[3].qd_mvar, ..bus });
    (case.buses[3].pd_mw, case.buses[3].qd_mvar) = (0.0, 0.0);
    for branch in &mut case.branches {
        if branch.from == BusNumber(4) && [7, 9].contains(&branch.to.0) {
            branch.from = BusNumber(40);
        }
    }
    let sweep = AcSweep::new(&plant.system.system, &OPTIONS, &Monitor::default(), Rules::default());
    let state = sweep.unwrap_or_else(|_| panic!("base")).state(&outage);
    let numbers: Vec<u32> = (1..=14).filter(|number| *number != 4).collect();
    agrees(&plant, &state, &truth(&case), &numbers);
}

/// With ratings that the outage of 1-2 violates on 1-5; the rules help in ways that a case can say by hand.
fn rated(network: Network) -> Plant {
    let mut made = plant(network);
    for (branch, rating) in made.system.system.grid.branches.iter().zip(&mut made.system.system.ratings) {
        rating.0[0] = if branch.name == "L1-5" { 150.0 } else { 0.0 };
    }
    made
}

#[test]
fn rules_are_carried_out_after_the_outage() {
    let plant = rated(two_busbars());
    let switching = Switching::new(&plant.network, &plant.topology, &plant.system);
    let names = NetworkNames::new(&plant.network, &switching);
    let schedule = Schedule::of(&plant.network);
    let behind = Behind {
        network: &plant.network,
        topology: &plant.topology,
        schedule: &schedule,
        base: &plant.system,
    };
    let sweep = AcSweep::new(&plant.system.system, &OPTIONS, &Monitor::default(), Rules::default());
    let sweep = sweep.unwrap_or_else(|_| panic!("base"));
    let case = |name: &str| Contingency {
        name: format!("branch {name}"),
        outage: names.outage(Kind::Branch, name).unwrap(),
    };
    let apply = |text: &str, case: &Contingency| {
        let rules = contingency::read_rules(text, &names, 100.0).unwrap();
        contingency::remedy(&sweep, Some(behind), &rules, (0, case)).unwrap()
    };
    let loading = |case: &BusBranchCase| {
        let read = System::from_case(case).unwrap();
        let solution = powerflow::solve(&read.system.grid, &OPTIONS);
        assert!(solution.converged());
        let flow = solution.flows[read.map.branches[1].unwrap().at()];
        flow.p_from_pu.hypot(flow.q_from_pu).max(flow.p_to_pu.hypot(flow.q_to_pu)) * 100.0 / 1.5
    };
    let mut without = case14();
    without.branches[0].in_service = false;
    // Generator 2 gives 60 MW more.
    let mut more = without.clone();
    more.generators[1].pg_mw += 60.0;
    let head = "[[rule]]\nname = \"relieve\"\nafter = \"branch L1-2\"\noverloaded = \"L1-5\"\n";
    let text = format!("{head}change_power = [{{ generator = \"S2/G2\", p_mw = 60.0 }}]\n");
    let done = apply(&text, &case("L1-2")).unwrap();
    let percent = |finding: &contingency::Finding| finding.heaviest.unwrap().percent;
    assert!((percent(&done.before) - loading(&without)).abs() < 1e-6, "{:?}", done.before);
    assert!((percent(&done.after) - loading(&more)).abs() < 1e-6, "{:?}", done.after);
    let overloads = |finding: &contingency::Finding| {
        finding
            .violations
            .iter()
            .filter(|found| matches!(found, contingency::Violation::Overload { .. }))
            .count()
    };
    assert_eq!((done.rules.as_slice(), overloads(&done.before)), (&[0][..], 1));
    // Opening the coupler of substation 4 splits its bus: the same as a case with a bus of its own for it.
    let mut split = without.clone();
    let bus = empty_bus(&split, 40);
    split.buses.push(CaseBus { pd_mw: split.buses[3].pd_mw, qd_mvar: split.buses[3].qd_mvar, ..bus });
    (split.buses[3].pd_mw, split.buses[3].qd_mvar) = (0.0, 0.0);
    for branch in &mut split.branches {
        if branch.from == BusNumber(4) && [7, 9].contains(&branch.to.0) {
            branch.from = BusNumber(40);
        }
    }
    let done = apply(&format!("{head}open_switch = [\"S4/Coupler\"]\n"), &case("L1-2")).unwrap();
    assert!((percent(&done.after) - loading(&split)).abs() < 1e-6, "{:?} {}", done.after, loading(&split));
    // A tap and a ratio.
    let mut tap = without.clone();
    let done = apply(&format!("{head}set_tap = [{{ transformer = \"T4-7\", step = 7 }}]\n"), &case("L1-2"));
    let normal = plant.network[names.tap_changer("T4-7").unwrap()].normal_step;
    tap.branches[7].ratio = case14().branches[7].ratio + f64::from(7 - normal) * 0.00625;
    assert!((percent(&done.unwrap().after) - loading(&tap)).abs() < 1e-6);
    // Not after another outage, and not below the threshold.
    assert_eq!(apply(&text, &case("L2-3")), None);
    assert_eq!(apply(&text.replace("overloaded", "above_percent = 900.0\noverloaded"), &case("L1-2")), None);
}

#[test]
fn rules_that_cannot_be_are_refused() {
    let plant = rated(two_busbars());
    let switching = Switching::new(&plant.network, &plant.topology, &plant.system);
    let names = NetworkNames::new(&plant.network, &switching);
    let check = |text: &str, line: u32, reason: &str| {
        let error = contingency::read_rules(text, &names, 100.0).unwrap_err();
        assert!(error.line == line && error.reason.contains(reason) && !error.hint.is_empty(), "{error:?}");
    };
    check("[[rule]]\nname = \"a\"\noverloaded = \"L1-5\"\n", 1, "does nothing");
    check("\n[[rule]]\nname = \"a\"\noverloaded = \"L1-99\"\n", 2, "there is no branch");
    check("[[rule]]\nname = \"a\"\noverloaded = \"L1-5\"\nclose_switch = [\"X\"]\n", 1, "there is no switch");
    check("[[rule]]\nname = \"a\"\noverload = \"L1-5\"\n", 3, "unknown field");
    check(
        "[[rule]]\nname = \"a\"\noverloaded = \"L1-5\"\nshed = [{ load = \"S3/Load\", share = 2.0 }]\n",
        1,
        "share",
    );
    // Closing the breaker of the line that failed.
    let schedule = Schedule::of(&plant.network);
    let behind = Behind {
        network: &plant.network,
        topology: &plant.topology,
        schedule: &schedule,
        base: &plant.system,
    };
    let sweep = AcSweep::new(&plant.system.system, &OPTIONS, &Monitor::default(), Rules::default());
    let sweep = sweep.unwrap_or_else(|_| panic!("base"));
    let outage = names.outage(Kind::Branch, "L1-2").unwrap();
    let switch = names.switch("S1/L1-2/CB").unwrap();
    let action = [contingency::Action::Switch { switch, open: false }];
    let refused = contingency::after_actions(&sweep, Some(behind), &outage, &action);
    assert_eq!(refused, Err(contingency::ActionFault::OntoFault(switch)));
    assert_eq!(
        contingency::after_actions(&sweep, None, &outage, &action),
        Err(contingency::ActionFault::NeedsNetwork)
    );
}

#[test]
fn every_failing_element_has_a_zone_that_ends() {
    let plant = plant(two_busbars());
    let switching = Switching::new(&plant.network, &plant.topology, &plant.system);
    let all = switching.all();
    assert!(all.len() > 80, "{}", all.len());
    for failing in all {
        let zone = switching.zone(failing);
        match failing {
            Failing::Bay(_) => assert_eq!((zone.opened.len(), zone.nodes.len()), (2, 0)),
            Failing::Equipment(_) | Failing::Substation(_) => {
                assert!(!zone.opened.is_empty(), "{}", switching.name(failing));
                assert!(zone.opened.iter().all(|at| plant.network[*at].kind == SwitchKind::Breaker));
            }
        }
    }
}

#[test]
fn lists_name_elements() {
    let plant = plant(expand(&case14(), ExpandOptions::default()).unwrap().network);
    let switching = Switching::new(&plant.network, &plant.topology, &plant.system);
    let names = NetworkNames::new(&plant.network, &switching);
    let csv = "name,type,element\nboth,branch,L1-2\nboth,branch,L1-5\n# one more\nbar,busbar,S5/BB\n";
    let read = read_csv(csv.as_bytes(), &names).unwrap();
    let toml = "[[contingency]]\nname = \"both\"\nline = [\"L1-2\", \"L1-5\"]\n\n[[contingency]]\nname = \"bar\"\nbusbar = [\"S5/BB\"]\n";
    assert_eq!(read, read_toml(toml, &names).unwrap());
    assert_eq!((read.len(), read[0].outage.branches.len(), &*read[1].name), (2, 2, "bar"));
    let check = |text: &str, line: u32, reason: &str| {
        let error = read_csv(text.as_bytes(), &names).unwrap_err();
        assert!(error.line == line && error.reason.contains(reason) && !error.hint.is_empty(), "{error:?}");
    };
    check("name,type\na,branch\n", 1, "no column \"element\"");
    check("name,type,element\na,branch,L1-2\nb,branch,L1-99\n", 3, "there is no branch \"L1-99\"");
    check("name,type,element\na,cable,L1-2\n", 2, "unknown type \"cable\"");
    check("name,type,element\n,branch,L1-2\n", 2, "name is empty");
    let error =
        read_toml("[[contingency]]\nname = \"a\"\n[[contingency]]\nname = \"a\"\n", &names).unwrap_err();
    assert!(error.line == 3 && error.reason.contains("second contingency"), "{error:?}");
    assert!(read_toml("[[contingency]]\nnome = \"a\"\n", &names).is_err());
}

#[test]
fn a_case_names_its_rows() {
    let case = case14();
    let read = foreign::system("case14");
    let names = contingency::CaseNames::new(&case, &read);
    let list = "name,type,element\na,branch,4-7\nb,generator,2\nc,load,14\nd,shunt,9\ne,bus,3\n";
    let read: Vec<Contingency> = read_csv(list.as_bytes(), &names).unwrap();
    assert_eq!(read[0].outage.branches[0].0, 7);
    assert_eq!((read[1].outage.machines[0], read[4].outage.buses[0]), (1, BusIdx(2)));
    assert_eq!((read[2].outage.loads.len(), read[3].outage.shunts.len()), (1, 1));
    assert!(read_csv(b"name,type,element\na,shunt,3\n", &names).is_err());
    assert!(read_csv(b"name,type,element\na,busbar,3\n", &names).is_err());
    assert_eq!(
        (names.all(Kind::Branch).len(), names.all(Kind::Load).len(), names.all(Kind::Bay).len()),
        (20, 11, 0)
    );
}
