//! Lists of contingencies by name, as CSV or TOML.
//!
//! CSV has the columns `name,type,element`; rows with one name fail together:
//!
//! ```text
//! name,type,element
//! double circuit,branch,23-25
//! double circuit,branch,23-25#2
//! unit 3,generator,3
//! ```
//!
//! TOML has a table per contingency with a list of elements per type:
//!
//! ```toml
//! [[contingency]]
//! name = "double circuit"
//! branch = ["23-25", "23-25#2"]
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Deserialize;

use crate::names::{Kind, Names};
use crate::outage::{Contingency, Outage};

/// Most contingencies of a list.
const MAX_CONTINGENCIES: usize = 10_000_000;

/// Why a list or a file of rules could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListError {
    /// Line from 1; 0 if the fault is the absence of something.
    pub line: u32,
    /// What is wrong, lower case, no full stop.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

impl ListError {
    pub(crate) fn new(line: u32, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { line, reason: reason.into(), hint: hint.into() }
    }

    /// A fault that the TOML reader found.
    pub(crate) fn of_toml(text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map_or(0, |span| line_at(text, span.start));
        Self::new(line, error.message().to_owned(), "see the example in the manual")
    }
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "{} (hint: {})", self.reason, self.hint)
    }
}

impl std::error::Error for ListError {}

/// Line of a position, from 1.
pub(crate) fn line_at(text: &str, at: usize) -> u32 {
    let before = text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
    u32::try_from(before + 1).unwrap_or(u32::MAX)
}

/// The outage of an element, or what is wrong with its name.
pub(crate) fn resolve(
    names: &dyn Names,
    (kind, element): (&str, &str),
    line: u32,
) -> Result<Outage, ListError> {
    let Some(known) = Kind::of(kind) else {
        let kinds: Vec<&str> = Kind::ALL.into_iter().map(Kind::word).collect();
        let hint = format!("types are {}", kinds.join(", "));
        return Err(ListError::new(line, format!("unknown type {kind:?}"), hint));
    };
    names.outage(known, element).ok_or_else(|| {
        let hint = match names.all(known).first() {
            Some(first) => {
                format!("names are written like {:?}", first.name.trim_start_matches(known.word()).trim())
            }
            None => format!("this network has nothing of the type {kind}"),
        };
        ListError::new(line, format!("there is no {kind} {element:?}"), hint)
    })
}

/// Reads a list in CSV.
///
/// # Errors
/// The first line that cannot be used.
pub fn read_csv(bytes: &[u8], names: &dyn Names) -> Result<Vec<Contingency>, ListError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(bytes);
    let header = reader.headers().map_err(|error| of_csv(&error))?.clone();
    let place = |name: &str| {
        header.iter().position(|column| column == name).ok_or_else(|| {
            ListError::new(1, format!("no column {name:?}"), "the header is name,type,element")
        })
    };
    let places = [place("name")?, place("type")?, place("element")?];
    let mut list: Vec<Contingency> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for record in reader.into_records() {
        let record = record.map_err(|error| of_csv(&error))?;
        let line = record.position().map_or(0, |at| u32::try_from(at.line()).unwrap_or(u32::MAX));
        let [name, kind, element] = places.map(|place| record.get(place).unwrap_or(""));
        if name.is_empty() {
            return Err(ListError::new(line, "the name is empty", "give every contingency a name"));
        }
        let outage = resolve(names, (kind, element), line)?;
        if list.len() >= MAX_CONTINGENCIES {
            let hint = "split the list";
            return Err(ListError::new(line, format!("more than {MAX_CONTINGENCIES} contingencies"), hint));
        }
        let at = *known.entry(name.to_owned()).or_insert_with(|| {
            list.push(Contingency { name: name.to_owned(), outage: Outage::default() });
            list.len() - 1
        });
        list[at].outage.join(&outage);
    }
    Ok(list)
}

fn of_csv(error: &csv::Error) -> ListError {
    let line = error.position().map_or(0, |at| u32::try_from(at.line()).unwrap_or(u32::MAX));
    ListError::new(line, error.to_string(), "every row has a name, a type and an element")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    contingency: Vec<toml::Spanned<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(flatten)]
    elements: BTreeMap<String, Vec<String>>,
}

/// Reads a list in TOML.
///
/// # Errors
/// The first table that cannot be used.
pub fn read_toml(text: &str, names: &dyn Names) -> Result<Vec<Contingency>, ListError> {
    let document: Document = toml::from_str(text).map_err(|error| ListError::of_toml(text, &error))?;
    let mut list: Vec<Contingency> = Vec::new();
    let mut known = HashMap::new();
    for entry in document.contingency {
        let line = line_at(text, entry.span().start);
        let entry = entry.into_inner();
        if known.insert(entry.name.clone(), ()).is_some() {
            let hint = "give every contingency its own name";
            return Err(ListError::new(line, format!("a second contingency {:?}", entry.name), hint));
        }
        let mut outage = Outage::default();
        for (kind, elements) in &entry.elements {
            for element in elements {
                outage.join(&resolve(names, (kind, element), line)?);
            }
        }
        list.push(Contingency { name: entry.name, outage });
    }
    Ok(list)
}
