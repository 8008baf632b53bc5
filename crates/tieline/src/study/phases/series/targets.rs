//! Names of profile columns → what they set.
//!
//! ```text
//! load:NAME:p_kw  load:NAME:q_kvar  load:NAME:factor     what a load draws at nominal voltage
//! pvsystem:NAME:…  generator:NAME:…  storage:NAME:…      what they deliver; with a power factor q follows p
//! load:*:factor  pvsystem:*:factor  …                    all of a kind
//! ```
//!
//! Factors of one element multiply; a power that is given is what is given.

use std::collections::HashMap;

use exchange::opendss::Injection;
use model::distribution::{ConverterKind, DistributionNetwork};

use crate::study::series::profile::Column;
use crate::study::series::targets::NameFault;

/// What a column sets.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Target {
    P(Injection),
    Q(Injection),
    Factor(Vec<Injection>),
}

impl Column for Target {
    fn fault(&self, value: f64) -> Option<&'static str> {
        (!value.is_finite()).then_some("not finite")
    }
}

const FORMS: &str = "columns are CLASS:NAME:p_kw, CLASS:NAME:q_kvar, CLASS:NAME:factor and CLASS:*:factor, with \
                     load, pvsystem, generator or storage as CLASS";

/// The names of a network, in small letters, ready to be looked up.
pub(super) struct Names {
    of: HashMap<(&'static str, String), Injection>,
    all: HashMap<&'static str, Vec<Injection>>,
}

impl Names {
    pub(super) fn new(network: &DistributionNetwork) -> Self {
        let mut made = Self { of: HashMap::new(), all: HashMap::new() };
        for (at, load) in (0_u32..).zip(&network.loads) {
            made.add("load", &load.name, Injection::Load(at));
        }
        for (at, converter) in (0_u32..).zip(&network.converters) {
            let class = match converter.kind {
                ConverterKind::Generator => "generator",
                ConverterKind::Photovoltaic => "pvsystem",
                ConverterKind::Battery => "storage",
            };
            made.add(class, &converter.name, Injection::Converter(at));
        }
        made
    }

    fn add(&mut self, class: &'static str, name: &str, injection: Injection) {
        self.of.insert((class, name.to_ascii_lowercase()), injection);
        self.all.entry(class).or_default().push(injection);
    }

    /// What a column sets.
    pub(super) fn target(&self, name: &str) -> Result<Target, NameFault> {
        let fault = |reason: String, hint| Err(NameFault { reason, hint });
        let mut parts = name.split(':');
        let (Some(class), Some(element), Some(quantity), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return fault("no CLASS:NAME:QUANTITY".to_owned(), FORMS);
        };
        let classes = ["load", "pvsystem", "generator", "storage"];
        let Some(class) = classes.into_iter().find(|known| known.eq_ignore_ascii_case(class)) else {
            return fault(format!("no class {class:?}"), FORMS);
        };
        if element == "*" && quantity == "factor" {
            return match self.all.get(class) {
                Some(all) => Ok(Target::Factor(all.clone())),
                None => fault(format!("the script has no {class}"), "leave the column out"),
            };
        }
        let Some(&injection) = self.of.get(&(class, element.to_ascii_lowercase())) else {
            return fault(format!("no {class}.{element}"), "give the name that it has in the script");
        };
        match quantity {
            "p_kw" => Ok(Target::P(injection)),
            "q_kvar" => Ok(Target::Q(injection)),
            "factor" => Ok(Target::Factor(vec![injection])),
            _ => fault(format!("nothing has a {quantity:?}"), FORMS),
        }
    }
}
