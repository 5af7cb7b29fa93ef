//! The reading verbs. A row that cannot be read is `Corrupt`: a store that contradicts itself is nothing to go on with.
//! Only a journal's entries are told apart by instance, so that one instance can be parked.

mod people;

use std::collections::HashMap;

use sagabus_core::{
    cause::{Cause, TimerId, TimerPurpose},
    effect::Attempt,
    event::Event,
    fact::Entry,
    id::{CallId, Digest, ExecutionId, InstanceId, WorkflowName},
    instance::Status,
    time::Timestamp,
};
use sagabus_ports::{
    Deployment, DueTimer, Error, Kind, OutstandingCall, PendingCause, Result, Retry, StartKey, Started, StoredJournal,
};
use serde::de::DeserializeOwned;
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::sqlite::failure;

pub(crate) use people::{list, retries};

const JOURNALS: &str = "
    SELECT instance.id, instance.digest, entry.seq, entry.at, entry.cause, entry.version, entry.facts
      FROM instance JOIN entry ON entry.instance = instance.id
     WHERE instance.id IN (SELECT value FROM json_each($1))
     ORDER BY instance.id, entry.seq";

/// The journals of these instances, in this order.
pub(crate) async fn journals(
    connection: &mut SqliteConnection,
    instances: &[InstanceId],
) -> Result<Vec<Option<StoredJournal>>> {
    let operation = "load journals";
    let wanted = serde_json::to_string(instances).map_err(|error| corrupt("the ids to load").caused_by(error))?;
    let rows = sqlx::query(JOURNALS).bind(wanted).fetch_all(connection).await.map_err(failure(operation))?;
    let mut found: HashMap<InstanceId, StoredJournal> = HashMap::new();
    for row in &rows {
        let id = instance_id(get(row, 0)?)?;
        let digest: String = get(row, 1)?;
        let journal = found.entry(id).or_insert_with(|| StoredJournal {
            instance: id,
            digest: Digest(digest),
            entries: Ok(Vec::new()),
        });
        if let Ok(entries) = &mut journal.entries {
            match entry(row)? {
                Ok(entry) => entries.push(entry),
                Err(reason) => journal.entries = Err(reason),
            }
        }
    }
    Ok(instances.iter().map(|id| found.get(id).cloned()).collect())
}

/// The outer result is about the database, the inner one about the entry.
fn entry(row: &SqliteRow) -> Result<std::result::Result<Entry, String>> {
    let (seq, version): (i64, i64) = (get(row, 2)?, get(row, 5)?);
    let (at, cause, facts): (&str, String, &str) = (get(row, 3)?, get(row, 4)?, get(row, 6)?);
    if version != i64::from(Entry::VERSION) {
        let known = Entry::VERSION;
        return Ok(Err(format!("entry {seq} has version {version} of the format, this program reads {known}")));
    }
    let facts = match serde_json::from_str(facts) {
        Ok(facts) => facts,
        Err(error) => return Ok(Err(format!("the facts of entry {seq} cannot be read: {error}"))),
    };
    Ok(Ok(Entry { seq: number(seq)?, at: time(at)?, cause, facts }))
}

/// The inner limits keep both parts on the index: what is due, and the one timer after that.
const DUE: &str = "
    SELECT instance, execution, purpose, due
      FROM (SELECT * FROM timer WHERE due <= $1 ORDER BY due, instance, execution, purpose LIMIT $2)
    UNION ALL
    SELECT instance, execution, purpose, due
      FROM (SELECT * FROM timer WHERE due > $1 ORDER BY due LIMIT 1)";

/// Due timers, and when the next one is due.
pub(crate) async fn due(
    connection: &mut SqliteConnection,
    now: Timestamp,
    limit: u32,
) -> Result<(Vec<DueTimer>, Option<Timestamp>)> {
    // One more than asked for: if it is there, it is the next one.
    let query = sqlx::query(DUE).bind(now.to_string()).bind(i64::from(limit) + 1);
    let rows = query.fetch_all(connection).await.map_err(failure("read due timers"))?;
    let mut timers = rows.iter().map(timer).collect::<Result<Vec<_>>>()?;
    timers.sort_by_key(|it| (it.due, it.instance, it.timer.execution, it.timer.purpose.word()));
    let count = timers.iter().take(limit as usize).take_while(|timer| timer.due <= now).count();
    let next = timers.get(count).map(|timer| timer.due);
    timers.truncate(count);
    Ok((timers, next))
}

