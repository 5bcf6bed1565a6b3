//! An export of CloudTrail: events a second, and how much more memory ten times the events need.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::figures::{Figure, Figures, Goal, Unit};
use crate::people::{Company, create_users};
use crate::{Extent, Outcome, ROUNDS};
use domesday::service::Service;
use domesday::service::caller::Caller;
use domesday::service::exports::sink::Sink;
use domesday::service::exports::{Ask, Kind, run};
use domesday::service::fault::Fault;
use domesday::service::moment::Moment;

const USERS: usize = 1_000;

/// Takes an export and keeps nothing.
#[derive(Default)]
struct Nowhere {
    bytes: usize,
}

impl Sink for Nowhere {
    fn begin(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len();
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The figures of this part.
pub fn measure(extent: &Extent, figures: &mut Figures) -> Outcome<()> {
    let events = if extent.accounts > 2 { 200_000 } else { 20_000 };
    let company = Company::found(1)?;
    create_users(&company, 256, 0..USERS, Duration::from_secs(600))?;
    move_users(&company, 512, events)?;
    let mut rates: [Vec<f64>; 3] = Default::default();
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (kind, rates) in
            [Kind::CloudTrail, Kind::Ndjson, Kind::Ocsf].into_iter().zip(&mut rates)
        {
            rates.push(export(&company, kind, None)?.0);
        }
        small.push(export(&company, Kind::CloudTrail, Some(events / 10))?.1);
        large.push(export(&company, Kind::CloudTrail, Some(events))?.1);
    }
    company.close();
    let goals = [Goal::AtLeast(200_000.0), Goal::None, Goal::None];
    for ((name, ours), goal) in ["CloudTrail", "NDJSON", "OCSF"].into_iter().zip(rates).zip(goals) {
        figures.add(Figure {
            what: format!("export of {} k events: {name}", events / 1_000),
            ours,
            floor: Vec::new(),
            unit: Unit::PerSecond,
            goal,
        });
    }
    figures.add(Figure {
        what: "the same, CloudTrail: memory at most; floor: a tenth of the events".to_owned(),
        ours: large,
        floor: small,
        unit: Unit::Mebibytes,
        goal: Goal::TimesFloor(1.2),
    });
    Ok(())
}

/// Events a second, and the most memory of this process meanwhile.
fn export(company: &Company, kind: Kind, newest: Option<usize>) -> Outcome<(f64, f64)> {
    let admin = company.admin(0)?;
    let caller = admin.call(&company.service, "GetUser", "user-0")?.caller;
    export_of(&company.service, &caller, kind, newest)
}

/// The same of any account, for any caller.
pub fn export_of(
    service: &Arc<Service>,
    caller: &Caller,
    kind: Kind,
    newest: Option<usize>,
) -> Outcome<(f64, f64)> {
    let head = service.ledger().head().position;
    let from = newest.map(|count| Moment { time: None, position: Some(head - count as u64) });
    let ask = Ask { kind, from, to: None, receipts: false };
    std::fs::write("/proc/self/clear_refs", "5")?;
    let mut sink = Nowhere::default();
    let began = Instant::now();
    let manifest = run(service, caller, &ask, None, &mut sink)?;
    let taken = began.elapsed().as_secs_f64();
    if sink.bytes == 0 {
        return Err("nothing was exported".into());
    }
    Ok((manifest.events.count as f64 / taken, peak()?))
}

/// The most memory of this process since it was last asked to forget, in MiB.
fn peak() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().split(' ').next()).ok_or("no VmHWM")?;
    Ok(kibibytes.parse::<f64>()? / 1_024.0)
}

/// Moves users to other paths, so many times.
fn move_users(company: &Company, tasks: usize, times: usize) -> Outcome<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for _ in 0..tasks {
            let (service, admins, next) =
                (company.service.clone(), company.admins.clone(), next.clone());
            running.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(admin) = admins.first().filter(|_| number < times) else { break };
                    let user = format!("user-{}", number % USERS);
                    let path = format!("/division-{}/", number % 97);
                    let given = [("UserName", user.as_str()), ("NewPath", path.as_str())];
                    let call = admin.call_with(&service, "UpdateUser", &given)?;
                    service.execute(call).await?;
                }
                Ok::<(), Fault>(())
            });
        }
        while let Some(task) = running.join_next().await {
            task??;
        }
        Ok(())
    })
}
