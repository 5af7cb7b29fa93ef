//! An adapter as a worker hosts it: its functions by name with their schemas compiled, and the limits it works under.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use sagabus_core::{problem::Standard, schema::Schema, suggest::closest};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::adapter::{Adapter, Failure, Function, Manifest};

/// Targets whose limit is remembered; those without an attempt under way are forgotten beyond it.
const TARGETS_KEPT: usize = 1024;

pub(crate) struct Hosted {
    pub(crate) adapter: Arc<dyn Adapter>,
    pub(crate) manifest: Manifest,
    functions: HashMap<String, HostedFunction>,
    slots: Arc<Semaphore>,
    targets: Mutex<HashMap<String, Arc<Semaphore>>>,
    per_target: usize,
}

pub(crate) struct HostedFunction {
    pub(crate) function: Function,
    input: Result<Schema, String>,
    output: Result<Schema, String>,
}

/// The right to make an attempt; given back when dropped.
pub(crate) struct Slot {
    _adapter: OwnedSemaphorePermit,
    _target: Option<OwnedSemaphorePermit>,
}

impl Hosted {
    pub(crate) fn new(adapter: Arc<dyn Adapter>, manifest: Manifest, concurrency: usize, per_target: usize) -> Self {
        let functions = manifest
            .functions
            .iter()
            .map(|function| {
                let input = Schema::compile(&function.input);
                let output = Schema::compile(&function.output);
                (function.name.clone(), HostedFunction { function: function.clone(), input, output })
            })
            .collect();
        Self {
            adapter,
            manifest,
            functions,
            slots: Arc::new(Semaphore::new(concurrency)),
            targets: Mutex::default(),
            per_target,
        }
    }

    /// The function of this name, if the version asked for is the one that is here.
    pub(crate) fn function(&self, name: &str, version: Option<&str>) -> Result<&HostedFunction, Failure> {
        let refused = |why: String| Failure::without_effect(Standard::Configuration, why);
        let adapter = &self.manifest.name;
        if let Some(asked) = version.filter(|asked| *asked != self.manifest.version) {
            return Err(refused(format!(
                "version {asked} of adapter `{adapter}` was asked for, and this worker hosts {}; \
                 call `{name}@{adapter}`, or start a worker that hosts {asked}",
                self.manifest.version
            )));
        }
        self.functions.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.manifest.functions.iter().map(|function| function.name.as_str()).collect();
            let meant = closest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`? "));
            refused(format!(
                "adapter `{adapter}` has no function `{name}`; {}it has {}",
                meant.unwrap_or_default(),
                if known.is_empty() { "none".to_owned() } else { format!("`{}`", known.join("`, `")) }
            ))
        })
    }

    /// Waits until an attempt at this target may be made. The target's limit comes first: who waits for a slow target
    /// must not hold one of the adapter's slots meanwhile.
    pub(crate) async fn slot(&self, target: Option<String>) -> Option<Slot> {
        let target = match target {
            Some(target) => Some(self.limit_of(target).acquire_owned().await.ok()?),
            None => None,
        };
        Some(Slot { _adapter: self.slots.clone().acquire_owned().await.ok()?, _target: target })
    }

    fn limit_of(&self, target: String) -> Arc<Semaphore> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if targets.len() >= TARGETS_KEPT {
            targets.retain(|_, limit| Arc::strong_count(limit) > 1);
        }
        targets.entry(target).or_insert_with(|| Arc::new(Semaphore::new(self.per_target))).clone()
    }
}

impl HostedFunction {
    pub(crate) fn check_input(&self, arguments: &Value) -> Result<(), Failure> {
        let name = &self.function.name;
        let schema = self.input.as_ref().map_err(|why| {
            Failure::without_effect(Standard::Configuration, format!("the input schema of `{name}` is invalid: {why}"))
        })?;
        schema.validate(arguments).map_err(|why| {
            Failure::without_effect(Standard::Validation, format!("the arguments of `{name}` do not fit: {why}"))
        })
    }

    /// A wrong output is a failure of unknown effect: something was done, and nobody can say that it was what was asked.
    pub(crate) fn check_output(&self, output: &Value) -> Result<(), Failure> {
        let name = &self.function.name;
        let schema = self.output.as_ref().map_err(|why| {
            Failure::unknown(Standard::Configuration, format!("the output schema of `{name}` is invalid: {why}"))
        })?;
        schema.validate(output).map_err(|why| {
            Failure::unknown(
                Standard::Validation,
                format!("`{name}` was done, but what it gave back does not fit its output schema: {why}"),
            )
        })
    }
}
