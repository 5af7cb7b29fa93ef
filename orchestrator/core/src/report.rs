//! A journal told for people: one object per instance, one per execution of a task.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    fact::Entry,
    id::{InstanceId, WorkflowName},
    problem::Problem,
    time::Timestamp,
};

/// What `run --json`, `enqueue --wait --json`, `instances show --json` and the HTTP API print.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The instance.
    pub id: InstanceId,
    /// Its workflow.
    pub workflow: WorkflowName,
    /// The key of its start.
    pub key: String,
    /// [`crate::instance::Status::word`].
    pub status: String,
    /// Its output, once completed.
    pub output: Option<Value>,
    /// Its error, once faulted.
    pub error: Option<Problem>,
    /// `none`, `complete` or `incomplete`.
    pub rollback: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// One object per execution, in the order in which they started.
    pub tasks: Vec<TaskReport>,
}

/// One execution of a task.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskReport {
    /// Name of the task.
    pub name: String,
    /// JSON pointer of the task.
    pub reference: String,
    /// Kind of the task.
    pub kind: String,
    /// `running`, `waiting`, `completed`, `faulted`, `cancelled` or `skipped`.
    pub status: String,
    /// Attempts of its call; 1 for a task that makes none.
    pub attempts: u32,
    /// The reference of the task that this one undoes, if it is a compensation.
    pub compensates: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its error.
    pub error: Option<Problem>,
}

impl Report {
    /// Tells a journal. `None` for a journal that does not begin with a start.
    #[must_use]
    pub fn of(entries: &[Entry]) -> Option<Self> {
        let _ = entries;
        None
    }
}
