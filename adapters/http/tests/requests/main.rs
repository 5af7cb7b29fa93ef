//! The HTTP adapter against a server on loopback that misbehaves on demand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod stand_in;

use sagabus_adapter_http::{
    Authentication, Client, HttpAdapter, HttpSettings, Reach, Service, ServiceFunction, ServiceSettings,
};
use sagabus_adapter_sdk::{Adapter, Call, EffectState, Failure, Function};
use serde_json::{Value, json};

use crate::stand_in::{Answer, StandIn, json, response};

fn call(function: &str, arguments: Value) -> Call {
    Call { key: "the-key".to_owned(), ..Call::new(function, arguments) }
}

async fn request(arguments: Value) -> Result<Value, Failure> {
    let client = Client::new(Reach::Everyone).unwrap();
    HttpAdapter::new(client, HttpSettings::default()).call(call("request", arguments)).await
}

/// The outcome of a request with this method to a server that answers so.
async fn outcome(method: &str, answer: Answer) -> Result<Value, Failure> {
    let server = StandIn::start(vec![answer]).await;
    request(json!({ "method": method, "endpoint": server.base })).await
}

async fn failed(method: &str, answer: Answer) -> (u16, EffectState, String) {
    let failure = outcome(method, answer).await.unwrap_err();
    let kind = failure.error.kind.rsplit('/').next().unwrap_or_default().to_owned();
    (failure.error.status, failure.effect, kind)
}

