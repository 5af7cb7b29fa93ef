//! The engine as a value: a plan, an instance, and `decide`, which turns a cause into facts and effects.
//!
//! Called by `engine` (which loads, commits and performs), by `dsl` (which builds plans) and by the simulator.
//! It imports nothing of ours, and does no I/O: time, ids and random numbers come in as values, so that a
//! journal replays to the same instance and years can be simulated in minutes. `clippy.toml` beside this
//! crate's manifest bans clocks, randomness, files, threads and the environment.

pub mod cause;
pub mod decide;
pub mod effect;
pub mod event;
pub mod expression;
pub mod fact;
pub mod id;
pub mod instance;
pub mod plan;
pub mod problem;
pub mod report;
pub mod retry;
pub mod schema;
pub mod suggest;
pub mod time;
