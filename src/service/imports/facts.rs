//! What records tell besides changes: when keys, roles and passwords were used, and which sessions were begun by
//! whom. It goes to the activity book, as the same facts of requests here do; so last-used dates are known, and
//! `log --person` follows chains of roles.
//!
//! All records of an account are looked at, reads and failures included; of several uses in one span of time the
//! book keeps the first, and what was noted a moment ago is not noted again. What was found is set aside, and told to
//! the book once the trail is in: of a trail that is refused nothing stays. It names its account there, so that it
//! goes when the import is dropped.

use std::collections::HashSet;
use std::hash::BuildHasher;

use bincode::{Decode, Encode};
use serde_json::Value;

use super::record::{Record, Source, date};
use super::sorted::Aside;
use crate::base::crypto;
use crate::base::random::random_bytes;
use crate::base::secret::Secret;
use crate::base::text::hex;
use crate::base::time::Timestamp;
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

/// What a record tells.
#[derive(Encode, Decode)]
enum Fact {
    Used(UniqueId, LastUsed),
    Began(Box<Began>),
}

/// Whether a second factor was given when a session began, as the records of its requests say.
#[derive(Encode, Decode)]
struct Factor {
    session: UniqueId,
    given: bool,
    /// Whose it is, if that is a user of the account, or its root user.
    person: Option<UniqueId>,
    /// The first request that says so.
    at: Timestamp,
}

/// A session that STS began: who began it, as whom, until when.
#[derive(Encode, Decode)]
struct Began {
    key: UniqueId,
    principal: UniqueId,
    name: String,
    issued: Timestamp,
    expires: Timestamp,
    source_identity: Option<String>,
    with: Option<UniqueId>,
    by: UniqueId,
}

/// Gathers what records of an account tell.
pub struct Facts<'a> {
    service: &'a Service,
    account: AccountId,
    aside: Aside<'a>,
    /// [`Factor`]s: told once all sessions are, whatever the order of their records.
    factors: Aside<'a>,
    seen: HashSet<u64>,
    hasher: std::hash::RandomState,
    /// Sign-ins, and those that failed.
    sign_ins: [u64; 2],
}

impl<'a> Facts<'a> {
    /// Those of an account.
    ///
    /// # Errors
    /// If there is no room to set them aside.
    pub fn new(service: &'a Service, account: AccountId) -> Result<Self, Fault> {
        Ok(Facts {
            service,
            account,
            aside: Aside::new(service.random())?,
            factors: Aside::new(service.random())?,
            seen: HashSet::new(),
            hasher: std::hash::RandomState::new(),
            sign_ins: [0; 2],
        })
    }

