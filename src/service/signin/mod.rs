//! Signing in to the console: a password, a second factor where there is one, and a session for the
//! browser.
//!
//! ```text
//! password ──> (code of an MFA device) ──> (new password, where it must be changed) ──> session
//! ```
//!
//! Between two of these steps a *ticket* stands for what was proven so far: random bytes in a cookie,
//! looked up here, good for five minutes and a few tries. Whoever has the whole becomes an ordinary caller
//! with a session of its own ([`session`]), judged like one who signs requests.
//!
//! What a stranger learns here is nothing: an account, name or e-mail address that does not exist is
//! answered in the same words and after the same work as a wrong password. Guessing is slowed down by
//! `throttle`. Password hashes are computed off the async threads and a few at a time, so that hundreds
//! who sign in at once wait for one another and for nobody else.

pub mod session;
mod throttle;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};

use self::session::{Cookie, Lengths};
use self::throttle::Throttle;
use super::Service;
use super::activity::receipt::{EVALUATOR, Kind, Receipt};
use super::authenticate::Arrival;
use super::caller::{Caller, Identity};
use super::fault::Fault;
use super::mfa::{self, Accepted, NotAccepted};
use super::operation::Api;
use super::password::{self, HASHERS};
use super::password_policy::{self, Standing, standing_of};
use super::target::Target;
use crate::base::crypto::content_hash;
use crate::base::form_tree::Form;
use crate::base::random::{Random, random_bytes};
use crate::base::secret::Secret;
use crate::base::text::base64_url;
use crate::base::time::Timestamp;
use crate::identity::id::{UniqueId, is_account_digits};
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::sealing::{self, NameKind};
use crate::projection::tables::{ACCOUNTS, ALIASES, EMAILS, PasswordPolicyRow, UserRow};
use crate::projection::view::ReadTables;
use crate::projection::{Reader, View};

/// Seconds within which the next step must be taken.
const STEP_TIME: i64 = 300;
/// Wrong codes or new passwords that a ticket bears.
const TRIES: u32 = 5;
/// Tickets at once; beyond it the oldest goes.
const MOST_TICKETS: usize = 10_000;
/// Sign-ins that wait for their hash at once.
const MOST_WAITING: usize = 512;
/// Failures of one account that are noted, a minute; the others are only counted.
const NOTED_FAILURES: u32 = 60;

/// Who says to be there.
#[derive(Clone, Debug)]
pub enum Who {
    /// The root user of the account with this e-mail address.
    Root {
        /// As typed.
        email: String,
    },
    /// An IAM user.
    User {
        /// The account's 12 digits or its alias, as typed.
        account: String,
        /// The user's name, as typed.
        name: String,
    },
}

impl Who {
    /// What guesses are counted under: the typed name, whether it exists or not; of an account that exists its digits,
    /// whether they or its alias were typed.
    fn counted(&self, view: &View) -> Result<[u8; 32], Fault> {
        let text = match self {
            Who::Root { email } => format!("root\0{}", email.to_lowercase()),
            Who::User { account, name } => {
                let typed = account_typed(account);
                let found = account_of(view, &typed)?;
                let digits = found.map(|found| Directory::new(view, found).digits()).transpose()?;
                format!("user\0{}\0{}", digits.unwrap_or(typed), name.to_lowercase())
            }
        };
        Ok(content_hash(text.as_bytes()))
    }
}

/// An account as it is looked for, and so as guesses at it are counted: what means one account must count as one.
fn account_typed(account: &str) -> String {
    account.trim().to_lowercase()
}

/// What comes next.
pub enum Step {
    /// Signed in.
    In(Cookie),
    /// A code of one of the principal's MFA devices.
    Code(Secret<String>),
    /// A new password, since this one must be changed.
    NewPassword(Secret<String>),
}

/// Why somebody is not signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such account, name or password.
    Wrong,
    /// The code is wrong, or was used before.
    WrongCode,
    /// The step before was too long ago, or had too many tries.
    Late,
    /// Too many tries: seconds until the next.
    Wait(u64),
    /// The password expired, and only an administrator can set a new one.
    Expired,
    /// The new password is not accepted.
    NewPassword(String),
    /// Too many sign in at once.
    Busy,
    /// Something failed.
    Failed(Fault),
}

