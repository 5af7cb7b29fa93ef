//! Starting instances and looking at them.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use sagabus_core::{id::InstanceId, instance::Status, report::Report, time::Timestamp};
use sagabus_engine::StartRequest;
use sagabus_ports::Filter;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{Api, body, problem::Problem};

/// The longest that `Prefer: wait` is honoured, in seconds: proxies give up at about that time.
const LONGEST_WAIT_S: u64 = 60;

/// Most instances in one page.
const LARGEST_PAGE: u32 = 1_000;

/// Query of a start.
#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    version: Option<String>,
}

/// `POST /api/v1/workflows/{namespace}/{name}/instances`: answers 202 once the start is durable. A repetition of a start
/// that has ended is told its result too.
pub(crate) async fn start(
    State(api): State<Api>,
    Path((namespace, name)): Path<(String, String)>,
    Query(Version { version }): Query<Version>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let key = body::header_text(&headers, "idempotency-key")?.map(str::to_owned);
    let deadline = body::header_text(&headers, "sagabus-deadline")?.map(deadline).transpose()?;
    let input = input(&headers, &body::bytes(body).await?)?;
    let request = StartRequest { namespace, name, version, input, key, deadline };
    let accepted = api.handle.start(request).await?;
    let mut told = json!({
        "id": accepted.instance,
        "key": accepted.key,
        "status": accepted.status,
        "repeated": accepted.repeated,
    });
    if accepted.repeated
        && accepted.status.is_terminal()
        && let Some(report) = api.handle.report(accepted.instance).await?
    {
        told["output"] = json!(report.output);
        told["error"] = json!(report.error);
    }
    let location = format!("/api/v1/instances/{}", accepted.instance);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(told)).into_response())
}

/// `GET /api/v1/instances/{id}`: the report; with `Prefer: wait=SECONDS` (RFC 7240) not before the instance has ended
/// or that time has passed.
pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Report>, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "no-such-instance", format!("there is no instance `{id}`"));
    let instance = InstanceId::parse(&id).map_err(|_| unknown())?;
    if let Some(wait) = wait(&headers)
        && let Ok(ended) = tokio::time::timeout(wait, api.handle.wait(instance)).await
    {
        return ended?.map(Json).ok_or_else(unknown);
    }
    api.handle.report(instance).await?.map(Json).ok_or_else(unknown)
}

/// Query of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listing {
    namespace: Option<String>,
    workflow: Option<String>,
    status: Option<String>,
    before: Option<String>,
    limit: Option<u32>,
}

/// `GET /api/v1/instances?namespace=&workflow=&status=&before=&limit=`: newest first; `next` is the `before` of the
/// next page.
pub(crate) async fn list(
    State(api): State<Api>,
    listing: Result<Query<Listing>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let bad_query = |text: String| Problem::new(StatusCode::BAD_REQUEST, "bad-query", text);
    let Query(listing) = listing.map_err(|error| bad_query(error.body_text()))?;
    let status = listing.status.map(|word| {
        Status::from_word(&word).ok_or_else(|| {
            bad_query(format!("`{word}` is none of pending, running, waiting, completed, faulted, cancelled"))
        })
    });
    let before = listing
        .before
        .map(|id| InstanceId::parse(&id).map_err(|_| bad_query(format!("before: `{id}` is no id of an instance"))));
    let limit = listing.limit.unwrap_or(100);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(bad_query(format!("limit has to be between 1 and {LARGEST_PAGE}")));
    }
    let filter = Filter {
        namespace: listing.namespace,
        name: listing.workflow,
        status: status.transpose()?,
        before: before.transpose()?,
        limit,
    };
    let found = api.handle.list(filter).await?;
    let full = u32::try_from(found.len()).is_ok_and(|length| length == limit);
    let next = found.last().filter(|_| full).map(|last| last.id);
    Ok(Json(json!({ "instances": found, "next": next })))
}

fn deadline(text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text).ok_or_else(|| {
        let detail = format!("Sagabus-Deadline `{text}` is no RFC 3339 time, such as 2026-01-31T12:00:00Z");
        Problem::new(StatusCode::BAD_REQUEST, "bad-header", detail)
    })
}

/// An empty body is an empty object, as it is for the command line.
fn input(headers: &HeaderMap, bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let media_type = body::media_type(headers);
    if !body::is_json(&media_type) {
        let detail = format!("the input has to be application/json, not `{media_type}`");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong-content-type", detail));
    }
    body::json(bytes)
}

/// A preference that cannot be read is ignored, as its RFC says.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let seconds = preferences
        .flat_map(|value| value.split([',', ';']))
        .find_map(|preference| preference.trim().strip_prefix("wait=")?.parse::<u64>().ok())?;
    Some(Duration::from_secs(seconds.min(LONGEST_WAIT_S)))
}
