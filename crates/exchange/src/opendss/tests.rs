//! Networks of scripts, faults with their place, and any text.
#![allow(clippy::unwrap_used)]
use super::*;

fn read_text(files: &[(&str, &str)]) -> Result<(DssStudy, Vec<FileDiagnostic>), DssError> {
    read(files[0].0, &mut |path| {
        let found = files.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| "no such file".to_owned())
    })
}

#[test]
fn a_tree_of_files_becomes_a_network() {
    let (study, diagnostics) = read_text(&[
        (
            "grid/master.dss",
            "Clear\nset defaultbasefrequency=50\nNew Circuit.Test basekv=20 bus1=A pu=1.02 isc3=2000 isc1=1500\n\
             redirect sub/lines.txt // comment\nvar @size=250\nNew Transformer.T1 kvs=(20 .4) conns=(delta wye)\n\
             ~ buses=[B, C.1.2.3.0] kvas=[@size @size] xhl=4 tap=1\nnew monitor.m element=line.l1\nload.one.kw=7\n\
             set voltagebases=[20 .4]\nsolve",
        ),
        (
            "grid/sub/lines.txt",
            "new linecode.c nphases=3 r1=.2 x1=.3 c1=0 c0=0 units=km\nnew line.l1 A B linecode=c length=500 units=m\n\
             redirect loads.txt",
        ),
        ("grid/sub/loads.txt", "New Load.one 1 c.2 .23 kW=5 pf=.9\nNew Load.two like=one bus1=c.3 kw=(2 3 *)"),
    ])
    .unwrap();
    let network = &study.network;
    assert_eq!((network.name.as_str(), network.frequency_hz), ("Test", 50.0));
    assert_eq!(network.nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["A", "B", "c"]);
    let impedance = &network.lines[0].impedance;
    assert!((impedance.matrices(3).unwrap().0[0][1] - (2.0 * 0.3 + 0.4047) / 3.0 * 0.5).abs() < 1e-12);
    assert_eq!(network.transformers[0].ends[1].rated_kva, 250.0);
    assert!(network.transformers[0].delta_backward);
    assert_eq!((network.loads[0].p_kw, network.loads[1].p_kw), (7.0, 6.0));
    assert!((network.loads[1].q_kvar - 6.0 * 0.9_f64.acos().tan()).abs() < 1e-9);
    let texts: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["grid/master.dss: line 8: dropped monitor.m: the class has no part in a power flow"]);
}

#[test]
fn faults_come_with_file_line_and_hint() {
    let check = |line: &str, expected: &str| {
        let text = format!("new circuit.x\n{line}");
        let error = read_text(&[("x.dss", &text)]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(
        "new line.l linecode=none",
        "x.dss: line 2: there is no linecode.none (hint: it has to stand before the line)",
    );
    check("redirect y.dss", "x.dss: line 2: y.dss: no such file");
    check(
        "redirect x.dss",
        "x.dss: line 2: files include each other too deeply (hint: one of them may include itself)",
    );
    check("new load.l kw=abc", "x.dss: line 2: abc is no number");
    check(
        "edit load.l kw=1",
        "x.dss: line 2: there is no load.l (hint: it has to be made with `new` before it is changed)",
    );
    check(
        "new load.l bus1=a.x",
        "x.dss: line 2: bus a.x: conductor x is no number from 0 to 255 (hint: write name.1.2.3)",
    );
}

#[test]
fn batches_and_switches_change_what_exists() {
    let (study, _) = read_text(&[(
        "x.dss",
        "new circuit.x\nnew load.a1 kw=1\nnew load.a2 kw=1\nnew load.b kw=1\nbatchedit load.^a.* kw=3\n\
         disable load.b\nset controlmode=off maxcontroliter=30\n/* load.b.kw=9\n*/\nnew load.b2 kw=1 enabled=no",
    )])
    .unwrap();
    let loads: Vec<(f64, bool)> = study.network.loads.iter().map(|l| (l.p_kw, l.in_service)).collect();
    assert_eq!(loads, [(3.0, true), (3.0, true), (1.0, false), (1.0, false)]);
    assert!(study.controls_off && study.max_control_rounds == 30);
}

proptest::proptest! {
    #[test]
    fn any_text_gives_a_network_or_an_error(text in "\\PC{0,200}", command in "(new|edit|~|set|redirect|batchedit|open|var) ") {
        let text = format!("new circuit.x\nnew load.a\nnew transformer.t\nnew line.l\n{command}{text}\nnew transformer.u {text}");
        let _ = read_text(&[("x.dss", &text)]);
    }
}
