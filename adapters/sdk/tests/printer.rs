//! A complete adapter, as CONTRIBUTING.md shows it, and that it keeps its promises.

use std::{io::ErrorKind, path::PathBuf, time::Duration};

use sagabus_adapter_sdk::{
    Adapter, Call, CancellationToken, EffectState, Failure, Function, Idempotency, InstanceId, Manifest, Schema,
    Standard, async_trait,
};
use serde_json::{Value, json};

/// A printer that prints whatever is put into its spool folder.
struct Printer {
    spool: PathBuf,
}

#[async_trait]
impl Adapter for Printer {
    fn manifest(&self) -> Manifest {
        let mut print = Function::new("print", "Prints a page");
        print.input = json!({ "type": "object", "required": ["text"], "properties": { "text": { "type": "string" } } });
        print.idempotency = Idempotency::ByKey;
        Manifest { name: "printer".into(), version: "1.0.0".into(), functions: vec![print], concurrency: Some(1) }
    }

    async fn call(&self, call: Call) -> Result<Value, Failure> {
        // The worker has checked the arguments against the schema.
        let text = call.arguments["text"].as_str().unwrap_or_default();
        // The key names the file, so that a page that comes again is the same page.
        let file = self.spool.join(format!("{}.txt", call.key));
        match tokio::fs::write(&file, text).await {
            Ok(()) => Ok(json!({ "page": call.key })),
            // Certainly nothing was printed.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let detail = format!("there is no spool folder {}", self.spool.display());
                Err(Failure::without_effect(Standard::Configuration, detail))
            }
            // Half a page may have been printed.
            Err(error) => Err(Failure::unknown(Standard::Communication, error.to_string())),
        }
    }
}

fn page(key: &str) -> Call {
    Call {
        function: "print".into(),
        arguments: json!({ "text": "hello" }),
        key: key.into(),
        attempt: 1,
        redelivered: 0,
        budget: Duration::from_secs(1),
        deadline: None,
        instance: InstanceId(uuid::Uuid::nil()),
        reference: "/do/0/print".into(),
        cancelled: CancellationToken::new(),
    }
}

#[tokio::test]
async fn a_page_that_comes_again_is_the_same_page() {
    let spool = tempfile::tempdir().expect("a temporary folder");
    let printer = Printer { spool: spool.path().into() };
    for _ in 0..2 {
        assert_eq!(printer.call(page("k-1")).await, Ok(json!({ "page": "k-1" })));
    }
    printer.call(page("k-2")).await.expect("another page is printed");
    assert_eq!(spool.path().read_dir().expect("a folder can be listed").count(), 2);
}

#[tokio::test]
async fn without_a_spool_folder_certainly_nothing_is_printed() {
    let printer = Printer { spool: "/nonexistent".into() };
    let failure = printer.call(page("k-1")).await.expect_err("there is no folder");
    assert_eq!((failure.effect, failure.error.status), (EffectState::None, 400));
}

#[test]
fn its_schemas_are_valid() {
    for function in (Printer { spool: PathBuf::new() }).manifest().functions {
        assert!(Schema::compile(&function.input).is_ok() && Schema::compile(&function.output).is_ok());
    }
}
