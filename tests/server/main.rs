//! The real program: started, asked over HTTP, killed, and started again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../campaign/mod.rs"]
mod campaign;
mod full;
mod kill;
mod program;
mod transcripts;
