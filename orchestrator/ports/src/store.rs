//! The store: the only truth. About ten verbs, because the core decides and the store only commits.

use async_trait::async_trait;
use sagabus_core::{
    cause::{Cause, Parent, TimerId},
    effect::{Attempt, Effect},
    event::Event,
    fact::Entry,
    id::{Digest, InstanceId, WorkflowName},
    instance::Status,
    problem::Problem,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Result;

/// What is committed in one transaction: changes of many instances, and marks of events that were published.
#[derive(Debug, Default)]
pub struct Batch {
    /// Changes, at most one an instance. Each has its own precondition: those that fail it are left out, the others are
    /// committed.
    pub changes: Vec<Change>,
    /// Ids of outbox rows that have been published: they are deleted.
    pub published: Vec<String>,
    /// Causes put into the inbox from outside: starts enqueued by another process. An id that is there already is left
    /// as it is.
    pub inbox: Vec<PendingCause>,
    /// Inbox rows that are dealt with without a change of an instance: a repeated start, a cause for an instance that has
    /// ended. They are deleted.
    pub dropped: Vec<String>,
    /// Timers that their instance ignored: they are deleted, unless they are set to another time by now.
    pub expired: Vec<DueTimer>,
}

/// One step of one instance.
#[derive(Debug)]
pub struct Change {
    /// The instance.
    pub instance: InstanceId,
    /// Precondition: position of the last entry that is stored. 0 = the instance is not there yet.
    pub expected_seq: u64,
    /// The row's fixed part; exactly when `expected_seq` is 0.
    pub new: Option<NewInstance>,
    /// The journal entry, whose `seq` is `expected_seq + 1`.
    pub entry: Entry,
    /// The row's changing part.
    pub row: InstanceRow,
    /// What the decision asks of the world: each becomes rows, see [`Effect`].
    pub effects: Vec<Effect>,
    /// What led to it: deleted in the same transaction.
    pub consumed: Vec<Consumed>,
}

/// The fixed part of an instance's row.
#[derive(Clone, PartialEq, Debug)]
pub struct NewInstance {
    /// Its workflow.
    pub workflow: WorkflowName,
    /// Its plan.
    pub digest: Digest,
    /// The key of its start: unique per namespace and name of the workflow.
    pub key: String,
    /// Digest of the raw input: the same key with another one is a conflict. The input itself is in the first entry and
    /// nowhere else, so that a row that changes with every step stays narrow.
    pub input_digest: Digest,
    /// Who started it, if it is a sub-flow.
    pub parent: Option<Parent>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it must have ended.
    pub deadline: Option<Timestamp>,
}

/// The changing part of an instance's row.
#[derive(Clone, PartialEq, Debug)]
pub struct InstanceRow {
    /// Its status.
    pub status: Status,
    /// Output, once completed.
    pub output: Option<Value>,
    /// Error, once faulted or cancelled.
    pub error: Option<Problem>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A row that led to a decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Consumed {
    /// A timer of the same instance.
    Timer(TimerId),
    /// A row of the inbox.
    Pending(String),
}

/// What became of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is durable.
    Committed,
    /// The instance is not where the change expected it: load it and decide again.
    Conflict,
    /// The key of the start is taken by this instance (which may be the same one, committed before).
    KeyTaken(InstanceId),
}

/// An instance's journal as it is stored.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredJournal {
    /// The instance.
    pub instance: InstanceId,
    /// The plan that it keeps.
    pub digest: Digest,
    /// Its entries, in order; an unreadable one is an error of the whole instance.
    pub entries: std::result::Result<Vec<Entry>, String>,
}

/// A timer that is due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DueTimer {
    /// The instance.
    pub instance: InstanceId,
    /// The timer.
    pub timer: TimerId,
    /// When it fell due.
    pub due: Timestamp,
}

/// A call whose outcome is awaited.
#[derive(Clone, PartialEq, Debug)]
pub struct OutstandingCall {
    /// The attempt as it was committed.
    pub attempt: Attempt,
}

/// A cause that waits in the inbox.
#[derive(Clone, PartialEq, Debug)]
pub struct PendingCause {
    /// Id of the row: `<sender>:<seq>:<n>`, n being the index of the effect in its change, so that whoever commits the
    /// effect knows the id.
    pub id: String,
    /// The instance it is for.
    pub instance: InstanceId,
    /// What happened.
    pub cause: Cause,
    /// For [`Cause::Start`]: namespace, name and version (absent = the highest) of the workflow to start.
    pub workflow: Option<(String, String, Option<String>)>,
}

