//! Units at the borders: newtypes that a signature can name, plain `f64` in SI base units inside.
//!
//! Active, reactive and apparent power share one dimension, so a dimension checker cannot tell them apart;
//! these types can. Serialised names and kernels carry the unit as a suffix instead (`p_mw`, `vm_pu`).

use std::fmt;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident, $symbol:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default)]
        pub struct $name(pub f64);

        impl $name {
            /// The bare number in the unit of the type.
            pub const fn value(self) -> f64 {
                self.0
            }
        }

        impl std::ops::Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl std::ops::Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl std::ops::Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }

        impl std::ops::Mul<f64> for $name {
            type Output = Self;
            fn mul(self, factor: f64) -> Self {
                Self(self.0 * factor)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.0, $symbol)
            }
        }
    };
}

unit!(
    /// Active power.
    Watts,
    "W"
);
unit!(
    /// Reactive power.
    Vars,
    "var"
);
unit!(
    /// Apparent power.
    VoltAmperes,
    "VA"
);
unit!(
    /// Electric potential difference, line to line in three-phase contexts.
    Volts,
    "V"
);
unit!(
    /// Electric current.
    Amperes,
    "A"
);
unit!(
    /// Resistance, reactance or impedance magnitude.
    Ohms,
    "Ω"
);
unit!(
    /// Conductance, susceptance or admittance magnitude.
    Siemens,
    "S"
);
unit!(
    /// Frequency.
    Hertz,
    "Hz"
);
unit!(
    /// Plane angle.
    Radians,
    "rad"
);
unit!(
    /// A ratio to a base that the context names.
    PerUnit,
    "p.u."
);

impl Watts {
    /// From megawatts.
    pub const fn from_mega(mega: f64) -> Self {
        Self(mega * 1e6)
    }
}

impl Volts {
    /// From kilovolts.
    pub const fn from_kilo(kilo: f64) -> Self {
        Self(kilo * 1e3)
    }
}
