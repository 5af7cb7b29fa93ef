//! PostgreSQL.
//!
//! It is strict about types and, asked, tells which type each parameter has. So every value is sent as text and cast to
//! that type: what PostgreSQL reads from text a workflow can give.

use std::str::FromStr as _;

use sagabus_adapter_sdk::async_trait;
use serde_json::Value;
use sqlx::{
    Arguments as _, AssertSqlSafe, Either, Executor as _, PgPool, Postgres, Row as _, SqlSafeStr as _, Statement as _,
    TypeInfo as _, ValueRef as _,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow},
};

use super::{Database, Ran, Transaction, base64, binary, collect, json, text, undecodable};
use crate::{
    ACQUIRE_TIMEOUT,
    statement::{Dialect, Statement},
};

struct Pool(PgPool);

struct Open(sqlx::Transaction<'static, Postgres>);

pub(super) fn open(url: &str, connections: u32) -> Result<impl Database + use<>, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?;
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
    Ok(Pool(pool.connect_lazy_with(options)))
}

#[async_trait]
impl Database for Pool {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
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
        let plain = statement.render(|index| format!("${}", index + 1));
        // Prepared statements are cached by connection: this asks once.
        let asked = (&mut *self.0).prepare(AssertSqlSafe(plain).into_sql_str()).await?;
        let types: Vec<String> = match asked.parameters() {
            Some(Either::Left(types)) => types.iter().map(|kind| kind.name().to_owned()).collect(),
            _ => Vec::new(),
        };
        let kind = |index: usize| types.get(index).map_or("TEXT", String::as_str);
        let sql = statement.render(|index| cast(index + 1, kind(index)));
        let mut bound = PgArguments::default();
        for (index, argument) in arguments.iter().enumerate() {
            bound.add(as_text(argument, kind(index))).map_err(sqlx::Error::Encode)?;
        }
        collect::<Postgres>(&mut self.0, sql, bound, PgQueryResult::rows_affected, decode).await
    }

    async fn commit(self: Box<Self>) -> Result<(), sqlx::Error> {
        self.0.commit().await
    }
}

/// A placeholder for text that becomes a value of a type.
fn cast(number: usize, kind: &str) -> String {
    match kind {
        "TEXT" | "VARCHAR" | "NAME" | "UNKNOWN" | "?" => format!("${number}"),
        // `CHAR` in a cast would be `char(1)`, and `BIT` `bit(1)`.
        "CHAR" => format!("${number}::text::bpchar"),
        "BIT" => format!("${number}::text::varbit"),
        "BYTEA" => format!("decode(${number}::text, 'base64')"),
        // Types of users have names of their own spelling.
        own if own.contains(char::is_lowercase) => format!("${number}::text::\"{}\"", own.replace('"', "\"\"")),
        built_in => format!("${number}::text::{built_in}"),
    }
}

fn as_text(value: &Value, kind: &str) -> Option<String> {
    match value {
        Value::Null => None,
        // A text is a value of JSON as well.
        value if matches!(kind, "JSON" | "JSONB") => Some(value.to_string()),
        Value::Array(items) if kind.ends_with("[]") => {
            let items = items.iter().map(|item| match text(item) {
                None => "NULL".to_owned(),
                Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            });
            Some(format!("{{{}}}", items.collect::<Vec<_>>().join(",")))
        }
        other => text(other),
    }
}

fn decode(row: &PgRow, index: usize) -> Result<Value, sqlx::Error> {
    let value = row.try_get_raw(index)?;
    if value.is_null() {
        return Ok(Value::Null);
    }
    let kind = value.type_info().into_owned();
    let bytes = value.as_bytes().map_err(sqlx::Error::Decode)?;
    element(kind.name(), bytes).ok_or_else(|| undecodable(index, kind.name()))
}

/// A value in PostgreSQL's binary format; `None` if it is not of that type or the type is not known.
fn element(kind: &str, bytes: &[u8]) -> Option<Value> {
    let text = || std::str::from_utf8(bytes).ok();
    Some(match kind {
        "BOOL" => (*bytes.first()? != 0).into(),
        "INT2" => i16::from_be_bytes(bytes.try_into().ok()?).into(),
        "INT4" => i32::from_be_bytes(bytes.try_into().ok()?).into(),
        "INT8" => i64::from_be_bytes(bytes.try_into().ok()?).into(),
        "OID" => u32::from_be_bytes(bytes.try_into().ok()?).into(),
        "FLOAT4" => binary::float(f64::from(f32::from_be_bytes(bytes.try_into().ok()?))),
        "FLOAT8" => binary::float(f64::from_be_bytes(bytes.try_into().ok()?)),
        "NUMERIC" => binary::numeric(bytes)?.into(),
        "JSON" => json(text()?),
        "JSONB" => json(std::str::from_utf8(bytes.strip_prefix(&[1])?).ok()?),
        "BYTEA" => base64(bytes),
        "UUID" => binary::uuid(bytes.try_into().ok()?).into(),
        "DATE" => binary::date(i32::from_be_bytes(bytes.try_into().ok()?))?.into(),
        "TIME" => binary::time(i64::from_be_bytes(bytes.try_into().ok()?))?.into(),
        "TIMESTAMP" => binary::datetime(i64::from_be_bytes(bytes.try_into().ok()?))?.into(),
        "TIMESTAMPTZ" => format!("{}Z", binary::datetime(i64::from_be_bytes(bytes.try_into().ok()?))?).into(),
        "VOID" => Value::Null,
        array if array.ends_with("[]") => binary::array(bytes, |bytes| element(array.strip_suffix("[]")?, bytes))?,
        // Text, names, and enumerations of users.
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "\"CHAR\"" => text()?.into(),
        own if own.contains(char::is_lowercase) => text()?.into(),
        _ => return None,
    })
}
