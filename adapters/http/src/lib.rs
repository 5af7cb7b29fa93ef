//! The HTTP adapter: `call: http` of the DSL, and functions declared over an HTTP service.
//!
//! [`HttpAdapter`] is the built-in adapter `http` with the one function `request`; [`Service`] offers named functions of
//! one service (`call: charge@payments`). Both send through one [`Client`], which decides what a failure may have done
//! at the other side and whom may be talked to. Imports the SDK only.

mod authentication;
mod client;
mod digest;
mod failure;
mod guard;
mod request;
mod response;
mod service;
mod template;

pub use authentication::Authentication;
pub use client::Client;
pub use guard::{Destination, DestinationError, Reach};
pub use request::{HttpAdapter, HttpSettings, TRANSIENT};
pub use service::{Service, ServiceError, ServiceFunction, ServiceSettings};
