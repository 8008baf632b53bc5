//! Which types of messages a link may carry.

use crate::codec::TypeId;
use std::fmt;

/// Allowed type identifications by their code, one list per direction.
#[derive(Clone, PartialEq, Eq)]
pub struct TypeFilter {
    /// From the controlling to the controlled station.
    to_field: [bool; 256],
    /// From the controlled station, confirmations among them.
    from_field: [bool; 256],
}

impl fmt::Debug for TypeFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes = |list: &[bool; 256]| list.iter().filter(|allowed| **allowed).count();
        write!(f, "TypeFilter({} to, {} from the field)", codes(&self.to_field), codes(&self.from_field))
    }
}

impl TypeFilter {
    /// Lets everything pass.
    pub const OPEN: Self = Self { to_field: [true; 256], from_field: [true; 256] };

    /// Lets these pass and no other.
    pub fn new(to_field: impl Fn(u8) -> bool, from_field: impl Fn(u8) -> bool) -> Self {
        let list = |allow: &dyn Fn(u8) -> bool| {
            let mut list = [false; 256];
            for (code, allowed) in (0_u8..=u8::MAX).zip(&mut list) {
                *allowed = allow(code);
            }
            list
        };
        Self { to_field: list(&to_field), from_field: list(&from_field) }
    }

    pub(super) fn lets_out(&self, type_id: TypeId) -> bool {
        self.to_field[usize::from(type_id.code())]
    }

    pub(super) fn lets_in(&self, type_id: TypeId) -> bool {
        self.from_field[usize::from(type_id.code())]
    }
}
