//! Foreign truth: the PGLib-OPF v23.07 files (bus, generator and branch counts of its BASELINE.md), where present.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use model::DiagnosticKind;
use model::busbranch::{BusNumber, CaseBusType, CostCurve};
use proptest::prelude::*;

use super::{read, write};

const IEEE14: &str = include_str!("../../../../examples/ieee14.m");
const IEEE9: &str = include_str!("../../../../examples/ieee9.m");

/// A small case around one statement.
fn with(statement: &str) -> String {
    format!(
        "function mpc = small\nmpc.version = '2';\nmpc.baseMVA = 100;\n\
         mpc.bus = [\n1 3 0 0 0 0 1 1 0 10 1 1.1 0.9\n2 1 5 1 0 0 1 1 0 10 1 1.1 0.9\n];\n\
         mpc.gen = [1 0 0 Inf -Inf 1 100 1 Inf 0];\n\
         mpc.branch = [1 2 0.01 0.1 0 0 0 0 0 0 1 -360 360];\n{statement}\n"
    )
}

#[test]
fn the_examples_are_read() {
    let (case, diagnostics) = read(IEEE14.as_bytes()).unwrap();
    assert_eq!((case.name.as_str(), case.base_mva, diagnostics.len()), ("ieee14", 100.0, 0));
    assert_eq!((case.buses.len(), case.generators.len(), case.branches.len()), (14, 5, 20));
    assert_eq!(case.buses[0].kind, CaseBusType::Reference);
    assert_eq!(case.buses[3].qd_mvar, -3.9);
    assert_eq!((case.branches[7].from, case.branches[7].ratio), (BusNumber(4), 0.978));
    assert_eq!(case.costs[1].curve, CostCurve::Polynomial(vec![0.25, 20.0, 0.0]));
    assert_eq!(read(IEEE9.as_bytes()).unwrap().0.buses.len(), 9);
}

#[test]
fn every_shape_of_matrix_is_understood() {
    let plain = read(with("").as_bytes()).unwrap().0;
    let bus = "1 3 0 0 0 0 1 1 0 10 1 1.1 0.9";
    let shapes = [
        with("").replace(bus, "1, 3, 0, 0, 0, 0, 1, 1, 0, 10, 1, 1.1, 0.9;"),
        with("").replace(
            bus,
            "1\t3 +0 -0 0 0 1 1e0 0 1.0E+1 ... the rest follows\n 1 1.1d0 .9 ; ; % comment ' [",
        ),
        with("").replace('\n', "\r\n"),
        with("%{\nmpc.bus = 1 + 1;\n%{\nnested\n%}\n%}\nend"),
        with("").replace("function mpc = small", "\u{feff}% head\n\nfunction mpc=small()"),
        with("").replace("mpc", "case_data"),
    ];
    for text in shapes {
        let (case, diagnostics) = read(text.as_bytes()).unwrap();
        assert_eq!((case, diagnostics.len()), (plain.clone(), 0), "{text}");
    }
}

#[test]
fn unknown_fields_are_reported_and_names_are_taken() {
    let text = with("mpc.dcline = [1 2];\nmpc.bus_name = {'one'; 'it''s two'};\nmpc.note = \"x\";");
    let (case, diagnostics) = read(text.as_bytes()).unwrap();
    assert_eq!(case.buses[1].name.as_deref(), Some("it's two"));
    let dropped: Vec<_> = diagnostics.iter().map(|d| (d.kind, d.element.as_str(), d.line)).collect();
    let kind = DiagnosticKind::Dropped;
    assert_eq!(dropped, [(kind, "dcline", Some(10)), (kind, "note", Some(12))]);
}

#[test]
fn columns_that_are_not_kept_are_reported_when_there_is_something_in_them() {
    let check = |generator: &str, expected: &[&str]| {
        let text = format!(
            "mpc.version = '2';\nmpc.baseMVA = 100;\nmpc.bus = [1 3 0 0 0 0 1 1 0 110 1 1.1 0.9];\n\
             mpc.gen = [{generator}];\nmpc.branch = [];\n"
        );
        let (_, diagnostics) = read(text.as_bytes()).unwrap();
        let texts: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected, "{generator}");
    };
    check("1 10 0 9 -9 1 100 1 20 0", &[]);
    check("1 10 0 9 -9 1 100 1 20 0 0 0 0", &[]);
    check("1 10 0 9 -9 1 100 1 20 0 0 5 0 7", &["line 4: dropped gen: columns 12, 14 are not kept"]);
}