impl<E: Into<Fault>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Refusal::Failed(error.into())
    }
}

/// What was proven so far, and by whom.
struct Ticket {
    account: AccountId,
    principal: UniqueId,
    typed: [u8; 32],
    password: Secret<String>,
    /// The code that was shown, where one was.
    mfa: Option<Accepted>,
    tries: u32,
    until: Timestamp,
}

/// The gate's memory: tickets, guesses, failures. It is lost with the process: who was between two steps
/// begins anew.
#[derive(Default)]
pub struct Gate {
    tickets: Mutex<HashMap<[u8; 32], Ticket>>,
    throttle: Throttle,
    waiting: AtomicUsize,
    lengths: RwLock<Lengths>,
    failures: Mutex<HashMap<AccountId, (u64, u32)>>,
}

/// One who waits for a hash.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(gate: &'a Gate) -> Result<Self, Refusal> {
        let waiting = Waiting(&gate.waiting);
        if gate.waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            return Err(Refusal::Busy);
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    fn give(
        &self,
        ticket: Ticket,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<Secret<String>, Fault> {
        let token = Secret::new(base64_url(&random_bytes::<32>(random)?));
        let mut tickets = self.tickets.lock();
        tickets.retain(|_, ticket| ticket.until > now);
        if tickets.len() >= MOST_TICKETS
            && let Some(oldest) =
                tickets.iter().min_by_key(|(_, one)| one.until).map(|(key, _)| *key)
        {
            tickets.remove(&oldest);
        }
        tickets.insert(content_hash(token.expose().as_bytes()), ticket);
        Ok(token)
    }

    /// Takes a ticket out: whoever comes with the same at once finds none.
    fn take(&self, token: &Secret<String>, now: Timestamp) -> Result<Ticket, Refusal> {
        let found = self.tickets.lock().remove(&content_hash(token.expose().as_bytes()));
        found.filter(|ticket| ticket.until > now).ok_or(Refusal::Late)
    }

    /// Whose a ticket is: the account, and the principal in it.
    fn whose(&self, token: &Secret<String>) -> Option<(AccountId, UniqueId)> {
        let tickets = self.tickets.lock();
        let ticket = tickets.get(&content_hash(token.expose().as_bytes()))?;
        Some((ticket.account, ticket.principal.clone()))
    }

    /// Puts a ticket back after a failed try, unless it was the last.
    fn put_back(&self, token: &Secret<String>, mut ticket: Ticket) {
        ticket.tries += 1;
        if ticket.tries < TRIES {
            self.tickets.lock().insert(content_hash(token.expose().as_bytes()), ticket);
        }
    }

    /// Whether a failure is still to be noted this minute.
    fn notes_failure(&self, account: AccountId, now: Timestamp) -> bool {
        let minute = now.seconds() / 60;
        let mut failures = self.failures.lock();
        failures.retain(|_, (of, _)| *of == minute);
        let (_, count) = failures.entry(account).or_insert((minute, 0));
        *count += 1;
        *count <= NOTED_FAILURES
    }
}

impl Service {
    /// The first step: a password.
    ///
    /// # Errors
    /// [`Refusal::Wrong`] whatever of it is wrong; [`Refusal::Wait`] before a password is looked at.
    pub async fn sign_in(
        self: &Arc<Self>,
        who: Who,
        password: Secret<String>,
        arrival: Arrival,
    ) -> Result<Step, Refusal> {
        let (service, from) = (self.clone(), arrival.source.address);
        let counting = move || who.counted(&service.now()).map(|typed| (who, typed));
        let counted = tokio::task::spawn_blocking(counting).await.map_err(Fault::internal)?;
        let (who, typed) = counted?;
        let trying = self.gate.throttle.admit(&typed, from, arrival.at)?;
        let waiting = Waiting::begin(&self.gate)?;
        let permit = HASHERS.acquire().await.map_err(Fault::internal)?;
        let service = self.clone();
        let checking = move || {
            let _permit = permit;
            let step = service.check_password((&who, typed), password, &arrival);
            if matches!((&who, &step), (Who::Root { .. }, Err(Refusal::Wrong))) {
                service.root_counts.sign_in(true);
            }
            step
        };
        let step = tokio::task::spawn_blocking(checking).await.map_err(Fault::internal)?;
        drop((waiting, trying));
        step
    }

