//! What each kind of task does once it has begun.

use std::sync::Arc;

use base64::Engine as _;
use serde_json::{Map, Value};

use super::{ARGUMENTS_BYTES_MAX, DEPTH_MAX, Decider, ITEMS_MAX, Step, scope::Scope};
use crate::{
    cause::{Parent, Start, TimerId, TimerPurpose},
    effect::{Attempt, ChildStart, Effect},
    event::Event,
    fact::Fact,
    id::{CallId, Digest, ExecutionId},
    instance::{Phase, State},
    plan::{Authentication, Call, For, Kind, SubFlow, Task, Template, Then, Try},
    problem::{Problem, Standard},
    time::Timestamp,
};

impl Decider<'_> {
    pub(super) fn act(&mut self, id: ExecutionId, task: &Task) {
        let Some(input) = self.execution(id).map(|execution| Arc::clone(&execution.input)) else { return };
        let done = match &task.kind {
            Kind::Set(template) => {
                let value = self.evaluate(template, &input, &self.task_scope(id));
                value.map(|value| self.finish(id, value, None))
            }
            Kind::Do(_) => self.begin_block(id),
            Kind::For(task) => self.begin_loop(id, task, &input),
            Kind::Fork(fork) if fork.branches.is_empty() => {
                self.finish(id, Arc::new(Value::Array(Vec::new())), None);
                Ok(())
            }
            Kind::Fork(fork) => {
                self.begin_branches(id, &fork.branches);
                Ok(())
            }
            Kind::Switch(cases) => self.choose(id, cases, &input).map(|then| self.finish(id, input, Some(then))),
            Kind::Try(task) => self.begin_try(id, task),
            Kind::Raise(raise) => self.raise(id, &raise.error, &input),
            Kind::Wait(duration) => self.pause(id, duration, &input),
            Kind::Emit(template) => self.emit(id, template, &input),
            Kind::Listen(listen) => {
                self.begin_listen(id, listen);
                Ok(())
            }
            Kind::Call(call) => self.call(id, call, &input),
            Kind::Function(function) => {
                let with = function.with.as_ref().map(|with| self.evaluate(with, &input, &self.task_scope(id)));
                with.transpose().map(|raw| self.enter(id, function.task, raw, None))
            }
            Kind::SubFlow(sub_flow) => self.start_child(id, sub_flow, &input),
        };
        if let Err(problem) = done {
            self.fail(id, problem.at(&task.reference));
        }
    }

    fn begin_block(&mut self, id: ExecutionId) -> Result<(), Problem> {
        self.steps.push_back(Step::Next { block: id, index: 0 });
        Ok(())
    }

    fn begin_loop(&mut self, id: ExecutionId, task: &For, input: &Arc<Value>) -> Result<(), Problem> {
        let items = match Arc::unwrap_or_clone(self.evaluate(&task.items, input, &self.task_scope(id))?) {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            other => {
                let detail = format!("`for.in` must give an array, not {}", kind_of(&other));
                return Err(Problem::standard(Standard::Expression, detail));
            }
        };
        if items.len() > ITEMS_MAX {
            let detail =
                format!("`for.in` gives {} items; {ITEMS_MAX} are allowed: go through them in pages", items.len());
            return Err(Problem::standard(Standard::Runtime, detail));
        }
        self.record(Fact::Looped { execution: id, items: Arc::new(items) });
        self.iterate(id, 0);
        Ok(())
    }

    /// Begins an iteration of a `for`, or ends it.
    pub(super) fn iterate(&mut self, id: ExecutionId, index: u32) {
        let plan = self.plan;
        let Some(execution) = self.execution(id) else { return };
        let (State::For { items, flow, .. }, Some(Kind::For(task))) =
            (&execution.state, execution.task.map(|task| &plan.task(task).kind))
        else {
            return;
        };
        let value = Arc::clone(&flow.value);
        let Some(item) = items.get(index as usize).cloned() else { return self.finish(id, value, None) };
        if let Some(condition) = &task.condition {
            let scope = self.task_scope(id).bind(&task.each, item).bind(&task.at, index.into());
            match self.holds(condition, &value, &scope) {
                Ok(true) => {}
                Ok(false) => return self.finish(id, value, None),
                Err(problem) => return self.fail(id, problem.at(self.reference(id))),
            }
        }
        self.record(Fact::Iterated { execution: id, index });
        self.steps.push_back(Step::Next { block: id, index: 0 });
    }

    fn choose(&self, id: ExecutionId, cases: &[crate::plan::Case], input: &Value) -> Result<Then, Problem> {
        let scope = self.task_scope(id);
        for case in cases {
            if let Some(when) = &case.when
                && self.holds(when, input, &scope)?
            {
                return Ok(case.then);
            }
        }
        Ok(cases.iter().find(|case| case.when.is_none()).map_or(Then::Continue, |case| case.then))
    }

    pub(super) fn begin_try(&mut self, id: ExecutionId, task: &Try) -> Result<(), Problem> {
        if let Some(timeout_ms) = self.attempt_timeout_ms(id, task)? {
            let timer = TimerId { execution: id, purpose: TimerPurpose::Attempt };
            self.effects.push(Effect::SetTimer { timer, due: self.now.plus_ms(timeout_ms) });
        }
        self.begin_block(id)
    }

    /// `limit.attempt.duration` of a `try`'s retry policy.
    fn attempt_timeout_ms(&self, id: ExecutionId, task: &Try) -> Result<Option<u64>, Problem> {
        let Some(limit) = task.retry.as_ref().and_then(|retry| retry.limit_attempt_duration.as_ref()) else {
            return Ok(None);
        };
        let Some(execution) = self.execution(id) else { return Ok(None) };
        self.duration_ms(limit, &execution.input, &self.task_scope(id)).map(Some)
    }

    fn raise(&mut self, id: ExecutionId, template: &Template, input: &Arc<Value>) -> Result<(), Problem> {
        let mut value = Arc::unwrap_or_clone(self.evaluate(template, input, &self.task_scope(id))?);
        for member in ["title", "detail"] {
            // Texts for people: what an expression gives is written out, as within a text.
            if let Some(shown) = value.get_mut(member).filter(|shown| !shown.is_string() && !shown.is_null()) {
                *shown = Value::String(shown.to_string());
            }
        }
        let problem: Problem = serde_json::from_value(value).map_err(|error| {
            Problem::standard(Standard::Expression, format!("what `raise` gives is no error object: {error}"))
        })?;
        Err(problem)
    }

    fn pause(
        &mut self,
        id: ExecutionId,
        duration: &crate::plan::DurationTemplate,
        input: &Arc<Value>,
    ) -> Result<(), Problem> {
        let until = self.now.plus_ms(self.duration_ms(duration, input, &self.task_scope(id))?);
        self.record(Fact::Waiting { execution: id, until });
        let timer = TimerId { execution: id, purpose: TimerPurpose::Wait };
        self.effects.push(Effect::SetTimer { timer, due: until });
        Ok(())
    }

    fn emit(&mut self, id: ExecutionId, template: &Template, input: &Arc<Value>) -> Result<(), Problem> {
        let invalid = |detail: String| Problem::standard(Standard::Expression, detail);
        let Value::Object(mut members) = Arc::unwrap_or_clone(self.evaluate(template, input, &self.task_scope(id))?)
        else {
            return Err(invalid("`emit.event.with` must give an object".to_owned()));
        };
        let name = &self.plan.name;
        let mut attribute = |key: &str, default: Option<String>| match members.remove(key) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            None | Some(Value::Null) => default.ok_or_else(|| invalid(format!("an event needs `{key}`"))),
            Some(other) => Err(invalid(format!("`{key}` of an event must be text, not {other}"))),
        };
        let event_id = attribute("id", Some(format!("{}-{id}", self.instance.id)))?;
        let source = attribute("source", Some(format!("/{}/{}/{}", name.namespace, name.name, name.version)))?;
        let kind = attribute("type", None)?;
        match members.get("time") {
            None | Some(Value::Null) => {
                members.insert("time".into(), self.now.to_string().into());
            }
            Some(time) if time.as_str().and_then(Timestamp::parse).is_some() => {}
            Some(time) => return Err(invalid(format!("`time` of an event must be a time by RFC 3339, not {time}"))),
        }
        let event = Event { id: event_id, source, kind, attributes: members };
        self.record(Fact::Emitted { execution: id, event: event.id.clone(), kind: event.kind.clone() });
        self.effects.push(Effect::Publish(event));
        self.finish(id, Arc::clone(input), None);
        Ok(())
    }

    fn call(&mut self, id: ExecutionId, call: &Call, input: &Arc<Value>) -> Result<(), Problem> {
        let mut scope = self.task_scope(id);
        let authentication = match &call.authentication {
            Some(authentication) => Some(self.authenticate(authentication, input, &scope)?),
            None => None,
        };
        scope.authorization = authentication.as_ref().map(authorization);
        let mut arguments = Arc::unwrap_or_clone(self.evaluate(&call.arguments, input, &scope)?);
        if let (Some(authentication), Value::Object(members)) = (authentication, &mut arguments) {
            members.insert("authentication".into(), authentication);
        }
        let Some(execution) = self.execution(id) else { return Ok(()) };
        let text = arguments.to_string();
        if text.len() > ARGUMENTS_BYTES_MAX {
            let detail =
                format!("the arguments take {} bytes; {ARGUMENTS_BYTES_MAX} are allowed: pass a reference", text.len());
            return Err(Problem::standard(Standard::Runtime, detail));
        }
        let digest = Digest::of(text.as_bytes());
        let key = CallId::derive(self.instance.id, &execution.path, &digest.0);
        // Nobody waits for such a call, so a block that is tried again may meet it while it is still under way: once is enough.
        if !self.instance.detached.contains_key(&key) {
            let attempt = self.attempt(id, call, key, arguments)?;
            self.record(Fact::Called { execution: id, call: key, attempt: attempt.attempt, detached: !call.wait });
            self.effects.push(Effect::Dispatch(attempt));
        }
        if !call.wait {
            self.finish(id, Arc::clone(input), None);
        }
        Ok(())
    }

    /// The next attempt of a call, with what the enclosing executions say about it.
    fn attempt(&self, id: ExecutionId, call: &Call, key: CallId, arguments: Value) -> Result<Attempt, Problem> {
        let mut number = 1;
        let mut attempts_allowed = None;
        let mut timeout_ms = None;
        let mut deadline = None;
        for (enclosing, execution) in self.upwards(id) {
            deadline = [deadline, execution.deadline].into_iter().flatten().min();
            let (State::Try(trying), Some(Kind::Try(task))) =
                (&execution.state, execution.task.map(|task| &self.plan.task(task).kind))
            else {
                continue;
            };
            number = number.max(trying.attempts.get(&key).map_or(1, |made| made + 1));
            if trying.phase != Phase::Trying {
                continue;
            }
            if attempts_allowed.is_none() {
                let retries = task.retry.as_ref().and_then(|retry| retry.limit_attempt_count);
                attempts_allowed = retries.map(|retries| retries.saturating_add(1));
            }
            if timeout_ms.is_none() {
                timeout_ms = self.attempt_timeout_ms(enclosing, task)?;
            }
        }
        let started = self.instance.started.as_ref();
        Ok(Attempt {
            call: key,
            instance: self.instance.id,
            workflow: self.plan.name.clone(),
            execution: id,
            reference: self.reference(id).to_owned(),
            adapter: call.adapter.to_string(),
            function: call.function.to_string(),
            version: call.version.as_ref().map(ToString::to_string),
            arguments,
            attempt: number,
            attempts_allowed,
            timeout_ms,
            deadline,
            nonce: started.map(|started| started.nonce.clone()).unwrap_or_default(),
            secrets: self.plan.secrets.clone(),
            enqueued_at: self.now,
        })
    }

    /// The scheme and its parameters, as the adapter gets them.
    pub(super) fn authenticate(
        &self,
        from: &Authentication,
        input: &Arc<Value>,
        scope: &Scope,
    ) -> Result<Value, Problem> {
        let text = |template: &Template| self.evaluate(template, input, scope).map(Arc::unwrap_or_clone);
        let mut members = Map::new();
        let scheme = match from {
            Authentication::Basic { username, password } | Authentication::Digest { username, password } => {
                members.insert("username".into(), text(username)?);
                members.insert("password".into(), text(password)?);
                if matches!(from, Authentication::Basic { .. }) { "basic" } else { "digest" }
            }
            Authentication::Bearer { token } => {
                members.insert("token".into(), text(token)?);
                "bearer"
            }
            Authentication::Secret { scheme, name } => {
                match self.secret(name)? {
                    Value::Object(secret) => members.extend(secret),
                    token => {
                        members.insert("token".into(), token);
                    }
                }
                scheme
            }
        };
        members.insert("scheme".into(), scheme.into());
        Ok(Value::Object(members))
    }

    fn start_child(&mut self, id: ExecutionId, sub_flow: &SubFlow, input: &Arc<Value>) -> Result<(), Problem> {
        let value = match &sub_flow.input {
            Some(template) => self.evaluate(template, input, &self.task_scope(id))?,
            None => Arc::clone(input),
        };
        let depth =
            self.instance.started.as_ref().and_then(|started| started.parent.as_ref()).map_or(1, |up| up.depth + 1);
        if depth as usize > DEPTH_MAX {
            let detail = format!("sub-flows may be nested {DEPTH_MAX} deep: does this workflow run itself?");
            return Err(Problem::standard(Standard::Runtime, detail));
        }
        let Some(execution) = self.execution(id) else { return Ok(()) };
        let child = self.child_id(id, &execution.path);
        let deadline = self.upwards(id).filter_map(|(_, execution)| execution.deadline).min();
        let start = Start {
            input: Arc::unwrap_or_clone(value),
            key: child.to_string(),
            deadline: deadline.filter(|_| sub_flow.wait),
            parent: Some(Parent { instance: self.instance.id, execution: id, waits: sub_flow.wait, depth }),
            nonce: String::new(),
        };
        if sub_flow.wait {
            self.record(Fact::ChildStarted { execution: id, child });
        }
        self.effects.push(Effect::StartChild(ChildStart {
            id: child,
            namespace: sub_flow.namespace.clone(),
            name: sub_flow.name.clone(),
            version: sub_flow.version.clone().filter(|version| version != "latest"),
            start,
        }));
        if !sub_flow.wait {
            self.finish(id, Arc::clone(input), None);
        }
        Ok(())
    }

    /// A block that is tried again starts its sub-flows anew, so the execution's number is part of their ids.
    fn child_id(&self, id: ExecutionId, path: &str) -> crate::id::InstanceId {
        self.instance.id.child(&format!("{path} {id}"))
    }
}

/// `$authorization` (DSL, "Authorization Descriptor"). The parameter of `Digest` depends on the server's challenge, and one
/// that would have to encode a reference to a secret is known to the worker alone: both are null here.
pub(super) fn authorization(authentication: &Value) -> Value {
    let member = |name: &str| authentication.get(name).and_then(Value::as_str);
    let (scheme, parameter) = match member("scheme") {
        Some("basic") => {
            let pair = format!("{}:{}", member("username").unwrap_or(""), member("password").unwrap_or(""));
            let known = !pair.contains('\u{E000}');
            ("Basic", known.then(|| base64::engine::general_purpose::STANDARD.encode(pair)))
        }
        Some("bearer") => ("Bearer", member("token").map(str::to_owned)),
        _ => ("Digest", None),
    };
    serde_json::json!({ "scheme": scheme, "parameter": parameter })
}

/// The kind of a JSON value, for messages.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
