//! Solutions → rows of results, statistics or violations.

use parquet::data_type::ByteArray;
use powerflow::phases::element_flow;
use sparse::complex::Complex;
use topology::phases::ElementKind;

use super::solve::{Model, Solutions};
use crate::study::path_of_kind;
use crate::study::powerflow::LIMIT_TOLERANCE;
use crate::study::series::SeriesArgs;
use crate::study::series::output::{
    Figure, LOADING_BIN_PERCENT, LOADING_FIGURES, LabelCells, Place, Quantity, VM_BIN_PU, VM_FIGURES, count,
    figures, label_column,
};
use crate::study::series::profile::Labels;
use crate::study::series::rows_file::{Cells, Kind, RowsFile};
use crate::study::series::statistics::Summary;

/// What is written.
pub(super) enum Wanted {
    /// Voltages by node, and whether loadings by line.
    Rows(Vec<Quantity>, bool),
    Statistics,
    Violations,
}

impl Wanted {
    pub(super) fn of(args: &SeriesArgs) -> anyhow::Result<Self> {
        if args.statistics {
            return Ok(Self::Statistics);
        }
        if args.violations {
            return Ok(Self::Violations);
        }
        let loading = args.columns.contains(&Quantity::LoadingPercent);
        let of_bus: Vec<Quantity> =
            args.columns.iter().copied().filter(|one| *one != Quantity::LoadingPercent).collect();
        let known = |one: &Quantity| matches!(one, Quantity::VmPu | Quantity::VaDegree);
        if let Some(other) = of_bus.iter().find(|one| !known(one)) {
            anyhow::bail!(
                "--columns {} is for MATPOWER cases (an OpenDSS script has vm_pu, va_degree, loading_percent)",
                other.name()
            );
        }
        let usual = args.columns.is_empty();
        Ok(Self::Rows(if usual { vec![Quantity::VmPu, Quantity::VaDegree] } else { of_bus }, loading))
    }

    /// Whether there are results of two kinds.
    pub(super) fn needs_files(&self) -> bool {
        match self {
            Self::Rows(of_bus, loading) => *loading && !of_bus.is_empty(),
            Self::Statistics => true,
            Self::Violations => false,
        }
    }
}

/// Takes solutions in the order of the steps.
pub(super) struct Output {
    buses: Vec<ByteArray>,
    phases: Vec<i64>,
    lines: Lines,
    writers: Writers,
    violations: usize,
}

/// Lines with a rating.
struct Lines {
    names: Vec<ByteArray>,
    /// Element and rating in amperes.
    of: Vec<(usize, f64)>,
}

enum Writers {
    Rows { quantities: Vec<Quantity>, buses: Option<RowsFile>, lines: Option<RowsFile> },
    Statistics { buses: Vec<Summary>, lines: Vec<Summary>, files: [RowsFile; 2] },
    Violations(RowsFile),
}

impl Output {
    pub(super) fn create(
        model: &Model<'_>,
        label: Labels,
        wanted: &Wanted,
        place: Place<'_>,
    ) -> anyhow::Result<Self> {
        let grid = &model.grid;
        let name = |bus: u32| ByteArray::from(grid.buses[bus as usize].name.as_str());
        let lines = Lines::of(model);
        let writers = writers((grid.nodes.len(), lines.of.len()), &label, wanted, place)?;
        Ok(Self {
            buses: grid.nodes.iter().map(|node| name(node.bus)).collect(),
            phases: grid.nodes.iter().map(|node| i64::from(node.conductor)).collect(),
            lines,
            writers,
            violations: 0,
        })
    }

