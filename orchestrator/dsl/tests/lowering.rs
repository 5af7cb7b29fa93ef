//! What tasks become in the plan: the arguments that adapters get, expressions told from text, places of tasks.

use sagabus_core::plan::{Kind, Plan};
use sagabus_dsl::{compile, render};

fn plan(rest: &str) -> Plan {
    let source = format!("document: {{ dsl: 1.0.3, namespace: test, name: lowering, version: 1.0.0 }}\n{rest}");
    let compiled = compile(&source);
    let said = render("it", &source, &compiled.diagnostics, false);
    compiled.plan.unwrap_or_else(|| panic!("{said}"))
}

/// What a single task becomes, as `Debug` writes it.
fn kind(task: &str) -> String {
    let plan = plan(&format!("use: {{ secrets: [ key ] }}\ndo:\n  - it: {task}\n"));
    format!("{:?}", plan.tasks[0].kind)
}

fn arguments(task: &str) -> String {
    let plan = plan(&format!("do:\n  - it: {task}\n"));
    match &plan.tasks[0].kind {
        Kind::Call(call) => format!("{} {} {:?}", call.adapter, call.function, call.arguments),
        other => panic!("{other:?} is no call"),
    }
}

#[test]
fn strings_are_told_from_expressions() {
    for (template, expected) in [
        ("a: plain", r#"Set(Constant(Object {"a": String("plain")}))"#),
        ("a: '${ .b }'", r#"Set(Object([("a", Expression(${ .b }))]))"#),
        ("a: 'x ${ .b }.'", r#"Set(Object([("a", Text([Literal("x "), Expression(${ .b }), Literal(".")]))]))"#),
        ("a: '${ \"}\" }'", r#"Set(Object([("a", Expression(${ "}" }))]))"#),
        ("a: [ 1, '${ .b }' ]", r#"Set(Object([("a", Array([Constant(Number(1)), Expression(${ .b })]))]))"#),
        ("a: '$5 {x}'", r#"Set(Constant(Object {"a": String("$5 {x}")}))"#),
    ] {
        assert_eq!(kind(&format!("{{ set: {{ {template} }} }}")), expected);
    }
    assert_eq!(kind("{ set: '.a' }"), "Set(Expression(${ .a }))");
    assert_eq!(kind("{ set: '${ .a }' }"), "Set(Expression(${ .a }))");
}

#[test]
fn uris_are_templates_wherever_the_language_has_one() {
    let uri = r#"Uri([Literal("https://example.com/"), Variable("id")])"#;
    for (task, key) in [
        ("{ raise: { error: { type: 'https://example.com/{id}', status: 400, title: '{id}' } } }", "type"),
        ("{ emit: { event: { with: { type: a.b, source: 'https://example.com/{id}' } } } }", "source"),
        ("{ emit: { event: { with: { type: a.b, dataschema: 'https://example.com/{id}' } } } }", "dataschema"),
    ] {
        let kind = kind(task);
        assert!(kind.contains(&format!("(\"{key}\", {uri})")), "{kind}");
        assert_eq!(kind.matches("Uri(").count(), 1, "{kind}");
    }
}

#[test]
fn calls_have_the_arguments_that_adapters_read() {
    assert_eq!(
        arguments("{ call: http, with: { method: get, endpoint: 'https://example.com/{id}/x' } }"),
        r#"http request Object([("method", Constant(String("get"))), ("endpoint", Uri([Literal("https://example.com/"), Variable("id"), Literal("/x")]))])"#
    );
    assert_eq!(
        arguments("{ call: http, with: { method: get, endpoint: { uri: 'https://example.com' }, redirect: true } }"),
        r#"http request Constant(Object {"method": String("get"), "endpoint": String("https://example.com"), "redirect": Bool(true)})"#
    );
    assert_eq!(arguments("{ call: charge@payments }"), "payments charge Constant(Object {})");
    assert_eq!(
        arguments("{ run: { shell: { command: 'echo ${HOME}', arguments: [ a ] }, return: code } }"),
        r#"process shell Constant(Object {"command": String("echo ${HOME}"), "arguments": Array [String("a")], "return": String("code")})"#
    );
    assert_eq!(
        arguments("{ run: { script: { language: js, code: 'f(`${x}`)', arguments: { x: '${ .x }' } } } }"),
        r#"process script Object([("language", Constant(String("js"))), ("code", Constant(String("f(`${x}`)"))), ("arguments", Object([("x", Expression(${ .x }))]))])"#
    );
}

#[test]
fn durations_are_milliseconds() {
    assert_eq!(kind("{ wait: PT1M30S }"), "Wait(Constant(90000))");
    assert_eq!(kind("{ wait: { days: 1, milliseconds: 5 } }"), "Wait(Constant(86400005))");
    assert_eq!(kind("{ wait: '${ .pause }' }"), "Wait(Template(Expression(${ .pause })))");
}

#[test]
fn loose_mode_guesses() {
    let plan = plan("evaluate: { mode: loose }\ndo:\n  - it: { set: { a: '${ .b }', c: '.d' } }\n");
    assert_eq!(format!("{:?}", plan.tasks[0].kind), r#"Set(Object([("a", Loose(${ .b })), ("c", Loose(${ .d }))]))"#);
}

#[test]
fn directives_name_places_in_their_list() {
    let plan = plan(
        "do:\n  - a: { set: { x: 1 }, if: .x, then: c }\n  - b: { set: { x: 1 }, then: exit }\n  - c: { set: { x: 1 }, then: end }\n",
    );
    let then: Vec<String> = plan.tasks.iter().map(|task| format!("{:?}", task.then)).collect();
    assert_eq!(then, ["Goto(2)", "Exit", "End"]);
}

#[test]
fn references_are_json_pointers() {
    let plan = plan(
        "use:\n  functions:\n    a/b: { set: { x: 1 } }\ndo:\n  - charge: { call: a/b }\n  - loop:\n      for: { in: .x }\n      do: [ { inner: { set: { x: 1 } } } ]\n  - x:\n      try: [ { y: { set: { x: 1 } } } ]\n      catch: { do: [ { z: { set: { x: 1 } } } ] }\n  - f: { fork: { branches: [ { b: { set: { x: 1 } } } ] } }\n  - l:\n      listen: { to: { any: [] } }\n      foreach: { do: [ { t: { set: { x: 1 } } } ] }\n  - one: { try: { call: a/b }, catch: {} }\n",
    );
    let references: Vec<&str> = plan.tasks.iter().map(|task| task.reference.as_ref()).collect();
    assert_eq!(
        references,
        [
            "/use/functions/a~1b",
            "/do/0/charge",
            "/do/1/loop",
            "/do/1/loop/do/0/inner",
            "/do/2/x",
            "/do/2/x/try/0/y",
            "/do/2/x/catch/do/0/z",
            "/do/3/f",
            "/do/3/f/fork/branches/0/b",
            "/do/4/l",
            "/do/4/l/foreach/do/0/t",
            "/do/5/one",
            "/do/5/one/try",
        ]
    );
}
