//! The thin shell round the core: load → decide → commit → perform. It never decides.
//!
//! Called by `api` and by the command line. Imports `core`, `dsl` and `ports`; names no driver and no adapter.
//! `shell` is the loop and owns all state; `handle` is its door; `intake` listens to the bus, `sweep` looks through the
//! store, `deciders` call the core, `publisher` performs.

mod catalogue;
mod cloud_event;
mod deciders;
mod gauges;
mod handle;
mod intake;
mod lifecycle;
mod loading;
mod outgoing;
mod publisher;
mod settings;
mod shell;
mod slots;
mod starting;
mod sweep;
mod version;
mod wake;

pub use catalogue::{DeployError, Deployed};
pub use gauges::Gauges;
pub use handle::{Accepted, Engine, Handle, Progress, StartError, StartRequest};
pub use loading::read_report;
pub use settings::Settings;
pub use starting::{check_start, input_digest};
