//! ISO 8601 durations.

use jiff::{SpanTotal, Unit, fmt::temporal::SpanParser};

/// Reads an ISO 8601 duration as milliseconds; less than a millisecond is dropped. A day has 24 hours and a week 7 days,
/// because a running workflow has no calendar.
///
/// # Errors
/// Says what is wrong: years and months have no fixed length, negative durations have no meaning here.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    static PARSER: SpanParser = SpanParser::new();
    if !text.trim_start_matches(['+', '-']).starts_with(['P', 'p']) {
        return Err("it is not an ISO 8601 duration".to_owned());
    }
    let span = PARSER.parse_span(text).map_err(|error| format!("it is not an ISO 8601 duration: {error}"))?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err("years and months have no fixed length".to_owned());
    }
    if span.is_negative() {
        return Err("it is negative".to_owned());
    }
    let total =
        span.total(SpanTotal::from(Unit::Millisecond).days_are_24_hours()).map_err(|error| error.to_string())?;
    // Far below 2^53: jiff's spans end at 20,000 years.
    let milliseconds = format!("{total:.0}", total = total.floor());
    milliseconds.parse().map_err(|_| "it is longer than can be counted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn durations_are_milliseconds() {
        for (text, milliseconds) in [
            ("PT3S", 3_000),
            ("PT0S", 0),
            ("PT1M", 60_000),
            ("PT1.5S", 1_500),
            ("PT0.0015S", 1),
            ("P1D", 86_400_000),
            ("P1W", 604_800_000),
            ("P1DT2H3M4.005S", 93_784_005),
            ("P365000D", 31_536_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(milliseconds), "{text}");
        }
    }

    #[test]
    fn what_has_no_fixed_length_is_refused() {
        for text in ["P1Y", "P1M", "-PT1S", "P", "PT", "3s", "2 hours", "", "PT1S ", "P1DT", "PT-1S"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
