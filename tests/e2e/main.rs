//! The real binary, as people and scripts use it: streams, exit codes, JSON, HTTP, and what is left after `kill -9`.

mod check;
mod crash;
mod demo;
mod enqueue;
mod isolation;
mod memory;
mod reload;
mod run;
mod secrets;
mod serve;
mod stand_in;
mod support;
