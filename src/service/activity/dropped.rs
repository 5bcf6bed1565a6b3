//! What an import told of an account, taken out of the book when the import is given up: uses and sessions. It looks
//! at the whole book, some thousand rows a commit; a crash in between leaves the rest, and the same again takes it out.

use super::session::StoredSession;
use super::{begun, usage};
use crate::identity::codec;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::ProjectionError;
use crate::store::{self, Batch, Durability, Family, Store};

/// Rows that are looked at before what was found is removed.
const AT_ONCE: usize = 5_000;

/// Takes out all that an import told of an account. Such an account has no sessions of its own.
///
/// # Errors
/// Failures of the store.
pub fn forget(store: &dyn Store, account: AccountId) -> Result<(), ProjectionError> {
    each(store, Family::LastUsed, &|key, value, batch| {
        if usage::is_told_by(value, account) {
            batch.delete(Family::LastUsed, key);
        }
    })?;
    each(store, Family::Sessions, &|row, value, batch| {
        let key = std::str::from_utf8(row).ok().and_then(UniqueId::parse);
        let Some(key) = key.filter(|key| key.kind() == Some(IdKind::SessionKey)) else { return };
        let Ok(stored) = codec::decode::<StoredSession>(value) else { return };
        if stored.account == account {
            batch.delete(Family::Sessions, row);
            let begun = begun::row(&key, stored.began_with.as_ref(), &stored.began_by);
            batch.delete(Family::Sessions, begun);
        }
    })
}

/// Puts into a batch what is to be done with a row.
type Visit<'a> = &'a dyn Fn(&[u8], &[u8], &mut Batch);

fn each(store: &dyn Store, family: Family, visit: Visit<'_>) -> Result<(), ProjectionError> {
    let mut from = Some(Vec::new());
    while let Some(first) = from.take() {
        let mut batch = Batch::default();
        let mut seen = 0;
        store::walk(store, family, |cursor| {
            cursor.seek(&first)?;
            while let Some((key, value)) = cursor.current() {
                if seen == AT_ONCE {
                    from = Some(key.to_vec());
                    break;
                }
                seen += 1;
                visit(key, value, &mut batch);
                cursor.advance()?;
            }
            Ok(())
        })?;
        store.commit(&batch, Durability::Synced)?;
    }
    Ok(())
}
