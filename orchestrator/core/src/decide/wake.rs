//! What each cause sets in motion.

use std::sync::Arc;

use serde_json::Value;

use super::{Decider, timeout_problem};
use crate::{
    cause::{Cause, EffectState, TimerId, TimerPurpose},
    fact::{EndStatus, Fact},
    id::{ExecutionId, InstanceId},
    instance::{Phase, State},
    plan::Kind,
    problem::{Problem, Standard},
};

/// `Err` says why a cause is ignored.
type Woken = Result<(), &'static str>;

impl Decider<'_> {
    pub(super) fn wake(&mut self, cause: &Cause) -> Woken {
        if let Cause::Start(start) = cause {
            if self.instance.started.is_some() {
                return Err("the instance began before");
            }
            self.begin(start);
            return Ok(());
        }
        if self.instance.started.is_none() {
            return Err("the instance has not begun");
        }
        if let Cause::Outcome { call, attempt, outcome } = cause {
            // Even after the end: a call that nobody waited for may still be outstanding.
            return self.outcome(*call, *attempt, outcome);
        }
        if self.instance.end.is_some() {
            return Err("the instance has ended");
        }
        match cause {
            Cause::Due { timer } => self.due(*timer),
            Cause::Event { event } => self.event(event),
            Cause::Child { child, execution, result } => self.child(*child, *execution, result),
            Cause::Cancel { reason } => {
                let problem = Problem::standard(Standard::Runtime, format!("cancelled: {reason}"));
                self.end(EndStatus::Cancelled, None, Some(problem));
                Ok(())
            }
            Cause::Start(_) | Cause::Outcome { .. } => Ok(()),
        }
    }

    fn due(&mut self, timer: TimerId) -> Woken {
        let id = timer.execution;
        let execution = self.execution(id).ok_or("the timer's execution has ended")?;
        match (timer.purpose, &execution.state) {
            (TimerPurpose::Wait, State::Waiting) => {
                let output = Arc::clone(&execution.input);
                self.finish(id, output, None);
            }
            (TimerPurpose::Retry, State::Try(trying)) if trying.phase == Phase::Pausing => self.try_again(id),
            (TimerPurpose::Attempt, State::Try(trying)) if trying.phase == Phase::Trying => {
                let problem = timeout_problem("an attempt").at(self.reference(id));
                self.time_out_calls(id, &problem);
                self.give_up_children(id);
                self.catch(id, problem);
            }
            (TimerPurpose::Timeout, _) if execution.deadline.is_some() => {
                let what = if id == ExecutionId::WORKFLOW { "the workflow" } else { "the task" };
                let problem = timeout_problem(what).at(self.reference(id));
                self.time_out_calls(id, &problem);
                self.fail(id, problem);
            }
            _ => return Err("the timer is no longer wanted"),
        }
        Ok(())
    }

    /// What is in flight when a time limit passes may or may not happen: nobody knows.
    fn time_out_calls(&mut self, id: ExecutionId, problem: &Problem) {
        for within in self.within(id) {
            self.call_failed(within, problem, EffectState::Unknown);
        }
    }

    fn child(&mut self, child: InstanceId, id: ExecutionId, result: &Result<Value, Problem>) -> Woken {
        let execution = self.execution(id).ok_or("the sub-flow's caller has ended")?;
        if execution.state != (State::Child { child }) {
            return Err("the caller does not wait for this sub-flow");
        }
        self.answered = Some(id);
        match result {
            Ok(output) => {
                let output = if self.returns(id) { output.clone() } else { Value::Null };
                self.finish(id, Arc::new(output), None);
            }
            Err(problem) => {
                // The pointer of an error names a task of this workflow; that of the sub-flow's task would mislead.
                let place = self.reference(id).to_owned();
                self.fail(id, Problem { instance: Some(place), ..problem.clone() });
            }
        }
        Ok(())
    }

    /// Whether the output of an execution's sub-flow becomes its own.
    fn returns(&self, id: ExecutionId) -> bool {
        let task = self.execution(id).and_then(|execution| execution.task);
        !matches!(task.map(|task| &self.plan.task(task).kind), Some(Kind::SubFlow(sub_flow)) if !sub_flow.returns)
    }

    /// Ends the instance: gives up what is live, and tells a waiting parent.
    pub(super) fn end(&mut self, status: EndStatus, output: Option<Arc<Value>>, error: Option<Problem>) {
        self.give_up_children(ExecutionId::WORKFLOW);
        let Some(started) = self.instance.started.clone() else { return };
        if self.execution(ExecutionId::WORKFLOW).is_some_and(|workflow| workflow.deadline.is_some()) {
            self.clear_timer(ExecutionId::WORKFLOW, TimerPurpose::Timeout);
        }
        if let Some(parent) = started.parent.as_ref().filter(|parent| parent.waits) {
            let result = match (&output, &error) {
                (Some(output), None) => Ok(Value::clone(output)),
                (_, Some(error)) => Err(error.clone()),
                (None, None) => Ok(Value::Null),
            };
            self.effects.push(crate::effect::Effect::Notify {
                instance: parent.instance,
                cause: Cause::Child { child: self.instance.id, execution: parent.execution, result },
            });
        }
        self.record(Fact::Ended { status, output, error });
    }
}
