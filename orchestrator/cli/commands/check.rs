//! `check`: every problem of every file.

use std::path::{Path, PathBuf};

use sagabus_dsl::{Diagnostic, Severity};
use serde::Serialize;

use crate::{
    arguments::Check,
    exit::{Exit, Refused},
    files, input, print,
};

/// A problem as `--json` prints it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed<'a> {
    file: String,
    line: usize,
    column: usize,
    severity: &'static str,
    code: &'a str,
    message: &'a str,
    help: Option<&'a str>,
    pointer: Option<&'a str>,
}

/// What checking one file gave.
struct Checked {
    file: PathBuf,
    diagnostics: Vec<Diagnostic>,
}

/// Checks files: problems are drawn on stderr, or printed as JSON on stdout.
pub(crate) fn perform(check: &Check) -> Result<Exit, Refused> {
    let (named, mut unreadable) = expand(&check.files);
    let mut checked = Vec::new();
    for file in named {
        match input::text_of(&file) {
            Ok(source) => {
                let diagnostics = sagabus_dsl::compile(&source).diagnostics;
                if !check.json {
                    draw(&file, &source, &diagnostics);
                }
                checked.push(Checked { file, diagnostics });
            }
            Err(refused) => unreadable.push(refused.text),
        }
    }
    for text in &unreadable {
        print::note(&format!("error: {text}"));
    }
    if check.json {
        print::json(&checked.iter().flat_map(printed).collect::<Vec<_>>());
    }
    Ok(summary(&checked, unreadable.len()))
}

/// Draws the problems of a file on stderr.
pub(crate) fn draw(file: &Path, source: &str, diagnostics: &[Diagnostic]) {
    if !diagnostics.is_empty() {
        let file = file.display().to_string();
        let drawn = sagabus_dsl::render(&file, source, diagnostics, print::errors_in_colour());
        print::note(drawn.trim_end());
    }
}

/// How many of each severity: `2 errors, 1 warning`.
pub(crate) fn counts(errors: usize, warnings: usize) -> String {
    format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"))
}

/// How many are of this severity.
pub(crate) fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

fn expand(named: &[PathBuf]) -> (Vec<PathBuf>, Vec<String>) {
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    for path in named {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        match files::below(path) {
            Ok(files) if files.is_empty() => unreadable.push(format!("{} holds no workflow file", path.display())),
            Ok(mut files) => found.append(&mut files),
            Err(error) => unreadable.push(format!("cannot search {}: {error}", path.display())),
        }
    }
    (found, unreadable)
}

fn printed(checked: &Checked) -> impl Iterator<Item = Printed<'_>> {
    checked.diagnostics.iter().map(|diagnostic| Printed {
        file: checked.file.display().to_string(),
        line: diagnostic.line,
        column: diagnostic.column,
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        code: diagnostic.code,
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
        pointer: diagnostic.pointer.as_deref(),
    })
}

fn summary(checked: &[Checked], unreadable: usize) -> Exit {
    let total = |severity| checked.iter().map(|one| count(&one.diagnostics, severity)).sum::<usize>();
    let errors = total(Severity::Error) + unreadable;
    let files = plural(checked.len() + unreadable, "file");
    print::note(&format!("checked {files}: {}", counts(errors, total(Severity::Warning))));
    if errors == 0 { Exit::Done } else { Exit::Wrong }
}

fn plural(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}
