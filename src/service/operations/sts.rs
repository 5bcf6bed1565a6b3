//! STS: who am I, temporary credentials, what a denial meant.

use serde::{Deserialize, Serialize};

use super::shapes::{Tag, check_tags, pairs};
use crate::identity::arn::{self, Arn};
use crate::identity::change::PolicyRef;
use crate::identity::id::{IdKind, UniqueId, is_account_digits};
use crate::ledger::AccountId;
use crate::policy::{Document, DocumentKind};
use crate::projection::directory::{Directory, Named};
use crate::projection::fold;
use crate::projection::tables::{ACCOUNTS, KEY_ACCOUNTS, RoleRow};
use crate::projection::view::ReadTables;
use crate::service::authorize::decode_denial;
use crate::service::caller::Identity;
use crate::service::fault::{self, Fault};
use crate::service::imports::gate;
use crate::service::operation::{GivenFactor, Issue, Read, Reading, operations};
use crate::service::sts::{Credentials, Desk, Terms};
use crate::service::target::{Check, Scene, Target, Value, find_policy};

operations! { Sts:
    read GetCallerIdentity on |op, scene| Ok(Target::any()) => GetCallerIdentityResult,
    issue AssumeRole on |op, scene| op.judged_on(scene) => AssumeRoleResult,
    issue GetSessionToken on |op, scene| Ok(Target::any()) => GetSessionTokenResult,
    read GetAccessKeyInfo on |op, scene| Ok(Target::any()) => GetAccessKeyInfoResult,
    read DecodeAuthorizationMessage on |op, scene| Ok(Target::any()) => DecodeAuthorizationMessageResult,
}

/// `GetCallerIdentity`
#[derive(Deserialize)]
pub struct GetCallerIdentity {}

/// Who the caller is.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetCallerIdentityResult {
    user_id: String,
    account: String,
    arn: String,
}

impl Read for GetCallerIdentity {
    fn read(self, at: &Reading<'_>) -> Result<GetCallerIdentityResult, Fault> {
        Ok(GetCallerIdentityResult {
            user_id: at.caller.user_id(),
            account: at.caller.digits.clone(),
            arn: at.caller.arn(),
        })
    }
}

/// `AssumeRole`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AssumeRole {
    role_arn: String,
    role_session_name: String,
    duration_seconds: Option<u32>,
    external_id: Option<String>,
    policy: Option<String>,
    #[serde(default)]
    policy_arns: Vec<PolicyDescriptor>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    transitive_tag_keys: Vec<String>,
    source_identity: Option<String>,
    serial_number: Option<String>,
    token_code: Option<String>,
    minimum_session_token_size: Option<usize>,
}

#[derive(Deserialize)]
struct PolicyDescriptor {
    arn: String,
}

/// A session of a role.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AssumeRoleResult {
    credentials: Credentials,
    assumed_role_user: AssumedRoleUser,
    packed_policy_size: Option<u32>,
    source_identity: Option<String>,
    session_token_size: usize,
    session_token_utilization: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedRoleUser {
    assumed_role_id: String,
    arn: String,
}

/// The longest session of a role that a role session assumed, in seconds.
const LONGEST_CHAINED: u32 = 3_600;
/// The actions for which the role must trust the caller.
pub const NEED_TRUST: [&str; 3] = [ASSUME_ROLE, TAG_SESSION, SET_SOURCE_IDENTITY];
const ASSUME_ROLE: &str = "sts:AssumeRole";
const TAG_SESSION: &str = "sts:TagSession";
const SET_SOURCE_IDENTITY: &str = "sts:SetSourceIdentity";
/// Characters of an inline session policy.
const SESSION_POLICY_QUOTA: usize = 2_048;
/// Managed session policies.
const SESSION_POLICIES_QUOTA: usize = 10;

/// Keys of session tags are like a role's (IAM User Guide, "Passing session tags in AWS STS").
fn same_key(one: &str, other: &str) -> bool {
    fold::same_key(Some(IdKind::Role), one, other)
}

/// The role of an ARN, in whichever account of the store.
pub fn find_role(
    directory: Directory<'_>,
    role_arn: &str,
) -> Result<Option<(AccountId, Named<RoleRow>)>, Fault> {
    let Some(parsed) = Arn::parse(role_arn) else { return Ok(None) };
    if parsed.service != "iam" || parsed.kind() != "role" {
        return Ok(None);
    }
    let digits = parsed.account.to_owned();
    let account: Option<AccountId> = directory.reader.get(AccountId::SYSTEM, &ACCOUNTS, &digits)?;
    let Some(account) = account else { return Ok(None) };
    let owner = Directory::new(directory.reader, account);
    // Nobody takes on a role of a closed account.
    if owner.is_closed()? {
        return Ok(None);
    }
    // Nor of one of which only a part is known.
    if gate::is_pending(directory.reader, account)? {
        return Ok(None);
    }
    let found = owner.find::<RoleRow>(parsed.name())?;
    Ok(found.filter(|role| role.arn == role_arn).map(|role| (account, role)))
}

