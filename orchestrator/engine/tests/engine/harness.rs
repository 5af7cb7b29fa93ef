//! An engine with everything that it needs, and doors to look behind it.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sagabus_core::{cause::Outcome, event::Event, id::Digest, id::InstanceId, report::Report, time::Timestamp};
use sagabus_driver_embedded::EmbeddedBus;
use sagabus_driver_sql::Access;
use sagabus_engine::{Accepted, Engine, Handle, Settings, StartError, StartRequest};
use sagabus_ports::{
    Address, Batch, Bus, CallMessage, Caps, Clock, Consumer, Delivery, Deployment, DueTimer, Envelope, Error, Filter,
    Headers, Kind, ListedInstance, OutcomeMessage, OutstandingCall, PendingCause, QueuedRetry, Result, Retry, Source,
    StartKey, Started, Store, StoredJournal, Verdict,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Nothing in these tests takes as long on any machine: whatever does hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a state, and fails instead of hanging.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("what was waited for did not happen")
}

/// An engine on a store and a bus.
pub(crate) struct Rig {
    pub(crate) store: Arc<Glass>,
    pub(crate) bus: Arc<Wire>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) engine: Handle,
}

impl Rig {
    /// An engine on an empty store.
    pub(crate) async fn new() -> Self {
        let store = sagabus_driver_sql::open("sqlite::memory:", Access::Own).await.expect("a store in memory");
        Self::on(Arc::new(Glass::new(store)), Arc::new(ManualClock::default())).await
    }

    /// An engine on this store, with a new bus.
    pub(crate) async fn on(store: Arc<Glass>, clock: Arc<ManualClock>) -> Self {
        let bus = Arc::new(Wire::default());
        let settings = Settings { reconcile: Duration::from_millis(5), ..Settings::default() };
        let engine = Engine::start(store.clone(), bus.clone(), clock.clone(), settings).await.expect("an engine");
        Self { store, bus, clock, engine }
    }

    /// Ends the engine as a crash does, and begins a new one on the same store, with a bus that has forgotten everything.
    pub(crate) async fn crash(self) -> Self {
        let Self { store, clock, engine, .. } = self;
        drop(engine);
        Self::on(store, clock).await
    }

    /// Deploys a workflow.
    pub(crate) async fn deploy(&self, source: &str) {
        let deployed = self.engine.deploy(source).await;
        assert!(deployed.is_ok(), "{deployed:?}");
    }

    /// Starts an instance of a workflow with a random key.
    pub(crate) async fn start(&self, name: &str) -> InstanceId {
        self.ask(name, None, json!({})).await.expect("accepted").instance
    }

    /// Starts an instance.
    pub(crate) async fn ask(
        &self,
        name: &str,
        key: Option<&str>,
        input: Value,
    ) -> std::result::Result<Accepted, StartError> {
        let request =
            StartRequest { name: name.to_owned(), key: key.map(str::to_owned), input, ..StartRequest::default() };
        soon(self.engine.start(request)).await
    }

    /// The report of an instance once it has ended.
    pub(crate) async fn end(&self, instance: InstanceId) -> Report {
        soon(self.engine.wait(instance)).await.expect("the engine runs").expect("the instance is there")
    }

    /// A worker that hosts an adapter and answers what the script says; what it has no answer to, it keeps.
    pub(crate) async fn worker(
        &self,
        adapter: &str,
        script: impl Fn(&CallMessage) -> Option<Outcome> + Send + 'static,
    ) -> mpsc::UnboundedReceiver<CallMessage> {
        let source = Source::Calls { adapter: adapter.to_owned() };
        let mut consumer = self.bus.consume(source, "worker", 1000).await.expect("calls to hear");
        let (heard, calls) = mpsc::unbounded_channel();
        let bus = self.bus.clone();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Some(Delivery { envelope, receipt, .. }) = consumer.next().await {
                let call: CallMessage = serde_json::from_slice(&envelope.body).expect("a call");
                let outcome = script(&call);
                // Who does not listen does not want to know.
                let _ = heard.send(call.clone());
                match outcome {
                    Some(outcome) => {
                        bus.publish(vec![answer(&call, outcome)]).await.expect("room for an outcome");
                        receipt.acknowledge().await.expect("acknowledged");
                    }
                    None => kept.push(receipt),
                }
            }
        });
        calls
    }

    /// Hands an outcome to the engine.
    pub(crate) async fn reply(&self, call: &CallMessage, outcome: Outcome) {
        self.bus.publish(vec![answer(call, outcome)]).await.expect("room for an outcome");
    }
}

/// An outcome as a worker sends it. Each has a message id of its own.
pub(crate) fn answer(call: &CallMessage, outcome: Outcome) -> Envelope {
    static SENT: AtomicU64 = AtomicU64::new(0);
    let attempt = &call.attempt;
    let message = OutcomeMessage {
        instance: attempt.instance,
        call: attempt.call,
        attempt: attempt.attempt,
        worker: "script".to_owned(),
        outcome,
    };
    Envelope {
        id: format!("outcome {}", SENT.fetch_add(1, Ordering::Relaxed)),
        address: Address::Results { partition: call.partition },
        headers: Headers::new(),
        body: serde_json::to_vec(&message).expect("JSON"),
    }
}

