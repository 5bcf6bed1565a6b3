//! The credential report: one line for the root user and each user, with what they sign in and sign with.
//!
//! The columns, their values and their order are AWS's. Lines are written one after the other; what is held
//! of a user meanwhile is what its line says.
//!
//! Source: IAM User Guide, "Generate credential reports for your AWS account". A further column of that
//! page, `additional_credentials_info`, is for more than two keys of one user, which nobody can have; AWS's
//! own reports have the 22 columns below.
//!
//! Of users of before an imported account's history begins, what nobody knows is `no_information`, a word that AWS has
//! for it in `password_last_used`.

use std::io::Write;

use crate::base::time::Timestamp;
use crate::identity::arn;
use crate::identity::codec;
use crate::identity::id::UniqueId;
use crate::projection::directory::Directory;
use crate::projection::tables::{
    ACCESS_KEYS, AccessKeyRow, Counted, LOGIN_PROFILES, LoginProfileRow, MFA_DEVICES,
    MfaDeviceOwner, MfaDeviceRow, USERS, UserRow,
};
use crate::service::activity::facts::Facts;
use crate::service::activity::usage::principal_key;
use crate::service::fault::Fault;
use crate::service::imports::gate::{credentials_known_since, has_unknown_root};
use crate::service::password_policy;

/// The names of the columns.
pub const COLUMNS: [&str; 22] = [
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    "access_key_1_active",
    "access_key_1_last_rotated",
    "access_key_1_last_used_date",
    "access_key_1_last_used_region",
    "access_key_1_last_used_service",
    "access_key_2_active",
    "access_key_2_last_rotated",
    "access_key_2_last_used_date",
    "access_key_2_last_used_region",
    "access_key_2_last_used_service",
    "cert_1_active",
    "cert_1_last_rotated",
    "cert_2_active",
    "cert_2_last_rotated",
];

/// What the root user is called.
const ROOT: &str = "<root_account>";
const NOT_APPLICABLE: &str = "N/A";
const NO_INFORMATION: &str = "no_information";
const NOT_SUPPORTED: &str = "not_supported";

/// Bytes that a line is written into; longer ones are rare.
const LINE: usize = 512;

/// Of which account, at which instant.
#[derive(Clone, Copy)]
pub struct Of<'a> {
    /// The account as it was.
    pub directory: Directory<'a>,
    /// Where it stands what was used when.
    pub activity: &'a dyn Facts,
    /// Up to when that counts.
    pub until: Timestamp,
}

/// What is held of a user until its line is written.
struct User {
    id: UniqueId,
    name: String,
    /// `None` for `/`, which nearly all have.
    path: Option<Box<str>>,
    created: Timestamp,
    password: Option<Password>,
    mfa: bool,
    keys: Keys,
    /// Whether it may have credentials that are not known.
    unknown: bool,
}

/// A password: when it was set, and from when on it is too old.
struct Password {
    set: Timestamp,
    expires: Option<Timestamp>,
}

/// The keys of a line, the older one first: a key keeps its place when the other one is replaced.
type Keys = [Option<Key>; 2];

/// A key that a line tells of.
struct Key {
    id: UniqueId,
    active: bool,
    created: Timestamp,
}

/// Writes the report, without a line end after the last line.
///
/// # Errors
/// Whatever keeps the account from being read, or the report from being written.
pub fn write(of: Of<'_>, out: &mut dyn Write) -> Result<(), Fault> {
    out.write_all(&line(&COLUMNS)?).map_err(Fault::internal)?;
    each(of, &mut |cells| {
        out.write_all(b"\n").map_err(Fault::internal)?;
        out.write_all(&line(&cells)?).map_err(Fault::internal)
    })
}