    fn check_password(
        &self,
        (who, typed): (&Who, [u8; 32]),
        password: Secret<String>,
        arrival: &Arrival,
    ) -> Result<Step, Refusal> {
        let now = self.now();
        let (account, principal) = find(&now, who)?;
        // Nobody's password is checked, too: it takes as long as somebody's.
        let nobody = UniqueId::parse("nobody").unwrap_or_else(UniqueId::root);
        let owner = principal.as_ref().unwrap_or(&nobody);
        let is_right =
            password::verify(&now, account.unwrap_or(AccountId::SYSTEM), owner, &password)?;
        let (Some(account), Some(principal), true) = (account, principal.clone(), is_right) else {
            self.gate.throttle.failed(&typed, arrival.source.address, arrival.at);
            if let Some(account) = account {
                self.note_failure(account, principal.as_ref(), arrival)?;
            }
            return Err(Refusal::Wrong);
        };
        let until = arrival.at.plus_seconds(STEP_TIME);
        let ticket = Ticket { account, principal, typed, password, mfa: None, tries: 0, until };
        if mfa::has_any(&now, account, &ticket.principal)? {
            return Ok(Step::Code(self.gate.give(ticket, &*self.random, arrival.at)?));
        }
        self.proceed(&now, ticket, arrival)
    }

    /// The second step: a code of any MFA device of the principal.
    ///
    /// # Errors
    /// [`Refusal::WrongCode`]; [`Refusal::Late`] once the ticket is used up.
    pub async fn sign_in_code(
        self: &Arc<Self>,
        token: Secret<String>,
        code: Secret<String>,
        arrival: Arrival,
    ) -> Result<Step, Refusal> {
        let service = self.clone();
        let checking = move || {
            let now = service.now();
            let mut ticket = service.gate.take(&token, arrival.at)?;
            let whose = (ticket.account, &ticket.principal);
            match mfa::check(&service, &now, whose, None, code.expose(), arrival.at) {
                Ok(accepted) => {
                    // Whatever comes next, the code is used up.
                    service.activity.spend(&accepted)?;
                    ticket.mfa = Some(accepted);
                    service.proceed(&now, ticket, &arrival)
                }
                Err(NotAccepted::Failed(error)) => Err(error.into()),
                Err(NotAccepted::TooEarly(seconds)) => {
                    service.gate.put_back(&token, ticket);
                    Err(Refusal::Wait(seconds))
                }
                Err(NotAccepted::Wrong | NotAccepted::NoDevice) => {
                    if ticket.principal == UniqueId::root() {
                        service.root_counts.sign_in(true);
                    }
                    service.note_failure(ticket.account, Some(&ticket.principal), &arrival)?;
                    service.gate.put_back(&token, ticket);
                    Err(Refusal::WrongCode)
                }
            }
        };
        tokio::task::spawn_blocking(checking).await.map_err(Fault::internal)?
    }

