//! What the tests share: a world in virtual time round the pure core, runs of it by script, random workflows and faults
//! by seed, and the records by which both are judged.
//!
//! Used by tests only. It imports `core`, `dsl` and `ports`, and never the engine: the world here is a second, much smaller
//! shell round the same `decide`, so that a mistake in the one is not repeated in the other.

pub mod golden;
pub mod grammar;
pub mod model_store;
pub mod random;
pub mod script;
pub mod simulation;
pub mod stored;
pub mod world;
