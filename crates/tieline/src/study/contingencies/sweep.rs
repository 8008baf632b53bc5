//! Runs the contingencies and keeps what is shown of them.

use std::ops::ControlFlow;

use contingency::{
    AcSweep, Balance, Contingency, DcNetwork, DcSweep, Finding, Monitor, Outage, Parts, Remedy, Rule, Worst,
    read_rules, remainder, remedy,
};
use powerflow::{Options, Outcome, Solution, Start};
use topology::calc::{BusIdx, Voltages};

use super::stream::Files;
use super::subject::Subject;
use super::{ContingenciesArgs, cases};
use crate::files;
use crate::study::interrupt;
use crate::study::say;
use crate::study::workers::{Progress, Threads};

/// Most remedies that are kept.
const MAX_REMEDIES: usize = 100_000;

/// How many of what.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) done: usize,
    pub(super) unsolved: usize,
    pub(super) violating: usize,
    pub(super) violations: u64,
    /// Contingencies that leave buses without voltage.
    pub(super) parting: usize,
}

/// What a study found.
pub(super) struct Swept {
    /// What is beyond limits before anything fails; `None` in the DC model.
    pub(super) base: Option<Finding>,
    pub(super) counts: Counts,
    pub(super) worst: Worst,
    pub(super) rules: Vec<Rule>,
    pub(super) remedies: Vec<Remedy>,
    /// Whether all contingencies were looked at.
    pub(super) complete: bool,
}

/// Takes findings as they come.
struct Collector<'a> {
    args: &'a ContingenciesArgs,
    list: &'a [Contingency],
    subject: &'a Subject<'a>,
    files: Files,
    progress: Progress,
    found: Swept,
}

/// Runs all; `None` when the base state has no solution, which is told.
pub(super) fn run(
    args: &ContingenciesArgs,
    subject: &Subject<'_>,
    list: &[Contingency],
) -> anyhow::Result<Option<Swept>> {
    let detail = args.voltages.is_some() || args.flows.is_some();
    let monitor = Monitor { detail, ..args.monitor.monitor(subject)? };
    let rules = rules(args, subject)?;
    let mut collector = Collector {
        args,
        list,
        subject,
        files: Files::create(args)?,
        progress: Progress::new("contingencies", list.len(), args.output.quiet),
        found: Swept {
            base: None,
            counts: Counts::default(),
            worst: Worst::new(args.top),
            rules,
            remedies: Vec::new(),
            complete: false,
        },
    };
    interrupt::watch();
    let threads = Threads::new(args.method.threads);
    let mut fault = Ok(());
    if args.method.dc {
        let network = match dc_network(args, subject) {
            Ok(network) => network,
            Err(reason) => {
                say(&format!("not solved: {reason}"));
                return Ok(None);
            }
        };
        let sweep = DcSweep::new(&network, subject.system, &monitor, args.method.rules());
        sweep.run(list, &threads, &mut |finding| collector.take(None, &finding, &mut fault));
    } else {
        let sweep = match AcSweep::new(subject.system, &options(args), &monitor, args.method.rules()) {
            Ok(sweep) => sweep,
            Err(base) => {
                tell_base(subject, &base.solution);
                return Ok(None);
            }
        };
        collector.found.base = Some(sweep.base_finding());
        sweep.run(list, &threads, &mut |finding| collector.take(Some(&sweep), &finding, &mut fault));
    }
    fault?;
    collector.finish().map(Some)
}

fn rules(args: &ContingenciesArgs, subject: &Subject<'_>) -> anyhow::Result<Vec<Rule>> {
    let Some(file) = &args.rules else { return Ok(Vec::new()) };
    let text = cases::text(file, files::read(file)?)?;
    let base_mva = subject.system.grid.base_mva;
    read_rules(&text, subject.names, base_mva).map_err(|fault| cases::at(file, &fault))
}

fn options(args: &ContingenciesArgs) -> Options {
    Options {
        tolerance_pu: args.method.tolerance,
        max_iterations: args.method.max_iterations,
        enforce_q_limits: args.method.enforce_q_limits,
        start: Start::FromGrid,
        ..Options::default()
    }
}

fn dc_network(args: &ContingenciesArgs, subject: &Subject<'_>) -> Result<DcNetwork, String> {
    let share = match args.method.rules().balance {
        Balance::Reference => Vec::new(),
        Balance::Participation => {
            remainder(subject.system, &Outage::default(), &Voltages::default(), Parts::Dead).participation
        }
    };
    DcNetwork::new(&subject.system.grid, &share).map_err(|fault| match fault {
        contingency::DcFault::NoReactance(branch) => {
            format!("branch {} has no reactance, which the DC model needs", subject.branch(branch))
        }
        contingency::DcFault::Singular | contingency::DcFault::Empty => fault.to_string(),
    })
}

fn tell_base(subject: &Subject<'_>, solution: &Solution) {
    if solution.islands.is_empty() {
        say("not solved: no island has a machine that delivers power");
    }
    for (number, outcome) in (1..).zip(&solution.islands) {
        match outcome {
            Outcome::Converged { .. } => {}
            Outcome::Stopped { worst, mismatch_pu, iterations } => say(&format!(
                "base state, island {number}: not converged after {iterations} iterations, largest mismatch \
                 {mismatch_pu:.3e} p.u. at bus {}",
                subject.bus(BusIdx(worst.0))
            )),
            Outcome::NotSolvable { reason } => {
                say(&format!("base state, island {number}: not solvable: {reason}"));
            }
        }
    }
}

impl Collector<'_> {
    fn take(
        &mut self,
        sweep: Option<&AcSweep>,
        finding: &Finding,
        fault: &mut anyhow::Result<()>,
    ) -> ControlFlow<()> {
        let counts = &mut self.found.counts;
        counts.done += 1;
        counts.unsolved += usize::from(!finding.solved());
        counts.violating += usize::from(finding.violation_count > 0);
        counts.violations += u64::from(finding.violation_count);
        counts.parting += usize::from(finding.lost_buses.0 > 0);
        let done = counts.done;
        self.found.worst.offer(finding);
        *fault = self.pass_on(sweep, finding);
        self.progress.at(done);
        // Whoever asks to stop after the last one comes too late.
        let stopped = interrupt::cancelled() && done < self.list.len();
        if fault.is_err() || stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn pass_on(&mut self, sweep: Option<&AcSweep>, finding: &Finding) -> anyhow::Result<()> {
        let case = &self.list[finding.index];
        self.files.write(self.subject, &case.name, finding)?;
        let Some(sweep) = sweep.filter(|_| finding.violation_count > 0) else { return Ok(()) };
        if self.found.rules.is_empty() || self.found.remedies.len() >= MAX_REMEDIES {
            return Ok(());
        }
        let done = remedy(sweep, self.subject.plant, &self.found.rules, (finding.index, case))
            .map_err(|fault| anyhow::anyhow!("rules after {:?}: {fault}", case.name))?;
        if let Some(done) = done {
            self.args.output.note(&format!(
                "after {}: severity {:.3} -> {:.3}",
                case.name, done.before.severity, done.after.severity
            ));
            self.found.remedies.push(done);
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<Swept> {
        self.found.complete = self.found.counts.done == self.list.len();
        self.files.finish(self.found.complete)?;
        Ok(self.found)
    }
}
