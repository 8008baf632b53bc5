//! Measurements for a state estimation study, as CSV:
//!
//! ```text
//! type,element,end,value,sigma
//! v,4,,1.0177,0.003
//! p_inj,4,,-47.8,0.5
//! p_flow,4-5,from,-61.2,0.6
//! ```
//!
//! | type | element | end | unit of value and sigma |
//! |---|---|---|---|
//! | `v` | bus number or name | | p.u. |
//! | `p_inj`, `q_inj` | bus number or name | | MW, Mvar: generation minus load, into the bus |
//! | `p_flow`, `q_flow` | branch `FROM-TO`, parallels `FROM-TO#2` | `from` or `to` | MW, Mvar: out of the bus into the branch |
//!
//! Elements are checked against a case by [`read`].

use std::collections::HashMap;

use model::busbranch::BusBranchCase;

use crate::ReadError;
use crate::table::{Row, rows};

/// The columns, in their order.
pub const HEADER: [&str; 5] = ["type", "element", "end", "value", "sigma"];

/// An end of a branch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BranchEnd {
    /// The end named first.
    From,
    /// The end named second.
    To,
}

/// What a row measures, by row of the tables of the case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MeasuredQuantity {
    /// Voltage magnitude of a bus.
    Voltage(usize),
    /// Active injection into a bus.
    ActiveInjection(usize),
    /// Reactive injection into a bus.
    ReactiveInjection(usize),
    /// Active flow into a branch.
    ActiveFlow(usize, BranchEnd),
    /// Reactive flow into a branch.
    ReactiveFlow(usize, BranchEnd),
}

/// One measured value.
#[derive(Clone, PartialEq, Debug)]
pub struct StudyMeasurement {
    /// Line in the file.
    pub line: u32,
    /// Name for people, e.g. `p_flow 4-5 from`.
    pub name: String,
    /// What is measured.
    pub quantity: MeasuredQuantity,
    /// Value in the unit of its type.
    pub value: f64,
    /// Standard deviation in the unit of its type. INVARIANT: above 0.
    pub sigma: f64,
}

/// Reads measurements and finds their elements in the case.
pub fn read(bytes: &[u8], case: &BusBranchCase) -> Result<Vec<StudyMeasurement>, ReadError> {
    let names = Names::new(case);
    rows(bytes, &HEADER)?.iter().map(|row| names.measurement(row)).collect()
}

/// Elements of a case by what a file may call them.
struct Names {
    buses: HashMap<String, usize>,
    branches: HashMap<String, usize>,
}

