//! The journal: facts that were decided, in order. Applying them in order to nothing gives the instance.
//!
//! This is a promised format: [`Entry::VERSION`] names it, and stored fixtures of every released version replay
//! for ever (`tests/golden/journals`). Data that a reader can work out from earlier facts is not repeated:
//! an absent `input` or `output` is the value that flows at that place.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    cause::{EffectState, Parent},
    id::{CallId, Digest, ExecutionId, InstanceId, WorkflowName},
    plan::TaskId,
    problem::Problem,
    time::Timestamp,
};

/// One row of an instance's journal: what one cause led to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the journal, from 1, without gaps.
    pub seq: u64,
    /// The time that the decision was given: the only time that its expressions saw.
    pub at: Timestamp,
    /// [`crate::cause::Cause::word`] of what led to it.
    pub cause: String,
    /// What was decided.
    pub facts: Vec<Fact>,
}

impl Entry {
    /// Version of the format of facts.
    pub const VERSION: u32 = 1;
}

/// Something that was decided about an instance.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Fact {
    /// The instance began.
    Started(Box<Started>),
    /// A task began.
    TaskStarted(TaskStarted),
    /// A task was skipped, its `if` being false: its output is its raw input.
    TaskSkipped {
        /// The enclosing execution.
        parent: ExecutionId,
        /// The task.
        task: TaskId,
        /// JSON pointer of the task.
        reference: Arc<str>,
        /// Name of the task.
        name: Arc<str>,
        /// [`crate::plan::Kind::word`].
        kind: String,
        /// Where it is a fork's branch: its index.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<u32>,
    },
    /// A `for` evaluated its collection.
    Looped {
        /// The `for`.
        execution: ExecutionId,
        /// The items.
        items: Arc<Vec<Value>>,
    },
    /// A `for` or a `listen.foreach` began its next iteration.
    Iterated {
        /// The loop.
        execution: ExecutionId,
        /// Index of the iteration, from 0.
        index: u32,
    },
    /// An attempt of a call was decided.
    Called {
        /// The calling execution.
        execution: ExecutionId,
        /// The call.
        call: CallId,
        /// The attempt, from 1.
        attempt: u32,
        /// Whether nobody waits for the outcome: the task goes on at once.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        detached: bool,
    },
    /// An attempt of a call failed.
    CallFailed {
        /// The calling execution.
        execution: ExecutionId,
        /// The call.
        call: CallId,
        /// The attempt.
        attempt: u32,
        /// Why.
        error: Problem,
        /// What it may have done.
        effect: EffectState,
    },
    /// A sub-flow was asked for.
    ChildStarted {
        /// The calling execution.
        execution: ExecutionId,
        /// The sub-flow.
        child: InstanceId,
    },
    /// A task waits until then.
    Waiting {
        /// The waiting execution.
        execution: ExecutionId,
        /// Until when.
        until: Timestamp,
    },
    /// A `listen` took an event.
    Received {
        /// The listening execution.
        execution: ExecutionId,
        /// Which of its filters took it.
        filter: u32,
        /// Whether it was consumed by `until` only.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        until: bool,
        /// `source` of the event.
        source: String,
        /// `id` of the event.
        id: String,
        /// What the task makes of it, as `listen.read` says; absent if it was consumed by `until` only.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        item: Option<Arc<Value>>,
        /// Correlation values that it fixed for the events to come.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        correlations: Vec<(String, Value)>,
    },
    /// One item of `listen.foreach` was processed.
    Processed {
        /// The listening execution.
        execution: ExecutionId,
        /// The item's output.
        output: Value,
        /// The new context; absent = unchanged.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        context: Option<Arc<Value>>,
    },
    /// A `listen` consumes no more events; what it has is still being processed.
    ListenEnded {
        /// The listening execution.
        execution: ExecutionId,
    },
    /// A `try` caught an error.
    Caught {
        /// The `try`.
        execution: ExecutionId,
        /// The error.
        error: Problem,
    },
    /// A `try` will run its block again.
    Retrying {
        /// The `try`.
        execution: ExecutionId,
        /// How many retries this makes.
        retry: u32,
        /// When.
        due: Timestamp,
        /// The call whose failure it is, if it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<CallId>,
    },
    /// The outcome of a call that nobody waits for is known.
    CallEnded {
        /// The call.
        call: CallId,
        /// The attempt.
        attempt: u32,
    },
    /// A `try` began its block again.
    Retried {
        /// The `try`.
        execution: ExecutionId,
    },
    /// A `try` began its `catch.do`.
    Handling {
        /// The `try`.
        execution: ExecutionId,
    },
    /// A workflow emitted an event.
    Emitted {
        /// The emitting execution.
        execution: ExecutionId,
        /// Id of the event.
        event: String,
        /// Type of the event.
        #[serde(rename = "type")]
        kind: String,
    },
    /// A task ended well.
    TaskCompleted {
        /// The execution.
        execution: ExecutionId,
        /// Its transformed output; absent = its input.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        output: Option<Arc<Value>>,
        /// The new context; absent = unchanged.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        context: Option<Arc<Value>>,
    },
    /// A task ended with an error.
    TaskFaulted {
        /// The execution.
        execution: ExecutionId,
        /// The error.
        error: Problem,
    },
    /// A task was given up: its block went on without it.
    TaskCancelled {
        /// The execution.
        execution: ExecutionId,
    },
    /// The instance ended.
    Ended {
        /// How.
        status: EndStatus,
        /// Its transformed output, if it completed.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        output: Option<Arc<Value>>,
        /// The error, if it did not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Problem>,
    },
}

/// A `null` that is present is a value, not an absence.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<Value>>, D::Error> {
    Value::deserialize(deserializer).map(|value| Some(Arc::new(value)))
}

/// What [`Fact::Started`] says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// The instance.
    pub instance: InstanceId,
    /// Its workflow.
    pub workflow: WorkflowName,
    /// The plan that it keeps to its end.
    pub digest: Digest,
    /// The key of the start.
    pub key: String,
    /// The raw input.
    pub input: Arc<Value>,
    /// The transformed input; absent = as it came.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub transformed: Option<Arc<Value>>,
    /// Who waits for the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// When the instance must have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The mark of references to secrets.
    pub nonce: String,
}

/// What [`Fact::TaskStarted`] says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStarted {
    /// The new execution.
    pub execution: ExecutionId,
    /// The enclosing execution.
    pub parent: ExecutionId,
    /// The task.
    pub task: TaskId,
    /// JSON pointer of the task.
    pub reference: Arc<str>,
    /// Name of the task.
    pub name: Arc<str>,
    /// [`crate::plan::Kind::word`].
    pub kind: String,
    /// Where a fork's branch runs: its index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<u32>,
    /// How often the task was entered before in this run of its block.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub visit: u32,
    /// The raw input; absent = the value that flows in the enclosing execution.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub raw: Option<Arc<Value>>,
    /// The transformed input; absent = the raw input.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub input: Option<Arc<Value>>,
    /// When the task must have ended, by its own timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references to skip_serializing_if")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How an instance ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndStatus {
    /// Ran to its end.
    Completed,
    /// An error left it.
    Faulted,
    /// It was cancelled.
    Cancelled,
}
