//! Checkpoints: who signs them, when, and with which key.
//!
//! A checkpoint says how many events there are and the root over them. It is signed when somebody asks, at
//! most once a second where a second's delay does no harm, never beyond HEAD, and is on the disk before
//! anybody sees it. Before the next one is signed, and whenever the store is verified, the tree must still be
//! a continuation of the last: a ledger that was rolled back or rewritten signs nothing.
//!
//! The key is a secret of the system account, its public half an event of it. A key signs what is as long as
//! its event's position or longer, up to the event of the next one; the first signs all before it, too. So
//! whoever asks for an earlier size gets the same bytes at any time.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::fault::{DAMAGED, Fault};
use super::writer::{Act, Turn};
use super::{Service, origin};
use crate::base::crypto::SecretKey;
use crate::base::random::random_bytes;
use crate::base::secret::Secret;
use crate::base::signature::public_key;
use crate::base::text::{from_hex, hex};
use crate::base::time::Timestamp;
use crate::identity::change::CheckpointKeyMade;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::ledger::note::{Note, VerifierKey};
use crate::projection::tables::{CHECKPOINT_KEYS, CheckpointKeyRow};
use crate::projection::view::ReadTables;
use crate::projection::{ProjectionError, Reader, Transaction, sealing};
use crate::store::{Batch, Durability, Family, StoreError};

/// Where the newest checkpoint is stored.
const NEWEST: &[u8] = b"checkpoint";
/// For how long the newest one is good enough for whoever wants no particular size.
const PAUSE_MICROS: u64 = 1_000_000;

/// What was signed last, and with what.
#[derive(Default)]
pub struct Notary(Mutex<State>);

#[derive(Default)]
struct State {
    /// Whether the stored one was read.
    loaded: bool,
    newest: Option<SignedCheckpoint>,
    /// When that was signed, if by this process.
    signed: Option<Timestamp>,
    seeds: HashMap<u32, SecretKey>,
}

/// The keys, first to last.
pub fn keys(reader: &dyn Reader) -> Result<Vec<CheckpointKeyRow>, ProjectionError> {
    reader.list(AccountId::SYSTEM, &CHECKPOINT_KEYS, &())
}

/// Makes a key, the first or the next.
pub fn make_key(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let last = keys(&*tx)?.pop();
    let origin = match &last {
        Some(last) => last.origin.clone(),
        None => format!("domesday/{}", hex(&random_bytes::<16>(tx.random())?)),
    };
    let number = last.map_or(1, |last| last.number + 1);
    let seed = Secret::new(random_bytes::<32>(tx.random())?);
    // Commitments are made under the account's key, and this may be its first secret.
    let root = UniqueId::root();
    tx.keys().get_or_create(&sealing::subject(AccountId::SYSTEM, &root), tx.random())?;
    let text = Secret::new(hex(seed.expose()));
    let commitment = tx.keep_secret(&root, &secret_name(number), &text)?;
    tx.record(CheckpointKeyMade { number, origin, public_key: public_key(&seed), commitment })?;
    Ok(())
}

/// The name under which the seed of a key is kept.
pub fn secret_name(number: u32) -> String {
    format!("checkpoint key {number}")
}

/// The public half of a key, by which notes are checked.
pub fn verifier(row: &CheckpointKeyRow) -> Result<VerifierKey, ProjectionError> {
    VerifierKey::new(&row.origin, row.public_key).map_err(|error| damage(error.to_string()))
}

/// The seed of a key.
fn seed(reader: &dyn Reader, row: &CheckpointKeyRow) -> Result<SecretKey, ProjectionError> {
    let (root, name) = (UniqueId::root(), secret_name(row.number));
    let text = sealing::open_secret(reader, AccountId::SYSTEM, &root, &name, &row.commitment)?;
    let bytes = text.and_then(|text| from_hex(text.expose()).map(Secret::new));
    let seed = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.expose().as_slice()).ok());
    seed.map(Secret::new).ok_or_else(|| damage(format!("the secret {name} is missing")))
}

/// The key that signs a checkpoint of this size.
fn key_of(keys: &[CheckpointKeyRow], size: u64) -> Option<&CheckpointKeyRow> {
    keys.iter().rev().find(|key| key.event <= size).or(keys.first())
}

fn damage(what: impl Into<String>) -> ProjectionError {
    StoreError::Damaged(what.into()).into()
}

/// The newest checkpoint that was signed, as it is stored.
fn stored(service: &Service) -> Result<Option<SignedCheckpoint>, ProjectionError> {
    let Some(bytes) = service.ledger().store().get(Family::Meta, NEWEST)? else { return Ok(None) };
    let text = String::from_utf8(bytes).ok();
    let read = text.and_then(|text| text.parse().ok());
    read.map(Some).ok_or_else(|| damage("the checkpoint that was signed last cannot be read"))
}

