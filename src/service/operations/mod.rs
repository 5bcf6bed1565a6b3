//! The operations, one file a resource; each file begins with its table of contents.
//!
//! The families that repeat across kinds - tags, inline policies, attachments, boundaries - are written
//! once, each in a file of its own, and cost one row a kind.

pub mod access_keys;
pub mod account;
pub mod account_details;
pub mod attachments;
pub mod boundaries;
pub mod credential_reports;
pub mod groups;
pub mod inline_policies;
pub mod instance_profiles;
pub mod last_accessed;
pub mod login_profiles;
pub mod mfa_devices;
pub mod password_policies;
pub mod policies;
pub mod policy_versions;
pub mod roles;
pub mod service_credentials;
pub mod shapes;
pub mod simulation;
pub mod sts;
pub mod tags;
pub mod users;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::operation::{Api, Row};

/// Every file's table of contents.
const FILES: &[&[Row]] = &[
    access_keys::OPERATIONS,
    account::OPERATIONS,
    account_details::OPERATIONS,
    credential_reports::OPERATIONS,
    instance_profiles::OPERATIONS,
    last_accessed::OPERATIONS,
    login_profiles::OPERATIONS,
    mfa_devices::OPERATIONS,
    password_policies::OPERATIONS,
    tags::OPERATIONS,
    policy_versions::OPERATIONS,
    policies::OPERATIONS,
    groups::OPERATIONS,
    boundaries::OPERATIONS,
    attachments::OPERATIONS,
    inline_policies::OPERATIONS,
    roles::OPERATIONS,
    service_credentials::OPERATIONS,
    simulation::OPERATIONS,
    sts::OPERATIONS,
    users::OPERATIONS,
];

static BY_NAME: LazyLock<HashMap<(Api, &'static str), &'static Row>> = LazyLock::new(|| {
    FILES.iter().copied().flatten().map(|row| ((row.api, row.name), row)).collect()
});

/// The operation of a name, if it is built.
pub fn find(api: Api, name: &str) -> Option<&'static Row> {
    BY_NAME.get(&(api, name)).copied()
}

/// All operations that are built.
pub fn all() -> impl Iterator<Item = &'static Row> {
    FILES.iter().copied().flatten()
}
