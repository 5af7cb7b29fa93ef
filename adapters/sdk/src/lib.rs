//! What an adapter is, and the worker that hosts adapters.
//!
//! An adapter wraps one kind of third-party system and offers *functions*. Implement [`Adapter`]; the worker loop does
//! the rest: takes attempts from the bus, checks deadlines and arguments, limits concurrency, resolves secrets, and
//! answers. Imports `ports` (for the bus) and `core` (for values); knows no store, no engine and no workflow.

mod adapter;
mod secrets;
mod worker;

pub use adapter::{Adapter, Call, Failure, Function, Idempotency, Manifest, Unknown};
pub use deadpool;
pub use sagabus_core::{
    cause::{EffectState, Outcome},
    problem::{Problem, Standard},
};
