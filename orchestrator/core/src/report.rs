//! A journal told for people: one object per instance, one per execution of a task.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    fact::{EndStatus, Entry, Fact},
    id::{ExecutionId, InstanceId, WorkflowName},
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
    /// Which attempt of its call this execution made last; 1 for a task that makes none.
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
        let first = entries.first()?;
        let Some(Fact::Started(started)) = first.facts.first() else { return None };
        let mut report = Self {
            id: started.instance,
            workflow: started.workflow.clone(),
            key: started.key.clone(),
            status: String::new(),
            output: None,
            error: None,
            rollback: "none".to_owned(),
            started_at: first.at,
            ended_at: None,
            tasks: Vec::new(),
        };
        let mut places = BTreeMap::new();
        for entry in entries {
            for fact in &entry.facts {
                report.tell(fact, entry.at, &mut places);
            }
        }
        if report.status.is_empty() {
            let busy = report
                .tasks
                .iter()
                .any(|task| task.status == "running" && matches!(task.kind.as_str(), "call" | "run"));
            report.status = if busy { "running" } else { "waiting" }.to_owned();
        }
        Some(report)
    }

    fn tell(&mut self, fact: &Fact, at: Timestamp, places: &mut BTreeMap<ExecutionId, usize>) {
        match fact {
            Fact::TaskStarted(task) => {
                places.insert(task.execution, self.tasks.len());
                let status = if matches!(task.kind.as_str(), "wait" | "listen") { "waiting" } else { "running" };
                self.tasks.push(TaskReport::begun(&task.name, &task.reference, &task.kind, status, at));
            }
            Fact::TaskSkipped { reference, name, kind, .. } => {
                let skipped = TaskReport::begun(name, reference, kind, "skipped", at);
                self.tasks.push(TaskReport { ended_at: Some(at), attempts: 0, ..skipped });
            }
            Fact::Called { execution, attempt, .. } => self.at(places, *execution, |task| task.attempts = *attempt),
            Fact::Retrying { execution, .. } => {
                self.at(places, *execution, |task| "waiting".clone_into(&mut task.status))
            }
            Fact::Retried { execution } | Fact::Handling { execution } => {
                self.at(places, *execution, |task| "running".clone_into(&mut task.status));
            }
            Fact::TaskCompleted { execution, .. } => {
                self.at(places, *execution, |task| task.end("completed", None, at))
            }
            Fact::TaskFaulted { execution, error } => {
                self.at(places, *execution, |task| task.end("faulted", Some(error.clone()), at));
            }
            Fact::TaskCancelled { execution } => self.at(places, *execution, |task| task.end("cancelled", None, at)),
            Fact::Ended { status, output, error } => {
                self.status = match status {
                    EndStatus::Completed => "completed",
                    EndStatus::Faulted => "faulted",
                    EndStatus::Cancelled => "cancelled",
                }
                .to_owned();
                self.output = output.as_deref().cloned();
                self.error = error.clone();
                self.ended_at = Some(at);
            }
            _ => {}
        }
    }

    fn at(&mut self, places: &BTreeMap<ExecutionId, usize>, id: ExecutionId, change: impl FnOnce(&mut TaskReport)) {
        if let Some(task) = places.get(&id).and_then(|place| self.tasks.get_mut(*place)) {
            change(task);
        }
    }
}

impl TaskReport {
    fn begun(name: &str, reference: &str, kind: &str, status: &str, at: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            reference: reference.to_owned(),
            kind: kind.to_owned(),
            status: status.to_owned(),
            attempts: 1,
            compensates: None,
            started_at: at,
            ended_at: None,
            error: None,
        }
    }

    fn end(&mut self, status: &str, error: Option<Problem>, at: Timestamp) {
        status.clone_into(&mut self.status);
        self.error = error;
        self.ended_at = Some(at);
    }
}
