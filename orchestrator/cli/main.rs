//! The command line, and the only composition root: names every concrete store, bus and adapter, and is imported by nobody.
//!
//! `arguments` says what can be typed, `settings` joins it with environment and `sagabus.toml`, `compose` builds a node
//! out of store, bus, engine and adapters, and `commands` has one file for each command. Data goes to stdout, everything
//! else to stderr; [`exit::Exit`] lists the exit codes.

mod arguments;
mod commands;
mod compose;
mod exit;
mod files;
mod input;
mod lookup;
mod print;
mod progress;
mod settings;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::{
    arguments::{Arguments, Command},
    exit::{Exit, Refused},
};

fn main() -> ExitCode {
    // Before anything opens a connection. It fails only if a provider is there already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    let ended = listen_in(&arguments).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("sagabus")
            .build()
            .map_err(|error| Refused::unreachable(format!("cannot start threads: {error}")))?;
        let ended = runtime.block_on(commands::perform(arguments));
        // A blocking read of stdin must not keep a finished process alive.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(exit) => exit.into(),
        Err(refused) => {
            print::note(&format!("error: {}", refused.text));
            refused.exit.into()
        }
    }
}

/// Sends the log to stderr. Who serves wants to see what happens; who runs one workflow wants to see that workflow.
fn listen_in(arguments: &Arguments) -> Result<(), Refused> {
    let default = if matches!(arguments.command, Command::Serve(_)) { "info" } else { "warn" };
    let text = arguments.log.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(text).map_err(|error| {
        Refused::wrong(format!(
            "`{text}` is no log filter: {error}; use a level such as `info`, or `sagabus_engine=debug`"
        ))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(print::errors_in_colour())
        .init();
    Ok(())
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
