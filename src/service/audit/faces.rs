//! What users, roles and the like were called at an event, remembered.
//!
//! A name is a fact of a position, but it seldom changes: all that an id was ever called is read at once, from the
//! versions of its row. So an export, or a report over a stretch of time, looks up a name once, and not once an event.

use std::sync::Arc;

use bincode::{Decode, Encode};
use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use crate::identity::arn;
use crate::identity::change::Sealed;
use crate::identity::codec;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::directory::ERASED;
use crate::projection::row::Table;
use crate::projection::tables::{GROUPS, MFA_DEVICES, POLICIES, ROLES, USERS};
use crate::projection::{Cut, ProjectionError, Reader, View, sealing};

/// What something was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    /// `user`, `role`, `group`, `mfa`, `policy` or `root`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
}

impl Face {
    /// `user/alice`; `root` for the root user.
    pub fn called(&self) -> String {
        if self.kind == self.name {
            self.name.clone()
        } else {
            format!("{}/{}", self.kind, self.name)
        }
    }
}

/// Ids that are remembered; beyond it all are forgotten.
const KEPT: usize = 50_000;

/// The part of a row that names: where it differs, the name was given anew. (A name is sealed anew whenever it is
/// given, so that no two namings look alike.)
#[derive(PartialEq, Eq)]
struct Naming {
    path: String,
    name: Sealed,
}

/// From one position to another the same.
struct Span {
    from: u64,
    to: u64,
    face: Arc<Face>,
}

/// What something was called after the event of a position or, if that ended it, before.
fn at(spans: &[Span], position: u64) -> Option<Arc<Face>> {
    let at = |position| {
        let newer = spans.partition_point(|span| span.from > position);
        spans.get(newer).filter(|span| position <= span.to)
    };
    let span = at(position).or_else(|| at(position.saturating_sub(1)));
    span.map(|span| span.face.clone())
}

/// The names of one account.
pub struct Faces {
    /// The account at its end.
    view: View,
    account: AccountId,
    digits: String,
    /// All that ids were called, the newest first.
    spans: RwLock<FxHashMap<UniqueId, Vec<Span>>>,
}

impl Faces {
    /// The names that a view shows, at any position up to its own.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn new(view: &View, account: AccountId, digits: String) -> Result<Self, ProjectionError> {
        let cut = Cut { position: view.position_of(account)?, time: None };
        let view = view.projections().at(cut).passing();
        Ok(Faces { view, account, digits, spans: RwLock::default() })
    }

    /// The account's 12 digits.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// What an id was called after the event of a position or, if that ended it, before.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn at(&self, position: u64, id: &UniqueId) -> Result<Option<Arc<Face>>, ProjectionError> {
        if *id == UniqueId::root() {
            let root = Face { kind: "root", name: "root".into(), arn: arn::root(&self.digits) };
            return Ok(Some(Arc::new(root)));
        }
        // Threads that tell events one after the other ask for the same few: what is there is looked at in its place.
        if let Some(spans) = self.spans.read().get(id) {
            return Ok(at(spans, position));
        }
        let found = self.found(id)?;
        let face = at(&found, position);
        let mut spans = self.spans.write();
        if spans.len() >= KEPT {
            spans.clear();
        }
        spans.insert(id.clone(), found);
        Ok(face)
    }

    /// All that an id was ever called, the newest first.
    fn found(&self, id: &UniqueId) -> Result<Vec<Span>, ProjectionError> {
        Ok(match id.kind() {
            Some(IdKind::User) => {
                self.read(id, ("user", &USERS), |row| Naming { path: row.path, name: row.name })?
            }
            Some(IdKind::Group) => {
                self.read(id, ("group", &GROUPS), |row| Naming { path: row.path, name: row.name })?
            }
            Some(IdKind::Role) => {
                self.read(id, ("role", &ROLES), |row| Naming { path: row.path, name: row.name })?
            }
            Some(IdKind::MfaDevice) => self
                .read(id, ("mfa", &MFA_DEVICES), |row| Naming { path: row.path, name: row.name })?,
            // The name of a policy is not sealed.
            Some(IdKind::Policy) => self.read(id, ("policy", &POLICIES), |row| Naming {
                path: row.path,
                name: Sealed(row.name.into_bytes()),
            })?,
            _ => Vec::new(),
        })
    }

    /// What the versions of a row call an id.
    fn read<V: Encode + Decode<()>>(
        &self,
        id: &UniqueId,
        (kind, table): (&'static str, &Table<UniqueId, V>),
        naming: impl Fn(V) -> Naming,
    ) -> Result<Vec<Span>, ProjectionError> {
        let mut spans: Vec<Span> = Vec::new();
        let mut newer: Option<Naming> = None;
        let mut to = u64::MAX;
        self.view.versions(self.account, &table.key(id), &mut |_, from, row| {
            let row = row.map(codec::decode::<V>).transpose()?.map(&naming);
            match (&row, spans.last_mut()) {
                (Some(row), Some(span)) if newer.as_ref() == Some(row) => span.from = from,
                (Some(row), _) => {
                    spans.push(Span { from, to, face: Arc::new(self.face(id, kind, row)?) });
                }
                (None, _) => {}
            }
            newer = row;
            to = from.saturating_sub(1);
            Ok(())
        })?;
        Ok(spans)
    }

    fn face(
        &self,
        id: &UniqueId,
        kind: &'static str,
        naming: &Naming,
    ) -> Result<Face, ProjectionError> {
        let name = match id.kind() {
            Some(IdKind::Policy) => String::from_utf8(naming.name.0.clone()).ok(),
            _ => sealing::unseal(self.view.keys(), self.account, id, "name", &naming.name)?,
        };
        let name = name.unwrap_or_else(|| format!("{id}{ERASED}"));
        let arn = arn::iam(&self.digits, kind, &naming.path, &name);
        Ok(Face { kind, name, arn })
    }
}
