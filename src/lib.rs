//! domesday: a self-hosted identity and access service on an event-sourced ledger.
//!
//! The layers, lowest first; a lower layer never imports a higher one, and `base` imports none:
//!
//! ```text
//! base | store < ledger < identity < projection < policy < service < api, console, cli
//! ```
//!
//! ARCHITECTURE.md gives the reading order and the reasons.

// What is told goes through `base::notice` and `cli::print`, which outlive a full disk and a closed pipe.
#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod api;
pub mod base;
pub mod cli;
pub mod console;
pub mod identity;
pub mod ledger;
pub mod policy;
pub mod projection;
pub mod service;
pub mod store;
