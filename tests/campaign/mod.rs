//! How long a campaign goes on, and from which seed: a test does its short form by itself, `tools/campaign`
//! asks for more by `CAMPAIGN_COUNT`, `CAMPAIGN_SECONDS` and `CAMPAIGN_SEED`.

use std::time::{Duration, Instant};

/// A line of progress this often.
const EVERY: Duration = Duration::from_secs(10);

/// A run of rounds that says where it is.
pub struct Campaign {
    what: &'static str,
    /// Rounds, unless there is a time instead.
    count: u64,
    time: Option<Duration>,
    /// What all randomness of the campaign follows from.
    pub seed: u64,
    rounds: u64,
    began: Instant,
    told: Instant,
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

impl Campaign {
    /// A campaign of so many rounds from this seed, unless the environment says otherwise.
    pub fn new(what: &'static str, count: u64, seed: u64) -> Self {
        let time = variable("CAMPAIGN_SECONDS").map(Duration::from_secs);
        let count = variable("CAMPAIGN_COUNT").unwrap_or(count);
        let seed = variable("CAMPAIGN_SEED").unwrap_or(seed);
        match time {
            Some(time) => println!("{what}: for {} s, seed {seed}", time.as_secs()),
            None => println!("{what}: {count} rounds, seed {seed}"),
        }
        let now = Instant::now();
        Campaign { what, count, time, seed, rounds: 0, began: now, told: now }
    }

    /// The number of the next round, from 0; `None` when it is enough.
    pub fn next(&mut self) -> Option<u64> {
        let over = match self.time {
            Some(time) => self.began.elapsed() >= time,
            None => self.rounds >= self.count,
        };
        if over {
            return None;
        }
        if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            let seconds = self.began.elapsed().as_secs();
            println!("{}: {} rounds after {seconds} s", self.what, self.rounds);
        }
        self.rounds += 1;
        Some(self.rounds - 1)
    }

    /// Says what came of it.
    pub fn end(self, found: &str) {
        let Campaign { what, rounds, seed, began, .. } = self;
        let seconds = began.elapsed().as_secs();
        println!("{what}: {rounds} rounds in {seconds} s, seed {seed}: {found}");
    }
}
