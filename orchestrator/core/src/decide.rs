//! Cause → facts and effects: what the engine is about. Pure; see [`decide`].
//!
//! The parts: `enter` begins tasks, `act` does what each kind does, `leave` ends them and goes on, `fail` lets errors travel
//! and gives up what they leave behind, `listen` takes events, `scope` shows expressions what they may see.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Map, Value};

use crate::{
    cause::{Cause, EffectState, Outcome, TimerPurpose},
    effect::{CallStatus, Effect, Settlement},
    fact::{Entry, Fact},
    id::{CallId, ExecutionId},
    instance::{Execution, Instance, State},
    plan::{Plan, TaskId, Then},
    problem::{Problem, Standard},
    schema::Schema,
    time::Timestamp,
};

mod act;
mod begin;
mod enter;
mod fail;
mod leave;
mod listen;
mod scope;
mod wake;

/// How many tasks one decision may begin. A loop of tasks that wait for nothing would otherwise go on for ever and
/// make one entry without end.
pub const TASKS_PER_DECISION_MAX: u32 = 20_000;

/// How many executions an instance may have in its life: what a journal of some 50 MiB holds.
pub const EXECUTIONS_MAX: u32 = 200_000;

/// How deep sub-flows, functions and blocks may be nested in one instance.
pub const DEPTH_MAX: usize = 64;

/// How many items a `for` may have.
pub const ITEMS_MAX: usize = 10_000;

/// How many events an instance may take in its life: it remembers each, so that none is taken twice.
pub const EVENTS_MAX: usize = 50_000;

/// How large the arguments of a call may be as JSON, in bytes: what fits an envelope on every bus, with room for the rest.
pub const ARGUMENTS_BYTES_MAX: usize = 700 * 1024;

/// What a decision sees of the world besides plan, instance and cause. Values, fixed while the process runs.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `$runtime`.
    pub runtime: Value,
    /// The secrets that exist, by name, with every leaf replaced by its path: `{"db": {"password": "db.password"}}` or
    /// `{"token": "token"}`. The core turns a path into a *reference*, text that means the secret only to the worker
    /// that sends it on, so that no secret is ever in the journal: see [`secret_reference`].
    pub secrets: Map<String, Value>,
}

/// The text that stands for a secret in the data of an instance. `nonce` is the instance's own random mark: text that
/// comes from outside cannot pass for a reference.
#[must_use]
pub fn secret_reference(nonce: &str, path: &str) -> String {
    // Private-use characters: they survive JSON, jq and string interpolation, and nobody types them.
    format!("\u{E000}{nonce}:{path}\u{E001}")
}

/// What was decided: one entry for the journal (none if the cause was ignored) and effects in order.
#[derive(Debug, Default)]
pub struct Decision {
    /// The new journal entry.
    pub entry: Option<Entry>,
    /// What is asked of the world.
    pub effects: Vec<Effect>,
    /// Why the cause was ignored, if it was: a late outcome, a timer of an execution that has ended.
    pub ignored: Option<&'static str>,
    /// The instance contradicts itself: a defect of this program. It is to be parked with its journal, and nothing committed.
    pub broken: Option<String>,
}

/// Decides what follows from a cause.
///
/// Takes the instance and gives back its successor, to which the entry's facts have been applied; the caller drops it if
/// the commit fails. For [`Cause::Start`] the instance is [`Instance::new`].
#[must_use]
pub fn decide(
    plan: &Plan,
    instance: Instance,
    cause: &Cause,
    now: Timestamp,
    environment: &Environment,
) -> (Instance, Decision) {
    let mut decider = Decider {
        plan,
        environment,
        now,
        instance,
        facts: Vec::new(),
        effects: Vec::new(),
        steps: VecDeque::new(),
        failed_call: None,
        answered: None,
        tasks: 0,
        broken: None,
    };
    let ignored = decider.wake(cause).err();
    decider.work();
    decider.conclude(cause, ignored)
}