    /// Looks at a record.
    ///
    /// # Errors
    /// If there is no room for what it tells.
    pub fn observe(&mut self, record: &Record) -> Result<(), Fault> {
        let service = match record.source {
            Source::Iam => "iam",
            Source::Sts => "sts",
            Source::SignIn => SIGN_IN,
        };
        if let Some(key) = record.who.key.as_deref().and_then(UniqueId::parse) {
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
        // Beginning a session counts as reading.
        if record.source == Source::Sts && record.error.is_none() {
            self.session(record, &actor)?;
        }
        self.factor(record)
    }

    /// Tells the activity book what was found. Returns how many sessions it did not know, and how many sign-ins there
    /// were, and failed ones.
    ///
    /// # Errors
    /// If the activity book takes nothing.
    pub fn tell(self) -> Result<(u64, [u64; 2]), Fault> {
        let book = self.service.activity();
        let teller = Teller {
            service: self.service,
            account: self.account,
            view: self.service.now().passing(),
        };
        let (mut waiting, mut sessions) = (Vec::new(), 0);
        self.aside.each(&mut |fact| {
            match fact {
                Fact::Used(what, last) if teller.may_tell_of(&what)? => {
                    waiting.push(Use::of(what, last).told_by(self.account));
                }
                Fact::Used(..) => {}
                Fact::Began(began) => sessions += u64::from(teller.session(*began, None)?),
            }
            if waiting.len() >= AT_ONCE {
                book.note_used(std::mem::take(&mut waiting))?;
            }
            Ok(())
        })?;
        book.note_used(waiting)?;
        book.settle()?;
        self.factors.each(&mut |factor| teller.factor(factor))?;
        book.settle()?;
        book.forget_opened_sessions();
        Ok((sessions, self.sign_ins))
    }

    fn used(&mut self, what: UniqueId, record: &Record, service: &str) -> Result<(), Fault> {
        let (service, region) = (service.to_owned(), record.region.clone());
        let last = LastUsed { at: record.at, service, region };
        let span = Use::of(what.clone(), last.clone()).key();
        if self.is_new(span) {
            self.aside.push(&Fact::Used(what, last))?;
        }
        Ok(())
    }

    fn is_new(&mut self, what: impl std::hash::Hash) -> bool {
        if self.seen.len() >= REMEMBERED {
            self.seen.clear();
        }
        self.seen.insert(self.hasher.hash_one(what))
    }

    fn factor(&mut self, record: &Record) -> Result<(), Fault> {
        let session = record.who.key.as_deref().and_then(UniqueId::parse);
        let session = session.filter(|key| key.kind() == Some(IdKind::SessionKey));
        match session.zip(record.who.mfa) {
            Some((session, given)) if self.is_new((&session, given)) => {
                let actor = record.actor();
                let is_own = record.who.account.as_deref() == Some(record.account.as_str());
                let is_person = actor == UniqueId::root() || actor.kind() == Some(IdKind::User);
                let person = (is_own && is_person).then_some(actor);
                self.factors.push(&Factor { session, given, person, at: record.at })
            }
            _ => Ok(()),
        }
    }

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
        self.aside.push(&Fact::Began(Box::new(Began {
            key,
            principal,
            name,
            issued: record.at,
            expires: told("expiration").and_then(date).unwrap_or(record.at),
            source_identity: record.who.source_identity.clone(),
            with: record.who.key.as_deref().and_then(UniqueId::parse),
            by: actor.clone(),
        })))
    }
}

/// Tells the activity book what was found.
struct Teller<'a> {
    service: &'a Service,
    account: AccountId,
    view: View,
}

impl Teller<'_> {
    /// A trail tells nothing of the keys of other accounts here.
    fn may_tell_of(&self, what: &UniqueId) -> Result<bool, Fault> {
        match what.kind() {
            Some(IdKind::SessionKey) => {
                let session = self.service.activity().session(what)?;
                Ok(session.is_none_or(|session| session.account == self.account))
            }
            Some(IdKind::AccessKey) => {
                let owner = self.view.get(AccountId::SYSTEM, &KEY_ACCOUNTS, what)?;
                Ok(owner.is_none_or(|owner| owner == self.account))
            }
            _ => Ok(true),
        }
    }

    /// Adds to a session of the account whether a second factor was given. Of those of the console no record tells how
    /// they began: a user's, or the root user's, is known by its first request.
    fn factor(&self, Factor { session, given, person, at }: Factor) -> Result<(), Fault> {
        let book = self.service.activity();
        match (book.session(&session)?, person) {
            (None, Some(person)) => {
                let began = Began {
                    key: session,
                    principal: person.clone(),
                    name: String::new(),
                    issued: at,
                    expires: at,
                    source_identity: None,
                    with: None,
                    by: person,
                };
                self.session(began, Some(given)).map(drop)
            }
            (Some(known), _) if known.account == self.account && known.mfa.is_none() => {
                let known = Session { mfa: Some(given), ..Session::clone(&known) };
                Ok(book.note_session(&known, self.service.random())?)
            }
            _ => Ok(()),
        }
    }

    /// Whether a session is new. Nobody here can use it: neither its secret nor its token is known.
    fn session(&self, began: Began, mfa: Option<bool>) -> Result<bool, Fault> {
        let book = self.service.activity();
        if book.session(&began.key)?.is_some() {
            return Ok(false);
        }
        let random = self.service.random();
        let nobodys = Secret::new(hex(&random_bytes::<32>(random)?));
        let session = Session {
            key: began.key,
            account: self.account,
            principal: began.principal,
            name: began.name,
            secret: nobodys.clone(),
            token_hash: crypto::content_hash(nobodys.expose().as_bytes()),
            issued: began.issued,
            expires: began.expires,
            inline_policy: None,
            managed_policies: Vec::new(),
            tags: Vec::new(),
            transitive: Vec::new(),
            source_identity: began.source_identity,
            began_with: began.with,
            began_by: (self.account, began.by),
            mfa,
            console: false,
        };
        book.note_session(&session, random)?;
        Ok(true)
    }
}
