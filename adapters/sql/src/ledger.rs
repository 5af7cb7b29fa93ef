//! The record of idempotency keys: a table beside the data, written in the same transaction, so that a call is either
//! recorded and done or neither. An attempt that finds its call recorded gives the recorded output.
//!
//! Rows may be deleted once their calls are history: after the retention of finished instances.

use sagabus_adapter_sdk::{Call, Failure, Standard};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{
    database::{Database, Transaction},
    failure,
    statement::{Dialect, Statement},
};

pub(crate) struct Ledger {
    made: OnceCell<()>,
    create: &'static str,
    claim: &'static str,
    find: &'static str,
    record: &'static str,
    probe: &'static str,
    dialect: Dialect,
}

impl Ledger {
    pub(crate) fn new(dialect: Dialect) -> Self {
        let (create, claim, find, record) = match dialect {
            Dialect::Sqlite => (
                "CREATE TABLE IF NOT EXISTS sagabus_calls (\"key\" TEXT PRIMARY KEY, function TEXT NOT NULL, output TEXT, \
                 recorded_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))",
                "INSERT INTO sagabus_calls (\"key\", function) VALUES (:key, :function) ON CONFLICT (\"key\") DO NOTHING",
                "SELECT output FROM sagabus_calls WHERE \"key\" = :key",
                "UPDATE sagabus_calls SET output = :output WHERE \"key\" = :key",
            ),
            Dialect::Postgres => (
                "CREATE TABLE IF NOT EXISTS sagabus_calls (\"key\" text PRIMARY KEY, function text NOT NULL, output text, \
                 recorded_at timestamptz NOT NULL DEFAULT now())",
                "INSERT INTO sagabus_calls (\"key\", function) VALUES (:key, :function) ON CONFLICT (\"key\") DO NOTHING",
                "SELECT output FROM sagabus_calls WHERE \"key\" = :key",
                "UPDATE sagabus_calls SET output = :output WHERE \"key\" = :key",
            ),
            // InnoDB, because a table without transactions would record what was rolled back.
            Dialect::MySql => (
                "CREATE TABLE IF NOT EXISTS sagabus_calls (`key` VARCHAR(64) PRIMARY KEY, `function` VARCHAR(255) NOT NULL, \
                 output LONGTEXT, recorded_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE = InnoDB \
                 CHARACTER SET utf8mb4",
                "INSERT IGNORE INTO sagabus_calls (`key`, `function`) VALUES (:key, :function)",
                // Locking, because the snapshot of the transaction may be older than the row; shared, because who waited for the row
                // has a shared lock already, and two of them that wanted more would deadlock.
                "SELECT output FROM sagabus_calls WHERE `key` = :key LOCK IN SHARE MODE",
                "UPDATE sagabus_calls SET output = :output WHERE `key` = :key",
            ),
        };
        let probe = "SELECT 1 FROM sagabus_calls WHERE 1 = 0";
        Self { made: OnceCell::new(), create, claim, find, record, probe, dialect }
    }

    /// Makes the table on first use. Outside of any transaction: MySQL would end it.
    pub(crate) async fn make_sure(&self, database: &dyn Database) -> Result<(), Failure> {
        let make = || async {
            // Who may not create tables may still use one that is there.
            let missing = match database.execute(self.probe).await {
                Ok(()) => return Ok(()),
                Err(error) if failure::is_missing_table(&error) => error,
                Err(error) => return Err(failure::connection(error)),
            };
            let mut made = database.execute(self.create).await;
            if made.is_err() {
                // Two workers at once: PostgreSQL lets one of them fail.
                made = database.execute(self.probe).await;
            }
            made.map_err(|error| {
                Failure::without_effect(
                    Standard::Configuration,
                    format!(
                        "there is no table of calls ({missing}), and it cannot be created ({error}); {}",
                        self.create
                    ),
                )
            })
        };
        self.made.get_or_try_init(make).await.copied()
    }

    /// Writes the key. If it is there already, gives the output of the call that wrote it; two attempts at once wait for each
    /// other here.
    pub(crate) async fn claim(&self, transaction: &mut dyn Transaction, call: &Call) -> Result<Option<Value>, Failure> {
        let key = Value::String(call.key.clone());
        let function = Value::String(call.function.clone());
        let claimed = self.run(transaction, self.claim, &[&key, &function]).await?;
        if claimed.count > 0 {
            return Ok(None);
        }
        let found = self.run(transaction, self.find, &[&key]).await?;
        let output = found.rows.first().and_then(|row| row.get("output")).and_then(Value::as_str);
        match output.map(serde_json::from_str) {
            Some(Ok(output)) => Ok(Some(output)),
            _ => Err(Failure::unknown(
                Standard::Runtime,
                format!("the record of the call {} in sagabus_calls cannot be read; it was done", call.key),
            )),
        }
    }

    pub(crate) async fn record(
        &self,
        transaction: &mut dyn Transaction,
        call: &Call,
        output: &Value,
    ) -> Result<(), Failure> {
        let output = Value::String(output.to_string());
        let key = Value::String(call.key.clone());
        self.run(transaction, self.record, &[&output, &key]).await.map(|_| ())
    }

    async fn run(
        &self,
        transaction: &mut dyn Transaction,
        sql: &str,
        arguments: &[&Value],
    ) -> Result<crate::Ran, Failure> {
        let statements = Statement::read(sql, self.dialect)
            .map_err(|error| Failure::without_effect(Standard::Runtime, error.to_string()))?;
        transaction.run(&statements[0], arguments).await.map_err(|error| failure::statement(&error))
    }
}