#[tokio::test]
async fn a_request_is_what_its_arguments_say() {
    let mut server = StandIn::start(vec![json(r#"{"ok":true}"#)]).await;
    let arguments = json!({
        "method": "post",
        "endpoint": { "uri": format!("{}/a%20b?x=1", server.base) },
        "headers": { "X-Number": 7, "X-None": null },
        "query": { "q": "ü&=", "list": [1, 2], "none": null },
        "body": { "a": [1, "two"] },
    });
    assert_eq!(request(arguments).await.unwrap(), json!({ "ok": true }));
    let sent = server.request().await;
    assert!(sent.starts_with("post /a%20b?x=1&q=%c3%bc%26%3d&list=1&list=2 http/1.1\r\n"), "{sent}");
    for line in ["x-number: 7", "content-type: application/json", "idempotency-key: the-key"] {
        assert!(sent.lines().any(|sent| sent == line), "{line} in {sent}");
    }
    assert!(sent.ends_with("\n\n{\"a\":[1,\"two\"]}") && !sent.contains("x-none"), "{sent}");
}

#[tokio::test]
async fn bodies_are_text_forms_or_json_and_the_authors_key_wins() {
    for (headers, body, kind, sent_body) in [
        (json!({}), json!("text"), "content-type: text/plain; charset=utf-8", "text"),
        (json!({ "Content-Type": "application/xml" }), json!("<a/>"), "content-type: application/xml", "<a/>"),
        (
            json!({ "content-type": "application/x-www-form-urlencoded", "idempotency-key": "mine" }),
            json!({ "a": "b c", "d": 1 }),
            "idempotency-key: mine",
            "a=b+c&d=1",
        ),
        (json!({}), json!([1]), "content-type: application/json", "[1]"),
    ] {
        let mut server = StandIn::start(vec![json("null")]).await;
        request(json!({ "method": "PUT", "endpoint": server.base, "headers": headers, "body": body })).await.unwrap();
        let sent = server.request().await;
        assert!(sent.lines().any(|line| line == kind) && sent.ends_with(&format!("\n\n{sent_body}")), "{sent}");
    }
}

#[tokio::test]
async fn content_is_read_by_its_type() {
    for (headers, body, expected) in [
        ("content-type: application/json\r\n", r#"{"a":1}"#, json!({ "a": 1 })),
        ("content-type: application/vnd.x+json; charset=utf-8\r\n", "[1]", json!([1])),
        ("content-type: text/plain\r\n", "hello", json!("hello")),
        ("content-type: application/octet-stream\r\n", "hello", json!("aGVsbG8=")),
        ("", r#"{"a":1}"#, json!({ "a": 1 })),
        ("", "hello", json!("hello")),
        ("content-type: application/json\r\n", "", Value::Null),
    ] {
        assert_eq!(outcome("GET", response("200 OK", headers, body)).await.unwrap(), expected, "{headers}{body}");
    }
}

#[tokio::test]
async fn output_can_be_raw_or_everything() {
    let server =
        StandIn::start(vec![response("201 Created", "content-type: application/json\r\nx-a: 1\r\nx-a: 2\r\n", "[1]")])
            .await;
    let raw = json!({ "method": "get", "endpoint": server.base, "output": "raw" });
    assert_eq!(request(raw).await.unwrap(), json!("WzFd"));
    let all = json!({ "method": "get", "endpoint": server.base, "output": "response",
                      "authentication": { "scheme": "bearer", "token": "t0ken" } });
    let all = request(all).await.unwrap();
    assert_eq!(
        (&all["statusCode"], &all["content"], &all["headers"]["x-a"]),
        (&json!(201), &json!([1]), &json!("1, 2"))
    );
    assert_eq!(all["request"]["method"], "get");
    assert_eq!(all["request"]["uri"], json!(format!("{}/", server.base)));
    assert!(!all.to_string().contains("t0ken"), "{all}");
}

#[tokio::test]
async fn statuses_are_errors_with_an_honest_effect() {
    use EffectState::{None, Unknown};
    for (status, method, kind, effect) in [
        ("400 Bad Request", "POST", "communication", None),
        ("401 Unauthorized", "POST", "communication", None),
        ("403 Forbidden", "POST", "communication", None),
        ("409 Conflict", "POST", "communication", None),
        ("500 Internal Server Error", "POST", "communication", Unknown),
        ("503 Service Unavailable", "DELETE", "communication", Unknown),
        ("503 Service Unavailable", "GET", "communication", None),
        ("303 See Other", "POST", "communication", Unknown),
        ("307 Temporary Redirect", "POST", "communication", None),
    ] {
        let code: u16 = status[..3].parse().unwrap();
        let got = failed(method, response(status, "location: http://127.0.0.1:1/\r\n", "why")).await;
        assert_eq!(got, (code, effect, kind.to_owned()), "{method} {status}");
    }
}

#[tokio::test]
async fn a_redirection_is_an_error_unless_it_is_wanted_and_is_never_followed() {
    let server = StandIn::start(vec![response("302 Found", "location: http://127.0.0.1:1/\r\n", "")]).await;
    let wanted = json!({ "method": "get", "endpoint": server.base, "redirect": true, "output": "response" });
    let answer = request(wanted).await.unwrap();
    assert_eq!((&answer["statusCode"], &answer["headers"]["location"]), (&json!(302), &json!("http://127.0.0.1:1/")));
}

#[tokio::test]
async fn problem_details_of_the_service_are_passed_on() {
    let body = r#"{"title":"Card declined","detail":"no money","status":402}"#;
    let failure = outcome("POST", response("402 Payment Required", "", body)).await.unwrap_err();
    assert_eq!(
        (failure.error.title.as_deref(), failure.error.detail.as_deref()),
        (Some("Card declined"), Some("no money"))
    );
    let failure = outcome("POST", response("402 Payment Required", "", "no money")).await.unwrap_err();
    assert!(failure.error.detail.unwrap().ends_with("answered 402 Payment Required: no money"));
}

#[tokio::test]
async fn what_was_never_sent_has_no_effect() {
    for endpoint in ["http://127.0.0.1:1/", "http://none.invalid/", "https://127.0.0.1:1/", "relative/path", "ftp://x/"]
    {
        let failure = request(json!({ "method": "post", "endpoint": endpoint })).await.unwrap_err();
        assert_eq!(failure.effect, EffectState::None, "{endpoint}: {failure:?}");
    }
    // A server without TLS: the handshake fails.
    let server = StandIn::start(vec![Answer::Bytes(b"no TLS here".to_vec())]).await;
    let endpoint = server.base.replace("http:", "https:");
    let failure = request(json!({ "method": "post", "endpoint": endpoint })).await.unwrap_err();
    assert_eq!(failure.effect, EffectState::None, "{failure:?}");
    for headers in [json!({ "X-A": "1\r\nX-B: 2" }), json!({ "X A": "1" }), json!({ "Content-Length": "0" })] {
        let failure =
            request(json!({ "method": "post", "endpoint": server.base, "headers": headers })).await.unwrap_err();
        assert_eq!((failure.error.status, failure.effect), (400, EffectState::None), "{headers}");
    }
}

#[tokio::test]
async fn what_was_lost_on_the_way_has_an_unknown_effect() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let large = "x".repeat(5 * 1024 * 1024);
    for (what, answer) in [
        ("closed before the response", Answer::Nothing),
        ("closed within the head", Answer::Bytes(head.as_bytes().to_vec())),
        ("closed within the body", Answer::Bytes(format!("{head}content-length: 100\r\n\r\n{{\"a\":").into_bytes())),
        ("not HTTP", Answer::Bytes(b"garbage\r\n\r\n".to_vec())),
        ("not JSON", json("{oops")),
        ("too large", response("200 OK", "", &large)),
    ] {
        let failure = outcome("POST", answer.clone()).await.unwrap_err();
        assert_eq!(failure.effect, EffectState::Unknown, "{what}: {failure:?}");
        assert_eq!(outcome("GET", answer).await.unwrap_err().effect, EffectState::None, "{what}, but only read");
    }
}

#[tokio::test]
async fn a_dropped_request_closes_its_connection() {
    let mut server = StandIn::start(vec![Answer::Silence, json("1")]).await;
    let attempt = tokio::spawn(request(json!({ "method": "post", "endpoint": server.base })));
    server.request().await;
    attempt.abort();
    assert!(attempt.await.unwrap_err().is_cancelled());
    assert_eq!(request(json!({ "method": "post", "endpoint": server.base })).await.unwrap(), json!(1));
}

#[tokio::test]
async fn credentials_are_sent_and_a_digest_only_when_challenged() {
    let mut server = StandIn::start(vec![json("1")]).await;
    let with =
        |authentication: Value| json!({ "method": "get", "endpoint": server.base, "authentication": authentication });
    let (basic, bearer) = (
        with(json!({ "scheme": "basic", "username": "anna", "password": "secret" })),
        with(json!({ "scheme": "bearer", "token": "abc" })),
    );
    request(basic).await.unwrap();
    assert!(server.request().await.contains("authorization: basic yw5uytpzzwnyzxq="));
    request(bearer).await.unwrap();
    assert!(server.request().await.contains("authorization: bearer abc"));

    let challenge = "www-authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n";
    let mut server = StandIn::start(vec![response("401 Unauthorized", challenge, ""), json("2")]).await;
    let digest = json!({ "scheme": "digest", "username": "anna", "password": "secret" });
    let arguments = json!({ "method": "get", "endpoint": format!("{}/x?y", server.base), "authentication": digest });
    assert_eq!(request(arguments).await.unwrap(), json!(2));
    assert!(!server.request().await.contains("authorization"));
    let answered = server.request().await;
    assert!(
        answered.contains("authorization: digest username=\"anna\", realm=\"r\", nonce=\"n\", uri=\"/x?y\""),
        "{answered}"
    );
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_unless_they_are_named() {
    let mut server = StandIn::start(vec![json("1")]).await;
    let port = server.base.rsplit(':').next().unwrap().to_owned();
    let with = |allowed: &[&str]| {
        let allowed = allowed.iter().map(|text| text.parse().unwrap()).collect();
        HttpAdapter::new(Client::new(Reach::Public(allowed)).unwrap(), HttpSettings::default())
    };
    for host in ["127.0.0.1", "localhost"] {
        let arguments = json!({ "method": "get", "endpoint": format!("http://{host}:{port}/") });
        let failure = with(&["10.0.0.0/8"]).call(call("request", arguments.clone())).await.unwrap_err();
        assert_eq!((failure.error.status, failure.effect), (403, EffectState::None), "{failure:?}");
        assert!(failure.error.detail.unwrap().contains("`allow`"));
        let allowed = with(&["127.0.0.0/8", "::1"]).call(call("request", arguments)).await;
        assert_eq!(allowed.unwrap(), json!(1));
        server.request().await;
    }
}

#[tokio::test]
async fn functions_of_a_service_put_their_arguments_where_they_belong() {
    let mut server = StandIn::start(vec![json("1")]).await;
    let declared = |name: &str, method: &str, path: &str| ServiceFunction {
        function: Function::new(name, ""),
        method: method.to_owned(),
        path: path.to_owned(),
        query: vec!["currency".to_owned()],
        headers: [("X-Customer".to_owned(), "customer".to_owned())].into(),
        read: false,
    };
    let service = Service::new(
        Client::new(Reach::Everyone).unwrap(),
        ServiceSettings {
            name: "payments".to_owned(),
            version: "1.0.0".to_owned(),
            base: format!("{}/v1/", server.base),
            headers: [("X-Tenant".to_owned(), "t".to_owned())].into(),
            authentication: Some(Authentication::Bearer { token: "abc".to_owned() }),
            concurrency: None,
            functions: vec![
                declared("charge", "post", "/orders/{order}/charges"),
                declared("find", "GET", "/orders/{order}"),
            ],
        },
    )
    .unwrap();
    let arguments = json!({ "order": "a/1", "currency": "EUR", "customer": 7, "amount": 10 });
    assert_eq!(service.call(call("charge", arguments.clone())).await.unwrap(), json!(1));
    let sent = server.request().await;
    assert!(sent.starts_with("post /v1/orders/a%2f1/charges?currency=eur http/1.1\r\n"), "{sent}");
    for line in ["x-customer: 7", "x-tenant: t", "authorization: bearer abc", "idempotency-key: the-key"] {
        assert!(sent.lines().any(|sent| sent == line), "{line} in {sent}");
    }
    assert!(sent.ends_with("\n\n{\"amount\":10}"), "{sent}");
    service.call(call("find", arguments)).await.unwrap();
    let sent = server.request().await;
    assert!(
        sent.starts_with("get /v1/orders/a%2f1?currency=eur&amount=10 http/1.1\r\n") && sent.ends_with("\n\n"),
        "{sent}"
    );
    let failure = service.call(call("find", json!({ "order": ".." }))).await.unwrap_err();
    assert_eq!((failure.error.status, failure.effect), (400, EffectState::None));
}
