//! `serve --workflows`: files that change while it runs.

use serde_json::json as value;

use crate::support::{Place, workflow};

fn answers(number: u32) -> String {
    workflow("answer", "1.0.0", &format!("do:\n- answer:\n    set: {{ answer: {number} }}"))
}

#[tokio::test]
async fn a_changed_file_is_used_by_the_next_start_and_a_broken_one_is_not() {
    let place = Place::new();
    place.file("flows/answer.yaml", &answers(1));
    let mut server = place.serve(&["--workflows", "flows"]).await;
    let first = server.begin("test/answer", &value!({})).await;
    assert_eq!(server.ended(&first).await["output"], value!({"answer": 1}));

    place.file("flows/answer.yaml", &answers(2));
    server.running.line("deployed").await;
    let second = server.begin("test/answer", &value!({})).await;
    assert_eq!(server.ended(&second).await["output"], value!({"answer": 2}));

    place.file("flows/answer.yaml", &answers(3).replace("set:", "sett:"));
    server.running.line("is invalid; what was deployed before stays").await;
    let told = server.running.seen.join("\n");
    assert!(told.contains("answer.yaml:") && told.contains("sett"), "the problem is drawn: {told}");
    let third = server.begin("test/answer", &value!({})).await;
    assert_eq!(server.ended(&third).await["output"], value!({"answer": 2}));

    std::fs::remove_file(place.path().join("flows/answer.yaml")).expect("it is removed");
    server.running.line("is gone; what was deployed of it stays").await;
    let fourth = server.begin("test/answer", &value!({})).await;
    assert_eq!(server.ended(&fourth).await["output"], value!({"answer": 2}));

    place.file("flows/deep/other.yaml", &answers(4).replace("name: answer", "name: other"));
    server.running.line("deployed").await;
    let fifth = server.begin("test/other", &value!({})).await;
    assert_eq!(server.ended(&fifth).await["output"], value!({"answer": 4}));
    server.stop().await;
}

#[tokio::test]
async fn a_running_instance_keeps_the_definition_it_began_with() {
    let place = Place::new();
    let waits = |number: u32| {
        let tasks = format!(
            "do:\n- gate:\n    listen:\n      to:\n        one:\n          with: {{ type: test.go }}\n- answer:\n    set: {{ answer: {number} }}"
        );
        workflow("gated", "1.0.0", &tasks)
    };
    place.file("flows/gated.yaml", &waits(1));
    let mut server = place.serve(&["--workflows", "flows"]).await;
    let old = server.begin("test/gated", &value!({})).await;
    place.file("flows/gated.yaml", &waits(2));
    server.running.line("deployed").await;
    let new = server.begin("test/gated", &value!({})).await;
    let event = value!({"specversion": "1.0", "id": "e", "source": "/test", "type": "test.go"});
    let sent = server.client.post(format!("{}/api/v1/events", server.address));
    let sent = sent.header("content-type", "application/cloudevents+json").body(event.to_string());
    assert_eq!(sent.send().await.expect("an answer").status().as_u16(), 202);
    assert_eq!(server.ended(&old).await["output"], value!({"answer": 1}));
    assert_eq!(server.ended(&new).await["output"], value!({"answer": 2}));
    server.stop().await;
}
