//! `kill -9` in the middle of 100 running instances, and a restart.

use std::collections::{BTreeMap, BTreeSet};

use sagabus_driver_sql::Access;
use serde_json::json as value;

use crate::{
    stand_in::StandIn,
    support::{Place, until, workflow},
};

const INSTANCES: usize = 100;
const STEPS: [&str; 3] = ["reserve", "charge", "book"];

/// Three steps at a third party, with a pause in between, so that instances are killed while they call, wait and begin.
fn three_steps(address: &str) -> String {
    let step = |name: &str| {
        format!(
            "- {name}:\n    call: http\n    with:\n      method: post\n      endpoint: {address}/{name}\n      body: {{ order: '${{ $workflow.input.order }}' }}\n"
        )
    };
    let tasks = format!(
        "do:\n{}{}- pause:\n    wait: {{ milliseconds: 50 }}\n{}",
        step("reserve"),
        step("charge"),
        step("book")
    );
    workflow("three-steps", "1.0.0", &tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_instance_is_lost_and_no_completed_task_runs_again() {
    let place = Place::new();
    let stand_in = StandIn::start().await;
    place.allow_this_machine();
    place.file("flows/steps.yaml", &three_steps(&stand_in.address));
    let mut server = place.serve(&["--workflows", "flows"]).await;
    stand_in.answer(false);
    let mut ids = Vec::new();
    for order in 0..INSTANCES {
        ids.push(server.begin("test/three-steps", &value!({ "order": order })).await);
    }
    // Some orders hang in their first step; the others go on: somewhere in their second or third is the middle.
    stand_in.has_heard(INSTANCES + INSTANCES / 2).await;
    server.running.signal("KILL").await;
    server.running.end().await;

    let completed = completed_steps(&place, &ids).await;
    assert!(!completed.is_empty() && completed.len() < INSTANCES * STEPS.len(), "{} of all", completed.len());
    let before = stand_in.asked().len();
    stand_in.answer(true);
    let server = place.serve(&[]).await;
    for id in &ids {
        let report = server.ended(id).await;
        assert_eq!(
            (&report["status"], &report["output"]),
            (&value!("completed"), &value!({"done": "book"})),
            "{report}"
        );
    }
    let asked = stand_in.asked();
    for again in &asked[before..] {
        let step = (again.order.clone(), again.step.clone());
        assert!(!completed.contains(&step), "{step:?} was completed before the crash, and was asked for again");
    }
    let mut keys = BTreeMap::<_, BTreeSet<_>>::new();
    for one in &asked {
        assert!(!one.key.is_empty(), "{one:?}");
        keys.entry((one.order.clone(), one.step.clone())).or_default().insert(one.key.clone());
    }
    assert_eq!(keys.len(), INSTANCES * STEPS.len(), "every step of every order was asked for");
    assert!(keys.values().all(|keys| keys.len() == 1), "all attempts of a call carry one key: {keys:?}");
    let all: BTreeSet<_> = keys.values().flatten().collect();
    assert_eq!(all.len(), INSTANCES * STEPS.len(), "no two calls share a key");
    server.stop().await;
}

/// Order and step of every task whose end is in the database that the dead process left.
async fn completed_steps(place: &Place, ids: &[String]) -> BTreeSet<(String, String)> {
    let url = format!("sqlite:{}", place.path().join("sagabus.db").display());
    let store = sagabus_driver_sql::open(&url, Access::Read).await.expect("the database is whole");
    let mut completed = BTreeSet::new();
    for (order, id) in ids.iter().enumerate() {
        let id = sagabus_core::id::InstanceId::parse(id).expect("an id");
        let report = sagabus_engine::read_report(&*store, id).await.expect("it is readable");
        let report = report.expect("an accepted start is never lost");
        let steps = report.tasks.iter().filter(|task| task.status == "completed" && task.kind == "call");
        completed.extend(steps.map(|task| (order.to_string(), task.name.clone())));
    }
    completed
}

#[tokio::test]
async fn a_sleeper_wakes_up_after_a_restart() {
    let place = Place::new();
    let tasks = "do:\n- rest:\n    wait: { milliseconds: 300 }\n- answer:\n    set: { woken: true }";
    place.file("flows/rest.yaml", &workflow("rest", "1.0.0", tasks));
    let mut server = place.serve(&["--workflows", "flows"]).await;
    let id = server.begin("test/rest", &value!({})).await;
    server.running.signal("KILL").await;
    server.running.end().await;
    let server = place.serve(&[]).await;
    let woken = until(async || Some(server.ended(&id).await)).await;
    assert_eq!(woken["output"], value!({"woken": true}));
    server.stop().await;
}
