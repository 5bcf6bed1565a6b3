//! The history, the export and the replay of a long ledger: the first page of `log` by common and rare filters, and recorded
//! decisions decided again.
//!
//! An account of 10,000 users and 5,000 roles, whose events set tags: most are acts of a hundred of the users,
//! three of one who did nothing else. Every receipt is of a request that some user made.

use std::sync::Arc;
use std::time::Instant;

use crate::export::export_of;
use crate::figures::{Figure, Figures, Goal, Unit, middle};
use crate::people::Company;
use crate::{Extent, Outcome, ROUNDS};
use domesday::base::form_tree::Form;
use domesday::base::random::{OsRandom, Random, random_bytes};
use domesday::identity::change::{InlinePolicyPut, RoleCreated, Tagged, Trust, UserCreated};
use domesday::identity::id::{IdKind, UniqueId};
use domesday::ledger::AccountId;
use domesday::projection::Transaction;
use domesday::projection::directory::Directory;
use domesday::projection::sealing::{self, NameKind};
use domesday::projection::tables::{ACCOUNTS, UserRow};
use domesday::projection::view::ReadTables;
use domesday::service::audit::log::{self, Filter, Order};
use domesday::service::audit::replay;
use domesday::service::caller::{Caller, Identity, Source};
use domesday::service::exports::Kind;
use domesday::service::fault::Fault;
use domesday::service::moment::Moment;
use domesday::service::operation::Api;
use domesday::service::writer::Act;
use domesday::service::{Call, Service, origin};

const USERS: usize = 10_000;
const ROLES: usize = 5_000;
/// Users who act.
const BUSY: usize = 100;
/// Events staged in one job.
const JOB: usize = 2_000;
/// How often a page is asked for.
const ASKED: usize = 200;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","s3:*"],"Resource":"*"}]}"#;

/// What an event says: the operation, whom it is about, and the ticket.
type Told = (String, UniqueId, Option<String>);

/// An account whose events can be asked about.
struct Account {
    service: Arc<Service>,
    id: AccountId,
    digits: String,
    users: Vec<UniqueId>,
    /// Some of them, as those who act and ask.
    callers: Vec<Caller>,
}

/// The figures of the history, and of the receipts.
pub fn measure(
    extent: &Extent,
    history: bool,
    receipts: bool,
    figures: &mut Figures,
) -> Outcome<()> {
    let company = Company::found(1)?;
    let service = company.service.clone();
    let row = service.now().list(AccountId::SYSTEM, &ACCOUNTS, &())?;
    let id = *row.first().ok_or("no account")?;
    let digits = Directory::new(&service.now(), id).digits()?;
    let mut account = Account { service, id, digits, users: Vec::new(), callers: Vec::new() };
    account.people()?;
    // A tenth of the longest ledger first, to show that pages do not grow with it.
    let longest = extent.ledgers.iter().copied().filter(|length| *length <= 1_000_000).max();
    let longest = longest.unwrap_or(100_000);
    if history {
        for length in [longest / 10, longest] {
            account.grow(length)?;
            account.pages(length, figures)?;
            account.exports(length, figures)?;
        }
    }
    if receipts {
        account.replay(longest / 10, figures)?;
    }
    drop(account);
    company.close();
    Ok(())
}

