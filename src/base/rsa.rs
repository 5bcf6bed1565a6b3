//! RSA signatures (PKCS #1 v1.5 with SHA-256), for the one format that knows no others: the digest files of
//! CloudTrail.
//!
//! The crate `rsa` computes in constant time since 0.10; signing is blinded besides, which changes nothing of
//! the signature. Nothing is ever decrypted with such a key, which is what the known attack on older
//! versions was about.

use rsa::pkcs1::{DecodeRsaPublicKey, EncodeRsaPublicKey};
use rsa::pkcs1v15;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::sha2::Sha256;
use rsa::signature::{Keypair, RandomizedSigner, SignatureEncoding, Verifier};

use super::crypto::CryptoError;
use super::random::{Random, RandomError};
use super::secret::Secret;
use super::text::{base64, from_base64};

/// Bits of the modulus, as CloudTrail's keys have.
const BITS: usize = 2_048;

/// A key that signs.
pub struct SigningKey(pkcs1v15::SigningKey<Sha256>);

/// A key that checks signatures.
pub struct PublicKey(pkcs1v15::VerifyingKey<Sha256>);

/// Our randomness as the crate asks for it.
struct Source<'a>(&'a dyn Random);

impl TryRng for Source<'_> {
    type Error = RandomError;

    fn try_next_u32(&mut self) -> Result<u32, RandomError> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, RandomError> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        self.0.fill(bytes)
    }
}

impl TryCryptoRng for Source<'_> {}

impl SigningKey {
    /// A fresh key. Takes a good part of a second.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn generate(random: &dyn Random) -> Result<Self, CryptoError> {
        let made = pkcs1v15::SigningKey::random(&mut Source(random), BITS);
        made.map(SigningKey).map_err(|_| CryptoError::TooLarge)
    }

    /// From the text that [`to_text`](Self::to_text) gave; `None` for anything else.
    pub fn from_text(text: &Secret<String>) -> Option<Self> {
        let bytes = Secret::new(from_base64(text.expose())?);
        let key = rsa::PrivateKey::from_pkcs8_der(bytes.expose()).ok()?;
        Some(SigningKey(pkcs1v15::SigningKey::new(key)))
    }

    /// PKCS #8 in base64, to be sealed.
    ///
    /// # Errors
    /// If the key does not encode.
    pub fn to_text(&self) -> Result<Secret<String>, CryptoError> {
        let encoded = self.0.to_pkcs8_der().map_err(|_| CryptoError::TooLarge)?;
        Ok(Secret::new(base64(encoded.as_bytes())))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The signature of a message: the same for the same message.
    ///
    /// # Errors
    /// If there is no randomness for blinding.
    pub fn sign(&self, message: &[u8], random: &dyn Random) -> Result<Vec<u8>, CryptoError> {
        let signed = self.0.try_sign_with_rng(&mut Source(random), message);
        signed.map(|signature| signature.to_vec()).map_err(|_| CryptoError::TooLarge)
    }
}

impl PublicKey {
    /// From the DER form of PKCS #1; `None` for anything else.
    pub fn from_der(bytes: &[u8]) -> Option<Self> {
        let key = rsa::PublicKey::from_pkcs1_der(bytes).ok()?;
        Some(PublicKey(pkcs1v15::VerifyingKey::new(key)))
    }

    /// The DER form of PKCS #1.
    ///
    /// # Errors
    /// If the key does not encode.
    pub fn to_der(&self) -> Result<Vec<u8>, CryptoError> {
        let key: &rsa::PublicKey = self.0.as_ref();
        let encoded = key.to_pkcs1_der().map_err(|_| CryptoError::TooLarge)?;
        Ok(encoded.into_vec())
    }

    /// Whether a signature is this key's of a message.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        pkcs1v15::Signature::try_from(signature)
            .is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SeededRandom;

    #[test]
    fn a_key_signs_what_its_public_half_verifies() {
        let random = SeededRandom::new(3);
        let key = SigningKey::generate(&random).unwrap();
        let again = SigningKey::from_text(&key.to_text().unwrap()).unwrap();
        let signature = key.sign(b"digest", &random).unwrap();
        assert_eq!(again.sign(b"digest", &random).unwrap(), signature);
        let public = PublicKey::from_der(&again.public().to_der().unwrap()).unwrap();
        assert!(public.verifies(b"digest", &signature));
        assert!(!public.verifies(b"digesT", &signature));
        let mut altered = signature;
        altered[7] ^= 1;
        assert!(!public.verifies(b"digest", &altered) && !public.verifies(b"digest", b""));
        assert!(SigningKey::from_text(&Secret::new("bm9uZQ==".to_owned())).is_none());
        assert!(PublicKey::from_der(b"none").is_none());
    }
}
