//! Text → plan: parses and validates workflow definitions, every error at once with its place.
//!
//! Called by `engine` (deployment) and by the command line (`check`, `run`). Imports `core` for the plan that it builds;
//! reads no files, does no I/O.

use sagabus_core::plan::Plan;

/// Something worth telling about a definition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Whether the definition cannot run, or merely deserves a word.
    pub severity: Severity,
    /// Stable code, for scripts and documentation: `unknown-key`, `expression`, `not-supported`, …
    pub code: &'static str,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// JSON pointer of the place, if it has one.
    pub pointer: Option<String>,
    /// Bytes of the source.
    pub span: std::ops::Range<usize>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// How bad a [`Diagnostic`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The definition is refused.
    Error,
    /// It runs, but perhaps not as meant.
    Warning,
}

/// What compiling gave: a plan unless there are errors; warnings either way.
#[derive(Debug)]
pub struct Compiled {
    /// The plan, if there are no errors.
    pub plan: Option<Plan>,
    /// In order of place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles a definition in YAML or JSON.
#[must_use]
pub fn compile(source: &str) -> Compiled {
    let _ = source;
    Compiled { plan: None, diagnostics: Vec::new() }
}

/// Draws diagnostics as rustc does: `file:line:column`, the line itself, the remedy. `colour` for terminals.
#[must_use]
pub fn render(file: &str, source: &str, diagnostics: &[Diagnostic], colour: bool) -> String {
    let _ = (file, source, diagnostics, colour);
    String::new()
}
