//! The rows that are written, as JSON objects, each kind beside the statement that takes an array of them.
//!
//! `jsonb_each`, not `json_each`: the latter makes text of each row, which every `->>` then parses again, at twice the time.

use sagabus_core::{
    cause::{EffectState, TimerId},
    effect::{Attempt, CallStatus},
    fact::Entry,
    id::{CallId, ExecutionId, InstanceId},
    problem::Problem,
    time::Timestamp,
};
use sagabus_ports::{Change, NewInstance};
use serde::Serialize;

type Written<T> = Result<T, serde_json::Error>;

/// Readable JSON text.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Written<String> {
    serde_json::to_string(value)
}

#[derive(Serialize)]
pub(super) struct NewRow<'a> {
    namespace: &'a str,
    name: &'a str,
    version: &'a str,
    digest: &'a str,
    key: &'a str,
    input_digest: &'a str,
    parent_instance: Option<InstanceId>,
    parent_execution: Option<ExecutionId>,
    started_at: Timestamp,
    deadline: Option<Timestamp>,
    #[serde(flatten)]
    state: StateRow,
}

impl<'a> NewRow<'a> {
    pub(super) fn of(new: &'a NewInstance, state: StateRow) -> Self {
        Self {
            namespace: &new.workflow.namespace,
            name: &new.workflow.name,
            version: &new.workflow.version,
            digest: &new.digest.0,
            key: &new.key,
            input_digest: &new.input_digest.0,
            parent_instance: new.parent.as_ref().map(|parent| parent.instance),
            parent_execution: new.parent.as_ref().map(|parent| parent.execution),
            started_at: new.started_at,
            deadline: new.deadline,
            state,
        }
    }
}

pub(super) const INSERT_INSTANCES: &str = "
    INSERT INTO instance (id, namespace, name, version, digest, key, input_digest, parent_instance, parent_execution,
                          started_at, deadline, seq, status, output, error, updated_at, ended_at)
    SELECT value->>'id', value->>'namespace', value->>'name', value->>'version', value->>'digest', value->>'key',
           value->>'input_digest', value->>'parent_instance', CAST(value->>'parent_execution' AS bigint),
           value->>'started_at', value->>'deadline', CAST(value->>'seq' AS bigint), value->>'status', value->>'output',
           value->>'error', value->>'updated_at', value->>'ended_at'
      FROM jsonb_each($1)";

#[derive(Serialize)]
pub(super) struct StateRow {
    id: InstanceId,
    seq: u64,
    status: &'static str,
    output: Option<String>,
    error: Option<String>,
    updated_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl StateRow {
    pub(super) fn of(change: &Change) -> Written<Self> {
        Ok(Self {
            id: change.instance,
            seq: change.entry.seq,
            status: change.row.status.word(),
            output: change.row.output.as_ref().map(json).transpose()?,
            error: change.row.error.as_ref().map(json).transpose()?,
            updated_at: change.entry.at,
            ended_at: change.row.ended_at,
        })
    }
}

pub(super) const UPDATE_INSTANCES: &str = "
    UPDATE instance
       SET seq = CAST(value->>'seq' AS bigint), status = value->>'status', output = value->>'output',
           error = value->>'error', updated_at = value->>'updated_at', ended_at = value->>'ended_at'
      FROM jsonb_each($1)
     WHERE instance.id = value->>'id'";

#[derive(Serialize)]
pub(super) struct EntryRow<'a> {
    instance: InstanceId,
    seq: u64,
    at: Timestamp,
    cause: &'a str,
    version: u32,
    facts: String,
}

impl<'a> EntryRow<'a> {
    pub(super) fn of(instance: InstanceId, entry: &'a Entry) -> Written<Self> {
        Ok(Self {
            instance,
            seq: entry.seq,
            at: entry.at,
            cause: &entry.cause,
            version: Entry::VERSION,
            facts: json(&entry.facts)?,
        })
    }
}

