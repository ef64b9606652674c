//! The roles of the users of the control plane.

/// What a user may do on the control plane. Each role includes the rights of the roles before it.
///
/// ```
/// use keyward_admin::Role;
///
/// assert!(Role::Viewer < Role::Issuer && Role::Issuer < Role::Admin);
/// assert_eq!(Role::parse("issuer"), Some(Role::Issuer));
/// assert_eq!(Role::parse("owner"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Issues keys, and changes or revokes them.
    Issuer,
    /// Does everything.
    Admin,
}

impl Role {
    /// The role of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Issuer, Self::Admin].into_iter().find(|role| role.as_str() == name)
    }

    /// The name of the role.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Issuer => "issuer",
            Self::Admin => "admin",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered() {
        assert!(Role::Viewer < Role::Issuer && Role::Issuer < Role::Admin);
    }
}
