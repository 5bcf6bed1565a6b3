//! Sealing, keyed hashes and comparisons: every use of a cipher outside the ledger's own hashes.
//!
//! Sealing is XChaCha20-Poly1305: its 24-byte nonce may be drawn at random for every value. The
//! associated data binds a sealed value to the place it was made for, so that a value moved to
//! another account, subject or field does not open.

use argon2::Argon2;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::random::{Random, RandomError, random_bytes};
use super::secret::Secret;

/// A 256-bit symmetric key.
pub type SecretKey = Secret<[u8; 32]>;

const NONCE: usize = 24;

/// Why a value could not be sealed or opened.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum CryptoError {
    /// The value was altered, or it was sealed with another key or for another place.
    #[error("a sealed value does not open: it was altered, moved, or sealed under another key")]
    DoesNotOpen,
    /// The cipher refused the input, which only happens beyond 256 GiB.
    #[error("a value is too large to seal")]
    TooLarge,
    /// No randomness for the nonce.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Seals `plain` for the place that `associated` names. Returns nonce and ciphertext, 40 bytes
/// longer than the input.
pub fn seal(
    key: &SecretKey,
    associated: &[u8],
    plain: &[u8],
    random: &dyn Random,
) -> Result<Vec<u8>, CryptoError> {
    let nonce = random_bytes::<NONCE>(random)?;
    let cipher = XChaCha20Poly1305::new(&Key::from(*key.expose()));
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: associated })
        .map_err(|_| CryptoError::TooLarge)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

/// Opens what [`seal`] made for the same place.
pub fn open(key: &SecretKey, associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE>().ok_or(CryptoError::DoesNotOpen)?;
    let cipher = XChaCha20Poly1305::new(&Key::from(*key.expose()));
    cipher
        .decrypt(&XNonce::from(*nonce), Payload { msg: body, aad: associated })
        .map_err(|_| CryptoError::DoesNotOpen)
}

/// A fresh key.
pub fn new_key(random: &dyn Random) -> Result<SecretKey, RandomError> {
    random_bytes::<32>(random).map(Secret::new)
}

/// The key for one purpose under a parent key; `purpose` is a constant of the code.
pub fn derive_key(purpose: &str, parent: &SecretKey) -> SecretKey {
    Secret::new(blake3::derive_key(purpose, parent.expose()))
}

/// A keyed hash: without the key it tells nothing of the message, with it the message is committed to.
pub fn keyed_hash(key: &SecretKey, message: &[u8]) -> [u8; 32] {
    *blake3::keyed_hash(key.expose(), message).as_bytes()
}

/// BLAKE3 of content that is addressed by its hash.
pub fn content_hash(content: &[u8]) -> [u8; 32] {
    *blake3::hash(content).as_bytes()
}

/// BLAKE3 of content that lies in parts, one after the other.
pub fn content_hash_of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// BLAKE3 of all that is read, however much it is.
///
/// # Errors
/// Whatever keeps it from being read.
pub fn content_hash_of(mut from: impl std::io::Read) -> std::io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut from, &mut hasher)?;
    Ok(*hasher.finalize().as_bytes())
}

/// SHA-256, for the protocols that fix it.
pub fn sha256(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

/// SHA-256 of a message that comes piece by piece.
#[derive(Clone, Default)]
pub struct Sha256Sum(Sha256);

impl Sha256Sum {
    /// Takes in the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of all pieces.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// HMAC-SHA256 (RFC 2104), for SigV4.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of every length: this cannot fail, and the fallback could match nothing.
    let Ok(mut mac) = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key) else {
        return [0; 32];
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA1 (RFC 2104), for one-time codes: authenticators take nothing else for granted.
pub fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    // As above.
    let Ok(mut mac) = <Hmac<Sha1> as hmac::KeyInit>::new_from_slice(key) else {
        return [0; 20];
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// An argon2id hash of a password in PHC form, with the parameters that OWASP names as the minimum
/// (19 MiB, 2 passes). Takes tens of milliseconds.
pub fn hash_password(
    password: &Secret<String>,
    random: &dyn Random,
) -> Result<Secret<String>, CryptoError> {
    let salt = random_bytes::<16>(random)?;
    let hash = Argon2::default()
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map_err(|_| CryptoError::TooLarge)?;
    Ok(Secret::new(hash.to_string()))
}

/// Whether a password is the one of an argon2id hash in PHC form, compared in constant time. Takes as long as
/// hashing it.
///
/// # Errors
/// If the text is no such hash.
pub fn verify_password(password: &Secret<String>, hash: &str) -> Result<bool, CryptoError> {
    match Argon2::default().verify_password(password.expose().as_bytes(), hash) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(CryptoError::DoesNotOpen),
    }
}

/// Whether two byte strings are equal, in a time that tells only their lengths.
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SeededRandom;

    #[test]
    fn a_sealed_value_opens_only_in_its_place() {
        let random = SeededRandom::new(1);
        let key = new_key(&random).unwrap();
        let sealed = seal(&key, b"alice|name", b"Alice", &random).unwrap();
        assert_eq!(open(&key, b"alice|name", &sealed).unwrap(), b"Alice");
        assert!(open(&key, b"bob|name", &sealed).is_err());
        assert!(open(&new_key(&random).unwrap(), b"alice|name", &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, b"alice|name", &damaged).is_err());
        }
        assert!(open(&key, b"", b"short").is_err());
    }

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let password = |text: &str| Secret::new(text.to_owned());
        let hash = hash_password(&password("Abcdefg1"), &SeededRandom::new(1)).unwrap();
        assert!(verify_password(&password("Abcdefg1"), hash.expose()).unwrap());
        assert!(!verify_password(&password("Abcdefg2"), hash.expose()).unwrap());
        assert!(verify_password(&password("Abcdefg1"), "Abcdefg1").is_err());
    }

    #[test]
    fn hmac_agrees_with_rfc_4231() {
        let tag = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(
            crate::base::text::hex(&tag),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
