//! Start → decide → commit → perform → outcome.

use sagabus_core::{
    cause::{EffectState, Outcome},
    fact::Fact,
    instance::Status,
    problem::{Problem, Standard},
};
use sagabus_engine::{StartError, StartRequest};
use sagabus_ports::{Address, Envelope, Headers, Kind};
use serde_json::json;

use crate::harness::{Rig, done, echo, soon};

pub(crate) const TWO_CALLS: &str = "
document: { dsl: '1.0.3', namespace: test, name: two-calls, version: '1.0.0' }
do:
  - first: { call: one@desk, with: { a: 1 } }
  - second: { call: two@desk, with: { b: 2 } }
";

#[tokio::test]
async fn an_instance_runs_to_its_end() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let mut calls = rig.worker("desk", echo).await;
    let mut progress = rig.engine.watch();
    let accepted = rig.ask("two-calls", Some("k"), json!({ "x": 1 })).await.expect("accepted");
    assert_eq!((accepted.repeated, accepted.key.as_str(), accepted.status), (false, "k", Status::Running));

    let report = rig.end(accepted.instance).await;
    assert_eq!((report.status.as_str(), report.output), ("completed", Some(json!("two"))));
    let tasks: Vec<_> = report.tasks.iter().map(|task| (task.name.as_str(), task.status.as_str())).collect();
    assert_eq!(tasks, [("first", "completed"), ("second", "completed")]);
    let first = soon(calls.recv()).await.expect("a call").attempt;
    assert_eq!((first.function.as_str(), first.attempt, first.arguments), ("one", 1, json!({ "a": 1 })));
    assert_eq!(soon(calls.recv()).await.expect("a call").attempt.function, "two");

    let steps: Vec<_> = [progress.recv().await, progress.recv().await, progress.recv().await]
        .into_iter()
        .map(|step| step.map(|step| (step.entry.seq, step.status)).expect("a step"))
        .collect();
    assert_eq!(steps, [(1, Status::Running), (2, Status::Running), (3, Status::Completed)]);
}

#[tokio::test]
async fn two_starters_with_one_key_start_one_instance() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let start = || rig.ask("two-calls", Some("same"), json!({ "b": 1, "a": 2 }));
    let (left, right) = tokio::join!(start(), start());
    let (left, right) = (left.expect("accepted"), right.expect("accepted"));
    assert_eq!(left.instance, right.instance);
    assert_ne!(left.repeated, right.repeated);

    // The order of members makes no other input.
    let again = rig.ask("two-calls", Some("same"), json!({ "a": 2, "b": 1 })).await.expect("accepted");
    assert_eq!((again.instance, again.repeated), (left.instance, true));
    let conflict = rig.ask("two-calls", Some("same"), json!({ "a": 3 })).await;
    assert!(
        matches!(&conflict, Err(StartError::KeyConflict { instance }) if *instance == left.instance),
        "{conflict:?}"
    );
}

