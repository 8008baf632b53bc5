//! `tieline study contingencies`.
//!
//! - `subject`: the network, in either form, with the names of what can fail. `cases`: which contingencies.
//! - `sweep`: runs them and collects. `tables`: what is told of them. `stream`: all findings to a file as they come.

mod cases;
mod stream;
mod subject;
mod sweep;
mod tables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use contingency::{Balance, Kind, Monitor, Parts, Rating, Rules};

use super::{Format, LIMITS_VIOLATED, NOT_SOLVED, OutputArgs, positive, say};
pub(super) use subject::{Subject, with as with_subject};
use sweep::Swept;

/// What the results mean, for `--help`.
const SIGNS: &str = "Without --list, --n2 and --outages every branch fails by itself. Names are those of the results: \
branches FROM-TO or FROM-TO#2, generators by row from 1, buses, loads and shunts by bus number; with --breakers the \
names of the network, like L1-2, S2/G2, S4/BB.\n\n\
A list has the columns name,type,element (rows with one name fail together), or is TOML with [[contingency]] tables. \
Rules of remedial actions are TOML with [[rule]] tables.\n\n\
severity adds up overloads (150 % counts 0.5), voltages beyond their band (0.05 p.u. count 1) and lost load (all of it \
counts 10); without a solution it is infinite and left empty.\n\n\
Exit code: 0 solved without violation, 1 error or stopped, 2 a contingency or the base state is not solved, 3 limits \
violated.";

/// Arguments of `tieline study contingencies`.
#[derive(Args, Debug)]
#[command(after_help = SIGNS)]
pub(crate) struct ContingenciesArgs {
    /// MATPOWER case `.m`; `-` reads standard input.
    file: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
    /// Kind of result. Without it json has all, the other formats have contingency.
    #[arg(long, value_enum)]
    result: Option<ResultKind>,
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    monitor: MonitorArgs,
    #[command(flatten)]
    method: MethodArgs,
    /// Remedial actions by rule, TOML; for what violates limits.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Every finding of every contingency, as it comes, to FILE.parquet, .csv or .json. `--out FILE` with such an ending
    /// and without --format does the same.
    #[arg(long, value_name = "FILE")]
    findings: Option<PathBuf>,
    /// All voltages after every contingency, as they come, to FILE.parquet, .csv or .json.
    #[arg(long, value_name = "FILE")]
    voltages: Option<PathBuf>,
    /// Active power into every branch after every contingency, likewise.
    #[arg(long, value_name = "FILE")]
    flows: Option<PathBuf>,
    /// How many of the worst contingencies are shown.
    #[arg(long, default_value_t = 100, value_name = "K")]
    top: usize,
}

/// Which contingencies.
#[derive(Args, Debug)]
struct WhichArgs {
    /// Contingencies by name, CSV or TOML.
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// Outages of two branches: a list, or `screen:K` for the K pairs that matter most to each other.
    #[arg(long, value_name = "FILE|screen:K")]
    n2: Option<String>,
    /// What fails by itself, everything of these kinds.
    #[arg(long, value_enum, value_delimiter = ',')]
    outages: Vec<OutageKind>,
}

/// What is watched.
#[derive(Args, Debug)]
struct MonitorArgs {
    /// Branches whose loading is watched, by name; without, all with a rating.
    #[arg(long, value_delimiter = ',', value_name = "BRANCH,…")]
    monitor: Vec<String>,
    /// Rating that counts after an outage; the next lower one where it is not given.
    #[arg(long, value_enum, default_value_t = RatingKind::A)]
    rating: RatingKind,
    /// Loading above which a branch is overloaded, in percent.
    #[arg(long, default_value = "100", value_parser = positive)]
    threshold: f64,
    /// Change of voltage that is a violation, in p.u.
    #[arg(long, value_parser = positive)]
    voltage_change: Option<f64>,
    /// Leaves out what was as bad before the outage, up to this share.
    #[arg(long, value_parser = share)]
    worsened_by: Option<f64>,
    /// Most violations that are kept per contingency; all are counted.
    #[arg(long, default_value_t = Monitor::default().keep)]
    keep: usize,
}

