//! What can be asked, by whoever asks it: the wire, the CLI, tests.
//!
//! A request runs through these steps, in this order:
//!
//! 1. The layer that knows HTTP finds the credential ([`authenticate`]) and checks the signature.
//! 2. [`Service::execute`] looks the operation up ([`operations`]), checks its parameters against the
//!    limits of the published model ([`limits`]) and fills in the operation's struct.
//! 3. The operation says what it must be allowed ([`target`]); the judge collects the policies that have
//!    a say and asks the evaluator ([`authorize`]). Every answer becomes a receipt ([`activity`]).
//! 4. A read answers from a view of the moment asked for. A write runs inside the single writer
//!    ([`writer`]), is authorized there, and answers once its event is durable. What issues credentials
//!    answers once session and receipt are durable ([`sts`]).
//!
//! [`founding`] opens a data folder and founds what is not there yet; [`audit`] answers the questions of
//! `domesday log`, `show`, `can` and `verify`; [`evaluation`] those of gateways about their users. By
//! [`signin`] people come in who sign no requests.

pub mod activity;
pub mod aside;
pub mod audit;
pub mod authenticate;
pub mod authorize;
pub mod caller;
pub mod documents;
pub mod dry_run;
pub mod evaluation;
pub mod exports;
pub mod fault;
pub mod fields;
pub mod founding;
pub mod grounds;
pub mod guesses;
pub mod imports;
pub mod limits;
pub mod mfa;
pub mod moment;
pub mod notary;
pub mod operation;
pub mod operations;
pub mod organization;
pub mod overview;
pub mod parameters;
pub mod password;
pub mod password_policy;
pub mod reports;
pub mod root;
pub mod signin;
pub mod simulation;
pub mod standing;
pub mod stretch;
pub mod sts;
pub mod supposed;
pub mod target;
pub mod work;
pub mod writer;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use self::activity::facts::{AtHand, Facts};
use self::activity::receipt::{Kind, LastUsed, Receipt};
use self::activity::usage::Use;
use self::activity::{ActivityBook, Noted};
use self::authorize::{Judge, Judgement};
use self::caller::{Caller, Identity};
use self::documents::Documents;
use self::fault::Fault;
use self::guesses::Guesses;
use self::mfa::Accepted;
use self::moment::Moment;
use self::notary::Notary;
use self::operation::{Answer, AnyIssue, AnyRead, Api, Prepared, Reading, Writing};
use self::overview::findings::Findings;
use self::overview::timeline::Timeline;
use self::reports::Reports;
use self::signin::Gate;
use self::standing::Standings;
use self::sts::Desk;
use self::target::{Scene, Target};
use self::writer::{Act, Turn, WriterHandle, WriterThread};
use crate::base::clock::Clock;
use crate::base::form_tree::Form;
use crate::base::random::Random;
use crate::identity::event::Origin;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::Ledger;
use crate::projection::directory::Directory;
use crate::projection::{Projections, Reader, Transaction, View, sealing};

/// The service over one open ledger. Shared by all who ask.
pub struct Service {
    projections: Arc<Projections>,
    writer: Mutex<Option<WriterHandle>>,
    thread: WriterThread,
    activity: Arc<ActivityBook>,
    documents: Arc<Documents>,
    standings: Standings,
    gate: Gate,
    timeline: Timeline,
    findings: Findings,
    reports: Reports,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// How often somebody was wrong.
    guesses: Guesses,
    /// How far the verification or rebuild is.
    progress: audit::verify::Progress,
    /// Held by whoever uses the side of the rows that is not live: one verification or rebuild at a time.
    maintenance: Mutex<()>,
    root_counts: root::RootCounts,
    notary: Notary,
}

/// A request that was understood: who asks for which operation, with what, as of when.
pub struct Call {
    /// Whose operation.
    pub api: Api,
    /// Its name.
    pub operation: String,
    /// Its parameters.
    pub form: Form,
    /// Who asks.
    pub caller: Caller,
    /// The moment asked for; `None` for now.
    pub moment: Option<Moment>,
    /// The region in the signature's scope.
    pub region: String,
}

