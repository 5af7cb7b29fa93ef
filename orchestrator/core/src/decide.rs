//! Cause → facts and effects: what the engine is about. Pure; see [`decide`].

use serde_json::{Map, Value};

use crate::{cause::Cause, effect::Effect, fact::Entry, instance::Instance, plan::Plan, time::Timestamp};

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
    let _ = (plan, cause, now, environment);
    (instance, Decision::default())
}
