//! The engines, each behind the same two functions.
//!
//! Every engine gets what is kindest to it: each principal's policies alone, compiled as far as the
//! engine can, and requests in the engine's own form, made beforehand. Only deciding is measured.

mod aspen;
mod casbin;
mod cedar;
mod floor;
mod ours;
mod regorus;

pub use ours::compile;

use crate::workload::{Answer, SERVICES, Workload};

/// A value, or why there is none.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// An engine with the policies of a workload compiled and its requests prepared.
pub trait Engine: Sync {
    /// Decides the request of this number. An error is the engine's own: it never stands for a denial.
    fn decide(&self, request: usize) -> Outcome<Answer>;

    /// How many requests of a workload it is asked at most: its first ones.
    fn most(&self) -> usize {
        usize::MAX
    }
}

/// What builds an engine.
pub type Build = fn(&Workload) -> Outcome<Box<dyn Engine>>;

/// The floor.
pub const FLOOR: &str = "hand-made floor";
/// Ours.
pub const OURS: &str = "domesday";

/// Every engine, the floor and ours first.
pub const ALL: [(&str, Build); 6] = [
    (FLOOR, floor::build),
    (OURS, ours::build),
    ("cedar-policy", cedar::build),
    ("casbin", casbin::build),
    ("regorus", regorus::build),
    ("scratchstack-aspen", aspen::build),
];

/// The 96 actions that exist.
fn every_action() -> impl Iterator<Item = String> {
    let services = SERVICES.iter();
    services.flat_map(|(prefix, _, names)| names.iter().map(move |name| format!("{prefix}:{name}")))
}

/// Whether a pattern, an action or the beginning of one and `*`, names an action.
fn named(pattern: &str, action: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => action.starts_with(beginning),
        None => pattern == action,
    }
}
