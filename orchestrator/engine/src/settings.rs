//! What can be set about an engine.

use std::time::Duration;

use sagabus_core::decide::Environment;

/// What can be set about an engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What expressions see: `$runtime` and the shape of the secrets.
    pub environment: Environment,
    /// The partition whose outcomes this process takes.
    pub partition: u32,
    /// How many running instances are kept in memory between two causes, at most.
    pub cached_instances: usize,
    /// How often the store is asked for what other processes put there: deployments, and rows of the inbox.
    pub reconcile: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            environment: Environment {
                runtime: serde_json::json!({ "name": "sagabus", "version": env!("CARGO_PKG_VERSION"), "metadata": {} }),
                ..Environment::default()
            },
            partition: 0,
            // At some 20 KiB each this is 80 MiB at the very most; instances that wait are not kept at all.
            cached_instances: 4096,
            // Two small queries: nobody waits longer than this for a start that another process enqueued.
            reconcile: Duration::from_secs(1),
        }
    }
}
