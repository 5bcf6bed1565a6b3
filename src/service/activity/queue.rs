//! The queue to the pen: bounded, and quiet. Notes that nobody waits for do not wake the pen one by one;
//! it is woken by the first after a pause, and by what must be durable now.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::receipt::Receipt;
use super::usage::Use;
use crate::ledger::AccountId;
use crate::service::mfa::Accepted;
use crate::store::StoreError;

/// Notes that may wait to be written.
const MOST: usize = 10_000;
/// Notes in one commit.
const GROUP: usize = 2_000;
/// How long a note may wait for its commit.
const LINGER: Duration = Duration::from_millis(50);

/// One thing to write.
#[derive(Default)]
pub struct Note {
    /// The receipt.
    pub receipt: Option<Receipt>,
    /// A row of the sessions family: a session, or that sessions are ended.
    pub session: Option<(Vec<u8>, Vec<u8>)>,
    /// The row that notes a session by who began it.
    pub begun: Option<Vec<u8>>,
    /// A code of a multi-factor device that is used up.
    pub code: Option<Accepted>,
    /// What was used.
    pub used: Vec<Use>,
    /// The account of which all is forgotten that an import told, before the rest is written.
    pub dropped: Option<AccountId>,
    /// Told once all of it is durable, or why it is not.
    pub done: Option<std::sync::mpsc::SyncSender<Result<(), StoreError>>>,
}

/// Why a note was not taken.
pub enum Refused {
    /// The queue is full.
    Full(Box<Note>),
    /// It was closed.
    Closed,
}

/// The queue.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    /// For the pen: there is something to do.
    work: Condvar,
    /// For callers: there is room.
    room: Condvar,
}

#[derive(Default)]
struct State {
    notes: Vec<Note>,
    urgent: bool,
    closed: bool,
}

impl Queue {
    /// Adds a note; waits while the queue is full.
    pub fn push(&self, note: Note) -> Result<(), Refused> {
        let mut state = self.state.lock();
        while state.notes.len() >= MOST && !state.closed {
            self.room.wait(&mut state);
        }
        self.add(&mut state, note)
    }

    /// Adds a note if there is room.
    pub fn try_push(&self, note: Note) -> Result<(), Refused> {
        let mut state = self.state.lock();
        if state.notes.len() >= MOST && !state.closed {
            return Err(Refused::Full(Box::new(note)));
        }
        self.add(&mut state, note)
    }

    fn add(&self, state: &mut State, note: Note) -> Result<(), Refused> {
        if state.closed {
            return Err(Refused::Closed);
        }
        state.urgent |= note.done.is_some() || state.notes.len() + 1 >= GROUP;
        let first = state.notes.is_empty();
        state.notes.push(note);
        if first || state.urgent {
            self.work.notify_one();
        }
        Ok(())
    }

    /// The notes of the next commit, once they have waited long enough or some are urgent; none if there
    /// are none for so long as `patience`; `None` when the queue is closed and everything was taken.
    pub fn take(&self, patience: Option<Duration>) -> Option<Vec<Note>> {
        let mut state = self.state.lock();
        while state.notes.is_empty() {
            if state.closed {
                return None;
            }
            match patience {
                None => self.work.wait(&mut state),
                Some(patience) => {
                    if self.work.wait_for(&mut state, patience).timed_out() {
                        return Some(Vec::new());
                    }
                }
            }
        }
        if !state.urgent && !state.closed {
            let ready = |state: &mut State| !state.urgent && !state.closed;
            self.work.wait_while_for(&mut state, ready, LINGER);
        }
        let taken = state.notes.len().min(GROUP);
        let later = state.notes.split_off(taken);
        let notes = std::mem::replace(&mut state.notes, later);
        // What stays behind has waited already.
        state.urgent = !state.notes.is_empty();
        self.room.notify_all();
        Some(notes)
    }

    /// Takes no more; what is queued is still taken out.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.work.notify_all();
        self.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Instant;

    fn note(urgent: bool) -> Note {
        let done = urgent.then(|| std::sync::mpsc::sync_channel(1).0);
        Note { done, ..Note::default() }
    }

    #[test]
    fn notes_wait_for_company_unless_they_are_urgent() {
        let queue = Queue::default();
        assert!(queue.try_push(note(false)).is_ok());
        let began = Instant::now();
        assert_eq!(queue.take(None).map(|notes| notes.len()), Some(1));
        assert!(began.elapsed() >= LINGER);
        assert!(queue.push(note(false)).is_ok() && queue.push(note(true)).is_ok());
        let began = Instant::now();
        assert_eq!(queue.take(None).map(|notes| notes.len()), Some(2));
        assert!(began.elapsed() < LINGER);
    }

    #[test]
    fn a_full_queue_gives_back_or_waits_and_a_closed_one_is_emptied() {
        let queue = Arc::new(Queue::default());
        for _ in 0..MOST {
            assert!(queue.try_push(note(false)).is_ok());
        }
        assert!(matches!(queue.try_push(note(false)), Err(Refused::Full(_))));
        let waiting = {
            let queue = queue.clone();
            std::thread::spawn(move || queue.push(note(false)).is_ok())
        };
        assert_eq!(queue.take(None).map(|notes| notes.len()), Some(GROUP));
        assert!(waiting.join().unwrap());
        queue.close();
        assert!(matches!(queue.push(note(false)), Err(Refused::Closed)));
        let rest = std::iter::from_fn(|| queue.take(None)).map(|notes| notes.len()).sum::<usize>();
        assert_eq!(rest, MOST - GROUP + 1);
    }
}
