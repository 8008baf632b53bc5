//! Points, their control, tags and history.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Quality after IEC 61850-7-3.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct QualityView {
    /// `good`, `questionable` or `invalid`.
    pub validity: String,
    /// Reasons by the standard's names, e.g. `oldData`.
    pub detail: Vec<String>,
    /// `process` or `substituted`.
    pub source: String,
    /// Made for a test.
    pub test: bool,
    /// Blocked by an operator at the source.
    pub blocked: bool,
}

/// Alarm limits in the point's unit.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, ToSchema)]
pub struct LimitsView {
    /// Low-low.
    pub low_low: Option<f64>,
    /// Low.
    pub low: Option<f64>,
    /// High.
    pub high: Option<f64>,
    /// High-high.
    pub high_high: Option<f64>,
}

/// One value that a control offers.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ControlOption {
    /// What `POST /commands` takes as `value`.
    pub value: f64,
    /// What it does, e.g. `open`.
    pub label: String,
}

/// A control that takes any number of a range.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct NumericControl {
    /// Lowest value, if there is one.
    pub min: Option<f64>,
    /// Highest value, if there is one.
    pub max: Option<f64>,
    /// Unit of the value.
    pub unit: String,
}

/// How a point is operated.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ControlView {
    /// `direct` or `select` (the device holds a select of its own).
    pub mode: String,
    /// Values to choose from; empty for a numeric control.
    pub options: Vec<ControlOption>,
    /// Range of a numeric control.
    pub numeric: Option<NumericControl>,
}

/// A tag on a point.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct TagView {
    /// Identity.
    pub id: u64,
    /// `hold`, `caution` or `information`.
    pub kind: String,
    /// Why it hangs there.
    pub text: String,
    /// Who hung it.
    pub by: String,
    /// Since when.
    pub at: String,
}

/// A tag to place.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TagRequest {
    /// `hold`, `caution` or `information`.
    pub kind: String,
    /// Why.
    pub text: String,
}

/// How a point is to be treated; nothing set means as usual.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PointModeRequest {
    /// What the link reports is held back; the last value stands, marked as blocked.
    #[serde(default)]
    pub inhibited: bool,
    /// What the link reports is marked as a test and decides nothing.
    #[serde(default)]
    pub test: bool,
    /// Stands in place of what the link reports, marked as substituted; 0 or 1 for indications.
    #[serde(default)]
    pub value: Option<f64>,
    /// Why.
    pub reason: String,
}

/// How a point is treated other than usual.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct PointModeView {
    /// What the link reports is held back.
    pub inhibited: bool,
    /// What the link reports is marked as a test.
    pub test: bool,
    /// A person's value stands in place of what the link reports.
    pub replaced: bool,
    /// Who set it.
    pub by: String,
    /// Since when.
    pub at: String,
    /// Why.
    pub reason: String,
}

/// One point with its present state.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct PointView {
    /// Dense id, stable while the point list is.
    pub id: u32,
    /// Unique name.
    pub name: String,
    /// mRID of the CIM measurement.
    pub mrid: String,
    /// mRID of the equipment measured.
    pub equipment: String,
    /// Substation.
    pub substation: String,
    /// `analog`, `single`, `double`, `step`, `counter` or `bits`.
    pub kind: String,
    /// Unit, empty for none.
    pub unit: String,
    /// Link that it comes from, empty for none.
    pub link: String,
    /// Address in the protocol's words.
    pub address: String,
    /// Last value as a number; `null` when it has none (before the first, intermediate position).
    pub value: Option<f64>,
    /// Last value as people say it.
    pub text: String,
    /// How far it may be trusted.
    pub quality: QualityView,
    /// Too old, or its link is down.
    pub stale: bool,
    /// Seconds since it was received.
    pub age_s: Option<f64>,
    /// When the device took it.
    pub source_time: Option<String>,
    /// When it reached the centre.
    pub receive_time: Option<String>,
    /// Alarm limits.
    pub limits: LimitsView,
    /// How it is operated, `null` if it cannot be.
    pub control: Option<ControlView>,
    /// Formula of a calculated point.
    pub formula: Option<String>,
    /// How people have set it aside, `null` if they have not.
    pub mode: Option<PointModeView>,
    /// Tags in force.
    pub tags: Vec<TagView>,
    /// Priority of its most urgent active alarm.
    pub alarm: Option<String>,
}