pub(super) const INSERT_ENTRIES: &str = "
    INSERT INTO entry (instance, seq, at, cause, version, facts)
    SELECT value->>'instance', CAST(value->>'seq' AS bigint), value->>'at', value->>'cause',
           CAST(value->>'version' AS bigint), value->>'facts'
      FROM jsonb_each($1)";

#[derive(Serialize)]
pub(super) struct AttemptRow<'a> {
    id: CallId,
    instance: InstanceId,
    execution: ExecutionId,
    reference: &'a str,
    adapter: &'a str,
    function: &'a str,
    function_version: Option<&'a str>,
    arguments: String,
    attempt: u32,
    attempts_allowed: Option<u32>,
    /// SQL's largest integer stands for all that are larger: 292 million years.
    timeout_ms: Option<i64>,
    deadline: Option<Timestamp>,
    nonce: &'a str,
    secrets: String,
    enqueued_at: Timestamp,
    first_enqueued_at: Timestamp,
}

impl<'a> AttemptRow<'a> {
    /// The row of the last attempt, in a batch that dispatches this one first (mostly they are one).
    pub(super) fn of(first: &'a Attempt, attempt: &'a Attempt) -> Written<Self> {
        Ok(Self {
            id: attempt.call,
            instance: attempt.instance,
            execution: attempt.execution,
            reference: &attempt.reference,
            adapter: &attempt.adapter,
            function: &attempt.function,
            function_version: attempt.version.as_deref(),
            arguments: json(&attempt.arguments)?,
            attempt: attempt.attempt,
            attempts_allowed: attempt.attempts_allowed,
            timeout_ms: attempt.timeout_ms.map(|timeout_ms| i64::try_from(timeout_ms).unwrap_or(i64::MAX)),
            deadline: attempt.deadline,
            nonce: &attempt.nonce,
            secrets: json(&attempt.secrets)?,
            enqueued_at: attempt.enqueued_at,
            first_enqueued_at: first.enqueued_at,
        })
    }
}

/// `first_enqueued_at`, `error` and `effect` stay as they are when a further attempt is dispatched. (`WHERE true` keeps
/// SQLite's parser from reading the conflict clause as a join.)
pub(super) const UPSERT_CALLS: &str = "
    INSERT INTO call (id, instance, execution, reference, adapter, function, function_version, arguments, attempt,
                      attempts_allowed, timeout_ms, deadline, nonce, secrets, enqueued_at, first_enqueued_at, status)
    SELECT value->>'id', value->>'instance', CAST(value->>'execution' AS bigint), value->>'reference',
           value->>'adapter', value->>'function', value->>'function_version', value->>'arguments',
           CAST(value->>'attempt' AS bigint), CAST(value->>'attempts_allowed' AS bigint),
           CAST(value->>'timeout_ms' AS bigint), value->>'deadline', value->>'nonce', value->>'secrets',
           value->>'enqueued_at', value->>'first_enqueued_at', 'outstanding'
      FROM jsonb_each($1)
     WHERE true
        ON CONFLICT (id) DO UPDATE
       SET function_version = excluded.function_version, arguments = excluded.arguments, attempt = excluded.attempt,
           attempts_allowed = excluded.attempts_allowed, timeout_ms = excluded.timeout_ms,
           deadline = excluded.deadline, nonce = excluded.nonce, secrets = excluded.secrets,
           enqueued_at = excluded.enqueued_at, status = excluded.status, next_attempt_at = NULL";

#[derive(Serialize)]
pub(super) struct SettlementRow {
    id: CallId,
    status: &'static str,
    error: Option<String>,
    effect: Option<EffectState>,
    next_attempt_at: Option<Timestamp>,
}

impl SettlementRow {
    pub(super) fn of(
        id: CallId,
        status: CallStatus,
        error: Option<&Problem>,
        effect: Option<EffectState>,
        next_attempt_at: Option<Timestamp>,
    ) -> Written<Self> {
        Ok(Self { id, status: status.word(), error: error.map(json).transpose()?, effect, next_attempt_at })
    }
}

pub(super) const SETTLE_CALLS: &str = "
    UPDATE call
       SET status = value->>'status', error = value->>'error', effect = value->>'effect',
           next_attempt_at = value->>'next_attempt_at'
      FROM jsonb_each($1)
     WHERE call.id = value->>'id'";