/// A decision in the making.
struct Decider<'a> {
    plan: &'a Plan,
    environment: &'a Environment,
    now: Timestamp,
    instance: Instance,
    facts: Vec<Fact>,
    effects: Vec<Effect>,
    /// What is still to be done, so that a long sequence of tasks needs no deep stack.
    steps: VecDeque<Step>,
    /// The attempt whose failure is travelling: settled once it is known whether it will be tried again.
    failed_call: Option<FailedCall>,
    /// The execution that got what it awaited from outside: there is nothing left to let go of, even if it fails.
    answered: Option<ExecutionId>,
    tasks: u32,
    broken: Option<String>,
}

/// Something still to be done in a decision.
enum Step {
    /// Go on at this place of a block.
    Next { block: ExecutionId, index: usize },
    /// Begin a branch of a fork.
    Branch { fork: ExecutionId, task: TaskId, branch: u32 },
}

struct FailedCall {
    call: CallId,
    attempt: u32,
    error: Problem,
    effect: EffectState,
}

/// An execution came to its end: what happens next depends on what encloses it.
struct Ending {
    parent: ExecutionId,
    task: TaskId,
    output: std::sync::Arc<Value>,
    then: Then,
}

impl Decider<'_> {
    /// Records a fact: applies it and puts it in the entry.
    fn record(&mut self, fact: Fact) {
        if self.broken.is_none() {
            self.broken = self.instance.apply_fact(&fact, self.now).err();
        }
        self.facts.push(fact);
    }

    fn work(&mut self) {
        while let Some(step) = self.steps.pop_front() {
            if self.broken.is_some() || self.instance.end.is_some() {
                return;
            }
            match step {
                Step::Next { block, index } => self.next(block, index),
                Step::Branch { fork, task, branch } => {
                    // A branch before this one may have ended the fork already.
                    if self.instance.executions.contains_key(&fork) {
                        self.enter(fork, task, None, Some(branch));
                    }
                }
            }
        }
    }

    fn conclude(mut self, cause: &Cause, ignored: Option<&'static str>) -> (Instance, Decision) {
        if let Some(broken) = self.broken {
            return (self.instance, Decision { broken: Some(broken), ..Decision::default() });
        }
        self.settle_failed_call(CallStatus::Failed, None);
        if self.facts.is_empty() {
            return (self.instance, Decision { ignored, ..Decision::default() });
        }
        self.instance.seq += 1;
        let entry = Entry { seq: self.instance.seq, at: self.now, cause: cause.word().to_owned(), facts: self.facts };
        (self.instance, Decision { entry: Some(entry), effects: last_of_each(self.effects), ..Decision::default() })
    }

    /// Settles the call whose failure was travelling, if there is one.
    fn settle_failed_call(&mut self, status: CallStatus, next_attempt_at: Option<Timestamp>) -> Option<CallId> {
        let FailedCall { call, attempt, error, effect } = self.failed_call.take()?;
        self.effects.push(Effect::Settle(Settlement {
            call,
            attempt,
            status,
            error: Some(error),
            effect: Some(effect),
            next_attempt_at,
        }));
        Some(call)
    }

    /// A live execution. Asked only for ids that the instance has just shown.
    fn execution(&self, id: ExecutionId) -> Option<&Execution> {
        self.instance.executions.get(&id)
    }

    /// JSON pointer of an execution's task; the workflow's is empty.
    fn reference(&self, id: ExecutionId) -> &str {
        self.execution(id).and_then(|execution| execution.task).map_or("", |task| &self.plan.task(task).reference)
    }

    /// The execution and those that enclose it, from the inside out.
    fn upwards(&self, from: ExecutionId) -> impl Iterator<Item = (ExecutionId, &Execution)> + '_ {
        let mut next = Some(from);
        std::iter::from_fn(move || {
            let id = next?;
            let execution = self.instance.executions.get(&id)?;
            next = execution.parent;
            Some((id, execution))
        })
    }

    /// The execution that awaits this attempt.
    fn caller(&self, call: CallId, attempt: u32) -> Option<ExecutionId> {
        let awaits = State::Calling { call, attempt };
        self.instance.executions.iter().find_map(|(id, execution)| (execution.state == awaits).then_some(*id))
    }

    /// The attempt that an execution awaits has failed: settled once it is known whether it will be made again.
    fn call_failed(&mut self, execution: ExecutionId, error: &Problem, effect: EffectState) {
        let Some(State::Calling { call, attempt }) = self.execution(execution).map(|calling| calling.state.clone())
        else {
            return;
        };
        self.settle_failed_call(CallStatus::Failed, None);
        self.record(Fact::CallFailed { execution, call, attempt, error: error.clone(), effect });
        self.failed_call = Some(FailedCall { call, attempt, error: error.clone(), effect });
    }

    /// An outcome of an outstanding attempt.
    fn outcome(&mut self, call: CallId, attempt: u32, outcome: &Outcome) -> Result<(), &'static str> {
        if self.instance.detached.get(&call) == Some(&attempt) {
            self.record(Fact::CallEnded { call, attempt });
            self.effects.push(Effect::Settle(settlement(call, attempt, outcome)));
            return Ok(());
        }
        let execution = self.caller(call, attempt).ok_or("the attempt is not outstanding")?;
        self.answered = Some(execution);
        match outcome {
            Outcome::Done { output } => {
                self.effects.push(Effect::Settle(settlement(call, attempt, outcome)));
                self.finish(execution, std::sync::Arc::new(output.clone()), None);
            }
            Outcome::Failed { error, effect } => {
                let error = error.clone().at(self.reference(execution));
                self.call_failed(execution, &error, *effect);
                self.fail(execution, error);
            }
        }
        Ok(())
    }
}