fn timer(row: &SqliteRow) -> Result<DueTimer> {
    let purpose: &str = get(row, 2)?;
    Ok(DueTimer {
        instance: instance_id(get(row, 0)?)?,
        timer: TimerId {
            execution: ExecutionId(number(get(row, 1)?)?),
            purpose: TimerPurpose::from_word(purpose).ok_or_else(|| corrupt(&format!("the purpose `{purpose}`")))?,
        },
        due: time(get(row, 3)?)?,
    })
}

const OUTSTANDING: &str = "
    SELECT call.id, call.instance, instance.namespace, instance.name, instance.version, call.execution, call.reference,
           call.adapter, call.function, call.function_version, call.arguments, call.attempt, call.attempts_allowed,
           call.timeout_ms, call.deadline, call.nonce, call.secrets, call.enqueued_at
      FROM call JOIN instance ON instance.id = call.instance
     WHERE call.status = 'outstanding' AND call.id > $1
     ORDER BY call.id
     LIMIT $2";

/// Calls whose outcome is awaited.
pub(crate) async fn outstanding(
    connection: &mut SqliteConnection,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<OutstandingCall>> {
    let rows = page(connection, OUTSTANDING, after, limit, "read outstanding calls").await?;
    rows.iter().map(|row| Ok(OutstandingCall { attempt: attempt(row)? })).collect()
}

fn attempt(row: &SqliteRow) -> Result<Attempt> {
    let id: &str = get(row, 0)?;
    Ok(Attempt {
        call: CallId::parse(id).map_err(|error| corrupt(&format!("the call id `{id}`")).caused_by(error))?,
        instance: instance_id(get(row, 1)?)?,
        workflow: WorkflowName { namespace: get(row, 2)?, name: get(row, 3)?, version: get(row, 4)? },
        execution: ExecutionId(number(get(row, 5)?)?),
        reference: get(row, 6)?,
        adapter: get(row, 7)?,
        function: get(row, 8)?,
        version: get(row, 9)?,
        arguments: value(get(row, 10)?)?,
        attempt: number(get(row, 11)?)?,
        attempts_allowed: get::<Option<i64>>(row, 12)?.map(number).transpose()?,
        timeout_ms: get::<Option<i64>>(row, 13)?.map(number).transpose()?,
        deadline: get::<Option<&str>>(row, 14)?.map(time).transpose()?,
        nonce: get(row, 15)?,
        secrets: value(get(row, 16)?)?,
        enqueued_at: time(get(row, 17)?)?,
    })
}

const PENDING: &str = "
    SELECT id, instance, cause, namespace, name, version FROM inbox WHERE id > $1 ORDER BY id LIMIT $2";

/// Causes in the inbox.
pub(crate) async fn pending(
    connection: &mut SqliteConnection,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<PendingCause>> {
    let rows = page(connection, PENDING, after, limit, "read the inbox").await?;
    let cause = |row: &SqliteRow| {
        let workflow: (Option<String>, Option<String>) = (get(row, 3)?, get(row, 4)?);
        let version = get(row, 5)?;
        Ok(PendingCause {
            id: get(row, 0)?,
            instance: instance_id(get(row, 1)?)?,
            cause: value::<Cause>(get(row, 2)?)?,
            workflow: workflow.0.zip(workflow.1).map(|(namespace, name)| (namespace, name, version)),
        })
    };
    rows.iter().map(cause).collect()
}

const UNPUBLISHED: &str = "SELECT id, event FROM outbox WHERE id > $1 ORDER BY id LIMIT $2";

/// Events in the outbox.
pub(crate) async fn unpublished(
    connection: &mut SqliteConnection,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<(String, Event)>> {
    let rows = page(connection, UNPUBLISHED, after, limit, "read the outbox").await?;
    rows.iter().map(|row| Ok((get(row, 0)?, value(get(row, 1)?)?))).collect()
}

/// One page of a statement whose parameters are the id to begin after and the limit. No id is empty.
async fn page(
    connection: &mut SqliteConnection,
    statement: &'static str,
    after: Option<&str>,
    limit: u32,
    operation: &str,
) -> Result<Vec<SqliteRow>> {
    let query = sqlx::query(statement).bind(after.unwrap_or_default()).bind(i64::from(limit));
    query.fetch_all(connection).await.map_err(failure(operation))
}

const LISTENERS: &str = "
    SELECT DISTINCT instance FROM subscription WHERE type IN ($1, '') ORDER BY instance";

/// The instances that want events of a type, or all events.
pub(crate) async fn listeners(connection: &mut SqliteConnection, event_type: &str) -> Result<Vec<InstanceId>> {
    let query = sqlx::query(LISTENERS).bind(event_type);
    let rows = query.fetch_all(connection).await.map_err(failure("read subscriptions"))?;
    rows.iter().map(|row| instance_id(get(row, 0)?)).collect()
}

/// What a key started.
pub(crate) async fn started(connection: &mut SqliteConnection, key: StartKey<'_>) -> Result<Option<Started>> {
    let statement = "SELECT id, input_digest, status FROM instance WHERE namespace = $1 AND name = $2 AND key = $3";
    let query = sqlx::query(statement).bind(key.namespace).bind(key.name).bind(key.key);
    let row = query.fetch_optional(connection).await.map_err(failure("look up a start"))?;
    row.map(|row| {
        Ok(Started {
            instance: instance_id(get(&row, 0)?)?,
            input_digest: Digest(get(&row, 1)?),
            status: status(get(&row, 2)?)?,
        })
    })
    .transpose()
}

/// The deployments in use.
pub(crate) async fn deployments(connection: &mut SqliteConnection) -> Result<Vec<Deployment>> {
    let statement = "SELECT namespace, name, version, digest, source, deployed_at FROM workflows
                      ORDER BY namespace, name, version";
    let rows = sqlx::query(statement).fetch_all(connection).await.map_err(failure("read deployments"))?;
    let deployment = |row: &SqliteRow| {
        Ok(Deployment {
            name: WorkflowName { namespace: get(row, 0)?, name: get(row, 1)?, version: get(row, 2)? },
            digest: Digest(get(row, 3)?),
            source: get(row, 4)?,
            deployed_at: time(get(row, 5)?)?,
        })
    };
    rows.iter().map(deployment).collect()
}

/// The source with this digest.
pub(crate) async fn source(connection: &mut SqliteConnection, digest: &Digest) -> Result<Option<String>> {
    let query = sqlx::query_scalar("SELECT source FROM definition WHERE digest = $1").bind(&digest.0);
    query.fetch_optional(connection).await.map_err(failure("read a definition"))
}

// One cell, read as what it should be.

fn get<'r, T>(row: &'r SqliteRow, column: usize) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(column).map_err(failure("read a row"))
}

pub(crate) fn instance_id(text: &str) -> Result<InstanceId> {
    InstanceId::parse(text).map_err(|error| corrupt(&format!("the instance id `{text}`")).caused_by(error))
}

fn time(text: &str) -> Result<Timestamp> {
    Timestamp::parse(text).ok_or_else(|| corrupt(&format!("the time `{text}`")))
}

fn status(word: &str) -> Result<Status> {
    Status::from_word(word).ok_or_else(|| corrupt(&format!("the status `{word}`")))
}

fn number<T: TryFrom<i64>>(number: i64) -> Result<T> {
    T::try_from(number).map_err(|_| corrupt(&format!("the number {number}")))
}

fn value<T: DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| corrupt("a JSON column").caused_by(error))
}

fn corrupt(what: &str) -> Error {
    Error::new(Kind::Corrupt, Retry::Never, format!("read {what} as it is stored"))
}
