//! The bus in this process: queues in memory, for a single binary that needs no broker.
//!
//! Called by the composition root and by tests, by everyone else through `dyn Bus`. Imports `ports` only. Nothing here
//! outlives the process, which is allowed: the store is the record, and whatever is outstanding is published again.

mod queue;
mod recent;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use sagabus_ports::{Address, Bus, Caps, Consumer, Envelope, Error, Kind, LARGEST_BODY, Result, Retry, Source};
use tokio::time::Instant;

use queue::{Queue, QueueConsumer};
use recent::Recent;

/// The bus in this process. Dropping it closes it: consumers get what is queued no longer.
#[derive(Default)]
pub struct EmbeddedBus {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// One queue for each subscription. It exists from the first `consume` on.
    subscriptions: HashMap<(Source, String), Arc<Queue>>,
    /// Work for which nobody has subscribed yet; handed to the first who does.
    unclaimed: HashMap<Source, Arc<Queue>>,
    recent: Recent,
}

impl EmbeddedBus {
    /// A bus with nothing on it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    fn caps(&self) -> Caps {
        Caps {
            durable: false,
            delayed_redelivery: true,
            // An unacknowledged delivery stays with its holder until it is dropped: there is no time to extend.
            extend: false,
            dedupe_window: recent::WINDOW,
            largest_body: LARGEST_BODY,
        }
    }

    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<()> {
        for envelope in &envelopes {
            check_size(envelope)?;
        }
        self.state().publish(envelopes)
    }

    async fn consume(&self, source: Source, name: &str, prefetch: usize) -> Result<Box<dyn Consumer>> {
        if prefetch == 0 {
            let text = format!("consume {source:?} as `{name}`: a prefetch of 0 would deliver nothing");
            return Err(Error::new(Kind::Invalid, Retry::Never, text));
        }
        let queue = self.state().subscribe(source, name);
        Ok(Box::new(QueueConsumer::new(queue, prefetch)))
    }
}

impl Drop for EmbeddedBus {
    fn drop(&mut self) {
        for queue in self.state().subscriptions.values() {
            queue.close();
        }
    }
}

impl State {
    /// Queues all of the envelopes, or none if one of them finds no room.
    fn publish(&mut self, envelopes: Vec<Envelope>) -> Result<()> {
        let mut deliveries: Vec<(Arc<Queue>, Arc<Envelope>)> = Vec::new();
        let now = Instant::now();
        let mut seen = HashSet::new();
        for envelope in envelopes {
            let identity = recent::identity(&envelope);
            if !self.recent.contains(&identity, now) && seen.insert(identity) {
                let envelope = Arc::new(envelope);
                let queues = self.queues(&envelope.address).into_iter();
                deliveries.extend(queues.map(|queue| (queue, Arc::clone(&envelope))));
            }
        }
        check_room(&deliveries)?;
        for (queue, envelope) in deliveries {
            self.recent.insert(recent::identity(&envelope), now);
            queue.push(envelope);
        }
        Ok(())
    }

    /// Where an envelope with this address goes. Work that nobody has subscribed to is kept for the first who will;
    /// events and control messages are for those who listen now.
    fn queues(&mut self, address: &Address) -> Vec<Arc<Queue>> {
        self.subscriptions.retain(|(source, _), queue| *source != Source::Control || queue.has_consumers());
        let heard = self.subscriptions.iter().filter(|((source, _), _)| source.hears(address));
        let queues: Vec<_> = heard.map(|(_, queue)| Arc::clone(queue)).collect();
        let source = match address {
            _ if !queues.is_empty() => return queues,
            Address::Requests { .. } => Source::Requests,
            Address::Calls { adapter } => Source::Calls { adapter: adapter.clone() },
            Address::Results { partition } => Source::Results { partition: *partition },
            Address::Events { .. } | Address::Control => return Vec::new(),
        };
        vec![Arc::clone(self.unclaimed.entry(source).or_default())]
    }

    fn subscribe(&mut self, source: Source, name: &str) -> Arc<Queue> {
        let unclaimed = self.unclaimed.remove(&source);
        let queue =
            self.subscriptions.entry((source, name.to_owned())).or_insert_with(|| unclaimed.unwrap_or_default());
        Arc::clone(queue)
    }
}

fn check_size(envelope: &Envelope) -> Result<()> {
    let size = envelope.body.len();
    if size > LARGEST_BODY {
        let Envelope { id, address, .. } = envelope;
        let text =
            format!("publish `{id}` to `{address}`: its body has {size} bytes, at most {LARGEST_BODY} may travel");
        return Err(Error::new(Kind::Invalid, Retry::Never, text));
    }
    Ok(())
}

/// Whether every queue has room for all that it is to take. Only `publish` makes queues longer, and it holds the lock.
fn check_room(deliveries: &[(Arc<Queue>, Arc<Envelope>)]) -> Result<()> {
    let mut wanted: HashMap<*const Queue, (&Queue, queue::Load)> = HashMap::new();
    for (queue, envelope) in deliveries {
        let (_, load) = wanted.entry(Arc::as_ptr(queue)).or_insert_with(|| (queue, queue::Load::default()));
        load.add(envelope);
        if envelope.address != Address::Control && !queue.has_room(*load) {
            let text = format!("publish to `{}`: its queue is full; its consumers are too slow", envelope.address);
            return Err(Error::new(Kind::Full, Retry::Later, text));
        }
    }
    Ok(())
}
