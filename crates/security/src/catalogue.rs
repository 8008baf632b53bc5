//! Roles and areas that are data of a centre, beside the seven roles of IEC 62351-8.

use crate::{Areas, Principal, Right, Role};
use std::collections::{BTreeMap, BTreeSet};

/// Custom roles of a centre at most.
pub const MAX_ROLES: usize = 100;
/// Named areas of a centre at most.
pub const MAX_AREAS: usize = 1_000;
/// Characters of a name at most.
pub const MAX_NAME: usize = 64;

/// What names of roles and areas mean at this centre.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Catalogue {
    /// What each custom role may do.
    pub roles: BTreeMap<String, BTreeSet<Right>>,
    /// Substations of each named area.
    pub areas: BTreeMap<String, BTreeSet<String>>,
}

/// Why a role or an area was not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnfitName {
    /// The name itself.
    #[error("a name has 1 to {MAX_NAME} letters, digits, or the characters - _ . and begins with a letter")]
    Form,
    /// One of the seven roles.
    #[error("{0} is a role of IEC 62351-8 and cannot be changed")]
    BuiltIn(&'static str),
    /// Rights that stay with SECADM and RBACMNT.
    #[error("the right {0:?} stays with the role of IEC 62351-8 that carries it")]
    Reserved(&'static str),
    /// Nothing in it.
    #[error("it would carry nothing")]
    Empty,
    /// Too many.
    #[error("there are too many already")]
    Full,
}

/// Whether something may be the name of a user, a role or an area.
pub fn check_name(name: &str) -> Result<(), UnfitName> {
    let begins = name.chars().next().is_some_and(char::is_alphabetic);
    let rest = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if begins && rest && name.chars().count() <= MAX_NAME { Ok(()) } else { Err(UnfitName::Form) }
}

/// Whether a custom role may be made like this. Rights over users and roles are refused: whoever operates could give himself
/// the right to, and whoever gives rights could operate.
pub fn check_role(name: &str, rights: &BTreeSet<Right>) -> Result<(), UnfitName> {
    check_name(name)?;
    if let Some(role) = Role::named(name) {
        return Err(UnfitName::BuiltIn(role.name()));
    }
    if rights.is_empty() {
        return Err(UnfitName::Empty);
    }
    match rights.iter().find(|right| right.is_reserved()) {
        Some(right) => Err(UnfitName::Reserved(right.name())),
        None => Ok(()),
    }
}

impl Catalogue {
    /// The principal with what the names of its roles and areas mean here. A name that means nothing gives nothing.
    pub fn resolve(&self, mut principal: Principal) -> Principal {
        let rights = principal.custom_roles.iter().filter_map(|name| self.roles.get(name)).flatten();
        principal.extra = rights.copied().filter(|right| !right.is_reserved()).collect();
        principal.areas = self.expand(&principal.areas);
        principal
    }

    /// Areas with the substations of those that have a name. A substation's own name stands for itself.
    pub fn expand(&self, areas: &Areas) -> Areas {
        let Areas::Only(names) = areas else { return Areas::All };
        let substations = |name: &String| match self.areas.get(name) {
            Some(substations) => substations.clone(),
            None => BTreeSet::from([name.clone()]),
        };
        Areas::Only(names.iter().flat_map(substations).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PrincipalKind;

    fn catalogue() -> Catalogue {
        let text = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        Catalogue {
            roles: BTreeMap::from([
                ("shift-lead".into(), BTreeSet::from([Right::View, Right::Command, Right::Configure])),
                // As a store from elsewhere might hold it.
                ("sneaky".into(), BTreeSet::from([Right::ManageUsers])),
            ]),
            areas: BTreeMap::from([("north".into(), text(&["S1", "S2"]))]),
        }
    }

    fn check(roles: &[&str], areas: &[&str], (right, area): (Right, &str), wanted: bool) {
        let mut stored = Principal::new("p", PrincipalKind::Human, BTreeSet::new(), Areas::from_names(areas));
        stored.custom_roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let resolved = catalogue().resolve(stored);
        assert_eq!(resolved.authorise(right, area).is_ok(), wanted, "{roles:?} {areas:?} {right:?} {area}");
    }

    #[test]
    fn names_mean_what_the_catalogue_says() {
        check(&["shift-lead"], &["north"], (Right::Command, "S2"), true);
        check(&["shift-lead"], &["north"], (Right::Command, "S3"), false);
        check(&["shift-lead"], &["north", "S3"], (Right::Command, "S3"), true);
        check(&["shift-lead"], &["*"], (Right::Command, ""), true);
        check(&["shift-lead"], &["north"], (Right::Configure, ""), true);
        check(&["shift-lead"], &["north"], (Right::Acknowledge, "S1"), false);
        check(&["gone"], &["*"], (Right::View, "S1"), false);
        check(&["sneaky"], &["*"], (Right::ManageUsers, ""), false);
        check(&[], &["*"], (Right::View, "S1"), false);
    }

    #[test]
    fn unfit_roles_are_told() {
        let view = BTreeSet::from([Right::View]);
        assert_eq!(check_role("shift-lead", &view), Ok(()));
        assert_eq!(check_role("operator", &view), Err(UnfitName::BuiltIn("OPERATOR")));
        assert_eq!(check_role("x", &BTreeSet::new()), Err(UnfitName::Empty));
        for right in [Right::ManageUsers, Right::ManageRoles] {
            assert_eq!(check_role("x", &BTreeSet::from([right])), Err(UnfitName::Reserved(right.name())));
        }
        for name in ["", " x", "x y", "1x", "*", "<b>", "../x", &"x".repeat(65)] {
            assert_eq!(check_role(name, &view), Err(UnfitName::Form), "{name}");
        }
    }
}
