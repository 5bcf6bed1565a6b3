//! `requestParameters` and `responseElements`: what was asked and what was answered, as CloudTrail keeps
//! them. Secrets were never recorded, so that none can be told.

use serde_json::{Map, Value, json};

use super::super::told::{Teller, Told};
use crate::base::text::{from_hex, percent_encode};
use crate::base::time::Timestamp;
use crate::identity::arn;
use crate::identity::change::Change;
use crate::identity::id::UniqueId;
use crate::projection::{ProjectionError, Reader};
use crate::service::parameters::DOCUMENTS;

/// Parameters that are told as booleans.
const BOOLEANS: &[&str] = &[
    "AllowUsersToChangePassword",
    "HardExpiry",
    "PasswordResetRequired",
    "RequireLowercaseCharacters",
    "RequireNumbers",
    "RequireSymbols",
    "RequireUppercaseCharacters",
    "SetAsDefault",
];
/// Parameters that are told as numbers.
const NUMBERS: &[&str] = &[
    "CredentialAgeDays",
    "DurationSeconds",
    "MaxPasswordAge",
    "MaxSessionDuration",
    "MinimumPasswordLength",
    "PasswordReusePrevention",
];

/// `UserName` as CloudTrail writes it: `userName`.
fn camel(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A parameter as CloudTrail writes it.
fn told_as(name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if BOOLEANS.contains(&name) => match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => value.clone(),
        },
        Value::String(text) if NUMBERS.contains(&name) => {
            text.parse::<u64>().map_or_else(|_| value.clone(), Value::from)
        }
        Value::Array(items) => items.iter().map(|item| told_as("", item)).collect(),
        Value::Object(fields) => Value::Object(
            fields.iter().map(|(name, value)| (camel(name), told_as(name, value))).collect(),
        ),
        _ => value.clone(),
    }
}

/// A document by its hash, as it was sent.
fn document(teller: &Teller<'_>, value: &Value) -> Result<Option<Value>, ProjectionError> {
    let hash = value.get("blake3").and_then(Value::as_str).and_then(from_hex);
    let Some(hash) = hash.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
        return Ok(None);
    };
    let text = teller.view.content(&hash)?;
    Ok(Some(Value::String(String::from_utf8_lossy(&text).into_owned())))
}

/// What was asked; `None` if nothing was, or it was erased.
///
/// # Errors
/// If a document is missing.
pub fn parameters(
    teller: &Teller<'_>,
    told: &Told<'_>,
) -> Result<Option<Map<String, Value>>, ProjectionError> {
    let Some(Value::Object(fields)) = &told.parameters else { return Ok(None) };
    let mut shown = Map::new();
    for (name, value) in fields {
        let document = match DOCUMENTS.contains(&name.as_str()) {
            true => document(teller, value)?,
            false => None,
        };
        shown.insert(camel(name), document.unwrap_or_else(|| told_as(name, value)));
    }
    Ok((!shown.is_empty()).then_some(shown))
}

/// An instant as IAM's answers are written there: `Jul 10, 2023 12:23:05 PM`.
pub fn date(at: Timestamp) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = at.to_string();
    let part = |from: usize, to: usize| -> usize {
        text.get(from..to).and_then(|digits| digits.parse().ok()).unwrap_or_default()
    };
    let (hour, half) = match part(11, 13) {
        0 => (12, "AM"),
        hour @ 1..=11 => (hour, "AM"),
        12 => (12, "PM"),
        hour => (hour - 12, "PM"),
    };
    let month = MONTHS.get(part(5, 7).saturating_sub(1)).copied().unwrap_or_default();
    let minutes = text.get(13..19).unwrap_or_default();
    format!("{month} {}, {} {hour}{minutes} {half}", part(8, 10), part(0, 4))
}

/// What an answer holds in part, in the order of the fields.
struct Elements(Map<String, Value>);

impl Elements {
    fn of(value: Value) -> Self {
        match value {
            Value::Object(fields) => Elements(fields),
            _ => Elements(Map::new()),
        }
    }

