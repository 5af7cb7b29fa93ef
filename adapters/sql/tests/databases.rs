//! The adapter against real databases: SQLite in a file, PostgreSQL and MySQL or MariaDB where
//! `SAGABUS_TEST_POSTGRES` and `SAGABUS_TEST_MYSQL` say. Each test has tables of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sagabus_adapter_sdk::{Adapter, Call, EffectState, Failure, Function, Problem, Standard};
use sagabus_adapter_sql::{Expectation, Gives, SqlAdapter, SqlFunction, SqlSettings, SqlStatement};
use serde_json::{Value, json};
use uuid::Uuid;

/// A database and a name for a table that nobody else has.
struct Place {
    url: String,
    table: String,
    _folder: tempfile::TempDir,
}

fn places() -> [Place; 3] {
    let folder = || tempfile::tempdir().unwrap();
    let table = || format!("t_{}", Uuid::new_v4().simple());
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let file = folder();
    let path = file.path().join("test.db");
    std::fs::write(&path, b"").unwrap();
    [
        Place { url: format!("sqlite:{}", path.display()), table: table(), _folder: file },
        Place {
            url: variable("SAGABUS_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/test"),
            table: table(),
            _folder: folder(),
        },
        Place {
            url: variable("SAGABUS_TEST_MYSQL", "mysql://root@127.0.0.1:3306/test"),
            table: table(),
            _folder: folder(),
        },
    ]
}

impl Place {
    fn adapter(&self, functions: Vec<SqlFunction>) -> SqlAdapter {
        SqlAdapter::new(SqlSettings {
            name: "warehouse".to_owned(),
            version: "1.0.0".to_owned(),
            url: self.url.clone(),
            max_connections: 4,
            functions,
        })
        .unwrap()
    }

    /// One function of one statement, with `{t}` for the table.
    async fn run(&self, sql: &str, gives: Gives, arguments: Value) -> Result<Value, Failure> {
        let function = SqlFunction { read: true, ..function(&self.sql(sql), gives) };
        self.adapter(vec![function]).call(call(arguments)).await
    }

    fn sql(&self, sql: &str) -> String {
        sql.replace("{t}", &self.table)
    }

    async fn stock(&self) {
        self.run(
            "CREATE TABLE {t} (sku VARCHAR(20) PRIMARY KEY, left_over INT NOT NULL CHECK (left_over >= 0))",
            Gives::None,
            json!({}),
        )
        .await
        .unwrap();
        self.run("INSERT INTO {t} VALUES ('a', 5)", Gives::None, json!({})).await.unwrap();
    }

    async fn left(&self) -> Value {
        self.run("SELECT left_over FROM {t} WHERE sku = 'a'", Gives::Row, json!({})).await.unwrap()["left_over"].clone()
    }

    /// Takes from the stock if there is enough of it.
    fn take(&self) -> SqlFunction {
        let error = Problem {
            title: Some("Out of stock".into()),
            detail: None,
            ..Problem::standard(Standard::Validation, "").with_status(409)
        };
        let mut take = function(
            &self.sql("UPDATE {t} SET left_over = left_over - :n WHERE sku = :sku AND left_over >= :n"),
            Gives::Count,
        );
        take.statements[0].expectation = Some(Expectation { rows: 1, error });
        take
    }
}

fn function(sql: &str, gives: Gives) -> SqlFunction {
    let statements = vec![SqlStatement { sql: sql.to_owned(), expectation: None }];
    SqlFunction { function: Function::new("f", ""), statements, gives, read: false }
}

fn call(arguments: Value) -> Call {
    Call::new("f", arguments)
}

#[tokio::test]
async fn a_repeated_call_has_its_effect_once_and_gives_the_first_output() {
    for place in places() {
        place.stock().await;
        let adapter = place.adapter(vec![place.take()]);
        let take = call(json!({ "sku": "a", "n": 2 }));
        for _ in 0..3 {
            assert_eq!(adapter.call(take.clone()).await.unwrap(), json!(1), "{}", place.url);
        }
        assert_eq!(place.left().await, json!(3), "{}", place.url);
        let again = Call { key: Uuid::new_v4().to_string(), ..take };
        assert_eq!(adapter.call(again).await.unwrap(), json!(1));
        assert_eq!(place.left().await, json!(1));
    }
}

