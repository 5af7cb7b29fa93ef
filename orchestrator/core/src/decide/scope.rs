//! What expressions see, and the evaluation of templates (DSL, "Runtime Expressions").

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Decider, secret_reference};
use crate::{
    expression::{Expression, Variables},
    id::ExecutionId,
    instance::{Phase, State},
    plan::{DurationTemplate, Kind, Part, TaskId, Template, UriPart},
    problem::{Problem, Standard},
    time::Timestamp,
};

/// What an expression at some place may see besides the instance itself.
#[derive(Default)]
pub(super) struct Scope {
    /// Where names of enclosing loops and catches are looked up.
    pub(super) execution: Option<ExecutionId>,
    /// `$task`.
    pub(super) task: Option<TaskView>,
    /// `$input`.
    pub(super) input: Option<Arc<Value>>,
    /// `$output`.
    pub(super) output: Option<Arc<Value>>,
    /// `$authorization`.
    pub(super) authorization: Option<Value>,
    /// Names that are bound here and nowhere else.
    pub(super) bound: Vec<(Arc<str>, Value)>,
}

/// The members of `$task` that change.
#[derive(Clone)]
pub(super) struct TaskView {
    pub(super) task: TaskId,
    pub(super) raw_input: Arc<Value>,
    pub(super) raw_output: Option<Arc<Value>>,
    pub(super) started_at: Timestamp,
}

impl Scope {
    pub(super) fn bind(mut self, name: &Arc<str>, value: Value) -> Self {
        self.bound.push((Arc::clone(name), value));
        self
    }
}

struct Visible<'a> {
    decider: &'a Decider<'a>,
    scope: &'a Scope,
}

