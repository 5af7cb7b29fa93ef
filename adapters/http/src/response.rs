//! What a response becomes in a workflow.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::Received;

/// The output formats of the DSL's HTTP call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Output {
    /// The content, deserialised by its type.
    #[default]
    Content,
    /// The content in base64, whatever it is.
    Raw,
    /// Everything: request, status, headers and content.
    Response,
}

/// The request that was sent, for the output `response`.
pub(crate) struct Asked<'a> {
    /// As the workflow wrote it.
    pub(crate) method: &'a str,
    pub(crate) url: &'a Url,
    pub(crate) headers: &'a HeaderMap,
}

/// # Errors
/// Says what the content is, if it is not what its type promises.
pub(crate) fn output(format: Output, asked: &Asked<'_>, received: &Received) -> Result<Value, String> {
    Ok(match format {
        Output::Raw => Value::String(STANDARD.encode(&received.body)),
        Output::Content => content(received)?,
        Output::Response => json!({
            "request": { "method": asked.method, "uri": asked.url.as_str(), "headers": headers(asked.headers) },
            "statusCode": received.status.as_u16(),
            "headers": headers(&received.headers),
            "content": content(received)?,
        }),
    })
}

/// JSON as JSON, text as text, everything else in base64, nothing as null. Content without a type is looked at, as RFC
/// 9110, section 8.3 allows.
pub(crate) fn content(received: &Received) -> Result<Value, String> {
    let Received { headers, body, status } = received;
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let Some(declared) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return Ok(serde_json::from_slice(body).ok().or_else(|| text(body, "")).unwrap_or_else(|| base64(body)));
    };
    let declared = declared.to_ascii_lowercase();
    let (kind, parameters) = declared.split_once(';').unwrap_or((&declared, ""));
    let kind = kind.trim();
    if kind == "application/json" || kind == "text/json" || kind.ends_with("+json") {
        return serde_json::from_slice(body)
            .map_err(|error| format!("{status} with the content type {kind}, but the content is no JSON: {error}"));
    }
    let textual =
        ["application/xml", "application/yaml", "application/x-www-form-urlencoded", "application/javascript"];
    let is_text =
        kind.starts_with("text/") || kind.ends_with("+xml") || kind.ends_with("+yaml") || textual.contains(&kind);
    Ok(is_text.then(|| text(body, parameters)).flatten().unwrap_or_else(|| base64(body)))
}

/// UTF-8, or Latin-1 where it is declared.
fn text(body: &[u8], parameters: &str) -> Option<Value> {
    let latin = parameters.contains("iso-8859-1") || parameters.contains("latin1");
    let text = match std::str::from_utf8(body) {
        Ok(text) => text.to_owned(),
        Err(_) if latin => body.iter().map(|byte| char::from(*byte)).collect(),
        Err(_) => return None,
    };
    Some(Value::String(text))
}

fn base64(body: &[u8]) -> Value {
    Value::String(STANDARD.encode(body))
}

/// Lower-case names, as HTTP/2 has them; a repeated header's values joined by a comma; never the credentials.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    headers
        .keys()
        .filter(|name| **name != AUTHORIZATION)
        .map(|name| {
            let values: Vec<_> =
                headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            (name.to_string(), Value::String(values.join(", ")))
        })
        .collect()
}
