//! Limits end an instance, or the task that met them, through the normal path of errors. Their journals are too long to be
//! golden.

use anyhow::{Result, bail};
use sagabus_core::{
    cause::{Cause, Start},
    decide::{DEPTH_MAX, EVENTS_MAX, Environment, ITEMS_MAX, TASKS_PER_DECISION_MAX, decide},
    effect::Attempt,
    event::Event,
    id::InstanceId,
    instance::{Instance, Status},
    report::Report,
    time::Timestamp,
};
use sagabus_kit::world::{Faults, Reaction, ThirdParty, World};
use serde_json::{Value, json};

/// Nothing is called here.
#[derive(Debug)]
struct Nobody;

impl ThirdParty for Nobody {
    fn react(&mut self, attempt: &Attempt) -> Result<Reaction> {
        bail!("nobody answers {attempt:?}")
    }
}

/// Runs a workflow and tells of its first instance.
fn run(body: &str, input: Value) -> (Report, World) {
    let source = format!("document: {{ dsl: '1.0.3', namespace: limits, name: endless, version: '1.0.0' }}\n{body}");
    let mut world = World::new(1, Faults::none(), Box::new(Nobody));
    let name = world.deploy(&source).expect("a valid workflow");
    let instance = world.start(&name, input, "key", None).expect("a start");
    world.run().expect("no check fails");
    let report = Report::of(&world.rows().journal(instance).expect("readable")).expect("a journal");
    (report, world)
}

fn detail(report: &Report) -> &str {
    report.error.as_ref().and_then(|error| error.detail.as_deref()).unwrap_or_default()
}

#[test]
fn a_loop_that_waits_for_nothing_is_ended_and_can_be_caught() {
    let (report, _) = run("do: [ { a: { set: { n: 1 }, then: a } } ]", json!({}));
    assert_eq!(report.status, "faulted");
    assert!(detail(&report).contains(&TASKS_PER_DECISION_MAX.to_string()), "{report:?}");
    assert_eq!(report.tasks.len(), TASKS_PER_DECISION_MAX as usize + 1);

    let caught = "do: [ { guarded: { try: [ { a: { set: { n: 1 }, then: a } } ], catch: { errors: { with: { status: 500 } } } } } ]";
    assert_eq!(run(caught, json!({})).0.status, "completed");
}

#[test]
fn a_collection_without_end_is_refused() {
    let body =
        "do: [ { each: { for: { in: '${ [range(.n)] }' }, do: [ { a: { if: '${ false }', set: { n: 1 } } } ] } } ]";
    assert_eq!(run(body, json!({ "n": ITEMS_MAX })).0.status, "completed");
    let (report, _) = run(body, json!({ "n": ITEMS_MAX + 1 }));
    assert!(detail(&report).contains(&ITEMS_MAX.to_string()), "{report:?}");
}

#[test]
fn an_instance_takes_only_so_many_events() {
    let body = "do: [ { all: { listen: { to: { any: [], until: { one: { with: { type: stop } } } } } } } ]";
    let source = format!("document: {{ dsl: '1.0.3', namespace: limits, name: ears, version: '1.0.0' }}\n{body}");
    let plan = sagabus_dsl::compile(&source).plan.expect("a valid workflow");
    let id = InstanceId::parse("01900000-0000-7000-8000-000000000001").expect("an id");
    let step =
        |instance, cause: Cause| decide(&plan, instance, &cause, Timestamp::from_millis(0), &Environment::default()).0;
    let start = Start { input: json!({}), key: "key".to_owned(), deadline: None, parent: None, nonce: String::new() };
    let mut instance = step(Instance::new(id), Cause::Start(start));
    for number in 0..=EVENTS_MAX {
        assert_eq!(instance.status(), Status::Waiting, "after {number} events");
        let (id, source) = (number.to_string(), "/test".to_owned());
        let event = Event { id, source, kind: "any".to_owned(), attributes: serde_json::Map::new() };
        instance = step(instance, Cause::Event { event });
    }
    assert_eq!(instance.status(), Status::Faulted);
}

#[test]
fn a_workflow_that_runs_itself_comes_to_an_end() {
    let body = "do: [ { again: { run: { workflow: { namespace: limits, name: endless, version: '1.0.0' } } } } ]";
    let (report, world) = run(body, json!({}));
    assert!(detail(&report).contains("nested"), "{report:?}");
    assert_eq!(world.rows().instances.len(), DEPTH_MAX + 1);
}
