//! Matrices → the case. Column numbers are those of MATPOWER User's Manual 8.0, tables B-1 to B-4.

use std::ops::RangeInclusive;

use model::busbranch::{
    BusBranchCase, BusNumber, CaseBranch, CaseBus, CaseBusType, CaseCost, CaseDcLine, CaseFault,
    CaseGenerator, CaseRow, CostCurve,
};
use model::{Diagnostic, DiagnosticKind};

use super::document::{Assigned, Document, Matrix};
use crate::ReadError;

// The upper ends are the columns that an optimal power flow adds to its results.
const BUS_COLUMNS: RangeInclusive<usize> = 13..=17;
const GENERATOR_COLUMNS: RangeInclusive<usize> = 10..=25;
const BRANCH_COLUMNS: RangeInclusive<usize> = 11..=21;
const COST_COLUMNS: RangeInclusive<usize> = 4..=1024;
const DC_LINE_COLUMNS: RangeInclusive<usize> = 17..=23;

/// Columns that a case keeps; what stands behind them is reported.
const BUS_KEPT: usize = 13;
const GENERATOR_KEPT: usize = 10;
const BRANCH_KEPT: usize = 13;
const DC_LINE_KEPT: usize = 17;

/// Fields of interest with the line where each is assigned.
#[derive(Default)]
struct Fields {
    version: Option<(u32, Assigned)>,
    base_mva: Option<(u32, Assigned)>,
    bus: Option<(u32, Matrix)>,
    generator: Option<(u32, Matrix)>,
    branch: Option<(u32, Matrix)>,
    cost: Option<(u32, Matrix)>,
    dc_line: Option<(u32, Matrix)>,
    names: Option<(u32, Vec<String>)>,
    diagnostics: Vec<Diagnostic>,
}

/// Builds the case of a file and checks it as a whole.
pub(super) fn case(document: Document) -> Result<(BusBranchCase, Vec<Diagnostic>), ReadError> {
    let name = document.name.clone();
    let mut fields = Fields::sort(document)?;
    fields.check_version()?;
    let base_mva = fields.base_mva()?;
    let (bus_line, bus) = required(fields.bus.take(), "bus")?;
    let (generator_line, generator) = required(fields.generator.take(), "gen")?;
    let (branch_line, branch) = required(fields.branch.take(), "branch")?;
    let (cost_line, cost) = fields.cost.take().unwrap_or_default();
    let (dc_line_line, dc_line) = fields.dc_line.take().unwrap_or_default();
    let mut case = BusBranchCase {
        name,
        base_mva,
        buses: rows(&bus, bus_line, ("bus", BUS_COLUMNS), read_bus)?,
        generators: rows(&generator, generator_line, ("gen", GENERATOR_COLUMNS), read_generator)?,
        branches: rows(&branch, branch_line, ("branch", BRANCH_COLUMNS), read_branch)?,
        costs: rows(&cost, cost_line, ("gencost", COST_COLUMNS), read_cost)?,
        dc_lines: rows(&dc_line, dc_line_line, ("dcline", DC_LINE_COLUMNS), read_dc_line)?,
    };
    fields.name_buses(&mut case);
    for (table, line, matrix, kept) in [
        ("bus", bus_line, &bus, BUS_KEPT),
        ("gen", generator_line, &generator, GENERATOR_KEPT),
        ("branch", branch_line, &branch, BRANCH_KEPT),
        ("dcline", dc_line_line, &dc_line, DC_LINE_KEPT),
    ] {
        fields.diagnostics.extend(dropped_columns(table, line, matrix, kept));
    }
    let line_of = |fault: &CaseFault| match fault.row {
        CaseRow::Case => bus_line,
        CaseRow::Bus(row) => bus.lines.get(row).copied().unwrap_or(bus_line),
        CaseRow::Generator(row) => generator.lines.get(row).copied().unwrap_or(generator_line),
        CaseRow::Branch(row) => branch.lines.get(row).copied().unwrap_or(branch_line),
        CaseRow::Cost(row) => cost.lines.get(row).copied().unwrap_or(cost_line),
        CaseRow::DcLine(row) => dc_line.lines.get(row).copied().unwrap_or(dc_line_line),
    };
    case.check().map_err(|fault| ReadError::new(line_of(&fault), fault.reason.clone(), fault.hint))?;
    Ok((case, fields.diagnostics))
}

