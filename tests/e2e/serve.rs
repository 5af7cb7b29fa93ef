//! `serve` and its HTTP API.

use serde_json::json as value;

use crate::support::{Place, Server, json, workflow};

const DOUBLE: &str = "do:\n- double:\n    set: { twice: '${ .number * 2 }' }";

fn double() -> Place {
    let place = Place::new();
    place.file("flows/double.yaml", &workflow("double", "1.0.0", DOUBLE));
    place
}

async fn serve(place: &Place) -> Server {
    place.serve(&["--workflows", "flows"]).await
}

#[tokio::test]
async fn instances_are_started_shown_and_listed_over_http() {
    let place = double();
    let server = serve(&place).await;
    let (status, health) = server.get("/health").await;
    assert_eq!((status, &health["status"]), (200, &value!("ok")));
    let (_, workflows) = server.get("/api/v1/workflows").await;
    assert_eq!(workflows["workflows"][0]["name"], "double");

    let path = "/api/v1/workflows/test/double/instances";
    let key = [("idempotency-key", "k-1")];
    let (status, told) = server.post(path, &key, &value!({"number": 21})).await;
    assert_eq!((status, &told["key"], &told["repeated"]), (202, &value!("k-1"), &value!(false)), "{told}");
    let id = told["id"].as_str().expect("an id");
    let report = server.ended(id).await;
    assert_eq!((&report["status"], &report["output"]), (&value!("completed"), &value!({"twice": 42})));

    let (status, again) = server.post(path, &key, &value!({"number": 21})).await;
    assert_eq!((status, &again["id"], &again["repeated"]), (202, &told["id"], &value!(true)));
    let result = (&again["status"], &again["output"], &again["error"]);
    assert_eq!(result, (&value!("completed"), &report["output"], &value!(null)), "{again}");
    let (status, conflict) = server.post(path, &key, &value!({"number": 22})).await;
    assert_eq!((status, &conflict["code"], &conflict["instanceId"]), (409, &value!("key-conflict"), &told["id"]));

    let (_, listed) = server.get("/api/v1/instances?workflow=double&status=completed").await;
    assert_eq!(listed["instances"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["instances"][0]["id"], told["id"]);
    let (_, none) = server.get("/api/v1/instances?status=faulted").await;
    assert_eq!(none["instances"], value!([]));

    let shown = place.sagabus(&["instances", "show", id, "--json"]).await;
    assert_eq!((shown.code, json(&shown.stdout)), (Some(0), report), "beside the server: {}", shown.stderr);
    server.stop().await;
}

#[tokio::test]
async fn errors_are_problem_details_with_stable_codes() {
    let place = double();
    let schema = "input: { schema: { format: json, document: { required: [ number ] } } }\n";
    place.file("flows/strict.yaml", &workflow("strict", "1.0.0", &format!("{schema}{DOUBLE}")));
    let server = serve(&place).await;
    let path = format!("{}/api/v1/workflows/test/double/instances", server.address);
    let post =
        |body: &'static str, kind: &'static str| server.client.post(&path).header("content-type", kind).body(body);
    let large = format!("{{\"number\": 1, \"text\": \"{}\"}}", "x".repeat(1024 * 1024));
    let cases = [
        (post("{\"number\": }", "application/json"), 400, "bad-json"),
        (post("number: 1", "application/yaml"), 415, "wrong-content-type"),
        (server.client.post(&path).header("content-type", "application/json").body(large), 413, "too-large"),
        (post("{}", "application/json").header("sagabus-deadline", "soon"), 400, "bad-header"),
        (post("{}", "application/json").header("host", "evil.example"), 421, "foreign-host"),
        (post("{}", "application/json").header("origin", "https://evil.example"), 403, "foreign-origin"),
        (server.client.post(path.replace("double", "doubel")), 404, "not-deployed"),
        (server.client.post(path.replace("double", "strict")), 422, "invalid-input"),
        (post("{}", "application/json").header("idempotency-key", "k".repeat(300)), 422, "invalid-request"),
        (server.client.get(format!("{}/api/v1/instances/nonsense", server.address)), 404, "no-such-instance"),
        (server.client.get(format!("{}/api/v1/instances?stat=x", server.address)), 400, "bad-query"),
        (server.client.get(format!("{}/api/v2", server.address)), 404, "no-such-resource"),
        (server.client.delete(&path), 405, "wrong-method"),
    ];
    for (request, status, code) in cases {
        let response = request.send().await.expect("an answer");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{code}");
        assert_eq!(response.status().as_u16(), status, "{code}");
        let problem = json(&response.text().await.expect("a body"));
        assert_eq!((&problem["code"], &problem["status"]), (&value!(code), &value!(status)), "{problem}");
        assert!(problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string());
        if code == "bad-json" {
            assert_eq!((&problem["line"], &problem["column"]), (&value!(1), &value!(12)), "{problem}");
        }
        if code == "not-deployed" {
            assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("test/double")), "{problem}");
        }
    }
    let (_, listed) = server.get("/api/v1/instances").await;
    assert_eq!(listed["instances"], value!([]), "nothing was started by any of them");
    server.stop().await;
}

