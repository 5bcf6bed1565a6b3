//! What judges a principal, by the hashes of it: equal footings decide alike.

use std::collections::BTreeSet;

use crate::identity::change::{DocumentHash, PolicyRef};
use crate::identity::id::UniqueId;
use crate::projection::directory::Directory;
use crate::projection::tables::*;
use crate::projection::view::ReadTables;
use crate::service::fault::Fault;
use crate::service::password_policy::may_change_own;

/// What a policy is judged by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ground {
    /// A document.
    Document(DocumentHash),
    /// A policy that every account shares, by its ARN and the catalogue.
    Shared(String, [u8; 32]),
    /// A policy that is gone.
    Gone(String),
}

/// What judges a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footing {
    /// Its ARN's path and name; variables may go by them.
    name: String,
    tags: Vec<(String, String)>,
    identity: BTreeSet<Ground>,
    boundary: Option<Ground>,
    may_change_own_password: bool,
    closure: BTreeSet<UniqueId>,
}

impl Footing {
    /// Of a user or role that exists.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn of(directory: Directory<'_>, id: &UniqueId) -> Result<Self, Fault> {
        let Directory { reader, account } = directory;
        let mut owners = vec![id.clone()];
        for member in reader.list(account, &GROUPS_OF, id)? {
            owners.push(member.group);
        }
        let (mut identity, mut closure) = (BTreeSet::new(), BTreeSet::new());
        for owner in &owners {
            for inline in reader.list(account, &INLINE_POLICIES, owner)? {
                identity.insert(Ground::Document(inline.document));
            }
            for attached in reader.list(account, &ATTACHED, owner)? {
                closure.extend(UniqueId::parse(&attached.policy.0));
                identity.insert(ground(directory, &attached.policy)?);
            }
        }
        closure.extend(owners);
        let user = directory.by_id::<UserRow>(id)?.map(|user| (user.arn, user.row.boundary));
        let named = match user {
            None => directory.by_id::<RoleRow>(id)?.map(|role| (role.arn, role.row.boundary)),
            user => user,
        };
        let (name, boundary) = named.unwrap_or_default();
        closure.extend(boundary.as_ref().and_then(|policy| UniqueId::parse(&policy.0)));
        let boundary = boundary.map(|policy| ground(directory, &policy)).transpose()?;
        Ok(Footing {
            name,
            tags: directory.tags(id)?,
            identity,
            boundary,
            may_change_own_password: may_change_own(directory, id)?,
            closure,
        })
    }

    /// The ids that it came by.
    pub fn closure(self) -> BTreeSet<UniqueId> {
        self.closure
    }
}

/// The organisation's policies over an account.
///
/// # Errors
/// Whatever keeps the row from being read.
pub fn organization(directory: Directory<'_>) -> Result<OrganizationRow, Fault> {
    let row = directory.reader.get(directory.account, &ORGANIZATION, &())?;
    Ok(row.unwrap_or_default())
}

fn ground(directory: Directory<'_>, policy: &PolicyRef) -> Result<Ground, Fault> {
    let Directory { reader, account } = directory;
    let gone = || Ground::Gone(policy.0.clone());
    if policy.is_shared() {
        let catalogue = reader.get(crate::ledger::AccountId::SYSTEM, &CATALOGUE, &())?;
        return Ok(catalogue
            .map_or_else(gone, |catalogue| Ground::Shared(policy.0.clone(), catalogue.manifest)));
    }
    let Some(id) = UniqueId::parse(&policy.0) else { return Ok(gone()) };
    let Some(row) = reader.get(account, &POLICIES, &id)? else { return Ok(gone()) };
    let version = reader.get(account, &POLICY_VERSIONS, &(id, row.default_version))?;
    Ok(version.map_or_else(gone, |version| Ground::Document(version.document)))
}
