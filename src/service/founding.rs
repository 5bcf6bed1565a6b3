//! Opening a data folder, and founding what is not there yet: the store, an account with its root user,
//! an administrator for daily work.
//!
//! | in the data folder | what |
//! |---|---|
//! | `ledger/` | events, rows, contents, sealed secrets (RocksDB) |
//! | `activity/` | receipts, sessions, last-used facts (RocksDB) |
//! | `HEAD` | how much was acknowledged |
//! | `ACTIVITY` | how many receipts were kept |
//! | `subjects.keys` | one key a subject, wrapped by the master key |
//! | `admin.sock` | while a server runs: operations for whoever has the machine |
//!
//! The master key stands outside, by default in `DIR.key` beside it, and should be kept apart from the
//! folder's backups.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::activity::ActivityBook;
use super::audit::verify::Progress;
use super::caller::{Caller, Identity, Source};
use super::documents::{Catalogue, Documents};
use super::fault::{self, Fault};
use super::guesses::Guesses;
use super::notary::{self, Notary};
use super::overview::findings::Findings;
use super::overview::timeline::Timeline;
use super::reports::Reports;
use super::root::{RootCounts, check_email, email_tag, open_account};
use super::signin::Gate;
use super::standing::Standings;
use super::sts::new_secret;
use super::writer::{Act, Job, Turn, Work, Writer};
use super::{Service, origin};
use crate::base::clock::Clock;
use crate::base::crypto::{self, SecretKey};
use crate::base::notice::notice;
use crate::base::random::{Random, random_bytes, random_text};
use crate::base::secret::Secret;
use crate::base::text::{from_hex, hex};
use crate::identity::arn;
use crate::identity::change::*;
use crate::identity::id::{IdKind, UniqueId, is_account_digits, new_account_digits};
use crate::ledger::log::{EventLog, LocalLog};
use crate::ledger::{AccountId, LedgerError, LedgerWriter};
use crate::projection::directory::Directory;
use crate::projection::sealing::NameKind;
use crate::projection::tables::{ACCOUNTS, CATALOGUE, EMAILS, UserRow};
use crate::projection::view::ReadTables;
use crate::projection::{ProjectionError, Projections, Transaction, rebuild};
use crate::store::head::{DiskHead, HeadFile, MemoryHead};
use crate::store::keys::SubjectKeys;
use crate::store::memory::MemoryStore;
use crate::store::reserve::Reserve;
use crate::store::rocks::{Memory, RocksStore};
use crate::store::{Family, Store, StoreError};

/// Where the data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: it ends with the process.
    Memory,
    /// In a folder, with the master key in a file outside it.
    Folder {
        /// The data folder.
        data: PathBuf,
        /// The master key's file.
        master_key: PathBuf,
        /// How much memory its stores may take.
        memory: Memory,
    },
}

impl Place {
    /// Reads `--data` and `--master-key-file`: `memory:` or a folder; the key is by default beside it.
    pub fn new(data: &str, master_key: Option<&Path>) -> Self {
        if data == "memory:" {
            return Place::Memory;
        }
        let data = PathBuf::from(data);
        let master_key = master_key.map_or_else(
            || {
                let mut beside = data.clone().into_os_string();
                beside.push(".key");
                PathBuf::from(beside)
            },
            Path::to_owned,
        );
        Place::Folder { data, master_key, memory: Memory::default() }
    }

    /// The same for whoever goes once through much and ends.
    pub fn passing(mut self) -> Self {
        if let Place::Folder { memory, .. } = &mut self {
            *memory = Memory::Passing;
        }
        self
    }
}

/// Why a service does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk, the ledger or the rows.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// The master key's file.
    #[error("the master key file {path} {why}")]
    MasterKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A folder or file that cannot be made.
    #[error("{path}: {why}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: std::io::Error,
    },
    /// Founding was refused.
    #[error("founding failed: {0}")]
    Founding(#[from] Fault),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        OpenError::Projection(error.into())
    }
}

impl From<LedgerError> for OpenError {
    fn from(error: LedgerError) -> Self {
        OpenError::Projection(error.into())
    }
}

impl OpenError {
    /// Whether the ledger is damaged or short, or not the one that belongs to the key (exit 3).
    pub fn is_damage(&self) -> bool {
        matches!(self, OpenError::Projection(error) if error.is_damage())
    }
}

