//! The committed truth of a world: journals, and rows of calls, timers, subscriptions, inbox and outbox, as
//! [`Effect`] says what becomes a row.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use sagabus_core::{
    cause::{Cause, TimerId},
    effect::{Attempt, CallStatus, Effect},
    event::Event,
    fact::Entry,
    id::{CallId, Digest, ExecutionId, InstanceId, WorkflowName},
    instance::{Instance, Status},
    time::Timestamp,
};
use sagabus_ports::{Consumed, PendingCause};

/// The tables.
#[derive(Debug, Default)]
pub struct Rows {
    /// How many commits there were.
    pub commits: u64,
    /// Instances in the order in which they were first committed.
    pub instances: Vec<InstanceRecord>,
    /// Entries as JSON text: whatever is loaded has been through the promised format.
    journals: BTreeMap<InstanceId, Vec<String>>,
    /// Calls by id.
    pub calls: BTreeMap<CallId, CallRow>,
    /// When timers are due.
    pub timers: BTreeMap<(InstanceId, TimerId), Timestamp>,
    /// Types of events that executions listen to; an empty list is all.
    pub subscriptions: BTreeMap<(InstanceId, ExecutionId), Vec<String>>,
    /// Causes by id of the row.
    pub inbox: BTreeMap<String, PendingCause>,
    /// Events to be published, by id of the row.
    pub outbox: BTreeMap<String, Event>,
    accepted: u64,
}

/// An instance's row.
#[derive(Clone, Debug)]
pub struct InstanceRecord {
    /// The instance.
    pub id: InstanceId,
    /// Its workflow.
    pub workflow: WorkflowName,
    /// Its plan.
    pub digest: Digest,
    /// Its status.
    pub status: Status,
}

/// A call's row.
#[derive(Clone, Debug)]
pub struct CallRow {
    /// The last attempt.
    pub attempt: Attempt,
    /// What became of it.
    pub status: CallStatus,
    /// The commit that made the last attempt an intent.
    pub commit: u64,
}

impl Rows {
    /// The entries of an instance; empty if there is no such instance.
    ///
    /// # Errors
    /// An entry is not in the promised format.
    pub fn journal(&self, instance: InstanceId) -> Result<Vec<Entry>> {
        let texts = self.journals.get(&instance).map_or(&[][..], Vec::as_slice);
        texts.iter().map(|text| serde_json::from_str(text).with_context(|| format!("entry {text}"))).collect()
    }

    /// The instance that the journal adds up to.
    ///
    /// # Errors
    /// The journal contradicts itself.
    pub fn replay(&self, instance: InstanceId) -> Result<Instance> {
        Instance::replay(instance, &self.journal(instance)?)
            .map_err(|reason| anyhow::anyhow!("the journal of {instance} does not replay: {reason}"))
    }

    /// The row of an instance.
    #[must_use]
    pub fn instance(&self, id: InstanceId) -> Option<&InstanceRecord> {
        self.instances.iter().find(|record| record.id == id)
    }

    /// Instances that listen to events of this type.
    #[must_use]
    pub fn listeners(&self, kind: &str) -> Vec<InstanceId> {
        let wants = |types: &Vec<String>| types.is_empty() || types.iter().any(|wanted| wanted == kind);
        let mut found: Vec<InstanceId> =
            self.subscriptions.iter().filter(|(_, types)| wants(types)).map(|((instance, _), _)| *instance).collect();
        found.dedup();
        found
    }

    pub(super) fn accept_number(&mut self) -> u64 {
        self.accepted += 1;
        self.accepted
    }

    pub(super) fn accept(&mut self, pending: PendingCause) {
        self.commits += 1;
        self.inbox.insert(pending.id.clone(), pending);
    }

    /// Deletes a row of the inbox that leads to nothing.
    pub(super) fn drop_consumed(&mut self, instance: InstanceId, consumed: &[Consumed]) {
        for row in consumed {
            match row {
                Consumed::Timer(timer) => drop(self.timers.remove(&(instance, *timer))),
                Consumed::Pending(id) => drop(self.inbox.remove(id)),
            }
        }
    }

