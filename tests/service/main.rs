//! The service as its callers see it, in process: operations, authorization, time, rebuilding.

mod faults;
mod flips;
mod golden;
mod histories;
mod life;
mod model;
mod sessions;
mod world;
