//! CloudEvents on the bus: written in binary content mode (attributes in headers, data as the body), read in binary and
//! structured mode. After the CloudEvents 1.0.2 bindings for HTTP and NATS, whose header prefix is `ce-`.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sagabus_core::event::Event;
use sagabus_ports::{Address, Envelope, Headers};
use serde_json::{Map, Value};

/// The prefix of attributes in headers.
const PREFIX: &str = "ce-";
/// The header that says what the body is.
const CONTENT_TYPE: &str = "content-type";

/// The envelope of an event. Its message id is made of `source` and `id`, which together name an event.
pub(crate) fn write(event: &Event) -> Envelope {
    let mut headers = Headers::new();
    let mut set = |name: &str, value: &str| headers.insert(format!("{PREFIX}{name}"), value.to_owned());
    set("specversion", "1.0");
    set("id", &event.id);
    set("source", &event.source);
    set("type", &event.kind);
    for (name, value) in &event.attributes {
        if !matches!(name.as_str(), "data" | "data_base64" | "datacontenttype" | "specversion") && !value.is_null() {
            set(name, &text(value));
        }
    }
    if let Some(Value::String(kind)) = event.attributes.get("datacontenttype") {
        headers.insert(CONTENT_TYPE.to_owned(), kind.clone());
    }
    let id = format!("{}#{}", event.source, event.id);
    Envelope { id, address: Address::Events { kind: event.kind.clone() }, headers, body: body(event) }
}

/// Reads an envelope as an event.
///
/// # Errors
/// It is no CloudEvent: says what is missing.
pub(crate) fn read(envelope: &Envelope) -> Result<Event, String> {
    let content_type = envelope.headers.get(CONTENT_TYPE).map_or("", String::as_str);
    if content_type.starts_with("application/cloudevents+json") || !envelope.headers.contains_key("ce-id") {
        return structured(&envelope.body);
    }
    let mut attributes = Map::new();
    for (name, value) in &envelope.headers {
        if let Some(name) = name.strip_prefix(PREFIX) {
            attributes.insert(name.to_owned(), value.as_str().into());
        }
    }
    if !content_type.is_empty() {
        attributes.insert("datacontenttype".into(), content_type.into());
    }
    if !envelope.body.is_empty() {
        let (name, data) = data(content_type, &envelope.body)?;
        attributes.insert(name.to_owned(), data);
    }
    event(attributes)
}

fn structured(body: &[u8]) -> Result<Event, String> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => event(members),
        Ok(_) => Err("neither headers `ce-id`, `ce-source` and `ce-type` nor a JSON object as the body".to_owned()),
        Err(error) => Err(format!("no header `ce-id`, and the body is not JSON: {error}")),
    }
}

fn event(mut attributes: Map<String, Value>) -> Result<Event, String> {
    let mut required = |name: &str| match attributes.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(format!("`{name}` is not a string with at least one character")),
        None => Err(format!("`{name}` is missing")),
    };
    let (id, source, kind) = (required("id")?, required("source")?, required("type")?);
    attributes.remove("specversion");
    Ok(Event { id, source, kind, attributes })
}

fn body(event: &Event) -> Vec<u8> {
    if let Some(Value::String(encoded)) = event.attributes.get("data_base64") {
        // Text that is no base64 was never data of this event: it travels as it is.
        return BASE64_STANDARD.decode(encoded).unwrap_or_else(|_| encoded.clone().into_bytes());
    }
    match event.attributes.get("data") {
        None => Vec::new(),
        Some(Value::String(data)) if !is_json(content_type(event)) => data.clone().into_bytes(),
        Some(data) => data.to_string().into_bytes(),
    }
}

fn data(content_type: &str, body: &[u8]) -> Result<(&'static str, Value), String> {
    if is_json(content_type) {
        return serde_json::from_slice(body)
            .map(|data| ("data", data))
            .map_err(|error| format!("the body is not the JSON that its content type says: {error}"));
    }
    Ok(match std::str::from_utf8(body) {
        Ok(text) => ("data", text.into()),
        Err(_) => ("data_base64", BASE64_STANDARD.encode(body).into()),
    })
}

fn content_type(event: &Event) -> &str {
    event.attributes.get("datacontenttype").and_then(Value::as_str).unwrap_or_default()
}

/// Data without a content type is JSON (CloudEvents 1.0.2, "datacontenttype").
fn is_json(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media.is_empty() || media.ends_with("/json") || media.ends_with("+json")
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use sagabus_core::event::Event;
    use sagabus_ports::{Address, Envelope, Headers};
    use serde_json::json;

    use super::{read, write};

    fn event(more: serde_json::Value) -> Event {
        let mut members = json!({ "id": "1", "source": "/shop", "type": "com.example.paid" });
        if let (Some(members), serde_json::Value::Object(more)) = (members.as_object_mut(), more) {
            members.extend(more);
        }
        serde_json::from_value(members).expect("an event")
    }

    #[test]
    fn what_is_written_reads_back() {
        for more in [
            json!({}),
            json!({ "data": { "amount": 3 }, "subject": "order 1", "datacontenttype": "application/json" }),
            json!({ "data": "plain", "datacontenttype": "text/plain; charset=utf-8" }),
            json!({ "data": "a JSON string" }),
            json!({ "data_base64": "/////w==", "datacontenttype": "application/octet-stream", "tenant": "a" }),
        ] {
            let event = event(more);
            assert_eq!(read(&write(&event)), Ok(event));
        }
    }

    #[test]
    fn structured_mode_is_read() {
        let event = event(json!({ "data": [1, 2], "time": "2026-01-01T00:00:00Z" }));
        let envelope = Envelope {
            id: String::new(),
            address: Address::Events { kind: event.kind.clone() },
            headers: Headers::from([(
                "content-type".to_owned(),
                "application/cloudevents+json; charset=utf-8".to_owned(),
            )]),
            body: event.to_value().to_string().into_bytes(),
        };
        assert_eq!(read(&envelope), Ok(event));
    }

    #[test]
    fn what_is_no_event_is_refused_with_the_reason() {
        let envelope = |body: &str| Envelope {
            id: String::new(),
            address: Address::Events { kind: "x".to_owned() },
            headers: Headers::new(),
            body: body.as_bytes().to_vec(),
        };
        assert!(read(&envelope("{")).is_err_and(|reason| reason.contains("not JSON")));
        assert!(read(&envelope("7")).is_err_and(|reason| reason.contains("ce-id")));
        assert!(read(&envelope(r#"{"id":"1","type":"t"}"#)).is_err_and(|reason| reason == "`source` is missing"));
    }
}
