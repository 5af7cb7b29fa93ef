//! Requests → starts: finds the workflow, draws what is random, checks the key.

use std::sync::Arc;

use sagabus_core::{
    cause::{Cause, Start},
    id::{Digest, InstanceId},
    plan::Plan,
    time::Timestamp,
};
use sagabus_ports::{Address, Clock, Envelope, Error, Kind, NewInstance, Retry, Store};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    StartError, StartRequest,
    catalogue::{Catalogue, PickError},
    wake::{self, NewStart, Starter},
};

/// The longest key of a start, in bytes: it is part of an index, and of every log line about the start.
pub(crate) const LONGEST_KEY: usize = 256;

/// Header of a request: when the instance must have ended, RFC 3339.
const DEADLINE: &str = "sagabus-deadline";
/// Header of a request: the version of the workflow.
const VERSION: &str = "sagabus-version";

/// Whether an engine on this store would take the request, for those who leave it there for an engine to find.
///
/// # Errors
/// What [`Handle::start`](crate::Handle::start) refuses, conflicts of keys apart.
pub async fn check_start(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    request: &StartRequest,
) -> Result<(), StartError> {
    if let Some(key) = &request.key {
        check_key(key).map_err(StartError::Store)?;
    }
    let catalogue = Catalogue::new(store, clock);
    let plan = pick(&catalogue, request).await?;
    check_input(&catalogue, &plan, request).await
}

/// A start with a new id, for someone outside.
///
/// # Errors
/// No such workflow is deployed, the caller's input does not match its schema, the key is too long, or the store failed.
pub(crate) async fn prepare(
    catalogue: &Catalogue,
    request: StartRequest,
    now: Timestamp,
    starter: Starter,
) -> Result<NewStart, (StartError, Starter)> {
    let key = request.key.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
    if let Err(error) = check_key(&key) {
        return Err((StartError::Store(error), starter));
    }
    let plan = match pick(catalogue, &request).await {
        Ok(plan) => plan,
        Err(error) => return Err((error, starter)),
    };
    // Who waits for the answer is told; a request on the bus starts an instance that faults, which is its answer.
    if let Starter::Caller(_) = starter
        && let Err(error) = check_input(catalogue, &plan, &request).await
    {
        return Err((error, starter));
    }
    let start = Start { input: request.input, key, deadline: request.deadline, parent: None, nonce: String::new() };
    Ok(complete(InstanceId(Uuid::now_v7()), plan, start, now, starter))
}

async fn pick(catalogue: &Catalogue, request: &StartRequest) -> Result<Arc<Plan>, StartError> {
    let picked = catalogue.pick(&request.namespace, &request.name, request.version.as_deref()).await;
    picked.map_err(|error| match error {
        PickError::NotDeployed(reason) => StartError::NotDeployed(reason),
        PickError::Store(error) => StartError::Store(error),
    })
}

/// A key that has started an instance passes with whatever input: the answer is that instance, or a conflict, although
/// the schema may have become stricter meanwhile.
async fn check_input(catalogue: &Catalogue, plan: &Plan, request: &StartRequest) -> Result<(), StartError> {
    let Some(Err(violations)) = plan.input.schema.as_ref().map(|schema| schema.validate(&request.input)) else {
        return Ok(());
    };
    if let Some(key) = &request.key
        && catalogue.has_started(&plan.name, key).await.map_err(StartError::Store)?
    {
        return Ok(());
    }
    Err(StartError::InvalidInput(violations))
}

/// A start with everything that it needs: a mark for secrets is drawn if it has none.
pub(crate) fn complete(
    instance: InstanceId,
    plan: Arc<Plan>,
    mut start: Start,
    now: Timestamp,
    starter: Starter,
) -> NewStart {
    if start.nonce.is_empty() {
        start.nonce = Uuid::new_v4().simple().to_string();
    }
    let new = NewInstance {
        workflow: plan.name.clone(),
        digest: plan.digest.clone(),
        key: start.key.clone(),
        input_digest: input_digest(&start.input),
        parent: start.parent.clone(),
        started_at: now,
        deadline: start.deadline,
    };
    NewStart { instance, cause: Cause::Start(start), start: Box::new(wake::Start { plan, new }), starter }
}

