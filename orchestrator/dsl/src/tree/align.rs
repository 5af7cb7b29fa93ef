//! Finds a part of a string's value in the source, where quotes, escapes, folds and indentation stand between them.

use std::ops::Range;

/// How the string is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Plain, literal or folded.
    Bare,
    Single,
    Double,
}

/// The bytes of `raw` that `part` of `value` comes from.
///
/// `raw` is the scalar as it stands in the source, quotes included, or the content of a block. `indentation` is that of a
/// block's lines, in bytes. `None` where the two cannot be matched: folded blank lines, escaped line breaks.
pub(crate) fn locate(raw: &str, value: &str, indentation: usize, part: Range<usize>) -> Option<Range<usize>> {
    let quoted = match raw.as_bytes().first() {
        Some(b'\'') => Some(Style::Single),
        Some(b'"') => Some(Style::Double),
        _ => None,
    };
    // The content of a block may start with a quote too, and then it is not a quoted scalar.
    walk(raw, 0, value, Style::Bare, indentation, &part)
        .or_else(|| quoted.and_then(|style| walk(raw, 1, value, style, indentation, &part)))
}

fn walk(
    raw: &str,
    offset: usize,
    value: &str,
    style: Style,
    indentation: usize,
    part: &Range<usize>,
) -> Option<Range<usize>> {
    let mut at = offset;
    let mut start = None;
    let mut end = None;
    for (index, character) in value.char_indices() {
        let length = step(raw.get(at..)?, character, style, indentation)?;
        if index == part.start {
            start = Some(at);
        }
        at += length;
        if index + character.len_utf8() == part.end {
            end = Some(at);
            break;
        }
    }
    // An empty part, or one at the very end.
    let start = start.unwrap_or(at);
    Some(start..end.unwrap_or(at).max(start))
}

/// How many bytes of the source make one character of the value.
fn step(rest: &str, wanted: char, style: Style, indentation: usize) -> Option<usize> {
    let first = rest.chars().next()?;
    match style {
        Style::Double if first == '\\' => escape_length(rest),
        Style::Single if rest.starts_with("''") => (wanted == '\'').then_some(2),
        _ if first == wanted && first != '\n' => Some(first.len_utf8()),
        _ => line_break_length(rest, wanted, indentation),
    }
}

/// A line break that stands for itself in a literal block, or for a blank where it is folded.
fn line_break_length(rest: &str, wanted: char, indentation: usize) -> Option<usize> {
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
    let after = rest[blanks..].strip_prefix('\n')?;
    let next_indentation = after.len() - after.trim_start_matches([' ', '\t']).len();
    match wanted {
        '\n' => Some(blanks + 1 + next_indentation.min(indentation)),
        ' ' => Some(blanks + 1 + next_indentation),
        _ => None,
    }
}

/// Length of an escape sequence of a double-quoted scalar (YAML 1.2, 5.7) that stands for one character.
fn escape_length(rest: &str) -> Option<usize> {
    match rest.as_bytes().get(1)? {
        b'x' => Some(4),
        // A pair of surrogates, as JSON writes characters beyond the first 65,536.
        b'u' if rest.get(2..3).is_some_and(|d| d.eq_ignore_ascii_case("d")) && rest.get(6..8) == Some("\\u") => {
            Some(12)
        }
        b'u' => Some(6),
        b'U' => Some(10),
        b'\n' | b'\r' => None,
        _ => Some(2),
    }
}

#[cfg(test)]
mod tests {
    use super::locate;

    /// What `part` of the value is in the source.
    fn found<'r>(raw: &'r str, value: &str, indentation: usize, part: &str) -> Option<&'r str> {
        let start = value.find(part).unwrap();
        locate(raw, value, indentation, start..start + part.len()).map(|range| &raw[range])
    }

    #[test]
    fn every_style_is_matched() {
        assert_eq!(found("a .b c", "a .b c", 0, ".b"), Some(".b"));
        assert_eq!(found("'it''s .b'", "it's .b", 0, ".b"), Some(".b"));
        assert_eq!(found(r#""é\u0041\"\n.b""#, "éA\"\n.b", 0, ".b"), Some(".b"));
        assert_eq!(found(r#""\ud83d\ude00.b""#, "😀.b", 0, ".b"), Some(".b"));
        assert_eq!(found("one\n      two .b\n    ", "one\ntwo .b\n", 6, ".b"), Some(".b"));
        assert_eq!(found("one\n        two .b\n", "one\n  two .b\n", 6, ".b"), Some(".b"));
        assert_eq!(found("fold\r\n    more .b\r\n", "fold more .b", 4, ".b"), Some(".b"));
        assert_eq!(found("\"quoted\" .b\n", "\"quoted\" .b\n", 2, ".b"), Some(".b"));
        assert_eq!(found("plain\n   .b", "plain .b", 9, ".b"), Some(".b"));
    }

    #[test]
    fn what_cannot_be_matched_is_not_guessed() {
        assert_eq!(found("one\n\n  two .b", "one\ntwo .b", 2, ".b"), None);
        assert_eq!(found("\"one\\\n  two .b\"", "onetwo .b", 2, ".b"), None);
    }

    #[test]
    fn the_end_of_a_value_has_a_place() {
        assert_eq!(locate("'ab'", "ab", 0, 2..2), Some(3..3));
    }
}
