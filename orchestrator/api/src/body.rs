//! Reads bodies: limited, and only of the type that was announced.

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The most that a request's body may hold, in bytes: what fits a row, with room for whitespace. An envelope on a bus
/// may hold less.
pub(crate) const LARGEST_BODY: usize = 1024 * 1024;

/// The media type of a request in lower case, without parameters; empty if there is none.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a media type says JSON.
pub(crate) fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Reads a body.
pub(crate) async fn bytes(body: Body) -> Result<Vec<u8>, Problem> {
    match axum::body::to_bytes(body, LARGEST_BODY).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if exceeds_limit(&error) => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            format!("a body may have {LARGEST_BODY} bytes; put large data elsewhere and send where it is"),
        )),
        Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST, "broken-body", error.to_string())),
    }
}

/// Reads JSON.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "bad-json", format!("the body is no JSON: {error}"))
            .with("line", error.line())
            .with("column", error.column())
    })
}

/// A header's text, if it is there.
pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let no_text =
        |_| Problem::new(StatusCode::BAD_REQUEST, "bad-header", format!("the header {name} is no plain text"));
    value.to_str().map(Some).map_err(no_text)
}

fn exceeds_limit(error: &axum::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
