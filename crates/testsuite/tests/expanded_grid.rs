//! A case that went through switches (expand, topology, grid) is the case itself: same admittances, injections and
//! kinds of buses as the direct way, up to numbering. Cases: `examples/` and, where present, PGLib-OPF v23.07.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use exchange::matpower;
use model::busbranch::BusBranchCase;
use model::{ExpandOptions, SubstationIdx, expand};
use topology::calc::{BusIdx, BusKind};
use topology::{Schedule, Topology, from_case};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "m"))
        .collect();
    files.sort();
    files
}

fn check(case: &BusBranchCase, breakers: bool) {
    let context = format!("{} breakers {breakers}", case.name);
    let direct = from_case(case).unwrap();
    let expansion = expand(case, ExpandOptions { breakers, ..ExpandOptions::default() }).unwrap();
    let network = &expansion.network;
    let (grid, map) = Topology::new(network).grid(network, &Schedule::of(network));
    assert_eq!(grid.buses.len(), direct.grid.buses.len(), "{context}");
    assert_eq!(grid.branches.len(), direct.grid.branches.len(), "{context}");
    assert_eq!((grid.islands, grid.base_mva), (direct.grid.islands, direct.grid.base_mva), "{context}");

    let busbar = |row: usize| network.node_of(network.busbars()[row].terminal);
    let bus_of: Vec<Option<BusIdx>> = (0..case.buses.len()).map(|row| map.node[busbar(row).at()]).collect();
    for (row, theirs) in direct.map.buses.iter().enumerate() {
        assert_eq!(network.substation_of(busbar(row)), SubstationIdx(u32::try_from(row).unwrap()));
        assert_eq!(bus_of[row].is_some(), theirs.is_some(), "{context} bus row {row}");
        let (Some(ours), Some(theirs)) = (bus_of[row], *theirs) else { continue };
        let (ours, theirs) = (&grid.buses[ours.at()], &direct.grid.buses[theirs.at()]);
        assert_eq!(ours.kind, theirs.kind, "{context} bus row {row}");
        let figures = |bus: &topology::calc::Bus| {
            [
                bus.p_pu,
                bus.q_pu,
                bus.q_load_pu,
                bus.q_gen_min_pu,
                bus.q_gen_max_pu,
                bus.g_shunt_pu,
                bus.b_shunt_pu,
            ]
        };
        assert_eq!(figures(ours), figures(theirs), "{context} bus row {row}");
        if ours.kind != BusKind::Pq {
            assert_eq!(ours.vm_pu, theirs.vm_pu, "{context} bus row {row}");
        }
    }
    for (row, theirs) in direct.map.branches.iter().enumerate() {
        let ours = expansion.branches[row].and_then(|equipment| map.branch(equipment));
        assert_eq!(ours.is_some(), theirs.is_some(), "{context} branch row {row}");
        let (Some(ours), Some(theirs)) = (ours, *theirs) else { continue };
        let (ours, theirs) = (&grid.branches[ours.at()], &direct.grid.branches[theirs.at()]);
        let rows = case.bus_rows();
        let ends = [case.branches[row].from, case.branches[row].to].map(|bus| bus_of[rows[&bus]]);
        assert_eq!([Some(ours.from), Some(ours.to)], ends, "{context} branch row {row}");
        assert_eq!(ours.admittance(), theirs.admittance(), "{context} branch row {row}");
        assert_eq!(ours.rate_mva, theirs.rate_mva, "{context} branch row {row}");
    }
}

fn check_folder(folder: &Path) -> usize {
    let files = files(folder);
    for file in &files {
        let (case, _) = matpower::read(&std::fs::read(file).unwrap()).unwrap();
        check(&case, true);
        // The way without switches is the same code for every size.
        if case.buses.len() < 1_000 {
            check(&case, false);
        }
    }
    files.len()
}

#[test]
fn examples_survive_the_way_through_switches() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(check_folder(&root.join("../../examples")) >= 2);
}

#[test]
fn pglib_cases_survive_the_way_through_switches() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if check_folder(&root.join("../../../shared/data/pglib-opf")) == 0 {
        println!("skipped: PGLib-OPF files are not here");
    }
}
