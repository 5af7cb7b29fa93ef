//! Secrets: known to workers, and to nobody else.
//!
//! The core sees only the [`Secrets::shape`]; the journal and the bus carry references; the worker puts the values in
//! at the last moment ([`Secrets::resolve`]) and takes them out of whatever comes back ([`Secrets::scrub`]).

mod scrub;

use std::collections::HashMap;

use sagabus_core::problem::Standard;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::adapter::Failure;

/// Variables of the environment with this prefix are secrets: `SAGABUS_SECRET_payments` is the secret `payments`.
pub const ENVIRONMENT_PREFIX: &str = "SAGABUS_SECRET_";

/// The marks around a reference to a secret: private-use characters, as `sagabus_core::decide::secret_reference` writes
/// them.
const OPEN: char = '\u{E000}';
const CLOSE: char = '\u{E001}';

/// The secrets of a worker. Neither `Debug` nor `Serialize`, so that no value gets out by accident.
#[derive(Default)]
pub struct Secrets {
    named: Map<String, Value>,
    /// Every leaf by its dotted path.
    leaves: HashMap<String, Leaf>,
    /// Every form in which a secret may come back, longest first.
    forms: Vec<String>,
}

struct Leaf {
    /// The secret it is part of.
    name: String,
    value: Value,
}

/// Why secrets were refused.
#[derive(Debug, Error)]
pub enum SecretsError {
    /// Two leaves have the same dotted path.
    #[error("secret `{name}`: two of its members are both named `{path}`; rename one (a dot stands between names)")]
    Ambiguous {
        /// Name of the secret.
        name: String,
        /// The path.
        path: String,
    },
}

impl Secrets {
    /// Secrets by name. A secret is a text or an object of texts: `{"username": "…", "password": "…"}`.
    ///
    /// # Errors
    /// Two leaves have the same dotted path, so that a reference to it would be ambiguous.
    pub fn new(named: Map<String, Value>) -> Result<Self, SecretsError> {
        let mut leaves = HashMap::new();
        for (name, value) in &named {
            collect(name, name.clone(), value, &mut leaves)?;
        }
        let forms = scrub::forms(leaves.values().map(|leaf| &leaf.value));
        Ok(Self { named, leaves, forms })
    }

    /// The secrets among the variables of an environment: those named [`ENVIRONMENT_PREFIX`] and a name. A value that is a
    /// JSON object or array is read as such, any other is text.
    pub fn in_environment(variables: impl IntoIterator<Item = (String, String)>) -> Map<String, Value> {
        variables
            .into_iter()
            .filter_map(|(variable, text)| {
                let name = variable.strip_prefix(ENVIRONMENT_PREFIX).filter(|name| !name.is_empty())?;
                let value = match serde_json::from_str(&text) {
                    Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
                    _ => Value::String(text),
                };
                Some((name.to_owned(), value))
            })
            .collect()
    }

    /// What the core may know: the same structure with every leaf replaced by its dotted path.
    #[must_use]
    pub fn shape(&self) -> Map<String, Value> {
        self.named.iter().map(|(name, value)| (name.clone(), shape(name, value))).collect()
    }

    /// The secret at a dotted path, for a setting that is one: the password of a database, the token of a service.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Value> {
        self.leaves.get(path).map(|leaf| &leaf.value)
    }

    /// Puts secrets in the place of their references, in every text of `value`, object keys excepted. A text that is
    /// nothing but one reference becomes the secret's value, be it a number or a boolean.
    ///
    /// # Errors
    /// An authorization error without effect: the mark is not `nonce` (the text was made up, or belongs to another
    /// instance), the secret is not among `allowed`, or this worker does not have it.
    pub fn resolve(&self, value: Value, nonce: &str, allowed: &[String]) -> Result<Value, Failure> {
        Ok(match value {
            Value::String(text) if text.contains(OPEN) => self.resolve_text(&text, nonce, allowed)?,
            Value::Array(items) => Value::Array(
                items.into_iter().map(|item| self.resolve(item, nonce, allowed)).collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => Value::Object(
                members
                    .into_iter()
                    .map(|(name, member)| Ok((name, self.resolve(member, nonce, allowed)?)))
                    .collect::<Result<_, Failure>>()?,
            ),
            other => other,
        })
    }

    /// Takes every known secret out of every text of `value`: as it is, escaped for JSON, URL-encoded, and in base64 at
    /// any alignment.
    #[must_use]
    pub fn scrub(&self, value: Value) -> Value {
        scrub::value(&self.forms, value)
    }

    /// Takes every known secret out of a text.
    #[must_use]
    pub fn scrub_text(&self, text: String) -> String {
        scrub::text(&self.forms, text)
    }

    fn resolve_text(&self, text: &str, nonce: &str, allowed: &[String]) -> Result<Value, Failure> {
        let mut resolved = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, mark, path, after)) = next_reference(rest) {
            let leaf = self.leaf(mark, path, nonce, allowed)?;
            if before.is_empty() && after.is_empty() && resolved.is_empty() {
                return Ok(leaf.clone());
            }
            resolved.push_str(before);
            resolved.push_str(&scrub::plain(leaf));
            rest = after;
        }
        resolved.push_str(rest);
        Ok(Value::String(resolved))
    }

    fn leaf(&self, mark: &str, path: &str, nonce: &str, allowed: &[String]) -> Result<&Value, Failure> {
        let refused = |why: String| Err(Failure::without_effect(Standard::Authorization, why));
        if mark != nonce {
            return refused(format!(
                "the arguments contain a reference to the secret `{path}` that does not belong to this instance; \
                 secrets are reached by `$secrets` only, and a sub-flow has to name its own in `use.secrets`"
            ));
        }
        let Some(leaf) = self.leaves.get(path) else {
            return refused(format!(
                "this worker has no secret `{path}`; give it as {ENVIRONMENT_PREFIX}NAME or in the file of secrets"
            ));
        };
        if !allowed.contains(&leaf.name) {
            return refused(format!("the workflow may not use the secret `{}`; list it in `use.secrets`", leaf.name));
        }
        Ok(&leaf.value)
    }
}

fn collect(name: &str, path: String, value: &Value, into: &mut HashMap<String, Leaf>) -> Result<(), SecretsError> {
    match value {
        Value::Object(members) => {
            members.iter().try_for_each(|(key, member)| collect(name, format!("{path}.{key}"), member, into))
        }
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(index, item)| collect(name, format!("{path}.{index}"), item, into))
        }
        leaf => match into.insert(path.clone(), Leaf { name: name.to_owned(), value: leaf.clone() }) {
            None => Ok(()),
            Some(_) => Err(SecretsError::Ambiguous { name: name.to_owned(), path }),
        },
    }
}

fn shape(path: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, member)| (key.clone(), shape(&format!("{path}.{key}"), member)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| shape(&format!("{path}.{index}"), item)).collect()
        }
        _ => Value::String(path.to_owned()),
    }
}

/// The first reference in a text: what stands before it, its mark, its path, what stands behind it. A lone mark
/// character is ordinary text: fonts use these code points for pictograms.
fn next_reference(text: &str) -> Option<(&str, &str, &str, &str)> {
    text.match_indices(CLOSE).find_map(|(close, _)| {
        let open = text[..close].rfind(OPEN)?;
        let (mark, path) = text[open + OPEN.len_utf8()..close].split_once(':')?;
        // A mark of the end in between: that pair is not this one.
        (!path.contains(CLOSE) && !mark.contains(CLOSE))
            .then(|| (&text[..open], mark, path, &text[close + CLOSE.len_utf8()..]))
    })
}

#[cfg(test)]
mod tests;
