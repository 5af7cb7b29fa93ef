//! The bus: loses, repeats, delays and reorders; and what finds again what it lost.

use anyhow::Result;
use sagabus_core::{effect::CallStatus, event::Event};

use super::{Happening, World};

/// How often the shell looks for what the bus forgot.
pub(super) const RECONCILE_EVERY_MS: u64 = 30_000;

/// How long the bus waits before it delivers again what was not acknowledged.
const REDELIVER_AFTER_MS: u64 = 5_000;

impl World {
    /// Whether a fault of this frequency strikes now.
    pub(super) fn strikes(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.now < self.faults.until && self.random.per_mille(per_mille)
    }

    /// Hands a happening to the bus.
    pub(super) fn publish(&mut self, happening: Happening) {
        if self.strikes(self.faults.lose) {
            self.counters.count("the bus lost an envelope");
            return;
        }
        if self.strikes(self.faults.duplicate) {
            self.counters.count("the bus delivered an envelope twice");
            let delay_ms = self.latency_ms();
            self.schedule(delay_ms, happening.clone());
        }
        let delay_ms = self.latency_ms();
        self.schedule(delay_ms, happening);
    }

    /// Events are durable on the bus: they come late or twice, but they come.
    pub(super) fn publish_event(&mut self, event: Event) {
        if self.strikes(self.faults.duplicate) {
            self.counters.count("the bus delivered an event twice");
            let delay_ms = self.latency_ms();
            self.schedule(delay_ms, Happening::Event(Box::new(event.clone())));
        }
        let delay_ms = self.latency_ms();
        self.schedule(delay_ms, Happening::Event(Box::new(event)));
    }

    /// Delivers again what was not acknowledged.
    pub(super) fn redeliver(&mut self, happening: Happening) {
        self.schedule(REDELIVER_AFTER_MS, happening);
    }

    /// Publishes again what is outstanding. It may have been delivered, or be under way: all receivers bear that.
    pub(super) fn reconcile(&mut self) -> Result<()> {
        let outstanding: Vec<_> = self
            .rows
            .calls
            .values()
            .filter(|call| call.status == CallStatus::Outstanding)
            .map(|call| call.attempt.clone())
            .collect();
        for attempt in outstanding {
            self.counters.count("an outstanding call was published again");
            self.publish(Happening::Call(Box::new(attempt)));
        }
        for id in self.rows.inbox.keys().cloned().collect::<Vec<_>>() {
            let delay_ms = self.latency_ms();
            self.schedule(delay_ms, Happening::Pending { id });
        }
        for (_, event) in std::mem::take(&mut self.rows.outbox) {
            self.publish_event(event);
        }
        if self.needs_reconciling() {
            self.schedule(RECONCILE_EVERY_MS, Happening::Reconcile);
        }
        Ok(())
    }

    /// Whether anything may need to be found again: a world at rest reconciles nothing.
    fn needs_reconciling(&self) -> bool {
        !self.faults.is_none() && self.is_unfinished()
    }

    /// Whether an instance has not ended, or a call nobody waits for is outstanding.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.rows.inbox.is_empty()
            || self.rows.instances.iter().any(|instance| !instance.status.is_terminal())
            || self.rows.calls.values().any(|call| call.status == CallStatus::Outstanding)
    }

    /// Events from outside, of each type one.
    pub(super) fn rise(&mut self, types: Vec<String>, every_ms: u64) {
        for kind in &types {
            self.scheduled += 1;
            let id = format!("tide-{}", self.scheduled);
            let attributes = [("data".to_owned(), serde_json::json!({ "tide": "high" }))].into_iter().collect();
            self.publish_event(Event { id, source: "/outside".to_owned(), kind: kind.clone(), attributes });
        }
        if self.is_unfinished() {
            self.schedule(every_ms, Happening::Tide { types, every_ms });
        }
    }

    pub(super) fn latency_ms(&mut self) -> u64 {
        if !self.faults.latency {
            return 0;
        }
        let usual_ms = 1 + self.random.below(20);
        // Everything that passes through a queue may wait there, the inbox included.
        if self.strikes(self.faults.delay) {
            self.counters.count("the bus delayed an envelope");
            return usual_ms + self.random.below(60_000);
        }
        usual_ms
    }
}
