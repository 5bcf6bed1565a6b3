//! One recorded decision, decided again.
//!
//! A receipt names the caller, the action, the resource and every condition key that was known; policies,
//! boundaries and trust are read from the state that is asked for, the session from its descriptor. On the
//! state that the decision saw, what comes out must be what was decided then. A person who was erased since
//! takes the attributes that they had with them: such a decision cannot be made again, and is not called wrong.
//!
//! Whoever decides many of them keeps what was gathered for a principal until something that it was made from
//! changes ([`Replayer::forget`]).

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::touched::Touched;
use crate::identity::change::Trust;
use crate::identity::codec;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::policy::{Context, Outcome, PolicySet, Request, certain};
use crate::projection::directory::Directory;
use crate::projection::tables::{ATTACHED, GROUPS_OF, ROLES, RoleRow, UserRow};
use crate::projection::view::ReadTables;
use crate::projection::{Cut, ProjectionError, Reader, sealing};
use crate::service::activity::receipt::{EVALUATOR, Kind, Receipt};
use crate::service::activity::stored::Stored;
use crate::service::authenticate::{self, NoCredential};
use crate::service::authorize::{Grants, cannot_call_iam, trust_of, verdict};
use crate::service::caller::{Caller, Identity, Source};
use crate::service::evaluation::decide::again;
use crate::service::evaluation::subject::Subject;
use crate::service::fault::Fault;
use crate::service::operations::sts::NEED_TRUST;
use crate::service::organization::{Organization, resource_control_reaches};
use crate::service::sts::ISSUED_KEY;
use crate::service::supposed::needs_trust;
use crate::service::{Service, subject_of};

/// What came of deciding again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// The decision that was recorded.
    Same,
    /// Another one.
    Differs {
        /// What was recorded.
        then: Kind,
        /// What comes out now.
        again: Kind,
        /// Whether another version of the evaluator decided then.
        evaluator_changed: bool,
    },
    /// The caller or the resource was erased since, or the session's descriptor is gone.
    Erased,
    /// The receipt is not of a decision by policies.
    NoDecision,
}

/// Decides a receipt again, on the state that its decision saw.
///
/// # Errors
/// Whatever keeps the ledger or the activity book from being read.
pub fn replay(service: &Service, receipt: &Receipt) -> Result<Replay, Fault> {
    let bytes = codec::encode(receipt).map_err(ProjectionError::from)?;
    let receipt = &Stored::read(&bytes).map_err(ProjectionError::from)?;
    let Some(then) = decided(receipt.kind) else { return Ok(Replay::NoDecision) };
    let view = service.projections().at(Cut { position: receipt.position, time: None });
    let decided = Replayer::new(service).decide(&view, receipt)?;
    Ok(match decided {
        // Whoever asked was there at the time.
        Decided::Erased | Decided::Gone => Replay::Erased,
        Decided::As(outcome) if kind_of(outcome) == then => Replay::Same,
        Decided::As(outcome) => Replay::Differs {
            then: receipt.kind,
            again: kind_of(outcome),
            evaluator_changed: receipt.evaluator != EVALUATOR,
        },
    })
}

/// What policies decided, by a receipt's kind; `None` if it is not of a decision.
pub fn decided(kind: Kind) -> Option<Kind> {
    match kind {
        Kind::Allowed | Kind::ImplicitDeny | Kind::ExplicitDeny => Some(kind),
        // Whoever was issued credentials, or read the audit side, was allowed to; and so, by policies, was
        // whoever was refused them for another reason.
        Kind::Issued | Kind::AuditRead | Kind::Refused => Some(Kind::Allowed),
        Kind::Gap | Kind::SignedIn | Kind::SignInFailed | Kind::SignedOut => None,
    }
}

/// An outcome as receipts have it.
pub fn kind_of(outcome: Outcome) -> Kind {
    match outcome {
        Outcome::Allowed => Kind::Allowed,
        Outcome::ImplicitDeny => Kind::ImplicitDeny,
        Outcome::ExplicitDeny => Kind::ExplicitDeny,
    }
}

/// What a recorded request comes to on a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is decided so.
    As(Outcome),
    /// What it was made from was erased.
    Erased,
    /// Whoever asked is not there.
    Gone,
}

/// Whose policies: account, principal, credential, and whether somebody else asked about it.
type Whose = (AccountId, UniqueId, Option<UniqueId>, bool);

