//! What reports need of all users' credentials, read at once.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::named::Scene;
use crate::base::time::Timestamp;
use crate::identity::Event;
use crate::identity::id::UniqueId;
use crate::ledger::Frame;
use crate::projection::ProjectionError;
use crate::projection::directory::{Directory, Named};
use crate::projection::postings::{Of, Order, Sought, Term};
use crate::projection::tables::*;
use crate::projection::view::ReadTables;
use crate::service::activity::facts::Facts;
use crate::service::activity::receipt::LastUsed;
use crate::service::activity::usage::principal_key;
use crate::service::fault::Fault;
use crate::service::imports::gate::{credentials_known_since, has_unknown_root};

/// Keys that one user can have.
const KEYS: usize = 2;

/// What reports say where nobody knows.
pub const UNKNOWN: &str = "unknown";
/// Why that is so, for those who read them.
pub const WHY_UNKNOWN: &str = "what the account's history begins with tells nothing of the passwords, access keys and \
                               multi-factor devices of those who were there; what the trail tells of them is known";

/// A value, or that it is not known.
pub fn or_unknown<T: serde::Serialize>(known: Option<T>) -> Value {
    known.map_or_else(|| UNKNOWN.into(), |known| json!(known))
}

/// A user, or the root user, and its credentials.
pub struct Person {
    /// Its unique id.
    pub id: UniqueId,
    /// `user/alice`, `root`.
    pub called: String,
    /// When it was created.
    pub created: Timestamp,
    /// When its password was set; `None` if it has none.
    pub password: Option<Timestamp>,
    /// Whether it has a password; `None` if that is not known.
    pub signs_in: Option<bool>,
    /// Its access keys, active or not, by their age.
    pub keys: Vec<AccessKeyRow>,
    /// Since when it has each of its multi-factor devices.
    pub devices: Vec<Timestamp>,
    /// Whether it may have credentials besides: it is of before its account's history begins.
    pub unknown: bool,
}

impl Person {
    /// Whether anything of it opens something.
    pub fn has_credentials(&self) -> bool {
        self.signs_in == Some(true) || self.keys.iter().any(|key| key.active)
    }

    /// Whether it may have access keys that are not known.
    pub fn may_have_other_keys(&self) -> bool {
        self.unknown && self.keys.len() < KEYS
    }

    /// How many multi-factor devices it has, if that is known.
    pub fn device_count(&self) -> Option<usize> {
        (!self.unknown || !self.devices.is_empty()).then_some(self.devices.len())
    }

    /// When its password was set: null if it has none.
    pub fn password_set(&self) -> Value {
        match (self.password, self.signs_in) {
            (Some(at), _) => at.to_string().into(),
            (None, Some(false)) => Value::Null,
            (None, _) => UNKNOWN.into(),
        }
    }

    /// What of it opens something, the password first: what it is, since when it has it, and when it was last used.
    pub fn credentials(&self, scene: &Scene<'_>, used: &Used) -> Vec<Credential> {
        let last_used = |id: &UniqueId| used.get(id).map(|used| used.at);
        let password = (self.signs_in == Some(true)).then(|| Credential {
            what: "password".to_owned(),
            since: self.password.unwrap_or(self.created),
            last_used: last_used(&principal_key(scene.account, &self.id)),
        });
        let keys = self.keys.iter().filter(|key| key.active).map(|key| Credential {
            what: key.id.to_string(),
            since: key.created,
            last_used: last_used(&key.id),
        });
        password.into_iter().chain(keys).collect()
    }

    /// When its password or one of its keys was last used.
    pub fn last_used(&self, scene: &Scene<'_>, used: &Used) -> Option<Timestamp> {
        let password = principal_key(scene.account, &self.id);
        let ids = self.keys.iter().map(|key| &key.id).chain([&password]);
        ids.filter_map(|id| used.get(id)).map(|used| used.at).max()
    }
}

/// A password, or an active access key.
pub struct Credential {
    /// `password`, or the id of the key.
    pub what: String,
    /// Since when somebody has it.
    pub since: Timestamp,
    /// When it was last used, if ever.
    pub last_used: Option<Timestamp>,
}

/// When what was last used.
pub type Used = HashMap<UniqueId, LastUsed>;

/// When passwords and keys of these were last used, of those that were: the activity book is read once.
///
/// # Errors
/// If it cannot be read.
pub fn used(scene: &Scene<'_>, people: &[Person]) -> Result<Used, Fault> {
    let keys = people.iter().flat_map(|person| &person.keys).map(|key| key.id.clone());
    let passwords = people.iter().map(|person| principal_key(scene.account, &person.id));
    let ids = keys.chain(passwords).collect();
    Ok(scene.facts.all_last_used(ids, scene.at)?.into_iter().collect())
}

/// By their age.
fn sort(keys: &mut [AccessKeyRow]) {
    keys.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
}

