//! `tieline study powerflow`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use powerflow::{Options, Outcome, QLimit, Reason, Solution, Start};
use serde_json::json;
use topology::calc::BusIdx;

use super::network::StudyNetwork;
use super::phases;
use super::results::{self, State};
use super::table::{Column, Table};
use super::{Findings, Format, LIMITS_VIOLATED, NOT_SOLVED, OutputArgs, positive, say};

/// Rounding beyond a limit that is not called a violation: p.u. for voltages, percent for loadings.
const LIMIT_TOLERANCE: f64 = 1e-9;

/// What a result column means, for `--help`.
const SIGNS: &str = "Columns and signs are those of pandapower: p_mw and q_mvar of a bus are what its loads and \
shunts draw minus what its generators deliver; those of a branch end flow out of the bus into the branch; those of a \
generator are delivered. What is not energised has empty cells.\n\n\
An OpenDSS script is solved conductor by conductor, with the taps and capacitors that its controls move; phase is the \
number of the conductor, and p_kw, q_kvar and i_a of a branch flow into it.\n\n\
Exit code: 0 solved, 1 error, 2 not solved, 3 solved but a voltage or loading is beyond its limit.";

/// Arguments of `tieline study powerflow`.
#[derive(Args, Debug)]
#[command(after_help = SIGNS)]
pub(crate) struct PowerflowArgs {
    /// MATPOWER case `.m`, or OpenDSS script `.dss`; `-` reads a case from standard input.
    file: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
    /// Kind of result. Without it json has all, the other formats have bus.
    #[arg(long, value_enum)]
    result: Option<Kind>,
    /// Hold generators to their reactive limits.
    #[arg(long)]
    enforce_q_limits: bool,
    /// Largest power mismatch that counts as solved, in p.u.
    #[arg(long, default_value = "1e-8", value_parser = positive)]
    tolerance: f64,
    /// Most iterations: 20 Newton steps, with reactive limits per round; 100 for an OpenDSS script.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    max_iterations: Option<u32>,
    /// OpenDSS scripts only: hold taps and capacitors as the script leaves them.
    #[arg(long)]
    no_controls: bool,
    /// Voltages to start from.
    #[arg(long, value_enum, default_value_t = Begin::Case)]
    start: Begin,
    /// Build the calculation model by way of substations with a breaker and a disconnector per bay.
    #[arg(long)]
    breakers: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Kind {
    /// Voltages and powers of the buses.
    Bus,
    /// Flows, losses and loading of the branches.
    Branch,
    /// Output of the generators.
    Generator,
    /// Positions of taps and steps of capacitors of an OpenDSS script.
    Control,
    /// One row per island.
    Summary,
    /// Everything.
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Begin {
    /// 1 p.u. and the angle of the reference.
    Flat,
    /// Vm and Va of the file.
    Case,
}

impl Kind {
    const fn table(self) -> Option<&'static str> {
        match self {
            Self::Bus => Some("bus"),
            Self::Branch => Some("branch"),
            Self::Generator => Some("generator"),
            Self::Control => Some("control"),
            Self::Summary => Some("summary"),
            Self::All => None,
        }
    }
}

pub(super) fn run(args: &PowerflowArgs) -> anyhow::Result<ExitCode> {
    let kind = args.result.unwrap_or(match args.output.format {
        Format::Json => Kind::All,
        Format::Table | Format::Csv | Format::Parquet => Kind::Bus,
    });
    args.output.check(kind == Kind::All)?;
    if phases::is_script(&args.file) {
        return script(args, kind);
    }
    anyhow::ensure!(kind != Kind::Control, "a MATPOWER case has no controls (take another --result)");
    let network = StudyNetwork::read(&args.file, args.breakers)?;
    for loss in &network.losses {
        args.output.note(&loss.to_string());
    }
    let start = match args.start {
        Begin::Flat => Start::Flat,
        Begin::Case => Start::FromGrid,
    };
    let options = Options {
        tolerance_pu: args.tolerance,
        max_iterations: args.max_iterations.unwrap_or(20),
        enforce_q_limits: args.enforce_q_limits,
        start,
    };
    let solution = powerflow::solve(&network.grid, &options);
    let state = State {
        voltages: &solution.voltages,
        flows: &solution.flows,
        p_injection_pu: &solution.p_injection_pu,
        q_injection_pu: &solution.q_injection_pu,
    };
    let violations = violations(&network, &state);
    tell(args, &network, &solution, &violations);
    let islands = islands(&network, &solution);
    let findings = Findings {
        summary: summary(&network, &solution, &violations, &islands)?,
        tables: vec![
            results::buses(&network, &state),
            results::branches(&network, &state),
            results::generators(&network, &solution),
            islands,
        ],
    };
    args.output.write(&findings, kind.table())?;
    let code = if !solved(&solution) {
        NOT_SOLVED
    } else if !violations.is_empty() {
        LIMITS_VIOLATED
    } else {
        0
    };
    Ok(ExitCode::from(code))
}

/// The study of an OpenDSS script.
fn script(args: &PowerflowArgs, kind: Kind) -> anyhow::Result<ExitCode> {
    let balanced = args.enforce_q_limits || args.breakers || args.start == Begin::Flat;
    anyhow::ensure!(
        !balanced,
        "--enforce-q-limits, --breakers and --start are for MATPOWER cases (leave them out)"
    );
    let wanted = phases::Wanted {
        tolerance: args.tolerance,
        max_iterations: args.max_iterations.unwrap_or(100),
        no_controls: args.no_controls,
    };
    phases::run(&args.file, &wanted, &args.output, kind.table())
}

/// Every island, and at least one: nothing to solve is no solution.
fn solved(solution: &Solution) -> bool {
    !solution.islands.is_empty() && solution.converged()
}

/// A figure beyond its limit.
struct Violation {
    element: String,
    quantity: &'static str,
    value: f64,
    limit: f64,
}

fn violations(network: &StudyNetwork, state: &State<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (bus, index) in network.case.buses.iter().zip(&network.map.buses) {
        let Some(index) = index else { continue };
        let value = state.voltages.vm_pu[index.at()];
        let element = format!("bus {}", bus.number);
        // Cases without voltage limits hold zeros.
        if bus.vmax_pu > 0.0 && value > bus.vmax_pu + LIMIT_TOLERANCE {
            found.push(Violation { element, quantity: "vm_pu", value, limit: bus.vmax_pu });
        } else if value < bus.vmin_pu - LIMIT_TOLERANCE {
            found.push(Violation { element, quantity: "vm_pu", value, limit: bus.vmin_pu });
        }
    }
    for (row, name) in network.branch_names.iter().enumerate() {
        let Some((index, _)) = network.branch(row) else { continue };
        let value = results::loading_percent(network, state, index.at());
        if value > 100.0 + LIMIT_TOLERANCE {
            let element = format!("branch {name}");
            found.push(Violation { element, quantity: "loading_percent", value, limit: 100.0 });
        }
    }
    found
}

fn tell(args: &PowerflowArgs, network: &StudyNetwork, solution: &Solution, violations: &[Violation]) {
    if solution.islands.is_empty() {
        say("not solved: no island has a machine that delivers power");
    }
    for (number, outcome) in (1..).zip(&solution.islands) {
        match *outcome {
            Outcome::Converged { iterations, mismatch_pu } => args.output.note(&format!(
                "island {number}: converged in {iterations} iterations, largest mismatch {mismatch_pu:.1e} p.u."
            )),
            Outcome::Stopped { worst, mismatch_pu, iterations } => say(&format!(
                "island {number}: not converged after {iterations} iterations, largest mismatch \
                 {mismatch_pu:.3e} p.u. at {}",
                network.bus_name(worst)
            )),
            Outcome::NotSolvable { reason } => {
                say(&format!("island {number}: not solvable: {}", reason_text(network, reason)));
            }
        }
    }
    for (bus, limit) in &solution.limited {
        let limit = limit_name(*limit);
        args.output.note(&format!("{}: held at the {limit} reactive limit", network.bus_name(*bus)));
    }
    for violation in violations {
        let Violation { element, quantity, value, limit } = violation;
        args.output.note(&format!("limit violated: {element}: {quantity} {value:.4}, limit {limit}"));
    }
}

const fn limit_name(limit: QLimit) -> &'static str {
    match limit {
        QLimit::Lower => "lower",
        QLimit::Upper => "upper",
    }
}

