//! `listen`: which events are taken, and what is done with each (DSL reference, "Listen").

use std::sync::Arc;

use serde_json::Value;

use super::{Decider, EVENTS_MAX, Step};
use crate::{
    effect::Effect,
    event::Event,
    expression::Expression,
    fact::Fact,
    id::ExecutionId,
    instance::{Listening, State},
    plan::{Consumption, EventFilter, Kind, Listen, Match, Read, Until},
    problem::{Problem, Standard},
};

/// What a listening execution makes of an event.
struct Taken {
    filter: u32,
    until: bool,
    correlations: Vec<(String, Value)>,
}

impl Decider<'_> {
    pub(super) fn begin_listen(&mut self, id: ExecutionId, listen: &Listen) {
        let mut types = Vec::new();
        let mut all = collect_types(&listen.to, &mut types);
        if let Consumption::Any { until: Some(Until::Events(until)), .. } = &listen.to {
            all |= collect_types(until, &mut types);
        }
        types.sort();
        types.dedup();
        self.effects.push(Effect::Subscribe { execution: id, types: if all { Vec::new() } else { types } });
    }

    /// Offers an event to everything that listens.
    pub(super) fn event(&mut self, event: &Event) -> Result<(), &'static str> {
        if self.instance.taken.contains(&(event.source.clone(), event.id.clone())) {
            return Err("the instance took the event before");
        }
        let listening: Vec<ExecutionId> = self
            .instance
            .executions
            .iter()
            .filter(|(_, execution)| matches!(&execution.state, State::Listening(listening) if !listening.ended))
            .map(|(id, _)| *id)
            .collect();
        let recorded = self.facts.len();
        for id in listening {
            // An earlier listener may have ended the block that this one is in.
            if self.execution(id).is_some() {
                self.offer(id, event);
            }
        }
        if self.facts.len() == recorded { Err("no listener takes the event") } else { Ok(()) }
    }

    fn offer(&mut self, id: ExecutionId, event: &Event) {
        let plan = self.plan;
        let Some(execution) = self.execution(id) else { return };
        let (State::Listening(listening), Some(Kind::Listen(listen))) =
            (&execution.state, execution.task.map(|task| &plan.task(task).kind))
        else {
            return;
        };
        let taken = match self.take(id, listen, listening, event) {
            Ok(Some(taken)) => taken,
            Ok(None) => return,
            Err(problem) => return self.fail(id, problem.at(self.reference(id))),
        };
        if self.instance.taken.len() >= EVENTS_MAX {
            let detail = format!("an instance may take {EVENTS_MAX} events: split the work into sub-flows");
            let problem = Problem::standard(Standard::Runtime, detail).at(self.reference(id));
            return self.fail(id, problem);
        }
        let until = taken.until;
        let item = (!until).then(|| Arc::new(read(listen.read, event)));
        self.record(Fact::Received {
            execution: id,
            filter: taken.filter,
            until,
            source: event.source.clone(),
            id: event.id.clone(),
            item,
            correlations: taken.correlations,
        });
        self.end_if_satisfied(id, listen);
    }

    /// Ends the listening once there is nothing more to wait for, and goes on with the items.
    fn end_if_satisfied(&mut self, id: ExecutionId, listen: &Listen) {
        match self.satisfied(id, listen) {
            Ok(false) => {}
            Ok(true) => {
                self.record(Fact::ListenEnded { execution: id });
                self.effects.push(Effect::Unsubscribe { execution: id });
            }
            Err(problem) => return self.fail(id, problem.at(self.reference(id))),
        }
        self.process(id, listen);
    }

    fn is_listening(&self, id: ExecutionId) -> bool {
        let state = self.execution(id).map(|execution| &execution.state);
        matches!(state, Some(State::Listening(listening)) if !listening.ended)
    }

    /// Which filter takes the event, if one does.
    fn take(
        &self,
        id: ExecutionId,
        listen: &Listen,
        listening: &Listening,
        event: &Event,
    ) -> Result<Option<Taken>, Problem> {
        let first = |filters: &[EventFilter], used: &dyn Fn(u32) -> bool, until: bool| {
            for (filter, tested) in (0_u32..).zip(filters) {
                if used(filter) {
                    continue;
                }
                if let Some(correlations) = self.matches(id, tested, listening, event)? {
                    return Ok(Some(Taken { filter, until, correlations }));
                }
            }
            Ok(None)
        };
        match &listen.to {
            Consumption::One(filter) => first(std::slice::from_ref(filter), &|_| false, false),
            Consumption::All(filters) => first(filters, &|filter| listening.matched.contains(&filter), false),
            Consumption::Any { filters, until } => {
                if let Some(Until::Events(ending)) = until {
                    let used = |filter: u32| listening.until_matched.contains(&filter);
                    let taken = match ending.as_ref() {
                        Consumption::One(filter) => first(std::slice::from_ref(filter), &|_| false, true)?,
                        Consumption::All(filters) => first(filters, &used, true)?,
                        Consumption::Any { filters, .. } => {
                            first_or_any(filters, first(filters, &|_| false, true)?, true)
                        }
                    };
                    if taken.is_some() {
                        return Ok(taken);
                    }
                }
                Ok(first_or_any(filters, first(filters, &|_| false, false)?, false))
            }
        }
    }

    /// Whether an event has all that a filter asks for: the correlations that it fixes, if it has.
    fn matches(
        &self,
        id: ExecutionId,
        filter: &EventFilter,
        listening: &Listening,
        event: &Event,
    ) -> Result<Option<Vec<(String, Value)>>, Problem> {
        for (name, test) in &filter.with {
            let Some(attribute) = event.attribute(name) else { return Ok(None) };
            if !self.attribute_matches(id, name, test, &attribute) {
                return Ok(None);
            }
        }
        let whole = event.to_value();
        let scope = self.task_scope(id);
        let mut fixed = Vec::new();
        for (name, correlation) in &filter.correlate {
            let Ok(found) = self.run(&correlation.from, &whole, &scope) else { return Ok(None) };
            let expected = match &correlation.expect {
                Some(template) => {
                    let Some(execution) = self.execution(id) else { return Ok(None) };
                    Some(Value::clone(&*self.evaluate(template, &execution.input, &scope)?))
                }
                None => listening.correlations.get(name).cloned(),
            };
            match expected {
                Some(expected) if !same(&expected, &found) => return Ok(None),
                Some(_) => {}
                None if found.is_null() => return Ok(None),
                None => fixed.push((name.clone(), found)),
            }
        }
        Ok(Some(fixed))
    }

    fn attribute_matches(&self, id: ExecutionId, name: &str, test: &Match, attribute: &Value) -> bool {
        match test {
            Match::Constant(wanted) if same(wanted, attribute) => true,
            Match::Constant(Value::String(pattern)) => attribute.as_str().is_some_and(|text| fits(pattern, text)),
            // A number or boolean comes as text where attributes travel in headers (CloudEvents, "Type System").
            Match::Constant(wanted) if name != "data" => attribute.as_str() == Some(wanted.to_string().as_str()),
            Match::Constant(_) => false,
            Match::Expression(expression) => {
                // An event of another shape does not match: a stray one must not end a listener.
                let Ok(value) = self.run(expression, attribute, &self.task_scope(id)) else { return false };
                value == Value::Bool(true)
                    || (!matches!(value, Value::Bool(false) | Value::Null) && value == *attribute)
            }
        }
    }

    /// Whether a listener has all that it waited for.
    fn satisfied(&self, id: ExecutionId, listen: &Listen) -> Result<bool, Problem> {
        let Some(State::Listening(listening)) = self.execution(id).map(|execution| &execution.state) else {
            return Ok(false);
        };
        match &listen.to {
            Consumption::One(_) | Consumption::Any { until: None, .. } => Ok(!listening.items.is_empty()),
            Consumption::All(filters) => Ok(listening.matched.len() == filters.len()),
            Consumption::Any { until: Some(Until::Condition(condition)), .. } => {
                self.until_holds(id, condition, listening)
            }
            Consumption::Any { until: Some(Until::Events(ending)), .. } => Ok(match ending.as_ref() {
                Consumption::All(filters) => listening.until_matched.len() == filters.len(),
                Consumption::One(_) | Consumption::Any { .. } => !listening.until_matched.is_empty(),
            }),
        }
    }

    /// An `until` expression sees the array of the items taken so far.
    fn until_holds(&self, id: ExecutionId, condition: &Expression, listening: &Listening) -> Result<bool, Problem> {
        let items = listening.items.iter().map(|item| Value::clone(item)).collect();
        self.holds(condition, &Value::Array(items), &self.task_scope(id))
    }

    /// Begins `foreach` for the next item unless one is being processed, or ends the task if there is nothing more to do.
    fn process(&mut self, id: ExecutionId, listen: &Listen) {
        let Some(State::Listening(listening)) = self.execution(id).map(|execution| &execution.state) else { return };
        if listening.flow.is_some() {
            return;
        }
        if listen.foreach.is_none() {
            if listening.ended {
                let items = listening.items.iter().map(|item| Value::clone(item)).collect();
                self.finish(id, Arc::new(Value::Array(items)), None);
            }
            return;
        }
        let index = listening.outputs.len();
        if index < listening.items.len() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            self.record(Fact::Iterated { execution: id, index });
            self.steps.push_back(Step::Next { block: id, index: 0 });
            if listen.foreach.as_ref().is_some_and(|foreach| foreach.body.is_none()) {
                self.steps.pop_back();
                self.block_done(id, crate::plan::Then::Continue);
            }
        } else if listening.ended {
            let outputs = listening.outputs.clone();
            self.finish(id, Arc::new(Value::Array(outputs)), None);
        }
    }

    /// `foreach.do` has run to its end for one item.
    pub(super) fn item_done(&mut self, id: ExecutionId, value: Arc<Value>) {
        let plan = self.plan;
        let Some(task) = self.execution(id).and_then(|execution| execution.task) else { return };
        let Kind::Listen(listen) = &plan.task(task).kind else { return };
        let Some(foreach) = &listen.foreach else { return };
        match self.leave(&foreach.output, foreach.export.as_ref(), &value, self.task_scope(id)) {
            Ok((output, context)) => {
                self.record(Fact::Processed { execution: id, output: Arc::unwrap_or_clone(output), context });
                if self.is_listening(id) {
                    // What `foreach` did to the context may be what `until` waits for.
                    self.end_if_satisfied(id, listen);
                } else {
                    self.process(id, listen);
                }
            }
            Err(problem) => self.fail(id, problem.at(self.reference(id))),
        }
    }
}