#[derive(Serialize)]
pub(super) struct TimerRow {
    instance: InstanceId,
    execution: ExecutionId,
    purpose: &'static str,
    /// Absent where the timer is deleted.
    pub(super) due: Option<Timestamp>,
}

impl TimerRow {
    pub(super) fn of(instance: InstanceId, timer: TimerId, due: Option<Timestamp>) -> Self {
        Self { instance, execution: timer.execution, purpose: timer.purpose.word(), due }
    }
}

/// Only where the time is still the same.
pub(super) const EXPIRE_TIMERS: &str = "
    DELETE FROM timer
     WHERE (instance, execution, purpose, due) IN
           (SELECT value->>'instance', CAST(value->>'execution' AS bigint), value->>'purpose', value->>'due'
              FROM jsonb_each($1))";

pub(super) const CLEAR_TIMERS: &str = "
    DELETE FROM timer
     WHERE (instance, execution, purpose) IN
           (SELECT value->>'instance', CAST(value->>'execution' AS bigint), value->>'purpose' FROM jsonb_each($1))";

pub(super) const SET_TIMERS: &str = "
    INSERT INTO timer (instance, execution, purpose, due)
    SELECT value->>'instance', CAST(value->>'execution' AS bigint), value->>'purpose', value->>'due'
      FROM jsonb_each($1)
     WHERE true
        ON CONFLICT (instance, execution, purpose) DO UPDATE SET due = excluded.due";

/// Takes ids of instances that ended.
pub(super) const END_TIMERS: &str = "DELETE FROM timer WHERE instance IN (SELECT value FROM jsonb_each($1))";

/// The type of event that stands for all of them: CloudEvents forbids an empty one.
pub(super) const ALL_EVENTS: &str = "";

#[derive(Serialize)]
pub(super) struct SubscriptionRow<'a> {
    pub(super) instance: InstanceId,
    pub(super) execution: ExecutionId,
    /// Not looked at where the subscription is deleted.
    pub(super) kind: &'a str,
}

pub(super) const DELETE_SUBSCRIPTIONS: &str = "
    DELETE FROM subscription
     WHERE (instance, execution) IN
           (SELECT value->>'instance', CAST(value->>'execution' AS bigint) FROM jsonb_each($1))";

pub(super) const INSERT_SUBSCRIPTIONS: &str = "
    INSERT INTO subscription (instance, execution, type)
    SELECT value->>'instance', CAST(value->>'execution' AS bigint), value->>'kind'
      FROM jsonb_each($1)
     WHERE true
        ON CONFLICT DO NOTHING";

/// Takes ids of instances that ended.
pub(super) const END_SUBSCRIPTIONS: &str =
    "DELETE FROM subscription WHERE instance IN (SELECT value FROM jsonb_each($1))";

#[derive(Serialize)]
pub(super) struct InboxRow<'a> {
    pub(super) id: String,
    pub(super) instance: InstanceId,
    pub(super) cause: String,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) version: Option<&'a str>,
}

pub(super) const INSERT_INBOX: &str = "
    INSERT INTO inbox (id, instance, cause, namespace, name, version)
    SELECT value->>'id', value->>'instance', value->>'cause', value->>'namespace', value->>'name', value->>'version'
      FROM jsonb_each($1)
     WHERE true
        ON CONFLICT (id) DO NOTHING";

/// Takes ids of rows.
pub(super) const DELETE_INBOX: &str = "DELETE FROM inbox WHERE id IN (SELECT value FROM jsonb_each($1))";

#[derive(Serialize)]
pub(super) struct OutboxRow {
    pub(super) id: String,
    pub(super) event: String,
}

pub(super) const INSERT_OUTBOX: &str = "
    INSERT INTO outbox (id, event) SELECT value->>'id', value->>'event' FROM jsonb_each($1)";

/// Takes ids of rows.
pub(super) const DELETE_OUTBOX: &str = "DELETE FROM outbox WHERE id IN (SELECT value FROM jsonb_each($1))";