/// Checks that the ledger is a continuation of a checkpoint.
///
/// # Errors
/// Damage if it is shorter or another one; its message begins with what the checkpoint is called.
pub fn check_continues(
    service: &Service,
    called: &str,
    checkpoint: &Checkpoint,
) -> Result<(), ProjectionError> {
    let (ledger, Checkpoint { size, root, .. }) = (service.ledger(), checkpoint);
    let head = ledger.head().position;
    if *size > head {
        return Err(damage(format!(
            "{called} is of {size} events, and this ledger has {head}: it was rolled back to an older state"
        )));
    }
    let found = ledger.root_at(*size)?;
    if found != *root {
        return Err(damage(format!(
            "{called} is of {size} events with the root {}, and the first {size} of this ledger have the root \
             {}: it was rewritten, or is another one",
            hex(root),
            hex(&found)
        )));
    }
    Ok(())
}

/// Checks the stored checkpoint against the tree and the keys.
///
/// # Errors
/// Damage, if it is not one of this ledger.
pub fn check_stored(service: &Service) -> Result<Option<SignedCheckpoint>, ProjectionError> {
    let called = "the checkpoint that was signed last";
    let Some(newest) = stored(service)? else { return Ok(None) };
    let keys = keys(&service.now())?;
    let key = key_of(&keys, newest.checkpoint.size).map(verifier).transpose()?;
    match key.map(|key| newest.check(&key)) {
        Some(Ok(())) => {}
        Some(Err(error)) => return Err(damage(format!("{called}: {error}"))),
        None => return Err(damage(format!("{called} is of a key that no event made"))),
    }
    check_continues(service, called, &newest.checkpoint)?;
    Ok(Some(newest))
}

impl State {
    fn load(&mut self, service: &Service) -> Result<(), Fault> {
        if !self.loaded {
            self.newest = check_stored(service)?;
            self.loaded = true;
        }
        Ok(())
    }

    /// The key that signs the first `size` events: the ledger's name, and the seed.
    fn key(&mut self, service: &Service, size: u64) -> Result<(String, SecretKey), Fault> {
        // Read after the size is known: a key made meanwhile signs from its own event on.
        let view = service.now();
        let keys = keys(&view)?;
        let key = key_of(&keys, size).ok_or_else(|| Fault::internal("no key for checkpoints"))?;
        let seed = match self.seeds.get(&key.number) {
            Some(seed) => seed.clone(),
            None => {
                let seed = seed(&view, key)?;
                self.seeds.insert(key.number, seed.clone());
                seed
            }
        };
        Ok((key.origin.clone(), seed))
    }

    /// Signs the first `size` events.
    fn sign(&mut self, service: &Service, size: u64) -> Result<SignedCheckpoint, Fault> {
        let (origin, seed) = self.key(service, size)?;
        let root = service.ledger().root_at(size)?;
        let checkpoint = Checkpoint { origin, size, root };
        checkpoint.sign(&seed).map_err(Fault::internal)
    }

    /// Signs the head, and stores that before it returns it.
    fn sign_head(&mut self, service: &Service) -> Result<SignedCheckpoint, Fault> {
        let now = service.clock().now();
        if let Some(newest) = &self.newest {
            let called = "the checkpoint that was signed last";
            check_continues(service, called, &newest.checkpoint)?;
        }
        let signed = self.sign(service, service.ledger().head().position)?;
        let mut batch = Batch::default();
        batch.put(Family::Meta, NEWEST, signed.to_string());
        let stored = service.ledger().store().commit(&batch, Durability::Synced);
        stored.map_err(ProjectionError::from)?;
        self.newest = Some(signed.clone());
        self.signed = Some(now);
        Ok(signed)
    }

    /// Whether the newest one was signed a moment ago.
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.signed.is_some_and(|signed| {
            let ahead = now.micros().checked_sub(signed.micros());
            ahead.is_some_and(|ahead| ahead < PAUSE_MICROS)
        })
    }
}

impl Service {
    /// The newest checkpoint: of the head, or of what was the head less than a second ago. Blocks; not for
    /// async threads.
    ///
    /// # Errors
    /// Damage, if the ledger is no continuation of what was signed last; a full disk only if nothing was
    /// signed before.
    pub fn checkpoint(self: &Arc<Self>) -> Result<SignedCheckpoint, Fault> {
        self.checkpoint_keys()?;
        let mut state = self.notary.0.lock();
        state.load(self)?;
        let head = self.ledger().head().position;
        let newest = state.newest.clone();
        match newest {
            Some(newest)
                if newest.checkpoint.size == head || state.is_fresh(self.clock().now()) =>
            {
                Ok(newest)
            }
            newest => match (state.sign_head(self), newest) {
                (Err(fault), Some(newest)) if fault.status == 503 => Ok(newest),
                (outcome, _) => outcome,
            },
        }
    }

    /// A checkpoint of at least this many events, which the ledger has.
    ///
    /// # Errors
    /// As [`checkpoint`](Self::checkpoint), and a full disk.
    pub fn checkpoint_covering(self: &Arc<Self>, size: u64) -> Result<SignedCheckpoint, Fault> {
        self.checkpoint_keys()?;
        let mut state = self.notary.0.lock();
        state.load(self)?;
        match &state.newest {
            Some(newest) if newest.checkpoint.size >= size => Ok(newest.clone()),
            _ => state.sign_head(self),
        }
    }

