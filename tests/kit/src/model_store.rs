//! What a store should answer, as plainly as it can be said: maps, changed one effect at a time.
//!
//! The conformance suite compares the real stores with it, and whoever needs a store without a disk may use it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use sagabus_core::{
    cause::{Cause, EffectState, TimerId},
    effect::{Attempt, CallStatus, Effect},
    event::Event,
    fact::Entry,
    id::{CallId, Digest, ExecutionId, InstanceId, WorkflowName},
    problem::Problem,
    time::Timestamp,
};
use sagabus_ports::{
    Batch, Change, Consumed, Deployment, DueTimer, Error, Filter, InstanceRow, Kind, ListedInstance, NewInstance,
    OutstandingCall, PendingCause, QueuedRetry, Result, Retry, StartKey, Started, Store, StoredJournal, Verdict,
};

/// A store in plain maps. Nothing in it lasts longer than it does.
#[derive(Default)]
pub struct ModelStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    instances: BTreeMap<InstanceId, Instance>,
    calls: BTreeMap<CallId, Call>,
    timers: BTreeMap<(InstanceId, TimerId), Timestamp>,
    subscriptions: BTreeMap<(InstanceId, ExecutionId), Vec<String>>,
    inbox: BTreeMap<String, PendingCause>,
    outbox: BTreeMap<String, Event>,
    definitions: BTreeMap<Digest, String>,
    deployments: BTreeMap<WorkflowName, Deployment>,
}

struct Instance {
    new: NewInstance,
    row: InstanceRow,
    entries: Vec<Entry>,
}

struct Call {
    attempt: Attempt,
    first_enqueued_at: Timestamp,
    status: CallStatus,
    error: Option<Problem>,
    effect: Option<EffectState>,
    next_attempt_at: Option<Timestamp>,
}

impl ModelStore {
    /// A store with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for ModelStore {
    async fn commit(&self, batch: Batch) -> Result<Vec<Verdict>> {
        let mut instances = BTreeSet::new();
        let lawful = |change: &Change| {
            change.entry.seq == change.expected_seq + 1 && change.new.is_some() == (change.expected_seq == 0)
        };
        if !batch.changes.iter().all(|change| instances.insert(change.instance) && lawful(change)) {
            return Err(Error::new(Kind::Invalid, Retry::Never, "commit a batch that breaks the contract"));
        }
        Ok(self.state().commit(batch))
    }

