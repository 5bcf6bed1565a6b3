//! The service as its callers see it, in process: operations, authorization, time, rebuilding.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod access;
mod accessed;
mod account;
#[path = "../campaign/mod.rs"]
mod campaign;
mod diff;
mod escalation;
mod evaluations;
mod exports;
mod factors;
mod faults;
mod flips;
mod glances;
mod golden;
mod golden_ledger;
mod granted;
mod histories;
mod imports;
mod life;
mod log;
mod managed;
mod model;
mod named_reports;
mod ocsf_schema;
mod organization;
mod passwords;
mod proofs;
mod replays;
mod reports;
mod root;
mod sessions;
mod signin;
mod verifying;
mod who_can;
mod world;
