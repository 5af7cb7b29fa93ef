//! What `.[index]` and `.[from:upto]` answer.

use jaq_core::ValR;

use super::{Error, Place, Val, copied_items, exhausted, fail};
use crate::expression::fuel;

impl Val {
    /// `.[index]`: null where there is nothing.
    pub(in super::super) fn at(self, index: &Self) -> ValR<Self> {
        match (&self, index) {
            (Self::Null, Self::Null | Self::Int(_) | Self::Float(_) | Self::Str(_)) => Ok(Self::Null),
            (Self::Obj(table), Self::Str(key)) => Ok(table.entries.get(key).cloned().unwrap_or(Self::Null)),
            (Self::Arr(list), Self::Int(_) | Self::Float(_)) => {
                Ok(position(index, list.items.len()).and_then(|i| list.items.get(i).cloned()).unwrap_or(Self::Null))
            }
            (Self::Arr(list), Self::Arr(wanted)) => {
                Ok(occurrences(&list.items, &wanted.items).map(Self::count).collect())
            }
            (Self::Null | Self::Arr(_) | Self::Str(_), Self::Obj(range)) => {
                let bound = |name: &str| range.entries.get(name);
                self.slice(bound("start"), bound("end"))
            }
            (_, Self::Str(key)) => fail(format!("Cannot index {} with string \"{}\"", self.kind(), &**key)),
            _ => fail(format!("Cannot index {} with {}", self.kind(), index.kind())),
        }
    }

    /// `.[from:upto]` of an array, a text (in code points) or null.
    pub(in super::super) fn slice(&self, from: Option<&Self>, upto: Option<&Self>) -> ValR<Self> {
        match self {
            Self::Null => Ok(Self::Null),
            Self::Arr(list) => {
                let (start, end) = bounds(from, upto, list.items.len())?;
                copied_items(end - start).map_err(exhausted)?;
                Ok(Self::arr(list.items[start..end].to_vec()))
            }
            Self::Str(text) => {
                if text.is_plain() {
                    let (start, end) = bounds(from, upto, text.len())?;
                    fuel::room(end - start).map_err(exhausted)?;
                    return Ok(Self::str(&text[start..end]));
                }
                fuel::look(text.len() * 3).map_err(exhausted)?;
                fuel::room(text.len()).map_err(exhausted)?;
                let (start, end) = bounds(from, upto, text.chars().count())?;
                Ok(Self::str(text.chars().skip(start).take(end - start).collect::<String>()))
            }
            other => fail(format!("Cannot index {} with object", other.kind())),
        }
    }

    /// Where an assignment to `.[index]` goes.
    pub(in super::super) fn place(&self, index: &Self) -> Result<Place, Error> {
        match (self, index) {
            (Self::Obj(_), Self::Str(key)) => Ok(Place::Entry(key.clone())),
            (Self::Arr(list), Self::Int(_) | Self::Float(_)) => match position(index, list.items.len()) {
                Some(position) if position < MAXIMUM_ITEMS => Ok(Place::Item(position)),
                Some(_) => fail("Array index too large"),
                None => fail("Out of bounds negative array index"),
            },
            (_, Self::Str(key)) => fail(format!("Cannot index {} with string \"{}\"", self.kind(), &**key)),
            (Self::Arr(_), Self::Obj(_)) => fail("A slice of an array can only be assigned another array"),
            (Self::Obj(_), _) => fail(format!("Cannot index object with {}", index.kind())),
            (Self::Arr(_), _) => fail(format!("Cannot update field at array index of {}", index.kind())),
            _ => fail(format!("Cannot index {} with {}", self.kind(), index.kind())),
        }
    }
}

/// jq's own limit of an index that is written to.
const MAXIMUM_ITEMS: usize = 536_870_911;

/// The places where a run of items occurs.
pub(in super::super) fn occurrences<'a>(items: &'a [Val], wanted: &'a [Val]) -> Box<dyn Iterator<Item = usize> + 'a> {
    if wanted.is_empty() {
        return Box::new(std::iter::empty());
    }
    // Where runs differ is found early or late; an item that is looked at costs a comparison, a window a little.
    fuel::spend(items.len() as u64 * 4);
    Box::new(
        items
            .windows(wanted.len())
            .take_while(|_| fuel::check().is_ok())
            .enumerate()
            .filter(move |(_, window)| *window == wanted)
            .map(|(place, _)| place),
    )
}

/// An index as a place, counted from the end if it is negative. It may lie behind the end.
pub(in super::super) fn position(index: &Val, length: usize) -> Option<usize> {
    let number = match index {
        Val::Int(int) => *int,
        #[expect(clippy::cast_possible_truncation, reason = "saturates, and NaN is no place")]
        Val::Float(number) if !number.is_nan() => number.floor() as i128,
        _ => return None,
    };
    usize::try_from(if number < 0 { number + length as i128 } else { number }).ok()
}

/// The bounds of a slice: open ends, counted from the end if negative, cut to the length.
pub(in super::super) fn bounds(from: Option<&Val>, upto: Option<&Val>, length: usize) -> Result<(usize, usize), Error> {
    #[expect(clippy::cast_precision_loss, reason = "no array is that long")]
    let whole = length as f64;
    let bound = |value: Option<&Val>, open: f64| match value {
        None | Some(Val::Null) => Ok(open),
        Some(value) => match value.number() {
            Some(number) => Ok((if number < 0.0 { number + whole } else { number }).clamp(0.0, whole)),
            None => fail("Start and end indices of an array slice must be numbers"),
        },
    };
    let (start, end) = (bound(from, 0.0)?, bound(upto, whole)?);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the length")]
    let (start, end) = (start.floor() as usize, end.ceil() as usize);
    Ok((start.min(end), end))
}

#[cfg(test)]
mod tests {
    use super::{Val, bounds};

    #[test]
    fn bounds_are_cut_to_the_length() {
        let at = |number: i128| Some(Val::Int(number));
        assert_eq!(bounds(at(-2).as_ref(), None, 3).unwrap(), (1, 3));
        assert_eq!(bounds(at(2).as_ref(), at(1).as_ref(), 3).unwrap(), (1, 1));
        assert_eq!(bounds(at(-9).as_ref(), at(9).as_ref(), 3).unwrap(), (0, 3));
        assert!(bounds(Some(&Val::str("x")), None, 3).is_err());
    }
}
