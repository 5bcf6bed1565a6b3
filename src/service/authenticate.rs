//! Finding the secret behind an access key id, and the caller that it stands for.
//!
//! The signature itself is checked by the layer that knows HTTP; it asks here for the secret, checks,
//! and only then believes the caller.

use std::sync::Arc;

use super::activity::facts::Facts;
use super::activity::session::Session;
use super::caller::{Caller, Identity, Source};
use super::operations::service_credentials;
use crate::base::crypto;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::tables::{ACCESS_KEYS, KEY_ACCOUNTS, RoleRow, UserRow};
use crate::projection::view::ReadTables;
use crate::projection::{ProjectionError, Reader, sealing};

/// A credential that exists and works: its secret, and whom it stands for once a signature proved that
/// the client knows the secret.
pub struct Credential {
    /// The secret access key.
    pub secret: Secret<String>,
    /// Whom it stands for.
    pub caller: Caller,
}

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
pub enum NoCredential {
    /// No such key, an inactive one, or a wrong session token. Callers are not told which.
    #[error("the access key id or the session token is not valid")]
    Invalid,
    /// Temporary credentials past their end.
    #[error("the credentials have expired")]
    Expired,
    /// The store.
    #[error(transparent)]
    Failed(#[from] ProjectionError),
}

/// What came with a request besides its signature.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// When.
    pub at: Timestamp,
    /// The id that the answer will bear.
    pub request_id: String,
    /// From where.
    pub source: Source,
}

/// Finds the credential of an access key id; `token` is the session token that came with it.
pub fn find(
    reader: &dyn Reader,
    activity: &dyn Facts,
    key: &str,
    token: Option<&Secret<String>>,
    arrival: Arrival,
) -> Result<Credential, NoCredential> {
    let key = UniqueId::parse(key).ok_or(NoCredential::Invalid)?;
    match (key.kind(), token) {
        (Some(IdKind::SessionKey), Some(token)) => session(reader, activity, &key, token, arrival),
        // A token is bound to its own key: with any other it is worth nothing. Root and imported keys
        // may have ids of any prefix.
        (Some(IdKind::SessionKey), None) | (_, Some(_)) => Err(NoCredential::Invalid),
        (_, None) => long_term(reader, key, arrival),
    }
}

fn long_term(
    reader: &dyn Reader,
    key: UniqueId,
    arrival: Arrival,
) -> Result<Credential, NoCredential> {
    let account: AccountId =
        reader.get(AccountId::SYSTEM, &KEY_ACCOUNTS, &key)?.ok_or(NoCredential::Invalid)?;
    let row = reader.get(account, &ACCESS_KEYS, &key)?.ok_or(NoCredential::Invalid)?;
    if !row.active {
        return Err(NoCredential::Invalid);
    }
    let what = key.as_str();
    let secret = sealing::open_secret(reader, account, &row.owner, what, &row.commitment)?
        .ok_or(NoCredential::Invalid)?;
    let identity = owner(reader, account, &row.owner, None)?;
    Ok(Credential { secret, caller: caller(reader, account, identity, key, arrival)? })
}

/// Finds whom a bearer credential of this service stands for; there is no signature to check after it.
pub fn bearer(
    reader: &dyn Reader,
    token: &Secret<String>,
    arrival: Arrival,
) -> Result<Caller, NoCredential> {
    let found = service_credentials::bearer(reader, token, arrival.at)?;
    let (account, user, credential) = found.ok_or(NoCredential::Invalid)?;
    let identity = owner(reader, account, &user, None)?;
    caller(reader, account, identity, credential, arrival)
}

/// Checks the token that came with a credential, and that its session has not ended; without a session
/// there must be none.
pub fn check_token(
    identity: &Identity,
    token: Option<&Secret<String>>,
    at: Timestamp,
) -> Result<(), NoCredential> {
    match (identity.session(), token) {
        (None, None) => Ok(()),
        (Some(session), Some(token)) => accept(session, token, at),
        (None, Some(_)) | (Some(_), None) => Err(NoCredential::Invalid),
    }
}

fn accept(session: &Session, token: &Secret<String>, at: Timestamp) -> Result<(), NoCredential> {
    let hash = crypto::content_hash(token.expose().as_bytes());
    if !crypto::equal(&hash, &session.token_hash) {
        return Err(NoCredential::Invalid);
    }
    if session.expires <= at { Err(NoCredential::Expired) } else { Ok(()) }
}

fn session(
    reader: &dyn Reader,
    activity: &dyn Facts,
    key: &UniqueId,
    token: &Secret<String>,
    arrival: Arrival,
) -> Result<Credential, NoCredential> {
    let session = activity.session(key)?.ok_or(NoCredential::Invalid)?;
    // Whoever has a browser's cookie does not sign requests.
    if session.console {
        return Err(NoCredential::Invalid);
    }
    let caller = by_token(reader, &session, token, arrival)?;
    Ok(Credential { secret: session.secret.clone(), caller })
}

/// Finds whom a session stands for, by its token.
///
/// # Errors
/// [`NoCredential`] for a wrong token, and for a session that ended or whose principal is gone.
pub fn by_token(
    reader: &dyn Reader,
    session: &Arc<Session>,
    token: &Secret<String>,
    arrival: Arrival,
) -> Result<Caller, NoCredential> {
    accept(session, token, arrival.at)?;
    let identity = owner(reader, session.account, &session.principal, Some(session))?;
    let caller = caller(reader, session.account, identity, session.key.clone(), arrival)?;
    // The user, its key or the role may be gone since.
    if !caller.still_stands(reader)? {
        return Err(NoCredential::Invalid);
    }
    Ok(caller)
}

/// The principal behind a credential; without a session, its own.
pub fn owner(
    reader: &dyn Reader,
    account: AccountId,
    id: &UniqueId,
    session: Option<&Arc<Session>>,
) -> Result<Identity, NoCredential> {
    let directory = Directory::new(reader, account);
    if *id == UniqueId::root() {
        return Ok(Identity::Root { session: session.cloned() });
    }
    if id.kind() == Some(IdKind::Role) {
        let role = directory.by_id::<RoleRow>(id)?.ok_or(NoCredential::Invalid)?;
        let session = session.ok_or(NoCredential::Invalid)?;
        return Ok(Identity::RoleSession {
            role: id.clone(),
            role_arn: role.arn,
            role_name: role.name,
            session: session.clone(),
        });
    }
    let user = directory.by_id::<UserRow>(id)?.ok_or(NoCredential::Invalid)?;
    Ok(Identity::User { id: id.clone(), name: user.name, arn: user.arn, session: session.cloned() })
}

fn caller(
    reader: &dyn Reader,
    account: AccountId,
    identity: Identity,
    key: UniqueId,
    arrival: Arrival,
) -> Result<Caller, NoCredential> {
    let row = Directory::new(reader, account).account_row()?;
    // Nothing of a closed account is accepted.
    let open = row.filter(|row| row.closed.is_none()).ok_or(NoCredential::Invalid)?;
    Ok(Caller {
        account,
        digits: open.digits,
        identity,
        credential: Some(key),
        at: arrival.at,
        request_id: arrival.request_id,
        source: arrival.source,
    })
}
