//! `tieline study estimate`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use estimation::{Checked, End, Estimate, Measurement, Options, Outcome, Solver, Start, Verdict};
use exchange::measurements_csv::{self, BranchEnd, MeasuredQuantity, StudyMeasurement};
use serde_json::json;
use topology::calc::BusIdx;

use super::network::StudyNetwork;
use super::results::{self, State};
use super::table::{Column, Table};
use super::{Findings, Format, NOT_SOLVED, OutputArgs, positive, say};
use crate::files;

/// What a result column means, for `--help`.
const SIGNS: &str = "Columns and signs are those of pandapower: p_mw and q_mvar of a bus are what its loads and \
shunts draw minus what its generators deliver; those of a branch end flow out of the bus into the branch. Measured \
injections are generation minus load. What is not observable has empty cells.\n\n\
Exit code: 0 estimated, 1 error, 2 an island is not estimated.";

/// Arguments of `tieline study estimate`.
#[derive(Args, Debug)]
#[command(after_help = SIGNS)]
pub(crate) struct EstimateArgs {
    /// MATPOWER case `.m`; `-` reads standard input.
    file: PathBuf,
    /// Measurements as CSV with the columns type,element,end,value,sigma.
    measurements: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
    /// Kind of result. Without it json has all, the other formats have bus.
    #[arg(long, value_enum)]
    result: Option<Kind>,
    /// Most measurements that are removed as bad, per island.
    #[arg(long, default_value_t = Options::default().max_removals)]
    max_removals: u32,
    /// Normalised residual above which a measurement is bad.
    #[arg(long, default_value_t = Options::default().residual_threshold, value_parser = positive)]
    threshold: f64,
    /// Largest change of the state that counts as settled, in p.u. and radians.
    #[arg(long, default_value = "1e-8", value_parser = positive)]
    tolerance: f64,
    /// Most steps per estimate.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    max_iterations: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Kind {
    /// Voltages and powers of the buses.
    Bus,
    /// Flows, losses and loading of the branches.
    Branch,
    /// Measured and estimated values with their residuals.
    Measurement,
    /// One row per island.
    Summary,
    /// Everything.
    All,
}

impl Kind {
    const fn table(self) -> Option<&'static str> {
        match self {
            Self::Bus => Some("bus"),
            Self::Branch => Some("branch"),
            Self::Measurement => Some("measurement"),
            Self::Summary => Some("summary"),
            Self::All => None,
        }
    }
}

pub(super) fn run(args: &EstimateArgs) -> anyhow::Result<ExitCode> {
    let kind = args.result.unwrap_or(match args.output.format {
        Format::Json => Kind::All,
        Format::Table | Format::Csv | Format::Parquet => Kind::Bus,
    });
    args.output.check(kind == Kind::All)?;
    let network = StudyNetwork::read(&args.file, false)?;
    let bytes = files::read(&args.measurements)?;
    let measured = measurements_csv::read(&bytes, &network.case)
        .map_err(|error| files::at(&args.measurements, &error))?;
    for loss in &network.losses {
        args.output.note(&loss.to_string());
    }
    let options = Options {
        tolerance: args.tolerance,
        max_iterations: args.max_iterations,
        residual_threshold: args.threshold,
        max_removals: args.max_removals,
        start: Start::Flat,
        ..Options::default()
    };
    let given = measurements(&network, &measured);
    let estimate = Solver::new().estimate(&network.grid, &given, &zero_injections(&network), &options);
    let judged = judged(&measured, &estimate);
    tell(args, &network, &Told { judged: &judged, estimate: &estimate, options: &options });
    let state = State {
        voltages: &estimate.voltages,
        flows: &estimate.flows,
        p_injection_pu: &estimate.p_injection_pu,
        q_injection_pu: &estimate.q_injection_pu,
    };
    let islands = islands(&network, &estimate);
    let findings = Findings {
        summary: summary(&network, &judged, &estimate, &islands)?,
        tables: vec![
            results::buses(&network, &state),
            results::branches(&network, &state),
            residuals(&network, &judged),
            islands,
        ],
    };
    args.output.write(&findings, kind.table())?;
    Ok(ExitCode::from(if estimated(&estimate) { 0 } else { NOT_SOLVED }))
}

