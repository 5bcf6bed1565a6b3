//! The only place that draws randomness. Everything else is handed a [`Random`].

use parking_lot::Mutex;

/// A source of random bytes fit for keys.
pub trait Random: Send + Sync {
    /// Fills the buffer. An operating system that cannot give randomness is an error, never zeros.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError>;
}

/// The operating system gave no randomness; nothing safe can be made without it.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gave no randomness: {0}")]
pub struct RandomError(getrandom::Error);

/// An array of random bytes.
pub fn random_bytes<const N: usize>(random: &dyn Random) -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

/// `length` characters drawn evenly from `alphabet` (at most 256 characters; ASCII).
pub fn random_text(
    random: &dyn Random,
    alphabet: &[u8],
    length: usize,
) -> Result<String, RandomError> {
    let mut text = String::with_capacity(length);
    let bound = 256 - 256 % alphabet.len().max(1);
    while text.len() < length {
        let [byte] = random_bytes::<1>(random)?;
        let byte = usize::from(byte);
        // Bytes past the last whole multiple would favour the first letters.
        if byte < bound
            && let Some(letter) = alphabet.get(byte % alphabet.len())
        {
            text.push(char::from(*letter));
        }
    }
    Ok(text)
}

/// A random UUID: 36 characters, lower case (its version is not marked).
pub fn random_uuid(random: &dyn Random) -> Result<String, RandomError> {
    let text = super::text::hex(&random_bytes::<16>(random)?);
    let part = |from, to| text.get(from..to).unwrap_or_default();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

/// The operating system's generator.
#[derive(Debug, Default, Clone, Copy)]
pub struct OsRandom;

impl Random for OsRandom {
    #[allow(clippy::disallowed_methods)] // the one place that may
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(buffer).map_err(RandomError)
    }
}

/// A generator whose whole output follows from its seed, for tests and simulations.
pub struct SeededRandom(Mutex<blake3::OutputReader>);

impl SeededRandom {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("domesday 2026 seeded randomness");
        hasher.update(&seed.to_be_bytes());
        SeededRandom(Mutex::new(hasher.finalize_xof()))
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        self.0.lock().fill(buffer);
        Ok(())
    }
}
