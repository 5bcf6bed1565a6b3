//! Work that blocks, aside of the async threads.
//!
//! What reads a page's worth of rows is done at once. Questions about everybody, or about a long stretch of time,
//! take all of a core and tens of megabytes for as long as they run: a few are answered at a time, the others wait
//! for their turn, and of too many each is told to come back.

use tokio::sync::Semaphore;

use super::fault::Fault;

/// Long questions that are answered at a time.
const AT_A_TIME: usize = 4;
/// Those that wait for their turn.
const WAITING: usize = 64;

static TURNS: Semaphore = Semaphore::const_new(AT_A_TIME);
static PLACES: Semaphore = Semaphore::const_new(WAITING);

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
/// Its own; `ServiceUnavailable` if too many wait already.
pub async fn in_turn<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    wait_in(&PLACES, &TURNS, work).await
}

async fn wait_in<T: Send + 'static>(
    places: &'static Semaphore,
    turns: &'static Semaphore,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let place = places.try_acquire().map_err(|_| {
        let why = "Too many long questions wait to be answered already. Try again later.";
        Fault::new("ServiceUnavailable", 503, why)
    })?;
    let turn = turns.acquire().await.map_err(Fault::internal)?;
    drop(place);
    run(move || {
        // Held until it is done, also if nobody waits for the answer any more.
        let _turn = turn;
        work()
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_few_are_answered_at_a_time_and_too_many_are_told_to_come_back() {
        static TURNS: Semaphore = Semaphore::const_new(2);
        static PLACES: Semaphore = Semaphore::const_new(3);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
        runtime.unwrap().block_on(async {
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (go, wait) = mpsc::channel::<()>();
            let wait = Arc::new(parking_lot::Mutex::new(wait));
            let mut asked = Vec::new();
            for number in 0..6 {
                let (running, most, wait) = (running.clone(), most.clone(), wait.clone());
                asked.push(tokio::spawn(wait_in(&PLACES, &TURNS, move || {
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
}
