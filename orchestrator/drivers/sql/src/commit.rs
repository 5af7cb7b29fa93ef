//! Committing: the preconditions of all changes in one statement, then one statement for each kind of row.
//!
//! sqlx hands every statement to the connection's thread and back, which costs more than the statement. So each takes
//! all its rows as one JSON array: a batch of any size is about a dozen statements, and their texts never vary, so each
//! is prepared once.

mod rows;
mod statements;

use std::collections::{HashMap, HashSet};

use sagabus_core::id::InstanceId;
use sagabus_ports::{Batch, Deployment, Error, Kind, Result, Retry, Verdict};
use serde::Serialize;
use sqlx::{Connection as _, SqliteConnection};

use crate::sqlite::failure;
use rows::Rows;
use statements::json;

/// Commits a batch in one transaction.
pub(crate) async fn commit(connection: &mut SqliteConnection, batch: &Batch) -> Result<Vec<Verdict>> {
    let operation = "commit a batch";
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failure(operation))?;
    let verdicts = verdicts(&mut transaction, batch).await?;
    let committed = batch.changes.iter().zip(&verdicts).filter(|(_, verdict)| **verdict == Verdict::Committed);
    let rows = Rows::gather(batch, committed.map(|(change, _)| change)).map_err(unwritable)?;
    write(&mut transaction, &rows).await?;
    transaction.commit().await.map_err(failure(operation))?;
    Ok(verdicts)
}

/// Refuses a batch that breaks the contract, before anything is read or written.
pub(crate) fn check(batch: &Batch) -> Result<()> {
    let mut seen = HashSet::new();
    for change in &batch.changes {
        let instance = change.instance;
        let wrong = if !seen.insert(instance) {
            "there are two changes of it in one batch"
        } else if change.entry.seq != change.expected_seq + 1 {
            "the position of its entry is not the one after `expected_seq`"
        } else if change.new.is_some() != (change.expected_seq == 0) {
            "a new instance has a fixed part, and only a new one has"
        } else {
            continue;
        };
        return Err(Error::new(
            Kind::Invalid,
            Retry::Never,
            format!("commit a change of instance {instance}: {wrong}"),
        ));
    }
    Ok(())
}

/// Records a deployment and its source.
pub(crate) async fn deploy(connection: &mut SqliteConnection, deployment: &Deployment) -> sqlx::Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("INSERT INTO definition (digest, source) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(&deployment.digest.0)
        .bind(&deployment.source)
        .execute(&mut *transaction)
        .await?;
    let statement = "INSERT INTO deployment (namespace, name, version, digest, deployed_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (namespace, name, version)
        DO UPDATE SET digest = excluded.digest, deployed_at = excluded.deployed_at";
    sqlx::query(statement)
        .bind(&deployment.name.namespace)
        .bind(&deployment.name.name)
        .bind(&deployment.name.version)
        .bind(&deployment.digest.0)
        .bind(deployment.deployed_at.to_string())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// What a change expects, for the statement that looks for it.
#[derive(Serialize)]
struct Expectation<'a> {
    instance: InstanceId,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    key: Option<&'a str>,
}

const LOOK: &str = "
    SELECT CAST(same.seq AS bigint), holder.id
      FROM jsonb_each($1) AS wanted
      LEFT JOIN instance AS same ON same.id = wanted.value->>'instance'
      LEFT JOIN instance AS holder ON holder.namespace = wanted.value->>'namespace'
                                  AND holder.name = wanted.value->>'name' AND holder.key = wanted.value->>'key'
     ORDER BY wanted.key";

/// Judges each change by what is stored and by the changes before it.
async fn verdicts(connection: &mut SqliteConnection, batch: &Batch) -> Result<Vec<Verdict>> {
    let expectations = batch.changes.iter().map(|change| Expectation {
        instance: change.instance,
        namespace: change.new.as_ref().map(|new| new.workflow.namespace.as_str()),
        name: change.new.as_ref().map(|new| new.workflow.name.as_str()),
        key: change.new.as_ref().map(|new| new.key.as_str()),
    });
    let expectations = json(&expectations.collect::<Vec<_>>()).map_err(unwritable)?;
    let stored: Vec<(Option<i64>, Option<String>)> = sqlx::query_as(LOOK)
        .bind(expectations)
        .fetch_all(connection)
        .await
        .map_err(failure("check what a batch expects"))?;

    // Keys that earlier changes of this batch take.
    let mut taken = HashMap::new();
    let mut verdicts = Vec::with_capacity(batch.changes.len());
    for (change, (seq, holder)) in batch.changes.iter().zip(stored) {
        let stored_seq = seq.map_or(Some(0), |seq| u64::try_from(seq).ok());
        let holder = holder.map(|id| crate::read::instance_id(&id)).transpose()?;
        let key = change.new.as_ref().map(|new| (&new.workflow.namespace, &new.workflow.name, &new.key));
        let holder = holder.or_else(|| taken.get(&key?).copied());
        verdicts.push(match holder {
            Some(holder) => Verdict::KeyTaken(holder),
            None if stored_seq != Some(change.expected_seq) => Verdict::Conflict,
            None => {
                taken.extend(key.map(|key| (key, change.instance)));
                Verdict::Committed
            }
        });
    }
    Ok(verdicts)
}

/// One statement for each kind of row that the batch has. Parents before children.
async fn write(connection: &mut SqliteConnection, rows: &Rows<'_>) -> Result<()> {
    for (statement, rows) in rows.statements().map_err(unwritable)? {
        sqlx::query(statement).bind(rows).execute(&mut *connection).await.map_err(failure("write a batch"))?;
    }
    Ok(())
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::new(Kind::Invalid, Retry::Never, "write a batch as JSON").caused_by(error)
}
