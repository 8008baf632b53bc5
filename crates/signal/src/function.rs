//! What a message of a protocol does, in a word that every protocol has: the function code of DNP3 and Modbus, the type
//! identification of IEC 60870-5. Conduits (IEC 62443-3-2) allow messages by it, in both directions.

use std::fmt;

/// The code of a message in its protocol's own numbering.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FunctionCode {
    /// Name of the protocol, e.g. `iec104`.
    pub protocol: &'static str,
    /// Its number, e.g. 45 for `C_SC_NA_1`.
    pub code: u8,
    /// Its name for people, e.g. `C_SC_NA_1`; empty where the protocol has none.
    pub name: &'static str,
}

impl fmt::Display for FunctionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            "" => write!(f, "{} {}", self.protocol, self.code),
            name => write!(f, "{} {name} ({})", self.protocol, self.code),
        }
    }
}

/// Which way a message goes, seen from the centre.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// From the centre to the device.
    ToField,
    /// From the device to the centre.
    FromField,
}

impl Direction {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ToField => "to_field",
            Self::FromField => "from_field",
        }
    }
}

/// A set of codes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct CodeSet([u64; 4]);

impl CodeSet {
    /// No code at all.
    pub const NONE: Self = Self([0; 4]);

    /// Puts a code in.
    pub fn insert(&mut self, code: u8) {
        self.0[usize::from(code >> 6)] |= 1 << (code & 63);
    }

    /// Whether a code is in it.
    pub fn contains(&self, code: u8) -> bool {
        self.0[usize::from(code >> 6)] & (1 << (code & 63)) != 0
    }

    /// Its codes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u8> {
        let set = *self;
        (0..=u8::MAX).filter(move |code| set.contains(*code))
    }
}

impl FromIterator<u8> for CodeSet {
    fn from_iter<I: IntoIterator<Item = u8>>(codes: I) -> Self {
        let mut set = Self::NONE;
        codes.into_iter().for_each(|code| set.insert(code));
        set
    }
}

/// Which messages a link may carry, by direction. What is not listed is denied; `None` lists what the points of the link
/// need and what keeps it alive: the session finds out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FunctionPolicy {
    /// From the centre to the device.
    pub to_field: Option<CodeSet>,
    /// From the device to the centre.
    pub from_field: Option<CodeSet>,
}

/// Allowed codes by direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FunctionSets {
    /// From the centre to the device.
    pub to_field: CodeSet,
    /// From the device to the centre.
    pub from_field: CodeSet,
}

impl FunctionSets {
    /// Whether a message of this code may pass in this direction.
    pub fn allow(&self, code: u8, direction: Direction) -> bool {
        match direction {
            Direction::ToField => self.to_field.contains(code),
            Direction::FromField => self.from_field.contains(code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let wanted = [0_u8, 1, 45, 63, 64, 100, 127, 128, 255];
        let set: CodeSet = wanted.into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<u8>>(), wanted);
        assert_eq!(CodeSet::NONE.iter().count(), 0);
        let sets = FunctionSets { to_field: set, from_field: CodeSet::NONE };
        assert!(sets.allow(45, Direction::ToField) && !sets.allow(45, Direction::FromField));
        assert!(!sets.allow(46, Direction::ToField));
    }
}