    /// Whoever must choose a new password: the user name, for password managers, and the rules that the password
    /// will be held to, where the account has some of its own. Blocks; not for async threads.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn sign_in_rules(
        &self,
        token: &Secret<String>,
    ) -> Result<(Option<String>, Option<PasswordPolicyRow>), Fault> {
        let Some((account, principal)) = self.gate.whose(token) else { return Ok((None, None)) };
        let now = self.now();
        let directory = Directory::new(&now, account);
        let user = directory.by_id::<UserRow>(&principal)?.map(|user| user.name);
        Ok((user, password_policy::of(directory)?))
    }

    /// The last step, where the password must be changed: the new one, which the account's rules judge.
    ///
    /// # Errors
    /// [`Refusal::NewPassword`] with the rule that it breaks.
    pub async fn sign_in_new_password(
        self: &Arc<Self>,
        token: Secret<String>,
        new: Secret<String>,
        arrival: Arrival,
    ) -> Result<Step, Refusal> {
        let ticket = self.gate.take(&token, arrival.at)?;
        let caller = self.unsigned(&ticket, &arrival)?;
        let mut form = Form::default();
        for (name, value) in [("OldPassword", &ticket.password), ("NewPassword", &new)] {
            form.insert(name, value.expose().clone()).map_err(Fault::internal)?;
        }
        match self.run_as(caller, "ChangePassword", form).await {
            Ok(_) => {}
            Err(fault) if fault.is_sender() => {
                self.gate.put_back(&token, ticket);
                return Err(Refusal::NewPassword(fault.message));
            }
            Err(fault) => return Err(Refusal::Failed(fault)),
        }
        let service = self.clone();
        tokio::task::spawn_blocking(move || service.enter(&ticket, &arrival))
            .await
            .map_err(Fault::internal)?
    }

    /// Runs an operation of IAM as a caller who needs no signature.
    async fn run_as(
        self: &Arc<Self>,
        caller: Caller,
        operation: &str,
        form: Form,
    ) -> Result<super::operation::Answer, Fault> {
        self.execute(super::Call {
            api: Api::Iam,
            operation: operation.to_owned(),
            form,
            caller,
            moment: None,
            region: session::REGION.to_owned(),
        })
        .await
    }

    /// Once password and code are right: in, or first to a new password.
    fn proceed(&self, now: &View, ticket: Ticket, arrival: &Arrival) -> Result<Step, Refusal> {
        // The root user's password does not expire.
        let directory = Directory::new(now, ticket.account);
        match standing_of(directory, &ticket.principal, arrival.at)?.unwrap_or(Standing::Good) {
            Standing::Good => self.enter(&ticket, arrival),
            // Nobody is asked for a new password who may not set one: only an administrator can help.
            Standing::Expired if !self.may_change_password(now, &ticket, arrival)? => {
                self.note_failure(ticket.account, Some(&ticket.principal), arrival)?;
                Err(Refusal::Expired)
            }
            Standing::ResetRequired | Standing::Expired => {
                let until = arrival.at.plus_seconds(STEP_TIME);
                let ticket = Ticket { tries: 0, until, ..ticket };
                Ok(Step::NewPassword(self.gate.give(ticket, &*self.random, arrival.at)?))
            }
            Standing::ExpiredHard => {
                self.note_failure(ticket.account, Some(&ticket.principal), arrival)?;
                Err(Refusal::Expired)
            }
        }
    }

    fn may_change_password(
        &self,
        now: &View,
        ticket: &Ticket,
        arrival: &Arrival,
    ) -> Result<bool, Fault> {
        let caller = self.unsigned(ticket, arrival)?;
        let target = Target::on(caller.arn(), &ticket.principal);
        let judge = self.judge(now, now.cut().position);
        Ok(judge.judge(&caller, "iam:ChangePassword", &target)?.refusal.is_none())
    }

    fn enter(&self, ticket: &Ticket, arrival: &Arrival) -> Result<Step, Refusal> {
        self.gate.throttle.succeeded(&ticket.typed, arrival.source.address, arrival.at);
        let (account, principal) = (ticket.account, &ticket.principal);
        let cookie = session::begin(self, account, principal, ticket.mfa.is_some(), arrival)?;
        if *principal == UniqueId::root() {
            self.root_counts.sign_in(false);
        }
        Ok(Step::In(cookie))
    }

    /// The caller behind a ticket, before it has a session.
    fn unsigned(&self, ticket: &Ticket, arrival: &Arrival) -> Result<Caller, Fault> {
        let now = self.now();
        let directory = Directory::new(&now, ticket.account);
        let user = directory.by_id::<UserRow>(&ticket.principal)?;
        let user = user.ok_or_else(super::invalid_credential)?;
        // Policies that ask for a second factor see the one that was shown.
        let session = match &ticket.mfa {
            None => None,
            Some(_) => {
                let (account, principal) = (ticket.account, &ticket.principal);
                Some(session::new(self, account, principal, true, arrival.at)?.0)
            }
        };
        Ok(Caller {
            account: ticket.account,
            digits: directory.digits()?,
            identity: Identity::User {
                id: ticket.principal.clone(),
                name: user.name,
                arn: user.arn,
                session: session.map(Arc::new),
            },
            credential: None,
            at: arrival.at,
            request_id: arrival.request_id.clone(),
            source: arrival.source.clone(),
        })
    }

    /// Notes that somebody tried to sign in, as long as it is not too often. A name that is nobody's is not
    /// kept: people type passwords into that field.
    fn note_failure(
        &self,
        account: AccountId,
        principal: Option<&UniqueId>,
        arrival: &Arrival,
    ) -> Result<(), Fault> {
        if !self.gate.notes_failure(account, arrival.at) {
            return Ok(());
        }
        let nobody = UniqueId::parse("nobody").unwrap_or_else(UniqueId::root);
        let receipt = self.sign_in_receipt(
            Kind::SignInFailed,
            account,
            principal.unwrap_or(&nobody),
            None,
            arrival,
        )?;
        self.activity.note((receipt, Vec::new()))
    }

    /// A receipt of a sign-in or its end.
    fn sign_in_receipt(
        &self,
        kind: Kind,
        account: AccountId,
        principal: &UniqueId,
        credential: Option<&UniqueId>,
        arrival: &Arrival,
    ) -> Result<Receipt, Fault> {
        let mut personal = serde_json::Map::new();
        let Arrival { source, .. } = arrival;
        if let Some(address) = source.address {
            personal.insert("aws:SourceIp".into(), vec![address.to_string()].into());
        }
        if let Some(agent) = &source.agent {
            personal.insert("aws:UserAgent".into(), vec![agent.clone()].into());
        }
        let text = serde_json::Value::Object(personal).to_string();
        let (keys, random) = (self.projections.keys(), &*self.random);
        let subject = super::subject_of(principal);
        let seal = |field, text| sealing::seal(keys, random, account, &subject, field, text);
        Ok(Receipt {
            kind,
            at: arrival.at,
            account,
            request: arrival.request_id.clone(),
            principal: (account, principal.clone()),
            credential: credential.cloned(),
            action: match kind {
                Kind::SignedOut => "signin:Logout",
                _ => "signin:ConsoleLogin",
            }
            .to_owned(),
            resource: principal.clone(),
            resource_arn: seal("receipt resource", "")?,
            context: vec![(
                "aws:SecureTransport".into(),
                vec![if source.secure { "true" } else { "false" }.into()],
            )],
            personal: seal("receipt context", &text)?,
            position: self.ledger().head().position,
            evaluator: EVALUATOR,
            deciding: Vec::new(),
            blocked_by: None,
        })
    }
}

