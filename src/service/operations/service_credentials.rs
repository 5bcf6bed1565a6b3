//! Service-specific credentials: what a user shows to one service instead of a signature.
//!
//! AWS knows two kinds. Services of the first take a user name and a password (CodeCommit, Keyspaces);
//! those of the second an API key, one text that is sent as `Authorization: Bearer` and may have an end
//! (Bedrock, CloudWatch Logs). [`OWN_SERVICE`] is this service itself, of the second kind: its key opens
//! `/access/v1/` (see `api::authzen`) and nothing else.
//!
//! The secret is drawn here and shown once; what is kept is a hash of it, sealed, and an event holds a
//! commitment to that. A reset ends the old secret with the same event, and leaves the end as it was.
//!
//! Source: IAM API reference, the five operations; IAM User Guide, "Service-specific credentials for IAM
//! users". The public part, `NAME-at-ACCOUNT` and `NAME+1-at-ACCOUNT`, is as AWS shows it.

use serde::{Deserialize, Serialize};

use super::shapes::{named_or_own, need, page, quota};
use crate::base::crypto;
use crate::base::random::random_bytes;
use crate::base::secret::Secret;
use crate::base::text::{base64, base64_url, hex};
use crate::base::time::Timestamp;
use crate::identity::change::{
    Commitment, ServiceCredentialCreated, ServiceCredentialDeleted, ServiceCredentialReset,
    ServiceCredentialStatusSet,
};
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::directory::{Directory, Named};
use crate::projection::tables::{
    SERVICE_CREDENTIAL_ACCOUNTS, SERVICE_CREDENTIALS, SERVICE_CREDENTIALS_OF, ServiceCredentialRow,
    UserRow,
};
use crate::projection::view::ReadTables;
use crate::projection::{ProjectionError, Reader, sealing};
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::target;

operations! { Iam:
    write CreateServiceSpecificCredential on |op, scene| {
        let days = op.credential_age_days.map(|days| days.to_string());
        Ok(target::named::<UserRow>(scene, &op.user_name)?
            .key("iam:ServiceSpecificCredentialServiceName", &op.service_name)
            .key_if("iam:ServiceSpecificCredentialAgeDays", days.as_deref()))
    } => NewCredentialAnswer,
    read ListServiceSpecificCredentials on |op, scene| {
        match op.all_users.unwrap_or_default() {
            true => target::new::<UserRow>(scene, None, "*"),
            false => target::user_or_self(scene, op.user_name.as_deref()),
        }
    } => ListServiceSpecificCredentialsResult,
    write UpdateServiceSpecificCredential on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => (),
    write ResetServiceSpecificCredential on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => NewCredentialAnswer,
    write DeleteServiceSpecificCredential on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => (),
}

/// The name of this service among those that take such credentials. It is no `....amazonaws.com`: those
/// names are AWS's to give.
pub const OWN_SERVICE: &str = "domesday";

/// How bearer credentials of [`OWN_SERVICE`] begin, so that scanners for leaked secrets know them.
pub const OWN_PREFIX: &str = "domesday_";

/// Credentials that a user may have for each service; not adjustable.
const CREDENTIALS_QUOTA: usize = 2;

const SECRET_BYTES: usize = 32;
const SECONDS_OF_DAY: i64 = 86_400;

/// What a service takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// A user name and a password.
    Password,
    /// A text to be sent as a bearer, which begins so.
    Bearer(&'static str),
}

const SERVICES: [(&str, Shape); 5] = [
    ("codecommit.amazonaws.com", Shape::Password),
    ("cassandra.amazonaws.com", Shape::Password),
    ("bedrock.amazonaws.com", Shape::Bearer("ABSK")),
    ("logs.amazonaws.com", Shape::Bearer("ACWL")),
    (OWN_SERVICE, Shape::Bearer(OWN_PREFIX)),
];

fn shape(service: &str) -> Result<Shape, Fault> {
    let known = SERVICES.iter().find(|(name, _)| *name == service);
    known.map(|(_, shape)| *shape).ok_or_else(|| fault::NO_SUCH_SERVICE.with(&[service]))
}

/// What is kept of a secret: it is as random as a key, so that one hash is enough.
fn kept(secret: &str) -> Secret<String> {
    Secret::new(hex(&crypto::content_hash(secret.as_bytes())))
}

