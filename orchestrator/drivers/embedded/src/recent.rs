//! Ids of envelopes that were published a short while ago: a repetition is dropped.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use sagabus_ports::{Address, Envelope};
use tokio::time::Instant;

/// How long a repetition is noticed: as long as JetStream does by default, so that nothing relies on more.
pub(crate) const WINDOW: Duration = Duration::from_secs(120);

/// Ids that are remembered at most, at some 100 bytes each. Beyond it the oldest are forgotten before their time, which
/// only costs a repeated delivery.
const MOST_IDS: usize = 100_000;

/// An id stands for one envelope to one address: the key of a start is unique for its workflow only.
type Identity = (Address, String);

#[derive(Default)]
pub(crate) struct Recent {
    known: HashSet<Identity>,
    by_age: VecDeque<(Instant, Identity)>,
}

impl Recent {
    /// Whether this is a repetition.
    pub(crate) fn contains(&mut self, envelope: &Envelope) -> bool {
        self.forget_old();
        self.known.contains(&identity(envelope))
    }

    /// Remembers an envelope.
    pub(crate) fn insert(&mut self, envelope: &Envelope) {
        if self.known.insert(identity(envelope)) {
            self.by_age.push_back((Instant::now(), identity(envelope)));
        }
        self.forget_old();
    }

    fn forget_old(&mut self) {
        let now = Instant::now();
        while let Some((since, identity)) = self.by_age.front() {
            if now.duration_since(*since) < WINDOW && self.by_age.len() <= MOST_IDS {
                return;
            }
            self.known.remove(identity);
            self.by_age.pop_front();
        }
    }
}

fn identity(envelope: &Envelope) -> Identity {
    (envelope.address.clone(), envelope.id.clone())
}
