//! Which class and activity of OCSF an operation is, by version of the schema.
//!
//! The next version (1.9) replaces Account Change and User Access by other classes: it will be a second table
//! beside this one, and nothing else.

/// The version of the schema that the table is for.
pub const VERSION: &str = "1.8.0";

/// Account Change.
pub const ACCOUNT_CHANGE: u32 = 3001;
/// Authentication.
pub const AUTHENTICATION: u32 = 3002;
/// Entity Management.
pub const ENTITY: u32 = 3004;
/// Group Management.
pub const GROUP: u32 = 3006;
/// API Activity.
pub const API: u32 = 6003;

/// A class and its name, and that of its category.
pub const CLASSES: &[(u32, &str, u32, &str)] = &[
    (ACCOUNT_CHANGE, "Account Change", 3, "Identity & Access Management"),
    (AUTHENTICATION, "Authentication", 3, "Identity & Access Management"),
    (ENTITY, "Entity Management", 3, "Identity & Access Management"),
    (GROUP, "Group Management", 3, "Identity & Access Management"),
    (API, "API Activity", 6, "Application Activity"),
];

/// The names of activities.
pub const ACTIVITIES: &[(u32, u32, &str)] = &[
    (ACCOUNT_CHANGE, 1, "Create"),
    (ACCOUNT_CHANGE, 2, "Enable"),
    (ACCOUNT_CHANGE, 3, "Password Change"),
    (ACCOUNT_CHANGE, 4, "Password Reset"),
    (ACCOUNT_CHANGE, 5, "Disable"),
    (ACCOUNT_CHANGE, 6, "Delete"),
    (ACCOUNT_CHANGE, 7, "Attach Policy"),
    (ACCOUNT_CHANGE, 8, "Detach Policy"),
    (ACCOUNT_CHANGE, 10, "MFA Factor Enable"),
    (ACCOUNT_CHANGE, 11, "MFA Factor Disable"),
    (AUTHENTICATION, 1, "Logon"),
    (AUTHENTICATION, 2, "Logoff"),
    (AUTHENTICATION, 3, "Authentication Ticket"),
    (AUTHENTICATION, 7, "Account Switch"),
    (ENTITY, 1, "Create"),
    (ENTITY, 3, "Update"),
    (ENTITY, 4, "Delete"),
    (ENTITY, 8, "Enable"),
    (ENTITY, 9, "Disable"),
    (ENTITY, 10, "Activate"),
    (ENTITY, 11, "Deactivate"),
    (GROUP, 1, "Assign Privileges"),
    (GROUP, 2, "Revoke Privileges"),
    (GROUP, 3, "Add User"),
    (GROUP, 4, "Remove User"),
    (GROUP, 5, "Delete"),
    (GROUP, 6, "Create"),
    (API, 1, "Create"),
    (API, 2, "Read"),
    (API, 3, "Update"),
    (API, 4, "Delete"),
    (API, 99, "Other"),
];

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A user, or the root user.
    User,
    /// A user group.
    Group,
    /// A role.
    Role,
    /// A managed policy.
    Policy,
    /// A key or another credential.
    Credential,
    /// A multi-factor device.
    Device,
    /// An instance profile.
    Profile,
    /// The account itself.
    Account,
}

