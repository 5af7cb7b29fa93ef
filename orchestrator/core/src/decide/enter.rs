//! Going through a block, and beginning tasks (DSL, "Data Flow", 3 and 4).

use std::sync::Arc;

use serde_json::Value;

use super::{
    DEPTH_MAX, Decider, EXECUTIONS_MAX, Ending, Step, TASKS_PER_DECISION_MAX, scope::Scope, scope::TaskView, validate,
};
use crate::{
    fact::{Fact, TaskStarted},
    id::ExecutionId,
    instance::{Execution, Phase, State},
    plan::{Block, Kind, Task, TaskId, Then},
    problem::{Problem, Standard},
    time::Timestamp,
};

/// What a task begins with, if it can begin.
struct Entry {
    input: Option<Arc<Value>>,
    deadline: Option<Timestamp>,
}

impl Decider<'_> {
    /// The block that an execution is running.
    pub(super) fn block(&self, id: ExecutionId) -> Option<&Block> {
        let execution = self.execution(id)?;
        let Some(task) = execution.task else { return Some(&self.plan.root) };
        match (&self.plan.task(task).kind, &execution.state) {
            (Kind::Do(block), _) => Some(block),
            (Kind::For(task), _) => Some(&task.body),
            (Kind::Try(task), State::Try(trying)) if trying.phase == Phase::Handling => task.handler.as_ref(),
            (Kind::Try(task), _) => Some(&task.body),
            (Kind::Listen(task), _) => task.foreach.as_ref().and_then(|foreach| foreach.body.as_ref()),
            _ => None,
        }
    }

    /// Goes on at a place of a block: begins the task there, or ends the block.
    pub(super) fn next(&mut self, id: ExecutionId, index: usize) {
        let Some(block) = self.block(id) else { return };
        match block.tasks.get(index).copied() {
            Some(task) => self.enter(id, task, None, None),
            None => self.block_done(id, Then::Continue),
        }
    }

    /// Begins a task. `raw` is its raw input where that is not what flows in the enclosing execution.
    pub(super) fn enter(&mut self, parent: ExecutionId, id: TaskId, raw: Option<Arc<Value>>, branch: Option<u32>) {
        let plan = self.plan;
        let task = plan.task(id);
        let Some(enclosing) = self.execution(parent) else { return };
        let visit = visits(enclosing, id);
        let value = raw.clone().unwrap_or_else(|| flowing(enclosing));
        let view = TaskView { task: id, raw_input: Arc::clone(&value), raw_output: None, started_at: self.now };
        let scope = Scope { execution: Some(parent), task: Some(view), ..Scope::default() };

        let wanted = task.condition.as_ref().map_or(Ok(true), |condition| self.holds(condition, &value, &scope));
        if wanted == Ok(false) {
            return self.skip(parent, id, value, branch);
        }
        let entry = wanted.and_then(|_| self.check_limits(parent)).and_then(|()| self.admit(task, &value, scope));
        self.tasks += 1;
        let execution = ExecutionId(self.instance.next_execution);
        let (input, deadline, error) = match entry {
            Ok(Entry { input, deadline }) => (input, deadline, None),
            Err(problem) => (None, None, Some(problem)),
        };
        self.record(Fact::TaskStarted(TaskStarted {
            execution,
            parent,
            task: id,
            reference: Arc::clone(&task.reference),
            name: Arc::clone(&task.name),
            kind: task.kind.word().to_owned(),
            branch,
            visit,
            raw,
            input,
            deadline,
        }));
        match error {
            Some(problem) => self.fail(execution, problem.at(&task.reference)),
            None => {
                self.set_deadline(execution, deadline);
                self.act(execution, task);
            }
        }
    }

    /// DSL reference, "Task": a task that is skipped gives its raw input on; its own `then` is not followed.
    fn skip(&mut self, parent: ExecutionId, id: TaskId, value: Arc<Value>, branch: Option<u32>) {
        let task = self.plan.task(id);
        self.record(Fact::TaskSkipped {
            parent,
            task: id,
            reference: Arc::clone(&task.reference),
            name: Arc::clone(&task.name),
            kind: task.kind.word().to_owned(),
            branch,
        });
        if self.execution(parent).is_some_and(|enclosing| matches!(enclosing.state, State::Fork { .. })) {
            return self.branch_skipped(parent, value);
        }
        self.go_on(Ending { parent, task: id, output: value, then: Then::Continue });
    }

    /// Validates and transforms a task's input, and works out by when it must have ended.
    fn admit(&self, task: &Task, raw: &Arc<Value>, scope: Scope) -> Result<Entry, Problem> {
        validate(task.input.schema.as_ref(), raw, "task input")?;
        let input = match &task.input.from {
            Some(template) => Some(self.evaluate(template, raw, &scope)?).filter(|input| input != raw),
            None => None,
        };
        let Some(timeout) = &task.timeout else { return Ok(Entry { input, deadline: None }) };
        let transformed = Arc::clone(input.as_ref().unwrap_or(raw));
        let scope = Scope { input: Some(Arc::clone(&transformed)), ..scope };
        let timeout_ms = self.duration_ms(timeout, &transformed, &scope)?;
        Ok(Entry { input, deadline: Some(self.now.plus_ms(timeout_ms)) })
    }

    /// Limits end a task through the normal path of errors, so that whatever catches errors still runs.
    fn check_limits(&self, parent: ExecutionId) -> Result<(), Problem> {
        let exceeded = |what: String| Err(Problem::standard(Standard::Runtime, what));
        if self.tasks >= TASKS_PER_DECISION_MAX {
            return exceeded(format!(
                "{TASKS_PER_DECISION_MAX} tasks began without waiting for anything: is this loop meant?"
            ));
        }
        if self.instance.next_execution >= EXECUTIONS_MAX {
            return exceeded(format!("an instance may execute {EXECUTIONS_MAX} tasks: split the work into sub-flows"));
        }
        if self.upwards(parent).count() >= DEPTH_MAX {
            return exceeded(format!("tasks may be nested {DEPTH_MAX} deep"));
        }
        Ok(())
    }

    /// Begins every branch of a fork, in the order of declaration.
    pub(super) fn begin_branches(&mut self, fork: ExecutionId, branches: &[TaskId]) {
        for (branch, task) in (0_u32..).zip(branches) {
            self.steps.push_back(Step::Branch { fork, task: *task, branch });
        }
    }
}

/// How often the enclosing block has entered the task in its present run.
fn visits(enclosing: &Execution, task: TaskId) -> u32 {
    enclosing.state.flow().and_then(|flow| flow.visits.get(&task).copied()).unwrap_or(0)
}

/// The raw input of a task that begins in this execution.
pub(super) fn flowing(enclosing: &Execution) -> Arc<Value> {
    Arc::clone(enclosing.state.flow().map_or(&enclosing.input, |flow| &flow.value))
}
