//! Deciding a recorded decision again, at the position that it saw: what a receipt is worth.
//!
//! A receipt names the caller, the action, the resource and every condition key that was known; policies,
//! boundaries and trust are read as of its position, the session from its descriptor. What comes out must
//! be what was decided then. A person who was erased since takes the attributes that they had with them:
//! such a decision cannot be made again, and is not called wrong.

use std::collections::BTreeMap;

use crate::identity::id::{IdKind, UniqueId};
use crate::policy::{Context, Outcome};
use crate::projection::directory::Directory;
use crate::projection::tables::ROLES;
use crate::projection::view::ReadTables;
use crate::projection::{Cut, View, sealing};
use crate::service::activity::receipt::{EVALUATOR, Kind, Receipt};
use crate::service::authenticate::{self, NoCredential};
use crate::service::authorize::{Grants, trust_of, verdict};
use crate::service::caller::{Caller, Identity, Source};
use crate::service::evaluation::decide::again;
use crate::service::evaluation::keys::ASKED_BY;
use crate::service::evaluation::subject::Subject;
use crate::service::fault::Fault;
use crate::service::operations::sts::NEED_TRUST;
use crate::service::organization::{Organization, resource_control_reaches};
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

/// Decides a receipt again.
///
/// # Errors
/// Whatever keeps the ledger or the activity book from being read.
pub fn replay(service: &Service, receipt: &Receipt) -> Result<Replay, Fault> {
    let then = match receipt.kind {
        Kind::Allowed | Kind::ImplicitDeny | Kind::ExplicitDeny => receipt.kind,
        // Whoever was issued credentials, or read the audit side, was allowed to; and so, by policies, was
        // whoever was refused them for another reason.
        Kind::Issued | Kind::AuditRead | Kind::Refused => Kind::Allowed,
        Kind::Gap | Kind::SignedIn | Kind::SignInFailed | Kind::SignedOut => {
            return Ok(Replay::NoDecision);
        }
    };
    let view = service.projections().at(Cut { position: receipt.position, time: None });
    let outcome = match receipt.context.iter().any(|(key, _)| key == ASKED_BY) {
        true => evaluate(service, &view, receipt)?,
        false => match asked(service, &view, receipt)? {
            Some(asked) => Some(decide(service, &view, receipt, &asked)?),
            None => None,
        },
    };
    let Some(outcome) = outcome else { return Ok(Replay::Erased) };
    let again = match outcome {
        Outcome::Allowed => Kind::Allowed,
        Outcome::ImplicitDeny => Kind::ImplicitDeny,
        Outcome::ExplicitDeny => Kind::ExplicitDeny,
    };
    Ok(match again == then {
        true => Replay::Same,
        false => {
            let evaluator_changed = receipt.evaluator != EVALUATOR;
            Replay::Differs { then: receipt.kind, again, evaluator_changed }
        }
    })
}

/// The request, as far as it was recorded.
struct Asked {
    caller: Caller,
    resource: String,
    context: Context<'static>,
}

/// Decides again what somebody asked about a subject; `None` if somebody was erased.
fn evaluate(service: &Service, view: &View, receipt: &Receipt) -> Result<Option<Outcome>, Fault> {
    let Some((resource, context)) = opened(service, receipt)? else { return Ok(None) };
    let (account, id) = &receipt.principal;
    let subject = match (id.kind(), &receipt.credential) {
        (Some(IdKind::Role), None) => Subject::of_role(view, *account, id)?,
        _ => asked(service, view, receipt)?.map(|asked| Subject::Known(asked.caller)),
    };
    let Some(subject) = subject else { return Ok(None) };
    let wanted = (receipt.action.as_str(), resource.as_str());
    again(service, view, *account, &subject, wanted, &context).map(Some)
}

/// Opens the resource and the context of a receipt; `None` if somebody was erased.
fn opened(
    service: &Service,
    receipt: &Receipt,
) -> Result<Option<(String, Context<'static>)>, Fault> {
    let keys = service.projections().keys();
    let open = |account, id: &UniqueId, field, sealed| {
        sealing::unseal(keys, account, &subject_of(id), field, sealed)
    };
    let (account, id) = &receipt.principal;
    let resource =
        open(receipt.account, &receipt.resource, "receipt resource", &receipt.resource_arn)?;
    let personal = open(*account, id, "receipt context", &receipt.personal)?;
    let (Some(resource), Some(personal)) = (resource, personal) else { return Ok(None) };
    let personal: BTreeMap<String, Vec<String>> =
        serde_json::from_str(&personal).map_err(Fault::internal)?;
    let mut context = Context::new();
    for (key, mut values) in receipt.context.iter().cloned().chain(personal) {
        match (values.pop(), values.is_empty()) {
            (Some(value), true) => context.set(key, value),
            (last, _) => {
                values.extend(last);
                context.set_many(key, values);
            }
        }
    }
    Ok(Some((resource, context)))
}

/// The request, opened; `None` if somebody was erased.
fn asked(service: &Service, view: &View, receipt: &Receipt) -> Result<Option<Asked>, Fault> {
    let Some((resource, context)) = opened(service, receipt)? else { return Ok(None) };
    let Some(identity) = identity(service, view, receipt)? else { return Ok(None) };
    let account = &receipt.principal.0;
    let caller = Caller {
        account: *account,
        digits: Directory::new(view, *account).digits()?,
        identity,
        credential: receipt.credential.clone(),
        at: receipt.at,
        request_id: receipt.request.clone(),
        source: Source::default(),
    };
    Ok(Some(Asked { caller, resource, context }))
}

/// Who asked; `None` if the session's descriptor is gone.
fn identity(service: &Service, view: &View, receipt: &Receipt) -> Result<Option<Identity>, Fault> {
    let (account, id) = &receipt.principal;
    if id.as_str() == "operator" {
        return Ok(Some(Identity::Operator { name: String::new() }));
    }
    let session = match &receipt.credential {
        Some(key) if key.kind() == Some(IdKind::SessionKey) => {
            let Some(session) = service.activity().session(key)? else { return Ok(None) };
            Some(session)
        }
        _ => None,
    };
    match authenticate::owner(view, *account, id, session.as_ref()) {
        Ok(identity) => Ok(Some(identity)),
        Err(NoCredential::Failed(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

fn decide(
    service: &Service,
    view: &View,
    receipt: &Receipt,
    asked: &Asked,
) -> Result<Outcome, Fault> {
    let documents = service.documents();
    let grants = Grants::of_caller(documents, view, &asked.caller)?;
    let needs_trust = NEED_TRUST.contains(&receipt.action.as_str());
    let role = match needs_trust {
        false => None,
        true => view.get(receipt.account, &ROLES, &receipt.resource)?,
    };
    let trust = role.map(|role| documents.trust(view, &role.trust)).transpose()?;
    let trust = trust_of(&asked.resource, trust);
    let mut policies = match needs_trust {
        true => grants.policies_and_trust(trust.as_ref()),
        false => grants.policies(),
    };
    let organization = Organization::of(documents, view, receipt.account)?;
    if resource_control_reaches(&receipt.action) {
        policies.rcp = &organization.rcp;
    }
    let owner = match receipt.account == asked.caller.account {
        true => None,
        false => Some(Directory::new(view, receipt.account).digits()?),
    };
    let resource = (asked.resource.as_str(), owner.as_deref());
    let (decision, _) =
        verdict(&asked.caller, &receipt.action, resource, &policies, &asked.context);
    Ok(decision.outcome)
}
