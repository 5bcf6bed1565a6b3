//! The service as its callers see it, in process: operations, authorization, time, rebuilding.

mod histories;
mod life;
mod sessions;
mod world;
