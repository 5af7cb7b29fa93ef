//! The HTTP API under `/api/v1`: start, show and list instances, send events. JSON in and out, errors as problem details.
//!
//! Called by the command line's `serve`. Imports `engine` for the running engine and `ports` and `core` for values; names
//! no driver. There is no authentication yet, so that whoever serves this must listen on a loopback address only; the
//! router itself refuses requests that a browser was tricked into (see [`guard`]).

mod body;
mod events;
mod guard;
mod instances;
mod problem;
mod workflows;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{Method, StatusCode, Uri},
    middleware,
    routing::{get, post},
};
use sagabus_engine::Handle;
use sagabus_ports::{Filter, Store};
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;

use crate::problem::Problem;

/// What the API works on.
#[derive(Clone)]
pub struct Api {
    /// The running engine.
    pub handle: Handle,
    /// Its store.
    pub store: Arc<dyn Store>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

/// The API's router.
pub fn router(api: Api) -> Router {
    let v1 = Router::new()
        .route("/workflows", get(workflows::list))
        .route("/workflows/{namespace}/{name}/instances", post(instances::start))
        .route("/instances", get(instances::list))
        .route("/instances/{id}", get(instances::show))
        .route("/events", post(events::send));
    Router::new()
        .route("/health", get(health))
        .nest("/api/v1", v1)
        .fallback(no_such_resource)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(guard::only_local))
        .with_state(api)
}

/// Healthy is who can read the store.
async fn health(State(api): State<Api>) -> Result<axum::Json<Value>, Problem> {
    api.store.list(Filter { limit: 1, ..Filter::default() }).await?;
    Ok(axum::Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })))
}

async fn no_such_resource(uri: Uri) -> Problem {
    let there_is = "/health, /api/v1/workflows, /api/v1/workflows/{namespace}/{name}/instances, /api/v1/instances, \
                    /api/v1/instances/{id}, /api/v1/events";
    Problem::new(StatusCode::NOT_FOUND, "no-such-resource", format!("there is no {}; there is {there_is}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let text = format!("{} takes no {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", text)
}
