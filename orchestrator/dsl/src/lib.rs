//! Text → plan: parses and validates workflow definitions, every error at once with its place.
//!
//! Called by `engine` (deployment) and by the command line (`check`, `run`). Imports `core` for the plan that it builds;
//! reads no files, does no I/O.

mod ast;
mod fields;
mod lower;
mod pointer;
mod problems;
mod render;
mod secrets;
mod template;
mod tree;

use sagabus_core::plan::Plan;

use crate::{ast::Workflow, fields::Read as _, problems::Problems, tree::Node};

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
///
/// All problems are found at once, each with its place and, where there is one, its remedy. Hostile sources are refused
/// within the limits that `docs/language.md` names; nothing here panics or takes longer than a second.
#[must_use]
pub fn compile(source: &str) -> Compiled {
    // Reading recurses with every level of nesting, and threads of servers and tests have small stacks. Pages that are
    // not touched cost nothing.
    const STACK_BYTES: usize = 16 * 1024 * 1024;
    stacker::grow(STACK_BYTES, || compile_deep(source))
}

fn compile_deep(source: &str) -> Compiled {
    let problems = Problems::new(source);
    let Some(tree) = tree::parse(&problems) else {
        return Compiled { plan: None, diagnostics: problems.into_diagnostics(None) };
    };
    let plan = plan(&tree, &problems);
    Compiled { plan, diagnostics: problems.into_diagnostics(Some(&tree)) }
}

fn plan(tree: &Node, problems: &Problems<'_>) -> Option<Plan> {
    let workflow = Workflow::read(tree, problems)?;
    lower::lower(&workflow, tree, problems)
}

/// Draws diagnostics as rustc does: `file:line:column`, the line itself, the remedy. `colour` for terminals.
///
/// Each begins with a line `file:line:column: error[code]: message` for tools.
#[must_use]
pub fn render(file: &str, source: &str, diagnostics: &[Diagnostic], colour: bool) -> String {
    render::render(file, source, diagnostics, colour)
}
