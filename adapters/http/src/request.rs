//! The adapter `http`: one function, `request`, with the meaning of the DSL's HTTP call.

use std::time::Duration;

use reqwest::{
    Method, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use sagabus_adapter_sdk::{Adapter, Call, Failure, Function, Idempotency, Manifest, Standard, Unknown, async_trait};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    authentication::Authentication,
    client::{Client, Outgoing, header},
    failure::{self, Effects},
    response::{self, Output},
    template::scalar,
};

/// The name of the header that makes a repeated request one request, where the service honours it
/// (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Errors after which the same request may well succeed: too early, too many, and whatever stands before the service.
pub const TRANSIENT: [u16; 5] = [425, 429, 502, 503, 504];

/// `call: http`.
pub struct HttpAdapter {
    client: Client,
    settings: HttpSettings,
}

/// What can be set about the adapter `http`.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Longest time an attempt may take; a task's own timeout may be shorter.
    pub timeout: Duration,
    /// Attempts at once; `None` = the worker's default.
    pub concurrency: Option<usize>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), concurrency: None }
    }
}

#[derive(Deserialize)]
struct Arguments {
    method: String,
    endpoint: Endpoint,
    #[serde(default)]
    headers: Option<Map<String, Value>>,
    #[serde(default)]
    query: Option<Map<String, Value>>,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    output: Option<Output>,
    #[serde(default)]
    redirect: Option<bool>,
    #[serde(default)]
    authentication: Option<Authentication>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Endpoint {
    Uri(String),
    Described { uri: String },
}

impl HttpAdapter {
    /// An adapter that sends through this client.
    #[must_use]
    pub fn new(client: Client, settings: HttpSettings) -> Self {
        Self { client, settings }
    }
}

#[async_trait]
impl Adapter for HttpAdapter {
    fn manifest(&self) -> Manifest {
        let mut request = Function::new("request", "Sends an HTTP request and gives back what was answered.");
        request.input = input_schema();
        request.timeout = self.settings.timeout;
        request.transient = TRANSIENT.to_vec();
        request.idempotency = Idempotency::ByKey;
        request.unknown = Unknown::ByKey;
        Manifest {
            name: "http".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            functions: vec![request],
            concurrency: self.settings.concurrency,
        }
    }

    fn target(&self, call: &Call) -> Option<String> {
        let endpoint = call.arguments.get("endpoint")?;
        let uri = endpoint.as_str().or_else(|| endpoint.get("uri")?.as_str())?;
        host_of(&Url::parse(uri).ok()?)
    }

    async fn call(&self, call: Call) -> Result<Value, Failure> {
        let arguments: Arguments = serde_json::from_value(call.arguments)
            .map_err(|error| invalid(format!("the arguments of `request` do not fit: {error}")))?;
        let method = method(&arguments.method)?;
        let uri = match &arguments.endpoint {
            Endpoint::Uri(uri) | Endpoint::Described { uri } => uri,
        };
        let mut url = Url::parse(uri)
            .map_err(|error| invalid(format!("`{uri}` is not an absolute URL ({error}); write https://host/path")))?;
        append_query(&mut url, &arguments.query.unwrap_or_default())?;
        let mut headers = headers(&arguments.headers.unwrap_or_default())?;
        let body = encode(arguments.body, &mut headers)?;
        add_defaults(&mut headers, &call.key)?;
        let request = Outgoing {
            effects: Effects::of(&method),
            method,
            url,
            headers,
            body,
            authentication: arguments.authentication,
        };
        let received = self.client.send(&request).await?;
        let highest = if arguments.redirect.unwrap_or(false) { 399 } else { 299 };
        if !(200..=highest).contains(&received.status.as_u16()) {
            return Err(failure::status(&received, &request));
        }
        let asked = response::Asked { method: &arguments.method, url: &request.url, headers: &request.headers };
        response::output(arguments.output.unwrap_or_default(), &asked, &received)
            .map_err(|why| failure::garbage(&why, &request))
    }
}

/// A method: letters in any case, as the DSL's examples write them.
pub(crate) fn method(name: &str) -> Result<Method, Failure> {
    let upper = name.to_ascii_uppercase();
    Method::from_bytes(upper.as_bytes()).map_err(|_| invalid(format!("`{name}` is not a method of HTTP")))
}

/// Adds parameters to a URL's query; a list stands for a repeated parameter, null for none.
pub(crate) fn append_query(url: &mut Url, query: &Map<String, Value>) -> Result<(), Failure> {
    let mut pairs = Vec::new();
    for (name, value) in query {
        let values = match value {
            Value::Null => continue,
            Value::Array(values) => values.iter().collect(),
            one => vec![one],
        };
        for value in values {
            let text = scalar(value).ok_or_else(|| {
                invalid(format!("the query parameter `{name}` has to be a text, a number, a boolean or a list of them"))
            })?;
            pairs.push((name, text));
        }
    }
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok(())
}

/// Headers from a map; null stands for none.
pub(crate) fn headers(map: &Map<String, Value>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        let text = scalar(value)
            .ok_or_else(|| invalid(format!("the header `{name}` has to be a text, a number or a boolean")))?;
        let (name, value) = header(name, &text)?;
        headers.try_append(name, value).map_err(|_| invalid("more headers than a request can have"))?;
    }
    Ok(headers)
}

