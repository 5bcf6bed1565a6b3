//! `policy lint` and `policy test`, as people's CI runs them, and documents as nobody should write them.
//!
//! `tools/campaign fuzz` is the long form of the last.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test, its helpers included

#[path = "campaign/mod.rs"]
mod campaign;
#[path = "policy_tools/commands.rs"]
mod commands;
#[path = "policy_tools/fuzz.rs"]
mod fuzz;
#[path = "policy_tools/mutate.rs"]
mod mutate;
