//! The databases: what they have in common, and a small file each for what they disagree on.

mod binary;
mod mysql;
mod postgres;
mod sqlite;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::TryStreamExt as _;
use sagabus_adapter_sdk::async_trait;
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Column as _, Either, Executor, IntoArguments, Row, SqlSafeStr as _, Statement as _};

use crate::statement::{Dialect, Statement};

/// The most rows that a statement may give back; an envelope would hardly hold more.
const LARGEST_RESULT_ROWS: usize = 10_000;

/// A database with its pool.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    fn dialect(&self) -> Dialect;

    /// Begins a transaction; dropping it rolls it back.
    async fn begin(&self, writes: bool) -> Result<Box<dyn Transaction>, sqlx::Error>;

    /// Runs a statement without parameters by itself.
    async fn execute(&self, sql: &'static str) -> Result<(), sqlx::Error>;
}

/// A transaction that is open.
#[async_trait]
pub(crate) trait Transaction: Send {
    /// Runs a statement with a value for each of its parameters.
    async fn run(&mut self, statement: &Statement, arguments: &[&Value]) -> Result<Ran, sqlx::Error>;

    async fn commit(self: Box<Self>) -> Result<(), sqlx::Error>;
}

/// What a statement gave back.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) rows: Vec<Value>,
    /// Rows given back if it gives rows back, else rows changed.
    pub(crate) count: u64,
}

/// Opens the database of a URL. The error does not contain the URL.
pub(crate) fn open(url: &str, connections: u32) -> Result<Box<dyn Database>, String> {
    let text = |error: sqlx::Error| error.to_string();
    match url.split_once(':').map_or("", |(scheme, _)| scheme) {
        "sqlite" => Ok(Box::new(sqlite::open(url, connections).map_err(text)?)),
        "postgres" | "postgresql" => Ok(Box::new(postgres::open(url, connections).map_err(text)?)),
        "mysql" | "mariadb" => Ok(Box::new(mysql::open(url, connections).map_err(text)?)),
        other => Err(format!("`{other}:` is no database that this adapter knows")),
    }
}

/// Runs a statement and collects what it gives back.
async fn collect<D: sqlx::Database>(
    connection: &mut D::Connection,
    sql: String,
    arguments: D::Arguments,
    changed: fn(&D::QueryResult) -> u64,
    decode: fn(&D::Row, usize) -> Result<Value, sqlx::Error>,
) -> Result<Ran, sqlx::Error>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
    D::Arguments: IntoArguments<D>,
{
    let statement = (&mut *connection).prepare(AssertSqlSafe(sql).into_sql_str()).await?;
    let gives_rows = !statement.columns().is_empty();
    let mut ran = Ran::default();
    let mut results = connection.fetch_many(statement.query_with(arguments));
    while let Some(result) = results.try_next().await? {
        match result {
            Either::Left(done) if !gives_rows => ran.count += changed(&done),
            Either::Left(_) => {}
            Either::Right(_) if ran.rows.len() >= LARGEST_RESULT_ROWS => {
                return Err(sqlx::Error::InvalidArgument(format!(
                    "the statement gives back more than {LARGEST_RESULT_ROWS} rows; add a LIMIT"
                )));
            }
            Either::Right(row) => ran.rows.push(object::<D>(&row, decode)?),
        }
    }
    if gives_rows {
        ran.count = ran.rows.len() as u64;
    }
    Ok(ran)
}

fn object<D: sqlx::Database>(
    row: &D::Row,
    decode: fn(&D::Row, usize) -> Result<Value, sqlx::Error>,
) -> Result<Value, sqlx::Error> {
    let columns = row.columns().iter().map(|column| (column.name().to_owned(), column.ordinal()));
    columns.map(|(name, index)| Ok((name, decode(row, index)?))).collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

/// Bytes have no place in JSON but as base64.
fn base64(bytes: &[u8]) -> Value {
    Value::String(STANDARD.encode(bytes))
}

/// Text that is JSON, as what it says.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// A value as text, for a database that reads all its types from text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn undecodable(index: usize, what: &str) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: index.to_string(),
        source: format!("a value of type {what} that cannot be read; cast it to text in the statement").into(),
    }
}
