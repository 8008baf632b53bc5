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
    let text = with("mpc.areas = [1 2];\nmpc.bus_name = {'one'; 'it''s two'};\nmpc.note = \"x\";");
    let (case, diagnostics) = read(text.as_bytes()).unwrap();
    assert_eq!(case.buses[1].name.as_deref(), Some("it's two"));
    let dropped: Vec<_> = diagnostics.iter().map(|d| (d.kind, d.element.as_str(), d.line)).collect();
    let kind = DiagnosticKind::Dropped;
    assert_eq!(dropped, [(kind, "areas", Some(10)), (kind, "note", Some(12))]);
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
    check(swap("2 1 5 1", "2 1 mpc.load 1"), 6, "\"mpc.load\" is neither a variable");
    check(swap("2 1 5 1", "2 1 rand(5) 1"), 6, "\"rand\" is neither a variable");
    check(swap("2 1 5 1", "2 1 x 1"), 6, "\"x\" is neither a variable");
    check(swap("2 1 5 1", "2 1,, 1"), 6, "comma");
    check(swap("2 1 5 1", "2 1 5.x 1"), 6, "not a number");
    check(with("mpc.baseMVA = 50;"), 10, "assigned twice");
    check(with("mpc.x = [1 2"), 10, "not closed");
    check(with("mpc.x = 'abc"), 10, "not closed");
    check(with("%{\nmpc"), 10, "not closed");
    check(with("mpc.x = 2 * 3 4;"), 10, "after the value");
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
    let many: String = (0..5_000).map(|n| format!("mpc.x{n} = 1;\n")).collect();
    check(with(&many), 4_101, "more than 4096 fields");
    check("function [baseMVA, bus] = old\n".into(), 1, "one struct");
}

#[test]
fn statements_after_the_data_are_executed() {
    let check = |statements: &str, expected: [f64; 2]| {
        let text = with(statements);
        let (case, _) = read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let (bus, branch) = (&case.buses[1], &case.branches[0]);
        assert_eq!([bus.pd_mw, branch.r_pu], expected, "{statements}");
    };
    let (p, r) = (5.0, 0.01);
    let columns =
        "[PQ, PV, REF, NONE, BUS_I, BUS_TYPE, PD, QD] = idx_bus;\n[F_BUS, T_BUS, BR_R, BR_X] = idx_brch;\n";
    let convert = format!(
        "{columns}Vbase = mpc.bus(1, 10) * 1e3; %% in Volts\nSbase = mpc.baseMVA * 1e6;\n\
         mpc.branch(:, [BR_R BR_X]) = mpc.branch(:, [BR_R BR_X]) / (Vbase^2 / Sbase);\n\
         mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;"
    );
    check(&convert, [5e-3, 0.01]);
    check("define_constants\nmpc.bus(2, PD) = sum(mpc.bus(:, PD)) + 1;", [6.0, r]);
    check("mpc.bus(:, 3) = mpc.bus(:, 3) * sin(acos(0.6));", [4.0, r]);
    check("k = find(mpc.bus(:, 3) > 1 & ~isinf(mpc.bus(:, 4)));\nmpc.bus(k, 3) = -2 ^ 2;", [-4.0, r]);
    check("mpc.bus(mpc.bus(:, 3) == 5, 3) = 7;", [7.0, r]);
    check(
        "if 0\n mpc.bus(2, 3) = 1;\nelseif mpc.bus(end, 3) >= 5\n mpc.bus(2, 3) = 2;\nelse\n x = 1;\nend",
        [2.0, r],
    );
    check("for i = 1:size(mpc.bus, 1)\n mpc.bus(i, 3) = 2 * i; % twice\nend", [4.0, r]);
    check("x = [1 2; 3 4]';\nmpc.bus(2, 3) = x(1, 2) + 10 * x(3);", [33.0, r]);
    check("x = 1:2:5;\nmpc.bus(2, 3) = x(end) + length(x) + max(x);", [13.0, r]);
    check("mpc.bus(2, 3) = mpc.bus(2, 3) .* 2 ./ 4;", [2.5, r]);
    check("s = 0.5;\nmpc.branch(1, 3) = s * ...\n  2;", [p, 1.0]);
    check("mpc.bus(3, :) = [3 1 9 0 0 0 1 1 0 10 1 1.1 0.9];\nmpc.bus(3, :) = [];", [p, r]);
    check("mpc.branch = [1 2 0.03 0.1 0 0 0 0 0 0 1 -360 360] * 1;", [p, 0.03]);
    check("x = [1 -2];\ny = [1 - 2];\nmpc.bus(2, 3) = numel(x) + numel(y);", [3.0, r]);
    check("return\nmpc.bus(2, 3) = 1;", [p, r]);
    for (entries, expected) in
        [("2 1 5*2 sqrt(16)/4", 10.0), ("2 1 5-2 1", 3.0), ("2 1 5 - 2 1", 3.0), ("2 1 5 -2", 5.0)]
    {
        let text = with("").replace("2 1 5 1", entries);
        assert_eq!(read(text.as_bytes()).unwrap().0.buses[1].pd_mw, expected, "{entries}");
    }
}