#[tokio::test]
async fn attempts_of_one_call_at_once_have_one_effect() {
    for place in places() {
        place.stock().await;
        let adapter = place.adapter(vec![place.take()]);
        let take = call(json!({ "sku": "a", "n": 1 }));
        let attempts = tokio::join!(adapter.call(take.clone()), adapter.call(take.clone()), adapter.call(take.clone()));
        assert_eq!([attempts.0.unwrap(), attempts.1.unwrap(), attempts.2.unwrap()], [json!(1), json!(1), json!(1)]);
        assert_eq!(place.left().await, json!(4), "{}", place.url);
    }
}

#[tokio::test]
async fn an_expectation_that_fails_rolls_back_and_can_succeed_later() {
    for place in places() {
        place.stock().await;
        // The first statement succeeds, the second finds too little left.
        let mut take = place.take();
        take.statements
            .insert(0, SqlStatement { sql: place.sql("UPDATE {t} SET left_over = left_over - 1"), expectation: None });
        let adapter = place.adapter(vec![take]);
        let take = call(json!({ "sku": "a", "n": 5 }));
        let failure = adapter.call(take.clone()).await.unwrap_err();
        assert_eq!((failure.error.status, failure.effect), (409, EffectState::None), "{failure:?}");
        assert_eq!(failure.error.title.as_deref(), Some("Out of stock"));
        assert_eq!(place.left().await, json!(5), "{}", place.url);
        place.run("UPDATE {t} SET left_over = 9", Gives::None, json!({})).await.unwrap();
        assert_eq!(adapter.call(take).await.unwrap(), json!(1), "the key was rolled back with the rest");
        assert_eq!(place.left().await, json!(3));
    }
}

#[tokio::test]
async fn what_the_database_refuses_has_no_effect() {
    for place in places() {
        place.stock().await;
        for (sql, arguments, status) in [
            ("INSERT INTO {t} VALUES ('b', 1); INSERT INTO {t} VALUES (:sku, 1)", json!({ "sku": "a" }), 409),
            ("INSERT INTO {t} VALUES ('c', :n)", json!({ "n": -1 }), 400),
            ("INSERT INTO {t} VALUES ('d', :n)", json!({ "n": null }), 400),
            ("INSERT INTO {t} VALUES ('e', :n)", json!({}), 400),
            ("INSERT INTO nowhere_{t} VALUES (1)", json!({}), 500),
        ] {
            let adapter = place.adapter(vec![function(&place.sql(sql), Gives::None)]);
            let failure = adapter.call(call(arguments)).await.unwrap_err();
            assert_eq!(
                (failure.error.status, failure.effect),
                (status, EffectState::None),
                "{} {sql}: {failure:?}",
                place.url
            );
        }
        assert_eq!(place.run("SELECT sku FROM {t}", Gives::Rows, json!({})).await.unwrap(), json!([{ "sku": "a" }]));
    }
}

#[tokio::test]
async fn who_does_not_answer_was_not_asked() {
    for url in ["sqlite:/nowhere/none.db", "postgres://u@127.0.0.1:1/x", "mysql://u@127.0.0.1:1/x"] {
        let place = Place { url: url.to_owned(), table: String::new(), _folder: tempfile::tempdir().unwrap() };
        let adapter = place.adapter(vec![function("SELECT 1", Gives::All)]);
        let failure = adapter.call(call(json!({}))).await.unwrap_err();
        assert_eq!((failure.error.status, failure.effect), (503, EffectState::None), "{failure:?}");
    }
}

#[tokio::test]
async fn results_come_as_asked_for() {
    for place in places() {
        place.stock().await;
        let select = "SELECT sku, left_over FROM {t} WHERE sku = :sku";
        let row = json!({ "sku": "a", "left_over": 5 });
        for (gives, expected) in [
            (Gives::All, json!({ "rows": [row], "count": 1 })),
            (Gives::Rows, json!([row])),
            (Gives::Row, row.clone()),
            (Gives::Count, json!(1)),
            (Gives::None, Value::Null),
        ] {
            assert_eq!(place.run(select, gives, json!({ "sku": "a" })).await.unwrap(), expected, "{}", place.url);
        }
        assert_eq!(place.run(select, Gives::Row, json!({ "sku": "' OR 1 = 1" })).await.unwrap(), Value::Null);
    }
}

