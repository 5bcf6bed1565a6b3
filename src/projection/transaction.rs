//! The overlay in which an operation is decided: it reads its own changes as if they had happened,
//! folds each as it is recorded, and is dropped without a trace when the operation is refused.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use super::fold::{self, Meta, RowsMut};
use super::row;
use super::sealing::{self, NameKind};
use super::view::EachRow;
use super::{ProjectionError, Reader, View};
use crate::base::crypto::content_hash;
use crate::base::random::{Random, RandomError};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::identity::change::{Change, Commitment, DocumentHash, NEVER_HERE, NameTag, Sealed};
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::store::keys::SubjectKeys;
use crate::store::{Batch, Family};

/// Rows, contents and secrets of events that are staged but not yet durable.
#[derive(Default)]
pub struct Overlay {
    /// Account and key to the newest version: its row, or `None` for gone.
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    contents: HashMap<[u8; 32], Vec<u8>>,
    /// `None` for removed.
    secrets: HashMap<[u8; 32], Option<Vec<u8>>>,
}

impl Overlay {
    /// Takes over what a transaction did, and adds it to the batch that will make it durable.
    pub fn absorb(&mut self, done: Overlay, position: u64, side: Family, batch: &mut Batch) {
        for (prefix, row) in done.rows {
            let key = [prefix.as_slice(), &(!position).to_be_bytes()].concat();
            batch.put(side, key, row::stored_value(row.as_deref()));
            self.rows.insert(prefix, row);
        }
        for (hash, content) in done.contents {
            batch.put(Family::Blobs, hash, content.clone());
            self.contents.insert(hash, content);
        }
        for (commitment, secret) in done.secrets {
            match &secret {
                Some(sealed) => batch.put(Family::Secrets, commitment, sealed.clone()),
                None => batch.delete(Family::Secrets, commitment),
            }
            self.secrets.insert(commitment, secret);
        }
    }

    /// The newest version of every row that was staged, by account and key.
    pub fn rows(&self) -> impl Iterator<Item = (&Vec<u8>, &Option<Vec<u8>>)> {
        self.rows.iter()
    }

    /// The secrets that were staged, by their commitments; `None` for removed.
    pub fn secrets(&self) -> impl Iterator<Item = (&[u8; 32], &Option<Vec<u8>>)> {
        self.secrets.iter()
    }

    #[cfg(test)]
    pub(super) fn of_row(stored: &[u8], row: Option<&[u8]>) -> Self {
        let rows = BTreeMap::from([(stored.to_vec(), row.map(<[u8]>::to_vec))]);
        Overlay { rows, ..Overlay::default() }
    }

    #[cfg(test)]
    pub(super) fn of_secret(commitment: [u8; 32], secret: Option<&[u8]>) -> Self {
        let secrets = HashMap::from([(commitment, secret.map(<[u8]>::to_vec))]);
        Overlay { secrets, ..Overlay::default() }
    }

    fn range<'a>(
        &'a self,
        start: &'a [u8],
    ) -> impl Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)> {
        self.rows
            .range::<[u8], _>((Bound::Included(start), Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(start))
    }
}

/// What an act of elsewhere was answered there. A transaction that repeats the act answers the same: its ids are
/// not drawn, and its secrets, which nobody here knows, are not made up.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    /// The unique ids that were given, each of another kind.
    pub ids: Vec<UniqueId>,
    /// The number of the version that was made of a policy.
    pub version: Option<u32>,
}

/// One operation at work. Reads what is durable, what the batch staged before it, and its own changes.
pub struct Transaction<'a> {
    view: &'a View,
    staged: &'a Overlay,
    own: Overlay,
    random: &'a dyn Random,
    meta: Meta,
    answered: Option<&'a Answered>,
    changes: Vec<Change>,
}

impl<'a> Transaction<'a> {
    /// A transaction that will be the event `position` of the store, for `account`, at `at`.
    pub fn new(view: &'a View, staged: &'a Overlay, random: &'a dyn Random, meta: Meta) -> Self {
        let (own, changes) = (Overlay::default(), Vec::new());
        Transaction { view, staged, own, random, meta, answered: None, changes }
    }

    /// That repeats an act of elsewhere.
    pub fn repeating(self, answered: Option<&'a Answered>) -> Self {
        Transaction { answered, ..self }
    }

    /// Whether it repeats an act of elsewhere: what was allowed there is not judged again, and quotas that an
    /// account had there do not hold.
    pub fn is_repeated(&self) -> bool {
        self.answered.is_some()
    }

    /// The number of the version that was made elsewhere.
    pub fn answered_version(&self) -> Option<u32> {
        self.answered.and_then(|answered| answered.version)
    }

    /// Whether nothing was recorded yet.
    pub fn is_unchanged(&self) -> bool {
        self.changes.is_empty()
    }

    /// What it changed so far.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The account that it changes.
    pub fn account(&self) -> AccountId {
        self.meta.account
    }

    /// The instant that its event will bear.
    pub fn at(&self) -> Timestamp {
        self.meta.at
    }

