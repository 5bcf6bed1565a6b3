//! The root user's life: its e-mail address and password, a password that was forgotten, the end of its
//! account. AWS has no API for these; the console, the command line and tests ask here.
//!
//! - Whoever is signed in as the root user changes e-mail address or password, or closes the account, with
//!   the current password: a session left open is not enough. Policies of the organization may deny it
//!   (`domesday:Administer`), and every attempt leaves a receipt.
//! - A forgotten password is the operator's to help with: `domesday recover root` makes a code, of which only
//!   a hash is kept, for [`RECOVERY_SECONDS`] and for one use. Whoever has the code sets a new password, and
//!   the root user has no multi-factor devices any more.
//! - A closed account is refused everywhere from the moment on at which its event is durable: none of its
//!   credentials is accepted and nothing in it changes, its queued requests included. Its history stays,
//!   readable to the operator. For [`REOPENABLE_DAYS`] the operator can reopen it; then all is as it was.
//!
//! Source of the last: AWS Account Management Reference Guide, "Close an AWS account": "you can reopen it
//! within 90 days", "you will no longer be able to access AWS services". What still works there, bills and
//! support, is not here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::activity::receipt::{Kind, LastUsed, Receipt};
use super::activity::usage::{Use, principal_key};
use super::audit::ledger_arn;
use super::authenticate::Arrival;
use super::caller::{Caller, Identity};
use super::fault::{self, Fault};
use super::founding::hash_password;
use super::imports::gate;
use super::password::{self, HASHERS};
use super::password_policy::check_root;
use super::target::Target;
use super::writer::Act;
use super::{Service, invalid_credential, origin, used};
use crate::base::crypto;
use crate::base::random::random_text;
use crate::base::secret::Secret;
use crate::base::text::hex;
use crate::base::time::Timestamp;
use crate::identity::change::{
    AccountClosed, AccountReopened, Commitment, MfaDeviceDeactivated, NameTag, RootEmailChanged,
    RootPasswordSet, RootRecoveryIssued, RootRecoveryUsed,
};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::sealing::{self, NameKind};
use crate::projection::tables::{
    ACCESS_KEYS, AccountRow, EMAILS, KEYS_OF, MFA_DEVICES_OF, ROOT_RECOVERY, RootRecoveryRow,
};
use crate::projection::view::ReadTables;
use crate::projection::{Reader, Transaction};

/// For how long a recovery code can be used.
pub const RECOVERY_SECONDS: i64 = 3_600;
/// For how long a closed account can be reopened.
pub const REOPENABLE_DAYS: i64 = 90;

const CODE_ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Characters of a code, of 32 each: a hundred bits, which nobody guesses in an hour.
const CODE_CHARACTERS: usize = 20;
/// The largest code that is looked at, its dashes and spaces included.
const CODE_LIMIT: usize = 64;
/// The longest e-mail address (RFC 5321, 4.5.3.1).
const EMAIL_LIMIT: usize = 320;

/// A code with which the root user sets a new password.
#[derive(Debug)]
pub struct Recovery {
    /// The code; shown once.
    pub code: Secret<String>,
    /// From when on it is not accepted.
    pub expires: Timestamp,
    /// The root user's e-mail address, which is asked for with it.
    pub email: String,
}

/// How often root users asked and signed in since the start, for whoever watches the service.
#[derive(Debug, Default)]
pub struct RootCounts {
    allowed: AtomicU64,
    denied: AtomicU64,
    signed_in: AtomicU64,
    refused: AtomicU64,
}

