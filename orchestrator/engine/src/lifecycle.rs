//! Lifecycle CloudEvents, told from committed facts (DSL reference, "Lifecycle Events").
//!
//! The optional `status-changed` event is told for workflows; for tasks it would repeat each of the others.

use std::{collections::HashMap, sync::Arc};

use sagabus_core::{
    event::Event,
    fact::{EndStatus, Entry, Fact},
    id::{ExecutionId, InstanceId, WorkflowName},
    instance::Status,
    time::Timestamp,
};
use serde_json::{Map, Value, json};

/// What the source of lifecycle events begins with; the id of the instance follows.
pub(crate) const SOURCE: &str = "/instances/";

/// Tells the events of one instance. It must hear every entry of the journal in order, because entries name tasks by
/// their executions only.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Narrator {
    instance: InstanceId,
    /// The qualified name of the instance: `<workflow>-<id>.<namespace>`.
    name: String,
    status: Status,
    /// Tasks that have not ended.
    tasks: HashMap<ExecutionId, Open>,
}

#[derive(Clone, PartialEq, Debug)]
struct Open {
    reference: Arc<str>,
    /// Values that a `listen` has fixed so far; `None` once it consumes no more, and for any other task.
    correlations: Option<Map<String, Value>>,
}

impl Narrator {
    /// A narrator of an instance that nothing has happened to.
    pub(crate) fn new(instance: InstanceId, workflow: &WorkflowName) -> Self {
        let name = format!("{}-{}.{}", workflow.name, instance, workflow.namespace);
        Self { instance, name, status: Status::Pending, tasks: HashMap::new() }
    }

    /// The events of this entry, after which the instance has this status. Their ids are `<instance>:<seq>:<n>`, so
    /// that a repetition is known as one.
    pub(crate) fn tell(&mut self, entry: &Entry, status: Status) -> Vec<Event> {
        let mut told = Vec::new();
        for fact in &entry.facts {
            self.tell_fact(fact, entry.at, &mut told);
        }
        if status != self.status {
            self.status = status;
            told.push(self.workflow("status-changed", "updatedAt", entry.at, json!({ "status": status.word() })));
        }
        told.into_iter().enumerate().map(|(index, told)| self.event(entry, index, told)).collect()
    }

    fn tell_fact(&mut self, fact: &Fact, at: Timestamp, told: &mut Vec<Told>) {
        match fact {
            Fact::Started(started) => {
                let workflow = &started.workflow;
                let definition = json!({ "definition": {
                    "name": workflow.name, "namespace": workflow.namespace, "version": workflow.version } });
                told.push(self.workflow("started", "startedAt", at, definition));
            }
            Fact::TaskStarted(started) => {
                let correlations = (started.kind == "listen").then(Map::new);
                if correlations.is_some() {
                    told.push(self.workflow("correlation-started", "startedAt", at, Value::Null));
                }
                self.tasks.insert(started.execution, Open { reference: started.reference.clone(), correlations });
                self.task(started.execution, "created", "createdAt", at, Value::Null, told);
                self.task(started.execution, "started", "startedAt", at, Value::Null, told);
            }
            Fact::Received { execution, correlations, .. } => {
                if let Some(fixed) = self.tasks.get_mut(execution).and_then(|task| task.correlations.as_mut()) {
                    fixed.extend(correlations.iter().cloned());
                }
            }
            Fact::ListenEnded { execution } => self.correlated(*execution, at, told),
            Fact::Called { execution, attempt, .. } if *attempt > 1 => {
                self.task(*execution, "retried", "retriedAt", at, Value::Null, told);
            }
            Fact::Retried { execution } => self.task(*execution, "retried", "retriedAt", at, Value::Null, told),
            Fact::TaskCompleted { execution, .. } => {
                self.correlated(*execution, at, told);
                self.task(*execution, "completed", "completedAt", at, Value::Null, told);
                self.tasks.remove(execution);
            }
            Fact::TaskFaulted { execution, error } => {
                self.task(*execution, "faulted", "faultedAt", at, json!({ "error": error }), told);
                self.tasks.remove(execution);
            }
            Fact::TaskCancelled { execution } => {
                self.task(*execution, "cancelled", "cancelledAt", at, Value::Null, told);
                self.tasks.remove(execution);
            }
            Fact::Ended { status, error, .. } => told.push(match status {
                EndStatus::Completed => self.workflow("completed", "completedAt", at, Value::Null),
                EndStatus::Cancelled => self.workflow("cancelled", "cancelledAt", at, Value::Null),
                EndStatus::Faulted => self.workflow("faulted", "faultedAt", at, json!({ "error": error })),
            }),
            // What goes on inside a task is the journal's business.
            _ => {}
        }
    }

    /// A `listen` consumes no more events: told once.
    fn correlated(&mut self, execution: ExecutionId, at: Timestamp, told: &mut Vec<Told>) {
        let Some(keys) = self.tasks.get_mut(&execution).and_then(|task| task.correlations.take()) else { return };
        let more = if keys.is_empty() { Value::Null } else { json!({ "correlationKeys": keys }) };
        told.push(self.workflow("correlation-completed", "completedAt", at, more));
    }

    fn workflow(&self, what: &str, when: &str, at: Timestamp, more: Value) -> Told {
        let data = json!({ "name": self.name, when: at });
        Told { kind: format!("io.serverlessworkflow.workflow.{what}.v1"), data: joined(data, more) }
    }

    fn task(&self, execution: ExecutionId, what: &str, when: &str, at: Timestamp, more: Value, told: &mut Vec<Told>) {
        // The workflow itself is an execution too, and no task.
        let Some(task) = self.tasks.get(&execution) else { return };
        let data = json!({ "workflow": self.name, "task": *task.reference, when: at });
        told.push(Told { kind: format!("io.serverlessworkflow.task.{what}.v1"), data: joined(data, more) });
    }

    fn event(&self, entry: &Entry, index: usize, told: Told) -> Event {
        let mut attributes = Map::new();
        attributes.insert("time".into(), entry.at.to_string().into());
        attributes.insert("datacontenttype".into(), "application/json".into());
        attributes.insert("data".into(), told.data);
        Event {
            id: format!("{}:{}:{index}", self.instance, entry.seq),
            source: format!("{SOURCE}{}", self.instance),
            kind: told.kind,
            attributes,
        }
    }
}

/// An event without its envelope.
struct Told {
    kind: String,
    data: Value,
}

fn joined(mut data: Value, more: Value) -> Value {
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
    }
    data
}

#[cfg(test)]
#[path = "lifecycle/tests.rs"]
mod tests;
