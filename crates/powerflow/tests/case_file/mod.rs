//! Reader of the neutral case files in `tests/cases`, made by `interop/powerflow_cases.py`.
#![allow(clippy::unwrap_used, dead_code)]

use std::path::Path;

use topology::calc::{Branch, BranchFlow, Bus, BusIdx, BusKind, Grid, IslandIdx, Voltages};

/// How far a result may be from the foreign one, in per unit and radians.
pub(crate) const AGREE: f64 = 1e-8;

/// Input and foreign result.
pub(crate) struct Case {
    pub(crate) grid: Grid,
    pub(crate) vm_pu: Vec<f64>,
    pub(crate) va_rad: Vec<f64>,
    pub(crate) flows: Vec<BranchFlow>,
    pub(crate) slack_injection_pu: Option<[f64; 2]>,
    /// Lines that are not for this reader.
    pub(crate) rest: Vec<String>,
}

pub(crate) fn close(got: f64, want: f64, what: &str, at: usize) {
    assert!((got - want).abs() <= AGREE, "{what} {at}: got {got}, want {want}");
}

impl Case {
    /// The foreign result, everywhere.
    pub(crate) fn assert_agrees(&self, name: &str, voltages: &Voltages, flows: &[BranchFlow]) {
        let close =
            |got: f64, want: f64, what: &str, at: usize| close(got, want, &format!("{name}: {what}"), at);
        for at in 0..self.vm_pu.len() {
            close(voltages.vm_pu[at], self.vm_pu[at], "vm", at);
            close(voltages.va_rad[at], self.va_rad[at], "va", at);
        }
        for (at, (got, want)) in flows.iter().zip(&self.flows).enumerate() {
            close(got.p_from_pu, want.p_from_pu, "p_from", at);
            close(got.q_from_pu, want.q_from_pu, "q_from", at);
            close(got.p_to_pu, want.p_to_pu, "p_to", at);
            close(got.q_to_pu, want.q_to_pu, "q_to", at);
        }
    }
}

/// Reads a file of the `tests/cases` folder of the crate under test.
pub(crate) fn read(name: &str) -> Case {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    parse(&std::fs::read_to_string(folder.join(name)).unwrap())
}

fn parse(text: &str) -> Case {
    let grid = Grid { islands: 1, ..Grid::default() };
    let mut case =
        Case { grid, vm_pu: vec![], va_rad: vec![], flows: vec![], slack_injection_pu: None, rest: vec![] };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let word = words.next().unwrap();
        if !["base_mva", "bus", "branch", "v", "flow", "slack"].contains(&word) {
            case.rest.push(line.to_string());
            continue;
        }
        let kind = (word == "bus").then(|| words.next().unwrap());
        let n: Vec<f64> = words.map(|w| w.parse().unwrap()).collect();
        match word {
            "base_mva" => case.grid.base_mva = n[0],
            "bus" => case.grid.buses.push(bus(kind.unwrap(), &n, case.grid.buses.len())),
            "branch" => case.grid.branches.push(branch(&n, case.grid.branches.len())),
            "v" => {
                case.vm_pu.push(n[0]);
                case.va_rad.push(n[1]);
            }
            "flow" => {
                let flow = BranchFlow { p_from_pu: n[0], q_from_pu: n[1], p_to_pu: n[2], q_to_pu: n[3] };
                case.flows.push(flow);
            }
            "slack" => case.slack_injection_pu = Some([n[0], n[1]]),
            other => panic!("unknown word {other}"),
        }
    }
    case
}

fn bus(kind: &str, n: &[f64], index: usize) -> Bus {
    Bus {
        name: index.to_string(),
        kind: match kind {
            "slack" => BusKind::Slack,
            "pv" => BusKind::Pv,
            "pq" => BusKind::Pq,
            other => panic!("unknown kind {other}"),
        },
        island: IslandIdx(0),
        p_pu: n[0],
        q_pu: n[1],
        q_gen_min_pu: n[2],
        q_gen_max_pu: n[3],
        q_load_pu: n[4],
        g_shunt_pu: n[5],
        b_shunt_pu: n[6],
        vm_pu: n[7],
        va_rad: n[8],
        base_kv: n[9],
    }
}

fn branch(n: &[f64], index: usize) -> Branch {
    Branch {
        name: index.to_string(),
        from: BusIdx(n[0] as u32),
        to: BusIdx(n[1] as u32),
        r_pu: n[2],
        x_pu: n[3],
        g_pu: n[4],
        b_pu: n[5],
        ratio: n[6],
        shift_rad: n[7],
        rate_mva: 0.0,
    }
}