    /// With a field, if it has a value.
    fn with(mut self, name: &str, value: Option<Value>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    fn under(self, name: &str) -> Value {
        json!({ name: self.0 })
    }
}

/// What was answered; `None` where there was nothing to say. The answer itself is not recorded: it follows
/// from the request and from what changed.
///
/// # Errors
/// Whatever keeps the rows from being read.
pub fn elements(teller: &Teller<'_>, told: &Told<'_>) -> Result<Option<Value>, ProjectionError> {
    let digits = teller.faces.digits();
    let asked = told.parameters.as_ref();
    let given = |name: &str| asked.and_then(|asked| asked.get(name));
    let text = |name: &str| given(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let at = || date(told.header().happened_at);
    let tags = || {
        let tags =
            given("Tags").filter(|tags| tags.as_array().is_some_and(|tags| !tags.is_empty()));
        tags.map(|tags| told_as("Tags", tags))
    };
    let boundary = || {
        let arn = given("PermissionsBoundary").and_then(Value::as_str)?;
        Some(json!({ "permissionsBoundaryType": "Policy", "permissionsBoundaryArn": arn }))
    };
    let owner = |id: &UniqueId| -> Result<String, ProjectionError> {
        let face = teller.faces.at(told.position, id)?;
        Ok(face.map(|face| face.name.clone()).unwrap_or_default())
    };
    let operation = told.event.origin.operation.as_str();
    for change in &told.event.changes {
        let made = match (operation, change) {
            ("CreateUser", Change::UserCreated(c)) => {
                let name = text("UserName");
                let user = Elements::of(json!({
                    "path": c.path,
                    "userName": name,
                    "userId": c.user.as_str(),
                    "arn": arn::iam(digits, "user", &c.path, &name),
                    "createDate": at(),
                }));
                user.with("permissionsBoundary", boundary()).with("tags", tags()).under("user")
            }
            ("CreateGroup", Change::GroupCreated(c)) => {
                let name = text("GroupName");
                json!({ "group": {
                    "path": c.path,
                    "groupName": name,
                    "groupId": c.group.as_str(),
                    "arn": arn::iam(digits, "group", &c.path, &name),
                    "createDate": at(),
                } })
            }
            ("CreateRole", Change::RoleCreated(c)) => {
                let name = text("RoleName");
                let trust = teller.view.content(&c.trust.document)?;
                let role = Elements::of(json!({
                    "path": c.path,
                    "roleName": name,
                    "roleId": c.role.as_str(),
                    "arn": arn::iam(digits, "role", &c.path, &name),
                    "createDate": at(),
                    "assumeRolePolicyDocument": percent_encode(&trust),
                }));
                role.with("permissionsBoundary", boundary()).with("tags", tags()).under("role")
            }
            ("CreatePolicy", Change::PolicyCreated(c)) => {
                let policy = Elements::of(json!({
                    "policyName": c.name,
                    "policyId": c.policy.as_str(),
                    "arn": arn::iam(digits, "policy", &c.path, &c.name),
                    "path": c.path,
                    "defaultVersionId": "v1",
                    "attachmentCount": 0,
                    "permissionsBoundaryUsageCount": 0,
                    "isAttachable": true,
                    "createDate": at(),
                    "updateDate": at(),
                }));
                policy.with("tags", tags()).under("policy")
            }
            ("CreatePolicyVersion", Change::PolicyVersionCreated(c)) => {
                json!({ "policyVersion": {
                    "versionId": format!("v{}", c.version),
                    "isDefaultVersion": c.default,
                    "createDate": at(),
                } })
            }
            ("CreateAccessKey", Change::AccessKeyCreated(c)) => {
                json!({ "accessKey": {
                    "userName": owner(&c.owner)?,
                    "accessKeyId": c.key.as_str(),
                    "status": "Active",
                    "createDate": at(),
                } })
            }
            ("CreateLoginProfile", Change::LoginProfileCreated(c)) => {
                json!({ "loginProfile": {
                    "userName": owner(&c.user)?,
                    "createDate": at(),
                    "passwordResetRequired": c.reset_required,
                } })
            }
            ("CreateInstanceProfile", Change::InstanceProfileCreated(c)) => {
                let profile = Elements::of(json!({
                    "path": c.path,
                    "instanceProfileName": c.name,
                    "instanceProfileId": c.profile.as_str(),
                    "arn": arn::iam(digits, "instance-profile", &c.path, &c.name),
                    "createDate": at(),
                    "roles": [],
                }));
                profile.with("tags", tags()).under("instanceProfile")
            }
            ("CreateVirtualMFADevice", Change::MfaDeviceCreated(c)) => {
                let name = text("VirtualMFADeviceName");
                let device = Elements::of(json!({
                    "serialNumber": arn::iam(digits, "mfa", &c.path, &name),
                }));
                device.with("tags", tags()).under("virtualMFADevice")
            }
            ("CreateServiceSpecificCredential", Change::ServiceCredentialCreated(c)) => {
                let expires = c.expires.map(|expires| Value::from(date(expires)));
                let credential = Elements::of(json!({
                    "serviceSpecificCredentialId": c.credential.as_str(),
                    "userName": owner(&c.owner)?,
                    "serviceName": c.service,
                    "status": "Active",
                    "createDate": at(),
                }));
                credential.with("expirationDate", expires).under("serviceSpecificCredential")
            }
            ("ResetServiceSpecificCredential", Change::ServiceCredentialReset(c)) => {
                json!({ "serviceSpecificCredential": {
                    "serviceSpecificCredentialId": c.credential.as_str(),
                    "userName": owner(&told.event.origin.target)?,
                } })
            }
            ("UpdateRoleDescription", Change::RoleUpdated(c)) => {
                let face = teller.faces.at(told.position, &c.role)?;
                json!({ "role": {
                    "roleName": face.as_ref().map(|face| &face.name),
                    "roleId": c.role.as_str(),
                    "arn": face.as_ref().map(|face| &face.arn),
                    "description": text("Description"),
                } })
            }
            _ => continue,
        };
        return Ok(Some(made));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_names_are_written_as_in_real_records() {
        let written = |text: &str| date(Timestamp::parse(text).unwrap());
        assert_eq!(written("2024-08-01T13:33:28Z"), "Aug 1, 2024 1:33:28 PM");
        assert_eq!(written("2023-07-10T12:23:05Z"), "Jul 10, 2023 12:23:05 PM");
        assert_eq!(written("2026-01-01T00:00:00Z"), "Jan 1, 2026 12:00:00 AM");
        assert_eq!(written("2026-12-31T11:59:59Z"), "Dec 31, 2026 11:59:59 AM");
        assert_eq!(camel("UserName"), "userName");
        assert_eq!(camel("VirtualMFADeviceName"), "virtualMFADeviceName");
        let asked =
            json!({ "PasswordResetRequired": "false", "Tags": [{ "Key": "a", "Value": "true" }] });
        let told =
            json!({ "passwordResetRequired": false, "tags": [{ "key": "a", "value": "true" }] });
        assert_eq!(told_as("", &asked), told);
    }
}
