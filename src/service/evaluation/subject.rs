//! Who is asked about: a user, a role, or a session of either.
//!
//! | type | id |
//! |---|---|
//! | `user` | a user's name, unique id (`AIDA...`) or ARN; the root user's ARN |
//! | `role` | a role's name, unique id (`AROA...`) or ARN: any session of it, without session policies |
//! | `session` | the access key id (`ASIA...`) of temporary credentials, session policies and tags included |
//!
//! A role session is not found by its ARN: two sessions may bear one name, and what their policies leave
//! of the role's would have to be guessed.
//!
//! What the service knows of a subject by itself it takes from nobody else; see [`Subject::settles`].

use std::sync::Arc;

use super::{Undecided, malformed};
use crate::base::time::Timestamp;
use crate::identity::arn;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::policy::{Context, Principal};
use crate::projection::directory::{self, Directory, Named};
use crate::projection::tables::{RoleRow, UserRow};
use crate::projection::{Reader, View};
use crate::service::Service;
use crate::service::authenticate::{self, NoCredential};
use crate::service::authorize::{Grants, cannot_call_iam, principal_context};
use crate::service::caller::{Caller, Identity, Source};
use crate::service::fault::Fault;

/// Who is asked about.
pub enum Subject {
    /// A user, the root user, or a session.
    Known(Caller),
    /// A role, whoever took it on.
    Role(Role),
}

/// A role without a session.
pub struct Role {
    digits: String,
    id: UniqueId,
    arn: String,
    session_arn: String,
    account: AccountId,
}

impl Subject {
    /// Finds a subject by the type and id of a request, in the account of its caller.
    pub fn find(
        service: &Service,
        view: &View,
        caller: &Caller,
        at: Timestamp,
        (kind, id): (&str, &str),
    ) -> Result<Subject, Undecided> {
        let directory = Directory::new(view, caller.account);
        let unknown = || Undecided::Unknown(format!("There is no {kind} {id:?}."));
        let known = |identity| {
            let credential = None;
            Subject::Known(stand_in(caller, directory, identity, credential, at))
        };
        match kind {
            "user" if id == arn::root(&caller.digits) => {
                Ok(known(Identity::Root { session: None }))
            }
            "user" => {
                let user = named::<UserRow>(directory, IdKind::User, id)?.ok_or_else(unknown)?;
                let (id, name, arn) = (user.row.id, user.name, user.arn);
                Ok(known(Identity::User { id, name, arn, session: None }))
            }
            "role" => {
                let role = named::<RoleRow>(directory, IdKind::Role, id)?.ok_or_else(unknown)?;
                Ok(Subject::Role(Role::new(caller.account, caller.digits.clone(), role)))
            }
            "session" => {
                let key = UniqueId::parse(id).filter(|id| id.kind() == Some(IdKind::SessionKey));
                let Some(key) = key else {
                    return malformed(
                        "A session is named by the access key id of its credentials (ASIA...); for \
                         whatever a role may do in any session, ask of the role.",
                    );
                };
                let session = service.activity().session(&key)?.ok_or_else(unknown)?;
                if session.account != caller.account {
                    return Err(unknown());
                }
                let principal = &session.principal;
                let found = authenticate::owner(view, caller.account, principal, Some(&session));
                let identity = match found {
                    Ok(identity) => identity,
                    Err(NoCredential::Failed(error)) => return Err(error.into()),
                    Err(NoCredential::Invalid | NoCredential::Expired) => return Err(unknown()),
                };
                let session = stand_in(caller, directory, identity, Some(key), at);
                if !session.still_stands(view)? {
                    return Err(Undecided::Unknown(format!("The session {id:?} has ended.")));
                }
                Ok(Subject::Known(session))
            }
            _ => malformed("`subject.type` is user, role or session."),
        }
    }

    /// The subject of a receipt: a caller who is known, or a role by its id.
    pub fn of_role(
        reader: &dyn Reader,
        account: AccountId,
        id: &UniqueId,
    ) -> Result<Option<Self>, Fault> {
        let directory = Directory::new(reader, account);
        let Some(role) = directory.by_id::<RoleRow>(id)? else { return Ok(None) };
        Ok(Some(Subject::Role(Role::new(account, directory.digits()?, role))))
    }

    /// Its account.
    pub fn account(&self) -> AccountId {
        match self {
            Subject::Known(caller) => caller.account,
            Subject::Role(role) => role.account,
        }
    }

    /// Its unique id.
    pub fn id(&self) -> UniqueId {
        match self {
            Subject::Known(caller) => caller.principal_id(),
            Subject::Role(role) => role.id.clone(),
        }
    }

    /// The access key of its session.
    pub fn credential(&self) -> Option<UniqueId> {
        match self {
            Subject::Known(caller) => caller.credential.clone(),
            Subject::Role(_) => None,
        }
    }

    /// Its ARN; a session's own.
    pub fn arn(&self) -> String {
        match self {
            Subject::Known(caller) => caller.arn(),
            Subject::Role(role) => role.arn.clone(),
        }
    }

    /// The policies that judge it.
    pub fn grants(&self, service: &Service, reader: &dyn Reader) -> Result<Grants, Fault> {
        match self {
            Subject::Known(caller) => Grants::of_caller(service.documents(), reader, caller),
            Subject::Role(role) => {
                let directory = Directory::new(reader, role.account);
                Grants::of_role(service.documents(), &directory, &role.id)
            }
        }
    }