#[tokio::test]
async fn a_key_is_looked_up_before_a_schema_that_became_stricter() {
    let workflow = |needs: &str| {
        format!(
            "document: {{ dsl: '1.0.3', namespace: test, name: strict, version: '1.0.0' }}\n\
             input: {{ schema: {{ format: json, document: {{ required: [ {needs} ] }} }} }}\n\
             do: [ {{ one: {{ set: {{ done: true }} }} }} ]\n"
        )
    };
    let rig = Rig::new().await;
    rig.deploy(&workflow("a")).await;
    let first = rig.ask("strict", Some("k"), json!({ "a": 1 })).await.expect("accepted");
    rig.deploy(&workflow("a, b")).await;
    let again = rig.ask("strict", Some("k"), json!({ "a": 1 })).await.expect("accepted");
    assert_eq!((again.instance, again.repeated, again.status), (first.instance, true, Status::Completed));
    let conflict = rig.ask("strict", Some("k"), json!({ "a": 2 })).await;
    assert!(matches!(&conflict, Err(StartError::KeyConflict { .. })), "{conflict:?}");
    let other = rig.ask("strict", Some("other"), json!({ "a": 1 })).await;
    assert!(matches!(&other, Err(StartError::InvalidInput(text)) if text.contains('b')), "{other:?}");

    // Whoever leaves a start in the store can ask the same beforehand.
    let check = async |key: Option<&str>, input| {
        let (name, key) = ("strict".to_owned(), key.map(str::to_owned));
        let request = StartRequest { name, key, input, ..StartRequest::default() };
        sagabus_engine::check_start(rig.store.clone(), rig.clock.clone(), &request).await
    };
    assert!(check(None, json!({ "a": 1, "b": 2 })).await.is_ok());
    assert!(check(Some("k"), json!({ "a": 1 })).await.is_ok());
    let invalid = check(None, json!({ "a": 1 })).await;
    assert_eq!(invalid.map_err(|error| error.to_string()), other.map(drop).map_err(|error| error.to_string()));
    assert!(matches!(check(Some(""), json!({})).await, Err(StartError::Store(error)) if error.kind == Kind::Invalid));
}

/// On several threads, because whoever is answered goes on at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_start_led_to_is_told_before_it_is_answered() {
    let rig = Rig::new().await;
    rig.deploy("document: { dsl: '1.0.3', namespace: test, name: instant, version: '1.0.0' }\ndo: [ { one: { set: { a: 1 } } } ]").await;
    let mut progress = rig.engine.watch();
    for round in 0..200 {
        let accepted = rig.ask("instant", None, json!({})).await.expect("accepted");
        let step = progress.try_recv().map(|step| (step.instance, step.status));
        assert_eq!(step.ok(), Some((accepted.instance, Status::Completed)), "round {round}");
    }
}

#[tokio::test]
async fn what_cannot_be_started_is_refused_with_the_reason() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let unknown = rig.ask("three-calls", None, json!({})).await;
    let Err(StartError::NotDeployed(reason)) = unknown else { panic!("{unknown:?}") };
    assert_eq!(reason, "`three-calls` is not deployed; these are: test/two-calls:1.0.0");
    let long = rig.ask("two-calls", Some(&"k".repeat(257)), json!({})).await;
    assert!(matches!(&long, Err(StartError::Store(error)) if error.kind == Kind::Invalid), "{long:?}");
}

#[tokio::test]
async fn a_request_on_the_bus_starts_once_however_often_it_comes() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let mut calls = rig.worker("desk", echo).await;
    let request = |id: &str, body: &str| Envelope {
        id: id.to_owned(),
        address: Address::Requests { namespace: "test".to_owned(), workflow: "two-calls".to_owned() },
        headers: Headers::new(),
        body: body.as_bytes().to_vec(),
    };
    use sagabus_ports::Bus as _;
    rig.bus.publish(vec![request("bad", "{"), request("good", "{}")]).await.expect("published");
    let instance = soon(calls.recv()).await.expect("a call").attempt.instance;
    let report = rig.end(instance).await;
    assert_eq!((report.key.as_str(), report.status.as_str()), ("good", "completed"));
    assert_eq!(rig.engine.gauges().refused, 1);
    let again = rig.ask("two-calls", Some("good"), json!({})).await.expect("accepted");
    assert_eq!((again.instance, again.repeated, again.status), (instance, true, Status::Completed));
}

