//! Profiles in Parquet: flat columns of numbers, one row group in memory at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::{LogicalType, TimeUnit};
use parquet::column::reader::ColumnReader;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use timebase::Utc;

use super::{Chunk, Column, Labels};
use crate::files;

/// Most memory for the figures of one row group.
const MOST_GROUP_BYTES: usize = 1 << 30;

/// Name under which pandas stores an index without a name.
const PANDAS_INDEX: &str = "__index_level_0__";

/// A Parquet file that is being read, one row group at a time.
pub(super) struct ParquetProfile {
    file: PathBuf,
    names: Vec<String>,
    reader: SerializedFileReader<File>,
    next_group: usize,
    rows_before: usize,
    all_rows: usize,
    /// The current row group: labels, figures by column, and the next row.
    labels: Labels,
    figures: Vec<Vec<f64>>,
    next_row: usize,
    group_rows: usize,
}

impl ParquetProfile {
    /// Opens it; also gives the names of the columns.
    pub(super) fn open(file: &Path) -> anyhow::Result<(Vec<String>, Self)> {
        let shown = files::shown(file);
        let opened = File::open(file).map_err(|error| anyhow::anyhow!("{shown}: cannot be read: {error}"))?;
        let reader = SerializedFileReader::new(opened)
            .map_err(|error| anyhow::anyhow!("{shown}: not readable as Parquet: {error}"))?;
        let metadata = reader.metadata().file_metadata();
        let schema = metadata.schema_descr();
        let mut names = Vec::new();
        for column in schema.columns() {
            let name = column.path().string();
            if column.max_rep_level() > 0 || column.max_def_level() > 1 {
                anyhow::bail!("{shown}: column {name:?} is nested (write flat columns of numbers)");
            }
            if name == PANDAS_INDEX {
                anyhow::bail!("{shown}: an index is stored as column (write it with `index=False`)");
            }
            names.push(name);
        }
        let labels = names.first().and_then(|name| Labels::of(name)).unwrap_or(Labels::Time(Vec::new()));
        let all_rows = usize::try_from(metadata.num_rows()).unwrap_or(0);
        let profile = Self {
            file: file.to_owned(),
            names: names.clone(),
            reader,
            next_group: 0,
            rows_before: 0,
            all_rows,
            labels,
            figures: Vec::new(),
            next_row: 0,
            group_rows: 0,
        };
        Ok((names, profile))
    }

    pub(super) fn share(&self) -> f64 {
        (self.rows_before + self.next_row) as f64 / self.all_rows.max(1) as f64
    }

    /// Up to `most` further rows.
    pub(super) fn read(
        &mut self,
        targets: &[impl Column],
        most: usize,
        chunk: &mut Chunk,
    ) -> anyhow::Result<()> {
        while chunk.rows < most {
            if self.next_row == self.group_rows && !self.load(targets)? {
                break;
            }
            let rows = self.next_row..self.group_rows.min(self.next_row + most - chunk.rows);
            for row in rows.clone() {
                chunk.figures.extend(self.figures.iter().map(|column| column[row]));
            }
            match (&mut chunk.labels, &self.labels) {
                (Labels::Time(to), Labels::Time(from)) => to.extend_from_slice(&from[rows.clone()]),
                (Labels::Scenario(to), Labels::Scenario(from)) => to.extend_from_slice(&from[rows.clone()]),
                (Labels::Time(_), Labels::Scenario(_)) | (Labels::Scenario(_), Labels::Time(_)) => {}
            }
            chunk.rows += rows.len();
            self.next_row = rows.end;
        }
        Ok(())
    }

