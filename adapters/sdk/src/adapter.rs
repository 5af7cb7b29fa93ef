//! The trait that adapters implement, and what they say about themselves.

use std::time::Duration;

use async_trait::async_trait;
use sagabus_core::{
    cause::{EffectState, Outcome},
    id::InstanceId,
    problem::{Problem, Standard},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Wraps one kind of third-party system.
#[async_trait]
pub trait Adapter: Send + Sync + 'static {
    /// What this adapter is called and what it offers. Asked once, when a worker starts to host it.
    fn manifest(&self) -> Manifest;

    /// Makes one attempt of a call. The worker has checked that the function exists, that the arguments match its input
    /// schema and that there is time left; it checks the output against the output schema afterwards.
    ///
    /// If the future is dropped (the attempt timed out), whatever it started must stop: the outcome is then
    /// `failed, effect: unknown`.
    ///
    /// # Errors
    /// The attempt failed; the failure says whether anything may have happened.
    async fn call(&self, call: Call) -> Result<Value, Failure>;

    /// What the call is directed at, a host for example, where one that is slow must not take all of the adapter's
    /// slots: attempts at the same target share a limit of their own. `None` = no such limit.
    fn target(&self, call: &Call) -> Option<String> {
        let _ = call;
        None
    }
}

/// What an adapter says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The name behind `@` in `call: charge@payments`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it offers.
    pub functions: Vec<Function>,
    /// How many attempts it makes at once; `None` = the worker's default.
    pub concurrency: Option<usize>,
}

/// One function of an adapter.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Function {
    /// The name before `@`.
    pub name: String,
    /// What it does, in a sentence.
    pub description: String,
    /// JSON Schema of the arguments; `true` accepts all.
    pub input: Value,
    /// JSON Schema of the output; `true` accepts all.
    pub output: Value,
    /// How long an attempt may take, unless the call says less.
    #[serde(with = "millis")]
    pub timeout: Duration,
    /// An attempt is not started with less time than this left until its deadline.
    #[serde(with = "millis")]
    pub minimum_budget: Duration,
    /// Statuses of errors that are worth trying again: `[429, 502, 503, 504]`.
    pub transient: Vec<u16>,
    /// What repeating it does.
    pub idempotency: Idempotency,
    /// What to do about an attempt of which nobody knows whether it worked.
    pub unknown: Unknown,
}

impl Function {
    /// A function of this name that takes and gives anything, within 30 seconds, and is not idempotent by nature.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            input: Value::Bool(true),
            output: Value::Bool(true),
            timeout: Duration::from_secs(30),
            minimum_budget: Duration::ZERO,
            transient: Vec::new(),
            idempotency: Idempotency::ByKey,
            unknown: Unknown::ByKey,
        }
    }
}

/// What repeating a function does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Idempotency {
    /// Nothing more than doing it once.
    Natural,
    /// Nothing more, because the third party honours the idempotency key.
    ByKey,
    /// It happens again.
    None,
}

/// What to do about an unknown outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// Send it again with the same key.
    ByKey,
    /// Ask first whether it was done.
    CheckFirst,
    /// Never send it again.
    AtMostOnce,
}

/// One attempt, as an adapter sees it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Name of the function.
    pub function: String,
    /// Its arguments, secrets resolved.
    pub arguments: Value,
    /// The idempotency key: the same for all attempts of the call; to be handed on to the third party.
    pub key: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How often this attempt was delivered to a worker before, as far as the bus knows: if not 0, it may have been made.
    pub redelivered: u32,
    /// Time left for this attempt: the smaller of timeout and deadline.
    pub budget: Duration,
    /// The deadline, for whoever can make use of an absolute time.
    pub deadline: Option<Timestamp>,
    /// The calling instance.
    pub instance: InstanceId,
    /// JSON pointer of the calling task.
    pub reference: String,
    /// Cancelled when nobody waits for the outcome any longer.
    pub cancelled: CancellationToken,
}

impl Call {
    /// The first attempt of a call with a key of its own and 30 seconds of time, as tests of adapters make one.
    #[must_use]
    pub fn new(function: impl Into<String>, arguments: Value) -> Self {
        Self {
            function: function.into(),
            arguments,
            key: Uuid::new_v4().to_string(),
            attempt: 1,
            redelivered: 0,
            budget: Duration::from_secs(30),
            deadline: None,
            instance: InstanceId(Uuid::new_v4()),
            reference: "/do/0/test".to_owned(),
            cancelled: CancellationToken::new(),
        }
    }
}

/// Why an attempt failed, and whether anything may have happened at the third party.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure {
    /// The error, as the workflow will see it.
    pub error: Problem,
    /// What may have happened. When in doubt, unknown.
    pub effect: EffectState,
}

impl Failure {
    /// Certainly nothing happened: refused, invalid, connection refused.
    pub fn without_effect(standard: Standard, detail: impl Into<String>) -> Self {
        Self { error: Problem::standard(standard, detail), effect: EffectState::None }
    }

    /// Nobody knows: a timeout after sending, a lost connection, a server error.
    pub fn unknown(standard: Standard, detail: impl Into<String>) -> Self {
        Self { error: Problem::standard(standard, detail), effect: EffectState::Unknown }
    }

    /// The same failure with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.error.status = status;
        self
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed { error: failure.error, effect: failure.effect }
    }
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
