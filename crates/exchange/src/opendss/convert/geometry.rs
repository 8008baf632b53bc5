//! `LineGeometry`, `LineSpacing`, `WireData`, `CNData` and `TSData`.

use model::distribution::{
    COPPER_TAPE_OHM_M, CableInfo, ConcentricNeutralCableInfo, TapeShieldCableInfo, WireInfo, WireKind,
    WirePosition,
};

use super::line::unit_m;
use super::{Converter, property};
use crate::opendss::DssError;
use crate::opendss::class::Class;
use crate::opendss::lex;
use crate::opendss::script::{Assignment, Object};

/// Resistance to alternating current by that to direct current, where only one is given.
const AC_TO_DC: f64 = 1.02;
/// GMR of a solid wire by its radius.
const SOLID_GMR: f64 = 0.7788;
/// Most wires of one line.
const MAX_WIRES: u8 = 12;

/// A cross-section: places, what lies there, and how many of them are conductors of the line.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    places: Vec<Place>,
    wires: Vec<Option<WireKind>>,
    phases: usize,
    reduce: bool,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    x: f64,
    h: f64,
    unit_m: f64,
}

const FOOT: f64 = 0.3048;

impl Section {
    /// Positions, those of the conductors of the line first, and how many these are; `None` while wires are missing.
    pub(super) fn positions(&self) -> Option<(Vec<WirePosition>, usize)> {
        let positions = self
            .places
            .iter()
            .zip(&self.wires)
            .map(|(place, wire)| {
                let kind = (*wire)?;
                Some(WirePosition { x_m: place.x * place.unit_m, y_m: place.h * place.unit_m, kind })
            })
            .collect::<Option<Vec<_>>>()?;
        let conductors = if self.reduce { self.phases } else { positions.len() };
        Some((positions, conductors))
    }

    fn resize(&mut self, count: usize) {
        self.places = vec![Place { x: 0.0, h: 0.0, unit_m: FOOT }; count];
        self.wires = vec![None; count];
    }

    /// Puts wires at the places from the `first`.
    pub(super) fn lay(&mut self, first: usize, wires: Vec<WireKind>) {
        for (place, wire) in self.wires.iter_mut().skip(first).zip(wires) {
            *place = Some(wire);
        }
    }

    /// Where wires go that are listed after cables: behind the phases.
    pub(super) fn first_free(&self) -> usize {
        let cables = matches!(
            self.wires.first(),
            Some(Some(WireKind::ConcentricNeutralCable(_) | WireKind::TapeShieldCable(_)))
        );
        if cables { self.phases } else { 0 }
    }
}

