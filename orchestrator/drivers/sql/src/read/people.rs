//! The verbs that answer people, from the views that people may read themselves.

use sagabus_core::{id::WorkflowName, problem::Problem};
use sagabus_ports::{Filter, ListedInstance, QueuedRetry, Result};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{get, instance_id, number, status, time};
use crate::sqlite::failure;

/// How many instances a list holds if its filter does not say.
const DEFAULT_LIMIT: u32 = 100;

/// A row that is older than that of `before`. Sub-flows have ids that do not sort by time, so their start counts.
const LIST: &str = "
    SELECT instance_id, namespace, name, version, key, status,
           error_type, error_status, error_title, error_detail, error_reference, started_at, updated_at, ended_at
      FROM instances
     WHERE ($1 IS NULL OR namespace = $1) AND ($2 IS NULL OR name = $2) AND ($3 IS NULL OR status = $3)
       AND ($4 IS NULL OR (started_at, instance_id) < (SELECT started_at, id FROM instance WHERE id = $4))
     ORDER BY started_at DESC, instance_id DESC
     LIMIT $5";

/// Instances, newest first.
pub(crate) async fn list(connection: &mut SqliteConnection, filter: Filter) -> Result<Vec<ListedInstance>> {
    let limit = if filter.limit == 0 { DEFAULT_LIMIT } else { filter.limit };
    let query = sqlx::query(LIST)
        .bind(filter.namespace)
        .bind(filter.name)
        .bind(filter.status.map(sagabus_core::instance::Status::word))
        .bind(filter.before.map(|id| id.to_string()))
        .bind(i64::from(limit));
    let rows = query.fetch_all(connection).await.map_err(failure("list instances"))?;
    rows.iter().map(listed).collect()
}

fn listed(row: &SqliteRow) -> Result<ListedInstance> {
    Ok(ListedInstance {
        id: instance_id(get(row, 0)?)?,
        workflow: WorkflowName { namespace: get(row, 1)?, name: get(row, 2)?, version: get(row, 3)? },
        key: get(row, 4)?,
        status: status(get(row, 5)?)?,
        error: problem(row, 6)?,
        started_at: time(get(row, 11)?)?,
        updated_at: time(get(row, 12)?)?,
        ended_at: get::<Option<&str>>(row, 13)?.map(time).transpose()?,
    })
}

const RETRIES: &str = "
    SELECT call_id, instance_id, workflow, reference, adapter, function, attempt, attempts_allowed, next_attempt_at,
           error_type, error_status, error_title, error_detail, error_reference, effect,
           first_enqueued_at, deadline, paused
      FROM retry_queue
     ORDER BY next_attempt_at, call_id
     LIMIT $1";

/// The retry queue, next attempt first.
pub(crate) async fn retries(connection: &mut SqliteConnection, limit: u32) -> Result<Vec<QueuedRetry>> {
    let query = sqlx::query(RETRIES).bind(i64::from(limit));
    let rows = query.fetch_all(connection).await.map_err(failure("read the retry queue"))?;
    rows.iter().map(queued).collect()
}

fn queued(row: &SqliteRow) -> Result<QueuedRetry> {
    Ok(QueuedRetry {
        call: get(row, 0)?,
        instance: instance_id(get(row, 1)?)?,
        workflow: get(row, 2)?,
        reference: get(row, 3)?,
        adapter: get(row, 4)?,
        function: get(row, 5)?,
        attempt: number(get(row, 6)?)?,
        attempts_allowed: get::<Option<i64>>(row, 7)?.map(number).transpose()?,
        next_attempt_at: get::<Option<&str>>(row, 8)?.map(time).transpose()?,
        last_error: problem(row, 9)?,
        effect: get(row, 14)?,
        first_enqueued_at: time(get(row, 15)?)?,
        deadline: get::<Option<&str>>(row, 16)?.map(time).transpose()?,
        paused: get::<i64>(row, 17)? != 0,
    })
}

/// A problem from its five columns, the first of which is this one.
fn problem(row: &SqliteRow, first: usize) -> Result<Option<Problem>> {
    let Some(kind) = get::<Option<String>>(row, first)? else { return Ok(None) };
    Ok(Some(Problem {
        kind,
        status: number(get(row, first + 1)?)?,
        title: get(row, first + 2)?,
        detail: get(row, first + 3)?,
        instance: get(row, first + 4)?,
    }))
}
