//! Regular expressions: matched in time linear in the text, so without backreferences and lookaround.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use jaq_core::Bind;
use regex::{Regex, RegexBuilder};

use super::{Native, answer, fail};
use crate::expression::{
    fuel::{self, Held},
    value::{Error, Text, Val, brief, exhausted},
};

pub(super) fn all() -> Vec<Native> {
    vec![("__match", vec![Bind::Var(()); 3].into(), |mut cv| {
        let (test, flags, pattern) = (cv.0.pop_var(), cv.0.pop_var(), cv.0.pop_var());
        answer(matches(&cv.1, &pattern, &flags, matches!(test, Val::Bool(true))))
    })]
}

/// Bytes of a compiled pattern, tried from the smallest: counted repetitions multiply, and classes of Unicode are large.
const PROGRAM_BYTES: [usize; 4] = [4 << 10, 16 << 10, 64 << 10, 256 << 10];

/// Compiled patterns that an evaluation keeps, so that a filter over many items compiles its pattern once.
const KEPT: usize = 4;

thread_local! {
    static COMPILED: RefCell<VecDeque<Rc<Compiled>>> = const { RefCell::new(VecDeque::new()) };
}

/// The compiled patterns of one evaluation; forgotten when it is dropped, so that every evaluation costs the same.
pub(in super::super) struct Regexes;

impl Drop for Regexes {
    fn drop(&mut self) {
        COMPILED.take();
    }
}

/// A compiled pattern, and what matching with it may take.
struct Compiled {
    pattern: Text,
    flags: Flags,
    regex: Regex,
    program_bytes: usize,
    _held: Held,
}

impl Compiled {
    /// Units of work for each byte of a text: at worst each is matched with each instruction of the program.
    fn per_byte(&self) -> u64 {
        self.program_bytes as u64 / 64
    }

    /// Units of work of looking for one more match: all of the rest may be looked at before it is found, and is left for the
    /// next search. Where nothing repeats but the end of the pattern, a search stops where its match does.
    fn next_match(&self, rest: usize) -> u64 {
        let repeats = self.pattern.find(['*', '+', '{']);
        let stops = repeats.is_none_or(|place| place + 1 == self.pattern.len());
        if stops { 0 } else { rest as u64 * self.per_byte() / 8 }
    }
}

#[derive(Clone, Copy)]
struct Flags {
    global: bool,
    without_empty: bool,
    ignore_case: bool,
    extended: bool,
    single_line: bool,
}

impl Flags {
    /// Whether patterns with these flags compile to the same.
    fn same_pattern(self, other: Self) -> bool {
        let of = |flags: Self| (flags.ignore_case, flags.extended, flags.single_line);
        of(self) == of(other)
    }

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
    let compiled = compiled(pattern, flags)?;
    let regex = &compiled.regex;
    fuel::spend(MATCH + text.len() as u64 * compiled.per_byte());
    fuel::check().map_err(exhausted)?;
    if test {
        return Ok(Val::Bool(regex.is_match(text)));
    }
    let mut found = Vec::new();
    let mut count = Characters { text, bytes: 0, characters: 0 };
    for captures in regex.captures_iter(text) {
        let end = captures.get(0).map_or(0, |whole| whole.end());
        fuel::spend(MATCH * captures.len() as u64 + compiled.next_match(text.len() - end));
        fuel::room(captures.len() * 512).map_err(exhausted)?;
        if !(flags.without_empty && captures.get(0).is_some_and(|whole| whole.is_empty())) {
            found.push(one_match(regex, &captures, &mut count));
        }
        if !flags.global {
            break;
        }
    }
    Ok(Val::arr(found))
}

/// Units of work of a match: searching, and making the object that tells of a group.
const MATCH: u64 = 2_000;

fn compiled(pattern: &Text, flags: Flags) -> Result<Rc<Compiled>, Error> {
    let known = |compiled: &&Rc<Compiled>| compiled.flags.same_pattern(flags) && compiled.pattern == *pattern;
    if let Some(compiled) = COMPILED.with_borrow(|all| all.iter().find(known).cloned()) {
        return Ok(compiled);
    }
    let compiled = Rc::new(compile(pattern, flags)?);
    COMPILED.with_borrow_mut(|all| {
        all.truncate(KEPT - 1);
        all.push_front(Rc::clone(&compiled));
    });
    Ok(compiled)
}

fn compile(pattern: &Text, flags: Flags) -> Result<Compiled, Error> {
    for program_bytes in PROGRAM_BYTES {
        fuel::spend(parsing(pattern) + program_bytes as u64 * 8);
        // The program, and the tables that matching fills as it goes.
        fuel::room(program_bytes * 4).map_err(exhausted)?;
        let built = RegexBuilder::new(pattern)
            .case_insensitive(flags.ignore_case)
            .ignore_whitespace(flags.extended)
            .dot_matches_new_line(flags.single_line)
            .size_limit(program_bytes)
            .dfa_size_limit(program_bytes.max(TABLE_BYTES))
            .build();
        match built {
            Ok(regex) => {
                let held = Held::new(program_bytes * 4);
                return Ok(Compiled { pattern: pattern.clone(), flags, regex, program_bytes, _held: held });
            }
            Err(regex::Error::CompiledTooBig(_)) => {}
            Err(error) => return fail(format!("{} (at offset 0) is not a valid regex: {error}", &**pattern)),
        }
    }
    let limit = PROGRAM_BYTES[PROGRAM_BYTES.len() - 1] >> 10;
    fail(format!("{} (at offset 0) is not a valid regex: it is larger than {limit} KiB when compiled", &**pattern))
}

/// Bytes of the tables that even a small program may fill.
const TABLE_BYTES: usize = 64 << 10;

/// Units of work of parsing a pattern: classes of Unicode are many ranges, more so without case.
fn parsing(pattern: &str) -> u64 {
    let bytes = pattern.as_bytes();
    let class = |pair: &[u8]| match pair {
        [b'\\', b'p' | b'P'] => 100_000,
        [b'\\', b'w' | b'W' | b'b' | b'B'] => 40_000,
        [b'[' | b'.' | b'\\', _] => 10_000,
        _ => 0,
    };
    10_000 + bytes.len() as u64 * 300 + bytes.windows(2).map(class).sum::<u64>()
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
