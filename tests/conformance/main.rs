//! Every question to a store or a bus, asked once, of every driver: `store` and `bus` ask, and a driver joins each suite
//! with one line.

mod bus;
mod fixtures;
mod store;
