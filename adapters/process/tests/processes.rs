//! Real processes: a shell, Node.js, Python.

use std::path::Path;

use sagabus_adapter_process::{ProcessAdapter, ProcessSettings, Program, ProgramSettings};
use sagabus_adapter_sdk::{Adapter, Call, EffectState, Failure, Function};
use serde_json::{Value, json};

fn call(function: &str, arguments: Value) -> Call {
    Call { key: "the-key".to_owned(), attempt: 2, ..Call::new(function, arguments) }
}

async fn process(function: &str, arguments: Value) -> Result<Value, Failure> {
    let environment = [("CONFIGURED".to_owned(), "yes".to_owned())].into();
    let settings = ProcessSettings { shell: true, script: true, environment, ..ProcessSettings::default() };
    ProcessAdapter::new(settings).call(call(function, arguments)).await
}

#[tokio::test]
async fn a_shell_command_has_arguments_environment_and_input() {
    let output = process(
        "shell",
        json!({
            "command": "input=$(cat)\necho \"STDIN was: $input\"\necho \"ARGS are $1 $2\"\necho \"$GREETING $CONFIGURED\"",
            "arguments": ["Foo", "$(id); Bar"],
            "environment": { "GREETING": "hello", "n": 1 },
            "stdin": { "a": 1 },
        }),
    );
    assert_eq!(output.await.unwrap(), json!("STDIN was: {\"a\":1}\nARGS are Foo $(id); Bar\nhello yes\n"));
}

#[tokio::test]
async fn the_environment_is_what_is_named_and_cannot_lie_about_the_key() {
    let arguments = json!({ "command": "env | cut -d= -f1 | sort | tr '\\n' ' '; echo $SAGABUS_IDEMPOTENCY_KEY $SAGABUS_ATTEMPT",
                            "environment": { "SAGABUS_IDEMPOTENCY_KEY": "forged" } });
    let output = process("shell", arguments).await.unwrap();
    let text = output.as_str().unwrap();
    assert!(text.ends_with("the-key 2\n"), "{text}");
    let names: Vec<&str> = text.split_whitespace().take_while(|name| *name != "the-key").collect();
    let known = [
        "CONFIGURED",
        "PATH",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
        "SAGABUS_ATTEMPT",
        "SAGABUS_BUDGET_MS",
        "SAGABUS_IDEMPOTENCY_KEY",
    ];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
}

#[tokio::test]
async fn what_is_not_given_back_may_be_of_any_length() {
    let command = "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; echo the end >&2; exit $1";
    let run = |gives, code| process("shell", json!({ "command": command, "return": gives, "arguments": [code] }));
    assert_eq!(run("code", 3).await.unwrap(), json!(3));
    assert_eq!(run("none", 0).await.unwrap(), Value::Null);
    let told = run("none", 4).await.unwrap_err().error.detail.unwrap();
    assert!(told.ends_with("the end") && told.len() < 4096, "{} bytes", told.len());
    let refused = run("stdout", 0).await.unwrap_err().error.detail.unwrap();
    assert!(refused.contains("more than 1048576 bytes"), "{refused}");
}

#[tokio::test]
async fn each_return_gives_what_it_says() {
    let command = "echo out; echo err >&2; exit 3";
    for (gives, expected) in [("code", json!(3)), ("all", json!({ "code": 3, "stdout": "out\n", "stderr": "err\n" }))] {
        assert_eq!(process("shell", json!({ "command": command, "return": gives })).await.unwrap(), expected);
    }
    for gives in ["stdout", "stderr", "none"] {
        let failure = process("shell", json!({ "command": command, "return": gives })).await.unwrap_err();
        assert_eq!((failure.error.status, failure.effect), (500, EffectState::Unknown));
        assert_eq!(failure.error.detail.as_deref(), Some("the process ended with exit code 3: err"));
    }
    for (gives, expected) in [("stdout", json!("out\n")), ("stderr", json!("err\n")), ("none", Value::Null)] {
        let arguments = json!({ "command": "echo out; echo err >&2", "return": gives });
        assert_eq!(process("shell", arguments).await.unwrap(), expected);
    }
    assert_eq!(process("shell", json!({ "command": "kill -9 $$", "return": "code" })).await.unwrap(), json!(137));
}

