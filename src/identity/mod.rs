//! The nouns of identity and the vocabulary of what can happen to them. Pure: no I/O, no clock.
//!
//! - [`id`]: unique ids (`AIDA...`), account digits, names.
//! - [`arn`]: Amazon resource names, built and read.
//! - [`change`]: the past-tense kinds that an event's body is made of, each with a number and version
//!   that never change.
//! - [`field`]: what their fields are made of.
//! - [`concerned`]: whom and what a change is about.
//! - [`event`]: the body of an event: who asked what, and the changes it caused.

pub mod arn;
pub mod change;
pub mod codec;
pub mod concerned;
pub mod event;
pub mod field;
pub mod id;
mod kinds;

pub use arn::Arn;
pub use change::Change;
pub use event::Event;
pub use id::{IdKind, UniqueId};
