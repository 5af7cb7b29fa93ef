//! What tasks share: data flow, schemas, durations, and the components of `use`.

use sagabus_core::{
    plan::{Authentication, Backoff, DurationTemplate, Export, Input, Output, Raise, RetryPolicy, Template},
    schema::Schema,
    time::iso_duration_ms,
};

use super::{
    Lowering,
    expression::object,
    scope::{Scope, Stage},
};
use crate::{
    ast,
    fields::{Named, Text},
    problems::quoted,
};

impl<'a> Lowering<'a> {
    pub(super) fn input(&self, input: &'a ast::Input<'a>, stage: Stage, scope: &Scope<'a>) -> Input {
        Input {
            schema: input.schema.and_then(|schema| self.schema(schema)),
            from: input.from.map(|from| self.transform(from.0, stage, scope)),
        }
    }

    pub(super) fn output(&self, output: &'a ast::Output<'a>, stage: Stage, scope: &Scope<'a>) -> Output {
        Output {
            transform: output.transform.map(|transform| self.transform(transform.0, stage, scope)),
            schema: output.schema.and_then(|schema| self.schema(schema)),
        }
    }

    pub(super) fn export(&self, export: &'a ast::Export<'a>, scope: &Scope<'a>) -> Export {
        Export {
            transform: export.transform.map(|transform| self.transform(transform.0, Stage::Export, scope)),
            schema: export.schema.and_then(|schema| self.schema(schema)),
        }
    }

    fn schema(&self, document: ast::SchemaDocument<'a>) -> Option<Schema> {
        Schema::compile(&document.0.to_value())
            .map_err(|error| {
                let message = format!("this is not a JSON Schema: {error}");
                let help = "references out of the document are not followed".to_owned();
                self.problems.error_help(document.0.value_place(), "schema", message, help);
            })
            .ok()
    }

    pub(super) fn duration(
        &self,
        duration: ast::Duration<'a>,
        stage: Stage,
        scope: &Scope<'a>,
    ) -> Option<DurationTemplate> {
        let text = match duration {
            ast::Duration::Constant(milliseconds) => return Some(DurationTemplate::Constant(milliseconds)),
            ast::Duration::Text(text) => text,
        };
        if text.value.contains("${") {
            return Some(DurationTemplate::Template(self.string(text, stage, scope, crate::template::Opening::Any)));
        }
        match iso_duration_ms(text.value) {
            Ok(milliseconds) => Some(DurationTemplate::Constant(milliseconds)),
            Err(message) => match self.string(text, stage, scope, crate::template::Opening::Any) {
                loose @ Template::Loose(_) => Some(DurationTemplate::Template(loose)),
                _ => {
                    self.problems.error(text.place(), "duration", message);
                    None
                }
            },
        }
    }

    pub(super) fn timeout(
        &self,
        timeout: Option<ast::Timeout<'a>>,
        stage: Stage,
        scope: &Scope<'a>,
    ) -> Option<DurationTemplate> {
        match timeout? {
            ast::Timeout::After(duration) => self.duration(duration, stage, scope),
            ast::Timeout::Named(name) => match self.component("timeouts", &self.uses.timeouts, name)? {
                ast::Timeout::After(duration) => self.duration(*duration, stage, scope),
                // A name for a name would allow circles; the schema has none.
                ast::Timeout::Named(other) => {
                    self.problems.error(other.place(), "wrong-type", "a timeout of `use.timeouts` must be an object");
                    None
                }
            },
        }
    }

    pub(super) fn retry(&self, retry: &'a ast::RetryChoice<'a>, scope: &Scope<'a>) -> Option<RetryPolicy> {
        match retry {
            ast::RetryChoice::Policy(policy) => Some(self.retry_policy(policy, scope)),
            ast::RetryChoice::Named(name) => {
                let policy = self.component("retries", &self.uses.retries, *name)?;
                Some(self.retry_policy(policy, scope))
            }
        }
    }

    fn retry_policy(&self, policy: &'a ast::Retry<'a>, scope: &Scope<'a>) -> RetryPolicy {
        let stage = Stage::Definition;
        let duration = |duration: Option<ast::Duration<'a>>| duration.and_then(|one| self.duration(one, stage, scope));
        RetryPolicy {
            when: self.condition(policy.when, stage, scope),
            except_when: self.condition(policy.except_when, stage, scope),
            delay: duration(policy.delay),
            backoff: match policy.backoff {
                Some("exponential") => Backoff::Exponential,
                Some("linear") => Backoff::Linear,
                _ => Backoff::Constant,
            },
            jitter: policy.jitter.and_then(|(from, to)| duration(Some(from)).zip(duration(Some(to)))),
            limit_attempt_count: policy.limit.attempt_count,
            limit_attempt_duration: duration(policy.limit.attempt_duration),
            limit_duration: duration(policy.limit.duration),
        }
    }

