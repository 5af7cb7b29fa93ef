//! SQLite.

use std::{str::FromStr as _, time::Duration};

use sagabus_adapter_sdk::async_trait;
use serde_json::Value;
use sqlx::{
    Arguments as _, Column as _, Row as _, Sqlite, SqlitePool, TypeInfo as _, ValueRef as _,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqlitePoolOptions, SqliteQueryResult, SqliteRow},
};

use super::{Database, Ran, Transaction, base64, collect};
use crate::{
    ACQUIRE_TIMEOUT,
    statement::{Dialect, Statement},
};

/// How long a writer waits for another one. Writers of this adapter take turns; programs of others may hold the lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

struct Pool(SqlitePool);

struct Open(sqlx::Transaction<'static, Sqlite>);

pub(super) fn open(url: &str, connections: u32) -> Result<impl Database + use<>, sqlx::Error> {
    let options = SqliteConnectOptions::from_str(url)?.create_if_missing(false).busy_timeout(BUSY_TIMEOUT);
    let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
    Ok(Pool(pool.connect_lazy_with(options)))
}

#[async_trait]
impl Database for Pool {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn begin(&self, writes: bool) -> Result<Box<dyn Transaction>, sqlx::Error> {
        // A transaction that reads first and writes later can fail without ever having waited.
        let begin = if writes { "BEGIN IMMEDIATE" } else { "BEGIN" };
        Ok(Box::new(Open(self.0.begin_with(begin).await?)))
    }

    async fn execute(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(sql).execute(&self.0).await.map(|_| ())
    }
}

#[async_trait]
impl Transaction for Open {
    async fn run(&mut self, statement: &Statement, arguments: &[&Value]) -> Result<Ran, sqlx::Error> {
        let sql = statement.render(|index| format!("?{}", index + 1));
        let mut bound = SqliteArguments::default();
        for argument in arguments {
            bind(&mut bound, argument)?;
        }
        collect::<Sqlite>(&mut self.0, sql, bound, SqliteQueryResult::rows_affected, decode).await
    }

    async fn commit(self: Box<Self>) -> Result<(), sqlx::Error> {
        self.0.commit().await
    }
}

fn bind(bound: &mut SqliteArguments, value: &Value) -> Result<(), sqlx::Error> {
    let added = match value {
        Value::Null => bound.add(None::<String>),
        Value::Bool(boolean) => bound.add(*boolean),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => bound.add(integer),
            (None, Some(float)) if number.is_f64() => bound.add(float),
            _ => Err(format!("{number} is larger than SQLite's largest integer").into()),
        },
        Value::String(text) => bound.add(text.clone()),
        other => bound.add(other.to_string()),
    };
    added.map_err(sqlx::Error::Encode)
}

/// By what a value is, not what its column is declared as; but a number in a column of booleans is one.
fn decode(row: &SqliteRow, index: usize) -> Result<Value, sqlx::Error> {
    let value = row.try_get_raw(index)?;
    if value.is_null() {
        return Ok(Value::Null);
    }
    let declared = row.columns()[index].type_info().name();
    Ok(match value.type_info().name() {
        "INTEGER" | "INT4" | "INT8" if declared == "BOOLEAN" => {
            row.try_get_unchecked::<i64, _>(index).map(|n| (n != 0).into())?
        }
        "BOOLEAN" => row.try_get_unchecked::<bool, _>(index)?.into(),
        "INTEGER" | "INT4" | "INT8" => row.try_get_unchecked::<i64, _>(index)?.into(),
        "REAL" => row.try_get_unchecked::<f64, _>(index)?.into(),
        "BLOB" => base64(&row.try_get_unchecked::<Vec<u8>, _>(index)?),
        _ => row.try_get_unchecked::<String, _>(index)?.into(),
    })
}
