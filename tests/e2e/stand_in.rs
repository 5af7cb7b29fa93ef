//! A third party over HTTP that remembers who asked for what, and can be told to keep its answers back.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::HeaderMap,
    routing::post,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

use crate::support::PATIENCE;

/// What was asked for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Asked {
    /// The last segment of the path.
    pub(crate) step: String,
    /// Member `order` of the body.
    pub(crate) order: String,
    /// The idempotency key.
    pub(crate) key: String,
}

/// The third party.
pub(crate) struct StandIn {
    /// `http://127.0.0.1:PORT`.
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    count: watch::Receiver<usize>,
    open: watch::Sender<bool>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    asked: Arc<Mutex<Vec<Asked>>>,
    count: watch::Sender<usize>,
    open: watch::Receiver<bool>,
}

impl StandIn {
    /// Starts it: `POST /{step}` is answered with `{"done": step}`.
    pub(crate) async fn start() -> Self {
        let (count, counted) = watch::channel(0);
        let (open, opened) = watch::channel(true);
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let shared = Shared { asked: asked.clone(), count, open: opened };
        let router = Router::new().route("/{step}", post(answer)).with_state(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, asked, count: counted, open, server }
    }

    /// Answers from now on, or keeps answers back.
    pub(crate) fn answer(&self, open: bool) {
        self.open.send_replace(open);
    }

    /// Waits until this many requests have come in all.
    pub(crate) async fn has_heard(&self, number: usize) {
        let mut count = self.count.clone();
        let heard = timeout(PATIENCE, count.wait_for(|count| *count >= number)).await;
        heard.unwrap_or_else(|_| panic!("fewer than {number} requests came")).expect("the server lives");
    }

    /// Everything that was asked for, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nobody panicked").clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State(mut shared): State<Shared>,
    Path(step): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Json<Value> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    let asked = Asked { step: step.clone(), order: text(&body["order"]), key };
    shared.asked.lock().expect("nobody panicked").push(asked);
    shared.count.send_modify(|count| *count += 1);
    // One order in ten is kept back while the door is shut, so that calls are met in the middle; more would take all the
    // attempts that a worker makes at one target at a time.
    let kept_back = body["order"].as_u64().is_some_and(|order| order % 10 == 1);
    if kept_back {
        let _ = shared.open.wait_for(|open| *open).await;
    }
    Json(json!({ "done": step }))
}
