//! Errors of the API: RFC 9457 problem details with a stable code.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sagabus_engine::StartError;
use sagabus_ports::{Error, Kind};
use serde_json::{Map, Value};

/// How long a client does well to wait before it asks a failing store again, in seconds.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

/// An error of the API. Codes are a promise; texts are for people.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    /// Further members.
    pub(crate) more: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), more: Map::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
}

impl From<Error> for Problem {
    /// What makes no sense to the engine never will; anything else may well work later.
    fn from(error: Error) -> Self {
        if error.kind == Kind::Invalid {
            return Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", error.to_string());
        }
        tracing::warn!(%error, "a request failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        match error {
            StartError::NotDeployed(text) => Self::new(StatusCode::NOT_FOUND, "not-deployed", text),
            invalid @ StartError::InvalidInput(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-input", invalid.to_string())
            }
            StartError::KeyConflict { instance } => Self::new(
                StatusCode::CONFLICT,
                "key-conflict",
                format!("this key has started instance {instance} with other input; use a new key"),
            )
            .with("instanceId", instance.to_string()),
            StartError::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut members = Map::new();
        members.insert("type".into(), format!("urn:sagabus:problem:{}", self.code).into());
        members.insert("title".into(), self.status.canonical_reason().unwrap_or("Error").into());
        members.insert("status".into(), self.status.as_u16().into());
        members.insert("code".into(), self.code.into());
        members.insert("detail".into(), self.detail.into());
        members.extend(self.more);
        let mut response = (self.status, Value::Object(members).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_S);
        }
        response
    }
}
