//! Reader of the neutral case files in `tests/cases`, made by `interop/powerflow_cases.py`.
#![allow(clippy::unwrap_used, dead_code)]

use std::path::Path;

use topology::calc::{Branch, BranchFlow, Bus, BusIdx, BusKind, Grid, IslandIdx};

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
