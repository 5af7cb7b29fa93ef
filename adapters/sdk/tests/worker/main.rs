//! The worker against a bus that keeps a record and an adapter that does as it is told. Time is virtual.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bus;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sagabus_adapter_sdk::{
    Adapter, Call, EffectState, Failure, Function, Manifest, Outcome, Secrets, Standard, Unknown, Worker,
    WorkerSettings, async_trait,
};
use sagabus_core::{
    decide::secret_reference,
    effect::Attempt,
    id::{CallId, ExecutionId, InstanceId, WorkflowName},
    time::Timestamp,
};
use sagabus_ports::{Bus, CallMessage, Clock, ControlMessage, LARGEST_BODY, OutcomeMessage};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::bus::{Fate, Record, TestBus};

/// Does what its argument `do` says.
struct Obedient {
    begun: Arc<AtomicUsize>,
    /// `wait` waits for a permit of this one.
    gate: Arc<Semaphore>,
}

#[async_trait]
impl Adapter for Obedient {
    fn manifest(&self) -> Manifest {
        let mut act = Function::new("act", "Does as it is told.");
        act.input = json!({ "type": "object", "required": ["do"] });
        act.output = json!({ "not": { "const": "wrong" } });
        act.minimum_budget = Duration::from_millis(500);
        let mut once = act.clone();
        once.name = "once".to_owned();
        once.unknown = Unknown::AtMostOnce;
        let functions = vec![act, once];
        Manifest { name: "obedient".to_owned(), version: "1.2.0".to_owned(), functions, concurrency: Some(2) }
    }

    fn target(&self, call: &Call) -> Option<String> {
        call.arguments["target"].as_str().map(str::to_owned)
    }

    async fn call(&self, call: Call) -> Result<Value, Failure> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        match call.arguments["do"].as_str().unwrap_or_default() {
            "answer" => Ok(call.arguments["with"].clone()),
            "tell key" => Ok(json!({ "key": call.key, "attempt": call.attempt, "budget": call.budget.as_secs_f64() })),
            "wait" => {
                self.gate.acquire().await.unwrap().forget();
                Ok(json!("waited"))
            }
            "obey cancellation" => {
                call.cancelled.cancelled().await;
                Err(Failure::without_effect(Standard::Runtime, "undone"))
            }
            "hang" => std::future::pending().await,
            "panic" => panic!("told to"),
            "refuse" => {
                Err(Failure::without_effect(Standard::Communication, "refused with t0p-s3cret").with_status(409))
            }
            "flood" => Ok(Value::String("x".repeat(LARGEST_BODY))),
            other => panic!("does not know {other}"),
        }
    }
}

/// A worker, its bus, and what they did.
struct Scene {
    bus: Arc<TestBus>,
    record: Record,
    worker: Worker,
    begun: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

/// A clock that tests need not wind: deadlines by the absolute clock are relative to it.
struct Fixed;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        NOW
    }
}

fn scene() -> Scene {
    let (bus, record) = TestBus::new();
    let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let adapter = Arc::new(Obedient { begun: begun.clone(), gate: gate.clone() });
    let secrets = Secrets::new(json!({ "token": "t0p-s3cret" }).as_object().unwrap().clone()).unwrap();
    let settings = WorkerSettings {
        name: "w1".to_owned(),
        per_target: 1,
        grace: Duration::from_secs(5),
        clock: Arc::new(Fixed),
        ..WorkerSettings::default()
    };
    let worker = Worker::start(bus.clone() as Arc<dyn Bus>, vec![adapter], Arc::new(secrets), settings);
    Scene { bus, record, worker, begun, gate }
}

fn message(path: &str, function: &str, arguments: Value) -> CallMessage {
    let instance = InstanceId::parse("018f4e5a-0000-7000-8000-000000000001").unwrap();
    CallMessage {
        attempt: Attempt {
            call: CallId::derive(instance, path, "digest"),
            instance,
            workflow: WorkflowName { namespace: "n".into(), name: "w".into(), version: "1.0.0".into() },
            execution: ExecutionId(1),
            reference: "/do/0/x".into(),
            adapter: "obedient".into(),
            function: function.into(),
            version: None,
            arguments,
            attempt: 1,
            attempts_allowed: None,
            timeout_ms: None,
            deadline: None,
            nonce: "n1".into(),
            secrets: vec!["token".into()],
            enqueued_at: NOW,
        },
        budget_ms: None,
        partition: 7,
        republished: false,
    }
}

impl Scene {
    async fn deliver(&self, id: &str, message: &CallMessage, redelivered: u32) {
        self.bus.deliver("obedient", id, serde_json::to_vec(message).unwrap(), redelivered).await;
    }

    async fn outcome(&mut self) -> Outcome {
        let envelope = self.record.result().await;
        assert_eq!(envelope.address.to_string(), "results.7");
        let message: OutcomeMessage = serde_json::from_slice(&envelope.body).unwrap();
        assert_eq!((message.worker.as_str(), message.attempt), ("w1", 1));
        message.outcome
    }

