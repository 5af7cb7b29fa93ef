//! The formats: `@csv`, `@base64` and their kin.

use super::{Native, answer, fail, json::to_text, values};
use crate::expression::{
    fuel,
    value::{Error, Val, brief, exhausted},
};

pub(super) fn all() -> Vec<Native> {
    vec![
        ("@text", values(0), |cv| answer(to_text(cv.1))),
        ("@json", values(0), |cv| answer(cv.1.json().map(Val::str))),
        ("@csv", values(0), |cv| answer(row(&cv.1, "csv", ",", |text| format!("\"{}\"", text.replace('"', "\"\""))))),
        ("@tsv", values(0), |cv| answer(row(&cv.1, "tsv", "\t", escape_tabs))),
        ("@html", values(0), |cv| answer(coded(cv.1, 6, escape_html))),
        ("@sh", values(0), |cv| answer(shell(&cv.1))),
        ("@uri", values(0), |cv| answer(coded(cv.1, 3, escape_uri))),
        ("@urid", values(0), |cv| answer(to_text(cv.1).and_then(|text| unescape_uri(&text)))),
        ("@base64", values(0), |cv| answer(coded(cv.1, 2, |text| encode(text.as_bytes(), BASE64, 6)))),
        ("@base64d", values(0), |cv| answer(decoded(cv.1, BASE64, 6, "base64"))),
        ("@base32", values(0), |cv| answer(coded(cv.1, 2, |text| encode(text.as_bytes(), BASE32, 5)))),
        ("@base32d", values(0), |cv| answer(decoded(cv.1, BASE32, 5, "base32"))),
    ]
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The text of a value, coded. It grows at most so many times.
fn coded(value: Val, growth: usize, code: impl Fn(&str) -> String) -> Result<Val, Error> {
    let text = to_text(value)?;
    let Some(text) = text.text() else { return Ok(Val::Null) };
    fuel::room(text.len() * growth).map_err(exhausted)?;
    fuel::look(text.len() * 8).map_err(exhausted)?;
    Ok(Val::str(code(text)))
}

/// A row of an array's items, quoted as the format has it.
fn row(value: &Val, format: &str, separator: &str, quote: fn(&str) -> String) -> Result<Val, Error> {
    let Some(items) = value.items() else {
        return fail(format!("{} ({}) cannot be {format}-formatted, only array", value.kind(), brief(value)));
    };
    let mut line = String::new();
    for (place, item) in items.iter().enumerate() {
        fuel::step().map_err(exhausted)?;
        let cell = match item {
            Val::Null => String::new(),
            Val::Bool(_) | Val::Int(_) | Val::Float(_) => item.json()?,
            Val::Str(text) => {
                grow(&line, text.len() * 2)?;
                quote(text)
            }
            _ => return fail(format!("{} ({}) is not valid in a {format} row", item.kind(), brief(item))),
        };
        if place > 0 {
            line.push_str(separator);
        }
        line.push_str(&cell);
    }
    Ok(Val::str(line))
}

/// Asks for room for a line that grows by so many bytes at most, each of which is looked at.
fn grow(line: &str, bytes: usize) -> Result<(), Error> {
    fuel::look(bytes * 5).map_err(exhausted)?;
    // What it has already was paid for when it was added.
    fuel::fits(line.len() + bytes).map_err(exhausted)
}

fn escape_tabs(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\r', "\\r").replace('\n', "\\n")
}

fn escape_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '\'' => html.push_str("&apos;"),
            '"' => html.push_str("&quot;"),
            other => html.push(other),
        }
    }
    html
}

fn shell(value: &Val) -> Result<Val, Error> {
    let items = value.items().unwrap_or(std::slice::from_ref(value));
    let mut line = String::new();
    for (place, item) in items.iter().enumerate() {
        fuel::step().map_err(exhausted)?;
        let word = match item {
            Val::Arr(_) | Val::Obj(_) => {
                return fail(format!("{} ({}) can not be escaped for shell", item.kind(), brief(item)));
            }
            Val::Str(text) => {
                grow(&line, text.len() * 4)?;
                format!("'{}'", text.replace('\'', "'\\''"))
            }
            other => other.json()?,
        };
        if place > 0 {
            line.push(' ');
        }
        line.push_str(&word);
    }
    Ok(Val::str(line))
}

fn escape_uri(text: &str) -> String {
    let mut uri = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push('%');
            uri.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        }
    }
    uri
}

fn unescape_uri(value: &Val) -> Result<Val, Error> {
    let Some(text) = value.text() else { return Ok(Val::Null) };
    fuel::room(text.len()).map_err(exhausted)?;
    fuel::look(text.len() * 8).map_err(exhausted)?;
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let Some(code) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return fail(format!("{} ({}) is not a valid uri encoding", value.kind(), brief(value)));
        };
        bytes.push(code);
        rest = &after[2..];
    }
    Ok(Val::str(String::from_utf8_lossy(&bytes)))
}

/// Codes bytes in groups of so many bits, padded with `=`.
fn encode(bytes: &[u8], alphabet: &[u8], bits: usize) -> String {
    // Letters that a whole group of bytes makes: 4 of 3 bytes in base 64, 8 of 5 bytes in base 32.
    let group = if bits == 6 { 4 } else { 8 };
    let mut coded = String::new();
    let (mut buffer, mut filled) = (0_usize, 0);
    for byte in bytes {
        buffer = (buffer << 8 | usize::from(*byte)) & 0xffff;
        filled += 8;
        while filled >= bits {
            filled -= bits;
            coded.push(char::from(alphabet[buffer >> filled & (alphabet.len() - 1)]));
        }
    }
    if filled > 0 {
        coded.push(char::from(alphabet[buffer << (bits - filled) & (alphabet.len() - 1)]));
    }
    while !coded.len().is_multiple_of(group) {
        coded.push('=');
    }
    coded
}

fn decoded(value: Val, alphabet: &[u8], bits: usize, name: &str) -> Result<Val, Error> {
    let value = to_text(value)?;
    let Some(text) = value.text() else { return Ok(Val::Null) };
    fuel::room(text.len()).map_err(exhausted)?;
    fuel::look(text.len() * 30).map_err(exhausted)?;
    let mut bytes = Vec::new();
    let (mut buffer, mut filled) = (0_usize, 0);
    let letters = text.trim_end_matches('=');
    for letter in letters.bytes() {
        let Some(code) = alphabet.iter().position(|known| *known == letter) else {
            return fail(format!("{} ({}) is not valid {name} data", value.kind(), brief(&value)));
        };
        buffer = (buffer << bits | code) & 0xffff;
        filled += bits;
        if filled >= 8 {
            filled -= 8;
            bytes.push(u8::try_from(buffer >> filled & 0xff).unwrap_or_default());
        }
    }
    // One letter alone holds less than a byte.
    if bytes.is_empty() && !letters.is_empty() {
        return fail(format!("{} ({}) is not valid {name} data", value.kind(), brief(&value)));
    }
    Ok(Val::str(String::from_utf8_lossy(&bytes)))
}
