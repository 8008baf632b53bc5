//! Builders of point definitions.

use signal::{Binding, ControlMode, Limits, PointDef, PointKind};

/// A point of `link` at `address`; name and mRID are the same.
pub fn point(name: &str, kind: PointKind, link: &str, address: &str) -> PointDef {
    PointDef {
        name: name.into(),
        mrid: name.into(),
        equipment: String::new(),
        substation: String::new(),
        kind,
        unit: String::new(),
        binding: Some(Binding { link: link.into(), address: address.into(), control: None }),
        limits: Limits::default(),
        normal: None,
        stale_after: None,
        deadband: 0.0,
        ..PointDef::default()
    }
}

/// The same point, operated at `address`.
pub fn controlled(mut def: PointDef, address: &str, mode: ControlMode) -> PointDef {
    if let Some(binding) = &mut def.binding {
        binding.control = Some((address.into(), mode));
    }
    def
}