impl RootCounts {
    /// Counts a request of a root user.
    pub fn request(&self, was_denied: bool) {
        let counter = if was_denied { &self.denied } else { &self.allowed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a sign-in as a root user, by password or recovery code.
    pub fn sign_in(&self, was_refused: bool) {
        let counter = if was_refused { &self.refused } else { &self.signed_in };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests that were not denied, and that were; sign-ins, and those that were refused.
    pub fn read(&self) -> [u64; 4] {
        [&self.allowed, &self.denied, &self.signed_in, &self.refused]
            .map(|counter| counter.load(Ordering::Relaxed))
    }
}

/// What a dashboard warns of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootUsage {
    /// The last request as the root user, by key or session.
    pub last_request: Option<LastUsed>,
    /// The last sign-in with its password.
    pub last_sign_in: Option<LastUsed>,
    /// Its access keys that work.
    pub active_keys: usize,
}

/// How the root user of an account is used, at or before an instant.
pub fn usage(
    service: &Service,
    directory: Directory<'_>,
    until: Timestamp,
) -> Result<RootUsage, Fault> {
    let Directory { reader, account } = directory;
    let (root, book) = (UniqueId::root(), service.activity());
    let key = principal_key(account, &root);
    let asked = book.asked(&key, None, until)?;
    let mut active_keys = 0;
    for id in reader.list(account, &KEYS_OF, &root)? {
        let row = reader.get(account, &ACCESS_KEYS, &id)?;
        active_keys += usize::from(row.is_some_and(|row| row.active));
    }
    Ok(RootUsage {
        last_request: asked.into_iter().map(|asked| asked.last).max_by_key(|last| last.at),
        last_sign_in: book.last_used(&key, until)?,
        active_keys,
    })
}

/// Finds the account of a root user by its e-mail address.
pub fn account_of_email(reader: &dyn Reader, email: &str) -> Result<Option<AccountId>, Fault> {
    let tag = sealing::name_tag(reader.keys(), AccountId::SYSTEM, NameKind::Email, email)?;
    let Some(tag) = tag else { return Ok(None) };
    Ok(reader.get(AccountId::SYSTEM, &EMAILS, &tag)?)
}

/// Where the index over all accounts has an e-mail address; the system account's key is made if need be.
pub fn email_tag(tx: &Transaction<'_>, email: &str) -> Result<NameTag, Fault> {
    let subject = sealing::subject(AccountId::SYSTEM, &UniqueId::root());
    tx.keys().get_or_create(&subject, tx.random())?;
    sealing::name_tag(tx.keys(), AccountId::SYSTEM, NameKind::Email, email)?
        .ok_or_else(|| Fault::internal("the system account has no key"))
}

/// Refuses what is no e-mail address, and one that another account's root user has.
pub fn check_email(tx: &Transaction<'_>, email: &str) -> Result<NameTag, Fault> {
    let parts = email.rsplit_once('@');
    let fits = parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && email.len() <= EMAIL_LIMIT
        && !email.chars().any(|character| character.is_whitespace() || character.is_control());
    if !fits {
        return Err(Fault::validation("The root user's e-mail address is not one."));
    }
    let tag = email_tag(tx, email)?;
    match tx.get(AccountId::SYSTEM, &EMAILS, &tag)? {
        Some(account) if account != tx.account() => Err(fault::EMAIL_TAKEN.with(&[])),
        _ => Ok(tag),
    }
}

/// The row of an account that is not closed.
pub fn open_account(reader: &dyn Reader, account: AccountId) -> Result<AccountRow, Fault> {
    match Directory::new(reader, account).account_row()? {
        None => Err(Fault::internal("an act in no account")),
        Some(row) if row.closed.is_some() => Err(fault::ACCOUNT_IS_CLOSED.with(&[])),
        // What happens here would stand between what happened elsewhere.
        Some(_) if gate::is_pending(reader, account)? => Err(gate::Unknown::Incomplete.into()),
        Some(row) => Ok(row),
    }
}

/// Sets the root user's password to one that was hashed; the old one is gone for good.
fn set_password(
    tx: &mut Transaction<'_>,
    row: &AccountRow,
    hash: &Secret<String>,
) -> Result<(), Fault> {
    row.root_password.iter().for_each(|old| tx.drop_secret(old));
    let commitment = tx.keep_secret(&UniqueId::root(), "password", hash)?;
    Ok(tx.record(RootPasswordSet { commitment })?)
}

/// A code as it is compared: whoever types it may leave out the dashes and write small letters.
fn code_hash(code: &Secret<String>) -> Secret<String> {
    let significant = |character: &char| !matches!(character, '-' | ' ');
    let typed = Secret::new(code.expose().chars().filter(significant).collect::<String>());
    Secret::new(hex(&crypto::content_hash(typed.expose().to_ascii_uppercase().as_bytes())))
}

/// What the root user may change, once it has shown its password.
enum Doing {
    Email(String),
    /// A password and, once it was hashed, its hash.
    Password(Secret<String>, Option<Secret<String>>),
    Close,
}

impl Doing {
    fn operation(&self) -> &'static str {
        match self {
            Doing::Email(_) => "ChangeRootEmail",
            Doing::Password(..) => "ChangeRootPassword",
            Doing::Close => "CloseAccount",
        }
    }

    fn record(&self, tx: &mut Transaction<'_>, row: &AccountRow) -> Result<(), Fault> {
        match self {
            Doing::Email(email) => {
                let email_tag = check_email(tx, email)?;
                let email = tx.seal(&UniqueId::root(), "email", email)?;
                Ok(tx.record(RootEmailChanged { email, email_tag })?)
            }
            Doing::Password(_, hash) => {
                let hash = hash.as_ref().ok_or_else(|| Fault::internal("nothing was hashed"))?;
                set_password(tx, row, hash)
            }
            Doing::Close => Ok(tx.record(AccountClosed {})?),
        }
    }
}

impl Service {
    /// How often root users asked and signed in.
    pub fn root_counts(&self) -> &RootCounts {
        &self.root_counts
    }