impl Service {
    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        self.projections.ledger()
    }

    /// What views are made from.
    pub fn projections(&self) -> &Arc<Projections> {
        &self.projections
    }

    /// The activity book.
    pub fn activity(&self) -> &ActivityBook {
        &self.activity
    }

    /// Parsed documents.
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Who asked a moment ago.
    pub fn standings(&self) -> &Standings {
        &self.standings
    }

    /// How often somebody was wrong about a password or a code.
    pub fn guesses(&self) -> &Guesses {
        &self.guesses
    }

    /// How much happened when.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The reports.
    pub fn reports(&self) -> &Reports {
        &self.reports
    }

    /// What was found to mend a moment ago.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// How far the verification or rebuild is.
    pub fn progress(&self) -> &audit::verify::Progress {
        &self.progress
    }

    /// Waits for any other verification or rebuild to end, and keeps further ones waiting.
    pub fn maintain(&self) -> parking_lot::MutexGuard<'_, ()> {
        self.maintenance.lock()
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Randomness.
    pub fn random(&self) -> &dyn Random {
        &*self.random
    }

    /// The present.
    pub fn now(&self) -> View {
        self.projections.now()
    }

    /// The state at a moment. A position that the ledger has not reached is no moment yet.
    pub fn at(&self, moment: &Moment) -> Result<View, Fault> {
        let head = self.ledger().head().position;
        if moment.position.is_some_and(|position| position > head) {
            return Err(Fault::validation(format!(
                "{moment} has not happened yet: the ledger has {head} events."
            )));
        }
        Ok(self.projections.at(moment.cut(head)))
    }

    /// A fresh request id, in the form of a UUID.
    pub fn request_id(&self) -> Result<String, Fault> {
        Ok(crate::base::random::random_uuid(&*self.random)?)
    }

    /// Runs an operation.
    pub async fn execute(self: &Arc<Self>, call: Call) -> Result<Answer, Fault> {
        let is_root = call.caller.is_root();
        let outcome = self.run(call).await;
        if is_root {
            let denied = outcome.as_ref().is_err_and(|fault| fault.code == "AccessDenied");
            self.root_counts.request(denied);
        }
        outcome
    }

    async fn run(self: &Arc<Self>, call: Call) -> Result<Answer, Fault> {
        let row = operations::find(call.api, &call.operation)
            .ok_or_else(|| fault::INVALID_ACTION.with(&[&call.operation, call.api.version()]))?;
        limits::check(call.api, row.name, &call.form)?;
        let prepared = (row.prepare)(&call.form)?;
        match prepared {
            Prepared::Write(_) | Prepared::Issue(_) if call.moment.is_some() => {
                Err(fault::READ_ONLY_PAST.with(&[&call.operation]))
            }
            Prepared::Write(_) => {
                let (call, prepared) = self.hash(call, prepared).await?;
                self.write(call, prepared).await
            }
            Prepared::Read(operation) if call.moment.is_none() && !operation.is_long() => {
                match self.read_at_hand(&call, operation).await {
                    Err(fault) if fault.is_not_at_hand() => {
                        let prepared = (row.prepare)(&call.form)?;
                        self.read_or_issue(call, prepared).await
                    }
                    outcome => outcome,
                }
            }
            prepared => self.read_or_issue(call, prepared).await,
        }
    }

    /// Runs an operation on the present thread; for the CLI and tests, not for async threads.
    pub fn execute_blocking(self: &Arc<Self>, call: Call) -> Result<Answer, Fault> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().build().map_err(Fault::internal)?;
        runtime.block_on(self.execute(call))
    }

    /// Answers a read of the present on this thread, if what it needs is in memory.
    async fn read_at_hand(
        self: &Arc<Self>,
        call: &Call,
        operation: Box<dyn AnyRead>,
    ) -> Result<Answer, Fault> {
        let (receipts, outcome) = {
            let prepared = Prepared::Read(operation);
            let (now, facts) = (self.projections.at_hand(), AtHand(&self.activity));
            let judgement = self.judge_read(call, &prepared, &now, &now, false)?;
            let outcome = match (judgement.refusal, prepared) {
                (None, Prepared::Read(operation)) => {
                    operation.run(&self.reading(call, &now, &facts)?)
                }
                (refusal, _) => Err(refusal.unwrap_or_else(|| Fault::internal("not a read"))),
            };
            (judgement.receipts, outcome)
        };
        // Asked again off this thread, and noted then.
        if !outcome.as_ref().is_err_and(Fault::is_not_at_hand) {
            self.note_without_waiting(call, receipts).await?;
        }
        outcome
    }

    async fn note_without_waiting(
        self: &Arc<Self>,
        call: &Call,
        receipts: Vec<Receipt>,
    ) -> Result<(), Fault> {
        let mut notes = notes(call, receipts).into_iter();
        while let Some(note) = notes.next() {
            let Some(first) = self.activity.note_now(note)? else { continue };
            // The queue is full: this request waits, and not the thread.
            let service = self.clone();
            let waiting = move || {
                service.activity.note(first)?;
                notes.try_for_each(|note| service.activity.note(note))
            };
            return tokio::task::spawn_blocking(waiting).await.map_err(Fault::internal)?;
        }
        Ok(())
    }

    /// Answers a read, or issues credentials, off the async threads.
    async fn read_or_issue(
        self: &Arc<Self>,
        call: Call,
        prepared: Prepared,
    ) -> Result<Answer, Fault> {
        let service = self.clone();
        tokio::task::spawn_blocking(move || service.read_or_issue_blocking(&call, prepared))
            .await
            .map_err(Fault::internal)?
    }

    fn read_or_issue_blocking(&self, call: &Call, prepared: Prepared) -> Result<Answer, Fault> {
        let now = self.now();
        let then = call.moment.as_ref().map(|moment| self.at(moment)).transpose()?;
        let shown = then.as_ref().unwrap_or(&now);
        // Before it is judged, since policies ask for it.
        let (factor, unproven) = match self.second_factor(call, &now, &prepared) {
            Ok(factor) => (factor, None),
            Err(fault) if fault.is_sender() => (None, Some(fault)),
            Err(fault) => return Err(fault),
        };
        let judgement = self.judge_read(call, &prepared, &now, shown, factor.is_some())?;
        let Judgement { mut receipts, refusal } = judgement;
        let outcome = match (unproven, refusal, prepared) {
            (Some(unproven), refusal, _) => {
                if let Some(own) = receipts.first_mut().filter(|_| refusal.is_none()) {
                    refuse(own, &unproven);
                }
                Err(unproven)
            }
            (None, Some(refusal), _) => Err(refusal),
            (None, None, Prepared::Read(operation)) => self.read(call, shown, operation),
            (None, None, Prepared::Issue(operation)) => {
                self.issue(call, &now, operation, factor.as_ref(), &mut receipts)
            }
            (None, None, Prepared::Write(_)) => Err(Fault::internal("a write outside the writer")),
        };
        self.note(call, receipts)?;
        // Whatever came of it, the code is used up.
        if let (Err(_), Some(factor)) = (&outcome, &factor) {
            self.activity.spend(factor)?;
        }
        outcome
    }

    fn read(
        &self,
        call: &Call,
        shown: &View,
        operation: Box<dyn AnyRead>,
    ) -> Result<Answer, Fault> {
        let reading = self.reading(call, shown, &*self.activity)?;
        imports::gate::check(shown, call.caller.account)?;
        if call.moment.is_some() && reading.directory.account_row()?.is_none() {
            return Err(fault::NOT_THERE_YET.with(&[]));
        }
        operation.run(&reading)
    }

    /// Issues credentials that policies allow. Where they are denied all the same, the receipt of the
    /// decision says so.
    fn issue(
        &self,
        call: &Call,
        now: &View,
        operation: Box<dyn AnyIssue>,
        factor: Option<&Accepted>,
        receipts: &mut [Receipt],
    ) -> Result<Answer, Fault> {
        let reading = self.reading(call, now, &*self.activity)?;
        // The operation's own decision; what it needs besides comes after it.
        let own =
            receipts.first_mut().ok_or_else(|| Fault::internal("no receipt of a decision"))?;
        let (book, random) = (&*self.activity, &*self.random);
        let outcome = operation.run(&Desk { reading, book, random, receipt: own.clone(), factor });
        if let Err(fault) = &outcome
            && fault.code == "AccessDenied"
        {
            refuse(own, fault);
        }
        outcome
    }

    /// Judges a read by the present: on what is shown, which may be the past.
    fn judge_read(
        &self,
        call: &Call,
        prepared: &Prepared,
        now: &View,
        shown: &View,
        with_factor: bool,
    ) -> Result<Judgement, Fault> {
        let caller = &call.caller;
        let action = format!("{}:{}", call.api.prefix(), call.operation);
        let judge = self.judge(now, now.cut().position);
        let judge = Judge { standings: Some((&self.standings, now)), ..judge };
        let mut target = prepared.target(&self.scene(shown, caller))?;
        if with_factor {
            target = target.with_factor();
        }
        let mut judgement = judge.judge(caller, &action, &target)?;
        if call.moment.is_some() && judgement.refusal.is_none() {
            // The past is judged by the caller's present: on the resource as it was and, where it still
            // exists, as it is; and reading it at all is a permission of its own.
            let present = prepared.target(&self.scene(now, caller))?;
            if !present.lost_what(&target) {
                extend(&mut judgement, judge.judge(caller, &action, &present)?);
            }
            if judgement.refusal.is_none() {
                let travel = self.judge_time_travel(&judge, caller)?;
                extend(&mut judgement, travel);
            }
        }
        Ok(judgement)
    }

    fn reading<'a>(
        &'a self,
        call: &'a Call,
        shown: &'a View,
        activity: &'a dyn Facts,
    ) -> Result<Reading<'a>, Fault> {
        Ok(Reading {
            directory: Directory::new(shown, call.caller.account),
            caller: &call.caller,
            documents: &self.documents,
            activity,
            reports: &self.reports,
            instant: self.instant(shown, &call.caller)?,
            cut: shown.cut(),
            is_past: call.moment.is_some(),
        })
    }

    /// Judges a caller's request to see the past.
    pub fn judge_time_travel(
        &self,
        judge: &Judge<'_>,
        caller: &Caller,
    ) -> Result<Judgement, Fault> {
        let ledger = audit::ledger_arn(&caller.digits);
        judge.judge(caller, "domesday:TimeTravel", &Target::on(ledger, &UniqueId::root()))
    }

    /// The judge of the present.
    pub fn judge<'a>(&'a self, reader: &'a dyn Reader, position: u64) -> Judge<'a> {
        Judge {
            documents: &self.documents,
            standings: None,
            reader,
            position,
            random: &*self.random,
        }
    }

    fn scene<'a>(&'a self, reader: &'a dyn Reader, caller: &'a Caller) -> Scene<'a> {
        Scene {
            directory: Directory::new(reader, caller.account),
            caller,
            documents: &self.documents,
        }
    }

    /// The instant that a view shows of an account: the request's own for the present, the time of the
    /// last event shown for a position.
    pub fn instant(
        &self,
        view: &View,
        caller: &Caller,
    ) -> Result<crate::base::time::Timestamp, Fault> {
        let cut = view.cut();
        if let Some(time) = cut.time {
            return Ok(time);
        }
        if cut.position == 0 || cut.position == self.ledger().head().position {
            return Ok(caller.at);
        }
        let bytes = self.ledger().event(cut.position)?;
        let frame = crate::ledger::Frame::read(cut.position, &bytes)?;
        Ok(frame.header.recorded_at)
    }

    async fn write(self: &Arc<Self>, call: Call, prepared: Prepared) -> Result<Answer, Fault> {
        let queue = self.writer()?;
        let (sender, receiver) = oneshot::channel();
        let service = self.clone();
        let job = move |turn: &mut Turn<'_>| {
            let mut receipts = Vec::new();
            let outcome = service.write_in_turn(turn, &call, prepared, &mut receipts);
            let finish = move |durable: Result<(), Fault>| {
                // What was refused is noted as well as what was allowed.
                let outcome = durable.and_then(|()| {
                    service.note(&call, receipts)?;
                    outcome
                });
                // Whoever asked may have gone; the event stands.
                let _ = sender.send(outcome);
            };
            Box::new(finish) as writer::Finish
        };
        queue.submit(writer::Job::shared(Box::new(job))).await?;
        receiver.await.map_err(|_| Fault::internal("a request was lost inside the writer"))?
    }

    fn write_in_turn(
        &self,
        turn: &mut Turn<'_>,
        call: &Call,
        prepared: Prepared,
        receipts: &mut Vec<Receipt>,
    ) -> Result<Answer, Fault> {
        let Prepared::Write(operation) = prepared else {
            return Err(Fault::internal("no write inside the writer"));
        };
        self.activity.check()?;
        let caller = &call.caller;
        let position = turn.position();
        let act = Act { account: caller.account, actor: caller.actor(), happened_at: None };
        let action = format!("{}:{}", call.api.prefix(), call.operation);
        turn.perform(&act, |tx| {
            if !caller.still_stands(&*tx)? {
                return Err(invalid_credential());
            }
            let target = operation.target(&self.scene(&*tx, caller))?;
            let judgement = self.judge(&*tx, position).judge(caller, &action, &target)?;
            receipts.extend(judgement.receipts);
            if let Some(refusal) = judgement.refusal {
                return Err(refusal);
            }
            let (documents, facts) = (&*self.documents, &*self.activity);
            let mut writing = Writing { tx, caller, documents, facts, concerns: None };
            let answer = operation.run(&mut writing)?;
            let concerns = writing.concerns.take();
            let first = target.checks.into_iter().next().map(|check| check.id);
            let concerns = concerns.or(first).unwrap_or_else(UniqueId::root);
            let recorded = parameters::recorded(&call.form);
            let origin = origin(tx, caller, &call.operation, concerns, Some(&recorded))?;
            Ok((answer, origin))
        })
    }

    /// Notes receipts, and that the credential (and the role) was used.
    fn note(&self, call: &Call, receipts: Vec<Receipt>) -> Result<(), Fault> {
        notes(call, receipts).into_iter().try_for_each(|note| self.activity.note(note))
    }

    /// Stops: queued writes are done and answered, receipts written, the stop marked as clean.
    pub fn close(&self) {
        drop(self.writer.lock().take());
        self.thread.join();
        self.activity.close();
    }

    /// The queue to the writer, for operator acts.
    pub fn writer(&self) -> Result<WriterHandle, Fault> {
        self.writer.lock().clone().ok_or_else(|| Fault::unavailable("the service is stopping"))
    }
}