    /// Reads the next row group; false at the end.
    fn load(&mut self, targets: &[impl Column]) -> anyhow::Result<bool> {
        if self.next_group == self.reader.num_row_groups() {
            return Ok(false);
        }
        let shown = files::shown(&self.file);
        let broken = |error| anyhow::anyhow!("{shown}: not readable as Parquet: {error}");
        let group = self.reader.get_row_group(self.next_group).map_err(broken)?;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        if rows.saturating_mul(self.names.len()) > MOST_GROUP_BYTES / size_of::<f64>() {
            anyhow::bail!(
                "{shown}: row group {} has {rows} rows of {} columns, too many for one (write the file with a \
                 smaller `row_group_size`)",
                self.next_group + 1,
                self.names.len()
            );
        }
        self.rows_before += self.group_rows;
        let schema = self.reader.metadata().file_metadata().schema_descr_ptr();
        let mut figures = Vec::with_capacity(targets.len());
        for (at, name) in self.names.iter().enumerate() {
            let reader = group.get_column_reader(at).map_err(broken)?;
            let read = if at == 0 {
                labels(reader, rows, &schema.column(at)).map(|labels| self.labels = labels)
            } else {
                numbers(reader, rows).map(|column| figures.push(column))
            };
            read.map_err(|reason| anyhow::anyhow!("{shown}: column {} {name:?}: {reason}", at + 1))?;
        }
        for ((column, target), at) in figures.iter().zip(targets).zip(1_usize..) {
            let fault = |(row, value): (usize, f64)| {
                target.fault(value).filter(|_| !value.is_nan()).map(|reason| (row, value, reason))
            };
            if let Some((row, value, reason)) = column.iter().copied().enumerate().find_map(fault) {
                let row = self.rows_before + row + 1;
                anyhow::bail!(
                    "{shown}: row {row}, column {} {:?}: {value} is {reason} (a null is what the network has)",
                    at + 1,
                    self.names[at]
                );
            }
        }
        (self.figures, self.next_row, self.group_rows) = (figures, 0, rows);
        self.next_group += 1;
        Ok(true)
    }
}

/// Values of a column with one entry per row; `missing` stands for nulls.
macro_rules! column {
    ($reader:expr, $rows:expr, $missing:expr, $convert:expr) => {{
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let mut read = 0;
        while read < $rows {
            let got = $reader.read_records($rows - read, Some(&mut levels), None, &mut values);
            let (records, _, _) = got.map_err(|error| error.to_string())?;
            if records == 0 {
                return Err(format!("{read} entries, the row group has {} rows", $rows));
            }
            read += records;
        }
        let mut values = values.into_iter().map($convert);
        // A required column has no levels.
        if levels.is_empty() {
            values.collect()
        } else {
            levels
                .iter()
                .map(|level| if *level > 0 { values.next() } else { None }.unwrap_or($missing))
                .collect()
        }
    }};
}

fn numbers(reader: ColumnReader, rows: usize) -> Result<Vec<f64>, String> {
    Ok(match reader {
        ColumnReader::DoubleColumnReader(mut reader) => column!(reader, rows, f64::NAN, |value| value),
        ColumnReader::FloatColumnReader(mut reader) => column!(reader, rows, f64::NAN, f64::from),
        ColumnReader::Int32ColumnReader(mut reader) => column!(reader, rows, f64::NAN, f64::from),
        ColumnReader::Int64ColumnReader(mut reader) => column!(reader, rows, f64::NAN, |value| value as f64),
        ColumnReader::BoolColumnReader(mut reader) => {
            column!(reader, rows, f64::NAN, |value| f64::from(u8::from(value)))
        }
        _ => return Err("no numbers (write float64, int64 or bool)".to_owned()),
    })
}

fn labels(reader: ColumnReader, rows: usize, column: &ColumnDescriptor) -> Result<Labels, String> {
    let wrong = || Err("neither text, time stamps nor whole numbers".to_owned());
    let integers: Vec<i64> = match reader {
        ColumnReader::ByteArrayColumnReader(mut reader) if column.name() == "time" => {
            let text =
                |bytes: parquet::data_type::ByteArray| String::from_utf8_lossy(bytes.data()).into_owned();
            return Ok(Labels::Time(column!(reader, rows, String::new(), text)));
        }
        ColumnReader::Int32ColumnReader(mut reader) => column!(reader, rows, 0, i64::from),
        ColumnReader::Int64ColumnReader(mut reader) => column!(reader, rows, 0, |value| value),
        _ => return wrong(),
    };
    if column.name() == "scenario" {
        return Ok(Labels::Scenario(integers));
    }
    let stamp = |micros: i64| Utc::from_micros(micros).to_string();
    let unit = match column.logical_type_ref() {
        Some(LogicalType::Timestamp(stamp)) => Some(stamp.unit),
        _ => None,
    };
    let text = |value: i64| match unit {
        Some(TimeUnit::MILLIS) => stamp(value.saturating_mul(1000)),
        Some(TimeUnit::MICROS) => stamp(value),
        Some(TimeUnit::NANOS) => stamp(value.div_euclid(1000)),
        None => value.to_string(),
    };
    Ok(Labels::Time(integers.into_iter().map(text).collect()))
}
