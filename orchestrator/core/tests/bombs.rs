//! Programs that would never end, or fill the memory, or overflow the stack: each ends in the same error twice, within the memory
//! that an evaluation may take, with the process alive.

use sagabus_core::expression::{EvaluateError, Expression, Variables};
use serde_json::{Value, json};

struct Nothing;

impl Variables for Nothing {
    fn variable(&self, _: &str) -> Value {
        Value::Null
    }

    fn now(&self) -> f64 {
        0.0
    }
}

fn evaluate(source: &str, input: &Value) -> Result<Value, EvaluateError> {
    Expression::compile(source, &[]).unwrap_or_else(|errors| panic!("{source}: {errors:?}")).evaluate(input, &Nothing)
}

/// What an evaluation may take: values, evaluator and stack.
const MEMORY_KIB: usize = 64 << 10;
/// How long an evaluation may take.
const TIME_MS: f64 = 250.0;

/// A figure of the process in KiB, where the system tells.
#[expect(clippy::disallowed_methods, reason = "the core does no I/O; its test reads what the process takes")]
fn status(name: &str) -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim_start_matches(':').split_whitespace().next()?.parse().ok())
}

/// The peak of the process's memory above what it has now.
#[expect(clippy::disallowed_methods, reason = "the core does no I/O; its test resets what the process took")]
fn peak<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = status("VmRSS").unwrap_or(0);
    // Starts the high-water mark afresh.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let answer = run();
    (answer, status("VmHWM").unwrap_or(0).saturating_sub(before))
}