    /// Changes the root user's e-mail address, for the root user.
    pub async fn change_root_email(
        self: &Arc<Self>,
        caller: Caller,
        current: Secret<String>,
        email: String,
    ) -> Result<(), Fault> {
        self.act_as_root(caller, current, Doing::Email(email)).await
    }

    /// Changes the root user's password, for the root user.
    pub async fn change_root_password(
        self: &Arc<Self>,
        caller: Caller,
        current: Secret<String>,
        new: Secret<String>,
    ) -> Result<(), Fault> {
        self.act_as_root(caller, current, Doing::Password(new, None)).await
    }

    /// Closes the account, for its root user.
    pub async fn close_account(
        self: &Arc<Self>,
        caller: Caller,
        current: Secret<String>,
    ) -> Result<(), Fault> {
        self.act_as_root(caller, current, Doing::Close).await
    }

    async fn act_as_root(
        self: &Arc<Self>,
        caller: Caller,
        current: Secret<String>,
        doing: Doing,
    ) -> Result<(), Fault> {
        if !caller.is_root() {
            return Err(fault::ONLY_ROOT.with(&[]));
        }
        let permit = HASHERS.acquire().await.map_err(Fault::internal)?;
        let service = self.clone();
        let work = move || {
            let outcome = service.show_password(&caller, &current, doing);
            drop(permit);
            let (receipts, outcome) = outcome?;
            let outcome = outcome.and_then(|(shown, doing)| service.as_root(&caller, shown, doing));
            let denied = outcome.as_ref().is_err_and(|fault| fault.code == "AccessDenied");
            service.root_counts.request(denied);
            let mut used = used(&caller, "domesday", "");
            used.extend(receipts.first().and_then(|own| Use::asked(own, "")));
            for receipt in receipts {
                service.activity().note((receipt, std::mem::take(&mut used)))?;
            }
            outcome
        };
        tokio::task::spawn_blocking(work).await.map_err(Fault::internal)?
    }

    /// Judges, holds the current password against the one that was given, and hashes a new one. Returns what
    /// was decided and, if all went well, which password was shown.
    #[allow(clippy::type_complexity)]
    fn show_password(
        &self,
        caller: &Caller,
        current: &Secret<String>,
        mut doing: Doing,
    ) -> Result<(Vec<Receipt>, Result<(Commitment, Doing), Fault>), Fault> {
        let now = self.now();
        let target = Target::on(ledger_arn(&caller.digits), &UniqueId::root());
        let judge = self.judge(&now, now.cut().position);
        let mut judgement = judge.judge(caller, "domesday:Administer", &target)?;
        if let Some(refusal) = judgement.refusal {
            return Ok((judgement.receipts, Err(refusal)));
        }
        let account = caller.account;
        let row = open_account(&now, account)?;
        let root = UniqueId::root();
        if let Err(wait) = self.guesses.begin(account, &root, caller.at) {
            let wait = fault::TOO_MANY_GUESSES.with(&[&wait.to_string()]);
            return Ok((judgement.receipts, Err(wait)));
        }
        let is_it = password::verify(&now, account, &root, current)?;
        let Some(shown) = row.root_password.filter(|_| is_it) else {
            let wrong = fault::WRONG_ROOT_PASSWORD.with(&[]);
            if let Some(own) = judgement.receipts.first_mut() {
                own.kind = Kind::Refused;
                own.blocked_by = Some(wrong.message.clone());
            }
            return Ok((judgement.receipts, Err(wrong)));
        };
        self.guesses.succeeded(account, &root);
        if let Doing::Password(plain, hash) = &mut doing {
            let fits = check_root(Directory::new(&now, account), plain.expose());
            match fits.and_then(|()| hash_password(plain, self.random())) {
                Ok(hashed) => *hash = Some(hashed),
                Err(refusal) => return Ok((judgement.receipts, Err(refusal))),
            }
        }
        Ok((judgement.receipts, Ok((shown, doing))))
    }

