//! The SQL adapter: functions that are SQL statements on SQLite, PostgreSQL, MySQL or MariaDB.
//!
//! All statements of a function run in one transaction together with a record of the call's idempotency key
//! ([`ledger`]), so that a call has its effect exactly once, however often it is attempted. Statements are written by
//! whoever configures the adapter; a workflow supplies values for their parameters, never text. Imports the SDK only.

mod database;
mod failure;
mod function;
mod ledger;
mod statement;

use std::{collections::BTreeMap, time::Duration};

use sagabus_adapter_sdk::{Adapter, Call, Failure, Function, Idempotency, Manifest, Standard, async_trait};
use serde_json::Value;
use thiserror::Error;

use crate::{
    database::{Database, Ran},
    function::Prepared,
    ledger::Ledger,
};
pub use crate::{
    function::{Expectation, Gives, SqlFunction, SqlStatement},
    statement::StatementError,
};

/// An adapter over one database.
pub struct SqlAdapter {
    name: String,
    version: String,
    concurrency: Option<usize>,
    database: Box<dyn Database>,
    ledger: Ledger,
    functions: BTreeMap<String, Prepared>,
}

/// How a database is reached and what is offered on it.
#[derive(Clone)]
pub struct SqlSettings {
    /// Name of the adapter.
    pub name: String,
    /// Version of the adapter.
    pub version: String,
    /// `sqlite:PATH`, `postgres://…` or `mysql://…`. The database has to exist.
    pub url: String,
    /// Connections at most.
    pub max_connections: u32,
    /// Its functions.
    pub functions: Vec<SqlFunction>,
}

/// A database or function that is described wrongly.
#[derive(Debug, Error)]
pub enum SqlError {
    /// The URL is none that we know. Without the URL: it may hold a password.
    #[error("`url`: {0}; write sqlite:PATH, postgres://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE")]
    Url(String),
    /// A statement that cannot be read.
    #[error("`functions.{function}`: {error}")]
    Statement {
        /// The function.
        function: String,
        /// What is wrong.
        error: StatementError,
    },
}

/// Who does not give a connection within this time is down, or all connections are in use.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

impl SqlAdapter {
    /// An adapter whose connections are opened when they are needed. Has to be called within a Tokio runtime.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn new(settings: SqlSettings) -> Result<Self, SqlError> {
        let connections = settings.max_connections.max(1);
        let database = database::open(&settings.url, connections).map_err(SqlError::Url)?;
        let dialect = database.dialect();
        let mut functions = BTreeMap::new();
        for function in settings.functions {
            let name = function.function.name.clone();
            let prepared = Prepared::new(function, dialect)
                .map_err(|error| SqlError::Statement { function: name.clone(), error })?;
            functions.insert(name, prepared);
        }
        Ok(Self {
            name: settings.name,
            version: settings.version,
            concurrency: usize::try_from(connections).ok(),
            ledger: Ledger::new(dialect),
            database,
            functions,
        })
    }

    /// The first attempt of a call that gets to its end is the one that counts; the others get its output.
    async fn once(&self, function: &Prepared, call: &Call) -> Result<Value, Failure> {
        self.ledger.make_sure(self.database.as_ref()).await?;
        let mut transaction = self.database.begin(true).await.map_err(failure::connection)?;
        if let Some(recorded) = self.ledger.claim(transaction.as_mut(), call).await? {
            return Ok(recorded);
        }
        let output = function.run(transaction.as_mut(), &call.arguments).await?;
        self.ledger.record(transaction.as_mut(), call, &output).await?;
        transaction.commit().await.map_err(|error| failure::commit(&error))?;
        Ok(output)
    }

    async fn read(&self, function: &Prepared, call: &Call) -> Result<Value, Failure> {
        let mut transaction = self.database.begin(false).await.map_err(failure::connection)?;
        let output = function.run(transaction.as_mut(), &call.arguments).await?;
        // Nothing was written, so that it does not matter how this ends.
        let _ = transaction.commit().await;
        Ok(output)
    }
}

#[async_trait]
impl Adapter for SqlAdapter {
    fn manifest(&self) -> Manifest {
        let functions = self.functions.values().map(|prepared| {
            let mut function: Function = prepared.function.clone();
            function.idempotency = if prepared.read { Idempotency::Natural } else { Idempotency::ByKey };
            function
        });
        Manifest {
            name: self.name.clone(),
            version: self.version.clone(),
            functions: functions.collect(),
            concurrency: self.concurrency,
        }
    }

    async fn call(&self, call: Call) -> Result<Value, Failure> {
        match self.functions.get(&call.function) {
            Some(function) if function.read => self.read(function, &call).await,
            Some(function) => self.once(function, &call).await,
            None => Err(Failure::without_effect(
                Standard::Configuration,
                format!("`{}` has no function `{}`", self.name, call.function),
            )),
        }
    }
}
