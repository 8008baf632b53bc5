//! `LoadShape`, and what follows one.

use model::DiagnosticKind;

use super::{Converter, property};
use crate::opendss::DssError;
use crate::opendss::lex;
use crate::opendss::schedule::{Follower, Injection, LoadShape, Rule, Schedule};
use crate::opendss::script::{Assignment, Mode, Object};

/// The shape that every circuit has (OpenDSS 0.14.5, `loadshape.default`).
const DEFAULT: [f64; 24] = [
    0.677, 0.6256, 0.6087, 0.5833, 0.58028, 0.6025, 0.657, 0.7477, 0.832, 0.88, 0.94, 0.989, 0.985, 0.98,
    0.9898, 0.999, 1.0, 0.958, 0.936, 0.913, 0.876, 0.876, 0.828, 0.756,
];

/// Names of the shapes of an object, by mode.
#[derive(Clone, Debug, Default)]
pub(super) struct Shapes {
    daily: Option<Assignment>,
    yearly: Option<Assignment>,
    duty: Option<Assignment>,
    /// Whether the daily shape does not stand for a yearly one that is missing.
    yearly_alone: bool,
}

impl Shapes {
    /// Those of a generator, which over a year follows nothing but a yearly shape.
    pub(super) fn of_generator() -> Self {
        Self { yearly_alone: true, ..Self::default() }
    }

    /// Assigns a property; whether it is one of them.
    pub(super) fn assign(&mut self, name: &str, assigned: &Assignment) -> bool {
        let place = match name {
            "daily" => &mut self.daily,
            "yearly" => &mut self.yearly,
            "duty" => &mut self.duty,
            _ => return false,
        };
        let empty = assigned.value.is_empty() || assigned.value.eq_ignore_ascii_case("none");
        *place = (!empty).then(|| assigned.clone());
        true
    }

    /// That of the mode; the daily one where it has none.
    fn of(&self, mode: Mode) -> Option<&Assignment> {
        match mode {
            Mode::Snapshot => None,
            Mode::Daily => self.daily.as_ref(),
            Mode::Yearly if self.yearly_alone => self.yearly.as_ref(),
            Mode::Yearly => self.yearly.as_ref().or(self.daily.as_ref()),
            Mode::Duty => self.duty.as_ref().or(self.daily.as_ref()),
        }
    }
}