impl Converter<'_> {
    pub(super) fn line_geometry(&mut self, object: &Object) -> Result<(), DssError> {
        let mut section = Section { phases: 3, ..Section::default() };
        let (mut active, mut unit) = (0, FOOT);
        for assigned in &object.assignments {
            let name = property(object, assigned);
            match name {
                "nconds" => {
                    section.resize(usize::from(assigned.count(MAX_WIRES)?));
                    (active, unit) = (0, FOOT);
                }
                "nphases" => section.phases = usize::from(assigned.count(MAX_WIRES)?),
                "cond" => {
                    active = usize::from(assigned.count(MAX_WIRES)?) - 1;
                    if let Some(place) = section.places.get_mut(active) {
                        place.unit_m = unit;
                    }
                }
                "reduce" => section.reduce = assigned.flag()?,
                "spacing" => self.take_spacing(&mut section, assigned)?,
                "wires" => {
                    let first = section.first_free();
                    section.lay(first, self.wires(assigned, Class::WireData)?);
                }
                "cncables" => section.lay(0, self.wires(assigned, Class::CnData)?),
                "tscables" => section.lay(0, self.wires(assigned, Class::TsData)?),
                "wire" => section.lay(active, self.wires(assigned, Class::WireData)?),
                "cncable" => section.lay(active, self.wires(assigned, Class::CnData)?),
                "tscable" => section.lay(active, self.wires(assigned, Class::TsData)?),
                "units" => {
                    unit = unit_m(&assigned.value).unwrap_or(FOOT);
                    if let Some(place) = section.places.get_mut(active) {
                        place.unit_m = unit;
                    }
                }
                "x" | "h" => {
                    let figure = assigned.number()?;
                    if let Some(place) = section.places.get_mut(active) {
                        if name == "x" { place.x = figure } else { place.h = figure }
                    }
                }
                _ => {}
            }
        }
        section.phases = section.phases.min(section.places.len());
        self.sections.insert((Class::LineGeometry, object.name.to_ascii_lowercase()), section);
        Ok(())
    }

    pub(super) fn line_spacing(&mut self, object: &Object) -> Result<(), DssError> {
        let mut section = Section { phases: 3, ..Section::default() };
        section.resize(3);
        let mut unit = FOOT;
        for assigned in &object.assignments {
            match property(object, assigned) {
                "nconds" => section.resize(usize::from(assigned.count(MAX_WIRES)?)),
                "nphases" => section.phases = usize::from(assigned.count(MAX_WIRES)?),
                "units" => unit = unit_m(&assigned.value).unwrap_or(FOOT),
                "x" => {
                    for (place, x) in section.places.iter_mut().zip(assigned.numbers()?) {
                        place.x = x;
                    }
                }
                "h" => {
                    for (place, h) in section.places.iter_mut().zip(assigned.numbers()?) {
                        place.h = h;
                    }
                }
                _ => {}
            }
        }
        section.places.iter_mut().for_each(|place| place.unit_m = unit);
        section.reduce = section.places.len() > section.phases;
        self.sections.insert((Class::LineSpacing, object.name.to_ascii_lowercase()), section);
        Ok(())
    }

    fn take_spacing(&self, section: &mut Section, assigned: &Assignment) -> Result<(), DssError> {
        let spacing = self.section(Class::LineSpacing, assigned)?;
        if spacing.places.len() != section.places.len() {
            return Err(assigned.wrong(&format!("spacing of {} wires", section.places.len())));
        }
        section.places.clone_from(&spacing.places);
        Ok(())
    }

    /// The geometry or spacing of a name.
    pub(super) fn section(&self, class: Class, assigned: &Assignment) -> Result<&Section, DssError> {
        let key = (class, assigned.value.to_ascii_lowercase());
        self.sections.get(&key).ok_or_else(|| {
            let reason = format!("there is no {}.{}", class.name(), assigned.value);
            assigned.place.error(reason, "it has to stand before what uses it")
        })
    }

    /// The wires or cables of a list of names.
    pub(super) fn wires(&self, assigned: &Assignment, class: Class) -> Result<Vec<WireKind>, DssError> {
        let find = |name: &String| {
            let key = (class, name.to_ascii_lowercase());
            self.wire_kinds.get(&key).copied().ok_or_else(|| {
                let reason = format!("there is no {}.{name}", class.name());
                assigned.place.error(reason, "it has to stand before what uses it")
            })
        };
        lex::list(&assigned.value).iter().map(find).collect()
    }

    pub(super) fn wire_data(&mut self, object: &Object) -> Result<(), DssError> {
        let mut data = WireData::default();
        for assigned in &object.assignments {
            data.assign(property(object, assigned), assigned)?;
        }
        let kind = match object.class {
            Class::CnData => WireKind::ConcentricNeutralCable(data.concentric_neutral()),
            Class::TsData => WireKind::TapeShieldCable(data.tape_shield()),
            _ => WireKind::OverheadWire(data.wire()),
        };
        self.wire_kinds.insert((object.class, object.name.to_ascii_lowercase()), kind);
        Ok(())
    }
}

/// Figures of a wire or cable in the units of the script.
#[derive(Default)]
struct WireData {
    rdc: Option<f64>,
    rac: Option<f64>,
    gmr: Option<f64>,
    radius: Option<f64>,
    r_unit_m: Option<f64>,
    gmr_unit_m: Option<f64>,
    radius_unit_m: Option<f64>,
    permittivity: Option<f64>,
    insulation: f64,
    over_insulation: f64,
    over_cable: f64,
    strands: u8,
    strand_diameter: f64,
    strand_gmr: Option<f64>,
    strand_r: f64,
    over_shield: f64,
    tape: f64,
    lap: Option<f64>,
}