/// Whom a bearer of [`OWN_SERVICE`] stands for, at an instant: the account, the user and the credential.
/// `None` for whatever is not one that works; why is not told.
pub fn bearer(
    reader: &dyn Reader,
    token: &Secret<String>,
    at: Timestamp,
) -> Result<Option<(AccountId, UniqueId, UniqueId)>, ProjectionError> {
    let parts = token.expose().strip_prefix(OWN_PREFIX).and_then(|rest| rest.split_once('_'));
    let Some((id, secret)) = parts else { return Ok(None) };
    let id = UniqueId::parse(id).filter(|id| id.kind() == Some(IdKind::ServiceCredential));
    let Some(id) = id else { return Ok(None) };
    let Some(account) = reader.get(AccountId::SYSTEM, &SERVICE_CREDENTIAL_ACCOUNTS, &id)? else {
        return Ok(None);
    };
    let row = reader.get(account, &SERVICE_CREDENTIALS, &id)?;
    let good = |row: &ServiceCredentialRow| row.service == OWN_SERVICE && row.is_good(at);
    let Some(row) = row.filter(good) else { return Ok(None) };
    let what = id.as_str();
    let hash = sealing::open_secret(reader, account, &row.owner, what, &row.commitment)?;
    let is_it = hash.is_some_and(|hash| {
        crypto::equal(hash.expose().as_bytes(), kept(secret).expose().as_bytes())
    });
    Ok(is_it.then_some((account, row.owner, id)))
}

/// All credentials of a user, the oldest first.
fn of_user(directory: Directory<'_>, user: &UniqueId) -> Result<Vec<ServiceCredentialRow>, Fault> {
    let mut rows = Vec::new();
    for id in directory.reader.list(directory.account, &SERVICE_CREDENTIALS_OF, user)? {
        rows.extend(directory.reader.get(directory.account, &SERVICE_CREDENTIALS, &id)?);
    }
    rows.sort_by_key(order);
    Ok(rows)
}

fn order(row: &ServiceCredentialRow) -> String {
    format!("{:020}{}", row.created.micros(), row.id)
}

/// A credential of this user.
fn owned(
    directory: Directory<'_>,
    user: &Named<UserRow>,
    credential: &str,
) -> Result<ServiceCredentialRow, Fault> {
    let found = match UniqueId::parse(credential) {
        None => None,
        Some(id) => directory.reader.get(directory.account, &SERVICE_CREDENTIALS, &id)?,
    };
    found
        .filter(|row| row.owner == user.row.id)
        .ok_or_else(|| fault::NO_SERVICE_CREDENTIAL.with(&[credential]))
}

fn alias(directory: Directory<'_>, row: &ServiceCredentialRow) -> Result<String, Fault> {
    Ok(directory.open(&row.owner, &alias_field(&row.id), &row.alias)?)
}

/// The field under which the public part is sealed.
/// The field under which a credential's alias is sealed.
pub fn alias_field(id: &UniqueId) -> String {
    format!("service credential {id}")
}

fn status(row: &ServiceCredentialRow, at: Timestamp) -> &'static str {
    match (row.is_expired(at), row.active) {
        (true, _) => "Expired",
        (false, true) => "Active",
        (false, false) => "Inactive",
    }
}

/// Draws a secret for a credential and keeps its hash: what the user is shown, and the commitment.
fn draw(
    to: &mut Writing<'_, '_>,
    owner: &UniqueId,
    id: &UniqueId,
    shape: Shape,
    alias: &str,
) -> Result<(Secret<String>, Commitment), Fault> {
    let bytes = random_bytes::<SECRET_BYTES>(to.tx.random())?;
    let (secret, shown) = match shape {
        Shape::Password => {
            let password = base64(&bytes);
            (kept(&password), password)
        }
        Shape::Bearer(OWN_PREFIX) => {
            let secret = base64_url(&bytes);
            (kept(&secret), format!("{OWN_PREFIX}{id}_{secret}"))
        }
        Shape::Bearer(prefix) => {
            let secret = base64(&bytes);
            (kept(&secret), format!("{prefix}{}", base64(format!("{alias}:{secret}").as_bytes())))
        }
    };
    let commitment = to.tx.keep_secret(owner, id.as_str(), &secret)?;
    Ok((Secret::new(shown), commitment))
}

