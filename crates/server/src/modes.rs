//! Points that people have set aside, as the store keeps them: by mRID, so that they survive another point list.

use anyhow::{Context as _, Result};
use scada::mode::{PointMode, PointModes, SetMode, value_of};
use serde::{Deserialize, Serialize};
use signal::{PointList, Value};
use store::{ConfigRecord, Record, Store};
use timebase::Utc;

/// Key in the store.
const KEY: &str = "point-modes";

#[derive(Serialize, Deserialize)]
struct Stored {
    mrid: String,
    inhibited: bool,
    test: bool,
    value: Option<f64>,
    by: String,
    at_us: i64,
    reason: String,
}

/// What was set when the platform stopped; points that are no longer there are left out.
pub(crate) fn restore(store: &Store, points: &PointList) -> Result<PointModes> {
    let Some(json) = store.config(KEY)? else { return Ok(PointModes::new()) };
    let stored: Vec<Stored> = serde_json::from_str(&json).context("stored modes of points")?;
    let revive = |stored: Stored| {
        let point = points.by_mrid(&stored.mrid)?;
        let replaced = stored.value.and_then(|value| value_of(points[point].kind, value));
        let mode = PointMode { inhibited: stored.inhibited, test: stored.test, replaced };
        let at = Utc::from_micros(stored.at_us);
        Some((point, SetMode { mode, by: stored.by, at, reason: stored.reason }))
    };
    Ok(stored.into_iter().filter_map(revive).collect())
}

/// All that is set, to be written down.
pub(crate) fn record(modes: &PointModes, points: &PointList) -> Result<Record> {
    let stored: Vec<Stored> = modes
        .iter()
        .map(|(point, set)| Stored {
            mrid: points[*point].mrid.clone(),
            inhibited: set.mode.inhibited,
            test: set.mode.test,
            value: set.mode.replaced.and_then(Value::as_number),
            by: set.by.clone(),
            at_us: set.at.as_micros(),
            reason: set.reason.clone(),
        })
        .collect();
    Ok(Record::PutConfig(ConfigRecord { key: KEY.to_owned(), json: serde_json::to_string(&stored)? }))
}

/// What is set, for people and the audit.
pub(crate) fn wording(mode: PointMode) -> String {
    let mut parts = Vec::new();
    if mode.inhibited {
        parts.push("scan inhibited".to_owned());
    }
    if mode.test {
        parts.push("test".to_owned());
    }
    if let Some(value) = mode.replaced {
        parts.push(format!("replaced by {value}"));
    }
    if parts.is_empty() { "as usual".to_owned() } else { parts.join(", ") }
}
