//! The shell: load → decide → commit → perform, crashing where [`Faults`](super::Faults) says.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result, ensure};
use sagabus_core::{
    cause::{Cause, Outcome, TimerId},
    decide::decide,
    effect::{CallStatus, Effect},
    event::Event,
    id::{CallId, InstanceId},
    instance::Instance,
    plan::Plan,
    problem::{Problem, Standard},
    time::Timestamp,
};
use sagabus_ports::{Consumed, PendingCause};

use super::{Happening, InstanceRecord, World, rows::row_id};

/// What the shell holds in memory, and loses in a crash.
#[derive(Debug, Default)]
pub(super) struct Shell {
    cache: BTreeMap<InstanceId, Instance>,
    down: bool,
}

impl Shell {
    pub(super) fn is_up(&self) -> bool {
        !self.down
    }

    pub(super) fn cached(&self, instance: InstanceId) -> Option<&Instance> {
        self.cache.get(&instance)
    }
}

/// Whether the shell survived a step. If not, what led to it was not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Survived {
    Yes,
    No,
}

impl World {
    pub(super) fn timer_fell_due(&mut self, instance: InstanceId, timer: TimerId, due: Timestamp) -> Result<()> {
        match self.rows.timers.get(&(instance, timer)).copied() {
            Some(row) if row == due => {}
            // The shell took it up just before it was cleared.
            None if self.rows.instance(instance).is_some() && self.strikes(self.faults.late_timer) => {}
            // Cleared, or set anew to another time, since it was scheduled.
            _ => {
                self.counters.count("a timer was cleared before it fired");
                return Ok(());
            }
        }
        if self.strikes(self.faults.late_timer) {
            self.counters.count("a timer fired late");
            let late_ms = 1 + self.random.below(60_000);
            self.schedule(late_ms, Happening::Due { instance, timer, due });
            return Ok(());
        }
        self.take(instance, None, &Cause::Due { timer }, &[Consumed::Timer(timer)])?;
        Ok(())
    }

    pub(super) fn outcome_arrived(
        &mut self,
        instance: InstanceId,
        call: CallId,
        attempt: u32,
        outcome: Outcome,
    ) -> Result<()> {
        let cause = Cause::Outcome { call, attempt, outcome: outcome.clone() };
        if self.take(instance, None, &cause, &[])? == Survived::No {
            self.redeliver(Happening::Outcome { instance, call, attempt, outcome: Box::new(outcome) });
        }
        Ok(())
    }

    pub(super) fn event_arrived(&mut self, event: Event) -> Result<()> {
        for instance in self.rows.listeners(&event.kind) {
            if self.take(instance, None, &Cause::Event { event: event.clone() }, &[])? == Survived::No {
                self.counters.count("an event was delivered again after a crash");
                self.redeliver(Happening::Event(Box::new(event)));
                return Ok(());
            }
        }
        Ok(())
    }

    pub(super) fn cancel_arrived(&mut self, instance: InstanceId, reason: String) -> Result<()> {
        if self.rows.instance(instance).is_none() {
            // Accepted, and not begun yet.
            self.redeliver(Happening::Cancel { instance, reason });
            return Ok(());
        }
        if self.take(instance, None, &Cause::Cancel { reason: reason.clone() }, &[])? == Survived::No {
            self.redeliver(Happening::Cancel { instance, reason });
        }
        Ok(())
    }

    pub(super) fn take_pending(&mut self, id: &str) -> Result<()> {
        let Some(pending) = self.rows.inbox.get(id).cloned() else { return Ok(()) };
        let consumed = [Consumed::Pending(id.to_owned())];
        match (&pending.cause, &pending.workflow) {
            (Cause::Start(_), Some((namespace, name, version))) => {
                match self.plans.find(namespace, name, version.as_deref()) {
                    Some(plan) => self.start_pending(&pending, plan, &consumed),
                    None => self.refuse_pending(&pending, &consumed),
                }
            }
            _ if self.rows.instance(pending.instance).is_some() => {
                self.take(pending.instance, None, &pending.cause, &consumed).map(drop)
            }
            // A cause that overtook the start of its instance waits for it.
            _ if self
                .rows
                .inbox
                .values()
                .any(|other| other.instance == pending.instance && other.workflow.is_some()) =>
            {
                self.counters.count("a cause overtook the start of its instance");
                self.schedule(1_000, Happening::Pending { id: id.to_owned() });
                Ok(())
            }
            _ => {
                self.rows.drop_consumed(pending.instance, &consumed);
                Ok(())
            }
        }
    }

