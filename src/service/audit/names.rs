//! What people call a principal - `alice`, `user/alice`, `role/deploy`, an ARN, a unique id - resolved to
//! unique ids, also of the past: a name stands for every id that bore it.

use crate::identity::arn::Arn;
use crate::identity::change::NameTag;
use crate::identity::id::{IdKind, UniqueId};
use crate::identity::{arn, codec};
use crate::ledger::AccountId;
use crate::projection::directory::{Directory, Principal};
use crate::projection::sealing::{NameKind, name_tag};
use crate::projection::tables::{GroupRow, NAMES, RoleRow, UserRow};
use crate::projection::{ProjectionError, Reader, View};
use crate::service::activity::ActivityBook;
use crate::service::fault::Fault;
use crate::service::mfa;

/// A principal that a name was resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `user`, `group`, `role` or, of an id alone, `mfa`.
    pub kind: &'static str,
    /// Its unique id.
    pub id: UniqueId,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
}

impl Found {
    /// The root user of an account.
    pub fn root(digits: &str) -> Self {
        let (kind, name) = ("root", "root".to_owned());
        Found { kind, id: UniqueId::root(), name, arn: arn::root(digits) }
    }

    /// `user/alice`; `root` for the root user.
    pub fn called(&self) -> String {
        if self.kind == self.name {
            self.name.clone()
        } else {
            format!("{}/{}", self.kind, self.name)
        }
    }
}

const KINDS: [(&str, NameKind); 3] =
    [("user", NameKind::User), ("group", NameKind::Group), ("role", NameKind::Role)];

/// Splits `user/alice` or an ARN into kind and name; no kind for a bare name.
fn split(text: &str) -> (Option<&str>, &str) {
    if let Some(parsed) = Arn::parse(text) {
        return (Some(parsed.kind()), parsed.name());
    }
    match text.split_once('/') {
        Some((kind, name)) if KINDS.iter().any(|(known, _)| *known == kind) => (Some(kind), name),
        _ => (None, text),
    }
}

/// What an id is, with its name, at the instant of the directory.
pub fn by_id(directory: Directory<'_>, id: &UniqueId) -> Result<Option<Found>, ProjectionError> {
    fn of<P: Principal>(
        directory: Directory<'_>,
        id: &UniqueId,
    ) -> Result<Option<Found>, ProjectionError> {
        Ok(directory.by_id::<P>(id)?.map(|named| Found {
            kind: P::ARN_TYPE,
            id: id.clone(),
            name: named.name,
            arn: named.arn,
        }))
    }
    match id.kind() {
        Some(IdKind::User) => of::<UserRow>(directory, id),
        Some(IdKind::Group) => of::<GroupRow>(directory, id),
        Some(IdKind::Role) => of::<RoleRow>(directory, id),
        Some(IdKind::MfaDevice) => {
            let device = mfa::by_id(directory, id)?;
            Ok(device.map(|device| Found {
                kind: "mfa",
                id: id.clone(),
                name: device.name,
                arn: device.serial,
            }))
        }
        None if *id == UniqueId::root() => Ok(Some(Found::root(&directory.digits()?))),
        _ => Ok(None),
    }
}

/// Whether a user, group or role has this bare name.
pub fn exists(directory: Directory<'_>, name: &str) -> Result<bool, ProjectionError> {
    for (_, names) in KINDS {
        if directory.find_id(names, name)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The one principal that exists at the instant of the directory.
///
/// # Errors
/// If there is none, or more than one; then the choices are listed.
pub fn one(directory: Directory<'_>, text: &str) -> Result<Found, Fault> {
    if let Some(id) = UniqueId::parse(text)
        && let Some(found) = by_id(directory, &id)?
    {
        return Ok(found);
    }
    let (kind, name) = split(text);
    let mut found = Vec::new();
    for (known, names) in KINDS {
        if kind.is_none_or(|kind| kind == known)
            && let Some(id) = directory.find_id(names, name)?
        {
            found.extend(by_id(directory, &id)?);
        }
    }
    if Arn::parse(text).is_some() {
        found.retain(|found| found.arn == text);
    }
    match (found.pop(), found.as_slice()) {
        (None, _) => Err(Fault::new(
            "NoSuchEntity",
            404,
            format!("There is no user, group or role {text:?} at that moment."),
        )),
        (Some(one), []) => Ok(one),
        (Some(last), rest) => {
            let choices: Vec<String> = rest.iter().chain([&last]).map(Found::called).collect();
            Err(Fault::validation(format!("{text:?} is ambiguous: {}.", choices.join(", "))))
        }
    }
}

/// What an ARN or `kind/name` may name besides principals: things that events are about.
const THINGS: [(&str, NameKind); 2] =
    [("policy", NameKind::Policy), ("instance-profile", NameKind::InstanceProfile)];

/// Every id that bore a name, up to the instant of the view: the versions of its row in the name index.
pub fn all_ids(
    view: &View,
    account: AccountId,
    text: &str,
) -> Result<Vec<UniqueId>, ProjectionError> {
    let (kind, name) = match text.split_once('/') {
        Some((kind, name)) if THINGS.iter().any(|(known, _)| *known == kind) => (Some(kind), name),
        _ => split(text),
    };
    let mut ids: Vec<UniqueId> = UniqueId::parse(text).into_iter().collect();
    let mut tags: Vec<NameTag> = Vec::new();
    for (known, names) in KINDS.into_iter().chain(THINGS) {
        if kind.is_none_or(|kind| kind == known) {
            tags.extend(name_tag(view.keys(), account, names, name)?);
        }
    }
    if let Some(serial) = Arn::parse(text).filter(|arn| arn.kind() == "mfa") {
        let full_name = mfa::full_name(serial.path(), serial.name());
        tags.extend(name_tag(view.keys(), account, NameKind::MfaDevice, &full_name)?);
    }
    for tag in tags {
        view.versions(account, &NAMES.key(&tag), &mut |_, _, row| {
            ids.extend(row.map(codec::decode::<UniqueId>).transpose()?);
            Ok(())
        })?;
    }
    ids.sort();
    ids.dedup();
    Ok(ids)
}

/// The longest chain of roles that is followed; longer ones have no place in an hour's session.
const LONGEST_CHAIN: usize = 100;

/// The person behind an act: whoever began the first session of the chain that its credential is the end
/// of. Without a session, the actor itself.
pub fn person(
    activity: &ActivityBook,
    actor: &UniqueId,
    credential: Option<&UniqueId>,
) -> Result<UniqueId, ProjectionError> {
    let mut person = actor.clone();
    let mut key = credential.cloned();
    for _ in 0..LONGEST_CHAIN {
        let Some(began) = key.as_ref().map(|key| activity.began(key)).transpose()?.flatten() else {
            break;
        };
        (person, key) = began;
    }
    Ok(person)
}
