//! The door to a running engine.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use sagabus_core::{event::Event, fact::Entry, id::InstanceId, instance::Status, report::Report, time::Timestamp};
use sagabus_ports::{Bus, Clock, Error, Filter, Kind, LARGEST_BODY, ListedInstance, QueuedRetry, Retry, Store};
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    DeployError, Deployed, Gauges, Settings,
    catalogue::Catalogue,
    cloud_event,
    deciders::Deciders,
    gauges::Counters,
    intake,
    loading::read_report,
    publisher,
    shell::{Parts, Shell},
    starting,
    wake::{Starter, Wake},
};

/// Wakes that wait for the loop, at most: callers and consumers wait beyond that. Two rounds of the loop.
const MOST_WAKES: usize = 1024;
/// Steps that a slow watcher may be behind before it misses some.
const MOST_PROGRESS: usize = 1024;

/// Begins an engine.
#[derive(Debug)]
pub struct Engine;

impl Engine {
    /// Starts the loop: takes up everything outstanding from the store, and listens to the bus.
    ///
    /// # Errors
    /// Store or bus cannot be used.
    pub async fn start(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Handle, Error> {
        let (outside, outside_wakes) = mpsc::channel(MOST_WAKES);
        let (inside, inside_wakes) = mpsc::unbounded_channel();
        let (receipts, dealt_with) = mpsc::unbounded_channel();
        let (parcels, to_publish) = mpsc::channel(publisher::MOST_PARCELS);
        let catalogue = Arc::new(Catalogue::new(store.clone(), clock.clone()));
        let counters = Arc::new(Counters::default());
        let settings = Arc::new(settings);
        let parts = Parts { store, bus, clock, catalogue, settings, counters, outside, inside, receipts };
        parts.catalogue.refresh().await?;
        let deciders = Deciders::start(parts.settings.environment.clone(), parts.settings.partition, &parts.inside)?;
        let (progress, _) = broadcast::channel(MOST_PROGRESS);
        let (abandoned, end) = (CancellationToken::new(), Arc::new(OnceLock::new()));
        let shell = Shell::new(parts.clone(), deciders, parcels, progress.clone(), abandoned.clone());
        // From here on, so that a bus that refuses leaves no loop behind.
        let guard = abandoned.drop_guard();

        let publishing = tokio::spawn(publisher::publish(parts.bus.clone(), to_publish, parts.inside.clone()));
        tokio::spawn(publisher::acknowledge(dealt_with));
        let ending = end.clone();
        tokio::spawn(async move {
            match shell.run(outside_wakes, inside_wakes).await {
                Ok(stopping) => {
                    // The loop is gone and with it the sender of parcels: what is committed still goes out.
                    if !stopping.is_empty() && tokio::time::timeout(publisher::LAST_WAIT, publishing).await.is_err() {
                        tracing::warn!("the bus is slow: what it did not take is published at the next start");
                    }
                    for reply in stopping {
                        // Whoever asked may have gone.
                        let _ = reply.send(());
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the engine stops");
                    // Set here only.
                    let _ = ending.set(error.to_string());
                }
            }
        });
        intake::listen(&parts).await?;
        Ok(Handle { shared: Arc::new(Shared { parts, progress, end, _guard: guard }) })
    }
}

/// A start as it is asked for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StartRequest {
    /// Namespace of the workflow; empty = any, if the name is deployed in one namespace only.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version; absent = the highest deployed.
    pub version: Option<String>,
    /// The raw input.
    pub input: Value,
    /// The key, 1 to 256 bytes; absent = a random one.
    pub key: Option<String>,
    /// When the instance must have ended.
    pub deadline: Option<Timestamp>,
}

/// A start that is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// The instance.
    pub instance: InstanceId,
    /// Its key.
    pub key: String,
    /// Whether the key had started it before.
    pub repeated: bool,
    /// Its status.
    pub status: Status,
}

/// Why a start was refused.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No such workflow is deployed; the text says which are.
    #[error("{0}")]
    NotDeployed(String),
    /// The input does not match the schema of the workflow's `input`; the text says where.
    #[error("the input does not match the workflow's schema: {0}")]
    InvalidInput(String),
    /// The key has started an instance with other input.
    #[error("the key has started instance {instance} with other input")]
    KeyConflict {
        /// That instance.
        instance: InstanceId,
    },
    /// The store failed; or, with [`Kind::Invalid`], the request itself is wrong.
    #[error(transparent)]
    Store(Error),
}

/// A committed step of an instance, for whoever watches.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The instance.
    pub instance: InstanceId,
    /// What was committed.
    pub entry: Arc<Entry>,
    /// The status after it.
    pub status: Status,
}

