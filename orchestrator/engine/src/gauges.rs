//! What the loop counts, for people and for tests.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the engine began, and what it holds now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Gauges {
    /// Batches that were committed.
    pub commits: u64,
    /// Steps of instances in those batches.
    pub steps: u64,
    /// Causes that changed nothing: late, repeated or forged outcomes among them.
    pub ignored: u64,
    /// Envelopes that could not be read or not be followed, and were dropped.
    pub refused: u64,
    /// Instances that were loaded from the store.
    pub loaded: u64,
    /// Instances that are in memory now.
    pub in_memory: u64,
    /// Instances that are set aside because their journal cannot be read.
    pub parked: u64,
}

/// The counters behind [`Gauges`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: Counter,
    pub(crate) steps: Counter,
    pub(crate) ignored: Counter,
    pub(crate) refused: Counter,
    pub(crate) loaded: Counter,
    pub(crate) in_memory: Counter,
    pub(crate) parked: Counter,
}

impl Counters {
    /// What they show now.
    pub(crate) fn read(&self) -> Gauges {
        Gauges {
            commits: self.commits.get(),
            steps: self.steps.get(),
            ignored: self.ignored.get(),
            refused: self.refused.get(),
            loaded: self.loaded.get(),
            in_memory: self.in_memory.get(),
            parked: self.parked.get(),
        }
    }
}

/// A number that many may read while one writes it.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Counts `number` more.
    pub(crate) fn add(&self, number: usize) {
        self.0.fetch_add(number as u64, Ordering::Relaxed);
    }

    /// Shows this from now on.
    pub(crate) fn set(&self, number: usize) {
        self.0.store(number as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
