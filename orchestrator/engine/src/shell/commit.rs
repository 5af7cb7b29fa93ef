//! Decided → staged → committed → performed. One batch at a time: what is decided meanwhile makes the next one.

use std::sync::Arc;

use sagabus_core::{fact::Entry, id::InstanceId, instance::Instance};
use sagabus_ports::{Batch, Change, Consumed, Error, InstanceRow, NewInstance, Verdict};

use super::{End, Shell, health::retold};
use crate::{
    Progress, StartError,
    publisher::Parcel,
    wake::{Committed, Decided, Job, Marks, Origin, Staged, Starter, Wake},
};

/// Changes in one batch, at most: beyond a few hundred rows a commit hardly gets cheaper by the row, and this bounds how
/// long the first one waits for the last.
const MOST_CHANGES: usize = 512;

impl Shell {
    /// Puts a decision into the next batch, or finishes its cause if it was ignored.
    pub(super) fn stage(&mut self, decided: Decided) {
        self.deciding -= 1;
        let Decided { id, job, result } = decided;
        let (running, decision, outgoing) = match result {
            Ok(settled) => settled,
            Err(reason) => {
                self.park(id, reason);
                return self.finish(id, job.origin, &End::Parked);
            }
        };
        let Some(entry) = decision.entry else {
            tracing::debug!(instance = %id, cause = job.cause.word(), why = decision.ignored, "ignored");
            self.finish(id, job.origin, &End::Ignored);
            return self.slots.rest(id, running);
        };
        let progress = (self.progress.receiver_count() > 0).then(|| Arc::new(entry.clone()));
        self.changes.push(Change {
            instance: id,
            expected_seq: entry.seq - 1,
            new: new_instance(&job, &entry),
            row: row(&running.instance),
            entry,
            effects: decision.effects,
            consumed: consumed(&job),
        });
        self.staged.push(Staged { id, job, running, outgoing, progress });
    }

    /// Commits everything that is staged, unless a commit is under way.
    pub(super) fn commit(&mut self) {
        let is_worth_it = !self.changes.is_empty() || self.marks.are_urgent() || !self.stopping.is_empty();
        if self.committing || !is_worth_it || !self.may_ask_store() {
            return;
        }
        let count = self.changes.len().min(MOST_CHANGES);
        let changes: Vec<_> = self.changes.drain(..count).collect();
        let staged: Vec<_> = self.staged.drain(..count).collect();
        let marks = std::mem::take(&mut self.marks);
        if changes.is_empty() && marks.is_empty() {
            return;
        }
        self.committing = true;
        let Marks { published, dropped, expired, .. } = marks.clone();
        let batch = Batch { changes, published, dropped, inbox: Vec::new(), expired };
        let (store, inside) = (self.parts.store.clone(), self.parts.inside.clone());
        tokio::spawn(async move {
            let result = store.commit(batch).await;
            // A loop that has ended finds it in the store when it starts again.
            let _ = inside.send(Wake::Committed(Box::new(Committed { staged, marks, result })));
        });
    }

    pub(super) fn committed(&mut self, committed: Committed) -> Result<(), Error> {
        self.committing = false;
        let Committed { staged, marks, result } = committed;
        match result {
            Ok(verdicts) => {
                self.recovered();
                self.parts.counters.commits.add(1);
                self.unmark(&marks);
                self.perform(staged, verdicts);
                Ok(())
            }
            Err(error) => {
                self.marks.append(marks);
                self.undo(staged, &error);
                self.failed(error)
            }
        }
    }

    /// Nothing of a batch is known to be durable: starts are refused, everything else is decided again from the store.
    fn undo(&mut self, staged: Vec<Staged>, error: &Error) {
        for Staged { id, job, .. } in staged {
            match job.origin {
                Origin::Start(_, starter @ (Starter::Caller(_) | Starter::Request(_))) => {
                    self.refuse(starter, StartError::Store(retold(error)));
                    self.slots.reload(id, None);
                }
                _ => self.slots.reload(id, Some(job)),
            }
        }
    }

