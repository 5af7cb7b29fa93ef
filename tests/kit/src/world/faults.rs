//! What goes wrong in a world, and the count of what did.

use std::collections::BTreeMap;

use sagabus_core::time::Timestamp;

use crate::random::Random;

/// How often each class of fault strikes, in times per thousand.
#[derive(Clone, Debug)]
pub struct Faults {
    /// The bus loses an envelope.
    pub lose: u64,
    /// The bus delivers an envelope twice.
    pub duplicate: u64,
    /// The bus delays an envelope by up to a minute, and so reorders.
    pub delay: u64,
    /// The shell crashes: before a commit, or between a commit and what follows from it.
    pub crash: u64,
    /// A worker dies, before or after it did what it was asked for.
    pub worker: u64,
    /// A timer fires late.
    pub late_timer: u64,
    /// The shell forgets an instance that it had in memory.
    pub forget: u64,
    /// No fault strikes from this time on.
    pub until: Timestamp,
    /// Whether envelopes take a few milliseconds: off for scripts, whose times people read.
    pub latency: bool,
}

impl Faults {
    /// A world in which nothing goes wrong, and nothing takes time that was not asked to.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            lose: 0,
            duplicate: 0,
            delay: 0,
            crash: 0,
            worker: 0,
            late_timer: 0,
            forget: 0,
            until: Timestamp::from_millis(0),
            latency: false,
        }
    }

    /// Faults by seed. Each class is off in half of the seeds: faults that strike together hide each other.
    #[must_use]
    pub fn swarm(random: &mut Random, until: Timestamp) -> Self {
        let mut class = |most: u64| if random.per_mille(500) { 0 } else { 1 + random.below(most) };
        Self {
            lose: class(150),
            duplicate: class(200),
            delay: class(250),
            crash: class(60),
            worker: class(150),
            late_timer: class(300),
            forget: class(300),
            until,
            latency: true,
        }
    }

    /// Whether this is [`Faults::none`].
    #[must_use]
    pub const fn is_none(&self) -> bool {
        !self.latency
    }
}

/// How often what happened: the names are sentences, and a campaign fails if one of those it wants stays at 0.
#[derive(Clone, Debug, Default)]
pub struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    /// Counts one.
    pub fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// How often it happened.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// Adds another world's counts.
    pub fn add(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(what, times)| (*what, *times))
    }
}
