//! The desk at which temporary credentials are issued.

use data_encoding::BASE64;

use super::activity::ActivityBook;
use super::activity::receipt::{Kind, Receipt};
use super::activity::session::Session;
use super::fault::Fault;
use super::mfa::Accepted;
use super::operation::Reading;
use crate::base::crypto::content_hash;
use crate::base::random::{Random, random_text};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::identity::id::{IdKind, UniqueId};

/// Under what the receipt of issued credentials names them: their access key id. No condition key: nothing is
/// decided by it.
pub const ISSUED_KEY: &str = "domesday:IssuedKey";

/// What issuing needs: the present, randomness, and the receipt of the decision that allowed it.
pub struct Desk<'a> {
    /// The present.
    pub reading: Reading<'a>,
    /// Where sessions are kept.
    pub book: &'a ActivityBook,
    /// For keys and tokens.
    pub random: &'a dyn Random,
    /// The receipt of the decision that allowed it.
    pub receipt: Receipt,
    /// The second factor that was given with the request.
    pub factor: Option<&'a Accepted>,
}

/// Temporary credentials, as every STS answer shows them.
#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Credentials {
    /// `ASIA...`.
    pub access_key_id: String,
    /// The secret access key; shown once.
    pub secret_access_key: String,
    /// To be sent with every request.
    pub session_token: String,
    /// From when on they are not accepted.
    pub expiration: Timestamp,
}

/// What the issuer decides about a session; the desk adds keys and instants.
pub struct Terms {
    /// See [`Session`].
    pub account: crate::ledger::AccountId,
    /// See [`Session`].
    pub principal: UniqueId,
    /// See [`Session`].
    pub name: String,
    /// Seconds from now.
    pub duration: u32,
    /// See [`Session`].
    pub inline_policy: Option<String>,
    /// See [`Session`].
    pub managed_policies: Vec<crate::identity::change::PolicyRef>,
    /// See [`Session`].
    pub tags: Vec<(String, String)>,
    /// See [`Session`].
    pub transitive: Vec<String>,
    /// See [`Session`].
    pub source_identity: Option<String>,
    /// See [`Session`].
    pub mfa: Option<bool>,
    /// Characters that the token has at least, so that clients can test how they bear long ones.
    pub minimum_token_size: usize,
}

const TOKEN_BYTES: usize = 64;
/// The longest session token that can be asked for.
const TOKEN_LIMIT: usize = 4_096;

impl Credentials {
    /// Characters of the token, and its share of the longest one in percent.
    pub fn token_size(&self) -> (usize, usize) {
        let size = self.session_token.len();
        (size, size * 100 / TOKEN_LIMIT)
    }
}

const SECRET_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A fresh secret access key: 40 characters, as AWS's are.
pub fn new_secret(random: &dyn Random) -> Result<Secret<String>, Fault> {
    Ok(Secret::new(random_text(random, SECRET_ALPHABET, 40)?))
}

impl Desk<'_> {
    /// Makes credentials, and returns them once session and receipt are durable.
    pub fn issue(&self, terms: Terms) -> Result<Credentials, Fault> {
        let caller = self.reading.caller;
        let key = UniqueId::generate(IdKind::SessionKey, self.random)?;
        let secret = new_secret(self.random)?;
        // Nothing is in the token but random bytes, 64 or as many as were asked for: it is looked up,
        // never decoded.
        let mut bytes = vec![0; TOKEN_BYTES.max(terms.minimum_token_size.div_ceil(4) * 3)];
        self.random.fill(&mut bytes)?;
        let token = BASE64.encode(&bytes);
        let session = Session {
            key: key.clone(),
            account: terms.account,
            principal: terms.principal,
            name: terms.name,
            secret: secret.clone(),
            token_hash: content_hash(token.as_bytes()),
            issued: caller.at,
            expires: caller.at.plus_seconds(i64::from(terms.duration)),
            inline_policy: terms.inline_policy,
            managed_policies: terms.managed_policies,
            tags: terms.tags,
            transitive: terms.transitive,
            source_identity: terms.source_identity,
            began_with: caller.credential.clone(),
            began_by: (caller.account, caller.principal_id()),
            mfa: terms.mfa,
            console: false,
        };
        let mut receipt = Receipt { kind: Kind::Issued, ..self.receipt.clone() };
        receipt.context.push((ISSUED_KEY.to_owned(), vec![key.to_string()]));
        self.book.keep_session(&session, (receipt, Vec::new()), self.factor, self.random)?;
        Ok(Credentials {
            access_key_id: key.to_string(),
            secret_access_key: secret.expose().clone(),
            session_token: token,
            expiration: session.expires,
        })
    }
}
