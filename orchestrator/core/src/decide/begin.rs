//! The start of an instance.

use std::sync::Arc;

use serde_json::Value;

use super::{Decider, Step, validate};
use crate::{
    cause::{Start, TimerId, TimerPurpose},
    effect::Effect,
    fact::{EndStatus, Fact, Started},
    id::ExecutionId,
    problem::Problem,
    time::Timestamp,
};

impl Decider<'_> {
    /// Validates and transforms the input (DSL, "Data Flow", 1 and 2) and begins with the first task.
    pub(super) fn begin(&mut self, start: &Start) {
        let input = Arc::new(start.input.clone());
        // Expressions of the workflow's own input see the instance, so it has to be there first.
        let mut started = Started {
            instance: self.instance.id,
            workflow: self.plan.name.clone(),
            digest: self.plan.digest.clone(),
            key: start.key.clone(),
            input: Arc::clone(&input),
            transformed: None,
            parent: start.parent.clone(),
            deadline: None,
            nonce: start.nonce.clone(),
        };
        self.instance.started = Some(Arc::new(started.clone()));
        self.instance.started_at = self.now;
        let transformed = self.workflow_input(&input);
        let timeout = transformed.as_ref().ok().map(|value| self.workflow_timeout(value));
        self.instance.started = None;

        let timeout_at = match timeout {
            Some(Ok(Some(timeout_ms))) => Some(self.now.plus_ms(timeout_ms)),
            _ => None,
        };
        started.deadline = [timeout_at, start.deadline].into_iter().flatten().min();
        started.transformed = transformed.as_ref().ok().filter(|value| **value != input).cloned();
        let deadline = started.deadline;
        self.record(Fact::Started(Box::new(started)));
        match (transformed, timeout) {
            (Err(problem), _) | (Ok(_), Some(Err(problem))) => self.end(EndStatus::Faulted, None, Some(problem.at(""))),
            (Ok(_), _) => {
                self.set_deadline(ExecutionId::WORKFLOW, deadline);
                self.steps.push_back(Step::Next { block: ExecutionId::WORKFLOW, index: 0 });
            }
        }
    }

    pub(super) fn set_deadline(&mut self, execution: ExecutionId, deadline: Option<Timestamp>) {
        if let Some(due) = deadline {
            let timer = TimerId { execution, purpose: TimerPurpose::Timeout };
            self.effects.push(Effect::SetTimer { timer, due });
        }
    }

    fn workflow_input(&self, raw: &Arc<Value>) -> Result<Arc<Value>, Problem> {
        let input = &self.plan.input;
        validate(input.schema.as_ref(), raw, "workflow input")?;
        match &input.from {
            Some(template) => self.evaluate(template, raw, &self.workflow_scope()),
            None => Ok(Arc::clone(raw)),
        }
    }

    fn workflow_timeout(&self, input: &Arc<Value>) -> Result<Option<u64>, Problem> {
        self.plan.timeout.as_ref().map(|timeout| self.duration_ms(timeout, input, &self.workflow_scope())).transpose()
    }
}
