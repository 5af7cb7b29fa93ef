//! Puts a node together: store, bus, engine and the adapters of this process.

use std::{path::Path, sync::Arc, time::Duration};

use sagabus_adapter_sdk::{Adapter, Secrets, Worker, WorkerSettings};
use sagabus_adapters::{Surroundings, Trust};
use sagabus_core::id::WorkflowName;
use sagabus_driver_embedded::EmbeddedBus;
use sagabus_driver_sql::Access;
use sagabus_engine::{Engine, Handle, Settings as EngineSettings};
use sagabus_ports::{Bus, Store, SystemClock};
use serde_json::{Map, Value};

use crate::{
    arguments::Hosting,
    exit::Refused,
    input,
    settings::{DEFAULT_BUS, Settings},
};

/// What a node is put together from.
pub(crate) struct Recipe {
    /// URL of the database.
    pub(crate) database: String,
    /// The adapters that it hosts.
    pub(crate) adapters: Vec<Arc<dyn Adapter>>,
    /// What they may use.
    pub(crate) secrets: Secrets,
    /// How long attempts under way may go on once it stops.
    pub(crate) grace: Duration,
}

/// A running node.
pub(crate) struct Node {
    /// The engine.
    pub(crate) handle: Handle,
    /// Its store.
    pub(crate) store: Arc<dyn Store>,
    worker: Worker,
}

impl Node {
    /// Opens the store, starts the engine and then the worker.
    pub(crate) async fn start(recipe: Recipe) -> Result<Self, Refused> {
        let store = open(&recipe.database, Access::Own).await?;
        let bus: Arc<dyn Bus> = Arc::new(EmbeddedBus::new());
        let mut settings = EngineSettings::default();
        settings.environment.secrets = recipe.secrets.shape();
        let handle = Engine::start(store.clone(), bus.clone(), Arc::new(SystemClock), settings).await?;
        let worker_settings = WorkerSettings { grace: recipe.grace, ..WorkerSettings::default() };
        let worker = Worker::start(bus, recipe.adapters, Arc::new(recipe.secrets), worker_settings);
        Ok(Self { handle, store, worker })
    }

    /// Stops in order: the worker first, so that what it has done is still heard.
    pub(crate) async fn stop(self) {
        self.worker.stop().await;
        self.handle.stop().await;
    }
}

/// The adapters that this process hosts: the built-in ones and those of the settings file, or the named ones of them.
pub(crate) fn adapters(
    settings: &Settings,
    hosting: &Hosting,
    trust: Trust,
    secrets: &Secrets,
) -> Result<Vec<Arc<dyn Adapter>>, Refused> {
    let mut adapters = build(&settings.adapters, &settings.folder, trust, secrets)?;
    let Some(wanted) = &hosting.adapters else { return Ok(adapters) };
    let names = names(&adapters);
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        return Err(Refused::wrong(format!("--adapters: there is no `{unknown}`; there is {}", names.join(", "))));
    }
    adapters.retain(|adapter| wanted.contains(&adapter.manifest().name));
    Ok(adapters)
}

/// The names of adapters.
pub(crate) fn names(adapters: &[Arc<dyn Adapter>]) -> Vec<String> {
    adapters.iter().map(|adapter| adapter.manifest().name).collect()
}

/// Says which adapters a workflow calls that this process does not host, if there are any: their calls would wait for a
/// worker that never comes, because the embedded bus reaches no other process.
pub(crate) fn unhosted<'a>(
    workflow: &WorkflowName,
    called: impl IntoIterator<Item = &'a str>,
    hosted: &[String],
) -> Option<String> {
    let missing = called.into_iter().filter(|name| !hosted.iter().any(|one| one == name));
    let missing: Vec<_> = missing.map(|name| format!("`{name}`")).collect();
    if missing.is_empty() {
        return None;
    }
    Some(format!(
        "{} calls {}, which is not hosted here (there is {}): add a table `[adapters.NAME]` to sagabus.toml",
        workflow,
        missing.join(" and "),
        hosted.join(", ")
    ))
}

/// Builds adapters from their tables.
pub(crate) fn build(
    tables: &Map<String, Value>,
    folder: &Path,
    trust: Trust,
    secrets: &Secrets,
) -> Result<Vec<Arc<dyn Adapter>>, Refused> {
    let surroundings = Surroundings { trust, folder, secrets };
    sagabus_adapters::build(tables, surroundings).map_err(|error| Refused::wrong(error.to_string()))
}

/// Opens the database.
pub(crate) async fn open(url: &str, access: Access) -> Result<Arc<dyn Store>, Refused> {
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    if matches!(scheme, "postgres" | "postgresql") {
        return Err(Refused::wrong("PostgreSQL is not available in this version; use `--db sqlite:PATH`"));
    }
    Ok(sagabus_driver_sql::open(url, access).await?)
}

/// Refuses every bus but the embedded one.
pub(crate) fn check_bus(url: &str) -> Result<(), Refused> {
    if url == DEFAULT_BUS {
        return Ok(());
    }
    // The scheme only: the rest of a URL may hold a password.
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    Err(Refused::wrong(format!("the bus `{scheme}:` is not available in this version; use `--bus {DEFAULT_BUS}`")))
}

/// The secrets of the environment and of a file (JSON, YAML or TOML, by its suffix), which wins.
pub(crate) fn secrets(file: Option<&Path>) -> Result<Secrets, Refused> {
    // A variable whose value is no text is nothing that we could send.
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut named = Secrets::in_environment(variables);
    if let Some(file) = file {
        named.extend(secrets_of(file)?);
    }
    Secrets::new(named).map_err(|error| Refused::wrong(error.to_string()))
}

/// Errors tell the place only: a parser's message may quote what it could not read.
fn secrets_of(file: &Path) -> Result<Map<String, Value>, Refused> {
    let text = input::text_of(file)?;
    let name = file.display();
    match file.extension().and_then(|suffix| suffix.to_str()) {
        Some("toml") => toml::from_str(&text).map_err(|_| Refused::wrong(format!("{name} is no valid TOML"))),
        Some("json") => serde_json::from_str(&text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Refused::wrong(format!("{name}:{line}:{column}: here it stops being a JSON object"))
        }),
        _ => serde_saphyr::from_str(&text)
            .map_err(|_| Refused::wrong(format!("{name} is no YAML mapping from names to secrets"))),
    }
}
