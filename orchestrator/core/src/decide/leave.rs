//! Ending tasks that went well, and going on after them (DSL, "Data Flow", 5 to 11).

use std::sync::Arc;

use serde_json::Value;

use super::{Decider, Ending, Step, act::authorization, scope::Scope, validate};
use crate::{
    cause::{TimerId, TimerPurpose},
    effect::{CallStatus, Effect, Settlement},
    fact::{EndStatus, Fact},
    id::ExecutionId,
    instance::{Phase, State},
    plan::{Export, Kind, Output, Then},
    problem::Problem,
};

impl Decider<'_> {
    /// Ends an execution with its raw output. `then` overrides the task's own directive.
    pub(super) fn finish(&mut self, id: ExecutionId, raw_output: Arc<Value>, then: Option<Then>) {
        let plan = self.plan;
        let Some(execution) = self.execution(id) else { return };
        let (Some(task_id), Some(parent)) = (execution.task, execution.parent) else { return };
        let (task, input) = (plan.task(task_id), Arc::clone(&execution.input));
        let mut scope = self.task_scope(id);
        let is_asked_for = task.output.transform.is_some() || task.export.is_some();
        if let Kind::Call(call) = &task.kind
            && is_asked_for
            && let Some(authentication) = &call.authentication
        {
            // Resolved once more: nothing that it depends on has changed since the call.
            scope.authorization = self.authenticate(authentication, &input, &scope).ok().as_ref().map(authorization);
        }
        let left = self.leave(&task.output, task.export.as_ref(), &raw_output, scope);
        let (output, context) = match left {
            Ok(left) => left,
            Err(problem) => return self.fail(id, problem.at(&task.reference)),
        };
        self.clear_timers(id);
        self.settle_parked(id);
        let changed = (!Arc::ptr_eq(&output, &input) && output != input).then(|| Arc::clone(&output));
        self.record(Fact::TaskCompleted { execution: id, output: changed, context });
        self.go_on(Ending { parent, task: task_id, output, then: then.unwrap_or(task.then) });
    }

    /// Transforms and validates an output, and exports it: the transformed output, and the new context if there is one.
    pub(super) fn leave(
        &self,
        output: &Output,
        export: Option<&Export>,
        raw: &Arc<Value>,
        mut scope: Scope,
    ) -> Result<(Arc<Value>, Option<Arc<Value>>), Problem> {
        if let Some(view) = &mut scope.task {
            view.raw_output = Some(Arc::clone(raw));
        }
        let transformed = match &output.transform {
            Some(template) => self.evaluate(template, raw, &scope)?,
            None => Arc::clone(raw),
        };
        validate(output.schema.as_ref(), &transformed, "output")?;
        let Some(export) = export else { return Ok((transformed, None)) };
        scope.output = Some(Arc::clone(&transformed));
        let context = match &export.transform {
            Some(template) => self.evaluate(template, &transformed, &scope)?,
            None => Arc::clone(&self.instance.context),
        };
        validate(export.schema.as_ref(), &context, "export")?;
        let changed = (context != self.instance.context).then_some(context);
        Ok((transformed, changed))
    }

    /// What follows a task that has ended well.
    pub(super) fn go_on(&mut self, ending: Ending) {
        let Ending { parent, task, output, then } = ending;
        if then == Then::End {
            return self.end_workflow(parent, output);
        }
        let Some(enclosing) = self.execution(parent) else { return };
        match &enclosing.state {
            State::Fork { .. } => self.branch_done(parent, output),
            // The function's task has ended: its output is that of the calling task.
            State::Plain => self.finish(parent, output, None),
            _ => match then {
                Then::Continue | Then::End => {
                    let place = self.block(parent).and_then(|block| block.tasks.iter().position(|one| *one == task));
                    let index = place.map_or(usize::MAX, |place| place + 1);
                    self.steps.push_back(Step::Next { block: parent, index });
                }
                Then::Goto(index) => self.steps.push_back(Step::Next { block: parent, index }),
                Then::Exit => self.block_done(parent, Then::Continue),
            },
        }
    }

    /// A block has run to its end.
    pub(super) fn block_done(&mut self, id: ExecutionId, then: Then) {
        let plan = self.plan;
        let Some(execution) = self.execution(id) else { return };
        let value = super::enter::flowing(execution);
        match &execution.state {
            State::Block(_) if execution.task.is_none() => self.complete(value),
            State::For { index, .. } => {
                let next = index + 1;
                self.iterate(id, next);
            }
            State::Try(trying) if trying.phase == Phase::Handling => {
                let directive = match execution.task.map(|task| &plan.task(task).kind) {
                    Some(Kind::Try(task)) => task.then,
                    _ => None,
                };
                self.finish(id, value, directive);
            }
            State::Listening(_) => self.item_done(id, value),
            _ => self.finish(id, value, (then != Then::Continue).then_some(then)),
        }
    }

    /// A branch of a fork has ended well.
    fn branch_done(&mut self, fork: ExecutionId, output: Arc<Value>) {
        let plan = self.plan;
        let Some(execution) = self.execution(fork) else { return };
        let (State::Fork { outputs, .. }, Some(Kind::Fork(task))) =
            (&execution.state, execution.task.map(|task| &plan.task(task).kind))
        else {
            return;
        };
        if task.compete {
            self.give_up_children(fork);
            return self.finish(fork, output, None);
        }
        if outputs.len() == task.branches.len() {
            let all: Vec<Value> = outputs.values().map(|output| Value::clone(output)).collect();
            self.finish(fork, Arc::new(Value::Array(all)), None);
        }
    }

    /// A branch of a fork was skipped. It wins no race, unless there is nobody left to win it.
    pub(super) fn branch_skipped(&mut self, fork: ExecutionId, value: Arc<Value>) {
        let plan = self.plan;
        let Some(execution) = self.execution(fork) else { return };
        if let (State::Fork { outputs, failed }, Some(Kind::Fork(task))) =
            (&execution.state, execution.task.map(|task| &plan.task(task).kind))
            && task.compete
            && outputs.len() + (*failed as usize) < task.branches.len()
        {
            return;
        }
        self.branch_done(fork, value);
    }

    /// `then: end`: the workflow completes with this output; what encloses the task completes with it, what runs beside
    /// it is given up.
    fn end_workflow(&mut self, from: ExecutionId, output: Arc<Value>) {
        let enclosing: Vec<ExecutionId> =
            self.upwards(from).map(|(id, _)| id).filter(|id| *id != ExecutionId::WORKFLOW).collect();
        for id in enclosing {
            self.give_up_children(id);
            self.clear_timers(id);
            self.settle_parked(id);
            self.release(id);
            self.record(Fact::TaskCompleted { execution: id, output: Some(Arc::clone(&output)), context: None });
        }
        self.complete(output);
    }

    /// The workflow has run to its end (DSL, "Data Flow", 10 and 11).
    fn complete(&mut self, raw_output: Arc<Value>) {
        let plan = self.plan;
        let scope = self.workflow_scope();
        match self.leave(&plan.output, None, &raw_output, scope) {
            Ok((output, _)) => self.end(EndStatus::Completed, Some(output), None),
            Err(problem) => self.end(EndStatus::Faulted, None, Some(problem.at(""))),
        }
    }

    /// Forgets the timers that a live execution has.
    pub(super) fn clear_timers(&mut self, id: ExecutionId) {
        let plan = self.plan;
        let Some(execution) = self.execution(id) else { return };
        let kind = execution.task.map(|task| &plan.task(task).kind);
        let limited = matches!(kind, Some(Kind::Try(task))
            if task.retry.as_ref().is_some_and(|retry| retry.limit_attempt_duration.is_some()));
        let state_timer = match &execution.state {
            State::Waiting => Some(TimerPurpose::Wait),
            State::Try(trying) if trying.phase == Phase::Pausing => Some(TimerPurpose::Retry),
            State::Try(trying) if trying.phase == Phase::Trying && limited => Some(TimerPurpose::Attempt),
            _ => None,
        };
        let timeout = execution.deadline.map(|_| TimerPurpose::Timeout);
        for purpose in [state_timer, timeout].into_iter().flatten() {
            self.clear_timer(id, purpose);
        }
    }

    pub(super) fn clear_timer(&mut self, execution: ExecutionId, purpose: TimerPurpose) {
        self.effects.push(Effect::ClearTimer { timer: TimerId { execution, purpose } });
    }

    /// A `try` that ends while a call of it waits to be sent again: nobody will send it.
    pub(super) fn settle_parked(&mut self, id: ExecutionId) {
        let Some(State::Try(trying)) = self.execution(id).map(|execution| &execution.state) else { return };
        let Some(call) = trying.parked else { return };
        let attempt = trying.attempts.get(&call).copied().unwrap_or(1);
        self.effects.push(Effect::Settle(Settlement {
            call,
            attempt,
            status: CallStatus::Cancelled,
            error: trying.error.clone(),
            effect: None,
            next_attempt_at: None,
        }));
    }
}
