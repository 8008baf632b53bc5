//! `tieline bench powerflow-batch --unbalanced`: many load scenarios on a network modelled conductor by conductor.
//!
//! The network is an OpenDSS script, or a MATPOWER case whose buses get three phases: lines are transposed with a
//! zero-sequence impedance of [`ZERO_SEQUENCE`] times the positive one, and each phase of a load has a factor of its own.

use std::path::Path;

use ::powerflow::phases::batch::{PhaseBatch, PhaseScenarios};
use ::powerflow::phases::{PhaseOptions, PhaseOutcome};
use anyhow::Context as _;
use model::busbranch::{BusBranchCase, CaseBusType};
use model::distribution as dist;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use topology::phases::{self, GROUND, Owner, PhaseGrid, ShuntBranch};

use super::kept::{Kept, MOST_SAMPLES};
use super::measure;
use super::{BenchArgs, Report};
use crate::files;

/// Zero-sequence impedance of a line over its positive one.
const ZERO_SEQUENCE: f64 = 4.0;
/// Reactance of the source in p.u.: none that shows in a result.
const SOURCE_X_PU: f64 = 1e-10;
/// A load of a case is constant power at any voltage that occurs.
const RANGE: dist::VoltageRange = dist::VoltageRange { low_pu: 0.1, min_pu: 0.2, max_pu: 2.0 };

/// Many scenarios; all voltages are kept.
pub(super) fn batch(args: &BenchArgs) -> anyhow::Result<Report> {
    let network = read(&args.network)?;
    let grid = phases::build(&network)
        .map_err(|fault| anyhow::anyhow!("{}: {fault}", files::shown(&args.network)))?;
    let scenarios = PhaseLoads::draw(&grid, args.scenarios, (args.spread, args.seed));
    let options = PhaseOptions { tolerance_pu: 1e-8, ..PhaseOptions::default() };
    let (nodes, buses) = (grid.nodes.len(), grid.buses.len());
    let mut batch = None;
    let setup = measure::time(|| batch = Some(PhaseBatch::new(grid.clone(), options)));
    let batch = batch.context("no batch")?.map_err(|base| {
        let unsolved = base.outcomes.iter().find(|outcome| !matches!(outcome, PhaseOutcome::Solved { .. }));
        anyhow::anyhow!("the base case is not solved: {unsolved:?}")
    })?;
    let mut kept = Kept::new((nodes, batch.block()), args.scenarios, args.threads, || batch.worker());
    let spent = measure::median_of(args.runs, || {
        kept.solve(|worker, rows| {
            let solved = batch.solve(worker, rows.range(), &scenarios, rows.voltages);
            for (steps, solved) in rows.steps.iter_mut().zip(solved) {
                *steps = solved.solved.then_some(solved.iterations);
            }
        });
    });
    if let Some(path) = &args.sample {
        write_sample(path, &grid, &scenarios, &kept)?;
    }
    let more = json!({
        "nodes": nodes,
        "tolerance_pu": options.tolerance_pu,
        "spread": args.spread,
        "seed": args.seed,
        "iterations_mean": kept.mean_steps(),
        "setup_cpu_us": setup.cpu_us,
    });
    let (items, threads, lanes) = (args.scenarios, args.threads, batch.block());
    Ok(Report { buses, items, converged: kept.solved(), threads, lanes, spent: spent.per(items), more })
}

/// What the loads draw in all scenarios. INVARIANT: `count · branches` numbers each.
struct PhaseLoads {
    branches: usize,
    p_w: Vec<f64>,
    q_var: Vec<f64>,
}

impl PhaseLoads {
    /// One factor per load and scenario; its phases share it.
    fn draw(grid: &PhaseGrid, count: usize, (spread, seed): (f64, u64)) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let loads = grid.branches.iter().map(|branch| match branch.owner {
            Owner::Load(load) => load as usize + 1,
            Owner::Converter(_) => 0,
        });
        let loads: Vec<usize> = loads.collect();
        let most = loads.iter().copied().max().unwrap_or(0);
        let powers: Vec<_> = grid.branches.iter().map(ShuntBranch::power_va).collect();
        let mut factors = vec![1.0; most + 1];
        let (mut p_w, mut q_var) = (Vec::new(), Vec::new());
        for _ in 0..count {
            // The first is for what is no load.
            factors[1..]
                .iter_mut()
                .for_each(|factor| *factor = 1.0 + spread * random.random_range(-1.0..=1.0));
            for (power, &load) in powers.iter().zip(&loads) {
                p_w.push(power.re * factors[load]);
                q_var.push(power.im * factors[load]);
            }
        }
        Self { branches: powers.len(), p_w, q_var }
    }
}