    /// Delivers, and gives the outcome once the delivery was acknowledged.
    async fn attempt(&mut self, message: &CallMessage, redelivered: u32) -> Outcome {
        self.deliver("a", message, redelivered).await;
        let outcome = self.outcome().await;
        while self.record.fate().await.1 == Fate::Extended {}
        outcome
    }

    /// The same for an attempt that fails: status, effect and detail.
    async fn failure(&mut self, message: &CallMessage, redelivered: u32) -> (u16, EffectState, String) {
        match self.attempt(message, redelivered).await {
            Outcome::Failed { error, effect } => (error.status, effect, error.detail.unwrap()),
            Outcome::Done { output } => panic!("done with {output}"),
        }
    }

    async fn begun(&self, attempts: usize) {
        while self.begun.load(Ordering::SeqCst) < attempts {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_made_with_its_key_and_secrets_and_answered_without_them() {
    let mut scene = scene();
    let arguments = json!({ "do": "answer", "with": { "sent": secret_reference("n1", "token"), "n": 1 } });
    let outcome = scene.attempt(&message("1", "act", arguments), 0).await;
    assert_eq!(outcome, Outcome::Done { output: json!({ "sent": "[secret]", "n": 1 }) });

    let mut timed = message("2", "act", json!({ "do": "tell key" }));
    timed.attempt.timeout_ms = Some(4000);
    let key = timed.attempt.call.to_string();
    let outcome = scene.attempt(&timed, 0).await;
    assert_eq!(outcome, Outcome::Done { output: json!({ "key": key, "attempt": 1, "budget": 4.0 }) });
    assert_eq!(scene.worker.counts().answered, 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_before_it_begins_has_no_effect() {
    let mut scene = scene();
    let answer = || json!({ "do": "answer" });
    let mut cases = vec![
        (message("1", "atc", answer()), 400, "did you mean `act`? it has `act`, `once`"),
        (message("2", "act", json!([])), 400, "the arguments of `act` do not fit"),
        (
            message("3", "act", json!({ "do": "answer", "with": secret_reference("x", "token") })),
            403,
            "does not belong",
        ),
    ];
    let mut version = message("4", "act", answer());
    version.attempt.version = Some("2.0.0".into());
    cases.push((version, 400, "hosts 1.2.0"));
    let mut passed = message("5", "act", answer());
    passed.attempt.deadline = Some(NOW);
    cases.push((passed, 408, "the deadline passed"));
    let mut near = message("6", "act", answer());
    (near.attempt.deadline, near.budget_ms) = (Some(NOW.plus_ms(60_000)), Some(499));
    cases.push((near, 408, "needs 500"));
    for (message, status, says) in cases {
        let (got, effect, detail) = scene.failure(&message, 0).await;
        assert_eq!((got, effect), (status, EffectState::None), "{detail}");
        assert!(detail.contains(says), "{detail}");
    }
    assert_eq!(scene.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn what_fails_on_the_way_has_an_unknown_effect() {
    let mut scene = scene();
    for (what, status, says) in [
        (json!({ "do": "hang" }), 408, "no answer within 30000 ms"),
        (json!({ "do": "panic" }), 500, "told to"),
        (json!({ "do": "answer", "with": "wrong" }), 400, "does not fit its output schema"),
        (json!({ "do": "flood" }), 413, "takes more than"),
    ] {
        let (got, effect, detail) = scene.failure(&message(&what.to_string(), "act", what), 0).await;
        assert_eq!((got, effect), (status, EffectState::Unknown), "{detail}");
        assert!(detail.contains(says), "{detail}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_adapter_says_what_happened_but_not_for_an_earlier_delivery() {
    let mut scene = scene();
    let refuse = || json!({ "do": "refuse" });
    let expected = "refused with [secret]".to_owned();
    assert_eq!(scene.failure(&message("1", "act", refuse()), 0).await, (409, EffectState::None, expected.clone()));
    assert_eq!(scene.failure(&message("2", "act", refuse()), 1).await, (409, EffectState::Unknown, expected));
}

#[tokio::test(start_paused = true)]
async fn at_most_once_is_not_made_again_when_delivered_again() {
    let mut scene = scene();
    let answer = || json!({ "do": "answer", "with": 1 });
    assert_eq!(scene.attempt(&message("1", "once", answer()), 0).await, Outcome::Done { output: json!(1) });
    let (_, effect, detail) = scene.failure(&message("2", "once", answer()), 1).await;
    assert_eq!(effect, EffectState::Unknown);
    assert!(detail.contains("at-most-once"), "{detail}");
    let again = CallMessage { republished: true, ..message("3", "once", answer()) };
    assert_eq!(scene.failure(&again, 0).await.1, EffectState::Unknown, "another process may have published it");
    assert_eq!(scene.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_attempt_is_extended_and_a_second_delivery_of_it_shares_its_outcome() {
    let mut scene = scene();
    let waits = message("1", "act", json!({ "do": "wait" }));
    scene.deliver("first", &waits, 0).await;
    scene.begun(1).await;
    assert_eq!(scene.record.fate().await, ("first".into(), Fate::Extended));
    scene.deliver("second", &waits, 1).await;
    while scene.worker.counts().repeated == 0 {
        tokio::task::yield_now().await;
    }
    scene.gate.add_permits(1);
    assert_eq!(scene.outcome().await, Outcome::Done { output: json!("waited") });
    let mut settled = Vec::new();
    while settled.len() < 2 {
        let (id, fate) = scene.record.fate().await;
        if fate != Fate::Extended {
            assert_eq!(fate, Fate::Acknowledged);
            settled.push(id);
        }
    }
    settled.sort();
    assert_eq!(settled, ["first", "second"]);
    assert_eq!(scene.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_attempt_ends_by_itself_or_is_dropped() {
    let mut scene = scene();
    for (what, effect) in [("obey cancellation", EffectState::None), ("hang", EffectState::Unknown)] {
        let message = message(what, "act", json!({ "do": what }));
        let begun = scene.begun.load(Ordering::SeqCst);
        scene.deliver(what, &message, 0).await;
        scene.begun(begun + 1).await;
        let cancel = ControlMessage::Cancel { call: message.attempt.call, attempt: 1 };
        scene.bus.control(serde_json::to_vec(&cancel).unwrap()).await;
        match scene.outcome().await {
            Outcome::Failed { effect: got, .. } => assert_eq!(got, effect, "{what}"),
            Outcome::Done { output } => panic!("done with {output}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn poison_is_counted_and_let_go_and_the_next_is_dealt_with() {
    let mut scene = scene();
    for poison in [&b"\xff\x00 no JSON"[..], b"{}", b"[1]", b""] {
        scene.bus.deliver("obedient", "poison", poison.to_vec(), 0).await;
        assert_eq!(scene.record.fate().await, ("poison".into(), Fate::Acknowledged));
    }
    assert_eq!(scene.worker.counts().poisoned, 4);
    let answer = message("1", "act", json!({ "do": "answer", "with": 1 }));
    assert_eq!(scene.attempt(&answer, 0).await, Outcome::Done { output: json!(1) });
}

#[tokio::test(start_paused = true)]
async fn the_call_is_acknowledged_only_once_its_outcome_was_published() {
    let mut scene = scene();
    scene.bus.refusals.store(3, Ordering::SeqCst);
    scene.deliver("a", &message("1", "act", json!({ "do": "answer", "with": 1 })), 0).await;
    assert_eq!(scene.outcome().await, Outcome::Done { output: json!(1) });
    assert_eq!(scene.bus.refusals.load(Ordering::SeqCst), 0);
    assert_eq!(scene.record.fate().await, ("a".into(), Fate::Acknowledged));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_slow_leaves_slots_for_the_others() {
    let mut scene = scene();
    let slow = |path: &str| message(path, "act", json!({ "do": "wait", "target": "slow" }));
    for path in ["1", "2", "3"] {
        scene.deliver(path, &slow(path), 0).await;
    }
    scene.begun(1).await;
    let quick = message("4", "act", json!({ "do": "answer", "with": "quick", "target": "other" }));
    scene.deliver("4", &quick, 0).await;
    assert_eq!(scene.outcome().await, Outcome::Done { output: json!("quick") });
    assert_eq!(scene.begun.load(Ordering::SeqCst), 2, "one at the slow target, one at the other");
    scene.gate.add_permits(3);
    for _ in 0..3 {
        assert_eq!(scene.outcome().await, Outcome::Done { output: json!("waited") });
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_lets_attempts_end_and_gives_the_others_back() {
    let scene = scene();
    scene.deliver("ends", &message("1", "act", json!({ "do": "wait" })), 0).await;
    scene.deliver("hangs", &message("2", "act", json!({ "do": "hang" })), 0).await;
    scene.begun(2).await;
    // Both slots are taken: this one waits.
    scene.deliver("waits", &message("3", "act", json!({ "do": "answer" })), 0).await;
    tokio::task::yield_now().await;
    let Scene { worker, mut record, gate, begun, .. } = scene;
    let stopping = tokio::spawn(worker.stop());
    assert_eq!(record.fate().await, ("waits".into(), Fate::GivenBack));
    gate.add_permits(1);
    let outcome: OutcomeMessage = serde_json::from_slice(&record.result().await.body).unwrap();
    assert_eq!(outcome.outcome, Outcome::Done { output: json!("waited") });
    assert_eq!(record.fate().await, ("ends".into(), Fate::Acknowledged));
    assert_eq!(record.fate().await, ("hangs".into(), Fate::GivenBack));
    stopping.await.unwrap();
    assert_eq!(begun.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_worker_says_what_it_hosts() {
    let mut scene = scene();
    let message: ControlMessage = serde_json::from_slice(&scene.record.published.recv().await.unwrap().body).unwrap();
    let ControlMessage::Worker { worker, adapters } = message else { panic!("{message:?}") };
    assert_eq!((worker.as_str(), &adapters[0]["name"]), ("w1", &json!("obedient")));
    assert_eq!(adapters[0]["functions"][1]["unknown"], "at-most-once");
}
