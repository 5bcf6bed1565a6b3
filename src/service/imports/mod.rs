//! Histories of elsewhere.

pub mod baseline;
pub mod details;
pub mod files;
pub mod gate;
pub mod record;
pub mod sorted;