/// Reads a request from the bus. Every header is optional; the message id is the key.
///
/// # Errors
/// It cannot be understood: says why.
pub(crate) fn read(envelope: &Envelope) -> Result<StartRequest, String> {
    let Address::Requests { namespace, workflow } = &envelope.address else {
        return Err(format!("`{}` is no address of a request", envelope.address));
    };
    let input = if envelope.body.iter().all(u8::is_ascii_whitespace) {
        Value::Object(serde_json::Map::new())
    } else {
        serde_json::from_slice(&envelope.body).map_err(|error| format!("the body is not JSON: {error}"))?
    };
    let deadline = match envelope.headers.get(DEADLINE) {
        Some(text) => {
            Some(Timestamp::parse(text).ok_or_else(|| format!("`{DEADLINE}: {text}` is not an RFC 3339 time"))?)
        }
        None => None,
    };
    let key = (!envelope.id.is_empty()).then(|| envelope.id.clone());
    let version = envelope.headers.get(VERSION).cloned();
    Ok(StartRequest { namespace: namespace.clone(), name: workflow.clone(), version, input, key, deadline })
}

/// Digest of an input, which does not depend on the order of members: what tells a repeated start from one with the same
/// key and other input.
#[must_use]
pub fn input_digest(input: &Value) -> Digest {
    let mut sorted = input.clone();
    sorted.sort_all_objects();
    Digest::of(sorted.to_string().as_bytes())
}

fn check_key(key: &str) -> Result<(), Error> {
    let wrong = if key.is_empty() {
        "it is empty".to_owned()
    } else if key.len() > LONGEST_KEY {
        format!("it has {} bytes, and {LONGEST_KEY} is the most", key.len())
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::Invalid, Retry::Never, "start with this key").caused_by(wrong))
}

#[cfg(test)]
mod tests {
    use sagabus_core::time::Timestamp;
    use sagabus_ports::{Address, Envelope, Headers};
    use serde_json::json;

    use super::{input_digest, read};

    fn envelope(body: &str, headers: &[(&str, &str)]) -> Envelope {
        Envelope {
            id: "order-1".to_owned(),
            address: Address::Requests { namespace: "shop".to_owned(), workflow: "order".to_owned() },
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Headers>(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_request_needs_no_header() {
        let request = read(&envelope("{\"a\":1}", &[])).expect("readable");
        assert_eq!((request.namespace.as_str(), request.name.as_str()), ("shop", "order"));
        assert_eq!((request.input, request.key.as_deref()), (json!({ "a": 1 }), Some("order-1")));
        assert_eq!((request.version, request.deadline), (None, None));
        assert_eq!(read(&envelope("", &[])).expect("readable").input, json!({}));
    }

    #[test]
    fn headers_are_read_and_nonsense_is_refused() {
        let headers = [("sagabus-deadline", "2026-01-01T00:00:00Z"), ("sagabus-version", "1.2.0")];
        let request = read(&envelope("1", &headers)).expect("readable");
        assert_eq!(request.deadline, Timestamp::parse("2026-01-01T00:00:00Z"));
        assert_eq!(request.version.as_deref(), Some("1.2.0"));
        assert!(read(&envelope("{", &[])).is_err_and(|reason| reason.contains("not JSON")));
        assert!(read(&envelope("1", &[("sagabus-deadline", "soon")])).is_err_and(|reason| reason.contains("RFC 3339")));
    }

    #[test]
    fn the_same_input_in_another_order_is_the_same_input() {
        assert_eq!(
            input_digest(&json!({ "a": 1, "b": { "c": 2, "d": 3 } })),
            input_digest(&json!({ "b": { "d": 3, "c": 2 }, "a": 1 }))
        );
        assert_ne!(input_digest(&json!({ "a": 1 })), input_digest(&json!({ "a": 2 })));
    }
}