#[tokio::test]
async fn late_repeated_and_forged_outcomes_change_nothing() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let mut calls = rig.worker("desk", |_| None).await;
    let instance = rig.start("two-calls").await;
    let first = soon(calls.recv()).await.expect("a call");
    let mut forged = first.clone();
    forged.attempt.attempt = 7;
    let mut foreign = first.clone();
    foreign.attempt.instance =
        sagabus_core::id::InstanceId::parse("00000000-0000-7000-8000-000000000000").expect("an id");
    for call in [&forged, &foreign, &first, &first] {
        rig.reply(call, done(json!("right"))).await;
    }
    let second = soon(calls.recv()).await.expect("a call");
    rig.reply(&first, done(json!("late"))).await;
    rig.reply(&second, done(json!("end"))).await;
    let report = rig.end(instance).await;
    assert_eq!((report.status.as_str(), report.output), ("completed", Some(json!("end"))));
    soon(async {
        while rig.engine.gauges().ignored < 4 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let entries =
        sagabus_ports::Store::load(rig.store.as_ref(), &[instance]).await.expect("loaded").remove(0).expect("there");
    let completed = entries
        .entries
        .expect("readable")
        .iter()
        .flat_map(|entry| &entry.facts)
        .filter(|fact| matches!(fact, Fact::TaskCompleted { .. }))
        .count();
    assert_eq!(completed, 2);
}

#[tokio::test]
async fn a_failed_call_faults_the_instance_with_the_place() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let error = Problem::standard(Standard::Communication, "refused");
    let outcome = Outcome::Failed { error, effect: EffectState::None };
    let _calls = rig.worker("desk", move |_| Some(outcome.clone())).await;
    let report = rig.end(rig.start("two-calls").await).await;
    assert_eq!(report.status, "faulted");
    let error = report.error.expect("an error");
    assert_eq!((error.detail.as_deref(), error.instance.as_deref()), (Some("refused"), Some("/do/0/first")));
}

#[tokio::test]
async fn a_cancelled_instance_ends_and_its_worker_is_told() {
    use sagabus_ports::{Bus as _, ControlMessage, Source};
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let mut control = rig.bus.consume(Source::Control, "test", 100).await.expect("control");
    let mut calls = rig.worker("desk", |_| None).await;
    let instance = rig.start("two-calls").await;
    let call = soon(calls.recv()).await.expect("a call").attempt;
    soon(rig.engine.cancel(instance, "enough".to_owned())).await.expect("cancelled");
    assert_eq!(rig.end(instance).await.status, "cancelled");
    let told = loop {
        let delivery = soon(control.next()).await.expect("a message");
        if let ControlMessage::Cancel { call, attempt } = serde_json::from_slice(&delivery.envelope.body).expect("JSON")
        {
            break (call, attempt);
        }
    };
    assert_eq!(told, (call.call, 1));
    let missing = sagabus_core::id::InstanceId::parse("00000000-0000-7000-8000-000000000000").expect("an id");
    let error = soon(rig.engine.cancel(missing, "x".to_owned())).await.expect_err("there is none");
    assert_eq!(error.kind, Kind::NotFound);
    assert!(rig.engine.wait(missing).await.expect("the store answers").is_none());
}

#[tokio::test]
async fn a_start_that_another_process_enqueued_is_taken_up_once() {
    use sagabus_core::cause::{Cause, Start};
    use sagabus_ports::{Batch, PendingCause, Store as _};
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let _calls = rig.worker("desk", echo).await;
    let instance = sagabus_core::id::InstanceId::parse("00000000-0000-7000-8000-000000000001").expect("an id");
    let (key, nonce) = ("enqueued".to_owned(), String::new());
    let start = Start { input: json!({}), key, deadline: None, parent: None, nonce };
    let row = |id: &str| PendingCause {
        id: id.to_owned(),
        instance,
        cause: Cause::Start(start.clone()),
        workflow: Some(("test".to_owned(), "two-calls".to_owned(), None)),
    };
    let inbox = vec![row("cli:1:0"), row("cli:2:0")];
    rig.store.commit(Batch { inbox, ..Batch::default() }).await.expect("committed");
    soon(async {
        while !rig.store.pending(None, 10).await.expect("readable").is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let report = rig.end(instance).await;
    assert_eq!((report.key.as_str(), report.status.as_str(), report.tasks.len()), ("enqueued", "completed", 2));
}
