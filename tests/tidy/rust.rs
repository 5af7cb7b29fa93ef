//! Reads Rust source well enough to count and to search: text in comments and literals is blanked, lengths are kept.

/// The source with the text of comments and of string and character literals replaced by spaces. Lines stay where they are.
pub(crate) fn blank(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut blanked = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at).unwrap_or(at);
        if end == at {
            blanked.push(chars[at]);
            at += 1;
        } else {
            blanked.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    blanked
}

/// A function: its name, the line it begins on (from 1) and how many lines it has.
#[derive(Debug, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// The functions with a body, in blanked source.
pub(crate) fn functions(blanked: &str) -> Vec<Function> {
    let chars: Vec<char> = blanked.chars().collect();
    let line_of = |at: usize| chars[..at].iter().filter(|&&c| c == '\n').count() + 1;
    let mut found = Vec::new();
    for at in 0..chars.len() {
        if !word_at(&chars, at, "fn") {
            continue;
        }
        let name: String =
            chars[at + 2..].iter().skip_while(|c| c.is_whitespace()).take_while(|c| in_word(**c)).collect();
        // Without a name it is the type of a function pointer.
        if let (false, Some(end)) = (name.is_empty(), body_end(&chars, at)) {
            let line = line_of(at);
            found.push(Function { name, line, lines: line_of(end) - line + 1 });
        }
    }
    found
}

/// Where the block ends that begins with the first `{` after `from`: the place of its `}`.
pub(crate) fn block_end(chars: &[char], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in chars.iter().enumerate().skip(from) {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(at),
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Whether a whole word stands here.
pub(crate) fn word_at(chars: &[char], at: usize, word: &str) -> bool {
    let length = word.chars().count();
    chars.len() >= at + length
        && word.chars().eq(chars[at..at + length].iter().copied())
        && (at == 0 || !in_word(chars[at - 1]))
        && chars.get(at + length).is_none_or(|&next| !in_word(next))
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The end of the body of the function at `from`; `None` for a signature without one.
fn body_end(chars: &[char], from: usize) -> Option<usize> {
    let mut brackets = 0_i32;
    for (at, c) in chars.iter().enumerate().skip(from) {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if brackets == 0 => return None,
            '{' if brackets == 0 => return block_end(chars, at),
            _ => {}
        }
    }
    None
}

/// The place after the comment or literal that begins here, if one does.
fn literal_end(chars: &[char], at: usize) -> Option<usize> {
    let rest = &chars[at..];
    match rest {
        ['/', '/', ..] => Some(at + rest.iter().position(|&c| c == '\n').unwrap_or(rest.len())),
        ['/', '*', ..] => Some(at + block_comment_length(rest)),
        ['"', ..] => Some(at + string_length(rest)),
        ['r', '"' | '#', ..] if at == 0 || !in_word(chars[at - 1]) || chars[at - 1] == 'b' => {
            raw_string_length(rest).map(|length| at + length)
        }
        ['\'', '\\', ..] => rest.iter().skip(3).position(|&c| c == '\'').map(|length| at + 3 + length + 1),
        // Three characters are a literal; anything else is a lifetime.
        ['\'', _, '\'', ..] => Some(at + 3),
        _ => None,
    }
}

fn block_comment_length(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn string_length(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string_length(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let start = hashes + 2;
    let length = rest[start..].windows(close.len()).position(|window| window == close)?;
    Some(start + length + close.len())
}

#[test]
fn comments_and_literals_are_blanked_and_nothing_else() {
    let source = r##"let a = "}\"}"; // }
let b = '}'; let c: &'static str = r#"}"}"#; /* } /* } */ } */ let d = '\''; let e = b'{';"##;
    let blanked = blank(source);
    assert_eq!(blanked.chars().count(), source.chars().count());
    assert!(!blanked.contains(['{', '}']), "{blanked}");
    for kept in ["let a = ", "let b = ", "let c: &'static str = ", "let d = ", "let e = "] {
        assert!(blanked.contains(kept), "{kept}: {blanked}");
    }
}

#[test]
fn functions_are_found_with_their_lengths() {
    let source =
        "trait T { fn signature(&self) -> [u8; 2]; }\nfn one(f: fn(u8) -> u8) { f(1); }\nfn three() {\n    {}\n}\n";
    let expected =
        [("one", 2, 1), ("three", 3, 3)].map(|(name, line, lines)| Function { name: name.into(), line, lines });
    assert_eq!(functions(&blank(source)), expected);
}
