//! CloudEvents by HTTP: the structured and the binary mode of the CloudEvents HTTP protocol binding 1.0.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use base64::Engine as _;
use sagabus_core::event::Event;
use serde_json::{Map, Value};

use crate::{Api, body, problem::Problem};

/// Media type of the structured mode.
const STRUCTURED: &str = "application/cloudevents+json";

/// `POST /api/v1/events`: answers 202 once the bus has the event.
pub(crate) async fn send(State(api): State<Api>, headers: HeaderMap, body: Body) -> Result<StatusCode, Problem> {
    let media_type = body::media_type(&headers);
    let bytes = body::bytes(body).await?;
    let members = if media_type == STRUCTURED {
        body::json(&bytes)?
    } else if headers.contains_key("ce-specversion") && !media_type.starts_with("application/cloudevents") {
        binary(&headers, &media_type, bytes)?
    } else {
        let detail =
            format!("an event comes as {STRUCTURED}, or with its attributes in headers (ce-specversion, ce-id, …)");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong-content-type", detail));
    };
    api.handle.send(event(members)?).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Checks what CloudEvents requires of every event.
fn event(mut members: Map<String, Value>) -> Result<Event, Problem> {
    let invalid = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-event", detail);
    let mut required = |name: &str| match members.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(invalid(format!("the attribute `{name}` has to be a text that is not empty"))),
        None => Err(invalid(format!("the attribute `{name}` is missing"))),
    };
    let version = required("specversion")?;
    let (id, source, kind) = (required("id")?, required("source")?, required("type")?);
    if version != "1.0" {
        return Err(invalid(format!("specversion is `{version}`; 1.0 is understood")));
    }
    let well_named = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if let Some(name) = members.keys().find(|name| *name != "data_base64" && !well_named(name)) {
        return Err(invalid(format!("the attribute `{name}`: names consist of a-z and 0-9")));
    }
    Ok(Event { id, source, kind, attributes: members })
}

fn binary(headers: &HeaderMap, media_type: &str, bytes: Vec<u8>) -> Result<Map<String, Value>, Problem> {
    let mut members = Map::new();
    for name in headers.keys() {
        if let Some(attribute) = name.as_str().strip_prefix("ce-") {
            let text = body::header_text(headers, name.as_str())?.unwrap_or_default();
            members.insert(attribute.to_owned(), decoded(text).into());
        }
    }
    if !media_type.is_empty() {
        members.insert("datacontenttype".into(), media_type.into());
    }
    if bytes.is_empty() {
        return Ok(members);
    }
    if body::is_json(media_type) {
        members.insert("data".into(), body::json(&bytes)?);
    } else {
        match String::from_utf8(bytes) {
            Ok(text) => members.insert("data".into(), text.into()),
            Err(error) => {
                let encoded = base64::engine::general_purpose::STANDARD.encode(error.as_bytes());
                members.insert("data_base64".into(), encoded.into())
            }
        };
    }
    Ok(members)
}

/// Header values are percent-encoded UTF-8 (binding, section 3.1.3.2). What does not decode is taken as it stands.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};
    use serde_json::json;

    use super::{binary, decoded, event};

    #[test]
    fn binary_mode_takes_attributes_from_headers_and_data_from_the_body() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/a%20b"), ("ce-type", "t"), ("ce-order", "7")]
        {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let read = event(binary(&headers, "application/json", br#"{"a":1}"#.to_vec()).unwrap()).unwrap();
        assert_eq!(
            read.to_value(),
            json!({"specversion": "1.0", "id": "1", "source": "/a b", "type": "t", "order": "7",
                   "datacontenttype": "application/json", "data": {"a": 1}})
        );
        let image = binary(&headers, "image/png", vec![0xff, 0xfe]).unwrap();
        assert_eq!(image["data_base64"], "//4=");
    }

    #[test]
    fn an_event_without_what_is_required_is_refused_by_name() {
        let members = |value: serde_json::Value| value.as_object().cloned().unwrap();
        let refused = |value| event(members(value)).unwrap_err().detail;
        assert!(refused(json!({"specversion": "1.0", "id": "1", "source": "/a"})).contains("`type`"));
        assert!(refused(json!({"specversion": "0.3", "id": "1", "source": "/a", "type": "t"})).contains("0.3"));
        assert!(refused(json!({"specversion": "1.0", "id": 1, "source": "/a", "type": "t"})).contains("`id`"));
        assert!(
            refused(json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "X-Y": 1})).contains("X-Y")
        );
    }

    #[test]
    fn percent_codes_decode_and_a_lone_percent_sign_stays() {
        assert_eq!(decoded("%E2%82%AC 100%"), "€ 100%");
        assert_eq!(decoded("%FF"), "%FF");
    }
}
