//! `tieline study powerflow`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use powerflow::{Doubt, Effort, Method, Options, Outcome, QLimit, Reason, Solution, Start, Variant, Way};
use serde_json::json;
use topology::calc::BusIdx;

use super::network::StudyNetwork;
use super::phases;
use super::results::{self, State};
use super::series::{self, PROFILES, SeriesArgs};
use super::slack::{self, SlackShare};
use super::table::{Column, Table};
use super::{Findings, Format, LIMITS_VIOLATED, NOT_SOLVED, OutputArgs, positive, say};
use crate::files;

/// Rounding beyond a limit that is not called a violation: p.u. for voltages, percent for loadings.
pub(super) const LIMIT_TOLERANCE: f64 = 1e-9;

/// What a result column means, for `--help`.
const SIGNS: &str = "Columns and signs are those of pandapower: p_mw and q_mvar of a bus are what its loads and \
shunts draw minus what its generators deliver; those of a branch end flow out of the bus into the branch; those of a \
generator are delivered. What is not energised has empty cells.\n\n\
An OpenDSS script is solved conductor by conductor, with the taps and capacitors that its controls move; phase is the \
number of the conductor, and p_kw, q_kvar and i_a of a branch flow into it.\n\n\
Exit code: 0 solved, 1 error, 2 not solved, 3 solved but a voltage or loading is beyond its limit.";