/// A request's receipts; the first says that the credential, and the role, was used, and for what.
fn notes(call: &Call, receipts: Vec<Receipt>) -> Vec<Noted> {
    let mut used = used(&call.caller, call.api.prefix(), &call.region);
    used.extend(receipts.first().and_then(|own| Use::asked(own, &call.region)));
    receipts.into_iter().map(|receipt| (receipt, std::mem::take(&mut used))).collect()
}

/// That a caller's credential, and its role, was used for a service.
pub fn used(caller: &Caller, service: &str, region: &str) -> Vec<Use> {
    let last = LastUsed { at: caller.at, service: service.to_owned(), region: region.to_owned() };
    let role = match &caller.identity {
        Identity::RoleSession { role, .. } => Some(role),
        _ => None,
    };
    let ids = caller.credential.iter().chain(role);
    ids.map(|id| Use::of(id.clone(), last.clone())).collect()
}

/// Says in a receipt of credentials that policies allowed why they were refused all the same.
fn refuse(receipt: &mut Receipt, because: &Fault) {
    receipt.kind = Kind::Refused;
    receipt.blocked_by = Some(because.message.clone());
}

fn extend(judgement: &mut Judgement, other: Judgement) {
    judgement.receipts.extend(other.receipts);
    judgement.refusal = judgement.refusal.take().or(other.refusal);
}