impl Variables for Visible<'_> {
    fn variable(&self, name: &str) -> Value {
        let Self { decider, scope } = self;
        if let Some((_, value)) = scope.bound.iter().rev().find(|(bound, _)| bound.as_ref() == name) {
            return value.clone();
        }
        let value = |shared: &Option<Arc<Value>>| shared.as_deref().cloned().unwrap_or(Value::Null);
        match name {
            "context" => Value::clone(&decider.instance.context),
            "input" => value(&scope.input),
            "output" => value(&scope.output),
            "secrets" => Value::Object(decider.secrets()),
            "authorization" => scope.authorization.clone().unwrap_or(Value::Null),
            "task" => scope.task.as_ref().map_or(Value::Null, |task| decider.task_descriptor(task)),
            "workflow" => decider.workflow_descriptor(),
            "runtime" => decider.environment.runtime.clone(),
            other => scope.execution.and_then(|from| decider.enclosing_variable(from, other)).unwrap_or(Value::Null),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits for 285,000 years")]
    fn now(&self) -> f64 {
        self.decider.now.as_millis() as f64 / 1000.0
    }
}

impl Decider<'_> {
    /// The scope of the workflow's own expressions: no task, no `$input`, no `$output`.
    #[expect(clippy::unused_self, reason = "reads as the siblings do")]
    pub(super) fn workflow_scope(&self) -> Scope {
        Scope::default()
    }

    /// The scope of the definition of a task that is live.
    pub(super) fn task_scope(&self, id: ExecutionId) -> Scope {
        let Some(execution) = self.execution(id) else { return Scope::default() };
        let task = execution.task.map(|task| TaskView {
            task,
            raw_input: Arc::clone(&execution.raw),
            raw_output: None,
            started_at: execution.started_at,
        });
        Scope { execution: Some(id), task, input: Some(Arc::clone(&execution.input)), ..Scope::default() }
    }

    pub(super) fn evaluate(&self, template: &Template, on: &Arc<Value>, scope: &Scope) -> Result<Arc<Value>, Problem> {
        match template {
            Template::Constant(value) => Ok(Arc::clone(value)),
            Template::Expression(expression) => self.run(expression, on, scope).map(Arc::new),
            Template::Loose(expression) => {
                Ok(Arc::new(self.run(expression, on, scope).unwrap_or_else(|_| expression.source().into())))
            }
            Template::Text(parts) => self.text(parts, on, scope).map(|text| Arc::new(Value::String(text))),
            Template::Uri(parts) => uri(parts, on).map(|text| Arc::new(Value::String(text))),
            Template::Array(items) => {
                let values: Result<Vec<Value>, Problem> =
                    items.iter().map(|item| self.evaluate(item, on, scope).map(Arc::unwrap_or_clone)).collect();
                values.map(|values| Arc::new(Value::Array(values)))
            }
            Template::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                for (name, member) in members {
                    object.insert(name.clone(), Arc::unwrap_or_clone(self.evaluate(member, on, scope)?));
                }
                Ok(Arc::new(Value::Object(object)))
            }
        }
    }

    /// Whether a condition holds: as in jq, everything but `false` and `null` does.
    pub(super) fn holds(&self, condition: &Expression, on: &Value, scope: &Scope) -> Result<bool, Problem> {
        self.run(condition, on, scope).map(|value| !matches!(value, Value::Null | Value::Bool(false)))
    }

    pub(super) fn run(&self, expression: &Expression, on: &Value, scope: &Scope) -> Result<Value, Problem> {
        if expression.uses("secrets") {
            self.require_secrets()?;
        }
        expression.evaluate(on, &Visible { decider: self, scope }).map_err(|error| {
            Problem::standard(Standard::Expression, format!("{error} in `{}`", shorten(expression.source())))
        })
    }

    /// A duration in milliseconds (DSL reference, "Duration").
    pub(super) fn duration_ms(
        &self,
        duration: &DurationTemplate,
        on: &Arc<Value>,
        scope: &Scope,
    ) -> Result<u64, Problem> {
        let template = match duration {
            DurationTemplate::Constant(millis) => return Ok(*millis),
            DurationTemplate::Template(template) => template,
        };
        let value = self.evaluate(template, on, scope)?;
        crate::time::duration_ms(&value).map_err(|error| Problem::standard(Standard::Expression, error))
    }

    fn text(&self, parts: &[Part], on: &Arc<Value>, scope: &Scope) -> Result<String, Problem> {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Expression(expression) => match self.run(expression, on, scope)? {
                    Value::String(string) => text.push_str(&string),
                    other => text.push_str(&other.to_string()),
                },
            }
        }
        Ok(text)
    }

    /// DSL, "Secret": what is not there may not be asked for.
    fn require_secrets(&self) -> Result<(), Problem> {
        match self.plan.secrets.iter().find(|name| !self.environment.secrets.contains_key(*name)) {
            None => Ok(()),
            Some(name) => Err(missing_secret(name)),
        }
    }

    /// `$secrets`: references instead of values.
    fn secrets(&self) -> Map<String, Value> {
        let declared = self.plan.secrets.iter();
        declared
            .filter_map(|name| self.environment.secrets.get(name).map(|shape| (name, shape)))
            .map(|(name, shape)| (name.clone(), self.references(shape)))
            .collect()
    }

    pub(super) fn secret(&self, name: &str) -> Result<Value, Problem> {
        let shape = self.environment.secrets.get(name).ok_or_else(|| missing_secret(name))?;
        Ok(self.references(shape))
    }

    fn references(&self, shape: &Value) -> Value {
        match shape {
            Value::String(path) => {
                let nonce = self.instance.started.as_ref().map_or("", |started| &started.nonce);
                Value::String(secret_reference(nonce, path))
            }
            Value::Array(items) => items.iter().map(|item| self.references(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, member)| (name.clone(), self.references(member))).collect()
            }
            other => other.clone(),
        }
    }

    fn task_descriptor(&self, view: &TaskView) -> Value {
        let task = self.plan.task(view.task);
        let mut descriptor = Map::new();
        descriptor.insert("name".into(), task.name.as_ref().into());
        descriptor.insert("reference".into(), task.reference.as_ref().into());
        let definition = self.plan.definition.pointer(&task.reference).cloned().unwrap_or(Value::Null);
        descriptor.insert("definition".into(), definition);
        descriptor.insert("input".into(), Value::clone(&view.raw_input));
        if let Some(output) = &view.raw_output {
            descriptor.insert("output".into(), Value::clone(output));
        }
        descriptor.insert("startedAt".into(), date_time(view.started_at));
        Value::Object(descriptor)
    }

    fn workflow_descriptor(&self) -> Value {
        let input = self.instance.started.as_ref().map_or(Value::Null, |started| Value::clone(&started.input));
        json!({
            "id": self.instance.id,
            "definition": *self.plan.definition,
            "input": input,
            "startedAt": date_time(self.instance.started_at),
        })
    }

    /// A name that an enclosing `for`, `catch` or `foreach` binds.
    fn enclosing_variable(&self, from: ExecutionId, name: &str) -> Option<Value> {
        self.upwards(from).find_map(|(_, execution)| {
            let kind = &self.plan.task(execution.task?).kind;
            match (kind, &execution.state) {
                (Kind::For(task), State::For { items, index, .. }) => {
                    bound_pair(name, &task.each, &task.at, *index, items.get(*index as usize))
                }
                (Kind::Try(task), State::Try(trying))
                    if trying.phase == Phase::Handling && task.variable.as_ref() == name =>
                {
                    trying.error.as_ref().map(problem_value)
                }
                (Kind::Listen(task), State::Listening(listening)) if listening.flow.is_some() => {
                    let foreach = task.foreach.as_ref()?;
                    let index = listening.outputs.len();
                    let item = listening.items.get(index).map(AsRef::as_ref);
                    bound_pair(name, &foreach.item, &foreach.at, u32::try_from(index).unwrap_or(u32::MAX), item)
                }
                _ => None,
            }
        })
    }
}