/// How it is calculated.
#[derive(Args, Debug)]
struct MethodArgs {
    /// The linear (DC) model.
    #[arg(long)]
    dc: bool,
    /// Who makes up for lost power.
    #[arg(long, value_enum, default_value_t = BalanceKind::Reference)]
    balance: BalanceKind,
    /// What becomes of the smaller parts of an island that falls apart.
    #[arg(long, value_enum, default_value_t = PartsKind::Dead)]
    islands: PartsKind,
    /// Hold generators to their reactive limits.
    #[arg(long, conflicts_with = "dc")]
    enforce_q_limits: bool,
    /// Take the way over substations with a breaker and a disconnector per bay.
    #[arg(long)]
    breakers: bool,
    /// Largest power mismatch that counts as solved, in p.u.
    #[arg(long, default_value = "1e-8", value_parser = positive)]
    tolerance: f64,
    /// Most Newton steps.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    max_iterations: u32,
    /// Worker threads; without, as many as there are processors. Results are equal to the bit whatever the number.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum ResultKind {
    /// The worst contingencies.
    Contingency,
    /// Violations of the worst contingencies.
    Violation,
    /// What rules did.
    Remedy,
    /// Counts.
    Summary,
    /// Everything.
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum OutageKind {
    Branch,
    Bus,
    Generator,
    Load,
    Shunt,
    Busbar,
    Bay,
    Substation,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum RatingKind {
    /// Long term.
    A,
    /// Short term.
    B,
    /// Emergency.
    C,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum BalanceKind {
    /// The reference of the island.
    Reference,
    /// All its machines by their highest power.
    Participation,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum PartsKind {
    /// They have no voltage.
    Dead,
    /// They live on if they have a machine.
    Live,
}

impl ResultKind {
    const fn table(self) -> Option<&'static str> {
        match self {
            Self::Contingency => Some("contingency"),
            Self::Violation => Some("violation"),
            Self::Remedy => Some("remedy"),
            Self::Summary => Some("summary"),
            Self::All => None,
        }
    }
}

impl OutageKind {
    const fn kind(self) -> Kind {
        match self {
            Self::Branch => Kind::Branch,
            Self::Bus => Kind::Bus,
            Self::Generator => Kind::Generator,
            Self::Load => Kind::Load,
            Self::Shunt => Kind::Shunt,
            Self::Busbar => Kind::Busbar,
            Self::Bay => Kind::Bay,
            Self::Substation => Kind::Substation,
        }
    }
}

impl ContingenciesArgs {
    /// The file for all findings, if they were asked for.
    fn findings(&self) -> Option<&Path> {
        self.findings.as_deref().or_else(|| self.output_is_findings())
    }

    /// The output, if its ending says that it is for all findings and not for a table.
    fn output_is_findings(&self) -> Option<&Path> {
        let path = self.output.output.as_deref().filter(|_| self.output.format == Format::Table)?;
        let ending = path.extension()?.to_str()?;
        stream::ENDINGS.contains(&ending).then_some(path)
    }
}

impl MonitorArgs {
    fn monitor(&self, subject: &Subject<'_>) -> anyhow::Result<Monitor> {
        let mut branches = Vec::new();
        for name in &self.monitor {
            let found = subject.names.branch(name);
            let Some(found) = found else { anyhow::bail!("--monitor: there is no branch {name:?}") };
            branches.extend(found);
        }
        Ok(Monitor {
            rating: match self.rating {
                RatingKind::A => Rating::A,
                RatingKind::B => Rating::B,
                RatingKind::C => Rating::C,
            },
            threshold_percent: self.threshold,
            branches: (!self.monitor.is_empty()).then_some(branches),
            buses: None,
            voltage_change_pu: self.voltage_change,
            worsened_by: self.worsened_by,
            keep: self.keep,
            detail: false,
        })
    }
}

impl MethodArgs {
    const fn rules(&self) -> Rules {
        Rules {
            balance: match self.balance {
                BalanceKind::Reference => Balance::Reference,
                BalanceKind::Participation => Balance::Participation,
            },
            parts: match self.islands {
                PartsKind::Dead => Parts::Dead,
                PartsKind::Live => Parts::LiveOnMachines,
            },
        }
    }
}

pub(super) fn run(args: &ContingenciesArgs) -> anyhow::Result<ExitCode> {
    let kind = args.result.unwrap_or(match args.output.format {
        Format::Json => ResultKind::All,
        Format::Table | Format::Csv | Format::Parquet => ResultKind::Contingency,
    });
    args.output.check(kind == ResultKind::All)?;
    if args.method.dc && args.voltages.is_some() {
        anyhow::bail!("the DC model has no voltages (use --flows)");
    }
    if args.method.dc && args.rules.is_some() {
        anyhow::bail!("rules are judged by the full power flow (leave --dc or --rules out)");
    }
    subject::with(&args.file, args.method.breakers, &mut |subject| {
        for loss in subject.losses {
            args.output.note(&loss.to_string());
        }
        let list = cases::list(args, subject)?;
        let Some(swept) = sweep::run(args, subject, &list)? else {
            return Ok(ExitCode::from(NOT_SOLVED));
        };
        tell(args, &swept, list.len());
        let found = tables::findings(args, subject, &list, &swept)?;
        match args.output_is_findings() {
            Some(_) => OutputArgs { format: Format::Table, output: None, quiet: args.output.quiet }
                .write(&found, kind.table())?,
            None => args.output.write(&found, kind.table())?,
        }
        Ok(ExitCode::from(code(&swept)))
    })
}

fn tell(args: &ContingenciesArgs, swept: &Swept, total: usize) {
    if !swept.complete {
        say(&format!("stopped: {} of {total} contingencies, results are partial", swept.counts.done));
    }
    let counts = &swept.counts;
    args.output.note(&format!(
        "{} contingencies: {} with violations, {} with lost buses, {} not solved",
        counts.done, counts.violating, counts.parting, counts.unsolved
    ));
}

/// What the shell is told.
fn code(swept: &Swept) -> u8 {
    if !swept.complete {
        1
    } else if swept.counts.unsolved > 0 {
        NOT_SOLVED
    } else if swept.counts.violating > 0 {
        LIMITS_VIOLATED
    } else {
        0
    }
}

/// A share from 0, from the command line.
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value >= 0.0 && value.is_finite() => Ok(value),
        Ok(_) | Err(_) => Err("give a share from 0, like 0.01".to_owned()),
    }
}
