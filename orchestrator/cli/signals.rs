//! Ctrl-C and SIGTERM.

use crate::exit::Refused;

/// Signals that ask this process to end.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to listen: from now on a signal no longer kills the process.
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, Refused> {
        use tokio::signal::unix::{SignalKind, signal};
        let refused = |error| Refused::unreachable(format!("cannot listen to signals: {error}"));
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(refused)?,
            interrupt: signal(SignalKind::interrupt()).map_err(refused)?,
        })
    }

    /// Begins to listen: from now on Ctrl-C no longer kills the process.
    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self, Refused> {
        Ok(Self {})
    }

    /// The next signal. Cancel-safe.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// The next signal.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
