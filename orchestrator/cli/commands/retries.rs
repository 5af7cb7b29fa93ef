//! `retries`: the calls that wait for their next attempt.

use std::path::Path;

use sagabus_driver_sql::Access;
use sagabus_ports::QueuedRetry;

use crate::{
    arguments::ListRetries,
    compose,
    exit::{Exit, Refused},
    print,
    settings::Settings,
};

/// Lists the retry queue, next attempt first.
pub(crate) async fn list(list: ListRetries, config: Option<&Path>) -> Result<Exit, Refused> {
    let url = Settings::read(config, None)?.database(list.database.db.as_deref());
    let queued = compose::open(&url, Access::Read).await?.retries(list.limit).await?;
    if list.json {
        print::json(&queued);
    } else {
        let rows: Vec<Vec<String>> = queued.iter().map(row).collect();
        print::rows(&["CALL", "WORKFLOW", "TASK", "FUNCTION", "FAILED", "NEXT ATTEMPT", "EFFECT", "ERROR"], &rows);
    }
    Ok(Exit::Done)
}

fn row(retry: &QueuedRetry) -> Vec<String> {
    let allowed = retry.attempts_allowed.map_or_else(String::new, |allowed| format!(" of {allowed}"));
    vec![
        retry.call.clone(),
        retry.workflow.clone(),
        retry.reference.clone(),
        format!("{}@{}", retry.function, retry.adapter),
        format!("{}{allowed}", retry.attempt),
        retry.next_attempt_at.map(|time| time.to_string()).unwrap_or_default(),
        retry.effect.clone().unwrap_or_default(),
        retry.last_error.as_ref().map(print::problem).unwrap_or_default(),
    ]
}