    fn start_pending(&mut self, pending: &PendingCause, plan: Arc<Plan>, consumed: &[Consumed]) -> Result<()> {
        if self.rows.instance(pending.instance).is_some() {
            self.rows.drop_consumed(pending.instance, consumed);
            return Ok(());
        }
        let mut cause = pending.cause.clone();
        if let Cause::Start(start) = &mut cause {
            start.nonce = format!("{:016x}", self.random.number());
        }
        self.take(pending.instance, Some(plan), &cause, consumed).map(drop)
    }

    /// A sub-flow whose workflow is not deployed: whoever asked for it is told.
    fn refuse_pending(&mut self, pending: &PendingCause, consumed: &[Consumed]) -> Result<()> {
        let parent = match &pending.cause {
            Cause::Start(start) => start.parent.clone(),
            _ => None,
        };
        let parent = parent.context("a start from outside names a deployed workflow")?;
        let problem = Problem::standard(Standard::Configuration, "the workflow is not deployed");
        let cause = Cause::Child { child: pending.instance, execution: parent.execution, result: Err(problem) };
        self.take(parent.instance, None, &cause, consumed).map(drop)
    }

    /// One step of one instance. `starting` is the plan of an instance that is not there yet.
    fn take(
        &mut self,
        instance: InstanceId,
        starting: Option<Arc<Plan>>,
        cause: &Cause,
        consumed: &[Consumed],
    ) -> Result<Survived> {
        let plan = match starting {
            Some(plan) => plan,
            None => {
                let record = self.rows.instance(instance).context("a cause for an instance that is not there")?;
                self.plans.plan(&record.digest).context("the plan of an instance is not there")?
            }
        };
        if self.strikes(self.faults.forget) {
            self.counters.count("an instance was loaded from its journal");
            self.shell.cache.remove(&instance);
        }
        let before = self.instance(instance)?;
        let (after, decision) = decide(&plan, before.clone(), cause, self.now, &self.environment);
        self.check_decision(&before, &after, cause, &decision)?;
        let Some(entry) = decision.entry else {
            self.rows.drop_consumed(instance, consumed);
            return Ok(Survived::Yes);
        };
        if self.strikes(self.faults.crash) {
            self.counters.count("crash before a commit");
            self.crash();
            return Ok(Survived::No);
        }
        let record = InstanceRecord {
            id: instance,
            workflow: plan.name.clone(),
            digest: plan.digest.clone(),
            status: after.status(),
        };
        self.rows.commit(record, &entry, &decision.effects, consumed)?;
        self.check_committed(instance, &entry, &decision.effects)?;
        self.shell.cache.insert(instance, after);
        for (index, effect) in decision.effects.iter().enumerate() {
            if self.strikes(self.faults.crash) {
                self.counters.count("crash between commit and perform");
                self.crash();
                return Ok(Survived::No);
            }
            self.perform(instance, &row_id(instance, entry.seq, index), effect);
        }
        Ok(Survived::Yes)
    }

    fn perform(&mut self, instance: InstanceId, row: &str, effect: &Effect) {
        match effect {
            Effect::Dispatch(attempt) => self.publish(Happening::Call(Box::new(attempt.clone()))),
            Effect::SetTimer { timer, due } => {
                self.schedule_at(*due, Happening::Due { instance, timer: *timer, due: *due });
            }
            Effect::StartChild(_) | Effect::Notify { .. } => {
                self.schedule(0, Happening::Pending { id: row.to_owned() })
            }
            Effect::Publish(event) => {
                self.publish_event(event.clone());
                self.rows.outbox.remove(row);
            }
            // A worker that is told may stop; here none does, so that outcomes of cancelled calls come and are ignored.
            Effect::Settle(settlement) if settlement.status == CallStatus::Cancelled => {
                self.counters.count("a call was cancelled");
            }
            Effect::Settle(_) | Effect::ClearTimer { .. } | Effect::Subscribe { .. } | Effect::Unsubscribe { .. } => {}
        }
    }

    /// Everything in memory is gone; the bus and the store are not.
    fn crash(&mut self) {
        self.shell.cache.clear();
        self.shell.down = true;
        self.queue.retain(|_, happening| !happening.is_volatile());
        let down_ms = 100 + self.random.below(10_000);
        self.schedule(down_ms, Happening::Restart);
    }

    /// Takes up everything outstanding from the rows.
    pub(super) fn recover(&mut self) -> Result<()> {
        ensure!(!self.shell.is_up(), "a shell that is up restarts");
        self.shell.down = false;
        for ((instance, timer), due) in self.rows.timers.clone() {
            self.schedule_at(due, Happening::Due { instance, timer, due });
        }
        self.reconcile()
    }
}
