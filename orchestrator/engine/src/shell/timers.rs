//! Timers come in from the store when they are due: only those in hand take memory.

use std::{collections::HashSet, time::Duration};

use sagabus_core::{
    cause::{Cause, TimerId},
    id::InstanceId,
    time::Timestamp,
};
use sagabus_ports::{DueTimer, Error};

use super::{End, Shell};
use crate::wake::{Job, Origin, Wake};

/// Due timers in hand, at most: what one look into the store brings.
const TIMERS_AT_ONCE: usize = 1000;

/// Earlier than every timer.
const AT_ONCE: Timestamp = Timestamp::from_millis(i64::MIN);

/// What the loop knows about timers.
pub(super) struct Timers {
    in_hand: HashSet<(InstanceId, TimerId)>,
    /// How many of those belong to parked instances: they stay in hand so that they are not taken up again.
    aside: usize,
    /// When the next one is due, as far as is known.
    next: Option<Timestamp>,
    asking: bool,
    /// Those whose rows went while the store was being asked: the answer may still have them.
    gone: HashSet<(InstanceId, TimerId)>,
}

impl Default for Timers {
    fn default() -> Self {
        // Whatever fell due while nobody looked is due now.
        Self { in_hand: HashSet::new(), aside: 0, next: Some(AT_ONCE), asking: false, gone: HashSet::new() }
    }
}

impl Timers {
    /// A timer was set.
    pub(super) fn set(&mut self, due: Timestamp) {
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
    }

    fn has_room(&self) -> bool {
        !self.asking && self.in_hand.len() - self.aside < TIMERS_AT_ONCE
    }
}

impl Shell {
    /// How long until the store is to be asked for due timers, if at all.
    pub(super) fn due_in(&self) -> Option<Duration> {
        let may_ask = self.timers.has_room() && self.may_ask_store() && self.stopping.is_empty();
        let next = self.timers.next.filter(|_| may_ask)?;
        Some(Duration::from_millis(next.since_ms(self.parts.clock.now())))
    }

    /// Asks the store for due timers if there may be some.
    pub(super) fn ask_for_due_timers(&mut self) {
        if self.due_in() != Some(Duration::ZERO) {
            return;
        }
        self.timers.asking = true;
        // Timers that are set from now on may not be in the answer.
        self.timers.next = None;
        // Those in hand come again, because the commits that delete them are yet to come.
        let asked = u32::try_from(self.timers.in_hand.len() + TIMERS_AT_ONCE).unwrap_or(u32::MAX);
        let (parts, now) = (self.parts.clone(), self.parts.clock.now());
        tokio::spawn(async move {
            let due = parts.store.due(now, asked).await;
            // A loop that has ended asks again when it starts again.
            let _ = parts.inside.send(Wake::Due(due, asked));
        });
    }

    pub(super) fn timers_due(
        &mut self,
        due: Result<(Vec<DueTimer>, Option<Timestamp>), Error>,
        asked: u32,
    ) -> Result<(), Error> {
        self.timers.asking = false;
        let gone = std::mem::take(&mut self.timers.gone);
        let (due, next) = match due {
            Ok(answer) => answer,
            Err(error) => {
                self.timers.set(AT_ONCE);
                return self.failed(error);
            }
        };
        self.recovered();
        let is_all = due.len() < asked as usize;
        let next = if is_all { next } else { Some(AT_ONCE) };
        next.into_iter().for_each(|next| self.timers.set(next));
        for timer in due {
            let id = (timer.instance, timer.timer);
            if !gone.contains(&id) && self.timers.in_hand.insert(id) {
                let cause = Cause::Due { timer: timer.timer };
                self.push(timer.instance, Job { cause, origin: Origin::Timer(timer) });
            }
        }
        Ok(())
    }

    pub(super) fn finish_timer(&mut self, timer: DueTimer, end: &End) {
        match end {
            End::Committed(_) => self.forget_timer(&timer),
            End::Ignored | End::Missing => self.marks.expired.push(timer),
            End::Parked => self.timers.aside += 1,
        }
    }

    /// The row of a timer is gone.
    pub(super) fn forget_timer(&mut self, timer: &DueTimer) {
        let id = (timer.instance, timer.timer);
        self.timers.in_hand.remove(&id);
        if self.timers.asking {
            self.timers.gone.insert(id);
        }
    }
}