    /// Takes the rows of a chunk.
    pub(super) fn take(&mut self, model: &Model<'_>, solutions: &Solutions) -> anyhow::Result<()> {
        match &mut self.writers {
            Writers::Rows { quantities, buses, lines } => {
                if let Some(file) = buses {
                    let columns: Vec<Vec<f64>> = quantities.iter().map(|_| Vec::new()).collect();
                    let columns = voltages(model, solutions, quantities, columns);
                    let label = LabelCells::of(&solutions.labels, self.buses.len());
                    let names = vec![&self.buses[..]; solutions.rows].concat();
                    let phases = self.phases.repeat(solutions.rows);
                    let mut cells = vec![label.cells(), Cells::Text(&names), Cells::Integer(&phases)];
                    cells.extend(columns.iter().map(|column| Cells::Number(column)));
                    file.write(cells)?;
                }
                if let Some(file) = lines {
                    let loadings: Vec<f64> = (0..solutions.rows)
                        .flat_map(|row| self.lines.loadings(model, solutions, row))
                        .collect();
                    let label = LabelCells::of(&solutions.labels, self.lines.of.len());
                    let names = vec![&self.lines.names[..]; solutions.rows].concat();
                    file.write(vec![label.cells(), Cells::Text(&names), Cells::Number(&loadings)])?;
                }
            }
            Writers::Statistics { buses, lines, .. } => {
                for row in (0..solutions.rows).filter(|&row| solutions.solved[row]) {
                    for (summary, vm_pu) in buses.iter_mut().zip(magnitudes(model, solutions, row)) {
                        summary.add(vm_pu);
                    }
                    for (summary, loading) in lines.iter_mut().zip(self.lines.loadings(model, solutions, row))
                    {
                        summary.add(loading);
                    }
                }
            }
            Writers::Violations(file) => {
                self.violations += write_violations(model, &self.lines, solutions, file)?;
            }
        }
        Ok(())
    }

    /// Writes what is written at the end, and closes the files; how many violations there were.
    pub(super) fn finish(self, _: &Model<'_>) -> anyhow::Result<usize> {
        match self.writers {
            Writers::Rows { buses, lines, .. } => {
                [buses, lines].into_iter().flatten().try_for_each(RowsFile::close)?;
            }
            Writers::Violations(file) => file.close()?,
            Writers::Statistics { buses, lines, files: [mut of_buses, mut of_lines] } => {
                let columns = figures(buses.iter(), &VM_FIGURES);
                let counts: Vec<i64> = buses.iter().map(count).collect();
                let mut cells =
                    vec![Cells::Text(&self.buses), Cells::Integer(&self.phases), Cells::Integer(&counts)];
                cells.extend(columns.iter().map(|column| Cells::Number(column)));
                of_buses.write(cells)?;
                of_buses.close()?;
                let columns = figures(lines.iter(), &LOADING_FIGURES);
                let counts: Vec<i64> = lines.iter().map(count).collect();
                let mut cells = vec![Cells::Text(&self.lines.names), Cells::Integer(&counts)];
                cells.extend(columns.iter().map(|column| Cells::Number(column)));
                of_lines.write(cells)?;
                of_lines.close()?;
            }
        }
        Ok(self.violations)
    }
}

fn writers(
    (nodes, lines): (usize, usize),
    label: &Labels,
    wanted: &Wanted,
    place: Place<'_>,
) -> anyhow::Result<Writers> {
    let label = label_column(label);
    let text = |name: &str| (name.to_owned(), Kind::Text);
    let integer = |name: &str| (name.to_owned(), Kind::Integer);
    let number = |name: String| (name, Kind::Number);
    let create = |kind: Option<&str>, columns| {
        let path =
            place.path.map(|path| kind.map_or_else(|| path.to_owned(), |kind| path_of_kind(path, kind)));
        RowsFile::create(path.as_deref(), place.parquet, columns)
    };
    Ok(match wanted {
        Wanted::Rows(quantities, loading) => {
            let both = *loading && !quantities.is_empty();
            let mut of_bus = vec![label.clone(), text("bus"), integer("phase")];
            of_bus.extend(quantities.iter().map(|quantity| number(quantity.name())));
            let of_line = vec![label, text("branch"), number(Quantity::LoadingPercent.name())];
            let buses = (!quantities.is_empty()).then(|| create(both.then_some("bus"), of_bus));
            let lines = loading.then(|| create(both.then_some("branch"), of_line));
            Writers::Rows {
                quantities: quantities.clone(),
                buses: buses.transpose()?,
                lines: lines.transpose()?,
            }
        }
        Wanted::Violations => {
            let (value, limit) = (number("value".to_owned()), number("limit".to_owned()));
            Writers::Violations(create(None, vec![label, text("element"), text("quantity"), value, limit])?)
        }
        Wanted::Statistics => {
            let named = |quantity: &str, which: &[Figure]| -> Vec<(String, Kind)> {
                which.iter().map(|(name, _)| number(format!("{quantity}_{name}"))).collect()
            };
            let of_bus =
                [vec![text("bus"), integer("phase"), integer("steps")], named("vm_pu", &VM_FIGURES)].concat();
            let of_line =
                [vec![text("branch"), integer("steps")], named("loading_percent", &LOADING_FIGURES)].concat();
            Writers::Statistics {
                buses: vec![Summary::new(VM_BIN_PU); nodes],
                lines: vec![Summary::new(LOADING_BIN_PERCENT); lines],
                files: [create(Some("bus"), of_bus)?, create(Some("branch"), of_line)?],
            }
        }
    })
}

