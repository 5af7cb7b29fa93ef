//! Whatever the text and the data: compiling and evaluating answer, never panic, and answer alike twice.

use proptest::prelude::*;
use sagabus_core::expression::{Expression, Variables};
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

fn data() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|entries| json!(entries)),
        ]
    })
}

fn program() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        ".", ".a", ".[]?", ".[0]", "1", "-2.5", "\"b\"", "null", "empty", "keys", "length", "sort", "..", "add",
        "tojson", "error",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 3, |inner| {
        let operators = prop::sample::select(vec![
            "|", ",", "+", "-", "*", "/", "%", "==", "<", "and", "//", "=", "|=", "+=", "//=",
        ]);
        let calls = prop::sample::select(vec![
            "map", "select", "path", "del", "first", "last", "isempty", "sort_by", "walk", "recurse", "limit(3;", "try",
        ]);
        prop_oneof![
            (inner.clone(), operators, inner.clone())
                .prop_map(|(left, operator, right)| format!("({left}) {operator} ({right})")),
            (calls, inner.clone()).prop_map(|(call, body)| match call {
                "try" => format!("try ({body})"),
                "limit(3;" => format!("limit(3; {body})"),
                call => format!("{call}({body})"),
            }),
            inner.clone().prop_map(|body| format!("[{body}]")),
            (inner.clone(), inner).prop_map(|(list, body)| format!("reduce ({list}) as $x (.; {body})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_compiles_or_is_refused(text in "\\PC{0,40}|[-.|,;:(){}\\[\\]$@?a-f0-9\" =*/]{0,40}") {
        if let Err(errors) = Expression::compile(&text, &["a"]) {
            prop_assert!(!errors.is_empty());
            prop_assert!(errors.iter().all(|error| text.get(error.span.clone()).is_some()), "{errors:?}");
        }
    }

    #[test]
    fn a_program_answers_alike_twice(source in program(), input in data()) {
        let expression = Expression::compile(&source, &[]).expect("the grammar is jq's");
        prop_assert_eq!(expression.evaluate(&input, &Nothing), expression.evaluate(&input, &Nothing));
    }
}
