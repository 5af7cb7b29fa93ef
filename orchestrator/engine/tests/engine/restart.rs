//! A crash loses nothing and repeats nothing that was done.

use serde_json::json;

use crate::{
    harness::{Rig, done, echo, soon},
    starts::TWO_CALLS,
};

#[tokio::test]
async fn what_was_outstanding_is_published_again_and_what_was_done_is_not() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let mut calls = rig.worker("desk", |call| (call.attempt.function == "one").then(|| done(json!("one")))).await;
    let instance = rig.start("two-calls").await;
    assert_eq!(soon(calls.recv()).await.expect("a call").attempt.function, "one");
    let before = soon(calls.recv()).await.expect("a call").attempt;

    let rig = rig.crash().await;
    let mut calls = rig.worker("desk", echo).await;
    let after = soon(calls.recv()).await.expect("a call").attempt;
    assert_eq!(after, before);
    let report = rig.end(instance).await;
    assert_eq!((report.status.as_str(), report.output), ("completed", Some(json!("two"))));
    assert!(calls.try_recv().is_err(), "a call was made that had been done");
}

#[tokio::test]
async fn an_orderly_stop_leaves_nothing_half_done() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let instance = rig.start("two-calls").await;
    let again = rig.engine.clone();
    soon(rig.engine.clone().stop()).await;
    let refused =
        again.start(sagabus_engine::StartRequest { name: "two-calls".to_owned(), ..Default::default() }).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("stopped")));
    drop(again);

    let rig = rig.crash().await;
    let _calls = rig.worker("desk", echo).await;
    assert_eq!(rig.end(instance).await.status, "completed");
}

#[tokio::test]
async fn a_hundred_instances_survive_a_crash_in_the_middle() {
    let rig = Rig::new().await;
    rig.deploy(TWO_CALLS).await;
    let mut calls = rig.worker("desk", echo).await;
    let mut instances = Vec::new();
    for _ in 0..100 {
        instances.push(rig.start("two-calls").await);
    }
    soon(calls.recv()).await.expect("a call");

    let rig = rig.crash().await;
    let _calls = rig.worker("desk", echo).await;
    for instance in instances {
        assert_eq!(rig.end(instance).await.status, "completed");
    }
}
