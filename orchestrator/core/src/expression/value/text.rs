//! Values as jq prints them: compact JSON.

use std::fmt::{self, Write};

use super::{Error, Val, exhausted};
use crate::expression::fuel;

impl Val {
    /// The value as compact JSON.
    pub(in super::super) fn json(&self) -> Result<String, Error> {
        let mut text = Metered(String::new());
        // Writing fails when fuel ran out, which the check reports.
        let _ = write(&mut text, self);
        fuel::check().map_err(exhausted)?;
        Ok(text.0)
    }
}

/// A text that grows as long as there is room for it.
struct Metered(String);

impl Write for Metered {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let grows = self.0.len() + part.len() > self.0.capacity();
        if grows && fuel::room((self.0.len() + part.len()) * 2).is_err() {
            return Err(fmt::Error);
        }
        self.0.push_str(part);
        Ok(())
    }
}

/// Characters of a value that an error quotes.
const BRIEF: usize = 11;

/// A value as errors quote it: its JSON, cut short.
pub(in super::super) fn brief(value: &Val) -> String {
    let mut text = Cut { text: String::new(), left: BRIEF + 4 };
    // Writing fails when enough is written.
    let _ = write(&mut text, value);
    if text.text.len() > BRIEF + 3 {
        let mut end = BRIEF;
        while !text.text.is_char_boundary(end) {
            end -= 1;
        }
        text.text.truncate(end);
        text.text.push_str("...");
    }
    text.text
}

struct Cut {
    text: String,
    left: usize,
}

impl Write for Cut {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.text.push_str(part);
        self.left = self.left.saturating_sub(part.len());
        if self.left == 0 { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Writes a value as compact JSON. What is not JSON is written as jq does: NaN as null, infinities as the greatest numbers.
/// Stops early when fuel runs out.
pub(super) fn write(out: &mut impl Write, value: &Val) -> fmt::Result {
    if fuel::step().is_err() {
        return out.write_str("null");
    }
    match value {
        Val::Null => out.write_str("null"),
        Val::Bool(bool) => write!(out, "{bool}"),
        Val::Int(int) => write!(out, "{int}"),
        Val::Float(number) => write_float(out, *number),
        Val::Str(text) => write_text(out, text),
        Val::Arr(list) => {
            for (place, item) in list.items.iter().enumerate() {
                out.write_char(if place == 0 { '[' } else { ',' })?;
                write(out, item)?;
            }
            out.write_str(if list.items.is_empty() { "[]" } else { "]" })
        }
        Val::Obj(table) => {
            for (place, (key, value)) in table.entries.iter().enumerate() {
                out.write_char(if place == 0 { '{' } else { ',' })?;
                write_text(out, key)?;
                out.write_char(':')?;
                write(out, value)?;
            }
            out.write_str(if table.entries.is_empty() { "{}" } else { "}" })
        }
    }
}

fn write_text(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut plain = 0;
    for (place, char) in text.char_indices() {
        let escape = match char {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '\0'..='\u{1f}' | '\u{7f}' => "",
            _ if place - plain < PIECE => continue,
            _ => {
                write_piece(out, &text[plain..place])?;
                plain = place;
                continue;
            }
        };
        fuel::spend(16);
        write_piece(out, &text[plain..place])?;
        if escape.is_empty() {
            write!(out, "\\u{:04x}", u32::from(char))?;
        } else {
            out.write_str(escape)?;
        }
        plain = place + char.len_utf8();
    }
    write_piece(out, &text[plain..])?;
    out.write_char('"')
}

/// Bytes of a text that are written at once, so that who has enough of it can stop early.
const PIECE: usize = 256;

fn write_piece(out: &mut impl Write, piece: &str) -> fmt::Result {
    fuel::spend(piece.len() as u64 * 3);
    out.write_str(piece)
}

/// The shortest digits that read back the same, in jq's layout: plain from 1e-5 up to 17 digits, else with an exponent.
fn write_float(out: &mut impl Write, number: f64) -> fmt::Result {
    if number.is_nan() {
        return out.write_str("null");
    }
    let number = number.clamp(f64::MIN, f64::MAX);
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if number.is_sign_negative() {
        out.write_char('-')?;
    }
    if number == 0.0 {
        return out.write_char('0');
    }
    if point <= -5 || point > length + 15 {
        out.write_str(&digits[..1])?;
        if digits.len() > 1 {
            write!(out, ".{}", &digits[1..])?;
        }
        return write!(out, "e{}{:02}", if point > 0 { '+' } else { '-' }, (point - 1).abs());
    }
    let split = usize::try_from(point).unwrap_or(0);
    if point <= 0 {
        write!(out, "0.{:0>width$}", digits, width = digits.len() + usize::try_from(-point).unwrap_or(0))
    } else if split >= digits.len() {
        write!(out, "{digits:0<split$}")
    } else {
        write!(out, "{}.{}", &digits[..split], &digits[split..])
    }
}
