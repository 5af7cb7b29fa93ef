//! A world in virtual time: a store, a shell, a bus, workers and third parties round the pure core, on one thread.
//!
//! Everything that can differ from run to run is drawn from one seed, so that a seed is a run. The store ([`rows`]) is the
//! only thing that survives a crash of the shell; the bus forgets, repeats, delays and reorders as [`Faults`] has it. After
//! every step [`check`] compares what was decided with what the engine promises; a broken promise ends the run.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result, ensure};
use sagabus_core::{
    cause::{Cause, Outcome, Start, TimerId},
    decide::Environment,
    effect::Attempt,
    event::Event,
    id::{CallId, InstanceId, WorkflowName},
    instance::Instance,
    time::Timestamp,
};
use sagabus_ports::PendingCause;
use serde_json::Value;
use uuid::Uuid;

use crate::random::Random;

mod bus;
mod check;
mod faults;
mod plans;
mod rows;
mod shell;
mod story;
mod workers;

pub use faults::{Counters, Faults};
pub use plans::Plans;
pub use rows::{CallRow, InstanceRecord, Rows};
pub use workers::{Reaction, Request, ThirdParty};

/// When every world begins: 2026-01-01T00:00:00Z.
pub const BEGINNING: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A run that takes more steps than this goes round in circles: the longest honest ones need some ten thousand.
const STEPS_ALLOWED: u32 = 200_000;

/// A world. [`World::new`], deploy, start, then [`World::run`].
pub struct World {
    now: Timestamp,
    queue: BTreeMap<(Timestamp, u64), Happening>,
    scheduled: u64,
    steps: u32,
    random: Random,
    faults: Faults,
    environment: Environment,
    plans: Plans,
    rows: Rows,
    shell: shell::Shell,
    party: Box<dyn ThirdParty>,
    requests: Vec<Request>,
    stories: BTreeMap<InstanceId, story::Story>,
    keys: check::Keys,
    counters: Counters,
    trace: u64,
    ends_by: Option<Timestamp>,
}

/// Something that will happen at its time.
#[derive(Clone, Debug)]
enum Happening {
    /// The shell's own timer falls due. Lost when the shell crashes, as are all that [`Happening::is_volatile`] names.
    Due { instance: InstanceId, timer: TimerId, due: Timestamp },
    /// The shell takes a row of its inbox.
    Pending { id: String },
    /// The shell looks for what the bus forgot.
    Reconcile,
    /// The shell comes back after a crash.
    Restart,
    /// The bus gives an attempt to a worker.
    Call(Box<Attempt>),
    /// The bus gives an outcome to the shell.
    Outcome { instance: InstanceId, call: CallId, attempt: u32, outcome: Box<Outcome> },
    /// The bus gives an event to the shell.
    Event(Box<Event>),
    /// An operator cancels.
    Cancel { instance: InstanceId, reason: String },
    /// The world outside goes on: events of these types are published, again and again until all instances have ended.
    Tide { types: Vec<String>, every_ms: u64 },
}

impl Happening {
    /// Whether it exists only in the memory of the shell.
    const fn is_volatile(&self) -> bool {
        matches!(self, Self::Due { .. } | Self::Pending { .. } | Self::Reconcile)
    }
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(seed: u64, faults: Faults, party: Box<dyn ThirdParty>) -> Self {
        let mut world = Self {
            now: BEGINNING,
            queue: BTreeMap::new(),
            scheduled: 0,
            steps: 0,
            random: Random::new(seed),
            faults,
            environment: Environment {
                runtime: serde_json::json!({ "name": "sagabus", "version": "0", "metadata": {} }),
                ..Environment::default()
            },
            plans: Plans::default(),
            rows: Rows::default(),
            shell: shell::Shell::default(),
            party,
            requests: Vec::new(),
            stories: BTreeMap::new(),
            keys: check::Keys::default(),
            counters: Counters::default(),
            trace: 0xCBF2_9CE4_8422_2325,
            ends_by: None,
        };
        if !world.faults.is_none() {
            world.schedule(bus::RECONCILE_EVERY_MS, Happening::Reconcile);
        }
        world
    }

    /// What expressions see of the world.
    pub fn environment_mut(&mut self) -> &mut Environment {
        &mut self.environment
    }

    /// Compiles and deploys a workflow.
    ///
    /// # Errors
    /// Its diagnostics, drawn.
    pub fn deploy(&mut self, source: &str) -> Result<WorkflowName> {
        self.plans.deploy(source)
    }

