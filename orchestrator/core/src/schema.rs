//! JSON Schema, compiled once per plan.

use std::{fmt, sync::Arc};

use serde_json::Value;

/// A compiled JSON Schema. Draft 2020-12 unless `$schema` says otherwise; references out of the document are refused,
/// because nothing here does I/O.
#[derive(Clone)]
pub struct Schema(Arc<jsonschema::Validator>);

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Says what is wrong with the schema.
    pub fn compile(document: &Value) -> Result<Self, String> {
        jsonschema::options()
            .build(document)
            .map(|validator| Self(Arc::new(validator)))
            .map_err(|error| format!("{error} at `{}` of the schema", error.instance_path()))
    }

    /// Validates a value.
    ///
    /// # Errors
    /// Up to five violations in one line, each with its JSON pointer.
    pub fn validate(&self, value: &Value) -> Result<(), String> {
        // More than five rarely help, and a large array could produce thousands.
        const VIOLATIONS_SHOWN: usize = 5;
        // A violation quotes the value that it is about, which may be megabytes.
        const CHARACTERS_SHOWN: usize = 200;
        if self.0.is_valid(value) {
            return Ok(());
        }
        let shown: Vec<String> = self
            .0
            .iter_errors(value)
            .take(VIOLATIONS_SHOWN)
            .map(|error| {
                let path = error.instance_path().to_string();
                let text: String = error.to_string().chars().take(CHARACTERS_SHOWN).collect();
                format!("{text} (at `{}`)", if path.is_empty() { "/" } else { &path })
            })
            .collect();
        Err(shown.join("; "))
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}