    pub(super) fn raise(&self, error: &'a ast::ErrorChoice<'a>, scope: &Scope<'a>) -> Option<Raise> {
        let error = match error {
            ast::ErrorChoice::Inline(error) => error,
            ast::ErrorChoice::Named(name) => self.component("errors", &self.uses.errors, *name)?,
        };
        Some(self.error(error, scope))
    }

    fn error(&self, error: &'a ast::Error<'a>, scope: &Scope<'a>) -> Raise {
        let opening = crate::template::Opening::Any;
        let text = |text: Text<'a>| self.string(text, Stage::Definition, scope, opening);
        let members = [
            ("type", error.kind.map(|kind| self.uri(kind, Stage::Definition, scope))),
            ("title", error.title.map(text)),
            ("detail", error.detail.map(text)),
            ("instance", error.instance.map(text)),
        ];
        let mut entries: Vec<_> =
            members.into_iter().filter_map(|(name, member)| Some((name.to_owned(), member?))).collect();
        if let Some(status) = error.status {
            entries.insert(1.min(entries.len()), ("status".to_owned(), super::expression::value(status.into())));
        }
        Raise { error: object(entries) }
    }

    pub(super) fn authentication(
        &self,
        choice: &'a ast::AuthenticationChoice<'a>,
        scope: &Scope<'a>,
    ) -> Option<Authentication> {
        let policy = match choice {
            ast::AuthenticationChoice::Inline(policy) => policy,
            ast::AuthenticationChoice::Named(name) => {
                self.component("authentications", &self.uses.authentications, *name)?
            }
        };
        self.policy(policy, scope)
    }

    fn policy(&self, policy: &'a ast::Authentication<'a>, scope: &Scope<'a>) -> Option<Authentication> {
        let (scheme, credentials) = policy.0.as_ref()?;
        let text = |node| self.credential(node, scope);
        match credentials {
            ast::Credentials::Secret(name) => {
                if !self.uses.secrets.iter().any(|secret| secret.value == name.value) {
                    self.unknown_secret(name.place(), name.value);
                }
                Some(Authentication::Secret { scheme: scheme.word(), name: name.value.to_owned() })
            }
            ast::Credentials::Token(token) => Some(Authentication::Bearer { token: text((*token)?) }),
            ast::Credentials::User { username, password } => {
                let (username, password) = (text((*username)?), text((*password)?));
                Some(match scheme {
                    ast::Scheme::Digest => Authentication::Digest { username, password },
                    _ => Authentication::Basic { username, password },
                })
            }
        }
    }

    /// Every credential is a text, also one that is written as a number.
    fn credential(&self, node: &'a crate::tree::Node, scope: &Scope<'a>) -> Template {
        match &node.content {
            crate::tree::Content::Number(number) => super::expression::constant(&number.to_string()),
            _ => self.template(node, Stage::Definition, scope),
        }
    }

    /// A component of `use` by its name.
    fn component<T>(&self, section: &'static str, components: &'a Named<'a, T>, name: Text<'a>) -> Option<&'a T> {
        self.used.borrow_mut().insert((section, name.value));
        let found = components.get(name.value);
        if found.is_none() {
            let (code, thing) = match section {
                "timeouts" => ("unknown-timeout", "timeout"),
                "retries" => ("unknown-retry", "retry policy"),
                "errors" => ("unknown-error", "error"),
                _ => ("unknown-authentication", "authentication"),
            };
            let message = format!("there is no {thing} {}", quoted(name.value));
            let help = self
                .problems
                .suggestion(name.value, components.names())
                .unwrap_or_else(|| format!("declare it under `use.{section}`"));
            self.problems.error_help(name.place(), code, message, help);
        }
        found
    }

    /// Components that nothing names are checked too, as if a task of the workflow's own `do` named them.
    pub(super) fn check_unused(&self) {
        let scope = Scope::default().with(&["error"]);
        let unused = |section: &'static str, name: &str| !self.used.borrow().contains(&(section, name));
        for (key, timeout) in &self.uses.timeouts.0 {
            if unused("timeouts", &key.name) {
                self.timeout(Some(*timeout), Stage::Definition, &scope);
            }
        }
        for (key, policy) in &self.uses.retries.0 {
            if unused("retries", &key.name) {
                self.retry_policy(policy, &scope);
            }
        }
        for (key, error) in &self.uses.errors.0 {
            if unused("errors", &key.name) {
                self.error(error, &scope);
            }
        }
        for (key, policy) in &self.uses.authentications.0 {
            if unused("authentications", &key.name) {
                self.policy(policy, &scope);
            }
        }
    }
}
