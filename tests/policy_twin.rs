//! The evaluator against a twin: a second, naive one, written from the same rules over plain JSON and
//! sharing no code with it. Table-driven cases must satisfy both; generated cases must have both agree.
//!
//! `DOMESDAY_TWIN_CASES` sets the number of generated cases (default 20,000).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test, its helpers included

#[path = "policy_twin/ask.rs"]
mod ask;
#[path = "policy_twin/cases.rs"]
mod cases;
#[path = "policy_twin/errors.rs"]
mod errors;
#[path = "policy_twin/explored.rs"]
mod explored;
#[path = "policy_twin/generate.rs"]
mod generate;
#[path = "policy_twin/twin.rs"]
mod twin;

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any};
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// How many cases each of the tests below takes; they run side by side.
fn share() -> u32 {
    let cases = std::env::var("DOMESDAY_TWIN_CASES").ok().and_then(|cases| cases.parse().ok());
    cases.unwrap_or(20_000u32).div_ceil(4)
}

/// Seeded, so that a failure elsewhere is the same failure here; more cases are other cases too.
fn agree(part: u8) {
    let cases = share();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut seed = [part; 32];
    seed[..4].copy_from_slice(&cases.to_le_bytes());
    let seen = [const { Cell::new(0u32) }; 3];
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
        .run(&vec(any::<u64>(), 50), |words| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let case = generate::case(&bytes);
            let (ours, theirs) = (ask::outcome(&case), twin::decide(&case));
            if ours != theirs {
                return Err(TestCaseError::fail(format!(
                    "we say {ours}, the twin {theirs}: {case:#}"
                )));
            }
            let which = ["allowed", "implicitDeny", "explicitDeny"].iter().position(|o| *o == ours);
            let count = &seen[which.unwrap()];
            count.set(count.get() + 1);
            Ok(())
        })
        .unwrap();
    // A generator whose statements never meet their requests would agree about nothing.
    for (count, outcome) in seen.iter().zip(["allowed", "implicitDeny", "explicitDeny"]) {
        assert!(count.get() > cases / 20, "only {} of {cases} cases were {outcome}", count.get());
    }
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
