//! Workflows that start workflows.

use sagabus_core::{
    cause::{EffectState, Outcome},
    problem::{Problem, Standard},
};
use serde_json::json;

use crate::harness::{Rig, echo};

const CHILD: &str = "
document: { dsl: '1.0.3', namespace: test, name: child, version: '1.0.0' }
do:
  - work: { call: work@desk, with: {} }
";

fn parent(name: &str, child: &str, waits: bool) -> String {
    format!(
        "
document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: '1.0.0' }}
do:
  - sub: {{ run: {{ workflow: {{ namespace: test, name: {child}, version: latest }}, await: {waits} }} }}
"
    )
}

#[tokio::test]
async fn a_parent_gets_the_output_of_its_child() {
    let rig = Rig::new().await;
    rig.deploy(CHILD).await;
    rig.deploy(&parent("caller", "child", true)).await;
    let _calls = rig.worker("desk", echo).await;
    let report = rig.end(rig.start("caller").await).await;
    assert_eq!((report.status.as_str(), report.output), ("completed", Some(json!("work"))));
}

#[tokio::test]
async fn a_parent_that_does_not_wait_goes_on_and_its_child_runs() {
    let rig = Rig::new().await;
    rig.deploy(CHILD).await;
    rig.deploy(&parent("caller", "child", false)).await;
    let mut calls = rig.worker("desk", |_| None).await;
    assert_eq!(rig.end(rig.start("caller").await).await.status, "completed");
    let call = crate::harness::soon(calls.recv()).await.expect("a call");
    rig.reply(&call, crate::harness::done(json!(1))).await;
    assert_eq!(rig.end(call.attempt.instance).await.status, "completed");
}

#[tokio::test]
async fn a_parent_gets_the_error_of_its_child() {
    let rig = Rig::new().await;
    rig.deploy(CHILD).await;
    rig.deploy(&parent("caller", "child", true)).await;
    let error = Problem::standard(Standard::Authorization, "no");
    let _calls =
        rig.worker("desk", move |_| Some(Outcome::Failed { error: error.clone(), effect: EffectState::None })).await;
    let report = rig.end(rig.start("caller").await).await;
    let error = report.error.expect("an error");
    assert_eq!((report.status.as_str(), error.status, error.instance.as_deref()), ("faulted", 403, Some("/do/0/sub")));
}

#[tokio::test]
async fn a_child_that_is_not_deployed_is_an_error_of_its_parent() {
    let rig = Rig::new().await;
    rig.deploy(&parent("caller", "nobody", true)).await;
    let report = rig.end(rig.start("caller").await).await;
    let error = report.error.expect("an error");
    assert!(error.kind.ends_with("/configuration"), "{error:?}");
    let detail = error.detail.expect("a detail");
    assert!(detail.contains("`test/nobody` is not deployed"), "{detail}");
    assert!(sagabus_ports::Store::pending(rig.store.as_ref(), None, 10).await.expect("readable").is_empty());
}
