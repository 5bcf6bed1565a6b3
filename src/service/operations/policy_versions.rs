//! Versions of managed policies. A customer's policy keeps up to five, numbered from 1 and never anew;
//! of a policy that every account shares, only the default version is kept.

use serde::{Deserialize, Serialize};

use super::policies::{self, Managed};
use super::shapes::{page, shown_document};
use crate::base::text::percent_encode;
use crate::base::time::Timestamp;
use crate::identity::change::{DefaultVersionSet, PolicyVersionCreated, PolicyVersionDeleted};
use crate::projection::directory::Directory;
use crate::projection::tables::{POLICY_VERSIONS, PolicyRow, PolicyVersionRow};
use crate::projection::view::ReadTables;
use crate::service::documents::SharedPolicy;
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::target;

operations! { Iam:
    write CreatePolicyVersion on |op, scene| target::policy(scene, &op.policy_arn) => VersionAnswer,
    read GetPolicyVersion on |op, scene| target::policy(scene, &op.policy_arn) => VersionAnswer,
    read ListPolicyVersions on |op, scene| target::policy(scene, &op.policy_arn) => ListPolicyVersionsResult,
    write DeletePolicyVersion on |op, scene| target::policy(scene, &op.policy_arn) => (),
    write SetDefaultPolicyVersion on |op, scene| target::policy(scene, &op.policy_arn) => (),
}

/// Versions that a policy may have; not adjustable.
const VERSIONS_QUOTA: usize = 5;

/// The number in `v3`; `None` for any other way of writing it.
fn number(id: &str) -> Option<u32> {
    let number: u32 = id.strip_prefix('v')?.parse().ok()?;
    (format!("v{number}") == id).then_some(number)
}

/// A version of a customer's policy.
fn version(
    directory: Directory<'_>,
    policy: &PolicyRow,
    arn: &str,
    id: &str,
) -> Result<PolicyVersionRow, Fault> {
    let found = match number(id) {
        None => None,
        Some(number) => {
            let key = (policy.id.clone(), number);
            directory.reader.get(directory.account, &POLICY_VERSIONS, &key)?
        }
    };
    found.ok_or_else(|| fault::NO_POLICY_VERSION.with(&[arn, id]))
}

/// A version of a customer's policy, and the policy. AWS does not tell which of the two is missing.
fn own(
    directory: Directory<'_>,
    arn: &str,
    id: &str,
) -> Result<(PolicyRow, PolicyVersionRow), Fault> {
    let policy = policies::own(directory, arn).map_err(|fault| match fault.code {
        "NoSuchEntity" => fault::NO_POLICY_VERSION.with(&[arn, id]),
        _ => fault,
    })?;
    let found = version(directory, &policy, arn, id)?;
    Ok((policy, found))
}

/// A version in an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PolicyVersion {
    /// Lists leave it out.
    document: Option<String>,
    version_id: String,
    is_default_version: bool,
    create_date: Timestamp,
}

impl PolicyVersion {
    fn of(policy: &PolicyRow, version: &PolicyVersionRow) -> Self {
        PolicyVersion {
            document: None,
            version_id: format!("v{}", version.version),
            is_default_version: version.version == policy.default_version,
            create_date: version.created,
        }
    }

    /// A version of a customer's policy with its document.
    pub(super) fn with_document(
        directory: Directory<'_>,
        policy: &PolicyRow,
        version: &PolicyVersionRow,
    ) -> Result<Self, Fault> {
        Ok(PolicyVersion {
            document: Some(shown_document(directory, &version.document)?),
            ..PolicyVersion::of(policy, version)
        })
    }

    /// The version of a shared policy that is kept, with its document.
    pub(super) fn of_shared(shared: &SharedPolicy) -> Self {
        PolicyVersion {
            document: Some(percent_encode(shared.document.as_bytes())),
            version_id: shared.default_version.clone(),
            is_default_version: true,
            create_date: shared.updated,
        }
    }
}

/// A version.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersionAnswer {
    policy_version: PolicyVersion,
}

/// `CreatePolicyVersion`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreatePolicyVersion {
    policy_arn: String,
    policy_document: String,
    #[serde(default)]
    set_as_default: bool,
}

