//! One instance's mistakes are its own.

use serde_json::json as value;

use crate::support::{Place, workflow};

#[tokio::test]
async fn a_runaway_expression_ends_its_own_task_and_disturbs_nobody() {
    let place = Place::new();
    let runaway = "do:\n- run:\n    set: { result: '${ .bomb as $bomb | if $bomb == 1 then [range(1e12)] elif $bomb == 2 then def f: 1 + f; f else last(repeat(1)) end }' }";
    place.file("flows/runaway.yaml", &workflow("runaway", "1.0.0", runaway));
    place.file("flows/fine.yaml", &workflow("fine", "1.0.0", "do:\n- one:\n    set: { fine: true }"));
    let server = place.serve(&["--workflows", "flows"]).await;
    let mut bombs = Vec::new();
    for round in 0..10 {
        bombs.push(server.begin("test/runaway", &value!({ "bomb": round % 3 })).await);
        let fine = server.begin("test/fine", &value!({})).await;
        assert_eq!(server.ended(&fine).await["output"], value!({"fine": true}));
    }
    for bomb in &bombs {
        let report = server.ended(bomb).await;
        assert_eq!(report["status"], "faulted", "{report}");
        let kind = report["error"]["type"].as_str().expect("a type");
        assert!(kind.ends_with("/errors/expression"), "{report}");
        assert_eq!(report["error"]["instance"], "/do/0/run");
    }
    server.stop().await;
}
