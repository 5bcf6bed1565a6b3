//! An event in words: who did what to whom.

use serde_json::Value;

use super::parts::text;

/// What each operation did, `{...}` standing for a parameter. What is not listed is told by its own name.
const SENTENCES: &[(&str, &str)] = &[
    ("FoundAccount", "founded the account"),
    ("CreateAccount", "founded the account"),
    ("CreateUser", "created user {UserName}"),
    ("UpdateUser", "renamed user {UserName} to {NewUserName}"),
    ("DeleteUser", "deleted user {UserName}"),
    ("CreateGroup", "created user group {GroupName}"),
    ("UpdateGroup", "renamed user group {GroupName} to {NewGroupName}"),
    ("DeleteGroup", "deleted user group {GroupName}"),
    ("AddUserToGroup", "added user {UserName} to group {GroupName}"),
    ("RemoveUserFromGroup", "removed user {UserName} from group {GroupName}"),
    ("CreateRole", "created role {RoleName}"),
    ("UpdateRole", "changed role {RoleName}"),
    ("UpdateRoleDescription", "described role {RoleName} anew"),
    ("UpdateAssumeRolePolicy", "changed who may assume role {RoleName}"),
    ("DeleteRole", "deleted role {RoleName}"),
    ("CreatePolicy", "created policy {PolicyName}"),
    ("CreatePolicyVersion", "wrote a version of policy {PolicyArn}"),
    ("DeletePolicyVersion", "deleted version {VersionId} of policy {PolicyArn}"),
    ("SetDefaultPolicyVersion", "made {VersionId} the default version of policy {PolicyArn}"),
    ("DeletePolicy", "deleted policy {PolicyArn}"),
    ("AttachUserPolicy", "attached {PolicyArn} to user {UserName}"),
    ("DetachUserPolicy", "detached {PolicyArn} from user {UserName}"),
    ("AttachGroupPolicy", "attached {PolicyArn} to group {GroupName}"),
    ("DetachGroupPolicy", "detached {PolicyArn} from group {GroupName}"),
    ("AttachRolePolicy", "attached {PolicyArn} to role {RoleName}"),
    ("DetachRolePolicy", "detached {PolicyArn} from role {RoleName}"),
    ("PutUserPolicy", "wrote inline policy {PolicyName} of user {UserName}"),
    ("DeleteUserPolicy", "deleted inline policy {PolicyName} of user {UserName}"),
    ("PutGroupPolicy", "wrote inline policy {PolicyName} of group {GroupName}"),
    ("DeleteGroupPolicy", "deleted inline policy {PolicyName} of group {GroupName}"),
    ("PutRolePolicy", "wrote inline policy {PolicyName} of role {RoleName}"),
    ("DeleteRolePolicy", "deleted inline policy {PolicyName} of role {RoleName}"),
    ("PutUserPermissionsBoundary", "bounded user {UserName} by {PermissionsBoundary}"),
    ("DeleteUserPermissionsBoundary", "removed the boundary of user {UserName}"),
    ("PutRolePermissionsBoundary", "bounded role {RoleName} by {PermissionsBoundary}"),
    ("DeleteRolePermissionsBoundary", "removed the boundary of role {RoleName}"),
    ("TagUser", "tagged user {UserName}"),
    ("UntagUser", "removed tags of user {UserName}"),
    ("TagRole", "tagged role {RoleName}"),
    ("UntagRole", "removed tags of role {RoleName}"),
    ("TagPolicy", "tagged policy {PolicyArn}"),
    ("UntagPolicy", "removed tags of policy {PolicyArn}"),
    ("CreateAccessKey", "created an access key of {target}"),
    ("UpdateAccessKey", "set access key {AccessKeyId} {Status}"),
    ("DeleteAccessKey", "deleted access key {AccessKeyId}"),
    ("CreateLoginProfile", "gave user {UserName} a password"),
    ("UpdateLoginProfile", "changed the password of user {UserName}"),
    ("DeleteLoginProfile", "removed the password of user {UserName}"),
    ("ChangePassword", "changed the own password"),
    ("CreateAccountAlias", "gave the account the alias {AccountAlias}"),
    ("DeleteAccountAlias", "removed the account's alias {AccountAlias}"),
    ("UpdateAccountPasswordPolicy", "set the account's password policy"),
    ("DeleteAccountPasswordPolicy", "removed the account's password policy"),
    ("CreateVirtualMFADevice", "made the MFA device {VirtualMFADeviceName}"),
    ("EnableMFADevice", "enabled MFA device {SerialNumber} for {target}"),
    ("DeactivateMFADevice", "deactivated MFA device {SerialNumber}"),
    ("ResyncMFADevice", "resynchronized MFA device {SerialNumber}"),
    ("DeleteVirtualMFADevice", "deleted MFA device {SerialNumber}"),
    ("CreateInstanceProfile", "created instance profile {InstanceProfileName}"),
    ("DeleteInstanceProfile", "deleted instance profile {InstanceProfileName}"),
    ("AddRoleToInstanceProfile", "put role {RoleName} into instance profile {InstanceProfileName}"),
    (
        "RemoveRoleFromInstanceProfile",
        "took role {RoleName} out of instance profile {InstanceProfileName}",
    ),
    ("CreateServiceSpecificCredential", "created a credential for {ServiceName}"),
    ("ResetServiceSpecificCredential", "reset credential {ServiceSpecificCredentialId}"),
    ("UpdateServiceSpecificCredential", "set credential {ServiceSpecificCredentialId} {Status}"),
    ("DeleteServiceSpecificCredential", "deleted credential {ServiceSpecificCredentialId}"),
    ("SetOrganizationPolicies", "set the organisation's policies over the account"),
    ("RecoverAdmin", "gave the administrator a new access key"),
    ("RecoverRoot", "made a one-time code for the root user"),
    ("RedeemRootRecovery", "gave the root user a new password with a one-time code"),
    ("ChangeRootPassword", "changed the root user's password"),
    ("ChangeRootEmail", "changed the root user's e-mail address"),
    ("CloseAccount", "closed the account"),
    ("ReopenAccount", "reopened the account"),
    ("RegisterAccount", "registered the account"),
];

