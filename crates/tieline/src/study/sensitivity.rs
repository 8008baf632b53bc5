//! `tieline study sensitivity`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use contingency::{DcFault, DcNetwork, Outage, Parts, remainder};
use serde_json::json;
use topology::calc::{BranchIdx, BusIdx, Voltages};

use super::contingencies::{Subject, with_subject};
use super::table::{Column, Table};
use super::{Findings, NOT_SOLVED, OutputArgs, say};

/// Most factors of one answer: a table of them has to fit into memory.
const MAX_FACTORS: usize = 50_000_000;

/// What the results mean, for `--help`.
const SIGNS: &str = "ptdf: MW on the branch per MW in at the bus and out at the reference (or by the shares of the \
machines), into the branch at its FROM end. lodf: share of the outage's flow that the branch takes over. otdf: ptdf \
with the outage. A bridge has no lodf and no otdf: its cells are empty, it cuts the grid.\n\n\
Without --branch all branches are shown, without --bus or --outage all buses or outages; one of the two is needed on \
large grids.\n\n\
Exit code: 0 done, 1 error, 2 the network has no DC model.";

/// Arguments of `tieline study sensitivity`.
#[derive(Args, Debug)]
#[command(after_help = SIGNS)]
#[command(group = clap::ArgGroup::new("factor").required(true).args(["ptdf", "lodf", "otdf"]))]
pub(crate) struct SensitivityArgs {
    /// MATPOWER case `.m`; `-` reads standard input.
    file: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
    /// Power transfer distribution factors.
    #[arg(long)]
    ptdf: bool,
    /// Line outage distribution factors.
    #[arg(long)]
    lodf: bool,
    /// Outage transfer distribution factors; needs --outage.
    #[arg(long, requires = "outage")]
    otdf: bool,
    /// Branches that feel it, by name.
    #[arg(long, value_delimiter = ',', value_name = "BRANCH,…")]
    branch: Vec<String>,
    /// Buses where power is fed in, by number.
    #[arg(long, value_delimiter = ',', value_name = "BUS,…")]
    bus: Vec<String>,
    /// Branches that fail, by name.
    #[arg(long, value_delimiter = ',', value_name = "BRANCH,…")]
    outage: Vec<String>,
    /// Where the power goes that is fed in.
    #[arg(long, value_enum, default_value_t = Sink::Reference)]
    balance: Sink,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Sink {
    /// To the reference.
    Reference,
    /// To all machines by their highest power.
    Participation,
}

/// One factor.
struct Factor {
    branch: BranchIdx,
    bus: Option<BusIdx>,
    outage: Option<BranchIdx>,
    value: f64,
}

/// Between which elements.
struct Wanted {
    branches: Vec<BranchIdx>,
    buses: Vec<BusIdx>,
    outages: Vec<BranchIdx>,
}

pub(super) fn run(args: &SensitivityArgs) -> anyhow::Result<ExitCode> {
    args.output.check(false)?;
    with_subject(&args.file, false, &mut |subject| {
        for loss in subject.losses {
            args.output.note(&loss.to_string());
        }
        let wanted = wanted(args, subject)?;
        let share = match args.balance {
            Sink::Reference => Vec::new(),
            Sink::Participation => {
                remainder(subject.system, &Outage::default(), &Voltages::default(), Parts::Dead).participation
            }
        };
        let network = match DcNetwork::new(&subject.system.grid, &share) {
            Ok(network) => network,
            Err(fault) => {
                say(&format!("not solved: {}", reason(subject, fault)));
                return Ok(ExitCode::from(NOT_SOLVED));
            }
        };
        let factors = if args.ptdf {
            ptdf(&network, &wanted)
        } else if args.lodf {
            lodf(&network, &wanted)
        } else {
            otdf(&network, &wanted)
        };
        args.output.write(&findings(args, subject, &factors), None)?;
        Ok(ExitCode::SUCCESS)
    })
}

fn reason(subject: &Subject<'_>, fault: DcFault) -> String {
    match fault {
        DcFault::NoReactance(branch) => {
            format!("branch {} has no reactance, which the DC model needs", subject.branch(branch))
        }
        DcFault::Singular | DcFault::Empty => fault.to_string(),
    }
}

fn wanted(args: &SensitivityArgs, subject: &Subject<'_>) -> anyhow::Result<Wanted> {
    let grid = &subject.system.grid;
    let branches = |names: &[String]| -> anyhow::Result<Vec<BranchIdx>> {
        if names.is_empty() {
            return Ok((0_u32..).map(BranchIdx).take(grid.branches.len()).collect());
        }
        let live = |name: &String| match subject.names.branch(name) {
            Some(Some(branch)) => Ok(branch),
            Some(None) => Err(anyhow::anyhow!("branch {name:?} is out of service")),
            None => Err(anyhow::anyhow!("there is no branch {name:?} (names are FROM-TO or FROM-TO#2)")),
        };
        names.iter().map(live).collect()
    };
    let bus = |name: &String| {
        let at = subject.buses.iter().position(|bus| bus == name);
        let at = at.and_then(|at| u32::try_from(at).ok());
        at.map(BusIdx).ok_or_else(|| anyhow::anyhow!("there is no bus {name:?} in service"))
    };
    let buses = if args.bus.is_empty() {
        (0_u32..).map(BusIdx).take(grid.buses.len()).collect()
    } else {
        args.bus.iter().map(bus).collect::<anyhow::Result<_>>()?
    };
    let wanted = Wanted { branches: branches(&args.branch)?, buses, outages: branches(&args.outage)? };
    let (rows, columns) = (wanted.branches.len(), if args.lodf { 1 } else { wanted.buses.len() });
    let outages = if args.ptdf { 1 } else { wanted.outages.len() };
    let count = rows.saturating_mul(columns).saturating_mul(outages);
    if count > MAX_FACTORS {
        anyhow::bail!("{count} factors are more than {MAX_FACTORS} (name branches, buses or outages)");
    }
    Ok(wanted)
}

/// By rows or by columns, whichever are fewer solves.
fn ptdf(network: &DcNetwork, wanted: &Wanted) -> Vec<Factor> {
    let mut factors = Vec::with_capacity(wanted.branches.len() * wanted.buses.len());
    let factor =
        |branch: BranchIdx, bus: BusIdx, value| Factor { branch, bus: Some(bus), outage: None, value };
    if wanted.branches.len() <= wanted.buses.len() {
        let mut row = vec![0.0; network.va_rad().len()];
        for &branch in &wanted.branches {
            network.ptdf_row(branch, &mut row);
            factors.extend(wanted.buses.iter().map(|bus| factor(branch, *bus, row[bus.at()])));
        }
        return factors;
    }
    let mut column = vec![0.0; network.flows().len()];
    for &bus in &wanted.buses {
        network.ptdf_column(bus, &mut column);
        factors.extend(wanted.branches.iter().map(|branch| factor(*branch, bus, column[branch.at()])));
    }
    factors
}

fn lodf(network: &DcNetwork, wanted: &Wanted) -> Vec<Factor> {
    let mut factors = Vec::with_capacity(wanted.branches.len() * wanted.outages.len());
    let factor = |branch: BranchIdx, outage: BranchIdx, value| Factor {
        branch,
        bus: None,
        outage: Some(outage),
        value,
    };
    let mut figures = vec![0.0; network.flows().len()];
    if wanted.branches.len() <= wanted.outages.len() {
        for &branch in &wanted.branches {
            network.lodf_row(branch, &mut figures);
            factors.extend(wanted.outages.iter().map(|outage| factor(branch, *outage, figures[outage.at()])));
        }
        return factors;
    }
    for &outage in &wanted.outages {
        if network.lodf_column(outage, &mut figures).is_none() {
            figures.fill(f64::NAN);
        }
        factors.extend(wanted.branches.iter().map(|branch| factor(*branch, outage, figures[branch.at()])));
    }
    factors
}

fn otdf(network: &DcNetwork, wanted: &Wanted) -> Vec<Factor> {
    let mut factors = Vec::new();
    let mut figures = vec![0.0; network.va_rad().len().max(network.flows().len())];
    let (buses, branches) = (network.va_rad().len(), network.flows().len());
    for &outage in &wanted.outages {
        let factor = |branch, bus, value| Factor { branch, bus: Some(bus), outage: Some(outage), value };
        if wanted.branches.len() <= wanted.buses.len() {
            for &branch in &wanted.branches {
                if network.otdf_row(branch, outage, &mut figures[..buses]).is_none() {
                    figures.fill(f64::NAN);
                }
                factors.extend(wanted.buses.iter().map(|bus| factor(branch, *bus, figures[bus.at()])));
            }
        } else {
            for &bus in &wanted.buses {
                if network.otdf_column(bus, outage, &mut figures[..branches]).is_none() {
                    figures.fill(f64::NAN);
                }
                factors
                    .extend(wanted.branches.iter().map(|branch| factor(*branch, bus, figures[branch.at()])));
            }
        }
    }
    factors
}

fn findings(args: &SensitivityArgs, subject: &Subject<'_>, factors: &[Factor]) -> Findings {
    let (kind, column) = if args.ptdf {
        ("ptdf", "ptdf")
    } else if args.lodf {
        ("lodf", "lodf")
    } else {
        ("otdf", "otdf")
    };
    let mut columns =
        vec![Column::texts("branch", factors.iter().map(|factor| Some(subject.branch(factor.branch))))];
    if !args.lodf {
        columns
            .push(Column::texts("bus", factors.iter().map(|factor| factor.bus.map(|bus| subject.bus(bus)))));
    }
    if !args.ptdf {
        let outage = |factor: &Factor| factor.outage.map(|outage| subject.branch(outage));
        columns.push(Column::texts("outage", factors.iter().map(outage)));
    }
    columns.push(Column::numbers(column, factors.iter().map(|factor| factor.value)));
    let summary = json!({
        "study": "sensitivity",
        "network": subject.name,
        "factor": kind,
        "losses_of_import": subject.losses.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    Findings { summary, tables: vec![Table { kind, columns }] }
}
