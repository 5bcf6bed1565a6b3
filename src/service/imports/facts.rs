//! What records tell besides changes: when keys, roles and passwords were used, and which sessions were begun by
//! whom. It goes to the activity book, as the same facts of requests here do; so last-used dates are known, and
//! `log --person` follows chains of roles.
//!
//! All records of an account are looked at, reads and failures included; of several uses in one span of time the
//! book keeps the first, and what was noted a moment ago is not noted again.

use std::collections::HashSet;

use serde_json::Value;

use super::record::{Record, Source, date};
use crate::base::crypto;
use crate::base::random::random_bytes;
use crate::base::secret::Secret;
use crate::base::text::hex;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::View;
use crate::projection::tables::KEY_ACCOUNTS;
use crate::projection::view::ReadTables;
use crate::service::Service;
use crate::service::activity::receipt::LastUsed;
use crate::service::activity::session::Session;
use crate::service::activity::usage::{SIGN_IN, Use, principal_key};
use crate::service::fault::Fault;

/// Uses that are noted at once.
const AT_ONCE: usize = 1_000;
/// Spans that are remembered.
const REMEMBERED: usize = 50_000;

/// Gathers what records of an account tell.
pub struct Facts<'a> {
    service: &'a Service,
    account: AccountId,
    view: View,
    waiting: Vec<Use>,
    seen: HashSet<u64>,
    hasher: std::hash::RandomState,
    /// Sessions that are known by now.
    pub sessions: u64,
    /// Sign-ins, and those that failed.
    pub sign_ins: [u64; 2],
}

impl<'a> Facts<'a> {
    /// Those of an account.
    pub fn new(service: &'a Service, account: AccountId) -> Self {
        Facts {
            service,
            account,
            view: service.now().passing(),
            waiting: Vec::new(),
            seen: HashSet::new(),
            hasher: std::hash::RandomState::new(),
            sessions: 0,
            sign_ins: [0; 2],
        }
    }

    /// Looks at a record.
    ///
    /// # Errors
    /// If the activity book takes nothing.
    pub fn observe(&mut self, record: &Record) -> Result<(), Fault> {
        let service = match record.source {
            Source::Iam => "iam",
            Source::Sts => "sts",
            Source::SignIn => SIGN_IN,
        };
        if let Some(key) = record.who.key.as_deref().and_then(UniqueId::parse)
            && self.may_tell_of(&key)?
        {
            self.used(key, record, service)?;
        }
        let actor = record.actor();
        if actor.kind() == Some(IdKind::Role) {
            self.used(actor.clone(), record, service)?;
        }
        if record.name == "ConsoleLogin" {
            let answer = record.answer();
            let succeeded = answer.get("ConsoleLogin").and_then(Value::as_str) == Some("Success");
            if let Some(count) = self.sign_ins.get_mut(usize::from(!succeeded)) {
                *count += 1;
            }
            let is_person = actor == UniqueId::root() || actor.kind() == Some(IdKind::User);
            if succeeded && is_person {
                self.used(principal_key(self.account, &actor), record, SIGN_IN)?;
            }
        }
        if record.source == Source::Sts && record.error.is_none() && !record.reads {
            self.session(record, &actor)?;
        }
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// If the activity book takes nothing.
    pub fn finish(mut self) -> Result<(u64, [u64; 2]), Fault> {
        self.flush()?;
        self.service.activity().settle()?;
        Ok((self.sessions, self.sign_ins))
    }

    /// A trail tells nothing of the keys of other accounts here.
    fn may_tell_of(&self, key: &UniqueId) -> Result<bool, Fault> {
        if key.kind() == Some(IdKind::SessionKey) {
            let session = self.service.activity().session(key)?;
            return Ok(session.is_none_or(|session| session.account == self.account));
        }
        let owner = self.view.get(AccountId::SYSTEM, &KEY_ACCOUNTS, key)?;
        Ok(owner.is_none_or(|owner| owner == self.account))
    }

    fn used(&mut self, what: UniqueId, record: &Record, service: &str) -> Result<(), Fault> {
        use std::hash::BuildHasher;
        let (service, region) = (service.to_owned(), record.region.clone());
        let used = Use::of(what, LastUsed { at: record.at, service, region });
        if self.seen.len() >= REMEMBERED {
            self.seen.clear();
        }
        if self.seen.insert(self.hasher.hash_one(used.key())) {
            self.waiting.push(used);
        }
        if self.waiting.len() >= AT_ONCE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.service.activity().note_used(std::mem::take(&mut self.waiting))
    }

    /// The session that STS began: who began it, as whom, until when. Nobody here can use it: neither its secret
    /// nor its token is known.
    fn session(&mut self, record: &Record, actor: &UniqueId) -> Result<(), Fault> {
        let answer = record.answer();
        let credentials = answer.get("credentials");
        let told = |field: &str| credentials.and_then(|all| all.get(field)?.as_str());
        let key = told("accessKeyId").and_then(UniqueId::parse);
        let Some(key) = key.filter(|key| key.kind() == Some(IdKind::SessionKey)) else {
            return Ok(());
        };
        let assumed =
            answer.get("assumedRoleUser").and_then(|user| user.get("assumedRoleId")?.as_str());
        let (principal, name) = match assumed.and_then(|id| id.split_once(':')) {
            Some((role, name)) => (UniqueId::parse(role), name.to_owned()),
            None => (Some(actor.clone()), String::new()),
        };
        let Some(principal) =
            principal.filter(|id| matches!(id.kind(), Some(IdKind::Role | IdKind::User)))
        else {
            return Ok(());
        };
        let book = self.service.activity();
        if book.session(&key)?.is_some() {
            return Ok(());
        }
        let random = self.service.random();
        let nobodys = Secret::new(hex(&random_bytes::<32>(random)?));
        let session = Session {
            key,
            account: self.account,
            principal,
            name,
            secret: nobodys.clone(),
            token_hash: crypto::content_hash(nobodys.expose().as_bytes()),
            issued: record.at,
            expires: told("expiration").and_then(date).unwrap_or(record.at),
            inline_policy: None,
            managed_policies: Vec::new(),
            tags: Vec::new(),
            transitive: Vec::new(),
            source_identity: record.who.source_identity.clone(),
            began_with: record.who.key.as_deref().and_then(UniqueId::parse),
            began_by: (self.account, actor.clone()),
            mfa: None,
            console: false,
        };
        book.note_session(&session, random)?;
        self.sessions += 1;
        Ok(())
    }
}
