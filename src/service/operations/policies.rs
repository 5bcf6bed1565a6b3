//! Managed policies: the account's own, and those that every account shares, which can only be read.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::shapes::{Tag, check_tags, page, pairs, quota, shown_tags};
use super::tags;
use crate::base::time::Timestamp;
use crate::identity::arn::{self, AWS_POLICIES, Arn, OF_SERVICES};
use crate::identity::change::{DocumentHash, PolicyCreated, PolicyDeleted, PolicyRef};
use crate::identity::id::{IdKind, UniqueId};
use crate::policy::{Document, DocumentKind};
use crate::projection::directory::Directory;
use crate::projection::sealing::NameKind;
use crate::projection::tables::{
    ATTACHED_TO, AttachmentRow, BOUNDS, Counted, POLICIES, POLICY_VERSIONS, PolicyRow,
};
use crate::projection::view::ReadTables;
use crate::service::documents::{Documents, SharedPolicy};
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::target::{self, Target};

operations! { Iam:
    write CreatePolicy on |op, scene| {
        let path = op.path.as_deref().unwrap_or("/");
        let arn = arn::iam(&scene.directory.digits()?, "policy", path, &op.policy_name);
        let target = Target::on(arn, &UniqueId::root()).called(format!("policy {}", op.policy_name));
        Ok(target.making(&pairs(&op.tags), "iam:TagPolicy"))
    } => PolicyAnswer,
    read GetPolicy on |op, scene| target::policy(scene, &op.policy_arn) => PolicyAnswer,
    read ListPolicies on |op, scene| {
        // IAM's own words, as in aws/aws-sam-cli 394.
        Ok(Target::any().called(format!("policy path {}", op.path_prefix.as_deref().unwrap_or("/"))))
    } => ListPoliciesResult,
    write DeletePolicy on |op, scene| target::policy(scene, &op.policy_arn) => (),
}

/// Managed policies of its own that an account may have (IAM User Guide, quotas).
const POLICIES_QUOTA: usize = 1_500;
/// Characters of a managed policy, white space not counted; not adjustable.
const SIZE_QUOTA: usize = 6_144;

/// A managed policy that a request names.
pub enum Managed {
    /// One of the account's own.
    Own(PolicyRow),
    /// One that every account shares.
    Shared(SharedPolicy),
}

impl Managed {
    /// What attachments call it.
    pub fn reference(&self) -> PolicyRef {
        match self {
            Managed::Own(row) => PolicyRef(row.id.to_string()),
            Managed::Shared(shared) => PolicyRef(shared.arn.clone()),
        }
    }

    fn name(&self) -> &str {
        match self {
            Managed::Own(row) => &row.name,
            Managed::Shared(shared) => &shared.name,
        }
    }

    fn path(&self) -> &str {
        match self {
            Managed::Own(row) => &row.path,
            Managed::Shared(shared) => &shared.path,
        }
    }

    /// Whether it can be attached to, or bound, a user, group or role.
    fn is_attachable(&self) -> bool {
        match self {
            Managed::Own(_) => true,
            Managed::Shared(shared) => shared.path != OF_SERVICES,
        }
    }
}

/// Refuses what is not written like the ARN of a managed policy, before it is looked up: what a request
/// was judged on must be, letter by letter, what it then works on.
pub fn check_arn(text: &str) -> Result<(), Fault> {
    let arn = Arn::parse(text).ok_or_else(|| fault::NO_ARN.with(&[text]))?;
    let fits = arn.partition == "aws"
        && arn.service == "iam"
        && arn.region.is_empty()
        && arn.resource.starts_with("policy/")
        && !arn.name().is_empty();
    if fits { Ok(()) } else { Err(fault::BAD_ARN.with(&[text])) }
}

fn row(directory: Directory<'_>, reference: &PolicyRef) -> Result<Option<PolicyRow>, Fault> {
    let Some(id) = UniqueId::parse(&reference.0) else { return Ok(None) };
    Ok(directory.reader.get(directory.account, &POLICIES, &id)?)
}

