//! What one security administrator may do to an account alone (scenario A-06: operators are locked out before the strike).
//!
//! Whoever steals one administrator's account must not keep all others out. So what takes something away from somebody who
//! operates or administers, and what makes a new administrator, needs a second one wherever there is a second one; the last
//! administrator stays in any case, and where there is only one, the last operator on shift stays too.

use crate::{Areas, Principal, Right};

/// An account as it is or as it is to be; [`Principal`] with its names resolved.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Roles and areas.
    pub who: &'a Principal,
    /// Not disabled, and within its time.
    pub active: bool,
}

impl Standing<'_> {
    fn may(&self, right: Right) -> bool {
        self.active && self.who.has(right)
    }
}

/// What is to be done to an account.
#[derive(Clone, Copy, Debug)]
pub enum Deed<'a> {
    /// It is made, or changed from one standing to another.
    Change {
        /// As it is; `None` for a new one.
        from: Option<Standing<'a>>,
        /// As it is to be.
        to: Standing<'a>,
    },
    /// Its password and factors are replaced by a one-time secret.
    Reset(Standing<'a>),
    /// Sessions or tokens of it are ended.
    Close(Standing<'a>),
}

/// What else there is at the moment.
#[derive(Clone, Copy, Debug)]
pub struct Others {
    /// Active administrators besides whoever does the deed.
    pub administrators_beside_actor: usize,
    /// Active administrators besides the account concerned.
    pub administrators_beside_target: usize,
    /// Operators with a living session besides the account concerned.
    pub operators_on_shift_beside_target: usize,
    /// Whether the account concerned has a living session.
    pub target_on_shift: bool,
    /// Whether the account concerned is that of whoever does the deed.
    pub own: bool,
}

/// The answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// One person may.
    Alone,
    /// Another administrator has to approve.
    SecondPerson,
    /// Nobody would administer any more.
    LastAdministrator,
    /// Nobody would operate any more.
    LastOnShift,
}

/// Judges a deed.
pub fn judge(deed: Deed<'_>, others: Others) -> Ruling {
    let administers = |standing: Standing<'_>| standing.may(Right::ManageUsers);
    let (takes, makes, ends) = match deed {
        Deed::Change { from: None, to } => (false, administers(to), false),
        Deed::Change { from: Some(from), to } => {
            let loses = is_less(to, from);
            (
                loses && is_guarded(from),
                administers(to) && !administers(from),
                administers(from) && !administers(to),
            )
        }
        // Whoever takes his own factors or sessions away can do so by signing out, too.
        Deed::Reset(target) | Deed::Close(target) => (is_guarded(target) && !others.own, false, false),
    };
    if ends && others.administrators_beside_target == 0 {
        return Ruling::LastAdministrator;
    }
    if (takes || makes) && others.administrators_beside_actor > 0 {
        return Ruling::SecondPerson;
    }
    let last = others.target_on_shift && others.operators_on_shift_beside_target == 0 && !others.own;
    if takes && last && operates(deed) { Ruling::LastOnShift } else { Ruling::Alone }
}

fn operates(deed: Deed<'_>) -> bool {
    match deed {
        Deed::Change { from, .. } => from.is_some_and(|from| from.may(Right::Command)),
        Deed::Reset(target) | Deed::Close(target) => target.may(Right::Command),
    }
}

/// Whether an account can operate or administer.
fn is_guarded(standing: Standing<'_>) -> bool {
    standing.may(Right::Command) || standing.may(Right::ManageUsers)
}