#[tokio::test]
async fn values_of_sqlite_keep_what_they_are() {
    let [place, ..] = places();
    place
        .run("CREATE TABLE {t} (i INTEGER, r REAL, s TEXT, b BLOB, o BOOLEAN, j TEXT)", Gives::None, json!({}))
        .await
        .unwrap();
    place
        .run(
            "INSERT INTO {t} VALUES (:i, :r, :s, x'00ff', :o, :j)",
            Gives::None,
            json!({ "i": 9_007_199_254_740_993_i64, "r": 1.5, "s": "ü", "o": true, "j": { "a": [1] } }),
        )
        .await
        .unwrap();
    assert_eq!(
        place.run("SELECT *, NULL AS n FROM {t}", Gives::Row, json!({})).await.unwrap(),
        json!({ "i": 9_007_199_254_740_993_i64, "r": 1.5, "s": "ü", "b": "AP8=", "o": true, "j": "{\"a\":[1]}", "n": null })
    );
}

#[tokio::test]
async fn values_of_postgres_keep_what_they_are() {
    let [_, place, _] = places();
    place
        .run(
            "CREATE TABLE {t} (i bigint, r float8, s text, c char(3), b bytea, o boolean, j jsonb, d numeric(12, 3), u uuid, \
             day date, t time, at timestamptz, local timestamp, list int[], words text[])",
            Gives::None,
            json!({}),
        )
        .await
        .unwrap();
    let values = json!({
        "i": 9_007_199_254_740_993_i64, "r": 1.5, "s": "ü", "c": "abc", "b": "AP8=", "o": true, "j": { "a": [1] },
        "d": "-1234567.089", "u": "018f4e5a-0000-7000-8000-000000000001", "day": "2024-02-29", "t": "23:59:59.5",
        "at": "2024-02-29T12:00:00.123456Z", "local": "1999-12-31T23:59:59", "list": [1, null, 3], "words": ["a\"b", "c,d"],
    });
    let insert = "INSERT INTO {t} VALUES (:i, :r, :s, :c, :b, :o, :j, :d, :u, :day, :t, :at, :local, :list, :words)";
    place.run(insert, Gives::None, values.clone()).await.unwrap();
    assert_eq!(place.run("SELECT * FROM {t}", Gives::Row, json!({})).await.unwrap(), values);
    let numbers = "SELECT 0::numeric AS a, 0.05::numeric AS b, 100000000::numeric AS c, 1e-9::numeric AS d, 12345678.9::numeric AS e";
    assert_eq!(
        place.run(numbers, Gives::Row, json!({})).await.unwrap(),
        json!({ "a": "0", "b": "0.05", "c": "100000000", "d": "0.000000001", "e": "12345678.9" })
    );
}

#[tokio::test]
async fn values_of_mysql_keep_what_they_are() {
    let [_, _, place] = places();
    place
        .run(
            "CREATE TABLE {t} (i BIGINT, u BIGINT UNSIGNED, r DOUBLE, s VARCHAR(10) CHARACTER SET utf8mb4, b BLOB, o BOOLEAN, \
             d DECIMAL(12, 3), day DATE, at TIMESTAMP(6) NULL, local DATETIME)",
            Gives::None,
            json!({}),
        )
        .await
        .unwrap();
    let values = json!({
        "i": -9_007_199_254_740_993_i64, "u": u64::MAX, "r": 1.5, "s": "ü", "o": true, "d": "-1234567.089", "day": "2024-02-29",
        "at": "2024-02-29 12:00:00.123456", "local": "1999-12-31 23:59:59",
    });
    place
        .run("INSERT INTO {t} VALUES (:i, :u, :r, :s, x'00ff', :o, :d, :day, :at, :local)", Gives::None, values)
        .await
        .unwrap();
    assert_eq!(
        place.run("SELECT * FROM {t}", Gives::Row, json!({})).await.unwrap(),
        json!({
            "i": -9_007_199_254_740_993_i64, "u": u64::MAX, "r": 1.5, "s": "ü", "b": "AP8=", "o": true, "d": "-1234567.089",
            "day": "2024-02-29", "at": "2024-02-29T12:00:00.123456Z", "local": "1999-12-31T23:59:59",
        })
    );
}