impl WireData {
    fn assign(&mut self, name: &str, assigned: &Assignment) -> Result<(), DssError> {
        match name {
            "rdc" => self.rdc = Some(assigned.number()?),
            "rac" => self.rac = Some(assigned.number()?),
            "gmrac" => self.gmr = Some(assigned.number()?),
            "radius" => self.radius = Some(assigned.number()?),
            "diam" => self.radius = Some(assigned.number()? / 2.0),
            "runits" => self.r_unit_m = unit_m(&assigned.value),
            "gmrunits" => {
                self.gmr_unit_m = unit_m(&assigned.value);
                self.radius_unit_m = self.radius_unit_m.or(self.gmr_unit_m);
            }
            "radunits" => {
                self.radius_unit_m = unit_m(&assigned.value);
                self.gmr_unit_m = self.gmr_unit_m.or(self.radius_unit_m);
            }
            "epsr" => self.permittivity = Some(assigned.number()?),
            "inslayer" => self.insulation = assigned.number()?,
            "diains" => self.over_insulation = assigned.number()?,
            "diacable" => self.over_cable = assigned.number()?,
            "k" => self.strands = assigned.count(u8::MAX)?,
            "diastrand" => self.strand_diameter = assigned.number()?,
            "gmrstrand" => self.strand_gmr = Some(assigned.number()?),
            "rstrand" => self.strand_r = assigned.number()?,
            "diashield" => self.over_shield = assigned.number()?,
            "tapelayer" => self.tape = assigned.number()?,
            "tapelap" => self.lap = Some(assigned.number()?),
            _ => {}
        }
        Ok(())
    }

    fn wire(&self) -> WireInfo {
        let per_m = 1.0 / self.r_unit_m.unwrap_or(1.0);
        let (gmr_m, radius_m) = (self.gmr_unit_m.unwrap_or(1.0), self.radius_unit_m.unwrap_or(1.0));
        let rac = self.rac.or(self.rdc.map(|r| r * AC_TO_DC)).unwrap_or(f64::NAN);
        let rdc = self.rdc.or(self.rac.map(|r| r / AC_TO_DC)).unwrap_or(f64::NAN);
        let radius = self.radius.or(self.gmr.map(|gmr| gmr / SOLID_GMR)).unwrap_or(f64::NAN);
        let gmr = self.gmr.or(self.radius.map(|radius| radius * SOLID_GMR)).unwrap_or(f64::NAN);
        WireInfo {
            radius_m: radius * radius_m,
            gmr_m: gmr * gmr_m,
            r_ac_ohm_per_m: rac * per_m,
            r_dc_ohm_per_m: rdc * per_m,
        }
    }

    fn cable(&self) -> CableInfo {
        let unit = self.radius_unit_m.unwrap_or(1.0);
        CableInfo {
            core: self.wire(),
            diameter_over_insulation_m: self.over_insulation * unit,
            insulation_thickness_m: self.insulation * unit,
            relative_permittivity: self.permittivity.unwrap_or(2.3),
        }
    }

    fn concentric_neutral(&self) -> ConcentricNeutralCableInfo {
        let unit = self.radius_unit_m.unwrap_or(1.0);
        let gmr_unit = self.gmr_unit_m.unwrap_or(1.0);
        ConcentricNeutralCableInfo {
            cable: self.cable(),
            diameter_over_neutral_m: self.over_cable * unit,
            neutral_strand_count: u32::from(self.strands.max(2)),
            neutral_strand_radius_m: self.strand_diameter / 2.0 * unit,
            neutral_strand_gmr_m: self.strand_gmr.unwrap_or(SOLID_GMR * self.strand_diameter / 2.0)
                * gmr_unit,
            neutral_strand_r_dc_ohm_per_m: self.strand_r / self.r_unit_m.unwrap_or(1.0),
        }
    }

    fn tape_shield(&self) -> TapeShieldCableInfo {
        let unit = self.radius_unit_m.unwrap_or(1.0);
        TapeShieldCableInfo {
            cable: self.cable(),
            diameter_over_screen_m: self.over_shield * unit,
            tape_thickness_m: self.tape * unit,
            tape_lap_percent: self.lap.unwrap_or(20.0),
            tape_resistivity_ohm_m: COPPER_TAPE_OHM_M,
        }
    }
}
