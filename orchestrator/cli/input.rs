//! What users hand in: JSON in one of three ways, deadlines in one of two.

use std::{io::Read as _, path::Path};

use jiff::fmt::temporal::SpanParser;
use sagabus_core::time::Timestamp;
use sagabus_ports::LARGEST_BODY;
use serde_json::{Map, Value};

use crate::exit::Refused;

/// Reads an input: inline JSON, `@FILE` (JSON or YAML), or `-` for JSON or YAML on stdin. Absent, it is `{}`.
pub(crate) fn read(flag: &str, argument: Option<&str>) -> Result<Value, Refused> {
    match argument {
        None => Ok(Value::Object(Map::new())),
        Some("-") => {
            let mut text = String::new();
            let limit = LARGEST_BODY as u64 + 1;
            std::io::stdin()
                .lock()
                .take(limit)
                .read_to_string(&mut text)
                .map_err(|error| Refused::wrong(format!("cannot read {flag} from stdin: {error}")))?;
            parse(&format!("{flag} on stdin"), &text)
        }
        Some(argument) => match argument.strip_prefix('@') {
            Some(file) => parse(file, &text_of(Path::new(file))?),
            None => from_json(&format!("{flag} (inline JSON; a file is `{flag} @FILE`)"), argument),
        },
    }
}

/// Reads a text file that the user named.
pub(crate) fn text_of(file: &Path) -> Result<String, Refused> {
    std::fs::read_to_string(file).map_err(|error| Refused::wrong(format!("cannot read {}: {error}", file.display())))
}

/// JSON is tried first where it looks like JSON, so that its own messages with line and column come out.
fn parse(place: &str, text: &str) -> Result<Value, Refused> {
    if text.trim_start().starts_with(['{', '[', '"']) {
        return from_json(place, text);
    }
    small_enough(place, text)?;
    serde_saphyr::from_str(text).map_err(|error| Refused::wrong(format!("{place} is no JSON or YAML: {error}")))
}

fn from_json(place: &str, text: &str) -> Result<Value, Refused> {
    small_enough(place, text)?;
    serde_json::from_str(text).map_err(|error| Refused::wrong(format!("{place} is no JSON: {error}")))
}

fn small_enough(place: &str, text: &str) -> Result<(), Refused> {
    if text.len() <= LARGEST_BODY {
        return Ok(());
    }
    Err(Refused::wrong(format!("{place} has more than the {} KiB that an input may have", LARGEST_BODY / 1024)))
}

/// Reads a deadline: an RFC 3339 time, or an ISO 8601 duration from `now`.
pub(crate) fn deadline(argument: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Refused> {
    let Some(text) = argument else { return Ok(None) };
    let deadline = Timestamp::parse(text).or_else(|| from_now(text, now)).ok_or_else(|| {
        Refused::wrong(format!(
            "--deadline `{text}` is neither an RFC 3339 time (2026-01-31T12:00:00Z) nor an ISO 8601 duration (PT10M)"
        ))
    })?;
    if deadline <= now {
        return Err(Refused::wrong(format!("--deadline {deadline} has passed already")));
    }
    Ok(Some(deadline))
}

fn from_now(text: &str, now: Timestamp) -> Option<Timestamp> {
    let span = SpanParser::new().parse_span(text).ok()?;
    let start = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    // Months and years are those of the calendar.
    let end = start.checked_add(span).ok()?;
    Some(Timestamp::from_millis(end.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use sagabus_core::time::Timestamp;
    use serde_json::json;

    use super::{deadline, read};

    #[test]
    fn an_absent_input_is_an_empty_object_and_inline_json_is_read() {
        assert_eq!(read("--input", None).unwrap(), json!({}));
        assert_eq!(read("--input", Some("[1, null]")).unwrap(), json!([1, null]));
    }

    #[test]
    fn broken_json_is_told_with_its_place() {
        let text = read("--input", Some("{\"a\": }")).unwrap_err().text;
        assert!(text.contains("line 1 column 7") && text.contains("@FILE"), "{text}");
    }

    #[test]
    fn a_deadline_is_a_time_or_a_duration_and_not_in_the_past() {
        let now = Timestamp::parse("2026-01-31T12:00:00Z").unwrap();
        let read = |text| deadline(Some(text), now).map(|time| time.unwrap().to_string());
        assert_eq!(read("PT10M").unwrap(), "2026-01-31T12:10:00.000Z");
        assert_eq!(read("P1M").unwrap(), "2026-02-28T12:00:00.000Z");
        assert_eq!(read("2026-02-01T00:00:00+01:00").unwrap(), "2026-01-31T23:00:00.000Z");
        assert!(read("10 minutes").unwrap_err().text.contains("RFC 3339"));
        assert!(read("2026-01-31T11:59:59Z").unwrap_err().text.contains("passed"));
    }
}
