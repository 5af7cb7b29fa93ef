//! The loop: load → decide → commit → perform. One task owns all that changes; it routes, and never decides.
//!
//! Whatever takes time (store, bus, deciding, compiling) happens beside the loop and answers with a [`Wake`].

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sagabus_core::{cause::Cause, id::InstanceId, instance::Status};
use sagabus_ports::{Bus, Change, Clock, Error, Kind, OutcomeMessage, PendingCause, Retry, Store};
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Accepted, Progress, Settings, StartError,
    catalogue::Catalogue,
    deciders::{Deciders, Work},
    gauges::Counters,
    loading,
    publisher::Parcel,
    slots::Slots,
    wake::{Job, Loaded, Marks, Origin, Receipt, SharedReceipt, Staged, Starter, Wake},
};
use health::Health;
use timers::Timers;

mod commit;
mod health;
mod inbox;
mod starts;
mod timers;

/// Wakes taken between two looks at what can be loaded, decided and committed: enough to fill a batch.
const WAKES_AT_ONCE: usize = 512;
/// Causes that wait for a decision or a commit, at most: beyond that nothing more is taken from outside, and the bus and
/// the callers wait. A few batches' worth, so that the loop never starves.
const MOST_CAUSES: usize = 4096;
/// Instances read by one look into the store: bounds the memory that journals take at once.
const LOADED_AT_ONCE: usize = 128;
/// Looks into the store for instances at the same time: one is read while another is replayed.
const LOADS_AT_ONCE: usize = 2;

/// What everything in the engine needs.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) counters: Arc<Counters>,
    /// To the loop, from outside: bounded.
    pub(crate) outside: mpsc::Sender<Wake>,
    /// To the loop, with answers to what it began itself: bounded by that.
    pub(crate) inside: mpsc::UnboundedSender<Wake>,
    /// Deliveries that are dealt with.
    pub(crate) receipts: mpsc::UnboundedSender<Receipt>,
}

/// The state of the loop.
pub(crate) struct Shell {
    parts: Parts,
    deciders: Deciders,
    parcels: mpsc::Sender<Parcel>,
    progress: broadcast::Sender<Progress>,
    /// Cancelled when nobody is left who could ask anything.
    abandoned: CancellationToken,
    slots: Slots,
    loads: usize,
    deciding: usize,
    /// Decisions that wait for the next batch, with their changes in the same order.
    staged: Vec<Staged>,
    changes: Vec<Change>,
    marks: Marks,
    committing: bool,
    health: Health,
    timers: Timers,
    /// Rows of the inbox in hand; those of parked instances stay, and are counted.
    rows: HashSet<String>,
    rows_aside: usize,
    /// Starts of the inbox whose workflow could not be looked up because the store failed.
    unprepared: Vec<PendingCause>,
    watchers: HashMap<InstanceId, Vec<oneshot::Sender<()>>>,
    sweeping: bool,
    /// Whether the next sweep takes up everything outstanding: at the start, and after store or bus failed.
    sweep_all: bool,
    stopping: Vec<oneshot::Sender<()>>,
}

/// What became of a cause.
enum End {
    /// Its decision is durable.
    Committed(Status),
    /// It changed nothing.
    Ignored,
    /// There is no such instance.
    Missing,
    /// The instance is set aside.
    Parked,
}

impl Shell {
    /// A loop that has nothing in hand.
    pub(crate) fn new(
        parts: Parts,
        deciders: Deciders,
        parcels: mpsc::Sender<Parcel>,
        progress: broadcast::Sender<Progress>,
        abandoned: CancellationToken,
    ) -> Self {
        Self {
            slots: Slots::new(parts.settings.cached_instances),
            parts,
            deciders,
            parcels,
            progress,
            abandoned,
            loads: 0,
            deciding: 0,
            staged: Vec::new(),
            changes: Vec::new(),
            marks: Marks::default(),
            committing: false,
            health: Health::Well,
            timers: Timers::default(),
            rows: HashSet::new(),
            rows_aside: 0,
            unprepared: Vec::new(),
            watchers: HashMap::new(),
            sweeping: false,
            sweep_all: true,
            stopping: Vec::new(),
        }
    }

