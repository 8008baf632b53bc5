//! Text form of a point's address: `TYPE@IOA` or `TYPE@CA:IOA`, e.g. `M_ME_TF_1@1001`, `C_DC_NA_1@7:5001`.

use crate::codec::{CommonAddress, Ioa, Layout, TypeId};
use crate::config::{Config, ConfigError};
use signal::{ControlMode, PointDef, PointId, PointKind, PointList};
use std::collections::HashSet;

/// A parsed address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PointAddress {
    /// Type with which the point is reported or commanded.
    pub type_id: TypeId,
    /// Station, if the text names one.
    pub common_address: Option<CommonAddress>,
    /// Object; never 0.
    pub address: Ioa,
}

/// Why a text is no address.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text:?} is no address: {reason}")]
pub struct AddressError {
    text: String,
    reason: &'static str,
}

impl PointAddress {
    /// Parses the text form.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let refuse = |reason| AddressError { text: text.into(), reason };
        let (name, place) = text.split_once('@').ok_or(refuse("expected TYPE@IOA or TYPE@CA:IOA"))?;
        let type_id = TypeId::named(name).ok_or(refuse("unknown type"))?;
        let (station, object) = match place.split_once(':') {
            Some((station, object)) => (Some(station), object),
            None => (None, place),
        };
        let common_address = match station.map(str::parse::<u16>) {
            None => None,
            Some(Ok(station @ 1..=65_534)) => Some(CommonAddress(station)),
            Some(_) => return Err(refuse("the common address must be 1 to 65534")),
        };
        let address = object.parse().ok().filter(|raw| *raw > 0).and_then(Ioa::new);
        let address = address.ok_or(refuse("the object address must be 1 to 16777215"))?;
        Ok(Self { type_id, common_address, address })
    }
}

/// A control of a point.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoundControl {
    pub(super) type_id: TypeId,
    pub(super) common_address: CommonAddress,
    pub(super) address: Ioa,
    pub(super) mode: ControlMode,
}

/// A point of the link with its addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) point: PointId,
    pub(super) kind: PointKind,
    pub(super) deadband: f64,
    pub(super) type_id: TypeId,
    pub(super) common_address: CommonAddress,
    pub(super) address: Ioa,
    pub(super) control: Option<BoundControl>,
}

/// The points of a link with their addresses, each address once.
pub(super) fn bind(config: &Config, points: &PointList, link: &str) -> Result<Vec<Bound>, ConfigError> {
    let mut used = HashSet::new();
    let mut bound = Vec::new();
    for &point in points.of_link(link) {
        let Some(def) = points.get(point) else { continue };
        let refuse = |reason: String| ConfigError::Point { point: def.name.clone(), reason };
        let entry = bind_point(config, point, def).map_err(refuse)?;
        let control = entry.control.map(|control| (control.common_address, control.address, true));
        for place in [Some((entry.common_address, entry.address, false)), control].into_iter().flatten() {
            if !used.insert(place) {
                return Err(refuse(format!("address {}:{} is used twice", place.0, place.1)));
            }
        }
        bound.push(entry);
    }
    Ok(bound)
}

fn bind_point(config: &Config, point: PointId, def: &PointDef) -> Result<Bound, String> {
    let binding = def.binding.as_ref().ok_or("the point has no address")?;
    let own = CommonAddress(config.common_address);
    let monitored = PointAddress::parse(&binding.address).map_err(|error| error.to_string())?;
    if !reports(monitored.type_id, def.kind) {
        return Err(format!("{} does not report a point of kind {}", monitored.type_id, def.kind.name()));
    }
    let control = match &binding.control {
        None => None,
        Some((text, mode)) => {
            let control = PointAddress::parse(text).map_err(|error| error.to_string())?;
            let type_id = control.type_id.untimed();
            if !operates(type_id, def.kind) {
                return Err(format!("{} does not operate a point of kind {}", type_id, def.kind.name()));
            }
            let common_address = control.common_address.unwrap_or(own);
            Some(BoundControl { type_id, common_address, address: control.address, mode: *mode })
        }
    };
    Ok(Bound {
        point,
        kind: def.kind,
        deadband: def.deadband,
        type_id: monitored.type_id,
        common_address: monitored.common_address.unwrap_or(own),
        address: monitored.address,
        control,
    })
}

fn reports(type_id: TypeId, kind: PointKind) -> bool {
    let Some((layout, _)) = type_id.layout() else { return false };
    match kind {
        PointKind::Analog => {
            matches!(layout, Layout::Normalized | Layout::NormalizedBare | Layout::Scaled | Layout::Float)
        }
        PointKind::Single => layout == Layout::Single,
        PointKind::Double => layout == Layout::Double,
        PointKind::Step => layout == Layout::Step,
        PointKind::Counter => layout == Layout::Counter,
        PointKind::Bits => layout == Layout::Bits,
    }
}

fn operates(type_id: TypeId, kind: PointKind) -> bool {
    let Some((layout, _)) = type_id.layout() else { return false };
    match kind {
        PointKind::Analog => matches!(layout, Layout::SetNormalized | Layout::SetScaled | Layout::SetFloat),
        PointKind::Single | PointKind::Double => {
            matches!(layout, Layout::SingleCommand | Layout::DoubleCommand)
        }
        PointKind::Step => matches!(layout, Layout::StepCommand | Layout::SetScaled | Layout::SetFloat),
        PointKind::Counter => false,
        PointKind::Bits => layout == Layout::BitsCommand,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(TypeId, Option<u16>, u32)>) {
        let parsed = PointAddress::parse(text).ok();
        let found = parsed.map(|place| {
            (place.type_id, place.common_address.map(|station| station.0), place.address.value())
        });
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn text_forms() {
        check("M_ME_TF_1@1001", Some((TypeId::M_ME_TF_1, None, 1001)));
        check("C_DC_NA_1@7:16777215", Some((TypeId::C_DC_NA_1, Some(7), 0xFF_FFFF)));
        for wrong in [
            "",
            "M_ME_TF_1",
            "M_ME_TF_1@0",
            "M_ME_TF_1@16777216",
            "M_ME_TF_1@0:5",
            "X@1",
            "M_SP_NA_1@65535:1",
        ] {
            check(wrong, None);
        }
    }
}
