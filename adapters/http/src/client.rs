//! Sending a request and reading the response, within limits.

use std::{error::Error, sync::Arc, time::Duration};

use reqwest::{
    Method, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use sagabus_adapter_sdk::{Failure, Standard};

use crate::{
    authentication::Authentication,
    digest::Challenge,
    failure::{self, Effects},
    guard::{Guard, Reach},
};

/// Largest response body in bytes, decompressed: one response must not take the memory of the others.
pub(crate) const LARGEST_RESPONSE: usize = 4 * 1024 * 1024;

/// Who does not accept a connection within this time is down; nothing was sent to it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections kept open per host while nobody uses them.
const IDLE_PER_HOST: usize = 16;

/// An HTTP client: no proxies from the environment, no redirects followed, no request repeated.
#[derive(Clone)]
pub struct Client {
    inner: reqwest::Client,
    guard: Arc<Guard>,
}

/// A request, ready to be sent.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) authentication: Option<Authentication>,
    /// What its failures may have done.
    pub(crate) effects: Effects,
}

/// A response, read to its end.
pub(crate) struct Received {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// A client with its own pool that talks to whom `reach` allows.
    ///
    /// # Errors
    /// TLS cannot be set up: the system's trusted certificates cannot be loaded.
    pub fn new(reach: Reach) -> Result<Self, Box<dyn Error + Send + Sync>> {
        // reqwest panics without a provider of cryptography; whoever installed one before keeps it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Arc::new(Guard::new(reach));
        let inner = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .user_agent(concat!("sagabus/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(guard.clone())
            .build()?;
        Ok(Self { inner, guard })
    }

    /// Sends a request and reads the response, whatever its status is.
    ///
    /// # Errors
    /// No response, or none that could be read to its end; the failure says what may have happened.
    pub(crate) async fn send(&self, request: &Outgoing) -> Result<Received, Failure> {
        self.guard.check(&request.url)?;
        match &request.authentication {
            None => self.send_once(request, None).await,
            Some(Authentication::Digest { username, password }) => self.send_digest(request, username, password).await,
            Some(other) => self.send_once(request, other.header()?).await,
        }
    }

    /// A request is sent without credentials first, to be challenged. It was refused unread then, so that to send it again
    /// is no repetition.
    async fn send_digest(&self, request: &Outgoing, username: &str, password: &str) -> Result<Received, Failure> {
        let refused = self.send_once(request, None).await?;
        match Challenge::choose(&refused.headers).filter(|_| refused.status == StatusCode::UNAUTHORIZED) {
            None => Ok(refused),
            Some(challenge) => {
                self.send_once(request, Some(sensitive(&challenge.answer(request, username, password))?)).await
            }
        }
    }

    async fn send_once(&self, request: &Outgoing, authorization: Option<HeaderValue>) -> Result<Received, Failure> {
        let mut builder =
            self.inner.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        if let Some(authorization) = authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let failed = |error| failure::transport(error, request);
        let mut response = builder.send().await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > LARGEST_RESPONSE {
                return Err(failure::too_large(response.status(), request));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Received { status: response.status(), headers: response.headers().clone(), body })
    }
}

/// Headers that the client writes itself; another value would let one request pass for two.
const FRAMING: [&str; 5] = ["connection", "content-length", "transfer-encoding", "upgrade", "te"];

/// A header whose name and value can be nothing but that: no line ends, no framing.
pub(crate) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let refused = |why: &str| Failure::without_effect(Standard::Validation, format!("the header `{name}` {why}"));
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused("has no valid name"))?;
    if FRAMING.contains(&parsed.as_str()) {
        return Err(refused("is written by the client and cannot be set"));
    }
    let value =
        HeaderValue::from_str(value).map_err(|_| refused("has a value with characters that no header may have"))?;
    Ok((parsed, value))
}

/// A header value that no debug output shows.
pub(crate) fn sensitive(value: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        Failure::without_effect(Standard::Validation, "the credentials contain characters that no header may have")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
