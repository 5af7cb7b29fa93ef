//! What a failure may have done at the other side.

use std::error::Error;

use reqwest::{Method, StatusCode};
use sagabus_adapter_sdk::{EffectState, Failure, Problem, Standard};
use serde_json::Value;

use crate::{
    client::{LARGEST_RESPONSE, Outgoing, Received},
    guard::Denied,
};

/// How much of an error response's body goes into the error.
const BODY_SHOWN_BYTES: usize = 2048;

/// Whether a request can change anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effects {
    /// It can.
    Possible,
    /// It cannot: its method is safe (RFC 9110, section 9.2.1), or it is declared to read only.
    Never,
}

impl Effects {
    pub(crate) fn of(method: &Method) -> Self {
        if method.is_safe() { Self::Never } else { Self::Possible }
    }

    fn unless_never(self, effect: EffectState) -> EffectState {
        match self {
            Self::Possible => effect,
            Self::Never => EffectState::None,
        }
    }
}

/// No response, or half of one.
pub(crate) fn transport(error: reqwest::Error, request: &Outgoing) -> Failure {
    if let Some(denied) = source::<Denied>(&error) {
        return denied.into();
    }
    // Before there is a connection nothing can have been sent: unresolved, refused, TLS not agreed, request not built.
    let sent = !(error.is_connect() || error.is_dns() || error.is_builder());
    let effect = if sent { EffectState::Unknown } else { EffectState::None };
    let what = if error.is_timeout() {
        "timed out"
    } else if error.is_dns() {
        "found no address"
    } else if error.is_connect() {
        "could not connect"
    } else if error.is_decode() || error.is_body() {
        "lost the response"
    } else {
        "got no response"
    };
    let standard = if error.is_timeout() { Standard::Timeout } else { Standard::Communication };
    let causes = causes(&error.without_url());
    Failure {
        error: Problem::standard(standard, format!("{} {what}: {causes}", name(request))),
        effect: request.effects.unless_never(effect),
    }
}

/// A response with a status that is not accepted.
pub(crate) fn status(received: &Received, request: &Outgoing) -> Failure {
    let status = received.status;
    // A 303 and, by habit, a 301 or 302 answer a request that was carried out; 307 and 308 one that was not.
    let effect = match status.as_u16() {
        307 | 308 | 400..=499 => EffectState::None,
        _ => EffectState::Unknown,
    };
    // Every problem of a call is one of communication (DSL, "Supported Protocols"); the status says which.
    let mut error = Problem::standard(Standard::Communication, format!("{} answered {status}", name(request)));
    error.status = status.as_u16();
    describe(&mut error, received);
    Failure { error, effect: request.effects.unless_never(effect) }
}

/// A response that says one thing and is another.
pub(crate) fn garbage(why: &str, request: &Outgoing) -> Failure {
    Failure {
        error: Problem::standard(Standard::Communication, format!("{} answered {why}", name(request))),
        effect: request.effects.unless_never(EffectState::Unknown),
    }
}

/// A response that is larger than is read.
pub(crate) fn too_large(status: StatusCode, request: &Outgoing) -> Failure {
    garbage(&format!("{status} with more than {LARGEST_RESPONSE} bytes, which is more than is read"), request)
}

/// What the other side says about its error: problem details (RFC 9457), or the beginning of its text.
fn describe(error: &mut Problem, received: &Received) {
    let body: Option<Value> = serde_json::from_slice(&received.body).ok();
    let said = |name: &str| body.as_ref()?.get(name)?.as_str().map(str::to_owned);
    if let Some(title) = said("title") {
        error.title = Some(title);
        if let Some(detail) = said("detail") {
            error.detail = Some(detail);
        }
        return;
    }
    let shown = &received.body[..received.body.len().min(BODY_SHOWN_BYTES)];
    let text = String::from_utf8_lossy(shown);
    if let (Some(detail), false) = (&mut error.detail, text.trim().is_empty()) {
        detail.push_str(": ");
        detail.push_str(text.trim());
    }
}

/// Method and URL without what may be private in it.
fn name(request: &Outgoing) -> String {
    let url = &request.url;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{} {}://{}{port}{}", request.method, url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

fn causes(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Libraries repeat what they wrap.
        if !said.contains(&text) {
            said.push_str(": ");
            said.push_str(&text);
        }
        source = cause.source();
    }
    said
}

fn source<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut source = Some(error);
    while let Some(cause) = source {
        if let Some(found) = cause.downcast_ref::<T>() {
            return Some(found);
        }
        source = cause.source();
    }
    None
}
