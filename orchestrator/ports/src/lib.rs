//! The seams of the engine: [`Store`], [`Bus`] and [`Clock`], the envelope that travels, and one [`Error`].
//!
//! Imported by `engine`, `api`, the drivers and the adapters' SDK; imports `core` for the values that are stored
//! and sent, and nothing else of ours. No implementation lives here.

mod bus;
mod clock;
mod error;
mod message;
mod store;

pub use bus::{Acknowledge, Address, Bus, Caps, Consumer, Delivery, Envelope, Headers, LARGEST_BODY, Source};
pub use clock::{Clock, SystemClock};
pub use error::{Error, Kind, Result, Retry};
pub use message::{CallMessage, ControlMessage, OutcomeMessage};
pub use store::{
    Batch, Change, Consumed, Deployment, DueTimer, Filter, InstanceRow, ListedInstance, NewInstance, OutstandingCall,
    PendingCause, QueuedRetry, StartKey, Started, Store, StoredJournal, Verdict,
};
