//! The built-in adapters, one line each, and how `[adapters.NAME]` of `sagabus.toml` becomes one.
//!
//! Called by the command line only. Imports the adapters; each of them knows the SDK and nothing of this.

mod http;
mod process;
mod program;
mod sql;
mod table;

use std::{path::Path, sync::Arc};

use sagabus_adapter_sdk::{Adapter, Secrets, closest};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::table::Table;

/// A kind of adapter: how its table becomes one. A line here is all that a new kind needs.
type Build = fn(Table<'_>) -> Result<Arc<dyn Adapter>, ConfigError>;

/// What `type` may say.
const KINDS: [(&str, Build); 3] = [("http", http::service), ("program", program::build), ("sql", sql::build)];

/// The adapters that are always there, under these names; their tables are optional and have no `type`.
const ALWAYS: [(&str, Build); 2] = [("http", http::built_in), ("process", process::built_in)];

/// Who decides what adapters may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// The author of the workflow owns the machine: HTTP reaches everything, `shell` and `script` run.
    Author,
    /// Workflows may come from anyone: HTTP reaches public addresses, nothing runs, but for what the configuration opens.
    Configuration,
}

/// What adapters are built from, beside their tables.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Who decides.
    pub trust: Trust,
    /// What paths in the tables are relative to: the folder of the settings file.
    pub folder: &'a Path,
    /// Where `{ secret = "name.member" }` gets its value from.
    pub secrets: &'a Secrets,
}

/// A table that is no adapter.
#[derive(Debug, Error)]
#[error("[{place}] {problem}")]
pub struct ConfigError {
    /// Where: `adapters.payments.functions.charge`.
    pub place: String,
    /// What is wrong, and what to do about it.
    pub problem: String,
}

/// Builds the adapters of `[adapters.NAME]` and those that are always there. Has to be called within a Tokio runtime, because
/// pools of connections look after themselves; nothing is connected yet.
///
/// # Errors
/// The first table that is wrong, with its place and the remedy. A setting that nobody knows is wrong.
pub fn build(
    tables: &Map<String, Value>,
    surroundings: Surroundings<'_>,
) -> Result<Vec<Arc<dyn Adapter>>, ConfigError> {
    let mut adapters = Vec::new();
    for (name, build) in ALWAYS {
        let empty = Value::Object(Map::new());
        adapters.push(build(Table::of_adapter(name, tables.get(name).unwrap_or(&empty), surroundings)?)?);
    }
    for (name, value) in tables.iter().filter(|(name, _)| ALWAYS.iter().all(|(always, _)| always != name)) {
        let mut table = Table::of_adapter(name, value, surroundings)?;
        let kind = table.kind()?;
        let build = KINDS.iter().find(|(known, _)| *known == kind).map(|(_, build)| build);
        adapters.push(build.ok_or_else(|| unknown_kind(&table, &kind))?(table)?);
    }
    Ok(adapters)
}

fn unknown_kind(table: &Table<'_>, kind: &str) -> ConfigError {
    let kinds = KINDS.map(|(known, _)| known);
    let meant = closest(kind, kinds).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    table.error(format!("`type` is `{kind}`, which is no kind of adapter; {meant}there are `{}`", kinds.join("`, `")))
}

#[cfg(test)]
mod tests;
