//! How expressions use `$secrets`. A secret is a reference, a marked text, until the worker that needs it puts the value
//! in. So expressions can pass it on, also as a part of a text; whatever looks into it sees the mark instead.

use std::ops::Range;

/// A use of `$secrets` in an expression.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Access {
    /// Bytes of the expression.
    pub(crate) range: Range<usize>,
    /// The secret's name, where it is written out.
    pub(crate) name: Option<String>,
    /// Whether the secret becomes a value or a part of a text, and nothing looks into it.
    pub(crate) passed_on: bool,
}

/// All uses in an expression, in order of place.
pub(crate) fn accesses(source: &str) -> Vec<Access> {
    const VARIABLE: &str = "$secrets";
    let mut found = Vec::new();
    let mut scanner = Scanner::default();
    for (at, character) in source.char_indices() {
        let in_code = scanner.step(character, &source[..at]);
        let Some(rest) = source[at..].strip_prefix(VARIABLE) else { continue };
        if in_code && !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_' || next == ':') {
            let (names, length) = path(rest);
            let range = at..at + VARIABLE.len() + length;
            let passed_on = !scanner.is_encoding() && stands_alone(source, &range);
            found.push(Access { range, name: names.into_iter().next(), passed_on });
        }
    }
    found
}

/// Tells code from strings and comments.
#[derive(Default)]
struct Scanner {
    strings: Vec<OpenString>,
    escaped: bool,
    comment: bool,
}

/// A string that is being read.
struct OpenString {
    /// Brackets open in its interpolation; `None` while in its text.
    depth: Option<usize>,
    /// Whether a format such as `@base64` encodes what is interpolated.
    encodes: bool,
}

impl Scanner {
    /// Reads one character; gives whether it is code.
    fn step(&mut self, character: char, before: &str) -> bool {
        if self.comment {
            self.comment = character != '\n';
            return false;
        }
        let inside_text = self.strings.last().is_some_and(|string| string.depth.is_none());
        match (inside_text, self.escaped, character) {
            (true, true, '(') => self.set_depth(Some(0)),
            (true, true, _) => {}
            (true, false, '\\') => {
                self.escaped = true;
                return false;
            }
            (true, false, '"') => drop(self.strings.pop()),
            (false, _, '"') => self.strings.push(OpenString { depth: None, encodes: ends_with_format(before) }),
            (false, _, '#') => self.comment = true,
            (false, _, '(') => self.change_depth(|depth| Some(depth + 1)),
            (false, _, ')') => self.change_depth(|depth| depth.checked_sub(1)),
            _ => {}
        }
        self.escaped = false;
        !inside_text
    }

    /// Whether what stands here is encoded by a format string around it.
    fn is_encoding(&self) -> bool {
        self.strings.iter().any(|string| string.encodes)
    }

    fn set_depth(&mut self, depth: Option<usize>) {
        if let Some(last) = self.strings.last_mut() {
            last.depth = depth;
        }
    }

    fn change_depth(&mut self, change: impl Fn(usize) -> Option<usize>) {
        if let Some(OpenString { depth: Some(depth), .. }) = self.strings.last() {
            let depth = change(*depth);
            self.set_depth(depth);
        }
    }
}

/// Whether a format such as `@base64` stands right before a string; `@text` changes nothing.
fn ends_with_format(before: &str) -> bool {
    let name_start = before.trim_end().rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    name_start.is_some_and(|at| before[at..].starts_with('@') && before[at..].trim_end() != "@text")
}

/// The members that are accessed right behind a variable: `.a`, `."a"`, `["a"]`, and how many bytes that is.
fn path(rest: &str) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    let mut at = 0;
    while let Some((name, length)) = step(&rest[at..]) {
        names.push(name);
        at += length;
    }
    (names, at)
}

fn step(rest: &str) -> Option<(String, usize)> {
    let (body, dot) = rest.strip_prefix('.').map_or((rest, 0), |body| (body, 1));
    if let Some(inner) = body.strip_prefix("[\"") {
        let end = inner.find("\"]")?;
        return Some((inner[..end].to_owned(), dot + 2 + end + 2));
    }
    if dot == 0 {
        return None;
    }
    if let Some(inner) = body.strip_prefix('"') {
        let end = inner.find('"')?;
        return Some((inner[..end].to_owned(), dot + 1 + end + 1));
    }
    let end = body.find(|next: char| !(next.is_ascii_alphanumeric() || next == '_')).unwrap_or(body.len());
    (end > 0).then(|| (body[..end].to_owned(), dot + end))
}

/// Whether the access is a value by itself or is appended to a text: nothing else operates on it.
fn stands_alone(source: &str, range: &Range<usize>) -> bool {
    let before = source[..range.start].trim_end();
    let after = source[range.end..].trim_start();
    let is_argument =
        before.strip_suffix('(').is_some_and(|call| call.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
    let starts = before.is_empty() || before.ends_with([':', ',', '[', '|', '+', '(']);
    starts && !is_argument && (after.is_empty() || after.starts_with([',', ')', ']', '}', '+']))
}

#[cfg(test)]
mod tests {
    use super::accesses;

    /// Names with whether they are passed on.
    fn uses(source: &str) -> Vec<(Option<String>, bool)> {
        accesses(source).into_iter().map(|access| (access.name, access.passed_on)).collect()
    }

    fn name(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn passing_a_secret_on_is_told_from_working_on_it() {
        assert_eq!(uses(" $secrets.key "), [(name("key"), true)]);
        assert_eq!(uses("{a: $secrets.key, b: [$secrets[\"k-2\"]]}"), [(name("key"), true), (name("k-2"), true)]);
        assert_eq!(uses("\"Bearer \" + $secrets.key"), [(name("key"), true)]);
        assert_eq!(uses("\"Bearer \\($secrets.key.token)\""), [(name("key"), true)]);
        assert_eq!(uses("@base64 \"\\($secrets.key)\""), [(name("key"), false)]);
        assert_eq!(uses("@text \"\\($secrets.key)\""), [(name("key"), true)]);
        assert_eq!(uses("$secrets.key | length"), [(name("key"), false)]);
        assert_eq!(uses("length($secrets.key)"), [(name("key"), false)]);
        assert_eq!(uses("$secrets[.which]"), [(None, false)]);
        assert_eq!(uses("$secrets.key == 1"), [(name("key"), false)]);
    }

    #[test]
    fn strings_comments_and_other_names_are_no_use() {
        assert_eq!(uses("\"$secrets.key\" # $secrets.key"), []);
        assert_eq!(uses("$secretsOfMine.key"), []);
        assert_eq!(uses("\"a\\\"$secrets.key\""), []);
    }
}
