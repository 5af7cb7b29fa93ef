//! How errors travel: outwards until a `try` catches them (DSL, "Fault Tolerance"), leaving nothing behind that still runs.

use std::sync::Arc;

use super::{Decider, Step, scope::problem_value};
use crate::{
    cause::{Cause, TimerId, TimerPurpose},
    effect::{CallStatus, Effect, Settlement},
    fact::{EndStatus, Fact},
    id::ExecutionId,
    instance::{Phase, State},
    plan::{Kind, RetryPolicy, Try},
    problem::Problem,
    retry::delay_ms,
};

impl Decider<'_> {
    /// An error leaves an execution.
    pub(super) fn fail(&mut self, id: ExecutionId, problem: Problem) {
        self.give_up_children(id);
        let Some(parent) = self.execution(id).map(|execution| execution.parent) else { return };
        let Some(parent) = parent else { return self.end(EndStatus::Faulted, None, Some(problem)) };
        self.clear_timers(id);
        self.settle_parked(id);
        self.release(id);
        self.record(Fact::TaskFaulted { execution: id, error: problem.clone() });
        let Some(enclosing) = self.execution(parent) else { return };
        match &enclosing.state {
            State::Try(trying) if trying.phase == Phase::Trying => self.catch(parent, problem),
            State::Fork { .. } => self.branch_failed(parent, problem),
            _ => self.fail(parent, problem),
        }
    }

    /// A branch of a fork has failed. A race goes on as long as another branch may still win it.
    fn branch_failed(&mut self, fork: ExecutionId, problem: Problem) {
        let plan = self.plan;
        let Some(execution) = self.execution(fork) else { return };
        if let (State::Fork { outputs, failed }, Some(Kind::Fork(task))) =
            (&execution.state, execution.task.map(|task| &plan.task(task).kind))
            && task.compete
        {
            if outputs.len() + (*failed as usize) < task.branches.len() {
                return;
            }
            if let Some(skipped) = outputs.values().next().cloned() {
                // All that remains are branches that were skipped.
                return self.finish(fork, skipped, None);
            }
        }
        self.fail(fork, problem);
    }

    /// An error has left the block of a `try`.
    pub(super) fn catch(&mut self, id: ExecutionId, problem: Problem) {
        let plan = self.plan;
        let Some(execution) = self.execution(id) else { return };
        let Some(Kind::Try(task)) = execution.task.map(|task| &plan.task(task).kind) else { return };
        let input = Arc::clone(&execution.input);
        // The attempt is over, whatever comes of it.
        if task.retry.as_ref().is_some_and(|retry| retry.limit_attempt_duration.is_some()) {
            self.clear_timer(id, TimerPurpose::Attempt);
        }
        match self.catches(id, task, &problem) {
            Ok(true) => {}
            Ok(false) => return self.fail(id, problem),
            Err(error) => return self.fail(id, error.at(self.reference(id))),
        }
        self.record(Fact::Caught { execution: id, error: problem.clone() });
        match self.retry_at(id, task, &problem) {
            Ok(Some(due)) => return self.schedule_retry(id, due),
            Ok(None) => {}
            Err(error) => return self.fail(id, error.at(self.reference(id))),
        }
        if task.handler.is_some() {
            self.settle_parked(id);
            self.record(Fact::Handling { execution: id });
            self.steps.push_back(Step::Next { block: id, index: 0 });
        } else if task.retry.is_some() && task.then.is_none() {
            // Retries were the only remedy, and they are used up.
            self.fail(id, problem);
        } else {
            self.finish(id, input, task.then);
        }
    }

    fn catches(&self, id: ExecutionId, task: &Try, problem: &Problem) -> Result<bool, Problem> {
        if !task.filter.matches(problem) {
            return Ok(false);
        }
        self.wanted(id, task, problem, task.when.as_ref(), task.except_when.as_ref())
    }

    /// `when` and `exceptWhen` of a `catch` or of its retry policy.
    fn wanted(
        &self,
        id: ExecutionId,
        task: &Try,
        problem: &Problem,
        when: Option<&crate::expression::Expression>,
        except_when: Option<&crate::expression::Expression>,
    ) -> Result<bool, Problem> {
        let Some(execution) = self.execution(id) else { return Ok(false) };
        let scope = self.task_scope(id).bind(&task.variable, problem_value(problem));
        if let Some(when) = when
            && !self.holds(when, &execution.input, &scope)?
        {
            return Ok(false);
        }
        match except_when {
            Some(except) => self.holds(except, &execution.input, &scope).map(|excepted| !excepted),
            None => Ok(true),
        }
    }

    /// When the block is to be tried again, if it is.
    fn retry_at(
        &self,
        id: ExecutionId,
        task: &Try,
        problem: &Problem,
    ) -> Result<Option<crate::time::Timestamp>, Problem> {
        let (Some(policy), Some(execution)) = (&task.retry, self.execution(id)) else { return Ok(None) };
        let State::Try(trying) = &execution.state else { return Ok(None) };
        let retry = trying.retries + 1;
        if policy.limit_attempt_count.is_some_and(|count| retry > count)
            || !self.wanted(id, task, problem, policy.when.as_ref(), policy.except_when.as_ref())?
        {
            return Ok(None);
        }
        let due = self.now.plus_ms(self.retry_delay_ms(id, policy, retry)?);
        if let Some(limit) = &policy.limit_duration {
            let limit_ms = self.duration_ms(limit, &execution.input, &self.task_scope(id))?;
            if due > execution.started_at.plus_ms(limit_ms) {
                return Ok(None);
            }
        }
        // A retry that could only begin after the deadline would wait in vain.
        let deadline = self.upwards(id).filter_map(|(_, execution)| execution.deadline).min();
        Ok(Some(due).filter(|due| deadline.is_none_or(|deadline| *due < deadline)))
    }

    fn retry_delay_ms(&self, id: ExecutionId, policy: &RetryPolicy, retry: u32) -> Result<u64, Problem> {
        let Some(execution) = self.execution(id) else { return Ok(0) };
        let scope = self.task_scope(id);
        let millis = |duration| self.duration_ms(duration, &execution.input, &scope);
        let delay = policy.delay.as_ref().map_or(Ok(0), millis)?;
        let jitter = match &policy.jitter {
            Some((from, to)) => Some((millis(from)?, millis(to)?)),
            None => None,
        };
        let seed = self.instance.id.0.as_u64_pair();
        let seed = seed.0 ^ seed.1.rotate_left(id.0 % 64);
        Ok(delay_ms(policy.backoff, delay, jitter, retry, seed))
    }

    fn schedule_retry(&mut self, id: ExecutionId, due: crate::time::Timestamp) {
        let Some(State::Try(trying)) = self.execution(id).map(|execution| &execution.state) else { return };
        let retry = trying.retries + 1;
        self.settle_parked(id);
        let call = self.settle_failed_call(CallStatus::Retrying, Some(due));
        self.record(Fact::Retrying { execution: id, retry, due, call });
        let timer = TimerId { execution: id, purpose: TimerPurpose::Retry };
        self.effects.push(Effect::SetTimer { timer, due });
    }

    /// The pause before a retry is over.
    pub(super) fn try_again(&mut self, id: ExecutionId) {
        let plan = self.plan;
        let Some(task) = self.execution(id).and_then(|execution| execution.task) else { return };
        self.record(Fact::Retried { execution: id });
        if let Kind::Try(task) = &plan.task(task).kind
            && let Err(problem) = self.begin_try(id, task)
        {
            self.fail(id, problem.at(self.reference(id)));
        }
    }

    /// Ends all that runs within an execution, the innermost first: nobody waits for it any longer.
    pub(super) fn give_up_children(&mut self, id: ExecutionId) {
        for child in self.within(id).into_iter().skip(1).rev() {
            self.clear_timers(child);
            self.settle_parked(child);
            self.release(child);
            self.record(Fact::TaskCancelled { execution: child });
        }
    }

    /// An execution and all that runs within it, the outermost first.
    pub(super) fn within(&self, id: ExecutionId) -> Vec<ExecutionId> {
        let mut within = vec![id];
        // Children have higher numbers than their parents, so one pass finds them all.
        for (child, execution) in &self.instance.executions {
            if execution.parent.is_some_and(|parent| within.contains(&parent)) {
                within.push(*child);
            }
        }
        within
    }

    /// Lets go of what an execution awaits from outside.
    pub(super) fn release(&mut self, id: ExecutionId) {
        if self.answered == Some(id) {
            return;
        }
        let Some(execution) = self.execution(id) else { return };
        match &execution.state {
            State::Calling { call, attempt } => self.effects.push(Effect::Settle(Settlement {
                call: *call,
                attempt: *attempt,
                status: CallStatus::Cancelled,
                error: None,
                effect: None,
                next_attempt_at: None,
            })),
            State::Child { child } => {
                let cause = Cause::Cancel { reason: format!("its caller, instance {}, gave it up", self.instance.id) };
                self.effects.push(Effect::Notify { instance: *child, cause });
            }
            State::Listening(listening) if !listening.ended => {
                self.effects.push(Effect::Unsubscribe { execution: id });
            }
            _ => {}
        }
    }
}
