//! The single writer with group commit.
//!
//! Jobs queue up; the writer takes what waits, runs each on an overlay over the last durable state, and
//! commits all of them in one batch. Every answer computed on that overlay, refusals included, leaves
//! only after the batch is durable. Writes are authorized here, on the overlay, so that a request of a
//! user deleted a moment ago dies.
//!
//! Order of a commit: new subject keys synced; events, rows, indexes and tree in one synced batch; HEAD
//! synced; the new head published; answers. A failed sync stops the process: nothing may be acknowledged
//! after it. A full disk does not: the store is closed and opened again when there is room, and until
//! then writes get a retryable 503, while a reserve keeps room for the receipts of reads.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::fault::Fault;
use crate::base::notice::notice;
use crate::base::random::Random;
use crate::base::time::Timestamp;
use crate::identity::event::{Event, Origin};
use crate::ledger::{AccountId, Actor, Entry, LedgerError, LedgerWriter};
use crate::projection::fold::Meta;
use crate::projection::{
    Answered, Overlay, ProjectionError, Projections, Transaction, View, postings, rebuild,
};
use crate::store::reserve::Reserve;
use crate::store::{Batch, Family, StoreError};

/// Jobs that may wait.
const QUEUE: usize = 8_192;
/// Jobs in one commit.
const GROUP: usize = 512;

/// Called once the batch that a job was part of is durable, or with why it is not.
pub type Finish = Box<dyn FnOnce(Result<(), Fault>) + Send>;

/// What a job does inside the writer.
pub type Work = Box<dyn FnOnce(&mut Turn<'_>) -> Finish + Send>;

/// Something to do inside the writer.
pub struct Job {
    work: Work,
    /// In a group of its own: what is staged beside it would go to rows that it may move.
    alone: bool,
}

impl Job {
    /// A job that shares its commit with others.
    pub fn shared(work: Work) -> Self {
        Job { work, alone: false }
    }

    /// A job that no other shares a group with: the swap of a rebuild.
    pub fn alone(work: Work) -> Self {
        Job { work, alone: true }
    }
}

/// The queue to the writer. Cheap to clone.
#[derive(Clone)]
pub struct WriterHandle {
    jobs: mpsc::Sender<Job>,
}

impl WriterHandle {
    /// Queues a job; waits while the queue is full.
    pub async fn submit(&self, job: Job) -> Result<(), Fault> {
        self.jobs.send(job).await.map_err(|_| Fault::unavailable("the writer has stopped"))
    }

    /// As [`submit`](Self::submit), from a thread that may block.
    pub fn submit_blocking(&self, job: Job) -> Result<(), Fault> {
        self.jobs.blocking_send(job).map_err(|_| Fault::unavailable("the writer has stopped"))
    }
}

/// The thread, to be joined at the end.
pub struct WriterThread(Mutex<Option<std::thread::JoinHandle<()>>>);

impl WriterThread {
    /// Waits until the writer has done all queued jobs; all handles must be gone.
    pub fn join(&self) {
        if let Some(thread) = self.0.lock().take() {
            let _ = thread.join();
        }
    }
}

/// What the writer works with.
pub struct Writer {
    /// The ledger.
    pub ledger: LedgerWriter,
    /// The rows, and the subject keys.
    pub projections: Arc<Projections>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// What happens when the disk lost a sync: the process must end.
    pub on_lost_sync: Box<dyn Fn(&LedgerError) + Send>,
    /// Whether the disk was full at the last commit, and the ledger has not been opened again since.
    pub full: bool,
    /// While it is spent, what room there is belongs to the receipts.
    pub reserve: Arc<Reserve>,
}

/// The writer's state while it gathers one batch.
pub struct Turn<'w> {
    writer: &'w mut Writer,
    view: View,
    overlay: Overlay,
    batch: Batch,
    side: Family,
}

/// What an event says besides its changes.
pub struct Act {
    /// Whose history it belongs to.
    pub account: AccountId,
    /// Who did it.
    pub actor: Actor,
    /// When it took effect, for imports; `None` for now.
    pub happened_at: Option<Timestamp>,
}

