//! Measures the program against floors: the least that the same work could cost on the same machine,
//! measured in the same run.
//!
//! ```text
//! cargo run --release --example bench -- [PART] [--short|--long]
//! ```
//!
//! Each figure is the median of three rounds; within a round, ours and its floor take turns, so that a
//! busy machine slows both. What each figure is, and what it does not say, stands in
//! `fixtures/bench/README.md`. A missed goal is shown, not an error: the exit status is 0 unless
//! something could not be measured.

#[path = "bench/append.rs"]
mod append;
#[path = "bench/audit.rs"]
mod audit;
#[path = "bench/decisions.rs"]
mod decisions;
#[path = "bench/export.rs"]
mod export;
#[path = "bench/figures.rs"]
mod figures;
#[path = "bench/history.rs"]
mod history;
#[path = "bench/http.rs"]
mod http;
#[path = "bench/imports.rs"]
mod imports;
#[path = "bench/moto.rs"]
mod moto;
#[path = "bench/pages.rs"]
mod pages;
#[path = "bench/people.rs"]
mod people;
#[path = "bench/proofs.rs"]
mod proofs;
#[path = "bench/questions.rs"]
mod questions;
#[path = "bench/reports.rs"]
mod reports;
#[path = "bench/scratch.rs"]
mod scratch;
#[path = "bench/start.rs"]
mod start;
#[allow(dead_code, clippy::indexing_slicing, clippy::cast_possible_truncation)]
#[path = "evaluators/src/workload.rs"]
mod workload;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use figures::Figures;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What a measurement ends with.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How often everything is measured.
const ROUNDS: usize = 3;

/// Measures domesday against floors in the same run.
#[derive(Parser)]
struct Arguments {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    part: Part,
    /// Smaller counts and times: under a minute for all of it, to see that it works
    #[arg(long, conflicts_with = "long")]
    short: bool,
    /// Also a ledger of ten million events: some minutes and 10 GB of temporary files
    #[arg(long)]
    long: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Durable appends, and CreateUser in the process
    Append,
    /// The IAM API over loopback, signed, and decisions for others
    Http,
    /// A row as of any position
    Asof,
    /// Verifying and folding a ledger anew
    Replay,
    /// Start, memory and size of the program
    Start,
    /// Reports over an account of many users
    Reports,
    /// Pages of the console over an account of many users
    Pages,
    /// Proofs of a large tree
    Proofs,
    /// The history of a long ledger
    Audit,
    /// Recorded decisions: who was denied, and all of them made again
    Receipts,
    /// Questions of auditors over a long history
    Questions,
    /// A trail brought in
    Import,
    /// Exports of a history
    Export,
    /// All of these
    All,
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    /// One timed stretch of a measurement by time.
    stretch: Duration,
    /// Accounts that share what is limited by account.
    accounts: usize,
    /// Lengths of ledgers, in events.
    ledgers: &'static [u64],
    /// Reads of a row.
    reads: usize,
}

impl Extent {
    fn of(arguments: &Arguments) -> Self {
        if arguments.short {
            let stretch = Duration::from_millis(250);
            Extent { stretch, accounts: 2, ledgers: &[10_000, 50_000], reads: 5_000 }
        } else {
            let ledgers: &[u64] = match arguments.long {
                false => &[10_000, 1_000_000],
                true => &[10_000, 1_000_000, 10_000_000],
            };
            Extent { stretch: Duration::from_secs(2), accounts: 5, ledgers, reads: 50_000 }
        }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome<()> {
    let extent = Extent::of(arguments);
    let asked = |part| arguments.part == part || arguments.part == Part::All;
    let mut figures = Figures::default();
    print_machine();
    if asked(Part::Append) {
        append::measure(&extent, &mut figures)?;
    }
    if asked(Part::Http) {
        http::measure(&extent, &mut figures)?;
    }
    if asked(Part::Asof) || asked(Part::Replay) {
        history::measure(&extent, asked(Part::Asof), asked(Part::Replay), &mut figures)?;
    }
    if asked(Part::Start) {
        start::measure(&mut figures)?;
    }
    if asked(Part::Reports) {
        reports::measure(&mut figures)?;
    }
    if asked(Part::Pages) {
        pages::measure(&mut figures)?;
    }
    if asked(Part::Proofs) {
        proofs::measure(&extent, &mut figures)?;
    }
    if asked(Part::Audit) || asked(Part::Receipts) {
        audit::measure(&extent, asked(Part::Audit), asked(Part::Receipts), &mut figures)?;
    }
    if asked(Part::Questions) {
        questions::measure(&extent, &mut figures)?;
    }
    if asked(Part::Import) {
        imports::measure(if arguments.short { 20_000 } else { 500_000 }, &mut figures)?;
    }
    if asked(Part::Export) {
        export::measure(&extent, &mut figures)?;
    }
    figures.print();
    if arguments.short {
        println!("Short run: the counts are too small for the figures to be quoted.");
    }
    Ok(())
}

fn print_machine() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_ascii_whitespace().next().unwrap_or("unknown").to_owned();
    println!(
        "{cores} cores, load {load} at the start, temporary files in {}",
        std::env::temp_dir().display()
    );
    if cfg!(debug_assertions) {
        println!("Built without --release: the figures say nothing about the program.");
    }
}
