//! The IAM policy language, and the one function that decides.
//!
//! A [`Document`] is parsed once: wildcards, variables, numbers, dates and address ranges are compiled
//! there, so that a decision only compares. A [`PolicySet`] holds the documents of one type that judge
//! a principal, with an index over their statements. A [`Request`] asks whether a [`Principal`] may do an
//! action on a resource in a [`Context`]; [`Policies`] are the sets that have a say;
//! [`decide()`] answers. [`explore()`] answers the same and adds what other context could change.
//!
//! No I/O and no clock: what a decision depends on is in its arguments, so that a recorded decision
//! can be computed again at any time. Where sources on AWS's behaviour disagree, the stricter reading
//! is taken, and the module that takes it says so.
//!
//! Read in this order: `json` (text with positions), `grammar`, `rules` and `resource_form` (what a
//! document may say, and AWS's errors), `pattern`, `arn`, `condition` and `moment` (matching),
//! `principal` and `outsider` (who a policy names), `document` (all of it compiled), `index` and `set` (many of
//! them together), `request`, `decide`, `explore`, `reach`, `clock`. Beside them: `catalogue` (what AWS's services have),
//! `value` (whether a text can be the value of a key of some type) and `lint` (what is suspicious in a
//! document).

mod arn;
pub mod catalogue;
mod clock;
mod condition;
mod context;
mod decide;
mod document;
mod error;
mod explore;
mod grammar;
mod index;
mod json;
pub mod lint;
mod moment;
mod outsider;
mod pattern;
mod principal;
mod reach;
mod request;
mod resource_form;
mod rules;
mod set;
mod value;

pub use clock::{Clock, Turn};
pub use context::{Context, Values};
pub use decide::{Deciding, Decision, Outcome, PolicyType, decide};
pub use document::{Document, Statement};
pub use error::{DocumentError, Position};
pub use explore::{Exploration, Need, certain, explore, explore_certain, range};
pub use grammar::{DocumentKind, Effect};
pub use outsider::Outsider;
pub use principal::{Binding, Principal};
pub use reach::Reach;
pub use request::{Policies, Request};
pub use set::{Attached, Label, PolicySet};
pub use value::ValueType;
