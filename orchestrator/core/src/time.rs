//! Points in time as values. Nothing here reads a clock.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time in UTC with millisecond precision; RFC 3339 wherever it is written down.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This time plus a duration; stays at the end of time instead of wrapping round.
    #[must_use]
    pub fn plus_ms(self, duration_ms: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration_ms).unwrap_or(i64::MAX)))
    }

    /// Milliseconds from `earlier` to this time; 0 if it is not later.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// Reads RFC 3339.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|time| Self(time.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with exactly three decimals, so that text sorts as time does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            // Out of the years -9999..9999: the end of time is all there is to say.
            Err(_) => f.write_str(if self.0 < 0 { "-009999-01-02T01:59:59.000Z" } else { "9999-12-30T22:00:00.999Z" }),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an RFC 3339 time")))
    }
}

/// A duration in milliseconds out of its JSON form (DSL reference, "Duration"): an ISO 8601 duration without years and
/// months, whose length depends on the calendar, or an object with `days`, `hours`, `minutes`, `seconds`, `milliseconds`.
///
/// # Errors
/// Says what is wrong and what would be right.
pub fn duration_ms(value: &serde_json::Value) -> Result<u64, String> {
    match value {
        serde_json::Value::String(text) => iso_duration_ms(text),
        serde_json::Value::Object(members) => {
            let mut total_ms = 0_u64;
            for (name, amount) in members {
                let unit_ms = match name.as_str() {
                    "days" => 86_400_000,
                    "hours" => 3_600_000,
                    "minutes" => 60_000,
                    "seconds" => 1000,
                    "milliseconds" => 1,
                    other => {
                        return Err(format!(
                            "a duration has no `{other}`: it has days, hours, minutes, seconds and milliseconds"
                        ));
                    }
                };
                let amount = amount
                    .as_u64()
                    .ok_or_else(|| format!("`{name}` of a duration must be a whole number, not {amount}"))?;
                total_ms = total_ms.saturating_add(amount.saturating_mul(unit_ms));
            }
            Ok(total_ms)
        }
        other => Err(format!("{other} is not a duration: write one as `PT30S`")),
    }
}

/// An ISO 8601 duration in milliseconds; fractions of a millisecond are dropped.
///
/// # Errors
/// Says what is wrong and what would be right.
pub fn iso_duration_ms(text: &str) -> Result<u64, String> {
    static PARSER: jiff::fmt::temporal::SpanParser = jiff::fmt::temporal::SpanParser::new();
    let span = PARSER
        .parse_span(text)
        .map_err(|_| format!("`{text}` is not an ISO 8601 duration: write one as `PT30S`, `PT5M` or `P1DT12H`"))?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(format!("`{text}` has years or months, whose length depends on the calendar: use days"));
    }
    let (days, weeks) = (i64::from(span.get_days()), i64::from(span.get_weeks()));
    let seconds =
        (weeks * 7 + days) * 86_400 + i64::from(span.get_hours()) * 3600 + span.get_minutes() * 60 + span.get_seconds();
    let millis =
        seconds * 1000 + span.get_milliseconds() + span.get_microseconds() / 1000 + span.get_nanoseconds() / 1_000_000;
    u64::try_from(millis).map_err(|_| format!("`{text}` is negative"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Timestamp, duration_ms};

    #[test]
    fn durations_are_read_in_both_forms() {
        for (value, millis) in [
            (json!("PT1.5S"), 1500),
            (json!("P1DT2H"), 93_600_000),
            (json!("P1W"), 604_800_000),
            (json!({ "minutes": 2, "milliseconds": 7 }), 120_007),
            (json!({}), 0),
        ] {
            assert_eq!(duration_ms(&value), Ok(millis), "{value}");
        }
        for wrong in
            [json!("2 hours"), json!("P1Y"), json!("-PT1S"), json!({ "second": 1 }), json!({ "days": -1 }), json!(5)]
        {
            assert!(duration_ms(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn text_is_rfc_3339_with_three_decimals_and_reads_back() {
        let time = Timestamp::from_millis(1_641_024_000_120);
        assert_eq!(time.to_string(), "2022-01-01T08:00:00.120Z");
        assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
        assert_eq!(Timestamp::parse("2022-01-01T09:00:00.12+01:00"), Some(time));
    }
}
