//! Histories of elsewhere: a real AWS account, brought in with its time.
//!
//! A snapshot of the account ([`details`], [`baseline`]) or an empty account is what the history begins with, and the
//! records of a trail are what follows ([`files`], [`pieces`], [`record`], [`sorted`], [`trail`]). Each record that changed
//! something is the operation that it tells of, run again ([`enact`]) at its own time and by whoever it says, in an
//! order that makes sense ([`mod@replay`]); what does not follow from what was known tells that records are missing
//! ([`missing`]). A second snapshot says whether the outcome is what is real ([`drift`]). When the import is
//! completed the account is one like any other, and every question can be asked of its past; until then, and of
//! times before it begins, answers are unknown ([`gate`]).
//!
//! Whoever imports says who did what: there is no signature to check. So only the operator of the machine may, on the
//! command line, and the events say so: what began, completed and dropped an import is the operator's, and each
//! replayed event names the record that it was made from.
//!
//! All steps can be repeated: what is in is passed over, what was broken off goes on.

pub mod baseline;
pub mod details;
pub mod drift;
pub mod enact;
pub mod facts;
pub mod files;
pub mod gate;
pub mod missing;
pub mod pieces;
pub mod record;
pub mod replay;
pub mod sorted;
pub mod status;
pub mod trail;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use self::baseline::Contents;
use self::facts::Facts;
use self::replay::Scene;
use super::caller::Caller;
use super::fault::Fault;
use super::root::{check_email, email_tag};
use super::writer::Act;
use super::{Service, origin};
use crate::base::crypto::content_hash_of;
use crate::base::random::random_bytes;
use crate::base::time::Timestamp;
use crate::identity::change::{
    AccountFounded, AccountRegistered, BaselineTaken, DocumentHash, ImportBegun, ImportCompleted,
    ImportDropped,
};
use crate::identity::id::{UniqueId, is_account_digits};
use crate::ledger::{AccountId, Frame};
use crate::projection::directory::Directory;
use crate::projection::tables::{ACCOUNTS, EMAILS, IMPORT, ImportRow, ImportStage};
use crate::projection::view::ReadTables;

/// The field under which it is sealed in what an outcome differs from what is real.
pub const DRIFT_FIELD: &str = "drift";
/// Bytes of that which one event holds.
const DRIFT_BYTES: usize = 16 << 10;
/// Paths of one trail.
const PATHS: usize = 10_000;

/// Does what `domesday import ...` asks for. Blocks, and takes long; not for async threads.
///
/// # Errors
/// Files that are not as they should be, imports that are at another stage, and failures.
pub fn act(
    service: &Arc<Service>,
    caller: &Caller,
    name: &str,
    body: &Value,
) -> Result<Value, Fault> {
    let asked = Asked { service, caller, body };
    match name {
        "import-authorization-details" => asked.snapshot(),
        "import-cloudtrail" => asked.trail(),
        "import-complete" => asked.complete(None),
        "import-drop" => asked.drop(),
        "import-status" => asked.status(),
        other => Err(Fault::validation(format!("There is no act {other:?}."))),
    }
}

struct Asked<'a> {
    service: &'a Arc<Service>,
    caller: &'a Caller,
    body: &'a Value,
}

/// An account that is being imported.
struct Importing {
    account: AccountId,
    digits: String,
    row: ImportRow,
}

