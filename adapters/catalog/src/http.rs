//! `[adapters.http]`, and `type = "http"`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sagabus_adapter_http::{
    Authentication, Client, Destination, HttpAdapter, HttpSettings, Reach, Service, ServiceFunction, ServiceSettings,
    TRANSIENT,
};
use sagabus_adapter_sdk::Adapter;
use serde::Deserialize;

use crate::{ConfigError, Trust, table::Table};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BuiltIn {
    /// Whom it may talk to beside public addresses: networks, addresses, host names.
    allow: Option<Vec<Destination>>,
    timeout_ms: Option<u64>,
    concurrency: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    base: String,
    version: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    authentication: Option<Authentication>,
    concurrency: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclaredFunction {
    method: Option<String>,
    #[serde(default)]
    path: String,
    #[serde(default)]
    query: Vec<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    read: bool,
}

pub(crate) fn built_in(table: Table<'_>) -> Result<Arc<dyn Adapter>, ConfigError> {
    let (table, BuiltIn { allow, timeout_ms, concurrency }) = table.read()?;
    // A list is meant, whoever the author is.
    let reach = match (allow, table.surroundings.trust) {
        (None, Trust::Author) => Reach::Everyone,
        (allow, _) => Reach::Public(allow.unwrap_or_default()),
    };
    let default = HttpSettings::default();
    let settings = HttpSettings { timeout: timeout_ms.map_or(default.timeout, Duration::from_millis), concurrency };
    Ok(Arc::new(HttpAdapter::new(client(&table, reach)?, settings)))
}

pub(crate) fn service(mut table: Table<'_>) -> Result<Arc<dyn Adapter>, ConfigError> {
    let functions = table.functions()?.into_iter().map(|(function, table)| declared(function, table));
    let functions = functions.collect::<Result<_, _>>()?;
    let (table, Declared { base, version, headers, authentication, concurrency }) = table.read()?;
    let settings = ServiceSettings {
        name: table.name.clone(),
        version: version.unwrap_or_else(|| "1.0.0".to_owned()),
        base,
        headers,
        authentication,
        concurrency,
        functions,
    };
    // The operator named the one host that it talks to; no argument can change it.
    let service = Service::new(client(&table, Reach::Everyone)?, settings);
    Ok(Arc::new(service.map_err(|error| table.error(error.to_string()))?))
}

fn declared(mut function: sagabus_adapter_sdk::Function, table: Table<'_>) -> Result<ServiceFunction, ConfigError> {
    let (_, DeclaredFunction { method, path, query, headers, read }) = table.read()?;
    if function.transient.is_empty() {
        function.transient = TRANSIENT.to_vec();
    }
    Ok(ServiceFunction { function, method: method.unwrap_or_else(|| "POST".to_owned()), path, query, headers, read })
}

fn client(table: &Table<'_>, reach: Reach) -> Result<Client, ConfigError> {
    Client::new(reach).map_err(|error| table.error(format!("the HTTP client cannot be set up: {error}")))
}