impl Fields {
    fn sort(document: Document) -> Result<Self, ReadError> {
        let mut fields = Self::default();
        for assignment in document.assignments {
            let line = assignment.line;
            let known = match (assignment.field.as_str(), assignment.value) {
                ("version", value) => put(&mut fields.version, line, value),
                ("baseMVA", value) => put(&mut fields.base_mva, line, value),
                ("bus", Assigned::Matrix(matrix)) => put(&mut fields.bus, line, matrix),
                ("gen", Assigned::Matrix(matrix)) => put(&mut fields.generator, line, matrix),
                ("branch", Assigned::Matrix(matrix)) => put(&mut fields.branch, line, matrix),
                ("gencost", Assigned::Matrix(matrix)) => put(&mut fields.cost, line, matrix),
                ("dcline", Assigned::Matrix(matrix)) => put(&mut fields.dc_line, line, matrix),
                ("bus_name", Assigned::Cells(names)) => put(&mut fields.names, line, names),
                ("bus" | "gen" | "branch" | "gencost" | "dcline" | "bus_name", _) => {
                    let reason = format!("{} is not a table", assignment.field);
                    return Err(ReadError::new(line, reason, "write the rows in brackets"));
                }
                _ => {
                    fields.diagnostics.push(Diagnostic {
                        kind: DiagnosticKind::Dropped,
                        element: assignment.field.clone(),
                        line: Some(line),
                        text: "this field is not read".into(),
                    });
                    true
                }
            };
            if !known {
                let reason = format!("{} is assigned twice", assignment.field);
                return Err(ReadError::new(line, reason, "keep one of the two"));
            }
        }
        Ok(fields)
    }

    fn check_version(&self) -> Result<(), ReadError> {
        let hint = "add the line mpc.version = '2'; if the columns are those of version 2";
        match &self.version {
            Some((_, Assigned::Text(version))) if version.trim() == "2" => Ok(()),
            Some((_, Assigned::Scalar(version))) if *version == 2.0 => Ok(()),
            Some((line, _)) => Err(ReadError::new(*line, "the version of the case is not 2", hint)),
            None => Err(ReadError::new(0, "mpc.version is missing", hint)),
        }
    }

    fn base_mva(&self) -> Result<f64, ReadError> {
        let hint = "give a base power above 0, often 100";
        match &self.base_mva {
            Some((_, Assigned::Scalar(base))) if *base > 0.0 && base.is_finite() => Ok(*base),
            Some((line, _)) => Err(ReadError::new(*line, "baseMVA is not a number above 0", hint)),
            None => Err(ReadError::new(0, "mpc.baseMVA is missing", hint)),
        }
    }

    fn name_buses(&mut self, case: &mut BusBranchCase) {
        let Some((line, names)) = self.names.take() else { return };
        if names.len() != case.buses.len() {
            self.diagnostics.push(Diagnostic {
                kind: DiagnosticKind::Dropped,
                element: "bus_name".into(),
                line: Some(line),
                text: format!("{} names for {} buses", names.len(), case.buses.len()),
            });
            return;
        }
        for (bus, name) in case.buses.iter_mut().zip(names) {
            bus.name = Some(name);
        }
    }
}

fn put<T>(slot: &mut Option<(u32, T)>, line: u32, value: T) -> bool {
    slot.replace((line, value)).is_none()
}

fn required(table: Option<(u32, Matrix)>, name: &str) -> Result<(u32, Matrix), ReadError> {
    table.ok_or_else(|| ReadError::new(0, format!("mpc.{name} is missing"), "a case has bus, gen and branch"))
}

/// Says which columns with figures in them the case does not keep: ramps, capability curves, results.
fn dropped_columns(table: &str, line: u32, matrix: &Matrix, kept: usize) -> Option<Diagnostic> {
    let filled =
        |column: usize| matrix.rows().any(|(_, figures)| figures.get(column).is_some_and(|f| *f != 0.0));
    let columns: Vec<String> =
        (kept..matrix.columns).filter(|c| filled(*c)).map(|c| (c + 1).to_string()).collect();
    (!columns.is_empty()).then(|| Diagnostic {
        kind: DiagnosticKind::Dropped,
        element: table.to_owned(),
        line: Some(line),
        text: format!("columns {} are not kept", columns.join(", ")),
    })
}

type Expected<'a> = (&'a str, RangeInclusive<usize>);

fn rows<T>(
    matrix: &Matrix,
    line: u32,
    expected: Expected<'_>,
    read: impl Fn(&Row<'_>) -> Result<T, ReadError>,
) -> Result<Vec<T>, ReadError> {
    let (table, columns) = expected;
    if !matrix.lines.is_empty() && !columns.contains(&matrix.columns) {
        let line = matrix.lines.first().copied().unwrap_or(line);
        let reason = format!("a row of {table} has {} columns", matrix.columns);
        let hint = format!("version 2 has {} to {}", columns.start(), columns.end());
        return Err(ReadError::new(line, reason, hint));
    }
    matrix.rows().map(|(line, figures)| read(&Row { table, line, figures })).collect()
}

/// One row with its place.
struct Row<'a> {
    table: &'a str,
    line: u32,
    figures: &'a [f64],
}

