//! A service on disk with some accounts, whose administrators ask for things.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{Extent, Outcome};
use domesday::base::clock::SystemClock;
use domesday::base::form_tree::Form;
use domesday::base::random::{OsRandom, random_bytes};
use domesday::base::sigv4::Credentials;
use domesday::base::text::hex;
use domesday::identity::id::UniqueId;
use domesday::ledger::{AccountId, LedgerError};
use domesday::projection::directory::Directory;
use domesday::projection::tables::{ACCOUNTS, UserRow};
use domesday::projection::view::ReadTables;
use domesday::service::caller::{Caller, Identity, Source};
use domesday::service::fault::Fault;
use domesday::service::founding::{self, Founding, Place};
use domesday::service::operation::Api;
use domesday::service::{Call, Service};
use domesday::store::rocks::Memory;

/// Users made in an account, at most: its quota is 5,000.
pub const USERS_PER_ACCOUNT: usize = 2_000;

/// An administrator of an account.
pub struct Admin {
    /// What it signs with.
    pub credentials: Credentials,
    account: AccountId,
    digits: String,
    key: UniqueId,
    id: UniqueId,
    name: String,
    arn: String,
}

/// A service and its administrators.
pub struct Company {
    /// The service.
    pub service: Arc<Service>,
    /// One for each account.
    pub admins: Arc<[Admin]>,
    _folder: TempDir,
}

impl Company {
    /// A service in a new folder, with so many accounts.
    pub fn found(accounts: usize) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let service = open(&place(&folder)?)?;
        let mut admins = Vec::new();
        for number in 0..accounts {
            admins.push(Admin::found(&service, number, None)?);
        }
        Ok(Company { service, admins: admins.into(), _folder: folder })
    }

    /// The same with one account, of these digits.
    pub fn of_account(digits: &str) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let service = open(&place(&folder)?)?;
        let admin = Admin::found(&service, 0, Some(digits.to_owned()))?;
        Ok(Company { service, admins: [admin].into(), _folder: folder })
    }

    /// The administrator whose turn it is.
    pub fn admin(&self, number: usize) -> Outcome<&Admin> {
        let admin = self.admins.get(number % self.admins.len().max(1));
        admin.ok_or_else(|| "no accounts".into())
    }

    /// Stops the service.
    pub fn close(self) {
        self.service.close();
    }
}

/// A data folder in a temporary one, with its master key beside it.
pub fn place(folder: &TempDir) -> Outcome<Place> {
    let master_key = folder.path().join("data.key");
    if !master_key.exists() {
        std::fs::write(&master_key, hex(&random_bytes::<32>(&OsRandom)?))?;
    }
    let data = folder.path().join("data");
    Ok(Place::Folder { data, master_key, memory: Memory::Serving })
}

/// Opens a service as the program does.
pub fn open(place: &Place) -> Outcome<Arc<Service>> {
    let lost = Box::new(|error: &LedgerError| eprintln!("bench: a sync was lost: {error}"));
    Ok(founding::open(place, Arc::new(SystemClock), Arc::new(OsRandom), lost)?)
}

impl Admin {
    /// Founds an account with an administrator.
    pub fn found(service: &Arc<Service>, number: usize, digits: Option<String>) -> Outcome<Self> {
        let founding = Founding {
            digits,
            root_email: Some(format!("root{number}@example.com")),
            admin: Some("admin".to_owned()),
            ..Founding::default()
        };
        let founded = service.found(founding, "bench")?;
        let (name, key, secret) = founded.admin.ok_or("no administrator was made")?;
        let view = service.now();
        let account = view.get(AccountId::SYSTEM, &ACCOUNTS, &founded.digits)?;
        let account = account.ok_or("the account was not founded")?;
        let user = Directory::new(&view, account).find::<UserRow>(&name)?;
        let user = user.ok_or("the administrator is not there")?;
        Ok(Admin {
            account,
            digits: founded.digits,
            key: UniqueId::parse(&key).ok_or("no access key")?,
            id: user.row.id,
            name,
            arn: user.arn,
            credentials: Credentials {
                access_key_id: key,
                secret_access_key: secret,
                session_token: None,
            },
        })
    }

    /// A call of an IAM operation about a user, as it comes from the wire once the signature is checked.
    pub fn call(&self, service: &Service, operation: &str, user: &str) -> Result<Call, Fault> {
        self.call_with(service, operation, &[("UserName", user)])
    }

    /// A call of an IAM operation with these parameters.
    pub fn call_with(
        &self,
        service: &Service,
        operation: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Call, Fault> {
        let mut form = Form::default();
        for (name, value) in parameters {
            form.insert(name, (*value).to_owned()).map_err(Fault::internal)?;
        }
        Ok(Call {
            api: Api::Iam,
            operation: operation.to_owned(),
            form,
            caller: Caller {
                account: self.account,
                digits: self.digits.clone(),
                identity: Identity::User {
                    id: self.id.clone(),
                    name: self.name.clone(),
                    arn: self.arn.clone(),
                    session: None,
                },
                credential: Some(self.key.clone()),
                at: service.clock().now(),
                request_id: service.request_id()?,
                source: Source {
                    address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
                    agent: Some("bench".to_owned()),
                    secure: false,
                    ticket: None,
                },
            },
            moment: None,
            region: "us-east-1".to_owned(),
        })
    }
}

/// CreateUser in this process by so many tasks at once, in a new service; users a second.
pub fn create_in_process(tasks: usize, extent: &Extent) -> Outcome<f64> {
    let company = Company::found(extent.accounts)?;
    let most = extent.accounts * USERS_PER_ACCOUNT;
    let rate = create_users(&company, tasks, 0..most, extent.stretch)?;
    company.close();
    Ok(rate)
}

/// Creates the users of these numbers, or as many as the time allows, in the accounts by turns.
pub fn create_users(
    company: &Company,
    tasks: usize,
    numbers: Range<usize>,
    stretch: Duration,
) -> Outcome<f64> {
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let began = Instant::now();
    let made: Outcome<usize> = runtime.block_on(async {
        let mut running = JoinSet::new();
        for _ in 0..tasks {
            let (service, admins) = (company.service.clone(), company.admins.clone());
            let next = next.clone();
            running.spawn(async move {
                let mut made = 0;
                while began.elapsed() < stretch {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(admin) = admins.get(number % admins.len().max(1)) else { break };
                    if number >= numbers.end {
                        break;
                    }
                    let call = admin.call(&service, "CreateUser", &format!("user-{number}"))?;
                    service.execute(call).await?;
                    made += 1;
                }
                Ok::<usize, Fault>(made)
            });
        }
        let mut made = 0;
        while let Some(task) = running.join_next().await {
            made += task??;
        }
        Ok(made)
    });
    Ok(made? as f64 / began.elapsed().as_secs_f64())
}
