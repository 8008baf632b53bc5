//! Results as columns, whatever is written of them afterwards. A missing figure is missing: never zero, never NaN.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// One kind of result.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Table {
    /// What a row is: `bus`, `branch`, ….
    pub(crate) kind: &'static str,
    /// Columns of the same length.
    pub(crate) columns: Vec<Column>,
}

/// One quantity of all rows.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Column {
    /// Name with the unit.
    pub(crate) name: &'static str,
    pub(crate) values: Values,
}

/// The entries of a column.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Values {
    Integer(Vec<Option<i64>>),
    Number(Vec<Option<f64>>),
    Text(Vec<Option<String>>),
}

/// One entry.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Cell<'a> {
    Missing,
    Integer(i64),
    Number(f64),
    Text(&'a str),
}

impl Table {
    pub(crate) fn rows(&self) -> usize {
        self.columns.first().map_or(0, Column::len)
    }
}

impl Column {
    pub(crate) fn integers(name: &'static str, values: impl IntoIterator<Item = Option<i64>>) -> Self {
        Self { name, values: Values::Integer(values.into_iter().collect()) }
    }

    /// Figures that are not finite become missing, a negative zero becomes zero.
    pub(crate) fn numbers(name: &'static str, values: impl IntoIterator<Item = f64>) -> Self {
        let clean = |value: f64| value.is_finite().then_some(value + 0.0);
        Self { name, values: Values::Number(values.into_iter().map(clean).collect()) }
    }

    pub(crate) fn texts(name: &'static str, values: impl IntoIterator<Item = Option<String>>) -> Self {
        Self { name, values: Values::Text(values.into_iter().collect()) }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.values {
            Values::Integer(values) => values.len(),
            Values::Number(values) => values.len(),
            Values::Text(values) => values.len(),
        }
    }

    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        match &self.values {
            Values::Integer(values) => {
                values.get(row).copied().flatten().map_or(Cell::Missing, Cell::Integer)
            }
            Values::Number(values) => values.get(row).copied().flatten().map_or(Cell::Missing, Cell::Number),
            Values::Text(values) => {
                values.get(row).and_then(Option::as_deref).map_or(Cell::Missing, Cell::Text)
            }
        }
    }

    /// Digits behind the point that a person wants to see; the unit tells.
    pub(crate) fn decimals(&self) -> usize {
        match self.name {
            name if name.ends_with("_pu") => 6,
            name if name.ends_with("_degree") => 4,
            name if name.ends_with("_percent") => 1,
            // Of any unit.
            "value" | "sigma" | "estimated" | "limit" | "before" => 5,
            "ptdf" | "lodf" | "otdf" => 6,
            _ => 3,
        }
    }

    /// Whether figures of this column differ by orders of magnitude.
    pub(crate) fn scientific(&self) -> bool {
        self.name == "mismatch_pu"
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.rows()))?;
        for row in 0..self.rows() {
            rows.serialize_element(&Row { table: self, row })?;
        }
        rows.end()
    }
}

struct Row<'a> {
    table: &'a Table,
    row: usize,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.table.columns.len()))?;
        for column in &self.table.columns {
            map.serialize_entry(column.name, &column.cell(self.row))?;
        }
        map.end()
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Missing => serializer.serialize_none(),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
        }
    }
}