/// Arguments of `tieline study powerflow`.
#[derive(Args, Debug)]
#[command(after_help = SIGNS, after_long_help = format!("{SIGNS}\n\n{PROFILES}\n\n{}", phases::PROFILES))]
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
    /// Most steps; with reactive limits, per round. Without it 20, for decoupled and OpenDSS scripts 100, for
    /// fixed-point 1000.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_iterations: Option<u32>,
    /// How the equations are solved.
    #[arg(long, value_enum, default_value_t = By::Newton)]
    method: By,
    /// Who delivers what is missing beyond the schedule.
    #[arg(long, value_enum, default_value_t = SlackShare::Reference)]
    slack_share: SlackShare,
    /// Nothing but the method from the start asked for: no DC start, step control or continuation when it stops.
    #[arg(long)]
    plain: bool,
    /// OpenDSS scripts only: hold taps and capacitors as the script leaves them.
    #[arg(long)]
    no_controls: bool,
    /// Voltages to start from.
    #[arg(long, value_enum, default_value_t = Begin::Case)]
    start: Begin,
    /// Build the calculation model by way of substations with a breaker and a disconnector per bay.
    #[arg(long)]
    breakers: bool,
    #[command(flatten)]
    series: SeriesArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Kind {
    /// Voltages and powers of the buses.
    Bus,
    /// Flows, losses and loading of the branches.
    Branch,
    /// Output of the generators.
    Generator,
    /// Powers and voltages at both ends of the DC lines.
    DcLine,
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
    /// Angles of the DC power flow, 1 p.u.
    Dc,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum By {
    /// Newton's method on powers in polar coordinates.
    Newton,
    /// Fast decoupled, resistances left out of B' (XB).
    Decoupled,
    /// Fast decoupled, resistances left out of B'' (BX).
    DecoupledBx,
    /// Newton's method on currents in rectangular coordinates.
    Current,
    /// Fixed point on the factorised admittance matrix.
    FixedPoint,
    /// Angles and active power alone, without losses.
    Dc,
}

impl By {
    const fn method(self) -> Method {
        match self {
            Self::Newton => Method::Newton,
            Self::Decoupled => Method::Decoupled(Variant::Xb),
            Self::DecoupledBx => Method::Decoupled(Variant::Bx),
            Self::Current => Method::CurrentInjection,
            Self::FixedPoint => Method::FixedPoint,
            Self::Dc => Method::Dc,
        }
    }

    const fn most_iterations(self) -> u32 {
        match self {
            Self::Newton | Self::Current | Self::Dc => 20,
            Self::Decoupled | Self::DecoupledBx => 100,
            Self::FixedPoint => 1000,
        }
    }
}

impl Kind {
    const fn table(self) -> Option<&'static str> {
        match self {
            Self::Bus => Some("bus"),
            Self::Branch => Some("branch"),
            Self::Generator => Some("generator"),
            Self::DcLine => Some("dc_line"),
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
    if files::is_script(&args.file) {
        return script(args, kind);
    }
    if args.series.profiles.is_none() {
        args.series.check_single()?;
        args.output.check(kind == Kind::All)?;
    }
    anyhow::ensure!(kind != Kind::Control, "a MATPOWER case has no controls (take another --result)");
    let network = StudyNetwork::read(&args.file, args.breakers)?;
    for loss in &network.losses {
        args.output.note(&loss.to_string());
    }
    let options = options(args);
    if let Some(profiles) = &args.series.profiles {
        return series::run(&args.series, (&network, profiles), options, &args.output);
    }
    let (solution, notes) = slack::solve(&network, args.slack_share, &options);
    for note in &notes {
        say(note);
    }
    let state = State {
        voltages: &solution.voltages,
        flows: &solution.flows,
        p_injection_pu: &solution.p_injection_pu,
        q_injection_pu: &solution.q_injection_pu,
    };
    let violations = violations(&network, &state);
    tell(args, &network, &solution, &violations);
    let islands = islands(&network, &solution);
    let weights = slack::weights(&network, args.slack_share);
    let delivered = results::delivered(&network, &solution, &weights);
    let findings = Findings {
        summary: summary(&network, &solution, &violations, &islands)?,
        tables: vec![
            results::buses(&network, &state),
            results::branches(&network, &state),
            results::generators(&network, &delivered, &solution.voltages),
            results::dc_lines(&network, &delivered, &solution.voltages),
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

/// What the options of the command line mean to the solver.
fn options(args: &PowerflowArgs) -> Options {
    let start = match args.start {
        Begin::Flat => Start::Flat,
        Begin::Case => Start::FromGrid,
        Begin::Dc => Start::Dc,
    };
    Options {
        tolerance_pu: args.tolerance,
        max_iterations: args.max_iterations.unwrap_or(args.method.most_iterations()),
        enforce_q_limits: args.enforce_q_limits,
        start,
        method: args.method.method(),
        rescue: !args.plain,
    }
}

/// The study of an OpenDSS script.
fn script(args: &PowerflowArgs, kind: Kind) -> anyhow::Result<ExitCode> {
    let balanced = args.enforce_q_limits
        || args.breakers
        || args.start != Begin::Case
        || args.slack_share != SlackShare::Reference
        || kind == Kind::DcLine;
    anyhow::ensure!(
        !balanced,
        "--enforce-q-limits, --breakers, --start, --slack-share and dc lines are for MATPOWER cases (leave them out)"
    );
    let fixed_point = match args.method {
        By::Newton => args.plain,
        By::FixedPoint => true,
        By::Current | By::Decoupled | By::DecoupledBx | By::Dc => anyhow::bail!(
            "an OpenDSS script is solved by the fixed point, and by Newton where that does not settle \
             (give --method fixed-point, or none)"
        ),
    };
    let wanted = phases::Wanted {
        tolerance: args.tolerance,
        max_iterations: args.max_iterations.unwrap_or(100),
        fixed_point,
        no_controls: args.no_controls,
    };
    let results =
        phases::Results { kind: kind.table(), kind_given: args.result.is_some(), series: &args.series };
    phases::run(&args.file, &wanted, &args.output, results)
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
    for (number, effort) in (1..).zip(&solution.efforts) {
        if effort.way != Way::Plain && effort.reached.is_none() {
            args.output
                .note(&format!("island {number}: the method stopped; solved by {}", way_name(effort.way)));
        }
        for text in [diagnosis(network, effort), doubt(network, effort)].into_iter().flatten() {
            say(&format!("island {number}: {text}"));
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

const fn way_name(way: Way) -> &'static str {
    match way {
        Way::Plain => "plain",
        Way::DcStart => "dc_start",
        Way::StepControl => "step_control",
        Way::Continuation => "continuation",
    }
}

/// How much of the injections the island can bear, and where it gives way.
fn diagnosis(network: &StudyNetwork, effort: &Effort) -> Option<String> {
    let (share, bus) = effort.reached?;
    if share == 0.0 {
        let name = network.bus_name(bus);
        return Some(format!("no solution found even without load, the largest mismatch is at {name}"));
    }
    let percent = 100.0 * share;
    Some(format!(
        "no solution beyond {percent:.1} % of all injections, where the voltage of {} gives way",
        network.bus_name(bus)
    ))
}

/// What speaks against a solution.
fn doubt(network: &StudyNetwork, effort: &Effort) -> Option<String> {
    Some(match effort.doubt? {
        Doubt::LowVoltage(bus, vm_pu) => {
            let name = network.bus_name(bus);
            format!("{name} has {vm_pu:.3} p.u.: a solution of the equations, but hardly a state of the grid")
        }
        Doubt::WideAngle(branch) => {
            let name = network.branch_name(branch);
            format!(
                "more than 90 degrees across {name}: a solution of the equations, but hardly a state of the grid"
            )
        }
    })
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

/// One row per island: how it was solved, and its balance: generation + dc lines = load + shunts + losses.
fn islands(network: &StudyNetwork, solution: &Solution) -> Table {
    let grid = &network.grid;
    let count = solution.islands.len();
    let (mut buses, mut sums) = (vec![0_i64; count], vec![[0.0; 5]; count]);
    for (at, bus) in grid.buses.iter().enumerate() {
        let island = bus.island.at();
        let index = u32::try_from(at).ok().map(BusIdx);
        let load =
            index.and_then(|index| network.row_of(index)).map_or(0.0, |row| network.case.buses[row].pd_mw);
        let shunt = bus.g_shunt_pu * solution.voltages.vm_pu[at].powi(2) * grid.base_mva;
        let generation = solution.p_injection_pu[at] * grid.base_mva + load;
        buses[island] += 1;
        let parts = [generation, load, shunt, 0.0, 0.0];
        sums[island].iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
    }
    for (branch, flow) in grid.branches.iter().zip(&solution.flows) {
        let island = grid.buses[branch.from.at()].island.at();
        sums[island][3] += (flow.p_from_pu + flow.p_to_pu) * grid.base_mva;
    }
    for (line, ends) in network.case.dc_lines.iter().zip(&network.map.dc_lines) {
        let Some([from, to]) = ends else { continue };
        for (end, delivered_mw) in [(from, -line.pf_mw), (to, line.pt_mw())] {
            let island = grid.buses[end.at()].island.at();
            sums[island][0] -= delivered_mw;
            sums[island][4] += delivered_mw;
        }
    }
    let way = solution.islands.iter().zip(&solution.efforts).map(|(outcome, effort)| {
        matches!(outcome, Outcome::Converged { .. }).then(|| way_name(effort.way).to_owned())
    });
    let bearable =
        solution.efforts.iter().map(|effort| effort.reached.map_or(f64::NAN, |(share, _)| 100.0 * share));
    let remarks = solution.islands.iter().zip(&solution.efforts).map(|(outcome, effort)| {
        let refused = match outcome {
            Outcome::NotSolvable { reason } => Some(reason_text(network, *reason)),
            Outcome::Converged { .. } | Outcome::Stopped { .. } => None,
        };
        diagnosis(network, effort).or(doubt(network, effort)).or(refused)
    });
    let told: Vec<Told> = solution.islands.iter().map(told).collect();
    let sum = |at: usize| sums.iter().map(move |sums| sums[at]);
    Table {
        kind: "summary",
        columns: vec![
            Column::integers("island", (1..).zip(&told).map(|(number, _)| Some(number))),
            Column::integers("buses", buses.into_iter().map(Some)),
            Column::texts("state", told.iter().map(|told| Some(told.state.to_owned()))),
            Column::integers("iterations", told.iter().map(|told| told.iterations)),
            Column::texts("way", way),
            Column::texts("diagnosis", remarks),
            Column::numbers("bearable_percent", bearable),
            Column::numbers("mismatch_pu", told.iter().map(|told| told.mismatch_pu)),
            Column::texts("worst", told.iter().map(|told| told.worst.map(|bus| network.bus_name(bus)))),
            Column::numbers("generation_mw", sum(0)),
            Column::numbers("dc_line_mw", sum(4)),
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
