//! Units of length in which lines are given.

/// A unit of length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LengthUnit {
    /// Millimetre.
    Millimetre,
    /// Centimetre.
    Centimetre,
    /// Metre.
    Metre,
    /// Kilometre.
    Kilometre,
    /// International inch, 25.4 mm.
    Inch,
    /// International foot, 12 inches.
    Foot,
    /// 1000 feet.
    KiloFoot,
    /// International mile, 5280 feet.
    Mile,
}

impl LengthUnit {
    /// How many metres one unit has. A figure per metre times this is the figure per unit.
    pub const fn metres(self) -> f64 {
        match self {
            Self::Millimetre => 1e-3,
            Self::Centimetre => 1e-2,
            Self::Metre => 1.0,
            Self::Kilometre => 1e3,
            Self::Inch => 0.0254,
            Self::Foot => 0.3048,
            Self::KiloFoot => 304.8,
            Self::Mile => 1609.344,
        }
    }
}
