//! Whom the changes between two states of an account may concern: everybody else may what they could before.
//!
//! A change is about the owners of what it changes ([`each_owner`]). What a group or a policy has a say in are its
//! members, and those whom it is attached to or bounds, on either side. What has a say in everybody is compared
//! itself: then everybody is looked at.

use std::collections::BTreeSet;

use crate::identity::change::{
    Change, MemberAdded, MemberRemoved, PolicyAttached, PolicyDetached, PolicyRef,
};
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::tables::{
    ATTACHED_TO, BOUNDS, CATALOGUE, MEMBERS, ORGANIZATION, PASSWORD_POLICY,
};
use crate::projection::view::ReadTables;
use crate::projection::{ProjectionError, Reader};

/// Whom two states are compared for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Everybody.
    Everybody,
    /// These users and roles.
    These(BTreeSet<UniqueId>),
}

impl Whom {
    /// Those whom changes to these owners may concern.
    ///
    /// # Errors
    /// Whatever keeps either state from being read.
    pub fn concerned<'a>(
        owners: impl Iterator<Item = &'a str>,
        account: AccountId,
        [before, after]: [&dyn Reader; 2],
    ) -> Result<Self, ProjectionError> {
        if of_all(account, before)? != of_all(account, after)? {
            return Ok(Whom::Everybody);
        }
        let mut found = Collector { account, readers: [before, after], ids: BTreeSet::new() };
        for owner in owners {
            found.add(owner)?;
        }
        Ok(Whom::These(found.ids))
    }
}

/// What has a say in what everybody of an account may do.
#[derive(PartialEq, Eq)]
struct OfAll {
    /// Whether the account is closed; `None` before it was founded.
    closed: Option<bool>,
    /// Rows, as they are stored.
    rows: Vec<Option<Vec<u8>>>,
}

fn of_all(account: AccountId, reader: &dyn Reader) -> Result<OfAll, ProjectionError> {
    let row = Directory::new(reader, account).account_row()?;
    let rows = vec![
        reader.row(account, &ORGANIZATION.key(&()))?,
        reader.row(account, &PASSWORD_POLICY.key(&()))?,
        reader.row(AccountId::SYSTEM, &CATALOGUE.key(&()))?,
    ];
    Ok(OfAll { closed: row.map(|row| row.closed.is_some()), rows })
}

/// Collects the users and roles whom owners have a say in.
struct Collector<'a> {
    account: AccountId,
    readers: [&'a dyn Reader; 2],
    ids: BTreeSet<UniqueId>,
}

impl Collector<'_> {
    /// Adds whom an owner has a say in: a unique id, or the ARN of a policy that all accounts share.
    fn add(&mut self, owner: &str) -> Result<(), ProjectionError> {
        let Some(id) = UniqueId::parse(owner) else {
            let shared = PolicyRef(owner.to_owned());
            return if shared.is_shared() { self.add_holders(&shared) } else { Ok(()) };
        };
        match id.kind() {
            Some(IdKind::User | IdKind::Role) => {
                self.ids.insert(id);
            }
            Some(IdKind::Group) => {
                for reader in self.readers {
                    let members = reader.list(self.account, &MEMBERS, &id)?;
                    self.ids.extend(members.into_iter().map(|member| member.user));
                }
            }
            Some(IdKind::Policy) => self.add_holders(&PolicyRef(id.to_string()))?,
            _ => {}
        }
        Ok(())
    }

    /// Adds those whom a policy is attached to or bounds.
    fn add_holders(&mut self, policy: &PolicyRef) -> Result<(), ProjectionError> {
        for reader in self.readers {
            for table in [&ATTACHED_TO, &BOUNDS] {
                for row in reader.list(self.account, table, policy)? {
                    self.add(row.owner.as_str())?;
                }
            }
        }
        Ok(())
    }
}

/// Hands out the ids of those whose own permissions a change is about: a policy that is attached to one is the same
/// as before for all others who have it, and a group that somebody joins for its other members.
pub fn each_owner<'a>(change: &'a Change, each: &mut dyn FnMut(&'a str)) {
    match change {
        Change::PolicyAttached(PolicyAttached { owner, .. })
        | Change::PolicyDetached(PolicyDetached { owner, .. }) => each(owner.as_str()),
        Change::MemberAdded(MemberAdded { user, .. })
        | Change::MemberRemoved(MemberRemoved { user, .. }) => each(user.as_str()),
        Change::BoundarySet(set) => each(set.owner.as_str()),
        // Whom a role trusts is told of the role.
        Change::RoleCreated(made) => each(made.role.as_str()),
        Change::TrustUpdated(updated) => each(updated.role.as_str()),
        other => other.each_id(each),
    }
}