    /// Accepts a start: it is in the inbox, durably, when this returns. The instance must end within so many milliseconds,
    /// if a limit is given.
    ///
    /// # Errors
    /// The workflow is not deployed.
    pub fn start(
        &mut self,
        workflow: &WorkflowName,
        input: Value,
        key: &str,
        limit_ms: Option<u64>,
    ) -> Result<InstanceId> {
        ensure!(self.plans.named(workflow).is_some(), "{workflow} is not deployed");
        let number = self.rows.accept_number();
        // Looks like a version 7 UUID, and sorts in the order of the starts.
        let instance = InstanceId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(number)));
        let deadline = limit_ms.map(|limit_ms| self.now.plus_ms(limit_ms));
        let start = Start { input, key: key.to_owned(), deadline, parent: None, nonce: String::new() };
        let id = format!("start:{number}");
        self.rows.accept(PendingCause {
            id: id.clone(),
            instance,
            cause: Cause::Start(start),
            workflow: Some((workflow.namespace.clone(), workflow.name.clone(), Some(workflow.version.clone()))),
        });
        self.schedule(0, Happening::Pending { id });
        Ok(instance)
    }

    /// Publishes an event from outside, so many milliseconds from now.
    pub fn send_after(&mut self, delay_ms: u64, event: Event) {
        self.schedule(delay_ms, Happening::Event(Box::new(event)));
    }

    /// Cancels an instance, so many milliseconds from now.
    pub fn cancel_after(&mut self, delay_ms: u64, instance: InstanceId, reason: &str) {
        self.schedule(delay_ms, Happening::Cancel { instance, reason: reason.to_owned() });
    }

    /// Publishes an event of each type from outside, again and again, until all instances have ended.
    pub fn tide(&mut self, types: &[&str], every_ms: u64) {
        let types = types.iter().map(|kind| (*kind).to_owned()).collect();
        self.schedule(every_ms, Happening::Tide { types, every_ms });
    }

    /// All instances must have ended by then, or [`World::run`] fails.
    pub fn must_end_by(&mut self, time: Timestamp) {
        self.ends_by = Some(time);
    }

    /// Runs until nothing more will happen by itself, then checks what must hold at rest.
    ///
    /// # Errors
    /// A promise was broken; the text says which, where and when.
    pub fn run(&mut self) -> Result<()> {
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            self.now = self.now.max(at);
            self.steps += 1;
            self.check_liveness()?;
            ensure!(self.steps <= STEPS_ALLOWED, "after {STEPS_ALLOWED} steps the world is not at rest");
            let what = format!("{happening:?}");
            self.step(happening).with_context(|| format!("at {}, step {}: {what}", self.now, self.steps))?;
        }
        self.check_at_rest()
    }

    /// The committed truth.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The requests that reached third parties, in order.
    #[must_use]
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// The workflows.
    #[must_use]
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// A hash of everything that was committed: two runs of one seed have the same.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.trace
    }

    /// How often what happened.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn step(&mut self, happening: Happening) -> Result<()> {
        match happening {
            Happening::Restart => self.recover(),
            Happening::Reconcile => self.reconcile(),
            Happening::Call(attempt) => self.work(&attempt),
            Happening::Due { instance, timer, due } => self.timer_fell_due(instance, timer, due),
            Happening::Pending { id } => self.take_pending(&id),
            Happening::Tide { types, every_ms } => {
                self.rise(types, every_ms);
                Ok(())
            }
            // What the bus delivers while the shell is down is delivered again.
            from_bus if !self.shell.is_up() => {
                self.redeliver(from_bus);
                Ok(())
            }
            Happening::Outcome { instance, call, attempt, outcome } => {
                self.outcome_arrived(instance, call, attempt, *outcome)
            }
            Happening::Event(event) => self.event_arrived(*event),
            Happening::Cancel { instance, reason } => self.cancel_arrived(instance, reason),
        }
    }

    fn schedule(&mut self, delay_ms: u64, happening: Happening) {
        self.schedule_at(self.now.plus_ms(delay_ms), happening);
    }

    fn schedule_at(&mut self, at: Timestamp, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((at, self.scheduled), happening);
    }

    /// What the shell believes an instance to be, or what its journal says.
    fn instance(&self, instance: InstanceId) -> Result<Instance> {
        match self.shell.cached(instance) {
            Some(cached) => Ok(cached.clone()),
            None => self.rows.replay(instance),
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now).field("steps", &self.steps).finish_non_exhaustive()
    }
}