/// What judges whoever asked.
struct Held {
    who: Who,
    /// Its ARN; a session's own.
    arn: String,
    grants: Grants,
}

enum Who {
    Caller(Box<Caller>),
    Subject(Box<Subject>),
    Erased,
    Gone,
}

/// Decides recorded requests, one after the other.
pub struct Replayer<'a> {
    service: &'a Service,
    held: FxHashMap<Whose, Arc<Held>>,
    /// What was gathered from an id.
    from: HashMap<(AccountId, String), Vec<Whose>>,
    trusts: HashMap<(AccountId, UniqueId), Option<Arc<PolicySet>>>,
    organizations: HashMap<AccountId, Arc<Organization>>,
    digits: HashMap<AccountId, Arc<str>>,
}

/// Of each kind; beyond it all are dropped and gathered again.
const KEPT: usize = 20_000;

impl<'a> Replayer<'a> {
    /// With nothing gathered yet.
    pub fn new(service: &'a Service) -> Self {
        Replayer {
            service,
            held: FxHashMap::default(),
            from: HashMap::new(),
            trusts: HashMap::new(),
            organizations: HashMap::new(),
            digits: HashMap::new(),
        }
    }

    /// Forgets what was gathered from something that has changed.
    pub fn forget(&mut self, touched: &Touched) {
        match touched {
            Touched::Ids(account, ids) => {
                for id in ids {
                    for whose in self.from.remove(&(*account, id.clone())).unwrap_or_default() {
                        self.held.remove(&whose);
                    }
                    if let Some(role) = UniqueId::parse(id) {
                        self.trusts.remove(&(*account, role));
                    }
                }
            }
            Touched::Account(account) => {
                self.held.retain(|whose, _| whose.0 != *account);
                self.organizations.remove(account);
            }
            Touched::All => {
                self.held.clear();
                self.from.clear();
                self.organizations.clear();
            }
        }
    }

    /// Decides a receipt's request on the state that a reader shows; it must be of a decision.
    ///
    /// The context is only opened where the decision may hang on it: what is certain without any key is certain
    /// with all of them.
    ///
    /// # Errors
    /// Whatever keeps the rows or the activity book from being read.
    pub fn decide(&mut self, reader: &dyn Reader, receipt: &Stored<'_>) -> Result<Decided, Fault> {
        let keys = self.service.projections().keys();
        let (owner, resource) = (subject_of(&receipt.resource), receipt.resource_arn);
        let resource =
            sealing::unseal(keys, receipt.account, &owner, "receipt resource", resource)?;
        let Some(resource) = resource else { return Ok(Decided::Erased) };
        let held = self.held(reader, receipt)?;
        match &held.who {
            Who::Erased => Ok(Decided::Erased),
            Who::Gone => Ok(Decided::Gone),
            Who::Caller(caller) => self.as_caller(reader, receipt, &held, caller, &resource),
            Who::Subject(subject) => self.as_subject(reader, receipt, &held, subject, &resource),
        }
    }

    fn as_caller(
        &mut self,
        reader: &dyn Reader,
        receipt: &Stored<'_>,
        held: &Held,
        caller: &Caller,
        resource: &str,
    ) -> Result<Decided, Fault> {
        let trust = match NEED_TRUST.contains(&receipt.action) {
            false => None,
            true => Some(self.trust(reader, receipt, resource)?),
        };
        let mut policies = match &trust {
            Some(trust) => held.grants.policies_and_trust(trust.as_deref()),
            None => held.grants.policies(),
        };
        let foreign = match receipt.account == caller.account {
            true => None,
            false => Some((
                self.organization(reader, receipt.account)?,
                self.digits(reader, receipt.account)?,
            )),
        };
        if resource_control_reaches(receipt.action) {
            policies.rcp = match &foreign {
                None => &held.grants.organization.rcp,
                Some((organization, _)) => &organization.rcp,
            };
        }
        let owner = foreign.as_ref().map(|(_, digits)| digits.as_ref());
        let nothing = Context::new();
        let principal = caller.principal(&held.arn);
        let mut request = Request::new(principal, receipt.action, resource, &nothing);
        if let Some(digits) = owner {
            request = request.owned_by(digits);
        }
        if !caller.is_operator()
            && !cannot_call_iam(caller, receipt.action)
            && let Some(outcome) = certain(&request, &policies)
        {
            return Ok(Decided::As(outcome));
        }
        let Some(context) = context(self.service, receipt)? else { return Ok(Decided::Erased) };
        let (decision, _) = verdict(caller, receipt.action, (resource, owner), &policies, &context);
        Ok(Decided::As(decision.outcome))
    }

