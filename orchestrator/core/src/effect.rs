//! What a decision asks of the world. Every effect is committed, as a row, together with the facts it follows
//! from, and performed only after that commit: a crash in between loses nothing, because the rows are found again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    cause::{Cause, EffectState, Start, TimerId},
    event::Event,
    id::{CallId, ExecutionId, InstanceId, WorkflowName},
    problem::Problem,
    time::Timestamp,
};

/// Something that a decision asks of the world.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Publish an attempt of a call (row: the call becomes `outstanding`).
    Dispatch(Attempt),
    /// A call is no longer outstanding (row: its status, error and next attempt). If it was cancelled, its worker is
    /// told, as a kindness: an outcome that comes later is ignored anyway.
    Settle(Settlement),
    /// Wake the instance with [`Cause::Due`] at this time (row: a timer; replaces one of the same id).
    SetTimer {
        /// The timer.
        timer: TimerId,
        /// When.
        due: Timestamp,
    },
    /// Forget a timer, if it is there.
    ClearTimer {
        /// The timer.
        timer: TimerId,
    },
    /// Send [`Cause::Event`] for events of these types; an empty list stands for all events.
    Subscribe {
        /// The listening execution.
        execution: ExecutionId,
        /// Types of events.
        types: Vec<String>,
    },
    /// End the subscription of an execution, if there is one.
    Unsubscribe {
        /// The execution.
        execution: ExecutionId,
    },
    /// Start a sub-flow. If its workflow is not deployed, the engine answers with [`Cause::Child`].
    StartChild(ChildStart),
    /// Send a cause to another instance (row: inbox).
    Notify {
        /// The other instance.
        instance: InstanceId,
        /// What happened to it.
        cause: Cause,
    },
    /// Publish an event that the workflow emits (row: outbox).
    Publish(Event),
}

/// An attempt of a call, as it is committed and published.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The call: also the idempotency key that reaches the third party.
    pub call: CallId,
    /// The instance that calls.
    pub instance: InstanceId,
    /// Its workflow.
    pub workflow: WorkflowName,
    /// The calling execution.
    pub execution: ExecutionId,
    /// JSON pointer of the calling task.
    pub reference: String,
    /// Name of the adapter.
    pub adapter: String,
    /// Name of its function.
    pub function: String,
    /// Version asked for, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The arguments; references to secrets are marked with the instance's nonce.
    pub arguments: Value,
    /// Counted from 1.
    pub attempt: u32,
    /// How many attempts the policies in force allow; absent = no limit, or no policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_allowed: Option<u32>,
    /// How long this attempt may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The call is of no use after this time: the earliest of the deadlines of task, workflow and start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The mark of references to secrets.
    pub nonce: String,
    /// The secrets that the workflow may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// When this attempt was decided.
    pub enqueued_at: Timestamp,
}

/// A call that is no longer outstanding.
#[derive(Clone, PartialEq, Debug)]
pub struct Settlement {
    /// The call.
    pub call: CallId,
    /// The attempt that ended.
    pub attempt: u32,
    /// What became of the call.
    pub status: CallStatus,
    /// The last error, if it failed.
    pub error: Option<Problem>,
    /// What the last failed attempt may have done.
    pub effect: Option<EffectState>,
    /// When the next attempt is due, if [`CallStatus::Retrying`].
    pub next_attempt_at: Option<Timestamp>,
}

/// What became of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallStatus {
    /// Its outcome is awaited.
    Outstanding,
    /// It failed and waits for its next attempt.
    Retrying,
    /// It was done.
    Done,
    /// It failed for good.
    Failed,
    /// Nobody waits for it any longer.
    Cancelled,
}

impl CallStatus {
    /// The word used in the store.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Outstanding => "outstanding",
            Self::Retrying => "retrying",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A sub-flow to be started.
#[derive(Clone, PartialEq, Debug)]
pub struct ChildStart {
    /// The id that the sub-flow will have.
    pub id: InstanceId,
    /// Namespace of its workflow.
    pub namespace: String,
    /// Name of its workflow.
    pub name: String,
    /// Version; absent = the highest deployed.
    pub version: Option<String>,
    /// What it begins with; `nonce` is empty and drawn by the engine.
    pub start: Start,
}