/// The door to a running engine. Cheap to clone. When the last one is dropped, the engine ends at once, as by a crash:
/// nothing is lost, and the next start goes on. [`Handle::stop`] is the orderly way.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Parts,
    progress: broadcast::Sender<Progress>,
    /// Why the loop ended, if it failed.
    end: Arc<OnceLock<String>>,
    _guard: DropGuard,
}

impl Handle {
    /// Compiles and deploys a definition. The next start uses it; what runs keeps its own.
    ///
    /// # Errors
    /// The definition is invalid, or the store failed.
    pub async fn deploy(&self, source: &str) -> Result<Deployed, DeployError> {
        self.shared.parts.catalogue.deploy(source).await
    }

    /// Starts an instance; returns when that is durable.
    ///
    /// # Errors
    /// No such workflow, a conflict of keys, a key that is empty or too long, or the store failed.
    pub async fn start(&self, request: StartRequest) -> Result<Accepted, StartError> {
        let (reply, answer) = oneshot::channel();
        let parts = &self.shared.parts;
        let start = starting::prepare(&parts.catalogue, request, parts.clock.now(), Starter::Caller(reply))
            .await
            .map_err(|(error, _)| error)?;
        self.send_wake(Wake::Start(Box::new(start))).await.map_err(StartError::Store)?;
        answer.await.unwrap_or_else(|_| Err(StartError::Store(self.stopped())))
    }

    /// Waits until the instance has ended and tells its journal. `None` if there is no such instance.
    ///
    /// # Errors
    /// The store failed, or the engine stopped.
    pub async fn wait(&self, instance: InstanceId) -> Result<Option<Report>, Error> {
        let (reply, ended) = oneshot::channel();
        // Registered before the look, so that an end between the two is not missed.
        self.send_wake(Wake::Watch(instance, reply)).await?;
        let report = self.report(instance).await?;
        if report.as_ref().is_none_or(|report| Status::from_word(&report.status).is_some_and(Status::is_terminal)) {
            return Ok(report);
        }
        ended.await.map_err(|_| self.stopped())?;
        self.report(instance).await
    }

    /// Tells an instance's journal. `None` if there is no such instance.
    ///
    /// # Errors
    /// The store failed.
    pub async fn report(&self, instance: InstanceId) -> Result<Option<Report>, Error> {
        read_report(self.shared.parts.store.as_ref(), instance).await
    }

    /// Instances for people, newest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list(&self, filter: Filter) -> Result<Vec<ListedInstance>, Error> {
        self.shared.parts.store.list(filter).await
    }

    /// The retry queue, next attempt first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn retries(&self, limit: u32) -> Result<Vec<QueuedRetry>, Error> {
        self.shared.parts.store.retries(limit).await
    }

    /// Publishes an event from outside.
    ///
    /// # Errors
    /// The event is too large for an envelope, or the bus did not take it.
    pub async fn send(&self, event: Event) -> Result<(), Error> {
        let envelope = cloud_event::write(&event);
        let size = envelope.body.len();
        if size > LARGEST_BODY {
            let reason = format!("its data take {size} bytes, and {LARGEST_BODY} is the most");
            return Err(Error::new(Kind::Invalid, Retry::Never, "publish the event").caused_by(reason));
        }
        self.shared.parts.bus.publish(vec![envelope]).await
    }

    /// Asks an instance to end. Returns when that is decided and durable; an instance that has ended stays as it is.
    ///
    /// # Errors
    /// There is no such instance, or the store failed.
    pub async fn cancel(&self, instance: InstanceId, reason: String) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.send_wake(Wake::Cancel(instance, reason, reply)).await?;
        answer.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    /// Committed steps of all instances from now on. A slow watcher misses steps and is told how many.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    /// What the engine has counted.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        self.shared.parts.counters.read()
    }

    /// Stops taking causes, commits what is decided, performs it, and ends.
    pub async fn stop(self) {
        let (reply, stopped) = oneshot::channel();
        if self.send_wake(Wake::Stop(reply)).await.is_ok() {
            // Dropped unanswered if the loop failed meanwhile: it has ended all the same.
            let _ = stopped.await;
        }
    }

    async fn send_wake(&self, wake: Wake) -> Result<(), Error> {
        self.shared.parts.outside.send(wake).await.map_err(|_| self.stopped())
    }

    fn stopped(&self) -> Error {
        let error = Error::new(Kind::Other, Retry::Never, "ask the engine, which has stopped");
        match self.shared.end.get() {
            Some(reason) => error.caused_by(reason.clone()),
            None => error,
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("gauges", &self.gauges()).finish_non_exhaustive()
    }
}
