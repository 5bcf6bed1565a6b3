//! The real program: started, asked over HTTP, killed, and started again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod aging;
mod auditing;
#[path = "../campaign/mod.rs"]
mod campaign;
mod damage;
mod exports;
mod full;
mod https;
mod kill;
mod program;
mod proofs;
mod questions;
mod tls;
mod transcripts;
#[allow(dead_code)]
#[path = "../service/world.rs"]
mod world;