/// The account of a role's ARN. One that is not in the store has no id: what happens to its roles falls to
/// the caller's account.
fn owner(directory: Directory<'_>, role_arn: &str) -> Result<Option<(AccountId, String)>, Fault> {
    let Some(parsed) = Arn::parse(role_arn) else { return Ok(None) };
    let digits = parsed.account.to_owned();
    let account = directory.reader.get(AccountId::SYSTEM, &ACCOUNTS, &digits)?;
    Ok(Some((account.unwrap_or(directory.account), digits)))
}

/// The tags of a session, and the keys of those that a further session inherits.
struct SessionTags {
    tags: Vec<(String, String)>,
    transitive: Vec<String>,
}

impl AssumeRole {
    /// The trust policy of the role, and the caller's own policies; setting tags or a source identity, and
    /// handing on those that the caller's session carries, needs a permission of its own on both sides (IAM
    /// User Guide, "Permissions required to set source identity"; of tags: aws/eks-pod-identity-agent 80).
    fn judged_on(&self, scene: &Scene<'_>) -> Result<Target, Fault> {
        let whole = Arn::parse(&self.role_arn).is_some_and(|arn| {
            ![arn.partition, arn.service, arn.resource].iter().any(|part| part.is_empty())
        });
        if !whole {
            return Err(Fault::validation(format!("{} is invalid", self.role_arn)));
        }
        let mut keys =
            vec![("sts:RoleSessionName".to_owned(), Value::One(self.role_session_name.clone()))];
        let before = scene.caller.session();
        let source_identity = match (&self.source_identity, before) {
            (None, Some(before)) => &before.source_identity,
            (own, _) => own,
        };
        let single =
            [("sts:ExternalId", &self.external_id), ("sts:SourceIdentity", source_identity)];
        for (name, value) in single {
            keys.extend(value.clone().map(|value| (name.to_owned(), Value::One(value))));
        }
        if let Some(duration) = self.duration_seconds {
            keys.push(("sts:DurationSeconds".to_owned(), Value::One(duration.to_string())));
        }
        if !self.transitive_tag_keys.is_empty() {
            keys.push((
                "sts:TransitiveTagKeys".to_owned(),
                Value::Many(self.transitive_tag_keys.clone()),
            ));
        }
        let mut target =
            Target::on(&self.role_arn, &UniqueId::root()).requesting(&pairs(&self.tags));
        let found = find_role(scene.directory, &self.role_arn)?;
        if let Some((account, role)) = &found {
            let directory = Directory::new(scene.directory.reader, *account);
            target = target.tagged(directory.tags(&role.row.id)?);
        }
        let owner = owner(scene.directory, &self.role_arn)?;
        // A role that does not exist is judged as one that trusts nobody, and not told from it.
        for check in &mut target.checks {
            check.owner.clone_from(&owner);
            check.needs_trust = true;
            if let Some((_, role)) = &found {
                check.id = role.row.id.clone();
                check.trust = Some(role.row.trust.clone());
            }
        }
        for check in &mut target.checks {
            check.keys.extend(keys.iter().cloned());
        }
        let first: Option<Check> = target.checks.first().cloned();
        let mut further = Vec::new();
        if !self.tags.is_empty() || before.is_some_and(|before| !before.transitive.is_empty()) {
            further.push(TAG_SESSION);
        }
        if source_identity.is_some() {
            further.push(SET_SOURCE_IDENTITY);
        }
        for action in further {
            target
                .checks
                .extend(first.clone().map(|check| Check { action: Some(action), ..check }));
        }
        Ok(target)
    }