    /// The checkpoint of exactly this size: the same bytes whenever it is asked for.
    ///
    /// # Errors
    /// If the ledger has fewer events, and as [`checkpoint`](Self::checkpoint).
    pub fn checkpoint_at(self: &Arc<Self>, size: u64) -> Result<SignedCheckpoint, Fault> {
        let head = self.ledger().head().position;
        if size > head {
            return Err(Fault::validation(format!(
                "There is no checkpoint of {size} events: the ledger has {head}."
            )));
        }
        let covering = self.checkpoint_covering(size)?;
        if covering.checkpoint.size == size {
            return Ok(covering);
        }
        self.notary.0.lock().sign(self, size)
    }

    /// Signs a text with the key of a checkpoint.
    ///
    /// # Errors
    /// Those of the disk; a text that is none of a note.
    pub fn sign_beside(
        self: &Arc<Self>,
        signed: &SignedCheckpoint,
        text: String,
    ) -> Result<Note, Fault> {
        let seed = self.notary.0.lock().key(self, signed.checkpoint.size)?.1;
        Note::sign(text, &signed.checkpoint.origin, &seed).map_err(Fault::internal)
    }

    /// The keys that sign checkpoints. A store that was founded before there were any gets one now.
    ///
    /// # Errors
    /// If there is nothing to sign yet; those of the disk.
    pub fn checkpoint_keys(self: &Arc<Self>) -> Result<Vec<CheckpointKeyRow>, Fault> {
        let found = keys(&self.now())?;
        if !found.is_empty() {
            return Ok(found);
        }
        if self.is_empty() {
            return Err(Fault::validation("The ledger is empty: there is nothing to sign."));
        }
        self.act(|service, turn| service.add_key(turn, "domesday", "MakeCheckpointKey", true))?;
        Ok(keys(&self.now())?)
    }

    /// Makes a new key, which signs from its own event on.
    ///
    /// # Errors
    /// Those of a write.
    pub fn rotate_checkpoint_key(self: &Arc<Self>, operator: &str) -> Result<Value, Fault> {
        // What is older than the new key stays signed by the one before it.
        self.checkpoint_keys()?;
        let operator = operator.to_owned();
        self.act(move |service, turn| {
            service.add_key(turn, &operator, "RotateCheckpointKey", false)
        })?;
        self.notary.0.lock().signed = None;
        self.verification_keys()
    }

    fn add_key(
        &self,
        turn: &mut Turn<'_>,
        operator: &str,
        operation: &str,
        only_the_first: bool,
    ) -> Result<(), Fault> {
        let caller = self.operator(operator, AccountId::SYSTEM)?;
        let act = Act { account: AccountId::SYSTEM, actor: caller.actor(), happened_at: None };
        turn.perform(&act, |tx| {
            if !only_the_first || keys(&*tx)?.is_empty() {
                make_key(tx)?;
            }
            Ok(((), origin(tx, &caller, operation, UniqueId::root(), None)?))
        })
    }

    /// The keys by which checkpoints are checked: `vkey` is the one that signs now, `keys` are all.
    ///
    /// # Errors
    /// As [`checkpoint_keys`](Self::checkpoint_keys).
    pub fn verification_keys(self: &Arc<Self>) -> Result<Value, Fault> {
        let rows = self.checkpoint_keys()?;
        let mut keys = Vec::new();
        for row in &rows {
            keys.push(json!({
                "number": row.number,
                "vkey": verifier(row)?.to_string(),
                "event": row.event,
                "made": row.made.to_string(),
            }));
        }
        let newest = rows.last().map(verifier).transpose()?;
        Ok(json!({
            "origin": rows.last().map(|row| row.origin.clone()),
            "vkey": newest.map(|key| key.to_string()),
            "keys": keys,
        }))
    }

    /// Checks a checkpoint that somebody kept: its signature, by the key that was given or by those that this
    /// ledger records, and that the ledger is its continuation.
    ///
    /// # Errors
    /// A text that is none, or not of the key that was given; damage, if the ledger is not the one expected.
    pub fn check_since(
        self: &Arc<Self>,
        text: &str,
        key: Option<&str>,
    ) -> Result<Checkpoint, Fault> {
        let called = "The checkpoint that was kept";
        let wrong =
            |error: &dyn std::fmt::Display| Fault::validation(format!("{called}: {error}."));
        let kept: SignedCheckpoint = text.parse().map_err(|error| wrong(&error))?;
        match key {
            Some(key) => {
                let key: VerifierKey = key.parse().map_err(|error| wrong(&error))?;
                kept.check(&key).map_err(|error| wrong(&error))?;
            }
            None => {
                let known = keys(&self.now())?;
                let known: Result<Vec<VerifierKey>, _> = known.iter().map(verifier).collect();
                if !known?.iter().any(|key| kept.check(key).is_ok()) {
                    return Err(Fault::new(
                        DAMAGED,
                        500,
                        format!(
                            "{called} is not signed by a key of this ledger: it was altered, or the ledger is \
                             not the one that it is of."
                        ),
                    ));
                }
            }
        }
        check_continues(self, called, &kept.checkpoint)?;
        Ok(kept.checkpoint)
    }
}