/// Adds the constant types that a strategy asks for; true if some filter takes events of any type.
fn collect_types(strategy: &Consumption, into: &mut Vec<String>) -> bool {
    let filters = match strategy {
        Consumption::One(filter) => std::slice::from_ref(filter),
        Consumption::All(filters) | Consumption::Any { filters, .. } => filters,
    };
    let mut all = filters.is_empty();
    for filter in filters {
        match filter.event_type() {
            // A pattern may take many types.
            Some(kind) if !is_pattern(kind) => into.push(kind.to_owned()),
            _ => all = true,
        }
    }
    all
}

/// An empty `any` takes every event.
fn first_or_any(filters: &[EventFilter], taken: Option<Taken>, until: bool) -> Option<Taken> {
    if filters.is_empty() { Some(Taken { filter: 0, until, correlations: Vec::new() }) } else { taken }
}

fn read(how: Read, event: &Event) -> Value {
    match how {
        Read::Data | Read::Raw => event.attributes.get("data").cloned().unwrap_or(Value::Null),
        Read::Envelope => event.to_value(),
    }
}

/// A constant is a regular expression where it has more than dots in common with one.
fn is_pattern(text: &str) -> bool {
    text.contains(['*', '+', '?', '[', ']', '(', ')', '{', '}', '|', '^', '$', '\\'])
}

/// Whether two values are equal as in jq: 1 and 1.0 are.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        // Whole numbers beyond 2^53 stay different.
        (Value::Number(one), Value::Number(other)) if one.is_f64() != other.is_f64() => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let member = |(name, one)| other.get(name).is_some_and(|other| same(one, other));
            one.len() == other.len() && one.iter().all(member)
        }
        _ => one == other,
    }
}

/// Whether a regular expression fits the whole text.
fn fits(pattern: &str, text: &str) -> bool {
    // Compiled per event: patterns are rare, and a plan would have to carry them for every filter.
    is_pattern(pattern) && crate::event::pattern(pattern).is_ok_and(|compiled| compiled.is_match(text))
}
