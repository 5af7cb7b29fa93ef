//! Keeps web pages out. A page cannot read what another origin answers, but it can send requests, and by making its own
//! name resolve to 127.0.0.1 (DNS rebinding) it can even read: so the `Host` has to be a loopback name, and so has the
//! `Origin` where there is one. No CORS header is ever sent.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::problem::Problem;

/// Lets requests pass that were sent to this machine by its own name, by no page of another origin.
pub(crate) async fn only_local(request: Request, next: Next) -> Response {
    let host = request.uri().authority().map(Authority::as_str).or_else(|| text(request.headers(), &header::HOST));
    if !host.is_some_and(is_loopback) {
        let detail = "the Host has to be localhost or a loopback address";
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, "foreign-host", detail).into_response();
    }
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let local =
            origin.to_str().ok().and_then(|origin| origin.split_once("://")).is_some_and(|(_, at)| is_loopback(at));
        if !local {
            let detail = "requests of web pages from elsewhere are refused";
            return Problem::new(StatusCode::FORBIDDEN, "foreign-origin", detail).into_response();
        }
    }
    next.run(request).await
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether `host[:port]` names this machine to itself.
fn is_loopback(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_names_of_this_machine_pass() {
        for host in ["localhost", "LOCALHOST:7300", "127.0.0.1:7300", "127.0.0.2", "[::1]:7300"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["", "example.com", "127.0.0.1.example.com", "localhost.example.com:7300", "0.0.0.0:7300", "10.0.0.1"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