/// An error as expressions see it.
pub(super) fn problem_value(problem: &Problem) -> Value {
    serde_json::to_value(problem).unwrap_or(Value::Null)
}

fn bound_pair(name: &str, each: &str, at: &str, index: u32, item: Option<&Value>) -> Option<Value> {
    if name == each { Some(item.cloned().unwrap_or(Value::Null)) } else { (name == at).then(|| Value::from(index)) }
}

/// DSL, "DateTime Descriptor".
fn date_time(at: Timestamp) -> Value {
    json!({
        "iso8601": at.to_string(),
        "epoch": { "seconds": at.as_millis().div_euclid(1000), "milliseconds": at.as_millis() },
    })
}

fn missing_secret(name: &str) -> Problem {
    let detail =
        format!("secret `{name}` is not known here: give it to the worker and the orchestrator, or do not use it");
    Problem::standard(Standard::Authorization, detail)
}

/// DSL reference, "URI Template": members of the top level only, and only scalars.
fn uri(parts: &[UriPart], on: &Value) -> Result<String, Problem> {
    let mut text = String::new();
    for part in parts {
        match part {
            UriPart::Literal(literal) => text.push_str(literal),
            UriPart::Variable(name) => match on.get(name) {
                None | Some(Value::Null) => {}
                Some(Value::String(string)) => percent_encode(string, &mut text),
                Some(scalar @ (Value::Number(_) | Value::Bool(_))) => percent_encode(&scalar.to_string(), &mut text),
                Some(_) => {
                    let detail = format!("`{{{name}}}` of a URI template is neither text, number nor boolean");
                    return Err(Problem::standard(Standard::Expression, detail));
                }
            },
        }
    }
    Ok(text)
}

/// RFC 6570, 3.2.2: everything but unreserved characters is encoded.
fn percent_encode(raw: &str, into: &mut String) {
    for byte in raw.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Sources in messages stay readable.
fn shorten(source: &str) -> String {
    const SHOWN: usize = 80;
    if source.chars().count() <= SHOWN {
        return source.to_owned();
    }
    source.chars().take(SHOWN).chain(['…']).collect()
}
