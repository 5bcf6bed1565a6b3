//! What reports need of all users' credentials, read at once.

use std::collections::HashMap;

use super::named::Scene;
use crate::base::time::Timestamp;
use crate::identity::id::UniqueId;
use crate::projection::directory::{Directory, Named};
use crate::projection::tables::*;
use crate::projection::view::ReadTables;
use crate::service::activity::facts::Facts;
use crate::service::activity::usage::principal_key;
use crate::service::fault::Fault;
use crate::service::imports::gate::has_unknown_credentials;

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
        self.password.is_some() || self.keys.iter().any(|key| key.active)
    }

    /// When its password or one of its keys was last used.
    ///
    /// # Errors
    /// If the activity book cannot be read.
    pub fn last_used(&self, scene: &Scene<'_>) -> Result<Option<Timestamp>, Fault> {
        let person = principal_key(scene.account, &self.id);
        let mut last = None;
        for id in self.keys.iter().map(|key| &key.id).chain([&person]) {
            last = last.max(scene.facts.last_used(id, scene.at)?.map(|used| used.at));
        }
        Ok(last)
    }
}

/// The root user and all users, in the order of their names.
///
/// # Errors
/// Whatever keeps the rows from being read.
pub fn all(scene: &Scene<'_>) -> Result<Vec<Person>, Fault> {
    let directory = scene.directory();
    let Directory { reader, account } = directory;
    let mut keys: HashMap<UniqueId, Vec<AccessKeyRow>> = HashMap::new();
    for key in reader.list(account, &ACCESS_KEYS, &())? {
        keys.entry(key.owner.clone()).or_default().push(key);
    }
    for keys in keys.values_mut() {
        keys.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
    }
    let mut devices: HashMap<UniqueId, Vec<Timestamp>> = HashMap::new();
    for device in reader.list(account, &MFA_DEVICES, &())? {
        if let Some(enabled) = device.enabled {
            devices.entry(enabled.owner).or_default().push(enabled.since);
        }
    }
    devices.values_mut().for_each(|since| since.sort());
    let row = directory.account_row()?;
    let root = UniqueId::root();
    let mut people = vec![Person {
        called: "root".to_owned(),
        created: row.as_ref().map(|row| row.created).unwrap_or_default(),
        password: row.and_then(|row| row.root_password_set),
        keys: keys.remove(&root).unwrap_or_default(),
        devices: devices.remove(&root).unwrap_or_default(),
        unknown: has_unknown_credentials(reader, account, Timestamp::EPOCH)?,
        id: root,
    }];
    for Named { name, row, .. } in directory.all::<UserRow>()? {
        let profile = reader.get(account, &LOGIN_PROFILES, &row.id)?;
        people.push(Person {
            called: format!("user/{name}"),
            created: row.created,
            password: profile.map(|profile| profile.password_set),
            keys: keys.remove(&row.id).unwrap_or_default(),
            devices: devices.remove(&row.id).unwrap_or_default(),
            unknown: has_unknown_credentials(reader, account, row.created)?,
            id: row.id,
        });
    }
    Ok(people)
}