/// A line without its end.
fn line(cells: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, Fault> {
    let end = csv::Terminator::Any(b'\n');
    let mut csv =
        csv::WriterBuilder::new().terminator(end).buffer_capacity(LINE).from_writer(Vec::new());
    csv.write_record(cells).map_err(Fault::internal)?;
    let mut line = csv.into_inner().map_err(|error| Fault::internal(error.error()))?;
    line.pop();
    Ok(line)
}

/// Hands out the report line by line: the cells of [`COLUMNS`].
///
/// # Errors
/// Whatever keeps the account from being read, and those of `take`.
pub fn each(
    of: Of<'_>,
    take: &mut dyn FnMut(Vec<String>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let account = of.directory.account_row()?;
    let account = account.ok_or_else(|| Fault::internal("a report on no account"))?;
    let mut users = users(of)?;
    add_passwords(of, &mut users)?;
    let root_mfa = add_mfa(of, &mut users)?;
    let root_keys = add_keys(of, &mut users)?;
    // Without regard to case, as the names are compared.
    users.sort_by_cached_key(|user| (user.name.to_lowercase(), user.id.clone()));
    let root = UniqueId::root();
    let mut cells = vec![
        ROOT.to_owned(),
        arn::root(&account.digits),
        date(account.created),
        NOT_SUPPORTED.to_owned(),
        of.password_last_used(&root)?,
        NOT_SUPPORTED.to_owned(),
        NOT_SUPPORTED.to_owned(),
    ];
    let unknown = has_unknown_root(of.directory.reader, of.directory.account)?;
    of.add_the_rest(&mut cells, root_mfa, root_keys, unknown)?;
    take(cells)?;
    for user in users {
        let path = user.path.as_deref().unwrap_or("/");
        let arn = arn::iam(&account.digits, "user", path, &user.name);
        let mut cells = vec![user.name, arn, date(user.created)];
        cells.extend(match user.password {
            None if user.unknown => {
                let used = of.password_last_used(&user.id)?;
                let none = || NO_INFORMATION.to_owned();
                [none(), used, none(), none()]
            }
            None => ["false", NOT_APPLICABLE, NOT_APPLICABLE, NOT_APPLICABLE].map(str::to_owned),
            Some(Password { set, expires }) => [
                "true".to_owned(),
                of.password_last_used(&user.id)?,
                date(set),
                expires.map_or_else(|| NOT_APPLICABLE.to_owned(), date),
            ],
        });
        of.add_the_rest(&mut cells, user.mfa, user.keys, user.unknown)?;
        take(cells)?;
    }
    Ok(())
}

/// A signing certificate: `cert_1` or `cert_2`. There are none here.
fn certificate(unknown: bool) -> [String; 2] {
    match unknown {
        true => [NO_INFORMATION, NO_INFORMATION],
        false => ["false", NOT_APPLICABLE],
    }
    .map(str::to_owned)
}

/// The users, in the order of their ids.
fn users(of: Of<'_>) -> Result<Vec<User>, Fault> {
    let Directory { reader, account } = of.directory;
    let known_since = credentials_known_since(reader, account)?;
    let mut users = Vec::with_capacity(of.directory.how_many(Counted::Users)?);
    reader.scan(account, &USERS.prefix(&()), &mut |_, bytes| {
        let row: UserRow = codec::decode(bytes)?;
        users.push(User {
            name: of.directory.name_once(&row)?,
            path: (row.path != "/").then(|| row.path.into()),
            id: row.id,
            created: row.created,
            password: None,
            mfa: false,
            keys: [None, None],
            unknown: known_since.is_some_and(|since| row.created <= since),
        });
        Ok(true)
    })?;
    Ok(users)
}

/// The user of an id, among users in the order of their ids.
fn among<'u>(users: &'u mut [User], id: &UniqueId) -> Option<&'u mut User> {
    let place = users.binary_search_by(|user| user.id.cmp(id)).ok()?;
    users.get_mut(place)
}

