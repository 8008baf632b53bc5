//! The case → text. What [`super::read`] makes of the text is the case again, figure by figure.

use std::fmt::Write as _;

use model::busbranch::{BusBranchCase, CaseBusType, CostCurve};

/// Writes a case in format version 2.
pub fn write(case: &BusBranchCase) -> String {
    let mut text = String::new();
    let name = function_name(&case.name);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "function mpc = {name}\nmpc.version = '2';\nmpc.baseMVA = {};", case.base_mva);
    buses(&mut text, case);
    generators(&mut text, case);
    branches(&mut text, case);
    costs(&mut text, case);
    dc_lines(&mut text, case);
    if case.buses.iter().any(|bus| bus.name.is_some()) {
        text.push_str("\nmpc.bus_name = {\n");
        for bus in &case.buses {
            let name = bus.name.as_deref().unwrap_or("").replace(['\n', '\r'], " ").replace('\'', "''");
            let _ = writeln!(text, "\t'{name}';");
        }
        text.push_str("};\n");
    }
    text
}

/// A MATLAB identifier near the name.
fn function_name(name: &str) -> String {
    let clean: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if clean.starts_with(|c: char| c.is_ascii_alphabetic()) { clean } else { format!("case{clean}") }
}

fn row(text: &mut String, figures: &[f64]) {
    for figure in figures {
        text.push('\t');
        if figure.is_nan() {
            text.push_str("NaN");
        } else if figure.is_infinite() {
            text.push_str(if *figure > 0.0 { "Inf" } else { "-Inf" });
        } else {
            let _ = write!(text, "{figure}");
        }
    }
    text.push_str(";\n");
}

fn buses(text: &mut String, case: &BusBranchCase) {
    text.push_str("\n% bus_i type Pd Qd Gs Bs area Vm Va baseKV zone Vmax Vmin\nmpc.bus = [\n");
    for bus in &case.buses {
        let kind = match bus.kind {
            CaseBusType::Pq => 1.0,
            CaseBusType::Pv => 2.0,
            CaseBusType::Reference => 3.0,
            CaseBusType::Isolated => 4.0,
        };
        let figures = [
            f64::from(bus.number.0),
            kind,
            bus.pd_mw,
            bus.qd_mvar,
            bus.gs_mw,
            bus.bs_mvar,
            f64::from(bus.area),
            bus.vm_pu,
            bus.va_degree,
            bus.base_kv,
            f64::from(bus.zone),
            bus.vmax_pu,
            bus.vmin_pu,
        ];
        row(text, &figures);
    }
    text.push_str("];\n");
}

fn generators(text: &mut String, case: &BusBranchCase) {
    text.push_str("\n% bus Pg Qg Qmax Qmin Vg mBase status Pmax Pmin\nmpc.gen = [\n");
    for generator in &case.generators {
        let figures = [
            f64::from(generator.bus.0),
            generator.pg_mw,
            generator.qg_mvar,
            generator.qmax_mvar,
            generator.qmin_mvar,
            generator.vg_pu,
            generator.mbase_mva,
            f64::from(u8::from(generator.in_service)),
            generator.pmax_mw,
            generator.pmin_mw,
        ];
        row(text, &figures);
    }
    text.push_str("];\n");
}

fn branches(text: &mut String, case: &BusBranchCase) {
    text.push_str("\n% fbus tbus r x b rateA rateB rateC ratio angle status angmin angmax\nmpc.branch = [\n");
    for branch in &case.branches {
        let figures = [
            f64::from(branch.from.0),
            f64::from(branch.to.0),
            branch.r_pu,
            branch.x_pu,
            branch.b_pu,
            branch.rate_a_mva,
            branch.rate_b_mva,
            branch.rate_c_mva,
            branch.ratio,
            branch.shift_degree,
            f64::from(u8::from(branch.in_service)),
            branch.angmin_degree,
            branch.angmax_degree,
        ];
        row(text, &figures);
    }
    text.push_str("];\n");
}

fn dc_lines(text: &mut String, case: &BusBranchCase) {
    if case.dc_lines.is_empty() {
        return;
    }
    text.push_str("\n% fbus tbus status Pf Pt Qf Qt Vf Vt Pmin Pmax QminF QmaxF QminT QmaxT loss0 loss1\n");
    text.push_str("mpc.dcline = [\n");
    for line in &case.dc_lines {
        let figures = [
            f64::from(line.from.0),
            f64::from(line.to.0),
            f64::from(u8::from(line.in_service)),
            line.pf_mw,
            line.pt_mw(),
            line.qf_mvar,
            line.qt_mvar,
            line.vf_pu,
            line.vt_pu,
            line.pmin_mw,
            line.pmax_mw,
            line.qminf_mvar,
            line.qmaxf_mvar,
            line.qmint_mvar,
            line.qmaxt_mvar,
            line.loss0_mw,
            line.loss1,
        ];
        row(text, &figures);
    }
    text.push_str("];\n");
}

fn costs(text: &mut String, case: &BusBranchCase) {
    if case.costs.is_empty() {
        return;
    }
    let tables: Vec<Vec<f64>> = case
        .costs
        .iter()
        .map(|cost| {
            let (model, figures, per_entry) = match &cost.curve {
                CostCurve::PiecewiseLinear(points) => {
                    (1.0, points.iter().flat_map(|(mw, price)| [*mw, *price]).collect::<Vec<_>>(), 2)
                }
                CostCurve::Polynomial(coefficients) => (2.0, coefficients.clone(), 1),
            };
            let count = u32::try_from(figures.len() / per_entry).unwrap_or(u32::MAX);
            [vec![model, cost.startup, cost.shutdown, f64::from(count)], figures].concat()
        })
        .collect();
    let width = tables.iter().map(Vec::len).max().unwrap_or(0);
    text.push_str("\n% model startup shutdown n parameters\nmpc.gencost = [\n");
    for mut figures in tables {
        figures.resize(width, 0.0);
        row(text, &figures);
    }
    text.push_str("];\n");
}
