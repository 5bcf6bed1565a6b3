//! Names and values sealed under the key of their subject, name tags, and secrets with commitments.
//!
//! The associated data of a sealed value is account, subject and field: moved to any other place, it
//! does not open. An erased subject has no key; its values read as `None` for ever.

use super::{ProjectionError, Reader};
use crate::base::crypto::{self, CryptoError, SecretKey};
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::identity::change::{Commitment, DocumentHash, NameTag, Sealed};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::store::keys::{Subject, SubjectKeys};

/// The things that have names, unique among their kind in an account without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// Users.
    User,
    /// User groups.
    Group,
    /// Roles.
    Role,
    /// Customers' managed policies.
    Policy,
    /// Instance profiles.
    InstanceProfile,
    /// Root users' e-mail addresses (system account).
    Email,
    /// Multi-factor devices, by path and name.
    MfaDevice,
}

/// The subject of an id in an account.
pub fn subject(account: AccountId, id: &UniqueId) -> Subject {
    Subject::new(&account.0, id.as_str())
}

fn associated(subject: &Subject, field: &str) -> Vec<u8> {
    [subject.0.as_slice(), field.as_bytes()].concat()
}

/// Seals a text for a subject, whose key is made if it has none.
pub fn seal(
    keys: &SubjectKeys,
    random: &dyn Random,
    account: AccountId,
    id: &UniqueId,
    field: &str,
    text: &str,
) -> Result<Sealed, ProjectionError> {
    let subject = subject(account, id);
    let key = keys.get_or_create(&subject, random)?;
    Ok(Sealed(crypto::seal(&key, &associated(&subject, field), text.as_bytes(), random)?))
}

/// Opens what was sealed for one subject, whose key is looked up once.
pub struct Opener {
    subject: Subject,
    key: Option<SecretKey>,
}

impl Opener {
    /// For a subject that is likely to be asked for again: its key is kept opened.
    ///
    /// # Errors
    /// If the key does not open.
    pub fn of(
        keys: &SubjectKeys,
        account: AccountId,
        id: &UniqueId,
    ) -> Result<Self, ProjectionError> {
        let subject = subject(account, id);
        Ok(Opener { subject, key: keys.get(&subject)? })
    }

    /// Opens a value; `None` if the subject was erased.
    ///
    /// # Errors
    /// If it was not sealed for this subject and field.
    pub fn open(
        &self,
        field: &str,
        sealed: &(impl AsRef<[u8]> + ?Sized),
    ) -> Result<Option<String>, ProjectionError> {
        let Some(key) = &self.key else { return Ok(None) };
        let plain = crypto::open(key, &associated(&self.subject, field), sealed.as_ref())?;
        Ok(Some(String::from_utf8(plain).map_err(|_| CryptoError::DoesNotOpen)?))
    }
}

/// Opens what was sealed for a subject; `None` if the subject was erased.
pub fn unseal(
    keys: &SubjectKeys,
    account: AccountId,
    id: &UniqueId,
    field: &str,
    sealed: &(impl AsRef<[u8]> + ?Sized),
) -> Result<Option<String>, ProjectionError> {
    Opener::of(keys, account, id)?.open(field, sealed)
}

/// As [`unseal`], for whoever goes through all subjects once: nothing is kept opened.
pub fn unseal_once(
    keys: &SubjectKeys,
    account: AccountId,
    id: &UniqueId,
    field: &str,
    sealed: &Sealed,
) -> Result<Option<String>, ProjectionError> {
    let subject = subject(account, id);
    Opener { subject, key: keys.get_once(&subject)? }.open(field, sealed)
}

/// The field name under which the value of a tag is sealed.
pub fn tag_field(key: &str) -> String {
    format!("tag {key}")
}

fn account_key(
    keys: &SubjectKeys,
    account: AccountId,
    purpose: &str,
) -> Result<Option<SecretKey>, ProjectionError> {
    let key = keys.get(&subject(account, &UniqueId::root()))?;
    Ok(key.map(|key| crypto::derive_key(purpose, &key)))
}

/// Finds a name without telling it: a keyed hash of kind and lower-case name under the account's key.
/// `None` if the account has no key, and so no names.
pub fn name_tag(
    keys: &SubjectKeys,
    account: AccountId,
    kind: NameKind,
    name: &str,
) -> Result<Option<NameTag>, ProjectionError> {
    let Some(key) = account_key(keys, account, "domesday 2026 name tags")? else { return Ok(None) };
    let message = format!("{kind:?}\0{}", name.to_lowercase());
    Ok(Some(crypto::keyed_hash(&key, message.as_bytes())))
}

/// Tells what an imported record says from what another one says, and does not tell what: a keyed hash under the
/// account's key. `None` if the account has no key.
pub fn record_content(
    keys: &SubjectKeys,
    account: AccountId,
    content: &[u8],
) -> Result<Option<DocumentHash>, ProjectionError> {
    let key = account_key(keys, account, "domesday 2026 imported records")?;
    Ok(key.map(|key| crypto::keyed_hash(&key, content)))
}

/// A secret made ready to be stored: what goes into the secrets family, and what the event says of it.
pub struct SealedSecret {
    /// Proves which secret it was, under the account's key.
    pub commitment: Commitment,
    /// The secret, sealed for its owner.
    pub sealed: Vec<u8>,
}

/// Seals a secret of an owner; `what` names it (`AKIA...`, `password`).
pub fn seal_secret(
    keys: &SubjectKeys,
    random: &dyn Random,
    account: AccountId,
    owner: &UniqueId,
    what: &str,
    secret: &Secret<String>,
) -> Result<SealedSecret, ProjectionError> {
    let commitment = commit(keys, account, owner, what, secret)?;
    let sealed = seal(keys, random, account, owner, &format!("secret {what}"), secret.expose())?;
    Ok(SealedSecret { commitment, sealed: sealed.0 })
}

/// Opens a stored secret and checks it against its commitment; `None` if it was erased or removed.
pub fn open_secret(
    reader: &dyn Reader,
    account: AccountId,
    owner: &UniqueId,
    what: &str,
    commitment: &Commitment,
) -> Result<Option<Secret<String>>, ProjectionError> {
    let Some(sealed) = reader.secret(commitment)? else { return Ok(None) };
    let field = format!("secret {what}");
    let Some(plain) = unseal(reader.keys(), account, owner, &field, &Sealed(sealed))? else {
        return Ok(None);
    };
    let secret = Secret::new(plain);
    let found = commit(reader.keys(), account, owner, what, &secret)?;
    if !crypto::equal(&found, commitment) {
        return Err(CryptoError::DoesNotOpen.into());
    }
    Ok(Some(secret))
}

fn commit(
    keys: &SubjectKeys,
    account: AccountId,
    owner: &UniqueId,
    what: &str,
    secret: &Secret<String>,
) -> Result<Commitment, ProjectionError> {
    let key = account_key(keys, account, "domesday 2026 commitments")?
        .ok_or(ProjectionError::Crypto(CryptoError::DoesNotOpen))?;
    let message = format!("{owner}\0{what}\0{}", secret.expose());
    Ok(crypto::keyed_hash(&key, message.as_bytes()))
}