#[test]
fn faults_are_named_with_their_line() {
    let check = |text: String, line: u32, reason: &str| {
        let error = read(text.as_bytes()).unwrap_err();
        assert_eq!((error.line, error.reason.contains(reason)), (line, true), "{error}\n{text}");
        assert!(!error.hint.is_empty(), "{error}");
    };
    let swap = |from: &str, to: &str| with("").replace(from, to);
    check(swap("2 1 5 1", "2 1 5*2 1"), 6, "arithmetic");
    check(swap("2 1 5 1", "2 1 5-2 1"), 6, "arithmetic");
    check(swap("2 1 5 1", "2 1 5 - 2 1"), 6, "arithmetic");
    check(swap("2 1 5 1", "2 1 sqrt(5) 1"), 6, "\"sqrt\" in a matrix");
    check(swap("2 1 5 1", "2 1 x 1"), 6, "\"x\" in a matrix");
    check(swap("2 1 5 1", "2 1,, 1"), 6, "comma");
    check(swap("2 1 5 1", "2 1 5.x 1"), 6, "not a number");
    check(with("mpc.bus(:, 3) = 0;"), 10, "\"(\" where \"=\"");
    check(with("define_constants;"), 10, "not a field");
    check(with("mpc.baseMVA = 50;"), 10, "assigned twice");
    check(with("mpc.x = [1 2"), 10, "not closed");
    check(with("mpc.x = 'abc"), 10, "not closed");
    check(with("%{\nmpc"), 10, "not closed");
    check(with("mpc.x = 2 * 3;"), 10, "after the value");
    check(swap("2 1 5 1", "2 1 5 1 0"), 6, "14 columns, the rows before have 13");
    check(swap(" 0.9\n", "\n"), 5, "a row of bus has 12 columns");
    check(swap("2 1 5 1", "1 1 5 1"), 6, "already used");
    check(swap("2 1 5 1", "2.5 1 5 1"), 6, "bus_i is 2.5");
    check(swap("2 1 5 1", "2 7 5 1"), 6, "type is 7");
    check(swap("2 1 5 1", "2 1 NaN 1"), 6, "Pd is NaN");
    check(swap("2 1 5 1", "2 1 1e999 1"), 6, "Pd is inf");
    check(swap("[1 2 0.01", "[1 3 0.01"), 9, "bus 3 does not exist");
    check(swap("[1 2 0.01", "[1 1 0.01"), 9, "both ends");
    check(swap("0.01 0.1", "0 0"), 9, "neither resistance nor reactance");
    check(swap("[1 0 0 Inf", "[9 0 0 Inf"), 8, "bus 9 does not exist");
    check(swap("1 3 0 0", "1 2 0 0"), 4, "no reference bus");
    check(swap("= 100;", "= 0;"), 3, "baseMVA");
    check(swap("'2'", "'1'"), 2, "version");
    check(swap("mpc.version = '2';", ""), 0, "version is missing");
    check(swap("mpc.gen =", "mpc.generators ="), 0, "mpc.gen is missing");
    check(with("mpc.gencost = [2 0 0 3 1 2];"), 10, "n is 3");
    check(with("mpc.gencost = [1 0 0 1 1 2; 1 0 0 1 1 2; 1 0 0 1 1 2];"), 4, "3 cost rows");
    check(with(&"mpc.x = 1;\n".repeat(5_000)), 4_101, "more than 4096 fields");
    check("function [baseMVA, bus] = old\n".into(), 1, "one struct");
}

#[test]
fn what_is_written_reads_the_same() {
    for text in [IEEE14, IEEE9, &with("mpc.bus_name = {'a', 'b''c'};")] {
        let case = read(text.as_bytes()).unwrap().0;
        assert_eq!(read(write(&case).as_bytes()).unwrap(), (case, vec![]));
    }
}

#[test]
fn pglib_cases_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/pglib-opf");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: PGLib-OPF files are not here");
        return;
    };
    let baseline = std::fs::read_to_string(folder.join("BASELINE.md")).unwrap_or_default();
    let mut seen = 0;
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        if path.extension().is_none_or(|extension| extension != "m") {
            continue;
        }
        let (case, _) = read(&std::fs::read(&path).unwrap()).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        assert_eq!(read(write(&case).as_bytes()).unwrap().0, case, "{path:?}");
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        // Columns of the baseline: name, nodes, edges, ...
        if let Some(row) = baseline.lines().find(|line| line.contains(&format!("{stem} "))) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            assert_eq!(cells[2].parse(), Ok(case.buses.len()), "{stem}");
            assert_eq!(cells[3].parse(), Ok(case.branches.len()), "{stem}");
            seen += 1;
        }
    }
    assert!(seen >= 20, "only {seen} cases had a line in the baseline");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_mutation_makes_it_panic(
        edits in proptest::collection::vec((0..100_000_usize, any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut bytes = IEEE9.as_bytes().to_vec();
        for (at, byte, kind) in edits {
            let at = at % bytes.len();
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        if let Ok((case, _)) = read(&bytes) {
            prop_assert_eq!(case.check(), Ok(()));
        }
    }

    #[test]
    fn no_token_salad_makes_it_panic(
        picks in proptest::collection::vec(0..24_usize, 0..80),
    ) {
        const SALAD: [&str; 24] = ["mpc.bus", "mpc.", "mpc.gen", " = ", "[", "]", "{", "}", ";", "\n", "1", " -2", "3.5",
            "Inf", "'a'", "'", "%{\n", "%}\n", "...", ",", "function ", "+", "e", "(" ];
        let text: String = picks.iter().map(|pick| SALAD[*pick]).collect();
        let _ = read(text.as_bytes());
    }
}
