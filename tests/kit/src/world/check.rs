//! What must hold of every decision, after every commit, and at rest.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use sagabus_core::{
    cause::Cause,
    decide::Decision,
    effect::{Attempt, CallStatus, Effect},
    fact::{Entry, Fact},
    id::{CallId, InstanceId},
    instance::Instance,
    report::Report,
};

use super::World;

/// Which logical call each idempotency key stands for: instance and place, and the arguments.
#[derive(Debug, Default)]
pub(super) struct Keys(BTreeMap<CallId, (String, serde_json::Value)>);

impl World {
    /// Of a decision: it continues the journal, the journal alone gives the successor, and nothing follows an end.
    pub(super) fn check_decision(
        &mut self,
        before: &Instance,
        after: &Instance,
        cause: &Cause,
        decision: &Decision,
    ) -> Result<()> {
        ensure!(decision.broken.is_none(), "the instance contradicts itself: {:?}", decision.broken);
        let Some(entry) = &decision.entry else {
            ensure!(decision.effects.is_empty(), "effects without an entry: {:?}", decision.effects);
            ensure!(decision.ignored.is_some(), "a cause led to nothing, and nothing says why");
            ensure!(before == after, "an ignored cause changed the instance");
            self.counters.count(ignored(cause));
            return Ok(());
        };
        ensure!(decision.ignored.is_none(), "an ignored cause has an entry: {entry:?}");
        ensure!(!entry.facts.is_empty(), "an entry without facts");
        ensure!(entry.seq == before.seq() + 1, "entry {} follows {}", entry.seq, before.seq());
        ensure!(entry.at == self.now, "the entry is of {}", entry.at);
        ensure!(entry.cause == cause.word(), "the entry of a {} says {}", cause.word(), entry.cause);
        if before.status().is_terminal() {
            ensure!(after.status() == before.status(), "a terminal status changes: {entry:?}");
        }
        let text = serde_json::to_string(entry)?;
        let read: Entry = serde_json::from_str(&text).with_context(|| text.clone())?;
        ensure!(read == *entry, "an entry is not what its JSON says: {text}");
        let mut replayed = before.clone();
        replayed.apply(&read).map_err(|reason| anyhow::anyhow!("the entry does not apply: {reason}: {text}"))?;
        ensure!(replayed == *after, "{text}\nleads to {replayed:?}\nand not to {after:?}");
        Ok(())
    }