    /// Runs until it is stopped or abandoned.
    ///
    /// # Errors
    /// The store failed in a way that trying again does not mend.
    pub(crate) async fn run(
        mut self,
        mut outside: mpsc::Receiver<Wake>,
        mut inside: mpsc::UnboundedReceiver<Wake>,
    ) -> Result<Vec<oneshot::Sender<()>>, Error> {
        let abandoned = self.abandoned.clone();
        let mut tick = tokio::time::interval(self.parts.settings.reconcile);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut wakes = Vec::new();
        while !self.is_finished() {
            let due = self.due_in();
            let mut first = None;
            tokio::select! {
                () = abandoned.cancelled() => break,
                _ = inside.recv_many(&mut wakes, WAKES_AT_ONCE) => {}
                Some(wake) = outside.recv(), if self.has_room() => first = Some(wake),
                _ = tick.tick() => self.reconcile(),
                () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => {}
            }
            wakes.extend(first);
            while wakes.len() < WAKES_AT_ONCE && self.has_room() {
                let Ok(wake) = outside.try_recv() else { break };
                wakes.push(wake);
            }
            for wake in wakes.drain(..) {
                self.take(wake)?;
            }
            self.ask_for_due_timers();
            self.load();
            self.decide();
            self.commit();
            self.parts.counters.in_memory.set(self.slots.len());
        }
        Ok(self.stopping)
    }

    fn take(&mut self, wake: Wake) -> Result<(), Error> {
        match wake {
            Wake::Start(new) => self.start(*new),
            Wake::Outcome(message, receipt) => self.take_outcome(*message, receipt),
            Wake::Event(event, listeners, receipt) => {
                let receipt = SharedReceipt::new(receipt, listeners.len());
                for instance in listeners {
                    let cause = Cause::Event { event: event.clone() };
                    self.push(instance, Job { cause, origin: Origin::Event(receipt.clone()) });
                }
            }
            Wake::Cancel(instance, reason, reply) => {
                self.push(instance, Job { cause: Cause::Cancel { reason }, origin: Origin::Cancel(reply) });
            }
            Wake::Watch(instance, reply) => self.watchers.entry(instance).or_default().push(reply),
            Wake::Pending(rows) => rows.into_iter().for_each(|row| self.take_row(row)),
            Wake::Stop(reply) => self.stopping.push(reply),
            Wake::Prepared(row, plan) => self.prepared(*row, plan)?,
            Wake::Due(timers, asked) => self.timers_due(timers, asked)?,
            Wake::Loaded(ids, loaded) => self.loaded(ids, loaded)?,
            Wake::Decided(decided) => self.stage(*decided),
            Wake::Committed(committed) => self.committed(*committed)?,
            Wake::Published(mut rows) => self.marks.published.append(&mut rows),
            Wake::Missed => self.sweep_all = true,
            Wake::Swept(everything, result) => self.swept(everything, result)?,
            Wake::TryAgain => self.try_again(),
        }
        Ok(())
    }

    /// Begins to load instances that have a cause and are not in memory, many at a time.
    fn load(&mut self) {
        while self.loads < LOADS_AT_ONCE && self.may_ask_store() {
            let ids = self.slots.take_absent(LOADED_AT_ONCE);
            if ids.is_empty() {
                return;
            }
            self.loads += 1;
            let parts = self.parts.clone();
            tokio::spawn(async move {
                let loaded = loading::load(parts.store.as_ref(), &parts.catalogue, &ids).await;
                // A loop that has ended has no use for it.
                let _ = parts.inside.send(Wake::Loaded(ids, loaded));
            });
        }
    }

    fn loaded(&mut self, ids: Vec<InstanceId>, loaded: Result<Vec<Loaded>, Error>) -> Result<(), Error> {
        self.loads -= 1;
        match loaded {
            Ok(loaded) => {
                self.recovered();
                self.parts.counters.loaded.add(loaded.len());
                for (id, loaded) in ids.into_iter().zip(loaded) {
                    match loaded {
                        Loaded::Ready(running) => self.slots.rest(id, running),
                        Loaded::Missing => self.missing(id),
                        Loaded::Unreadable(reason) => self.park(id, reason),
                    }
                }
                Ok(())
            }
            Err(error) => {
                ids.into_iter().for_each(|id| self.slots.reload(id, None));
                self.failed(error)
            }
        }
    }