/// The policy of an ARN, if there is one.
pub fn lookup(
    directory: Directory<'_>,
    documents: &Documents,
    arn: &str,
) -> Result<Option<Managed>, Fault> {
    check_arn(arn)?;
    let Some(reference) = target::find_policy(&directory, arn)? else { return Ok(None) };
    if reference.is_shared() {
        let shared = documents.shared(directory.reader, directory.account, &reference)?;
        return Ok(shared.map(Managed::Shared));
    }
    Ok(row(directory, &reference)?.map(Managed::Own))
}

/// The policy of an ARN, to be read.
pub fn find(directory: Directory<'_>, documents: &Documents, arn: &str) -> Result<Managed, Fault> {
    lookup(directory, documents, arn)?.ok_or_else(|| fault::NO_POLICY.with(&[arn]))
}

/// The account's own policy of an ARN, to be changed.
pub fn own(directory: Directory<'_>, arn: &str) -> Result<PolicyRow, Fault> {
    check_arn(arn)?;
    let found = target::find_policy(&directory, arn)?;
    if found.as_ref().is_some_and(PolicyRef::is_shared) {
        return Err(fault::AWS_POLICY_FIXED.with(&[arn]));
    }
    let row = found.map(|reference| row(directory, &reference)).transpose()?.flatten();
    row.ok_or_else(|| fault::NO_POLICY.with(&[arn]))
}

/// The policy of an ARN, to be attached to somebody or to bound somebody.
pub fn attachable(to: &Writing<'_, '_>, arn: &str) -> Result<Option<PolicyRef>, Fault> {
    let found = match lookup(to.directory(), to.documents, arn)? {
        Some(found) => found,
        // Shared ones come and go; what was attached elsewhere was one there.
        None if to.tx.is_repeated() && arn.starts_with(AWS_POLICIES) => {
            return Ok(Some(PolicyRef(arn.to_owned())));
        }
        None => return Ok(None),
    };
    if !found.is_attachable() && !to.tx.is_repeated() {
        return Err(fault::NOT_ATTACHABLE.with(&[]));
    }
    Ok(Some(found.reference()))
}

/// Checks a document that is to be a version of a managed policy, and keeps it.
pub fn keep_document(to: &mut Writing<'_, '_>, text: &str) -> Result<DocumentHash, Fault> {
    Document::parse_new(text, DocumentKind::Identity)?;
    let size = text.chars().filter(|character| !character.is_whitespace()).count();
    if size > SIZE_QUOTA && !to.tx.is_repeated() {
        return Err(fault::QUOTA.with(&["PolicySize", &SIZE_QUOTA.to_string()]));
    }
    Ok(to.tx.keep_content(text.as_bytes()))
}

/// A managed policy in an answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    pub(super) policy_name: String,
    pub(super) policy_id: String,
    pub(super) arn: String,
    pub(super) path: String,
    pub(super) default_version_id: String,
    pub(super) attachment_count: usize,
    pub(super) permissions_boundary_usage_count: usize,
    pub(super) is_attachable: bool,
    pub(super) description: Option<String>,
    pub(super) create_date: Timestamp,
    pub(super) update_date: Timestamp,
    pub(super) tags: Option<Vec<Tag>>,
}

impl Policy {
    /// With description and tags, as Get shows it: a list of tags even if there are none.
    pub fn full(directory: Directory<'_>, policy: &Managed) -> Result<Self, Fault> {
        let mut shown = Policy::created(directory, policy)?;
        shown.tags.get_or_insert_default();
        if let Managed::Own(row) = policy {
            shown.description.clone_from(&row.description);
        }
        Ok(shown)
    }

    /// With tags if there are any, as Create shows it.
    pub fn created(directory: Directory<'_>, policy: &Managed) -> Result<Self, Fault> {
        let mut shown = Policy::brief(directory, policy)?;
        if let Managed::Own(row) = policy {
            shown.tags = shown_tags(directory, &row.id)?;
        }
        Ok(shown)
    }