/// Every island, and at least one.
fn estimated(estimate: &Estimate) -> bool {
    let has_state = |outcome: &Outcome| matches!(outcome, Outcome::Estimated { .. });
    !estimate.islands.is_empty() && estimate.islands.iter().all(has_state)
}

/// Measurements in the words of the estimator; the id is the place in `measured`. What is measured on something
/// dead is left out.
fn measurements(network: &StudyNetwork, measured: &[StudyMeasurement]) -> Vec<Measurement> {
    let base = network.grid.base_mva;
    let bus = |row: usize| network.map.buses.get(row).copied().flatten();
    let branch = |row: usize| network.branch(row).map(|(index, _)| index);
    let found = (0_u32..).zip(measured).filter_map(|(id, measurement)| {
        let kind = match measurement.quantity {
            MeasuredQuantity::Voltage(row) => estimation::Kind::Vm(bus(row)?),
            MeasuredQuantity::ActiveInjection(row) => estimation::Kind::PInjection(bus(row)?),
            MeasuredQuantity::ReactiveInjection(row) => estimation::Kind::QInjection(bus(row)?),
            MeasuredQuantity::ActiveFlow(row, end) => estimation::Kind::PFlow(branch(row)?, end_of(end)),
            MeasuredQuantity::ReactiveFlow(row, end) => estimation::Kind::QFlow(branch(row)?, end_of(end)),
        };
        let unit = unit(measurement.quantity, base);
        Some(Measurement { kind, value: measurement.value / unit, sigma: measurement.sigma / unit, id })
    });
    found.collect()
}

const fn end_of(end: BranchEnd) -> End {
    match end {
        BranchEnd::From => End::From,
        BranchEnd::To => End::To,
    }
}

/// One unit of the file in the unit of the estimator, the other way round.
const fn unit(quantity: MeasuredQuantity, base_mva: f64) -> f64 {
    match quantity {
        MeasuredQuantity::Voltage(_) => 1.0,
        MeasuredQuantity::ActiveInjection(_)
        | MeasuredQuantity::ReactiveInjection(_)
        | MeasuredQuantity::ActiveFlow(..)
        | MeasuredQuantity::ReactiveFlow(..) => base_mva,
    }
}

/// Buses with neither load nor generator: their injection is zero exactly.
fn zero_injections(network: &StudyNetwork) -> Vec<BusIdx> {
    let mut zero: Vec<BusIdx> = network
        .case
        .buses
        .iter()
        .zip(&network.map.buses)
        .filter(|(bus, _)| bus.pd_mw == 0.0 && bus.qd_mvar == 0.0)
        .filter_map(|(_, index)| *index)
        .collect();
    zero.retain(|bus| !network.map.generators.contains(&Some(*bus)));
    zero
}

/// A measurement of the file with what the estimate says of it; `None` if it was measured on something dead.
type Judged<'a> = (&'a StudyMeasurement, Option<&'a Checked>);

fn judged<'a>(measured: &'a [StudyMeasurement], estimate: &'a Estimate) -> Vec<Judged<'a>> {
    let mut judged: Vec<Judged<'a>> = measured.iter().map(|measurement| (measurement, None)).collect();
    for checked in &estimate.measurements {
        if let Some(place) = usize::try_from(checked.id).ok().and_then(|at| judged.get_mut(at)) {
            place.1 = Some(checked);
        }
    }
    judged
}