    /// Performs what became durable: calls and events first, then whoever waits, then lifecycle events.
    fn perform(&mut self, staged: Vec<Staged>, verdicts: Vec<Verdict>) {
        let mut parcel = Parcel::default();
        let mut durable = Vec::with_capacity(staged.len());
        for (mut step, verdict) in staged.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Committed => {
                    parcel.envelopes.append(&mut step.outgoing.envelopes);
                    parcel.outbox.append(&mut step.outgoing.outbox);
                    parcel.lifecycle.append(&mut step.outgoing.lifecycle);
                    durable.push(step);
                }
                Verdict::Conflict => self.slots.reload(step.id, Some(step.job)),
                Verdict::KeyTaken(by) => self.key_taken(step.id, step.job, by),
            }
        }
        if !parcel.is_empty() && self.parcels.try_send(parcel).is_err() {
            // The bus is slow or down: what matters is read from the store again.
            self.sweep_all = true;
        }
        self.parts.counters.steps.add(durable.len());
        durable.into_iter().for_each(|step| self.perform_step(step));
    }

    fn perform_step(&mut self, step: Staged) {
        let Staged { id, job, running, outgoing, progress } = step;
        let status = running.instance.status();
        if let Some(due) = outgoing.next_due {
            self.timers.set(due);
        }
        self.slots.rest(id, running);
        if let Some(entry) = progress {
            // Before whoever asked is answered, so that they have not gone yet. Nobody watches any longer: fine.
            let _ = self.progress.send(Progress { instance: id, entry, status });
        }
        self.finish(id, job.origin, &End::Committed(status));
        outgoing.refused.into_iter().for_each(|outcome| self.take_outcome(outcome, None));
        outgoing.inbox.into_iter().for_each(|row| self.take_row(row));
        if status.is_terminal() {
            for watcher in self.watchers.remove(&id).unwrap_or_default() {
                let _ = watcher.send(());
            }
        }
    }

    /// The key of a start is taken. The causes that waited for the new instance have none.
    fn key_taken(&mut self, id: InstanceId, job: Job, by: InstanceId) {
        if by == id {
            // It is there already: loading it tells its status.
            return self.slots.reload(id, Some(job));
        }
        self.missing(id);
        let Origin::Start(start, starter) = job.origin else { return };
        match starter {
            Starter::Row(row) => self.refuse_row(row, id, &job.cause, "its key started another instance"),
            starter => self.answer_key_taken(start.new, starter),
        }
    }
}

impl Marks {
    /// Whether they are worth a commit of their own. Published events can wait for the next step of any instance.
    fn are_urgent(&self) -> bool {
        !self.dropped.is_empty() || !self.expired.is_empty() || (self.are_old && !self.is_empty())
    }
}

fn new_instance(job: &Job, entry: &Entry) -> Option<NewInstance> {
    match &job.origin {
        Origin::Start(start, _) => Some(NewInstance { started_at: entry.at, ..start.new.clone() }),
        _ => None,
    }
}

fn row(instance: &Instance) -> InstanceRow {
    let end = instance.end();
    InstanceRow {
        status: instance.status(),
        output: end.and_then(|end| end.output.as_deref().cloned()),
        error: end.and_then(|end| end.error.clone()),
        ended_at: end.map(|end| end.at),
    }
}

fn consumed(job: &Job) -> Vec<Consumed> {
    match &job.origin {
        Origin::Timer(timer) => vec![Consumed::Timer(timer.timer)],
        Origin::Row(row) | Origin::Start(_, Starter::Row(row)) => vec![Consumed::Pending(row.clone())],
        Origin::Start(..) | Origin::Outcome(_) | Origin::Event(_) | Origin::Cancel(_) => Vec::new(),
    }
}
