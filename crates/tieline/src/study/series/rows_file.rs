//! Rows of results → a file, some at a time: Parquet with one row group each time, or CSV.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;

use crate::files;
use crate::study::parquet::Groups;
pub(crate) use crate::study::parquet::{Cells, Kind};
use crate::study::table::{Cell, Values};

/// A file that results are written to.
pub(crate) struct RowsFile {
    form: Form,
    shown: String,
}

enum Form {
    Parquet(Box<Groups<BufWriter<File>>>),
    Csv(Box<csv::Writer<Box<dyn Write + Send>>>),
}

impl RowsFile {
    /// Makes a file, or writes to standard output without one (CSV only).
    pub(crate) fn create(
        path: Option<&Path>,
        parquet: bool,
        columns: Vec<(String, Kind)>,
    ) -> anyhow::Result<Self> {
        let shown = path.map_or_else(|| "standard output".to_owned(), files::shown);
        let make = |path: &Path| {
            File::create(path).map_err(|error| anyhow::anyhow!("{shown}: cannot be written: {error}"))
        };
        let form = match (path, parquet) {
            (Some(path), true) => {
                let columns = columns.iter().map(|(name, kind)| (name.as_str(), *kind));
                Form::Parquet(Box::new(Groups::new(BufWriter::new(make(path)?), "results", columns)?))
            }
            (path, _) => {
                let output: Box<dyn Write + Send> = match path {
                    Some(path) => Box::new(BufWriter::new(make(path)?)),
                    None => Box::new(std::io::stdout()),
                };
                let mut writer = csv::Writer::from_writer(output);
                writer.write_record(columns.iter().map(|(name, _)| name))?;
                Form::Csv(Box::new(writer))
            }
        };
        Ok(Self { form, shown })
    }

    /// Writes rows; all columns have the same length.
    pub(crate) fn write(&mut self, cells: Vec<Cells<'_>>) -> anyhow::Result<()> {
        let rows = cells.first().map_or(0, Cells::len);
        if rows == 0 {
            return Ok(());
        }
        let written = match &mut self.form {
            Form::Parquet(groups) => groups.write(cells.into_iter()),
            Form::Csv(writer) => write_lines(writer, &cells, rows),
        };
        written.with_context(|| format!("{}: cannot be written", self.shown))
    }

    /// Ends the file, after which it is readable.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        let closed = match self.form {
            Form::Parquet(groups) => groups.finish().and_then(|mut file| Ok(file.flush()?)),
            Form::Csv(mut writer) => writer.flush().map_err(anyhow::Error::from),
        };
        closed.with_context(|| format!("{}: cannot be written", self.shown))
    }
}

fn write_lines(
    writer: &mut csv::Writer<Box<dyn Write + Send>>,
    cells: &[Cells<'_>],
    rows: usize,
) -> anyhow::Result<()> {
    for row in 0..rows {
        for cells in cells {
            match cell(cells, row) {
                Cell::Text(text) => writer.write_field(text)?,
                Cell::Integer(integer) => writer.write_field(integer.to_string())?,
                Cell::Number(number) => writer.write_field(number.to_string())?,
                Cell::Missing => writer.write_field("")?,
            }
        }
        writer.write_record(None::<&[u8]>)?;
    }
    Ok(())
}

fn cell<'a>(cells: &Cells<'a>, row: usize) -> Cell<'a> {
    match cells {
        Cells::Text(cells) => std::str::from_utf8(cells[row].data()).map_or(Cell::Missing, Cell::Text),
        Cells::Integer(cells) => Cell::Integer(cells[row]),
        Cells::Number(cells) if cells[row].is_finite() => Cell::Number(cells[row]),
        Cells::Number(_) => Cell::Missing,
        Cells::Sparse(Values::Integer(cells)) => cells[row].map_or(Cell::Missing, Cell::Integer),
        Cells::Sparse(Values::Number(cells)) => cells[row].map_or(Cell::Missing, Cell::Number),
        Cells::Sparse(Values::Text(cells)) => cells[row].as_deref().map_or(Cell::Missing, Cell::Text),
    }
}
