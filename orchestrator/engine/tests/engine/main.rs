//! The engine with the real core, the SQLite store and the bus in process, and third parties that follow a script.

mod events;
mod faults;
mod harness;
mod load;
mod restart;
mod starts;
mod subflows;
mod timers;
