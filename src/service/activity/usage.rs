//! When things were last used: credentials, roles and passwords, and what principals asked of which services.
//!
//! | key | value |
//! |---|---|
//! | id, 0, complement of the second at which a span begins | [`LastUsed`]: the first use in that span; the receipt by which it was kept; the account whose import tells of it |
//! | principal, 1, service, 0, action, 0, the same complement | likewise, of requests for an action |
//!
//! Of several uses in one span the first is kept, as AWS does ("when an access key is used more than once in
//! a 15-minute span, only the first use is recorded", IAM User Guide, credential reports). So no row is ever
//! replaced: what was told of an instant is told of it for ever, and whoever asks all day writes little.
//!
//! A use is kept a moment after it happened. The number of the last receipt that was kept with it, or of the
//! next one where there was none, says from which length of the book on it counts: so a report as of a length
//! of the book is the same whenever it is made. What a history of elsewhere tells names its account, too, so that it
//! can be forgotten with it.

use super::receipt::{LastUsed, Receipt};
use crate::base::time::Timestamp;
use crate::identity::codec::{self, CodecError};
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::ProjectionError;
use crate::store::{self, Cursor, Family, Store, StoreError};

/// As which service sign-ins with a password are noted, of [`principal_key`].
pub const SIGN_IN: &str = "signin";

/// Rows that are gone through to one that is sought, before it is searched for: a step is much cheaper.
const NEAR: usize = 8;
/// Seconds in which the uses of a credential count once.
const SPAN: u64 = 900;
/// The same of sessions, some of which end when they are not used for half an hour.
const SESSION_SPAN: u64 = 60;
/// The same of passwords.
const SIGN_IN_SPAN: u64 = 300;
/// The same of requests for one action.
const ACTION_SPAN: u64 = 3_600;

/// One use of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    what: UniqueId,
    /// For what a principal asked; `None` for a credential, role or password.
    action: Option<String>,
    last: LastUsed,
    /// The account whose imported history tells of it; `None` for what was seen here.
    told_by: Option<AccountId>,
}

impl Use {
    /// Of a credential or role by its id, or of a password by its owner's [`principal_key`] and with
    /// [`SIGN_IN`] as the service.
    pub fn of(what: UniqueId, last: LastUsed) -> Self {
        Use { what, action: None, last, told_by: None }
    }

    /// As the imported history of an account tells.
    pub fn told_by(self, account: AccountId) -> Self {
        Use { told_by: Some(account), ..self }
    }

    /// A principal's request for an action. Whether it was allowed makes no difference: "the service last
    /// accessed data includes all attempts to access an AWS API, not just the successful ones" (IAM API
    /// Reference, GenerateServiceLastAccessedDetails).
    pub fn asked(receipt: &Receipt, region: &str) -> Option<Self> {
        let (service, action) = receipt.action.split_once(':')?;
        let plain = |text: &str| !text.is_empty() && !text.bytes().any(|byte| byte < b' ');
        let (account, principal) = &receipt.principal;
        (plain(service) && plain(action)).then(|| Use {
            what: principal_key(*account, principal),
            action: Some(action.to_owned()),
            last: LastUsed {
                at: receipt.at,
                service: service.to_ascii_lowercase(),
                region: region.to_owned(),
            },
            told_by: None,
        })
    }

    /// When it happened.
    pub fn at(&self) -> Timestamp {
        self.last.at
    }

    /// The key of the span that it falls into.
    pub fn key(&self) -> Vec<u8> {
        let (prefix, span) = match &self.action {
            Some(action) => (action_prefix(&self.what, &self.last.service, action), ACTION_SPAN),
            None => {
                let span = match self.what.kind() {
                    Some(IdKind::SessionKey) => SESSION_SPAN,
                    _ if self.last.service == SIGN_IN => SIGN_IN_SPAN,
                    _ => SPAN,
                };
                (thing_prefix(&self.what), span)
            }
        };
        let second = self.last.at.seconds();
        until_key(&prefix, second - second % span)
    }

    /// As it is stored with the receipts up to this number.
    pub fn value(&self, by: u64) -> Result<Vec<u8>, ProjectionError> {
        Ok(match self.told_by {
            None => codec::encode(&(self.last.clone(), by))?,
            // The account answers nothing before it is all in: it counts from the first.
            Some(account) => codec::encode(&(self.last.clone(), 0u64, account))?,
        })
    }
}

