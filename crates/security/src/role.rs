//! Roles and rights after IEC 62351-8.

/// The pre-defined roles of IEC 62351-8, with their values (`roleID`) in its access tokens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Sees what objects there are and their values (0).
    Viewer,
    /// Sees and operates (1).
    Operator,
    /// Sees and changes the engineering: parameters, settings, models (2).
    Engineer,
    /// Sees, installs and configures the system itself (3).
    Installer,
    /// Security administrator: who has which role, validity, certificates (4).
    SecAdm,
    /// Security auditor: reads the audit log (5).
    SecAud,
    /// RBAC management: changes which right a role carries (6).
    RbacMnt,
}

impl Role {
    /// Every role with its name in IEC 62351-8.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Viewer, "VIEWER"),
        (Self::Operator, "OPERATOR"),
        (Self::Engineer, "ENGINEER"),
        (Self::Installer, "INSTALLER"),
        (Self::SecAdm, "SECADM"),
        (Self::SecAud, "SECAUD"),
        (Self::RbacMnt, "RBACMNT"),
    ];

    /// The name in IEC 62351-8.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "VIEWER",
            Self::Operator => "OPERATOR",
            Self::Engineer => "ENGINEER",
            Self::Installer => "INSTALLER",
            Self::SecAdm => "SECADM",
            Self::SecAud => "SECAUD",
            Self::RbacMnt => "RBACMNT",
        }
    }

    /// The role with that name, upper or lower case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(role, _)| *role)
    }

    /// What the role may do. Everything that is not listed is denied.
    pub const fn rights(self) -> &'static [Right] {
        match self {
            Self::Viewer => &[Right::View],
            Self::Operator => &[Right::View, Right::Acknowledge, Right::Command, Right::Tag],
            Self::Engineer => &[Right::View, Right::Study, Right::Configure, Right::Override],
            Self::Installer => &[Right::View, Right::Configure, Right::Maintain],
            Self::SecAdm => &[Right::ManageUsers],
            Self::SecAud => &[Right::ReadAudit],
            Self::RbacMnt => &[Right::ManageRoles],
        }
    }

    /// Whether the role may do this.
    pub fn may(self, right: Right) -> bool {
        self.rights().contains(&right)
    }
}

/// Something that can be allowed. Every call of the API and every step of the command gate names one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Right {
    /// See points, alarms, events, history and the network.
    View,
    /// Acknowledge alarms.
    Acknowledge,
    /// Operate a device or change a set point.
    Command,
    /// Go against an interlock or a study when commanding. No built-in role carries it together with `Command`: whoever
    /// overrides is operator and engineer.
    Override,
    /// Place and remove tags on points.
    Tag,
    /// Run studies beside the live system.
    Study,
    /// Change configuration, limits and the model.
    Configure,
    /// Back up, restore, install.
    Maintain,
    /// Create users, give them roles and areas, make and withdraw their tokens.
    ManageUsers,
    /// Change what a role may do.
    ManageRoles,
    /// Read and verify the audit log.
    ReadAudit,
}

impl Right {
    /// Every right with its name in the API.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::View, "view"),
        (Self::Acknowledge, "acknowledge"),
        (Self::Command, "command"),
        (Self::Override, "override"),
        (Self::Tag, "tag"),
        (Self::Study, "study"),
        (Self::Configure, "configure"),
        (Self::Maintain, "maintain"),
        (Self::ManageUsers, "manage_users"),
        (Self::ManageRoles, "manage_roles"),
        (Self::ReadAudit, "read_audit"),
    ];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(right, _)| *right == self).map_or("view", |(_, name)| name)
    }

    /// The right with that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(right, _)| *right)
    }

    /// Whether only its role of IEC 62351-8 ever carries it, no custom role.
    pub const fn is_reserved(self) -> bool {
        matches!(self, Self::ManageUsers | Self::ManageRoles)
    }

    /// Whether it is exercised on things that lie in an area of responsibility.
    pub const fn is_bound_to_area(self) -> bool {
        match self {
            Self::View | Self::Acknowledge | Self::Command | Self::Override | Self::Tag => true,
            Self::Study
            | Self::Configure
            | Self::Maintain
            | Self::ManageUsers
            | Self::ManageRoles
            | Self::ReadAudit => false,
        }
    }

    /// Whether an application of the control centre can ever hold it, whatever roles it was given.
    pub const fn is_for_applications(self) -> bool {
        match self {
            Self::View | Self::Command => true,
            Self::Acknowledge
            | Self::Override
            | Self::Tag
            | Self::Study
            | Self::Configure
            | Self::Maintain
            | Self::ManageUsers
            | Self::ManageRoles
            | Self::ReadAudit => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table: one line per right in the order of [`Right::ALL`], one column per role in the order of
    /// IEC 62351-8 (V O E I SA SU RM). Who operates cannot give himself the right to, and who gives rights
    /// cannot operate.
    const TABLE: [(&str, [u8; 7]); 11] = [
        ("view", [1, 1, 1, 1, 0, 0, 0]),
        ("acknowledge", [0, 1, 0, 0, 0, 0, 0]),
        ("command", [0, 1, 0, 0, 0, 0, 0]),
        ("override", [0, 0, 1, 0, 0, 0, 0]),
        ("tag", [0, 1, 0, 0, 0, 0, 0]),
        ("study", [0, 0, 1, 0, 0, 0, 0]),
        ("configure", [0, 0, 1, 1, 0, 0, 0]),
        ("maintain", [0, 0, 0, 1, 0, 0, 0]),
        ("manage_users", [0, 0, 0, 0, 1, 0, 0]),
        ("manage_roles", [0, 0, 0, 0, 0, 0, 1]),
        ("read_audit", [0, 0, 0, 0, 0, 1, 0]),
    ];

    #[test]
    fn the_table_is_as_written() {
        for ((right, name), (row, wanted)) in Right::ALL.into_iter().zip(TABLE) {
            assert_eq!((name, right.name()), (row, row));
            let given = Role::ALL.map(|(role, _)| u8::from(role.may(right)));
            assert_eq!(given, wanted, "{row}");
        }
    }

    #[test]
    fn names_lead_back_to_roles() {
        for (role, name) in Role::ALL {
            assert_eq!((role.name(), Role::named(&name.to_lowercase())), (name, Some(role)));
        }
        assert_eq!(Role::named("root"), None);
        assert_eq!(Role::named(""), None);
    }
}
