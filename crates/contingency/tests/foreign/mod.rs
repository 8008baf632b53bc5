//! Reader of the cases in `tests/cases`, made by `interop/contingency_cases.py` with PYPOWER 5.1.21.
#![allow(clippy::unwrap_used, dead_code)]

use std::path::Path;

use contingency::{CaseSystem, Outage, System};
use topology::calc::{BranchIdx, BusIdx};

/// An outage with the figures that PYPOWER has for it, by their word.
pub(crate) struct Expected {
    pub(crate) outage: Outage,
    pub(crate) figures: Vec<(String, Vec<f64>)>,
}

fn text(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// The system of a case. All its buses, branches and machines are in service, so rows are indices.
pub(crate) fn system(name: &str) -> CaseSystem {
    let (case, losses) = exchange::matpower::read(text(&format!("{name}.m")).as_bytes()).unwrap();
    assert!(losses.is_empty(), "{losses:?}");
    let read = System::from_case(&case).unwrap();
    assert_eq!(read.system.grid.buses.len(), case.buses.len());
    assert_eq!(read.system.grid.branches.len(), case.branches.len());
    assert_eq!(read.system.machines.len(), case.generators.len());
    read
}

pub(crate) fn outages(name: &str) -> Vec<Expected> {
    let mut found = Vec::new();
    for line in text(name).lines().filter(|line| !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap();
        if word == "outage" {
            found.push(Expected { outage: outage(rest), figures: Vec::new() });
        } else {
            found.last_mut().unwrap().figures.push((word.to_owned(), numbers(rest)));
        }
    }
    found
}

/// Lines `word index figures…`.
pub(crate) fn rows(name: &str) -> Vec<(String, u32, Vec<f64>)> {
    let read = text(name);
    let lines = read.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.splitn(3, ' ');
            let (word, at) = (words.next().unwrap().to_owned(), words.next().unwrap().parse().unwrap());
            (word, at, numbers(words.next().unwrap()))
        })
        .collect()
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(' ').map(|word| word.parse().unwrap()).collect()
}

fn outage(text: &str) -> Outage {
    let parts: Vec<Vec<u32>> = text
        .split(' ')
        .map(|part| if part == "-" { vec![] } else { part.split(',').map(|n| n.parse().unwrap()).collect() })
        .collect();
    Outage {
        branches: parts[0].iter().copied().map(BranchIdx).collect(),
        machines: parts[1].clone(),
        buses: parts[2].iter().copied().map(BusIdx).collect(),
        ..Outage::default()
    }
}

pub(crate) fn assert_close(got: &[f64], want: &[f64], within: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= within, "{what}, at {at}: got {got}, want {want}");
    }
}
