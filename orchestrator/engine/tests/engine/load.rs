//! Many instances at once share commits.

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::harness::{Rig, echo};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_instances_need_far_fewer_commits_than_steps() {
    const INSTANCES: usize = 200;
    let rig = Rig::new().await;
    let tasks: String =
        (0..10).map(|number| format!("  - t{number}: {{ call: f{number}@desk, with: {{}} }}\n")).collect();
    let head = "document: { dsl: '1.0.3', namespace: test, name: ten, version: '1.0.0' }";
    rig.deploy(&format!("{head}\ndo:\n{tasks}")).await;
    let _calls = rig.worker("desk", echo).await;
    let begun = (0..INSTANCES).map(|number| {
        let engine = rig.engine.clone();
        tokio::spawn(async move {
            let request = sagabus_engine::StartRequest {
                name: "ten".to_owned(),
                key: Some(number.to_string()),
                input: json!({}),
                ..Default::default()
            };
            let accepted = engine.start(request).await.expect("accepted");
            engine.wait(accepted.instance).await.expect("the engine runs").expect("there").status
        })
    });
    for instance in begun.collect::<Vec<_>>() {
        assert_eq!(crate::harness::soon(instance).await.expect("no panic"), "completed");
    }
    let (commits, steps) = (rig.store.commits.load(Ordering::SeqCst), rig.store.steps.load(Ordering::SeqCst));
    assert_eq!(steps, 11 * INSTANCES as u64);
    assert!(commits * 5 < steps, "{commits} commits for {steps} steps");
}
