//! The house rules that a machine can check, checked: a rule that nobody runs is a wish.
//!
//! `edges` who may import whom · `source` what Rust files may look like · `house` what has to stand beside what ·
//! `documents` what the Markdown files claim. Lists of exceptions may only shrink: one that is not needed fails too.

mod documents;
mod edges;
mod house;
mod rust;
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder of the repository, sorted; what a build or a tool left there is not looked at.
fn files(folder: &str) -> Vec<PathBuf> {
    const NOT_OURS: [&str; 4] = ["target", ".git", "node_modules", ".venv"];
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("a folder can be listed").path();
            if path.is_file() {
                found.push(path);
            } else if !NOT_OURS.iter().any(|name| path.ends_with(name)) {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

/// All files of the repository whose names end so.
fn files_ending(ending: &str) -> Vec<PathBuf> {
    files("").into_iter().filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

/// A path as people write it: from the root of the repository.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The text of a file.
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", shown(path)))
}

/// Fails with all violations at once, if there are any.
fn require_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}
