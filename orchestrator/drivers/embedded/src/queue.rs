//! One subscription: what waits, what is in hand, and those who share it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sagabus_ports::{Acknowledge, Consumer, Delivery, Envelope, Result};
use tokio::{sync::Notify, time::Instant};

/// Envelopes that a queue holds at most, those in hand included: minutes of work for its consumers; whoever publishes
/// more is told to come back.
const MOST_ENVELOPES: usize = 65_536;

/// Bytes of bodies that a queue holds at most, so that large bodies cannot exhaust memory before they are many.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// How much a queue holds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Load {
    envelopes: usize,
    bytes: usize,
}

impl Load {
    pub(crate) fn add(&mut self, envelope: &Envelope) {
        self.envelopes += 1;
        self.bytes += envelope.body.len();
    }

    fn remove(&mut self, envelope: &Envelope) {
        self.envelopes -= 1;
        self.bytes -= envelope.body.len();
    }
}

#[derive(Default)]
pub(crate) struct Queue {
    content: Mutex<Content>,
    /// Told whenever something came, or a consumer may take more.
    changed: Notify,
    consumers: AtomicUsize,
}

#[derive(Default)]
struct Content {
    ready: VecDeque<Item>,
    /// Given back with a delay: by due time, then in the order in which they were given back.
    delayed: BTreeMap<(Instant, u64), Item>,
    given_back: u64,
    load: Load,
    closed: bool,
}

#[derive(Clone)]
struct Item {
    envelope: Arc<Envelope>,
    redelivered: u32,
}

impl Queue {
    /// Whether this much more may come in.
    pub(crate) fn has_room(&self, more: Load) -> bool {
        let load = self.content().load;
        load.envelopes + more.envelopes <= MOST_ENVELOPES && load.bytes + more.bytes <= MOST_BYTES
    }

    /// Takes an envelope in. What waits longest makes room if there is none, which happens to control messages only:
    /// for all others the caller has asked [`Self::has_room`].
    pub(crate) fn push(&self, envelope: Arc<Envelope>) {
        let mut content = self.content();
        content.load.add(&envelope);
        while content.load.envelopes > MOST_ENVELOPES || content.load.bytes > MOST_BYTES {
            let Some(oldest) = content.ready.pop_front() else { break };
            content.load.remove(&oldest.envelope);
        }
        content.ready.push_back(Item { envelope, redelivered: 0 });
        drop(content);
        self.changed.notify_waiters();
    }

    pub(crate) fn has_consumers(&self) -> bool {
        self.consumers.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn close(&self) {
        self.content().closed = true;
        self.changed.notify_waiters();
    }

    fn forget(&self, item: &Item) {
        self.content().load.remove(&item.envelope);
    }

    fn give_back(&self, mut item: Item, delay: Duration) {
        item.redelivered += 1;
        let mut content = self.content();
        if delay.is_zero() {
            content.ready.push_front(item);
        } else {
            content.given_back += 1;
            let place = (Instant::now() + delay, content.given_back);
            content.delayed.insert(place, item);
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // Nothing that holds the lock can leave the content half changed.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn take(&mut self, now: Instant) -> Option<Item> {
        while let Some(first) = self.delayed.first_entry().filter(|first| first.key().0 <= now) {
            self.ready.push_back(first.remove());
        }
        self.ready.pop_front()
    }
}

/// One of those who share a subscription.
pub(crate) struct QueueConsumer {
    queue: Arc<Queue>,
    prefetch: usize,
    in_hand: Arc<AtomicUsize>,
}

impl QueueConsumer {
    pub(crate) fn new(queue: Arc<Queue>, prefetch: usize) -> Self {
        queue.consumers.fetch_add(1, Ordering::Relaxed);
        Self { queue, prefetch, in_hand: Arc::default() }
    }

    /// The next delivery, or else when there may be one without anyone telling.
    fn try_next(&self, content: &mut Content) -> std::result::Result<Delivery, Option<Instant>> {
        if self.in_hand.load(Ordering::Relaxed) >= self.prefetch {
            return Err(None);
        }
        let Some(item) = content.take(Instant::now()) else {
            return Err(content.delayed.first_key_value().map(|((due, _), _)| *due));
        };
        self.in_hand.fetch_add(1, Ordering::Relaxed);
        let receipt =
            Receipt { queue: Arc::clone(&self.queue), item: Some(item.clone()), in_hand: Arc::clone(&self.in_hand) };
        let envelope = Envelope::clone(&item.envelope);
        Ok(Delivery { envelope, redelivered: item.redelivered, receipt: Box::new(receipt) })
    }
}

#[async_trait]
impl Consumer for QueueConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            // Listening begins before the look, so that nothing that comes in between is missed.
            let mut changed = std::pin::pin!(self.queue.changed.notified());
            changed.as_mut().enable();
            let wait = {
                let mut content = self.queue.content();
                if content.closed {
                    return None;
                }
                match self.try_next(&mut content) {
                    Ok(delivery) => return Some(delivery),
                    Err(wait) => wait,
                }
            };
            match wait {
                Some(due) => _ = tokio::time::timeout_at(due, changed).await,
                None => changed.await,
            }
        }
    }
}

impl Drop for QueueConsumer {
    fn drop(&mut self) {
        self.queue.consumers.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Receipt {
    queue: Arc<Queue>,
    /// Gone once it was dealt with.
    item: Option<Item>,
    in_hand: Arc<AtomicUsize>,
}

impl Receipt {
    /// Deals with the item, once, and lets the consumer take another.
    fn settle(&mut self, deal: impl FnOnce(&Queue, Item)) {
        if let Some(item) = self.item.take() {
            deal(&self.queue, item);
            self.in_hand.fetch_sub(1, Ordering::Relaxed);
            self.queue.changed.notify_waiters();
        }
    }
}

#[async_trait]
impl Acknowledge for Receipt {
    async fn acknowledge(mut self: Box<Self>) -> Result<()> {
        self.settle(|queue, item| queue.forget(&item));
        Ok(())
    }

    async fn give_back(mut self: Box<Self>, delay: Duration) -> Result<()> {
        self.settle(|queue, item| queue.give_back(item, delay));
        Ok(())
    }

    async fn extend(&self) -> Result<()> {
        Ok(())
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.settle(|queue, item| queue.give_back(item, Duration::ZERO));
    }
}
