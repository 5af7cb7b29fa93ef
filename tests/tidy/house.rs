//! What has to stand beside what.

use std::{collections::BTreeSet, path::Path};

use crate::{files, files_ending, read, require_none, root, shown};

#[test]
fn every_workflow_has_all_that_a_reader_needs() {
    let mut missing = Vec::new();
    let mut folders = 0;
    for entry in root().join("workflows").read_dir().expect("there are workflows") {
        let folder = entry.expect("a folder can be listed").path();
        if !folder.is_dir() {
            continue;
        }
        folders += 1;
        for name in ["workflow.yaml", "README.md", "input.json"] {
            if !folder.join(name).is_file() {
                missing.push(format!("{}/{name}", shown(&folder)));
            }
        }
        missing.extend(missing_twins(&folder));
    }
    assert!(folders >= 6, "{folders} workflows");
    require_none("missing files", &missing);
}

/// A script has a golden journal and a golden journal has a script; there is at least one of them.
fn missing_twins(folder: &Path) -> Vec<String> {
    let names = |ending: &str| -> BTreeSet<String> {
        let of_folder = files_ending(ending).into_iter().filter(|path| path.parent() == Some(folder));
        of_folder
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().strip_suffix(ending)?.to_owned()))
            .collect()
    };
    let (scripts, journals) = (names(".script.yaml"), names(".golden"));
    let mut missing: Vec<String> = scripts
        .symmetric_difference(&journals)
        .map(|name| format!("{}/{name}: script or golden journal (UPDATE_GOLDEN=1 writes journals)", shown(folder)))
        .collect();
    if journals.is_empty() {
        missing.push(format!("{}: a golden journal", shown(folder)));
    }
    missing
}

#[test]
fn migrations_come_in_twins() {
    let names = |folder: &str| -> BTreeSet<String> {
        let name = |path: &std::path::PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        files(folder).iter().filter_map(name).collect()
    };
    let (sqlite, postgres) = (names("migrations/sqlite"), names("migrations/postgres"));
    assert!(!sqlite.is_empty(), "there are migrations");
    // The folder of the second database fills when its store comes.
    if !postgres.is_empty() {
        let single: Vec<String> = sqlite.symmetric_difference(&postgres).cloned().collect();
        require_none("migrations have the same names for both databases", &single);
    }
}

#[test]
fn debts_have_been_paid() {
    // Written so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let mut found = Vec::new();
    for path in files("") {
        let kind = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if !["rs", "md", "yaml", "yml", "toml", "sql", "sh"].contains(&kind.as_str()) {
            continue;
        }
        for (index, line) in read(&path).lines().enumerate() {
            if line.split(|c: char| !c.is_alphanumeric()).any(|word| marks.contains(&word)) {
                found.push(format!("{}:{}: {}", shown(&path), index + 1, line.trim()));
            }
        }
    }
    require_none("do it now, or open an issue", &found);
}
