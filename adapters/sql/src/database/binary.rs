//! PostgreSQL's binary formats, as far as JSON needs them (`src/backend/utils/adt` of its source).

use jiff::{
    SignedDuration,
    civil::{Date, DateTime, Time},
};
use serde_json::Value;

/// The day that PostgreSQL counts from.
const EPOCH: DateTime = jiff::civil::datetime(2000, 1, 1, 0, 0, 0, 0);

/// JSON has no infinities and no NaN; they become text.
pub(super) fn float(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}

/// `YYYY-MM-DD`; `None` beyond the years that there are, `infinity` among them.
pub(super) fn date(days: i32) -> Option<String> {
    let date: Date = EPOCH.date().checked_add(SignedDuration::from_hours(i64::from(days) * 24)).ok()?;
    Some(date.to_string())
}

/// `HH:MM:SS`, with as many decimals as it takes.
pub(super) fn time(micros: i64) -> Option<String> {
    let time: Time = Time::midnight().checked_add(SignedDuration::from_micros(micros)).ok()?;
    Some(time.to_string())
}

/// `YYYY-MM-DDTHH:MM:SS`, with as many decimals as it takes.
pub(super) fn datetime(micros: i64) -> Option<String> {
    EPOCH.checked_add(SignedDuration::from_micros(micros)).ok().map(|time| time.to_string())
}

pub(super) fn uuid(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A decimal as exact text: digits to the base 10,000, the weight of the first, a sign, and how many decimals are shown.
pub(super) fn numeric(bytes: &[u8]) -> Option<String> {
    let mut words = bytes.chunks_exact(2).map(|word| i16::from_be_bytes([word[0], word[1]]));
    let (count, weight, sign, scale) = (words.next()?, words.next()?, words.next()?, words.next()?);
    match sign.cast_unsigned() {
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => {}
    }
    let digits: Vec<i16> = words.take(usize::try_from(count).ok()?).collect();
    let digit = |position: i32| {
        let index = usize::try_from(i32::from(weight) - position).ok();
        index.and_then(|index| digits.get(index)).copied().unwrap_or_default()
    };
    let mut text: String =
        (0..=i32::from(weight).max(0)).rev().map(|position| format!("{:04}", digit(position))).collect();
    text = text.trim_start_matches('0').to_owned();
    if text.is_empty() {
        text.push('0');
    }
    let scale = usize::try_from(scale).ok()?;
    if scale > 0 {
        let groups = i32::try_from(scale.div_ceil(4)).ok()?;
        let decimals: String = (1..=groups).map(|position| format!("{:04}", digit(-position))).collect();
        text.push('.');
        text.push_str(&decimals[..scale]);
    }
    Some(if sign == 0x4000 { format!("-{text}") } else { text })
}

/// An array of one dimension, or an empty one.
pub(super) fn array(bytes: &[u8], element: impl Fn(&[u8]) -> Option<Value>) -> Option<Value> {
    let word = |at: usize| Some(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    // Dimensions, flags, type of the elements; then length and lower bound of each dimension; then the elements.
    match word(0)? {
        0 => return Some(Value::Array(Vec::new())),
        1 => {}
        _ => return None,
    }
    let mut at = 20;
    let mut elements = Vec::new();
    for _ in 0..word(12)? {
        let length = word(at)?;
        at += 4;
        elements.push(match usize::try_from(length) {
            // A length of -1 stands for null.
            Err(_) => Value::Null,
            Ok(length) => {
                let value = element(bytes.get(at..at + length)?)?;
                at += length;
                value
            }
        });
    }
    Some(Value::Array(elements))
}
