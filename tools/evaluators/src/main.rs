//! Authorization engines side by side: the same policies, the same requests, one run.
//!
//! ```text
//! tools/evaluate [--short] [--seed N] [--only NAME]
//! ```
//!
//! - **cold**: a thousand principals, uniformly drawn, so that the caches hold few of them;
//! - **hot**: one principal, requests varied; **two threads**: cold, on two threads at once, each
//!   decision's share of the time;
//! - **10, 100, 1,000**: one principal with so many statements.
//!
//! Time per decision is the median of the rounds; in each round the engines take turns. No engine may
//! remember a decision. How many answers are right is counted before anything is measured. The workload
//! holds only what every engine here can say, so all must have all of them right; otherwise nothing is
//! measured and the exit status is 2. An engine that takes milliseconds is asked fewer of them: the last
//! column says how many.

mod engines;
mod floor;
mod workload;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets::NOTHING};

use engines::{ALL, Build, Engine, FLOOR, OURS, Outcome};
use workload::{Principal, SEED, Workload};

/// Measures domesday's policy evaluator beside other engines.
#[derive(Parser)]
struct Arguments {
    /// Fewer requests and rounds: to see that it works
    #[arg(long)]
    short: bool,
    /// The seed that policies and requests follow from
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// Only engines whose name contains this, beside the floor and domesday
    #[arg(long)]
    only: Option<String>,
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    requests: usize,
    many: usize,
    rounds: usize,
    /// An engine is asked for about this long per figure and round.
    time: Duration,
}

const LONG: Extent =
    Extent { requests: 30_000, many: 100_000, rounds: 5, time: Duration::from_millis(300) };