/// A credential, with its secret: shown when it is made and when it is reset.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NewCredentialAnswer {
    service_specific_credential: NewCredential,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewCredential {
    create_date: Timestamp,
    expiration_date: Option<Timestamp>,
    service_name: String,
    service_user_name: Option<String>,
    service_password: Option<String>,
    service_credential_alias: Option<String>,
    service_credential_secret: Option<String>,
    service_specific_credential_id: UniqueId,
    user_name: String,
    status: &'static str,
}

fn new_credential(
    row: ServiceCredentialRow,
    user_name: String,
    alias: String,
    secret: &Secret<String>,
    at: Timestamp,
) -> Result<NewCredentialAnswer, Fault> {
    let is_password = shape(&row.service)? == Shape::Password;
    let of_password = |text: &String| is_password.then(|| text.clone());
    let of_bearer = |text: &String| (!is_password).then(|| text.clone());
    Ok(NewCredentialAnswer {
        service_specific_credential: NewCredential {
            create_date: row.created,
            expiration_date: row.expires,
            service_user_name: of_password(&alias),
            service_password: of_password(secret.expose()),
            service_credential_alias: of_bearer(&alias),
            service_credential_secret: of_bearer(secret.expose()),
            status: status(&row, at),
            service_name: row.service,
            service_specific_credential_id: row.id,
            user_name,
        },
    })
}

/// `CreateServiceSpecificCredential`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateServiceSpecificCredential {
    user_name: String,
    service_name: String,
    credential_age_days: Option<u32>,
}

impl Write for CreateServiceSpecificCredential {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<NewCredentialAnswer, Fault> {
        let user = need::<UserRow>(to.directory(), &self.user_name)?;
        let shape = shape(&self.service_name)?;
        if shape == Shape::Password && self.credential_age_days.is_some() {
            return Err(fault::CREDENTIAL_NEVER_AGES.with(&[&self.service_name]));
        }
        let mut alike = of_user(to.directory(), &user.row.id)?;
        alike.retain(|row| row.service == self.service_name);
        quota(to.tx, || Ok(alike.len()), CREDENTIALS_QUOTA, "ServiceSpecificCredentialsPerUser")?;
        let taken = alike
            .iter()
            .map(|row| alias(to.directory(), row))
            .collect::<Result<Vec<_>, Fault>>()?;
        let alias = free_alias(&user.name, &to.directory().digits()?, &taken);
        let owner = user.row.id;
        let id = to.tx.new_id(IdKind::ServiceCredential)?;
        // Only one of elsewhere can be one that somebody has already.
        let known = to.tx.get(AccountId::SYSTEM, &SERVICE_CREDENTIAL_ACCOUNTS, &id)?;
        if known.is_some() {
            let known = format!("The credential {id} is somebody's here already.");
            return Err(Fault::new("EntityAlreadyExists", 409, known));
        }
        let (secret, commitment) = draw(to, &owner, &id, shape, &alias)?;
        let days = self.credential_age_days;
        let expires = days.map(|days| to.tx.at().plus_seconds(i64::from(days) * SECONDS_OF_DAY));
        to.tx.record(ServiceCredentialCreated {
            credential: id.clone(),
            owner: owner.clone(),
            service: self.service_name,
            alias: to.tx.seal(&owner, &alias_field(&id), &alias)?,
            commitment,
            expires,
        })?;
        let row = to.tx.get(to.tx.account(), &SERVICE_CREDENTIALS, &id)?;
        let row = row.ok_or_else(|| Fault::internal("a new credential is not there"))?;
        new_credential(row, user.name, alias, &secret, to.tx.at())
    }
}

/// `alice-at-123456789012`, and with `+1`, `+2` after the name while that is taken.
fn free_alias(name: &str, digits: &str, taken: &[String]) -> String {
    let mut alias = format!("{name}-at-{digits}");
    for number in 1..=taken.len() {
        if !taken.contains(&alias) {
            break;
        }
        alias = format!("{name}+{number}-at-{digits}");
    }
    alias
}

/// `ListServiceSpecificCredentials`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListServiceSpecificCredentials {
    user_name: Option<String>,
    service_name: Option<String>,
    all_users: Option<bool>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// A page of credentials.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListServiceSpecificCredentialsResult {
    service_specific_credentials: Vec<CredentialMetadata>,
    marker: Option<String>,
    is_truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CredentialMetadata {
    user_name: String,
    status: &'static str,
    service_user_name: Option<String>,
    service_credential_alias: Option<String>,
    create_date: Timestamp,
    expiration_date: Option<Timestamp>,
    service_specific_credential_id: UniqueId,
    service_name: String,
}

