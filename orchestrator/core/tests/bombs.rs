//! Programs that would never end, or fill the memory, or overflow the stack: each ends in the same error twice, within the memory
//! that an evaluation may take, with the process alive.

use std::sync::Mutex;

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

/// Memory is the process's: one test at a time measures.
static MEASURING: Mutex<()> = Mutex::new(());

/// What an evaluation may take: values, evaluator and stack.
const MEMORY_KIB: usize = 64 << 10;

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
];

#[test]
fn every_bomb_runs_out_in_bounds_and_alike() {
    let _alone = MEASURING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut wrong = Vec::new();
    for bomb in BOMBS {
        let (first, kib) = peak(|| evaluate(bomb, &Value::Null));
        if !matches!(first, Err(EvaluateError::Exhausted(_))) {
            let text: String = format!("{first:?}").chars().take(200).collect();
            wrong.push(format!("{bomb}: {text}"));
        }
        if first != evaluate(bomb, &Value::Null) {
            wrong.push(format!("{bomb}: another answer the second time"));
        }
        if kib > MEMORY_KIB {
            wrong.push(format!("{bomb}: took {kib} KiB"));
        }
        // What ran out takes nothing from others.
        assert_eq!(evaluate(".a + 1", &json!({ "a": 1 })), Ok(json!(2)), "after {bomb}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