#[tokio::test]
async fn scripts_have_arguments_as_a_list_or_as_variables() {
    let js = "const [_, __, arg0, arg1] = process.argv;\nconsole.log('arg > ', arg0, arg1)";
    let arguments = json!({ "language": "js", "code": js, "arguments": ["hello", "world"] });
    assert_eq!(process("script", arguments).await.unwrap(), json!("arg >  hello world\n"));
    let arguments = json!({ "language": "js", "code": "console.log(name, list.length)", "arguments": { "name": "x", "list": [1, 2] } });
    assert_eq!(process("script", arguments).await.unwrap(), json!("x 2\n"));
    let python = "import sys\nprint(sys.argv[1:], sys.stdin.read())";
    let arguments = json!({ "language": "python", "code": python, "arguments": ["a", 1], "stdin": "in" });
    assert_eq!(process("script", arguments).await.unwrap(), json!("['a', '1'] in\n"));
    let arguments = json!({ "language": "python", "code": "print(name, sum(numbers), __name__)", "arguments": { "name": "x", "numbers": [1, 2] } });
    assert_eq!(process("script", arguments).await.unwrap(), json!("x 3 __main__\n"));
    let failure =
        process("script", json!({ "language": "python", "code": "\nraise ValueError('no')" })).await.unwrap_err();
    let detail = failure.error.detail.unwrap();
    assert!(detail.contains("line 2") && detail.contains("ValueError: no"), "{detail}");
}

#[tokio::test]
async fn nothing_runs_unless_it_is_allowed() {
    for (function, arguments) in
        [("shell", json!({ "command": "true" })), ("script", json!({ "language": "js", "code": "" }))]
    {
        let failure =
            ProcessAdapter::new(ProcessSettings::default()).call(call(function, arguments)).await.unwrap_err();
        assert_eq!((failure.error.status, failure.effect), (403, EffectState::None));
        assert!(failure.error.detail.unwrap().contains(&format!("{function} = true")));
    }
}

#[tokio::test]
async fn who_writes_without_end_is_stopped() {
    let failure = process("shell", json!({ "command": "yes" })).await.unwrap_err();
    assert_eq!(failure.effect, EffectState::Unknown);
    assert!(failure.error.detail.unwrap().contains("more than 1048576 bytes"));
}

#[tokio::test]
async fn what_a_process_leaves_behind_ends_with_it() {
    let output = process("shell", json!({ "command": "sleep 1000 & echo $!" })).await.unwrap();
    let path = format!("/proc/{}", output.as_str().unwrap().trim());
    gone(&path).await;
}

#[tokio::test]
async fn a_dropped_attempt_kills_the_whole_group() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let command = format!("sleep 1000 & echo $! > {}.new && mv {0}.new {0}; wait", file.display());
    let attempt = tokio::spawn(process("shell", json!({ "command": command })));
    while !file.exists() {
        tokio::task::yield_now().await;
    }
    attempt.abort();
    gone(&format!("/proc/{}", std::fs::read_to_string(&file).unwrap().trim())).await;
}

/// Waits until a process has ended: it is gone, or only its entry is left.
async fn gone(path: &str) {
    let ended = || match std::fs::read_to_string(Path::new(path).join("stat")) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    while !ended() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_program_answers_by_output_and_exit_code() {
    let script = r#"read -r input; case "$input" in
        '{"go":0}') echo "{\"function\": \"$1\", \"key\": \"$SAGABUS_IDEMPOTENCY_KEY\"}";;
        '{"go":1}') echo broken >&2; exit 1;;
        '{"go":64}') exit 64;;
        '{"go":75}') exit 75;;
        '{"go":2}') echo '{"title": "Declined", "status": 402, "detail": "no money"}'; exit 65;;
        *) echo garbage;;
    esac"#;
    let program = Program::new(ProgramSettings {
        name: "courier".to_owned(),
        version: "1.0.0".to_owned(),
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), script.to_owned(), "courier".to_owned()],
        environment: [].into(),
        directory: None,
        concurrency: None,
        functions: vec![Function::new("book", "Books.")],
    });
    let book = async |go: u32| program.call(call("book", json!({ "go": go }))).await;
    assert_eq!(book(0).await.unwrap(), json!({ "function": "book", "key": "the-key" }));
    for (go, status, effect) in [
        (1, 500, EffectState::Unknown),
        (64, 400, EffectState::None),
        (75, 503, EffectState::None),
        (2, 402, EffectState::None),
        (9, 500, EffectState::Unknown),
    ] {
        let failure = book(go).await.unwrap_err();
        assert_eq!((failure.error.status, failure.effect), (status, effect), "{failure:?}");
    }
    assert_eq!(book(2).await.unwrap_err().error.title.as_deref(), Some("Declined"));
}

#[tokio::test]
async fn a_program_that_is_not_there_did_nothing() {
    let program = Program::new(ProgramSettings {
        name: "courier".to_owned(),
        version: "1.0.0".to_owned(),
        program: "/nowhere/courier".into(),
        arguments: Vec::new(),
        environment: [].into(),
        directory: None,
        concurrency: None,
        functions: vec![Function::new("book", "Books.")],
    });
    let failure = program.call(call("book", json!({}))).await.unwrap_err();
    assert_eq!((failure.error.status, failure.effect), (400, EffectState::None));
    assert!(failure.error.detail.unwrap().contains("/nowhere/courier"));
}
