//! The evaluator against a twin: a second, naive one, written from the same rules over plain JSON and
//! sharing no code with it. Table-driven cases and the policy tests of `fixtures` must satisfy both;
//! generated cases must have both agree.
//!
//! 20,000 generated cases here; `tools/campaign twin` does more.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test, its helpers included

#[path = "policy_twin/ask.rs"]
mod ask;
#[path = "campaign/mod.rs"]
mod campaign;
#[path = "policy_twin/cases.rs"]
mod cases;
#[path = "policy_twin/errors.rs"]
mod errors;
#[path = "policy_twin/explored.rs"]
mod explored;
#[path = "policy_twin/generate.rs"]
mod generate;
#[path = "policy_twin/suite.rs"]
mod suite;
#[path = "policy_twin/twin.rs"]
mod twin;
#[path = "policy_twin/workload.rs"]
mod workload;

use std::cell::Cell;

use campaign::Campaign;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any};
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};

const OUTCOMES: [&str; 3] = ["allowed", "implicitDeny", "explicitDeny"];
/// Cases of each of the four tests below, which run side by side.
const CASES: u64 = 5_000;
/// Cases between two looks at the clock.
const AT_ONCE: u64 = 1_000;

/// Seeded, so that a failure elsewhere is the same failure here.
fn agree(part: u8) {
    let mut campaign = Campaign::new("evaluator and twin", CASES / AT_ONCE, 0);
    let seen = [const { Cell::new(0u64) }; 3];
    while let Some(round) = campaign.next() {
        let mut seed = [part; 32];
        for (place, word) in seed.chunks_exact_mut(8).zip([campaign.seed, round]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        agree_on(&seed, &seen);
    }
    let cases: u64 = seen.iter().map(Cell::get).sum();
    // A generator whose statements never meet their requests would agree about nothing.
    for (count, outcome) in seen.iter().zip(OUTCOMES) {
        assert!(count.get() > cases / 20, "only {} of {cases} cases were {outcome}", count.get());
    }
    let counts: Vec<String> =
        seen.iter().zip(OUTCOMES).map(|(count, name)| format!("{} {name}", count.get())).collect();
    campaign.end(&format!("agreed on {cases} cases, {}", counts.join(", ")));
}

fn agree_on(seed: &[u8; 32], seen: &[Cell<u64>; 3]) {
    let cases = u32::try_from(AT_ONCE).unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, seed))
        .run(&vec(any::<u64>(), 50), |words| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let case = generate::case(&bytes);
            let (ours, theirs) = (ask::outcome(&case), twin::decide(&case));
            if ours != theirs {
                return Err(TestCaseError::fail(format!(
                    "we say {ours}, the twin {theirs}: {case:#}"
                )));
            }
            let which = OUTCOMES.iter().position(|outcome| *outcome == ours).unwrap();
            seen[which].set(seen[which].get() + 1);
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_twin_agrees_on_the_first_quarter() {
    agree(1);
}

#[test]
fn the_twin_agrees_on_the_second_quarter() {
    agree(2);
}

#[test]
fn the_twin_agrees_on_the_third_quarter() {
    agree(3);
}

#[test]
fn the_twin_agrees_on_the_fourth_quarter() {
    agree(4);
}
