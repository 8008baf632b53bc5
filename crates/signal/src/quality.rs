//! Quality after IEC 61850-7-3 clause 6.2, which is rich enough for every protocol that we speak.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// `validity` of IEC 61850-7-3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Validity {
    /// May be used.
    #[default]
    Good,
    /// May be used with care; the reason is in the detail.
    Questionable,
    /// Must not be used.
    Invalid,
}

/// `detailQual` of IEC 61850-7-3: a set of reasons.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Detail(u8);

impl Detail {
    /// No reason given.
    pub const NONE: Self = Self(0);
    /// The value is beyond what the representation can hold.
    pub const OVERFLOW: Self = Self(1);
    /// The value is beyond the configured range.
    pub const OUT_OF_RANGE: Self = Self(1 << 1);
    /// The reference of the measurement is bad (calibration).
    pub const BAD_REFERENCE: Self = Self(1 << 2);
    /// A binary value that changes too fast.
    pub const OSCILLATORY: Self = Self(1 << 3);
    /// A supervision found a fault.
    pub const FAILURE: Self = Self(1 << 4);
    /// Not refreshed within the expected time.
    pub const OLD_DATA: Self = Self(1 << 5);
    /// Contradicts other values.
    pub const INCONSISTENT: Self = Self(1 << 6);
    /// Less accurate than promised.
    pub const INACCURATE: Self = Self(1 << 7);

    const NAMES: [(Self, &'static str); 8] = [
        (Self::OVERFLOW, "overflow"),
        (Self::OUT_OF_RANGE, "outOfRange"),
        (Self::BAD_REFERENCE, "badReference"),
        (Self::OSCILLATORY, "oscillatory"),
        (Self::FAILURE, "failure"),
        (Self::OLD_DATA, "oldData"),
        (Self::INCONSISTENT, "inconsistent"),
        (Self::INACCURATE, "inaccurate"),
    ];

    /// Whether every reason of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set without the reasons of `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The set as bits, in the order of the standard, for storage.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set with these bits.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The standard's names of the reasons in this set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(bit, _)| self.contains(*bit)).map(|(_, name)| name)
    }
}

impl BitOr for Detail {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Detail {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// `source` of IEC 61850-7-3.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Source {
    /// From the process.
    #[default]
    Process,
    /// Entered by a person or another function in its place.
    Substituted,
}

/// How far a value may be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Quality {
    /// Whether it may be used.
    pub validity: Validity,
    /// Why not, or why with care.
    pub detail: Detail,
    /// Where it came from.
    pub source: Source,
    /// Made for a test; must not reach operation.
    pub test: bool,
    /// Further updates are blocked at the source by an operator.
    pub operator_blocked: bool,
}

impl Quality {
    /// From the process, valid, nothing to add.
    pub const GOOD: Self = Self {
        validity: Validity::Good,
        detail: Detail::NONE,
        source: Source::Process,
        test: false,
        operator_blocked: false,
    };

    /// Invalid for the given reasons.
    pub const fn invalid(detail: Detail) -> Self {
        Self { validity: Validity::Invalid, detail, ..Self::GOOD }
    }

    /// Questionable for the given reasons.
    pub const fn questionable(detail: Detail) -> Self {
        Self { validity: Validity::Questionable, detail, ..Self::GOOD }
    }

    /// Whether a decision may rest on the value: valid and not a test.
    pub fn is_good(self) -> bool {
        self.validity == Validity::Good && !self.test
    }

    /// The quality packed for storage: validity in bits 0-1, substituted 2, test 3, blocked 4, detail in 8-15.
    /// Bit 5 is [`Quality::CLOCK_NOT_SYNCHRONISED`], which is about the stamp and never set here.
    pub fn to_bits(self) -> u16 {
        let validity = match self.validity {
            Validity::Good => 0,
            Validity::Questionable => 1,
            Validity::Invalid => 2,
        };
        validity
            | u16::from(self.source == Source::Substituted) << 2
            | u16::from(self.test) << 3
            | u16::from(self.operator_blocked) << 4
            | u16::from(self.detail.bits()) << 8
    }

    /// Beside the packed quality of a stored value: its stamp is of a clock that nothing kept synchronised
    /// (`ClockNotSynchronized` of IEC 61850-7-2 `TimeQuality`).
    pub const CLOCK_NOT_SYNCHRONISED: u16 = 1 << 5;

    /// Whether the stamp of a stored value is of a synchronised clock.
    pub const fn is_clock_synchronised(bits: u16) -> bool {
        bits & Self::CLOCK_NOT_SYNCHRONISED == 0
    }

    /// The quality packed as [`Quality::to_bits`] does; an unknown validity reads as invalid.
    pub fn from_bits(bits: u16) -> Self {
        let [low, detail] = bits.to_le_bytes();
        Self {
            validity: match low & 3 {
                0 => Validity::Good,
                1 => Validity::Questionable,
                _ => Validity::Invalid,
            },
            detail: Detail::from_bits(detail),
            source: if low & 4 == 0 { Source::Process } else { Source::Substituted },
            test: low & 8 != 0,
            operator_blocked: low & 16 != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_everything() {
        for low in 0..32_u16 {
            for detail in 0..256_u16 {
                let bits = low | detail << 8;
                if low & 3 != 3 {
                    assert_eq!(Quality::from_bits(bits).to_bits(), bits);
                }
            }
        }
        assert_eq!(Quality::from_bits(3).validity, Validity::Invalid);
    }
}