    /// The same at the head, from memory where it was asked about a moment ago.
    pub fn grants_now(&self, service: &Service, now: &View) -> Result<Arc<Grants>, Fault> {
        let (documents, standings) = (service.documents(), service.standings());
        match self {
            Subject::Known(caller) => standings.grants(documents, now, caller),
            Subject::Role(role) => {
                standings.gathered(now, role.account, &role.id, || self.grants(service, now))
            }
        }
    }

    /// As the evaluator takes it; `arn` is [`Subject::arn`].
    pub fn principal<'a>(&'a self, arn: &'a str) -> Principal<'a> {
        match self {
            Subject::Known(caller) => caller.principal(arn),
            Subject::Role(role) => Principal::RoleSession {
                account: &role.digits,
                role_id: role.id.as_str(),
                role_arn: &role.arn,
                session_arn: &role.session_arn,
            },
        }
    }

    /// Whether its credentials cannot do an action, whatever policies say.
    pub fn cannot(&self, action: &str) -> bool {
        matches!(self, Subject::Known(caller) if cannot_call_iam(caller, action))
    }

    /// The condition keys that are known of it.
    pub fn context(&self, reader: &dyn Reader) -> Result<Context<'static>, Fault> {
        let role = match self {
            Subject::Known(caller) => return principal_context(reader, caller),
            Subject::Role(role) => role,
        };
        let mut context = Context::new();
        context.set("aws:PrincipalAccount", role.digits.clone());
        context.set("aws:PrincipalIsAWSService", "false");
        context.set("aws:ViaAWSService", "false");
        context.set("aws:PrincipalType", "AssumedRole");
        context.set("aws:PrincipalArn", role.arn.clone());
        context.set_absent("aws:username");
        for (key, value) in Directory::new(reader, role.account).tags(&role.id)? {
            context.set(format!("aws:PrincipalTag/{key}"), value);
        }
        Ok(context)
    }

    /// Whether the service knows all there is to know of a key (in lower case) about this subject: one that
    /// [`Subject::context`] does not have, the subject has not. Of a role, what a session adds is open.
    pub fn settles(&self, key: &str) -> bool {
        let of_session = matches!(key, "aws:tokenissuetime" | "aws:sourceidentity" | "aws:userid")
            || key.starts_with("aws:principaltag/");
        match self {
            Subject::Known(caller) => {
                is_reserved(key) || (is_mfa(key) && caller.session().is_some())
            }
            Subject::Role(_) => is_reserved(key) && !of_session,
        }
    }

    /// Whether nobody but the service may say what a key (in lower case) is for this subject.
    pub fn keeps(&self, key: &str) -> bool {
        let in_session = matches!(self, Subject::Known(caller) if caller.session().is_some());
        is_reserved(key) || (is_mfa(key) && in_session)
    }
}

impl Role {
    fn new(account: AccountId, digits: String, role: Named<RoleRow>) -> Self {
        let session_arn = arn::assumed_role(&digits, &role.name, "session");
        Role { digits, id: role.row.id, arn: role.arn, session_arn, account }
    }
}

/// Of a session it is known how it began; how somebody signed in at a gateway, the gateway knows.
fn is_mfa(key: &str) -> bool {
    matches!(key, "aws:multifactorauthpresent" | "aws:multifactorauthage")
}

/// The keys of who a principal is, and of what the service has done or will note itself.
fn is_reserved(key: &str) -> bool {
    let ours = ["aws:principal", "aws:calledvia", "domesday:"];
    ours.iter().any(|prefix| key.starts_with(prefix))
        || matches!(
            key,
            "aws:userid"
                | "aws:username"
                | "aws:tokenissuetime"
                | "aws:sourceidentity"
                | "aws:federatedprovider"
                | "aws:assumedroot"
                | "aws:viaawsservice"
                | "aws:currenttime"
                | "aws:epochtime"
                | "aws:resourceaccount"
        )
}

/// The subject as if it were calling: from nowhere that is known.
fn stand_in(
    caller: &Caller,
    directory: Directory<'_>,
    identity: Identity,
    credential: Option<UniqueId>,
    at: Timestamp,
) -> Caller {
    Caller {
        account: directory.account,
        digits: caller.digits.clone(),
        identity,
        credential,
        at,
        request_id: caller.request_id.clone(),
        source: Source::default(),
    }
}

/// By ARN, unique id or name, in this order.
fn named<P: directory::Principal>(
    directory: Directory<'_>,
    kind: IdKind,
    id: &str,
) -> Result<Option<Named<P>>, Undecided> {
    if id.starts_with("arn:") {
        let Some(parsed) = arn::Arn::parse(id) else { return Ok(None) };
        let found = directory.find::<P>(parsed.name())?;
        return Ok(found.filter(|found| found.arn == id));
    }
    if let Some(id) = UniqueId::parse(id).filter(|id| id.kind() == Some(kind))
        && let Some(found) = directory.by_id::<P>(&id)?
    {
        return Ok(Some(found));
    }
    Ok(directory.find::<P>(id)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_who_a_principal_is_is_reserved() {
        for key in [
            "aws:principaltag/team",
            "aws:principalorgid",
            "aws:userid",
            "aws:currenttime",
            "aws:calledvialast",
            "domesday:askedby",
        ] {
            assert!(is_reserved(key), "{key}");
        }
        for key in ["aws:sourceip", "aws:multifactorauthpresent", "aws:requesttag/a", "docs:a"] {
            assert!(!is_reserved(key), "{key}");
        }
    }
}
