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
pub(crate) type Identity = (Address, String);

#[derive(Default)]
pub(crate) struct Recent {
    known: HashSet<Identity>,
    by_age: VecDeque<(Instant, Identity)>,
}

impl Recent {
    /// Whether this is a repetition.
    pub(crate) fn contains(&mut self, identity: &Identity, now: Instant) -> bool {
        self.forget_old(now);
        self.known.contains(identity)
    }

    /// Remembers an envelope.
    pub(crate) fn insert(&mut self, identity: Identity, now: Instant) {
        if self.known.insert(identity.clone()) {
            self.by_age.push_back((now, identity));
        }
        self.forget_old(now);
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((since, identity)) = self.by_age.front() {
            if now.duration_since(*since) < WINDOW && self.by_age.len() <= MOST_IDS {
                return;
            }
            self.known.remove(identity);
            self.by_age.pop_front();
        }
    }
}

/// What makes an envelope the same as another.
pub(crate) fn identity(envelope: &Envelope) -> Identity {
    (envelope.address.clone(), envelope.id.clone())
}

#[cfg(test)]
mod tests {
    use sagabus_ports::Address;
    use tokio::time::Instant;

    use super::{MOST_IDS, Recent, WINDOW};

    #[test]
    fn an_id_is_forgotten_after_the_window_and_not_before() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        let identity = (Address::Control, "1".to_owned());
        recent.insert(identity.clone(), now);
        assert!(recent.contains(&identity, now + WINDOW - std::time::Duration::from_millis(1)));
        assert!(!recent.contains(&identity, now + WINDOW));
    }

    #[test]
    fn the_oldest_ids_are_forgotten_when_there_are_too_many() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        let identity = |n: usize| (Address::Control, n.to_string());
        (0..=MOST_IDS).for_each(|n| recent.insert(identity(n), now));
        assert!(!recent.contains(&identity(0), now));
        assert!(recent.contains(&identity(1), now) && recent.contains(&identity(MOST_IDS), now));
    }
}
