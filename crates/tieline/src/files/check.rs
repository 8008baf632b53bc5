//! `tieline check`: is a network ready for studies and for a control centre, and what would help.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use exchange::plan::{PlanOptions, plan};
use model::busbranch::{BusBranchCase, CaseBranch, CaseBusType, CaseGenerator};
use model::{ExpandOptions, expand};
use powerflow::{Options, Outcome};
use topology::CaseGrid;
use topology::calc::{BusIdx, BusKind};

use crate::study::NOT_SOLVED;

/// Elements named per finding; the rest is counted.
const NAMED_ELEMENTS: usize = 8;

/// Arguments of `tieline check`.
#[derive(Args, Debug)]
#[command(after_help = "Exit code: 0 ready, 1 not readable, 2 the power flow is not solved.")]
pub(crate) struct CheckArgs {
    /// Network: a MATPOWER case `.m`; `-` reads standard input.
    network: PathBuf,
}

/// Something to know about a network, and what to do.
struct Finding {
    elements: Vec<String>,
    text: &'static str,
    hint: &'static str,
}

/// Reads a network and tells what it holds, what is odd, and whether its power flow is solved.
pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let file = super::shown(&args.network);
    let (case, read_losses) = super::case(&args.network)?;
    let built = topology::from_case(&case).map_err(|fault| anyhow::anyhow!("{file}: {fault}"))?;
    let expansion =
        expand(&case, ExpandOptions::default()).map_err(|error| anyhow::anyhow!("{file}: {error}"))?;
    let points = plan(&expansion.network, PlanOptions::default())
        .map_err(|error| anyhow::anyhow!("{file}: {error}"))?;

    let mut text = counts(&case);
    let network = &expansion.network;
    line(
        &mut text,
        "node-breaker",
        &format!(
            "{} substations, {} switches, {} points by rule",
            network.substations().len(),
            network.switches().len(),
            points.len()
        ),
    );
    islands(&mut text, &case, &built);
    let solved = power_flow(&mut text, &built);
    for loss in read_losses.iter().chain(&built.diagnostics).chain(&expansion.diagnostics) {
        let _ = writeln!(text, "note: {loss}");
    }
    for finding in findings(&case) {
        let rest = finding.elements.len().saturating_sub(NAMED_ELEMENTS);
        let mut named = finding.elements[..finding.elements.len() - rest].join(", ");
        if rest > 0 {
            let _ = write!(named, " and {rest} more");
        }
        let _ = writeln!(text, "warning: {named}: {} ({})", finding.text, finding.hint);
    }
    let text: String = text.lines().map(|line| super::printable(line) + "\n").collect();
    super::write(None, text.as_bytes())?;
    Ok(if solved { ExitCode::SUCCESS } else { ExitCode::from(NOT_SOLVED) })
}

fn line(text: &mut String, title: &str, content: &str) {
    let _ = writeln!(text, "{title:<14}{content}");
}

fn counts(case: &BusBranchCase) -> String {
    let mut text = String::new();
    let of_kind = |kind| case.buses.iter().filter(|bus| bus.kind == kind).count();
    let sum = |figures: &mut dyn Iterator<Item = f64>| figures.sum::<f64>();
    line(&mut text, "network", &format!("{} (MATPOWER case, format version 2)", case.name));
    line(&mut text, "base power", &format!("{} MVA", case.base_mva));
    line(
        &mut text,
        "buses",
        &format!(
            "{} ({} reference, {} PV, {} PQ, {} isolated)",
            case.buses.len(),
            of_kind(CaseBusType::Reference),
            of_kind(CaseBusType::Pv),
            of_kind(CaseBusType::Pq),
            of_kind(CaseBusType::Isolated)
        ),
    );
    let loads = case.buses.iter().filter(|bus| bus.pd_mw != 0.0 || bus.qd_mvar != 0.0).count();
    line(
        &mut text,
        "loads",
        &format!(
            "{loads}, {:.1} MW, {:.1} Mvar",
            sum(&mut case.buses.iter().map(|bus| bus.pd_mw)),
            sum(&mut case.buses.iter().map(|bus| bus.qd_mvar))
        ),
    );
    let shunts = case.buses.iter().filter(|bus| bus.gs_mw != 0.0 || bus.bs_mvar != 0.0).count();
    line(&mut text, "shunts", &shunts.to_string());
    let running: Vec<&CaseGenerator> = case.generators.iter().filter(|machine| machine.in_service).collect();
    line(
        &mut text,
        "generators",
        &format!(
            "{} of {} in service, {:.1} MW scheduled, {:.1} MW at most",
            running.len(),
            case.generators.len(),
            sum(&mut running.iter().map(|machine| machine.pg_mw)),
            sum(&mut running.iter().map(|machine| machine.pmax_mw))
        ),
    );
    let closed = case.branches.iter().filter(|branch| branch.in_service).count();
    let rows = case.bus_rows();
    let kv = |branch: &CaseBranch| [branch.from, branch.to].map(|bus| case.buses[rows[&bus]].base_kv);
    let transformers = case.branches.iter().filter(|branch| {
        let [from, to] = kv(branch);
        branch.is_transformer(from, to)
    });
    line(
        &mut text,
        "branches",
        &format!(
            "{closed} of {} in service, {} of them transformers",
            case.branches.len(),
            transformers.filter(|branch| branch.in_service).count()
        ),
    );
    text
}

