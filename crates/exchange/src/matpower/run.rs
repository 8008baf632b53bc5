//! Executes statements. Fields of the case and variables live side by side under their full names.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::ControlFlow;

use super::document::{Assigned, Assignment, Document, Matrix};
use super::index::{self, Indices};
use super::parser::COMPUTED;
use super::syntax::{Bracket, Expression, Operator, Place, Statement};
use super::value::{self, Array, Fault, Value};
use super::{constants, functions};
use crate::ReadError;

/// Most names of one file; cases have a dozen fields.
const MAX_NAMES: usize = 4_096;
/// Most statements that a file executes.
const MAX_STATEMENTS: u32 = 1_000_000;
/// Most figures that a file computes, over all statements.
const MAX_COMPUTED: usize = 1 << 28;

/// A value with its place in the file.
struct Slot {
    value: Value,
    line: u32,
    /// Line of each row of an array.
    lines: Vec<u32>,
    /// Whether it stands in the file as it is.
    literal: bool,
}

/// Everything that has a value so far.
#[derive(Default)]
pub(super) struct Workspace {
    slots: HashMap<String, Slot>,
    /// Fields of the case in the order of their first assignment.
    fields: Vec<String>,
    /// The variable that the function returns; `mpc` without a function.
    variable: Option<String>,
    name: String,
    statements: u32,
    computed: Cell<usize>,
}

fn refuse<T>(place: Place, reason: impl Into<String>, hint: &str) -> Result<T, ReadError> {
    Err(ReadError::new(place.line, reason, hint).at_column(place.column))
}

/// Puts the place to a fault.
fn at<T>(place: Place, result: Result<T, Fault>) -> Result<T, ReadError> {
    result.or_else(|fault| refuse(place, fault, COMPUTED))
}

type Done = ControlFlow<()>;

impl Workspace {
    /// Executes one statement; breaks after a `return`.
    pub(super) fn execute(&mut self, statement: Statement) -> Result<Done, ReadError> {
        match statement {
            Statement::Assign { name, indices: None, value: Expression::Bracket(bracket), place }
                if bracket.computed.is_empty() =>
            {
                // Data, which may be large: not copied.
                self.count(place)?;
                self.assign_data(name, bracket, place)?;
                Ok(Done::Continue(()))
            }
            other => self.perform(&other),
        }
    }

    fn count(&mut self, place: Place) -> Result<(), ReadError> {
        self.statements += 1;
        if self.statements > MAX_STATEMENTS {
            return refuse(place, format!("more than {MAX_STATEMENTS} statements are executed"), COMPUTED);
        }
        Ok(())
    }

    fn perform(&mut self, statement: &Statement) -> Result<Done, ReadError> {
        match statement {
            Statement::Function { variable, name, place } => self.function(variable, name, *place)?,
            Statement::Assign { name, indices, value, place } => {
                self.count(*place)?;
                match indices {
                    None => self.assign(name, value, *place)?,
                    Some(indices) => self.assign_part(name, indices, value, *place)?,
                }
            }
            Statement::Columns { names, function, place } => self.columns(names, function, *place)?,
            Statement::Command(name, place) => self.command(name, *place)?,
            Statement::If(arms, place) => {
                self.count(*place)?;
                for (condition, body) in arms {
                    if self.array(condition, None, *place)?.holds() {
                        return self.all(body);
                    }
                }
            }
            Statement::For { name, over, body, place } => return self.counted(name, over, body, *place),
            Statement::Return => return Ok(Done::Break(())),
        }
        Ok(Done::Continue(()))
    }

    fn all(&mut self, body: &[Statement]) -> Result<Done, ReadError> {
        for statement in body {
            if self.perform(statement)?.is_break() {
                return Ok(Done::Break(()));
            }
        }
        Ok(Done::Continue(()))
    }

    fn counted(
        &mut self,
        name: &str,
        over: &Expression,
        body: &[Statement],
        place: Place,
    ) -> Result<Done, ReadError> {
        let over = self.array(over, None, place)?;
        if over.rows > 1 {
            return refuse(place, "\"for\" over the columns of a matrix", "loop over a row of figures");
        }
        for figure in over.figures {
            self.count(place)?;
            self.put(name, Value::Array(Array::scalar(figure)), place)?;
            if self.all(body)?.is_break() {
                return Ok(Done::Break(()));
            }
        }
        Ok(Done::Continue(()))
    }