impl Write for CreatePolicyVersion {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<VersionAnswer, Fault> {
        let policy = policies::own(to.directory(), &self.policy_arn)?;
        let document = policies::keep_document(to, &self.policy_document)?;
        let count = to.tx.count(to.tx.account(), &POLICY_VERSIONS, &policy.id)?;
        if count >= VERSIONS_QUOTA && !to.tx.is_repeated() {
            return Err(fault::TOO_MANY_VERSIONS.with(&[]));
        }
        let next = policy.latest_version.checked_add(1);
        // Elsewhere there may have been versions in between that nobody here knows of, or that are told of later.
        let answered = match to.tx.answered_version() {
            Some(given) => {
                let known = (policy.id.clone(), given);
                let is_free = to.tx.get(to.tx.account(), &POLICY_VERSIONS, &known)?.is_none();
                Some(given).filter(|_| is_free)
            }
            None => None,
        };
        let version = answered
            .or(next)
            .ok_or_else(|| Fault::internal("the numbers of a policy's versions are used up"))?;
        to.tx.record(PolicyVersionCreated {
            policy: policy.id,
            version,
            document,
            // One that was made later and is the default already stays it.
            default: self.set_as_default && policy.default_version < version,
        })?;
        Ok(VersionAnswer {
            policy_version: PolicyVersion {
                document: None,
                version_id: format!("v{version}"),
                is_default_version: self.set_as_default,
                create_date: to.tx.at(),
            },
        })
    }
}

/// `GetPolicyVersion`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetPolicyVersion {
    policy_arn: String,
    version_id: String,
}

impl Read for GetPolicyVersion {
    fn read(self, at: &Reading<'_>) -> Result<VersionAnswer, Fault> {
        let found = policies::lookup(at.directory, at.documents, &self.policy_arn)?;
        let missing = || fault::NO_POLICY_VERSION.with(&[&self.policy_arn, &self.version_id]);
        let policy_version = match found.ok_or_else(missing)? {
            Managed::Own(policy) => {
                let row = version(at.directory, &policy, &self.policy_arn, &self.version_id)?;
                PolicyVersion::with_document(at.directory, &policy, &row)?
            }
            Managed::Shared(shared) if shared.default_version == self.version_id => {
                PolicyVersion::of_shared(&shared)
            }
            Managed::Shared(_) => return Err(missing()),
        };
        Ok(VersionAnswer { policy_version })
    }
}

/// `ListPolicyVersions`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListPolicyVersions {
    policy_arn: String,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// A page of versions, the newest first.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListPolicyVersionsResult {
    versions: Vec<PolicyVersion>,
    is_truncated: bool,
    marker: Option<String>,
}

/// The newest version comes first, and v10 before v9.
fn newest_first(version: &PolicyVersion) -> String {
    let number = number(&version.version_id).unwrap_or_default();
    format!("{:010}", u32::MAX - number)
}

impl Read for ListPolicyVersions {
    fn read(self, at: &Reading<'_>) -> Result<ListPolicyVersionsResult, Fault> {
        let Directory { reader, account } = at.directory;
        let versions = match policies::find(at.directory, at.documents, &self.policy_arn)? {
            Managed::Own(policy) => reader
                .list(account, &POLICY_VERSIONS, &policy.id)?
                .iter()
                .map(|version| PolicyVersion::of(&policy, version))
                .collect(),
            Managed::Shared(shared) => {
                vec![PolicyVersion { document: None, ..PolicyVersion::of_shared(&shared) }]
            }
        };
        let paged = page(versions, newest_first, self.max_items, self.marker.as_deref())?;
        Ok(ListPolicyVersionsResult {
            versions: paged.items,
            is_truncated: paged.is_truncated,
            marker: paged.marker,
        })
    }
}

/// `DeletePolicyVersion`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeletePolicyVersion {
    policy_arn: String,
    version_id: String,
}

impl Write for DeletePolicyVersion {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let (policy, found) = own(to.directory(), &self.policy_arn, &self.version_id)?;
        if found.version == policy.default_version {
            return Err(fault::VERSION_IS_DEFAULT.with(&[]));
        }
        Ok(to.tx.record(PolicyVersionDeleted { policy: policy.id, version: found.version })?)
    }
}

/// `SetDefaultPolicyVersion`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SetDefaultPolicyVersion {
    policy_arn: String,
    version_id: String,
}

impl Write for SetDefaultPolicyVersion {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let (policy, found) = own(to.directory(), &self.policy_arn, &self.version_id)?;
        if found.version == policy.default_version {
            return Ok(());
        }
        Ok(to.tx.record(DefaultVersionSet { policy: policy.id, version: found.version })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_one_name() {
        assert_eq!((number("v1"), number("v10")), (Some(1), Some(10)));
        for other in ["", "1", "v", "v01", "v+1", "V1", "v1.a", "v4294967296"] {
            assert_eq!(number(other), None, "{other}");
        }
    }

    #[test]
    fn the_newest_version_is_first() {
        let version = |number: u32| PolicyVersion {
            document: None,
            version_id: format!("v{number}"),
            is_default_version: false,
            create_date: Timestamp::default(),
        };
        let versions = [9, 11, 2, 10].map(version).into_iter().collect();
        let paged = page(versions, newest_first, Some(3), None).unwrap();
        let names: Vec<_> = paged.items.iter().map(|one| one.version_id.as_str()).collect();
        assert_eq!(names, ["v11", "v10", "v9"]);
    }
}
