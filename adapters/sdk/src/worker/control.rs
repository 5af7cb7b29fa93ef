//! What is under way, who may cancel it, and the worker's own announcement.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sagabus_core::id::CallId;
use sagabus_ports::{Address, Bus, ControlMessage, Envelope, Headers, Source};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use uuid::Uuid;

use super::{SHORTEST_DELAY, WorkerSettings, connect};
use crate::adapter::Manifest;

/// Control messages in hand at most; they are dealt with at once.
const CONTROL_PREFETCH: usize = 64;

/// The attempts that a worker has in hand.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashMap<AttemptId, UnderWay>>);

/// An attempt of a call.
pub(crate) type AttemptId = (CallId, u32);

struct UnderWay {
    cancelled: CancellationToken,
    answered: watch::Receiver<bool>,
}

/// What a delivery is told about its attempt.
pub(crate) enum Claim {
    /// Make it.
    Make(Claimed),
    /// Another delivery of it is in hand: closed when that one is dealt with, `true` if it was answered.
    Wait(watch::Receiver<bool>),
}

/// An attempt in hand; forgotten when dropped.
pub(crate) struct Claimed {
    running: Arc<Running>,
    id: AttemptId,
    /// Cancelled on demand of the engine.
    pub(crate) cancelled: CancellationToken,
    answered: watch::Sender<bool>,
}

impl Running {
    pub(crate) fn claim(self: &Arc<Self>, id: AttemptId) -> Claim {
        match self.lock().entry(id) {
            Entry::Occupied(entry) => Claim::Wait(entry.get().answered.clone()),
            Entry::Vacant(entry) => {
                let cancelled = CancellationToken::new();
                let (answered, receiver) = watch::channel(false);
                entry.insert(UnderWay { cancelled: cancelled.clone(), answered: receiver });
                Claim::Make(Claimed { running: self.clone(), id, cancelled, answered })
            }
        }
    }

    fn cancel(&self, id: AttemptId) {
        if let Some(attempt) = self.lock().get(&id) {
            attempt.cancelled.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AttemptId, UnderWay>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claimed {
    /// Its outcome was published.
    pub(crate) fn answered(&self) {
        self.answered.send_replace(true);
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.running.lock().remove(&self.id);
    }
}

/// Cancels attempts that nobody waits for any longer.
pub(crate) async fn listen(bus: Arc<dyn Bus>, worker: String, running: Arc<Running>, stop: CancellationToken) {
    while let Some(mut consumer) = connect(&bus, &Source::Control, &worker, CONTROL_PREFETCH, &stop).await {
        while let Some(delivery) = stop.run_until_cancelled(consumer.next()).await {
            let Some(delivery) = delivery else { break };
            match serde_json::from_slice(&delivery.envelope.body) {
                Ok(ControlMessage::Cancel { call, attempt }) => running.cancel((call, attempt)),
                Ok(_) => {}
                Err(error) => debug!(%error, "a control message of another version"),
            }
            if let Err(error) = delivery.receipt.acknowledge().await {
                debug!(%error, "a control message was not acknowledged");
            }
        }
        stop.run_until_cancelled(tokio::time::sleep(SHORTEST_DELAY)).await;
    }
}

/// Says what this worker hosts, now and again.
pub(crate) async fn register(
    bus: Arc<dyn Bus>,
    settings: WorkerSettings,
    manifests: Vec<Manifest>,
    stop: CancellationToken,
) {
    let adapters = manifests.iter().filter_map(|manifest| serde_json::to_value(manifest).ok()).collect();
    let message = ControlMessage::Worker { worker: settings.name.clone(), adapters };
    let Ok(body) = serde_json::to_vec(&message) else { return };
    let mut turns = tokio::time::interval(settings.register_every);
    while stop.run_until_cancelled(turns.tick()).await.is_some() {
        let envelope = Envelope {
            id: Uuid::new_v4().to_string(),
            address: Address::Control,
            headers: Headers::new(),
            body: body.clone(),
        };
        if let Err(error) = bus.publish(vec![envelope]).await {
            warn!(%error, "the worker could not say that it is there");
        }
    }
}