    fn function(&mut self, variable: &str, name: &str, place: Place) -> Result<(), ReadError> {
        if self.variable.is_some() {
            return refuse(place, "a second function", "keep the function of the case alone in its file");
        }
        (self.variable, self.name) = (Some(variable.to_owned()), name.to_owned());
        Ok(())
    }

    /// The name of the field if this is one of the case.
    fn field<'a>(&self, name: &'a str) -> Option<&'a str> {
        let variable = self.variable.as_deref().unwrap_or("mpc");
        let (owner, field) = name.split_once('.')?;
        (owner == variable && !field.is_empty()).then_some(field)
    }

    /// Whether a name may be assigned to.
    fn check_name(&self, name: &str, place: Place) -> Result<(), ReadError> {
        let variable = self.variable.as_deref().unwrap_or("mpc");
        if name == variable {
            let reason = format!("{name:?} is assigned as a whole, not field by field");
            return refuse(
                place,
                reason,
                "a case has fields like mpc.bus; change tables and scripts that load other cases are not read",
            );
        }
        if name.contains('.') && self.field(name).is_none() {
            return refuse(place, format!("{name:?} is not a field of {variable:?}"), COMPUTED);
        }
        if !self.slots.contains_key(name) && self.slots.len() >= MAX_NAMES {
            return refuse(place, format!("more than {MAX_NAMES} fields"), "remove what is not the case");
        }
        Ok(())
    }

    fn assign_data(&mut self, name: String, bracket: Bracket, place: Place) -> Result<(), ReadError> {
        self.check_name(&name, place)?;
        self.check_once(&name, place)?;
        let Bracket { figures, row_ends, lines, .. } = bracket;
        let columns = row_ends.first().copied().unwrap_or(0);
        let mut begin = 0;
        for (end, line) in row_ends.iter().zip(&lines) {
            let count = end - begin;
            if count != columns {
                let reason = format!("the row has {count} columns, the rows before have {columns}");
                return Err(ReadError::new(*line, reason, "every row of a matrix must have the same length"));
            }
            begin = *end;
        }
        let array = Array { rows: lines.len(), columns, figures, logical: false };
        self.insert(name, Slot { value: Value::Array(array), line: place.line, lines, literal: true });
        Ok(())
    }

    /// Data given twice are a mistake; computing something new from them is not.
    fn check_once(&self, name: &str, place: Place) -> Result<(), ReadError> {
        match (self.slots.get(name), self.field(name)) {
            (Some(slot), Some(field)) if slot.literal => {
                refuse(place, format!("{field} is assigned twice"), "keep one of the two")
            }
            _ => Ok(()),
        }
    }

    fn assign(&mut self, name: &str, value: &Expression, place: Place) -> Result<(), ReadError> {
        self.check_name(name, place)?;
        let (value, literal) = match value {
            Expression::Number(number) => (Value::Array(Array::scalar(*number)), true),
            Expression::Text(text) => (Value::Text(text.clone()), true),
            Expression::Cells(cells) => (Value::Cells(cells.clone()), true),
            computed => (self.value(computed, None, place)?, false),
        };
        if literal {
            self.check_once(name, place)?;
        }
        self.put(name, value, place)?;
        if let Some(slot) = self.slots.get_mut(name) {
            slot.literal = literal;
        }
        Ok(())
    }

    fn put(&mut self, name: &str, value: Value, place: Place) -> Result<(), ReadError> {
        self.check_name(name, place)?;
        let lines = match &value {
            Value::Array(array) => {
                // Rows keep their lines through a computation that keeps their number.
                let before = self.slots.remove(name).map(|slot| slot.lines).unwrap_or_default();
                if before.len() == array.rows { before } else { vec![place.line; array.rows] }
            }
            Value::Text(_) | Value::Cells(_) => Vec::new(),
        };
        self.insert(name.to_owned(), Slot { value, line: place.line, lines, literal: false });
        Ok(())
    }

    fn insert(&mut self, name: String, slot: Slot) {
        if self.field(&name).is_some() && !self.fields.contains(&name) {
            self.fields.push(name.clone());
        }
        self.slots.insert(name, slot);
    }

    fn assign_part(
        &mut self,
        name: &str,
        indices: &[Expression],
        value: &Expression,
        place: Place,
    ) -> Result<(), ReadError> {
        self.check_name(name, place)?;
        let Some(Slot { value: Value::Array(target), .. }) = self.slots.get(name) else {
            return refuse(place, format!("{name:?} is not a matrix"), COMPUTED);
        };
        let chosen = self.indices(target, indices, place)?;
        let value = self.array(value, None, place)?;
        let Some(Slot { value: Value::Array(target), lines, .. }) = self.slots.get_mut(name) else {
            return refuse(place, format!("{name:?} is not a matrix"), COMPUTED);
        };
        if value.rows == 0 && value.columns == 0 {
            return at(place, index::remove(target, &chosen, lines));
        }
        at(place, index::assign(target, &chosen, &value))?;
        lines.resize(target.rows, place.line);
        Ok(())
    }

    fn columns(&mut self, names: &[String], function: &str, place: Place) -> Result<(), ReadError> {
        self.count(place)?;
        let Some(returned) = constants::returned_by(function) else {
            return refuse(place, format!("several values from {function:?}"), COMPUTED);
        };
        if names.len() > returned.len() {
            let reason = format!("{} names for the {} values of {function}", names.len(), returned.len());
            return refuse(place, reason, "remove the last names");
        }
        for (name, (_, figure)) in names.iter().zip(returned) {
            self.put(name, Value::Array(Array::scalar(*figure)), place)?;
        }
        Ok(())
    }

    fn command(&mut self, name: &str, place: Place) -> Result<(), ReadError> {
        self.count(place)?;
        if name != "define_constants" {
            return refuse(place, format!("{name:?} is not understood"), COMPUTED);
        }
        for (name, figure) in constants::all() {
            self.put(name, Value::Array(Array::scalar(figure)), place)?;
        }
        Ok(())
    }

    fn value(&self, expression: &Expression, last: Option<usize>, place: Place) -> Result<Value, ReadError> {
        match expression {
            Expression::Text(text) => Ok(Value::Text(text.clone())),
            Expression::Cells(cells) => Ok(Value::Cells(cells.clone())),
            Expression::Name(name, _)
                if matches!(
                    self.slots.get(name),
                    Some(Slot { value: Value::Text(_) | Value::Cells(_), .. })
                ) =>
            {
                Ok(self.slots[name].value.clone())
            }
            other => self.array(other, last, place).map(Value::Array),
        }
    }

    /// The value of an expression. `last`: what `end` is; `near`: the place to name if it has none of its own.
    fn array(&self, expression: &Expression, last: Option<usize>, near: Place) -> Result<Array, ReadError> {
        let found = self.computed(expression, last, near)?;
        self.compute(found.figures.len(), near)?;
        Ok(found)
    }

    fn computed(
        &self,
        expression: &Expression,
        last: Option<usize>,
        near: Place,
    ) -> Result<Array, ReadError> {
        match expression {
            Expression::Number(number) => Ok(Array::scalar(*number)),
            Expression::Text(_) | Expression::Cells(_) => {
                refuse(near, "a text in a computation", "only figures are computed")
            }
            Expression::All => refuse(near, "\":\" outside of an index", COMPUTED),
            Expression::Last(place) => match last {
                Some(last) => Ok(Array::scalar(last as f64)),
                None => refuse(*place, "\"end\" outside of an index", COMPUTED),
            },
            Expression::Name(name, place) => match self.slots.get(name) {
                Some(Slot { value: Value::Array(array), .. }) => Ok(array.clone()),
                Some(_) => refuse(*place, format!("{name:?} is a text"), "only figures are computed"),
                None => functions::constant(name).map_or_else(|| unknown(name, *place), Ok),
            },
            Expression::Indexed(name, arguments, place) => self.indexed(name, arguments, last, *place),
            Expression::Bracket(bracket) => self.bracket(bracket, last, near),
            Expression::Signed(sign, value) => Ok(value::signed(*sign, &self.array(value, last, near)?)),
            Expression::Transposed(value) => Ok(self.array(value, last, near)?.transposed()),
            Expression::Binary(operator, sides, place) => self.binary(*operator, sides, last, *place),
            Expression::Range(parts, place) => {
                let mut figures = [0.0; 3];
                for (figure, part) in figures.iter_mut().zip(parts.iter()) {
                    let Some(scalar) = self.array(part, last, *place)?.as_scalar() else {
                        return refuse(*place, "a range between things that are no single figures", COMPUTED);
                    };
                    *figure = scalar;
                }
                at(*place, value::range(figures[0], figures[1], figures[2]))
            }
        }
    }

    fn binary(
        &self,
        operator: Operator,
        sides: &[Expression; 2],
        last: Option<usize>,
        place: Place,
    ) -> Result<Array, ReadError> {
        let [left, right] = sides;
        let left = self.array(left, last, place)?;
        let right = self.array(right, last, place)?;
        at(place, value::binary(operator, &left, &right))
    }

    fn indexed(
        &self,
        name: &str,
        arguments: &[Expression],
        last: Option<usize>,
        place: Place,
    ) -> Result<Array, ReadError> {
        match self.slots.get(name) {
            Some(Slot { value: Value::Array(array), .. }) => {
                let chosen = self.indices(array, arguments, place)?;
                at(place, index::pick(array, &chosen))
            }
            Some(_) => refuse(place, format!("{name:?} is a text"), "only figures are computed"),
            None => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(self.array(argument, last, place)?);
                }
                match functions::call(name, &values) {
                    Some(result) => at(place, result),
                    None => unknown(name, place),
                }
            }
        }
    }

    fn indices(&self, array: &Array, given: &[Expression], place: Place) -> Result<Indices, ReadError> {
        let one = |argument: &Expression, last: usize| match argument {
            Expression::All => Ok(None),
            other => self.array(other, Some(last), place).map(Some),
        };
        match given {
            [all] => {
                let chosen = one(all, array.figures.len())?;
                at(place, Indices::linear(chosen.as_ref(), array))
            }
            [rows, columns] => {
                let rows = one(rows, array.rows)?;
                let columns = one(columns, array.columns)?;
                at(place, Indices::both(rows.as_ref(), columns.as_ref(), array))
            }
            _ => refuse(place, format!("{} indices", given.len()), "a matrix has rows and columns"),
        }
    }

    fn bracket(&self, bracket: &Bracket, last: Option<usize>, near: Place) -> Result<Array, ReadError> {
        let mut computed = bracket.computed.iter().peekable();
        let mut whole = Array::default();
        let mut begin = 0;
        for (end, line) in bracket.row_ends.iter().zip(&bracket.lines) {
            let place = Place { line: *line, column: near.column };
            let mut parts = Vec::with_capacity(end - begin);
            for entry in begin..*end {
                parts.push(match computed.next_if(|(place, _)| *place == entry) {
                    Some((_, expression)) => self.array(expression, last, place)?,
                    None => Array::scalar(bracket.figures[entry]),
                });
            }
            begin = *end;
            let row = value::beside(&parts).map_err(|fault| ReadError::new(*line, fault, COMPUTED))?;
            if whole.figures.is_empty() {
                whole = row;
            } else if row.columns == whole.columns {
                whole.figures.extend(row.figures);
                whole.rows += row.rows;
            } else if row.columns > 0 {
                let reason =
                    format!("the row has {} columns, the rows before have {}", row.columns, whole.columns);
                return Err(ReadError::new(*line, reason, "every row of a matrix must have the same length"));
            }
        }
        Ok(whole)
    }

    fn compute(&self, figures: usize, place: Place) -> Result<(), ReadError> {
        self.computed.set(self.computed.get().saturating_add(figures));
        if self.computed.get() > MAX_COMPUTED {
            return refuse(place, format!("more than {MAX_COMPUTED} figures are computed"), COMPUTED);
        }
        Ok(())
    }

    /// The fields in the order of their first assignment.
    pub(super) fn into_document(mut self) -> Document {
        let prefix = self.variable.as_deref().unwrap_or("mpc").len() + 1;
        let mut assignments = Vec::with_capacity(self.fields.len());
        for name in &self.fields {
            let Some(slot) = self.slots.remove(name) else { continue };
            let value = match slot.value {
                Value::Text(text) => Assigned::Text(text),
                Value::Cells(cells) => Assigned::Cells(cells),
                Value::Array(array) => match array.as_scalar() {
                    Some(scalar) => Assigned::Scalar(scalar),
                    None => Assigned::Matrix(Matrix {
                        figures: array.figures,
                        lines: slot.lines,
                        columns: array.columns,
                    }),
                },
            };
            assignments.push(Assignment { field: name[prefix..].to_owned(), line: slot.line, value });
        }
        Document { name: self.name, assignments }
    }
}

fn unknown<T>(name: &str, place: Place) -> Result<T, ReadError> {
    refuse(place, format!("{name:?} is neither a variable nor a known function"), COMPUTED)
}
