//! The thin shell round the core: load → decide → commit → perform. It never decides.
//!
//! Called by `api` and by the command line. Imports `core`, `dsl` and `ports`; names no driver and no adapter.

mod catalogue;
mod handle;
mod settings;

pub use catalogue::{DeployError, Deployed};
pub use handle::{Accepted, Engine, Handle, Progress, StartError, StartRequest, read_report};
pub use settings::Settings;
