//! `call`: one persistent, retried call, as a workflow of one task that is made up for it.

use std::path::Path;

use sagabus_core::id::Digest;
use sagabus_driver_sql::Access;
use sagabus_ports::{Clock as _, Deployment, SystemClock};
use serde_json::{Map, Value, json};

use crate::{
    arguments::Call,
    commands::enqueue::Errand,
    compose,
    exit::{Exit, Refused},
    input,
    lookup::WorkflowMeant,
    settings::Settings,
};

/// Namespace of the workflows that are made up here.
const NAMESPACE: &str = "sagabus-call";
/// Their version: text and name stand and fall together.
const VERSION: &str = "1.0.0";
/// Longest readable part of their names; the DSL allows 63 characters, and a digest follows.
const LONGEST_SLUG: usize = 48;

/// Enqueues a call.
pub(crate) async fn perform(call: Call, config: Option<&Path>) -> Result<Exit, Refused> {
    let arguments = match input::read("--with", call.with.as_deref())? {
        Value::Object(arguments) => arguments,
        other => return Err(Refused::wrong(format!("--with has to be an object of arguments, not {other}"))),
    };
    check_name(&call.function)?;
    let deadline = input::deadline(call.sending.begin.deadline.as_deref(), SystemClock.now())?;
    let url = Settings::read(config, None)?.database(call.sending.database.db.as_deref());
    let store = compose::open(&url, Access::Write).await?;
    let source = definition(&call.function, &arguments).to_string();
    let Some(plan) = sagabus_dsl::compile(&source).plan else {
        return Err(Refused::wrong(format!("`{}` cannot be called: no valid workflow comes of it", call.function)));
    };
    let workflow = WorkflowMeant {
        namespace: plan.name.namespace.clone(),
        name: plan.name.name.clone(),
        version: Some(plan.name.version.clone()),
    };
    // Deployed again and again, which changes nothing: the text depends on nothing but the name.
    let deployment = Deployment { name: plan.name, digest: plan.digest, source, deployed_at: SystemClock.now() };
    store.deploy(deployment).await?;
    let input = Value::Object(arguments);
    Errand { store, url, workflow, input, deadline }.send(&call.sending).await
}

fn check_name(function: &str) -> Result<(), Refused> {
    match function.split_once('@') {
        Some((name, adapter)) if !name.is_empty() && !adapter.is_empty() && !adapter.contains('@') => Ok(()),
        _ => Err(Refused::wrong(format!("`{function}` names no function: write `function@adapter`"))),
    }
}

/// The workflow: arguments come in as its input, so that nothing in them is taken for an expression and all calls of a
/// function with arguments of the same names share one definition. Errors that may go away are retried for a day, from
/// one second on, twice as long each time.
fn definition(function: &str, arguments: &Map<String, Value>) -> Value {
    let with: Map<String, Value> = arguments
        .keys()
        .map(|name| (name.clone(), format!("${{ .[{}] }}", Value::from(name.as_str())).into()))
        .collect();
    let names: Vec<&String> = arguments.keys().collect();
    let digest = Digest::of(format!("{function} {names:?}").as_bytes()).to_string();
    json!({
        "document": {
            "dsl": "1.0.3",
            "namespace": NAMESPACE,
            "name": format!("{}-{}", slug(function), &digest[..8]),
            "version": VERSION,
            "summary": format!("One call of {function}"),
        },
        "do": [{ "persist": {
            "try": [{ "call": { "call": function, "with": with } }],
            "catch": {
                "when": "${ $error.status == 408 or $error.status == 429 or $error.status >= 500 }",
                "retry": {
                    "delay": { "seconds": 1 },
                    "backoff": { "exponential": {} },
                    "limit": { "duration": { "days": 1 } },
                },
            },
        }}],
    })
}

fn slug(function: &str) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
    let slug: String = function.chars().map(plain).take(LONGEST_SLUG).collect();
    slug.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{check_name, definition};

    #[test]
    fn the_definition_is_valid_and_depends_on_the_names_of_arguments_only() {
        let arguments = |value: serde_json::Value| value.as_object().cloned().unwrap();
        let one = definition("charge:1.2.0@payments", &arguments(json!({"amount": 1, "a \"b": "${ env }"})));
        let other = definition("charge:1.2.0@payments", &arguments(json!({"amount": 2, "a \"b": null})));
        assert_eq!(one, other);
        assert_ne!(one, definition("charge:1.2.0@payments", &arguments(json!({"amount": 1}))));
        let compiled = sagabus_dsl::compile(&one.to_string());
        assert!(compiled.plan.is_some(), "{:?}", compiled.diagnostics);
    }

    #[test]
    fn a_function_without_adapter_is_refused() {
        assert!(check_name("charge@payments").is_ok());
        for name in ["charge", "@payments", "charge@", "a@b@c"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
