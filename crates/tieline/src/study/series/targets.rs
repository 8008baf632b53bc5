//! Names of profile columns → what they set.
//!
//! ```text
//! load:BUS:p_mw  load:BUS:q_mvar  load:BUS:factor     demand of a bus, or a factor on that of the case
//! load:*:factor  zone:N:factor    area:N:factor       the same for all buses, those of a zone, of an area
//! generator:ROW:p_mw  generator:ROW:factor            output of a generator; rows count from 1
//! branch:NAME:in_service  branch:NAME:tap_ratio  branch:NAME:shift_degree
//! ```
//!
//! Factors on a load multiply; a load that is given in MW or Mvar is what is given.

use std::collections::HashMap;

use super::profile::Column;
use crate::study::network::StudyNetwork;

/// What a column of a profile sets. Buses, generators and branches are rows of the case.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Target {
    /// Active demand of a bus in MW.
    LoadP(usize),
    /// Reactive demand of a bus in Mvar.
    LoadQ(usize),
    /// Factor on active and reactive demand of buses.
    LoadFactor(Vec<usize>),
    /// Output of a generator in MW.
    GeneratorP(usize),
    /// Factor on the output of a generator.
    GeneratorFactor(usize),
    /// Whether a branch is in service: 0 or 1.
    InService(usize),
    /// Ratio of a transformer at its from end.
    TapRatio(usize),
    /// Phase shift of a transformer in degrees.
    ShiftDegree(usize),
}

impl Target {
    /// Whether it changes the network rather than an injection.
    pub(super) const fn switches(&self) -> bool {
        match self {
            Self::InService(_) | Self::TapRatio(_) | Self::ShiftDegree(_) => true,
            Self::LoadP(_)
            | Self::LoadQ(_)
            | Self::LoadFactor(_)
            | Self::GeneratorP(_)
            | Self::GeneratorFactor(_) => false,
        }
    }
}

impl Column for Target {
    fn fault(&self, value: f64) -> Option<&'static str> {
        match self {
            Self::InService(_) if value != 0.0 && value != 1.0 => Some("neither 0 nor 1"),
            Self::TapRatio(_) if value <= 0.0 => Some("not above 0"),
            _ if !value.is_finite() => Some("not finite"),
            Self::InService(_)
            | Self::TapRatio(_)
            | Self::ShiftDegree(_)
            | Self::LoadP(_)
            | Self::LoadQ(_)
            | Self::LoadFactor(_)
            | Self::GeneratorP(_)
            | Self::GeneratorFactor(_) => None,
        }
    }
}

/// Reason and hint of a name that sets nothing.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::study) struct NameFault {
    pub(in crate::study) reason: String,
    pub(in crate::study) hint: &'static str,
}

const FORMS: &str = "columns are load:BUS:p_mw, load:BUS:q_mvar, load:BUS:factor, load:*:factor, zone:N:factor, \
                     area:N:factor, generator:ROW:p_mw, generator:ROW:factor, branch:FROM-TO:in_service, \
                     branch:FROM-TO:tap_ratio, branch:FROM-TO:shift_degree";
const BUSES: &str = "give the number of a bus of the network";
const ZONES: &str = "give the number of a zone or area that has buses in the network";
const ROWS: &str = "give the row of the generator table, the first is 1";
const BRANCHES: &str =
    "branches are FROM-TO, parallel ones FROM-TO#2, as in `tieline study powerflow --result branch`";

/// The names of a network, ready to be looked up.
pub(super) struct Names {
    buses: HashMap<u32, usize>,
    branches: HashMap<String, usize>,
    zones: Vec<[u32; 2]>,
    generators: usize,
}

impl Names {
    pub(super) fn new(network: &StudyNetwork) -> Self {
        let case = &network.case;
        Self {
            buses: case.buses.iter().enumerate().map(|(row, bus)| (bus.number.0, row)).collect(),
            branches: network.branch_names.iter().cloned().zip(0..).collect(),
            zones: case.buses.iter().map(|bus| [bus.zone, bus.area]).collect(),
            generators: case.generators.len(),
        }
    }

    /// What a column sets.
    pub(super) fn target(&self, name: &str) -> Result<Target, NameFault> {
        let fault = |reason: &str, hint| NameFault { reason: reason.to_owned(), hint };
        let mut parts = name.split(':');
        let (Some(kind), Some(element), Some(quantity), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(fault("no ELEMENT:NAME:QUANTITY", FORMS));
        };
        match (kind, quantity) {
            ("load", "factor") if element == "*" => Ok(Target::LoadFactor((0..self.zones.len()).collect())),
            ("load", "p_mw") => self.bus(element).map(Target::LoadP),
            ("load", "q_mvar") => self.bus(element).map(Target::LoadQ),
            ("load", "factor") => self.bus(element).map(|bus| Target::LoadFactor(vec![bus])),
            ("zone", "factor") => self.region(element, 0),
            ("area", "factor") => self.region(element, 1),
            ("generator", "p_mw") => self.generator(element).map(Target::GeneratorP),
            ("generator", "factor") => self.generator(element).map(Target::GeneratorFactor),
            ("branch", "in_service") => self.branch(element).map(Target::InService),
            ("branch", "tap_ratio") => self.branch(element).map(Target::TapRatio),
            ("branch", "shift_degree") => self.branch(element).map(Target::ShiftDegree),
            (_, _) => Err(fault(&format!("nothing has a {kind:?} with a {quantity:?}"), FORMS)),
        }
    }

    fn bus(&self, text: &str) -> Result<usize, NameFault> {
        let row = text.parse().ok().and_then(|number| self.buses.get(&number).copied());
        row.ok_or_else(|| NameFault { reason: format!("no bus {text:?}"), hint: BUSES })
    }

    /// `part` is 0 for zones and 1 for areas.
    fn region(&self, text: &str, part: usize) -> Result<Target, NameFault> {
        let number: Option<u32> = text.parse().ok();
        let inside = |of: &[u32; 2]| Some(of[part]) == number;
        let rows: Vec<usize> =
            (0..).zip(&self.zones).filter(|(_, of)| inside(of)).map(|(row, _)| row).collect();
        if rows.is_empty() {
            return Err(NameFault { reason: format!("no bus in {text:?}"), hint: ZONES });
        }
        Ok(Target::LoadFactor(rows))
    }

    fn generator(&self, text: &str) -> Result<usize, NameFault> {
        let row = text.parse::<usize>().ok().filter(|row| (1..=self.generators).contains(row));
        row.map(|row| row - 1)
            .ok_or_else(|| NameFault { reason: format!("no generator {text:?}"), hint: ROWS })
    }

    fn branch(&self, text: &str) -> Result<usize, NameFault> {
        let row = self.branches.get(text).copied();
        row.ok_or_else(|| NameFault { reason: format!("no branch {text:?}"), hint: BRANCHES })
    }
}