impl PhaseScenarios for PhaseLoads {
    fn powers<'a>(&'a self, scenario: usize, _: [&'a mut [f64]; 2]) -> [&'a [f64]; 2] {
        let row = scenario * self.branches..(scenario + 1) * self.branches;
        [&self.p_w[row.clone()], &self.q_var[row]]
    }
}

fn read(file: &Path) -> anyhow::Result<dist::DistributionNetwork> {
    if files::is_script(file) {
        return Ok(files::script(file)?.0.network);
    }
    let (case, _) = files::case(file)?;
    three_phases(&case).with_context(|| files::shown(file))
}

/// A case whose buses have three phases.
fn three_phases(case: &BusBranchCase) -> anyhow::Result<dist::DistributionNetwork> {
    let mut place = std::collections::HashMap::new();
    let mut network =
        dist::DistributionNetwork { frequency_hz: 50.0, ..dist::DistributionNetwork::default() };
    for (at, bus) in (0_u32..).zip(&case.buses) {
        place.insert(bus.number, (dist::NodeIdx(at), bus.base_kv));
        let nominal_kv = Some(bus.base_kv);
        network.nodes.push(dist::ConnectivityNode { name: bus.number.to_string(), nominal_kv });
        if bus.kind == CaseBusType::Reference {
            network.sources.push(source(case, bus, dist::NodeIdx(at)));
        }
        for phase in 1..=3 {
            if (bus.pd_mw, bus.qd_mvar) != (0.0, 0.0) {
                network.loads.push(load(bus, dist::NodeIdx(at), phase));
            }
        }
    }
    for (row, branch) in (1..).zip(&case.branches) {
        let ends = [branch.from, branch.to].map(|number| place.get(&number).copied());
        let [Some((from, kv)), Some((to, _))] = ends else { continue };
        if (branch.ratio != 0.0 && branch.ratio != 1.0) || branch.shift_degree != 0.0 {
            anyhow::bail!(
                "branch {row} is a transformer (--unbalanced takes lines only, or an OpenDSS script)"
            );
        }
        let z_base = kv * kv / case.base_mva;
        let z1 = [branch.r_pu * z_base, branch.x_pu * z_base];
        network.lines.push(dist::AcLineSegment {
            name: format!("line{row}"),
            terminals: [terminal(from, &[1, 2, 3]), terminal(to, &[1, 2, 3])],
            impedance: dist::LineImpedance::Sequence {
                z1_ohm: z1,
                z0_ohm: z1.map(|part| ZERO_SEQUENCE * part),
                b_s: [branch.b_pu / z_base; 2],
            },
            rated_a: None,
            switch: false,
            open: Vec::new(),
            in_service: branch.in_service,
        });
    }
    Ok(network)
}

fn terminal(node: dist::NodeIdx, conductors: &[u8]) -> dist::Terminal {
    dist::Terminal { node, conductors: conductors.iter().map(|&number| dist::Conductor(number)).collect() }
}

fn source(case: &BusBranchCase, bus: &model::busbranch::CaseBus, node: dist::NodeIdx) -> dist::EnergySource {
    let machine = case.generators.iter().find(|machine| machine.bus == bus.number);
    let x = [0.0, SOURCE_X_PU * bus.base_kv * bus.base_kv / case.base_mva];
    dist::EnergySource {
        name: format!("source{}", bus.number),
        terminal: terminal(node, &[1, 2, 3]),
        neutral: terminal(node, &[0, 0, 0]),
        nominal_kv: bus.base_kv,
        voltage_pu: machine.map_or(1.0, |machine| machine.vg_pu),
        angle_degree: bus.va_degree,
        impedance: dist::SourceImpedance { z1_ohm: x, z0_ohm: x },
        in_service: true,
    }
}

