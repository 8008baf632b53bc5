//! Findings → tables.

use contingency::{Contingency, Finding, Rating, Status, Violation};
use serde_json::json;

use super::ContingenciesArgs;
use super::subject::Subject;
use super::sweep::Swept;
use crate::study::Findings;
use crate::study::table::{Column, Table};

/// One violation, or one contingency without any.
pub(super) struct Row {
    contingency: String,
    status: &'static str,
    kind: &'static str,
    element: Option<String>,
    value: f64,
    limit: f64,
    before: f64,
    loading_percent: f64,
    rating: Option<&'static str>,
    lost_load_mw: f64,
    lost_generation_mw: f64,
}

/// The rows of a finding.
pub(super) fn rows(subject: &Subject<'_>, name: &str, finding: &Finding) -> Vec<Row> {
    let blank = |kind: &'static str| Row {
        contingency: name.to_owned(),
        status: status(finding),
        kind,
        element: None,
        value: f64::NAN,
        limit: f64::NAN,
        before: f64::NAN,
        loading_percent: f64::NAN,
        rating: None,
        lost_load_mw: finding.lost_load_mw,
        lost_generation_mw: finding.lost_generation_mw,
    };
    let mut rows = Vec::new();
    match &finding.status {
        Status::Solved { .. } => {}
        Status::NotConverged { worst, mismatch_pu } => {
            rows.push(Row {
                element: Some(subject.bus(*worst)),
                value: *mismatch_pu,
                ..blank("not_converged")
            });
        }
        Status::NotSolvable { reason } => {
            rows.push(Row { element: Some(reason.clone()), ..blank("not_solvable") });
        }
    }
    if let (_, Some(first)) = finding.lost_buses {
        let value = f64::from(finding.lost_buses.0);
        rows.push(Row { element: Some(subject.bus(first)), value, ..blank("lost_buses") });
    }
    rows.extend(finding.violations.iter().map(|violation| match *violation {
        Violation::Overload { branch, rating, rating_mva, flow_mva, percent, before_percent } => Row {
            element: Some(subject.branch(branch)),
            value: flow_mva,
            limit: rating_mva,
            before: before_percent * rating_mva / 100.0,
            loading_percent: percent,
            rating: Some(letter(rating)),
            ..blank("overload")
        },
        Violation::Voltage { bus, vm_pu, limit_pu, before_pu } => Row {
            element: Some(subject.bus(bus)),
            value: vm_pu,
            limit: limit_pu,
            before: before_pu,
            ..blank(if vm_pu > limit_pu { "high_voltage" } else { "low_voltage" })
        },
        Violation::VoltageChange { bus, change_pu, limit_pu, before_pu } => Row {
            element: Some(subject.bus(bus)),
            value: change_pu,
            limit: limit_pu,
            before: before_pu,
            ..blank("voltage_change")
        },
    }));
    if rows.is_empty() {
        rows.push(blank("none"));
    }
    rows
}

const fn letter(rating: Rating) -> &'static str {
    match rating {
        Rating::A => "A",
        Rating::B => "B",
        Rating::C => "C",
    }
}

const fn status(finding: &Finding) -> &'static str {
    match finding.status {
        Status::Solved { .. } => "solved",
        Status::NotConverged { .. } => "not_converged",
        Status::NotSolvable { .. } => "not_solvable",
    }
}

/// Rows as columns.
pub(super) fn table(kind: &'static str, rows: &[Row]) -> Table {
    let text = |figure: fn(&Row) -> Option<String>| rows.iter().map(figure).collect::<Vec<_>>();
    let number = |figure: fn(&Row) -> f64| rows.iter().map(figure).collect::<Vec<_>>();
    Table {
        kind,
        columns: vec![
            Column::texts("contingency", text(|row| Some(row.contingency.clone()))),
            Column::texts("status", text(|row| Some(row.status.to_owned()))),
            Column::texts("violation", text(|row| Some(row.kind.to_owned()))),
            Column::texts("element", text(|row| row.element.clone())),
            Column::numbers("value", number(|row| row.value)),
            Column::numbers("limit", number(|row| row.limit)),
            Column::numbers("before", number(|row| row.before)),
            Column::numbers("loading_percent", number(|row| row.loading_percent)),
            Column::texts("rating", text(|row| row.rating.map(str::to_owned))),
            Column::numbers("lost_load_mw", number(|row| row.lost_load_mw)),
            Column::numbers("lost_generation_mw", number(|row| row.lost_generation_mw)),
        ],
    }
}

