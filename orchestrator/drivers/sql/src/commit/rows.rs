//! Turns changes into rows: the last word on each call, timer and subscription counts, because a step may say several.

use std::collections::BTreeMap;

use sagabus_core::{
    cause::{Cause, EffectState, TimerId},
    effect::{Attempt, CallStatus, Effect, Settlement},
    id::{CallId, ExecutionId, InstanceId},
    problem::Problem,
    time::Timestamp,
};
use sagabus_ports::{Batch, Change, Consumed, DueTimer};

use super::statements::{
    self as sql, AttemptRow, EntryRow, InboxRow, NewRow, OutboxRow, SettlementRow, StateRow, SubscriptionRow, TimerRow,
    json,
};

/// The rows of a batch, by kind.
#[derive(Default)]
pub(super) struct Rows<'a> {
    new: Vec<NewRow<'a>>,
    states: Vec<StateRow>,
    entries: Vec<EntryRow<'a>>,
    calls: BTreeMap<CallId, Call<'a>>,
    timers: BTreeMap<(InstanceId, TimerId), Option<Timestamp>>,
    subscriptions: BTreeMap<(InstanceId, ExecutionId), Option<&'a [String]>>,
    ended: Vec<InstanceId>,
    inbox: Vec<InboxRow<'a>>,
    dealt_with: Vec<&'a str>,
    outbox: Vec<OutboxRow>,
    published: &'a [String],
    expired: &'a [DueTimer],
}

impl<'a> Rows<'a> {
    /// The rows of a batch of which these changes are committed.
    pub(super) fn gather(
        batch: &'a Batch,
        committed: impl Iterator<Item = &'a Change>,
    ) -> Result<Self, serde_json::Error> {
        let mut rows = Self { published: &batch.published, expired: &batch.expired, ..Self::default() };
        for pending in &batch.inbox {
            let workflow = pending.workflow.as_ref();
            rows.inbox.push(InboxRow {
                id: pending.id.clone(),
                instance: pending.instance,
                cause: json(&pending.cause)?,
                namespace: workflow.map(|(namespace, _, _)| namespace.as_str()),
                name: workflow.map(|(_, name, _)| name.as_str()),
                version: workflow.and_then(|(_, _, version)| version.as_deref()),
            });
        }
        rows.dealt_with.extend(batch.dropped.iter().map(String::as_str));
        for change in committed {
            rows.add(change)?;
        }
        Ok(rows)
    }

    /// Statements with their rows, each as a JSON array, in the order in which they must run: instances before what
    /// refers to them, deletions before insertions of the same table, except in the inbox, where a cause may come and
    /// be dealt with in one batch.
    pub(super) fn statements(&self) -> Result<Vec<(&'static str, String)>, serde_json::Error> {
        let mut statements = Vec::new();
        add(&mut statements, sql::INSERT_INSTANCES, &self.new)?;
        add(&mut statements, sql::UPDATE_INSTANCES, &self.states)?;
        add(&mut statements, sql::INSERT_ENTRIES, &self.entries)?;
        self.add_calls(&mut statements)?;
        self.add_timers(&mut statements)?;
        self.add_subscriptions(&mut statements)?;
        add(&mut statements, sql::END_TIMERS, &self.ended)?;
        add(&mut statements, sql::END_SUBSCRIPTIONS, &self.ended)?;
        add(&mut statements, sql::INSERT_INBOX, &self.inbox)?;
        add(&mut statements, sql::DELETE_INBOX, &self.dealt_with)?;
        add(&mut statements, sql::INSERT_OUTBOX, &self.outbox)?;
        add(&mut statements, sql::DELETE_OUTBOX, self.published)?;
        Ok(statements)
    }

    fn add(&mut self, change: &'a Change) -> Result<(), serde_json::Error> {
        let instance = change.instance;
        let state = StateRow::of(change)?;
        match &change.new {
            Some(new) => self.new.push(NewRow::of(new, state)),
            None => self.states.push(state),
        }
        self.entries.push(EntryRow::of(instance, &change.entry)?);
        for consumed in &change.consumed {
            match consumed {
                Consumed::Timer(timer) => _ = self.timers.insert((instance, *timer), None),
                Consumed::Pending(id) => self.dealt_with.push(id),
            }
        }
        for (index, effect) in change.effects.iter().enumerate() {
            self.add_effect(change, index, effect)?;
        }
        if change.row.status.is_terminal() {
            self.timers.retain(|(owner, _), _| *owner != instance);
            self.subscriptions.retain(|(owner, _), _| *owner != instance);
            self.ended.push(instance);
        }
        Ok(())
    }

