//! The demo's payment service: HTTP on a free port, with a ledger by idempotency key, as real ones have.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// This card is declined.
pub(super) const DECLINED: &str = "tok_declined";
/// With this card the service is too busy, twice, before it takes the money.
pub(super) const BUSY: &str = "tok_busy";

/// The running service; dropping it ends it.
pub(super) struct Payments {
    /// Where it listens.
    pub(super) address: SocketAddr,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Ledger {
    /// Idempotency key → what was answered: a charge that comes again is the same charge.
    done: HashMap<String, Value>,
    /// Idempotency key → how often it was asked for.
    asked: HashMap<String, u32>,
}

type Shared = Arc<Mutex<Ledger>>;
type Answer = (StatusCode, Json<Value>);

impl Payments {
    /// Starts the service.
    pub(super) async fn start() -> std::io::Result<Self> {
        let router = Router::new()
            .route("/payments/charges", post(charge))
            .route("/payments/refunds", post(refund))
            .with_state(Shared::default());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            // It ends with the demo; axum itself logs what goes wrong before.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, server })
    }
}

impl Drop for Payments {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn charge(State(ledger): State<Shared>, headers: HeaderMap, Json(request): Json<Value>) -> Answer {
    let card = request["card"].as_str().unwrap_or_default();
    if card == DECLINED {
        let problem = json!({ "title": "Card declined", "detail": "the bank of this card says no" });
        return (StatusCode::PAYMENT_REQUIRED, Json(problem));
    }
    once(&ledger, &headers, |times, number| {
        if card == BUSY && times <= 2 {
            let problem = json!({ "title": "Busy", "detail": "too many customers, come again" });
            return Err((StatusCode::SERVICE_UNAVAILABLE, Json(problem)));
        }
        Ok(json!({ "payment": format!("pay-{number}") }))
    })
}

async fn refund(State(ledger): State<Shared>, headers: HeaderMap) -> Answer {
    once(&ledger, &headers, |_, number| Ok(json!({ "refund": format!("ref-{number}") })))
}

/// Does something at most once for each idempotency key. `act` gets how often it was asked for, and a number for it.
fn once(ledger: &Shared, headers: &HeaderMap, act: impl FnOnce(u32, usize) -> Result<Value, Answer>) -> Answer {
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "title": "Without an Idempotency-Key" })));
    };
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(answer) = ledger.done.get(key) {
        return (StatusCode::OK, Json(answer.clone()));
    }
    let times = ledger.asked.entry(key.to_owned()).or_default();
    *times += 1;
    let times = *times;
    match act(times, ledger.done.len() + 1) {
        Ok(answer) => {
            ledger.done.insert(key.to_owned(), answer.clone());
            (StatusCode::CREATED, Json(answer))
        }
        Err(refusal) => refusal,
    }
}
