//! Regular expressions: matched in time linear in the text, so without backreferences and lookaround.

use jaq_core::Bind;
use regex::{Regex, RegexBuilder};

use super::{Native, answer, fail};
use crate::expression::{
    fuel,
    value::{Error, Text, Val, brief, exhausted},
};

pub(super) fn all() -> Vec<Native> {
    vec![("__match", vec![Bind::Var(()); 3].into(), |mut cv| {
        let (test, flags, pattern) = (cv.0.pop_var(), cv.0.pop_var(), cv.0.pop_var());
        answer(matches(&cv.1, &pattern, &flags, matches!(test, Val::Bool(true))))
    })]
}

/// Bytes of a compiled pattern: counted repetitions multiply.
const PATTERN_BYTES: usize = 256 << 10;
/// Steps that compiling a pattern costs: it takes tens of microseconds, and more for a longer one.
const PATTERN_STEPS: u64 = 100;

struct Flags {
    global: bool,
    without_empty: bool,
    ignore_case: bool,
    extended: bool,
    single_line: bool,
}

impl Flags {
    fn of(flags: &Val) -> Result<Self, Error> {
        let text = match flags {
            Val::Null => "",
            Val::Str(text) => text,
            other => return fail(format!("{} ({}) is not a string", other.kind(), brief(other))),
        };
        let has = |flag: char| text.contains(flag);
        // `s` and `l` ask for what is the case here anyway; `p` also lets `.` match a line's end.
        if text.chars().any(|flag| !"ginpslx".contains(flag)) {
            return fail(format!("{text} is not a valid modifier string"));
        }
        Ok(Self {
            global: has('g'),
            without_empty: has('n'),
            ignore_case: has('i'),
            extended: has('x'),
            single_line: has('p'),
        })
    }
}

fn matches(value: &Val, pattern: &Val, flags: &Val, test: bool) -> Result<Val, Error> {
    let Some(text) = value.text() else {
        return fail(format!("{} ({}) cannot be matched, as it is not a string", value.kind(), brief(value)));
    };
    let Some(pattern) = pattern.text() else {
        return fail(format!("{} ({}) cannot be matched, as it is not a string", pattern.kind(), brief(pattern)));
    };
    let flags = Flags::of(flags)?;
    let regex = compile(pattern, &flags)?;
    fuel::spend(1 + text.len() as u64 * (1 + pattern.len() as u64 / 16) / 256);
    fuel::check().map_err(exhausted)?;
    if test {
        return Ok(Val::Bool(regex.is_match(text)));
    }
    let mut found = Vec::new();
    let mut count = Characters { text, bytes: 0, characters: 0 };
    for captures in regex.captures_iter(text) {
        // Each search may look at all of the rest.
        let end = captures.get(0).map_or(0, |whole| whole.start());
        fuel::spend(1 + (text.len() - end) as u64 / 1024);
        fuel::room(captures.len() * 512).map_err(exhausted)?;
        if !(flags.without_empty && captures.get(0).is_some_and(|whole| whole.is_empty())) {
            found.push(one_match(&regex, &captures, &mut count));
        }
        if !flags.global {
            break;
        }
    }
    Ok(Val::arr(found))
}

fn compile(pattern: &str, flags: &Flags) -> Result<Regex, Error> {
    fuel::spend(PATTERN_STEPS + pattern.len() as u64 / 4);
    fuel::check().map_err(exhausted)?;
    RegexBuilder::new(pattern)
        .case_insensitive(flags.ignore_case)
        .ignore_whitespace(flags.extended)
        .dot_matches_new_line(flags.single_line)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build()
        .or_else(|error| fail(format!("{pattern} (at offset 0) is not a valid regex: {error}")))
}

fn one_match(regex: &Regex, captures: &regex::Captures<'_>, count: &mut Characters<'_>) -> Val {
    let whole = captures.get(0);
    let start = whole.map_or(0, |whole| whole.start());
    let offset = count.up_to(start);
    let part = |found: Option<regex::Match<'_>>| match found {
        Some(found) => [
            ("offset", Val::count(count.from(start, offset, found.start()))),
            ("length", Val::count(found.as_str().chars().count())),
            ("string", Val::str(found.as_str())),
        ],
        None => [("offset", Val::Int(-1)), ("length", Val::Int(0)), ("string", Val::Null)],
    };
    let groups = regex.capture_names().enumerate().skip(1).map(|(group, name)| {
        let mut entries: crate::expression::value::Entries =
            part(captures.get(group)).into_iter().map(|(key, value)| (Text::new(key), value)).collect();
        entries.insert(Text::new("name"), name.map_or(Val::Null, Val::str));
        Val::obj(entries)
    });
    let groups = Val::arr(groups.collect());
    let mut entries: crate::expression::value::Entries =
        part(whole).into_iter().map(|(key, value)| (Text::new(key), value)).collect();
    entries.insert(Text::new("captures"), groups);
    Val::obj(entries)
}

/// Counts the characters before a place, going on from the last one asked for.
struct Characters<'a> {
    text: &'a str,
    bytes: usize,
    characters: usize,
}

impl Characters<'_> {
    fn up_to(&mut self, bytes: usize) -> usize {
        self.characters += self.text[self.bytes..bytes].chars().count();
        self.bytes = bytes;
        self.characters
    }

    /// The characters before a place within the match that starts at `start`.
    fn from(&self, start: usize, offset: usize, bytes: usize) -> usize {
        offset + self.text[start..bytes].chars().count()
    }
}
