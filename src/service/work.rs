//! Work done by several threads and taken in order, and by two at once.
//!
//! Reading a frame, or a record of a trail, is cheap; opening, formatting and packing the one and parsing the other
//! is not. So whoever is free takes the next piece, and whoever called takes the results in the order of the pieces.
//! Only a few pieces are under way at once, however slowly the results are taken: memory does not grow with the
//! length of an export or an import.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::mpsc;

use parking_lot::{Condvar, Mutex};

use crate::service::fault::Fault;

/// Threads at most.
const MOST_THREADS: usize = 8;
/// Pieces under way, for each thread.
const PIECES: u64 = 3;

struct Turns<S> {
    source: S,
    taken: u64,
    done: u64,
    over: bool,
}

/// Takes pieces from `source` until it has none, does `work` on each on some thread, and hands the results
/// to `each` in order, on this thread. The first error ends it all.
///
/// # Errors
/// Whatever one of the three says.
pub fn in_order<P: Send, R: Send>(
    source: impl FnMut() -> Result<Option<P>, Fault> + Send,
    work: impl Fn(P) -> Result<R, Fault> + Sync,
    mut each: impl FnMut(R) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = threads.min(MOST_THREADS);
    let most = PIECES * threads as u64;
    let turns = Mutex::new(Turns { source, taken: 0, done: 0, over: false });
    let room = Condvar::new();
    let (results, received) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (results, turns, room, work) = (results.clone(), &turns, &room, &work);
            scope.spawn(move || {
                loop {
                    let mut held = turns.lock();
                    room.wait_while(&mut held, |turns| {
                        !turns.over && turns.taken >= turns.done + most
                    });
                    if held.over {
                        return;
                    }
                    let number = held.taken;
                    let piece = (held.source)();
                    held.taken += 1;
                    held.over = !matches!(piece, Ok(Some(_)));
                    drop(held);
                    let result = match piece {
                        Ok(None) => {
                            room.notify_all();
                            return;
                        }
                        Ok(Some(piece)) => work(piece),
                        Err(error) => Err(error),
                    };
                    if results.send((number, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        let outcome = take(&received, &mut |result| {
            each(result)?;
            turns.lock().done += 1;
            room.notify_all();
            Ok(())
        });
        turns.lock().over = true;
        room.notify_all();
        outcome
    })
}

/// Does two things at once, the first on this thread.
///
/// # Errors
/// If the second panicked.
pub fn both<A, B: Send>(
    first: impl FnOnce() -> A,
    second: impl FnOnce() -> B + Send,
) -> Result<(A, B), Fault> {
    std::thread::scope(|scope| {
        let other = scope.spawn(second);
        let first = first();
        let second = other.join().map_err(|_| Fault::internal("a thread of a question failed"))?;
        Ok((first, second))
    })
}

/// Hands results on in the order of their numbers.
fn take<R>(
    received: &mpsc::Receiver<(u64, Result<R, Fault>)>,
    each: &mut dyn FnMut(R) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (number, result) in received {
        early.insert(number, result);
        while let Some(result) = early.remove(&next) {
            each(result?)?;
            next += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(count: u64, wrong: Option<u64>) -> (Vec<u64>, Result<(), Fault>) {
        let mut next = 0;
        let source = move || {
            next += 1;
            Ok((next <= count).then_some(next))
        };
        let work = |piece: u64| {
            std::thread::sleep(std::time::Duration::from_micros(piece * 7 % 13));
            if wrong == Some(piece) { Err(Fault::validation("wrong")) } else { Ok(piece * 2) }
        };
        let mut seen = Vec::new();
        let outcome = in_order(source, work, |result| {
            seen.push(result);
            Ok(())
        });
        (seen, outcome)
    }

    #[test]
    fn results_come_in_order_and_the_first_error_ends_it() {
        let (seen, outcome) = run(500, None);
        assert!(outcome.is_ok());
        assert_eq!(seen, (1..=500).map(|piece| piece * 2).collect::<Vec<_>>());
        let (seen, outcome) = run(500, Some(77));
        assert_eq!(outcome.unwrap_err().code, "ValidationError");
        assert_eq!(seen, (1..77).map(|piece| piece * 2).collect::<Vec<_>>());
        assert!(run(0, None).0.is_empty());
        let refused = in_order(|| Ok(Some(1)), Ok, |_: i32| Err(Fault::validation("no room")));
        assert!(refused.is_err());
        let broken =
            in_order(|| Err(Fault::validation("gone")), |piece: i32| Ok(piece), |_| Ok(()));
        assert!(broken.is_err());
    }
}
