//! Proofs of a large tree: of any event, and of any earlier size; and what keeping the tree adds to an append.

use std::sync::Arc;
use std::time::Instant;

use crate::figures::{Figure, Figures, Goal, Unit, middle};
use crate::scratch::{Invention, open_store};
use crate::{Extent, Outcome, ROUNDS};
use domesday::base::time::Timestamp;
use domesday::ledger::AccountId;
use domesday::ledger::Ledger;
use domesday::ledger::frame::{self, Actor, Header};
use domesday::ledger::proof::{check_consistency, check_inclusion};
use domesday::ledger::tree::{Tree, leaf_hash};
use domesday::store::{Batch, Durability, Store};

/// Leaves that are put into one batch while the tree is made.
const COMMIT: u64 = 100_000;

/// The figures of this part. The tree has 10 million leaves (100,000 in a short run): only its tiles are
/// stored, since no proof reads an event.
pub fn measure(extent: &Extent, figures: &mut Figures) -> Outcome<()> {
    let size = if extent.reads < 10_000 { 100_000 } else { 10_000_000 };
    let folder = tempfile::tempdir()?;
    let store = Arc::new(open_store(folder.path())?);
    let tree = grow(store.as_ref(), size)?;
    let ledger = Ledger::of_tree(store, tree);
    let root = ledger.root_at(size)?;
    let mut invention = Invention::new(7);
    let (mut included, mut consistent) = (Vec::new(), Vec::new());
    // The first round warms the caches.
    for round in 0..=ROUNDS {
        let (mut inclusions, mut consistencies) = (Vec::new(), Vec::new());
        for _ in 0..extent.reads / 5 {
            let index = invention.below(size);
            let began = Instant::now();
            let proof = ledger.prove_inclusion(index + 1, size)?;
            inclusions.push(micros(began));
            check_inclusion(&leaf(index), index, size, &proof, &root)?;
            let old = invention.below(size);
            let began = Instant::now();
            let proof = ledger.prove_consistency(old, size)?;
            consistencies.push(micros(began));
            check_consistency((old, &ledger.root_at(old)?), (size, &root), &proof)?;
        }
        if round > 0 {
            included.extend(middle(&inclusions));
            consistent.extend(middle(&consistencies));
        }
    }
    let mut add = |what: &str, ours, goal| {
        let what = format!("{what} in a tree of {size}, median");
        figures.add(Figure { what, ours, floor: Vec::new(), unit: Unit::Micros, goal });
    };
    add("inclusion proof", included, Goal::AtMost(50.0));
    add("consistency proof", consistent, Goal::None);
    measure_append(figures)
}

fn micros(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e6
}

fn leaf(index: u64) -> [u8; 32] {
    leaf_hash(&index.to_be_bytes())
}

fn grow(store: &dyn Store, size: u64) -> Outcome<Tree> {
    let (mut tree, mut batch) = (Tree::default(), Batch::default());
    for index in 0..size {
        tree.append(leaf(index), &mut batch);
        if (index + 1) % COMMIT == 0 || index + 1 == size {
            store.commit(&batch, Durability::Buffered)?;
            batch = Batch::default();
        }
    }
    Ok(tree)
}

/// Framing and chaining events of the usual size, with the tree and without.
fn measure_append(figures: &mut Figures) -> Outcome<()> {
    const EVENTS: u64 = 50_000;
    let header = Header {
        account: AccountId([7; 16]),
        sequence: 1,
        recorded_at: Timestamp::EPOCH,
        happened_at: Timestamp::EPOCH,
        actor: Actor::operator(),
    };
    let body = [7; 700];
    let frames = |with_tree: bool| -> Outcome<f64> {
        let (mut tree, mut batch, mut chain) = (Tree::default(), Batch::default(), [0; 32]);
        let mut edge = Tree::default();
        let began = Instant::now();
        for sequence in 1..=EVENTS {
            let (bytes, next) = frame::encode(&Header { sequence, ..header }, &body, &chain)?;
            chain = next;
            if with_tree {
                tree.append(leaf_hash(&bytes), &mut batch);
                if sequence % 64 == 0 {
                    edge.copy_from(&tree);
                }
            }
            std::hint::black_box(bytes);
        }
        Ok(micros(began) / EVENTS as f64)
    };
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        with.push(frames(true)?);
        without.push(frames(false)?);
    }
    figures.add(Figure {
        what: "an event framed, chained and put into the tree; floor: without the tree".to_owned(),
        ours: with,
        floor: without,
        unit: Unit::Micros,
        goal: Goal::None,
    });
    Ok(())
}
