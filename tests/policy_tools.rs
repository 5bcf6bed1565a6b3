//! `policy lint` and `policy test`, as people's CI runs them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test, its helpers included

#[path = "policy_tools/commands.rs"]
mod commands;
