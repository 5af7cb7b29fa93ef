//! Steps of made-up instances, as an engine would commit them.

use std::sync::Arc;

use sagabus_core::{
    cause::{EffectState, TimerId, TimerPurpose},
    effect::{Attempt, CallStatus, Effect, Settlement},
    event::Event,
    fact::{Entry, Fact, Started},
    id::{CallId, Digest, ExecutionId, InstanceId, WorkflowName},
    instance::Status,
    problem::{Problem, Standard},
    time::Timestamp,
};
use sagabus_ports::{Batch, Change, InstanceRow, NewInstance};
use serde_json::json;

/// The `n`th instance.
pub(crate) fn instance(n: u128) -> InstanceId {
    InstanceId(uuid::Uuid::from_u128(n))
}

/// The `n`th call.
pub(crate) fn call(n: u128) -> CallId {
    CallId(uuid::Uuid::from_u128(n))
}

/// So many seconds after the beginning of 2026.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + seconds * 1000)
}

/// The workflow of all instances here.
pub(crate) fn workflow() -> WorkflowName {
    WorkflowName { namespace: "shop".into(), name: "order".into(), version: "1.2.0".into() }
}

/// A timer of an execution.
pub(crate) fn timer(execution: u32, purpose: TimerPurpose) -> TimerId {
    TimerId { execution: ExecutionId(execution), purpose }
}

/// The first step of an instance: its key says `key-<n>`.
pub(crate) fn start(n: u128) -> Change {
    let digest = Digest::of(b"the plan");
    let key = format!("key-{n}");
    let input = json!({ "order": u64::try_from(n).unwrap_or(0), "text": "Größe \u{e000}\"5\"\u{0}" });
    let started = Started {
        instance: instance(n),
        workflow: workflow(),
        digest: digest.clone(),
        key: key.clone(),
        input: Arc::new(input.clone()),
        transformed: None,
        parent: None,
        deadline: None,
        nonce: "nonce".into(),
    };
    let new = NewInstance {
        workflow: workflow(),
        digest,
        key,
        input_digest: Digest::of(input.to_string().as_bytes()),
        parent: None,
        started_at: at(0),
        deadline: Some(at(3600)),
    };
    let entry = Entry { seq: 1, at: at(0), cause: "start".into(), facts: vec![Fact::Started(Box::new(started))] };
    Change { new: Some(new), ..step_with(n, entry) }
}

/// A further step of an instance that is at `expected_seq`.
pub(crate) fn step(n: u128, expected_seq: u64) -> Change {
    let seq = expected_seq + 1;
    let facts = vec![Fact::Waiting { execution: ExecutionId(1), until: at(60) }];
    step_with(n, Entry { seq, at: at(i64::try_from(seq).unwrap_or(0)), cause: "outcome".into(), facts })
}

/// The step that ends an instance.
pub(crate) fn end(n: u128, expected_seq: u64) -> Change {
    let change = step(n, expected_seq);
    let row = InstanceRow {
        status: Status::Completed,
        output: Some(json!({ "shipped": true })),
        error: None,
        ended_at: Some(change.entry.at),
    };
    Change { row, ..change }
}

fn step_with(n: u128, entry: Entry) -> Change {
    Change {
        instance: instance(n),
        expected_seq: entry.seq - 1,
        new: None,
        entry,
        row: InstanceRow { status: Status::Running, output: None, error: None, ended_at: None },
        effects: Vec::new(),
        consumed: Vec::new(),
    }
}

/// The same step with these effects.
pub(crate) fn with(change: Change, effects: Vec<Effect>) -> Change {
    Change { effects, ..change }
}

/// A batch of nothing but these changes.
pub(crate) fn batch(changes: Vec<Change>) -> Batch {
    Batch { changes, ..Batch::default() }
}

/// An event of this type.
pub(crate) fn event(kind: &str) -> Event {
    let attributes = [("data".to_owned(), json!({ "weight": 3.5 }))].into_iter().collect();
    Event { id: format!("{kind}-1"), source: "/tests".into(), kind: kind.into(), attributes }
}

/// An attempt of the `c`th call, made by the `n`th instance.
pub(crate) fn attempt(n: u128, c: u128, attempt: u32) -> Attempt {
    Attempt {
        call: call(c),
        instance: instance(n),
        workflow: workflow(),
        execution: ExecutionId(2),
        reference: "/do/1/charge".into(),
        adapter: "payments".into(),
        function: "charge".into(),
        version: Some("1.0.0".into()),
        arguments: json!({ "amount": 12.5, "token": "\u{e000}nonce:payments.token\u{e001}" }),
        attempt,
        attempts_allowed: Some(5),
        timeout_ms: Some(30_000),
        deadline: Some(at(600)),
        nonce: "nonce".into(),
        secrets: vec!["payments".into()],
        enqueued_at: at(i64::from(attempt)),
    }
}

/// The error of all failures here.
pub(crate) fn problem() -> Problem {
    Problem::standard(Standard::Communication, "connection reset").at("/do/1/charge")
}

/// What became of an attempt of the `c`th call.
pub(crate) fn settle(c: u128, attempt: u32, status: CallStatus) -> Effect {
    let failed = matches!(status, CallStatus::Retrying | CallStatus::Failed);
    Effect::Settle(Settlement {
        call: call(c),
        attempt,
        status,
        error: failed.then(problem),
        effect: failed.then_some(EffectState::Unknown),
        next_attempt_at: (status == CallStatus::Retrying).then(|| at(120)),
    })
}
