//! Bodies of envelopes, as JSON. A promised format: members are added, never changed.

use sagabus_core::{
    cause::Outcome,
    effect::Attempt,
    id::{CallId, InstanceId},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Body on `calls.<adapter>`: an attempt to be made.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallMessage {
    /// The attempt.
    #[serde(flatten)]
    pub attempt: Attempt,
    /// Milliseconds left until the deadline when the envelope was published: a worker whose clock differs takes the
    /// smaller of this and the absolute deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_ms: Option<u64>,
    /// Partition whose owner wants the outcome.
    pub partition: u32,
    /// Whether the attempt may have been published before, after a restart for example: a worker takes it as redelivered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub republished: bool,
}

/// Body on `results.<partition>`: how an attempt ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeMessage {
    /// The instance that called.
    pub instance: InstanceId,
    /// The call.
    pub call: CallId,
    /// The attempt.
    pub attempt: u32,
    /// Who made it.
    pub worker: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Body on `control`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "control", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ControlMessage {
    /// Nobody waits for this attempt any longer: a worker that has it may stop.
    Cancel {
        /// The call.
        call: CallId,
        /// The attempt.
        attempt: u32,
    },
    /// A worker is there.
    Worker {
        /// Its id.
        worker: String,
        /// The adapters that it hosts, as JSON manifests.
        adapters: Vec<Value>,
    },
}
