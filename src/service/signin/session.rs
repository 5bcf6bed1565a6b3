//! Sessions of the console: a browser's cookie, and the caller that it stands for.
//!
//! A cookie holds the access key id and the token of a session, and of a second one where the person has
//! switched to a role. The session itself lies in the activity book like those of STS; nobody is given its
//! secret, so that it signs no requests. It ends:
//!
//! - so long after it began, and so long after it was last used, as [`Lengths`] say;
//! - by signing out, here or everywhere;
//! - when the user's password is set or removed, or the user is deleted.

use std::sync::Arc;

use crate::base::crypto::content_hash;
use crate::base::random::random_bytes;
use crate::base::secret::Secret;
use crate::base::text::{base64_url, hex};
use crate::base::time::Timestamp;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::tables::{ACCOUNT, LOGIN_PROFILES};
use crate::projection::view::ReadTables;
use crate::projection::{ProjectionError, View};
use crate::service::Service;
use crate::service::activity::facts::Facts;
use crate::service::activity::receipt::{Kind, LastUsed};
use crate::service::activity::session::Session;
pub use crate::service::activity::usage::SIGN_IN;
use crate::service::activity::usage::Use;
use crate::service::activity::{ActivityBook, Ended};
use crate::service::authenticate::{self, Arrival, NoCredential};
use crate::service::caller::Caller;
use crate::service::fault::Fault;
use crate::service::sts::new_secret;

/// Seconds that a session lasts, if nothing else is said.
pub const LONGEST: i64 = 12 * 3_600;
/// Seconds after which an unused session has ended, if nothing else is said.
pub const IDLE: i64 = 30 * 60;

/// How long sessions last. As [`LONGEST`] and [`IDLE`] they are what NIST SP 800-63B asks for at its second level
/// of assurance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Seconds from their beginning, for those that begin from now on.
    pub longest: i64,
    /// Seconds from their last use.
    pub idle: i64,
}

impl Default for Lengths {
    fn default() -> Self {
        Lengths { longest: LONGEST, idle: IDLE }
    }
}

/// The region of requests that come by the console.
pub const REGION: &str = "us-east-1";

const TOKEN_BYTES: usize = 32;

/// What a browser keeps: one credential, or two after switching to a role.
#[derive(Clone, Debug)]
pub struct Cookie {
    /// The session that began at sign-in.
    pub own: Pass,
    /// The role's session that the person switched to.
    pub role: Option<Pass>,
}

/// A session's access key id and token.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The access key id.
    pub key: UniqueId,
    /// The token.
    pub token: Secret<String>,
}

impl Pass {
    fn read(text: &str) -> Option<Self> {
        let (key, token) = text.split_once('.')?;
        let key = UniqueId::parse(key).filter(|key| key.kind() == Some(IdKind::SessionKey))?;
        Some(Pass { key, token: Secret::new(token.to_owned()) })
    }
}

impl Cookie {
    /// Reads a cookie's value.
    pub fn read(text: &str) -> Option<Self> {
        match text.split_once('|') {
            None => Some(Cookie { own: Pass::read(text)?, role: None }),
            Some((own, role)) => {
                Some(Cookie { own: Pass::read(own)?, role: Some(Pass::read(role)?) })
            }
        }
    }

    /// The cookie's value.
    pub fn value(&self) -> Secret<String> {
        let of = |pass: &Pass| format!("{}.{}", pass.key, pass.token.expose());
        Secret::new(match &self.role {
            None => of(&self.own),
            Some(role) => format!("{}|{}", of(&self.own), of(role)),
        })
    }

    /// What forms of this session carry, so that no other site can send them: a hash of the token, which
    /// that site does not know. Switching roles changes it.
    pub fn form_token(&self) -> String {
        let value = self.value();
        hex(&content_hash(format!("domesday forms\0{}", value.expose()).as_bytes()))
    }
}

/// Whom a cookie stands for.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Who acts: the person, or the role that it switched to.
    pub caller: Caller,
    /// The person.
    pub person: Caller,
    /// The cookie.
    pub cookie: Cookie,
}

/// A session that nobody has yet, and its token.
pub(super) fn new(
    service: &Service,
    account: AccountId,
    principal: &UniqueId,
    mfa: bool,
    at: Timestamp,
) -> Result<(Session, Secret<String>), Fault> {
    let random = service.random();
    let token = Secret::new(base64_url(&random_bytes::<TOKEN_BYTES>(random)?));
    let session = Session {
        key: UniqueId::generate(IdKind::SessionKey, random)?,
        account,
        principal: principal.clone(),
        name: String::new(),
        secret: new_secret(random)?,
        token_hash: content_hash(token.expose().as_bytes()),
        issued: at,
        expires: at.plus_seconds(service.session_lengths().longest),
        inline_policy: None,
        managed_policies: Vec::new(),
        tags: Vec::new(),
        transitive: Vec::new(),
        source_identity: None,
        began_with: None,
        began_by: (account, principal.clone()),
        mfa: Some(mfa),
        console: true,
    };
    Ok((session, token))
}