const SHORT: Extent =
    Extent { requests: 3_000, many: 5_000, rounds: 1, time: Duration::from_millis(20) };

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Outcome<()> {
    let extent = if arguments.short { SHORT } else { LONG };
    let seed = arguments.seed;
    let only = arguments.only.as_deref().unwrap_or_default();
    let chosen: Vec<(&str, Build)> = ALL
        .into_iter()
        .filter(|(name, _)| [FLOOR, OURS].contains(name) || name.contains(only))
        .collect();
    let many = Workload::new(seed, 1_000, extent.requests);
    if seed == SEED && !arguments.short {
        let digests = workload::digests(&many);
        if digests.iter().zip(workload::STANDARD).any(|(found, known)| !found.starts_with(known)) {
            return Err("the workload is not the standard one of this seed".into());
        }
    }
    println!("seed {seed:#x}, {} requests, median of {} rounds\n", extent.requests, extent.rounds);
    let workloads = [
        many,
        Workload::new(seed, 1, extent.requests.min(3_000)),
        Workload::growth(seed, 10),
        Workload::growth(seed, 100),
        Workload::growth(seed, 1_000),
    ];
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([
        "engine",
        "cold",
        "two threads",
        "hot",
        "10",
        "100",
        "1,000",
        "right",
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut engines = Vec::new();
    for (name, build) in &chosen {
        let failed = |error| format!("{name}: {error}");
        let built = workloads.iter().map(build).collect::<Outcome<Vec<_>>>().map_err(failed)?;
        let (right, asked) = right(&built, &workloads).map_err(failed)?;
        if right < asked {
            return Err(format!("{name}: {} of {asked} answers are wrong", asked - right).into());
        }
        engines.push((name, built, format!("{right} of {asked}")));
    }
    let mut figures: Vec<[Vec<f64>; 6]> = engines.iter().map(|_| Default::default()).collect();
    for _ in 0..extent.rounds {
        for ((_, built, _), figures) in engines.iter().zip(&mut figures) {
            let count = |at: usize| workloads[at].requests.len().min(built[at].most());
            figures[0].push(nanoseconds(&*built[0], count(0), extent.time));
            figures[1].push(two_threads(&*built[0], count(0), extent.time));
            for at in 1..built.len() {
                figures[at + 1].push(nanoseconds(&*built[at], count(at), extent.time));
            }
        }
    }
    for ((name, _, right), figures) in engines.iter().zip(&mut figures) {
        let mut row = vec![name.to_string()];
        row.extend(figures.iter_mut().map(|rounds| show(median(rounds))));
        row.push(right.clone());
        table.add_row(row);
    }
    println!("{table}\n");
    ours(seed, extent)
}

/// What only concerns ours: many principals, and the first decision after a change.
fn ours(seed: u64, extent: Extent) -> Outcome<()> {
    println!("one decision among so many principals, p50 (the clock's own time included)");
    for (name, build) in ALL.into_iter().take(2) {
        let mut times = Vec::new();
        for principals in [1_000, extent.many] {
            let workload = Workload::new(seed, principals, extent.requests);
            let engine = build(&workload)?;
            let mut each: Vec<f64> = (0..workload.requests.len())
                .map(|request| {
                    let began = Instant::now();
                    let _ = black_box(engine.decide(request));
                    began.elapsed().as_nanos() as f64
                })
                .collect();
            times.push((principals, median(&mut each)));
        }
        let shown: Vec<String> =
            times.iter().map(|(count, time)| format!("{count}: {}", show(*time))).collect();
        println!("  {name:16} {}", shown.join("   "));
    }
    let workload = Workload::new(seed, 1_000, 1_000);
    let mut each: Vec<f64> = workload
        .principals
        .iter()
        .map(|principal| after_change(principal))
        .collect::<Outcome<_>>()?;
    println!(
        "first decision after a policy of five changed: {} (one document read, the set compiled)",
        show(median(&mut each))
    );
    Ok(())
}

/// One of the documents is new; the others are known.
fn after_change(principal: &Principal) -> Outcome<f64> {
    use domesday::policy::{
        Attached, Context, Document, DocumentKind, Label, Policies, PolicySet, Request, decide,
    };
    let known = engines::compile(principal)?;
    let text = principal.policies[0].document().to_string();
    let context = Context::new();
    let action = principal.policies[0].statements[0].actions[0].as_str();
    let began = Instant::now();
    let document = Document::parse(&text, DocumentKind::Identity).map_err(|e| e.to_string())?;
    let changed = Attached::new(document.into(), Label::default());
    let others = known.attached().iter().skip(1).cloned();
    let set: PolicySet = std::iter::once(changed).chain(others).collect();
    let caller = domesday::policy::Principal::Root { account: "111122223333" };
    let request = Request::new(caller, action, "*", &context);
    black_box(decide(&request, &Policies { identity: Some(&set), ..Policies::default() }));
    Ok(began.elapsed().as_nanos() as f64)
}

fn right(engines: &[Box<dyn Engine>], workloads: &[Workload]) -> Outcome<(usize, usize)> {
    let (mut right, mut asked) = (0, 0);
    for (engine, workload) in engines.iter().zip(workloads) {
        for (at, request) in workload.requests.iter().take(engine.most()).enumerate() {
            asked += 1;
            right += usize::from(engine.decide(at)? == request.expected);
        }
    }
    Ok((right, asked))
}

/// Time per decision: whole passes over the requests, or a part of one for an engine that takes long.
fn nanoseconds(engine: &dyn Engine, requests: usize, time: Duration) -> f64 {
    let warm = Instant::now();
    let mut warmed = 0;
    while warmed < requests && warm.elapsed() < time {
        let _ = black_box(engine.decide(black_box(warmed)));
        warmed += 1;
    }
    // The clock is read so seldom that it costs a fast engine nothing, and so often that a slow one ends
    // in time.
    let between = (warmed / 64).clamp(1, 64);
    let began = Instant::now();
    let mut done = 0;
    while began.elapsed() < time {
        for request in (done..).take(between) {
            let _ = black_box(engine.decide(black_box(request % requests)));
        }
        done += between;
    }
    began.elapsed().as_nanos() as f64 / done as f64
}

fn two_threads(engine: &dyn Engine, requests: usize, time: Duration) -> f64 {
    std::thread::scope(|scope| {
        let one = || scope.spawn(|| nanoseconds(engine, requests, time));
        let each: Vec<f64> =
            [one(), one()].into_iter().filter_map(|thread| thread.join().ok()).collect();
        1.0 / each.iter().map(|time| 1.0 / time).sum::<f64>()
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn show(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 1e6 => format!("{:.2} us", n / 1e3),
        n => format!("{:.2} ms", n / 1e6),
    }
}