impl Names {
    fn new(case: &BusBranchCase) -> Self {
        let mut buses = HashMap::new();
        for (row, bus) in case.buses.iter().enumerate() {
            if let Some(name) = bus.name.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
                buses.entry(name.to_owned()).or_insert(row);
            }
        }
        // Numbers are unique, so they win over names that look like numbers.
        buses.extend(case.buses.iter().enumerate().map(|(row, bus)| (bus.number.to_string(), row)));
        let mut parallel: HashMap<String, u32> = HashMap::new();
        let mut branches = HashMap::new();
        for (row, branch) in case.branches.iter().enumerate() {
            let name = format!("{}-{}", branch.from, branch.to);
            let count = parallel.entry(name.clone()).or_default();
            *count += 1;
            branches.insert(if *count == 1 { name } else { format!("{name}#{count}") }, row);
        }
        Self { buses, branches }
    }

    fn measurement(&self, row: &Row) -> Result<StudyMeasurement, ReadError> {
        let quantity = match row.cell("type") {
            "v" => MeasuredQuantity::Voltage(self.bus(row)?),
            "p_inj" => MeasuredQuantity::ActiveInjection(self.bus(row)?),
            "q_inj" => MeasuredQuantity::ReactiveInjection(self.bus(row)?),
            "p_flow" => self.branch(row).map(|(branch, end)| MeasuredQuantity::ActiveFlow(branch, end))?,
            "q_flow" => self.branch(row).map(|(branch, end)| MeasuredQuantity::ReactiveFlow(branch, end))?,
            other => {
                let hint = "one of v, p_inj, q_inj, p_flow, q_flow";
                return Err(row.refuse("type", format!("{other:?} is not a type"), hint));
            }
        };
        let required = |column: &str| {
            row.number(column)?.ok_or_else(|| row.refuse(column, "is missing", "give a number"))
        };
        let sigma = required("sigma")?;
        if sigma <= 0.0 {
            return Err(row.refuse(
                "sigma",
                format!("{sigma} is not above 0"),
                "give the standard deviation",
            ));
        }
        let parts = ["type", "element", "end"].map(|column| row.cell(column));
        let name = parts.join(" ").trim_end().to_owned();
        Ok(StudyMeasurement { line: row.line, name, quantity, value: required("value")?, sigma })
    }

    fn bus(&self, row: &Row) -> Result<usize, ReadError> {
        if !row.cell("end").is_empty() {
            return Err(row.refuse("end", "a bus has no ends", "leave the cell empty"));
        }
        let name = row.cell("element");
        let hint = "write the number or the name of a bus of the case";
        self.buses.get(name).copied().ok_or_else(|| row.refuse("element", format!("no bus {name:?}"), hint))
    }

    fn branch(&self, row: &Row) -> Result<(usize, BranchEnd), ReadError> {
        let end = match row.cell("end") {
            "from" => BranchEnd::From,
            "to" => BranchEnd::To,
            other => return Err(row.refuse("end", format!("{other:?} is no end"), "write from or to")),
        };
        let name = row.cell("element");
        let hint =
            "write FROM-TO with the bus numbers in the order of the case, FROM-TO#2 for a parallel branch";
        let branch = self.branches.get(name).copied();
        branch.map(|at| (at, end)).ok_or_else(|| row.refuse("element", format!("no branch {name:?}"), hint))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn case() -> BusBranchCase {
        crate::matpower::read(include_bytes!("../../../examples/ieee14.m")).unwrap().0
    }

    #[test]
    fn the_example_is_read() {
        let bytes = include_bytes!("../../../examples/ieee14-measurements.csv");
        let measurements = read(bytes, &case()).unwrap();
        // 14 voltages, P and Q of 13 injections and of 20 branches.
        assert_eq!(measurements.len(), 14 + 26 + 40);
        let flow = measurements.iter().find(|m| m.name == "p_flow 4-5 from").unwrap();
        assert_eq!(flow.quantity, MeasuredQuantity::ActiveFlow(6, BranchEnd::From));
        assert!((flow.value + 61.16).abs() < 5.0 * flow.sigma);
    }

    #[test]
    fn parallels_and_names_are_found() {
        let mut case = case();
        case.branches.push(case.branches[6].clone());
        case.buses[3].name = Some("Four".into());
        let text = "type,element,end,value,sigma\nq_flow,4-5#2,to,1,1\nv,Four,,1,1\n";
        let found: Vec<_> = read(text.as_bytes(), &case).unwrap().into_iter().map(|m| m.quantity).collect();
        assert_eq!(found, [MeasuredQuantity::ReactiveFlow(20, BranchEnd::To), MeasuredQuantity::Voltage(3)]);
    }

    #[test]
    fn faults_are_named_with_their_line() {
        let check = |row: &str, reason: &str| {
            let text = format!("type,element,end,value,sigma\nv,1,,1.06,0.01\n{row}\n");
            let error = read(text.as_bytes(), &case()).unwrap_err();
            assert_eq!((error.line, error.reason.contains(reason)), (3, true), "{error}");
            assert!(!error.hint.is_empty());
        };
        check("vm,1,,1,0.01", "\"vm\" is not a type");
        check("v,15,,1,0.01", "no bus \"15\"");
        check("v,1,from,1,0.01", "a bus has no ends");
        check("p_flow,5-4,from,1,0.01", "no branch \"5-4\"");
        check("p_flow,4-5,,1,0.01", "is no end");
        check("v,1,,,0.01", "value: is missing");
        check("v,1,,abc,0.01", "not a finite number");
        check("v,1,,inf,0.01", "not a finite number");
        check("v,1,,1,0", "not above 0");
        check("v,1,,1", "4 cells");
        assert!(read(b"kind,element,end,value,sigma\n", &case()).is_err());
    }
}