    async fn load(&self, instances: &[InstanceId]) -> Result<Vec<Option<StoredJournal>>> {
        let state = self.state();
        let journal = |id: &InstanceId| {
            let instance = state.instances.get(id)?;
            let (digest, entries) = (instance.new.digest.clone(), Ok(instance.entries.clone()));
            Some(StoredJournal { instance: *id, digest, entries })
        };
        Ok(instances.iter().map(journal).collect())
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<(Vec<DueTimer>, Option<Timestamp>)> {
        let state = self.state();
        let mut timers: Vec<DueTimer> = state
            .timers
            .iter()
            .map(|((instance, timer), due)| DueTimer { instance: *instance, timer: *timer, due: *due })
            .collect();
        timers.sort_by_key(|it| (it.due, it.instance, it.timer.execution, it.timer.purpose.word()));
        let count = timers.iter().take(limit as usize).filter(|timer| timer.due <= now).count();
        let next = timers.get(count).map(|timer| timer.due);
        timers.truncate(count);
        Ok((timers, next))
    }

    async fn outstanding(&self, after: Option<&str>, limit: u32) -> Result<Vec<OutstandingCall>> {
        let state = self.state();
        let calls = state.calls.values().filter(|call| call.status == CallStatus::Outstanding);
        let calls = calls.filter(|call| after.is_none_or(|after| call.attempt.call.to_string().as_str() > after));
        Ok(calls.take(limit as usize).map(|call| OutstandingCall { attempt: call.attempt.clone() }).collect())
    }

    async fn pending(&self, after: Option<&str>, limit: u32) -> Result<Vec<PendingCause>> {
        Ok(page(&self.state().inbox, after, limit).map(|(_, cause)| cause.clone()).collect())
    }

    async fn unpublished(&self, after: Option<&str>, limit: u32) -> Result<Vec<(String, Event)>> {
        Ok(page(&self.state().outbox, after, limit).map(|(id, event)| (id.clone(), event.clone())).collect())
    }

    async fn listeners(&self, event_type: &str) -> Result<Vec<InstanceId>> {
        let wants = |types: &Vec<String>| types.is_empty() || types.iter().any(|kind| kind == event_type);
        let state = self.state();
        let heard = state.subscriptions.iter().filter(|(_, types)| wants(types)).map(|((instance, _), _)| *instance);
        Ok(heard.collect::<BTreeSet<_>>().into_iter().collect())
    }

    async fn started(&self, key: StartKey<'_>) -> Result<Option<Started>> {
        let state = self.state();
        let id = state.holder(key.namespace, key.name, key.key);
        Ok(id.and_then(|id| state.instances.get(&id).map(|instance| (id, instance))).map(|(id, instance)| Started {
            instance: id,
            input_digest: instance.new.input_digest.clone(),
            status: instance.row.status,
        }))
    }

    async fn deploy(&self, deployment: Deployment) -> Result<()> {
        let mut state = self.state();
        state.definitions.entry(deployment.digest.clone()).or_insert_with(|| deployment.source.clone());
        state.deployments.insert(deployment.name.clone(), deployment);
        Ok(())
    }

    async fn deployments(&self) -> Result<Vec<Deployment>> {
        Ok(self.state().deployments.values().cloned().collect())
    }

    async fn source(&self, digest: &Digest) -> Result<Option<String>> {
        Ok(self.state().definitions.get(digest).cloned())
    }

    async fn list(&self, filter: Filter) -> Result<Vec<ListedInstance>> {
        let state = self.state();
        let before = filter.before.map(|id| state.instances.get(&id).map(|instance| (instance.new.started_at, id)));
        let mut listed: Vec<ListedInstance> = state.instances.iter().filter_map(listed).collect();
        listed.retain(|it| {
            filter.namespace.as_ref().is_none_or(|namespace| it.workflow.namespace == *namespace)
                && filter.name.as_ref().is_none_or(|name| it.workflow.name == *name)
                && filter.status.is_none_or(|status| it.status == status)
                && before.is_none_or(|before| before.is_some_and(|before| (it.started_at, it.id) < before))
        });
        listed.sort_by_key(|it| std::cmp::Reverse((it.started_at, it.id)));
        listed.truncate(if filter.limit == 0 { 100 } else { filter.limit as usize });
        Ok(listed)
    }

    async fn retries(&self, limit: u32) -> Result<Vec<QueuedRetry>> {
        let state = self.state();
        let mut calls: Vec<&Call> = state.calls.values().filter(|call| call.status == CallStatus::Retrying).collect();
        calls.sort_by_key(|call| (call.next_attempt_at, call.attempt.call));
        Ok(calls.into_iter().take(limit as usize).map(queued).collect())
    }
}

impl State {
    fn commit(&mut self, batch: Batch) -> Vec<Verdict> {
        for timer in &batch.expired {
            if self.timers.get(&(timer.instance, timer.timer)) == Some(&timer.due) {
                self.timers.remove(&(timer.instance, timer.timer));
            }
        }
        for cause in batch.inbox {
            self.inbox.entry(cause.id.clone()).or_insert(cause);
        }
        let verdicts = batch.changes.into_iter().map(|change| self.change(change)).collect();
        for id in batch.dropped {
            self.inbox.remove(&id);
        }
        for id in batch.published {
            self.outbox.remove(&id);
        }
        verdicts
    }

    fn change(&mut self, change: Change) -> Verdict {
        if let Some(new) = &change.new
            && let Some(holder) = self.holder(&new.workflow.namespace, &new.workflow.name, &new.key)
        {
            return Verdict::KeyTaken(holder);
        }
        let stored_seq = self.instances.get(&change.instance).map_or(0, |instance| instance.entries.len() as u64);
        if stored_seq != change.expected_seq {
            return Verdict::Conflict;
        }
        for consumed in change.consumed {
            match consumed {
                Consumed::Timer(timer) => _ = self.timers.remove(&(change.instance, timer)),
                Consumed::Pending(id) => _ = self.inbox.remove(&id),
            }
        }
        for (index, effect) in change.effects.into_iter().enumerate() {
            self.effect(change.instance, format!("{}:{}:{index}", change.instance, change.entry.seq), effect);
        }
        if change.row.status.is_terminal() {
            self.timers.retain(|(instance, _), _| *instance != change.instance);
            self.subscriptions.retain(|(instance, _), _| *instance != change.instance);
        }
        match (change.new, self.instances.get_mut(&change.instance)) {
            (None, Some(instance)) => {
                instance.row = change.row;
                instance.entries.push(change.entry);
            }
            (new, _) => {
                let instance = new.map(|new| Instance { new, row: change.row, entries: vec![change.entry] });
                self.instances.extend(instance.map(|instance| (change.instance, instance)));
            }
        }
        Verdict::Committed
    }

