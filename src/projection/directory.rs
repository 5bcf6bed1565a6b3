//! Questions in the terms of identity, asked of any [`Reader`]: the user of this name, the members of a
//! group, the name of this id. Names are opened here and nowhere above.

use super::orders::Order;
use super::sealing::{self, NameKind};
use super::tables::*;
use super::view::{ReadTables, TableNumber};
use super::{ProjectionError, Reader};
use crate::base::time::Timestamp;
use crate::identity::arn;
use crate::identity::change::{Sealed, Tag};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;

type Answer<T> = Result<T, ProjectionError>;

/// What a name reads as once its subject was erased.
pub const ERASED: &str = "(erased)";

/// Rows that are gone through in the time in which one is sought.
const STEPS: usize = 8;

/// One account as a reader sees it.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    /// Where it is read from.
    pub reader: &'a dyn Reader,
    /// Which account.
    pub account: AccountId,
}

/// A user, group or role with its name opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<R> {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its row.
    pub row: R,
}

/// What users, groups and roles have in common.
pub trait Principal {
    /// The type in its ARN.
    const ARN_TYPE: &'static str;
    /// The namespace of its name.
    const NAMES: NameKind;
    /// Where it is kept.
    const TABLE: TableNumber;
    /// Its unique id.
    fn id(&self) -> &UniqueId;
    /// Its path.
    fn path(&self) -> &str;
    /// When it was created.
    fn created(&self) -> Timestamp;
    /// Its name, sealed for it.
    fn sealed_name(&self) -> &Sealed;
    /// Reads one by its unique id.
    fn read(directory: Directory<'_>, id: &UniqueId) -> Answer<Option<Self>>
    where
        Self: Sized;
    /// Reads all of them.
    fn read_all(directory: Directory<'_>) -> Answer<Vec<Self>>
    where
        Self: Sized;
}

macro_rules! principal {
    ($row:ty, $arn_type:literal, $names:expr, $table:expr) => {
        impl Principal for $row {
            const ARN_TYPE: &'static str = $arn_type;
            const NAMES: NameKind = $names;
            const TABLE: TableNumber = $table.number;
            fn id(&self) -> &UniqueId {
                &self.id
            }
            fn path(&self) -> &str {
                &self.path
            }
            fn created(&self) -> Timestamp {
                self.created
            }
            fn sealed_name(&self) -> &Sealed {
                &self.name
            }
            fn read(directory: Directory<'_>, id: &UniqueId) -> Answer<Option<Self>> {
                directory.reader.get(directory.account, &$table, id)
            }
            fn read_all(directory: Directory<'_>) -> Answer<Vec<Self>> {
                directory.reader.list(directory.account, &$table, &())
            }
        }
    };
}

principal!(UserRow, "user", NameKind::User, USERS);
principal!(GroupRow, "group", NameKind::Group, GROUPS);
principal!(RoleRow, "role", NameKind::Role, ROLES);

/// A user, group or role under its name.
fn called<P: Principal>(name: String, row: P, digits: &str) -> Named<P> {
    let arn = arn::iam(digits, P::ARN_TYPE, row.path(), &name);
    Named { name, arn, row }
}

impl<'a> Directory<'a> {
    /// The account as this reader sees it.
    pub fn new(reader: &'a dyn Reader, account: AccountId) -> Self {
        Directory { reader, account }
    }

    /// The account's row; `None` before it was founded.
    pub fn account_row(self) -> Answer<Option<AccountRow>> {
        self.reader.get(self.account, &ACCOUNT, &())
    }

    /// Whether the account is closed, so that nobody of it may do anything.
    pub fn is_closed(self) -> Answer<bool> {
        Ok(self.account_row()?.is_some_and(|row| row.closed.is_some()))
    }

    /// The account's 12 digits; empty before it was founded.
    pub fn digits(self) -> Answer<String> {
        Ok(self.account_row()?.map(|row| row.digits).unwrap_or_default())
    }

    /// Opens a text sealed for a subject of the account.
    pub fn open(self, id: &UniqueId, field: &str, sealed: &Sealed) -> Answer<String> {
        let text = sealing::unseal(self.reader.keys(), self.account, id, field, sealed)?;
        Ok(text.unwrap_or_else(|| ERASED.to_owned()))
    }

    /// The unique id that a name has.
    pub fn find_id(self, kind: NameKind, name: &str) -> Answer<Option<UniqueId>> {
        match sealing::name_tag(self.reader.keys(), self.account, kind, name)? {
            None => Ok(None),
            Some(tag) => self.reader.get(self.account, &NAMES, &tag),
        }
    }

    /// The user, group or role of a name, without regard to case.
    pub fn find<P: Principal>(self, name: &str) -> Answer<Option<Named<P>>> {
        match self.find_id(P::NAMES, name)? {
            None => Ok(None),
            Some(id) => self.by_id(&id),
        }
    }

    /// The user, group or role of a unique id.
    pub fn by_id<P: Principal>(self, id: &UniqueId) -> Answer<Option<Named<P>>> {
        match P::read(self, id)? {
            None => Ok(None),
            Some(row) => Ok(Some(called(self.name(&row)?, row, &self.digits()?))),
        }
    }

    /// All users, groups or roles, in the order of their names.
    pub fn all<P: Principal>(self) -> Answer<Vec<Named<P>>> {
        self.all_named(|_| true)
    }

    /// Those whose name is one that is wanted, in the order of their names.
    pub fn all_named<P: Principal>(self, wanted: impl Fn(&str) -> bool) -> Answer<Vec<Named<P>>> {
        let digits = self.digits()?;
        let mut found = Vec::new();
        for row in P::read_all(self)? {
            let name = self.name(&row)?;
            if wanted(&name) {
                found.push(called(name, row, &digits));
            }
        }
        found.sort_by_cached_key(|named| (named.name.to_lowercase(), named.row.id().clone()));
        Ok(found)
    }

    /// The unique ids of all users, groups or roles, in the order of their names: for whoever wants few of them.
    pub fn ids<P: Principal>(self) -> Answer<Order> {
        if let Some(ids) = self.reader.order(self.account, P::TABLE)? {
            return Ok(ids);
        }
        let ids: Order = self.by_name(P::read_all(self)?)?.into();
        self.reader.keep_order(self.account, P::TABLE, &ids)?;
        Ok(ids)
    }

    fn by_name<P: Principal>(self, rows: Vec<P>) -> Answer<Vec<UniqueId>> {
        let mut names = Vec::with_capacity(rows.len());
        for row in rows {
            names.push((self.name(&row)?.to_lowercase(), row.id().clone()));
        }
        names.sort_unstable();
        Ok(names.into_iter().map(|(_, id)| id).collect())
    }

    /// The users, groups or roles of these ids, in their order.
    pub fn those<P: Principal>(self, ids: &[UniqueId]) -> Answer<Vec<Named<P>>> {
        let digits = self.digits()?;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(row) = P::read(self, id)? {
                found.push(called(self.name(&row)?, row, &digits));
            }
        }
        Ok(found)
    }

    /// The name of a user, group or role.
    pub fn name<P: Principal>(self, row: &P) -> Answer<String> {
        let name = self.open(row.id(), "name", row.sealed_name())?;
        Ok(if name == ERASED { row.id().to_string() + ERASED } else { name })
    }

    /// The name of a user, group or role, for whoever goes through all of them once.
    pub fn name_once<P: Principal>(self, row: &P) -> Answer<String> {
        let (keys, id) = (self.reader.keys(), row.id());
        let name = sealing::unseal_once(keys, self.account, id, "name", row.sealed_name())?;
        Ok(name.unwrap_or_else(|| id.to_string() + ERASED))
    }

    /// The groups that a user is in, in the order of their names.
    pub fn groups_of(self, user: &UniqueId) -> Answer<Vec<Named<GroupRow>>> {
        let mut groups = Vec::new();
        for member in self.reader.list(self.account, &GROUPS_OF, user)? {
            groups.extend(self.by_id::<GroupRow>(&member.group)?);
        }
        groups.sort_by_key(|group| group.name.to_lowercase());
        Ok(groups)
    }

    /// The unique ids of the users in a group, in the order of their names.
    pub fn members(self, group: &UniqueId) -> Answer<Vec<UniqueId>> {
        let members = self.reader.list(self.account, &MEMBERS, group)?;
        let members: Vec<UniqueId> = members.into_iter().map(|member| member.user).collect();
        if self.is_most_of(members.len())? {
            // They come in the order of their ids.
            let is_member = |id: &&UniqueId| members.binary_search(id).is_ok();
            return Ok(self.ids::<UserRow>()?.iter().filter(is_member).cloned().collect());
        }
        let mut users = Vec::with_capacity(members.len());
        for id in members {
            users.extend(UserRow::read(self, &id)?);
        }
        self.by_name(users)
    }

    /// Whether so many users are so large a part of all that reading all of them takes no longer than seeking each.
    pub fn is_most_of(self, users: usize) -> Answer<bool> {
        Ok(users.saturating_mul(STEPS) > self.how_many(Counted::Users)?)
    }

    /// How many there are of what is counted.
    pub fn how_many(self, counted: Counted) -> Answer<usize> {
        let count = self.reader.get(self.account, &COUNTS, &counted)?.unwrap_or(0);
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// An owner's tags with their values opened, in the order in which they were set.
    pub fn tags(self, owner: &UniqueId) -> Answer<Vec<(String, String)>> {
        let tags: Vec<Tag> = self.reader.get(self.account, &TAGS, owner)?.unwrap_or_default();
        let open = |(key, value): Tag| {
            let value = self.open(owner, &sealing::tag_field(&key), &value)?;
            Ok((key, value))
        };
        tags.into_iter().map(open).collect()
    }

    /// A policy document.
    pub fn document(self, hash: &[u8; 32]) -> Answer<String> {
        let bytes = self.reader.content(hash)?;
        String::from_utf8(bytes)
            .map_err(|_| ProjectionError::Content { hash: crate::base::text::hex(hash) })
    }
}
