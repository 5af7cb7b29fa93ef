use base64::{Engine as _, engine::general_purpose::STANDARD};
use sagabus_core::{cause::EffectState, decide::secret_reference};
use serde_json::{Map, Value, json};

use super::{Secrets, SecretsError};

fn secrets() -> Secrets {
    let Value::Object(named) = json!({
        "token": "t0p-s3cret",
        "db": { "username": "anna", "password": "pa\"ss wörd/1", "port": 54321 },
    }) else {
        unreachable!()
    };
    Secrets::new(named).unwrap()
}

fn allowed() -> Vec<String> {
    vec!["token".to_owned(), "db".to_owned()]
}

#[test]
fn the_shape_has_paths_in_the_place_of_values() {
    assert_eq!(
        Value::Object(secrets().shape()),
        json!({ "token": "token", "db": { "username": "db.username", "password": "db.password", "port": "db.port" } })
    );
}

#[test]
fn references_are_resolved_wherever_they_stand() {
    let arguments = json!({
        "header": format!("Bearer {}!", secret_reference("n1", "token")),
        "list": [secret_reference("n1", "db.port"), format!("{}:{}", secret_reference("n1", "db.username"), secret_reference("n1", "db.password"))],
        "pictogram": "\u{E001} and \u{E000} are text",
    });
    assert_eq!(
        secrets().resolve(arguments, "n1", &allowed()).unwrap(),
        json!({
            "header": "Bearer t0p-s3cret!",
            "list": [54321, "anna:pa\"ss wörd/1"],
            "pictogram": "\u{E001} and \u{E000} are text",
        })
    );
}

#[test]
fn a_forged_an_unknown_and_a_forbidden_reference_are_refused() {
    for (mark, path, allowed, says) in [
        ("other", "token", allowed(), "does not belong to this instance"),
        ("n1", "nothing", allowed(), "this worker has no secret `nothing`"),
        ("n1", "db.password", vec!["token".to_owned()], "may not use the secret `db`"),
    ] {
        let failure = secrets()
            .resolve(json!({ "x": [format!("a \u{E001}{} b", secret_reference(mark, path))] }), "n1", &allowed)
            .unwrap_err();
        assert_eq!((failure.error.status, failure.effect), (403, EffectState::None));
        let detail = failure.error.detail.unwrap();
        assert!(detail.contains(says), "{detail}");
    }
}

#[test]
fn secrets_are_scrubbed_in_every_form_they_come_back_in() {
    let password = "pa\"ss wörd/1";
    for echo in [
        password.to_owned(),
        format!("url?password={}", "pa%22ss%20w%C3%B6rd%2F1"),
        json!({ "password": password }).to_string(),
        STANDARD.encode(password),
        STANDARD.encode(format!("anna:{password}")),
        STANDARD.encode(format!("x{password}yz")),
        STANDARD.encode(format!("xy{password}")),
    ] {
        let scrubbed = secrets().scrub(json!({ "deep": [echo.clone()] })).to_string();
        assert!(scrubbed.contains("[secret]"), "{echo} became {scrubbed}");
    }
    assert_eq!(secrets().scrub(json!({ "t0p-s3cret": 54321 })), json!({ "[secret]": "[secret]" }));
    assert_eq!(secrets().scrub(json!({ "plain": "text", "n": 1 })), json!({ "plain": "text", "n": 1 }));
}

#[test]
fn the_environment_gives_texts_and_objects() {
    let named = Secrets::in_environment([
        ("SAGABUS_SECRET_token".to_owned(), "12".to_owned()),
        ("SAGABUS_SECRET_db".to_owned(), r#"{"password":"x"}"#.to_owned()),
        ("SAGABUS_SECRET_".to_owned(), "nameless".to_owned()),
        ("HOME".to_owned(), "/root".to_owned()),
    ]);
    assert_eq!(Value::Object(named), json!({ "token": "12", "db": { "password": "x" } }));
}

#[test]
fn two_leaves_of_one_path_are_refused() {
    let named: Map<String, Value> = json!({ "a": { "b.c": "1", "b": { "c": "2" } } }).as_object().unwrap().clone();
    assert!(matches!(Secrets::new(named), Err(SecretsError::Ambiguous { path, .. }) if path == "a.b.c"));
}
