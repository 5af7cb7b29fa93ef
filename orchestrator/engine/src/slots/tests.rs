use std::sync::Arc;

use sagabus_core::{
    cause::{Cause, Start},
    decide::{Environment, decide},
    id::{Digest, InstanceId},
    instance::Instance,
    plan::Plan,
    time::Timestamp,
};
use sagabus_ports::NewInstance;
use serde_json::json;
use uuid::Uuid;

use super::Slots;
use crate::{
    lifecycle::Narrator,
    wake::{self, Job, Origin, Running, Starter},
};

const CALLS: &str = "
document: { dsl: '1.0.3', namespace: test, name: calls, version: '1.0.0' }
do: [ { one: { call: one@desk, with: {} } } ]
";

fn id(number: u128) -> InstanceId {
    InstanceId(Uuid::from_u128(number))
}

fn plan() -> Arc<Plan> {
    Arc::new(sagabus_dsl::compile(CALLS).plan.expect("a plan"))
}

fn begin() -> Cause {
    let (key, nonce) = ("k".to_owned(), "n".to_owned());
    Cause::Start(Start { input: json!({}), key, deadline: None, parent: None, nonce })
}

fn start(plan: &Arc<Plan>) -> Job {
    let new = NewInstance {
        workflow: plan.name.clone(),
        digest: plan.digest.clone(),
        key: "k".to_owned(),
        input_digest: Digest::of(b"{}"),
        parent: None,
        started_at: Timestamp::default(),
        deadline: None,
    };
    let start = Box::new(wake::Start { plan: plan.clone(), new });
    Job { cause: begin(), origin: Origin::Start(start, Starter::Row("row".to_owned())) }
}

fn cancel(reason: &str) -> Job {
    Job { cause: Cause::Cancel { reason: reason.to_owned() }, origin: Origin::Row(reason.to_owned()) }
}

/// An instance whose call is outstanding.
fn running(plan: &Arc<Plan>, id: InstanceId) -> Box<Running> {
    let fresh = Instance::new(id);
    let (instance, _) = decide(plan, fresh, &begin(), Timestamp::default(), &Environment::default());
    Box::new(Running { instance, plan: plan.clone(), narrator: Narrator::new(id, &plan.name) })
}

#[test]
fn causes_of_one_instance_are_taken_one_at_a_time_in_their_order() {
    let (mut slots, plan) = (Slots::new(10), plan());
    slots.push(id(1), cancel("a"));
    slots.push(id(1), cancel("b"));
    assert_eq!(slots.take_absent(10), [id(1)]);
    assert!(slots.take_absent(10).is_empty() && slots.take_ready().is_none());
    slots.rest(id(1), running(&plan, id(1)));
    let (_, instance, first) = slots.take_ready().expect("a cause");
    assert_eq!(first.cause, cancel("a").cause);
    assert!(slots.take_ready().is_none(), "the instance is being decided");
    slots.rest(id(1), instance);
    assert_eq!(slots.take_ready().expect("a cause").2.cause, cancel("b").cause);
    assert_eq!(slots.waiting(), 0);
}

#[test]
fn those_that_rested_longest_are_forgotten() {
    let (mut slots, plan) = (Slots::new(2), plan());
    for number in 1..=3 {
        slots.push(id(number), cancel("x"));
        slots.take_absent(1);
        slots.rest(id(number), running(&plan, id(number)));
        let (id, instance, _) = slots.take_ready().expect("a cause");
        slots.rest(id, instance);
    }
    assert_eq!(slots.len(), 2);
    slots.push(id(1), cancel("y"));
    assert_eq!(slots.take_absent(10), [id(1)]);
    slots.push(id(3), cancel("y"));
    assert_eq!(slots.take_ready().map(|(id, ..)| id), Some(id(3)));
}

#[test]
fn a_cause_that_comes_before_its_start_waits_for_it() {
    let (mut slots, plan) = (Slots::new(10), plan());
    slots.push(id(1), cancel("early"));
    slots.take_absent(10);
    slots.start(id(1), start(&plan));
    assert!(slots.missing(id(1)).is_empty());
    let (_, instance, job) = slots.take_ready().expect("a cause");
    assert_eq!((job.cause.word(), instance.instance.seq()), ("start", 0));
    slots.rest(id(1), running(&plan, id(1)));
    assert_eq!(slots.take_ready().expect("a cause").2.cause, cancel("early").cause);
}

#[test]
fn causes_of_who_is_missing_or_parked_come_back() {
    let mut slots = Slots::new(10);
    slots.prepare(id(1));
    slots.push(id(1), cancel("a"));
    assert_eq!(slots.missing(id(1)).len(), 1);
    slots.push(id(2), cancel("b"));
    assert_eq!(slots.park(id(2), "damaged".to_owned()).len(), 1);
    assert_eq!(slots.parked(id(2)), Some("damaged"));
    assert_eq!(slots.waiting(), 0);
}
