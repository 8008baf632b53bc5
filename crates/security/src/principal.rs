//! Identities and the question whether one may do something somewhere.

use crate::{Right, Role};
use std::collections::BTreeSet;

/// What an identity belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PrincipalKind {
    /// A person.
    Human,
    /// A program outside, with its own token or certificate.
    Service,
    /// An application of the control centre, e.g. voltage control.
    Application,
}

impl PrincipalKind {
    /// The name in the store and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Service => "service",
            Self::Application => "application",
        }
    }

    /// The kind with that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Human, Self::Service, Self::Application].into_iter().find(|kind| kind.name() == name)
    }
}

/// Areas of responsibility.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Areas {
    /// Everything, also what lies in no area. Written `*`.
    All,
    /// Only what lies in one of these.
    Only(BTreeSet<String>),
}

impl Areas {
    /// No area at all.
    pub const NONE: Self = Self::Only(BTreeSet::new());

    /// From a list of names in which `*` stands for all.
    pub fn from_names<S: AsRef<str>>(names: &[S]) -> Self {
        if names.iter().any(|name| name.as_ref() == "*") {
            return Self::All;
        }
        Self::Only(names.iter().map(|name| name.as_ref().to_owned()).collect())
    }

    /// The list of names that [`Areas::from_names`] reads.
    pub fn to_names(&self) -> Vec<String> {
        match self {
            Self::All => vec!["*".into()],
            Self::Only(names) => names.iter().cloned().collect(),
        }
    }

    /// What both cover.
    pub fn within(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, areas) | (areas, Self::All) => areas.clone(),
            (Self::Only(a), Self::Only(b)) => Self::Only(a.intersection(b).cloned().collect()),
        }
    }

    /// Whether something in `area` is covered. What lies in no area (empty name) is covered by [`Areas::All`] only.
    pub fn cover(&self, area: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => !area.is_empty() && names.contains(area),
        }
    }
}

/// Somebody or something with an identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Principal {
    /// Unique name.
    pub name: String,
    /// Roles; the rights add up.
    pub roles: BTreeSet<Role>,
    /// Areas of responsibility.
    pub areas: Areas,
    /// What it belongs to.
    pub kind: PrincipalKind,
    /// Names of roles that are data of the centre; see [`Catalogue::resolve`](crate::Catalogue::resolve).
    pub custom_roles: BTreeSet<String>,
    /// What the custom roles carry.
    pub extra: BTreeSet<Right>,
    /// Holds these rights at most, e.g. because it came with a token of that scope; `None` is no limit.
    pub scope: Option<BTreeSet<Right>>,
}

/// Why something was denied.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// No role of the principal carries the right.
    #[error("no role of {who} carries the right {:?}", right.name())]
    MissingRight {
        /// The principal.
        who: String,
        /// The right.
        right: Right,
    },
    /// The right is there, but not in this area.
    #[error("{who} is not responsible for area {area:?}")]
    ForeignArea {
        /// The principal.
        who: String,
        /// The area.
        area: String,
    },
}

impl Principal {
    /// A principal with roles of IEC 62351-8 only.
    pub fn new(name: impl Into<String>, kind: PrincipalKind, roles: BTreeSet<Role>, areas: Areas) -> Self {
        let (custom_roles, extra) = (BTreeSet::new(), BTreeSet::new());
        Self { name: name.into(), roles, areas, kind, custom_roles, extra, scope: None }
    }

    /// Names of all roles, those of IEC 62351-8 first.
    pub fn role_names(&self) -> Vec<String> {
        let built_in = self.roles.iter().map(|role| role.name().to_owned());
        built_in.chain(self.custom_roles.iter().cloned()).collect()
    }

    /// Whether some role carries the right, wherever.
    pub fn has(&self, right: Right) -> bool {
        let barred = match self.kind {
            PrincipalKind::Application => !right.is_for_applications(),
            PrincipalKind::Human | PrincipalKind::Service => false,
        };
        let within = self.scope.as_ref().is_none_or(|scope| scope.contains(&right));
        let carried = self.extra.contains(&right) || self.roles.iter().any(|role| role.may(right));
        !barred && within && carried
    }

