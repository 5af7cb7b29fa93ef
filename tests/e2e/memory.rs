//! Many sleep, few run: instances that wait cost rows, not memory.

use sagabus_core::{
    cause::{Cause, Start},
    decide::{Environment, decide},
    fact::{Entry, Fact},
    id::InstanceId,
    instance::Instance,
    plan::Plan,
    time::Timestamp,
};
use sagabus_driver_sql::Access;
use sagabus_ports::{Batch, Change, Clock as _, Deployment, InstanceRow, NewInstance, SystemClock};
use serde_json::{Value, json as value};
use uuid::Uuid;

use crate::support::{Place, json, workflow};

const SLEEPERS: usize = 100_000;
/// What an idle server may take.
const LIMIT_KIB: u64 = 100 * 1024;

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_sleepers_cost_an_idle_server_less_than_100_mib() {
    let place = Place::new();
    let source =
        workflow("sleep", "1.0.0", "do:\n- rest:\n    wait: { days: 30 }\n- answer:\n    set: { woken: true }");
    fill(&place, &source).await;
    let server = place.serve(&[]).await;
    // It works, and has looked at what there is: an instance that starts now goes to its own rest.
    let id = server.begin("test/sleep", &value!({})).await;
    let listed = place.sagabus(&["instances", "list", "--status", "waiting", "--limit", "1", "--json"]).await;
    assert_eq!(json(&listed.stdout)[0]["id"], value!(id), "{}", listed.stderr);
    let (status, _) = server.get("/health").await;
    assert_eq!(status, 200);
    let resident = resident_kib(server.running.id());
    assert!(resident < LIMIT_KIB, "{resident} KiB are resident, {LIMIT_KIB} KiB were promised");
    server.stop().await;
}

/// Puts sleepers into a new database, as an engine would.
async fn fill(place: &Place, source: &str) {
    let url = format!("sqlite:{}", place.path().join("sagabus.db").display());
    let store = sagabus_driver_sql::open(&url, Access::Own).await.expect("a new database");
    let plan = sagabus_dsl::compile(source).plan.expect("it compiles");
    let now = SystemClock.now();
    let deployment = Deployment {
        name: plan.name.clone(),
        digest: plan.digest.clone(),
        source: source.to_owned(),
        deployed_at: now,
    };
    store.deploy(deployment).await.expect("deployed");
    let template = sleeper(&plan, now);
    for chunk in 0..SLEEPERS / 5_000 {
        let changes = (0..5_000).map(|number| another(&plan, &template, chunk * 5_000 + number)).collect();
        store.commit(Batch { changes, ..Batch::default() }).await.expect("committed");
    }
}

/// One decided start.
struct Template {
    entry: Entry,
    effects: Vec<sagabus_core::effect::Effect>,
    status: sagabus_core::instance::Status,
    now: Timestamp,
}

fn sleeper(plan: &Plan, now: Timestamp) -> Template {
    let start = Start { input: value!({}), key: "template".into(), deadline: None, parent: None, nonce: "n".into() };
    let instance = Instance::new(InstanceId(Uuid::now_v7()));
    let (instance, decision) = decide(plan, instance, &Cause::Start(start), now, &Environment::default());
    let entry = decision.entry.expect("a start is decided");
    Template { entry, effects: decision.effects, status: instance.status(), now }
}

/// The same start under another id and key: deciding each would be what takes longest.
fn another(plan: &Plan, template: &Template, number: usize) -> Change {
    let (instance, key) = (InstanceId(Uuid::now_v7()), format!("sleeper-{number}"));
    let mut entry = template.entry.clone();
    for fact in &mut entry.facts {
        if let Fact::Started(started) = fact {
            started.instance = instance;
            started.key.clone_from(&key);
        }
    }
    let input_digest = sagabus_core::id::Digest::of(Value::Object(serde_json::Map::new()).to_string().as_bytes());
    let new = NewInstance {
        workflow: plan.name.clone(),
        digest: plan.digest.clone(),
        key,
        input_digest,
        parent: None,
        started_at: template.now,
        deadline: None,
    };
    let row = InstanceRow { status: template.status, output: None, error: None, ended_at: None };
    Change {
        instance,
        expected_seq: 0,
        new: Some(new),
        entry,
        row,
        effects: template.effects.clone(),
        consumed: Vec::new(),
    }
}

fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process lives");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}