/// What a column of the residual table says of a measurement.
const fn verdict(checked: Option<&Checked>) -> &'static str {
    match checked {
        None => "not_energised",
        Some(checked) => match (checked.verdict, checked.normalised_residual) {
            (Verdict::Used, Some(_)) => "used",
            (Verdict::Used, None) => "critical",
            (Verdict::Removed(_), _) => "removed",
            (Verdict::NotObservable, _) => "not_observable",
            (Verdict::Rejected, _) => "rejected",
        },
    }
}

/// Quantity in the names of result columns; injections are positive into the bus.
const fn quantity(quantity: MeasuredQuantity) -> &'static str {
    match quantity {
        MeasuredQuantity::Voltage(_) => "vm_pu",
        MeasuredQuantity::ActiveInjection(_) => "p_injection_mw",
        MeasuredQuantity::ReactiveInjection(_) => "q_injection_mvar",
        MeasuredQuantity::ActiveFlow(_, BranchEnd::From) => "p_from_mw",
        MeasuredQuantity::ActiveFlow(_, BranchEnd::To) => "p_to_mw",
        MeasuredQuantity::ReactiveFlow(_, BranchEnd::From) => "q_from_mvar",
        MeasuredQuantity::ReactiveFlow(_, BranchEnd::To) => "q_to_mvar",
    }
}

/// Measured against estimated.
fn residuals(network: &StudyNetwork, judged: &[Judged<'_>]) -> Table {
    let base = network.grid.base_mva;
    let estimated = judged.iter().map(|(measurement, checked)| {
        checked.map_or(f64::NAN, |checked| checked.estimated * unit(measurement.quantity, base))
    });
    let residual = judged.iter().map(|(_, checked)| checked.and_then(|checked| checked.normalised_residual));
    Table {
        kind: "measurement",
        columns: vec![
            Column::texts("name", judged.iter().map(|(measurement, _)| Some(measurement.name.clone()))),
            Column::texts(
                "quantity",
                judged.iter().map(|(measurement, _)| Some(quantity(measurement.quantity).to_owned())),
            ),
            Column::numbers("value", judged.iter().map(|(measurement, _)| measurement.value)),
            Column::numbers("sigma", judged.iter().map(|(measurement, _)| measurement.sigma)),
            Column::numbers("estimated", estimated),
            Column::numbers("normalised_residual", residual.map(|residual| residual.unwrap_or(f64::NAN))),
            Column::texts("verdict", judged.iter().map(|(_, checked)| Some(verdict(*checked).to_owned()))),
        ],
    }
}

/// What is told on standard error.
struct Told<'a> {
    judged: &'a [Judged<'a>],
    estimate: &'a Estimate,
    options: &'a Options,
}

fn tell(args: &EstimateArgs, network: &StudyNetwork, told: &Told<'_>) {
    if told.estimate.islands.is_empty() {
        say("not estimated: no island has a machine that delivers power");
    }
    for (number, outcome) in (1..).zip(&told.estimate.islands) {
        match *outcome {
            Outcome::Estimated { iterations, redundancy, .. } => {
                args.output.note(&format!(
                    "island {number}: estimated in {iterations} iterations, redundancy {redundancy:.2}"
                ));
                args.output.note(&chi_square_line(number, outcome, told.options));
            }
            Outcome::Stopped { worst, step, iterations } => say(&format!(
                "island {number}: not settled after {iterations} iterations, largest change {step:.3e} at {}",
                network.bus_name(worst)
            )),
            Outcome::Unobservable => say(&format!("island {number}: no bus is observable")),
            Outcome::Dead => say(&format!("island {number}: measured without voltage, nothing to estimate")),
        }
    }
    for bus in &told.estimate.unobservable {
        args.output.note(&format!("not observable: {}", network.bus_name(*bus)));
    }
    for removed in &told.estimate.removed {
        let Some((measurement, _)) = usize::try_from(removed.id).ok().and_then(|at| told.judged.get(at))
        else {
            continue;
        };
        args.output.note(&format!(
            "bad data removed: {} = {} (line {}, normalised residual {:.1})",
            measurement.name, measurement.value, measurement.line, removed.normalised_residual
        ));
    }
    for (measurement, checked) in told.judged {
        let verdict = verdict(*checked);
        if matches!(verdict, "not_energised" | "rejected") {
            args.output.note(&format!("{verdict}: {} (line {})", measurement.name, measurement.line));
        }
    }
}