    /// Everything that the principal may do somewhere, in the order of [`Right::ALL`].
    pub fn rights(&self) -> Vec<Right> {
        Right::ALL.into_iter().map(|(right, _)| right).filter(|right| self.has(*right)).collect()
    }

    /// Whether the principal may do this to something in `area`. For rights that are not bound to an area
    /// ([`Right::is_bound_to_area`]) the area does not count.
    pub fn authorise(&self, right: Right, area: &str) -> Result<(), Denied> {
        if !self.has(right) {
            return Err(Denied::MissingRight { who: self.name.clone(), right });
        }
        if right.is_bound_to_area() && !self.areas.cover(area) {
            return Err(Denied::ForeignArea { who: self.name.clone(), area: area.to_owned() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(PartialEq, Debug)]
    enum Answer {
        Yes,
        NoRight,
        NoArea,
    }

    fn check(
        kind: PrincipalKind,
        roles: &[Role],
        areas: &[&str],
        (right, area): (Right, &str),
        wanted: Answer,
    ) {
        let who = Principal::new("p", kind, roles.iter().copied().collect(), Areas::from_names(areas));
        let answer = match who.authorise(right, area) {
            Ok(()) => Answer::Yes,
            Err(Denied::MissingRight { .. }) => Answer::NoRight,
            Err(Denied::ForeignArea { .. }) => Answer::NoArea,
        };
        assert_eq!(answer, wanted, "{kind:?} {roles:?} {areas:?} {right:?} {area:?}");
    }

    #[test]
    fn denied_unless_role_and_area_allow() {
        use PrincipalKind::{Application, Human, Service};
        let all = Role::ALL.map(|(role, _)| role);
        check(Human, &[], &["*"], (Right::View, "north"), Answer::NoRight);
        check(Human, &[Role::Operator], &[], (Right::View, "north"), Answer::NoArea);
        check(Human, &[Role::Operator], &["north"], (Right::Command, "north"), Answer::Yes);
        check(Human, &[Role::Operator], &["north"], (Right::Command, "south"), Answer::NoArea);
        check(Human, &[Role::Operator], &["north"], (Right::Command, ""), Answer::NoArea);
        check(Human, &[Role::Operator], &[""], (Right::Command, ""), Answer::NoArea);
        check(Human, &[Role::Operator], &["*"], (Right::Command, ""), Answer::Yes);
        check(Human, &[Role::Viewer], &["*"], (Right::Command, "north"), Answer::NoRight);
        check(Human, &[Role::Viewer, Role::Operator], &["*"], (Right::Tag, "north"), Answer::Yes);
        check(Service, &[Role::SecAdm], &[], (Right::ManageUsers, ""), Answer::Yes);
        check(Application, &all, &["*"], (Right::Command, "north"), Answer::Yes);
        check(Application, &all, &["*"], (Right::ManageUsers, ""), Answer::NoRight);
        check(Application, &all, &["*"], (Right::Acknowledge, "north"), Answer::NoRight);
    }

    #[test]
    fn a_scope_only_takes_away() {
        let roles = BTreeSet::from([Role::Operator]);
        let mut who = Principal::new("p", PrincipalKind::Service, roles, Areas::All);
        who.scope = Some(BTreeSet::from([Right::View, Right::ManageUsers]));
        assert_eq!(who.rights(), [Right::View]);
        who.scope = Some(BTreeSet::new());
        assert_eq!(who.rights(), []);
    }

    #[test]
    fn areas_survive_as_names() {
        for names in [vec![], vec!["*"], vec!["north", "south"]] {
            assert_eq!(Areas::from_names(&names).to_names(), names);
        }
        assert_eq!(Areas::from_names(&["a", "*"]), Areas::All);
    }
}
