//! What must hold of every decision, after every commit, and at rest.

use anyhow::{Context, Result, ensure};
use sagabus_core::{cause::Cause, decide::Decision, effect::Effect, fact::Entry, id::InstanceId, instance::Instance};

use super::World;

impl World {
    /// Of a decision: it continues the journal, the journal alone gives the successor, and nothing follows an end.
    pub(super) fn check_decision(
        &mut self,
        before: &Instance,
        after: &Instance,
        cause: &Cause,
        decision: &Decision,
    ) -> Result<()> {
        let Some(entry) = &decision.entry else {
            ensure!(decision.effects.is_empty(), "effects without an entry: {:?}", decision.effects);
            ensure!(decision.ignored.is_some(), "a cause led to nothing, and nothing says why");
            ensure!(before == after, "an ignored cause changed the instance");
            self.counters.count(ignored(cause));
            return Ok(());
        };
        ensure!(decision.ignored.is_none(), "an ignored cause has an entry: {entry:?}");
        ensure!(!before.status().is_terminal(), "an entry follows the end: {entry:?}");
        ensure!(entry.seq == before.seq() + 1, "entry {} follows {}", entry.seq, before.seq());
        ensure!(entry.at == self.now, "the entry is of {}", entry.at);
        ensure!(entry.cause == cause.word(), "the entry of a {} says {}", cause.word(), entry.cause);
        let text = serde_json::to_string(entry)?;
        let read: Entry = serde_json::from_str(&text).with_context(|| text.clone())?;
        ensure!(read == *entry, "an entry is not what its JSON says: {text}");
        let mut replayed = before.clone();
        replayed.apply(&read).map_err(|reason| anyhow::anyhow!("the entry does not apply: {reason}: {text}"))?;
        ensure!(
            replayed == *after,
            "the entry does not lead to the successor: {text}\nit leads to {replayed:?}\nnot {after:?}"
        );
        Ok(())
    }

    /// Of a commit.
    pub(super) fn check_committed(&mut self, instance: InstanceId, entry: &Entry, effects: &[Effect]) -> Result<()> {
        let _ = (instance, entry, effects);
        Ok(())
    }

    /// Of the end: every journal replays from every place to what the shell has in memory.
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
        }
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