fn chi_square_line(number: u32, outcome: &Outcome, options: &Options) -> String {
    let Outcome::Estimated { objective, degrees_of_freedom, chi2_threshold: Some(limit), .. } = *outcome
    else {
        return format!("island {number}: chi-square test: no degree of freedom");
    };
    let (sign, word) = if objective <= limit { ("<=", "passed") } else { (">", "failed") };
    let confidence = 100.0 * options.chi2_confidence;
    format!(
        "island {number}: chi-square test {word}: J = {objective:.2} {sign} {limit:.2} ({confidence} %, \
         {degrees_of_freedom} degrees of freedom)"
    )
}

/// One row per island.
fn islands(network: &StudyNetwork, estimate: &Estimate) -> Table {
    let mut buses = vec![0_i64; estimate.islands.len()];
    for bus in &network.grid.buses {
        if let Some(count) = buses.get_mut(bus.island.at()) {
            *count += 1;
        }
    }
    let mut columns = vec![
        Column::integers("island", (1..).zip(&buses).map(|(number, _)| Some(number))),
        Column::integers("buses", buses.iter().copied().map(Some)),
    ];
    let (mut states, mut steps, mut freedom) = (Vec::new(), Vec::new(), Vec::new());
    let (mut sums, mut limits, mut redundancies) = (Vec::new(), Vec::new(), Vec::new());
    for outcome in &estimate.islands {
        let (state, iterations) = match *outcome {
            Outcome::Estimated { iterations, .. } => ("estimated", Some(iterations.into())),
            Outcome::Stopped { iterations, .. } => ("not_settled", Some(iterations.into())),
            Outcome::Unobservable => ("not_observable", None),
            Outcome::Dead => ("dead", None),
        };
        states.push(Some(state.to_owned()));
        steps.push(iterations);
        let figures = match *outcome {
            Outcome::Estimated { objective, degrees_of_freedom, redundancy, chi2_threshold, .. } => {
                (objective, chi2_threshold.unwrap_or(f64::NAN), redundancy, Some(degrees_of_freedom.into()))
            }
            Outcome::Stopped { .. } | Outcome::Unobservable | Outcome::Dead => {
                (f64::NAN, f64::NAN, f64::NAN, None)
            }
        };
        sums.push(figures.0);
        limits.push(figures.1);
        redundancies.push(figures.2);
        freedom.push(figures.3);
    }
    columns.extend([
        Column::texts("state", states),
        Column::integers("iterations", steps),
        Column::numbers("objective", sums),
        Column::numbers("chi2_threshold", limits),
        Column::integers("degrees_of_freedom", freedom),
        Column::numbers("redundancy", redundancies),
    ]);
    Table { kind: "summary", columns }
}

fn summary(
    network: &StudyNetwork,
    judged: &[Judged<'_>],
    estimate: &Estimate,
    islands: &Table,
) -> anyhow::Result<serde_json::Value> {
    let named =
        |id: u32| usize::try_from(id).ok().and_then(|at| judged.get(at)).map(|(m, _)| m.name.as_str());
    let removed = estimate.removed.iter().map(
        |removed| json!({ "name": named(removed.id), "normalised_residual": removed.normalised_residual }),
    );
    let unobservable = estimate.unobservable.iter().map(|bus| network.bus_name(*bus));
    Ok(json!({
        "study": "estimate",
        "network": network.case.name,
        "base_mva": network.grid.base_mva,
        "estimated": estimated(estimate),
        "islands": serde_json::to_value(islands)?,
        "unobservable": unobservable.collect::<Vec<_>>(),
        "removed": removed.collect::<Vec<_>>(),
        "losses_of_import": network.losses.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
}