/// A stored use, and by which receipt it was kept; those of before that was noted always were.
fn stored(bytes: &[u8]) -> Result<(LastUsed, u64), CodecError> {
    let told = |(last, by, _): (LastUsed, u64, AccountId)| (last, by);
    codec::decode(bytes)
        .or_else(|_| codec::decode(bytes).map(told))
        .or_else(|_| Ok((codec::decode(bytes)?, 0)))
}

/// Whether a stored use is one that the imported history of an account tells of.
pub fn is_told_by(bytes: &[u8], account: AccountId) -> bool {
    codec::decode(bytes).is_ok_and(|(_, _, by): (LastUsed, u64, AccountId)| by == account)
}

/// Up to when, and up to which receipt, what was used counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Until {
    /// The instant.
    pub at: Timestamp,
    /// The length of the book.
    pub number: u64,
}

impl From<Timestamp> for Until {
    /// As the book is by now.
    fn from(at: Timestamp) -> Self {
        Until { at, number: u64::MAX }
    }
}

/// Under which key the uses of a principal stand: its unique id or, since every account has its `root`, an
/// id of that which no other account has.
pub fn principal_key(account: AccountId, principal: &UniqueId) -> UniqueId {
    if *principal != UniqueId::root() {
        return principal.clone();
    }
    // An id has 24 characters at most: 80 random bits of the account's are enough to tell it by.
    let digits = crate::base::text::hex(&account.0);
    let of_account = format!("root{}", digits.get(..20).unwrap_or_default());
    UniqueId::parse(&of_account).unwrap_or_else(UniqueId::root)
}

fn thing_prefix(id: &UniqueId) -> Vec<u8> {
    [id.as_str().as_bytes(), &[0]].concat()
}

fn principal_prefix(id: &UniqueId, service: Option<&str>) -> Vec<u8> {
    let mut prefix = [id.as_str().as_bytes(), &[1]].concat();
    if let Some(service) = service {
        prefix.extend_from_slice(service.as_bytes());
        prefix.push(0);
    }
    prefix
}

fn action_prefix(id: &UniqueId, service: &str, action: &str) -> Vec<u8> {
    let mut prefix = principal_prefix(id, Some(service));
    prefix.extend_from_slice(action.as_bytes());
    prefix.push(0);
    prefix
}

fn until_key(prefix: &[u8], second: u64) -> Vec<u8> {
    [prefix, &(!second).to_be_bytes()].concat()
}

/// The newest use at or before an instant of those whose keys are this prefix and their span.
fn newest(
    cursor: &mut dyn Cursor,
    prefix: &[u8],
    until: Until,
) -> Result<Option<Vec<u8>>, StoreError> {
    cursor.seek(&until_key(prefix, until.at.seconds()))?;
    newest_from_here(cursor, prefix, until)
}

/// The same, of a cursor that stands where spans may begin that count.
fn newest_from_here(
    cursor: &mut dyn Cursor,
    prefix: &[u8],
    until: Until,
) -> Result<Option<Vec<u8>>, StoreError> {
    // The span of the instant may begin with a later use; the span before it does not.
    while let Some((key, value)) = cursor.current() {
        if !key.starts_with(prefix) {
            break;
        }
        // What does not decode is handed on, for the caller to say so.
        if stored(value).is_ok_and(|(used, by)| used.at > until.at || by > until.number) {
            cursor.advance()?;
            continue;
        }
        return Ok(Some(value.to_vec()));
    }
    Ok(None)
}

/// When something was last used, at or before an instant.
pub fn last_used(
    store: &dyn Store,
    id: &UniqueId,
    until: Until,
) -> Result<Option<LastUsed>, ProjectionError> {
    let prefix = thing_prefix(id);
    let found = store::walk(store, Family::LastUsed, |cursor| newest(cursor, &prefix, until))?;
    Ok(found.map(|bytes| stored(&bytes)).transpose()?.map(|(used, _)| used))
}