impl Read for ListServiceSpecificCredentials {
    fn read(self, at: &Reading<'_>) -> Result<ListServiceSpecificCredentialsResult, Fault> {
        if let Some(service) = &self.service_name {
            shape(service)?;
        }
        let users = match (self.all_users.unwrap_or_default(), &self.user_name) {
            (true, Some(_)) => return Err(fault::ALL_USERS_OR_ONE.with(&[])),
            (true, None) => at.directory.all::<UserRow>()?,
            (false, name) => vec![named_or_own(at.directory, at.caller, name.as_deref())?],
        };
        let mut found = Vec::new();
        for user in users {
            for row in of_user(at.directory, &user.row.id)? {
                if self.service_name.as_ref().is_none_or(|service| *service == row.service) {
                    found.push((user.name.clone(), row));
                }
            }
        }
        let key = |(_, row): &(String, ServiceCredentialRow)| order(row);
        let paged = page(found, key, self.max_items, self.marker.as_deref())?;
        let shown = paged.items.into_iter().map(|(user_name, row)| {
            let alias = alias(at.directory, &row)?;
            let (service_user_name, service_credential_alias) = match shape(&row.service)? {
                Shape::Password => (Some(alias), None),
                Shape::Bearer(_) => (None, Some(alias)),
            };
            Ok(CredentialMetadata {
                user_name,
                status: status(&row, at.instant),
                service_user_name,
                service_credential_alias,
                create_date: row.created,
                expiration_date: row.expires,
                service_specific_credential_id: row.id,
                service_name: row.service,
            })
        });
        Ok(ListServiceSpecificCredentialsResult {
            service_specific_credentials: shown.collect::<Result<_, Fault>>()?,
            marker: paged.marker,
            is_truncated: paged.is_truncated,
        })
    }
}

/// `UpdateServiceSpecificCredential`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateServiceSpecificCredential {
    user_name: Option<String>,
    service_specific_credential_id: String,
    status: String,
}

impl Write for UpdateServiceSpecificCredential {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let user = named_or_own(to.directory(), to.caller, self.user_name.as_deref())?;
        let row = owned(to.directory(), &user, &self.service_specific_credential_id)?;
        // Time alone makes a credential expire.
        let active = match self.status.as_str() {
            "Active" => true,
            "Inactive" => false,
            other => return Err(fault::CREDENTIAL_EXPIRY.with(&[other])),
        };
        if row.active == active {
            return Ok(());
        }
        Ok(to.tx.record(ServiceCredentialStatusSet { credential: row.id, active })?)
    }
}

/// `ResetServiceSpecificCredential`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResetServiceSpecificCredential {
    user_name: Option<String>,
    service_specific_credential_id: String,
}

impl Write for ResetServiceSpecificCredential {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<NewCredentialAnswer, Fault> {
        let user = named_or_own(to.directory(), to.caller, self.user_name.as_deref())?;
        let row = owned(to.directory(), &user, &self.service_specific_credential_id)?;
        let alias = alias(to.directory(), &row)?;
        let (secret, commitment) = draw(to, &row.owner, &row.id, shape(&row.service)?, &alias)?;
        to.tx.drop_secret(&row.commitment);
        to.tx.record(ServiceCredentialReset { credential: row.id.clone(), commitment })?;
        new_credential(row, user.name, alias, &secret, to.tx.at())
    }
}

/// `DeleteServiceSpecificCredential`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteServiceSpecificCredential {
    user_name: Option<String>,
    service_specific_credential_id: String,
}

impl Write for DeleteServiceSpecificCredential {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let user = named_or_own(to.directory(), to.caller, self.user_name.as_deref())?;
        let row = owned(to.directory(), &user, &self.service_specific_credential_id)?;
        to.tx.drop_secret(&row.commitment);
        Ok(to.tx.record(ServiceCredentialDeleted { credential: row.id })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_part_is_given_once() {
        let alias = |taken: &[&str]| {
            let taken: Vec<String> = taken.iter().map(|text| (*text).to_owned()).collect();
            free_alias("alice", "123456789012", &taken)
        };
        assert_eq!(alias(&[]), "alice-at-123456789012");
        assert_eq!(alias(&["alice-at-123456789012"]), "alice+1-at-123456789012");
        assert_eq!(alias(&["alice+1-at-123456789012"]), "alice-at-123456789012");
        assert_eq!(alias(&["bob-at-123456789012"]), "alice-at-123456789012");
    }
}
