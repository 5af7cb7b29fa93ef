//! Sources that mean harm, or that no person wrote: each is refused with a diagnostic, quickly, and nothing panics.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sagabus_dsl::{Compiled, Severity, compile, render};

const HEAD: &str = "document: { dsl: 1.0.3, namespace: test, name: hostile, version: 1.0.0 }\n";

/// Far above what is needed, so that a busy machine does not fail; what is quadratic takes minutes.
const TIME_MAX: Duration = Duration::from_secs(20);

fn timed(source: &str) -> Compiled {
    let start = Instant::now();
    let compiled = compile(source);
    let drawn = render("it", source, &compiled.diagnostics, false);
    assert!(start.elapsed() < TIME_MAX, "{:?} for {} bytes", start.elapsed(), source.len());
    assert!(drawn.len() < 2 * 1024 * 1024, "{} bytes of diagnostics", drawn.len());
    compiled
}

/// Asserts that the source is refused for this reason.
fn refused(source: &str, code: &str) {
    let compiled = timed(source);
    let codes: Vec<&str> = compiled.diagnostics.iter().map(|one| one.code).collect();
    let shown: String = source.chars().take(80).collect();
    assert!(compiled.plan.is_none(), "{shown}");
    assert!(codes.contains(&code), "{codes:?} for {shown}");
}

fn bomb(levels: usize, width: usize) -> String {
    let mut source = String::from("a0: &a0 [x, x]\n");
    for level in 1..levels {
        let uses = vec![format!("*a{}", level - 1); width].join(", ");
        source.push_str(&format!("a{level}: &a{level} [{uses}]\n"));
    }
    source
}

#[test]
fn limits_hold() {
    refused(&format!("{HEAD}# {}", "x".repeat(512 * 1024)), "limit");
    refused(&"[".repeat(100_000), "limit");
    refused(&format!("{}1{}", "[".repeat(65), "]".repeat(65)), "limit");
    refused(&(0..80).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>(), "limit");
    refused(&format!("a: [{}]", "1,".repeat(20_001)), "limit");
    refused(&format!("a: &a x\nb: [{}]", "*a,".repeat(257)), "limit");
    for (levels, width) in [(9, 9), (20, 2), (3, 200), (60, 9)] {
        refused(&bomb(levels, width), "limit");
    }
}

#[test]
fn what_is_no_text_is_refused() {
    refused("\u{feff}document: {}\n", "encoding");
    refused("a: \0\n", "encoding");
    refused("a: \u{1b}[31m\n", "encoding");
    refused("a: 1e400\n", "number");
    refused("a: .nan\n", "number");
    refused("a: \"\\ud800\"\n", "syntax");
    refused("a: &a [*a]\n", "syntax");
    refused("a: *nowhere\n", "syntax");
    refused("? [a]\n: b\n", "syntax");
    refused("a: 1\n---\nb: 2\n", "syntax");
    refused("a: 1\na: 2\n", "duplicate-key");
    refused("<<: { a: 1 }\n", "merge-key");
    refused("a: !!python/object x\n", "tag");
}

#[test]
fn thousands_of_mistakes_take_no_long_time() {
    let many = |line: &dyn Fn(usize) -> String, count: usize| (0..count).map(line).collect::<String>();
    refused(&format!("{HEAD}do:\n{}", many(&|i| format!("- t{i}: {{ call: f{i}x }}\n"), 3_000)), "unknown-function");
    let functions = many(&|i| format!("    f{i}: {{ call: f{} }}\n", i + 1), 2_000);
    refused(&format!("{HEAD}use:\n  functions:\n{functions}do:\n- a: {{ call: gg }}\n"), "unknown-function");
    refused(
        &format!("{HEAD}do:\n{}", many(&|i| format!("- t{i}: {{ set: {{}}, then: u{i} }}\n"), 2_000)),
        "unknown-task",
    );
    refused(&format!("{HEAD}do:\n{}", many(&|_| "- t: { set: { x: 1 } }\n".to_owned(), 2_000)), "duplicate-task");
    let expressions = many(&|_| "${$secrets.a}".to_owned(), 3_000);
    refused(&format!("{HEAD}do:\n- t: {{ set: {{ x: '{expressions}' }} }}\n"), "limit");
    let name = "n".repeat(500);
    refused(&format!("{HEAD}do:\n- {name}: {{ do: [ {{ a: {{ set: {{ x: 1 }} }} }} ] }}\n"), "name");
}