    /// As whoever somebody asked about.
    fn as_subject(
        &mut self,
        reader: &dyn Reader,
        receipt: &Stored<'_>,
        held: &Held,
        subject: &Subject,
        resource: &str,
    ) -> Result<Decided, Fault> {
        let (account, action) = (receipt.principal.0, receipt.action);
        if !needs_trust(action) && !subject.cannot(action) {
            let nothing = Context::new();
            let request = Request::new(subject.principal(&held.arn), action, resource, &nothing);
            if let Some(outcome) = certain(&request, &held.grants.policies_on(action, None)) {
                return Ok(Decided::As(outcome));
            }
        }
        let Some(context) = context(self.service, receipt)? else { return Ok(Decided::Erased) };
        let judged = (subject, &held.grants);
        let wanted = (action, resource);
        again(self.service, reader, account, judged, wanted, &context).map(Decided::As)
    }

    fn trust(
        &mut self,
        reader: &dyn Reader,
        receipt: &Stored<'_>,
        resource: &str,
    ) -> Result<Option<Arc<PolicySet>>, Fault> {
        let of = (receipt.account, receipt.resource.clone());
        if let Some(trust) = self.trusts.get(&of) {
            return Ok(trust.clone());
        }
        let documents = self.service.documents();
        let role: Option<Trust> =
            reader.get(receipt.account, &ROLES, &receipt.resource)?.map(|role| role.trust);
        let trust = role.map(|trust| documents.trust(reader, &trust)).transpose()?;
        let trust = trust_of(resource, trust).map(Arc::new);
        if self.trusts.len() >= KEPT {
            self.trusts.clear();
        }
        self.trusts.insert(of, trust.clone());
        Ok(trust)
    }

    fn organization(
        &mut self,
        reader: &dyn Reader,
        account: AccountId,
    ) -> Result<Arc<Organization>, Fault> {
        if let Some(organization) = self.organizations.get(&account) {
            return Ok(organization.clone());
        }
        let organization = Arc::new(Organization::of(self.service.documents(), reader, account)?);
        self.organizations.insert(account, organization.clone());
        Ok(organization)
    }

    fn digits(&mut self, reader: &dyn Reader, account: AccountId) -> Result<Arc<str>, Fault> {
        if let Some(digits) = self.digits.get(&account) {
            return Ok(digits.clone());
        }
        let digits: Arc<str> = Directory::new(reader, account).digits()?.into();
        self.digits.insert(account, digits.clone());
        Ok(digits)
    }

    fn held(&mut self, reader: &dyn Reader, receipt: &Stored<'_>) -> Result<Arc<Held>, Fault> {
        let (account, id) = &receipt.principal;
        let is_asked = receipt.asked_by.is_some();
        let whose = (*account, id.clone(), receipt.credential.clone(), is_asked);
        if let Some(held) = self.held.get(&whose) {
            return Ok(held.clone());
        }
        let is_there = self.service.projections().keys();
        let is_there = is_there.has(&sealing::subject(*account, &subject_of(id)));
        let who = match is_asked {
            _ if !is_there => Who::Erased,
            false => caller(self.service, reader, receipt)?,
            true => subject(self.service, reader, receipt)?,
        };
        let grants = match &who {
            Who::Caller(caller) => Grants::of_caller(self.service.documents(), reader, caller)?,
            Who::Subject(subject) => subject.grants(self.service, reader)?,
            Who::Erased | Who::Gone => Grants::default(),
        };
        let mut from = closure(Directory::new(reader, *account), id)?;
        if let Who::Caller(caller) = &who {
            let passed = caller.session().map(|session| session.managed_policies.clone());
            from.extend(passed.into_iter().flatten().map(|policy| policy.0));
        }
        let arn = match &who {
            Who::Caller(caller) => caller.arn(),
            Who::Subject(subject) => subject.arn(),
            Who::Erased | Who::Gone => String::new(),
        };
        let held = Arc::new(Held { who, arn, grants });
        if self.held.len() >= KEPT {
            self.held.clear();
            self.from.clear();
        }
        for id in from {
            self.from.entry((*account, id)).or_default().push(whose.clone());
        }
        self.held.insert(whose, held.clone());
        Ok(held)
    }
}