    fn as_root(
        self: &Arc<Self>,
        caller: &Caller,
        shown: Commitment,
        doing: Doing,
    ) -> Result<(), Fault> {
        let caller = caller.clone();
        self.act(move |_, turn| {
            let act = Act { account: caller.account, actor: caller.actor(), happened_at: None };
            turn.perform(&act, |tx| {
                if !caller.still_stands(&*tx)? {
                    return Err(invalid_credential());
                }
                let row = open_account(&*tx, caller.account)?;
                // Another request may have set another password meanwhile.
                if row.root_password != Some(shown) {
                    return Err(fault::WRONG_ROOT_PASSWORD.with(&[]));
                }
                doing.record(tx, &row)?;
                Ok(((), origin(tx, &caller, doing.operation(), UniqueId::root(), None)?))
            })
        })
    }

    /// A code with which an account's root user sets a new password, for the operator to hand over; a code
    /// that was issued before is void. Blocks.
    pub fn issue_root_recovery(
        self: &Arc<Self>,
        account: AccountId,
        operator: &str,
    ) -> Result<Recovery, Fault> {
        let drawn = random_text(self.random(), CODE_ALPHABET, CODE_CHARACTERS)?;
        let groups: Vec<&str> =
            [0, 5, 10, 15].iter().filter_map(|at| drawn.get(*at..at + 5)).collect();
        let code = Secret::new(groups.join("-"));
        let hash = code_hash(&code);
        let operator = operator.to_owned();
        let (expires, email) = self.act(move |service, turn| {
            let caller = service.operator(&operator, account)?;
            let expires = caller.at.plus_seconds(RECOVERY_SECONDS);
            let act = Act { account, actor: caller.actor(), happened_at: None };
            turn.perform(&act, |tx| {
                let row = open_account(&*tx, account)?;
                let root = UniqueId::root();
                if let Some(old) = tx.get(account, &ROOT_RECOVERY, &())? {
                    tx.drop_secret(&old.commitment);
                }
                let commitment = tx.keep_secret(&root, "recovery", &hash)?;
                tx.record(RootRecoveryIssued { commitment, expires })?;
                let email = Directory::new(&*tx, account).open(&root, "email", &row.email)?;
                Ok(((expires, email), origin(tx, &caller, "RecoverRoot", root, None)?))
            })
        })?;
        Ok(Recovery { code, expires, email })
    }

    /// Sets a root user's password for whoever has the code that the operator was given, and uses it up.
    /// What is wrong with e-mail address or code is not told.
    pub async fn redeem_root_recovery(
        self: &Arc<Self>,
        arrival: Arrival,
        email: String,
        code: Secret<String>,
        new: Secret<String>,
    ) -> Result<(), Fault> {
        let (service, at) = (self.clone(), arrival.at);
        let look = move || service.recovery(&email, &code, at);
        let found = tokio::task::spawn_blocking(look).await.map_err(Fault::internal)?;
        let (account, digits, row) = found.inspect_err(|fault| {
            self.root_counts.sign_in(fault.code == fault::WRONG_CODE.code);
        })?;
        let caller = Caller {
            account,
            digits,
            identity: Identity::Root { session: None },
            credential: None,
            at,
            request_id: arrival.request_id,
            source: arrival.source,
        };
        // Only whoever had the code costs a hash.
        let permit = HASHERS.acquire().await.map_err(Fault::internal)?;
        let service = self.clone();
        let work = move || {
            let _permit = permit;
            let now = service.now();
            check_root(Directory::new(&now, account), new.expose())?;
            let hash = hash_password(&new, service.random())?;
            service.redeem(caller, &row, hash)
        };
        tokio::task::spawn_blocking(work).await.map_err(Fault::internal)??;
        self.root_counts.sign_in(false);
        Ok(())
    }

