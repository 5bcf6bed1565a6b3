//! Work that blocks, aside of the async threads.
//!
//! What reads a page's worth of rows is done at once. Questions about everybody, or about a long stretch of time,
//! take all of a core and tens of megabytes for as long as they run: a few are answered at a time, the others wait
//! for their turn, and of too many each is told to come back. Nobody has more than a few there, so that others wait for
//! a few of each.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::caller::Caller;
use super::fault::Fault;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;

/// Long questions that are answered at a time.
const AT_A_TIME: usize = 4;
/// Those that wait for their turn.
const WAITING: usize = 64;
/// Long questions of one principal, answered or waiting.
const OF_ONE: usize = 6;

static QUEUE: Queue = Queue::new(AT_A_TIME, WAITING);

/// Does something on a thread that may block.
///
/// # Errors
/// Its own.
pub async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(Fault::internal)?
}

/// The same of something long, in its turn.
///
/// # Errors
/// Its own; `ServiceUnavailable` if too many wait already, of this caller or in all.
pub async fn in_turn<T: Send + 'static>(
    caller: &Caller,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    QUEUE.answer((caller.account, caller.principal_id()), work).await
}

/// Who asks.
type Asking = (AccountId, UniqueId);

struct Queue {
    turns: Semaphore,
    places: Semaphore,
    /// How many each has there.
    asking: Mutex<Option<HashMap<Asking, usize>>>,
}

/// A question that is answered or waits, as long as it does.
struct Place {
    queue: &'static Queue,
    who: Asking,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut asking = self.queue.asking.lock();
        let Some(asking) = asking.as_mut() else { return };
        if let Some(count) = asking.get_mut(&self.who) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                asking.remove(&self.who);
            }
        }
    }
}

impl Queue {
    const fn new(turns: usize, places: usize) -> Self {
        Queue {
            turns: Semaphore::const_new(turns),
            places: Semaphore::const_new(places),
            asking: Mutex::new(None),
        }
    }

    fn place(&'static self, who: Asking) -> Option<Place> {
        let mut asking = self.asking.lock();
        let count = asking.get_or_insert_default().entry(who.clone()).or_default();
        if *count >= OF_ONE {
            return None;
        }
        *count += 1;
        Some(Place { queue: self, who })
    }

    async fn answer<T: Send + 'static>(
        &'static self,
        who: Asking,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let too_many = || {
            let why = "Too many long questions wait to be answered already. Try again later.";
            Fault::new("ServiceUnavailable", 503, why)
        };
        let place = self.place(who).ok_or_else(too_many)?;
        let waiting = self.places.try_acquire().map_err(|_| too_many())?;
        let turn = self.turns.acquire().await.map_err(Fault::internal)?;
        drop(waiting);
        run(move || {
            // Held until it is done, also if nobody waits for the answer any more.
            let _held = (turn, place);
            work()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_few_are_answered_at_a_time_and_too_many_are_told_to_come_back() {
        static QUEUE: Queue = Queue::new(2, 3);
        let who = |number: u8| (AccountId([number; 16]), UniqueId::root());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
        runtime.unwrap().block_on(async {
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (go, wait) = mpsc::channel::<()>();
            let wait = Arc::new(parking_lot::Mutex::new(wait));
            let mut asked = Vec::new();
            for number in 0..6 {
                let (running, most, wait) = (running.clone(), most.clone(), wait.clone());
                asked.push(tokio::spawn(QUEUE.answer(who(number), move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let _ = wait.lock().recv();
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok(number)
                })));
                // In their order: two run, three wait, and the last finds no place.
                tokio::task::yield_now().await;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            for _ in 0..5 {
                go.send(()).unwrap();
            }
            let mut answers = Vec::new();
            for one in asked {
                answers.push(one.await.unwrap().map_err(|fault| fault.status));
            }
            assert_eq!(answers, [Ok(0), Ok(1), Ok(2), Ok(3), Ok(4), Err(503)]);
            assert_eq!(most.load(Ordering::SeqCst), 2);
        });
    }

    #[test]
    fn nobody_has_more_than_a_few_there() {
        static QUEUE: Queue = Queue::new(1, 1);
        let one = || QUEUE.place((AccountId([1; 16]), UniqueId::root()));
        let held: Vec<_> = (0..OF_ONE).map(|_| one()).collect();
        assert!(held.iter().all(Option::is_some) && one().is_none());
        assert!(QUEUE.place((AccountId([2; 16]), UniqueId::root())).is_some());
        drop(held);
        assert!(one().is_some());
        assert_eq!(QUEUE.asking.lock().as_ref().map(HashMap::len), Some(0));
    }
}
