//! A table of the configuration with its place, so that every complaint can name it.

use std::{path::PathBuf, time::Duration};

use sagabus_adapter_sdk::{Function, Idempotency, Schema, Unknown};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{ConfigError, Surroundings};

pub(crate) struct Table<'a> {
    pub(crate) name: String,
    pub(crate) surroundings: Surroundings<'a>,
    place: String,
    members: Map<String, Value>,
}

/// What every function may say, whatever kind of adapter it belongs to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    description: Option<String>,
    input: Option<Value>,
    output: Option<Value>,
    timeout_ms: Option<u64>,
    minimum_budget_ms: Option<u64>,
    transient: Option<Vec<u16>>,
    idempotency: Option<Idempotency>,
    unknown: Option<Unknown>,
}

/// The members of [`Common`].
const COMMON: [&str; 8] =
    ["description", "input", "output", "timeout_ms", "minimum_budget_ms", "transient", "idempotency", "unknown"];

impl<'a> Table<'a> {
    /// The table of an adapter, with the secrets in their places.
    pub(crate) fn of_adapter(name: &str, value: &Value, surroundings: Surroundings<'a>) -> Result<Self, ConfigError> {
        let place = format!("adapters.{name}");
        let valid = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !valid {
            let problem = "the name of an adapter consists of letters, digits, `-` and `_`".to_owned();
            return Err(ConfigError { place, problem });
        }
        let value = with_secrets(value, &place, surroundings)?;
        Self::at(name.to_owned(), place, value, surroundings)
    }

    fn at(name: String, place: String, value: Value, surroundings: Surroundings<'a>) -> Result<Self, ConfigError> {
        match value {
            Value::Object(members) => Ok(Self { name, surroundings, place, members }),
            _ => Err(ConfigError { place, problem: "has to be a table".to_owned() }),
        }
    }

    pub(crate) fn error(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError { place: self.place.clone(), problem: problem.into() }
    }

    /// Takes out `type`.
    pub(crate) fn kind(&mut self) -> Result<String, ConfigError> {
        match self.members.remove("type") {
            Some(Value::String(kind)) => Ok(kind),
            _ => Err(self.error("say what it is: `type = \"http\"`, `\"program\"` or `\"sql\"`")),
        }
    }

    /// Takes out the functions: tables of `functions` by name.
    pub(crate) fn functions(&mut self) -> Result<Vec<(Function, Table<'a>)>, ConfigError> {
        let Some(Value::Object(tables)) = self.members.remove("functions") else {
            return Err(self.error(format!("declare its functions: [{}.functions.NAME]", self.place)));
        };
        tables
            .into_iter()
            .map(|(name, value)| {
                let place = format!("{}.functions.{name}", self.place);
                Table::at(name, place, value, self.surroundings)?.function()
            })
            .collect()
    }

    /// Takes out what is common to all functions.
    fn function(mut self) -> Result<(Function, Self), ConfigError> {
        let taken =
            COMMON.iter().filter_map(|name| self.members.remove(*name).map(|value| ((*name).to_owned(), value)));
        let taken: Map<String, Value> = taken.collect();
        let common: Common =
            serde_json::from_value(Value::Object(taken)).map_err(|error| self.error(error.to_string()))?;
        let mut function = Function::new(self.name.clone(), common.description.unwrap_or_default());
        function.input = self.schema("input", common.input)?;
        function.output = self.schema("output", common.output)?;
        function.timeout = common.timeout_ms.map_or(function.timeout, Duration::from_millis);
        function.minimum_budget = common.minimum_budget_ms.map_or(function.minimum_budget, Duration::from_millis);
        function.transient = common.transient.unwrap_or(function.transient);
        function.idempotency = common.idempotency.unwrap_or(function.idempotency);
        function.unknown = common.unknown.unwrap_or(function.unknown);
        Ok((function, self))
    }

    fn schema(&self, name: &str, schema: Option<Value>) -> Result<Value, ConfigError> {
        let schema = schema.unwrap_or(Value::Bool(true));
        Schema::compile(&schema).map_err(|why| self.error(format!("`{name}` is no JSON Schema: {why}")))?;
        Ok(schema)
    }

    /// What is left, as the settings of a kind.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<(Self, T), ConfigError> {
        let Self { name, surroundings, place, members } = self;
        let rest = Self { name, surroundings, place, members: Map::new() };
        match serde_json::from_value(Value::Object(members)) {
            Ok(settings) => Ok((rest, settings)),
            Err(error) => Err(rest.error(error.to_string())),
        }
    }

    /// A path of the configuration.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.surroundings.folder.join(path)
    }
}

/// Puts the secret in the place of every `{ secret = "name.member" }`, JSON Schemas excepted.
fn with_secrets(value: &Value, place: &str, surroundings: Surroundings<'_>) -> Result<Value, ConfigError> {
    Ok(match value {
        Value::Object(members) => match (members.len(), members.get("secret")) {
            (1, Some(Value::String(path))) => surroundings.secrets.at(path).cloned().ok_or_else(|| ConfigError {
                place: place.to_owned(),
                problem: format!("there is no secret `{path}`; give it in the environment or the file of secrets"),
            })?,
            _ => members
                .iter()
                .map(|(name, member)| {
                    let kept = matches!(name.as_str(), "input" | "output");
                    let member = if kept { member.clone() } else { with_secrets(member, place, surroundings)? };
                    Ok((name.clone(), member))
                })
                .collect::<Result<Map<_, _>, ConfigError>>()?
                .into(),
        },
        Value::Array(items) => {
            items.iter().map(|item| with_secrets(item, place, surroundings)).collect::<Result<Value, _>>()?
        }
        other => other.clone(),
    })
}