impl Row<'_> {
    /// The figure of a column, counted from 1 as the manual does.
    fn at(&self, column: usize) -> f64 {
        self.figures.get(column - 1).copied().unwrap_or(0.0)
    }

    fn whole(&self, column: usize, name: &str) -> Result<u32, ReadError> {
        let figure = self.at(column);
        if figure.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&figure) {
            // Exact: the figure is whole and in range.
            Ok(figure as u32)
        } else {
            Err(self.refuse(format!("{name} is {figure}"), "give a whole number from 0"))
        }
    }

    fn bus(&self, column: usize, name: &str) -> Result<BusNumber, ReadError> {
        match self.whole(column, name)? {
            0 => Err(self.refuse(format!("{name} is 0"), "bus numbers begin at 1")),
            number => Ok(BusNumber(number)),
        }
    }

    fn status(&self, column: usize) -> Result<bool, ReadError> {
        let figure = self.at(column);
        if figure.is_nan() {
            return Err(self.refuse("status is NaN".into(), "write 1 for in service, 0 for out of service"));
        }
        Ok(figure > 0.0)
    }

    fn refuse(&self, reason: String, hint: &str) -> ReadError {
        ReadError::new(self.line, format!("{}: {reason}", self.table), hint)
    }
}

fn read_bus(row: &Row<'_>) -> Result<CaseBus, ReadError> {
    let kind = match row.whole(2, "type")? {
        1 => CaseBusType::Pq,
        2 => CaseBusType::Pv,
        3 => CaseBusType::Reference,
        4 => CaseBusType::Isolated,
        other => return Err(row.refuse(format!("type is {other}"), "1 PQ, 2 PV, 3 reference, 4 isolated")),
    };
    Ok(CaseBus {
        number: row.bus(1, "bus_i")?,
        name: None,
        kind,
        pd_mw: row.at(3),
        qd_mvar: row.at(4),
        gs_mw: row.at(5),
        bs_mvar: row.at(6),
        area: row.whole(7, "area")?,
        vm_pu: row.at(8),
        va_degree: row.at(9),
        base_kv: row.at(10),
        zone: row.whole(11, "zone")?,
        vmax_pu: row.at(12),
        vmin_pu: row.at(13),
    })
}

fn read_generator(row: &Row<'_>) -> Result<CaseGenerator, ReadError> {
    Ok(CaseGenerator {
        bus: row.bus(1, "bus")?,
        pg_mw: row.at(2),
        qg_mvar: row.at(3),
        qmax_mvar: row.at(4),
        qmin_mvar: row.at(5),
        vg_pu: row.at(6),
        mbase_mva: row.at(7),
        in_service: row.status(8)?,
        pmax_mw: row.at(9),
        pmin_mw: row.at(10),
    })
}

fn read_branch(row: &Row<'_>) -> Result<CaseBranch, ReadError> {
    let limited = row.figures.len() >= 13;
    Ok(CaseBranch {
        from: row.bus(1, "fbus")?,
        to: row.bus(2, "tbus")?,
        r_pu: row.at(3),
        x_pu: row.at(4),
        b_pu: row.at(5),
        rate_a_mva: row.at(6),
        rate_b_mva: row.at(7),
        rate_c_mva: row.at(8),
        ratio: row.at(9),
        shift_degree: row.at(10),
        in_service: row.status(11)?,
        angmin_degree: if limited { row.at(12) } else { -360.0 },
        angmax_degree: if limited { row.at(13) } else { 360.0 },
    })
}

fn read_dc_line(row: &Row<'_>) -> Result<CaseDcLine, ReadError> {
    Ok(CaseDcLine {
        from: row.bus(1, "fbus")?,
        to: row.bus(2, "tbus")?,
        in_service: row.status(3)?,
        pf_mw: row.at(4),
        qf_mvar: row.at(6),
        qt_mvar: row.at(7),
        vf_pu: row.at(8),
        vt_pu: row.at(9),
        pmin_mw: row.at(10),
        pmax_mw: row.at(11),
        qminf_mvar: row.at(12),
        qmaxf_mvar: row.at(13),
        qmint_mvar: row.at(14),
        qmaxt_mvar: row.at(15),
        loss0_mw: row.at(16),
        loss1: row.at(17),
    })
}

fn read_cost(row: &Row<'_>) -> Result<CaseCost, ReadError> {
    let count = row.whole(4, "n")?;
    let given = &row.figures[4..];
    let piecewise = match row.at(1) {
        1.0 => true,
        2.0 => false,
        other => return Err(row.refuse(format!("model is {other}"), "1 piecewise linear, 2 polynomial")),
    };
    let figures = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(if piecewise { 2 } else { 1 });
    let Some(used) = given.get(..figures) else {
        let reason = format!("n is {count}, but only {} figures follow", given.len());
        return Err(row.refuse(reason, "pad the row or correct n"));
    };
    let curve = if piecewise {
        CostCurve::PiecewiseLinear(used.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
    } else {
        CostCurve::Polynomial(used.to_vec())
    };
    Ok(CaseCost { startup: row.at(2), shutdown: row.at(3), curve })
}