/// What an opened place consists of.
pub struct Parts {
    /// The store of the ledger.
    pub ledger: Arc<dyn Store>,
    /// The store of the activity book.
    pub activity: Arc<dyn Store>,
    /// HEAD.
    pub head: Arc<dyn HeadFile>,
    /// HEAD of the activity book.
    pub activity_head: Arc<dyn HeadFile>,
    /// The subject keys.
    pub keys: Arc<SubjectKeys>,
    /// What is set aside for a full disk.
    pub reserve: Arc<Reserve>,
}

impl Parts {
    /// Opens a place, making what is not there.
    pub fn open(place: &Place, random: &dyn Random) -> Result<Self, OpenError> {
        match place {
            Place::Memory => {
                let master = crypto::new_key(random).map_err(ProjectionError::from)?;
                Ok(Parts {
                    ledger: Arc::new(MemoryStore::default()),
                    activity: Arc::new(MemoryStore::default()),
                    head: Arc::new(MemoryHead::default()),
                    activity_head: Arc::new(MemoryHead::default()),
                    keys: Arc::new(SubjectKeys::in_memory(master)),
                    reserve: Arc::default(),
                })
            }
            Place::Folder { data, master_key, memory } => {
                make_folder(data)?;
                let reserve = Reserve::open(&data.join("reserve"))?;
                let store =
                    |name, families| open_store(&data.join(name), families, *memory, &reserve);
                let ledger = store("ledger", Family::LEDGER)?;
                let founded = LocalLog::new(ledger.clone()).head()? > 0;
                let subjects = data.join("subjects.keys");
                if founded && !subjects.exists() {
                    let lost =
                        "subjects.keys is lost, and with it every name: restore it from a backup";
                    return Err(StoreError::Damaged(lost.into()).into());
                }
                let master = read_master_key(data, master_key, founded, random)?;
                Ok(Parts {
                    ledger,
                    activity: store("activity", Family::ACTIVITY)?,
                    head: Arc::new(DiskHead::open(&data.join("HEAD"))?),
                    activity_head: Arc::new(DiskHead::open(&data.join("ACTIVITY"))?),
                    keys: Arc::new(SubjectKeys::open(&subjects, master)?),
                    reserve: Arc::new(reserve),
                })
            }
        }
    }
}

/// Opens a store, on the reserve if the device is full: reads are answered then, and writes when there is
/// room.
fn open_store(
    path: &Path,
    families: &'static [Family],
    memory: Memory,
    reserve: &Reserve,
) -> Result<Arc<dyn Store>, StoreError> {
    let opened = match RocksStore::open(path, families, memory) {
        Err(StoreError::NoSpace(_)) if reserve.spend()? => RocksStore::open(path, families, memory),
        opened => opened,
    };
    match opened {
        Ok(store) => Ok(Arc::new(store)),
        Err(StoreError::NoSpace(why)) => {
            Err(StoreError::NoSpace(format!("{why}; free some 32 MiB and start again")))
        }
        Err(error) => Err(error),
    }
}