#[tokio::test]
async fn events_come_in_by_both_modes_of_the_binding() {
    let place = Place::new();
    let tasks = "do:\n- approval:\n    listen:\n      to:\n        one:\n          with: { type: test.approved }\n      read: envelope";
    place.file("flows/approve.yaml", &workflow("approve", "1.0.0", tasks));
    let server = serve(&place).await;
    let path = format!("{}/api/v1/events", server.address);

    let first = server.begin("test/approve", &value!({})).await;
    let event =
        value!({"specversion": "1.0", "id": "e1", "source": "/desk", "type": "test.approved", "data": {"by": "Ada"}});
    let structured = server.client.post(&path).header("content-type", "application/cloudevents+json");
    assert_eq!(structured.body(event.to_string()).send().await.expect("an answer").status().as_u16(), 202);
    let report = server.ended(&first).await;
    assert_eq!(report["output"][0]["data"], value!({"by": "Ada"}), "{report}");

    let second = server.begin("test/approve", &value!({})).await;
    let binary = server.client.post(&path).header("content-type", "application/json");
    let binary = [("ce-specversion", "1.0"), ("ce-id", "e2"), ("ce-source", "/desk"), ("ce-type", "test.approved")]
        .into_iter()
        .fold(binary, |request, (name, text)| request.header(name, text));
    assert_eq!(binary.body("{\"by\":\"Bob\"}").send().await.expect("an answer").status().as_u16(), 202);
    assert_eq!(server.ended(&second).await["output"][0]["data"], value!({"by": "Bob"}));

    let refused = server.client.post(&path).header("content-type", "application/cloudevents+json").body("{}");
    let refused = refused.send().await.expect("an answer");
    assert_eq!(refused.status().as_u16(), 422);
    assert_eq!(json(&refused.text().await.expect("a body"))["code"], "invalid-event");
    server.stop().await;
}

#[tokio::test]
async fn only_one_process_owns_a_database() {
    let place = double();
    let server = serve(&place).await;
    let second = place.sagabus(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert_eq!((second.code, second.stdout.as_str()), (Some(3), ""), "{}", second.stderr);
    assert!(second.stderr.contains("another process owns it"), "{}", second.stderr);
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_yet_or_not_safe_is_refused() {
    let place = Place::new();
    for (arguments, says) in [
        (["serve", "--listen", "0.0.0.0:0"], "loopback"),
        (["serve", "--listen", "nonsense"], "127.0.0.1:7300"),
        (["serve", "--bus", "nats://localhost"], "not available in this version"),
        (["serve", "--db", "postgres://user:password@localhost/x"], "not available in this version"),
    ] {
        let ended = place.sagabus(&arguments).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(says), "{arguments:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("password"), "{}", ended.stderr);
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let ended = place.sagabus(&["serve", "--listen", &address]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
}

#[tokio::test]
async fn settings_come_from_the_file_and_flags_win() {
    let place = double();
    place.file("sagabus.toml", "db = \"sqlite:of-the-file.db\"\nworkflows = \"flows\"\nlisten = \"0.0.0.0:1\"\n");
    let server = place.serve(&[]).await;
    let (_, workflows) = server.get("/api/v1/workflows").await;
    assert_eq!(workflows["workflows"][0]["name"], "double");
    assert!(place.path().join("of-the-file.db").exists());
    server.stop().await;
    place.file("sagabus.toml", "database = \"x\"\n");
    let ended = place.sagabus(&["instances", "list"]).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("sagabus.toml") && ended.stderr.contains("database"), "{}", ended.stderr);
}
