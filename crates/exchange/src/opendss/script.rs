//! Scripts → objects, each a list of assignments in the order in which they were made.
//!
//! The language assigns properties one by one and the meaning of one may depend on those before (`wdg=2 kv=…`), so
//! assignments are kept as they come and the files of `convert` replay them.

use std::collections::HashMap;
use std::rc::Rc;

use model::distribution::EarthReturn;
use model::{Diagnostic, DiagnosticKind};

use super::class::{Class, ClassName};
use super::lex::{self, Param, Scanner};
use super::pattern;
use super::{DssError, FileDiagnostic};
use crate::ReadError;

/// Files that may include each other.
const MAX_DEPTH: usize = 32;
/// Lines of all files together.
const MAX_LINES: usize = 20_000_000;
/// Bytes of one line after variables are put in.
const MAX_LINE: usize = 1 << 20;
/// Diagnostics of one kind before the rest is only counted.
const MAX_SAME: u32 = 3;

/// Where an assignment stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Place {
    pub(super) file: Rc<str>,
    pub(super) line: u32,
}

/// One assignment to a property, by its number in the class.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) property: usize,
    pub(super) value: String,
    pub(super) place: Place,
}

/// An object of the script.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) class: Class,
    /// As it was written first.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) assignments: Vec<Assignment>,
    pub(super) enabled: bool,
    /// Ends that are open: terminal from 1, conductor from 1 or 0 for all.
    pub(super) open: Vec<(u8, u8, Place)>,
    /// Base frequency and earth model that were set when it was made.
    pub(super) base_frequency_hz: f64,
    pub(super) earth_return: EarthReturn,
}

/// Over which time a script solves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Mode {
    /// One moment.
    #[default]
    Snapshot,
    /// Steps of hours, with daily shapes.
    Daily,
    /// The same with yearly shapes.
    Yearly,
    /// Steps of seconds, with duty shapes.
    Duty,
}

/// What the options of `set` say.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Options {
    pub(super) base_frequency_hz: f64,
    pub(super) voltage_bases_kv: Vec<f64>,
    pub(super) load_multiplier: f64,
    pub(super) generator_multiplier: f64,
    pub(super) controls_off: bool,
    pub(super) max_control_rounds: u32,
    pub(super) earth_return: EarthReturn,
    /// Hours since the begin.
    pub(super) hour: f64,
    pub(super) mode: Mode,
    /// Steps of one `solve`, and of all of them since the mode was set.
    pub(super) steps: usize,
    pub(super) solved_steps: usize,
    pub(super) step_h: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base_frequency_hz: 60.0,
            voltage_bases_kv: Vec::new(),
            load_multiplier: 1.0,
            generator_multiplier: 1.0,
            controls_off: false,
            max_control_rounds: 10,
            earth_return: EarthReturn::Deri,
            hour: 0.0,
            mode: Mode::Snapshot,
            steps: 1,
            solved_steps: 0,
            step_h: 1.0,
        }
    }
}

/// All that a script makes.
#[derive(Default)]
pub(super) struct Script {
    pub(super) circuit: Option<String>,
    pub(super) objects: Vec<Object>,
    pub(super) options: Options,
    pub(super) diagnostics: Vec<FileDiagnostic>,
    by_name: HashMap<(Class, String), usize>,
    active: Option<usize>,
    variables: HashMap<String, String>,
    said: HashMap<String, u32>,
    lines: usize,
    folder: String,
    /// Files of values, by path: what is wanted first, then the bytes or why there are none.
    attached: HashMap<String, Result<Vec<u8>, String>>,
}

/// Gives the bytes of a file, or the reason why it cannot.
pub(super) type Files<'a> = dyn FnMut(&str) -> Result<Vec<u8>, String> + 'a;

impl Script {
    /// Runs a file and all that it includes.
    pub(super) fn run(&mut self, path: &str, files: &mut Files<'_>) -> Result<(), DssError> {
        let first = Place { file: path.into(), line: 0 };
        self.folder = folder_of(path).to_owned();
        self.file(path, &first, files, 0)?;
        for (path, bytes) in &mut self.attached {
            *bytes = files(path);
        }
        Ok(())
    }

