//! Conduits in the words of IEC 60870-5-104: function codes are type identifications.

use crate::codec::TypeId;
use crate::config::Config;
use crate::session::TypeFilter;
use signal::{CodeSet, Direction, FunctionCode, FunctionPolicy, FunctionSets};

/// Types that the points of a link need.
pub(super) struct Types {
    pub(super) controls: Vec<TypeId>,
    pub(super) reported: Vec<TypeId>,
}

/// What the points need and nothing else: their commands, the procedures of the configuration and what confirms them,
/// their reports with and without time tag, the end of initialisation. Resets, tests and parameters are not among them.
fn from_points(config: &Config, types: &Types) -> FunctionSets {
    let mut out = CodeSet::NONE;
    out.insert(TypeId::C_IC_NA_1.code());
    out.insert(TypeId::C_CI_NA_1.code());
    if config.clock_sync_every_s > 0.0 {
        out.insert(TypeId::C_CS_NA_1.code());
    }
    for control in &types.controls {
        let sent = if config.timed_commands { control.timed() } else { control.untimed() };
        out.insert(sent.code());
    }
    let mut back = out;
    back.insert(TypeId::M_EI_NA_1.code());
    for reported in &types.reported {
        for sibling in [reported.untimed(), reported.timed(), *reported] {
            back.insert(sibling.code());
        }
    }
    FunctionSets { to_field: out, from_field: back }
}

/// What a link may carry under a policy.
pub(super) fn allowed(config: &Config, types: &Types, policy: FunctionPolicy) -> FunctionSets {
    let needed = from_points(config, types);
    FunctionSets {
        to_field: policy.to_field.unwrap_or(needed.to_field),
        from_field: policy.from_field.unwrap_or(needed.from_field),
    }
}

/// Lets these pass and no other.
pub(super) fn filter(sets: FunctionSets) -> TypeFilter {
    TypeFilter::new(
        |code| sets.allow(code, Direction::ToField),
        |code| sets.allow(code, Direction::FromField),
    )
}

/// The type as a function code.
pub(super) fn function(type_id: TypeId) -> FunctionCode {
    let code = type_id.code();
    FunctionCode { protocol: crate::PROTOCOL.name, code, name: function_name(code) }
}

/// The standard's name of a type identification; empty where there is none.
pub fn function_name(code: u8) -> &'static str {
    match TypeId::from_code(code) {
        TypeId::Other(_) => "",
        known => known.name(),
    }
}

/// The type identification with that name or number.
pub fn function_named(text: &str) -> Option<u8> {
    TypeId::named(text).map(TypeId::code).or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(types: &Types, config: &Config, out: &[u8], into: &[u8]) {
        let found = from_points(config, types);
        let wanted = |list: &[u8]| list.iter().copied().collect::<CodeSet>();
        assert_eq!(found, FunctionSets { to_field: wanted(out), from_field: wanted(into) });
    }

    #[test]
    fn points_make_the_list() {
        let types = Types { controls: vec![TypeId::C_DC_NA_1], reported: vec![TypeId::M_DP_TB_1] };
        check(&types, &Config::default(), &[46, 100, 101, 103], &[3, 31, 46, 70, 100, 101, 103]);
        let timed = Config { timed_commands: true, clock_sync_every_s: 0.0, ..Config::default() };
        check(&types, &timed, &[59, 100, 101], &[3, 31, 59, 70, 100, 101]);
        let none = Types { controls: Vec::new(), reported: Vec::new() };
        // C_RP_NA_1, C_TS_TA_1 and parameters are in nobody's list.
        check(&none, &timed, &[100, 101], &[70, 100, 101]);
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(function_named("C_SC_NA_1"), Some(45));
        assert_eq!(function_named("105"), Some(105));
        assert_eq!(function_named("C_XX"), None);
        assert_eq!((function_name(105), function_name(250)), ("C_RP_NA_1", ""));
    }
}
