//! Who may import whom. Arrows of ARCHITECTURE.md, as a table.

use std::{collections::BTreeSet, path::PathBuf};

use toml::{Table, Value};

use crate::{files_ending, read, require_none, root, shown};

/// Our crates that a crate may import; a name that ends in `*` stands for all that begin so.
fn may_import(name: &str) -> &'static [&'static str] {
    match name {
        "sagabus-core" => &[],
        "sagabus-dsl" | "sagabus-ports" => &["sagabus-core"],
        "sagabus-engine" => &["sagabus-core", "sagabus-dsl", "sagabus-ports"],
        "sagabus-api" => &["sagabus-engine", "sagabus-ports", "sagabus-core"],
        "sagabus-adapter-sdk" => &["sagabus-ports", "sagabus-core"],
        "sagabus-adapters" => &["sagabus-adapter-*"],
        "sagabus-kit" => &["sagabus-core", "sagabus-dsl", "sagabus-ports"],
        // The command line is the one place that names concrete types.
        "sagabus" => &["sagabus-*"],
        driver if driver.starts_with("sagabus-driver-") => &["sagabus-ports", "sagabus-core"],
        adapter if adapter.starts_with("sagabus-adapter-") => &["sagabus-adapter-sdk"],
        _ => panic!("{name} is a new room: say in tests/tidy/edges.rs what it may import"),
    }
}

/// What tests may import besides: the kit, and the drivers that need no server.
const TESTS_MAY_IMPORT: [&str; 3] = ["sagabus-kit", "sagabus-driver-sql", "sagabus-driver-embedded"];

/// What would bring waiting, clocks, chance or the world into the pure crates.
const IMPURE: [&str; 14] = [
    "tokio",
    "tokio-util",
    "async-trait",
    "futures",
    "futures-util",
    "sqlx",
    "reqwest",
    "axum",
    "rustls",
    "rand",
    "fastrand",
    "getrandom",
    "notify",
    "process-wrap",
];

/// Crates that must not come in, however deep, with the reason.
const BANNED: [(&str, &str); 5] = [
    ("backoff", "unmaintained, RUSTSEC-2025-0012; backon stands in for it"),
    ("instant", "unmaintained, RUSTSEC-2024-0384"),
    ("openssl-sys", "TLS is rustls: one implementation, no system library"),
    ("native-tls", "TLS is rustls: one implementation, no system library"),
    ("aws-lc-sys", "the provider of rustls is ring: it builds in a fraction of the time and needs no cmake"),
];

fn manifests() -> Vec<(PathBuf, Table)> {
    let parse = |path: PathBuf| {
        let table = read(&path).parse().unwrap_or_else(|error| panic!("{}: {error}", shown(&path)));
        (path, table)
    };
    files_ending("Cargo.toml").into_iter().map(parse).collect()
}

fn name(manifest: &Table) -> &str {
    manifest["package"]["name"].as_str().expect("a package has a name")
}

fn dependencies(manifest: &Table, sections: &[&str]) -> BTreeSet<String> {
    let of = |section: &&str| manifest.get(*section).and_then(Value::as_table).cloned().unwrap_or_default();
    sections.iter().flat_map(|section| of(section).keys().cloned().collect::<Vec<_>>()).collect()
}

fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

#[test]
fn arrows_point_where_the_architecture_says() {
    let mut violations = Vec::new();
    for (path, manifest) in manifests() {
        let name = name(&manifest);
        let allowed = |import: &&String| may_import(name).iter().any(|pattern| fits(pattern, import));
        let ours = |import: &&String| import.starts_with("sagabus");
        let imports = dependencies(&manifest, &["dependencies", "build-dependencies"]);
        let forbidden = imports.iter().filter(ours).filter(|import| !allowed(import));
        violations.extend(forbidden.map(|import| format!("{}: {name} -> {import}", shown(&path))));
        let imports = dependencies(&manifest, &["dev-dependencies"]);
        let for_tests = |import: &&String| allowed(import) || TESTS_MAY_IMPORT.contains(&import.as_str());
        let forbidden = imports.iter().filter(ours).filter(|import| !for_tests(import));
        violations.extend(forbidden.map(|import| format!("{}: tests of {name} -> {import}", shown(&path))));
    }
    require_none("imports that the architecture does not have", &violations);
}

#[test]
fn core_and_dsl_import_nothing_impure() {
    let mut looked_at = 0;
    let mut violations = Vec::new();
    for (_, manifest) in manifests() {
        if ["sagabus-core", "sagabus-dsl"].contains(&name(&manifest)) {
            looked_at += 1;
            let imports = dependencies(&manifest, &["dependencies", "build-dependencies"]);
            let impure = imports.iter().filter(|import| IMPURE.contains(&import.as_str()));
            violations.extend(impure.map(|import| format!("{} -> {import}", name(&manifest))));
        }
    }
    assert_eq!(looked_at, 2, "core and dsl have other names now");
    require_none("the core has no I/O, no async code, no clock and no randomness", &violations);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let lax = |manifest: &Table| {
        manifest.get("lints").and_then(|lints| lints.get("workspace")) != Some(&Value::Boolean(true))
    };
    let found: Vec<String> =
        manifests().iter().filter(|(_, manifest)| lax(manifest)).map(|(path, _)| shown(path)).collect();
    require_none("`[lints] workspace = true` is missing", &found);
}

#[test]
fn every_crate_is_a_member_and_gets_its_versions_from_the_workspace() {
    let mut violations = Vec::new();
    for (path, manifest) in manifests() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(section).and_then(Value::as_table) else { continue };
            let own = table.iter().filter(|(_, value)| value.get("workspace") != Some(&Value::Boolean(true)));
            violations.extend(own.map(|(import, _)| format!("{}: {import}", shown(&path))));
        }
    }
    require_none("versions stand in the root manifest, each with a word on why", &violations);
}

#[test]
fn nothing_banned_came_in() {
    let lock: Table = read(&root().join("Cargo.lock")).parse().expect("Cargo.lock is TOML");
    let packages = lock["package"].as_array().expect("Cargo.lock lists packages");
    let present: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    assert!(present.contains("backon"), "backon is what stands in for backoff");
    let found: Vec<String> = BANNED
        .iter()
        .filter(|(name, _)| present.contains(name))
        .map(|(name, reason)| format!("{name}: {reason} (find who brings it with `cargo tree -i {name}`)"))
        .collect();
    require_none("banned crates", &found);
}