fn make_folder(data: &Path) -> Result<(), OpenError> {
    let failed = |why| OpenError::Folder { path: data.to_owned(), why };
    if !data.exists() {
        fs::create_dir_all(data).map_err(failed)?;
        fs::set_permissions(data, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// Reads the master key: 64 hexadecimal digits. On founding it is made if the file is missing.
fn read_master_key(
    data: &Path,
    path: &Path,
    founded: bool,
    random: &dyn Random,
) -> Result<SecretKey, OpenError> {
    let wrong = |why: String| OpenError::MasterKey { path: path.to_owned(), why };
    if let (Ok(folder), Ok(inside)) = (
        fs::canonicalize(data),
        path.parent().map_or(Ok(PathBuf::new()), |parent| {
            fs::canonicalize(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
        }),
    ) && inside.starts_with(&folder)
    {
        return Err(wrong(
            "is inside the data folder: a copy of the folder would hold both".into(),
        ));
    }
    match fs::read_to_string(path) {
        Ok(text) => {
            let text = Secret::new(text);
            let key = from_hex(text.expose().trim()).map(Secret::new);
            let key = key.and_then(|key| <[u8; 32]>::try_from(key.expose().as_slice()).ok());
            key.map(Secret::new).ok_or_else(|| wrong("does not hold 64 hexadecimal digits".into()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !founded => {
            let key = crypto::new_key(random).map_err(ProjectionError::from)?;
            let failed = |error: std::io::Error| wrong(format!("cannot be made: {error}"));
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(failed)?;
            let text = Secret::new(hex(key.expose()));
            writeln!(file, "{}", text.expose()).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            notice(format_args!(
                "made the master key {}; keep it apart from the data folder's backups: \
                 without it nothing can be read",
                path.display()
            ));
            Ok(key)
        }
        Err(error) => Err(wrong(format!("cannot be read ({error}): name it by --master-key-file"))),
    }
}

/// Opens a service. A place without events is opened empty; [`Service::found`] founds its first account.
/// Rows that a crash, an upgrade or damage left behind the events are folded anew first.
pub fn open(
    place: &Place,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    on_lost_sync: Box<dyn Fn(&LedgerError) + Send>,
) -> Result<Arc<Service>, OpenError> {
    let parts = Parts::open(place, &*random)?;
    start(parts, clock, random, on_lost_sync)
}

/// Starts a service on opened parts.
pub fn start(
    parts: Parts,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    on_lost_sync: Box<dyn Fn(&LedgerError) + Send>,
) -> Result<Arc<Service>, OpenError> {
    let writer = LedgerWriter::open(parts.ledger, parts.head, clock.clone())?;
    let ledger = writer.reader();
    let mut projections = Projections::new(ledger.clone(), parts.keys.clone())?;
    if !rebuild::rows_are_current(&ledger)? {
        notice(format_args!("the rows are not those of the events; folding them anew"));
        rebuild::fold_aside(&ledger, 1, &mut |_| {})?;
        rebuild::swap(&projections)?;
        projections = Projections::new(ledger, parts.keys.clone())?;
    }
    let activity = ActivityBook::open(
        parts.activity,
        parts.activity_head,
        parts.keys,
        &parts.reserve,
        clock.clone(),
    )?;
    let writer = Writer {
        ledger: writer,
        projections: projections.clone(),
        random: random.clone(),
        on_lost_sync,
        full: false,
        reserve: parts.reserve,
    };
    let (handle, thread) = writer.start()?;
    Ok(Arc::new(Service {
        reports: Reports::new(projections.clone(), random.clone()),
        projections,
        writer: Mutex::new(Some(handle)),
        thread,
        activity: Arc::new(activity),
        documents: Arc::new(Documents::default()),
        standings: Standings::default(),
        gate: Gate::default(),
        timeline: Timeline::default(),
        findings: Findings::default(),
        clock,
        random,
        guesses: Guesses::default(),
        progress: Progress::default(),
        maintenance: Mutex::new(()),
        root_counts: RootCounts::default(),
        notary: Notary::default(),
    }))
}

/// What an account is founded with; what is not given is made up.
#[derive(Clone, Debug, Default)]
pub struct Founding {
    /// 12 digits.
    pub digits: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// The root user's e-mail address.
    pub root_email: Option<String>,
    /// The root user's password.
    pub root_password: Option<Secret<String>>,
    /// An access key of the root user; none is made unless both are given.
    pub root_key: Option<(String, Secret<String>)>,
    /// The administrator's name; `None` makes none.
    pub admin: Option<String>,
    /// The administrator's access key.
    pub admin_key: Option<(String, Secret<String>)>,
}

/// What was founded; the secrets are shown once.
#[derive(Debug)]
pub struct Founded {
    /// 12 digits.
    pub digits: String,
    /// The root user's e-mail address.
    pub root_email: String,
    /// The root user's password, if it was made up.
    pub root_password: Option<Secret<String>>,
    /// The administrator's user name and access key.
    pub admin: Option<(String, String, Secret<String>)>,
}

const PASSWORD_ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

impl Service {
    /// Whether nothing was founded yet.
    pub fn is_empty(&self) -> bool {
        self.ledger().head().position == 0
    }

    /// Runs an operator's act inside the writer and returns once it is durable.
    pub fn act<T: Send + 'static>(
        self: &Arc<Self>,
        body: impl FnOnce(&Service, &mut Turn<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.submit(Job::shared, body)
    }

    /// As [`act`](Self::act), in a group of its own: nothing is staged or committed beside it.
    pub fn act_alone<T: Send + 'static>(
        self: &Arc<Self>,
        body: impl FnOnce(&Service, &mut Turn<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.submit(Job::alone, body)
    }

    fn submit<T: Send + 'static>(
        self: &Arc<Self>,
        job: fn(Work) -> Job,
        body: impl FnOnce(&Service, &mut Turn<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let service = self.clone();
        self.writer()?.submit_blocking(job(Box::new(move |turn| {
            let outcome = body(&service, turn);
            Box::new(move |durable: Result<(), Fault>| {
                let _ = sender.send(durable.and(outcome));
            })
        })))?;
        receiver.recv().map_err(|_| Fault::internal("an act was lost inside the writer"))?
    }

    /// Founds an account: in an empty store the first one, with the shared managed policies.
    pub fn found(self: &Arc<Self>, founding: Founding, operator: &str) -> Result<Founded, Fault> {
        // Hashing a password takes tens of milliseconds of work: before, not inside the writer.
        let given = founding.root_password.clone();
        let password = match &given {
            Some(password) => password.clone(),
            None => Secret::new(random_text(self.random(), PASSWORD_ALPHABET, 20)?),
        };
        let hash = hash_password(&password, self.random())?;
        let operator = operator.to_owned();
        let mut founded = self.act(move |service, turn| {
            let caller = service.operator(&operator, AccountId::SYSTEM)?;
            service.install_catalogue(turn, &caller)?;
            service.found_in_turn(turn, &caller, founding, &hash)
        })?;
        if given.is_none() {
            founded.root_password = Some(password);
        }
        Ok(founded)
    }

    /// Whoever has the machine, acting in an account.
    pub fn operator(&self, name: &str, account: AccountId) -> Result<Caller, Fault> {
        Ok(Caller {
            account,
            digits: String::new(),
            identity: Identity::Operator { name: name.to_owned() },
            credential: None,
            at: self.clock.now(),
            request_id: self.request_id()?,
            source: Source::default(),
        })
    }

    /// Installs the shared managed policies that this release ships, unless they are the newest already, and
    /// makes the key that signs checkpoints, unless there is one.
    pub(super) fn install_catalogue(
        &self,
        turn: &mut Turn<'_>,
        caller: &Caller,
    ) -> Result<(), Fault> {
        let act = Act { account: AccountId::SYSTEM, actor: caller.actor(), happened_at: None };
        turn.perform(&act, |tx| {
            let hash = crypto::content_hash(Catalogue::SHIPPED);
            let newest = tx.get(AccountId::SYSTEM, &CATALOGUE, &())?;
            if newest.is_none_or(|row| row.manifest != hash) {
                let policies = u32::try_from(Catalogue::SHIPPED_POLICIES).unwrap_or(u32::MAX);
                let manifest = tx.keep_content(Catalogue::SHIPPED);
                tx.record(CatalogueInstalled {
                    manifest,
                    policies,
                    source: Catalogue::SHIPPED_SOURCE.to_owned(),
                })?;
            }
            if notary::keys(&*tx)?.is_empty() {
                notary::make_key(tx)?;
            }
            let origin = origin(tx, caller, "InstallCatalogue", UniqueId::root(), None)?;
            Ok(((), origin))
        })
    }

    fn found_in_turn(
        &self,
        turn: &mut Turn<'_>,
        caller: &Caller,
        founding: Founding,
        password_hash: &Secret<String>,
    ) -> Result<Founded, Fault> {
        let digits = match founding.digits {
            Some(digits) if is_account_digits(&digits) => digits,
            Some(_) => return Err(Fault::validation("An account id is 12 digits.")),
            None => new_account_digits(self.random())?,
        };
        let email = founding.root_email.unwrap_or_else(|| "root@example.com".to_owned());
        let name = founding.name.unwrap_or_else(|| "domesday".to_owned());
        let account = AccountId(random_bytes(self.random())?);
        let act = |account| Act { account, actor: caller.actor(), happened_at: None };

        // The index over all accounts, in the system account.
        turn.perform(&act(AccountId::SYSTEM), |tx| {
            if tx.get(AccountId::SYSTEM, &ACCOUNTS, &digits)?.is_some() {
                return Err(Fault::new(
                    "EntityAlreadyExists",
                    409,
                    format!("An account {digits} already exists."),
                ));
            }
            // No account has the address yet, this one included.
            let tag = check_email(tx, &email)?;
            if tx.get(AccountId::SYSTEM, &EMAILS, &tag)?.is_some() {
                return Err(fault::EMAIL_TAKEN.with(&[]));
            }
            tx.record(AccountRegistered { account, digits: digits.clone() })?;
            let origin = origin(tx, caller, "RegisterAccount", UniqueId::root(), None)?;
            Ok(((), origin))
        })?;

        let root_key = founding.root_key;
        let admin_name = founding.admin;
        let admin_key = founding.admin_key;
        let operator = Caller { account, digits: digits.clone(), ..caller.clone() };
        let admin = turn.perform(&act(account), |tx| {
            let root = UniqueId::root();
            tx.record(AccountFounded {
                digits: digits.clone(),
                name: tx.seal(&root, "account name", &name)?,
                email: tx.seal(&root, "email", &email)?,
                email_tag: email_tag(tx, &email)?,
            })?;
            let commitment = tx.keep_secret(&root, "password", password_hash)?;
            tx.record(RootPasswordSet { commitment })?;
            if let Some((key, secret)) = root_key {
                let key = given_key(tx, &key, &secret)?;
                let commitment = tx.keep_secret(&root, key.as_str(), &secret)?;
                tx.record(AccessKeyCreated { key, owner: root.clone(), commitment })?;
            }
            let admin = match admin_name {
                None => None,
                Some(name) => Some(make_admin(tx, &name, admin_key)?),
            };
            let origin = origin(tx, &operator, "FoundAccount", root, None)?;
            Ok((admin, origin))
        })?;
        Ok(Founded { digits, root_email: email, root_password: None, admin })
    }

    /// A new access key for an administrator of an account, who is made (again) if need be: for the
    /// operator who lost all keys.
    pub fn recover_admin(
        self: &Arc<Self>,
        account: AccountId,
        name: &str,
        operator: &str,
    ) -> Result<(String, String, Secret<String>), Fault> {
        let (name, operator) = (name.to_owned(), operator.to_owned());
        self.act(move |service, turn| {
            let caller = service.operator(&operator, account)?;
            let act = Act { account, actor: caller.actor(), happened_at: None };
            turn.perform(&act, |tx| {
                open_account(&*tx, account)?;
                let user = Directory::new(tx, account).find::<UserRow>(&name)?;
                let made = match user {
                    None => make_admin(tx, &name, None)?,
                    Some(user) => {
                        let (key, secret) = super::operations::access_keys::make(tx, &user.row.id)?;
                        attach_administrator(tx, &user.row.id)?;
                        (user.name, key, secret)
                    }
                };
                let origin = origin(tx, &caller, "RecoverAdmin", UniqueId::root(), None)?;
                Ok((made, origin))
            })
        })
    }
}

/// An access key id that was given rather than drawn; it must not be in use.
fn given_key(tx: &Transaction<'_>, key: &str, secret: &Secret<String>) -> Result<UniqueId, Fault> {
    let id = UniqueId::parse(key)
        .filter(|_| key.len() >= 16)
        .filter(|id| id.kind() != Some(IdKind::SessionKey))
        .ok_or_else(|| {
            Fault::validation(
                "An access key id has 16 to 24 letters and digits, and not ASIA first.",
            )
        })?;
    if secret.expose().len() < 16 {
        return Err(Fault::validation("A secret access key has at least 16 characters."));
    }
    let taken = tx.get(AccountId::SYSTEM, &crate::projection::tables::KEY_ACCOUNTS, &id)?;
    if taken.is_some() {
        return Err(Fault::new("EntityAlreadyExists", 409, format!("The key {key} is in use.")));
    }
    Ok(id)
}

fn make_admin(
    tx: &mut Transaction<'_>,
    name: &str,
    key: Option<(String, Secret<String>)>,
) -> Result<(String, String, Secret<String>), Fault> {
    let user = tx.new_id(IdKind::User)?;
    tx.record(UserCreated {
        user: user.clone(),
        path: "/".to_owned(),
        name: tx.seal(&user, "name", name)?,
        name_tag: tx.name_tag(NameKind::User, name)?,
    })?;
    attach_administrator(tx, &user)?;
    let (id, secret) = match key {
        Some((id, secret)) => (given_key(tx, &id, &secret)?, secret),
        None => (tx.new_id(IdKind::AccessKey)?, new_secret(tx.random())?),
    };
    let commitment = tx.keep_secret(&user, id.as_str(), &secret)?;
    tx.record(AccessKeyCreated { key: id.clone(), owner: user, commitment })?;
    Ok((name.to_owned(), id.to_string(), secret))
}

fn attach_administrator(tx: &mut Transaction<'_>, user: &UniqueId) -> Result<(), Fault> {
    let policy = PolicyRef(format!("{}AdministratorAccess", arn::AWS_POLICIES));
    let key = (user.clone(), policy.clone());
    let account = tx.account();
    if tx.get(account, &crate::projection::tables::ATTACHED, &key)?.is_none() {
        tx.record(PolicyAttached { owner: user.clone(), policy })?;
    }
    Ok(())
}

/// An argon2id hash of a password, made before it goes to the writer: it takes tens of milliseconds.
pub fn hash_password(
    password: &Secret<String>,
    random: &dyn Random,
) -> Result<Secret<String>, Fault> {
    crypto::hash_password(password, random).map_err(Fault::internal)
}