/// When each of many things was last used, at or before an instant, of those that were: in the order of their ids,
/// which is that of the rows, so that one cursor goes once through the book.
pub fn all_last_used(
    store: &dyn Store,
    mut ids: Vec<UniqueId>,
    until: Until,
) -> Result<Vec<(UniqueId, LastUsed)>, ProjectionError> {
    ids.sort_unstable();
    ids.dedup();
    let found = store::walk(store, Family::LastUsed, |cursor| {
        let mut found = Vec::new();
        cursor.seek(&ids.first().map(thing_prefix).unwrap_or_default())?;
        for id in ids {
            let prefix = thing_prefix(&id);
            reach(cursor, &until_key(&prefix, until.at.seconds()))?;
            if let Some(value) = newest_from_here(cursor, &prefix, until)? {
                found.push((id, value));
            }
        }
        Ok(found)
    })?;
    found.into_iter().map(|(id, bytes)| Ok((id, stored(&bytes)?.0))).collect()
}

/// Moves a cursor on to the first row at or after a key. All rows that it went past must be before the key.
fn reach(cursor: &mut dyn Cursor, key: &[u8]) -> Result<(), StoreError> {
    for _ in 0..NEAR {
        if cursor.current().is_none_or(|(row, _)| row >= key) {
            return Ok(());
        }
        cursor.advance()?;
    }
    cursor.seek(key)
}

/// The last request of a principal for an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The action as it was spelled, without its service. Actions are the same in any case.
    pub action: String,
    /// When, of which service, in which region.
    pub last: LastUsed,
}

/// What a principal asked for at or before an instant, of one service or of all: each action once, in the
/// order of service and action. Costs a few steps an action, however often it was asked for.
pub fn asked(
    store: &dyn Store,
    principal: &UniqueId,
    service: Option<&str>,
    until: Until,
) -> Result<Vec<Asked>, ProjectionError> {
    let all = principal_prefix(principal, service);
    let rows = store::walk(store, Family::LastUsed, |cursor| {
        let mut rows = Vec::new();
        cursor.seek(&all)?;
        while let Some((key, _)) = cursor.current() {
            let Some((prefix, _)) = key.split_last_chunk::<8>().filter(|_| key.starts_with(&all))
            else {
                break;
            };
            let prefix = prefix.to_vec();
            if let Some(value) = newest(cursor, &prefix, until)? {
                let action = prefix.split(|byte| *byte == 0).nth(1).unwrap_or_default();
                rows.push((String::from_utf8_lossy(action).into_owned(), value));
            }
            // Past the oldest span that can be.
            cursor.seek(&[prefix.as_slice(), &[0xff; 9]].concat())?;
        }
        Ok(rows)
    })?;
    let read = |(action, bytes): (String, Vec<u8>)| Ok(Asked { action, last: stored(&bytes)?.0 });
    rows.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::{Batch, Durability};

    #[test]
    fn what_is_read_in_one_order_is_what_is_read_of_each() {
        let store = MemoryStore::default();
        let id = |number: usize| UniqueId::parse(&format!("AIDA{number:016}")).unwrap();
        let mut batch = Batch::default();
        let mut note = |one: Use, by: u64| {
            batch.put(Family::LastUsed, one.key(), one.value(by).unwrap());
        };
        for number in 0..60 {
            // From none to more than are gone through, some of them too late.
            for used in 0..(number * 7) % 23 {
                let at = Timestamp::from_seconds(100_000 + 1_000 * (used * 5 % 23) as u64);
                let last = LastUsed { at, service: "iam".into(), region: String::new() };
                note(Use::of(id(number), last.clone()), used as u64);
                // What was asked for stands in between.
                let asked = Some(format!("Action{used}"));
                note(Use { what: id(number), action: asked, last, told_by: None }, 0);
            }
        }
        store.commit(&batch, Durability::Synced).unwrap();
        // Not in order, one twice, and some that the book does not know.
        let ids: Vec<UniqueId> = (0..70).map(|number| id(number * 37 % 67)).collect();
        for (second, number) in
            [(90_000, 99), (100_000, 99), (108_499, 99), (999_999, 9), (999_999, 99)]
        {
            let until = Until { at: Timestamp::from_seconds(second), number };
            let mut expected = Vec::new();
            for id in &ids {
                let used = last_used(&store, id, until).unwrap();
                expected.extend(used.map(|used| (id.clone(), used)));
            }
            expected.sort_by(|(one, _), (other, _)| one.cmp(other));
            expected.dedup();
            assert_eq!(all_last_used(&store, ids.clone(), until).unwrap(), expected);
            assert_eq!(expected.is_empty(), second == 90_000);
        }
        assert!(all_last_used(&store, Vec::new(), Timestamp::EPOCH.into()).unwrap().is_empty());
    }
}