fn load(bus: &model::busbranch::CaseBus, node: dist::NodeIdx, phase: u8) -> dist::EnergyConsumer {
    dist::EnergyConsumer {
        name: format!("load{}.{phase}", bus.number),
        terminal: terminal(node, &[phase, 0]),
        phases: 1,
        connection: dist::ShuntConnection::Wye,
        nominal_kv: bus.base_kv / 3.0_f64.sqrt(),
        p_kw: bus.pd_mw * 1e3 / 3.0,
        q_kvar: bus.qd_mvar * 1e3 / 3.0,
        response: dist::LoadResponse::ConstantPower,
        range: RANGE,
        grounding_ohm: None,
        in_service: true,
    }
}

/// What is drawn and the voltage to ground at every node in some scenarios, to the last digit.
fn write_sample<W: Send>(
    path: &Path,
    grid: &PhaseGrid,
    scenarios: &PhaseLoads,
    kept: &Kept<W>,
) -> anyhow::Result<()> {
    let mut text = "scenario,bus,conductor,p_w,q_var,e_v,f_v\n".to_owned();
    let (m, count) = (scenarios.branches, kept.count());
    for at in (0..count).step_by(count.div_ceil(MOST_SAMPLES).max(1)) {
        let mut drawn = vec![[0.0; 2]; grid.nodes.len()];
        for (branch, power) in grid.branches.iter().enumerate() {
            if power.from != GROUND {
                let sum = &mut drawn[power.from as usize];
                *sum = [sum[0] + scenarios.p_w[at * m + branch], sum[1] + scenarios.q_var[at * m + branch]];
            }
        }
        for ((node, [p, q]), [e, f]) in grid.nodes.iter().zip(drawn).zip(kept.of(at)) {
            let bus = &grid.buses[node.bus as usize].name;
            text += &format!("{at},{bus},{},{p:?},{q:?},{e:?},{f:?}\n", node.conductor);
        }
    }
    files::write(Some(path), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three equal phases are what one phase is.
    #[test]
    fn a_balanced_case_has_the_voltages_of_the_balanced_power_flow() {
        let text = "function mpc = f\nmpc.version = '2';\nmpc.baseMVA = 1;\nmpc.bus = [\n\
                    1 3 0 0 0 0 1 1 0 10 1 1.1 0.9;\n2 1 0.4 0.1 0 0 1 1 0 10 1 1.1 0.9;\n\
                    3 1 0.3 0.2 0 0 1 1 0 10 1 1.1 0.9;\n];\n\
                    mpc.gen = [\n1 0 0 9 -9 1.02 1 1 9 0 0 0 0 0 0 0 0 0 0 0 0;\n];\n\
                    mpc.branch = [\n1 2 0.03 0.02 0 0 0 0 0 0 1 -360 360;\n2 3 0.02 0.03 0 0 0 0 0 0 1 -360 360;\n];\n";
        let (case, _) = exchange::matpower::read(text.as_bytes()).expect("readable");
        let balanced = ::powerflow::solve(
            &topology::from_case(&case).expect("sound").grid,
            &::powerflow::Options::default(),
        );
        let grid = phases::build(&three_phases(&case).expect("lines only")).expect("sound");
        let batch = PhaseBatch::new(grid.clone(), PhaseOptions::default()).expect("solved");
        let scenarios = PhaseLoads::draw(&grid, 3, (0.0, 1));
        let mut voltages_v = vec![[0.0; 2]; 3 * grid.nodes.len()];
        let solved = batch.solve(&mut batch.worker(), 0..3, &scenarios, &mut voltages_v);
        assert!(solved[..3].iter().all(|solved| solved.solved));
        for row in voltages_v.chunks_exact(grid.nodes.len()) {
            for (node, [e, f]) in grid.nodes.iter().zip(row) {
                let vm_pu = e.hypot(*f) / (10e3 / 3.0_f64.sqrt());
                let off = vm_pu - balanced.voltages.vm_pu[node.bus as usize];
                assert!(off.abs() < 1e-7, "bus {}: off by {off:e}", node.bus);
            }
        }
    }
}
