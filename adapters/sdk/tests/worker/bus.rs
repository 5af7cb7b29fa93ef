//! A bus that keeps a record: what was published, and what became of every delivery.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sagabus_ports::{
    Acknowledge, Address, Bus, Caps, Consumer, Delivery, Envelope, Error, Headers, Kind, LARGEST_BODY, Result, Retry,
    Source,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What became of a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Acknowledged,
    GivenBack,
    Extended,
}

pub(crate) struct TestBus {
    consumers: Mutex<HashMap<Source, UnboundedSender<Delivery>>>,
    published: UnboundedSender<Envelope>,
    fates: UnboundedSender<(String, Fate)>,
    /// How many publications fail before one works.
    pub(crate) refusals: AtomicU32,
}

/// What a test sees of it.
pub(crate) struct Record {
    pub(crate) published: UnboundedReceiver<Envelope>,
    pub(crate) fates: UnboundedReceiver<(String, Fate)>,
}

impl TestBus {
    pub(crate) fn new() -> (Arc<Self>, Record) {
        let (published, seen) = unbounded_channel();
        let (fates, settled) = unbounded_channel();
        let bus = Self { consumers: Mutex::default(), published, fates, refusals: AtomicU32::new(0) };
        (Arc::new(bus), Record { published: seen, fates: settled })
    }

    /// Delivers a body to whoever consumes the calls for an adapter, once somebody does.
    pub(crate) async fn deliver(&self, adapter: &str, id: &str, body: Vec<u8>, redelivered: u32) {
        let address = Address::Calls { adapter: adapter.to_owned() };
        self.send(&Source::Calls { adapter: adapter.to_owned() }, address, id, body, redelivered).await;
    }

    pub(crate) async fn control(&self, body: Vec<u8>) {
        self.send(&Source::Control, Address::Control, "control", body, 0).await;
    }

    async fn send(&self, source: &Source, address: Address, id: &str, body: Vec<u8>, redelivered: u32) {
        let consumer = loop {
            if let Some(consumer) = self.consumers.lock().unwrap().get(source).cloned() {
                break consumer;
            }
            tokio::task::yield_now().await;
        };
        let receipt = Box::new(Receipt { id: id.to_owned(), fates: self.fates.clone() });
        let envelope = Envelope { id: id.to_owned(), address, headers: Headers::new(), body };
        consumer.send(Delivery { envelope, redelivered, receipt }).unwrap();
    }
}

impl Record {
    /// The next envelope on `results.…`.
    pub(crate) async fn result(&mut self) -> Envelope {
        loop {
            let envelope = self.published.recv().await.unwrap();
            if matches!(envelope.address, Address::Results { .. }) {
                return envelope;
            }
        }
    }

    pub(crate) async fn fate(&mut self) -> (String, Fate) {
        self.fates.recv().await.unwrap()
    }
}

#[async_trait]
impl Bus for TestBus {
    fn caps(&self) -> Caps {
        Caps {
            durable: false,
            delayed_redelivery: true,
            extend: true,
            dedupe_window: Duration::ZERO,
            largest_body: LARGEST_BODY,
        }
    }

    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<()> {
        let results = envelopes.iter().any(|envelope| matches!(envelope.address, Address::Results { .. }));
        if results && self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        {
            return Err(Error::new(Kind::Unreachable, Retry::Later, "publish"));
        }
        for envelope in envelopes {
            let _ = self.published.send(envelope);
        }
        Ok(())
    }

    async fn consume(&self, source: Source, _name: &str, _prefetch: usize) -> Result<Box<dyn Consumer>> {
        let (sender, receiver) = unbounded_channel();
        self.consumers.lock().unwrap().insert(source, sender);
        Ok(Box::new(Deliveries(receiver)))
    }
}

struct Deliveries(UnboundedReceiver<Delivery>);

#[async_trait]
impl Consumer for Deliveries {
    async fn next(&mut self) -> Option<Delivery> {
        self.0.recv().await
    }
}

struct Receipt {
    id: String,
    fates: UnboundedSender<(String, Fate)>,
}

impl Receipt {
    fn record(&self, fate: Fate) {
        let _ = self.fates.send((self.id.clone(), fate));
    }
}

#[async_trait]
impl Acknowledge for Receipt {
    async fn acknowledge(self: Box<Self>) -> Result<()> {
        self.record(Fate::Acknowledged);
        Ok(())
    }

    async fn give_back(self: Box<Self>, _delay: Duration) -> Result<()> {
        self.record(Fate::GivenBack);
        Ok(())
    }

    async fn extend(&self) -> Result<()> {
        self.record(Fate::Extended);
        Ok(())
    }
}
