//! Verification of everything that is stored, and rebuilding of what is derived.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::base::random::random_bytes;
use crate::base::text::hex;
use crate::identity::Event;
use crate::identity::change::{Change, Commitment, DocumentHash, NEVER_HERE};
use crate::identity::id::UniqueId;
use crate::ledger::{AccountId, LedgerError, verify as ledger_verify};
use crate::projection::tables::{
    ACCESS_KEYS, ACCOUNT, LOGIN_PROFILES, MFA_DEVICES, OLD_PASSWORDS, ROOT_RECOVERY, USERS,
};
use crate::projection::view::ReadTables;
use crate::projection::{ProjectionError, Projections, Reader, View, rebuild, sealing};
use crate::service::Service;
use crate::service::fault::Fault;
use crate::service::{mfa, notary};
use crate::store::StoreError;

/// How far a verification or rebuild is: read by whoever waits for it.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    of: AtomicU64,
}

impl Progress {
    fn tell(&self, done: u64, of: u64) {
        self.of.store(of, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
    }

    /// The part of a thousand that is done; `None` before it begins.
    pub fn thousandths(&self) -> Option<u64> {
        let (done, of) = (self.done.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed));
        done.saturating_mul(1_000).checked_div(of).map(|part| part.min(1_000))
    }
}

fn damage(what: impl Into<String>) -> ProjectionError {
    StoreError::Damaged(what.into()).into()
}

/// Reads every stored byte: chains, tree, HEAD, bodies, contents, secrets, receipts, and the rows against a
/// fold of the events. Writes go on meanwhile; what they add is not looked at.
pub fn verify(service: &Arc<Service>) -> Result<Value, Fault> {
    let _alone = service.maintain();
    let ledger = service.ledger();
    let view = &bare_view(service)?;
    let salt = random_bytes::<32>(service.random())?;
    // Every event is read twice: as bytes, and to be folded.
    let events = ledger.head().position;
    let progress = service.progress();
    let mut accounts: HashSet<AccountId> = HashSet::new();
    let mut failed: Option<ProjectionError> = None;
    let verified = ledger_verify::verify(ledger, salt, &mut |position, frame| {
        let step = Event::decode(frame.body).map_err(ProjectionError::from).and_then(|event| {
            for change in &event.changes {
                for hash in contents(change) {
                    view.content(&hash)?;
                }
            }
            Ok(())
        });
        progress.tell(position, 2 * events);
        accounts.insert(frame.header.account);
        step.map_err(|error| {
            let what = error.to_string();
            failed = Some(error);
            LedgerError::Damaged { position, what }
        })
    });
    let verified = match (failed, verified) {
        (Some(error), _) => return Err(error.into()),
        (None, verified) => verified.map_err(ProjectionError::from)?,
    };
    let mut secrets = 0;
    for account in accounts {
        secrets += secrets_of(service, view, account)?;
    }
    let mut folding = |position| progress.tell(events + position, 2 * events);
    let folded = rebuild::fold_aside(ledger, 1, &mut folding)?;
    let comparison = rebuild::compare(ledger, folded)?;
    rebuild::discard(ledger)?;
    if let Some((table, position)) = comparison.first {
        let damage = damage(format!(
            "{} of {} rows are not what the events give, first in table {table} at event {position}; \
             run `domesday rebuild`",
            comparison.different, comparison.rows
        ));
        return Err(damage.into());
    }
    let checkpoint = notary::check_stored(service)?;
    let mut receipts = 0u64;
    service.activity().receipts(1, &mut |_, receipt| {
        receipt.whole()?;
        receipts += 1;
        Ok(true)
    })?;
    Ok(json!({
        "events": verified.events,
        "accounts": verified.accounts,
        "root": hex(&verified.root),
        "rows": comparison.rows,
        "secrets": secrets,
        "receipts": receipts,
        "checkpoint": checkpoint.map(|checkpoint| checkpoint.checkpoint.size),
    }))
}

/// The present with nothing at hand: the disk is what is looked at.
fn bare_view(service: &Service) -> Result<View, ProjectionError> {
    let keys = service.projections().keys().clone();
    Ok(Projections::new(service.ledger().clone(), keys)?.now())
}

