//! Native filters between values, JSON texts and numbers.

use super::{Native, answer, fail, values};
use crate::expression::{
    border, fuel,
    value::{Error, Val, brief, exhausted},
};

pub(super) fn all() -> Vec<Native> {
    vec![
        ("tojson", values(0), |cv| answer(cv.1.json().map(Val::str))),
        ("tostring", values(0), |cv| answer(to_text(cv.1))),
        ("fromjson", values(0), |cv| answer(from_json(&cv.1))),
        ("tonumber", values(0), |cv| answer(to_number(cv.1))),
        ("infinite", values(0), |_| answer(Ok(Val::Float(f64::INFINITY)))),
        ("nan", values(0), |_| answer(Ok(Val::Float(f64::NAN)))),
        ("isinfinite", values(0), |cv| answer(number(&cv.1).map(|number| Val::Bool(number.is_infinite())))),
        ("isnan", values(0), |cv| answer(number(&cv.1).map(|number| Val::Bool(number.is_nan())))),
        ("isnormal", values(0), |cv| answer(number(&cv.1).map(|number| Val::Bool(number.is_normal())))),
        ("floor", values(0), |cv| answer(rounded(cv.1, f64::floor))),
        ("ceil", values(0), |cv| answer(rounded(cv.1, f64::ceil))),
        ("round", values(0), |cv| answer(rounded(cv.1, f64::round))),
    ]
}

/// `tostring`: a text as it is, anything else as JSON.
pub(super) fn to_text(value: Val) -> Result<Val, Error> {
    match value {
        Val::Str(_) => Ok(value),
        other => other.json().map(Val::str),
    }
}

fn from_json(value: &Val) -> Result<Val, Error> {
    let Some(text) = value.text() else {
        return fail(format!("{} ({}) cannot be parsed", value.kind(), brief(value)));
    };
    fuel::look(text.len()).map_err(exhausted)?;
    match text.trim() {
        "nan" => Ok(Val::Float(f64::NAN)),
        trimmed => {
            border::parse(trimmed).or_else(|message| fail(format!("{message} (while parsing '{}')", shortened(text))))
        }
    }
}

/// The beginning of a text, for an error.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(QUOTED).map_or(text, |(end, _)| &text[..end])
}

/// Characters of a text that an error quotes.
const QUOTED: usize = 64;

fn to_number(value: Val) -> Result<Val, Error> {
    match &value {
        Val::Int(_) | Val::Float(_) => Ok(value),
        Val::Str(text) => {
            fuel::look(text.len() * 4).map_err(exhausted)?;
            let digits = text.trim();
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
            if digits == "nan" {
                return Ok(Val::Float(f64::NAN));
            }
            if plain && let Ok(number) = digits.parse::<f64>() {
                return Ok(digits.parse::<i128>().map_or(Val::float(number), Val::int));
            }
            fail(format!("string ({}) cannot be parsed as a number", brief(&value)))
        }
        _ => fail(format!("{} ({}) cannot be parsed as a number", value.kind(), brief(&value))),
    }
}

fn number(value: &Val) -> Result<f64, Error> {
    value.number().map_or_else(|| fail(format!("{} ({}) number required", value.kind(), brief(value))), Ok)
}

fn rounded(value: Val, round: fn(f64) -> f64) -> Result<Val, Error> {
    match value {
        Val::Int(_) => Ok(value),
        other => number(&other).map(|number| Val::float(round(number))),
    }
}
