//! Collects everything that is wrong with a source, and turns byte offsets into lines and columns at the end.

use std::{cell::RefCell, fmt::Write as _};

use sagabus_core::suggest::closest;

use crate::{
    Diagnostic, Severity,
    pointer::Pointers,
    tree::{Node, Span},
};

/// More would not be read, and a hostile source could ask for one per node.
const DIAGNOSTICS_MAX: usize = 200;

/// Longest names, and how many of them, that are compared to find the one that was meant: the effort grows with the
/// product of all, and a hostile source has thousands of names.
const COMPARED_BYTES_MAX: usize = 40;
const COMPARED_NAMES_MAX: usize = 200;

/// Longest text of a source that a message quotes, in characters.
const QUOTED_CHARACTERS_MAX: usize = 60;

/// The problems found so far. Shared by all who look at a source.
pub(crate) struct Problems<'s> {
    source: &'s str,
    found: RefCell<Vec<Found>>,
}

#[derive(Clone, PartialEq, Eq)]
struct Found {
    span: Span,
    severity: Severity,
    code: &'static str,
    message: String,
    help: Option<String>,
}

impl<'s> Problems<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Self { source, found: RefCell::default() }
    }

    pub(crate) const fn source(&self) -> &'s str {
        self.source
    }

    /// Reports an error.
    pub(crate) fn error(&self, span: Span, code: &'static str, message: impl Into<String>) {
        self.report(Found { span, severity: Severity::Error, code, message: message.into(), help: None });
    }

    /// Reports an error with its remedy.
    pub(crate) fn error_help(
        &self,
        span: Span,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.report(Found { span, severity: Severity::Error, code, message: message.into(), help: help.into() });
    }

    /// Reports something that runs, but perhaps not as meant.
    pub(crate) fn warning(&self, span: Span, code: &'static str, message: impl Into<String>, help: &str) {
        self.report(Found {
            span,
            severity: Severity::Warning,
            code,
            message: message.into(),
            help: Some(help.to_owned()),
        });
    }

    /// Refuses what the language has and this runtime does not.
    pub(crate) fn not_supported(&self, span: Span, what: &str, help: &str) {
        self.error_help(span, "not-supported", format!("{what} is not supported yet"), Some(help.to_owned()));
    }

    /// Whether more problems than are shown were found: no more effort is worth it for the next.
    pub(crate) fn is_full(&self) -> bool {
        self.found.borrow().len() >= DIAGNOSTICS_MAX
    }

    /// The remedy for a name that does not exist: the nearest one that does, or all of them.
    pub(crate) fn suggestion<'a>(&self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
        if self.is_full() || name.len() > COMPARED_BYTES_MAX {
            return None;
        }
        let known: Vec<&str> =
            known.into_iter().filter(|name| name.len() <= COMPARED_BYTES_MAX).take(COMPARED_NAMES_MAX).collect();
        if let Some(nearest) = closest(name, known.iter().copied()) {
            return Some(format!("did you mean {}?", quoted(nearest)));
        }
        // A long list helps nobody.
        const LISTED_MAX: usize = 12;
        (!known.is_empty() && known.len() <= LISTED_MAX).then(|| format!("known here: {}", alternatives(known)))
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(|found| found.severity == Severity::Error)
    }

    /// All problems in order of place, each once: a definition that several tasks use is looked at for each.
    pub(crate) fn into_diagnostics(self, tree: Option<&Node>) -> Vec<Diagnostic> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|one| (one.span.start, one.severity, one.span.end));
        found.dedup();
        let total = found.len();
        // Errors come first into what is kept: a flood of warnings must not hide why a definition is refused.
        if total > DIAGNOSTICS_MAX {
            found.sort_by_key(|one| one.severity);
            found.truncate(DIAGNOSTICS_MAX);
            found.sort_by_key(|one| one.span.start);
        }
        let pointers = tree.map(Pointers::new);
        let lines = Lines::new(self.source);
        let mut diagnostics: Vec<Diagnostic> =
            found.into_iter().map(|one| diagnostic(one, self.source, &lines, pointers.as_ref())).collect();
        if let Some(last) = diagnostics.last_mut().filter(|_| total > DIAGNOSTICS_MAX) {
            let more = format!("{} more problems are not shown", total - DIAGNOSTICS_MAX);
            last.help = Some(last.help.take().map_or_else(|| more.clone(), |help| format!("{help}; {more}")));
        }
        diagnostics
    }

    fn report(&self, found: Found) {
        self.found.borrow_mut().push(found);
    }
}

fn diagnostic(found: Found, source: &str, lines: &Lines, pointers: Option<&Pointers<'_>>) -> Diagnostic {
    let start = floor(source, found.span.start);
    let end = floor(source, found.span.end.max(start));
    let (line, column) = lines.place(source, start);
    Diagnostic {
        severity: found.severity,
        code: found.code,
        message: found.message,
        help: found.help,
        pointer: pointers.map(|pointers| pointers.at(start)),
        span: start..end,
        line,
        column,
    }
}

/// The nearest character boundary at or before a byte.
fn floor(source: &str, offset: usize) -> usize {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Offsets at which lines start.
struct Lines(Vec<usize>);

impl Lines {
    fn new(source: &str) -> Self {
        Self(std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// Line and column, both from 1, the column in characters.
    fn place(&self, source: &str, offset: usize) -> (usize, usize) {
        let line = self.0.partition_point(|start| *start <= offset);
        let start = self.0[line - 1];
        (line, source[start..offset].chars().count() + 1)
    }
}

/// A text of the source as messages quote it: in one line, without control characters, not too long.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown = String::from("`");
    for (count, character) in text.chars().enumerate() {
        if count == QUOTED_CHARACTERS_MAX {
            shown.push('…');
            break;
        }
        if character.is_control() {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", character.escape_debug());
        } else {
            shown.push(character);
        }
    }
    shown.push('`');
    shown
}

/// `a, b or c`, each in back-ticks.
pub(crate) fn alternatives<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(quoted).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