    fn effect(&mut self, instance: InstanceId, id: String, effect: Effect) {
        match effect {
            Effect::Dispatch(attempt) => self.dispatch(attempt),
            Effect::Settle(settlement) => {
                if let Some(call) = self.calls.get_mut(&settlement.call) {
                    call.status = settlement.status;
                    call.error = settlement.error;
                    call.effect = settlement.effect;
                    call.next_attempt_at = settlement.next_attempt_at;
                }
            }
            Effect::SetTimer { timer, due } => _ = self.timers.insert((instance, timer), due),
            Effect::ClearTimer { timer } => _ = self.timers.remove(&(instance, timer)),
            Effect::Subscribe { execution, types } => _ = self.subscriptions.insert((instance, execution), types),
            Effect::Unsubscribe { execution } => _ = self.subscriptions.remove(&(instance, execution)),
            Effect::StartChild(child) => {
                let cause = Cause::Start(child.start);
                let workflow = Some((child.namespace, child.name, child.version));
                self.inbox.insert(id.clone(), PendingCause { id, instance: child.id, cause, workflow });
            }
            Effect::Notify { instance, cause } => {
                self.inbox.insert(id.clone(), PendingCause { id, instance, cause, workflow: None });
            }
            Effect::Publish(event) => _ = self.outbox.insert(id, event),
        }
    }

    /// A further attempt leaves the last error in place: it says why there is one.
    fn dispatch(&mut self, attempt: Attempt) {
        let before = self.calls.remove(&attempt.call);
        let call = Call {
            first_enqueued_at: before.as_ref().map_or(attempt.enqueued_at, |call| call.first_enqueued_at),
            status: CallStatus::Outstanding,
            effect: before.as_ref().and_then(|call| call.effect),
            error: before.and_then(|call| call.error),
            next_attempt_at: None,
            attempt,
        };
        self.calls.insert(call.attempt.call, call);
    }

    fn holder(&self, namespace: &str, name: &str, key: &str) -> Option<InstanceId> {
        let holds =
            |new: &NewInstance| new.workflow.namespace == namespace && new.workflow.name == name && new.key == key;
        self.instances.iter().find(|(_, instance)| holds(&instance.new)).map(|(id, _)| *id)
    }
}

/// The rows after this id.
fn page<'a, T>(
    rows: &'a BTreeMap<String, T>,
    after: Option<&str>,
    limit: u32,
) -> impl Iterator<Item = (&'a String, &'a T)> {
    let after = after.unwrap_or_default().to_owned();
    rows.iter().filter(move |(id, _)| **id > after).take(limit as usize)
}

fn listed((id, instance): (&InstanceId, &Instance)) -> Option<ListedInstance> {
    Some(ListedInstance {
        id: *id,
        workflow: instance.new.workflow.clone(),
        key: instance.new.key.clone(),
        status: instance.row.status,
        error: instance.row.error.clone(),
        started_at: instance.new.started_at,
        updated_at: instance.entries.last()?.at,
        ended_at: instance.row.ended_at,
    })
}

fn queued(call: &Call) -> QueuedRetry {
    let attempt = &call.attempt;
    QueuedRetry {
        call: attempt.call.to_string(),
        instance: attempt.instance,
        workflow: attempt.workflow.to_string(),
        reference: attempt.reference.clone(),
        adapter: attempt.adapter.clone(),
        function: attempt.function.clone(),
        attempt: attempt.attempt,
        attempts_allowed: attempt.attempts_allowed,
        next_attempt_at: call.next_attempt_at,
        last_error: call.error.clone(),
        effect: call.effect.map(|effect| match effect {
            EffectState::None => "none".to_owned(),
            EffectState::Unknown => "unknown".to_owned(),
        }),
        first_enqueued_at: call.first_enqueued_at,
        deadline: attempt.deadline,
        paused: false,
    }
}
