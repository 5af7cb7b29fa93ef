//! Small documents with exactly what is said about them: `bad/*.yaml` have problems, `good/*.yaml` have none.
//!
//! `UPDATE_GOLDEN=1 cargo test -p sagabus-dsl` writes the `.stderr` files anew.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::{fs, path::PathBuf};

use sagabus_dsl::{Severity, compile, render};

/// The documents of a folder, by name.
fn documents(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn bad_documents_are_told_what_is_wrong() {
    let mut differing = Vec::new();
    for (path, source) in documents("bad") {
        let compiled = compile(&source);
        assert!(!compiled.diagnostics.is_empty(), "{} has no problem", path.display());
        let refused = compiled.diagnostics.iter().any(|one| one.severity == Severity::Error);
        assert_eq!(refused, compiled.plan.is_none(), "{}", path.display());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let found = render(&name, &source, &compiled.diagnostics, false);
        let golden = path.with_extension("stderr");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &found).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != found {
            differing.push(format!("--- {name}\n{found}"));
        }
    }
    assert!(differing.is_empty(), "not as written down:\n{}", differing.join("\n"));
}

#[test]
fn good_documents_become_plans() {
    for (path, source) in documents("good") {
        let compiled = compile(&source);
        let said = render("it", &source, &compiled.diagnostics, false);
        assert!(said.is_empty(), "{}:\n{said}", path.display());
        let plan = compiled.plan.unwrap();
        for task in &plan.tasks {
            let definition = plan.definition.pointer(&task.reference);
            assert!(definition.is_some_and(serde_json::Value::is_object), "{} has no definition", task.reference);
        }
    }
}

#[test]
fn json_and_yaml_give_the_same_plan() {
    for (path, source) in documents("good") {
        let yaml = compile(&source).plan.unwrap();
        let json = compile(&serde_json::to_string_pretty(&*yaml.definition).unwrap()).plan.unwrap();
        assert_eq!(format!("{:?}", yaml.tasks), format!("{:?}", json.tasks), "{}", path.display());
        assert_eq!(format!("{:?}", yaml.root), format!("{:?}", json.root), "{}", path.display());
        assert_eq!(yaml.definition, json.definition, "{}", path.display());
        assert_eq!(yaml.name, json.name);
        assert_ne!(yaml.digest, json.digest, "the digest is that of the text");
    }
}