impl Turn<'_> {
    /// Runs a body in a transaction and stages its event, if it changed anything. A refused body leaves
    /// nothing behind. `origin` is made after the body, so that it can name what the body made.
    pub fn perform<T>(
        &mut self,
        act: &Act,
        body: impl FnOnce(&mut Transaction<'_>) -> Result<(T, Origin), Fault>,
    ) -> Result<T, Fault> {
        self.repeat(act, None, body)
    }

    /// As [`perform`](Self::perform), of an act of elsewhere and what it was answered there.
    pub fn repeat<T>(
        &mut self,
        act: &Act,
        answered: Option<&Answered>,
        body: impl FnOnce(&mut Transaction<'_>) -> Result<(T, Origin), Fault>,
    ) -> Result<T, Fault> {
        if self.writer.full || self.writer.reserve.is_spent() {
            return Err(Fault::unavailable("its disk is full"));
        }
        let (position, at) = self.writer.ledger.next(act.account)?;
        // What the rows say is when its frame says that it happened.
        let happened_at = match act.happened_at {
            Some(given) => Some(self.writer.ledger.not_before(act.account, given)?),
            None => None,
        };
        let meta = Meta { account: act.account, position, at: happened_at.unwrap_or(at) };
        let tx = Transaction::new(&self.view, &self.overlay, &*self.writer.random, meta);
        let mut tx = tx.repeating(answered);
        let (answer, origin) = body(&mut tx)?;
        let (changes, done) = tx.finish();
        if changes.is_empty() {
            return Ok(answer);
        }
        let event = Event { origin, changes };
        let entry = Entry {
            account: act.account,
            happened_at,
            actor: act.actor,
            body: event.encode().map_err(ProjectionError::from)?,
        };
        let position = self.writer.ledger.stage(&entry, at)?;
        postings::write((act.account, position), act.actor, &event, self.side, &mut self.batch);
        self.overlay.absorb(done, position, self.side, &mut self.batch);
        Ok(answer)
    }

    /// Reads the durable state that the batch builds on; what the batch staged is not in it.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The events that a transaction in this batch sees.
    pub fn position(&self) -> u64 {
        self.view.cut().position + self.writer.ledger.staged() as u64
    }
}

impl Writer {
    /// Starts the writer in a thread of its own.
    pub fn start(self) -> Result<(WriterHandle, WriterThread), StoreError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || self.run(queue))
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok((WriterHandle { jobs }, WriterThread(Mutex::new(Some(thread)))))
    }

    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut held: Option<Job> = None;
        while let Some(first) = held.take().or_else(|| queue.blocking_recv()) {
            let mut open = !first.alone;
            let mut jobs = vec![first];
            while open
                && jobs.len() < GROUP
                && let Ok(job) = queue.try_recv()
            {
                if job.alone {
                    held = Some(job);
                    open = false;
                } else {
                    jobs.push(job);
                }
            }
            if self.full {
                self.try_again();
            }
            let mut finishes = Vec::with_capacity(jobs.len());
            let outcome = self.group(jobs, &mut finishes);
            let fault = match &outcome {
                Ok(()) => None,
                Err(_) if self.full => Some(Fault::unavailable("its disk is full")),
                Err(error) => Some(Fault::from(error.clone())),
            };
            for finish in finishes {
                finish(fault.clone().map_or(Ok(()), Err));
            }
            if let Err(error) = outcome {
                self.after_failure(&error);
            }
        }
    }

    /// Runs jobs and makes what they did durable.
    fn group(&mut self, jobs: Vec<Job>, finishes: &mut Vec<Finish>) -> Result<(), ProjectionError> {
        let view = self.projections.now();
        let side = self.projections.live_side();
        let mut turn =
            Turn { writer: self, view, overlay: Overlay::default(), batch: Batch::default(), side };
        for job in jobs {
            // A job that panics has staged nothing: staging is its last step. Its answer is lost with
            // its channel, which the caller sees as a failure.
            match std::panic::catch_unwind(AssertUnwindSafe(|| (job.work)(&mut turn))) {
                Ok(finish) => finishes.push(finish),
                Err(_) => notice(format_args!("a request failed inside the writer")),
            }
        }
        let Turn { writer, overlay, batch, .. } = turn;
        writer.commit(&overlay, batch, side)
    }

    fn commit(
        &mut self,
        overlay: &Overlay,
        mut batch: Batch,
        side: Family,
    ) -> Result<(), ProjectionError> {
        let staged = self.ledger.staged() as u64;
        if staged == 0 {
            return Ok(());
        }
        self.projections.keys().sync()?;
        let head = self.projections.ledger().head().position;
        rebuild::note_applied(&mut batch, side, head + staged);
        if head == 0 {
            rebuild::note_format(&mut batch);
        }
        let recent = self.projections.recent();
        self.ledger.commit_then(batch, |head| recent.take_in(head.position, overlay))?;
        Ok(())
    }

    /// A full disk is waited out; anything else means that nobody knows what is durable.
    fn after_failure(&mut self, error: &ProjectionError) {
        if self.full {
            return;
        }
        notice(format_args!("a commit failed: {error}"));
        match error {
            _ if matches!(error.store_error(), Some(StoreError::NoSpace(_))) => self.full = true,
            ProjectionError::Ledger(error) => (self.on_lost_sync)(error),
            other => {
                let lost = StoreError::Failed(other.to_string());
                (self.on_lost_sync)(&LedgerError::Store(lost));
            }
        }
    }

    /// Opens the ledger again if there is room; otherwise it stays as it is, and reads go on.
    fn try_again(&mut self) {
        let store = self.ledger.reader().store().clone();
        if self.reserve.is_spent() || !store.has_room() {
            return;
        }
        let reopened = store.reopen().map_err(LedgerError::from);
        let recent = self.projections.recent();
        match reopened.and_then(|()| self.ledger.recover(|head| recent.forget(head.position))) {
            Ok(()) => {
                notice(format_args!("the disk has room again; writes go on"));
                self.full = false;
            }
            Err(LedgerError::Store(StoreError::NoSpace(_))) => {}
            Err(error) => (self.on_lost_sync)(&error),
        }
    }
}
