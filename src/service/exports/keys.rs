//! The key that signs CloudTrail's digest files.
//!
//! It follows from the secret that the master key guards for the system account, so that it is one for
//! each store, lies nowhere by itself, and is there again wherever the store is restored with its keys. A
//! signature tells that whoever has the store and its master key wrote the digest; the proofs of the ledger
//! tell more, but the stock tools for CloudTrail know nothing else.

use super::super::Service;
use crate::base::crypto::{self, SecretKey};
use crate::base::random::{Random, RandomError};
use crate::base::rsa::SigningKey;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::sealing;
use crate::service::fault::Fault;

/// Bytes that follow from a secret: from the same secret the same ones.
struct Drawn(parking_lot::Mutex<(SecretKey, u64)>);

impl Random for Drawn {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        let mut state = self.0.lock();
        for piece in buffer.chunks_mut(32) {
            let block = crypto::keyed_hash(&state.0, &state.1.to_be_bytes());
            state.1 += 1;
            for (place, byte) in piece.iter_mut().zip(block) {
                *place = byte;
            }
        }
        Ok(())
    }
}

/// The store's key for digest files. Takes a good part of a second.
///
/// # Errors
/// If the store was never founded, or its keys cannot be read.
pub fn signing_key(service: &Service) -> Result<SigningKey, Fault> {
    let keys = service.projections().keys();
    let system = keys.get(&sealing::subject(AccountId::SYSTEM, &UniqueId::root()))?;
    let system = system.ok_or_else(|| Fault::internal("the system account has no key"))?;
    let seed = crypto::derive_key("domesday 2026 digest signing key", &system);
    made_of(seed)
}

fn made_of(seed: SecretKey) -> Result<SigningKey, Fault> {
    let drawn = Drawn(parking_lot::Mutex::new((seed, 0)));
    SigningKey::generate(&drawn).map_err(Fault::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::crypto::sha256;
    use crate::base::secret::Secret;
    use crate::base::text::hex;

    /// A key that came out otherwise after an upgrade would be another key: exports of one store would no
    /// longer be signed alike.
    #[test]
    fn the_same_secret_gives_the_same_key_for_ever() {
        let key = made_of(Secret::new([7; 32])).unwrap();
        let public = hex(&sha256(&key.public().to_der().unwrap()));
        assert_eq!(public, "ea978ca0d49e12fb4586a3ec487d938822bc786b8cf735d15ec804f6ed092629");
        let other = made_of(Secret::new([8; 32])).unwrap();
        assert_ne!(hex(&sha256(&other.public().to_der().unwrap())), public);
    }
}