fn add_passwords(of: Of<'_>, users: &mut [User]) -> Result<(), Fault> {
    let Directory { reader, account } = of.directory;
    let policy = password_policy::of(of.directory)?;
    reader.scan(account, &LOGIN_PROFILES.prefix(&()), &mut |key, bytes| {
        // The table's number, the user, and what ends a text.
        let id = key.get(1..key.len().saturating_sub(1)).and_then(|id| str::from_utf8(id).ok());
        if let Some(user) = id.and_then(UniqueId::parse).and_then(|id| among(users, &id)) {
            let row: LoginProfileRow = codec::decode(bytes)?;
            let expires = password_policy::expires(&row, policy.as_ref());
            user.password = Some(Password { set: row.password_set, expires });
        }
        Ok(true)
    })?;
    Ok(())
}

/// Adds who has a second factor; returns whether the root user has one.
fn add_mfa(of: Of<'_>, users: &mut [User]) -> Result<bool, Fault> {
    let Directory { reader, account } = of.directory;
    let (root, mut of_root) = (UniqueId::root(), false);
    reader.scan(account, &MFA_DEVICES.prefix(&()), &mut |_, bytes| {
        let row: MfaDeviceRow = codec::decode(bytes)?;
        if let Some(MfaDeviceOwner { owner, .. }) = row.enabled {
            of_root |= owner == root;
            among(users, &owner).into_iter().for_each(|user| user.mfa = true);
        }
        Ok(true)
    })?;
    Ok(of_root)
}

/// Returns those of the root user.
fn add_keys(of: Of<'_>, users: &mut [User]) -> Result<Keys, Fault> {
    let Directory { reader, account } = of.directory;
    let (root, mut of_root) = (UniqueId::root(), [None, None]);
    reader.scan(account, &ACCESS_KEYS.prefix(&()), &mut |_, bytes| {
        let row: AccessKeyRow = codec::decode(bytes)?;
        let keys = match row.owner == root {
            true => Some(&mut of_root),
            false => among(users, &row.owner).map(|user| &mut user.keys),
        };
        let key = Key { id: row.id, active: row.active, created: row.created };
        if let Some([first, second]) = keys {
            match first {
                None => *first = Some(key),
                Some(older) if (older.created, &older.id) > (key.created, &key.id) => {
                    *second = first.replace(key);
                }
                Some(_) => *second = Some(key),
            }
        }
        Ok(true)
    })?;
    Ok(of_root)
}

/// `2026-03-01T12:00:00+00:00`
fn date(at: Timestamp) -> String {
    let text = at.to_string();
    text.trim_end_matches('Z').to_owned() + "+00:00"
}

impl Of<'_> {
    /// The last sign-in of a principal with its password.
    fn password_last_used(&self, principal: &UniqueId) -> Result<String, Fault> {
        let of = principal_key(self.directory.account, principal);
        let used = self.activity.last_used(&of, self.until)?;
        Ok(used.map_or_else(|| NO_INFORMATION.to_owned(), |used| date(used.at)))
    }

    /// The columns that are the same for everybody: second factor, keys, certificates.
    fn add_the_rest(
        &self,
        cells: &mut Vec<String>,
        mfa: bool,
        keys: Keys,
        unknown: bool,
    ) -> Result<(), Fault> {
        cells.push(match unknown && !mfa {
            true => NO_INFORMATION.to_owned(),
            false => mfa.to_string(),
        });
        for key in keys {
            cells.extend(self.key(key, unknown)?);
        }
        cells.extend(certificate(unknown));
        cells.extend(certificate(unknown));
        Ok(())
    }

    fn key(&self, key: Option<Key>, unknown: bool) -> Result<[String; 5], Fault> {
        let none = || NOT_APPLICABLE.to_owned();
        let Some(key) = key else {
            if unknown {
                return Ok([NO_INFORMATION; 5].map(str::to_owned));
            }
            return Ok(["false".to_owned(), none(), none(), none(), none()]);
        };
        let used = self.activity.last_used(&key.id, self.until)?;
        let (at, region, service) = match used {
            None => (none(), none(), none()),
            Some(used) if used.region.is_empty() => (date(used.at), none(), used.service),
            Some(used) => (date(used.at), used.region, used.service),
        };
        Ok([key.active.to_string(), date(key.created), at, region, service])
    }
}
