//! `tieline twin inject …`: a small client of the twin's API.

use super::views::{FaultView, NewFault};
use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Arguments of `tieline twin inject`.
#[derive(Args, Debug)]
pub(super) struct InjectArgs {
    /// What to do.
    #[arg(value_enum)]
    action: Action,
    /// Name of the line (L4-5), substation (S14) or point (S4/V, S4/L4-5/CB); for `clear` the number of a fault,
    /// without one all faults are cleared.
    target: Option<String>,
    /// Factor of a load step or of a bad measurement.
    #[arg(long, allow_negative_numbers = true)]
    factor: Option<f64>,
    /// Standard deviations that a bad measurement is off.
    #[arg(long, allow_negative_numbers = true)]
    sigma: Option<f64>,
    /// Seconds after which the fault goes away by itself.
    #[arg(long = "for", value_name = "SECONDS")]
    for_s: Option<f64>,
    /// Address of the twin's API.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8090")]
    twin: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Action {
    /// Short circuit on a line or transformer: protection opens both ends.
    LineTrip,
    /// Multiply the loads of a substation.
    LoadStep,
    /// Let the remote terminal unit of a substation fall silent.
    RtuSilent,
    /// Let a measured value be wrong.
    BadMeasurement,
    /// Let a breaker or disconnector not move.
    StuckBreaker,
    /// Put a fault, or all of them, right again.
    Clear,
    /// Show the faults in force.
    List,
}

impl Action {
    /// The kind of fault in the API; `None` for what is none.
    const fn kind(self) -> Option<&'static str> {
        match self {
            Self::LineTrip => Some("line_trip"),
            Self::LoadStep => Some("load_step"),
            Self::RtuSilent => Some("rtu_silent"),
            Self::BadMeasurement => Some("bad_measurement"),
            Self::StuckBreaker => Some("stuck_breaker"),
            Self::Clear | Self::List => None,
        }
    }
}

/// Runs `tieline twin inject`.
pub(super) fn inject(args: &InjectArgs) -> anyhow::Result<ExitCode> {
    let faults = ask(args)?;
    let mut out = std::io::stdout().lock();
    if args.action == Action::List {
        writeln!(out, "{}", table(&faults))?;
    } else {
        let verb = if args.action == Action::Clear { "cleared" } else { "injected" };
        for fault in &faults {
            writeln!(out, "{verb} {}: {}", fault.id, fault.text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(args: &InjectArgs) -> anyhow::Result<Vec<FaultView>> {
    let base = args.twin.trim_end_matches('/');
    if !base.starts_with("http://") {
        bail!("--twin {:?} is no address (hint: like http://127.0.0.1:8090)", args.twin);
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into();
    let answer = match (args.action.kind(), args.action) {
        (Some(kind), _) => {
            let body = serde_json::to_string(&new_fault(args, kind)?)?;
            agent.post(format!("{base}/faults")).content_type("application/json").send(body)
        }
        (None, Action::Clear) => agent.delete(clear_url(base, args)?).call(),
        (None, _) => agent.get(format!("{base}/faults")).call(),
    };
    let mut answer =
        answer.with_context(|| format!("no twin answers on {base} (hint: give its address with --twin)"))?;
    let text = answer.body_mut().read_to_string().context("the answer of the twin cannot be read")?;
    if !answer.status().is_success() {
        return Err(anyhow!("{}", problem(&text)));
    }
    let context = "the answer of the twin is not understood";
    if args.action.kind().is_some() {
        return Ok(vec![serde_json::from_str(&text).context(context)?]);
    }
    serde_json::from_str(&text).context(context)
}

fn new_fault(args: &InjectArgs, kind: &str) -> anyhow::Result<NewFault> {
    let Some(target) = args.target.clone() else { bail!("{kind} needs a target, see --help") };
    Ok(NewFault { kind: kind.to_owned(), target, factor: args.factor, sigma: args.sigma, for_s: args.for_s })
}

fn clear_url(base: &str, args: &InjectArgs) -> anyhow::Result<String> {
    Ok(match &args.target {
        None => format!("{base}/faults"),
        Some(target) => {
            let id: u64 = target
                .parse()
                .with_context(|| format!("{target:?} is not the number of a fault (hint: see list)"))?;
            format!("{base}/faults/{id}")
        }
    })
}

/// The message of a refusal.
fn problem(text: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let message = parsed.as_ref().and_then(|value| value.pointer("/error/message")?.as_str());
    message.unwrap_or(text).to_owned()
}

fn table(faults: &[FaultView]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["fault", "kind", "target", "text", "since", "remaining_s"]);
    for fault in faults {
        let remaining = fault.remaining_s.map_or(String::new(), |seconds| format!("{seconds:.0}"));
        table.add_row([
            fault.id.to_string(),
            fault.kind.clone(),
            fault.target.clone(),
            fault.text.clone(),
            fault.since.clone(),
            remaining,
        ]);
    }
    table
}
