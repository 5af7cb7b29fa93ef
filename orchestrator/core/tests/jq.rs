//! The table of expressions in `jq/cases.jsonl` against the answers recorded from jq 1.7.1, and, where Python's `jq` module is at
//! hand, against that jq again. What differs on purpose carries its reason, and `docs/expressions.md` lists exactly that.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::{Command, Stdio},
};

use sagabus_core::expression::{EvaluateError, Expression, Variables};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Case {
    filter: String,
    input: Value,
    /// What jq 1.7.1 answers.
    jq: Answer,
    /// What we answer, where it is something else.
    ours: Option<Answer>,
    /// Why it is.
    why: Option<String>,
    /// jq 1.8 answers otherwise: not compared with the jq at hand, which may be newer.
    #[serde(default)]
    changed_in_1_8: bool,
}

#[derive(Deserialize, PartialEq, Clone, Debug)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Values(Vec<Value>),
    Error(String),
    CompileError,
}

struct Nothing;

impl Variables for Nothing {
    fn variable(&self, _: &str) -> Value {
        Value::Null
    }

    fn now(&self) -> f64 {
        1_500_000_000.5
    }
}

fn cases() -> Vec<Case> {
    include_str!("jq/cases.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

/// What several values, one or none become.
fn folded(answer: &Answer) -> Answer {
    match answer {
        Answer::Values(values) => Answer::Values(vec![match values.as_slice() {
            [] => Value::Null,
            [one] => one.clone(),
            several => Value::Array(several.to_vec()),
        }]),
        other => other.clone(),
    }
}

fn answer(case: &Case) -> Answer {
    let Ok(expression) = Expression::compile(&case.filter, &[]) else { return Answer::CompileError };
    match expression.evaluate(&case.input, &Nothing) {
        Ok(value) => Answer::Values(vec![value]),
        Err(EvaluateError::Error(text) | EvaluateError::Exhausted(text)) => Answer::Error(text),
    }
}

#[test]
fn every_case_answers_as_recorded() {
    let cases = cases();
    assert!(cases.len() >= 250, "the table has {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let wanted = folded(case.ours.as_ref().unwrap_or(&case.jq));
        let got = answer(case);
        if got != wanted {
            wrong.push(format!("{} on {}\n  wanted {wanted:?}\n  got    {got:?}", case.filter, case.input));
        }
        assert_eq!(case.ours.is_some(), case.why.is_some(), "a difference has a reason: {}", case.filter);
        assert!(
            case.ours.as_ref().is_none_or(|ours| folded(ours) != folded(&case.jq)),
            "no difference: {}",
            case.filter
        );
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Reads `[filter, input]` a line, writes the answer a line. A module that is not there answers nothing.
const REAL: &str = r#"
import json, sys
try:
    import jq
except ImportError:
    sys.exit(0)
for line in sys.stdin:
    text, value = json.loads(line)
    try:
        program = jq.compile(text)
    except ValueError:
        print(json.dumps("compile_error")); continue
    try:
        print(json.dumps({"values": program.input_value(value).all()}))
    except ValueError as error:
        print(json.dumps({"error": str(error)}))
"#;

#[test]
fn the_record_is_what_the_jq_at_hand_answers() {
    let cases: Vec<Case> = cases().into_iter().filter(|case| !case.changed_in_1_8).collect();
    let child = Command::new("python3").args(["-c", REAL]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return };
    let lines: String = cases.iter().map(|case| format!("{}\n", json!([case.filter, case.input]))).collect();
    // A module that is not there reads nothing.
    let _ = child.stdin.take().expect("piped").write_all(lines.as_bytes());
    let output = child.wait_with_output().expect("python3 ends");
    let answers = String::from_utf8(output.stdout).expect("JSON");
    if answers.is_empty() {
        return;
    }
    let answers: Vec<Answer> = answers.lines().map(|line| serde_json::from_str(line).expect("an answer")).collect();
    assert_eq!(answers.len(), cases.len());
    for (case, real) in cases.iter().zip(answers) {
        assert_eq!(comparable(&real), comparable(&case.jq), "{} on {}", case.filter, case.input);
    }
}

/// The words of errors differ between the versions of jq.
fn comparable(answer: &Answer) -> Answer {
    match answer {
        Answer::Error(_) => Answer::Error(String::new()),
        Answer::Values(values) => Answer::Values(values.iter().map(numbers).collect()),
        other => other.clone(),
    }
}

/// Numbers as doubles: Python writes 1.0 where another writes 1.
fn numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(numbers).collect(),
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), numbers(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_documentation_lists_every_difference() {
    let mut reasons: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for case in cases() {
        if let Some(why) = case.why {
            reasons.entry(why).or_default().insert(case.filter.replace('|', "\\|"));
        }
    }
    let mut wanted = String::from("| Difference | Seen in |\n| --- | --- |\n");
    for (why, filters) in reasons {
        let filters: Vec<String> = filters.iter().map(|filter| format!("`{filter}`")).collect();
        wanted.push_str(&format!("| {why} | {} |\n", filters.join(", ")));
    }
    let text = include_str!("../../../docs/expressions.md");
    assert!(text.contains(&wanted), "docs/expressions.md lacks the table of differences; it should be\n\n{wanted}");
}
