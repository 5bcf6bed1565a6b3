//! What every layer may use and what imports none of ours: time, randomness, cryptography,
//! secrets and text.

pub mod clock;
pub mod crypto;
pub mod random;
pub mod secret;
pub mod text;
pub mod time;
