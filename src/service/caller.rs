//! Who is calling: what authentication established about a request.

use std::net::IpAddr;
use std::sync::Arc;

use super::activity::session::Session;
use super::fault::Fault;
use crate::base::time::Timestamp;
use crate::identity::arn;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::{AccountId, Actor};
use crate::policy;
use crate::projection::directory::Directory;
use crate::projection::tables::{ACCESS_KEYS, RoleRow, SERVICE_CREDENTIALS, UserRow};
use crate::projection::view::ReadTables;
use crate::projection::{ProjectionError, Reader};

/// An authenticated caller and the circumstances of its request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account it belongs to.
    pub account: AccountId,
    /// That account's 12 digits.
    pub digits: String,
    /// Who it is.
    pub identity: Identity,
    /// The access key that signed; `None` for an operator.
    pub credential: Option<UniqueId>,
    /// When the request was received.
    pub at: Timestamp,
    /// The id that the answer bears.
    pub request_id: String,
    /// Where the request came from.
    pub source: Source,
}

/// Where a request came from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The `User-Agent` header, at most 512 characters of it.
    pub agent: Option<String>,
    /// Whether it came over TLS.
    pub secure: bool,
    /// The ticket that the caller names for it, at most 128 characters.
    pub ticket: Option<String>,
}

/// Who a caller is.
#[derive(Clone, Debug)]
pub enum Identity {
    /// The account's root user, with an access key of its own or a session.
    Root {
        /// The session, for temporary credentials.
        session: Option<Arc<Session>>,
    },
    /// An IAM user.
    User {
        /// Its unique id.
        id: UniqueId,
        /// Its name.
        name: String,
        /// Its ARN.
        arn: String,
        /// The session, for temporary credentials.
        session: Option<Arc<Session>>,
    },
    /// A session of a role.
    RoleSession {
        /// The role's unique id.
        role: UniqueId,
        /// The role's ARN.
        role_arn: String,
        /// The role's name.
        role_name: String,
        /// The session.
        session: Arc<Session>,
    },
    /// Whoever has the machine: not judged by policies, but recorded.
    Operator {
        /// `uid@host`, or what names the operator better.
        name: String,
    },
}

impl Identity {
    /// The session behind temporary credentials.
    pub fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Identity::Root { session } | Identity::User { session, .. } => session.as_ref(),
            Identity::RoleSession { session, .. } => Some(session),
            Identity::Operator { .. } => None,
        }
    }
}

impl Caller {
    /// The session behind temporary credentials.
    pub fn session(&self) -> Option<&Arc<Session>> {
        self.identity.session()
    }

    /// The unique id under which it stands in events: `root`, a user's, a role's, `operator`.
    pub fn principal_id(&self) -> UniqueId {
        match &self.identity {
            Identity::Root { .. } => UniqueId::root(),
            Identity::User { id, .. } => id.clone(),
            Identity::RoleSession { role, .. } => role.clone(),
            Identity::Operator { .. } => UniqueId::parse("operator").unwrap_or_else(UniqueId::root),
        }
    }

    /// As the actor of a frame.
    pub fn actor(&self) -> Actor {
        Actor::new(self.principal_id().as_str()).unwrap_or_else(Actor::operator)
    }

    /// The ARN that GetCallerIdentity answers.
    pub fn arn(&self) -> String {
        match &self.identity {
            Identity::Root { .. } => arn::root(&self.digits),
            Identity::User { arn, .. } => arn.clone(),
            Identity::RoleSession { role_name, session, .. } => {
                arn::assumed_role(&self.digits, role_name, &session.name)
            }
            Identity::Operator { name } => format!("operator:{name}"),
        }
    }

    /// The user id that GetCallerIdentity answers: `AIDA...`, `AROA...:session`, or the account.
    pub fn user_id(&self) -> String {
        match &self.identity {
            Identity::Root { .. } => self.digits.clone(),
            Identity::User { id, .. } => id.to_string(),
            Identity::RoleSession { role, session, .. } => format!("{role}:{}", session.name),
            Identity::Operator { name } => format!("operator:{name}"),
        }
    }

    /// Whether it is the operator, whom policies do not judge.
    pub fn is_operator(&self) -> bool {
        matches!(self.identity, Identity::Operator { .. })
    }

    /// Whether it is the root user.
    pub fn is_root(&self) -> bool {
        matches!(self.identity, Identity::Root { .. })
    }

    /// The principal that policies judge; `session_arn` holds [`Caller::arn`] for role sessions.
    pub fn principal<'a>(&'a self, session_arn: &'a str) -> policy::Principal<'a> {
        match &self.identity {
            Identity::Root { .. } | Identity::Operator { .. } => {
                policy::Principal::Root { account: &self.digits }
            }
            Identity::User { id, arn, .. } => {
                policy::Principal::User { account: &self.digits, id: id.as_str(), arn }
            }
            Identity::RoleSession { role, role_arn, .. } => policy::Principal::RoleSession {
                account: &self.digits,
                role_id: role.as_str(),
                role_arn,
                session_arn,
            },
        }
    }

    /// Whether the credential and its owner still stand, as this reader sees them: inside the writer,
    /// a deleted user's queued request dies here.
    pub fn still_stands(&self, reader: &dyn Reader) -> Result<bool, ProjectionError> {
        let directory = Directory::new(reader, self.account);
        if let Some(session) = self.session()
            && session.expires <= self.at
        {
            return Ok(false);
        }
        if self.is_operator() {
            return Ok(true);
        }
        if directory.account_row()?.is_none_or(|row| row.closed.is_some()) {
            return Ok(false);
        }
        let owner_stands = match &self.identity {
            Identity::Operator { .. } | Identity::Root { .. } => true,
            // A user who is called otherwise by now was to be judged by a name that may be another's.
            Identity::User { id, arn, .. } => {
                directory.by_id::<UserRow>(id)?.is_some_and(|user| user.arn == *arn)
            }
            Identity::RoleSession { role, .. } => directory.by_id::<RoleRow>(role)?.is_some(),
        };
        // The long-term key that signed, or that began a user's session.
        let key = match (self.session(), &self.identity) {
            (None, _) => self.credential.as_ref(),
            (Some(session), Identity::User { .. } | Identity::Root { .. }) => {
                session.began_with.as_ref()
            }
            (Some(_), _) => None,
        };
        let key_stands = match key {
            None => true,
            Some(id) if id.kind() == Some(IdKind::ServiceCredential) => reader
                .get(self.account, &SERVICE_CREDENTIALS, id)?
                .is_some_and(|row| row.is_good(self.at)),
            Some(key) => reader.get(self.account, &ACCESS_KEYS, key)?.is_some_and(|row| row.active),
        };
        Ok(owner_stands && key_stands)
    }

    /// The caller's own user, for operations whose user name is left out: its unique id and its ARN.
    pub fn own_user(&self) -> Result<(&UniqueId, &str), Fault> {
        match &self.identity {
            Identity::User { id, arn, .. } => Ok((id, arn)),
            _ => Err(super::fault::NEED_USER_NAME.with(&[])),
        }
    }
}