/// Leaves out what a later effect of the same decision makes void: a timer that is set and cleared, a subscription that is
/// taken and ended. So the order of effects on one row does not matter to whoever writes it.
fn last_of_each(effects: Vec<Effect>) -> Vec<Effect> {
    let mut seen = BTreeSet::new();
    let mut kept: Vec<Effect> =
        effects.into_iter().rev().filter(|effect| row(effect).is_none_or(|row| seen.insert(row))).collect();
    kept.reverse();
    kept
}

/// The row that an effect writes, if others of the same decision may write it too.
fn row(effect: &Effect) -> Option<(u32, Option<TimerPurpose>)> {
    match effect {
        Effect::SetTimer { timer, .. } | Effect::ClearTimer { timer } => Some((timer.execution.0, Some(timer.purpose))),
        Effect::Subscribe { execution, .. } | Effect::Unsubscribe { execution } => Some((execution.0, None)),
        _ => None,
    }
}

/// What a known outcome makes of a call for good.
fn settlement(call: CallId, attempt: u32, outcome: &Outcome) -> Settlement {
    let (status, error, effect) = match outcome {
        Outcome::Done { .. } => (CallStatus::Done, None, None),
        Outcome::Failed { error, effect } => (CallStatus::Failed, Some(error.clone()), Some(*effect)),
    };
    Settlement { call, attempt, status, error, effect, next_attempt_at: None }
}

/// Validates a value where there is a schema for it (DSL, "Data Flow"). `what` names the value in the error.
fn validate(schema: Option<&Schema>, value: &Value, what: &str) -> Result<(), Problem> {
    let Some(schema) = schema else { return Ok(()) };
    schema
        .validate(value)
        .map_err(|violations| Problem::standard(Standard::Validation, format!("{what}: {violations}")))
}

/// The error that a passed deadline raises (DSL, "Timeouts").
fn timeout_problem(what: &str) -> Problem {
    Problem::standard(Standard::Timeout, format!("{what} took longer than its timeout allows"))
}