/// Whom a name stands for: the account, and in it the principal.
fn find(view: &View, who: &Who) -> Result<(Option<AccountId>, Option<UniqueId>), Fault> {
    let found = named(view, who)?;
    // Nobody signs in to a closed account.
    match found.0.map(|account| Directory::new(view, account).account_row()).transpose()?.flatten()
    {
        Some(row) if row.closed.is_some() => Ok((None, None)),
        _ => Ok(found),
    }
}

/// The account of these digits, or this alias.
fn account_of(view: &View, typed: &str) -> Result<Option<AccountId>, Fault> {
    let index = if is_account_digits(typed) { &ACCOUNTS } else { &ALIASES };
    Ok(view.get(AccountId::SYSTEM, index, &typed.to_owned())?)
}

fn named(view: &View, who: &Who) -> Result<(Option<AccountId>, Option<UniqueId>), Fault> {
    match who {
        Who::Root { email } => {
            let tag = sealing::name_tag(view.keys(), AccountId::SYSTEM, NameKind::Email, email)?;
            let account = match tag {
                Some(tag) => view.get(AccountId::SYSTEM, &EMAILS, &tag)?,
                None => None,
            };
            Ok((account, account.map(|_| UniqueId::root())))
        }
        Who::User { account, name } => {
            let account = account_of(view, &account_typed(account))?;
            let Some(account) = account else { return Ok((None, None)) };
            Ok((Some(account), Directory::new(view, account).find_id(NameKind::User, name)?))
        }
    }
}