/// Every live island with its reference, and what no island has.
fn islands(text: &mut String, case: &BusBranchCase, built: &CaseGrid) {
    line(text, "islands", &format!("{} energised", built.grid.islands));
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); built.grid.islands as usize];
    let mut reference = vec![""; members.len()];
    for (row, bus) in built.map.buses.iter().enumerate() {
        let Some(bus) = bus.and_then(|bus| built.grid.buses.get(bus.at())) else { continue };
        members[bus.island.at()].push(row);
        if bus.kind == BusKind::Slack {
            reference[bus.island.at()] = &bus.name;
        }
    }
    for ((number, rows), reference) in (1..).zip(&members).zip(reference) {
        let load: f64 = rows.iter().map(|row| case.buses[*row].pd_mw).sum();
        let numbers: Vec<_> = rows.iter().map(|row| case.buses[*row].number).collect();
        let machines =
            case.generators.iter().filter(|machine| machine.in_service && numbers.contains(&machine.bus));
        let most: f64 = machines.map(|machine| machine.pmax_mw).sum();
        line(
            text,
            &format!("  island {number}"),
            &format!(
                "{} buses, reference {reference}, load {load:.1} MW, generation {most:.1} MW at most",
                rows.len()
            ),
        );
        if load > most {
            let _ = writeln!(
                text,
                "warning: island {number}: the load is more than the machines can deliver (raise Pmax or shed load)"
            );
        }
    }
    let dead = built.map.buses.iter().filter(|bus| bus.is_none()).count();
    if dead > 0 {
        line(text, "  without", &format!("{dead} buses are not energised"));
    }
}

/// Tries a power flow from the voltages of the file; whether every island was solved.
fn power_flow(text: &mut String, built: &CaseGrid) -> bool {
    let solution = powerflow::solve(&built.grid, &Options::default());
    let name = |bus: BusIdx| built.grid.buses.get(bus.at()).map_or("", |bus| bus.name.as_str());
    if solution.islands.is_empty() {
        line(text, "power flow", "nothing to solve: no island has a machine that delivers power");
    }
    for (number, outcome) in (1..).zip(&solution.islands) {
        let told = match *outcome {
            Outcome::Converged { iterations, .. } => {
                format!("island {number} converges in {iterations} iterations")
            }
            Outcome::Stopped { worst, mismatch_pu, iterations } => format!(
                "island {number} does not converge in {iterations} iterations: {mismatch_pu:.2e} p.u. are missing \
                 at bus {} (look at its load and branches, or try --start flat)",
                name(worst)
            ),
            Outcome::NotSolvable { reason } => format!("island {number} cannot be solved: {reason}"),
        };
        line(text, "power flow", &told);
    }
    solution.converged() && !solution.islands.is_empty()
}