    /// Without them, as lists show it. Uses are counted in the account alone.
    pub fn brief(directory: Directory<'_>, policy: &Managed) -> Result<Self, Fault> {
        let Directory { reader, account } = directory;
        let reference = policy.reference();
        let (id, arn, default_version, created, updated) = match policy {
            Managed::Own(row) => (
                row.id.to_string(),
                arn::iam(&directory.digits()?, "policy", &row.path, &row.name),
                format!("v{}", row.default_version),
                row.created,
                row.updated,
            ),
            Managed::Shared(shared) => (
                shared.id(),
                shared.arn.clone(),
                shared.default_version.clone(),
                shared.created,
                shared.updated,
            ),
        };
        Ok(Policy {
            policy_name: policy.name().to_owned(),
            policy_id: id,
            arn,
            path: policy.path().to_owned(),
            default_version_id: default_version,
            attachment_count: reader.count(account, &ATTACHED_TO, &reference)?,
            permissions_boundary_usage_count: reader.count(account, &BOUNDS, &reference)?,
            is_attachable: policy.is_attachable(),
            description: None,
            create_date: created,
            update_date: updated,
            tags: None,
        })
    }
}

/// A policy.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyAnswer {
    policy: Policy,
}

/// `CreatePolicy`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreatePolicy {
    policy_name: String,
    path: Option<String>,
    policy_document: String,
    description: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

impl Write for CreatePolicy {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<PolicyAnswer, Fault> {
        let tags = pairs(&self.tags);
        check_tags(&tags, &[], IdKind::Policy)?;
        if to.directory().find_id(NameKind::Policy, &self.policy_name)?.is_some() {
            return Err(fault::POLICY_EXISTS.with(&[&self.policy_name]));
        }
        let count = || to.directory().how_many(Counted::Policies);
        quota(to.tx, count, POLICIES_QUOTA, "PoliciesPerAccount")?;
        let document = keep_document(to, &self.policy_document)?;
        let policy = to.tx.new_id(IdKind::Policy)?;
        to.tx.record(PolicyCreated {
            policy: policy.clone(),
            path: self.path.unwrap_or_else(|| "/".to_owned()),
            name_tag: to.tx.name_tag(NameKind::Policy, &self.policy_name)?,
            name: self.policy_name,
            description: self.description.filter(|text| !text.is_empty()),
            document,
        })?;
        tags::set(to.tx, &policy, tags)?;
        to.concerns = Some(policy.clone());
        let made = to.tx.get(to.tx.account(), &POLICIES, &policy)?;
        let made = made.ok_or_else(|| Fault::internal("a policy is gone as it is made"))?;
        Ok(PolicyAnswer { policy: Policy::created(to.directory(), &Managed::Own(made))? })
    }
}

/// `GetPolicy`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetPolicy {
    policy_arn: String,
}

impl Read for GetPolicy {
    fn read(self, at: &Reading<'_>) -> Result<PolicyAnswer, Fault> {
        let found = find(at.directory, at.documents, &self.policy_arn)?;
        Ok(PolicyAnswer { policy: Policy::full(at.directory, &found)? })
    }
}

/// Which policies a list holds.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum Scope {
    #[default]
    All,
    #[serde(rename = "AWS")]
    Aws,
    Local,
}

/// What a policy is used for.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Usage {
    /// It is attached and grants.
    PermissionsPolicy,
    /// It bounds.
    PermissionsBoundary,
}

/// `ListPolicies`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListPolicies {
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    only_attached: bool,
    path_prefix: Option<String>,
    policy_usage_filter: Option<Usage>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// A page of policies.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListPoliciesResult {
    policies: Vec<Policy>,
    is_truncated: bool,
    marker: Option<String>,
}

impl ListPolicies {
    /// The policies that are used as the request wants it; `None` if it takes unused ones as well. With
    /// nothing said of the usage, "attached" means attached: bounding somebody is a use of its own.
    fn wanted(&self, directory: Directory<'_>) -> Result<Option<HashSet<PolicyRef>>, Fault> {
        let Directory { reader, account } = directory;
        let rows: Vec<AttachmentRow> = match self.policy_usage_filter {
            Some(Usage::PermissionsBoundary) => reader.list(account, &BOUNDS, &())?,
            Some(Usage::PermissionsPolicy) => reader.list(account, &ATTACHED_TO, &())?,
            None if self.only_attached => reader.list(account, &ATTACHED_TO, &())?,
            None => return Ok(None),
        };
        Ok(Some(rows.into_iter().map(|row| row.policy).collect()))
    }
}