impl Account {
    /// Records events, one a closure, by the user of this number or the operator.
    fn record(
        &self,
        count: usize,
        body: impl Fn(&mut Transaction<'_>, usize) -> Result<Told, Fault> + Send + Sync + 'static,
    ) -> Outcome<()> {
        let body = Arc::new(body);
        for first in (0..count).step_by(JOB) {
            let (body, account, callers) = (body.clone(), self.id, self.callers.clone());
            let last = count.min(first + JOB);
            self.service.act(move |service, turn| {
                let operator = service.operator("bench", account)?;
                for number in first..last {
                    let caller = callers.get(actor(number)).unwrap_or(&operator);
                    let act = Act { account, actor: caller.actor(), happened_at: None };
                    turn.perform(&act, |tx| {
                        let (operation, target, ticket) = body(tx, number)?;
                        let mut told = origin(tx, caller, &operation, target, None)?;
                        told.ticket = ticket;
                        Ok(((), told))
                    })?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn people(&mut self) -> Outcome<()> {
        self.record(USERS, |tx, number| {
            let user = tx.new_id(IdKind::User)?;
            let name = format!("user-{number}");
            tx.record(UserCreated {
                user: user.clone(),
                path: "/".to_owned(),
                name: tx.seal(&user, "name", &name)?,
                name_tag: tx.name_tag(NameKind::User, &name)?,
            })?;
            let document = tx.keep_content(POLICY.as_bytes());
            tx.record(InlinePolicyPut { owner: user.clone(), name: "some".to_owned(), document })?;
            Ok(("CreateUser".to_owned(), user, None))
        })?;
        self.record(ROLES, |tx, number| {
            let role = tx.new_id(IdKind::Role)?;
            let name = format!("role-{number}");
            let trust =
                Trust { document: tx.keep_content(TRUST.as_bytes()), principals: Vec::new() };
            tx.record(RoleCreated {
                role: role.clone(),
                path: "/".to_owned(),
                name: tx.seal(&role, "name", &name)?,
                name_tag: tx.name_tag(NameKind::Role, &name)?,
                trust,
                description: None,
                max_session: 3_600,
            })?;
            Ok(("CreateRole".to_owned(), role, None))
        })?;
        let now = self.service.now();
        let users = Directory::new(&now, self.id).all::<UserRow>()?;
        self.users = users.into_iter().map(|user| user.row.id).collect();
        self.callers = self.callers(1_000)?;
        Ok(())
    }

    /// Sets tags until the ledger has so many events.
    fn grow(&self, length: u64) -> Outcome<()> {
        let missing = length.saturating_sub(self.service.ledger().head().position);
        let users = self.users.clone();
        self.record(usize::try_from(missing)?, move |tx, number| {
            let target = users.get(number % users.len().max(1)).cloned();
            let target = target.unwrap_or_else(UniqueId::root);
            let value = tx.seal(&target, &sealing::tag_field("team"), "red")?;
            tx.record(Tagged { owner: target.clone(), tags: vec![("team".to_owned(), value)] })?;
            let ticket =
                if number == 700 { "T-RARE".to_owned() } else { format!("T-{}", number % 50) };
            Ok(("TagUser".to_owned(), target, Some(ticket)))
        })
    }

    fn pages(&self, length: u64, figures: &mut Figures) -> Outcome<()> {
        let name = |id: Option<&UniqueId>| id.map(|id| id.to_string());
        let half = Some(Moment { time: None, position: Some(length / 2) });
        let base = Filter { limit: log::USUAL, ..Filter::default() };
        let (busy, rare) = (name(self.users.get(1)), name(self.users.get(BUSY)));
        let filters = [
            ("everything", base.clone()),
            ("oldest first", Filter { order: Order::Oldest, ..base.clone() }),
            ("before a moment", Filter { to: half, ..base.clone() }),
            ("a busy principal", Filter { principal: busy.clone(), ..base.clone() }),
            ("a principal with three events", Filter { principal: rare.clone(), ..base.clone() }),
            ("that person", Filter { person: rare, ..base.clone() }),
            ("about a user", Filter { target: name(self.users.get(77)), ..base.clone() }),
            (
                "an operation that never was",
                Filter { operation: Some("Never".into()), ..base.clone() },
            ),
            ("a rare ticket", Filter { ticket: Some("T-RARE".into()), ..base.clone() }),
            (
                "a busy principal, a common ticket, a user, a moment",
                Filter {
                    principal: busy,
                    ticket: Some("T-7".into()),
                    target: name(self.users.get(4_001)),
                    to: half,
                    ..base
                },
            ),
        ];
        for (what, filter) in filters {
            self.page(&format!("{what}; {length} events"), &filter, figures)?;
        }
        Ok(())
    }

    fn exports(&self, length: u64, figures: &mut Figures) -> Outcome<()> {
        let mut caller = self.service.operator("bench", self.id)?;
        caller.digits = self.digits.clone();
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            rates.push(export_of(&self.service, &caller, Kind::CloudTrail, None)?.0);
        }
        figures.add(Figure {
            what: format!("export of CloudTrail; {length} events"),
            ours: rates,
            floor: Vec::new(),
            unit: Unit::PerSecond,
            goal: Goal::AtLeast(200_000.0),
        });
        Ok(())
    }

    fn page(&self, what: &str, filter: &Filter, figures: &mut Figures) -> Outcome<()> {
        let now = self.service.now();
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let mut taken = Vec::new();
            for _ in 0..ASKED {
                let began = Instant::now();
                std::hint::black_box(log::page(&self.service, self.id, &now, filter, usize::MAX)?);
                taken.push(began.elapsed().as_secs_f64() * 1e3);
            }
            rounds.extend(middle(&taken));
        }
        figures.add(Figure {
            what: format!("log, first page: {what}"),
            ours: rounds,
            floor: Vec::new(),
            unit: Unit::Millis,
            goal: Goal::AtMost(50.0),
        });
        Ok(())
    }

    /// Users ask about themselves, and all of that is decided again.
    fn replay(&self, requests: u64, figures: &mut Figures) -> Outcome<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(async {
            for number in 0..usize::try_from(requests)? {
                if let Some(caller) = self.callers.get(number % self.callers.len().max(1)) {
                    self.service.execute(self.ask(caller)?).await?;
                }
            }
            Outcome::Ok(())
        })?;
        // None of them was denied: as many are looked at as there are to be for one page.
        let denied = Filter { sort: log::Sort::Denied, limit: log::USUAL, ..Filter::default() };
        self.page(&format!("denied; {requests} receipts, all of others"), &denied, figures)?;
        let now = self.service.now();
        for (what, now_too) in [("at their own positions", false), ("at the head", true)] {
            let mut rates = Vec::new();
            for _ in 0..ROUNDS {
                let ask = replay::Ask { now: now_too, limit: 10, ..replay::Ask::default() };
                let began = Instant::now();
                let answer = replay::answer(&self.service, self.id, &now, &ask)?;
                let took = began.elapsed().as_secs_f64();
                let same = answer.get("same").and_then(serde_json::Value::as_f64).unwrap_or(0.0);
                let receipts = answer.get("receipts").and_then(serde_json::Value::as_f64);
                if same < requests as f64 / 2.0 {
                    return Err(format!("too few decisions are as they were: {answer}").into());
                }
                rates.push(receipts.unwrap_or(0.0) / took);
            }
            figures.add(Figure {
                what: format!("replay of {requests} receipts on one core, {what}"),
                ours: rates,
                floor: Vec::new(),
                unit: Unit::PerSecond,
                goal: Goal::AtLeast(200_000.0),
            });
        }
        Ok(())
    }

    fn callers(&self, count: usize) -> Outcome<Vec<Caller>> {
        let now = self.service.now();
        let directory = Directory::new(&now, self.id);
        let mut callers = Vec::new();
        for id in self.users.iter().take(count) {
            let user = directory.by_id::<UserRow>(id)?.ok_or("no such user")?;
            callers.push(Caller {
                account: self.id,
                digits: self.digits.clone(),
                identity: Identity::User {
                    id: id.clone(),
                    name: user.name,
                    arn: user.arn,
                    session: None,
                },
                credential: None,
                at: self.service.clock().now(),
                request_id: self.service.request_id()?,
                source: Source {
                    address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
                    agent: Some("bench".to_owned()),
                    secure: true,
                    ticket: None,
                },
            });
        }
        Ok(callers)
    }

    fn ask(&self, caller: &Caller) -> Outcome<Call> {
        let random: &dyn Random = &OsRandom;
        let [odd] = random_bytes::<1>(random)?;
        Ok(Call {
            api: Api::Iam,
            operation: if odd % 4 == 0 { "GetAccountSummary" } else { "GetUser" }.to_owned(),
            form: Form::default(),
            caller: caller.clone(),
            moment: None,
            region: "us-east-1".to_owned(),
        })
    }
}

/// Whose act an event is, by its number: mostly one of the busy.
fn actor(number: usize) -> usize {
    match number {
        1_000 | 2_000 | 3_000 => BUSY,
        number => number % BUSY,
    }
}
