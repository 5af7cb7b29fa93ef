//! Timers come in from the store; who sleeps costs no memory.

use std::sync::Arc;

use sagabus_core::{
    cause::{Cause, Start},
    decide::{Environment, decide},
    id::{Digest, InstanceId},
    instance::Instance,
    time::Timestamp,
};
use sagabus_ports::{Batch, Change, Clock as _, Deployment, InstanceRow, NewInstance, Store as _};
use serde_json::json;
use uuid::Uuid;

use crate::harness::{Glass, ManualClock, Rig, soon};

const NAP: &str = "
document: { dsl: '1.0.3', namespace: test, name: nap, version: '1.0.0' }
do:
  - rest: { wait: { hours: 1 } }
  - up: { set: { awake: true } }
";

const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn a_timer_fires_when_its_time_has_come() {
    let rig = Rig::new().await;
    rig.deploy(NAP).await;
    let instance = rig.start("nap").await;
    rig.clock.advance(HOUR_MS - 1);
    let other = rig.start("nap").await;
    assert_eq!(rig.engine.report(instance).await.expect("readable").expect("there").status, "waiting");
    rig.clock.advance(1);
    let report = rig.end(instance).await;
    assert_eq!((report.output, report.ended_at), (Some(json!({ "awake": true })), Some(rig.clock.now())));
    assert_eq!(rig.engine.report(other).await.expect("readable").expect("there").status, "waiting");
}

#[tokio::test]
async fn a_timer_that_fell_due_while_nobody_looked_fires_at_the_start() {
    let rig = Rig::new().await;
    rig.deploy(NAP).await;
    let instance = rig.start("nap").await;
    soon(rig.engine.clone().stop()).await;
    rig.clock.advance(2 * HOUR_MS);
    let rig = rig.crash().await;
    assert_eq!(rig.end(instance).await.status, "completed");
}

#[tokio::test]
async fn a_hundred_thousand_sleepers_take_no_memory() {
    const SLEEPERS: u128 = 100_000;
    let store = sagabus_driver_sql::open("sqlite::memory:", sagabus_driver_sql::Access::Own).await.expect("a store");
    let store = Arc::new(Glass::new(store));
    put_sleepers(&store, SLEEPERS).await;

    let clock = Arc::new(ManualClock::default());
    let rig = Rig::on(store, clock).await;
    let instance = rig.start("nap").await;
    assert_eq!(rig.engine.report(instance).await.expect("readable").expect("there").status, "waiting");
    let gauges = rig.engine.gauges();
    assert_eq!((gauges.loaded, gauges.in_memory), (0, 0), "{gauges:?}");

    // Only those whose time has come are loaded: the one that has just begun, not the sleepers.
    rig.clock.advance(HOUR_MS);
    assert_eq!(rig.end(instance).await.status, "completed");
    let gauges = rig.engine.gauges();
    assert_eq!(gauges.loaded, 1, "{gauges:?}");
}

/// Puts instances that wait for a time far away into the store, as their engine would have.
async fn put_sleepers(store: &Glass, count: u128) {
    const AT_ONCE: usize = 10_000;
    let plan = sagabus_dsl::compile(NAP).plan.expect("a plan");
    let (name, digest) = (plan.name.clone(), plan.digest.clone());
    let began = Timestamp::from_millis(1000 * HOUR_MS);
    store.deploy(Deployment { name, digest, source: NAP.to_owned(), deployed_at: began }).await.expect("deployed");
    let sleeper = |number: u128| {
        let id = InstanceId(Uuid::from_u128(number));
        let start = Start { input: json!({}), key: id.to_string(), deadline: None, parent: None, nonce: String::new() };
        let new = NewInstance {
            workflow: plan.name.clone(),
            digest: plan.digest.clone(),
            key: id.to_string(),
            input_digest: Digest::of(b"{}"),
            parent: None,
            started_at: began,
            deadline: None,
        };
        let (instance, decision) =
            decide(&plan, Instance::new(id), &Cause::Start(start), began, &Environment::default());
        Change {
            instance: id,
            expected_seq: 0,
            new: Some(new),
            entry: decision.entry.expect("an entry"),
            row: InstanceRow { status: instance.status(), output: None, error: None, ended_at: None },
            effects: decision.effects,
            consumed: Vec::new(),
        }
    };
    let numbers: Vec<u128> = (1..=count).collect();
    for numbers in numbers.chunks(AT_ONCE) {
        let changes = numbers.iter().map(|number| sleeper(*number)).collect();
        store.commit(Batch { changes, ..Batch::default() }).await.expect("committed");
    }
}