/// The ids that a principal's policies come from: its own, its groups', its policies'.
fn closure(directory: Directory<'_>, id: &UniqueId) -> Result<Vec<String>, Fault> {
    let Directory { reader, account } = directory;
    let mut owners = vec![id.clone()];
    owners.extend(reader.list(account, &GROUPS_OF, id)?.into_iter().map(|member| member.group));
    let mut ids = Vec::new();
    for owner in &owners {
        let attached = reader.list(account, &ATTACHED, owner)?;
        ids.extend(attached.into_iter().map(|row| row.policy.0));
    }
    ids.extend(owners.into_iter().map(|owner| owner.to_string()));
    let boundary = match id.kind() {
        Some(IdKind::Role) => directory.by_id::<RoleRow>(id)?.and_then(|role| role.row.boundary),
        _ => directory.by_id::<UserRow>(id)?.and_then(|user| user.row.boundary),
    };
    ids.extend(boundary.map(|policy| policy.0));
    Ok(ids)
}

/// Opens the context of a receipt; `None` if whoever asked was erased.
fn context(service: &Service, receipt: &Stored<'_>) -> Result<Option<Context<'static>>, Fault> {
    let keys = service.projections().keys();
    let (account, id) = &receipt.principal;
    let whole = receipt.whole().map_err(ProjectionError::from)?;
    let (subject, personal) = (subject_of(id), &whole.personal);
    let personal = sealing::unseal(keys, *account, &subject, "receipt context", personal)?;
    let Some(personal) = personal else { return Ok(None) };
    let personal: Personal = serde_json::from_str(&personal).map_err(Fault::internal)?;
    let mut context = Context::new();
    let plain = whole.context.into_iter().filter(|(key, _)| key != ISSUED_KEY);
    for (key, mut values) in plain.chain(personal.0) {
        match (values.pop(), values.is_empty()) {
            (Some(value), true) => context.set(key, value),
            (last, _) => {
                values.extend(last);
                context.set_many(key, values);
            }
        }
    }
    Ok(Some(context))
}

/// Keys and their values, in the order in which they are written.
struct Personal(Vec<(String, Vec<String>)>);

impl<'de> serde::Deserialize<'de> for Personal {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> serde::de::Visitor<'de> for Pairs {
            type Value = Personal;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("condition keys")
            }
            fn visit_map<M: serde::de::MapAccess<'de>>(
                self,
                mut map: M,
            ) -> Result<Personal, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Personal(pairs))
            }
        }
        from.deserialize_map(Pairs)
    }
}

/// Whoever was asked about.
fn subject(service: &Service, reader: &dyn Reader, receipt: &Stored<'_>) -> Result<Who, Fault> {
    let (account, id) = &receipt.principal;
    match (id.kind(), &receipt.credential) {
        (Some(IdKind::Role), None) => Ok(match Subject::of_role(reader, *account, id)? {
            Some(role) => Who::Subject(Box::new(role)),
            None => Who::Gone,
        }),
        _ => Ok(match caller(service, reader, receipt)? {
            Who::Caller(caller) => Who::Subject(Box::new(Subject::Known(*caller))),
            other => other,
        }),
    }
}

/// Whoever asked.
fn caller(service: &Service, reader: &dyn Reader, receipt: &Stored<'_>) -> Result<Who, Fault> {
    let (account, id) = &receipt.principal;
    let identity = if id.as_str() == "operator" {
        Identity::Operator { name: String::new() }
    } else {
        let session = match &receipt.credential {
            Some(key) if key.kind() == Some(IdKind::SessionKey) => {
                let Some(session) = service.activity().session(key)? else {
                    return Ok(Who::Erased);
                };
                Some(session)
            }
            _ => None,
        };
        match authenticate::owner(reader, *account, id, session.as_ref()) {
            Ok(identity) => identity,
            Err(NoCredential::Failed(error)) => return Err(error.into()),
            Err(_) => return Ok(Who::Gone),
        }
    };
    Ok(Who::Caller(Box::new(Caller {
        account: *account,
        digits: Directory::new(reader, *account).digits()?,
        identity,
        credential: receipt.credential.clone(),
        at: receipt.at,
        request_id: receipt.request.to_owned(),
        source: Source::default(),
    })))
}