const BOMBS: &[&str] = &[
    "def f: f; f",
    "def f: 1 + f; f",
    "def f: [f]; f",
    "def f: f | f; f",
    "def f: (., 1) | f; f",
    "def f: f, f; [f]",
    "def f: ., f; last(f)",
    "def f(g): f(1 + g); f(.)",
    "def f(g): f(g | g); f(.)",
    "def f(g): f(1); f(.)",
    "def f(g): if . > 1e9 then g else . + 1 | f(g) end; 0 | f(.)",
    "def f: def g: f; 1 + g; f",
    "def f: def g: 1 + f; g; f",
    "def f: try f catch f; f",
    "def f: label $x | f; f",
    "def f: reduce 1 as $x (0; f); f",
    "def f: {a: f}; f",
    "def f: .[f]; f",
    "def f: \"\\(f)\"; f",
    "def f: if f then 1 else 2 end; f",
    "def f: f // f; f",
    "def f: first(f); f",
    "def f: . as $x | f; f",
    "def f: f as $x | 1; f",
    "last(repeat(1))",
    "[repeat(1)]",
    "[range(1e9)]",
    "[range(1e9)] | length",
    "last(range(1e18))",
    "[range(0; 1; 0)] | [recurse(.)]",
    "reduce range(40) as $i (\"x\"; . + .)",
    "reduce range(40) as $i ([1]; . + .)",
    "reduce range(1e9) as $i (0; . + 1)",
    "[foreach range(1e9) as $i (0; . + 1)]",
    "foreach range(1e9) as $i (0; ., .)",
    "reduce range(100000) as $i (0; [.])",
    "reduce range(100000) as $i (0; {a: .})",
    "reduce range(100000) as $i (null; setpath([range(1000) | \"a\"]; 1))",
    "setpath([range(100000) | \"a\"]; 1)",
    "setpath([range(100000) | 0]; 1)",
    ".[400000000] = 1",
    "\"x\" * 1e9",
    "\"xxxxxxxxxx\" * 1e18",
    "[limit(1e9; repeat(\"x\"))] | join(\"\")",
    "until(false; .)",
    "[while(true; .)]",
    "0 | until(. < 0; . + 1)",
    "reduce range(60) as $i (\"abc\"; @base64)",
    "reduce range(60) as $i (\"\\\"\"; tojson)",
    "reduce range(60) as $i (\"'\"; @sh)",
    "reduce range(60) as $i (\"\\\"\"; [., .] | @csv)",
    "(\"x\" * 1000000) as $s | [range(1000) | $s] | tojson",
    "(\"x\" * 1000000) as $s | [range(1000) | $s] | join(\",\")",
    "(\"x\" * 1000000) as $s | [range(1000) | $s] | add",
    "(\"x\" * 1000000) as $s | \"\\([range(1000) | $s])\"",
    "(\"x\" * 1000000) as $s | [range(1000) | $s] | @text",
    "(\"x\" * 1000000) as $s | [range(1000) | $s | explode] | length",
    "[range(30000)] | [combinations(4)]",
    "[range(100) | [range(100)]] | [combinations]",
    "[range(3000)] as $a | [$a[] as $x | $a[] as $y | [$x, $y]] | length",
    "[range(1000)] | [.[] + .[]]",
    "[range(1000)] | [paths(..)] | [range(1e9)]",
    "[range(200000)] | map(.) | map(.) | map(.)",
    "[.[]?, repeat(.)] | walk(.)",
    "def f: walk(f); [1] | f",
    "[range(1e6)] | implode",
    "(\"a\" * 1000000) | [match(\"\"; \"g\")] | length",
    "(\"a\" * 1000000) | gsub(\"\"; \"x\")",
    "(\"a\" * 100000) | [splits(\"a\")] | length",
    "(\"a\" * 1000000) | [scan(\".*[^a]|a\")] | length",
    "[range(2000) | test(\"a{1,500}\")?] | [repeat(1)]",
    "[range(100000) | tostring | test(\"x\")]",
    "\"[\" + ([range(50000) | \"0\"] | join(\",\")) + \"]\" | [repeat(fromjson)]",
    "try (def f: f; f) catch 1",
    "[.[]?, (def f: f; f)?]",
    "try last(repeat(1)) catch \"caught\"",
    "(def f: 1 + f; f)? // 1",
    "label $out | repeat(1) | select(. > 1) | break $out",
    "first(repeat(1) | select(. > 1))",
    "limit(1; repeat(empty))",
    "isempty(repeat(empty))",
    "any(repeat(false); .)",
    "[limit(1e9; repeat(1))]",
    "nth(1e15; repeat(1))",
    "getpath([range(1e7)])",
    "[range(100000)] | sort_by(-.) | group_by(. % 7) | [repeat(1)]",
    "[range(1e5)] | tostream",
    "fromstream(repeat([[0], 1]))",
    "reduce repeat(1) as $x (0; .)",
    // Regular expressions: large patterns, large texts, many matches.
    "(\"a\" * 10000000) | test(\"(a*)*(a*)*(a*)*b\")",
    "(\"a\" * 1000000) as $s | last(repeat($s | test(\"(a*)*(a*)*(a*)*b\")))",
    "(\"a\" * 20000) as $s | last(repeat($s | test(\"(.*)(.*)(.*)(.*)(.*)[^a]\")))",
    "(\"ab\" * 1000000) | [match(\"(a)(b)\"; \"g\")] | length",
    "(\"a\" * 10000) as $s | last(repeat($s | [match(\"(a)|(b)|(c)\"; \"g\")]))",
    "last(repeat(\"a\" | test(\"x{1,1000}\")))",
    "last(repeat(\"a\" | try test(\"(x{1,100}){1,100}\") catch 1))",
    "last(repeat(\"a\" | try test(\"\\\\p{L}{1,100}\") catch 1))",
    "last(repeat(\"a\" | try test(\"[\\\\p{L}\\\\p{N}]+\\\\w\"; \"i\") catch 1))",
    "last(repeat(\"a\" | test(\"abcdefghij\" * 20; \"i\")))",
    "(\"é\" * 20000) as $s | last(repeat($s | test(\"\\\\p{Lu}x|\\\\w{3}x\"; \"i\")))",
    "(\"É\" * 20000) as $s | last(repeat($s | test(\"éééééx\"; \"i\")))",
    "(\"ab\" * 1000000) | [splits(\"b\")] | length",
    "(\"ab\" * 20000) as $s | last(repeat($s | [splits(\"b\")]))",
    "(\"ab\" * 500000) | gsub(\"(?<x>a)\"; \"\\(.x)\\(.x)\")",
    "(\"ab\" * 500) as $s | last(repeat($s | gsub(\"(?<x>a)\"; \"\\(.x)\\(.x)\")))",
    "(\"a b \" * 1000000) | [scan(\"\\\\w+\")] | length",
    "(\"ab\" * 1000000) | [scan(\"(a)(b)\")] | length",
    "last(repeat(\"abc\" | capture(\"(?<a>a)(?<b>b)(?<c>c)\")))",
    "(\"ab\" * 1000000) | [capture(\"(?<x>ab)\"; \"g\")] | length",
    "(\"x\" * 1000000) as $s | last(repeat($s | sub(\"x\"; \"y\")))",
    // Filters that are one call and go through much.
    "(\"x\" * 5000000) as $s | (\"x\" * 5000000) as $t | last(repeat($s == $t))",
    "(\"x\" * 5000000) as $s | (\"x\" * 5000000) as $t | last(repeat($s | startswith($t)))",
    "(\"x\" * 5000000) as $s | last(repeat($s | ltrimstr(\"x\")))",
    "(\"x\" * 5000000) as $s | last(repeat($s[0:1]))",
    "(\" \" * 5000000) as $s | last(repeat($s | trim))",
    "(\"é\" * 2000000) as $s | last(repeat($s[1:2]))",
    "(\"x\" * 5000000) as $s | last(repeat($s | length))",
    "(\"x\" * 5000000) as $s | {($s): 1} as $o | last(repeat($o | has($s)))",
    "(\"x\" * 5000000) as $s | {($s): 1} as $o | last(repeat($o[$s]))",
    "(\"x\" * 5000000) as $s | last(repeat(try ($s | tonumber) catch 1))",
    "(\"x\" * 5000000) as $s | last(repeat(try ([$s] | floor) catch .))",
    "(\"x\" * 5000000) as $s | last(repeat($s | split(\"y\")))",
    "(\"x\" * 5000000) as $s | last(repeat($s | contains(\"xy\")))",
    "(\"x\" * 5000000) as $s | last(repeat($s | ascii_downcase))",
    "(\"1\" * 5000000) as $s | last(repeat($s | tonumber))",
    "(\"1\" * 5000000) as $s | last(repeat($s | try fromjson catch 1))",
    "(\"[\" + \" \" * 5000000) as $s | last(repeat($s | try fromjson catch 1))",
    "(\"<\" * 500000) as $s | last(repeat($s | @html))",
    "(\" \" * 500000) as $s | last(repeat($s | @uri))",
    "(\"%20\" * 500000) as $s | last(repeat($s | @urid))",
    "(\"x\" * 500000) as $s | last(repeat($s | @base64))",
    "(\"x\" * 500000) as $s | last(repeat($s | @base64d))",
    "(\"7\" * 500000) as $s | last(repeat($s | @base32d))",
    "(\"\\\"\" * 500000) as $s | last(repeat([$s] | @csv))",
    "(\"x\" * 1000000) as $s | last(repeat($s | indices((\"x\" * 500000) + \"y\")))",
    "(\"x\" * 20000) as $s | last(repeat($s | indices(\"x\" * 10000)))",
    "[range(20000) | 0] as $a | ([range(10000) | 0] + [1]) as $b | last(repeat($a | indices($b)))",
    "[range(20000)] as $a | last(repeat($a | indices(-1)))",
    "[range(20000)] as $a | last(repeat($a - $a))",
    "[range(20000)] as $a | last(repeat($a == $a))",
    "[range(20000)] as $a | last(repeat($a < $a))",
    "[range(20000)] as $a | last(repeat($a + $a))",
    "[range(20000)] as $a | last(repeat($a[1:]))",
    "[range(20000)] as $a | last(repeat($a | sort))",
    "[range(20000) | -. % 777 | tostring] as $a | last(repeat($a | sort))",
    "[range(20000) | {a: (. % 7)}] as $a | last(repeat($a | sort))",
    "[range(20000) | {a: 1, b: 2}] as $a | last(repeat($a | unique))",
    "[range(20000)] as $a | last(repeat($a | group_by(.)))",
    "[range(20000)] as $a | last(repeat($a | min))",
    "[range(20000)] as $a | last(repeat($a | contains([-1])))",
    "([1, {}] + [range(20000)]) as $a | last(repeat(try ($a | add) catch 1))",
    "([{}] + [range(20000)]) as $a | last(repeat(try ($a | join(\",\")) catch 1))",
    "[range(20000)] as $a | last(repeat($a | reverse))",
    "[range(20000)] as $a | last(repeat($a | flatten))",
    "[range(20000)] as $a | last(repeat($a | .[0] = 1))",
    "[range(20000)] as $a | last(repeat($a | del(.[0])))",
    "([range(5000) | {key: tostring, value: 1}] | from_entries) as $o | last(repeat($o * $o))",
    "([range(5000) | {key: tostring, value: 1}] | from_entries) as $o | last(repeat($o + $o))",
    "([range(5000) | {key: tostring, value: 1}] | from_entries) as $o | last(repeat($o | keys))",
    "([range(5000) | {key: tostring, value: 1}] | from_entries) as $o | last(repeat($o < $o))",
    "([range(5000) | {key: tostring, value: 1}] | from_entries) as $o | last(repeat($o | .a = 1))",
    "[range(50000) | \"a\"] as $p | last(repeat(path(getpath($p))))",
    "(\"%c\" * 100) as $s | last(repeat(0 | strftime($s)))",
    "(\"%Y\" * 5000000) as $s | last(repeat(try (0 | strftime($s)) catch 1))",
    "(\"%Y\" * 100) as $s | last(repeat(try (\"2000\" | strptime($s)) catch 1))",
    // Small to hold, endless to go through.
    "reduce range(100) as $i (0; [., .]) | . == .",
    "reduce range(100) as $i (0; [., .]) | . < .",
    "reduce range(100) as $i (0; {a: ., b: .}) | [., .] | sort",
    "reduce range(100) as $i (0; [., .]) | tojson",
    "reduce range(100) as $i (0; [., .]) | flatten",
    "reduce range(100) as $i (0; [., .]) | walk(.)",
    "reduce range(100) as $i (0; [., .]) | contains(.)",
    "reduce range(100) as $i (0; [., .]) | [..]",
    "reduce range(100) as $i (0; [., .]) | unique",
    "reduce range(500) as $i (0; [., .]) | last(..)",
    "reduce range(500) as $i (0; [., .]) | last(paths)",
    "(\"x\" * 5000000) as $s | [range(20000) | $s] | sort",
    "(\"x\" * 5000000) as $s | [range(20000) | $s] | group_by(.)",
    "(\"x\" * 5000000) as $s | [range(20000) | [$s]] | . - .",
    "last(repeat(([range(20)] | implode | explode | tojson | fromjson | map(. + 1) | add) as $x | $x))",
];

