//! A store that fails for a while: nothing is asked of it until a pause is over, and nothing is lost meanwhile.

use std::time::Duration;

use sagabus_ports::{Error, Retry};

use super::Shell;
use crate::wake::Wake;

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause: how long work waits, at most, after the store is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Whether the store is asked.
pub(super) enum Health {
    /// It answers.
    Well,
    /// It failed last time, and is asked again after a pause.
    Failing {
        /// What it said.
        error: Error,
        /// How long the pause is.
        pause: Duration,
    },
    /// The pause is over: the next answer tells.
    Trying {
        /// How long the last pause was.
        pause: Duration,
    },
}

impl Health {
    /// The error with which starts are refused at once.
    pub(super) fn refusal(&self) -> Option<Error> {
        match self {
            Self::Failing { error, .. } => Some(retold(error)),
            Self::Well | Self::Trying { .. } => None,
        }
    }
}

impl Shell {
    /// Whether the store may be asked for anything now.
    pub(super) fn may_ask_store(&self) -> bool {
        !matches!(self.health, Health::Failing { .. })
    }

    /// The store answered. If it had failed, what it may have committed unheard is taken up as after a restart.
    pub(super) fn recovered(&mut self) {
        if let Health::Trying { .. } = self.health {
            tracing::info!("the store answers again");
            self.health = Health::Well;
            self.sweep_all = true;
        }
    }

    /// The store failed: pauses, or gives up if trying again does not help.
    pub(super) fn failed(&mut self, error: Error) -> Result<(), Error> {
        if error.retry == Retry::Never {
            return Err(error);
        }
        let pause = match self.health {
            Health::Well => FIRST_PAUSE,
            Health::Trying { pause } => (pause * 2).min(LONGEST_PAUSE),
            // Several questions were under way when it failed.
            Health::Failing { .. } => return Ok(()),
        };
        tracing::warn!(%error, ?pause, "the store failed: work waits, starts are refused");
        self.health = Health::Failing { error, pause };
        let inside = self.parts.inside.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            // A loop that has ended does not try again.
            let _ = inside.send(Wake::TryAgain);
        });
        Ok(())
    }

    /// The pause is over.
    pub(super) fn try_again(&mut self) {
        if let Health::Failing { pause, .. } = self.health {
            self.health = Health::Trying { pause };
        }
        for row in std::mem::take(&mut self.unprepared) {
            self.prepare_row(row);
        }
    }
}

/// The same error for one more receiver.
pub(super) fn retold(error: &Error) -> Error {
    let again = Error::new(error.kind, error.retry, error.operation.clone());
    match &error.source {
        Some(source) => again.caused_by(source.to_string()),
        None => again,
    }
}
