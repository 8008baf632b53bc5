//! The point list as CSV, one row per point. Empty cells mean none.

use std::sync::Arc;
use std::time::Duration;

use signal::formula::Formula;
use signal::{Binding, ControlMode, Limits, PointDef, PointKind, PointList};

use crate::ReadError;
use crate::table::{Row, rows_from};

/// The columns, in their order.
pub const HEADER: [&str; 22] = [
    "name",
    "mrid",
    "equipment",
    "substation",
    "kind",
    "unit",
    "link",
    "address",
    "control_address",
    "control_mode",
    "low_low",
    "low",
    "high",
    "high_high",
    "hysteresis",
    "normal",
    "stale_after_s",
    "deadband",
    "formula",
    "rate_limit",
    "archive_deadband",
    "counter_range",
];

/// Columns that every list has; those behind them may be left out.
const REQUIRED: usize = 18;

const DIRECT: &str = "direct";
const SELECT: &str = "select";
/// A point that is not refreshed for ten years is not supervised; the bound keeps durations representable.
const MAX_STALE_S: f64 = 10.0 * 366.0 * 86_400.0;

/// Reads a point list.
pub fn read(bytes: &[u8]) -> Result<PointList, ReadError> {
    let rows = rows_from(bytes, &HEADER, REQUIRED)?;
    let points = rows.iter().map(point).collect::<Result<Vec<_>, _>>()?;
    PointList::new(points).map_err(|error| {
        let line = rows.get(error.entry).map_or(0, |row| row.line);
        ReadError::new(line, error.reason, "names and mRIDs are unique, limits rise")
    })
}

/// Writes a point list; [`read`] makes the same list of it.
pub fn write(points: &PointList) -> String {
    write_some(points.in_use().map(|(_, point)| point))
}

