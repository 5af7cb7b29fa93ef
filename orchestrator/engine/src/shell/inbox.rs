//! Rows that stand for work: the inbox, and everything outstanding that is taken up at the start and after a failure.

use std::sync::Arc;

use sagabus_core::{cause::Cause, plan::Plan};
use sagabus_ports::{Error, PendingCause};

use super::{End, Shell};
use crate::{
    catalogue::PickError,
    starting, sweep,
    wake::{Job, Marks, Origin, Starter, Wake},
};

/// Rows of the inbox in hand beyond which the inbox is not looked through for more.
const MOST_ROWS: usize = 4096;

impl Shell {
    /// Takes up a row of the inbox, unless it is in hand.
    pub(super) fn take_row(&mut self, row: PendingCause) {
        if !self.rows.insert(row.id.clone()) {
            return;
        }
        if matches!(row.cause, Cause::Start(_)) {
            self.slots.prepare(row.instance);
            self.prepare_row(row);
        } else {
            self.push(row.instance, Job { cause: row.cause, origin: Origin::Row(row.id) });
        }
    }

    /// Looks up the workflow of a start.
    pub(super) fn prepare_row(&self, row: PendingCause) {
        let parts = self.parts.clone();
        tokio::spawn(async move {
            let plan = match &row.workflow {
                Some((namespace, name, version)) => parts.catalogue.pick(namespace, name, version.as_deref()).await,
                None => Err(PickError::NotDeployed("the row does not say which workflow to start".to_owned())),
            };
            // A loop that has ended finds the row again.
            let _ = parts.inside.send(Wake::Prepared(Box::new(row), plan));
        });
    }

    pub(super) fn prepared(&mut self, row: PendingCause, plan: Result<Arc<Plan>, PickError>) -> Result<(), Error> {
        match plan {
            Ok(plan) => {
                if let Cause::Start(start) = row.cause {
                    let starter = Starter::Row(row.id);
                    self.start(starting::complete(row.instance, plan, start, self.parts.clock.now(), starter));
                }
                Ok(())
            }
            Err(PickError::NotDeployed(reason)) => {
                self.missing(row.instance);
                self.refuse_row(row.id, row.instance, &row.cause, &reason);
                Ok(())
            }
            Err(PickError::Store(error)) => {
                self.unprepared.push(row);
                self.failed(error)
            }
        }
    }

    pub(super) fn finish_row(&mut self, row: String, end: &End) {
        match end {
            End::Committed(_) => drop(self.rows.remove(&row)),
            End::Ignored | End::Missing => self.marks.dropped.push(row),
            End::Parked => self.rows_aside += 1,
        }
    }

    /// Rows without a change are gone from the store.
    pub(super) fn unmark(&mut self, marks: &Marks) {
        for row in &marks.dropped {
            self.rows.remove(row);
        }
        for timer in &marks.expired {
            self.forget_timer(timer);
        }
    }

    /// Looks into the store for what other processes put there, or for everything outstanding.
    pub(super) fn reconcile(&mut self) {
        self.marks.are_old = true;
        self.watchers.retain(|_, watchers| {
            watchers.retain(|watcher| !watcher.is_closed());
            !watchers.is_empty()
        });
        let is_full = self.rows.len() - self.rows_aside > MOST_ROWS;
        if self.sweeping || is_full || !self.may_ask_store() || !self.stopping.is_empty() {
            return;
        }
        self.sweeping = true;
        let (parts, everything) = (self.parts.clone(), std::mem::take(&mut self.sweep_all));
        tokio::spawn(async move {
            let result = sweep::sweep(&parts, everything).await;
            // A loop that has ended sweeps when it starts again.
            let _ = parts.inside.send(Wake::Swept(everything, result));
        });
    }

    pub(super) fn swept(&mut self, everything: bool, result: Result<(), sweep::Failure>) -> Result<(), Error> {
        self.sweeping = false;
        self.sweep_all |= everything && result.is_err();
        match result {
            Ok(()) => self.recovered(),
            Err(sweep::Failure::Store(error)) => return self.failed(error),
            Err(sweep::Failure::Bus(error)) => tracing::warn!(%error, "the bus does not take what is outstanding"),
        }
        Ok(())
    }
}