#[test]
fn one_component_for_thousands_of_tasks_is_bounded() {
    let raises: String = (0..1_900).map(|i| format!("- t{i}: {{ if: .x, raise: {{ error: e }} }}\n")).collect();
    let error = format!("use: {{ errors: {{ e: {{ type: a, status: 400, detail: {} }} }} }}\n", "d".repeat(300_000));
    refused(&format!("{HEAD}{error}do:\n{raises}"), "limit");
}

fn documents() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// A document with some of its text replaced.
fn mutated() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just(String::new()),
        "[ -~\\n]{1,6}",
        Just("${".to_owned()),
        Just("}".to_owned()),
        Just("\"".to_owned()),
        Just("\n  - ".to_owned()),
        Just(": ".to_owned()),
        Just("é😀".to_owned()),
        Just("&a ".to_owned()),
        Just("*a".to_owned()),
    ];
    let change = (any::<prop::sample::Index>(), 0usize..12, pieces);
    (prop::sample::select(documents()), prop::collection::vec(change, 1..4)).prop_map(|(document, changes)| {
        let mut characters: Vec<char> = document.chars().collect();
        for (at, length, piece) in changes {
            let start = at.index(characters.len() + 1);
            let end = (start + length).min(characters.len());
            characters.splice(start..end, piece.chars());
        }
        characters.into_iter().collect()
    })
}

/// What must hold for any source.
fn check(source: &str) -> Result<(), TestCaseError> {
    let compiled = compile(source);
    let refused = compiled.diagnostics.iter().any(|one| one.severity == Severity::Error);
    prop_assert_eq!(refused, compiled.plan.is_none());
    for one in &compiled.diagnostics {
        prop_assert!(source.get(one.span.clone()).is_some(), "{:?} is no place in the source", one.span);
        prop_assert!(!one.message.chars().any(char::is_control), "{:?}", one.message);
        prop_assert_eq!(source[..one.span.start].matches('\n').count() + 1, one.line);
    }
    let again = compile(source);
    prop_assert_eq!(&compiled.diagnostics, &again.diagnostics);
    prop_assert_eq!(format!("{:?}", compiled.plan), format!("{:?}", again.plan));
    let drawn = render("it", source, &compiled.diagnostics, false);
    let place = |line: usize, column: usize| format!("it:{line}:{column}: ");
    let all_drawn = compiled.diagnostics.iter().all(|one| drawn.contains(&place(one.line, one.column)));
    prop_assert!(all_drawn);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_compiled_or_refused(source in "\\PC{0,60}|[ -~\\n]{0,80}|[\\[\\]{}:,&*!|>'\"%@#\\-\\n a]{0,80}") {
        check(&source)?;
    }

    #[test]
    fn mutated_documents_are_compiled_or_refused(source in mutated()) {
        check(&source)?;
    }

    #[test]
    fn any_value_in_place_of_a_task_is_compiled_or_refused(
        kind in prop::sample::select(vec![
            "call", "do", "emit", "for", "fork", "listen", "raise", "run", "set", "switch", "try", "wait", "if", "then",
            "input", "output", "export", "timeout", "metadata", "catch", "with", "while", "foreach", "compensate",
        ]),
        value in prop::sample::select(vec!["1", "x", "[]", "{}", "null", "true", "-1.5", "[ x ]", "{ x: 1 }", "'${ . }'"]),
    ) {
        check(&format!("{HEAD}do:\n- t:\n    {kind}: {value}\n"))?;
        check(&format!("{HEAD}do:\n- t:\n    {kind}: {value}\n    set: {{ x: 1 }}\n"))?;
        check(&format!("{HEAD}use:\n  functions:\n    t:\n      {kind}: {{ {kind}: {value} }}\ndo: []\n"))?;
    }
}
