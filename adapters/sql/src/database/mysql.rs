//! MySQL and MariaDB.

use std::str::FromStr as _;

use sagabus_adapter_sdk::async_trait;
use serde_json::Value;
use sqlx::{
    Arguments as _, MySql, MySqlPool, Row as _, TypeInfo as _, ValueRef as _,
    mysql::{MySqlArguments, MySqlConnectOptions, MySqlPoolOptions, MySqlQueryResult, MySqlRow},
};

use super::{Database, Ran, Transaction, base64, binary, collect, json, undecodable};
use crate::{
    ACQUIRE_TIMEOUT,
    statement::{Dialect, Statement},
};

struct Pool(MySqlPool);

struct Open(sqlx::Transaction<'static, MySql>);

pub(super) fn open(url: &str, connections: u32) -> Result<impl Database + use<>, sqlx::Error> {
    let options = MySqlConnectOptions::from_str(url)?;
    let pool = MySqlPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
    Ok(Pool(pool.connect_lazy_with(options)))
}

#[async_trait]
impl Database for Pool {
    fn dialect(&self) -> Dialect {
        Dialect::MySql
    }

    async fn begin(&self, _writes: bool) -> Result<Box<dyn Transaction>, sqlx::Error> {
        Ok(Box::new(Open(self.0.begin().await?)))
    }

    async fn execute(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(sql).execute(&self.0).await.map(|_| ())
    }
}

#[async_trait]
impl Transaction for Open {
    async fn run(&mut self, statement: &Statement, arguments: &[&Value]) -> Result<Ran, sqlx::Error> {
        // Placeholders have no numbers: a parameter that occurs twice is bound twice.
        let sql = statement.render(|_| "?".to_owned());
        let mut bound = MySqlArguments::default();
        for index in statement.occurrences() {
            bind(&mut bound, arguments[index])?;
        }
        collect::<MySql>(&mut self.0, sql, bound, MySqlQueryResult::rows_affected, decode).await
    }

    async fn commit(self: Box<Self>) -> Result<(), sqlx::Error> {
        self.0.commit().await
    }
}

fn bind(bound: &mut MySqlArguments, value: &Value) -> Result<(), sqlx::Error> {
    let added = match value {
        Value::Null => bound.add(None::<String>),
        Value::Bool(boolean) => bound.add(*boolean),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), _, _) => bound.add(integer),
            (None, Some(integer), _) => bound.add(integer),
            (None, None, float) => bound.add(float),
        },
        Value::String(text) => bound.add(text.clone()),
        other => bound.add(other.to_string()),
    };
    added.map_err(sqlx::Error::Encode)
}

fn decode(row: &MySqlRow, index: usize) -> Result<Value, sqlx::Error> {
    let value = row.try_get_raw(index)?;
    if value.is_null() {
        return Ok(Value::Null);
    }
    let kind = value.type_info().into_owned();
    let bytes = || row.try_get_unchecked::<Vec<u8>, _>(index);
    let text = || row.try_get_unchecked::<String, _>(index);
    Ok(match kind.name() {
        "BOOLEAN" => row.try_get_unchecked::<bool, _>(index)?.into(),
        "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => row.try_get_unchecked::<i64, _>(index)?.into(),
        "FLOAT" => binary::float(f64::from(row.try_get_unchecked::<f32, _>(index)?)),
        "DOUBLE" => binary::float(row.try_get_unchecked::<f64, _>(index)?),
        "DATE" | "DATETIME" => temporal(&bytes()?).ok_or_else(|| undecodable(index, kind.name()))?.into(),
        // sqlx sets the session's time zone to UTC.
        "TIMESTAMP" => format!("{}Z", temporal(&bytes()?).ok_or_else(|| undecodable(index, kind.name()))?).into(),
        "JSON" => json(&text()?),
        "DECIMAL" | "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" => {
            text()?.into()
        }
        "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => base64(&bytes()?),
        unsigned if unsigned.ends_with(" UNSIGNED") || matches!(unsigned, "YEAR" | "BIT") => {
            row.try_get_unchecked::<u64, _>(index)?.into()
        }
        other => return Err(undecodable(index, other)),
    })
}

/// A date, with its time if it has one: a length, then year, month, day, hour, minute, second, microseconds.
fn temporal(bytes: &[u8]) -> Option<String> {
    let &[length, ref rest @ ..] = bytes else { return None };
    let at = |index: usize| rest.get(index).copied().unwrap_or_default();
    let date = format!("{:04}-{:02}-{:02}", u16::from_le_bytes([at(0), at(1)]), at(2), at(3));
    if length <= 4 {
        return Some(date);
    }
    let seconds = format!("{date}T{:02}:{:02}:{:02}", at(4), at(5), at(6));
    let micros = u32::from_le_bytes([at(7), at(8), at(9), at(10)]);
    Some(if micros == 0 { seconds } else { format!("{seconds}.{micros:06}") })
}