#[test]
fn what_is_not_understood_is_refused_with_its_line() {
    let check = |statements: &str, line: u32, reason: &str| {
        let error = read(with(statements).as_bytes()).unwrap_err();
        assert_eq!((error.line, error.reason.contains(reason)), (line, true), "{error}\n{statements}");
        assert!(!error.hint.is_empty(), "{error}");
    };
    check("mpc = loadcase('case9');", 10, "assigned as a whole");
    check("mpc.bus(:, PD) = 0;", 10, "\"PD\" is neither");
    check("x = 1;\nmpc.bus = scale_load(x, mpc.bus);", 11, "\"scale_load\" is neither");
    check("mpc.bus(:, 3) = [1 2 3];", 10, "3 figures for 2 places");
    check("mpc.bus(0, 3) = 1;", 10, "0 is no index");
    check("x = mpc.bus(3, 1);", 10, "row index 3 of 2");
    check("x = mpc.bus * mpc.bus;", 10, "product of two matrices");
    check("x = mpc.bus + mpc.branch(:, 1:3);", 10, "do not fit");
    check("while 1\nend", 10, "\"while\" is not understood");
    check("if 1\nx = 2;", 10, "not closed");
    check("x = sqrt(-1);", 10, "no real one");
    check("x = zeros(1e9);", 10, "a size is");
    check("x = zeros(1e5, 1e5);", 10, "at most");
    check("x = 1:1e9;", 10, "at most");
    check("for i = 1:1e7\nx = i;\nend", 11, "more than 1000000 statements");
    check("for i = 1:1e6\nx = zeros(1000, 1000);\nend", 11, "figures are computed");
    check(&format!("x = {}1;", "1 + ".repeat(5_000)), 10, "parts");
    check(&format!("x = {}1;", "(".repeat(5_000)), 10, "parts");
    check(&format!("x = {}1;", "[".repeat(5_000)), 10, "parts");
    check(&format!("x = {}1;", "-".repeat(5_000)), 10, "parts");
    check(&format!("x = {}", "mpc.bus(".repeat(5_000)), 10, "parts");
    check(&"if 1\n".repeat(5_000), 26, "within each other");
    check("[a, b] = size(mpc.bus);", 10, "\"(\" after the function");
    check("[a, b] = size;", 10, "several values");
    check("plot", 10, "\"plot\" is not understood");
    check("function y = other(x)\ny = 1;", 10, "a case function has no arguments");
    check("function y = other\ny = 1;", 10, "a second function");
    let table =
        "function chgtab = contab\ndefine_constants;\nchgtab = [\n1 0 CT_TBRCH 1 BR_STATUS CT_REP 0;\n];\n";
    let error = read(table.as_bytes()).unwrap_err();
    assert!(error.line == 3 && error.hint.contains("change tables"), "{error}");
}

#[test]
fn dc_lines_are_read() {
    let line = "mpc.dcline = [1 2 1 10 8.9 1 2 1.01 1.02 0 100 -50 60 -70 80 1 0.01];";
    let (case, diagnostics) = read(with(line).as_bytes()).unwrap();
    let found = &case.dc_lines[0];
    assert_eq!(
        (found.from, found.to, found.in_service, diagnostics.len()),
        (BusNumber(1), BusNumber(2), true, 0)
    );
    assert_eq!((found.pf_mw, found.vf_pu, found.vt_pu), (10.0, 1.01, 1.02));
    assert!((found.pt_mw() - 8.9).abs() < 1e-12);
    assert_eq!(
        (found.qminf_mvar, found.qmaxf_mvar, found.qmint_mvar, found.qmaxt_mvar),
        (-50.0, 60.0, -70.0, 80.0)
    );
    assert_eq!(read(write(&case).as_bytes()).unwrap().0, case);
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
        picks in proptest::collection::vec(0..40_usize, 0..80),
    ) {
        const SALAD: [&str; 40] = ["mpc.bus(", "(", ")", ":", "end", "x", "if ", "for i = ", "*", "^", ".*", "~", "'",
            "sum(", "==", "define_constants\n", "mpc.bus", "mpc.", "mpc.gen", " = ", "[", "]", "{", "}", ";", "\n", "1", " -2", "3.5",
            "Inf", "'a'", "'", "%{\n", "%}\n", "...", ",", "function ", "+", "e", "(" ];
        let text: String = picks.iter().map(|pick| SALAD[*pick]).collect();
        let _ = read(text.as_bytes());
    }
}
