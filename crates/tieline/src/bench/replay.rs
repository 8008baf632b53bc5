//! History that a centre has recorded, written anew: its mix by kind of point, what it costs, and the least that noise can cost.

use std::collections::BTreeMap;
use std::f64::consts::{E, PI};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use historian::{Archive, Reading, Row, SeriesId, Span};
use serde_json::{Value, json};

use super::historian::merged_bytes_per_row;

/// Names of the kinds, as the centre numbers them.
const KINDS: [&str; 6] = ["analog", "single", "double", "step", "counter", "bits"];
/// Rows handed over together.
const BATCH: usize = 10_000;
/// Rows of one kind without which a figure says nothing.
const FEW: usize = 1_000;

/// One figure per data directory.
pub(super) fn all(folder: &Path, directories: &[PathBuf]) -> anyhow::Result<Vec<Value>> {
    let figure =
        |(number, directory): (usize, &PathBuf)| one(&folder.join(format!("replay-{number}")), directory);
    directories.iter().enumerate().map(figure).collect()
}

fn one(folder: &Path, directory: &Path) -> anyhow::Result<Value> {
    let mut rows = read(directory).with_context(|| directory.display().to_string())?;
    let mut shares = BTreeMap::new();
    let (bound_bits, analog) = noise_bound_bits(&rows);
    // In the order of arrival, as the centre wrote them.
    rows.sort_by_key(|row| row.received());
    for (kind, name) in (0..).zip(KINDS) {
        let of_kind: Vec<Row> = rows.iter().filter(|row| row.kind == kind).copied().collect();
        let bytes = (of_kind.len() >= FEW).then(|| rewritten(&folder.join(name), &of_kind)).transpose()?;
        let share = of_kind.len() as f64 / rows.len() as f64;
        shares.insert(name, json!({ "rows": of_kind.len(), "share": share, "bytes_per_row": bytes }));
    }
    Ok(json!({
        "rows": rows.len(),
        "series": rows.iter().map(|row| row.series).collect::<std::collections::BTreeSet<SeriesId>>().len(),
        "bytes_per_row": rewritten(&folder.join("all"), &rows)?,
        "kinds": shares,
        "noise_bound_bytes_per_value": bound_bits / 8.0 / analog.max(1) as f64,
    }))
}

fn rewritten(folder: &Path, rows: &[Row]) -> anyhow::Result<f64> {
    merged_bytes_per_row(folder, rows.chunks(BATCH).map(<[Row]>::to_vec))
}

fn read(directory: &Path) -> anyhow::Result<Vec<Row>> {
    let archive = Archive::open(&directory.join("history"), Span::ALL)?;
    let mut rows = Vec::new();
    for point in archive.points() {
        archive.rows(point.series, (Span::ALL, Reading::All), |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })?;
    }
    Ok(rows)
}

/// Bits that no coding can save of analog values if each point is white noise around its mean, in single precision: the
/// entropy of a normal distribution, log₂(σ·√(2πe)), less the width of the last bit (Cover and Thomas, 8.3). And of how many values.
fn noise_bound_bits(rows: &[Row]) -> (f64, usize) {
    let mut points: BTreeMap<SeriesId, Vec<f64>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.kind == 0 && row.value.is_finite()) {
        points.entry(row.series).or_default().push(row.value);
    }
    let (mut bits, mut count) = (0.0, 0);
    for values in points.values() {
        let number = values.len() as f64;
        let mean = values.iter().sum::<f64>() / number;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / number;
        let entropy = (variance * 2.0 * PI * E).sqrt().log2();
        count += values.len();
        bits += values.iter().map(|value| (entropy - last_bit(*value).log2()).max(0.0)).sum::<f64>();
    }
    (bits, count)
}

/// Width of the last bit of a value in single precision.
fn last_bit(value: f64) -> f64 {
    let single = (value as f32).abs().max(f32::MIN_POSITIVE);
    f64::from(f32::from_bits(single.to_bits() + 1)) - f64::from(single)
}