    /// Of a commit: the facts fit the story, the effects fit the facts, the rows fit what is live.
    pub(super) fn check_committed(&mut self, instance: InstanceId, entry: &Entry, effects: &[Effect]) -> Result<()> {
        self.trace(entry);
        let attempts: BTreeMap<CallId, &Attempt> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Dispatch(attempt) => Some((attempt.call, attempt)),
                _ => None,
            })
            .collect();
        let mut called = BTreeSet::new();
        for fact in &entry.facts {
            let story = self.stories.entry(instance).or_default();
            story.tell(entry.seq, fact, &mut self.counters).with_context(|| format!("{fact:?}"))?;
            if let Fact::Called { execution, call, attempt, .. } = fact {
                let sent = attempts.get(call).with_context(|| format!("nothing is sent for {fact:?}"))?;
                ensure!(sent.attempt == *attempt, "{sent:?} is sent for {fact:?}");
                ensure!(sent.execution == *execution && sent.instance == instance, "{sent:?} is sent for {fact:?}");
                let place = format!("{instance}{}", story.path(*execution).unwrap_or_default());
                self.keys.claim(sent, place)?;
                called.insert(*call);
            }
        }
        ensure!(called.len() == attempts.len(), "an attempt is sent that no fact tells of: {attempts:?}");
        if entry.facts.iter().any(|fact| matches!(fact, Fact::Ended { .. })) {
            self.counters.count(ended(entry));
        }
        self.check_rows(instance)
    }

    /// Timers and subscriptions belong to what is live; outstanding calls are awaited.
    fn check_rows(&mut self, instance: InstanceId) -> Result<()> {
        let story = self.stories.entry(instance).or_default();
        let timers = self.rows.timers.keys().filter(|(owner, _)| *owner == instance);
        for (_, timer) in timers {
            ensure!(story.is_live(timer.execution), "a timer of what has ended: {timer:?}");
        }
        let subscriptions = self.rows.subscriptions.keys().filter(|(owner, _)| *owner == instance);
        for (_, execution) in subscriptions {
            ensure!(story.is_live(*execution), "a subscription of what has ended: {execution}");
        }
        for call in self.rows.calls.values().filter(|call| call.attempt.instance == instance) {
            let awaited = story.awaits(call.attempt.call, call.attempt.attempt);
            let outstanding = call.status == CallStatus::Outstanding;
            ensure!(awaited == outstanding, "the call is {:?}, awaited: {awaited}: {:?}", call.status, call.attempt);
            let retrying = call.status == CallStatus::Retrying;
            ensure!(!retrying || story.is_live(sagabus_core::id::ExecutionId::WORKFLOW), "a retry after the end");
        }
        Ok(())
    }

    /// Of time: when faults stop, everything ends within a bound.
    pub(super) fn check_liveness(&self) -> Result<()> {
        let late = self.ends_by.is_some_and(|by| self.now > by);
        ensure!(!late || !self.is_unfinished(), "not everything has ended by {}: {}", self.now, self.unfinished());
        Ok(())
    }

    /// What has not ended, for the message.
    fn unfinished(&self) -> String {
        let instances = self.rows.instances.iter().filter(|record| !record.status.is_terminal());
        let live = instances.map(|record| format!("{}: {:?}", record.id, self.stories.get(&record.id)));
        let inbox = self.rows.inbox.keys().map(|id| format!("inbox {id}"));
        live.chain(inbox).collect::<Vec<_>>().join("; ")
    }

    /// Of the end: every journal replays from every place to what the shell has in memory, and its report agrees.
    pub(super) fn check_at_rest(&self) -> Result<()> {
        for record in &self.rows.instances {
            let entries = self.rows.journal(record.id)?;
            let mut instance = Instance::new(record.id);
            for (index, entry) in entries.iter().enumerate() {
                ensure!(entry.seq == index as u64 + 1, "a gap in the journal of {} before {}", record.id, entry.seq);
                instance.apply(entry).map_err(|reason| anyhow::anyhow!("{} does not replay: {reason}", record.id))?;
                let prefix = Instance::replay(record.id, &entries[..=index]);
                ensure!(prefix.as_ref() == Ok(&instance), "a prefix of {} replays to something else", record.id);
            }
            ensure!(instance.status() == record.status, "{} replays to {:?}", record.id, instance.status());
            if let Some(cached) = self.shell.cached(record.id) {
                ensure!(*cached == instance, "{} replays to something else than it was", record.id);
            }
            let report = Report::of(&entries).with_context(|| format!("{} has no report", record.id))?;
            ensure!(report.status == record.status.word(), "{} is reported as {}", record.id, report.status);
            ensure!(report.ended_at.is_some() == record.status.is_terminal(), "the end of {} in its report", record.id);
        }
        Ok(())
    }

    /// Mixes a commit into the hash by which two runs of one seed are compared.
    fn trace(&mut self, entry: &Entry) {
        // FNV-1a, 64 bits.
        for byte in format!("{entry:?}").bytes() {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
}

impl Keys {
    /// Invariant: two logical calls never share a key.
    fn claim(&mut self, attempt: &Attempt, place: String) -> Result<()> {
        let claim = (place, attempt.arguments.clone());
        let owner = self.0.entry(attempt.call).or_insert_with(|| claim.clone());
        ensure!(*owner == claim, "two calls share key {}: {owner:?} and {claim:?}", attempt.call);
        Ok(())
    }
}

const fn ignored(cause: &Cause) -> &'static str {
    match cause {
        Cause::Start(_) => "a start was ignored",
        Cause::Outcome { .. } => "a late or repeated outcome was ignored",
        Cause::Due { .. } => "a late timer was ignored",
        Cause::Event { .. } => "an event was ignored",
        Cause::Child { .. } => "the end of a sub-flow was ignored",
        Cause::Cancel { .. } => "a cancellation was ignored",
    }
}

fn ended(entry: &Entry) -> &'static str {
    use sagabus_core::fact::EndStatus;
    match entry.facts.iter().find_map(|fact| if let Fact::Ended { status, .. } = fact { Some(*status) } else { None }) {
        Some(EndStatus::Faulted) => "an instance faulted",
        Some(EndStatus::Cancelled) => "an instance was cancelled",
        Some(EndStatus::Completed) | None => "an instance completed",
    }
}
