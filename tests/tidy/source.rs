//! What Rust files may look like.

use crate::{
    files_ending, read, require_none,
    rust::{blank, block_end, functions, word_at},
    shown,
};

/// A file that is longer has more than one subject: split it by state or by verb.
const LINES_OF_A_FILE: usize = 800;
/// A function fits a screen.
const LINES_OF_A_FUNCTION: usize = 70;

/// Files that may be longer, until they are split.
const LONG_FILES: [&str; 0] = [];
/// Functions that may be longer, as `file:name`, until they are split.
const LONG_FUNCTIONS: [&str; 0] = [];

#[test]
fn files_keep_the_ceiling() {
    let long: Vec<String> = files_ending(".rs")
        .iter()
        .map(|path| (shown(path), read(path).lines().count()))
        .filter(|(_, lines)| *lines > LINES_OF_A_FILE)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    compare(&format!("files of more than {LINES_OF_A_FILE} lines"), &long, &LONG_FILES);
}

#[test]
fn functions_keep_the_ceiling() {
    let mut long = Vec::new();
    for path in files_ending(".rs") {
        for function in functions(&blank(&read(&path))) {
            if function.lines > LINES_OF_A_FUNCTION {
                let (path, name, line) = (shown(&path), function.name, function.line);
                long.push(format!("{path}:{name}: {} lines from line {line}", function.lines));
            }
        }
    }
    compare(&format!("functions of more than {LINES_OF_A_FUNCTION} lines"), &long, &LONG_FUNCTIONS);
}

/// Every violation must be on the list of exceptions, and every exception must still be needed.
fn compare(rule: &str, found: &[String], exceptions: &[&str]) {
    let excepted = |text: &String| exceptions.iter().any(|exception| text.starts_with(&format!("{exception}: ")));
    let violations: Vec<String> = found.iter().filter(|text| !excepted(text)).cloned().collect();
    require_none(rule, &violations);
    let stale: Vec<String> = exceptions
        .iter()
        .filter(|exception| !found.iter().any(|text| text.starts_with(&format!("{exception}: "))))
        .map(ToString::to_string)
        .collect();
    require_none("exceptions that are not needed any longer; take them off the list", &stale);
}

#[test]
fn no_module_is_called_mod() {
    let found: Vec<String> = files_ending("/mod.rs").iter().map(|path| shown(path)).collect();
    require_none("a module is `name.rs`, not `name/mod.rs`", &found);
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let found =
        search(|chars, at| word_at(chars, at, "allow") && matches!(chars[..at], [.., '#', '['] | [.., '!', '[']));
    require_none("write `#[expect(lint, reason = \"…\")]` instead of `allow`", &found);
}

#[test]
fn tests_never_sleep() {
    let mut found = Vec::new();
    for path in files_ending(".rs") {
        let blanked: Vec<char> = blank(&read(&path)).chars().collect();
        let tests = if is_test_file(&shown(&path)) { vec![(0, blanked.len())] } else { test_modules(&blanked) };
        for (from, to) in tests {
            for at in from..to {
                if word_at(&blanked, at, "sleep") && blanked.get(at + 5) == Some(&'(') {
                    found.push(place(&shown(&path), &blanked, at));
                }
            }
        }
    }
    require_none("a test waits for a state, never for a time", &found);
}

#[test]
fn every_crate_says_what_it_holds() {
    let found: Vec<String> = files_ending("src/lib.rs")
        .iter()
        .filter(|path| read(path).lines().take_while(|line| line.starts_with("//!")).count() < 2)
        .map(|path| shown(path))
        .collect();
    require_none("lib.rs opens with `//!`: what the room holds, who calls it, what it may not import", &found);
}

#[test]
fn the_core_and_the_language_never_wait() {
    let found: Vec<String> = search(|chars, at| word_at(chars, at, "async") || word_at(chars, at, "await"))
        .into_iter()
        .filter(|place| place.starts_with("orchestrator/core/") || place.starts_with("orchestrator/dsl/"))
        .collect();
    require_none("core and dsl have no async code", &found);
}

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The places of the `#[cfg(test)] mod … { … }` blocks.
fn test_modules(blanked: &[char]) -> Vec<(usize, usize)> {
    const MARK: &str = "#[cfg(test)]";
    let mut found = Vec::new();
    for at in 0..blanked.len() {
        if blanked[at] == '#' && MARK.chars().eq(blanked[at..].iter().copied().take(MARK.len())) {
            let semicolon = blanked[at..].iter().position(|&c| c == ';').unwrap_or(usize::MAX);
            let brace = blanked[at..].iter().position(|&c| c == '{').unwrap_or(usize::MAX);
            // `mod tests;` is a file of its own.
            if let (true, Some(end)) = (brace < semicolon, block_end(blanked, at)) {
                found.push((at, end));
            }
        }
    }
    found
}

/// All places in all Rust files where the test holds, comments and literals apart.
fn search(holds: impl Fn(&[char], usize) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for path in files_ending(".rs") {
        let blanked: Vec<char> = blank(&read(&path)).chars().collect();
        let hits = (0..blanked.len()).filter(|&at| holds(&blanked, at));
        found.extend(hits.map(|at| place(&shown(&path), &blanked, at)));
    }
    found
}

fn place(path: &str, chars: &[char], at: usize) -> String {
    format!("{path}:{}", chars[..at].iter().filter(|&&c| c == '\n').count() + 1)
}
