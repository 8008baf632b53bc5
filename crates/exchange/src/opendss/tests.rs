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

/// Powers of every step, by position of the load or, from 100, of the converter.
fn course(study: &DssStudy) -> Vec<Vec<(u32, f64, f64)>> {
    let schedule = study.schedule.as_ref().unwrap();
    let mut course = schedule.course();
    let mut steps = Vec::new();
    loop {
        let mut step = Vec::new();
        let round = |x: f64| (x * 1e3).round() / 1e3;
        let taken = course.next(schedule, &mut |set| {
            let of = match set.of {
                Injection::Load(at) => at,
                Injection::Converter(at) => 100 + at,
            };
            step.push((of, round(set.p_kw), round(set.q_kvar)));
        });
        if taken.is_none() {
            return steps;
        }
        steps.push(step);
    }
}

/// Powers that OpenDSS 0.14.5 has in these steps.
#[test]
fn shapes_and_batteries_run_as_those_of_the_peer() {
    let binary: Vec<u8> = [0.1_f32, 0.2, 0.3, 0.4].iter().flat_map(|x| x.to_le_bytes()).collect();
    let script = "new circuit.x basekv=12.47\n\
                  new loadshape.a npts=4 interval=1 mult=[.1 .2 .3 .4]\n\
                  new loadshape.c npts=4 csvfile=shapes\\c.csv\n\
                  new loadshape.d npts=4 mult=(file=shapes/d.csv, column=2, header=yes) qmult=[1 2 3 4]\n\
                  new loadshape.e npts=4 mult=(sngfile=shapes/e.sng)\n\
                  new loadshape.f npts=3 interval=0 csvfile=shapes/f.csv\n\
                  new loadshape.k npts=4 useactual=yes mult=[10 20 30 40]\n\
                  new loadshape.w npts=6 mult=[-.5 .5 .7 1 -.3 0]\n\
                  new load.a kw=100 kvar=50 daily=a\n\
                  new load.fixed kw=100 kvar=50 daily=a status=fixed\n\
                  new load.six kw=100 kvar=50 daily=c model=6\n\
                  new load.d kw=100 kvar=50 yearly=a daily=d\n\
                  new load.e kw=100 kvar=50 daily=e status=exempt\n\
                  new load.f kw=100 kvar=50 daily=f\n\
                  new load.k kw=100 pf=.9 daily=k\n\
                  new generator.g kw=100 pf=.9 daily=a\n\
                  new pvsystem.p pmpp=100 kva=110 irradiance=.8 pf=.9\n\
                  new storage.b kva=60 kwrated=50 kwhrated=200 %stored=60 state=discharging\n\
                  new storage.f kva=60 kwrated=50 kwhrated=200 %stored=60 dispmode=follow daily=w\n\
                  set loadmult=2 mode=daily number=2\nsolve\nsolve\n";
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("n/x.dss", script.as_bytes().to_vec()),
        ("n/shapes/c.csv", b"0.1\n0.2\n0.3\n0.4\n".to_vec()),
        ("n/shapes/d.csv", b"hour,mult\n1,0.1\n2,0.2\n3,0.3\n4,0.4\n".to_vec()),
        ("n/shapes/e.sng", binary),
        ("n/shapes/f.csv", b"0, 0.1\n2, 0.2\n5, 0.3\n".to_vec()),
    ];
    let mut open = |path: &str| {
        let found = files.iter().find(|(name, _)| *name == path);
        found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| "no such file".to_owned())
    };
    let (study, _) = read("n/x.dss", &mut open).unwrap();
    let found = course(&study);
    assert_eq!(found.len(), 4);
    let check = |of: u32, expected: [[f64; 2]; 4]| {
        for (step, [p, q]) in found.iter().zip(expected) {
            assert!(step.contains(&(of, p, q)), "{of}: {step:?} without {p} {q}");
        }
    };
    check(0, [[20.0, 10.0], [40.0, 20.0], [60.0, 30.0], [80.0, 40.0]]);
    check(2, [[20.0, 50.0], [40.0, 50.0], [60.0, 50.0], [80.0, 50.0]]);
    check(3, [[20.0, 100.0], [40.0, 200.0], [60.0, 300.0], [80.0, 400.0]]);
    check(4, [[10.0, 5.0], [20.0, 10.0], [30.0, 15.0], [40.0, 20.0]]);
    check(5, [[30.0, 15.0], [40.0, 20.0], [46.667, 23.333], [53.333, 26.667]]);
    check(6, [[10.0, 4.843], [20.0, 9.686], [30.0, 14.53], [40.0, 19.373]]);
    check(100, [[10.0, 4.843], [20.0, 9.686], [30.0, 14.53], [40.0, 19.373]]);
    check(102, [[50.0, 0.0], [50.0, 0.0], [-0.5, 0.0], [-0.5, 0.0]]);
    check(103, [[-25.0, 0.0], [25.0, 0.0], [35.0, 0.0], [50.0, 0.0]]);
    assert!(found[0].iter().all(|(of, ..)| *of != 1 && *of != 101), "what has no shape keeps its power");
}

#[test]
fn faults_of_shapes_come_with_file_line_and_hint() {
    let check = |line: &str, expected: &str| {
        let text = format!("new circuit.x\nset mode=daily\n{line}");
        let error = read_text(&[("x.dss", &text), ("bad.csv", "0.1\nx\n")]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check("new loadshape.a npts=2 csvfile=none.csv", "x.dss: line 3: none.csv: no such file");
    check(
        "new loadshape.a npts=2 csvfile=bad.csv",
        "x.dss: line 3: bad.csv:2: no row of numbers (hint: the file has no header)",
    );
    check(
        "new loadshape.a npts=2 mult=(file=bad.csv)",
        "x.dss: line 3: bad.csv:2: column 1 is no number (hint: give column=N, and header=yes for a first line of names)",
    );
    check("new loadshape.a", "x.dss: line 3: loadshape.a: no values (hint: give mult=[…] or a file)");
    check(
        "new loadshape.a interval=0 mult=[1 2] hour=[2 1]",
        "x.dss: line 3: loadshape.a: its hours do not rise, one for each value (hint: give hour=[…] or an interval)",
    );
    check(
        "new load.l daily=a",
        "x.dss: line 3: there is no loadshape.a (hint: make it with `new loadshape.NAME`)",
    );
}

proptest::proptest! {
    #[test]
    fn any_text_gives_a_network_or_an_error(text in "\\PC{0,200}", command in "(new|edit|~|set|redirect|batchedit|open|var) ") {
        let text = format!("new circuit.x\nnew load.a\nnew transformer.t\nnew line.l\n{command}{text}\nnew transformer.u {text}");
        let _ = read_text(&[("x.dss", &text)]);
    }
}
