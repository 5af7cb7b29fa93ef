//! A store or a bus that fails for a while, and a journal that cannot be read.

use std::sync::atomic::Ordering;

use sagabus_engine::StartError;
use sagabus_ports::Kind;
use serde_json::json;

use crate::{
    harness::{Fault, Rig, done, echo, soon},
    starts::TWO_CALLS,
};

#[tokio::test]
async fn while_the_store_fails_starts_are_refused_and_the_rest_waits() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let mut calls = rig.worker("desk", |call| (call.attempt.function == "two").then(|| done(json!("end")))).await;
    let instance = rig.start("two-calls").await;
    let call = soon(calls.recv()).await.expect("a call");

    rig.store.fail(Some(Fault::Refuses));
    let refused = rig.ask("two-calls", Some("k"), json!({})).await;
    assert!(matches!(&refused, Err(StartError::Store(error)) if error.kind == Kind::Full), "{refused:?}");
    rig.reply(&call, done(json!("kept"))).await;
    rig.store.failed(3).await;
    assert!(calls.try_recv().is_err(), "a call was made that is not durable");

    rig.store.fail(None);
    let report = rig.end(instance).await;
    assert_eq!((report.status.as_str(), report.output), ("completed", Some(json!("end"))));
    assert!(!rig.ask("two-calls", Some("k"), json!({})).await.expect("accepted").repeated);
}

#[tokio::test]
async fn a_commit_that_nobody_heard_of_is_performed_all_the_same() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let mut calls = rig.worker("desk", |call| (call.attempt.function == "two").then(|| done(json!("end")))).await;
    let instance = rig.start("two-calls").await;
    let call = soon(calls.recv()).await.expect("a call");

    rig.store.fail(Some(Fault::Lies));
    rig.reply(&call, done(json!("one"))).await;
    rig.store.failed(1).await;
    rig.store.fail(None);
    let report = rig.end(instance).await;
    assert_eq!((report.status.as_str(), report.output), ("completed", Some(json!("end"))));
}

#[tokio::test]
async fn a_start_that_nobody_heard_of_is_found_by_its_key() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let _calls = rig.worker("desk", echo).await;
    rig.store.fail(Some(Fault::Lies));
    assert!(rig.ask("two-calls", Some("k"), json!({})).await.is_err());
    rig.store.fail(None);
    let accepted = loop {
        // Refused until the pause is over.
        match rig.ask("two-calls", Some("k"), json!({})).await {
            Ok(accepted) => break accepted,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert!(accepted.repeated);
    assert_eq!(rig.end(accepted.instance).await.status, "completed");
}

#[tokio::test]
async fn calls_that_the_bus_did_not_take_are_published_when_it_is_back() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    rig.bus.is_cut.store(true, Ordering::SeqCst);
    let instance = rig.start("two-calls").await;
    let _calls = rig.worker("desk", echo).await;
    rig.bus.is_cut.store(false, Ordering::SeqCst);
    assert_eq!(rig.end(instance).await.status, "completed");
}

#[tokio::test]
async fn a_damaged_journal_stops_nobody_else() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let (bad, good) = (rig.start("two-calls").await, rig.start("two-calls").await);
    rig.store.damaged.lock().expect("no panic").insert(bad);
    let rig = rig.crash().await;
    let _calls = rig.worker("desk", echo).await;
    assert_eq!(rig.end(good).await.status, "completed");
    let error = soon(rig.engine.cancel(bad, "x".to_owned())).await.expect_err("it is set aside");
    assert_eq!(error.kind, Kind::Corrupt);
    assert!(error.to_string().contains("entry 2 is no JSON"), "{error}");
    assert_eq!(rig.engine.gauges().parked, 1);
}