/// The root user.
///
/// # Errors
/// Whatever keeps the rows from being read.
pub fn root(scene: &Scene<'_>) -> Result<Person, Fault> {
    let Directory { reader, account } = scene.directory();
    let (row, id) = (scene.directory().account_row()?, UniqueId::root());
    let (mut keys, mut devices) = (Vec::new(), Vec::new());
    for key in reader.list(account, &KEYS_OF, &id)? {
        keys.extend(reader.get(account, &ACCESS_KEYS, &key)?);
    }
    for device in reader.list(account, &MFA_DEVICES_OF, &id)? {
        let device = reader.get(account, &MFA_DEVICES, &device)?;
        devices.extend(device.and_then(|device| device.enabled).map(|enabled| enabled.since));
    }
    sort(&mut keys);
    devices.sort();
    let mut root = Person {
        called: "root".to_owned(),
        created: row.as_ref().map(|row| row.created).unwrap_or_default(),
        signs_in: None,
        password: row.and_then(|row| row.root_password_set),
        keys,
        devices,
        unknown: has_unknown_root(reader, account)?,
        id,
    };
    root.signs_in = signs_in(scene, &root)?;
    Ok(root)
}

/// The root user and all users, in the order of their names.
///
/// # Errors
/// Whatever keeps the rows from being read.
pub fn all(scene: &Scene<'_>) -> Result<Vec<Person>, Fault> {
    let directory = scene.directory();
    let Directory { reader, account } = directory;
    let known_since = credentials_known_since(reader, account)?;
    let mut keys: HashMap<UniqueId, Vec<AccessKeyRow>> = HashMap::new();
    for key in reader.list(account, &ACCESS_KEYS, &())? {
        keys.entry(key.owner.clone()).or_default().push(key);
    }
    keys.values_mut().for_each(|keys| sort(keys));
    let mut devices: HashMap<UniqueId, Vec<Timestamp>> = HashMap::new();
    for device in reader.list(account, &MFA_DEVICES, &())? {
        if let Some(enabled) = device.enabled {
            devices.entry(enabled.owner).or_default().push(enabled.since);
        }
    }
    devices.values_mut().for_each(|since| since.sort());
    let mut people = vec![root(scene)?];
    for Named { name, row, .. } in directory.all::<UserRow>()? {
        let profile = reader.get(account, &LOGIN_PROFILES, &row.id)?;
        let mut person = Person {
            called: format!("user/{name}"),
            created: row.created,
            signs_in: None,
            password: profile.map(|profile| profile.password_set),
            keys: keys.remove(&row.id).unwrap_or_default(),
            devices: devices.remove(&row.id).unwrap_or_default(),
            unknown: known_since.is_some_and(|since| row.created <= since),
            id: row.id,
        };
        person.signs_in = signs_in(scene, &person)?;
        people.push(person);
    }
    Ok(people)
}

/// Whether somebody has a password. Where nobody was told, whoever signed in had one, until it was taken away.
fn signs_in(scene: &Scene<'_>, person: &Person) -> Result<Option<bool>, Fault> {
    if person.password.is_some() || !person.unknown {
        return Ok(Some(person.password.is_some()));
    }
    let key = principal_key(scene.account, &person.id);
    let signed_in = scene.facts.last_used(&key, scene.at)?.map(|used| used.at);
    let removed = password_removed(scene, &person.id)?;
    Ok(match (signed_in, removed) {
        (Some(at), removed) if removed.is_none_or(|removed| removed < at) => Some(true),
        (_, Some(_)) => Some(false),
        _ => None,
    })
}

/// When a password was last taken from a user, known or not.
fn password_removed(scene: &Scene<'_>, user: &UniqueId) -> Result<Option<Timestamp>, Fault> {
    let removes = |event: &Event| {
        event.origin.operation == "DeleteLoginProfile" && event.origin.target == *user
    };
    Ok(newest(scene, user, &removes)?.map(|(_, at)| at))
}

/// The newest event about a user that is sought: its position, and when it happened.
///
/// # Errors
/// Whatever keeps the ledger from being read.
pub fn newest(
    scene: &Scene<'_>,
    user: &UniqueId,
    is_sought: &dyn Fn(&Event) -> bool,
) -> Result<Option<(u64, Timestamp)>, Fault> {
    let all = [vec![Term::new(Of::About, user.as_str())]];
    let last = scene.view.position_of(scene.account)?;
    let sought = Sought { all: &all, first: 1, last, order: Order::Newest, steps: u64::MAX };
    let mut found = None;
    scene.view.postings(scene.account, &sought, &mut |position| {
        let bytes = scene.view.ledger().event(position)?;
        let frame = Frame::read(position, &bytes)?;
        if is_sought(&Event::decode(frame.body).map_err(ProjectionError::from)?) {
            found = Some((position, frame.header.happened_at));
        }
        Ok(found.is_none())
    })?;
    Ok(found)
}
