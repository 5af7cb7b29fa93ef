//! `run`.

use serde_json::{Value, json as value};

use crate::support::{Place, json, workflow};

const DOUBLE: &str = "do:\n- double:\n    set: { twice: '${ .number * 2 }' }";

#[tokio::test]
async fn the_output_is_alone_on_stdout_and_the_tasks_are_on_stderr() {
    let place = Place::new();
    place.file("double.yaml", &workflow("double", "1.0.0", DOUBLE));
    let ended = place.sagabus(&["run", "double.yaml", "--input", "{\"number\": 21}"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "{\"twice\":42}\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("started   /do/0/double"), "{}", ended.stderr);
    assert!(ended.stderr.contains("completed /do/0/double"), "{}", ended.stderr);
    let left: Vec<_> = std::fs::read_dir(place.path()).expect("listed").collect();
    assert_eq!(left.len(), 1, "a temporary database goes with the process: {left:?}");
}

#[tokio::test]
async fn the_report_has_the_promised_shape() {
    let place = Place::new();
    place.file("double.yaml", &workflow("double", "1.0.0", DOUBLE));
    place.file("input.yaml", "number: 4\n");
    let arguments = ["run", "double.yaml", "--input", "@input.yaml", "--json", "--key", "k-1"];
    let ended = place.sagabus(&arguments).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report = json(&ended.stdout);
    let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let members = ["id", "workflow", "key", "status", "output", "error", "rollback", "startedAt", "endedAt", "tasks"];
    assert_eq!(names(&report), members);
    assert_eq!(report["workflow"], value!({"namespace": "test", "name": "double", "version": "1.0.0"}));
    assert_eq!(
        (&report["key"], &report["status"], &report["rollback"]),
        (&value!("k-1"), &value!("completed"), &value!("none"))
    );
    assert_eq!((&report["output"], &report["error"]), (&value!({"twice": 8}), &Value::Null));
    let task = &report["tasks"][0];
    let members = ["name", "reference", "kind", "status", "attempts", "compensates", "startedAt", "endedAt", "error"];
    assert_eq!(names(task), members);
    assert_eq!(
        (&task["name"], &task["reference"], &task["kind"]),
        (&value!("double"), &value!("/do/0/double"), &value!("set"))
    );
    assert_eq!(
        (&task["status"], &task["attempts"], &task["compensates"]),
        (&value!("completed"), &value!(1), &Value::Null)
    );
}

#[tokio::test]
async fn a_fault_is_1_and_its_problem_is_on_stderr() {
    let place = Place::new();
    let tasks = "do:\n- fail:\n    raise: { error: { type: 'https://example.com/full', status: 507, title: Full } }";
    place.file("fail.yaml", &workflow("fail", "1.0.0", tasks));
    let ended = place.sagabus(&["run", "fail.yaml"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("Full (507) at /do/0/fail"), "{}", ended.stderr);
    let ended = place.sagabus(&["run", "fail.yaml", "--json"]).await;
    let error = &json(&ended.stdout)["error"];
    assert_eq!((ended.code, &error["status"], &error["instance"]), (Some(1), &value!(507), &value!("/do/0/fail")));
}

#[tokio::test]
async fn a_wrong_request_is_2_and_says_what_is_wrong() {
    let place = Place::new();
    place.file("double.yaml", &workflow("double", "1.0.0", DOUBLE));
    place.file("broken.yaml", &workflow("broken", "1.0.0", "do:\n- one:\n    sett: {}"));
    let schema = "input: { schema: { format: json, document: { required: [ number ] } } }\n";
    place.file("strict.yaml", &workflow("strict", "1.0.0", &format!("{schema}{DOUBLE}")));
    for (arguments, says) in [
        (vec!["run", "missing.yaml"], "missing.yaml"),
        (vec!["run", "strict.yaml"], "number"),
        (vec!["run", "broken.yaml"], "broken.yaml:"),
        (vec!["run", "double.yaml", "--input", "{"], "--input"),
        (vec!["run", "double.yaml", "--deadline", "soon"], "ISO 8601"),
        (vec!["run", "double.yaml", "--db", "mysql://x"], "sqlite:"),
    ] {
        let ended = place.sagabus(&arguments).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(says), "{arguments:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_workflow_whose_adapter_is_not_hosted_is_refused() {
    let place = Place::new();
    place.file("lost.yaml", &workflow("lost", "1.0.0", "do:\n- ask: { call: ask@nowhere }"));
    let ended = place.sagabus(&["run", "lost.yaml"]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("`nowhere`") && ended.stderr.contains("sagabus.toml"), "{}", ended.stderr);
}

#[tokio::test]
async fn the_same_key_runs_once_and_the_database_is_kept() {
    let place = Place::new();
    place.file("double.yaml", &workflow("double", "1.0.0", DOUBLE));
    let arguments = ["run", "double.yaml", "--db", "sqlite:kept.db", "--key", "k", "--json", "--input"];
    let run = async |input| place.sagabus(&[&arguments[..], &[input]].concat()).await;
    let first = run("{\"number\": 1}").await;
    let second = run("{\"number\": 1}").await;
    assert_eq!((first.code, second.code), (Some(0), Some(0)), "{}", second.stderr);
    assert_eq!(json(&first.stdout), json(&second.stdout));
    let other = run("{\"number\": 2}").await;
    assert_eq!((other.code, other.stdout.as_str()), (Some(2), ""), "{}", other.stderr);
    assert!(other.stderr.contains("other input"), "{}", other.stderr);

    let id = json(&first.stdout)["id"].as_str().expect("an id").to_owned();
    let shown = place.sagabus(&["instances", "show", &id, "--db", "sqlite:kept.db", "--json"]).await;
    assert_eq!((shown.code, json(&shown.stdout)), (Some(0), json(&first.stdout)));
}

#[tokio::test]
async fn sub_flows_are_found_beside_the_file() {
    let place = Place::new();
    let call = "do:\n- half:\n    run: { workflow: { namespace: test, name: double, version: '1.0.0', input: { number: 3 } } }";
    place.file("outer.yaml", &workflow("outer", "1.0.0", call));
    place.file("double.yaml", &workflow("double", "1.0.0", DOUBLE));
    place.file("broken.yaml", &workflow("broken", "1.0.0", "do: 7"));
    let ended = place.sagabus(&["run", "outer.yaml"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "{\"twice\":6}\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("broken.yaml"), "a broken sibling is named: {}", ended.stderr);
}

#[tokio::test]
async fn ctrl_c_is_130_and_says_how_to_go_on() {
    let place = Place::new();
    place.file("sleep.yaml", &workflow("sleep", "1.0.0", "do:\n- rest:\n    wait: { hours: 1 }"));
    let mut running = place.start(&["run", "sleep.yaml", "--db", "sqlite:kept.db", "--key", "k"]);
    running.line("waiting   /do/0/rest").await;
    running.signal("INT").await;
    assert_eq!(running.end().await, Some(130), "{:?}", running.seen);
    let told = running.seen.join("\n");
    assert!(told.contains("sagabus serve --db sqlite:kept.db") && told.contains("--key k"), "{told}");
    let listed = place.sagabus(&["instances", "list", "--db", "sqlite:kept.db", "--json"]).await;
    assert_eq!(json(&listed.stdout)[0]["status"], "waiting");
}
