//! The credential report of an account, and a job about services last accessed, by the program itself: how
//! long they take, and how much more memory a larger account needs at most.

use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;

use crate::figures::{Figure, Figures, Goal, Unit};
use crate::start::{Running, credentials, program};
use crate::{Outcome, ROUNDS, people};
use domesday::base::secret::Secret;
use domesday::base::sigv4::Credentials;
use domesday::identity::change::{
    AccessKeyCreated, GroupCreated, InlinePolicyPut, LoginProfileCreated, MemberAdded, UserCreated,
};
use domesday::identity::id::{IdKind, UniqueId};
use domesday::ledger::AccountId;
use domesday::projection::sealing::NameKind;
use domesday::projection::tables::ACCOUNTS;
use domesday::projection::view::ReadTables;
use domesday::projection::{Transaction, directory::Directory};
use domesday::service::caller::{Caller, Identity, Source};
use domesday::service::fault::Fault;
use domesday::service::founding::Founding;
use domesday::service::operation::Api;
use domesday::service::writer::Act;
use domesday::service::{Call, Service, origin};

/// Users of the accounts that are compared. Twice what the quota allows: they are recorded without being
/// asked for.
const USERS: [usize; 2] = [1_000, 10_000];
/// The larger of them.
pub const MANY: usize = 1;
/// The password of their root users.
pub const ROOT_PASSWORD: &str = "The book of 1086";
/// Threads that record users, so that the writer commits several at once.
const THREADS: usize = 16;
const GROUP: &str = "everybody";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","s3:*","ec2:*"],"Resource":"*"}]}"#;

/// Rounds of one measurement: with few users, and with many.
#[derive(Default)]
struct Rounds {
    millis: [Vec<f64>; 2],
    peak: [Vec<f64>; 2],
}

/// The figures of this part.
pub fn measure(figures: &mut Figures) -> Outcome<()> {
    let Some(program) = program().filter(|program| program.exists()) else {
        figures.note(
            "The program is not built, so that reports were not measured: \
             cargo build --release --bin domesday",
        );
        return Ok(());
    };
    // Both accounts in one store, so that the program has the same to carry whichever is asked of.
    let folder = tempfile::tempdir()?;
    for size in 0..USERS.len() {
        populate(&folder, size)?;
    }
    let (mut report, mut job) = (Rounds::default(), Rounds::default());
    for _ in 0..ROUNDS {
        for size in 0..USERS.len() {
            run(&program, &folder, size, &mut report, credential_report)?;
            run(&program, &folder, size, &mut job, last_accessed)?;
        }
    }
    for (what, Rounds { millis: [few, many], peak: [small, large] }) in
        [("credential report", report), ("services last accessed by a group", job)]
    {
        figures.add(Figure {
            what: format!("{what}, 10 k users; floor: 1 k"),
            ours: many,
            floor: few,
            unit: Unit::Millis,
            goal: Goal::AtMost(1_000.0),
        });
        figures.add(Figure {
            what: format!("{what}, 10 k users: peak memory; floor: 1 k"),
            ours: large,
            floor: small,
            unit: Unit::Mebibytes,
            goal: Goal::TimesFloor(1.2),
        });
    }
    Ok(())
}

/// One measurement in a program of its own, whose memory nothing else has touched.
fn run(
    program: &Path,
    folder: &TempDir,
    size: usize,
    rounds: &mut Rounds,
    ask: fn(&Running, &Credentials, usize) -> Outcome<()>,
) -> Outcome<()> {
    let who = administrator(folder, size)?;
    let (_, running) = Running::start(program, folder)?;
    iam(&running, &who, "Action=GetAccountSummary")?;
    running.forget_peak()?;
    let began = Instant::now();
    ask(&running, &who, USERS.get(size).copied().unwrap_or_default())?;
    let millis = began.elapsed().as_secs_f64() * 1e3;
    let peak = running.peak()?;
    if let (Some(all), Some(peaks)) = (rounds.millis.get_mut(size), rounds.peak.get_mut(size)) {
        all.push(millis);
        peaks.push(peak);
    }
    running.stop()
}

fn iam(running: &Running, who: &Credentials, query: &str) -> Outcome<String> {
    running.ask(who, "iam", &format!("Version=2010-05-08&{query}"))
}

fn credential_report(running: &Running, who: &Credentials, users: usize) -> Outcome<()> {
    iam(running, who, "Action=GenerateCredentialReport")?;
    let answer = iam(running, who, "Action=GetCredentialReport")?;
    // A line has more than a hundred characters, four of base64 for three of text.
    if answer.len() < users * 133 { Err("the report is too short".into()) } else { Ok(()) }
}

fn last_accessed(running: &Running, who: &Credentials, users: usize) -> Outcome<()> {
    let group = iam(running, who, &format!("Action=GetGroup&GroupName={GROUP}&MaxItems=1"))?;
    let arn = text(&group, "Arn")?.replace(':', "%3A").replace('/', "%2F");
    let made = iam(running, who, &format!("Action=GenerateServiceLastAccessedDetails&Arn={arn}"))?;
    let query = format!("Action=GetServiceLastAccessedDetails&JobId={}", text(&made, "JobId")?);
    let answer = iam(running, who, &query)?;
    let total = text(&answer, "TotalAuthenticatedEntities")?;
    if total != users.to_string() { Err(format!("{total} used it").into()) } else { Ok(()) }
}

