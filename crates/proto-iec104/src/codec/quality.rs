//! Quality descriptor QDS, IEC 60870-5-101 7.2.6.3, and its relatives in SIQ, DIQ, QDP and BCR.

use std::fmt;
use std::ops::BitOr;

/// A set of quality bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Qds(u8);

impl Qds {
    /// Nothing to object.
    pub const GOOD: Self = Self(0);
    /// OV: overflow.
    pub const OVERFLOW: Self = Self(0x01);
    /// EI: elapsed time invalid (QDP only, 7.2.6.4).
    pub const ELAPSED_INVALID: Self = Self(0x08);
    /// BL: blocked.
    pub const BLOCKED: Self = Self(0x10);
    /// SB: substituted.
    pub const SUBSTITUTED: Self = Self(0x20);
    /// NT: not topical.
    pub const NOT_TOPICAL: Self = Self(0x40);
    /// IV: invalid.
    pub const INVALID: Self = Self(0x80);

    /// The bits BL, SB, NT, IV that share an octet with SPI or DPI.
    pub(crate) const UPPER: u8 = 0xF0;
    /// The bits of QDS.
    pub(crate) const FULL: u8 = 0xF1;
    /// The bits of QDP.
    pub(crate) const PROTECTION: u8 = 0xF8;

    const NAMES: [(Self, &'static str); 6] = [
        (Self::OVERFLOW, "OV"),
        (Self::ELAPSED_INVALID, "EI"),
        (Self::BLOCKED, "BL"),
        (Self::SUBSTITUTED, "SB"),
        (Self::NOT_TOPICAL, "NT"),
        (Self::INVALID, "IV"),
    ];

    /// The bits of `octet` that `mask` lets through.
    pub(crate) const fn masked(octet: u8, mask: u8) -> Self {
        Self(octet & mask)
    }

    /// The set as an octet.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Qds {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Qds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Qds {
    /// The set bits by name, or `good`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            Self::NAMES.iter().filter(|(bit, _)| self.contains(*bit)).map(|(_, name)| *name).collect();
        if names.is_empty() { f.write_str("good") } else { f.write_str(&names.join("+")) }
    }
}
