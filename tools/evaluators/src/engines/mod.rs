//! The engines, each behind the same two functions.
//!
//! Every engine gets what is kindest to it: each principal's policies alone, compiled as far as the
//! engine can, and requests in the engine's own form, made beforehand. Only deciding is measured.

mod floor;
mod ours;

pub use ours::compile;

use crate::workload::{Answer, Workload};

/// An engine with the policies of a workload compiled and its requests prepared.
pub trait Engine: Sync {
    /// Decides the request of this number.
    fn decide(&self, request: usize) -> Answer;
}

/// What builds an engine.
pub type Build = fn(&Workload) -> Result<Box<dyn Engine>, Box<dyn std::error::Error>>;

/// The floor.
pub const FLOOR: &str = "hand-made floor";
/// Ours.
pub const OURS: &str = "domesday";

/// Every engine, the floor and ours first.
pub const ALL: [(&str, Build); 2] = [(FLOOR, floor::build), (OURS, ours::build)];
