//! The door to a running engine.

use std::sync::Arc;

use sagabus_core::{event::Event, fact::Entry, id::InstanceId, instance::Status, report::Report, time::Timestamp};
use sagabus_ports::{Bus, Clock, Error, Filter, ListedInstance, QueuedRetry, Store};
use serde_json::Value;
use tokio::sync::broadcast;

use crate::{DeployError, Deployed, Settings};

/// Begins an engine.
#[derive(Debug)]
pub struct Engine;

impl Engine {
    /// Starts the loop: takes up everything outstanding from the store, then listens to the bus.
    ///
    /// # Errors
    /// Store or bus cannot be used.
    pub async fn start(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Handle, Error> {
        let _ = (store, bus, clock, settings);
        Err(Error::new(sagabus_ports::Kind::Other, sagabus_ports::Retry::Never, "start"))
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
    /// The key; absent = a random one.
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
#[derive(Debug)]
pub enum StartError {
    /// No such workflow is deployed; the text says which are.
    NotDeployed(String),
    /// The key has started an instance with other input.
    KeyConflict {
        /// That instance.
        instance: InstanceId,
    },
    /// The store failed.
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

/// The door to a running engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {}

impl Handle {
    /// Compiles and deploys a definition. The next start uses it; what runs keeps its own.
    ///
    /// # Errors
    /// The definition is invalid, or the store failed.
    pub async fn deploy(&self, source: &str) -> Result<Deployed, DeployError> {
        let _ = source;
        unreachable!()
    }

    /// Starts an instance; returns when that is durable.
    ///
    /// # Errors
    /// No such workflow, a conflict of keys, or the store failed.
    pub async fn start(&self, request: StartRequest) -> Result<Accepted, StartError> {
        let _ = request;
        unreachable!()
    }

    /// Waits until the instance has ended and tells its journal. `None` if there is no such instance.
    ///
    /// # Errors
    /// The store failed.
    pub async fn wait(&self, instance: InstanceId) -> Result<Option<Report>, Error> {
        let _ = instance;
        unreachable!()
    }

    /// Tells an instance's journal. `None` if there is no such instance.
    ///
    /// # Errors
    /// The store failed.
    pub async fn report(&self, instance: InstanceId) -> Result<Option<Report>, Error> {
        let _ = instance;
        unreachable!()
    }

    /// Instances for people, newest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list(&self, filter: Filter) -> Result<Vec<ListedInstance>, Error> {
        let _ = filter;
        unreachable!()
    }

    /// The retry queue, next attempt first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn retries(&self, limit: u32) -> Result<Vec<QueuedRetry>, Error> {
        let _ = limit;
        unreachable!()
    }

    /// Publishes an event from outside.
    ///
    /// # Errors
    /// The bus did not take it.
    pub async fn send(&self, event: Event) -> Result<(), Error> {
        let _ = event;
        unreachable!()
    }

    /// Asks an instance to end.
    ///
    /// # Errors
    /// The store failed.
    pub async fn cancel(&self, instance: InstanceId, reason: String) -> Result<(), Error> {
        let _ = (instance, reason);
        unreachable!()
    }

    /// Committed steps of all instances from now on. A slow watcher misses steps and is told how many.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Progress> {
        unreachable!()
    }

    /// Stops taking causes, commits what is decided, and ends.
    pub async fn stop(self) {}
}

/// Tells an instance's journal from a store without an engine.
///
/// # Errors
/// The store failed, or its journal cannot be read.
pub async fn read_report(store: &dyn Store, instance: InstanceId) -> Result<Option<Report>, Error> {
    let _ = (store, instance);
    Ok(None)
}
