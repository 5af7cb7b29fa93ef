//! Workers, the third parties behind them, and the record of every request that reached one.

use std::fmt;

use anyhow::{Context, Result, ensure};
use sagabus_core::{cause::Outcome, effect::Attempt, id::CallId};
use serde_json::Value;

use super::{Happening, World};

/// What stands behind the adapters.
pub trait ThirdParty: fmt::Debug {
    /// Answers a request.
    ///
    /// # Errors
    /// It has no answer: a mistake of the test.
    fn react(&mut self, attempt: &Attempt) -> Result<Reaction>;
}

/// What a third party does with a request.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// Answers.
    Reply {
        /// How it ended.
        outcome: Outcome,
        /// How long that takes.
        after_ms: u64,
    },
    /// Never answers.
    Silence,
}

/// A request that reached a third party.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// The idempotency key that it bore.
    pub call: CallId,
    /// The attempt.
    pub attempt: u32,
    /// JSON pointer of the calling task.
    pub reference: String,
    /// The arguments.
    pub arguments: Value,
    /// How many commits there were before it.
    pub commits: u64,
}

impl World {
    /// A worker got an attempt.
    pub(super) fn work(&mut self, attempt: &Attempt) -> Result<()> {
        let again = || Happening::Call(Box::new(attempt.clone()));
        if self.strikes(self.faults.worker) {
            self.counters.count("a worker died before the request");
            self.redeliver(again());
            return Ok(());
        }
        self.check_intent(attempt)?;
        self.requests.push(Request {
            call: attempt.call,
            attempt: attempt.attempt,
            reference: attempt.reference.clone(),
            arguments: attempt.arguments.clone(),
            commits: self.rows.commits,
        });
        let reaction = self.party.react(attempt).with_context(|| format!("request of {}", attempt.reference))?;
        if self.strikes(self.faults.worker) {
            self.counters.count("crash between effect and reply");
            self.redeliver(again());
            return Ok(());
        }
        if let Reaction::Reply { outcome, after_ms } = reaction {
            let happening = Happening::Outcome {
                instance: attempt.instance,
                call: attempt.call,
                attempt: attempt.attempt,
                outcome: Box::new(outcome),
            };
            self.answer(after_ms, happening);
        }
        Ok(())
    }

    /// Invariant: no request without a committed intent, and it is the request that was committed.
    fn check_intent(&self, attempt: &Attempt) -> Result<()> {
        let row = self.rows.calls.get(&attempt.call).context("a request without a committed intent")?;
        ensure!(row.attempt.attempt >= attempt.attempt, "attempt {} was never committed", attempt.attempt);
        ensure!(row.attempt.arguments == attempt.arguments, "a request differs from its intent: {attempt:?}");
        ensure!(row.commit <= self.rows.commits, "an intent that is yet to be committed");
        Ok(())
    }

    fn answer(&mut self, after_ms: u64, happening: Happening) {
        if after_ms == 0 {
            self.publish(happening);
            return;
        }
        // Loss and repetition are drawn now, the delay is added to the time that the answer takes.
        let now = self.now;
        self.now = now.plus_ms(after_ms);
        self.publish(happening);
        self.now = now;
    }
}