/// Programs of much syntax and few calls: each round of the loop evaluates all of it.
fn wide() -> Vec<String> {
    let balanced = |leaf: &str, operator: &str| {
        let mut program = leaf.to_owned();
        while program.len() < 7_000 {
            program = format!("({program}{operator}{program})");
        }
        format!("last(repeat({program}))")
    };
    vec![
        balanced("1", "+"),
        balanced(".", "|"),
        balanced("1", " and "),
        balanced("1", "=="),
        balanced("[]", "+"),
        balanced("[.]", ","),
        balanced("{a:.}", "|"),
        balanced("\"\\(1)\"", "+"),
        balanced("(if . then 1 else 2 end)", "|"),
        balanced("(try . catch 1)", "|"),
        balanced("(. as $x|$x)", "|"),
        balanced("(.a?)", "|"),
        balanced("(1|floor)", "+"),
    ]
}

fn bombs() -> Vec<String> {
    BOMBS.iter().map(|bomb| (*bomb).to_owned()).chain(wide()).collect()
}

/// The time that this thread ran, in milliseconds, to about four of them: others on the machine do not count.
#[expect(clippy::disallowed_methods, reason = "the core does no I/O; its test reads what the thread took")]
fn ran_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0) / 1e6
}

/// The figures of one program, measured in a process of its own: what others left in the allocator would hide what it takes.
struct Figures {
    kib: usize,
    ms: f64,
    answer: String,
}