/// Done, with this output.
pub(crate) fn done(output: Value) -> Outcome {
    Outcome::Done { output }
}

/// A worker's script: everything is done, and the output is the name of the function.
pub(crate) fn echo(call: &CallMessage) -> Option<Outcome> {
    Some(done(call.attempt.function.as_str().into()))
}

/// An event.
pub(crate) fn event(kind: &str, id: &str) -> Event {
    serde_json::from_value(json!({ "id": id, "source": "/test", "type": kind, "data": { "id": id } }))
        .expect("an event")
}

/// A clock that goes when it is told to.
#[derive(Default)]
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A bus in process that can be cut.
#[derive(Default)]
pub(crate) struct Wire {
    bus: EmbeddedBus,
    pub(crate) is_cut: AtomicBool,
}

#[async_trait]
impl Bus for Wire {
    fn caps(&self) -> Caps {
        self.bus.caps()
    }

    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<()> {
        if self.is_cut.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Unreachable, Retry::Later, "reach the bus"));
        }
        self.bus.publish(envelopes).await
    }

    async fn consume(&self, source: Source, name: &str, prefetch: usize) -> Result<Box<dyn Consumer>> {
        self.bus.consume(source, name, prefetch).await
    }
}

/// How a store fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is written, and it says so.
    Refuses,
    /// Commits are written, and it says that they failed.
    Lies,
}

/// A store that one can look through, and that fails on demand.
pub(crate) struct Glass {
    store: Arc<dyn Store>,
    pub(crate) fault: Mutex<Option<Fault>>,
    /// How many commits came while there was a fault.
    pub(crate) faults: AtomicU64,
    /// Instances whose journal reads as damaged.
    pub(crate) damaged: Mutex<HashSet<InstanceId>>,
    pub(crate) commits: AtomicU64,
    pub(crate) steps: AtomicU64,
}

impl Glass {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            fault: Mutex::default(),
            faults: AtomicU64::default(),
            damaged: Mutex::default(),
            commits: AtomicU64::default(),
            steps: AtomicU64::default(),
        }
    }

    pub(crate) fn fail(&self, fault: Option<Fault>) {
        *self.fault.lock().expect("no panic") = fault;
    }

    /// Waits until this many commits met a fault.
    pub(crate) async fn failed(&self, times: u64) {
        soon(async {
            while self.faults.load(Ordering::SeqCst) < times {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    fn fault(&self) -> Option<Fault> {
        *self.fault.lock().expect("no panic")
    }
}

#[async_trait]
impl Store for Glass {
    async fn commit(&self, batch: Batch) -> Result<Vec<Verdict>> {
        let fault = self.fault();
        if fault == Some(Fault::Refuses) {
            self.faults.fetch_add(1, Ordering::SeqCst);
            return Err(Error::new(Kind::Full, Retry::Later, "write to the disk"));
        }
        let steps = batch.changes.len() as u64;
        let verdicts = self.store.commit(batch).await?;
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.steps.fetch_add(steps, Ordering::SeqCst);
        if fault == Some(Fault::Lies) {
            self.faults.fetch_add(1, Ordering::SeqCst);
            return Err(Error::new(Kind::Unreachable, Retry::Later, "hear what became of the commit"));
        }
        Ok(verdicts)
    }

    async fn load(&self, instances: &[InstanceId]) -> Result<Vec<Option<StoredJournal>>> {
        let mut loaded = self.store.load(instances).await?;
        let damaged = self.damaged.lock().expect("no panic");
        for journal in loaded.iter_mut().flatten() {
            if damaged.contains(&journal.instance) {
                journal.entries = Err("entry 2 is no JSON".to_owned());
            }
        }
        Ok(loaded)
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<(Vec<DueTimer>, Option<Timestamp>)> {
        self.store.due(now, limit).await
    }

    async fn outstanding(&self, after: Option<&str>, limit: u32) -> Result<Vec<OutstandingCall>> {
        self.store.outstanding(after, limit).await
    }

    async fn pending(&self, after: Option<&str>, limit: u32) -> Result<Vec<PendingCause>> {
        self.store.pending(after, limit).await
    }

    async fn unpublished(&self, after: Option<&str>, limit: u32) -> Result<Vec<(String, Event)>> {
        self.store.unpublished(after, limit).await
    }

    async fn listeners(&self, event_type: &str) -> Result<Vec<InstanceId>> {
        self.store.listeners(event_type).await
    }

    async fn started(&self, key: StartKey<'_>) -> Result<Option<Started>> {
        self.store.started(key).await
    }

    async fn deploy(&self, deployment: Deployment) -> Result<()> {
        self.store.deploy(deployment).await
    }

    async fn deployments(&self) -> Result<Vec<Deployment>> {
        self.store.deployments().await
    }

    async fn source(&self, digest: &Digest) -> Result<Option<String>> {
        self.store.source(digest).await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<ListedInstance>> {
        self.store.list(filter).await
    }

    async fn retries(&self, limit: u32) -> Result<Vec<QueuedRetry>> {
        self.store.retries(limit).await
    }
}
