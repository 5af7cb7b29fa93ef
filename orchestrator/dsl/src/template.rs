//! Finds the expressions `${ … }` in a text. The closing brace is found as jq reads: strings, with interpolations inside
//! them, objects and comments are skipped.

use std::ops::Range;

/// A piece of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Piece {
    /// Bytes of the text that stand for themselves.
    Literal(Range<usize>),
    /// Bytes of an expression, without `${` and `}`.
    Expression(Range<usize>),
}

/// Which `${` open an expression.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// All of them.
    Any,
    /// Not those that a shell would read itself: `${HOME}`, `${1:-x}`, `${#list[@]}`. A name directly behind the brace is
    /// the shell's; an expression starts with a blank, a dot, a variable or a bracket.
    NotOfShell,
}

/// Cuts a text into pieces.
///
/// # Errors
/// Where the `${` stands that is never closed.
pub(crate) fn split(text: &str, opening: Opening) -> Result<Vec<Piece>, usize> {
    let mut pieces = Vec::new();
    let mut literal_start = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find("${").map(|found| at + found) {
        let inner = found + 2;
        if opening == Opening::NotOfShell && is_of_shell(&text[inner..]) {
            at = inner;
            continue;
        }
        let end = expression_end(text, inner).ok_or(found)?;
        if literal_start < found {
            pieces.push(Piece::Literal(literal_start..found));
        }
        pieces.push(Piece::Expression(inner..end));
        at = end + 1;
        literal_start = at;
    }
    if literal_start < text.len() {
        pieces.push(Piece::Literal(literal_start..text.len()));
    }
    Ok(pieces)
}

/// The expression that the whole text is, blanks around it aside.
pub(crate) fn whole(text: &str) -> Option<Range<usize>> {
    let start = text.len() - text.trim_start().len();
    let end = text.trim_end().len();
    if !text[start..].starts_with("${") {
        return None;
    }
    let inner_end = expression_end(text, start + 2)?;
    (inner_end + 1 == end).then_some(start + 2..inner_end)
}

fn is_of_shell(inner: &str) -> bool {
    inner.starts_with(|first: char| {
        first.is_ascii_alphanumeric() || matches!(first, '_' | '!' | '#' | '@' | '*' | '?' | '-')
    })
}

/// What encloses the place that is read.
enum Enclosure {
    /// `{`, `(` or `[`.
    Bracket,
    /// `"`.
    Quotes,
}

/// The index of the brace that closes an expression that starts at `start`.
fn expression_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut enclosures: Vec<Enclosure> = Vec::new();
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        if matches!(enclosures.last(), Some(Enclosure::Quotes)) {
            match byte {
                // An escape; `\(` opens an interpolation, which ends at its `)` as any bracket does.
                b'\\' => {
                    at += 1;
                    if bytes.get(at) == Some(&b'(') {
                        enclosures.push(Enclosure::Bracket);
                    }
                }
                b'"' => drop(enclosures.pop()),
                _ => {}
            }
        } else {
            match byte {
                b'"' => enclosures.push(Enclosure::Quotes),
                b'{' | b'(' | b'[' => enclosures.push(Enclosure::Bracket),
                b'}' if enclosures.is_empty() => return Some(at),
                b'}' | b')' | b']' => drop(enclosures.pop()),
                b'#' => at += bytes[at..].iter().position(|byte| *byte == b'\n')?,
                _ => {}
            }
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Opening, Piece, split, whole};

    fn inner(text: &str) -> Option<&str> {
        whole(text).map(|range| &text[range])
    }

    #[test]
    fn the_closing_brace_is_found_as_jq_reads() {
        assert_eq!(inner("${ .a }"), Some(" .a "));
        assert_eq!(inner("  ${ .a }\n"), Some(" .a "));
        assert_eq!(inner("${ {a: {b: 1}} }"), Some(" {a: {b: 1}} "));
        assert_eq!(inner(r#"${ "}" }"#), Some(r#" "}" "#));
        assert_eq!(inner(r#"${ "\"}" }"#), Some(r#" "\"}" "#));
        assert_eq!(inner(r#"${ "a\(.b | {c: "}"})}" }"#), Some(r#" "a\(.b | {c: "}"})}" "#));
        assert_eq!(inner("${ .a # }\n }"), Some(" .a # }\n "));
        assert_eq!(inner("${ .a } ${ .b }"), None);
        assert_eq!(inner("${ .a"), None);
        assert_eq!(inner("x ${ .a }"), None);
    }

    #[test]
    fn texts_are_cut_into_literals_and_expressions() {
        assert_eq!(
            split("a ${ .b }c${.d}", Opening::Any),
            Ok(vec![Piece::Literal(0..2), Piece::Expression(4..8), Piece::Literal(9..10), Piece::Expression(12..14)])
        );
        assert_eq!(split("plain $x {y}", Opening::Any), Ok(vec![Piece::Literal(0..12)]));
        assert_eq!(split("é${ .a", Opening::Any), Err(2));
        assert_eq!(split("", Opening::Any), Ok(vec![]));
    }

    #[test]
    fn a_shell_keeps_its_own_expansions() {
        let text = "echo ${HOME} ${1:-x} ${#a} ${ .user }";
        let pieces = split(text, Opening::NotOfShell).unwrap();
        assert_eq!(pieces.len(), 2);
        assert!(matches!(&pieces[1], Piece::Expression(range) if &text[range.clone()] == " .user "));
    }
}
