//! Sealing, keyed hashes and comparisons: every use of a cipher outside the ledger's own hashes.
//!
//! Sealing is XChaCha20-Poly1305: its 24-byte nonce may be drawn at random for every value. The
//! associated data binds a sealed value to the place it was made for, so that a value moved to
//! another account, subject or field does not open.
//!
//! Most values are names and addresses, and millions of them are opened for one export: what a cipher does once for
//! each value weighs more than its speed. So the AEAD is ring's ChaCha20-Poly1305 (RFC 8439), under the key and with
//! the nonce that XChaCha20 derives for it (draft-irtf-cfrg-xchacha-03, section 2.3); the tests hold it against the
//! draft's vector and another implementation.

use argon2::Argon2;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use chacha20::{R20, hchacha};
use hmac::{Hmac, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::random::{Random, RandomError, random_bytes};
use super::secret::Secret;

/// A 256-bit symmetric key.
pub type SecretKey = Secret<[u8; 32]>;

/// Bytes of a nonce, of which the first derive a key and the others are ChaCha20's own.
const NONCE: usize = 24;
const DERIVING: usize = 16;
const TAG: usize = 16;

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
    let mut sealed = Vec::with_capacity(NONCE + plain.len() + TAG);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let (key, own) = derived(key, &nonce).ok_or(CryptoError::TooLarge)?;
    let body = sealed.get_mut(NONCE..).unwrap_or_default();
    let tag = key.seal_in_place_separate_tag(own, Aad::from(associated), body);
    sealed.extend_from_slice(tag.map_err(|_| CryptoError::TooLarge)?.as_ref());
    Ok(sealed)
}

/// Opens what [`seal`] made for the same place.
pub fn open(key: &SecretKey, associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE>().ok_or(CryptoError::DoesNotOpen)?;
    let (key, own) = derived(key, nonce).ok_or(CryptoError::DoesNotOpen)?;
    let mut plain = body.to_vec();
    let opened = key.open_in_place(own, Aad::from(associated), &mut plain);
    let length = opened.map_err(|_| CryptoError::DoesNotOpen)?.len();
    plain.truncate(length);
    Ok(plain)
}

/// The key and nonce of ChaCha20-Poly1305 that XChaCha20 derives. There always is one.
fn derived(key: &SecretKey, nonce: &[u8; NONCE]) -> Option<(LessSafeKey, Nonce)> {
    let (deriving, rest) = nonce.split_first_chunk::<DERIVING>()?;
    let derived: Zeroizing<[u8; 32]> =
        Zeroizing::new(hchacha::<R20>(&(*key.expose()).into(), &(*deriving).into()).into());
    let mut own = [0; 12];
    own.last_chunk_mut::<8>()?.copy_from_slice(rest);
    let key = UnboundKey::new(&CHACHA20_POLY1305, derived.as_slice()).ok()?;
    Some((LessSafeKey::new(key), Nonce::assume_unique_for_key(own)))
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
    fn sealing_is_xchacha20_poly1305() {
        use chacha20poly1305::aead::{Aead, KeyInit, Payload};
        use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
        use data_encoding::HEXLOWER;
        // draft-irtf-cfrg-xchacha-03, appendix A.3.1.
        let bytes = |hexadecimal: &str| HEXLOWER.decode(hexadecimal.as_bytes()).unwrap();
        let key: Vec<u8> = (0x80..=0x9f).collect();
        let key = Secret::new(<[u8; 32]>::try_from(key).unwrap());
        let nonce: Vec<u8> = (0x40..=0x57).collect();
        let associated = bytes("50515253c0c1c2c3c4c5c6c7");
        let sealed = bytes(concat!(
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb",
            "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452",
            "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9",
            "21f9664c97637da9768812f615c68b13b52e",
            "c0875924c1c7987947deafd8780acf49",
        ));
        let plain =
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
            future, sunscreen would be it.";
        assert_eq!(open(&key, &associated, &[nonce, sealed].concat()).unwrap(), plain);
        // Another implementation, for every length around its blocks.
        let random = SeededRandom::new(2);
        for length in (0..200).chain([1_000, 70_000]) {
            let (key, plain) = (new_key(&random).unwrap(), vec![length as u8; length]);
            let associated = vec![7; length % 70];
            let sealed = seal(&key, &associated, &plain, &random).unwrap();
            assert_eq!(sealed.len(), length + 40);
            let (nonce, body) = sealed.split_first_chunk::<NONCE>().unwrap();
            let other = XChaCha20Poly1305::new(&Key::from(*key.expose()));
            let payload = Payload { msg: body, aad: &associated };
            assert_eq!(other.decrypt(&XNonce::from(*nonce), payload).unwrap(), plain);
            assert_eq!(open(&key, &associated, &sealed).unwrap(), plain);
        }
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
