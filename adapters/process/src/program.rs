//! A program as an adapter: `call: book@courier`.
//!
//! The program is started with the function's name as its last argument, reads the arguments as JSON from its standard
//! input and writes the output as JSON. Its exit code says how it went, by the conventions of `sysexits.h`:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 64–78 | failed, and nothing happened: 64 and 65 bad arguments, 69 and 75 not now (503), 77 not allowed, 78 badly set up |
//! | any other | failed, and nobody knows what happened |
//!
//! On failure it may write problem details (`{"title": …, "status": 402, "detail": …}`) instead of an output.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use sagabus_adapter_sdk::{Adapter, Call, EffectState, Failure, Function, Manifest, Problem, Standard, async_trait};
use serde::Deserialize;
use serde_json::Value;

use crate::execute::{Command, Finished, Wanted, environment, execute};

/// An adapter of its own name over one program.
pub struct Program {
    settings: ProgramSettings,
}

/// How a program is started.
#[derive(Clone, Debug)]
pub struct ProgramSettings {
    /// Name of the adapter.
    pub name: String,
    /// Version of the adapter.
    pub version: String,
    /// The program: an absolute path.
    pub program: PathBuf,
    /// Its arguments before the function's name.
    pub arguments: Vec<String>,
    /// Variables of its environment, beside `PATH` and those of the call.
    pub environment: BTreeMap<String, String>,
    /// Where it begins; `None` = where the worker did.
    pub directory: Option<PathBuf>,
    /// Processes at once; `None` = the worker's default.
    pub concurrency: Option<usize>,
    /// Its functions.
    pub functions: Vec<Function>,
}

/// What a program may say about its failure.
#[derive(Deserialize)]
struct Said {
    status: Option<u16>,
    title: Option<String>,
    detail: Option<String>,
}

impl Program {
    /// An adapter over a program.
    #[must_use]
    pub fn new(settings: ProgramSettings) -> Self {
        Self { settings }
    }
}

#[async_trait]
impl Adapter for Program {
    fn manifest(&self) -> Manifest {
        Manifest {
            name: self.settings.name.clone(),
            version: self.settings.version.clone(),
            functions: self.settings.functions.clone(),
            concurrency: self.settings.concurrency,
        }
    }

    async fn call(&self, call: Call) -> Result<Value, Failure> {
        let mut arguments: Vec<OsString> = self.settings.arguments.iter().map(OsString::from).collect();
        arguments.push(call.function.clone().into());
        let finished = execute(Command {
            program: self.settings.program.clone(),
            arguments,
            environment: environment(&[&self.settings.environment], &call),
            input: call.arguments.to_string().into_bytes(),
            directory: self.settings.directory.clone(),
            wanted: Wanted { output: true, errors: false },
        })
        .await?;
        let name = format!("{}@{}", call.function, self.settings.name);
        if finished.code == 0 { output(&name, &finished) } else { Err(failure(&name, &finished)) }
    }
}

fn output(name: &str, finished: &Finished) -> Result<Value, Failure> {
    if finished.output.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&finished.output).map_err(|error| {
        Failure::unknown(Standard::Communication, format!("`{name}` wrote an output that is no JSON: {error}"))
    })
}

fn failure(name: &str, finished: &Finished) -> Failure {
    let (standard, status) = match finished.code {
        64 | 65 => (Standard::Validation, 400),
        69 | 75 => (Standard::Communication, 503),
        77 => (Standard::Authorization, 403),
        78 => (Standard::Configuration, 400),
        _ => (Standard::Runtime, 500),
    };
    let effect = if (64..=78).contains(&finished.code) { EffectState::None } else { EffectState::Unknown };
    let detail = format!("`{name}` ended with exit code {}{}", finished.code, finished.tail());
    let mut error = Problem::standard(standard, detail).with_status(status);
    if let Ok(said) = serde_json::from_slice::<Said>(&finished.output) {
        error.status = said.status.unwrap_or(error.status);
        error.title = said.title.or(error.title);
        error.detail = said.detail.or(error.detail);
    }
    Failure { error, effect }
}
