//! The border between `serde_json`'s values and jq's: what comes in is bounded, what goes out is JSON.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{
    EvaluateError,
    fuel::{self, Held},
    value::{Entries, Text, Val},
};

/// Levels of arrays and objects inside each other that a value may have on its way in or out. `serde_json` reads no more than
/// 128, and what an expression yields is stored inside a few levels of its own.
pub(super) const DEPTH: usize = 100;

/// Bytes, about, of what an evaluation yields as JSON: it becomes the data of a task, a row, an envelope.
pub(super) const OUTPUT_BYTES: usize = 1 << 20;

/// A value as jq has it.
///
/// # Errors
/// It is nested too deep, or too large to be held.
pub(super) fn enter(value: &Value) -> Result<Val, EvaluateError> {
    inward(value, DEPTH)
}

fn inward(value: &Value, levels: usize) -> Result<Val, EvaluateError> {
    let deeper = || {
        fuel::check().map_err(|what| EvaluateError::Exhausted(what.text()))?;
        let text = format!("the value is nested more than {DEPTH} levels deep");
        levels.checked_sub(1).ok_or(EvaluateError::Exhausted(text))
    };
    Ok(match value {
        Value::Null => Val::Null,
        Value::Bool(bool) => Val::Bool(*bool),
        Value::Number(number) => match (number.as_i128(), number.as_f64()) {
            (Some(int), _) => Val::int(int),
            (None, float) => Val::float(float.unwrap_or(f64::NAN)),
        },
        Value::String(text) => Val::str(text.as_str()),
        Value::Array(items) => {
            let levels = deeper()?;
            Val::arr(items.iter().map(|item| inward(item, levels)).collect::<Result<_, _>>()?)
        }
        Value::Object(entries) => {
            let levels = deeper()?;
            let entries = entries.iter().map(|(key, value)| Ok((Text::new(key.as_str()), inward(value, levels)?)));
            Val::obj(entries.collect::<Result<_, EvaluateError>>()?)
        }
    })
}

/// A value as JSON. `room` is what is left of the bytes of the output.
///
/// # Errors
/// It holds what is not JSON, is nested too deep or too large.
pub(super) fn leave(value: &Val, room: &mut usize) -> Result<Value, EvaluateError> {
    outward(value, DEPTH, room)
}

fn outward(value: &Val, levels: usize, room: &mut usize) -> Result<Value, EvaluateError> {
    let mut take = |bytes: usize| {
        let text = format!("the expression yields more than {} KiB", OUTPUT_BYTES >> 10);
        *room = room.checked_sub(bytes).ok_or(EvaluateError::Exhausted(text))?;
        Ok::<_, EvaluateError>(())
    };
    let deeper = || {
        let text = format!("the expression yields a value nested more than {DEPTH} levels deep");
        levels.checked_sub(1).ok_or(EvaluateError::Exhausted(text))
    };
    match value {
        Val::Null => take(4).map(|()| Value::Null),
        Val::Bool(bool) => take(5).map(|()| Value::Bool(*bool)),
        Val::Int(_) | Val::Float(_) => {
            take(8)?;
            number(value).map(Value::Number)
        }
        Val::Str(text) => {
            take(text.len() + 2)?;
            Ok(Value::String(text.to_string()))
        }
        Val::Arr(_) => {
            take(2)?;
            let levels = deeper()?;
            let items = value.items().unwrap_or_default();
            Ok(Value::Array(items.iter().map(|item| outward(item, levels, room)).collect::<Result<_, _>>()?))
        }
        Val::Obj(_) => {
            take(2)?;
            let levels = deeper()?;
            let mut map = Map::new();
            for (key, value) in value.entries().into_iter().flatten() {
                let text = key.to_string();
                *room = room.saturating_sub(text.len() + 3);
                map.insert(text, outward(value, levels, room)?);
            }
            Ok(Value::Object(map))
        }
    }
}

fn number(value: &Val) -> Result<Number, EvaluateError> {
    let number = match value {
        Val::Int(int) => Number::from_i128(*int),
        Val::Float(float) => Number::from_f64(*float),
        _ => None,
    };
    number.ok_or_else(|| {
        let what = if value.number().is_some_and(f64::is_nan) { "not a number (NaN)" } else { "an infinite number" };
        EvaluateError::Error(format!("the expression yields {what}, which JSON cannot hold"))
    })
}

/// Parses the text of one JSON value, counting what it builds.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn parse(text: &str) -> Result<Val, String> {
    fuel::look(text.len() * 2).map_err(|what| what.text())?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

impl<'de> Deserialize<'de> for Val {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Build)
    }
}

struct Build;

fn counted<E: de::Error>() -> Result<(), E> {
    fuel::step().map_err(|what| E::custom(what.text()))
}

impl<'de> Visitor<'de> for Build {
    type Value = Val;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Val, E> {
        Ok(Val::Null)
    }

    fn visit_bool<E: de::Error>(self, bool: bool) -> Result<Val, E> {
        Ok(Val::Bool(bool))
    }

    fn visit_i64<E: de::Error>(self, int: i64) -> Result<Val, E> {
        Ok(Val::Int(i128::from(int)))
    }

    fn visit_u64<E: de::Error>(self, int: u64) -> Result<Val, E> {
        Ok(Val::Int(i128::from(int)))
    }

    fn visit_f64<E: de::Error>(self, float: f64) -> Result<Val, E> {
        Ok(Val::float(float))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Val, E> {
        fuel::room(text.len()).map_err(|what| E::custom(what.text()))?;
        Ok(Val::str(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Val, A::Error> {
        let mut list = Vec::new();
        let mut held = Held::new(0);
        while let Some(item) = items.next_element()? {
            if list.len() == list.capacity() {
                held.set(list.len() * 2 * size_of::<Val>());
            }
            counted()?;
            list.push(item);
        }
        Ok(Val::arr(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Val, A::Error> {
        let mut table = Entries::default();
        let mut held = Held::new(0);
        while let Some((key, value)) = entries.next_entry::<String, Val>()? {
            if table.len() == table.capacity() {
                held.set(table.len() * 2 * 72);
            }
            counted()?;
            fuel::spend(60);
            table.insert(Text::new(key), value);
        }
        Ok(Val::obj(table))
    }
}
