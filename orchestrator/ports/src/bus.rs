//! The bus: a hint that is durable where it can be, and never the record that something was done.

use std::{collections::BTreeMap, fmt, time::Duration};

use async_trait::async_trait;

use crate::Result;

/// The most that a body may hold on any bus, in bytes. Below NATS's default of 1 MiB with room for headers, so that
/// every envelope fits every bus.
pub const LARGEST_BODY: usize = 768 * 1024;

/// Headers of an envelope: lower-case names.
pub type Headers = BTreeMap<String, String>;

/// Where an envelope goes to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Address {
    /// `requests.<namespace>.<workflow>`: a start.
    Requests {
        /// Namespace of the workflow.
        namespace: String,
        /// Name of the workflow.
        workflow: String,
    },
    /// `calls.<adapter>`: an attempt.
    Calls {
        /// Name of the adapter.
        adapter: String,
    },
    /// `results.<partition>`: an outcome.
    Results {
        /// The partition.
        partition: u32,
    },
    /// `events.<type>`: a CloudEvent.
    Events {
        /// Type of the event.
        kind: String,
    },
    /// `control`: to everyone; not durable.
    Control,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests { namespace, workflow } => write!(f, "requests.{namespace}.{workflow}"),
            Self::Calls { adapter } => write!(f, "calls.{adapter}"),
            Self::Results { partition } => write!(f, "results.{partition}"),
            Self::Events { kind } => write!(f, "events.{kind}"),
            Self::Control => f.write_str("control"),
        }
    }
}

/// What a consumer hears. Consumers of the same source and name share its envelopes; each other name gets its own copy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// All start requests.
    Requests,
    /// Attempts for one adapter.
    Calls {
        /// Name of the adapter.
        adapter: String,
    },
    /// Outcomes for one partition.
    Results {
        /// The partition.
        partition: u32,
    },
    /// All events.
    Events,
    /// Control messages.
    Control,
}

impl Source {
    /// Whether an envelope with this address is heard here.
    #[must_use]
    pub fn hears(&self, address: &Address) -> bool {
        match (self, address) {
            (Self::Requests, Address::Requests { .. })
            | (Self::Events, Address::Events { .. })
            | (Self::Control, Address::Control) => true,
            (Self::Calls { adapter }, Address::Calls { adapter: to }) => adapter == to,
            (Self::Results { partition }, Address::Results { partition: to }) => partition == to,
            _ => false,
        }
    }
}

/// What travels on the bus.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// Message id: brokers may drop a repetition within their window.
    pub id: String,
    /// Where it goes.
    pub address: Address,
    /// Metadata.
    pub headers: Headers,
    /// JSON.
    pub body: Vec<u8>,
}

/// An envelope in hand, to be acknowledged.
pub struct Delivery {
    /// The envelope.
    pub envelope: Envelope,
    /// How often it was delivered before, as far as the bus knows.
    pub redelivered: u32,
    /// Its receipt.
    pub receipt: Box<dyn Acknowledge>,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("envelope", &self.envelope)
            .field("redelivered", &self.redelivered)
            .finish_non_exhaustive()
    }
}

/// The receipt of a delivery. Dropping it unused gives the envelope back to the bus.
#[async_trait]
pub trait Acknowledge: Send + Sync {
    /// The envelope is dealt with: the bus may forget it.
    async fn acknowledge(self: Box<Self>) -> Result<()>;

    /// The envelope is to be delivered again, not before `delay`.
    async fn give_back(self: Box<Self>, delay: Duration) -> Result<()>;

    /// Work on the envelope goes on: do not deliver it to anyone else yet.
    async fn extend(&self) -> Result<()>;
}

/// Deliveries as they come.
#[async_trait]
pub trait Consumer: Send {
    /// The next delivery; `None` once the bus is closed. Cancel-safe.
    async fn next(&mut self) -> Option<Delivery>;
}

/// What a bus can do by itself; the engine fills the gaps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caps {
    /// Whether envelopes outlive the process that published them.
    pub durable: bool,
    /// Whether `give_back` keeps its delay.
    pub delayed_redelivery: bool,
    /// Whether `extend` does something.
    pub extend: bool,
    /// Within which time a repeated message id is dropped.
    pub dedupe_window: Duration,
    /// Largest body in bytes.
    pub largest_body: usize,
}

/// Publish and subscribe. Delivery is at least once, in no promised order.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// What this bus can do.
    fn caps(&self) -> Caps;

    /// Publishes envelopes; returns when the bus has confirmed all of them.
    ///
    /// # Errors
    /// At least one envelope is not confirmed; publish all of them again.
    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<()>;

    /// Begins to consume. At most `prefetch` deliveries are unacknowledged at a time.
    ///
    /// # Errors
    /// The bus cannot be reached or refuses.
    async fn consume(&self, source: Source, name: &str, prefetch: usize) -> Result<Box<dyn Consumer>>;
}