/// Names the program that a process of its own measures.
const PROGRAM: &str = "SAGABUS_MEASURED_PROGRAM";

fn measure(program: &str) -> Figures {
    let test = std::env::current_exe().expect("a test knows its own program");
    let arguments = ["measured", "--exact", "--ignored", "--nocapture"];
    let output = std::process::Command::new(test).args(arguments).env(PROGRAM, program).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find_map(|line| line.strip_prefix("measured ")).map(|line| line.splitn(3, ' '));
    let parts: Vec<&str> = line.map(Iterator::collect).unwrap_or_default();
    let [kib, ms, answer] = parts[..] else { panic!("{program}: the process ended early: {text}") };
    Figures { kib: kib.parse().expect("a number"), ms: ms.parse().expect("a number"), answer: answer.to_owned() }
}

#[test]
#[ignore = "runs in a process that measures"]
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is not the core's; its test is told what to measure by it"
)]
fn measured() {
    let Ok(program) = std::env::var(PROGRAM) else { return };
    let compile = || Expression::compile(&program, &[]).unwrap_or_else(|errors| panic!("{program}: {errors:?}"));
    // What is made once for all expressions is no part of the figures.
    assert_eq!(evaluate(".a + 1", &json!({ "a": 1 })), Ok(json!(2)));
    let expression = compile();
    let before = ran_ms();
    let (first, kib) = peak(|| expression.evaluate(&Value::Null, &Nothing));
    let mut ms = ran_ms() - before;
    for _ in 1..rounds() {
        let before = ran_ms();
        assert_eq!(first, expression.evaluate(&Value::Null, &Nothing), "another answer the second time");
        ms = ms.min(ran_ms() - before);
        // What ran out takes nothing from others.
        assert_eq!(evaluate(".a + 1", &json!({ "a": 1 })), Ok(json!(2)));
    }
    let kind = match &first {
        Ok(_) => "Ok",
        Err(EvaluateError::Error(_)) => "Error",
        Err(EvaluateError::Exhausted(_)) => "Exhausted",
    };
    let answer: String = format!("{kind} {first:?}").chars().take(120).collect();
    eprintln!("measured {kib} {ms} {answer}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment is not the core's; its test is told how often to measure by it"
)]
fn rounds() -> usize {
    std::env::var("SAGABUS_MEASURED_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2)
}

/// `cargo test --release -p sagabus-core --test bombs -- --ignored --nocapture figures`: what each program takes, the least of
/// as many rounds as `SAGABUS_MEASURED_ROUNDS` says.
#[test]
#[ignore = "prints figures, asserts nothing"]
fn figures() {
    for program in ORDINARY.iter().map(|program| (*program).to_owned()).chain(bombs()) {
        let Figures { kib, ms, answer } = measure(&program);
        let program: String = program.chars().take(90).collect();
        let answer: String = answer.chars().take(60).collect();
        eprintln!("{ms:8.1} ms {kib:8} KiB  {program}  {answer}");
    }
}

/// Work as people have it, at the size that has to run.
const ORDINARY: &[&str] = &[
    "[range(10000)] | map(. * 2) | add",
    "[range(10000) | (. * 7919) % 10007] | sort | .[0]",
    "[range(10000) | (. * 7919) % 10007 | {id: ., name: tostring}] | sort_by(.id) | length",
    "[range(10000) | (. * 7919) % 10007 | {id: ., name: tostring}] | sort_by(.name) | length",
    "[range(5000) | {id: ., kind: (. % 17)}] | group_by(.kind) | map(length) | add",
    "[range(5000) | {id: ., kind: (. % 17)}] | group_by(.id) | length",
    "[range(5000) | {id: ., kind: (. % 17)}] | map(select(.kind == 3) | .id) | length",
    "[range(10000) | \"row \\(.)\"] | join(\",\") | length",
    "[range(10000)] | tojson | fromjson | length",
    "[range(5000) | {key: \"k\\(.)\", value: .}] | from_entries | to_entries | length",
    "[range(5000) | {id: ., tags: [\"a\", \"b\"]}] | unique_by(.id) | length",
    "(\"lorem ipsum dolor \" * 1000) | [scan(\"\\\\w+\")] | length",
    "(\"lorem ipsum dolor \" * 500) | gsub(\"o\"; \"0\") | length",
    "(\"lorem ipsum dolor \" * 50000) | test(\"dolores\"; \"i\")",
    "(\"lorem ipsum dolor \" * 3000) | split(\" \") | length",
    "[range(200) | \"user\\(.)@example.org\" | select(test(\"^[a-z0-9]+@example\\\\.org$\"))] | length",
    "reduce range(10000) as $i (0; . + $i)",
];

#[test]
fn every_bomb_runs_out_in_bounds_and_alike() {
    let mut wrong = Vec::new();
    for bomb in bombs() {
        let Figures { kib, ms, answer } = measure(&bomb);
        if !answer.starts_with("Exhausted") {
            wrong.push(format!("{bomb}: {answer}"));
        }
        if kib > MEMORY_KIB {
            wrong.push(format!("{bomb}: took {kib} KiB"));
        }
        // Time is another machine's business: only what is far beyond the promise is wrong, and only as it is shipped.
        if !cfg!(debug_assertions) && ms > 8.0 * TIME_MS {
            wrong.push(format!("{bomb}: took {ms:.0} ms"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn work_as_people_have_it_ends_in_a_result() {
    for program in ORDINARY {
        let answer = evaluate(program, &Value::Null);
        assert!(matches!(answer, Ok(Value::Number(_) | Value::Bool(_))), "{program}: {answer:?}");
    }
}

#[test]
fn a_document_of_a_mebibyte_is_walked() {
    let row = |id: usize| json!({ "id": id, "name": format!("row {id}"), "price": id * 3, "tags": ["a", "b"], "note": "x".repeat(290) });
    let rows: Vec<Value> = (0..3_000).map(row).collect();
    let document = json!(rows);
    assert!(document.to_string().len() > 1 << 20);
    let next = "walk(if type == \"number\" then . + 1 else . end) | .[2999].price";
    assert_eq!(evaluate(next, &document), Ok(json!(8_998)));
    assert_eq!(evaluate("[.. | numbers] | length", &document), Ok(json!(6_000)));
    assert_eq!(evaluate("[paths] | length", &document), Ok(json!(24_000)));
    assert_eq!(evaluate("map(.note) | add | length", &document), Ok(json!(870_000)));
}

#[test]
fn what_ran_out_leaves_the_thread_as_it_was() {
    // So much work that little more would be too much: an evaluation that began with less would run out.
    let fits = "reduce range(200000) as $i (0; . + $i)";
    let too_much = "reduce range(3000000) as $i (0; . + $i)";
    let (fitted, ran_out) = (evaluate(fits, &Value::Null), evaluate(too_much, &Value::Null));
    assert!(fitted.is_ok(), "{fitted:?}");
    assert!(matches!(ran_out, Err(EvaluateError::Exhausted(_))), "{ran_out:?}");
    for bomb in [
        "def f: f; f",
        "def f: 1 + f; f",
        "reduce range(40) as $i (\"x\"; . + .)",
        "reduce range(100000) as $i (0; [.])",
        "last(repeat(\"a\" | test(\"x{1,1000}\")))",
        "[.[]?, repeat(.)] | walk(.)",
        "range(20000)",
    ] {
        let answer = evaluate(bomb, &Value::Null);
        assert!(matches!(answer, Err(EvaluateError::Exhausted(_))), "{bomb}: {answer:?}");
        assert_eq!(evaluate(fits, &Value::Null), fitted, "after {bomb}");
        assert_eq!(evaluate(too_much, &Value::Null), ran_out, "after {bomb}");
        // Of levels and bytes too, all are there again.
        assert_eq!(evaluate("def f: if . == 0 then 0 else 1 + (. - 1 | f) end; 250 | f", &Value::Null), Ok(json!(250)));
        assert_eq!(evaluate("\"x\" * 12000000 | length", &Value::Null), Ok(json!(12_000_000)), "after {bomb}");
    }
}

#[test]
fn text_of_deep_json_is_an_error_to_catch() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    assert!(matches!(evaluate("fromjson", &json!(deep)), Err(EvaluateError::Error(_))));
    assert_eq!(evaluate("try fromjson catch \"deep\"", &json!(deep)), Ok(json!("deep")));
}

#[test]
fn deep_and_large_inputs_are_refused() {
    let mut deep = Value::Null;
    for _ in 0..200 {
        deep = json!([deep]);
    }
    assert!(matches!(evaluate(".", &deep), Err(EvaluateError::Exhausted(_))));
    let large = json!("x".repeat(30 << 20));
    assert!(matches!(evaluate("1", &large), Err(EvaluateError::Exhausted(_))));
    assert!(matches!(
        evaluate("[range(150) as $i | [$i]] | reduce range(150) as $i (0; [.])", &json!(1)),
        Err(EvaluateError::Exhausted(_))
    ));
    assert!(matches!(evaluate("range(20000)", &json!(1)), Err(EvaluateError::Exhausted(_))));
    assert!(matches!(evaluate("\"x\" * 2000000", &json!(1)), Err(EvaluateError::Exhausted(_))));
}

#[test]
fn what_is_dangerous_does_not_compile() {
    for source in [
        "env",
        "env.PATH",
        "$ENV",
        "$ENV.PATH",
        "halt",
        "halt_error",
        "halt_error(1)",
        "input",
        "[inputs]",
        "debug",
        "debug(1)",
    ] {
        let errors = Expression::compile(source, &[]).expect_err(source);
        assert!(errors[0].message.contains("not available here"), "{source}: {errors:?}");
    }
    for source in [
        "import \"a\" as a; .",
        "include \"a\"; .",
        "stderr",
        "input_filename",
        "localtime",
        "__tick",
        "__modify(.; .)",
    ] {
        assert!(Expression::compile(source, &[]).is_err(), "{source}");
    }
}

#[test]
fn ordinary_work_is_far_from_the_limits() {
    let rows: Vec<Value> =
        (0..2_000).map(|id| json!({ "id": id, "name": format!("row {id}"), "price": id * 3 })).collect();
    let source = "map(select(.price > 100) | {id, label: \"\\(.name)!\", total: (.price * 2)}) | sort_by(-.total) | {count: length, first: .[0], sum: (map(.total) | add)}";
    let answer = evaluate(source, &json!(rows)).expect("it ends");
    assert_eq!(answer["count"], json!(1966));
    assert_eq!(evaluate("def f: if . >= 2000 then . else . + 1 | f end; f", &json!(0)), Ok(json!(2000)));
    assert_eq!(evaluate("def f: if . == 0 then 0 else 1 + (. - 1 | f) end; f", &json!(250)), Ok(json!(250)));
    assert_eq!(evaluate("reduce range(1000) as $i ([]; . + [$i]) | length", &json!(0)), Ok(json!(1000)));
}

#[test]
fn hostile_sources_are_refused_in_words() {
    let many = |part: &str, times: usize| part.repeat(times);
    let sources = [
        many("(", 16_000),
        many("[", 16_000),
        many("{a:", 5_000),
        many("-", 16_000) + "1",
        many("\"\\(", 5_000),
        many(".|", 8_000) + ".",
        many("1+", 8_000) + "1",
        many("try ", 4_000) + "1",
        many("if 1 then ", 1_600),
        many("def f: ", 2_000),
        many("reduce . as ", 1_000),
        many("(", 5_000) + "1" + &many(")", 5_000),
        many("[", 5_000) + "1" + &many("]", 5_000),
        many(".a", 8_000),
        "x".repeat(17_000),
    ];
    for source in sources {
        if let Ok(expression) = Expression::compile(&source, &[]) {
            let _ = expression.evaluate(&Value::Null, &Nothing);
        }
    }
}
