//! Temporary credentials: what a session may do, who began it, and until when.
//!
//! A session's descriptor is durable in the activity book before its credentials leave. The secret and
//! whatever tells of a person are sealed; of the token only a hash is kept.

use bincode::{Decode, Encode};

use crate::base::crypto::CryptoError;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::base::text::{base64, from_base64};
use crate::base::time::Timestamp;
use crate::identity::change::{PolicyRef, Sealed};
use crate::identity::codec;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::{ProjectionError, sealing};
use crate::store::keys::SubjectKeys;

/// A session, opened.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its access key id, `ASIA...`.
    pub key: UniqueId,
    /// The account whose principal it acts as.
    pub account: AccountId,
    /// Whose session it is: a role's unique id, a user's, or `root`.
    pub principal: UniqueId,
    /// The role session name; empty for sessions of users.
    pub name: String,
    /// The secret access key.
    pub secret: Secret<String>,
    /// BLAKE3 of the session token.
    pub token_hash: [u8; 32],
    /// When the credentials were issued.
    pub issued: Timestamp,
    /// From when on they are not accepted.
    pub expires: Timestamp,
    /// The inline session policy as it was passed.
    pub inline_policy: Option<String>,
    /// The managed session policies.
    pub managed_policies: Vec<PolicyRef>,
    /// The session tags, key and value, those inherited from the session before included.
    pub tags: Vec<(String, String)>,
    /// The keys of the tags that a further session inherits.
    pub transitive: Vec<String>,
    /// The source identity that was set, or inherited.
    pub source_identity: Option<String>,
    /// The access key that began it.
    pub began_with: Option<UniqueId>,
    /// Who began it: account and unique id.
    pub began_by: (AccountId, UniqueId),
    /// Whether a second factor was given; `None` where the question does not arise.
    pub mfa: Option<bool>,
    /// Whether it is a session of the console: its token is a browser's cookie, and nobody has its secret.
    pub console: bool,
}

/// A session as it is stored; [`Session`] explains the fields.
#[derive(Clone, Debug, Encode, Decode)]
pub struct StoredSession {
    /// See [`Session::account`].
    pub account: AccountId,
    /// See [`Session::principal`].
    pub principal: UniqueId,
    /// See [`Session::token_hash`].
    pub token_hash: [u8; 32],
    /// See [`Session::issued`].
    pub issued: Timestamp,
    /// See [`Session::expires`].
    pub expires: Timestamp,
    /// See [`Session::managed_policies`].
    pub managed_policies: Vec<PolicyRef>,
    /// See [`Session::transitive`].
    pub transitive: Vec<String>,
    /// See [`Session::began_with`].
    pub began_with: Option<UniqueId>,
    /// See [`Session::began_by`].
    pub began_by: (AccountId, UniqueId),
    /// See [`Session::mfa`].
    pub mfa: Option<bool>,
    /// See [`Session::console`].
    pub console: bool,
    /// [`Personal`], sealed for the principal.
    pub personal: Vec<u8>,
}

/// The part of a session that is sealed.
#[derive(Clone, Encode, Decode)]
pub struct Personal {
    /// See [`Session::name`].
    pub name: String,
    /// See [`Session::secret`].
    pub secret: String,
    /// See [`Session::inline_policy`].
    pub inline_policy: Option<String>,
    /// See [`Session::tags`].
    pub tags: Vec<(String, String)>,
    /// See [`Session::source_identity`].
    pub source_identity: Option<String>,
}

/// The field under which a session's personal part is sealed.
fn session_field(key: &str) -> String {
    format!("session {key}")
}

/// Seals a session for its principal.
pub fn seal_session(
    keys: &SubjectKeys,
    session: &Session,
    random: &dyn Random,
) -> Result<StoredSession, ProjectionError> {
    let personal = Personal {
        name: session.name.clone(),
        secret: session.secret.expose().clone(),
        inline_policy: session.inline_policy.clone(),
        tags: session.tags.clone(),
        source_identity: session.source_identity.clone(),
    };
    let plain = Secret::new(base64(&codec::encode(&personal)?));
    let sealed = sealing::seal(
        keys,
        random,
        session.account,
        &session.principal,
        &session_field(session.key.as_str()),
        plain.expose(),
    )?;
    Ok(StoredSession {
        account: session.account,
        principal: session.principal.clone(),
        token_hash: session.token_hash,
        issued: session.issued,
        expires: session.expires,
        managed_policies: session.managed_policies.clone(),
        transitive: session.transitive.clone(),
        began_with: session.began_with.clone(),
        began_by: session.began_by.clone(),
        mfa: session.mfa,
        console: session.console,
        personal: sealed.0,
    })
}

/// Opens a stored session; `None` if its principal was erased.
pub fn open_session(
    keys: &SubjectKeys,
    key: &UniqueId,
    stored: &StoredSession,
) -> Result<Option<Session>, ProjectionError> {
    let field = session_field(key.as_str());
    let sealed = Sealed(stored.personal.clone());
    let Some(plain) = sealing::unseal(keys, stored.account, &stored.principal, &field, &sealed)?
    else {
        return Ok(None);
    };
    let plain = Secret::new(plain);
    let bytes = from_base64(plain.expose()).ok_or(CryptoError::DoesNotOpen)?;
    let personal: Personal = codec::decode(&bytes)?;
    Ok(Some(Session {
        key: key.clone(),
        account: stored.account,
        principal: stored.principal.clone(),
        name: personal.name,
        secret: Secret::new(personal.secret),
        token_hash: stored.token_hash,
        issued: stored.issued,
        expires: stored.expires,
        inline_policy: personal.inline_policy,
        managed_policies: stored.managed_policies.clone(),
        tags: personal.tags,
        transitive: stored.transitive.clone(),
        source_identity: personal.source_identity,
        began_with: stored.began_with.clone(),
        began_by: stored.began_by.clone(),
        mfa: stored.mfa,
        console: stored.console,
    }))
}