/// A page of points.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct PointsView {
    /// How many match in all.
    pub total: usize,
    /// This page.
    pub points: Vec<PointView>,
}

/// One stored value.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SampleView {
    /// When.
    pub t: String,
    /// Value as a number.
    pub value: Option<f64>,
    /// Validity.
    pub quality: String,
}

/// A stretch of history. With one sample in it, `min = max = mean = last`.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct BucketView {
    /// Begin.
    pub t: String,
    /// End.
    pub t_end: String,
    /// Least value.
    pub min: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
    /// Time-weighted mean.
    pub mean: Option<f64>,
    /// Last value.
    pub last: Option<f64>,
    /// Changes within.
    pub count: u64,
    /// Worst validity within.
    pub quality: String,
}

/// History of a point.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct HistoryView {
    /// The point.
    pub point: u32,
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Begin of the range.
    pub from: String,
    /// End of the range.
    pub to: String,
    /// Whether several changes were joined into one bucket.
    pub decimated: bool,
    /// Value in force when the range begins.
    pub before: Option<SampleView>,
    /// The range, oldest first.
    pub buckets: Vec<BucketView>,
}

/// One row of history.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct RowView {
    /// Source time; receive time where the source has no sane clock.
    pub t: String,
    /// Receive time, to a millisecond.
    pub received: String,
    /// Value as a number, `null` when there is none.
    pub value: Option<f64>,
    /// Validity.
    pub quality: String,
    /// Whether `t` is of a clock that was synchronised: the device's, or ours where the device gave none.
    pub clock_synchronised: bool,
    /// Who corrected and why; `null` for what came from the field.
    pub correction: Option<String>,
}

/// Rows of a stretch.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct RowsView {
    /// In order of time and, for equal times, of arrival.
    pub rows: Vec<RowView>,
    /// Whether these are all.
    pub complete: bool,
    /// Parts of files that are damaged and were left out.
    pub damaged: usize,
}

/// Values at equal steps.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SamplesView {
    /// Value `null` where nothing holds.
    pub samples: Vec<SampleView>,
    /// Parts of files that are damaged and were left out.
    pub damaged: usize,
}

/// An integral over time that knows its gaps.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct IntegralView {
    /// Begin.
    pub from: String,
    /// End.
    pub to: String,
    /// The integral over the covered part, in the point's unit times hours: MWh of a point in MW.
    pub unit_hours: f64,
    /// The point's unit.
    pub unit: String,
    /// Share of the stretch in which a value held, 0 to 1.
    pub coverage: f64,
    /// Stretches without a value.
    pub gaps: u64,
    /// Rows within.
    pub rows: u64,
    /// Worst validity of what was integrated.
    pub quality: String,
    /// Parts of files that are damaged and were left out.
    pub damaged: usize,
}

/// A correction of history.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectionRequest {
    /// Source time of the value corrected.
    pub t: String,
    /// The right value; `null` says that there is none.
    pub value: Option<f64>,
    /// Why.
    pub reason: String,
}

/// A list to compare with the present one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PointListCompare {
    /// The list as CSV; without it the file that the next start would read.
    #[serde(default)]
    pub csv: Option<String>,
}

/// A list to put into force.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PointListApply {
    /// The list as CSV; without it the file that the next start would read.
    #[serde(default)]
    pub csv: Option<String>,
    /// The revision against which the list was compared.
    pub revision: u64,
    /// Why.
    pub reason: String,
}

/// What another list changes. Names are cut at a thousand of each sort, counts are not.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
pub struct PointListDifference {
    /// The revision in force: that of the present list, after applying that of the new one.
    pub revision: u64,
    /// Points only in the new list.
    pub added: Vec<String>,
    /// How many.
    pub added_count: usize,
    /// Points only in the present list.
    pub removed: Vec<String>,
    /// How many.
    pub removed_count: usize,
    /// Points in both that differ.
    pub changed: Vec<PointChange>,
    /// How many.
    pub changed_count: usize,
    /// Why the list cannot be applied at the moment: points that would go and are worked with.
    pub in_use: Vec<String>,
}

/// A point that differs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PointChange {
    /// Its present name.
    pub name: String,
    /// Its mRID, the same in both lists.
    pub mrid: String,
    /// What differs.
    pub cells: Vec<CellChange>,
}

/// A cell of the list that differs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CellChange {
    /// Column.
    pub column: String,
    /// In the present list.
    pub old: String,
    /// In the new list.
    pub new: String,
}