/// Magnitudes per unit of the nominal voltage, by node.
fn magnitudes<'a>(
    model: &'a Model<'_>,
    solutions: &'a Solutions,
    row: usize,
) -> impl Iterator<Item = f64> + 'a {
    let grid = &model.grid;
    let base = |node: usize| grid.buses[grid.nodes[node].bus as usize].base_v;
    solutions.voltages_v(row).iter().enumerate().map(move |(node, [e, f])| e.hypot(*f) / base(node))
}

fn voltages(
    model: &Model<'_>,
    solutions: &Solutions,
    quantities: &[Quantity],
    mut columns: Vec<Vec<f64>>,
) -> Vec<Vec<f64>> {
    for row in 0..solutions.rows {
        for (quantity, column) in quantities.iter().zip(&mut columns) {
            if *quantity == Quantity::VmPu {
                column.extend(magnitudes(model, solutions, row));
            } else {
                let angle = |[e, f]: &[f64; 2]| f.atan2(*e).to_degrees();
                column.extend(solutions.voltages_v(row).iter().map(angle));
            }
        }
    }
    columns
}

impl Lines {
    fn of(model: &Model<'_>) -> Self {
        let mut made = Self { names: Vec::new(), of: Vec::new() };
        for (at, element) in model.grid.elements.iter().enumerate().filter(|(_, element)| element.in_service)
        {
            let ElementKind::Line(line) = element.kind else { continue };
            let line = &model.study.network.lines[line as usize];
            if let Some(rated_a) = line.rated_a.filter(|rated_a| *rated_a > 0.0) {
                made.names.push(ByteArray::from(format!("line.{}", line.name).as_str()));
                made.of.push((at, rated_a));
            }
        }
        made
    }

    /// Largest current of a conductor against the rating, by line.
    fn loadings(&self, model: &Model<'_>, solutions: &Solutions, row: usize) -> Vec<f64> {
        let v: Vec<Complex> = solutions.voltages_v(row).iter().map(|[e, f]| Complex::new(*e, *f)).collect();
        let loading = |&(element, rated_a): &(usize, f64)| {
            let currents =
                element_flow(&model.grid, element, &v).into_iter().map(|flow| flow.current_a.abs());
            // A conductor that is not fed has no current.
            100.0 * currents.fold(f64::NAN, f64::max) / rated_a
        };
        self.of.iter().map(loading).collect()
    }
}

/// Writes lines beyond their rating, and steps without a solution; returns how many violations there are.
fn write_violations(
    model: &Model<'_>,
    lines: &Lines,
    solutions: &Solutions,
    file: &mut RowsFile,
) -> anyhow::Result<usize> {
    let (mut rows, mut elements, mut quantities) = (Vec::new(), Vec::new(), Vec::new());
    let (mut values, mut limits, mut violations) = (Vec::new(), Vec::new(), 0);
    for row in 0..solutions.rows {
        let beyond = if solutions.solved[row] {
            let all = lines.names.iter().cloned().zip(lines.loadings(model, solutions, row));
            all.filter(|(_, loading)| *loading > 100.0 + LIMIT_TOLERANCE)
                .map(|(name, loading)| (name, "loading_percent", loading, 100.0))
                .collect()
        } else {
            vec![(ByteArray::from(""), "not_converged", f64::NAN, f64::NAN)]
        };
        for (name, quantity, value, limit) in beyond {
            violations += usize::from(limit.is_finite());
            rows.push(row);
            elements.push(name);
            quantities.push(ByteArray::from(quantity));
            values.push(value);
            limits.push(limit);
        }
    }
    let label = LabelCells::chosen(&solutions.labels, &rows);
    file.write(vec![
        label.cells(),
        Cells::Text(&elements),
        Cells::Text(&quantities),
        Cells::Number(&values),
        Cells::Number(&limits),
    ])?;
    Ok(violations)
}
