//! Draws diagnostics as rustc does.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, renderer::DecorStyle};

use crate::{Diagnostic, Severity};

/// Columns of a drawn line; longer lines of the source are cropped around the place.
const WIDTH: usize = 140;

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
    let (text, first_line, span) = around(source, one);
    let mut annotation = AnnotationKind::Primary.span(span);
    if let Some(label) = &label {
        annotation = annotation.label(label.as_str());
    }
    let snippet = Snippet::source(text).path(file).line_start(first_line).annotation(annotation);
    let mut group = level.primary_title(one.message.as_str()).id(one.code).element(snippet);
    if let Some(help) = &one.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// The lines of the diagnostic only: drawing is proportional to what it is given.
fn around<'s>(source: &'s str, one: &Diagnostic) -> (&'s str, usize, std::ops::Range<usize>) {
    let start = source[..one.span.start].rfind('\n').map_or(0, |at| at + 1);
    let first_end = source[one.span.start..].find('\n').map_or(source.len(), |at| one.span.start + at);
    // A place that runs over several lines is shown by its first.
    let end = one.span.end.min(first_end);
    (&source[start..first_end], one.line, one.span.start - start..end - start)
}