/// Everything that is told of a study.
pub(super) fn findings(
    args: &ContingenciesArgs,
    subject: &Subject<'_>,
    list: &[Contingency],
    swept: &Swept,
) -> anyhow::Result<Findings> {
    let worst = swept.worst.found();
    let name = |finding: &Finding| list[finding.index].name.clone();
    let rows: Vec<Row> = worst.iter().flat_map(|finding| rows(subject, &name(finding), finding)).collect();
    let mut tables = vec![contingencies(subject, list, worst), table("violation", &rows)];
    if args.rules.is_some() {
        tables.push(remedies(list, swept));
    }
    let summary = summary_table(swept, list.len());
    let base = match &swept.base {
        Some(base) => serde_json::to_value(table("violation", &self::rows(subject, "base state", base)))?,
        None => serde_json::Value::Null,
    };
    let counts = &swept.counts;
    let document = json!({
        "study": "contingencies",
        "network": subject.name,
        "model": if args.method.dc { "dc" } else { "ac" },
        "complete": swept.complete,
        "contingencies": list.len(),
        "done": counts.done,
        "not_solved": counts.unsolved,
        "with_violations": counts.violating,
        "violations": counts.violations,
        "with_lost_buses": counts.parting,
        "base_state": base,
        "losses_of_import": subject.losses.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    tables.push(summary);
    Ok(Findings { summary: document, tables })
}

fn contingencies(subject: &Subject<'_>, list: &[Contingency], worst: &[Finding]) -> Table {
    let iterations = |finding: &Finding| match finding.status {
        Status::Solved { iterations } => Some(i64::from(iterations)),
        Status::NotConverged { .. } | Status::NotSolvable { .. } => None,
    };
    let heaviest = |finding: &Finding| finding.heaviest.map(|heaviest| subject.branch(heaviest.branch));
    let percent = |finding: &Finding| finding.heaviest.map_or(f64::NAN, |heaviest| heaviest.percent);
    let voltage = |found: Option<(topology::calc::BusIdx, f64)>| found.map_or(f64::NAN, |(_, vm_pu)| vm_pu);
    Table {
        kind: "contingency",
        columns: vec![
            Column::integers("rank", (1..).zip(worst).map(|(rank, _)| Some(rank))),
            Column::texts("contingency", worst.iter().map(|found| Some(list[found.index].name.clone()))),
            Column::texts("status", worst.iter().map(|found| Some(status(found).to_owned()))),
            Column::numbers("severity", worst.iter().map(|found| found.severity)),
            Column::integers("violations", worst.iter().map(|found| Some(i64::from(found.violation_count)))),
            Column::texts("heaviest", worst.iter().map(heaviest)),
            Column::texts(
                "rating",
                worst.iter().map(|found| found.heaviest.map(|heaviest| letter(heaviest.rating).to_owned())),
            ),
            Column::numbers("loading_percent", worst.iter().map(percent)),
            Column::texts("lowest", worst.iter().map(|found| found.lowest.map(|(bus, _)| subject.bus(bus)))),
            Column::numbers("lowest_vm_pu", worst.iter().map(|found| voltage(found.lowest))),
            Column::texts(
                "highest",
                worst.iter().map(|found| found.highest.map(|(bus, _)| subject.bus(bus))),
            ),
            Column::numbers("highest_vm_pu", worst.iter().map(|found| voltage(found.highest))),
            Column::integers("lost_buses", worst.iter().map(|found| Some(i64::from(found.lost_buses.0)))),
            Column::numbers("lost_load_mw", worst.iter().map(|found| found.lost_load_mw)),
            Column::numbers("lost_generation_mw", worst.iter().map(|found| found.lost_generation_mw)),
            Column::integers("iterations", worst.iter().map(iterations)),
        ],
    }
}

fn remedies(list: &[Contingency], swept: &Swept) -> Table {
    let done = &swept.remedies;
    let names = |rules: &[usize]| {
        let names: Vec<&str> = rules.iter().map(|at| swept.rules[*at].name.as_str()).collect();
        Some(names.join(", "))
    };
    let percent = |finding: &Finding| finding.heaviest.map_or(f64::NAN, |heaviest| heaviest.percent);
    let count = |finding: &Finding| Some(i64::from(finding.violation_count));
    Table {
        kind: "remedy",
        columns: vec![
            Column::texts("contingency", done.iter().map(|did| Some(list[did.before.index].name.clone()))),
            Column::texts("rules", done.iter().map(|did| names(&did.rules))),
            Column::texts("status", done.iter().map(|did| Some(status(&did.after).to_owned()))),
            Column::numbers("severity_before", done.iter().map(|did| did.before.severity)),
            Column::numbers("severity_after", done.iter().map(|did| did.after.severity)),
            Column::integers("violations_before", done.iter().map(|did| count(&did.before))),
            Column::integers("violations_after", done.iter().map(|did| count(&did.after))),
            Column::numbers("before_percent", done.iter().map(|did| percent(&did.before))),
            Column::numbers("after_percent", done.iter().map(|did| percent(&did.after))),
        ],
    }
}

fn summary_table(swept: &Swept, total: usize) -> Table {
    let count = |value: usize| [i64::try_from(value).ok()];
    let counts = &swept.counts;
    let complete = if swept.complete { "yes" } else { "no" };
    Table {
        kind: "summary",
        columns: vec![
            Column::integers("contingencies", count(total)),
            Column::integers("done", count(counts.done)),
            Column::texts("complete", [Some(complete.to_owned())]),
            Column::integers("not_solved", count(counts.unsolved)),
            Column::integers("with_violations", count(counts.violating)),
            Column::integers("violations", [i64::try_from(counts.violations).ok()]),
            Column::integers("with_lost_buses", count(counts.parting)),
        ],
    }
}