    /// Randomness.
    pub fn random(&self) -> &'a dyn Random {
        self.random
    }

    /// A fresh unique id; of an act that is repeated, the one that was given.
    pub fn new_id(&self, kind: IdKind) -> Result<UniqueId, RandomError> {
        let given = self
            .answered
            .and_then(|answered| answered.ids.iter().find(|id| id.kind() == Some(kind)).cloned());
        if let Some(given) = given {
            return Ok(given);
        }
        UniqueId::generate(kind, self.random)
    }

    /// Records a change and folds it, so that what follows sees it.
    pub fn record(&mut self, change: impl Into<Change>) -> Result<(), ProjectionError> {
        let change = change.into();
        let meta = self.meta;
        fold::fold(&change, &meta, self)?;
        self.changes.push(change);
        Ok(())
    }

    /// Seals a text for a subject of the account.
    pub fn seal(&self, id: &UniqueId, field: &str, text: &str) -> Result<Sealed, ProjectionError> {
        sealing::seal(self.keys(), self.random, self.meta.account, id, field, text)
    }

    /// The tag under which the account's name index has a name.
    pub fn name_tag(&self, kind: NameKind, name: &str) -> Result<NameTag, ProjectionError> {
        sealing::name_tag(self.keys(), self.meta.account, kind, name)?.ok_or_else(|| {
            ProjectionError::Unfit {
                change: "name",
                position: self.meta.position,
                what: "the account has no key".into(),
            }
        })
    }

    /// Keeps content by its hash.
    pub fn keep_content(&mut self, content: &[u8]) -> DocumentHash {
        let hash = content_hash(content);
        self.own.contents.insert(hash, content.to_vec());
        hash
    }

    /// Keeps a secret of an owner and returns its commitment; `what` names it.
    pub fn keep_secret(
        &mut self,
        owner: &UniqueId,
        what: &str,
        secret: &Secret<String>,
    ) -> Result<Commitment, ProjectionError> {
        if self.is_repeated() {
            return Ok(NEVER_HERE);
        }
        let made =
            sealing::seal_secret(self.keys(), self.random, self.meta.account, owner, what, secret)?;
        self.own.secrets.insert(made.commitment, Some(made.sealed));
        Ok(made.commitment)
    }

    /// Removes a secret for good.
    pub fn drop_secret(&mut self, commitment: &Commitment) {
        if *commitment == NEVER_HERE {
            return;
        }
        self.own.secrets.insert(*commitment, None);
    }

    /// The changes and what they did to the rows.
    pub fn finish(self) -> (Vec<Change>, Overlay) {
        (self.changes, self.own)
    }

    fn layered(&self, prefix: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.own.rows.get(prefix).or_else(|| self.staged.rows.get(prefix))
    }
}

impl Reader for Transaction<'_> {
    fn row(&self, account: AccountId, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        match self.layered(&row::stored_prefix(account, key)) {
            Some(row) => Ok(row.clone()),
            None => self.view.row(account, key),
        }
    }

    fn scan(
        &self,
        account: AccountId,
        prefix: &[u8],
        each: EachRow<'_>,
    ) -> Result<(), ProjectionError> {
        let start = row::stored_prefix(account, prefix);
        let mut over: BTreeMap<&[u8], &Option<Vec<u8>>> = BTreeMap::new();
        for (key, row) in self.staged.range(&start).chain(self.own.range(&start)) {
            over.insert(key, row);
        }
        if over.is_empty() {
            return self.view.scan(account, prefix, each);
        }
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        self.view.scan(account, prefix, &mut |key, row| {
            merged.insert(key.to_vec(), row.to_vec());
            Ok(true)
        })?;
        for (stored, row) in over {
            let key = stored.get(16..).unwrap_or_default().to_vec();
            match row {
                Some(row) => merged.insert(key, row.clone()),
                None => merged.remove(&key),
            };
        }
        for (key, row) in &merged {
            if !each(key, row)? {
                break;
            }
        }
        Ok(())
    }

    fn content(&self, hash: &[u8; 32]) -> Result<Vec<u8>, ProjectionError> {
        match self.own.contents.get(hash).or_else(|| self.staged.contents.get(hash)) {
            Some(content) => Ok(content.clone()),
            None => self.view.content(hash),
        }
    }

    fn secret(&self, commitment: &[u8; 32]) -> Result<Option<Vec<u8>>, ProjectionError> {
        let over = self.own.secrets.get(commitment).or_else(|| self.staged.secrets.get(commitment));
        match over {
            Some(secret) => Ok(secret.clone()),
            None => self.view.secret(commitment),
        }
    }

    fn keys(&self) -> &SubjectKeys {
        self.view.keys()
    }
}

impl RowsMut for Transaction<'_> {
    fn row(&self, account: AccountId, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        Reader::row(self, account, key)
    }

    fn put(&mut self, account: AccountId, key: Vec<u8>, row: Option<Vec<u8>>) {
        self.own.rows.insert(row::stored_prefix(account, &key), row);
    }
}