impl Converter<'_> {
    pub(super) fn load_shape(&mut self, object: &Object) -> Result<(), DssError> {
        let mut state = State::usual();
        for assigned in &object.assignments {
            let name = property(object, assigned);
            if name == "interpolation" && !assigned.value.to_ascii_lowercase().starts_with('a') {
                state.steps_between = Some(assigned.clone());
            }
            self.assign_shape(&mut state, name, assigned)?;
        }
        let shape = state.shape(object)?;
        self.add_shape(&object.name, shape);
        Ok(())
    }

    /// The shape that a script may name without making it.
    pub(super) fn default_shape(&mut self) {
        let shape = LoadShape {
            interval_h: 1.0,
            hours: Vec::new(),
            p: DEFAULT.to_vec(),
            q: Vec::new(),
            actual: false,
        };
        self.add_shape("default", shape);
    }

    fn add_shape(&mut self, name: &str, shape: LoadShape) {
        let at = u32::try_from(self.shapes.len()).unwrap_or(u32::MAX);
        self.shapes.push(shape);
        self.shape_names.insert(name.to_ascii_lowercase(), at);
    }

    fn assign_shape(&self, state: &mut State, name: &str, assigned: &Assignment) -> Result<(), DssError> {
        match name {
            "npts" => state.count = Some(assigned.number()?.max(0.0) as usize),
            "interval" => state.interval_h = assigned.number()?,
            "minterval" => state.interval_h = assigned.number()? / 60.0,
            "sinterval" => state.interval_h = assigned.number()? / 3600.0,
            "mult" | "pmult" => state.p = self.values(assigned)?,
            "qmult" => state.q = self.values(assigned)?,
            "hour" => state.hours = self.values(assigned)?,
            "useactual" => state.actual = assigned.flag()?,
            "pbase" => state.base[0] = assigned.number()?,
            "qbase" => state.base[1] = assigned.number()?,
            "csvfile" => state.take(self.columns(assigned)?, false, assigned)?,
            "pqcsvfile" => state.take(self.columns(assigned)?, true, assigned)?,
            "sngfile" | "dblfile" => {
                let width = if name == "sngfile" { 4 } else { 8 };
                let values = binary(self.bytes(assigned, &assigned.value)?, width);
                let each = if state.interval_h > 0.0 { 1 } else { 2 };
                state.take(values.chunks_exact(each).map(<[f64]>::to_vec).collect(), false, assigned)?;
            }
            "action" if assigned.value.to_ascii_lowercase().starts_with('n') => state.normalise(),
            _ => {}
        }
        Ok(())
    }

    /// Bytes of a file that a property names.
    fn bytes(&self, assigned: &Assignment, path: &str) -> Result<&[u8], DssError> {
        self.script.attached(path).map_err(|reason| assigned.place.error(format!("{path}: {reason}"), ""))
    }

    /// Numbers of a list, or of the file that stands in its place: `file=NAME column=2 header=yes`, `sngfile=`, `dblfile=`.
    fn values(&self, assigned: &Assignment) -> Result<Vec<f64>, DssError> {
        let Some(file) = lex::file_of(&assigned.value) else { return assigned.numbers() };
        let bytes = self.bytes(assigned, &file.path)?;
        if let Some(width) = file.binary {
            return Ok(binary(bytes, width));
        }
        let mut values = Vec::new();
        for (line, cells) in lines(bytes).skip(usize::from(file.header)) {
            let cell = cells.get(file.column - 1).and_then(|cell| lex::number(cell));
            values.push(cell.ok_or_else(|| {
                let reason = format!("{}:{line}: column {} is no number", file.path, file.column);
                assigned.place.error(reason, "give column=N, and header=yes for a first line of names")
            })?);
        }
        Ok(values)
    }

    /// The rows of a file of numbers.
    fn columns(&self, assigned: &Assignment) -> Result<Vec<Vec<f64>>, DssError> {
        let mut rows = Vec::new();
        for (line, cells) in lines(self.bytes(assigned, &assigned.value)?) {
            let row: Option<Vec<f64>> =
                cells.iter().filter(|cell| !cell.is_empty()).map(|cell| lex::number(cell)).collect();
            rows.push(row.ok_or_else(|| {
                let reason = format!("{}:{line}: no row of numbers", assigned.value);
                assigned.place.error(reason, "the file has no header")
            })?);
        }
        Ok(rows)
    }

    /// Notes what follows a shape in the mode of the script.
    pub(super) fn follow(&mut self, of: Injection, shapes: &Shapes, rule: Rule) -> Result<(), DssError> {
        let Some(assigned) = shapes.of(self.options.mode) else {
            // A battery counts its energy without a shape too.
            if matches!(rule, Rule::Battery { .. }) && self.options.mode != Mode::Snapshot {
                self.followers.push(Follower { of, shape: None, rule });
            }
            return Ok(());
        };
        let shape = self.shape_names.get(&assigned.value.to_ascii_lowercase()).copied().ok_or_else(|| {
            let reason = format!("there is no loadshape.{}", assigned.value);
            assigned.place.error(reason, "make it with `new loadshape.NAME`")
        })?;
        self.followers.push(Follower { of, shape: Some(shape), rule });
        Ok(())
    }

    /// The series that the script asks for.
    pub(super) fn schedule(&mut self) -> Option<Schedule> {
        let options = &self.options;
        if options.mode == Mode::Snapshot {
            return None;
        }
        let steps = if options.solved_steps > 0 { options.solved_steps } else { options.steps };
        Some(Schedule {
            steps,
            step_h: options.step_h,
            begin_h: options.hour,
            shapes: std::mem::take(&mut self.shapes),
            followers: std::mem::take(&mut self.followers),
        })
    }

    /// Says that a property over time would matter but is not read.
    pub(super) fn not_followed(&mut self, object: &Object, assigned: &Assignment, why: &str) {
        if self.options.mode != Mode::Snapshot && !assigned.value.is_empty() {
            let text = format!("{}={}: {why}", property(object, assigned), assigned.value);
            self.note(DiagnosticKind::Dropped, "not followed", object, &text);
        }
    }
}

