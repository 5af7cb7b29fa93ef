//! What the Markdown files claim.

use std::{path::Path, process::Command};

use crate::{files_ending, read, require_none, root, shown};

/// Documents at the top, which every visitor reads.
const DOCUMENTS: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

#[test]
fn the_two_commands_of_the_readme_exist() {
    let readme = read(&root().join("README.md"));
    for command in ["cargo run -- demo", "tests/run"] {
        assert!(readme.lines().any(|line| line.trim() == command), "README.md does not show `{command}`");
    }
    assert!(root().join("tests/run").is_file());
    assert!(understood(&["demo"]), "the program has no `demo`");
}

#[test]
fn documented_commands_exist() {
    let mut unknown = Vec::new();
    let mut known = 0;
    for path in files_ending(".md") {
        for (line, block) in blocks(&read(&path), "sh") {
            for command in block.lines().filter_map(subcommand) {
                if understood(&command.iter().map(String::as_str).collect::<Vec<_>>()) {
                    known += 1;
                } else {
                    unknown.push(format!("{}:{line}: sagabus {}", shown(&path), command.join(" ")));
                }
            }
        }
    }
    require_none("commands that the program does not have", &unknown);
    assert!(known > 5, "the documents show {known} commands only: are they still in blocks marked `sh`?");
}

/// The subcommand in a line of a shell block that runs our program: `sagabus instances list --json` → `[instances, list]`.
fn subcommand(line: &str) -> Option<Vec<String>> {
    const WITH_VERBS: [&str; 2] = ["instances", "retries"];
    let rest = ["cargo run -- ", "sagabus "].iter().find_map(|start| line.trim().strip_prefix(start))?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let first = words.iter().position(|word| !word.starts_with('-'))?;
    let take = if WITH_VERBS.contains(&words[first]) { 2 } else { 1 };
    Some(words[first..].iter().take(take).map(ToString::to_string).collect())
}

fn understood(command: &[&str]) -> bool {
    let output = Command::new(env!("CARGO_BIN_EXE_sagabus")).args(command).arg("--help").output();
    output.expect("the program starts").status.success()
}

#[test]
fn workflows_in_the_documents_are_valid() {
    let mut checked = 0;
    for path in files_ending(".md") {
        for (line, block) in blocks(&read(&path), "yaml") {
            if !block.contains("dsl: '1.0.3'") {
                continue;
            }
            let folder = tempfile::tempdir().expect("a temporary folder");
            let file = folder.path().join("workflow.yaml");
            std::fs::write(&file, block).expect("a file can be written");
            let output = Command::new(env!("CARGO_BIN_EXE_sagabus")).arg("check").arg(&file).output();
            let output = output.expect("the program starts");
            assert!(output.status.success(), "{}:{line}: {}", shown(&path), String::from_utf8_lossy(&output.stderr));
            checked += 1;
        }
    }
    assert!(checked > 0, "the README shows a workflow");
}

#[test]
fn quotations_are_exact() {
    let mut wrong = Vec::new();
    for path in files_ending(".md") {
        let text = read(&path);
        for (index, line) in text.lines().enumerate() {
            let Some(source) = line.strip_prefix("<!-- quoted from ").and_then(|rest| rest.strip_suffix(" -->")) else {
                continue;
            };
            let rest: String = text.lines().skip(index + 1).map(|line| format!("{line}\n")).collect();
            let quoted = all_blocks(&rest).into_iter().next().map(|(_, _, block)| block).unwrap_or_default();
            if quoted.is_empty() || !read(&root().join(source)).contains(&quoted) {
                wrong.push(format!("{}:{}: {source} does not contain this block", shown(&path), index + 1));
            }
        }
    }
    require_none("quotations that differ from their source", &wrong);
}

#[test]
fn invariants_are_kept_by_tests_that_exist() {
    let architecture = read(&root().join("ARCHITECTURE.md"));
    let code: String = files_ending(".rs").iter().map(|path| read(path)).collect();
    let table = architecture.lines().skip_while(|line| !line.starts_with("| invariant | kept by |")).skip(2);
    let mut keepers = 0;
    let mut missing = Vec::new();
    for line in table.take_while(|line| line.starts_with('|')) {
        let cell = line.trim_end_matches([' ', '|']).rsplit('|').next().unwrap_or_default();
        let named: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        keepers += named.len();
        let exists = |name: &str| root().join(name).exists() || code.contains(&format!("fn {name}("));
        missing.extend(named.iter().filter(|name| !exists(name)).map(ToString::to_string));
        if named.is_empty() {
            missing.push(format!("a test in: {line}"));
        }
    }
    assert!(keepers > 0, "ARCHITECTURE.md has a table of invariants");
    require_none("named in ARCHITECTURE.md and not there", &missing);
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for path in files_ending(".md") {
        let text = without_code(&read(&path));
        for (at, _) in text.match_indices("](") {
            let target: String = text[at + 2..].chars().take_while(|c| !")\n ".contains(*c)).collect();
            if !target.contains("://") && !target.starts_with("mailto:") && !leads_somewhere(&path, &target) {
                broken.push(format!("{}: {target}", shown(&path)));
            }
        }
    }
    require_none("broken links", &broken);
}

fn leads_somewhere(from: &Path, target: &str) -> bool {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { from.to_owned() } else { from.with_file_name("").join(file) };
    let anchored = |anchor: &str| {
        let text = without_code(&read(&path));
        text.lines().filter(|line| line.starts_with('#')).any(|heading| slug(heading) == anchor)
    };
    path.exists() && anchor.is_none_or(anchored)
}

/// The anchor that a heading gets.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn the_changelog_tells_of_this_version() {
    let changelog = read(&root().join("CHANGELOG.md"));
    let heading = format!("## {}", env!("CARGO_PKG_VERSION"));
    assert!(changelog.lines().any(|line| line.starts_with(&heading)), "CHANGELOG.md has no `{heading}`");
}

#[test]
fn the_visitors_documents_are_there() {
    let missing: Vec<String> = DOCUMENTS
        .iter()
        .chain(&["LICENSE"])
        .filter(|name| !root().join(name).is_file())
        .map(ToString::to_string)
        .collect();
    require_none("missing documents", &missing);
}

/// The fenced blocks in this language: line and text.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let fits = |(line, found, block): (usize, String, String)| (found == language).then_some((line, block));
    all_blocks(text).into_iter().filter_map(fits).collect()
}

/// All fenced blocks: line, language and text.
fn all_blocks(text: &str) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => open = Some((index + 1, language.trim().to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((_, _, block)), None) => *block += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    found
}

/// The text without fenced blocks and without code in lines.
fn without_code(text: &str) -> String {
    let mut fenced = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            prose.extend(line.split('`').step_by(2));
            prose.push('\n');
        }
    }
    prose
}
