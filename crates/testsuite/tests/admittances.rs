//! File → case → calculation model against PYPOWER 5.1.21 (`makeYbus`, `makeSbus`): the references in `tests/ybus`
//! were made from the same files by that program.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use exchange::matpower;
use topology::calc::{BusKind, Grid};
use topology::from_case;

/// Relative to the size of the entry: both sides sum the same few terms in another order.
const TOLERANCE: f64 = 1e-12;

type Entries = BTreeMap<(String, String, String), [f64; 2]>;

fn reference(path: &Path) -> Entries {
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    rows.map(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        let key = (cells[0].to_owned(), cells[1].to_owned(), cells[2].to_owned());
        (key, [cells[3].parse().unwrap(), cells[4].parse().unwrap()])
    })
    .collect()
}

/// Entries of the bus admittance matrix and the injections, by bus name. The reactive injection of machines that
/// hold a voltage is a result here and a starting value there, so the scheduled one is added.
fn entries(grid: &Grid, regulated_q_pu: &[f64]) -> Entries {
    let mut entries = Entries::new();
    let mut add = |kind: &str, from: usize, to: usize, value: [f64; 2]| {
        let key = (kind.to_owned(), grid.buses[from].name.clone(), grid.buses[to].name.clone());
        let entry = entries.entry(key).or_default();
        *entry = [entry[0] + value[0], entry[1] + value[1]];
    };
    for branch in &grid.branches {
        let (from, to, y) = (branch.from.at(), branch.to.at(), branch.admittance());
        add("y", from, from, y.ff);
        add("y", from, to, y.ft);
        add("y", to, from, y.tf);
        add("y", to, to, y.tt);
    }
    for (at, bus) in grid.buses.iter().enumerate() {
        add("y", at, at, [bus.g_shunt_pu, bus.b_shunt_pu]);
        add("s", at, at, [bus.p_pu, bus.q_pu + regulated_q_pu[at]]);
    }
    entries
}

fn check(case_file: &Path, reference_file: &Path) {
    let (case, _) = matpower::read(&std::fs::read(case_file).unwrap()).unwrap();
    let result = from_case(&case).unwrap();
    let mut regulated_q_pu = vec![0.0; result.grid.buses.len()];
    for (generator, bus) in case.generators.iter().zip(&result.map.generators) {
        let Some(bus) = bus.filter(|bus| result.grid.buses[bus.at()].kind != BusKind::Pq) else { continue };
        regulated_q_pu[bus.at()] += generator.qg_mvar / case.base_mva;
    }
    let (ours, theirs) = (entries(&result.grid, &regulated_q_pu), reference(reference_file));
    assert_eq!(ours.len(), theirs.len(), "{case_file:?}");
    for (key, ours) in ours {
        let theirs = theirs[&key];
        for part in [0, 1] {
            let off = (ours[part] - theirs[part]).abs();
            assert!(
                off <= TOLERANCE * theirs[part].abs().max(1.0),
                "{case_file:?} {key:?}: {ours:?} {theirs:?}"
            );
        }
    }
}

#[test]
fn examples_have_the_admittances_of_pypower() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["ieee9", "ieee14"] {
        let case = root.join("../../examples").join(name).with_extension("m");
        check(&case, &root.join("tests/ybus").join(name).with_extension("csv"));
    }
}
