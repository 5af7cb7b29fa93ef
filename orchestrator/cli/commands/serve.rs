//! `serve`: the engine with its HTTP API, adapters, and a folder of workflows.

mod reload;

use std::{net::SocketAddr, path::Path, time::Duration};

use sagabus_adapters::Trust;
use sagabus_api::Api;
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::{
    arguments::Serve,
    compose::{self, Node, Recipe},
    exit::{Exit, Refused},
    print,
    settings::{DEFAULT_BUS, DEFAULT_LISTEN, Settings},
    signals::Signals,
};

/// How long calls under way may go on once it stops: short enough for service managers, which kill after 90 seconds.
const GRACE: Duration = Duration::from_secs(20);

/// How long requests under way may go on once it stops: those that wait for an instance would take a minute.
const REQUEST_GRACE: Duration = Duration::from_secs(2);

/// Serves until a signal comes.
pub(crate) async fn perform(serve: Serve, config: Option<&Path>) -> Result<Exit, Refused> {
    let settings = Settings::read(config, None)?;
    compose::check_bus(serve.bus.as_deref().or(settings.bus.as_deref()).unwrap_or(DEFAULT_BUS))?;
    let listen = serve.listen.as_deref().or(settings.listen.as_deref()).unwrap_or(DEFAULT_LISTEN);
    let address = loopback(listen).await?;
    let mut signals = Signals::listen()?;
    let in_use = |error| Refused::unreachable(format!("cannot listen on {address}: {error}; use another --listen"));
    let listener = TcpListener::bind(address).await.map_err(in_use)?;
    let address = listener.local_addr().map_err(in_use)?;
    let secrets = compose::secrets(serve.hosting.secrets.as_deref().or(settings.secrets.as_deref()))?;
    let adapters = compose::adapters(&settings, &serve.hosting, Trust::Configuration, &secrets)?;
    let hosted = compose::names(&adapters);
    let node = Node::start(Recipe {
        database: settings.database(serve.database.db.as_deref()),
        adapters,
        secrets,
        grace: GRACE,
    })
    .await?;
    let workflows = serve.workflows.as_deref().or(settings.workflows.as_deref());
    let reloading = match workflows {
        Some(folder) => Some(reload::begin(node.handle.clone(), hosted, folder).await?),
        None => None,
    };
    let stop = tokio_util::sync::CancellationToken::new();
    let router = sagabus_api::router(Api { handle: node.handle.clone(), store: node.store.clone() });
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let mut server = tokio::spawn(async move { server.await });
    print::data(&format!("listening on http://{address}"));

    signals.next().await;
    info!("stopping");
    stop.cancel();
    drop(reloading);
    if tokio::time::timeout(REQUEST_GRACE, &mut server).await.is_err() {
        warn!("requests under way are cut off");
        server.abort();
    }
    let impatient = tokio::spawn(async move {
        signals.next().await;
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    node.stop().await;
    impatient.abort();
    Ok(Exit::Done)
}

/// The address to listen on. Only of this machine: there is no authentication yet.
async fn loopback(listen: &str) -> Result<SocketAddr, Refused> {
    let mut addresses = tokio::net::lookup_host(listen).await.map_err(|error| {
        Refused::wrong(format!("--listen `{listen}` is no address: {error}; write 127.0.0.1:7300, port included"))
    })?;
    match addresses.next() {
        Some(address) if address.ip().is_loopback() => Ok(address),
        _ => Err(Refused::wrong(format!(
            "--listen `{listen}` is reached from elsewhere, and there is no authentication in this version; use a \
             loopback address such as {DEFAULT_LISTEN}, behind a proxy that asks who is there"
        ))),
    }
}
