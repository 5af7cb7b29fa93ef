//! `[adapters.process]`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sagabus_adapter_process::{ProcessAdapter, ProcessSettings};
use sagabus_adapter_sdk::Adapter;
use serde::Deserialize;

use crate::{ConfigError, Trust, table::Table};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BuiltIn {
    shell: Option<bool>,
    script: Option<bool>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    directory: Option<String>,
    timeout_ms: Option<u64>,
    concurrency: Option<usize>,
}

pub(crate) fn built_in(table: Table<'_>) -> Result<Arc<dyn Adapter>, ConfigError> {
    let (table, settings) = table.read::<BuiltIn>()?;
    let trusted = table.surroundings.trust == Trust::Author;
    let default = ProcessSettings::default();
    Ok(Arc::new(ProcessAdapter::new(ProcessSettings {
        shell: settings.shell.unwrap_or(trusted),
        script: settings.script.unwrap_or(trusted),
        environment: settings.environment,
        directory: settings.directory.map(|directory| table.path(&directory)),
        timeout: settings.timeout_ms.map_or(default.timeout, Duration::from_millis),
        concurrency: settings.concurrency,
    })))
}
