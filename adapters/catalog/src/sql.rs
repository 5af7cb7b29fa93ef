//! `type = "sql"`.

use std::{path::Path, sync::Arc};

use sagabus_adapter_sdk::{Adapter, Function, Problem, Standard};
use sagabus_adapter_sql::{Expectation, Gives, SqlAdapter, SqlFunction, SqlSettings, SqlStatement};
use serde::Deserialize;

use crate::{ConfigError, table::Table};

/// Connections of an adapter that does not say how many. PostgreSQL allows a hundred to all of its clients.
const CONNECTIONS: u32 = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    url: String,
    version: Option<String>,
    max_connections: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclaredFunction {
    statement: Option<String>,
    #[serde(default)]
    statements: Vec<OneStatement>,
    expect: Option<u64>,
    error: Option<DeclaredError>,
    #[serde(default)]
    result: ResultOf,
    #[serde(default)]
    read: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneStatement {
    Plain(String),
    Described(DescribedStatement),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribedStatement {
    sql: String,
    expect: Option<u64>,
    error: Option<DeclaredError>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclaredError {
    #[serde(rename = "type")]
    kind: Option<String>,
    status: Option<u16>,
    title: Option<String>,
    detail: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ResultOf {
    #[default]
    All,
    Rows,
    Row,
    Count,
    None,
}

pub(crate) fn build(mut table: Table<'_>) -> Result<Arc<dyn Adapter>, ConfigError> {
    let functions = table.functions()?.into_iter().map(|(function, table)| declared(function, table));
    let functions = functions.collect::<Result<_, _>>()?;
    let (table, Declared { url, version, max_connections }) = table.read()?;
    let settings = SqlSettings {
        name: table.name.clone(),
        version: version.unwrap_or_else(|| "1.0.0".to_owned()),
        url: rooted(&url, table.surroundings.folder),
        max_connections: max_connections.unwrap_or(CONNECTIONS),
        functions,
    };
    Ok(Arc::new(SqlAdapter::new(settings).map_err(|error| table.error(error.to_string()))?))
}

fn declared(mut function: Function, table: Table<'_>) -> Result<SqlFunction, ConfigError> {
    let (table, declared) = table.read::<DeclaredFunction>()?;
    if function.transient.is_empty() {
        // What the adapter says of a database that cannot be reached and of a conflict with another transaction.
        function.transient = vec![503];
    }
    if function.description.is_empty() {
        declared.statement.as_deref().unwrap_or_default().trim().clone_into(&mut function.description);
    }
    let expectation = |expect: Option<u64>, error: Option<DeclaredError>| match (expect, error) {
        (None, Some(_)) => Err(table.error("`error` is for statements with `expect = NUMBER OF ROWS`; give both")),
        (None, None) => Ok(None),
        (Some(rows), error) => Ok(Some(Expectation { rows, error: problem(error.unwrap_or_default()) })),
    };
    let statements = match declared.statement {
        Some(sql) if declared.statements.is_empty() => {
            vec![SqlStatement { sql, expectation: expectation(declared.expect, declared.error)? }]
        }
        None if declared.expect.is_none() && declared.error.is_none() => declared
            .statements
            .into_iter()
            .map(|statement| match statement {
                OneStatement::Plain(sql) => Ok(SqlStatement { sql, expectation: None }),
                OneStatement::Described(DescribedStatement { sql, expect, error }) => {
                    Ok(SqlStatement { sql, expectation: expectation(expect, error)? })
                }
            })
            .collect::<Result<_, ConfigError>>()?,
        _ => return Err(table.error("give `statement` with its `expect` and `error`, or `statements` with their own")),
    };
    let gives = match declared.result {
        ResultOf::All => Gives::All,
        ResultOf::Rows => Gives::Rows,
        ResultOf::Row => Gives::Row,
        ResultOf::Count => Gives::Count,
        ResultOf::None => Gives::None,
    };
    Ok(SqlFunction { function, statements, gives, read: declared.read })
}

/// The error of a statement that touches other rows than expected: a conflict, unless it is declared as something else.
fn problem(declared: DeclaredError) -> Problem {
    const CONFLICT: u16 = 409;
    let default = Problem::standard(Standard::Validation, "").with_status(CONFLICT);
    Problem {
        kind: declared.kind.unwrap_or(default.kind),
        status: declared.status.unwrap_or(default.status),
        title: declared.title.or(default.title),
        detail: declared.detail,
        instance: None,
    }
}

/// The URL of a SQLite file is relative to the settings file, like every path in it.
fn rooted(url: &str, folder: &Path) -> String {
    match url.strip_prefix("sqlite:") {
        Some(path) if !path.trim_start_matches("//").starts_with(['/', ':']) => {
            format!("sqlite:{}", folder.join(path.trim_start_matches("//")).display())
        }
        _ => url.to_owned(),
    }
}
