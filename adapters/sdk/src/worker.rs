//! The worker: takes attempts from the bus, has adapters make them, answers.
//!
//! One lane per adapter consumes `calls.<adapter>`; each delivery is a task of its own ([`delivery`]) that ends when its
//! outcome was published and only then acknowledges. What happens in between, from checks to scrubbing, is [`attempt`],
//! which knows no bus.

mod attempt;
mod control;
mod delivery;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use sagabus_ports::{Bus, Clock, Consumer, Source, SystemClock};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};
use uuid::Uuid;

use self::{control::Running, delivery::Lane};
use crate::{adapter::Adapter, hosted::Hosted, secrets::Secrets};

/// The name under which all workers consume the attempts for an adapter, so that they share them.
const CONSUMER: &str = "workers";

/// What can be set about a worker.
#[derive(Clone)]
pub struct WorkerSettings {
    /// Name of this worker: unique, because it names its copy of the control messages.
    pub name: String,
    /// Attempts at once per adapter that does not say how many it makes.
    pub concurrency: usize,
    /// Attempts at once per target of an adapter.
    pub per_target: usize,
    /// How often the bus is told that a long attempt is still being made. Well below the shortest time after which a bus
    /// delivers again (30 s).
    pub extend_every: Duration,
    /// How often the worker says on `control` that it is there.
    pub register_every: Duration,
    /// How long attempts under way may go on once the worker is told to stop; then they are given back to the bus.
    pub grace: Duration,
    /// Tells whether a deadline has passed.
    pub clock: Arc<dyn Clock>,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            name: format!("worker-{}", Uuid::new_v4()),
            // Attempts wait for third parties: memory bounds them (some 100 KiB each), not the processors.
            concurrency: 64,
            per_target: 32,
            extend_every: Duration::from_secs(10),
            register_every: Duration::from_secs(30),
            grace: Duration::from_secs(20),
            clock: Arc::new(SystemClock),
        }
    }
}

/// What a worker has done since it started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Attempts answered with an outcome.
    pub answered: u64,
    /// Deliveries given back to the bus.
    pub given_back: u64,
    /// Deliveries of an attempt that was already being made.
    pub repeated: u64,
    /// Envelopes that nobody can read; they were logged and acknowledged.
    pub poisoned: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) answered: AtomicU64,
    pub(crate) given_back: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) poisoned: AtomicU64,
}

/// Adapters at work. Dropping it stops at once; [`Worker::stop`] is the orderly way.
pub struct Worker {
    tracker: TaskTracker,
    /// No new attempts.
    stop: CancellationToken,
    /// No attempts at all.
    abandon: CancellationToken,
    counters: Arc<Counters>,
    grace: Duration,
}

impl Worker {
    /// Starts to host these adapters, in tasks of the current Tokio runtime. A bus that cannot be reached is tried again
    /// for ever, with a line in the log. Of two adapters of one name the second is refused with an error in the log.
    #[must_use = "dropping a worker stops it"]
    pub fn start(
        bus: Arc<dyn Bus>,
        adapters: Vec<Arc<dyn Adapter>>,
        secrets: Arc<Secrets>,
        settings: WorkerSettings,
    ) -> Self {
        let worker = Self {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            abandon: CancellationToken::new(),
            counters: Arc::default(),
            grace: settings.grace,
        };
        let running = Arc::new(Running::default());
        let mut manifests = Vec::new();
        let mut names = HashSet::new();
        for adapter in adapters {
            let manifest = adapter.manifest();
            if !names.insert(manifest.name.clone()) {
                error!(adapter = manifest.name, "two adapters have this name; the second is not hosted");
                continue;
            }
            let concurrency = manifest.concurrency.unwrap_or(settings.concurrency).max(1);
            manifests.push(manifest.clone());
            let lane = Arc::new(Lane {
                hosted: Hosted::new(adapter, manifest, concurrency, settings.per_target.max(1)),
                bus: bus.clone(),
                secrets: secrets.clone(),
                settings: settings.clone(),
                running: running.clone(),
                counters: worker.counters.clone(),
                stop: worker.stop.clone(),
                abandon: worker.abandon.clone(),
            });
            worker.tracker.spawn(consume(lane, concurrency, worker.tracker.clone()));
        }
        worker.tracker.spawn(control::listen(bus.clone(), settings.name.clone(), running, worker.stop.clone()));
        worker.tracker.spawn(control::register(bus, settings, manifests, worker.stop.clone()));
        worker
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            answered: read(&self.counters.answered),
            given_back: read(&self.counters.given_back),
            repeated: read(&self.counters.repeated),
            poisoned: read(&self.counters.poisoned),
        }
    }

    /// Stops in order: takes nothing new, lets attempts under way end within the grace, gives the others back to the
    /// bus, which delivers them to another worker.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(self.grace, self.tracker.wait()).await.is_err() {
            warn!(attempts = self.tracker.len(), "attempts under way are given back to the bus");
            self.abandon.cancel();
            self.tracker.wait().await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.cancel();
        self.abandon.cancel();
    }
}

/// Takes deliveries until the worker stops. Twice as many are in hand as are worked on, so that those that wait for a
/// slow target leave slots for the others.
async fn consume(lane: Arc<Lane>, concurrency: usize, tracker: TaskTracker) {
    let prefetch = concurrency.saturating_mul(2);
    let in_hand = Arc::new(Semaphore::new(prefetch));
    let source = Source::Calls { adapter: lane.hosted.manifest.name.clone() };
    while let Some(mut consumer) = connect(&lane.bus, &source, CONSUMER, prefetch, &lane.stop).await {
        info!(?source, "takes attempts");
        loop {
            let Some(Ok(hand)) = lane.stop.run_until_cancelled(in_hand.clone().acquire_owned()).await else { return };
            let Some(delivery) = lane.stop.run_until_cancelled(consumer.next()).await else { return };
            let Some(delivery) = delivery else { break };
            let lane = lane.clone();
            tracker.spawn(async move {
                lane.deal_with(delivery).await;
                drop(hand);
            });
        }
        lane.stop.run_until_cancelled(tokio::time::sleep(SHORTEST_DELAY)).await;
    }
}

/// A consumer of this source, however long it takes; `None` once the worker stops.
pub(crate) async fn connect(
    bus: &Arc<dyn Bus>,
    source: &Source,
    name: &str,
    prefetch: usize,
    stop: &CancellationToken,
) -> Option<Box<dyn Consumer>> {
    let mut delays = patience().build();
    loop {
        match stop.run_until_cancelled(bus.consume(source.clone(), name, prefetch)).await? {
            Ok(consumer) => return Some(consumer),
            Err(error) => {
                warn!(?source, %error, "cannot consume; trying again");
                let delay = delays.next().unwrap_or(LONGEST_DELAY);
                stop.run_until_cancelled(tokio::time::sleep(delay)).await?;
            }
        }
    }
}

/// The shortest pause between two tries at a bus, also after it closed a consumer: it must not be asked in a tight loop.
pub(crate) const SHORTEST_DELAY: Duration = Duration::from_millis(100);

/// The longest pause between two tries at a bus that cannot be reached.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// Pauses between tries at a bus, without end.
pub(crate) fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(SHORTEST_DELAY)
        .with_max_delay(LONGEST_DELAY)
        .with_jitter()
        .without_max_times()
}