/// What a key of a start stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartKey<'a> {
    /// Namespace of the workflow.
    pub namespace: &'a str,
    /// Name of the workflow.
    pub name: &'a str,
    /// The key.
    pub key: &'a str,
}

/// The instance that a key started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Started {
    /// The instance.
    pub instance: InstanceId,
    /// Digest of its raw input.
    pub input_digest: Digest,
    /// Its status.
    pub status: Status,
}

/// A workflow as it is deployed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deployment {
    /// Its name. Deploying the same name again with another digest makes it the one that starts use.
    pub name: WorkflowName,
    /// Digest of its source.
    pub digest: Digest,
    /// The source text, YAML or JSON.
    pub source: String,
    /// When it was deployed.
    pub deployed_at: Timestamp,
}

/// Which instances to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only of workflows of this name.
    pub name: Option<String>,
    /// Only with this status.
    pub status: Option<Status>,
    /// Only those that started before this one (for the next page).
    pub before: Option<InstanceId>,
    /// At most so many; 0 = the default of 100.
    pub limit: u32,
}

/// An instance in a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedInstance {
    /// The instance.
    pub id: InstanceId,
    /// Its workflow.
    pub workflow: WorkflowName,
    /// The key of its start.
    pub key: String,
    /// Its status.
    pub status: Status,
    /// Its error, if it has one.
    pub error: Option<Problem>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A row of the view `retry_queue`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueuedRetry {
    /// The call.
    pub call: String,
    /// The instance.
    pub instance: InstanceId,
    /// Its workflow, `namespace/name:version`.
    pub workflow: String,
    /// JSON pointer of the task.
    pub reference: String,
    /// The adapter.
    pub adapter: String,
    /// The function.
    pub function: String,
    /// The attempt that failed last.
    pub attempt: u32,
    /// How many attempts there may be.
    pub attempts_allowed: Option<u32>,
    /// When the next one is due.
    pub next_attempt_at: Option<Timestamp>,
    /// The last error.
    pub last_error: Option<Problem>,
    /// `none` or `unknown`: what the last attempt may have done.
    pub effect: Option<String>,
    /// When the call was first enqueued.
    pub first_enqueued_at: Timestamp,
    /// Its deadline.
    pub deadline: Option<Timestamp>,
    /// Whether an operator paused it.
    pub paused: bool,
}

/// The store. All times are given by the caller, who takes them from the store's clock.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Commits a batch in one synced transaction. The verdicts are in the order of the changes.
    ///
    /// # Errors
    /// Nothing of the batch is committed, or (connection lost during the commit) nobody knows: committing the same batch
    /// again answers `Conflict` or `KeyTaken` for what was.
    async fn commit(&self, batch: Batch) -> Result<Vec<Verdict>>;

    /// The journals of these instances, in the same order; `None` where there is no such instance.
    async fn load(&self, instances: &[InstanceId]) -> Result<Vec<Option<StoredJournal>>>;

    /// Timers that are due at `now`, earliest first, at most `limit`, and when the next one after those is due.
    async fn due(&self, now: Timestamp, limit: u32) -> Result<(Vec<DueTimer>, Option<Timestamp>)>;

    /// Calls whose outcome is awaited, in order of their ids, after this one.
    async fn outstanding(&self, after: Option<&str>, limit: u32) -> Result<Vec<OutstandingCall>>;

    /// Causes in the inbox, in order of their ids, after this one.
    async fn pending(&self, after: Option<&str>, limit: u32) -> Result<Vec<PendingCause>>;

    /// Events in the outbox with the ids of their rows, in order of those, after this one.
    async fn unpublished(&self, after: Option<&str>, limit: u32) -> Result<Vec<(String, Event)>>;

    /// The instances that subscribe to events of this type, or to all events.
    async fn listeners(&self, event_type: &str) -> Result<Vec<InstanceId>>;

    /// The instance that a key started, if any.
    async fn started(&self, key: StartKey<'_>) -> Result<Option<Started>>;

    /// Records a workflow as deployed and makes it the one that starts of its name and version use.
    async fn deploy(&self, deployment: Deployment) -> Result<()>;

    /// The deployments in use: one for each name and version.
    async fn deployments(&self) -> Result<Vec<Deployment>>;

    /// The source with this digest, as long as an instance or a deployment needs it.
    async fn source(&self, digest: &Digest) -> Result<Option<String>>;

    /// Instances for people, newest first.
    async fn list(&self, filter: Filter) -> Result<Vec<ListedInstance>>;

    /// The view `retry_queue`, next attempt first.
    async fn retries(&self, limit: u32) -> Result<Vec<QueuedRetry>>;
}