    /// The code that an account's operator was given, if it is this one.
    fn recovery(
        &self,
        email: &str,
        code: &Secret<String>,
        at: Timestamp,
    ) -> Result<(AccountId, String, RootRecoveryRow), Fault> {
        let wrong = || fault::WRONG_CODE.with(&[]);
        if email.len() > EMAIL_LIMIT || code.expose().len() > CODE_LIMIT {
            return Err(wrong());
        }
        let now = self.now();
        let account = account_of_email(&now, email)?.ok_or_else(wrong)?;
        let row = now.get(account, &ROOT_RECOVERY, &())?.filter(|row| at < row.expires);
        let row = row.ok_or_else(wrong)?;
        let root = UniqueId::root();
        let kept = sealing::open_secret(&now, account, &root, "recovery", &row.commitment)?;
        let given = code_hash(code);
        let is_it = kept
            .is_some_and(|kept| crypto::equal(kept.expose().as_bytes(), given.expose().as_bytes()));
        let open = Directory::new(&now, account).account_row()?.filter(|row| row.closed.is_none());
        match open {
            Some(open) if is_it => Ok((account, open.digits, row)),
            _ => Err(wrong()),
        }
    }

    fn redeem(
        self: &Arc<Self>,
        caller: Caller,
        row: &RootRecoveryRow,
        hash: Secret<String>,
    ) -> Result<(), Fault> {
        let used = row.commitment;
        self.act(move |_, turn| {
            let account = caller.account;
            let act = Act { account, actor: caller.actor(), happened_at: None };
            turn.perform(&act, |tx| {
                let row = open_account(&*tx, account)?;
                let stands = tx.get(account, &ROOT_RECOVERY, &())?;
                if stands.is_none_or(|stands| stands.commitment != used) {
                    return Err(fault::WRONG_CODE.with(&[]));
                }
                set_password(tx, &row, &hash)?;
                tx.drop_secret(&used);
                // Whoever has lost the password may have lost the second factor with it.
                for device in tx.list(account, &MFA_DEVICES_OF, &UniqueId::root())? {
                    tx.record(MfaDeviceDeactivated { device })?;
                }
                tx.record(RootRecoveryUsed {})?;
                Ok(((), origin(tx, &caller, "RedeemRootRecovery", UniqueId::root(), None)?))
            })
        })
    }

    /// Closes an account for the operator. Blocks.
    pub fn close_account_by_operator(
        self: &Arc<Self>,
        account: AccountId,
        operator: &str,
    ) -> Result<Timestamp, Fault> {
        self.by_operator(account, operator, "CloseAccount", |tx, account| {
            open_account(&*tx, account)?;
            tx.record(AccountClosed {})?;
            Ok(tx.at())
        })
    }

    /// Reopens an account that was closed less than [`REOPENABLE_DAYS`] ago. Blocks.
    pub fn reopen_account(
        self: &Arc<Self>,
        account: AccountId,
        operator: &str,
    ) -> Result<Timestamp, Fault> {
        self.by_operator(account, operator, "ReopenAccount", |tx, account| {
            let row = Directory::new(&*tx, account).account_row()?;
            let closed = row.and_then(|row| row.closed);
            let closed = closed.ok_or_else(|| fault::ACCOUNT_IS_OPEN.with(&[]))?;
            if tx.at() >= closed.plus_seconds(REOPENABLE_DAYS * 86_400) {
                return Err(fault::CLOSED_FOR_GOOD.with(&[&closed.to_string()]));
            }
            tx.record(AccountReopened {})?;
            Ok(tx.at())
        })
    }

    fn by_operator<T: Send + 'static>(
        self: &Arc<Self>,
        account: AccountId,
        operator: &str,
        operation: &'static str,
        body: impl FnOnce(&mut Transaction<'_>, AccountId) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let operator = operator.to_owned();
        self.act(move |service, turn| {
            let caller = service.operator(&operator, account)?;
            let act = Act { account, actor: caller.actor(), happened_at: None };
            turn.perform(&act, |tx| {
                let done = body(tx, account)?;
                Ok((done, origin(tx, &caller, operation, UniqueId::root(), None)?))
            })
        })
    }
}
