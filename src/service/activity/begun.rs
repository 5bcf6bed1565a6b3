//! Who began which sessions, in the direction that a session's own row does not tell: from whom began one to
//! all that were begun, and from each of these to those begun by it.
//!
//! | key | value |
//! |---|---|
//! | `begun`, zero, principal or session access key id, zero, session access key id | empty |

use super::session::StoredSession;
use super::usage::principal_key;
use crate::identity::codec;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::ProjectionError;
use crate::store::{self, Batch, Durability, Family, Store, StoreError};

const BEGUN: &[u8] = b"begun\0";
/// That every session is noted so: books of before have none.
const NOTED: &[u8] = b"sessions are noted by who began them";
/// Sessions that are noted in one commit.
const AT_ONCE: usize = 5_000;

/// The row that notes a session by what it was begun with, another session, or else by who began it.
pub fn row(
    key: &UniqueId,
    began_with: Option<&UniqueId>,
    began_by: &(AccountId, UniqueId),
) -> Vec<u8> {
    let session = began_with.filter(|key| key.kind() == Some(IdKind::SessionKey));
    let parent = session.cloned().unwrap_or_else(|| principal_key(began_by.0, &began_by.1));
    [start(&parent).as_slice(), key.as_str().as_bytes()].concat()
}

fn start(parent: &UniqueId) -> Vec<u8> {
    [BEGUN, parent.as_str().as_bytes(), &[0]].concat()
}

/// Notes the sessions of a book that was begun before they were.
pub fn note_all(store: &dyn Store) -> Result<(), ProjectionError> {
    if store.get(Family::Meta, NOTED)?.is_some() {
        return Ok(());
    }
    let mut from = Vec::new();
    loop {
        let mut sessions = Vec::new();
        store::walk(store, Family::Sessions, |cursor| {
            cursor.seek(&from)?;
            while let Some((key, value)) = cursor.current().filter(|_| sessions.len() < AT_ONCE) {
                sessions.push((key.to_vec(), value.to_vec()));
                cursor.advance()?;
            }
            Ok(())
        })?;
        let Some((last, _)) = sessions.last() else { break };
        from = [last.as_slice(), &[0]].concat();
        let mut batch = Batch::default();
        for (key, value) in sessions {
            let key = std::str::from_utf8(&key).ok().and_then(UniqueId::parse);
            if let Some(key) = key.filter(|key| key.kind() == Some(IdKind::SessionKey)) {
                let stored: StoredSession = codec::decode(&value)?;
                let noted = row(&key, stored.began_with.as_ref(), &stored.began_by);
                batch.put(Family::Sessions, noted, Vec::new());
            }
        }
        store.commit(&batch, Durability::Buffered)?;
    }
    let mut batch = Batch::default();
    batch.put(Family::Meta, NOTED, *b"1");
    Ok(store.commit(&batch, Durability::Synced)?)
}

/// The access keys of all sessions that principals of an account began, and that were begun by these; `None`
/// if there are more than `most`.
pub fn by(
    store: &dyn Store,
    account: AccountId,
    principals: &[UniqueId],
    most: usize,
) -> Result<Option<Vec<UniqueId>>, ProjectionError> {
    let mut begun: Vec<UniqueId> = Vec::new();
    let mut parents: Vec<UniqueId> =
        principals.iter().map(|id| principal_key(account, id)).collect();
    while let Some(parent) = parents.pop() {
        let of_parent = children(store, &parent, most + 1)?;
        if begun.len() + of_parent.len() > most {
            return Ok(None);
        }
        parents.extend(of_parent.iter().cloned());
        begun.extend(of_parent);
    }
    Ok(Some(begun))
}

fn children(
    store: &dyn Store,
    parent: &UniqueId,
    most: usize,
) -> Result<Vec<UniqueId>, StoreError> {
    let start = start(parent);
    store::walk(store, Family::Sessions, |cursor| {
        let mut found = Vec::new();
        cursor.seek(&start)?;
        while let Some(key) =
            cursor.current().and_then(|(key, _)| key.strip_prefix(start.as_slice()))
            && found.len() < most
        {
            found.extend(std::str::from_utf8(key).ok().and_then(UniqueId::parse));
            cursor.advance()?;
        }
        Ok(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Timestamp;
    use crate::store::memory::MemoryStore;

    #[test]
    fn sessions_are_found_by_who_began_them_also_in_an_older_book() {
        let id = |text: &str| UniqueId::parse(text).unwrap();
        let account = AccountId([1; 16]);
        let store = MemoryStore::default();
        let mut batch = Batch::default();
        let mut put = |key: &str, with: Option<&str>, by: &str| {
            let stored = StoredSession {
                account,
                principal: id("AROAROLE"),
                token_hash: [0; 32],
                issued: Timestamp::EPOCH,
                expires: Timestamp::EPOCH,
                managed_policies: Vec::new(),
                transitive: Vec::new(),
                began_with: with.map(id),
                began_by: (account, id(by)),
                mfa: None,
                console: false,
                personal: Vec::new(),
            };
            batch.put(Family::Sessions, key.as_bytes(), codec::encode(&stored).unwrap());
        };
        put("ASIAONE", Some("AKIAKEY"), "AIDAALICE");
        put("ASIATWO", Some("ASIAONE"), "AROAROLE");
        put("ASIATHREE", None, "AIDABOB");
        put("ASIAROOT", None, "root");
        batch.put(Family::Sessions, *b"ended\0ASIAONE", *b"x");
        store.commit(&batch, Durability::Synced).unwrap();
        note_all(&store).unwrap();
        note_all(&store).unwrap();
        let found = |principal: &str, most| {
            let found = by(&store, account, &[id(principal)], most).unwrap();
            found.map(|ids| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(found("AIDAALICE", 2).unwrap(), ["ASIAONE", "ASIATWO"]);
        assert_eq!(found("AIDAALICE", 1), None);
        assert_eq!(found("AIDABOB", 9).unwrap(), ["ASIATHREE"]);
        assert_eq!(found("root", 9).unwrap(), ["ASIAROOT"]);
        assert!(found("AROAROLE", 9).unwrap().is_empty());
        let other = by(&store, AccountId([2; 16]), &[id("root")], 9).unwrap();
        assert_eq!(other, Some(Vec::new()));
    }
}