/// The text of the first element of a name.
fn text<'a>(answer: &'a str, name: &str) -> Outcome<&'a str> {
    let after = answer.split_once(&format!("<{name}>")).map(|(_, after)| after);
    let found = after.and_then(|after| after.split_once('<')).map(|(text, _)| text);
    found.ok_or_else(|| format!("no {name} in the answer").into())
}

/// The administrator of one of the accounts.
fn administrator(folder: &TempDir, size: usize) -> Outcome<Credentials> {
    let first = credentials(folder)?;
    let access_key_id = match size {
        0 => first.access_key_id,
        _ => format!("AKIABENCHMARKBENCH{size:02}"),
    };
    Ok(Credentials { access_key_id, ..first })
}

/// The e-mail address of the root user of one of the accounts.
pub fn root_email(size: usize) -> String {
    format!("root{size}@example.com")
}

/// An account in a folder whose users, all in one group, have a password and a key each and have asked for
/// something once.
pub fn populate(folder: &TempDir, size: usize) -> Outcome<()> {
    let who = administrator(folder, size)?;
    let users = USERS.get(size).copied().unwrap_or_default();
    let service = people::open(&people::place(folder)?)?;
    let founding = Founding {
        root_email: Some(root_email(size)),
        root_password: Some(Secret::new(ROOT_PASSWORD.to_owned())),
        admin: Some("admin".to_owned()),
        admin_key: Some((who.access_key_id, who.secret_access_key)),
        ..Founding::default()
    };
    let digits = service.found(founding, "bench")?.digits;
    let account = service.now().get(AccountId::SYSTEM, &ACCOUNTS, &digits)?;
    let account = account.ok_or("the account was not founded")?;
    let group = recorded(&service, account, |tx| {
        let group = tx.new_id(IdKind::Group)?;
        let (name, name_tag) =
            (tx.seal(&group, "name", GROUP)?, tx.name_tag(NameKind::Group, GROUP)?);
        tx.record(GroupCreated { group: group.clone(), path: "/".to_owned(), name, name_tag })?;
        let document = tx.keep_content(POLICY.as_bytes());
        tx.record(InlinePolicyPut { owner: group.clone(), name: "some".to_owned(), document })?;
        Ok(group)
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    // Each by an event of its own, as people come: a history of a few large events is unlike any.
    let record = |number: usize| {
        let group = group.clone();
        recorded(&service, account, move |tx| user(tx, &group, number))
    };
    let made = std::thread::scope(|scope| {
        let recording = |first: usize| {
            let numbers = (first..users).step_by(THREADS);
            scope.spawn(move || numbers.map(record).collect::<Outcome<Vec<_>>>())
        };
        let threads: Vec<_> = (0..THREADS).map(recording).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|made| made.map_err(|_| "a thread was lost")?).collect::<Outcome<Vec<_>>>()
    })?;
    for (id, name, key) in made.into_iter().flatten() {
        let call = call(&service, account, &digits, (id, name, key))?;
        runtime.block_on(service.execute(call))?;
    }
    service.close();
    Ok(())
}

/// Records changes as the operator.
fn recorded<T: Send + 'static>(
    service: &std::sync::Arc<Service>,
    account: AccountId,
    body: impl FnOnce(&mut Transaction<'_>) -> Result<T, Fault> + Send + 'static,
) -> Outcome<T> {
    Ok(service.act(move |service, turn| {
        let operator = service.operator("bench", account)?;
        let act = Act { account, actor: operator.actor(), happened_at: None };
        turn.perform(&act, |tx| {
            let made = body(tx)?;
            Ok((made, origin(tx, &operator, "Bench", UniqueId::root(), None)?))
        })
    })?)
}

/// A user with password and key in the group; its id, name and key.
fn user(
    tx: &mut Transaction<'_>,
    group: &UniqueId,
    number: usize,
) -> Result<(UniqueId, String, UniqueId), Fault> {
    let (user, key) = (tx.new_id(IdKind::User)?, tx.new_id(IdKind::AccessKey)?);
    let name = format!("user-{number}");
    let hash = Secret::new("the hash of a password, of about a hundred characters".to_owned());
    tx.record(UserCreated {
        user: user.clone(),
        path: "/".to_owned(),
        name: tx.seal(&user, "name", &name)?,
        name_tag: tx.name_tag(NameKind::User, &name)?,
    })?;
    let commitment = tx.keep_secret(&user, "password", &hash)?;
    let reset_required = false;
    tx.record(LoginProfileCreated { user: user.clone(), commitment, reset_required })?;
    let commitment = tx.keep_secret(&user, key.as_str(), &hash)?;
    tx.record(AccessKeyCreated { key: key.clone(), owner: user.clone(), commitment })?;
    tx.record(MemberAdded { group: group.clone(), user: user.clone() })?;
    Ok((user, name, key))
}

/// What a user asks about itself.
fn call(
    service: &Service,
    account: AccountId,
    digits: &str,
    (id, name, key): (UniqueId, String, UniqueId),
) -> Outcome<Call> {
    let now = service.now();
    let row = Directory::new(&now, account)
        .by_id::<domesday::projection::tables::UserRow>(&id)?
        .ok_or("the user is not there")?;
    Ok(Call {
        api: Api::Iam,
        operation: "GetUser".to_owned(),
        form: domesday::base::form_tree::Form::default(),
        caller: Caller {
            account,
            digits: digits.to_owned(),
            identity: Identity::User { id, name, arn: row.arn, session: None },
            credential: Some(key),
            at: service.clock().now(),
            request_id: service.request_id()?,
            source: Source::default(),
        },
        moment: None,
        region: "us-east-1".to_owned(),
    })
}
