//! What wakes the loop, and the work that follows from it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use sagabus_core::{
    cause::Cause, decide::Decision, event::Event, id::InstanceId, instance::Instance, plan::Plan, time::Timestamp,
};
use sagabus_ports::{Acknowledge, DueTimer, Error, NewInstance, OutcomeMessage, PendingCause, Verdict};
use tokio::sync::oneshot;

use crate::{Accepted, StartError, catalogue::PickError, lifecycle::Narrator, outgoing::Outgoing, sweep::Failure};

/// Everything that can wake the loop. Those of the first group come from outside, through a bounded channel; the others
/// are answers to what the loop itself began.
pub(crate) enum Wake {
    /// A start whose workflow is found.
    Start(Box<NewStart>),
    /// How an attempt ended. Without a receipt if the engine itself says so.
    Outcome(Box<OutcomeMessage>, Option<Receipt>),
    /// An event with the instances that may want it.
    Event(Event, Vec<InstanceId>, Receipt),
    /// Someone wants an instance to end.
    Cancel(InstanceId, String, oneshot::Sender<Result<(), Error>>),
    /// Someone wants to know when an instance has ended.
    Watch(InstanceId, oneshot::Sender<()>),
    /// Causes that were found in the inbox.
    Pending(Vec<PendingCause>),
    /// The engine is to stop.
    Stop(oneshot::Sender<()>),

    /// The workflow of a start in the inbox was looked up.
    Prepared(Box<PendingCause>, Result<Arc<Plan>, PickError>),
    /// Timers that are due, with the time of the next one, and how many were asked for.
    Due(Result<(Vec<DueTimer>, Option<Timestamp>), Error>, u32),
    /// These instances were loaded, or were not.
    Loaded(Vec<InstanceId>, Result<Vec<Loaded>, Error>),
    /// A decision was made.
    Decided(Box<Decided>),
    /// A batch was committed, or was not.
    Committed(Box<Committed>),
    /// Rows of the outbox were published.
    Published(Vec<String>),
    /// The bus did not take envelopes: they are to be read from the store again.
    Missed,
    /// The store was looked through for work, for everything outstanding or for the inbox only.
    Swept(bool, Result<(), Failure>),
    /// The pause after a failure of the store is over.
    TryAgain,
}

/// A start, complete but for its decision.
pub(crate) struct NewStart {
    pub(crate) instance: InstanceId,
    pub(crate) cause: Cause,
    pub(crate) start: Box<Start>,
    pub(crate) starter: Starter,
}

/// What a new instance runs, and the fixed part of its row.
pub(crate) struct Start {
    pub(crate) plan: Arc<Plan>,
    pub(crate) new: NewInstance,
}

/// Who waits for a start.
pub(crate) enum Starter {
    /// A caller of [`crate::Handle::start`].
    Caller(oneshot::Sender<Result<Accepted, StartError>>),
    /// A request on the bus.
    Request(Receipt),
    /// A row of the inbox.
    Row(String),
}

/// A cause for one instance, with what is owed once it is dealt with.
pub(crate) struct Job {
    pub(crate) cause: Cause,
    pub(crate) origin: Origin,
}

/// Where a cause came from.
pub(crate) enum Origin {
    /// Someone starts the instance.
    Start(Box<Start>, Starter),
    /// An outcome on the bus; without a receipt if the engine itself says so.
    Outcome(Option<Receipt>),
    /// A timer.
    Timer(DueTimer),
    /// A row of the inbox.
    Row(String),
    /// An event on the bus, which may be for several instances.
    Event(Arc<SharedReceipt>),
    /// A caller of [`crate::Handle::cancel`].
    Cancel(oneshot::Sender<Result<(), Error>>),
}

/// The receipt of a delivery.
pub(crate) type Receipt = Box<dyn Acknowledge>;

/// The receipt of an event for several instances: to be acknowledged when all of them have committed.
pub(crate) struct SharedReceipt {
    remaining: AtomicUsize,
    receipt: Mutex<Option<Receipt>>,
}

impl SharedReceipt {
    /// A receipt that `holders` share.
    pub(crate) fn new(receipt: Receipt, holders: usize) -> Arc<Self> {
        Arc::new(Self { remaining: AtomicUsize::new(holders), receipt: Mutex::new(Some(receipt)) })
    }

    /// One holder is done; the last one gets the receipt.
    pub(crate) fn finish(&self) -> Option<Receipt> {
        let last = self.remaining.fetch_sub(1, Ordering::AcqRel) == 1;
        if last { self.receipt.lock().unwrap_or_else(PoisonError::into_inner).take() } else { None }
    }
}

/// An instance in memory with what is needed to decide and to tell about it.
pub(crate) struct Running {
    pub(crate) instance: Instance,
    pub(crate) plan: Arc<Plan>,
    pub(crate) narrator: Narrator,
}

/// What loading an instance gave.
pub(crate) enum Loaded {
    /// It is there.
    Ready(Box<Running>),
    /// There is no such instance.
    Missing,
    /// Its journal or its plan cannot be read.
    Unreadable(String),
}

/// What deciding gave.
pub(crate) struct Decided {
    pub(crate) id: InstanceId,
    pub(crate) job: Job,
    /// The successor, or what broke down.
    pub(crate) result: Result<(Box<Running>, Decision, Outgoing), String>,
}

/// A decision that waits for its commit, or is being committed.
pub(crate) struct Staged {
    pub(crate) id: InstanceId,
    pub(crate) job: Job,
    pub(crate) running: Box<Running>,
    pub(crate) outgoing: Outgoing,
    pub(crate) progress: Option<Arc<sagabus_core::fact::Entry>>,
}

/// Rows to delete without a change of an instance.
#[derive(Clone, Default)]
pub(crate) struct Marks {
    pub(crate) published: Vec<String>,
    pub(crate) dropped: Vec<String>,
    pub(crate) expired: Vec<DueTimer>,
    /// Whether they have waited for a while.
    pub(crate) are_old: bool,
}

impl Marks {
    /// Whether there is nothing to delete.
    pub(crate) fn is_empty(&self) -> bool {
        self.published.is_empty() && self.dropped.is_empty() && self.expired.is_empty()
    }

    /// Takes up what another one has.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.published.append(&mut other.published);
        self.dropped.append(&mut other.dropped);
        self.expired.append(&mut other.expired);
    }
}

/// What committing gave.
pub(crate) struct Committed {
    pub(crate) staged: Vec<Staged>,
    pub(crate) marks: Marks,
    pub(crate) result: Result<Vec<Verdict>, Error>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("cause", &self.cause.word()).finish_non_exhaustive()
    }
}
