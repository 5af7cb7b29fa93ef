use std::{path::Path, sync::Arc};

use sagabus_adapter_sdk::{Adapter, Idempotency, Manifest, Secrets, Unknown};
use serde_json::{Map, Value, json};

use super::{ConfigError, Surroundings, Trust, build};

fn built(settings: &str) -> Result<Vec<Arc<dyn Adapter>>, ConfigError> {
    let secrets = Secrets::new(json!({ "payments": { "token": "t0p-s3cret" } }).as_object().unwrap().clone()).unwrap();
    let surroundings = Surroundings { trust: Trust::Configuration, folder: Path::new("/bin"), secrets: &secrets };
    build(&tables(settings), surroundings)
}

fn tables(settings: &str) -> Map<String, Value> {
    let Ok(Value::Object(mut settings)) = toml::from_str(settings) else { panic!("{settings}") };
    settings.remove("adapters").and_then(|adapters| adapters.as_object().cloned()).unwrap_or_default()
}

fn manifest(adapters: &[Arc<dyn Adapter>], name: &str) -> Manifest {
    adapters.iter().map(|adapter| adapter.manifest()).find(|manifest| manifest.name == name).unwrap()
}

#[test]
fn http_and_process_are_always_there() {
    let adapters = built("").unwrap();
    assert_eq!(manifest(&adapters, "http").functions[0].name, "request");
    let process: Vec<String> = manifest(&adapters, "process").functions.into_iter().map(|f| f.name).collect();
    assert_eq!(process, ["shell", "script"]);
}

#[test]
fn a_service_and_a_program_offer_what_they_declare() {
    let adapters = built(
        r#"
        [adapters.payments]
        type = "http"
        base = "http://127.0.0.1:9000/v1"
        authentication = { scheme = "bearer", token = { secret = "payments.token" } }
        [adapters.payments.functions.charge]
        path = "/orders/{order}/charges"
        input = { type = "object", required = ["order"] }
        timeout_ms = 5000
        minimum_budget_ms = 200
        unknown = "at-most-once"
        [adapters.payments.functions.find]
        method = "get"
        path = "/orders/{order}"

        [adapters.courier]
        type = "program"
        program = "sh"
        arguments = ["-c"]
        version = "2.1.0"
        [adapters.courier.functions.book]
        description = "Books a courier."
        "#,
    )
    .unwrap();
    let payments = manifest(&adapters, "payments");
    let charge = &payments.functions[0];
    assert_eq!(
        (charge.name.as_str(), charge.timeout.as_millis(), charge.minimum_budget.as_millis()),
        ("charge", 5000, 200)
    );
    assert_eq!((charge.unknown, charge.idempotency), (Unknown::AtMostOnce, Idempotency::ByKey));
    assert_eq!(payments.functions[1].idempotency, Idempotency::Natural);
    let courier = manifest(&adapters, "courier");
    assert_eq!((courier.version.as_str(), courier.functions[0].transient.as_slice()), ("2.1.0", [503].as_slice()));
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_the_remedy() {
    let function = "[adapters.x.functions.f]\n";
    for (settings, place, says) in [
        ("[adapters.x]\nbase = 1".to_owned(), "adapters.x", "say what it is"),
        ("[adapters.x]\ntype = \"htpt\"".to_owned(), "adapters.x", "did you mean `http`?"),
        ("[adapters.\"a.b\"]\ntype = \"http\"".to_owned(), "adapters.a.b", "letters, digits"),
        ("[adapters]\nx = 1".to_owned(), "adapters.x", "has to be a table"),
        ("[adapters.x]\ntype = \"http\"\nbase = \"http://a\"".to_owned(), "adapters.x", "[adapters.x.functions.NAME]"),
        (format!("[adapters.x]\ntype = \"http\"\nbase = \"a\"\n{function}"), "adapters.x", "`base`: `a` is not"),
        (
            format!("[adapters.x]\ntype = \"http\"\nbase = \"http://a\"\nbas = 1\n{function}"),
            "adapters.x",
            "unknown field `bas`",
        ),
        (
            format!("[adapters.x]\ntype = \"http\"\nbase = \"http://a\"\n{function}pth = 1"),
            "adapters.x.functions.f",
            "unknown field `pth`",
        ),
        (
            format!("[adapters.x]\ntype = \"http\"\nbase = \"http://a\"\n{function}path = \"p\""),
            "adapters.x",
            "`functions.f.path`",
        ),
        (
            format!("[adapters.x]\ntype = \"http\"\nbase = \"http://a\"\n{function}input = {{ type = 1 }}"),
            "adapters.x.functions.f",
            "`input` is no JSON Schema",
        ),
        (
            format!("[adapters.x]\ntype = \"http\"\nbase = {{ secret = \"none\" }}\n{function}"),
            "adapters.x",
            "there is no secret `none`",
        ),
        (
            format!("[adapters.x]\ntype = \"program\"\nprogram = \"none\"\n{function}"),
            "adapters.x",
            "there is no file /bin/none",
        ),
        ("[adapters.process]\nshel = true".to_owned(), "adapters.process", "unknown field `shel`"),
        ("[adapters.http]\nallow = [\"http://x\"]".to_owned(), "adapters.http", "is neither an address"),
    ] {
        let error = built(&settings).err().unwrap_or_else(|| panic!("{settings} was accepted"));
        assert_eq!(error.place, place, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// The documentation's examples are settings that work.
#[tokio::test]
async fn the_examples_of_the_guide_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    std::fs::write(folder.path().join("bin/courier"), "").unwrap();
    let named = json!({ "payments": { "token": "t0p-s3cret" }, "courier": "secret" });
    let secrets = Secrets::new(named.as_object().unwrap().clone()).unwrap();
    let guide = include_str!("../../../docs/adapters.md");
    let examples: Vec<&str> =
        guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    for example in &examples {
        let surroundings = Surroundings { trust: Trust::Configuration, folder: folder.path(), secrets: &secrets };
        if let Err(error) = build(&tables(example), surroundings) {
            panic!("{error} in:\n{example}");
        }
    }
    assert_eq!(examples.len(), 5);
}

#[tokio::test]
async fn a_database_offers_what_it_declares_and_says_what_is_wrong() {
    let database = "[adapters.w]\ntype = \"sql\"\nurl = \"sqlite:x.db\"\n[adapters.w.functions.f]\n";
    let adapters = built(&format!("{database}statement = \"SELECT 1\"\nread = true")).unwrap();
    let function = &manifest(&adapters, "w").functions[0];
    assert_eq!((function.idempotency, function.description.as_str()), (Idempotency::Natural, "SELECT 1"));
    for (settings, says) in [
        (format!("{database}read = true"), "there is no statement"),
        (format!("{database}statement = \"SELECT ?\""), "`functions.f`: `?` is a placeholder of the database"),
        (format!("{database}statement = \"SELECT 1\"\nerror = {{ status = 409 }}"), "with `expect"),
        (format!("{database}statements = [\"SELECT 1\"]\nexpect = 1"), "or `statements` with their own"),
        (database.replace("sqlite:x.db", "oracle://x"), "`oracle:` is no database"),
    ] {
        let error = built(&settings).err().unwrap_or_else(|| panic!("{settings} was accepted"));
        assert!(error.to_string().contains(says), "{error}");
    }
}
