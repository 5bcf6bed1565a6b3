//! What every layer may use and what imports none of ours: time, randomness, cryptography,
//! secrets and text.

pub mod cells;
pub mod clock;
pub mod crypto;
pub mod form_tree;
pub mod notice;
pub mod qr;
pub mod random;
pub mod rsa;
pub mod secret;
pub mod signature;
pub mod sigv4;
pub mod text;
pub mod time;
pub mod totp;
