//! `check` and the usage of the whole.

use crate::support::{Place, json, workflow};

#[tokio::test]
async fn a_valid_file_is_fine_and_says_so_on_stderr_only() {
    let place = Place::new();
    place.file("fine.yaml", &workflow("fine", "1.0.0", "do:\n- one:\n    set: { a: 1 }"));
    let ended = place.sagabus(&["check", "fine.yaml"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    assert!(ended.stderr.contains("checked 1 file: 0 errors, 0 warnings"), "{}", ended.stderr);
}

#[tokio::test]
async fn every_problem_of_every_file_is_told_with_its_place() {
    let place = Place::new();
    place.file("flows/a.yaml", &workflow("a", "1.0.0", "do:\n- one:\n    set: { a: 1 }\n    outptu: {}"));
    place.file("flows/deep/b.yaml", &workflow("b", "1.0.0", "do:\n- one:\n    set: { a: '${ .b | }' }"));
    place.file("flows/input.json", "{\"order\": 1}");
    let ended = place.sagabus(&["check", "flows"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("flows/a.yaml:") && ended.stderr.contains("b.yaml:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("checked 2 files: 2 errors"), "{}", ended.stderr);

    let ended = place.sagabus(&["check", "--json", "flows"]).await;
    assert_eq!(ended.code, Some(2));
    let problems = json(&ended.stdout);
    let problems = problems.as_array().expect("an array");
    assert_eq!(problems.len(), 2, "{problems:?}");
    for problem in problems {
        assert_eq!(problem["severity"], "error");
        assert!(problem["line"].as_u64().is_some_and(|line| line >= 3), "{problem}");
        assert!(problem["code"].is_string() && problem["message"].is_string() && problem["column"].is_u64());
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_the_others_are_checked_still() {
    let place = Place::new();
    place.file("fine.yaml", &workflow("fine", "1.0.0", "do:\n- one:\n    set: { a: 1 }"));
    let ended = place.sagabus(&["check", "missing.yaml", "fine.yaml"]).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("missing.yaml"), "{}", ended.stderr);
    assert!(ended.stderr.contains("checked 2 files: 1 error"), "{}", ended.stderr);
}

#[tokio::test]
async fn wrong_usage_is_2_and_help_is_0_and_lists_only_what_there_is() {
    let place = Place::new();
    let ended = place.sagabus(&["chek"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("check"), "{}", ended.stderr);
    let ended = place.sagabus(&["--help"]).await;
    assert_eq!(ended.code, Some(0));
    for command in ["demo", "run", "check", "serve", "enqueue", "call", "instances", "retries", "migrate"] {
        assert!(ended.stdout.contains(&format!("  {command} ")), "{command}: {}", ended.stdout);
    }
    for absent in ["worker", "bench", "incidents", "dead", "demo-courier"] {
        assert!(!ended.stdout.contains(&format!("  {absent} ")), "{absent}: {}", ended.stdout);
    }
}