/// Lines that are not empty, with their numbers, in cells.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let cells = |line: &'_ str| -> bool { !line.trim().is_empty() };
    (1..).zip(text.lines()).filter(move |(_, line)| cells(line)).map(|(number, line)| {
        let cells = line.split([',', ';', '\t', ' ']).map(str::trim).filter(|cell| !cell.is_empty());
        (number, cells.collect())
    })
}

/// Little-endian floats of 4 or 8 octets; what is left over is no number.
fn binary(bytes: &[u8], width: usize) -> Vec<f64> {
    bytes
        .chunks_exact(width)
        .filter_map(|chunk| match width {
            4 => chunk.try_into().ok().map(|four| f64::from(f32::from_le_bytes(four))),
            _ => chunk.try_into().ok().map(f64::from_le_bytes),
        })
        .collect()
}

struct State {
    count: Option<usize>,
    interval_h: f64,
    hours: Vec<f64>,
    p: Vec<f64>,
    q: Vec<f64>,
    actual: bool,
    base: [f64; 2],
    steps_between: Option<Assignment>,
}

impl State {
    const fn usual() -> Self {
        Self {
            count: None,
            interval_h: 1.0,
            hours: Vec::new(),
            p: Vec::new(),
            q: Vec::new(),
            actual: false,
            base: [0.0; 2],
            steps_between: None,
        }
    }

    /// Rows of a file: the hour first where there is no interval, then values.
    fn take(&mut self, rows: Vec<Vec<f64>>, reactive: bool, assigned: &Assignment) -> Result<(), DssError> {
        let first = usize::from(self.interval_h <= 0.0);
        let wanted = first + 1 + usize::from(reactive);
        if let Some((at, row)) = rows.iter().enumerate().find(|(_, row)| row.len() < wanted) {
            let reason = format!("{}: row {} has {} numbers", assigned.value, at + 1, row.len());
            let hint = format!("{wanted} are needed: the hour where there is no interval, then the values");
            return Err(assigned.place.error(reason, hint));
        }
        self.p = rows.iter().map(|row| row[first]).collect();
        if first == 1 {
            self.hours = rows.iter().map(|row| row[0]).collect();
        }
        if reactive {
            self.q = rows.iter().map(|row| row[first + 1]).collect();
        }
        Ok(())
    }

    /// By the base that is given, or the largest value.
    fn normalise(&mut self) {
        for (values, base) in [(&mut self.p, self.base[0]), (&mut self.q, self.base[1])] {
            let largest = values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
            let base = if base != 0.0 { base } else { largest };
            if base != 0.0 {
                values.iter_mut().for_each(|value| *value /= base);
            }
        }
        self.actual = false;
    }

    fn shape(mut self, object: &Object) -> Result<LoadShape, DssError> {
        if let Some(count) = self.count.filter(|count| *count > 0) {
            // What is not given is zero.
            self.p.resize(count, 0.0);
            self.q.truncate(count);
            self.hours.truncate(count);
        }
        let fault = |reason: &str, hint: &str| {
            object.place.error(format!("loadshape.{}: {reason}", object.name), hint)
        };
        if self.interval_h <= 0.0 {
            let rises = self.hours.windows(2).all(|pair| pair[0] < pair[1]);
            if self.hours.len() != self.p.len() || !rises {
                return Err(fault(
                    "its hours do not rise, one for each value",
                    "give hour=[…] or an interval",
                ));
            }
            if let Some(assigned) = &self.steps_between {
                let reason = format!("interpolation={} is not read", assigned.value);
                return Err(assigned.place.error(reason, "leave it out, or give an interval"));
            }
        }
        if self.p.is_empty() {
            return Err(fault("no values", "give mult=[…] or a file"));
        }
        Ok(LoadShape {
            interval_h: self.interval_h,
            hours: self.hours,
            p: self.p,
            q: self.q,
            actual: self.actual,
        })
    }
}