impl Read for ListPolicies {
    fn read(self, at: &Reading<'_>) -> Result<ListPoliciesResult, Fault> {
        let Directory { reader, account } = at.directory;
        let mut policies = Vec::new();
        if self.scope != Scope::Aws {
            let rows = reader.list(account, &POLICIES, &())?;
            policies.extend(rows.into_iter().map(Managed::Own));
        }
        if self.scope != Scope::Local {
            let shared = at.documents.all_shared(reader, account)?;
            policies.extend(shared.into_iter().map(Managed::Shared));
        }
        if let Some(prefix) = &self.path_prefix {
            policies.retain(|policy| policy.path().starts_with(prefix));
        }
        if let Some(wanted) = self.wanted(at.directory)? {
            policies.retain(|policy| wanted.contains(&policy.reference()));
        }
        // A customer's policy may bear the name of a shared one.
        let key = |policy: &Managed| {
            format!("{}\0{}", policy.name().to_lowercase(), policy.reference().0)
        };
        let paged = page(policies, key, self.max_items, self.marker.as_deref())?;
        let mut policies = Vec::with_capacity(paged.items.len());
        for policy in &paged.items {
            policies.push(Policy::brief(at.directory, policy)?);
        }
        Ok(ListPoliciesResult { policies, is_truncated: paged.is_truncated, marker: paged.marker })
    }
}

/// `DeletePolicy`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeletePolicy {
    policy_arn: String,
}

impl Write for DeletePolicy {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let policy = own(to.directory(), &self.policy_arn)?.id;
        let account = to.tx.account();
        let reference = PolicyRef(policy.to_string());
        if to.tx.count(account, &ATTACHED_TO, &reference)? > 0
            || to.tx.count(account, &BOUNDS, &reference)? > 0
        {
            return Err(fault::POLICY_IN_USE.with(&[]));
        }
        if to.tx.count(account, &POLICY_VERSIONS, &policy)? > 1 {
            return Err(fault::POLICY_HAS_VERSIONS.with(&[]));
        }
        Ok(to.tx.record(PolicyDeleted { policy })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_written_like_a_policy_arn_is_looked_up() {
        for good in [
            "arn:aws:iam::123456789012:policy/p",
            "arn:aws:iam::123456789012:policy/a/b/p",
            "arn:aws:iam::aws:policy/service-role/P",
        ] {
            assert_eq!(check_arn(good), Ok(()), "{good}");
        }
        assert_eq!(check_arn("p"), Err(fault::NO_ARN.with(&["p"])));
        for bad in [
            "arn:aws:iam::123456789012:policy",
            "arn:aws:iam::123456789012:policy/",
            "arn:aws:iam::123456789012:user/p",
            // Otherwise a policy that is denied by its ARN could be reached by one that looks like it.
            "arn:aws-cn:iam::123456789012:policy/p",
            "arn:aws:s3::123456789012:policy/p",
            "arn:aws:iam:eu-west-1:123456789012:policy/p",
        ] {
            assert_eq!(check_arn(bad), Err(fault::BAD_ARN.with(&[bad])), "{bad}");
        }
    }

    #[test]
    fn policies_of_service_roles_are_not_for_attaching() {
        let shared = |path: &str| {
            Managed::Shared(SharedPolicy {
                known_id: None,
                arn: format!("arn:aws:iam::aws:policy{path}P"),
                name: "P".into(),
                path: path.into(),
                default_version: "v1".into(),
                created: Timestamp::default(),
                updated: Timestamp::default(),
                document: "{}".into(),
            })
        };
        assert!(shared("/").is_attachable() && shared("/service-role/").is_attachable());
        assert!(!shared("/aws-service-role/").is_attachable());
    }
}