    /// The session's tags: those that the session before passes on, and those of the request.
    fn tags(&self, desk: &Desk<'_>) -> Result<SessionTags, Fault> {
        let mut tags = Vec::new();
        let mut transitive = Vec::new();
        if let Some(before) = desk.reading.caller.session() {
            for (key, value) in &before.tags {
                if before.transitive.iter().any(|other| same_key(other, key)) {
                    tags.push((key.clone(), value.clone()));
                    transitive.push(key.clone());
                }
            }
        }
        let own = pairs(&self.tags);
        // What is `InvalidInput` to IAM is another code to STS.
        check_tags(&own, &tags, IdKind::Role).map_err(|fault| match fault.code {
            "InvalidInput" => Fault { code: "InvalidParameterValue", ..fault },
            _ => fault,
        })?;
        for (key, value) in own {
            if transitive.iter().any(|inherited| same_key(inherited, &key)) {
                return Err(Fault::new(
                    "InvalidParameterValue",
                    400,
                    "One of the specified transitive tag keys can't be set because it conflicts with \
                     a transitive tag key from the calling session.",
                ));
            }
            tags.push((key, value));
        }
        for key in &self.transitive_tag_keys {
            if !tags.iter().any(|(other, _)| same_key(other, key)) {
                return Err(Fault::new(
                    "InvalidParameterValue",
                    400,
                    "The specified transitive tag key must be included in the requested tags.",
                ));
            }
            transitive.push(key.clone());
        }
        Ok(SessionTags { tags, transitive })
    }

    fn session_policies(
        &self,
        desk: &Desk<'_>,
        directory: &Directory<'_>,
    ) -> Result<(Vec<PolicyRef>, Option<u32>), Fault> {
        if let Some(policy) = &self.policy {
            Document::parse_new(policy, DocumentKind::Session)?;
            if policy.chars().count() > SESSION_POLICY_QUOTA {
                return Err(Fault::new(
                    "PackedPolicyTooLarge",
                    400,
                    "The session policy is larger than 2,048 characters.",
                ));
            }
        }
        if self.policy_arns.len() > SESSION_POLICIES_QUOTA {
            return Err(Fault::validation(
                "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: \
                 Member must have length less than or equal to 10",
            ));
        }
        let mut managed = Vec::new();
        for descriptor in &self.policy_arns {
            let found = find_policy(directory, &descriptor.arn)?;
            let digits = directory.digits()?;
            let exists = match &found {
                None => false,
                Some(policy) => desk
                    .reading
                    .documents
                    .managed(directory.reader, directory.account, &digits, policy)?
                    .is_some(),
            };
            match found {
                Some(policy) if exists => managed.push(policy),
                _ => {
                    return Err(Fault::new(
                        "MalformedPolicyDocument",
                        400,
                        format!("Policy {} does not exist or is not attachable.", descriptor.arn),
                    ));
                }
            }
        }
        // AWS reports what share of its packed form is used; here it is a share of the characters.
        let used = self.policy.as_ref().map_or(0, |policy| policy.chars().count())
            + self.policy_arns.iter().map(|policy| policy.arn.len()).sum::<usize>()
            + self.tags.iter().map(|tag| tag.key.len() + tag.value.len()).sum::<usize>();
        let share = u32::try_from(used * 100 / (2 * SESSION_POLICY_QUOTA)).unwrap_or(100).max(1);
        Ok((managed, (used > 0).then_some(share)))
    }
}

impl Issue for AssumeRole {
    fn second_factor(&self) -> GivenFactor<'_> {
        (self.serial_number.as_deref(), self.token_code.as_deref())
    }

    fn issue(self, desk: &Desk<'_>) -> Result<AssumeRoleResult, Fault> {
        let caller = desk.reading.caller;
        if caller.is_root() {
            return Err(Fault::new(
                "AccessDenied",
                403,
                "Roles may not be assumed by root accounts.",
            ));
        }
        let found = find_role(desk.reading.directory, &self.role_arn)?;
        // Whom policies judge was refused before.
        let (account, role) = found.ok_or_else(|| {
            let name = Arn::parse(&self.role_arn).map_or("", |arn| arn.name());
            fault::NO_ROLE.with(&[name])
        })?;
        let duration = self.duration_seconds.unwrap_or(3_600);
        let chained = matches!(caller.identity, Identity::RoleSession { .. });
        if chained && duration > LONGEST_CHAINED {
            return Err(Fault::validation(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
                 role chaining",
            ));
        }
        if duration > role.row.max_session {
            return Err(Fault::validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let directory = Directory::new(desk.reading.directory.reader, account);
        let (managed_policies, packed_policy_size) = self.session_policies(desk, &directory)?;
        let SessionTags { tags, transitive } = self.tags(desk)?;
        // A source identity, once set, cannot be changed by a further session.
        let inherited = caller.session().and_then(|session| session.source_identity.clone());
        let source_identity = match (inherited, self.source_identity.clone()) {
            (Some(old), Some(new)) if old != new => {
                return Err(Fault::new(
                    "AccessDenied",
                    403,
                    "A source identity that a session carries cannot be changed.",
                ));
            }
            (old, new) => new.or(old),
        };
        let credentials = desk.issue(Terms {
            account,
            principal: role.row.id.clone(),
            name: self.role_session_name.clone(),
            duration,
            inline_policy: self.policy.clone(),
            managed_policies,
            tags,
            transitive,
            source_identity: source_identity.clone(),
            // Whether its beginner gave a second factor is for the role's trust policy alone; a role's session
            // has none (IAM User Guide, "Configuring MFA-protected API access").
            mfa: None,
            minimum_token_size: self.minimum_session_token_size.unwrap_or(0),
        })?;
        let (session_token_size, session_token_utilization) = credentials.token_size();
        Ok(AssumeRoleResult {
            credentials,
            assumed_role_user: AssumedRoleUser {
                assumed_role_id: format!("{}:{}", role.row.id, self.role_session_name),
                arn: arn::assumed_role(&directory.digits()?, &role.name, &self.role_session_name),
            },
            packed_policy_size,
            source_identity,
            session_token_size,
            session_token_utilization,
        })
    }
}

/// `GetSessionToken`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetSessionToken {
    duration_seconds: Option<u32>,
    serial_number: Option<String>,
    token_code: Option<String>,
    minimum_session_token_size: Option<usize>,
}

