//! Ed25519 (RFC 8032): the same key and message always give the same signature.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::crypto::SecretKey;

/// A public key, as RFC 8032 encodes it.
pub type PublicKey = [u8; 32];

/// The public key of a seed.
pub fn public_key(seed: &SecretKey) -> PublicKey {
    SigningKey::from_bytes(seed.expose()).verifying_key().to_bytes()
}

/// Signs a message with the key of a seed.
pub fn sign(seed: &SecretKey, message: &[u8]) -> [u8; 64] {
    SigningKey::from_bytes(seed.expose()).sign(message).to_bytes()
}

/// Whether a signature is that of the key over the message. Keys and signatures that more than one message
/// could fit (points of small order) are none.
pub fn verify(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = <[u8; 64]>::try_from(signature) else { return false };
    VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(&signature)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::base::text::from_hex;

    #[test]
    fn agrees_with_rfc_8032() {
        let bytes = |text: &str| <[u8; 32]>::try_from(from_hex(text).unwrap().as_slice()).unwrap();
        let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let key = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = from_hex(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        let seed = Secret::new(seed);
        assert_eq!(public_key(&seed), key);
        assert_eq!(Some(sign(&seed, &[0x72]).to_vec()), signature);
        let signature = signature.unwrap();
        assert!(verify(&key, &[0x72], &signature));
        assert!(!verify(&key, &[0x73], &signature));
        assert!(!verify(&key, &[0x72], &signature[..63]));
        assert!(!verify(&[0; 32], &[0x72], &signature));
        for bit in 0..512 {
            let mut altered = signature.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&key, &[0x72], &altered), "bit {bit}");
        }
    }
}
