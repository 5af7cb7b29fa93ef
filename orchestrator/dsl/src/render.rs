//! Draws diagnostics as rustc does.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet, renderer::DecorStyle};

use crate::{Diagnostic, Severity};

/// Columns of a drawn line; longer lines of the source are cropped around the place.
const WIDTH: usize = 140;

/// How much of a long line is drawn on each side of a place.
const BYTES_BESIDE: usize = 400;

/// Each diagnostic as one line that tools can read, `file:line:column: error[code]: message`, and a picture below it.
pub(crate) fn render(file: &str, source: &str, diagnostics: &[Diagnostic], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(WIDTH);
    let mut drawn = String::new();
    for one in diagnostics {
        let word = match one.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        drawn.push_str(&format!("{file}:{}:{}: {word}[{}]: {}\n", one.line, one.column, one.code, one.message));
        drawn.push_str(&picture(file, source, one, &renderer));
        drawn.push_str("\n\n");
    }
    drawn
}

fn picture(file: &str, source: &str, one: &Diagnostic, renderer: &Renderer) -> String {
    let level = match one.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let label = one.pointer.as_deref().filter(|pointer| !pointer.is_empty()).map(|pointer| format!("at {pointer}"));
    let shown = around(source, one);
    let mut annotation = AnnotationKind::Primary.span(shown.span);
    if let Some(label) = &label {
        annotation = annotation.label(label.as_str());
    }
    let snippet = Snippet::source(shown.text).line_start(one.line).annotation(annotation);
    let group = level.primary_title(one.message.as_str()).id(one.code);
    let mut group = if shown.is_cropped {
        // The drawer would count columns from where the line was cut.
        group.element(Origin::path(file).line(one.line).char_column(one.column)).element(snippet)
    } else {
        group.element(snippet.path(file))
    };
    if let Some(help) = &one.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// What is drawn of the source.
struct Shown<'s> {
    text: &'s str,
    /// The place, in bytes of `text`.
    span: Range<usize>,
    is_cropped: bool,
}

/// The line of the diagnostic only, and of a long one the part around the place: drawing takes time with what it is given.
fn around<'s>(source: &'s str, one: &Diagnostic) -> Shown<'s> {
    let line_start = source[..one.span.start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = source[one.span.start..].find('\n').map_or(source.len(), |at| one.span.start + at);
    let start = source.floor_char_boundary(line_start.max(one.span.start.saturating_sub(BYTES_BESIDE)));
    // A place that runs over several lines is shown by its first.
    let place_end = one.span.end.min(line_end);
    let end = source.floor_char_boundary(line_end.min(one.span.start + BYTES_BESIDE));
    let span = one.span.start - start..place_end.min(end) - start;
    Shown { text: &source[start..end], span, is_cropped: start > line_start }
}