/// Data that solve but mislead.
fn findings(case: &BusBranchCase) -> Vec<Finding> {
    let buses = |odd: &dyn Fn(&model::busbranch::CaseBus) -> bool| -> Vec<String> {
        case.buses.iter().filter(|bus| odd(bus)).map(|bus| format!("bus {}", bus.number)).collect()
    };
    let branches = |odd: &dyn Fn(&CaseBranch) -> bool| -> Vec<String> {
        let odd = case.branches.iter().filter(|branch| branch.in_service && odd(branch));
        odd.map(|branch| format!("branch {}-{}", branch.from, branch.to)).collect()
    };
    let machines = |odd: &dyn Fn(&CaseGenerator) -> bool| -> Vec<String> {
        let odd = (1..).zip(&case.generators).filter(|(_, machine)| machine.in_service && odd(machine));
        odd.map(|(row, machine)| format!("generator {row} at bus {}", machine.bus)).collect()
    };
    let set_points = |machine: &CaseGenerator| {
        let other = case.generators.iter().filter(|other| other.in_service && other.bus == machine.bus);
        other.map(|other| other.vg_pu).any(|vg| vg != machine.vg_pu)
    };
    let all = [
        (buses(&|bus| bus.base_kv == 0.0), "no base voltage", "fill baseKV: voltages in kV need it"),
        (
            buses(&|bus| bus.vmax_pu > 0.0 && bus.vmin_pu > bus.vmax_pu),
            "Vmin is above Vmax",
            "exchange the two",
        ),
        (branches(&|branch| branch.rate_a_mva <= 0.0), "no rating", "fill rateA: loading needs it"),
        (branches(&|branch| branch.x_pu < 0.0), "negative reactance", "right for a series capacitor only"),
        (branches(&|branch| branch.r_pu < 0.0), "negative resistance", "right for an equivalent only"),
        (
            branches(&|branch| branch.ratio != 0.0 && !(0.5..=2.0).contains(&branch.ratio)),
            "the ratio is far from 1",
            "ratios are in p.u. of the base voltages",
        ),
        (
            machines(&|machine| machine.pg_mw > machine.pmax_mw || machine.pg_mw < machine.pmin_mw),
            "Pg is outside Pmin and Pmax",
            "correct the schedule or the limits",
        ),
        (
            machines(&|machine| machine.qmin_mvar > machine.qmax_mvar),
            "Qmin is above Qmax",
            "exchange the two: --enforce-q-limits refuses such a bus",
        ),
        (
            machines(&set_points),
            "machines at one bus hold different voltages",
            "give them the same Vg: the last one counts",
        ),
    ];
    let found = all.into_iter().filter(|(elements, _, _)| !elements.is_empty());
    found.map(|(elements, text, hint)| Finding { elements, text, hint }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn case() -> BusBranchCase {
        exchange::matpower::read(include_bytes!("../../../../examples/ieee9.m")).unwrap().0
    }

    #[test]
    fn odd_data_are_found() {
        let check = |change: fn(&mut BusBranchCase), element: &str, text: &str| {
            let mut case = case();
            change(&mut case);
            let found = findings(&case);
            let hit = found.iter().find(|finding| finding.text == text);
            assert!(hit.is_some_and(|hit| hit.elements.contains(&element.to_owned())), "{text}");
            assert_eq!(found.len(), 1, "{text}");
        };
        assert!(findings(&case()).is_empty());
        check(|case| case.buses[2].base_kv = 0.0, "bus 3", "no base voltage");
        check(|case| case.buses[2].vmin_pu = 2.0, "bus 3", "Vmin is above Vmax");
        check(|case| case.branches[3].rate_a_mva = 0.0, "branch 4-5", "no rating");
        check(|case| case.branches[3].x_pu = -0.1, "branch 4-5", "negative reactance");
        check(|case| case.branches[3].r_pu = -0.1, "branch 4-5", "negative resistance");
        check(|case| case.branches[0].ratio = 13.9, "branch 1-4", "the ratio is far from 1");
        check(|case| case.generators[1].pg_mw = 500.0, "generator 2 at bus 2", "Pg is outside Pmin and Pmax");
        check(|case| case.generators[1].qmin_mvar = 900.0, "generator 2 at bus 2", "Qmin is above Qmax");
        check(
            |case| {
                let mut second = case.generators[2].clone();
                second.vg_pu = 1.0;
                case.generators.push(second);
            },
            "generator 3 at bus 3",
            "machines at one bus hold different voltages",
        );
    }

    #[test]
    fn an_island_without_enough_machines_is_told() {
        let mut case = case();
        case.buses[4].pd_mw = 1000.0;
        let mut text = String::new();
        islands(&mut text, &case, &topology::from_case(&case).unwrap());
        assert!(text.contains("1 energised") && text.contains("reference 1, load 1190.0 MW"), "{text}");
        assert!(text.contains("warning: island 1: the load is more"), "{text}");
    }
}