/// Temporary credentials of the caller itself.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetSessionTokenResult {
    credentials: Credentials,
    session_token_size: usize,
    session_token_utilization: usize,
}

impl Issue for GetSessionToken {
    fn second_factor(&self) -> GivenFactor<'_> {
        (self.serial_number.as_deref(), self.token_code.as_deref())
    }

    fn issue(self, desk: &Desk<'_>) -> Result<GetSessionTokenResult, Fault> {
        let caller = desk.reading.caller;
        if caller.session().is_some() {
            return Err(Fault::new(
                "AccessDenied",
                403,
                "Cannot call GetSessionToken with session credentials",
            ));
        }
        // The root user's sessions last an hour at most; AWS shortens rather than refuses.
        let duration = match (self.duration_seconds, caller.is_root()) {
            (Some(asked), true) => asked.min(3_600),
            (None, true) => 3_600,
            (asked, false) => asked.unwrap_or(43_200),
        };
        let credentials = desk.issue(Terms {
            account: caller.account,
            principal: caller.principal_id(),
            name: String::new(),
            duration,
            inline_policy: None,
            managed_policies: Vec::new(),
            tags: Vec::new(),
            transitive: Vec::new(),
            source_identity: None,
            mfa: Some(desk.factor.is_some()),
            minimum_token_size: self.minimum_session_token_size.unwrap_or(0),
        })?;
        let (session_token_size, session_token_utilization) = credentials.token_size();
        Ok(GetSessionTokenResult { credentials, session_token_size, session_token_utilization })
    }
}

/// `GetAccessKeyInfo`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetAccessKeyInfo {
    access_key_id: String,
}

/// Whose account a key belongs to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetAccessKeyInfoResult {
    account: String,
}

impl Read for GetAccessKeyInfo {
    fn read(self, at: &Reading<'_>) -> Result<GetAccessKeyInfoResult, Fault> {
        let unknown =
            || Fault::validation(format!("The access key ID {} is not valid.", self.access_key_id));
        let id = UniqueId::parse(&self.access_key_id).ok_or_else(unknown)?;
        let reader = at.directory.reader;
        let account = match reader.get(AccountId::SYSTEM, &KEY_ACCOUNTS, &id)? {
            Some(account) => Some(account),
            None => at.activity.session(&id)?.map(|session| session.account),
        };
        let account = account.ok_or_else(unknown)?;
        let digits = Directory::new(reader, account).digits()?;
        if !is_account_digits(&digits) {
            return Err(unknown());
        }
        Ok(GetAccessKeyInfoResult { account: digits })
    }
}

/// `DecodeAuthorizationMessage`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DecodeAuthorizationMessage {
    encoded_message: String,
}

/// What a denial was about, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DecodeAuthorizationMessageResult {
    decoded_message: String,
}

impl Read for DecodeAuthorizationMessage {
    fn read(self, at: &Reading<'_>) -> Result<DecodeAuthorizationMessageResult, Fault> {
        let decoded = decode_denial(at.directory.reader, at.caller.account, &self.encoded_message);
        let decoded_message = decoded.ok_or_else(|| {
            Fault::new(
                "InvalidAuthorizationMessageException",
                400,
                "The message is not an encoded authorization message of this account.",
            )
        })?;
        Ok(DecodeAuthorizationMessageResult { decoded_message })
    }
}