/// Whether a standing allows less than another one: a right, an area, or acting at all.
fn is_less(to: Standing<'_>, from: Standing<'_>) -> bool {
    let rights = from.who.rights().into_iter().any(|right| !to.who.has(right));
    let areas = match (&from.who.areas, &to.who.areas) {
        (_, Areas::All) => false,
        (Areas::All, Areas::Only(_)) => true,
        (Areas::Only(before), Areas::Only(after)) => !before.is_subset(after),
    };
    from.active && (!to.active || rights || areas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PrincipalKind, Role};

    fn account(roles: &[Role], areas: &[&str]) -> Principal {
        let roles = roles.iter().copied().collect();
        Principal::new("p", PrincipalKind::Human, roles, Areas::from_names(areas))
    }

    const ALONE: Others = Others {
        administrators_beside_actor: 0,
        administrators_beside_target: 1,
        operators_on_shift_beside_target: 1,
        target_on_shift: true,
        own: false,
    };
    const TWO: Others = Others { administrators_beside_actor: 1, ..ALONE };

    fn check(from: Option<(&Principal, bool)>, to: (&Principal, bool), others: Others, wanted: Ruling) {
        let standing = |(who, active)| Standing { who, active };
        let deed = Deed::Change { from: from.map(standing), to: standing(to) };
        assert_eq!(judge(deed, others), wanted, "{from:?} -> {to:?}, {others:?}");
    }

    #[test]
    fn what_is_taken_from_operators_and_administrators_needs_a_second_one() {
        let operator = account(&[Role::Operator], &["*"]);
        let north = account(&[Role::Operator], &["S1"]);
        let viewer = account(&[Role::Viewer], &["*"]);
        let admin = account(&[Role::SecAdm], &["*"]);
        let both = account(&[Role::SecAdm, Role::Operator], &["*"]);
        check(None, (&operator, true), TWO, Ruling::Alone);
        check(None, (&admin, true), TWO, Ruling::SecondPerson);
        check(None, (&admin, true), ALONE, Ruling::Alone);
        check(None, (&admin, false), TWO, Ruling::Alone);
        check(Some((&operator, true)), (&operator, false), TWO, Ruling::SecondPerson);
        check(Some((&operator, true)), (&viewer, true), TWO, Ruling::SecondPerson);
        check(Some((&operator, true)), (&north, true), TWO, Ruling::SecondPerson);
        check(Some((&north, true)), (&operator, true), TWO, Ruling::Alone);
        check(Some((&operator, true)), (&both, true), TWO, Ruling::SecondPerson);
        check(Some((&both, true)), (&admin, true), TWO, Ruling::SecondPerson);
        check(Some((&viewer, true)), (&viewer, false), TWO, Ruling::Alone);
        check(Some((&operator, false)), (&viewer, true), TWO, Ruling::Alone);
        check(Some((&operator, true)), (&operator, false), ALONE, Ruling::Alone);
    }

    #[test]
    fn the_last_ones_stay() {
        let admin = account(&[Role::SecAdm], &["*"]);
        let operator = account(&[Role::Operator], &["*"]);
        let viewer = account(&[Role::Viewer], &["*"]);
        let last = Others { administrators_beside_target: 0, own: true, ..ALONE };
        check(Some((&admin, true)), (&admin, false), last, Ruling::LastAdministrator);
        check(Some((&admin, true)), (&viewer, true), last, Ruling::LastAdministrator);
        let shift = Others { operators_on_shift_beside_target: 0, ..ALONE };
        check(Some((&operator, true)), (&operator, false), shift, Ruling::LastOnShift);
        check(Some((&viewer, true)), (&viewer, false), shift, Ruling::Alone);
        let away = Others { target_on_shift: false, ..shift };
        check(Some((&operator, true)), (&operator, false), away, Ruling::Alone);
    }

    #[test]
    fn secrets_and_sessions_of_others_are_guarded_and_ones_own_are_not() {
        let (operator, viewer) = (account(&[Role::Operator], &["*"]), account(&[Role::Viewer], &["*"]));
        let standing = |who| Standing { who, active: true };
        for deed in [Deed::Reset(standing(&operator)), Deed::Close(standing(&operator))] {
            assert_eq!(judge(deed, TWO), Ruling::SecondPerson);
            assert_eq!(judge(deed, Others { own: true, ..TWO }), Ruling::Alone);
            assert_eq!(judge(deed, ALONE), Ruling::Alone);
            let shift = Others { operators_on_shift_beside_target: 0, ..ALONE };
            assert_eq!(judge(deed, shift), Ruling::LastOnShift);
        }
        assert_eq!(judge(Deed::Reset(standing(&viewer)), TWO), Ruling::Alone);
    }
}
