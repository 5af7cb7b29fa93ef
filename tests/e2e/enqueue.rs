//! `enqueue`, `call`, `instances` and `retries`: other processes beside the one that serves.

use serde_json::json as value;

use crate::{
    stand_in::StandIn,
    support::{Place, json, workflow},
};

const DOUBLE: &str = "do:\n- double:\n    set: { twice: '${ .number * 2 }' }";

#[tokio::test]
async fn a_start_that_was_enqueued_is_taken_up_and_waited_for() {
    let place = Place::new();
    place.file("flows/double.yaml", &workflow("double", "1.0.0", DOUBLE));
    let server = place.serve(&["--workflows", "flows"]).await;
    let ended = place.sagabus(&["enqueue", "double", "--input", "{\"number\": 4}", "--wait"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "{\"twice\":8}\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("enqueued test/double as instance"), "{}", ended.stderr);

    let keyed = ["enqueue", "test/double:1.0.0", "--key", "k", "--wait", "--json", "--input"];
    let enqueue = async |input| place.sagabus(&[&keyed[..], &[input]].concat()).await;
    let first = enqueue("{\"number\": 5}").await;
    let second = enqueue("{\"number\": 5}").await;
    assert_eq!((first.code, &json(&first.stdout)["key"]), (Some(0), &value!("k")), "{}", first.stderr);
    assert_eq!(json(&first.stdout), json(&second.stdout));
    let other = enqueue("{\"number\": 6}").await;
    assert_eq!((other.code, other.stdout.as_str()), (Some(2), ""), "{}", other.stderr);

    let unknown = place.sagabus(&["enqueue", "doubel"]).await;
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("test/double:1.0.0"), "{}", unknown.stderr);
    server.stop().await;
}

#[tokio::test]
async fn a_start_that_was_enqueued_while_nobody_serves_is_not_lost() {
    let place = Place::new();
    place.file("flows/double.yaml", &workflow("double", "1.0.0", DOUBLE));
    let nothing = place.sagabus(&["enqueue", "double"]).await;
    assert_eq!(nothing.code, Some(3), "there is no database yet: {}", nothing.stderr);
    place.serve(&["--workflows", "flows"]).await.stop().await;
    let ended = place.sagabus(&["enqueue", "double", "--input", "{\"number\": 1}", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let id = json(&ended.stdout)["id"].as_str().expect("an id").to_owned();
    let mut again = place.start(&["enqueue", "double", "--input", "{\"number\": 1}", "--key", "k", "--wait"]);
    again.line("enqueued").await;
    let server = place.serve(&[]).await;
    assert_eq!(again.end().await, Some(0), "{:?}", again.seen);
    assert_eq!(server.ended(&id).await["output"], value!({"twice": 2}));
    server.stop().await;
}

#[tokio::test]
async fn what_a_start_would_be_refused_for_is_refused_at_once() {
    let place = Place::new();
    let schema = "input: { schema: { format: json, document: { required: [ number ] } } }\n";
    let source = workflow("strict", "1.0.0", &format!("{schema}{DOUBLE}"));
    let file = place.file("flows/strict.yaml", &source);
    place.serve(&["--workflows", "flows"]).await.stop().await;
    let file = file.to_str().expect("a path");
    let ran = place.sagabus(&["run", file, "--input", "{\"nmber\": 1}"]).await;
    let enqueued = place.sagabus(&["enqueue", "strict", "--input", "{\"nmber\": 1}"]).await;
    assert_eq!((enqueued.code, enqueued.stdout.as_str()), (Some(2), ""), "{}", enqueued.stderr);
    assert_eq!(enqueued.stderr, ran.stderr);
    let listed = place.sagabus(&["enqueue", "strict", "--key", "", "--input", "{\"number\": 1}"]).await;
    assert_eq!((listed.code, listed.stdout.as_str()), (Some(2), ""), "{}", listed.stderr);
}

#[tokio::test]
async fn a_key_is_known_while_its_start_still_waits() {
    let place = Place::new();
    place.file("flows/double.yaml", &workflow("double", "1.0.0", DOUBLE));
    place.serve(&["--workflows", "flows"]).await.stop().await;
    let enqueue = async |input| place.sagabus(&["enqueue", "double", "--key", "k", "--json", "--input", input]).await;
    let first = enqueue("{\"number\": 1}").await;
    let id = json(&first.stdout)["id"].clone();
    let told = |status, repeated| value!({ "id": id, "key": "k", "status": status, "repeated": repeated });
    assert_eq!((first.code, json(&first.stdout)), (Some(0), told("pending", false)), "{}", first.stderr);
    let again = enqueue("{\"number\": 1}").await;
    assert_eq!((again.code, json(&again.stdout)), (Some(0), told("pending", true)), "{}", again.stderr);
    let other = enqueue("{\"number\": 2}").await;
    assert_eq!((other.code, other.stdout.as_str()), (Some(2), ""), "{}", other.stderr);
    assert!(other.stderr.contains(id.as_str().expect("an id")), "{}", other.stderr);

    let server = place.serve(&[]).await;
    let waited = place.sagabus(&["enqueue", "double", "--key", "k", "--wait", "--input", "{\"number\": 1}"]).await;
    assert_eq!((waited.code, waited.stdout.as_str()), (Some(0), "{\"twice\":2}\n"), "{}", waited.stderr);
    let ended = json(&enqueue("{\"number\": 1}").await.stdout);
    let mut expected = told("completed", true);
    expected["output"] = value!({ "twice": 2 });
    expected["error"] = value!(null);
    assert_eq!(ended, expected);
    server.stop().await;
}

#[tokio::test]
async fn a_call_is_retried_until_it_works_and_is_seen_in_the_queue_meanwhile() {
    let place = Place::new();
    let stand_in = StandIn::start().await;
    let settings = format!(
        "[adapters.desk]\ntype = \"http\"\nbase = \"{}\"\n[adapters.desk.functions.file]\nmethod = \"POST\"\npath = \"/file\"\n",
        stand_in.address
    );
    place.file("sagabus.toml", &settings);
    let server = place.serve(&[]).await;
    let ended = place.sagabus(&["call", "file@desk", "--with", "{\"order\": 2}", "--wait"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "{\"done\":\"file\"}\n"), "{}", ended.stderr);
    assert_eq!(stand_in.asked()[0].order, "2");
    drop(stand_in);

    let call = place.sagabus(&["call", "file@desk", "--with", "{\"order\": 4}", "--json"]).await;
    assert_eq!(call.code, Some(0), "{}", call.stderr);
    let retries = crate::support::until(async || {
        let listed = place.sagabus(&["retries", "list", "--json"]).await;
        assert_eq!(listed.code, Some(0), "{}", listed.stderr);
        let listed = json(&listed.stdout);
        listed.as_array().is_some_and(|rows| !rows.is_empty()).then_some(listed)
    })
    .await;
    assert_eq!((&retries[0]["function"], &retries[0]["adapter"]), (&value!("file"), &value!("desk")), "{retries}");
    assert!(retries[0]["nextAttemptAt"].is_string() && retries[0]["lastError"]["status"].is_u64(), "{retries}");

    let wrong = place.sagabus(&["call", "file"]).await;
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("function@adapter"), "{}", wrong.stderr);
    server.stop().await;
}

#[tokio::test]
async fn lists_page_filter_and_are_plain_lines_for_programs() {
    let place = Place::new();
    place.file("double.yaml", &workflow("double", "1.0.0", DOUBLE));
    for number in 0..3 {
        let input = format!("{{\"number\": {number}}}");
        let key = format!("k-{number}");
        let ran =
            place.sagabus(&["run", "double.yaml", "--db", "sqlite:sagabus.db", "--key", &key, "--input", &input]).await;
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let page = place.sagabus(&["instances", "list", "--limit", "2"]).await;
    let lines: Vec<Vec<&str>> = page.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!((page.code, lines.len()), (Some(0), 2), "{}", page.stdout);
    assert_eq!((lines[0][1], lines[0][2], lines[0][5]), ("test/double:1.0.0", "completed", "k-2"));
    assert!(page.stderr.contains(&format!("--before {}", lines[1][0])), "{}", page.stderr);
    let rest = place.sagabus(&["instances", "list", "--before", lines[1][0], "--json"]).await;
    assert_eq!(json(&rest.stdout).as_array().map(Vec::len), Some(1));
    let none = place.sagabus(&["instances", "list", "--status", "faulted", "--json"]).await;
    assert_eq!(json(&none.stdout), value!([]));
    let shown = place.sagabus(&["instances", "show", lines[0][0]]).await;
    assert!(
        shown.stdout.contains("status\tcompleted") && shown.stdout.contains("/do/0/double\tset\tcompleted"),
        "{}",
        shown.stdout
    );

    for (arguments, code) in [
        (vec!["instances", "list", "--status", "done"], 2),
        (vec!["instances", "show", "nonsense"], 2),
        (vec!["instances", "show", "00000000-0000-4000-8000-000000000000"], 2),
        (vec!["instances", "list", "--db", "sqlite:missing.db"], 3),
        (vec!["retries", "list", "--limit", "0"], 2),
    ] {
        let ended = place.sagabus(&arguments).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{arguments:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn migrate_creates_and_repeats() {
    let place = Place::new();
    for _ in 0..2 {
        let ended = place.sagabus(&["migrate", "--db", "sqlite:new.db"]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
    }
    let listed = place.sagabus(&["instances", "list", "--db", "sqlite:new.db", "--json"]).await;
    assert_eq!((listed.code, json(&listed.stdout)), (Some(0), value!([])));
}
