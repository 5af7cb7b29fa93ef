//! What can happen to an instance.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    event::Event,
    id::{CallId, ExecutionId, InstanceId},
    problem::Problem,
};

/// What happened to an instance. Everything that decides anything comes in through here.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Cause {
    /// The instance begins.
    Start(Start),
    /// An attempt of a call ended.
    Outcome {
        /// The call.
        call: CallId,
        /// The attempt, counted from 1. An outcome of any but the outstanding attempt is ignored.
        attempt: u32,
        /// How it ended.
        outcome: Outcome,
    },
    /// A timer fell due.
    Due {
        /// The timer.
        timer: TimerId,
    },
    /// An event arrived that one of the instance's subscriptions may want.
    Event {
        /// The event.
        event: Event,
    },
    /// A sub-flow that this instance waits for ended, or could not be started.
    Child {
        /// The sub-flow.
        child: InstanceId,
        /// The execution that waits for it.
        execution: ExecutionId,
        /// Its end: output, or the error that it faulted with.
        result: Result<Value, Problem>,
    },
    /// Someone wants the instance to end: an operator, or the parent whose deadline passed.
    Cancel {
        /// Why, for the record.
        reason: String,
    },
}

impl Cause {
    /// One word for the journal.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Outcome { .. } => "outcome",
            Self::Due { .. } => "due",
            Self::Event { .. } => "event",
            Self::Child { .. } => "child",
            Self::Cancel { .. } => "cancel",
        }
    }
}

/// What an instance begins with.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// The raw input.
    pub input: Value,
    /// The key of the start: unique per workflow name while the instance is open and for a retention afterwards.
    pub key: String,
    /// The instance must have ended by then; earlier than the workflow's own timeout wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<crate::time::Timestamp>,
    /// The instance and execution that wait for this one, if it is a sub-flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Random text that marks references to secrets in this instance's data; see [`crate::decide::Environment`].
    pub nonce: String,
}

/// Who started a sub-flow.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parent {
    /// The calling instance.
    pub instance: InstanceId,
    /// The calling task's execution.
    pub execution: ExecutionId,
    /// Whether it waits for the end.
    pub waits: bool,
    /// How many sub-flows enclose the new one: 1 for that of a workflow that nobody called.
    pub depth: u32,
}

/// How an attempt of a call ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Outcome {
    /// It was done.
    Done {
        /// What the function gave back.
        output: Value,
    },
    /// It failed.
    Failed {
        /// Why.
        error: Problem,
        /// Whether anything may have happened at the third party.
        effect: EffectState,
    },
}

/// What a failed attempt may have done at the third party.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EffectState {
    /// Certainly nothing: refused, invalid, connection refused.
    None,
    /// Nobody knows: timeout after sending, connection lost, server error, worker gone. When in doubt, this.
    Unknown,
}

/// A timer of an instance: one per execution and purpose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TimerId {
    /// The execution it belongs to.
    pub execution: ExecutionId,
    /// What it is for.
    pub purpose: TimerPurpose,
}

/// What a timer is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TimerPurpose {
    /// The end of a `wait`.
    Wait,
    /// The next attempt of a `try`.
    Retry,
    /// The `timeout` of a task or of the workflow.
    Timeout,
    /// The `limit.attempt.duration` of a retry policy.
    Attempt,
}

impl TimerPurpose {
    /// The word used in the store.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Retry => "retry",
            Self::Timeout => "timeout",
            Self::Attempt => "attempt",
        }
    }

    /// Reads [`Self::word`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Wait, Self::Retry, Self::Timeout, Self::Attempt].into_iter().find(|purpose| purpose.word() == word)
    }
}