/// Checks an account's secrets. Events and versions of rows stay, but a secret goes with the event that
/// drops it: what is missing may have been dropped since the view was made. Inside the writer nothing
/// is on its way, and what is missing there is missing.
fn secrets_of(service: &Arc<Service>, view: &View, account: AccountId) -> Result<u64, Fault> {
    match check_secrets(view, account) {
        Err(error) if error.is_damage() => {
            service.act(move |service, _| Ok(check_secrets(&bare_view(service)?, account)?))
        }
        outcome => Ok(outcome?),
    }
}

/// The contents that a change names.
fn contents(change: &Change) -> Vec<DocumentHash> {
    match change {
        Change::CatalogueInstalled(c) => vec![c.manifest],
        Change::RoleCreated(c) => vec![c.trust.document],
        Change::TrustUpdated(c) => vec![c.trust.document],
        Change::PolicyCreated(c) => vec![c.document],
        Change::PolicyVersionCreated(c) => vec![c.document],
        Change::InlinePolicyPut(c) => vec![c.document],
        Change::PolicyImported(c) => c.versions.iter().map(|(_, document, _)| *document).collect(),
        Change::SharedPolicyImported(c) => vec![c.document],
        Change::OrganizationPoliciesSet(c) => {
            let levels = c.service_control.iter().chain(&c.resource_control).flatten();
            levels.map(|(_, document)| *document).collect()
        }
        _ => Vec::new(),
    }
}

/// Every live secret must open and be the one that its event committed to; every user must have a key.
fn check_secrets(view: &View, account: AccountId) -> Result<u64, ProjectionError> {
    let mut checked = 0;
    let mut open = |owner: &_, what: &str, commitment: &Commitment| {
        if *commitment == NEVER_HERE {
            return Ok(());
        }
        checked += 1;
        match sealing::open_secret(view, account, owner, what, commitment)? {
            Some(_) => Ok(()),
            None => Err(damage(format!("the secret {what} of {owner} is missing"))),
        }
    };
    if let Some(row) = view.get(account, &ACCOUNT, &())?
        && let Some(commitment) = &row.root_password
    {
        open(&UniqueId::root(), "password", commitment)?;
    }
    if let Some(row) = view.get(account, &ROOT_RECOVERY, &())? {
        open(&UniqueId::root(), "recovery", &row.commitment)?;
    }
    for key in view.list(account, &ACCESS_KEYS, &())? {
        open(&key.owner, key.id.as_str(), &key.commitment)?;
    }
    for device in view.list(account, &MFA_DEVICES, &())? {
        open(&device.id, mfa::SEED, &device.commitment)?;
    }
    if account == AccountId::SYSTEM {
        for key in notary::keys(view)? {
            open(&UniqueId::root(), &notary::secret_name(key.number), &key.commitment)?;
        }
    }
    for user in view.list(account, &USERS, &())? {
        if view.keys().get(&sealing::subject(account, &user.id))?.is_none() {
            return Err(damage(format!("the subject key of {} is missing", user.id)));
        }
        if let Some(row) = view.get(account, &LOGIN_PROFILES, &user.id)? {
            open(&user.id, "password", &row.commitment)?;
            for old in view.get(account, &OLD_PASSWORDS, &user.id)?.unwrap_or_default() {
                open(&user.id, "password", &old)?;
            }
        }
    }
    Ok(checked)
}

/// Folds all rows anew and makes them live. What was live serves until then.
pub fn rebuild(service: &Arc<Service>) -> Result<Value, Fault> {
    let _alone = service.maintain();
    let ledger = service.ledger().clone();
    let (progress, events) = (service.progress(), ledger.head().position);
    let folded = rebuild::fold_aside(&ledger, 1, &mut |position| progress.tell(position, events));
    let folded = folded.map_err(Fault::from)?;
    // The rest alone inside the writer: what is staged beside a swap would go to the old rows.
    service.act_alone(move |service, _| {
        let ledger = service.ledger();
        let mut last = folded;
        if ledger.head().position > folded {
            last = rebuild::fold_aside(ledger, folded + 1, &mut |_| {}).map_err(Fault::from)?;
        }
        let comparison = rebuild::compare(ledger, last).map_err(Fault::from)?;
        rebuild::swap(service.projections()).map_err(Fault::from)?;
        Ok(json!({
            "events": last,
            "rows": comparison.rows,
            "different": comparison.different,
        }))
    })
}