fn reason_text(network: &StudyNetwork, reason: Reason) -> String {
    match reason {
        Reason::NoSlack => "no reference bus".to_owned(),
        Reason::SecondSlack(bus) => format!("{} is a second reference", network.bus_name(bus)),
        Reason::BadBus(bus) => {
            format!(
                "{} has unusable data (look at its set points and reactive limits)",
                network.bus_name(bus)
            )
        }
        Reason::BadBranch(branch) => format!("{} has unusable data", network.branch_name(branch)),
        Reason::Singular(bus) => format!("the equations are singular at {}", network.bus_name(bus)),
        Reason::LimitsCycle(bus) => {
            format!("generators keep moving between limit and set point, last at {}", network.bus_name(bus))
        }
    }
}

/// State of an island in words, with its figures.
struct Told {
    state: &'static str,
    iterations: Option<i64>,
    mismatch_pu: f64,
    worst: Option<BusIdx>,
}

fn told(outcome: &Outcome) -> Told {
    match *outcome {
        Outcome::Converged { iterations, mismatch_pu } => {
            Told { state: "converged", iterations: Some(iterations.into()), mismatch_pu, worst: None }
        }
        Outcome::Stopped { worst, mismatch_pu, iterations } => Told {
            state: "not_converged",
            iterations: Some(iterations.into()),
            mismatch_pu,
            worst: Some(worst),
        },
        Outcome::NotSolvable { .. } => {
            Told { state: "not_solvable", iterations: None, mismatch_pu: f64::NAN, worst: None }
        }
    }
}