/// Writes some points of a list.
pub fn write_some<'a>(points: impl IntoIterator<Item = &'a PointDef>) -> String {
    let mut writer = csv::WriterBuilder::new().comment(Some(b'#')).from_writer(Vec::new());
    // Writing to memory cannot fail.
    let _ = writer.write_record(HEADER);
    for point in points {
        let _ = writer.write_record(cells(point));
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn point(row: &Row) -> Result<PointDef, ReadError> {
    let kind = PointKind::named(row.cell("kind")).ok_or_else(|| {
        let known: Vec<&str> = PointKind::ALL.iter().map(|(_, name)| *name).collect();
        row.refuse(
            "kind",
            format!("{:?} is not a kind", row.cell("kind")),
            format!("one of {}", known.join(", ")),
        )
    })?;
    let stale = row.number("stale_after_s")?;
    if stale.is_some_and(|seconds| !(seconds > 0.0 && seconds <= MAX_STALE_S)) {
        return Err(row.refuse("stale_after_s", "out of range", "seconds above 0, or nothing"));
    }
    let deadband = row.number("deadband")?.unwrap_or(0.0);
    if deadband < 0.0 {
        return Err(row.refuse("deadband", "is below 0", "0 reports every change"));
    }
    let normal = match row.cell("normal") {
        "" => None,
        "on" => Some(true),
        "off" => Some(false),
        other => {
            return Err(row.refuse("normal", format!("{other:?} is no state"), "write on, off or nothing"));
        }
    };
    Ok(PointDef {
        name: row.cell("name").to_owned(),
        mrid: row.cell("mrid").to_owned(),
        equipment: row.cell("equipment").to_owned(),
        substation: row.cell("substation").to_owned(),
        kind,
        unit: row.cell("unit").to_owned(),
        binding: binding(row)?,
        limits: Limits {
            low_low: row.number("low_low")?,
            low: row.number("low")?,
            high: row.number("high")?,
            high_high: row.number("high_high")?,
            hysteresis: row.number("hysteresis")?.unwrap_or(0.0),
        },
        rate_limit: row.number("rate_limit")?,
        normal,
        stale_after: stale.map(Duration::from_secs_f64),
        deadband,
        formula: formula(row)?,
        archive_deadband: row.number("archive_deadband")?.unwrap_or(0.0),
        counter_range: counter_range(row)?,
        retired: false,
    })
}

fn formula(row: &Row) -> Result<Option<Formula>, ReadError> {
    let text = row.cell("formula");
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |error| row.refuse("formula", format!("{error}"), "e.g. ({A/P} + {B/P}) * 0.5");
    Formula::parse(text).map(Some).map_err(refuse)
}

fn counter_range(row: &Row) -> Result<Option<u64>, ReadError> {
    let text = row.cell("counter_range");
    if text.is_empty() {
        return Ok(None);
    }
    let range = text.parse().ok().filter(|range| (2..=1 << 62).contains(range));
    let refuse = || row.refuse("counter_range", "is no range", "readings before zero, e.g. 4294967296");
    range.map(Some).ok_or_else(refuse)
}

fn binding(row: &Row) -> Result<Option<Binding>, ReadError> {
    let [link, address, control] = ["link", "address", "control_address"].map(|column| row.cell(column));
    let mode = match row.cell("control_mode") {
        "" => None,
        DIRECT => Some(ControlMode::Direct),
        SELECT => Some(ControlMode::SelectBeforeOperate),
        other => {
            let reason = format!("{other:?} is no mode");
            return Err(row.refuse("control_mode", reason, "write direct, select or nothing"));
        }
    };
    if link.is_empty() != address.is_empty() {
        return Err(row.refuse("link", "link and address belong together", "give both or none"));
    }
    let control = match (control, mode) {
        ("", None) => None,
        (address, Some(mode)) if !address.is_empty() && !link.is_empty() => Some((address.to_owned(), mode)),
        _ => {
            let hint = "give both with a link and an address, or none";
            return Err(row.refuse(
                "control_address",
                "address and mode of the control belong together",
                hint,
            ));
        }
    };
    if link.is_empty() {
        return Ok(None);
    }
    Ok(Some(Binding { link: Arc::from(link), address: address.to_owned(), control }))
}

fn cells(point: &PointDef) -> [String; 22] {
    let optional = |number: Option<f64>| number.map_or(String::new(), |number| number.to_string());
    let binding = point.binding.as_ref();
    let control = binding.and_then(|binding| binding.control.as_ref());
    let normal = match point.normal {
        None => "",
        Some(true) => "on",
        Some(false) => "off",
    };
    let mode = match control {
        None => "",
        Some((_, ControlMode::Direct)) => DIRECT,
        Some((_, ControlMode::SelectBeforeOperate)) => SELECT,
    };
    [
        point.name.clone(),
        point.mrid.clone(),
        point.equipment.clone(),
        point.substation.clone(),
        point.kind.name().to_owned(),
        point.unit.clone(),
        binding.map_or(String::new(), |binding| binding.link.to_string()),
        binding.map_or(String::new(), |binding| binding.address.clone()),
        control.map_or(String::new(), |(address, _)| address.clone()),
        mode.to_owned(),
        optional(point.limits.low_low),
        optional(point.limits.low),
        optional(point.limits.high),
        optional(point.limits.high_high),
        point.limits.hysteresis.to_string(),
        normal.to_owned(),
        optional(point.stale_after.map(|span| span.as_secs_f64())),
        point.deadband.to_string(),
        point.formula.as_ref().map_or(String::new(), |formula| formula.text().to_owned()),
        optional(point.rate_limit),
        optional(Some(point.archive_deadband).filter(|band| *band > 0.0)),
        point.counter_range.map_or(String::new(), |range| range.to_string()),
    ]
}

/// One point that differs between two lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// Only in the new list: its name.
    Added(String),
    /// Only in the old list: its name.
    Removed(String),
    /// In both, under one mRID.
    Changed {
        /// Its name in the old list.
        name: String,
        /// The mRID.
        mrid: String,
        /// Column, old cell, new cell.
        cells: Vec<(&'static str, String, String)>,
    },
}

/// What makes `new` of `old`, point by point: what was there in the order of `old`, then what is added in that of `new`.
pub fn compare(old: &PointList, new: &PointList) -> Vec<Difference> {
    let mut found = Vec::new();
    for (_, def) in old.in_use() {
        match new.by_mrid(&def.mrid) {
            None => found.push(Difference::Removed(def.name.clone())),
            Some(id) if new[id] == *def => {}
            Some(id) => {
                let pairs = HEADER.into_iter().zip(cells(def).into_iter().zip(cells(&new[id])));
                let differs = |(column, (old, new)): (&'static str, (String, String))| {
                    (old != new).then_some((column, old, new))
                };
                let cells = pairs.filter_map(differs).collect();
                found.push(Difference::Changed { name: def.name.clone(), mrid: def.mrid.clone(), cells });
            }
        }
    }
    let fresh = new.in_use().filter(|(_, def)| old.by_mrid(&def.mrid).is_none());
    found.extend(fresh.map(|(_, def)| Difference::Added(def.name.clone())));
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use model::{ExpandOptions, expand};
    use proptest::prelude::*;

    use super::*;
    use crate::plan::{PlanOptions, plan};

    fn ieee14() -> PointList {
        let case = crate::matpower::read(include_bytes!("../../../examples/ieee14.m")).unwrap().0;
        plan(&expand(&case, ExpandOptions::default()).unwrap().network, PlanOptions::default()).unwrap()
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let points = ieee14();
        let again = read(write(&points).as_bytes()).unwrap();
        let both = points.iter().zip(again.iter());
        assert_eq!(points.len(), again.len());
        both.for_each(|(one, other)| assert_eq!(one, other));
        let mut odd = points[signal::PointId(0)].clone();
        odd.name = "#1, \"north\"".into();
        let odd = PointList::new(vec![odd]).unwrap();
        assert!(read(write(&odd).as_bytes()).unwrap().named("#1, \"north\"").is_some());
    }

    #[test]
    fn differences_are_named_point_by_point() {
        let old = ieee14();
        assert_eq!(compare(&old, &old), []);
        let mut defs: Vec<PointDef> = old.iter().map(|(_, def)| def.clone()).collect();
        let gone = defs.remove(3);
        defs[0].limits.high = Some(1_000.0);
        let fresh = PointDef { name: "new".into(), mrid: "_new".into(), ..PointDef::default() };
        defs.push(fresh);
        let new = PointList::new(defs).unwrap();
        let found = compare(&old, &new);
        let first = &old[signal::PointId(0)];
        assert_eq!(
            found[0],
            Difference::Changed {
                name: first.name.clone(),
                mrid: first.mrid.clone(),
                cells: vec![(
                    "high",
                    first.limits.high.map_or(String::new(), |high| high.to_string()),
                    "1000".into()
                )],
            }
        );
        assert_eq!(found[1..], [Difference::Removed(gone.name.clone()), Difference::Added("new".into())]);
        // Ids of what stays are kept; what left keeps its id and is written no more.
        let revised = old.revised(&new).unwrap();
        for (id, def) in old.iter() {
            assert_eq!(revised.by_mrid(&def.mrid), (def.mrid != gone.mrid).then_some(id), "{}", def.name);
        }
        assert_eq!(revised.by_mrid("_new").map(|id| id.at()), Some(old.len()));
        assert_eq!(compare(&revised, &new), []);
        assert_eq!(read(write(&revised).as_bytes()).unwrap().len(), new.len());
        // And it comes back to that id.
        let again = revised.revised(&old).unwrap();
        assert_eq!(again.by_mrid(&gone.mrid), old.by_mrid(&gone.mrid));
        assert_eq!(again.by_mrid("_new"), None);
    }

    #[test]
    fn faults_are_named_with_their_line() {
        let header = HEADER.join(",");
        let good = "a,_a,,S1,analog,MW,S1,M_ME_TF_1@1,,,,1,2,,0,,10,0";
        // A list of before the later columns.
        let short = HEADER[..REQUIRED].join(",");
        assert_eq!(read(format!("{short}\n# note\n{good}\n").as_bytes()).unwrap().len(), 1);
        let check = |row: &str, line: u32, reason: &str| {
            let (header, end) =
                if row.matches(',').count() < REQUIRED { (&short, "") } else { (&header, ",,,,") };
            let error = read(format!("{header}\n{good}{end}\n{row}\n").as_bytes()).unwrap_err();
            assert_eq!((error.line, error.reason.contains(reason)), (line, true), "{error}");
            assert!(!error.hint.is_empty());
        };
        check("a,_b,,S1,analog,MW,,,,,,,,,0,,,0", 3, "used twice");
        check("b,_b,,S1,analogue,MW,,,,,,,,,0,,,0", 3, "kind");
        check("b,_b,,S1,analog,MW,,,,,,x,,,0,,,0", 3, "low: \"x\"");
        check("b,_b,,S1,analog,MW,,,,,,2,1,,0,,,0", 3, "limits");
        check("b,_b,,S1,analog,MW,,,,,,2,NaN,,0,,,0", 3, "high");
        check("b,_b,,S1,analog,MW,L,,,,,,,,0,,,0", 3, "belong together");
        check("b,_b,,S1,double,,L,1,2,,,,,,0,,,0", 3, "belong together");
        check("b,_b,,S1,double,,L,1,2,maybe,,,,,0,,,0", 3, "no mode");
        check("b,_b,,S1,double,,L,1,,,,,,,0,closed,,0", 3, "normal");
        check("b,_b,,S1,analog,MW,,,,,,,,,0,,-1,0", 3, "stale_after_s");
        check("b,_b,,S1,analog", 3, "5 cells");
        let sum = "b,_b,,S1,analog,MW,,,,,,,,,0,,,0,({a} + 1) * 2,5,0.5,";
        assert_eq!(
            read(format!("{header}\n{good},,,,\n{sum}\n").as_bytes()).unwrap().calculations().len(),
            1
        );
        check("b,_b,,S1,analog,MW,,,,,,,,,0,,,0,{a} +,,,", 3, "formula: character 6");
        check("b,_b,,S1,analog,MW,,,,,,,,,0,,,0,{c},,,", 3, "no point");
        check("b,_b,,S1,counter,,,,,,,,,,0,,,0,,,,1", 3, "counter_range");
        check("b,_b,,S1,single,,,,,,,,,,0,,,0,,5,,", 3, "analogue");
        assert_eq!(read(b"name,mrid\n").unwrap_err().line, 1);
        assert_eq!(read(b"").unwrap_err().line, 0);
        assert!(read(&[header.as_bytes(), b"\nb\xff"].concat()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = HEADER.join(",").into_bytes();
            bytes.push(b'\n');
            bytes.extend(tail);
            let _ = read(&bytes);
        }
    }
}
