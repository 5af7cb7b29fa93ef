//! Each kind of fact, with the events that it tells.

use std::sync::Arc;

use sagabus_core::{
    fact::{EndStatus, Entry, Fact, Started, TaskStarted},
    id::{CallId, Digest, ExecutionId, InstanceId, WorkflowName},
    instance::Status,
    plan::TaskId,
    problem::{Problem, Standard},
    time::Timestamp,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Narrator;

const AT: &str = "1970-01-01T00:00:01.000Z";

fn workflow() -> WorkflowName {
    WorkflowName { namespace: "samples".into(), name: "order".into(), version: "1.0.0".into() }
}

fn id() -> InstanceId {
    InstanceId(Uuid::nil())
}

/// What the facts tell to a narrator who knows a `listen` (1) and a `call` (2).
fn told(facts: Vec<Fact>, status: Status) -> Vec<(String, Value)> {
    let mut narrator = Narrator::new(id(), &workflow());
    let before = vec![task(1, "/do/0/hear", "listen"), task(2, "/do/1/pay", "call")];
    narrator.tell(&entry(1, before), Status::Running);
    let events = narrator.tell(&entry(2, facts), status);
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event.id, format!("{}:2:{index}", id()));
        assert_eq!(event.source, format!("/instances/{}", id()));
        assert_eq!(event.attribute("time"), Some(AT.into()));
    }
    let short = |kind: &str| kind.replace("io.serverlessworkflow.", "").replace(".v1", "");
    events.iter().map(|event| (short(&event.kind), event.attribute("data").unwrap_or_default())).collect()
}

fn entry(seq: u64, facts: Vec<Fact>) -> Entry {
    Entry { seq, at: Timestamp::from_millis(1000), cause: "outcome".into(), facts }
}

fn task(execution: u32, reference: &str, kind: &str) -> Fact {
    Fact::TaskStarted(TaskStarted {
        execution: ExecutionId(execution),
        parent: ExecutionId::WORKFLOW,
        task: TaskId(execution - 1),
        reference: Arc::from(reference),
        name: Arc::from("name"),
        kind: kind.into(),
        branch: None,
        visit: 0,
        raw: None,
        input: None,
        deadline: None,
    })
}

fn name() -> String {
    format!("order-{}.samples", id())
}

fn of_workflow(what: &str, when: &str, more: Value) -> (String, Value) {
    (format!("workflow.{what}"), merged(json!({ "name": name(), when: AT }), more))
}

fn of_task(what: &str, reference: &str, when: &str, more: Value) -> (String, Value) {
    (format!("task.{what}"), merged(json!({ "workflow": name(), "task": reference, when: AT }), more))
}

fn merged(mut left: Value, right: Value) -> Value {
    if let (Value::Object(left), Value::Object(right)) = (&mut left, right) {
        left.extend(right);
    }
    left
}

fn problem() -> Problem {
    Problem::standard(Standard::Communication, "refused").at("/do/1/pay")
}

#[test]
fn a_start_tells_the_workflow_and_its_definition() {
    let started = Fact::Started(Box::new(Started {
        instance: id(),
        workflow: workflow(),
        digest: Digest::of(b""),
        key: "k".into(),
        input: Arc::new(json!({})),
        transformed: None,
        parent: None,
        deadline: None,
        nonce: "n".into(),
    }));
    let definition = json!({ "definition": { "name": "order", "namespace": "samples", "version": "1.0.0" } });
    let expected = vec![
        of_workflow("started", "startedAt", definition),
        of_task("created", "/do/2/next", "createdAt", json!({})),
        of_task("started", "/do/2/next", "startedAt", json!({})),
    ];
    assert_eq!(told(vec![started, task(3, "/do/2/next", "set")], Status::Running), expected);
}

#[test]
fn a_task_tells_its_course() {
    let (pay, at) = (ExecutionId(2), "/do/1/pay");
    let call = CallId(Uuid::nil());
    let called = |attempt| Fact::Called { execution: pay, call, attempt, detached: false };
    let table = [
        (called(1), vec![]),
        (called(2), vec![of_task("retried", at, "retriedAt", json!({}))]),
        (Fact::Retried { execution: pay }, vec![of_task("retried", at, "retriedAt", json!({}))]),
        (
            Fact::TaskCompleted { execution: pay, output: None, context: None },
            vec![of_task("completed", at, "completedAt", json!({}))],
        ),
        (
            Fact::TaskFaulted { execution: pay, error: problem() },
            vec![of_task("faulted", at, "faultedAt", json!({ "error": problem() }))],
        ),
        (Fact::TaskCancelled { execution: pay }, vec![of_task("cancelled", at, "cancelledAt", json!({}))]),
        // The workflow is an execution too, and an unknown one is told nothing about.
        (Fact::TaskCompleted { execution: ExecutionId::WORKFLOW, output: None, context: None }, vec![]),
    ];
    for (fact, expected) in table {
        let shown = format!("{fact:?}");
        assert_eq!(told(vec![fact], Status::Running), expected, "{shown}");
    }
}

#[test]
fn a_listen_tells_its_correlation_once() {
    let hear = ExecutionId(1);
    let received = Fact::Received {
        execution: hear,
        filter: 0,
        until: false,
        source: "s".into(),
        id: "1".into(),
        item: None,
        correlations: vec![("petId".into(), json!("x1"))],
    };
    let ended = Fact::ListenEnded { execution: hear };
    let completed = Fact::TaskCompleted { execution: hear, output: None, context: None };
    let keys = json!({ "correlationKeys": { "petId": "x1" } });
    let expected = vec![
        of_workflow("correlation-completed", "completedAt", keys),
        of_task("completed", "/do/0/hear", "completedAt", json!({})),
    ];
    assert_eq!(told(vec![received.clone(), ended, completed.clone()], Status::Running), expected);
    assert_eq!(told(vec![received, completed], Status::Running), expected);

    let mut narrator = Narrator::new(id(), &workflow());
    let begun = narrator.tell(&entry(1, vec![task(1, "/do/0/hear", "listen")]), Status::Pending);
    assert_eq!(begun[0].kind, "io.serverlessworkflow.workflow.correlation-started.v1");
}

#[test]
fn an_end_tells_how_and_the_new_status() {
    let table = [
        (EndStatus::Completed, Status::Completed, None, of_workflow("completed", "completedAt", json!({}))),
        (EndStatus::Cancelled, Status::Cancelled, None, of_workflow("cancelled", "cancelledAt", json!({}))),
        (
            EndStatus::Faulted,
            Status::Faulted,
            Some(problem()),
            of_workflow("faulted", "faultedAt", json!({ "error": problem() })),
        ),
    ];
    for (end, status, error, expected) in table {
        let changed = of_workflow("status-changed", "updatedAt", json!({ "status": status.word() }));
        assert_eq!(told(vec![Fact::Ended { status: end, output: None, error }], status), vec![expected, changed]);
    }
}

#[test]
fn a_new_status_is_told_and_an_old_one_is_not() {
    let changed = of_workflow("status-changed", "updatedAt", json!({ "status": "waiting" }));
    assert_eq!(told(Vec::new(), Status::Waiting), vec![changed]);
    assert_eq!(told(Vec::new(), Status::Running), Vec::new());
}