/// The answer to a credential that does not exist, does not work or no longer stands.
pub fn invalid_credential() -> Fault {
    Fault::new(
        "InvalidClientTokenId",
        403,
        "The security token included in the request is invalid.",
    )
}

/// The origin of an event: what the request was, sealed where it tells of a person.
pub fn origin(
    tx: &Transaction<'_>,
    caller: &Caller,
    operation: &str,
    target: UniqueId,
    parameters: Option<&str>,
) -> Result<Origin, Fault> {
    let actor = caller.principal_id();
    let seal = |field: &str, text: Option<String>| match text {
        None => Ok(None),
        Some(text) => {
            let subject = subject_of(&actor);
            let keys = tx.keys();
            sealing::seal(keys, tx.random(), caller.account, &subject, field, &text).map(Some)
        }
    };
    let session = caller.session();
    let session_name = match &caller.identity {
        Identity::RoleSession { session, .. } => Some(session.name.clone()),
        Identity::Operator { name } => Some(name.clone()),
        _ => None,
    };
    let ticket = caller.source.ticket.clone().or_else(|| {
        let tags = &session?.tags;
        let tag = tags.iter().find(|(key, _)| key.eq_ignore_ascii_case("ticket"));
        tag.map(|(_, value)| value.clone())
    });
    let ticket = ticket.or_else(|| caller.source.agent.as_deref().and_then(app_id));
    let parameters = match parameters {
        None => None,
        Some(text) => Some(tx.seal(&subject_of(&target), "parameters", text)?),
    };
    Ok(Origin {
        operation: operation.to_owned(),
        request: caller.request_id.clone(),
        credential: caller.credential.clone(),
        actor_account: (caller.account != tx.account()).then(|| caller.digits.clone()),
        address: seal("address", caller.source.address.map(|address| address.to_string()))?,
        agent: seal("agent", caller.source.agent.clone())?,
        session: seal("session", session_name)?,
        source_identity: seal(
            "source identity",
            session.and_then(|session| session.source_identity.clone()),
        )?,
        actor,
        target,
        parameters,
        ticket,
    })
}

/// Principals, and what bears a name that tells of one, have keys of their own; the rest falls to its account.
pub fn subject_of(id: &UniqueId) -> UniqueId {
    match id.kind() {
        Some(IdKind::User | IdKind::Role | IdKind::Group | IdKind::MfaDevice) => id.clone(),
        _ => UniqueId::root(),
    }
}

/// The application id that the SDKs put into the user agent as `app/NAME` (`AWS_SDK_UA_APP_ID`).
fn app_id(agent: &str) -> Option<String> {
    agent
        .split_ascii_whitespace()
        .find_map(|part| part.strip_prefix("app/"))
        .filter(|name| !name.is_empty() && name.len() <= 50)
        .map(str::to_owned)
}
