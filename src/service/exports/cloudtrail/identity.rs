//! `userIdentity`: who did it, in the types that CloudTrail knows.

use std::borrow::Cow;

use serde::Serialize;

use super::super::noted::{Noted, Side};
use super::super::told::{Teller, Told};
use crate::identity::arn::{self, Arn};
use crate::identity::id::{IdKind, UniqueId};
use crate::projection::ProjectionError;
use crate::service::activity::session::StoredSession;

/// What stands for whoever has the machine: it acts as the service itself.
pub const OPERATOR: &str = "domesday";

/// A `userIdentity`.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_context: Option<SessionContext<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoked_by: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionContext<'a> {
    session_issuer: Issuer<'a>,
    web_id_federation_data: Nothing,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Attributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_identity: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Issuer<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attributes {
    creation_date: String,
    mfa_authenticated: &'static str,
}

/// Who did it, and whether by a session of the console.
pub struct Who<'a> {
    /// The identity.
    pub identity: Identity<'a>,
    /// Whether its credential is a session of the console.
    pub console: bool,
}

fn attributes(stored: &StoredSession) -> Attributes {
    Attributes {
        creation_date: stored.issued.to_string(),
        mfa_authenticated: if stored.mfa == Some(true) { "true" } else { "false" },
    }
}

/// The session of a credential, if it is one's.
fn session(
    teller: &Teller<'_>,
    credential: Option<&UniqueId>,
) -> Result<Option<StoredSession>, ProjectionError> {
    match credential.filter(|key| key.kind() == Some(IdKind::SessionKey)) {
        Some(key) => teller.activity.stored_session(key),
        None => Ok(None),
    }
}

/// What is known of a principal, from an event or a receipt.
struct Known<'a> {
    id: &'a UniqueId,
    arn: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    session_name: Option<&'a str>,
    source_identity: Option<&'a str>,
    credential: Option<&'a UniqueId>,
}

fn identity<'a>(teller: &'a Teller<'_>, known: Known<'a>) -> Result<Who<'a>, ProjectionError> {
    let digits = teller.faces.digits();
    let stored = session(teller, known.credential)?;
    let console = stored.as_ref().is_some_and(|stored| stored.console);
    let identifier = || Some(Cow::Borrowed(known.id.as_str()));
    let account = || Some(Cow::Borrowed(digits));
    let source_identity = || known.source_identity.map(Cow::Borrowed);
    let context = |issuer: Issuer<'a>| {
        stored.as_ref().map(|stored| SessionContext {
            session_issuer: issuer,
            web_id_federation_data: Nothing {},
            attributes: Some(attributes(stored)),
            source_identity: source_identity(),
        })
    };
    let base = Identity {
        principal_id: identifier(),
        account_id: account(),
        access_key_id: known.credential.map(|key| Cow::Borrowed(key.as_str())),
        ..Identity::default()
    };
    let identity = match known.id.kind() {
        Some(IdKind::Role) => {
            let session_name = known.session_name.unwrap_or_default();
            let name = known.name.unwrap_or_default();
            let issuer = Issuer {
                kind: Some("Role"),
                principal_id: identifier(),
                arn: known.arn,
                account_id: account(),
                user_name: Some(name.clone()),
            };
            Identity {
                kind: "AssumedRole",
                principal_id: Some(format!("{}:{session_name}", known.id).into()),
                arn: Some(arn::assumed_role(digits, &name, session_name).into()),
                // The issuer is known even where the session's descriptor is gone.
                session_context: Some(SessionContext {
                    session_issuer: issuer,
                    web_id_federation_data: Nothing {},
                    attributes: stored.as_ref().map(attributes),
                    source_identity: source_identity(),
                }),
                ..base
            }
        }
        None if *known.id == UniqueId::root() => Identity {
            kind: "Root",
            principal_id: account(),
            arn: Some(arn::root(digits).into()),
            session_context: context(Issuer::default()),
            ..base
        },
        Some(IdKind::User) => Identity {
            kind: "IAMUser",
            arn: known.arn,
            user_name: known.name,
            session_context: context(Issuer::default()),
            ..base
        },
        _ => Identity { kind: "Unknown", ..base },
    };
    Ok(Who { identity, console })
}

/// Whoever has the machine.
fn operator(name: Option<&str>) -> Who<'static> {
    let identity = Identity {
        kind: "AWSService",
        principal_id: name.map(|name| format!("operator:{name}").into()),
        invoked_by: Some(Cow::Borrowed(OPERATOR)),
        ..Identity::default()
    };
    Who { identity, console: false }
}

/// Somebody of another account, of whom this one learns no more.
fn foreign<'a>(id: Option<&'a UniqueId>, digits: &'a str) -> Who<'a> {
    let identity = Identity {
        kind: "AWSAccount",
        principal_id: id.map(|id| Cow::Borrowed(id.as_str())),
        account_id: Some(Cow::Borrowed(digits)),
        ..Identity::default()
    };
    Who { identity, console: false }
}

/// Who did what an event tells.
///
/// # Errors
/// Whatever keeps the activity book from being read.
pub fn of_event<'a>(
    teller: &'a Teller<'_>,
    told: &'a Told<'_>,
) -> Result<Who<'a>, ProjectionError> {
    let origin = &told.event.origin;
    if origin.actor.as_str() == "operator" {
        return Ok(operator(told.session.as_deref()));
    }
    if let Some(digits) = &origin.actor_account {
        return Ok(foreign(Some(&origin.actor), digits));
    }
    identity(
        teller,
        Known {
            id: &origin.actor,
            arn: told.actor.as_ref().map(|face| Cow::Borrowed(face.arn.as_str())),
            name: told.actor.as_ref().map(|face| Cow::Borrowed(face.name.as_str())),
            session_name: told.session.as_deref(),
            source_identity: told.source_identity.as_deref(),
            credential: origin.credential.as_ref(),
        },
    )
}

/// Who did what a receipt tells.
///
/// # Errors
/// Whatever keeps the activity book from being read.
pub fn of_receipt<'a>(
    teller: &'a Teller<'_>,
    noted: &'a Noted,
) -> Result<Who<'a>, ProjectionError> {
    let (_, id) = &noted.receipt.principal;
    if noted.side == Side::Owner {
        return Ok(foreign(Some(id), &noted.caller_digits));
    }
    if id.as_str() == "nobody" {
        // A failed sign-in with a name that nobody has: CloudTrail hides what was typed, too.
        let identity = Identity {
            kind: "IAMUser",
            account_id: Some(Cow::Borrowed(noted.caller_digits.as_str())),
            user_name: Some(Cow::Borrowed("HIDDEN_DUE_TO_SECURITY_REASONS")),
            ..Identity::default()
        };
        return Ok(Who { identity, console: false });
    }
    let arn = noted.actor_arn.as_deref();
    let name = arn.and_then(Arn::parse).map(|arn| Cow::Owned(arn.name().to_owned()));
    // `AROA...:session`
    let session_name = noted.key("aws:userid").and_then(|id| Some(id.split_once(':')?.1));
    // What a sign-in began is not what it was made with.
    let credential = match noted.action().0 {
        "signin" => None,
        _ => noted.receipt.credential.as_ref(),
    };
    identity(
        teller,
        Known {
            id,
            arn: arn.map(Cow::Borrowed),
            name,
            session_name,
            source_identity: noted.key("aws:SourceIdentity"),
            credential,
        },
    )
}
