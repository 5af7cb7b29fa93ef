//! `type = "program"`.

use std::{collections::BTreeMap, sync::Arc};

use sagabus_adapter_process::{Program, ProgramSettings};
use sagabus_adapter_sdk::Adapter;
use serde::Deserialize;

use crate::{ConfigError, table::Table};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    program: String,
    version: Option<String>,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    directory: Option<String>,
    concurrency: Option<usize>,
}

/// A function of a program has nothing of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclaredFunction {}

/// A program says "not now" with this status.
const UNAVAILABLE: u16 = 503;

pub(crate) fn build(mut table: Table<'_>) -> Result<Arc<dyn Adapter>, ConfigError> {
    let mut functions = Vec::new();
    for (mut function, table) in table.functions()? {
        let (_, DeclaredFunction {}) = table.read()?;
        if function.transient.is_empty() {
            function.transient = vec![UNAVAILABLE];
        }
        functions.push(function);
    }
    let (table, declared) = table.read::<Declared>()?;
    let program = table.path(&declared.program);
    if !program.is_file() {
        return Err(table.error(format!(
            "`program`: there is no file {}; give the path of the program, absolute or relative to the settings file",
            program.display()
        )));
    }
    let directory = declared.directory.map_or_else(|| table.path("."), |directory| table.path(&directory));
    Ok(Arc::new(Program::new(ProgramSettings {
        name: table.name.clone(),
        version: declared.version.unwrap_or_else(|| "1.0.0".to_owned()),
        // A relative path would be looked up from the directory that the program begins in.
        program: std::path::absolute(&program).unwrap_or(program),
        arguments: declared.arguments,
        environment: declared.environment,
        directory: Some(directory),
        concurrency: declared.concurrency,
        functions,
    })))
}
