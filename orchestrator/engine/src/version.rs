//! Which of two semantic versions is the higher one (semver.org 2.0.0, section 11).

use std::cmp::Ordering;

/// Compares two semantic versions by precedence. Text that is none comes below every version, in its own order.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    match (parse(left), parse(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => left.cmp(right),
    }
}

/// The three numbers, then the release or, below it, the identifiers of a pre-release. Build metadata does not count.
type Parsed<'a> = ([u64; 3], PreRelease<'a>);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum PreRelease<'a> {
    Identifiers(Vec<Identifier<'a>>),
    Release,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    Number(u64),
    Text(&'a str),
}

fn parse(text: &str) -> Option<Parsed<'_>> {
    let text = text.split('+').next()?;
    let (numbers, rest) = text.split_once('-').map_or((text, None), |(numbers, rest)| (numbers, Some(rest)));
    let mut parts = numbers.split('.');
    let mut number = || parts.next()?.parse().ok();
    let numbers = [number()?, number()?, number()?];
    if parts.next().is_some() {
        return None;
    }
    let identifier = |part: &'_ str| part.parse().map(Identifier::Number).ok();
    let rest = rest.map_or(PreRelease::Release, |rest| {
        PreRelease::Identifiers(
            rest.split('.').map(|part| identifier(part).unwrap_or(Identifier::Text(part))).collect(),
        )
    });
    Some((numbers, rest))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    #[test]
    fn versions_are_in_the_order_of_the_specification() {
        let ascending = [
            "not-a-version",
            "0.9.0",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2.0",
            "1.10.0",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(super::compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
        assert_eq!(super::compare("1.0.0+a", "1.0.0+b"), Ordering::Equal);
    }
}
