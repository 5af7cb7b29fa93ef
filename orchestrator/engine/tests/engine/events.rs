//! Events between instances, and from and to the world.

use sagabus_ports::{Address, Bus as _, Envelope, Headers, Source, Store as _};
use serde_json::json;

use crate::harness::{Rig, echo, event, soon};

const LISTENER: &str = "
document: { dsl: '1.0.3', namespace: test, name: listener, version: '1.0.0' }
do:
  - hear: { listen: { to: { one: { with: { type: com.example.paid } } } } }
";

const PATIENT: &str = "
document: { dsl: '1.0.3', namespace: test, name: patient, version: '1.0.0' }
do:
  - hear: { listen: { to: { all: [ { with: { type: com.example.a } }, { with: { type: com.example.b } } ] } } }
";

const EMITTER: &str = "
document: { dsl: '1.0.3', namespace: test, name: emitter, version: '1.0.0' }
do:
  - tell: { emit: { event: { with: { source: /shop, type: com.example.paid, data: { amount: 3 } } } } }
";

#[tokio::test]
async fn what_one_instance_emits_another_hears() {
    let rig = Rig::new().await;
    rig.deploy(LISTENER).await;
    rig.deploy(EMITTER).await;
    let listener = rig.start("listener").await;
    let emitter = rig.start("emitter").await;
    assert_eq!(rig.end(emitter).await.status, "completed");
    let report = rig.end(listener).await;
    assert_eq!((report.status.as_str(), report.output), ("completed", Some(json!([{ "amount": 3 }]))));
    soon(async {
        while !rig.store.unpublished(None, 10).await.expect("readable").is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_that_arrives_twice_is_taken_once() {
    let rig = Rig::new().await;
    rig.deploy(PATIENT).await;
    let instance = rig.start("patient").await;
    let envelope = |delivery: &str, kind: &str| Envelope {
        id: delivery.to_owned(),
        address: Address::Events { kind: kind.to_owned() },
        headers: Headers::from([("content-type".to_owned(), "application/cloudevents+json".to_owned())]),
        body: serde_json::to_vec(&event(kind, kind).to_value()).expect("JSON"),
    };
    let [a, b] = ["com.example.a", "com.example.b"];
    rig.bus.publish(vec![envelope("1", a), envelope("2", a), envelope("3", b)]).await.expect("published");
    let report = rig.end(instance).await;
    assert_eq!(report.output.expect("an output").as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn an_event_from_outside_wakes_whoever_listens() {
    let rig = Rig::new().await;
    rig.deploy(LISTENER).await;
    let listeners = [rig.start("listener").await, rig.start("listener").await];
    rig.engine.send(event("com.example.other", "0")).await.expect("sent");
    rig.engine.send(event("com.example.paid", "1")).await.expect("sent");
    for listener in listeners {
        assert_eq!(rig.end(listener).await.output, Some(json!([{ "id": "1" }])));
    }
}

#[tokio::test]
async fn an_event_in_the_outbox_survives_a_crash() {
    let rig = Rig::new().await;
    rig.deploy(EMITTER).await;
    rig.bus.is_cut.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(rig.end(rig.start("emitter").await).await.status, "completed");
    assert_eq!(rig.store.unpublished(None, 10).await.expect("readable").len(), 1);
    // A listener that is there before the engine is: events are for those who listen.
    rig.deploy(LISTENER).await;
    let listener = rig.start("listener").await;
    let rig = rig.crash().await;
    assert_eq!(rig.end(listener).await.status, "completed");
}

#[tokio::test]
async fn lifecycle_events_tell_the_course_in_order() {
    let rig = Rig::new().await;
    rig.deploy(crate::starts::TWO_CALLS).await;
    let mut heard = rig.bus.consume(Source::Events, "test", 100).await.expect("events");
    let _calls = rig.worker("desk", echo).await;
    let instance = rig.start("two-calls").await;
    let mut told = Vec::new();
    while told.last().is_none_or(|kind| kind != "workflow.status-changed completed") {
        let delivery = soon(heard.next()).await.expect("an event");
        let envelope = delivery.envelope;
        delivery.receipt.acknowledge().await.expect("acknowledged");
        assert_eq!(envelope.headers["ce-source"], format!("/instances/{instance}"));
        let data: serde_json::Value = serde_json::from_slice(&envelope.body).expect("JSON");
        let what = data.get("task").or(data.get("status")).and_then(|what| what.as_str()).unwrap_or_default();
        let kind = envelope.headers["ce-type"].replace("io.serverlessworkflow.", "").replace(".v1", "");
        told.push(format!("{kind} {what}").trim().to_owned());
    }
    let expected = [
        "workflow.started",
        "task.created /do/0/first",
        "task.started /do/0/first",
        "workflow.status-changed running",
        "task.completed /do/0/first",
        "task.created /do/1/second",
        "task.started /do/1/second",
        "task.completed /do/1/second",
        "workflow.completed",
        "workflow.status-changed completed",
    ];
    assert_eq!(told, expected);
}