    /// Hands every instance that is at rest and has a cause to the deciders.
    fn decide(&mut self) {
        let now = self.parts.clock.now();
        while self.stopping.is_empty() {
            let Some((id, running, job)) = self.slots.take_ready() else { return };
            match job.origin {
                // The row of a sub-flow's start was read twice.
                Origin::Start(start, starter) if running.instance.seq() > 0 => {
                    self.answer_repeated(id, running.instance.status(), start.new, starter);
                    self.slots.rest(id, running);
                }
                _ => {
                    self.deciding += 1;
                    self.deciders.hand(Work { id, running, job, now });
                }
            }
        }
    }

    fn take_outcome(&mut self, message: OutcomeMessage, receipt: Option<Receipt>) {
        let cause = Cause::Outcome { call: message.call, attempt: message.attempt, outcome: message.outcome };
        self.push(message.instance, Job { cause, origin: Origin::Outcome(receipt) });
    }

    fn push(&mut self, id: InstanceId, job: Job) {
        if self.slots.parked(id).is_some() {
            self.finish(id, job.origin, &End::Parked);
        } else {
            self.slots.push(id, job);
        }
    }

    fn missing(&mut self, id: InstanceId) {
        for job in self.slots.missing(id) {
            self.finish(id, job.origin, &End::Missing);
        }
    }

    /// Sets one instance aside: it stops nobody else.
    fn park(&mut self, id: InstanceId, reason: String) {
        tracing::error!(instance = %id, reason, "an instance is set aside: it goes on after a repair and a restart");
        self.parts.counters.parked.add(1);
        for job in self.slots.park(id, reason) {
            self.finish(id, job.origin, &End::Parked);
        }
    }

    /// Gives whoever sent a cause what is owed to them.
    fn finish(&mut self, id: InstanceId, origin: Origin, end: &End) {
        if matches!(end, End::Ignored | End::Missing) {
            self.parts.counters.ignored.add(1);
        }
        match (origin, end) {
            (Origin::Start(_, Starter::Row(row)), end) => self.finish_row(row, end),
            (Origin::Start(start, starter), End::Committed(status)) => {
                let key = start.new.key;
                self.accept(starter, Accepted { instance: id, key, repeated: false, status: *status });
            }
            (Origin::Start(_, starter), _) => self.refuse(starter, StartError::Store(self.parked_error(id))),
            (Origin::Outcome(receipt), _) => receipt.into_iter().for_each(|receipt| self.acknowledge(receipt)),
            (Origin::Event(shared), _) => shared.finish().into_iter().for_each(|receipt| self.acknowledge(receipt)),
            (Origin::Timer(timer), end) => self.finish_timer(timer, end),
            (Origin::Row(row), end) => self.finish_row(row, end),
            (Origin::Cancel(reply), end) => {
                let answer = match end {
                    End::Committed(_) | End::Ignored => Ok(()),
                    End::Missing => Err(Error::new(Kind::NotFound, Retry::Never, format!("find instance {id}"))),
                    End::Parked => Err(self.parked_error(id)),
                };
                // A caller who has gone needs no answer.
                let _ = reply.send(answer);
            }
        }
    }

    fn acknowledge(&self, receipt: Receipt) {
        // Nobody listens only when the engine has ended; the delivery comes again then.
        let _ = self.parts.receipts.send(receipt);
    }

    fn parked_error(&self, id: InstanceId) -> Error {
        let reason = self.slots.parked(id).unwrap_or("its decision led to nothing").to_owned();
        Error::new(Kind::Corrupt, Retry::Never, format!("go on with instance {id}")).caused_by(reason)
    }

    fn has_room(&self) -> bool {
        self.stopping.is_empty() && self.slots.waiting() + self.staged.len() < MOST_CAUSES
    }

    /// A loop that is to stop has finished when everything that was decided is durable, or cannot be.
    fn is_finished(&self) -> bool {
        let pending = self.deciding > 0 || self.committing || !self.staged.is_empty() || !self.marks.is_empty();
        !self.stopping.is_empty() && (!pending || matches!(self.health, Health::Failing { .. }))
    }
}