    /// Commits one step of one instance.
    pub(super) fn commit(
        &mut self,
        record: InstanceRecord,
        entry: &Entry,
        effects: &[Effect],
        consumed: &[Consumed],
    ) -> Result<()> {
        self.commits += 1;
        let id = record.id;
        let journal = self.journals.entry(id).or_default();
        ensure!(entry.seq == journal.len() as u64 + 1, "entry {} follows {} others", entry.seq, journal.len());
        journal.push(serde_json::to_string(entry)?);
        match self.instances.iter_mut().find(|known| known.id == id) {
            Some(known) => *known = record,
            None => self.instances.push(record),
        }
        self.drop_consumed(id, consumed);
        for (index, effect) in effects.iter().enumerate() {
            self.record(id, &row_id(id, entry.seq, index), effect)?;
        }
        Ok(())
    }

    fn record(&mut self, id: InstanceId, row: &str, effect: &Effect) -> Result<()> {
        match effect {
            Effect::Dispatch(attempt) => self.dispatch(attempt)?,
            Effect::Settle(settlement) => {
                let Some(call) = self.calls.get_mut(&settlement.call) else {
                    bail!("a call is settled that was never dispatched: {settlement:?}")
                };
                ensure!(call.attempt.attempt == settlement.attempt, "another attempt is settled: {settlement:?}");
                let settled = !matches!(call.status, CallStatus::Outstanding | CallStatus::Retrying);
                ensure!(!settled, "a call that is {:?} is settled again: {settlement:?}", call.status);
                ensure!(settlement.status != CallStatus::Outstanding, "settled as outstanding: {settlement:?}");
                call.status = settlement.status;
            }
            Effect::SetTimer { timer, due } => drop(self.timers.insert((id, *timer), *due)),
            Effect::ClearTimer { timer } => drop(self.timers.remove(&(id, *timer))),
            Effect::Subscribe { execution, types } => drop(self.subscriptions.insert((id, *execution), types.clone())),
            Effect::Unsubscribe { execution } => drop(self.subscriptions.remove(&(id, *execution))),
            Effect::StartChild(child) => {
                let workflow = Some((child.namespace.clone(), child.name.clone(), child.version.clone()));
                let cause = Cause::Start(child.start.clone());
                let pending = PendingCause { id: row.to_owned(), instance: child.id, cause, workflow };
                self.inbox.insert(row.to_owned(), pending);
            }
            Effect::Notify { instance, cause } => {
                let pending =
                    PendingCause { id: row.to_owned(), instance: *instance, cause: cause.clone(), workflow: None };
                self.inbox.insert(row.to_owned(), pending);
            }
            Effect::Publish(event) => drop(self.outbox.insert(row.to_owned(), event.clone())),
        }
        Ok(())
    }

    fn dispatch(&mut self, attempt: &Attempt) -> Result<()> {
        if let Some(before) = self.calls.get(&attempt.call) {
            ensure!(before.status != CallStatus::Outstanding, "an outstanding call is dispatched again: {attempt:?}");
            let (last, next) = (before.attempt.attempt, attempt.attempt);
            ensure!(next == last + 1, "attempt {next} of a call follows attempt {last}: {attempt:?}");
        } else {
            ensure!(attempt.attempt == 1, "the first attempt of a call is number {}: {attempt:?}", attempt.attempt);
        }
        let row = CallRow { attempt: attempt.clone(), status: CallStatus::Outstanding, commit: self.commits };
        self.calls.insert(attempt.call, row);
        Ok(())
    }
}

/// The id of the row that an effect becomes: `<sender>:<seq>:<n>`.
pub(super) fn row_id(sender: InstanceId, seq: u64, index: usize) -> String {
    format!("{sender}:{seq}:{index}")
}
