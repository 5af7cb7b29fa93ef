//! Secrets are nowhere but where they are sent.

use serde_json::json as value;

use crate::{
    stand_in::StandIn,
    support::{Place, workflow},
};

/// Nobody else uses this text, so that it can be searched for.
const CANARY: &str = "canary-7f3a9c51e2";

#[tokio::test]
async fn a_secret_reaches_the_third_party_and_no_file_log_or_answer() {
    let place = Place::new();
    let stand_in = StandIn::start().await;
    place.allow_this_machine();
    let tasks = format!(
        "use: {{ secrets: [ desk ] }}\ndo:\n- tell:\n    call: http\n    with:\n      method: post\n      endpoint: {}/tell\n      body: {{ order: '${{ $secrets.desk.token }}' }}\n- keep:\n    set: {{ kept: '${{ $secrets.desk.token }}', shouted: '${{ \"token: \" + $secrets.desk.token }}' }}",
        stand_in.address
    );
    place.file("flows/tell.yaml", &workflow("tell", "1.0.0", &tasks));
    // Above the folder in which the databases are searched for it.
    let secrets = Place::new();
    let file = secrets.file("secrets.yaml", &format!("desk: {{ token: {CANARY} }}\n"));
    let file = file.to_str().expect("a path is text");
    let arguments = ["--workflows", "flows", "--secrets", file, "--log", "debug"];
    let server = place.serve(&arguments).await;
    let id = server.begin("test/tell", &value!({})).await;
    let report = server.ended(&id).await;
    assert_eq!(report["status"], "completed", "{report}");
    assert_eq!(stand_in.asked()[0].order, CANARY, "the third party gets it");
    assert!(!report.to_string().contains(CANARY), "{report}");
    let said = server.stop().await;
    assert!(!said.iter().any(|line| line.contains(CANARY)), "{said:?}");
    for entry in std::fs::read_dir(place.path()).expect("listed") {
        let path = entry.expect("listed").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("readable");
            let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!found, "{} holds the secret", path.display());
        }
    }
}

#[tokio::test]
async fn a_broken_file_of_secrets_is_refused_without_being_quoted() {
    let place = Place::new();
    place.file("wait.yaml", &workflow("fine", "1.0.0", "do:\n- one:\n    set: { a: 1 }"));
    for (name, text) in [
        ("secrets.json", format!("{{\"desk\": {CANARY}}}")),
        ("secrets.toml", format!("desk = {CANARY}")),
        ("secrets.yaml", format!("- {CANARY}")),
    ] {
        place.file(name, &text);
        let ended = place.sagabus(&["run", "wait.yaml", "--secrets", name]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(name) && !ended.stderr.contains(CANARY), "{}", ended.stderr);
    }
}
