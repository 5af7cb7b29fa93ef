//! What an adapter is, and the worker that hosts adapters.
//!
//! An adapter wraps one kind of third-party system and offers *functions*. Implement [`Adapter`]; the worker loop does
//! the rest: takes attempts from the bus, checks deadlines and arguments, limits concurrency, resolves secrets, and
//! answers. Imports `ports` (for the bus) and `core` (for values); knows no store, no engine and no workflow.

mod adapter;
mod hosted;
mod secrets;
mod worker;

pub use adapter::{Adapter, Call, Failure, Function, Idempotency, Manifest, Unknown};
pub use async_trait::async_trait;
pub use deadpool;
pub use sagabus_core::{
    cause::{EffectState, Outcome},
    id::InstanceId,
    problem::{Problem, Standard},
    schema::Schema,
    suggest::closest,
};
pub use secrets::{ENVIRONMENT_PREFIX, Secrets, SecretsError};
pub use tokio_util::sync::CancellationToken;
pub use worker::{Counts, Worker, WorkerSettings};
