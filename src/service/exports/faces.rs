//! What users, roles and the like were called at an event, remembered.
//!
//! A name is a fact of a position, but it seldom changes: what is found at one position is held against
//! what stands at the end, and if that is the same row, it was the same all the time between. (A name is
//! sealed anew whenever it is given, so that no two namings look alike.) Otherwise the span is found by
//! halving. So an export looks up a name a few times, and not once an event.

use std::sync::Arc;

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use crate::identity::arn;
use crate::identity::change::Sealed;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::directory::ERASED;
use crate::projection::tables::{GROUPS, MFA_DEVICES, POLICIES, ROLES, USERS};
use crate::projection::view::ReadTables;
use crate::projection::{Cut, ProjectionError, Projections, View, sealing};

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

/// The part of a row that names: where it differs, the name was given anew.
#[derive(Clone, PartialEq, Eq)]
struct Naming {
    kind: &'static str,
    path: String,
    name: Sealed,
    clear: bool,
}

/// From one position to another the same.
struct Span {
    from: u64,
    to: u64,
    face: Arc<Face>,
}

/// The names of one account.
pub struct Faces {
    projections: Arc<Projections>,
    account: AccountId,
    digits: String,
    last: u64,
    spans: RwLock<FxHashMap<UniqueId, Vec<Span>>>,
}

impl Faces {
    /// The names that a view shows, at any position up to its own.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn new(view: &View, account: AccountId, digits: String) -> Result<Self, ProjectionError> {
        Ok(Faces {
            projections: view.projections().clone(),
            account,
            digits,
            last: view.position_of(account)?,
            spans: RwLock::default(),
        })
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
        match self.found(position, id)? {
            None => self.found(position.saturating_sub(1), id),
            found => Ok(found),
        }
    }

    fn found(&self, position: u64, id: &UniqueId) -> Result<Option<Arc<Face>>, ProjectionError> {
        if let Some(spans) = self.spans.read().get(id)
            && let Some(span) =
                spans.iter().find(|span| span.from <= position && position <= span.to)
        {
            return Ok(Some(span.face.clone()));
        }
        let Some(naming) = self.naming(position, id)? else { return Ok(None) };
        let to = self.last_with(position, id, &naming)?;
        let face = Arc::new(self.face(id, &naming)?);
        let mut spans = self.spans.write();
        if spans.len() >= KEPT {
            spans.clear();
        }
        let span = Span { from: position, to, face: face.clone() };
        spans.entry(id.clone()).or_default().push(span);
        Ok(Some(face))
    }

    /// The last position at which an id is still called so.
    fn last_with(
        &self,
        position: u64,
        id: &UniqueId,
        naming: &Naming,
    ) -> Result<u64, ProjectionError> {
        let same = |position| {
            Ok::<_, ProjectionError>(self.naming(position, id)?.as_ref() == Some(naming))
        };
        let (mut low, mut high) = (position, self.last.max(position));
        if same(high)? {
            return Ok(high);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if same(middle)? { low = middle } else { high = middle }
        }
        Ok(low)
    }

    fn naming(&self, position: u64, id: &UniqueId) -> Result<Option<Naming>, ProjectionError> {
        let view = self.projections.at(Cut { position, time: None }).passing();
        let sealed = |kind, path, name| Some(Naming { kind, path, name, clear: false });
        let clear = |kind, path, name: String| {
            Some(Naming { kind, path, name: Sealed(name.into_bytes()), clear: true })
        };
        Ok(match id.kind() {
            Some(IdKind::User) => view
                .get(self.account, &USERS, id)?
                .and_then(|row| sealed("user", row.path, row.name)),
            Some(IdKind::Group) => view
                .get(self.account, &GROUPS, id)?
                .and_then(|row| sealed("group", row.path, row.name)),
            Some(IdKind::Role) => view
                .get(self.account, &ROLES, id)?
                .and_then(|row| sealed("role", row.path, row.name)),
            Some(IdKind::MfaDevice) => view
                .get(self.account, &MFA_DEVICES, id)?
                .and_then(|row| sealed("mfa", row.path, row.name)),
            Some(IdKind::Policy) => view
                .get(self.account, &POLICIES, id)?
                .and_then(|row| clear("policy", row.path, row.name)),
            _ => None,
        })
    }

    fn face(&self, id: &UniqueId, naming: &Naming) -> Result<Face, ProjectionError> {
        let keys = self.projections.keys();
        let name = match naming.clear {
            true => String::from_utf8(naming.name.0.clone()).ok(),
            false => sealing::unseal(keys, self.account, id, "name", &naming.name)?,
        };
        let name = name.unwrap_or_else(|| format!("{id}{ERASED}"));
        let arn = arn::iam(&self.digits, naming.kind, &naming.path, &name);
        Ok(Face { kind: naming.kind, name, arn })
    }
}
