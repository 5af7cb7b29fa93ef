//! CloudEvents 1.0 as values, in the shape of the structured JSON format.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Compiles a constant of an event filter as the regular expression that it may also be, over a whole attribute.
///
/// # Errors
/// Says why the text is no regular expression, or that it is too large a one.
pub fn pattern(text: &str) -> Result<regex::Regex, String> {
    // A definition is untrusted: `a{1000}{1000}` would take gigabytes.
    const COMPILED_BYTES_MAX: usize = 256 * 1024;
    regex::RegexBuilder::new(&format!("^(?:{text})$"))
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| error.to_string())
}

/// A CloudEvent: the DSL's meaning of the word *event*.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// `source` and `id` together are unique for each distinct event.
    pub id: String,
    /// URI reference of where it happened.
    pub source: String,
    /// What kind of thing happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// All other members: `time`, `subject`, `datacontenttype`, `data`, extensions. `specversion` is written by
    /// whoever puts the event on a wire.
    #[serde(flatten)]
    pub attributes: Map<String, Value>,
}

impl Event {
    /// The attribute (or `data`) of this name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Value> {
        match name {
            "id" => Some(Value::from(self.id.as_str())),
            "source" => Some(Value::from(self.source.as_str())),
            "type" => Some(Value::from(self.kind.as_str())),
            other => self.attributes.get(other).cloned(),
        }
    }

    /// The event as the JSON object of the structured format.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut members = Map::new();
        members.insert("specversion".into(), "1.0".into());
        members.insert("id".into(), self.id.as_str().into());
        members.insert("source".into(), self.source.as_str().into());
        members.insert("type".into(), self.kind.as_str().into());
        members.extend(
            self.attributes.iter().filter(|(name, _)| *name != "specversion").map(|(k, v)| (k.clone(), v.clone())),
        );
        Value::Object(members)
    }
}