    fn add_effect(&mut self, change: &Change, index: usize, effect: &'a Effect) -> Result<(), serde_json::Error> {
        let instance = change.instance;
        let id = || format!("{instance}:{}:{index}", change.entry.seq);
        match effect {
            Effect::Dispatch(attempt) => self.calls.entry(attempt.call).or_default().dispatch(attempt),
            Effect::Settle(settlement) => self.calls.entry(settlement.call).or_default().settle(settlement),
            Effect::SetTimer { timer, due } => _ = self.timers.insert((instance, *timer), Some(*due)),
            Effect::ClearTimer { timer } => _ = self.timers.insert((instance, *timer), None),
            Effect::Subscribe { execution, types } => {
                self.subscriptions.insert((instance, *execution), Some(types));
            }
            Effect::Unsubscribe { execution } => _ = self.subscriptions.insert((instance, *execution), None),
            Effect::StartChild(child) => self.inbox.push(InboxRow {
                id: id(),
                instance: child.id,
                cause: json(&Cause::Start(child.start.clone()))?,
                namespace: Some(&child.namespace),
                name: Some(&child.name),
                version: child.version.as_deref(),
            }),
            Effect::Notify { instance, cause } => self.inbox.push(InboxRow {
                id: id(),
                instance: *instance,
                cause: json(cause)?,
                namespace: None,
                name: None,
                version: None,
            }),
            Effect::Publish(event) => self.outbox.push(OutboxRow { id: id(), event: json(event)? }),
        }
        Ok(())
    }

    fn add_calls(&self, statements: &mut Vec<(&'static str, String)>) -> Result<(), serde_json::Error> {
        let attempts =
            self.calls.values().filter_map(|call| call.attempt.map(|(first, last)| AttemptRow::of(first, last)));
        add(statements, sql::UPSERT_CALLS, &attempts.collect::<Result<Vec<_>, _>>()?)?;
        let settled = self.calls.iter().filter_map(|(id, call)| {
            let (error, effect) = call.settled?;
            Some(SettlementRow::of(*id, call.status, error, effect, call.next_attempt_at))
        });
        add(statements, sql::SETTLE_CALLS, &settled.collect::<Result<Vec<_>, _>>()?)
    }

    fn add_timers(&self, statements: &mut Vec<(&'static str, String)>) -> Result<(), serde_json::Error> {
        let expired = self.expired.iter().map(|timer| TimerRow::of(timer.instance, timer.timer, Some(timer.due)));
        add(statements, sql::EXPIRE_TIMERS, &expired.collect::<Vec<_>>())?;
        let said = self.timers.iter().map(|((instance, timer), due)| TimerRow::of(*instance, *timer, *due));
        let (set, cleared): (Vec<_>, Vec<_>) = said.partition(|row| row.due.is_some());
        add(statements, sql::CLEAR_TIMERS, &cleared)?;
        add(statements, sql::SET_TIMERS, &set)
    }

    fn add_subscriptions(&self, statements: &mut Vec<(&'static str, String)>) -> Result<(), serde_json::Error> {
        let mut replaced = Vec::new();
        let mut inserted = Vec::new();
        for ((instance, execution), types) in &self.subscriptions {
            let row = |kind| SubscriptionRow { instance: *instance, execution: *execution, kind };
            replaced.push(row(""));
            match types {
                Some([]) => inserted.push(row(sql::ALL_EVENTS)),
                Some(types) => inserted.extend(types.iter().map(|kind| row(kind))),
                None => {}
            }
        }
        add(statements, sql::DELETE_SUBSCRIPTIONS, &replaced)?;
        add(statements, sql::INSERT_SUBSCRIPTIONS, &inserted)
    }
}

/// A statement without rows is not run at all.
fn add<T: serde::Serialize>(
    statements: &mut Vec<(&'static str, String)>,
    statement: &'static str,
    rows: &[T],
) -> Result<(), serde_json::Error> {
    if !rows.is_empty() {
        statements.push((statement, json(rows)?));
    }
    Ok(())
}

/// What a batch says of one call.
struct Call<'a> {
    /// The first and the last attempt that were dispatched, if one was.
    attempt: Option<(&'a Attempt, &'a Attempt)>,
    status: CallStatus,
    next_attempt_at: Option<Timestamp>,
    /// Error and effect of the last settlement, if there was one: a dispatch leaves what is stored, so that a call on
    /// its fifth attempt still says why.
    settled: Option<(Option<&'a Problem>, Option<EffectState>)>,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Self { attempt: None, status: CallStatus::Outstanding, next_attempt_at: None, settled: None }
    }
}

impl<'a> Call<'a> {
    fn dispatch(&mut self, attempt: &'a Attempt) {
        self.attempt = Some((self.attempt.map_or(attempt, |(first, _)| first), attempt));
        self.status = CallStatus::Outstanding;
        self.next_attempt_at = None;
    }

    fn settle(&mut self, settlement: &'a Settlement) {
        self.status = settlement.status;
        self.next_attempt_at = settlement.next_attempt_at;
        self.settled = Some((settlement.error.as_ref(), settlement.effect));
    }
}