/// A body as bytes, and its `Content-Type` unless one is set: text as it is, a flat object as a form if the content type
/// says so, everything else as JSON.
pub(crate) fn encode(body: Value, headers: &mut HeaderMap) -> Result<Option<Vec<u8>>, Failure> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_ascii_lowercase);
    let (bytes, default) = match body {
        Value::Null => return Ok(None),
        Value::String(text) => (text.into_bytes(), "text/plain; charset=utf-8"),
        Value::Object(members) if declared.as_deref().is_some_and(|declared| declared.starts_with(FORM)) => {
            let mut form = Url::parse("form:").map_err(|error| invalid(error.to_string()))?;
            append_query(&mut form, &members)?;
            (form.query().unwrap_or_default().as_bytes().to_vec(), FORM)
        }
        other => (other.to_string().into_bytes(), "application/json"),
    };
    if declared.is_none() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(default));
    }
    Ok(Some(bytes))
}

/// What every request has unless its author set it.
pub(crate) fn add_defaults(headers: &mut HeaderMap, key: &str) -> Result<(), Failure> {
    if !headers.contains_key(IDEMPOTENCY_KEY) {
        headers.insert(IDEMPOTENCY_KEY, header(IDEMPOTENCY_KEY.as_str(), key)?.1);
    }
    if !headers.contains_key(ACCEPT) {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
    }
    Ok(())
}

/// Host and port: what attempts share a limit for.
pub(crate) fn host_of(url: &Url) -> Option<String> {
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

pub(crate) fn invalid(detail: impl Into<String>) -> Failure {
    Failure::without_effect(Standard::Validation, detail)
}

fn input_schema() -> Value {
    let scalar = json!(["string", "number", "boolean", "null"]);
    json!({
        "type": "object",
        "required": ["method", "endpoint"],
        "additionalProperties": false,
        "properties": {
            "method": { "type": "string", "minLength": 1 },
            "endpoint": {
                "oneOf": [
                    { "type": "string" },
                    {
                        "type": "object",
                        "required": ["uri"],
                        "additionalProperties": false,
                        "properties": { "uri": { "type": "string" } }
                    }
                ]
            },
            "headers": { "type": ["object", "null"], "additionalProperties": { "type": scalar } },
            "query": { "type": ["object", "null"] },
            "body": true,
            "output": { "enum": ["content", "raw", "response", null] },
            "redirect": { "type": ["boolean", "null"] },
            "authentication": {
                "type": ["object", "null"],
                "required": ["scheme"],
                "properties": {
                    "scheme": { "enum": ["basic", "bearer", "digest"] },
                    "username": { "type": "string" },
                    "password": { "type": "string" },
                    "token": { "type": "string" }
                }
            }
        }
    })
}