/// An operation, its class and its activity; 0 where the parameter `Status` decides between Activate and
/// Deactivate.
pub type Row = (&'static str, u32, u32, About);

/// The table of version 1.8.0.
pub const ROWS: &[Row] = &[
    ("CreateUser", ACCOUNT_CHANGE, 1, About::User),
    ("DeleteUser", ACCOUNT_CHANGE, 6, About::User),
    ("UpdateUser", ENTITY, 3, About::User),
    ("TagUser", ENTITY, 3, About::User),
    ("UntagUser", ENTITY, 3, About::User),
    ("PutUserPermissionsBoundary", ENTITY, 3, About::User),
    ("DeleteUserPermissionsBoundary", ENTITY, 3, About::User),
    ("AttachUserPolicy", ACCOUNT_CHANGE, 7, About::User),
    ("PutUserPolicy", ACCOUNT_CHANGE, 7, About::User),
    ("DetachUserPolicy", ACCOUNT_CHANGE, 8, About::User),
    ("DeleteUserPolicy", ACCOUNT_CHANGE, 8, About::User),
    ("CreateLoginProfile", ACCOUNT_CHANGE, 2, About::User),
    ("ChangePassword", ACCOUNT_CHANGE, 3, About::User),
    ("UpdateLoginProfile", ACCOUNT_CHANGE, 4, About::User),
    ("DeleteLoginProfile", ACCOUNT_CHANGE, 5, About::User),
    ("EnableMFADevice", ACCOUNT_CHANGE, 10, About::User),
    ("DeactivateMFADevice", ACCOUNT_CHANGE, 11, About::User),
    ("ResyncMFADevice", ENTITY, 3, About::Device),
    ("CreateVirtualMFADevice", ENTITY, 1, About::Device),
    ("DeleteVirtualMFADevice", ENTITY, 4, About::Device),
    ("TagMFADevice", ENTITY, 3, About::Device),
    ("UntagMFADevice", ENTITY, 3, About::Device),
    ("CreateAccessKey", ENTITY, 1, About::Credential),
    ("UpdateAccessKey", ENTITY, 0, About::Credential),
    ("DeleteAccessKey", ENTITY, 4, About::Credential),
    ("CreateServiceSpecificCredential", ENTITY, 1, About::Credential),
    ("UpdateServiceSpecificCredential", ENTITY, 0, About::Credential),
    ("ResetServiceSpecificCredential", ENTITY, 3, About::Credential),
    ("DeleteServiceSpecificCredential", ENTITY, 4, About::Credential),
    ("CreateGroup", GROUP, 6, About::Group),
    ("DeleteGroup", GROUP, 5, About::Group),
    ("UpdateGroup", ENTITY, 3, About::Group),
    ("AddUserToGroup", GROUP, 3, About::Group),
    ("RemoveUserFromGroup", GROUP, 4, About::Group),
    ("AttachGroupPolicy", GROUP, 1, About::Group),
    ("PutGroupPolicy", GROUP, 1, About::Group),
    ("DetachGroupPolicy", GROUP, 2, About::Group),
    ("DeleteGroupPolicy", GROUP, 2, About::Group),
    ("CreateRole", ENTITY, 1, About::Role),
    ("DeleteRole", ENTITY, 4, About::Role),
    ("UpdateRole", ENTITY, 3, About::Role),
    ("UpdateRoleDescription", ENTITY, 3, About::Role),
    ("UpdateAssumeRolePolicy", ENTITY, 3, About::Role),
    ("TagRole", ENTITY, 3, About::Role),
    ("UntagRole", ENTITY, 3, About::Role),
    ("AttachRolePolicy", ENTITY, 3, About::Role),
    ("DetachRolePolicy", ENTITY, 3, About::Role),
    ("PutRolePolicy", ENTITY, 3, About::Role),
    ("DeleteRolePolicy", ENTITY, 3, About::Role),
    ("PutRolePermissionsBoundary", ENTITY, 3, About::Role),
    ("DeleteRolePermissionsBoundary", ENTITY, 3, About::Role),
    ("CreatePolicy", ENTITY, 1, About::Policy),
    ("DeletePolicy", ENTITY, 4, About::Policy),
    ("CreatePolicyVersion", ENTITY, 3, About::Policy),
    ("DeletePolicyVersion", ENTITY, 3, About::Policy),
    ("SetDefaultPolicyVersion", ENTITY, 3, About::Policy),
    ("TagPolicy", ENTITY, 3, About::Policy),
    ("UntagPolicy", ENTITY, 3, About::Policy),
    ("CreateInstanceProfile", ENTITY, 1, About::Profile),
    ("DeleteInstanceProfile", ENTITY, 4, About::Profile),
    ("AddRoleToInstanceProfile", ENTITY, 3, About::Profile),
    ("RemoveRoleFromInstanceProfile", ENTITY, 3, About::Profile),
    ("TagInstanceProfile", ENTITY, 3, About::Profile),
    ("UntagInstanceProfile", ENTITY, 3, About::Profile),
    ("CreateAccountAlias", ENTITY, 3, About::Account),
    ("DeleteAccountAlias", ENTITY, 3, About::Account),
    ("UpdateAccountPasswordPolicy", ENTITY, 3, About::Account),
    ("DeleteAccountPasswordPolicy", ENTITY, 3, About::Account),
    ("SetOrganizationPolicies", ENTITY, 3, About::Account),
    ("FoundAccount", ENTITY, 1, About::Account),
    ("CloseAccount", ENTITY, 9, About::Account),
    ("ReopenAccount", ENTITY, 8, About::Account),
    ("ChangeRootEmail", ENTITY, 3, About::User),
    ("ChangeRootPassword", ACCOUNT_CHANGE, 3, About::User),
    ("RecoverRoot", ENTITY, 3, About::User),
    ("RedeemRootRecovery", ACCOUNT_CHANGE, 4, About::User),
    ("RecoverAdmin", ENTITY, 1, About::Credential),
    ("ConsoleLogin", AUTHENTICATION, 1, About::User),
    ("Logout", AUTHENTICATION, 2, About::User),
    ("GetSessionToken", AUTHENTICATION, 3, About::User),
    ("AssumeRole", AUTHENTICATION, 7, About::Role),
];

/// The row of an operation; `None` for what only reads and for what others define.
pub fn row(operation: &str) -> Option<Row> {
    ROWS.iter().find(|(name, ..)| *name == operation).copied()
}

/// The activity of API Activity that an operation without a row is, by its name.
pub fn by_name(operation: &str) -> u32 {
    let begins = |words: &[&str]| words.iter().any(|word| operation.starts_with(word));
    if begins(&["Create", "Found", "Add"]) {
        1
    } else if begins(&[
        "Get", "List", "Read", "Search", "Simulate", "Generate", "Decode", "Evaluate",
    ]) {
        2
    } else if begins(&[
        "Update", "Put", "Set", "Tag", "Untag", "Attach", "Detach", "Change", "Reset",
    ]) {
        3
    } else if begins(&["Delete", "Remove"]) {
        4
    } else {
        99
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::operation::Prepared;
    use crate::service::operations;

    #[test]
    fn every_operation_that_is_recorded_has_a_row_and_every_activity_a_name() {
        let mut changing = 0;
        for operation in operations::all() {
            let form = crate::base::form_tree::Form::default();
            // An empty request is refused by most; what names begin with tells the rest.
            let reads = match (operation.prepare)(&form) {
                Ok(Prepared::Read(_)) => true,
                Ok(_) => false,
                Err(_) => by_name(operation.name) == 2,
            };
            if !reads || operation.name == "GetSessionToken" {
                changing += 1;
                assert!(row(operation.name).is_some(), "{}", operation.name);
            }
        }
        assert!(changing > 60, "{changing}");
        for (number, (name, class, activity, _)) in ROWS.iter().enumerate() {
            assert!(ROWS[..number].iter().all(|(other, ..)| other != name), "{name} twice");
            let named =
                |activity| ACTIVITIES.iter().any(|(c, a, _)| (*c, *a) == (*class, activity));
            assert!(
                if *activity == 0 { named(10) && named(11) } else { named(*activity) },
                "{name}"
            );
            assert!(CLASSES.iter().any(|(uid, ..)| uid == class), "{name}");
        }
        for activity in [1, 2, 3, 4, 99] {
            assert!(ACTIVITIES.iter().any(|(c, a, _)| (*c, *a) == (API, activity)));
        }
    }
}
