//! Native filters on texts.

use super::{Native, answer, fail, values};
use crate::expression::{
    fuel,
    value::{Error, Val, brief, copied_items, exhausted, split},
};

pub(super) fn all() -> Vec<Native> {
    vec![
        ("__format", values(0), |cv| answer(format(cv.1))),
        ("utf8bytelength", values(0), |cv| {
            let Some(text) = cv.1.text() else {
                return answer(fail(format!("{} ({}) only strings have UTF-8 byte length", cv.1.kind(), brief(&cv.1))));
            };
            answer(Ok(Val::count(text.len())))
        }),
        ("startswith", values(1), |mut cv| {
            let part = cv.0.pop_var();
            answer(
                both(&cv.1, &part, "startswith() requires string inputs")
                    .map(|(text, part)| Val::Bool(text.starts_with(part))),
            )
        }),
        ("endswith", values(1), |mut cv| {
            let part = cv.0.pop_var();
            answer(
                both(&cv.1, &part, "endswith() requires string inputs")
                    .map(|(text, part)| Val::Bool(text.ends_with(part))),
            )
        }),
        ("ltrimstr", values(1), |mut cv| {
            let part = cv.0.pop_var();
            answer(Ok(without(cv.1, &part, |text, part| text.strip_prefix(part))))
        }),
        ("rtrimstr", values(1), |mut cv| {
            let part = cv.0.pop_var();
            answer(Ok(without(cv.1, &part, |text, part| text.strip_suffix(part).filter(|_| !part.is_empty()))))
        }),
        ("trimstr", values(1), |mut cv| {
            let part = cv.0.pop_var();
            let left = without(cv.1, &part, |text, part| text.strip_prefix(part));
            answer(Ok(without(left, &part, |text, part| text.strip_suffix(part))))
        }),
        ("trim", values(0), |cv| answer(trimmed(cv.1, |text| text.trim_matches(space)))),
        ("ltrim", values(0), |cv| answer(trimmed(cv.1, |text| text.trim_start_matches(space)))),
        ("rtrim", values(0), |cv| answer(trimmed(cv.1, |text| text.trim_end_matches(space)))),
        ("ascii_downcase", values(0), |cv| {
            answer(mapped(&cv.1, "explode input must be a string", str::to_ascii_lowercase))
        }),
        ("ascii_upcase", values(0), |cv| {
            answer(mapped(&cv.1, "explode input must be a string", str::to_ascii_uppercase))
        }),
        ("explode", values(0), |cv| {
            let Some(text) = cv.1.text() else {
                return answer(fail(format!("{} ({}) cannot be exploded", cv.1.kind(), brief(&cv.1))));
            };
            answer(Ok(text.chars().map(|char| Val::Int(i128::from(u32::from(char)))).collect()))
        }),
        ("implode", values(0), |cv| answer(implode(&cv.1))),
        ("split", values(1), |mut cv| {
            let separator = cv.0.pop_var();
            let texts = both(&cv.1, &separator, "split input and separator must be strings");
            answer(texts.and_then(|(text, separator)| split(text, separator)))
        }),
        ("join", values(1), |mut cv| {
            let separator = cv.0.pop_var();
            answer(join(&cv.1, &separator))
        }),
    ]
}

/// Bytes of a text of a time, or of its format: more than a sentence has. A format can make its text many times as long.
const FORMAT_BYTES: usize = 256;

/// The format of a time, if it is short enough; what is no text is refused by the filter that it is meant for.
fn format(value: Val) -> Result<Val, Error> {
    let length = value.text().map_or(0, |text| text.len());
    if length > FORMAT_BYTES {
        return fail(format!("a time and its format have at most {FORMAT_BYTES} bytes, and this one {length}"));
    }
    // A field of a format takes about a hundred nanoseconds.
    fuel::look(500 + length * 60).map_err(exhausted)?;
    Ok(value)
}

fn both<'a>(left: &'a Val, right: &'a Val, message: &str) -> Result<(&'a str, &'a str), Error> {
    match (left, right) {
        (Val::Str(left), Val::Str(right)) => {
            fuel::copy(left.len().min(right.len())).map_err(exhausted)?;
            Ok((left, right))
        }
        _ => fail(message),
    }
}

/// A text without a part at one of its ends; anything else as it is.
fn without(value: Val, part: &Val, strip: for<'a> fn(&'a str, &str) -> Option<&'a str>) -> Val {
    match (value.text(), part.text()) {
        (Some(text), Some(part)) if fuel::room(text.len()).is_ok() => strip(text, part).map(Val::str).unwrap_or(value),
        _ => value,
    }
}

fn space(char: char) -> bool {
    char.is_whitespace()
}

fn trimmed(value: Val, trim: fn(&str) -> &str) -> Result<Val, Error> {
    match value.text() {
        Some(text) => {
            fuel::look(text.len() * 3).map_err(exhausted)?;
            fuel::room(text.len()).map_err(exhausted)?;
            Ok(Val::str(trim(text)))
        }
        None => fail(format!("{} ({}) cannot be trimmed", value.kind(), brief(&value))),
    }
}

fn mapped(value: &Val, message: &str, map: fn(&str) -> String) -> Result<Val, Error> {
    let Some(text) = value.text() else { return fail(message) };
    fuel::room(text.len()).map_err(exhausted)?;
    fuel::look(text.len()).map_err(exhausted)?;
    Ok(Val::str(map(text)))
}

/// The text of an array of code points; what is no code point becomes the replacement character.
fn implode(value: &Val) -> Result<Val, Error> {
    let Some(items) = value.items() else {
        return fail(format!("{} ({}) cannot be imploded", value.kind(), brief(value)));
    };
    fuel::room(items.len() * 4).map_err(exhausted)?;
    fuel::look(items.len() * 8).map_err(exhausted)?;
    let mut text = String::new();
    for item in items {
        let Val::Int(code) = item else {
            return fail("Unicode codepoint must be numeric");
        };
        let char = u32::try_from(*code).ok().and_then(char::from_u32);
        text.push(char.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    Ok(Val::str(text))
}

/// `join`: null counts as an empty text; numbers and booleans as their JSON.
fn join(value: &Val, separator: &Val) -> Result<Val, Error> {
    let values: Vec<Val> = match value {
        Val::Arr(_) => value.items().unwrap_or_default().to_vec(),
        Val::Obj(_) => value.entries().map(|entries| entries.values().cloned().collect()).unwrap_or_default(),
        Val::Null => return fail("Cannot iterate over null"),
        _ => return fail(format!("Cannot iterate over {} ({})", value.kind(), brief(value))),
    };
    copied_items(values.len()).map_err(exhausted)?;
    let mut joined = String::new();
    let mut length = 0;
    for (place, item) in values.iter().enumerate() {
        fuel::step().map_err(exhausted)?;
        let part = match item {
            Val::Null => Val::str(""),
            Val::Bool(_) | Val::Int(_) | Val::Float(_) => Val::str(item.json()?),
            other => other.clone(),
        };
        // The sum says what cannot be joined, in jq's words.
        let prefix = if place == 0 { Val::str("") } else { separator.clone() };
        let (Some(before), Some(text)) = (prefix.text(), part.text()) else {
            return (Val::str(joined) + prefix)? + part;
        };
        length += before.len() + text.len();
        fuel::copy(before.len() + text.len()).map_err(exhausted)?;
        if length > joined.capacity() {
            fuel::room(length * 2).map_err(exhausted)?;
        }
        joined.push_str(before);
        joined.push_str(text);
    }
    Ok(Val::str(joined))
}