/// Begins a session for whoever proved to be a user or the root user.
pub fn begin(
    service: &Service,
    account: AccountId,
    principal: &UniqueId,
    mfa: bool,
    arrival: &Arrival,
) -> Result<Cookie, Fault> {
    let random = service.random();
    // A password that was set on the way here is a moment younger than the request.
    let set = password_set(&service.now(), account, principal)?;
    let at = set.unwrap_or_default().max(arrival.at);
    let (session, token) = new(service, account, principal, mfa, at)?;
    let key = session.key.clone();
    let receipt =
        service.sign_in_receipt(Kind::SignedIn, account, principal, Some(&key), arrival)?;
    let now = LastUsed { at: arrival.at, service: SIGN_IN.to_owned(), region: REGION.to_owned() };
    let person = ActivityBook::person(account, principal);
    let used = vec![Use::of(person, now.clone()), Use::of(key.clone(), now)];
    service.activity().keep_session(&session, (receipt, used), None, random)?;
    Ok(Cookie { own: Pass { key, token }, role: None })
}

/// Finds whom a cookie stands for.
///
/// # Errors
/// [`NoCredential`] if its session ended, whatever ended it.
pub fn visitor(
    service: &Service,
    now: &View,
    cookie: Cookie,
    arrival: &Arrival,
) -> Result<Visitor, NoCredential> {
    let (session, person) = open(service, now, &cookie.own, arrival)?;
    let idle = service.session_lengths().idle;
    let stands = session.console && is_in_use(service.activity(), &session, idle, arrival.at)?;
    if !stands || service.activity().is_ended(&session)? || !password_stands(now, &session)? {
        return Err(NoCredential::Expired);
    }
    let caller = match &cookie.role {
        None => person.clone(),
        Some(pass) => {
            let (session, caller) = open(service, now, pass, arrival)?;
            // Only a session that this very person began by switching.
            if session.began_with.as_ref() != Some(&cookie.own.key) {
                return Err(NoCredential::Invalid);
            }
            caller
        }
    };
    Ok(Visitor { caller, person, cookie })
}

fn open(
    service: &Service,
    now: &View,
    pass: &Pass,
    arrival: &Arrival,
) -> Result<(Arc<Session>, Caller), NoCredential> {
    let session = service.activity().session(&pass.key)?.ok_or(NoCredential::Invalid)?;
    let caller = authenticate::by_token(now, &session, &pass.token, arrival.clone())?;
    Ok((session, caller))
}

/// Every request of the console notes that its session was used.
fn is_in_use(
    facts: &dyn Facts,
    session: &Session,
    idle: i64,
    at: Timestamp,
) -> Result<bool, NoCredential> {
    let last = facts.last_used(&session.key, at)?.map_or(session.issued, |used| used.at);
    Ok(last.plus_seconds(idle) > at)
}

/// A password that was set since ends what began with the one before.
fn password_stands(now: &View, session: &Session) -> Result<bool, NoCredential> {
    let set = password_set(now, session.account, &session.principal)?;
    Ok(set.is_some_and(|set| set <= session.issued))
}

/// When the password of a user, or of the root user, was set, if there is one.
fn password_set(
    now: &View,
    account: AccountId,
    principal: &UniqueId,
) -> Result<Option<Timestamp>, ProjectionError> {
    if *principal == UniqueId::root() {
        return Ok(now.get(account, &ACCOUNT, &())?.and_then(|row| row.root_password_set));
    }
    Ok(now.get(account, &LOGIN_PROFILES, principal)?.map(|row| row.password_set))
}

impl Service {
    /// How long sessions of the console last.
    pub fn session_lengths(&self) -> Lengths {
        *self.gate.lengths.read()
    }

    /// Says how long they last. Those that began already keep their latest end.
    pub fn set_session_lengths(&self, lengths: Lengths) {
        *self.gate.lengths.write() = lengths;
    }

    /// Ends the session behind a cookie.
    ///
    /// # Errors
    /// If that cannot be kept.
    pub fn sign_out(&self, visitor: &Visitor, arrival: &Arrival) -> Result<(), Fault> {
        self.end(&visitor.person, Ended::One(visitor.cookie.own.key.clone()), arrival)
    }

    /// Ends all sessions of the console that a person has.
    ///
    /// # Errors
    /// If that cannot be kept.
    pub fn sign_out_everywhere(&self, visitor: &Visitor, arrival: &Arrival) -> Result<(), Fault> {
        let person = &visitor.person;
        self.end(person, Ended::AllOf((person.account, person.principal_id())), arrival)
    }

    fn end(&self, person: &Caller, ended: Ended, arrival: &Arrival) -> Result<(), Fault> {
        let id = person.principal_id();
        let credential = person.credential.as_ref();
        let receipt =
            self.sign_in_receipt(Kind::SignedOut, person.account, &id, credential, arrival)?;
        self.activity().end_sessions(&ended, receipt)
    }

    /// A fresh session in place of one whose password was just changed by its own person: whoever else has
    /// the old cookie is out.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub fn renew(&self, visitor: &Visitor, arrival: &Arrival) -> Result<Cookie, Fault> {
        let person = &visitor.person;
        let mfa = person.session().and_then(|session| session.mfa).unwrap_or(false);
        let principal = person.principal_id();
        if person.is_root() {
            self.sign_out_everywhere(visitor, arrival)?;
        }
        begin(self, person.account, &principal, mfa, arrival)
    }
}
