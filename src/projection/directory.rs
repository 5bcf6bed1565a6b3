//! Questions in the terms of identity, asked of any [`Reader`]: the user of this name, the members of a
//! group, the name of this id. Names are opened here and nowhere above.

use super::sealing::{self, NameKind};
use super::tables::*;
use super::view::ReadTables;
use super::{ProjectionError, Reader};
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
    /// Its unique id.
    fn id(&self) -> &UniqueId;
    /// Its path.
    fn path(&self) -> &str;
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
            fn id(&self) -> &UniqueId {
                &self.id
            }
            fn path(&self) -> &str {
                &self.path
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
        self.in_order(P::read_all(self)?, wanted)
    }

    fn in_order<P: Principal>(
        self,
        rows: Vec<P>,
        wanted: impl Fn(&str) -> bool,
    ) -> Answer<Vec<Named<P>>> {
        let digits = self.digits()?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let name = self.name(&row)?;
            if wanted(&name) {
                found.push(called(name, row, &digits));
            }
        }
        found.sort_by_cached_key(|named| (named.name.to_lowercase(), named.row.id().clone()));
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

    /// The users in a group, in the order of their names.
    pub fn members(self, group: &UniqueId) -> Answer<Vec<Named<UserRow>>> {
        let members = self.reader.list(self.account, &MEMBERS, group)?;
        let is_large = members.len().saturating_mul(STEPS) > self.how_many(Counted::Users)?;
        let mut ids = members.into_iter().map(|member| member.user).peekable();
        let mut users = Vec::new();
        if is_large {
            users = UserRow::read_all(self)?;
            // Both come in the order of the users' ids.
            users.retain(|user| {
                while ids.next_if(|id| *id < user.id).is_some() {}
                ids.next_if_eq(&user.id).is_some()
            });
        } else {
            for id in ids {
                users.extend(UserRow::read(self, &id)?);
            }
        }
        self.in_order(users, |_| true)
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
