//! What requests ask of the activity book, from disk or from memory alone.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::ActivityBook;
use super::receipt::LastUsed;
use super::session::Session;
use super::usage::{self, Asked, Until};
use crate::base::time::Timestamp;
use crate::identity::id::UniqueId;
use crate::projection::ProjectionError;

/// Sessions, last-used facts, and codes that are used up.
pub trait Facts {
    /// The session of an access key id.
    fn session(&self, key: &UniqueId) -> Result<Option<Arc<Session>>, ProjectionError>;
    /// When something was last used, at or before an instant.
    fn last_used(
        &self,
        id: &UniqueId,
        until: Timestamp,
    ) -> Result<Option<LastUsed>, ProjectionError>;
    /// The step of the last code that was accepted of a multi-factor device; 0 if none was.
    fn last_step(&self, device: &UniqueId) -> Result<u64, ProjectionError>;
    /// What a principal asked for at or before an instant, of one service or of all; it is named by
    /// [`principal_key`](super::usage::principal_key).
    fn asked(
        &self,
        principal: &UniqueId,
        service: Option<&str>,
        until: Timestamp,
    ) -> Result<Vec<Asked>, ProjectionError>;
}

impl Facts for ActivityBook {
    fn session(&self, key: &UniqueId) -> Result<Option<Arc<Session>>, ProjectionError> {
        ActivityBook::session(self, key)
    }

    fn last_used(
        &self,
        id: &UniqueId,
        until: Timestamp,
    ) -> Result<Option<LastUsed>, ProjectionError> {
        ActivityBook::last_used(self, id, until)
    }

    fn last_step(&self, device: &UniqueId) -> Result<u64, ProjectionError> {
        ActivityBook::last_step(self, device)
    }

    fn asked(
        &self,
        principal: &UniqueId,
        service: Option<&str>,
        until: Timestamp,
    ) -> Result<Vec<Asked>, ProjectionError> {
        ActivityBook::asked(self, principal, service, until)
    }
}

/// The facts as the book had them when it was so many receipts long.
pub struct AsOf<'a> {
    /// The book.
    pub book: &'a ActivityBook,
    /// Receipts that count.
    pub number: u64,
}

impl AsOf<'_> {
    /// When each of many things was last used, at or before an instant, of those that were.
    ///
    /// # Errors
    /// If the book cannot be read.
    pub fn all_last_used(
        &self,
        ids: Vec<UniqueId>,
        until: Timestamp,
    ) -> Result<Vec<(UniqueId, LastUsed)>, ProjectionError> {
        let until = Until { at: until, number: self.number };
        usage::all_last_used(self.book.store.as_ref(), ids, until)
    }
}

impl Facts for AsOf<'_> {
    fn session(&self, key: &UniqueId) -> Result<Option<Arc<Session>>, ProjectionError> {
        self.book.session(key)
    }

    fn last_used(
        &self,
        id: &UniqueId,
        until: Timestamp,
    ) -> Result<Option<LastUsed>, ProjectionError> {
        let until = Until { at: until, number: self.number };
        usage::last_used(self.book.store.as_ref(), id, until)
    }

    fn last_step(&self, device: &UniqueId) -> Result<u64, ProjectionError> {
        self.book.last_step(device)
    }

    fn asked(
        &self,
        principal: &UniqueId,
        service: Option<&str>,
        until: Timestamp,
    ) -> Result<Vec<Asked>, ProjectionError> {
        let until = Until { at: until, number: self.number };
        usage::asked(self.book.store.as_ref(), principal, service, until)
    }
}

/// The facts that are known without reading the disk; asked for others it says
/// [`ProjectionError::NotAtHand`].
pub struct AtHand<'a>(pub &'a ActivityBook);

impl Facts for AtHand<'_> {
    fn session(&self, key: &UniqueId) -> Result<Option<Arc<Session>>, ProjectionError> {
        match self.0.session_at_hand(key)? {
            Some(session) => Ok(Some(session)),
            None => Err(ProjectionError::NotAtHand),
        }
    }

    fn last_used(&self, _: &UniqueId, _: Timestamp) -> Result<Option<LastUsed>, ProjectionError> {
        Err(ProjectionError::NotAtHand)
    }

    fn last_step(&self, _: &UniqueId) -> Result<u64, ProjectionError> {
        Err(ProjectionError::NotAtHand)
    }

    fn asked(
        &self,
        _: &UniqueId,
        _: Option<&str>,
        _: Timestamp,
    ) -> Result<Vec<Asked>, ProjectionError> {
        Err(ProjectionError::NotAtHand)
    }
}

/// Sessions that are kept opened; beyond it all are dropped and opened again as they are met.
const KEPT: usize = 10_000;

/// Sessions that were used a moment ago. A session never changes; who may no longer use it is judged on
/// each request by its principal and key.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<UniqueId, Arc<Session>>>);

impl Sessions {
    /// One of them.
    pub fn get(&self, key: &UniqueId) -> Option<Arc<Session>> {
        self.0.lock().get(key).cloned()
    }

    /// Keeps none any more.
    pub fn clear(&self) {
        self.0.lock().clear();
    }

    /// Keeps one.
    pub fn keep(&self, session: &Arc<Session>) {
        let mut sessions = self.0.lock();
        if sessions.len() >= KEPT {
            sessions.clear();
        }
        sessions.insert(session.key.clone(), session.clone());
    }
}