/// One row per island: how it was solved, and its balance: generation = load + shunts + losses.
fn islands(network: &StudyNetwork, solution: &Solution) -> Table {
    let grid = &network.grid;
    let count = solution.islands.len();
    let (mut buses, mut sums) = (vec![0_i64; count], vec![[0.0; 4]; count]);
    for (at, bus) in grid.buses.iter().enumerate() {
        let island = bus.island.at();
        let index = u32::try_from(at).ok().map(BusIdx);
        let load =
            index.and_then(|index| network.row_of(index)).map_or(0.0, |row| network.case.buses[row].pd_mw);
        let shunt = bus.g_shunt_pu * solution.voltages.vm_pu[at].powi(2) * grid.base_mva;
        let generation = solution.p_injection_pu[at] * grid.base_mva + load;
        buses[island] += 1;
        let parts = [generation, load, shunt, 0.0];
        sums[island].iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
    }
    for (branch, flow) in grid.branches.iter().zip(&solution.flows) {
        let island = grid.buses[branch.from.at()].island.at();
        sums[island][3] += (flow.p_from_pu + flow.p_to_pu) * grid.base_mva;
    }
    let told: Vec<Told> = solution.islands.iter().map(told).collect();
    let sum = |at: usize| sums.iter().map(move |sums| sums[at]);
    Table {
        kind: "summary",
        columns: vec![
            Column::integers("island", (1..).zip(&told).map(|(number, _)| Some(number))),
            Column::integers("buses", buses.into_iter().map(Some)),
            Column::texts("state", told.iter().map(|told| Some(told.state.to_owned()))),
            Column::integers("iterations", told.iter().map(|told| told.iterations)),
            Column::numbers("mismatch_pu", told.iter().map(|told| told.mismatch_pu)),
            Column::texts("worst", told.iter().map(|told| told.worst.map(|bus| network.bus_name(bus)))),
            Column::numbers("generation_mw", sum(0)),
            Column::numbers("load_mw", sum(1)),
            Column::numbers("shunt_mw", sum(2)),
            Column::numbers("loss_mw", sum(3)),
        ],
    }
}

fn summary(
    network: &StudyNetwork,
    solution: &Solution,
    violations: &[Violation],
    islands: &Table,
) -> anyhow::Result<serde_json::Value> {
    let limited = solution
        .limited
        .iter()
        .map(|(bus, limit)| json!({ "element": network.bus_name(*bus), "limit": limit_name(*limit) }));
    let violations = violations.iter().map(|violation| {
        let Violation { element, quantity, value, limit } = violation;
        json!({ "element": element, "quantity": quantity, "value": value, "limit": limit })
    });
    Ok(json!({
        "study": "powerflow",
        "network": network.case.name,
        "base_mva": network.grid.base_mva,
        "converged": solved(solution),
        "islands": serde_json::to_value(islands)?,
        "q_limited": limited.collect::<Vec<_>>(),
        "violations": violations.collect::<Vec<_>>(),
        "losses_of_import": network.losses.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
}