/// An entry of the log in words.
pub fn of(entry: &Value) -> String {
    let operation = text(entry, "/operation");
    let what = SENTENCES.iter().find(|(name, _)| *name == operation).map(|(_, sentence)| *sentence);
    let what = match what {
        Some(sentence) => filled(sentence, entry),
        None => format!("{operation} on {}", target(entry)),
    };
    format!("{} {what}", actor(entry))
}

/// Who did it, in words.
pub fn actor(entry: &Value) -> String {
    let name = match text(entry, "/actor/name") {
        "" => text(entry, "/actor/id"),
        name => name,
    };
    match text(entry, "/session") {
        "" => plain(name).to_owned(),
        session => format!("{} ({session})", plain(name)),
    }
}

fn target(entry: &Value) -> &str {
    match text(entry, "/target/name") {
        "" => plain(text(entry, "/target/id")),
        name => plain(name),
    }
}

/// Without the kind in front: `user/alice` is called alice.
fn plain(name: &str) -> &str {
    name.split_once('/').map_or(name, |(_, name)| name)
}

fn filled(sentence: &str, entry: &Value) -> String {
    let mut out = String::new();
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        out.push_str(before);
        let parameter = text(entry, &format!("/parameters/{name}"));
        out.push_str(match (name, parameter) {
            ("target", _) | (_, "") => target(entry),
            (_, arn) if name.ends_with("Arn") || name == "PermissionsBoundary" => short(arn),
            (_, value) => value,
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The name at the end of an ARN.
fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_read_as_sentences() {
        let entry = |operation: &str, parameters: Value| {
            json!({
                "operation": operation, "parameters": parameters,
                "actor": { "id": "AIDA1", "name": "user/alice" },
                "target": { "id": "AIDA2", "name": "user/bob" },
            })
        };
        let attach = json!({ "UserName": "bob", "PolicyArn": "arn:aws:iam::aws:policy/Admin" });
        assert_eq!(of(&entry("AttachUserPolicy", attach)), "alice attached Admin to user bob");
        assert_eq!(of(&entry("CreateAccessKey", json!({}))), "alice created an access key of bob");
        assert_eq!(of(&entry("DoNew", json!(null))), "alice DoNew on bob");
    }
}