impl Asked<'_> {
    fn text(&self, field: &str) -> Option<&str> {
        self.body.get(field).and_then(Value::as_str)
    }

    fn is_set(&self, field: &str) -> bool {
        self.body.get(field) == Some(&Value::Bool(true))
    }

    fn moment(&self, field: &str) -> Result<Option<Timestamp>, Fault> {
        let Some(text) = self.text(field) else { return Ok(None) };
        let at = Timestamp::parse(text).ok_or_else(|| {
            Fault::validation(format!("`{field}` is an RFC 3339 time or a date."))
        })?;
        Ok(Some(at))
    }

    /// The operator in an account.
    fn operator(&self, account: AccountId) -> Caller {
        Caller { account, at: self.service.clock().now(), ..self.caller.clone() }
    }

    fn find(&self, digits: &str) -> Result<Option<Importing>, Fault> {
        let view = self.service.now();
        let account = view.get(AccountId::SYSTEM, &ACCOUNTS, &digits.to_owned())?;
        let Some(account) = account else { return Ok(None) };
        let row = view.get(account, &IMPORT, &())?.ok_or_else(|| {
            Fault::new(
                "EntityAlreadyExists",
                409,
                format!(
                    "The account {digits} began here: a history enters a fresh account alone. Take another data \
                     folder."
                ),
            )
        })?;
        Ok(Some(Importing { account, digits: digits.to_owned(), row }))
    }

    /// The account that is named, or the only one that is being imported.
    fn importing(&self) -> Result<Importing, Fault> {
        if let Some(digits) = self.text("account") {
            return self.find(digits)?.ok_or_else(|| {
                Fault::new("NoSuchEntity", 404, format!("No account {digits} is being imported."))
            });
        }
        let view = self.service.now();
        let mut found = Vec::new();
        for account in view.list(AccountId::SYSTEM, &ACCOUNTS, &())? {
            if let Some(row) = view.get(account, &IMPORT, &())? {
                let digits = Directory::new(&view, account).digits()?;
                found.push(Importing { account, digits, row });
            }
        }
        let pending = found.iter().filter(|one| one.row.stage != ImportStage::Completed).count();
        if pending > 0 {
            found.retain(|one| one.row.stage != ImportStage::Completed);
        }
        match (found.pop(), found.as_slice()) {
            (Some(one), []) => Ok(one),
            (None, _) => Err(Fault::new(
                "NoSuchEntity",
                404,
                "No account is being imported: begin with `domesday import authorization-details FILE`.",
            )),
            _ => Err(Fault::validation("There are several: name one by --account.")),
        }
    }

    fn snapshot(&self) -> Result<Value, Fault> {
        let path = PathBuf::from(self.text("path").unwrap_or_default());
        let contents = baseline::survey(&path)?;
        if let Some(digits) = self.text("account")
            && digits != contents.digits
        {
            let other = format!("The file is of the account {}, not of {digits}.", contents.digits);
            return Err(Fault::validation(other));
        }
        let hash = hash_of(&path)?;
        match self.find(&contents.digits)? {
            None => self.begin_with(&path, hash, &contents),
            Some(known) => match known.row.stage {
                ImportStage::Begun if known.row.baseline == Some(hash) => {
                    self.bring_in(&path, &known, known.row.since, &contents)
                }
                ImportStage::Begun => Err(Fault::validation(
                    "The import began with another file, which is not wholly in: give that one again, or drop the \
                     import (`domesday import drop`).",
                )),
                _ => self.compare(&path, hash, &known),
            },
        }
    }

    fn begin_with(
        &self,
        path: &Path,
        hash: DocumentHash,
        contents: &Contents,
    ) -> Result<Value, Fault> {
        let changed = std::fs::metadata(path).and_then(|found| found.modified()).ok();
        let changed = changed.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let changed = changed.map(|since| Timestamp::from_seconds(since.as_secs()));
        let at = self.moment("at")?.or(changed);
        let at = at.ok_or_else(|| Fault::validation("Say by --at when the snapshot was taken."))?;
        if at > self.service.clock().now() {
            return Err(Fault::validation(format!(
                "The snapshot is of {at}, which is still to come."
            )));
        }
        if contents.latest > at {
            return Err(Fault::validation(format!(
                "The snapshot is said to be of {at}, and holds something of {}: say by --at when it was taken.",
                contents.latest
            )));
        }
        let known = self.begin(self.new_account()?, &contents.digits, Some(hash), at)?;
        self.bring_in(path, &known, at, contents)
    }

    fn bring_in(
        &self,
        path: &Path,
        known: &Importing,
        at: Timestamp,
        contents: &Contents,
    ) -> Result<Value, Fault> {
        let caller = self.operator(known.account);
        let written = baseline::write(self.service, known.account, &caller, path, at, contents)?;
        baseline::note_uses(self.service, known.account, path)?;
        Ok(json!({
            "account": known.digits,
            "state": "based",
            "snapshot": at.to_string(),
            "entities": contents.entities,
            "events": written,
        }))
    }

    /// Founds the account whose history it is to be.
    fn begin(
        &self,
        account: AccountId,
        digits: &str,
        baseline: Option<DocumentHash>,
        at: Timestamp,
    ) -> Result<Importing, Fault> {
        if !is_account_digits(digits) {
            return Err(Fault::validation("An account is named by its 12 digits (--account)."));
        }
        let import: [u8; 16] = random_bytes(self.service.random())?;
        let email = self.text("root_email").map(str::to_owned);
        // Who has the address is not known: this one can be nobody's (RFC 2606).
        let email = email.unwrap_or_else(|| format!("root@{digits}.invalid"));
        let name = self.text("name").unwrap_or("imported").to_owned();
        let caller = self.operator(account);
        let digits = digits.to_owned();
        let named = digits.clone();
        self.service.act(move |service, turn| {
            let system = Caller { account: AccountId::SYSTEM, ..caller.clone() };
            service.install_catalogue(turn, &system)?;
            let act = Act { account: AccountId::SYSTEM, actor: caller.actor(), happened_at: None };
            turn.perform(&act, |tx| {
                let tag = check_email(tx, &email)?;
                let taken = tx.get(AccountId::SYSTEM, &ACCOUNTS, &digits)?.is_some()
                    || tx.get(AccountId::SYSTEM, &EMAILS, &tag)?.is_some();
                if taken {
                    let taken =
                        format!("The account {digits}, or its root user's address, is here.");
                    return Err(Fault::new("EntityAlreadyExists", 409, taken));
                }
                tx.record(AccountRegistered { account, digits: digits.clone() })?;
                let root = UniqueId::root();
                Ok(((), origin(tx, &system, "RegisterAccount", root, None)?))
            })?;
            let act = Act { account, actor: caller.actor(), happened_at: Some(at) };
            turn.perform(&act, |tx| {
                let root = UniqueId::root();
                tx.record(AccountFounded {
                    digits: digits.clone(),
                    name: tx.seal(&root, "account name", &name)?,
                    email: tx.seal(&root, "email", &email)?,
                    email_tag: email_tag(tx, &email)?,
                })?;
                tx.record(ImportBegun { import, baseline })?;
                if baseline.is_none() {
                    tx.record(BaselineTaken { entities: 0 })?;
                }
                Ok(((), origin(tx, &caller, "BeginImport", root, None)?))
            })
        })?;
        let stage = if baseline.is_some() { ImportStage::Begun } else { ImportStage::Based };
        let row = ImportRow { import, baseline, since: at, stage };
        Ok(Importing { account, digits: named, row })
    }

    fn trail(&self) -> Result<Value, Fault> {
        let paths = self.body.get("paths").and_then(Value::as_array);
        let paths: Vec<PathBuf> =
            paths.into_iter().flatten().filter_map(Value::as_str).map(PathBuf::from).collect();
        if paths.is_empty() || paths.len() > PATHS {
            return Err(Fault::validation(format!("A trail is 1 to {PATHS} files or folders.")));
        }
        let from_empty = self.is_set("from_empty");
        let named = self.text("account").map(|digits| self.find(digits)).transpose()?.flatten();
        let known = match (named, from_empty) {
            (Some(known), _) => Some(known),
            (None, true) => None,
            (None, false) => Some(self.importing().map_err(|fault| match fault.code {
                "NoSuchEntity" => Fault::new(
                    "NoSuchEntity",
                    404,
                    "No account is being imported. A trail follows a snapshot of the account (`domesday import \
                     authorization-details FILE`); if it begins with the account itself, say so by --from-empty and \
                     --account.",
                ),
                _ => fault,
            })?),
        };
        match known {
            None => self.trail_from_empty(&paths),
            Some(known) => {
                match known.row.stage {
                    ImportStage::Based => {}
                    ImportStage::Begun => {
                        return Err(Fault::validation(
                            "What the account begins with is not wholly in: give the snapshot again.",
                        ));
                    }
                    ImportStage::Completed | ImportStage::Dropped => {
                        return Err(Fault::validation(
                            "The import is over. What was found later enters a fresh account, in another data folder, \
                             with all the rest.",
                        ));
                    }
                }
                let mut facts = Facts::new(self.service, known.account)?;
                let (found, sorted) =
                    trail::gather(self.service, &paths, &known.digits, &mut facts)?;
                self.replayed(&known, found, sorted, facts)
            }
        }
    }

    /// A trail that begins with its account: the first record says when.
    fn trail_from_empty(&self, paths: &[PathBuf]) -> Result<Value, Fault> {
        let digits = self.text("account").unwrap_or_default();
        if !is_account_digits(digits) {
            return Err(Fault::validation("With --from-empty, name the account by --account."));
        }
        let account = self.new_account()?;
        let mut facts = Facts::new(self.service, account)?;
        let (found, mut sorted) = trail::gather(self.service, paths, digits, &mut facts)?;
        let first = sorted.first()?.ok_or_else(|| {
            let trail::Found { reads, failed, other_accounts, .. } = found;
            Fault::validation(format!(
                "The trail has no change of the account {digits} that could be replayed: {reads} of its records read, \
                 signed in or began sessions, {failed} failed, and {other_accounts} are of other accounts. Uses and \
                 sign-ins alone do not tell who there is: give the records of changes with them, or begin with a \
                 snapshot (`domesday import authorization-details`)."
            ))
        })?;
        let known = self.begin(account, digits, None, first)?;
        self.replayed(&known, found, sorted, facts)
    }

    /// The id of an account that is to be.
    fn new_account(&self) -> Result<AccountId, Fault> {
        Ok(AccountId(random_bytes(self.service.random())?))
    }

    fn replayed(
        &self,
        known: &Importing,
        found: trail::Found,
        sorted: sorted::Sorted,
        facts: Facts<'_>,
    ) -> Result<Value, Fault> {
        let scene = Scene {
            account: known.account,
            digits: known.digits.clone(),
            baseline: known.row.baseline.is_some().then_some(known.row.since),
            known_until: self.newest(known.account)?,
            strangers: Arc::default(),
        };
        let (tally, last) = trail::run(self.service, &scene, sorted)?;
        // Only of a trail that came in; if the run was broken off, the same command tells them.
        let (sessions, [signed_in, refused]) = facts.tell()?;
        let mut shown = json!({
            "account": known.digits,
            "found": found.shown(),
            "replayed": tally.replayed,
            "unchanged": tally.unchanged,
            "not_kept": tally.not_kept,
            "already_in": tally.already,
            "before_the_snapshot": tally.before,
            "late": tally.late,
            "contradictory": tally.contradictory,
            "ambiguous": tally.ambiguous,
            "unknown_credentials": tally.unknown_credentials,
            "sessions": sessions,
            "sign_ins": signed_in,
            "refused_sign_ins": refused,
            "until": last.map(|at| at.to_string()),
        });
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("missing".into(), tally.missing.into());
            fields.insert("missing_records".into(), tally.list.into());
            fields.insert("doubtful_records".into(), tally.doubts.into());
        }
        Ok(shown)
    }

    /// When the newest event of an account had happened.
    fn newest(&self, account: AccountId) -> Result<Timestamp, Fault> {
        let ledger = self.service.ledger();
        let count = ledger.events_of(account, ledger.head().position)?;
        let Some(position) = ledger.position(account, count)? else {
            return Ok(Timestamp::EPOCH);
        };
        let bytes = ledger.event(position)?;
        Ok(Frame::read(position, &bytes)?.header.happened_at)
    }

    fn compare(&self, path: &Path, hash: DocumentHash, known: &Importing) -> Result<Value, Fault> {
        if known.row.stage == ImportStage::Dropped {
            return Err(gate::Unknown::Dropped.into());
        }
        let drift = drift::compare(&self.service.now().passing(), known.account, path)?;
        let accepted = self.is_set("accept_drift");
        let completes = known.row.stage == ImportStage::Based
            && !self.is_set("keep_open")
            && (drift.differences == 0 || accepted);
        let completed = match completes {
            true => Some(self.complete(Some((hash, &drift)))?),
            false => None,
        };
        Ok(json!({
            "account": known.digits,
            "compared": drift.compared,
            "differences": drift.differences,
            "drift": drift.list,
            "completed": known.row.stage == ImportStage::Completed || completed.is_some(),
        }))
    }

    fn complete(&self, compared: Option<(DocumentHash, &drift::Drift)>) -> Result<Value, Fault> {
        let known = self.importing()?;
        match known.row.stage {
            ImportStage::Based => {}
            ImportStage::Completed => return Err(Fault::validation("The import is complete.")),
            ImportStage::Begun => {
                return Err(Fault::validation(
                    "What the account begins with is not wholly in: give the snapshot again.",
                ));
            }
            ImportStage::Dropped => return Err(gate::Unknown::Dropped.into()),
        }
        let account = known.account;
        let caller = self.operator(account);
        let hash = compared.map(|(hash, _)| hash);
        let differences = compared.map_or(0, |(_, drift)| drift.differences);
        let mut list = String::new();
        for one in compared.into_iter().flat_map(|(_, drift)| &drift.list) {
            let line = one.to_string() + "\n";
            if list.len() + line.len() > DRIFT_BYTES {
                break;
            }
            list += &line;
        }
        let position = self.service.act(move |_, turn| {
            let act = Act { account, actor: caller.actor(), happened_at: None };
            turn.perform(&act, |tx| {
                let root = UniqueId::root();
                let drift = match list.is_empty() {
                    true => None,
                    false => Some(tx.seal(&root, DRIFT_FIELD, &list)?),
                };
                tx.record(ImportCompleted { compared: hash, differences, drift })?;
                Ok(((), origin(tx, &caller, "CompleteImport", root, None)?))
            })?;
            Ok(turn.position())
        })?;
        Ok(json!({
            "account": known.digits,
            "state": "completed",
            "event": position,
            "compared": compared.is_some(),
            "differences": compared.map(|_| differences),
        }))
    }

    fn drop(&self) -> Result<Value, Fault> {
        let known = self.importing()?;
        match known.row.stage {
            ImportStage::Completed => {
                return Err(Fault::validation(
                    "The import is complete, and the account one like any other: close it by `domesday account close`.",
                ));
            }
            ImportStage::Dropped => return Err(gate::Unknown::Dropped.into()),
            ImportStage::Begun | ImportStage::Based => {}
        }
        let (account, caller) = (known.account, self.operator(known.account));
        // Before: what is dropped cannot be dropped again.
        self.service.activity().forget_import(account)?;
        self.service.act(move |_, turn| {
            let act = Act { account, actor: caller.actor(), happened_at: None };
            turn.perform(&act, |tx| {
                tx.record(ImportDropped {})?;
                Ok(((), origin(tx, &caller, "DropImport", UniqueId::root(), None)?))
            })
        })?;
        Ok(json!({ "account": known.digits, "state": "dropped" }))
    }

    fn status(&self) -> Result<Value, Fault> {
        let known = self.importing()?;
        status::status(&self.service.now(), known.account, &known.digits, &known.row)
    }
}

/// BLAKE3 of a file.
fn hash_of(path: &Path) -> Result<DocumentHash, Fault> {
    let named = |error: std::io::Error| Fault::validation(format!("{}: {error}", path.display()));
    let file = files::plain(path).map_err(named)?;
    content_hash_of(file).map_err(named)
}