    /// Bytes of a file of values.
    pub(super) fn attached(&self, path: &str) -> Result<&[u8], &str> {
        match self.attached.get(path) {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(reason)) => Err(reason),
            None => Err("no file of values"),
        }
    }

    /// The value with the path of its file from the folder of the script, if it names one; the file is read at the end.
    fn attach(&mut self, class: Class, property: &str, value: &str) -> String {
        if class != Class::LoadShape {
            return value.to_owned();
        }
        let whole = matches!(property, "csvfile" | "pqcsvfile" | "sngfile" | "dblfile");
        let listed = matches!(property, "mult" | "pmult" | "qmult" | "hour");
        let path = match lex::file_of(value).filter(|_| listed) {
            Some(file) => file.path,
            None if whole => value.to_owned(),
            None => return value.to_owned(),
        };
        let joined = joined(&self.folder, &path.replace('\\', "/"));
        self.attached.insert(joined.clone(), Ok(Vec::new()));
        if whole { joined } else { value.replacen(&path, &format!("\"{joined}\""), 1) }
    }

    /// The object of a class and name.
    pub(super) fn find(&self, class: Class, name: &str) -> Option<&Object> {
        self.by_name.get(&(class, name.to_ascii_lowercase())).map(|&at| &self.objects[at])
    }

    /// Notes what is not as the script says; repetitions of a key are counted, not listed.
    pub(super) fn note(&mut self, kind: DiagnosticKind, key: &str, element: &str, place: &Place, text: &str) {
        let count = self.said.entry(key.to_owned()).or_default();
        *count += 1;
        if *count > MAX_SAME {
            return;
        }
        let more = if *count == MAX_SAME { " (further ones of this kind are not listed)" } else { "" };
        self.diagnostics.push(FileDiagnostic {
            file: place.file.to_string(),
            diagnostic: Diagnostic {
                kind,
                element: element.to_owned(),
                line: (place.line > 0).then_some(place.line),
                text: format!("{text}{more}"),
            },
        });
    }

    fn file(
        &mut self,
        path: &str,
        from: &Place,
        files: &mut Files<'_>,
        depth: usize,
    ) -> Result<(), DssError> {
        if depth >= MAX_DEPTH {
            return Err(from.error("files include each other too deeply", "one of them may include itself"));
        }
        let bytes = files(path).map_err(|reason| match from.line {
            0 => from.error(reason, ""),
            _ => from.error(format!("{path}: {reason}"), ""),
        })?;
        let text = String::from_utf8_lossy(&bytes);
        let file: Rc<str> = path.into();
        let mut in_comment = false;
        for (line, text) in (1_u32..).zip(text.lines()) {
            self.lines += 1;
            let place = Place { file: Rc::clone(&file), line };
            if self.lines > MAX_LINES {
                return Err(place.error(format!("more than {MAX_LINES} lines"), "split the study"));
            }
            let trimmed = text.trim();
            if in_comment || trimmed.starts_with("/*") {
                in_comment = !trimmed.contains("*/");
                continue;
            }
            let text = self.with_variables(lex::without_comment(trimmed));
            if text.len() > MAX_LINE {
                return Err(
                    place.error(format!("the line has more than {MAX_LINE} bytes"), "split it with `~`")
                );
            }
            self.line(text.trim(), &place, files, depth)?;
        }
        Ok(())
    }

    fn with_variables<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        if self.variables.is_empty() || !text.contains('@') {
            return text.into();
        }
        let mut names: Vec<&String> = self.variables.keys().collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('@') {
            replaced.push_str(&rest[..at]);
            rest = &rest[at..];
            let lower = rest.to_ascii_lowercase();
            let found = names.iter().find(|name| lower.starts_with(name.as_str()));
            match found {
                Some(name) => {
                    replaced.push_str(&self.variables[*name]);
                    rest = &rest[name.len()..];
                }
                None => {
                    replaced.push('@');
                    rest = &rest[1..];
                }
            }
        }
        replaced.push_str(rest);
        replaced.into()
    }

    fn line(
        &mut self,
        text: &str,
        place: &Place,
        files: &mut Files<'_>,
        depth: usize,
    ) -> Result<(), DssError> {
        let text = match text.strip_prefix('~') {
            Some(rest) => format!("more {rest}"),
            None => text.to_owned(),
        };
        let mut scanner = Scanner::new(&text);
        let Some(first) = scanner.param() else { return Ok(()) };
        let Some(command) = first.name.is_none().then(|| command(&first.value)) else {
            return self.assign_by_path(&first, &mut scanner, place);
        };
        match command {
            Command::Clear => self.clear(),
            Command::New => self.new_object(&mut scanner, place)?,
            Command::Edit => {
                if let Some(target) = scanner.param() {
                    self.select(&target.value, place)?;
                    self.assign(&mut scanner, place, 0)?;
                }
            }
            Command::More => self.assign(&mut scanner, place, 0)?,
            Command::BatchEdit => self.batch_edit(&mut scanner, place)?,
            Command::Set => self.set(&mut scanner, place)?,
            Command::Redirect | Command::Compile => {
                let Some(target) = scanner.param() else { return Ok(()) };
                self.include(&target.value, command == Command::Compile, place, files, depth)?;
            }
            Command::Enable | Command::Disable => {
                if let Some(target) = scanner.param() {
                    self.switch_all(&target.value, command == Command::Enable, place)?;
                }
            }
            Command::Open | Command::Close => self.open(&mut scanner, command == Command::Open, place)?,
            Command::Var => self.define(&mut scanner),
            Command::Solve => {
                self.set(&mut scanner, place)?;
                self.options.solved_steps += self.options.steps;
            }
            Command::Ignored => {}
            Command::Unknown => {
                let name = &first.value;
                let text = "unknown command";
                self.note(DiagnosticKind::Dropped, &format!("command {name}"), name, place, text);
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.circuit = None;
        self.objects.clear();
        self.by_name.clear();
        self.active = None;
        self.options = Options { base_frequency_hz: self.options.base_frequency_hz, ..Options::default() };
    }

    fn include(
        &mut self,
        target: &str,
        compile: bool,
        place: &Place,
        files: &mut Files<'_>,
        depth: usize,
    ) -> Result<(), DssError> {
        let target = target.replace('\\', "/");
        let path = joined(&self.folder, &target);
        let before = self.folder.clone();
        self.folder = folder_of(&path).to_owned();
        self.file(&path, place, files, depth + 1)?;
        // `compile` leaves the folder of its file current, `redirect` comes back.
        if !compile {
            self.folder = before;
        }
        Ok(())
    }

    fn define(&mut self, scanner: &mut Scanner<'_>) {
        while let Some(param) = scanner.param() {
            if let Some(name) = param.name.filter(|name| name.len() > 1 && name.starts_with('@')) {
                self.variables.insert(name.to_ascii_lowercase(), param.value);
            }
        }
    }

    /// `class.name.property=value …`
    fn assign_by_path(
        &mut self,
        first: &Param,
        scanner: &mut Scanner<'_>,
        place: &Place,
    ) -> Result<(), DssError> {
        let path = first.name.as_deref().unwrap_or_default();
        if path.len() > 1 && path.starts_with('@') {
            self.variables.insert(path.to_ascii_lowercase(), first.value.clone());
            return Ok(());
        }
        let Some((target, property)) = path.rsplit_once('.') else {
            // A property of the active object.
            return match self.active {
                Some(_) => self
                    .assign_one(path, &first.value, place)
                    .map(|_| ())
                    .and_then(|()| self.assign(scanner, place, 0)),
                None => Ok(()),
            };
        };
        if self.select(target, place)? {
            let next = self.assign_one(property, &first.value, place)?;
            self.assign(scanner, place, next)?;
        }
        Ok(())
    }

    /// Makes `class.name` active. Objects of classes without effect are passed over.
    fn select(&mut self, target: &str, place: &Place) -> Result<bool, DssError> {
        let (class, name) = target.split_once('.').unwrap_or(("circuit", target));
        self.active = None;
        let (class, name) = match class.to_ascii_lowercase().as_str() {
            "circuit" => (ClassName::Read(Class::Vsource), "source"),
            class => (Class::named(class), name),
        };
        match class {
            ClassName::Read(class) => {
                let key = (class, name.to_ascii_lowercase());
                self.active = self.by_name.get(&key).copied();
                if self.active.is_none() {
                    let reason = format!("there is no {}.{name}", class.name());
                    return Err(place.error(reason, "it has to be made with `new` before it is changed"));
                }
                Ok(true)
            }
            ClassName::WithoutEffect | ClassName::Unknown => Ok(false),
        }
    }

    fn new_object(&mut self, scanner: &mut Scanner<'_>, place: &Place) -> Result<(), DssError> {
        let Some(target) = scanner.param() else {
            return Err(place.error("`new` without an object", "write new Class.Name property=value"));
        };
        let (class, name) = target.value.split_once('.').unwrap_or((&target.value, ""));
        let class = class.to_ascii_lowercase();
        self.active = None;
        if class == "circuit" {
            self.circuit = Some(name.to_owned());
            self.add(Class::Vsource, "source", place);
            return self.assign(scanner, place, 0);
        }
        match Class::named(&class) {
            ClassName::Read(class) => {
                self.add(class, name, place);
                self.assign(scanner, place, 0)
            }
            ClassName::WithoutEffect => {
                let text = "the class has no part in a power flow";
                self.note(DiagnosticKind::Dropped, &class, &target.value, place, text);
                Ok(())
            }
            ClassName::Unknown => {
                self.note(DiagnosticKind::Dropped, &class, &target.value, place, "the class is not read");
                Ok(())
            }
        }
    }

    fn add(&mut self, class: Class, name: &str, place: &Place) {
        let at = self.objects.len();
        if self.by_name.insert((class, name.to_ascii_lowercase()), at).is_some() {
            let element = format!("{}.{name}", class.name());
            let text = "an object of this name exists: the last one counts for references";
            self.note(DiagnosticKind::Substituted, "duplicate", &element, place, text);
        }
        self.objects.push(Object {
            class,
            name: name.to_owned(),
            place: place.clone(),
            assignments: Vec::new(),
            enabled: true,
            open: Vec::new(),
            base_frequency_hz: self.options.base_frequency_hz,
            earth_return: self.options.earth_return,
        });
        self.active = Some(at);
    }

    /// Assigns the remaining parameters; `next` is the property that a value without name goes to.
    fn assign(&mut self, scanner: &mut Scanner<'_>, place: &Place, mut next: usize) -> Result<(), DssError> {
        while let Some(param) = scanner.param() {
            let Some(active) = self.active else { return Ok(()) };
            next = match &param.name {
                Some(name) => self.assign_one(name, &param.value, place)?,
                None => self.store(active, next, &param.value, place)?,
            };
        }
        Ok(())
    }

    /// Assigns one property by name and returns the number of the one after it.
    fn assign_one(&mut self, name: &str, value: &str, place: &Place) -> Result<usize, DssError> {
        let Some(active) = self.active else { return Ok(0) };
        let class = self.objects[active].class;
        match class.property(name) {
            Some(property) => self.store(active, property, value, place),
            None => {
                let element = format!("{}.{}", class.name(), self.objects[active].name);
                let text = format!("unknown property {name}");
                self.note(
                    DiagnosticKind::Dropped,
                    &format!("{}.{name}", class.name()),
                    &element,
                    place,
                    &text,
                );
                Ok(0)
            }
        }
    }

    fn store(
        &mut self,
        active: usize,
        property: usize,
        value: &str,
        place: &Place,
    ) -> Result<usize, DssError> {
        let class = self.objects[active].class;
        match class.properties().get(property).copied() {
            Some("like") => {
                let Some(other) = self.find(class, value) else {
                    let reason = format!("like={value}: there is no {}.{value}", class.name());
                    return Err(place.error(reason, "the model has to be made first"));
                };
                let (copied, enabled) = (other.assignments.clone(), other.enabled);
                self.objects[active].assignments.extend(copied);
                self.objects[active].enabled = enabled;
            }
            Some("enabled") => {
                let enabled = lex::flag(value)
                    .ok_or_else(|| place.error(format!("enabled={value}"), "write yes or no"))?;
                self.objects[active].enabled = enabled;
            }
            Some(name) => {
                let value = self.attach(class, name, value);
                self.objects[active].assignments.push(Assignment { property, value, place: place.clone() });
            }
            None => {
                let element = format!("{}.{}", class.name(), self.objects[active].name);
                self.note(DiagnosticKind::Dropped, "surplus", &element, place, "more values than properties");
            }
        }
        Ok(property + 1)
    }

    fn batch_edit(&mut self, scanner: &mut Scanner<'_>, place: &Place) -> Result<(), DssError> {
        let Some(target) = scanner.param() else { return Ok(()) };
        let (class, wanted) = target.value.split_once('.').unwrap_or((&target.value, ".*"));
        let ClassName::Read(class) = Class::named(&class.to_ascii_lowercase()) else { return Ok(()) };
        let mut params = Vec::new();
        while let Some(param) = scanner.param() {
            params.push(param);
        }
        let wanted = wanted.to_ascii_lowercase();
        let found: Vec<usize> = (0..self.objects.len())
            .filter(|&at| {
                let object = &self.objects[at];
                object.class == class && pattern::matches(&wanted, &object.name.to_ascii_lowercase())
            })
            .collect();
        for at in found {
            self.active = Some(at);
            for param in &params {
                if let Some(name) = &param.name {
                    self.assign_one(name, &param.value, place)?;
                }
            }
        }
        Ok(())
    }

    fn switch_all(&mut self, target: &str, on: bool, place: &Place) -> Result<(), DssError> {
        let (class, name) = target.split_once('.').unwrap_or((target, ""));
        if let (ClassName::Read(class), "*") = (Class::named(&class.to_ascii_lowercase()), name) {
            for object in self.objects.iter_mut().filter(|object| object.class == class) {
                object.enabled = on;
            }
            return Ok(());
        }
        if self.select(target, place)?
            && let Some(active) = self.active
        {
            self.objects[active].enabled = on;
        }
        Ok(())
    }

    /// `open Class.Name terminal conductor`
    fn open(&mut self, scanner: &mut Scanner<'_>, open: bool, place: &Place) -> Result<(), DssError> {
        let Some(target) = scanner.param() else { return Ok(()) };
        if !self.select(&target.value, place)? {
            return Ok(());
        }
        let mut figure = |default: u8| scanner.param().and_then(|p| p.value.parse().ok()).unwrap_or(default);
        let (terminal, conductor): (u8, u8) = (figure(1), figure(0));
        if let Some(active) = self.active {
            let ends = &mut self.objects[active].open;
            if open {
                ends.push((terminal, conductor, place.clone()));
            } else {
                ends.retain(|&(t, c, _)| t != terminal || (conductor != 0 && c != conductor));
            }
        }
        Ok(())
    }

    fn set(&mut self, scanner: &mut Scanner<'_>, place: &Place) -> Result<(), DssError> {
        while let Some(param) = scanner.param() {
            let Some(name) = param.name.map(|name| name.to_ascii_lowercase()) else { continue };
            let wrong = || place.error(format!("set {name}={}: this is no number", param.value), "");
            let positive = || lex::number(&param.value).filter(|x| *x > 0.0).ok_or_else(wrong);
            match name.as_str() {
                "defaultbasefrequency" | "defaultbasefreq" | "frequency" => {
                    self.options.base_frequency_hz = positive()?;
                }
                "loadmult" => self.options.load_multiplier = lex::number(&param.value).ok_or_else(wrong)?,
                "genmult" => {
                    self.options.generator_multiplier = lex::number(&param.value).ok_or_else(wrong)?
                }
                "maxcontroliter" | "maxcontroliterations" => {
                    self.options.max_control_rounds = param.value.parse().map_err(|_| wrong())?;
                }
                "controlmode" => {
                    self.options.controls_off = param.value.to_ascii_lowercase().starts_with("of");
                }
                "hour" => self.options.hour = lex::number(&param.value).ok_or_else(wrong)?,
                "time" => {
                    let both = lex::numbers(&param.value).ok_or_else(wrong)?;
                    let part = |at: usize| both.get(at).copied().unwrap_or(0.0);
                    self.options.hour = part(0) + part(1) / 3600.0;
                }
                "earthmodel" => self.options.earth_return = earth_return(&param.value),
                name if name.len() >= 4 && "voltagebases".starts_with(name) => {
                    self.options.voltage_bases_kv = lex::numbers(&param.value).ok_or_else(wrong)?;
                }
                "mode" => self.set_mode(&param.value, place),
                "number" => {
                    self.options.steps = param.value.parse().map_err(|_| wrong())?;
                }
                name if name == "h" || (name.len() >= 4 && "stepsize".starts_with(name)) => {
                    self.options.step_h = hours(&param.value).ok_or_else(wrong)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Script {
    /// Each mode begins at midnight with its usual steps.
    fn set_mode(&mut self, name: &str, place: &Place) {
        let lower = name.to_ascii_lowercase();
        let (mode, steps, step_h) = match lower.get(..2).unwrap_or(&lower) {
            "sn" => (Mode::Snapshot, 1, 1.0),
            "da" => (Mode::Daily, 24, 1.0),
            "ye" => (Mode::Yearly, 8760, 1.0),
            "du" => (Mode::Duty, 100, 1.0 / 3600.0),
            _ => {
                let text = format!("mode={name}: the study is a snapshot");
                self.note(DiagnosticKind::Dropped, "mode", "set mode", place, &text);
                (Mode::Snapshot, 1, 1.0)
            }
        };
        let options = &mut self.options;
        (options.mode, options.steps, options.step_h) = (mode, steps, step_h);
        (options.hour, options.solved_steps) = (0.0, 0);
    }
}

/// Hours of a time in seconds, or with `s`, `m` or `h` behind it.
fn hours(text: &str) -> Option<f64> {
    let text = text.trim();
    let (figure, seconds) = match text.chars().last()?.to_ascii_lowercase() {
        'h' => (&text[..text.len() - 1], 3600.0),
        'm' => (&text[..text.len() - 1], 60.0),
        's' => (&text[..text.len() - 1], 1.0),
        _ => (text, 1.0),
    };
    lex::number(figure).filter(|figure| *figure > 0.0).map(|figure| figure * seconds / 3600.0)
}

impl Place {
    /// A fault of this line.
    pub(super) fn error(&self, reason: impl Into<String>, hint: impl Into<String>) -> DssError {
        DssError { file: self.file.to_string(), error: ReadError::new(self.line, reason, hint) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Command {
    Clear,
    New,
    Edit,
    More,
    BatchEdit,
    Set,
    Redirect,
    Compile,
    Enable,
    Disable,
    Open,
    Close,
    Var,
    Solve,
    Ignored,
    Unknown,
}

/// Commands and the fewest letters that mean them.
const COMMANDS: &[(&str, usize, Command)] = &[
    ("new", 1, Command::New),
    ("edit", 1, Command::Edit),
    ("more", 1, Command::More),
    ("set", 2, Command::Set),
    ("clear", 4, Command::Clear),
    ("clearall", 8, Command::Clear),
    ("redirect", 3, Command::Redirect),
    ("compile", 4, Command::Compile),
    ("enable", 2, Command::Enable),
    ("disable", 2, Command::Disable),
    ("open", 2, Command::Open),
    ("close", 3, Command::Close),
    ("batchedit", 2, Command::BatchEdit),
    ("var", 3, Command::Var),
    ("solve", 3, Command::Solve),
];

/// Commands that show, plot, measure or solve: nothing that would change the network.
const IGNORED: &[&str] = &[
    "show",
    "plot",
    "export",
    "buscoords",
    "latlongcoords",
    "calcvoltagebases",
    "makebuslist",
    "visualize",
    "help",
    "summary",
    "interpolate",
    "sample",
    "fileedit",
    "reset",
    "closedi",
    "dump",
    "save",
    "select",
    "totals",
    "estimate",
    "reconductor",
    "about",
    "get",
    "init",
    "next",
    "panel",
    "quit",
    "cleanup",
    "setbusxy",
    "setkvbase",
    "addbusmarker",
    "clearbusmarkers",
    "relcalc",
    "distribute",
    "allocateloads",
    "voltages",
    "currents",
    "powers",
    "losses",
    "doscmd",
    "//",
    "cd",
    "guids",
    "nodelist",
    "rotate",
    "uuids",
    "varnames",
    "varvalues",
    "yearlycurves",
    "vdiff",
    "zsc",
    "zsc10",
    "zscrefresh",
    "ysc",
    "rephase",
    "wait",
    "solveall",
    "fncspublish",
];

fn command(word: &str) -> Command {
    let word = word.to_ascii_lowercase();
    if let Some(&(.., command)) =
        COMMANDS.iter().find(|(name, least, _)| name.starts_with(&word) && word.len() >= *least)
    {
        return command;
    }
    if IGNORED.iter().any(|name| name.starts_with(&word)) { Command::Ignored } else { Command::Unknown }
}

/// The earth model of a name.
pub(super) fn earth_return(name: &str) -> EarthReturn {
    match name.to_ascii_lowercase().chars().next() {
        Some('c') => EarthReturn::ModifiedCarson,
        Some('f') => EarthReturn::Carson,
        Some(_) | None => EarthReturn::Deri,
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn joined(folder: &str, target: &str) -> String {
    if folder.is_empty() || target.starts_with('/') {
        target.to_owned()
    } else {
        format!("{folder}/{target}")
    }
}
