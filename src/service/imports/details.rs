//! The JSON of `aws iam get-account-authorization-details`, entity by entity.
//!
//! The file is read once for each list in it and never held: what must be there before something else can name it
//! stands behind that. Documents come as objects, as the command line prints them, or percent-encoded, as the API
//! answers them.

use std::cell::Cell;
use std::io::{BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;

use super::files;
use crate::base::text::percent_decode;
use crate::service::fault::Fault;
use crate::service::operations::shapes::Tag;

/// The largest entity, in bytes: a managed policy has up to five documents, a role any number of policies.
const LARGEST: u64 = 4 << 20;

/// A list of the file.
pub trait Listed: DeserializeOwned {
    /// What it is called there.
    const LIST: &'static str;
}

/// A user.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserDetail {
    /// `/` or `/division/`.
    #[serde(default = "root_path")]
    pub path: String,
    /// Its name.
    pub user_name: String,
    /// `AIDA...`.
    pub user_id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub create_date: String,
    /// Inline policies.
    #[serde(default, deserialize_with = "listed")]
    pub user_policy_list: Vec<PolicyDetail>,
    /// The names of its groups.
    #[serde(default, deserialize_with = "listed")]
    pub group_list: Vec<String>,
    /// Managed policies.
    #[serde(default, deserialize_with = "listed")]
    pub attached_managed_policies: Vec<Attached>,
    /// Its boundary.
    pub permissions_boundary: Option<Boundary>,
    /// Its tags.
    #[serde(default, deserialize_with = "listed")]
    pub tags: Vec<Tag>,
}

/// A user group.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupDetail {
    /// `/` or `/division/`.
    #[serde(default = "root_path")]
    pub path: String,
    /// Its name.
    pub group_name: String,
    /// `AGPA...`.
    pub group_id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub create_date: String,
    /// Inline policies.
    #[serde(default, deserialize_with = "listed")]
    pub group_policy_list: Vec<PolicyDetail>,
    /// Managed policies.
    #[serde(default, deserialize_with = "listed")]
    pub attached_managed_policies: Vec<Attached>,
}

/// A role.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RoleDetail {
    /// `/` or `/division/`.
    #[serde(default = "root_path")]
    pub path: String,
    /// Its name.
    pub role_name: String,
    /// `AROA...`.
    pub role_id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub create_date: String,
    /// Its trust policy.
    pub assume_role_policy_document: Value,
    /// The instance profiles that it is in.
    #[serde(default, deserialize_with = "listed")]
    pub instance_profile_list: Vec<ProfileDetail>,
    /// Inline policies.
    #[serde(default, deserialize_with = "listed")]
    pub role_policy_list: Vec<PolicyDetail>,
    /// Managed policies.
    #[serde(default, deserialize_with = "listed")]
    pub attached_managed_policies: Vec<Attached>,
    /// Its boundary.
    pub permissions_boundary: Option<Boundary>,
    /// Its tags.
    #[serde(default, deserialize_with = "listed")]
    pub tags: Vec<Tag>,
    /// When it was last assumed.
    pub role_last_used: Option<LastUsed>,
}

/// An instance profile.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProfileDetail {
    /// `/` or `/division/`.
    #[serde(default = "root_path")]
    pub path: String,
    /// Its name.
    pub instance_profile_name: String,
    /// `AIPA...`.
    pub instance_profile_id: String,
    /// When it was made.
    pub create_date: String,
}

/// A managed policy.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManagedDetail {
    /// Its name.
    pub policy_name: String,
    /// `ANPA...`.
    pub policy_id: String,
    /// Its ARN.
    pub arn: String,
    /// `/` or `/division/`.
    #[serde(default = "root_path")]
    pub path: String,
    /// `v3`.
    pub default_version_id: String,
    /// Its description.
    pub description: Option<String>,
    /// When it was made.
    pub create_date: String,
    /// When it last changed.
    pub update_date: Option<String>,
    /// Its versions.
    #[serde(default, deserialize_with = "listed")]
    pub policy_version_list: Vec<VersionDetail>,
}

/// A version of a managed policy.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersionDetail {
    /// Its document.
    pub document: Value,
    /// `v3`.
    pub version_id: String,
    /// When it was made.
    pub create_date: String,
    /// Whether it is the default, which the policy tells too.
    pub is_default_version: Option<bool>,
}

/// An inline policy.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDetail {
    /// Its name.
    pub policy_name: String,
    /// Its document.
    pub policy_document: Value,
}

/// A managed policy that is attached.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attached {
    /// Its ARN.
    pub policy_arn: String,
}

/// A permissions boundary.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Boundary {
    /// Its ARN.
    pub permissions_boundary_arn: String,
}

/// When something was last used.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LastUsed {
    /// When.
    pub last_used_date: Option<String>,
    /// Where.
    pub region: Option<String>,
}

/// A list that may be null, which is none.
fn listed<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(from)?.unwrap_or_default())
}

fn root_path() -> String {
    "/".to_owned()
}

impl Listed for UserDetail {
    const LIST: &'static str = "UserDetailList";
}

impl Listed for GroupDetail {
    const LIST: &'static str = "GroupDetailList";
}

impl Listed for RoleDetail {
    const LIST: &'static str = "RoleDetailList";
}

impl Listed for ManagedDetail {
    const LIST: &'static str = "Policies";
}

/// The text of a document, however it came. Objects have lost their white space, not their order.
pub fn document(value: &Value) -> Option<String> {
    match value {
        Value::Object(_) => Some(value.to_string()),
        Value::String(text) if text.trim_start().starts_with('{') => Some(text.clone()),
        Value::String(text) => percent_decode(text).and_then(|text| String::from_utf8(text).ok()),
        _ => None,
    }
}

/// Visits the entities of one list of a file, in its order.
///
/// # Errors
/// A file that cannot be read or is not of this form, by line and column; and what the visitor says.
pub fn each<T: Listed>(
    path: &Path,
    visit: &mut dyn FnMut(T) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let named =
        |why: &dyn std::fmt::Display| Fault::validation(format!("{}: {why}", path.display()));
    let file = files::plain(path).map_err(|error| named(&error))?;
    let left = Rc::new(Cell::new(u64::MAX));
    let metered = Metered { inner: file, left: left.clone() };
    let mut json =
        serde_json::Deserializer::from_reader(BufReader::with_capacity(64 << 10, metered));
    let mut refused = None;
    let lists = Lists { left, visit, refused: &mut refused, found: false };
    let outcome = lists.deserialize(&mut json).and_then(|found| json.end().map(|()| found));
    match (refused, outcome) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(named(&error)),
        (None, Ok(false)) => Err(named(&format!(
            "it has no {}: is it the answer of `aws iam get-account-authorization-details`, without a filter?",
            T::LIST
        ))),
        (None, Ok(true)) => Ok(()),
    }
}

/// Stops within what is too large to be an entity.
struct Metered<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        let left = self.left.get().checked_sub(read as u64).ok_or_else(|| {
            std::io::Error::other(format!("an entity has more than {LARGEST} bytes"))
        })?;
        self.left.set(left);
        Ok(read)
    }
}

/// The object around the lists.
struct Lists<'a, T> {
    left: Rc<Cell<u64>>,
    visit: &'a mut dyn FnMut(T) -> Result<(), Fault>,
    refused: &'a mut Option<Fault>,
    found: bool,
}

impl<'de, T: Listed> DeserializeSeed<'de> for Lists<'_, T> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, T: Listed> Visitor<'de> for Lists<'_, T> {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer of GetAccountAuthorizationDetails")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<bool, A::Error> {
        // A name is no entity, and must not take more room than one.
        self.left.set(LARGEST);
        while let Some(name) = map.next_key::<String>()? {
            if name == T::LIST {
                self.found = true;
                let (left, visit, refused) = (&self.left, &mut *self.visit, &mut *self.refused);
                map.next_value_seed(Elements { left, visit, refused })?;
            } else if name == "IsTruncated" {
                self.left.set(LARGEST);
                if map.next_value::<Value>()? == Value::Bool(true) {
                    return Err(serde::de::Error::custom(
                        "it is one page of several: join all pages, as `aws iam \
                         get-account-authorization-details` does",
                    ));
                }
            } else {
                self.left.set(u64::MAX);
                map.next_value::<IgnoredAny>()?;
            }
            self.left.set(LARGEST);
        }
        Ok(self.found)
    }
}

struct Elements<'a, T> {
    left: &'a Cell<u64>,
    visit: &'a mut dyn FnMut(T) -> Result<(), Fault>,
    refused: &'a mut Option<Fault>,
}

impl<'de, T: Listed> DeserializeSeed<'de> for Elements<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, T: Listed> Visitor<'de> for Elements<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a list of {}", T::LIST)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        loop {
            self.left.set(LARGEST);
            let Some(entity) = seq.next_element::<T>()? else { return Ok(()) };
            if let Err(fault) = (self.visit)(entity) {
                let why = fault.to_string();
                *self.refused = Some(fault);
                return Err(serde::de::Error::custom(why));
            }
        }
    }
}
