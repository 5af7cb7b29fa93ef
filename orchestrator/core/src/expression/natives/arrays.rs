//! Native filters on arrays and objects, and on values of any type.

use std::cmp::Ordering;

use super::{Native, answer, fail, values};
use crate::expression::{
    fuel,
    value::{Entries, Error, Text, Val, brief, copied_items, exhausted, merge_sort, occurrences},
};

pub(super) fn all() -> Vec<Native> {
    vec![
        ("type", values(0), |cv| answer(Ok(Val::str(cv.1.kind())))),
        ("length", values(0), |cv| answer(length(&cv.1))),
        ("keys", values(0), |cv| answer(keys(&cv.1, true))),
        ("keys_unsorted", values(0), |cv| answer(keys(&cv.1, false))),
        ("has", values(1), |mut cv| {
            let key = cv.0.pop_var();
            answer(has(&cv.1, &key))
        }),
        ("contains", values(1), |mut cv| {
            let part = cv.0.pop_var();
            answer(contains(&cv.1, &part).map(Val::Bool))
        }),
        ("indices", values(1), |mut cv| {
            let wanted = cv.0.pop_var();
            answer(indices(&cv.1, &wanted))
        }),
        ("add", values(0), |cv| answer(add(cv.1))),
        ("reverse", values(0), |cv| answer(reverse(cv.1))),
        ("flatten", values(1), |mut cv| {
            let depth = cv.0.pop_var();
            answer(flatten(&cv.1, &depth))
        }),
        ("sort", values(0), |cv| answer(sort(&cv.1))),
        ("__sort_by", values(1), |mut cv| {
            let keys = cv.0.pop_var();
            answer(by_key(&cv.1, &keys).map(|pairs| pairs.into_iter().map(|(_, item)| item.clone()).collect()))
        }),
        ("__group_by", values(1), |mut cv| {
            let keys = cv.0.pop_var();
            answer(by_key(&cv.1, &keys).map(|pairs| {
                let groups = pairs.chunk_by(|left, right| left.0 == right.0);
                groups.map(|group| group.iter().map(|(_, item)| (*item).clone()).collect()).collect()
            }))
        }),
        ("__min_by", values(1), |mut cv| {
            let keys = cv.0.pop_var();
            answer(extreme(&cv.1, &keys, Ordering::Less))
        }),
        ("__max_by", values(1), |mut cv| {
            let keys = cv.0.pop_var();
            answer(extreme(&cv.1, &keys, Ordering::Greater))
        }),
        ("bsearch", values(1), |mut cv| {
            let wanted = cv.0.pop_var();
            let Some(items) = cv.1.items() else {
                return answer(fail(format!("{} ({}) cannot be searched from", cv.1.kind(), brief(&cv.1))));
            };
            answer(Ok(match items.binary_search(&wanted) {
                Ok(place) => Val::count(place),
                Err(place) => Val::Int(-1 - place as i128),
            }))
        }),
        ("__object", values(0), |cv| answer(object(&cv.1))),
    ]
}

fn items<'a>(value: &'a Val, purpose: &str) -> Result<&'a [Val], Error> {
    value.items().map_or_else(
        || fail(format!("{} ({}) cannot be {purpose}, as it is not an array", value.kind(), brief(value))),
        Ok,
    )
}

fn length(value: &Val) -> Result<Val, Error> {
    match value {
        Val::Null => Ok(Val::Int(0)),
        Val::Bool(_) => fail(format!("boolean ({value}) has no length")),
        Val::Int(int) => Ok(Val::int(int.abs())),
        Val::Float(number) => Ok(Val::float(number.abs())),
        Val::Str(text) => {
            if text.is_plain() {
                return Ok(Val::count(text.len()));
            }
            fuel::look(text.len()).map_err(exhausted)?;
            Ok(Val::count(text.chars().count()))
        }
        Val::Arr(list) => Ok(Val::count(list.len())),
        Val::Obj(_) => Ok(Val::count(value.entries().map_or(0, Entries::len))),
    }
}

fn keys(value: &Val, in_order: bool) -> Result<Val, Error> {
    match value {
        Val::Arr(list) => Ok((0..list.len()).map(Val::count).collect()),
        Val::Obj(_) => {
            let Some(entries) = value.entries() else { return Ok(Val::Null) };
            copied_items(entries.len()).map_err(exhausted)?;
            let mut keys: Vec<Text> = entries.keys().cloned().collect();
            if in_order {
                keys.sort_unstable();
            }
            Ok(Val::arr(keys.into_iter().map(Val::Str).collect()))
        }
        _ => fail(format!("{} ({}) has no keys", value.kind(), brief(value))),
    }
}

fn has(value: &Val, key: &Val) -> Result<Val, Error> {
    match (value, key) {
        (Val::Obj(_), Val::Str(key)) => Ok(Val::Bool(value.entries().is_some_and(|entries| entries.contains_key(key)))),
        (Val::Arr(list), Val::Int(index)) => Ok(Val::Bool((0..list.len() as i128).contains(index))),
        #[expect(clippy::cast_precision_loss, reason = "no array is that long")]
        (Val::Arr(list), Val::Float(index)) => Ok(Val::Bool(*index >= 0.0 && *index < list.len() as f64)),
        _ => fail(format!("Cannot check whether {} has a {} key", value.kind(), key.kind())),
    }
}

fn contains(whole: &Val, part: &Val) -> Result<bool, Error> {
    fuel::step().map_err(exhausted)?;
    match (whole, part) {
        (Val::Obj(_), Val::Obj(_)) => {
            let (Some(whole), Some(part)) = (whole.entries(), part.entries()) else { return Ok(false) };
            for (key, part) in part {
                let Some(whole) = whole.get(key) else { return Ok(false) };
                if !contains_within(whole, part)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Val::Arr(_), Val::Arr(_)) => {
            for part in part.items().unwrap_or_default() {
                let mut found = false;
                for whole in whole.items().unwrap_or_default() {
                    if contains_within(whole, part)? {
                        found = true;
                        break;
                    }
                }
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Val::Str(whole), Val::Str(part)) => {
            fuel::look(whole.len()).map_err(exhausted)?;
            Ok(whole.contains(&**part))
        }
        _ if whole.kind() == part.kind() => Ok(whole == part),
        _ => fail(format!(
            "{} ({}) and {} ({}) cannot have their containment checked",
            whole.kind(),
            brief(whole),
            part.kind(),
            brief(part)
        )),
    }
}

/// Inside an array or object values of different types are no error: the one does not contain the other.
fn contains_within(whole: &Val, part: &Val) -> Result<bool, Error> {
    if whole.kind() == part.kind() { contains(whole, part) } else { Ok(false) }
}

fn indices(value: &Val, wanted: &Val) -> Result<Val, Error> {
    match (value, wanted) {
        (Val::Null, _) => Ok(Val::Null),
        (Val::Arr(_), Val::Arr(_)) => {
            let (items, wanted) = (value.items().unwrap_or_default(), wanted.items().unwrap_or_default());
            Ok(occurrences(items, wanted).map(Val::count).collect())
        }
        (Val::Arr(_), _) => {
            let items = value.items().unwrap_or_default();
            Ok(items
                .iter()
                .enumerate()
                .filter(|(_, item)| *item == wanted)
                .map(|(place, _)| Val::count(place))
                .collect())
        }
        (Val::Str(text), Val::Str(wanted)) => text_indices(text, wanted),
        _ => value.clone().at(wanted),
    }
}

/// Where a text occurs in another, overlaps included; jq 1.7 counts bytes here.
fn text_indices(text: &str, wanted: &str) -> Result<Val, Error> {
    if wanted.is_empty() {
        return Ok(Val::Null);
    }
    fuel::look(text.len() * 3 + wanted.len()).map_err(exhausted)?;
    // A text begins where a character does, so that the search can go on at the next one.
    let next = wanted.chars().next().map_or(1, char::len_utf8);
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(place) = text[from..].find(wanted) {
        // Each search prepares itself for what is wanted, and looks at it again.
        fuel::step().map_err(exhausted)?;
        fuel::look(wanted.len() * 4).map_err(exhausted)?;
        places.push(Val::count(from + place));
        from += place + next;
    }
    Ok(Val::arr(places))
}

/// `add`: the sum of all items or values; texts are joined at once, as adding one by one would copy each many times.
fn add(value: Val) -> Result<Val, Error> {
    copied_items(value.items().map_or(0, <[Val]>::len) + value.entries().map_or(0, Entries::len)).map_err(exhausted)?;
    let items: Vec<Val> = match &value {
        Val::Arr(_) => value.items().unwrap_or_default().to_vec(),
        Val::Obj(_) => value.entries().map(|entries| entries.values().cloned().collect()).unwrap_or_default(),
        Val::Null => return fail("Cannot iterate over null"),
        _ => return fail(format!("Cannot iterate over {} ({})", value.kind(), brief(&value))),
    };
    drop(value);
    let texts: Option<Vec<&str>> = items.iter().map(|item| item.text().map(|text| &**text)).collect();
    if let Some(texts) = texts.filter(|texts| !texts.is_empty()) {
        fuel::look(texts.len() * 10).map_err(exhausted)?;
        fuel::room(texts.iter().map(|text| text.len()).sum()).map_err(exhausted)?;
        return Ok(Val::str(texts.concat()));
    }
    items.into_iter().try_fold(Val::Null, |sum, item| {
        fuel::step().map_err(exhausted)?;
        sum + item
    })
}

fn reverse(value: Val) -> Result<Val, Error> {
    match &value {
        Val::Null => Ok(Val::arr(Vec::new())),
        Val::Str(text) if text.is_empty() => Ok(Val::arr(Vec::new())),
        Val::Arr(_) => Ok(value.items().unwrap_or_default().iter().rev().cloned().collect()),
        Val::Obj(_) if value.entries().is_some_and(Entries::is_empty) => Ok(Val::arr(Vec::new())),
        Val::Int(_) | Val::Float(_) if value.number() == Some(0.0) => Ok(Val::arr(Vec::new())),
        Val::Bool(_) => fail(format!("boolean ({value}) has no length")),
        Val::Obj(_) => fail("Cannot index object with number"),
        _ => fail(format!("Cannot index {} with number", value.kind())),
    }
}

fn flatten(value: &Val, depth: &Val) -> Result<Val, Error> {
    let Some(depth) = depth.number() else { return fail("flatten depth must not be negative") };
    if depth < 0.0 {
        return fail("flatten depth must not be negative");
    }
    let mut flat = Vec::new();
    match value {
        Val::Arr(_) => {
            value.items().unwrap_or_default().iter().try_for_each(|item| flatten_into(&mut flat, item, depth))?
        }
        Val::Obj(_) => {
            let mut values = value.entries().map(Entries::values).into_iter().flatten();
            values.try_for_each(|item| flatten_into(&mut flat, item, depth))?;
        }
        Val::Null => return fail("Cannot iterate over null"),
        _ => return fail(format!("Cannot iterate over {} ({})", value.kind(), brief(value))),
    }
    Ok(Val::arr(flat))
}

fn flatten_into(flat: &mut Vec<Val>, item: &Val, depth: f64) -> Result<(), Error> {
    fuel::step().map_err(exhausted)?;
    match item.items() {
        Some(items) if depth > 0.0 => items.iter().try_for_each(|item| flatten_into(flat, item, depth - 1.0)),
        _ => {
            flat.push(item.clone());
            Ok(())
        }
    }
}

fn sort(value: &Val) -> Result<Val, Error> {
    let mut items = items(value, "sorted")?.to_vec();
    fuel::steps(items.len()).map_err(exhausted)?;
    merge_sort(&mut items, Val::cmp);
    Ok(Val::arr(items))
}

/// The items with their keys, in the order of the keys.
fn by_key<'a>(value: &'a Val, keys: &'a Val) -> Result<Vec<(&'a Val, &'a Val)>, Error> {
    let items = items(value, "sorted")?;
    fuel::steps(items.len()).map_err(exhausted)?;
    fuel::room(items.len() * size_of::<(&Val, &Val)>()).map_err(exhausted)?;
    let mut pairs: Vec<_> = keys.items().unwrap_or_default().iter().zip(items).collect();
    merge_sort(&mut pairs, |left, right| left.0.cmp(right.0));
    Ok(pairs)
}

/// The first item with the least key, or the last with the greatest, as jq has it.
fn extreme(value: &Val, keys: &Val, wanted: Ordering) -> Result<Val, Error> {
    let items = items(value, "iterated over")?;
    fuel::steps(items.len()).map_err(exhausted)?;
    let mut best: Option<(&Val, &Val)> = None;
    for (key, item) in keys.items().unwrap_or_default().iter().zip(items) {
        let better = best.is_none_or(|(least, _)| {
            let order = key.cmp(least);
            order == wanted || (wanted.is_gt() && order.is_eq())
        });
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or(Val::Null, |(_, item)| item.clone()))
}

/// An object of pairs `[key, value]`; a later pair wins.
fn object(pairs: &Val) -> Result<Val, Error> {
    let mut entries = Entries::default();
    for pair in pairs.items().unwrap_or_default() {
        fuel::step().map_err(exhausted)?;
        let [Val::Str(key), value] = pair.items().unwrap_or_default() else {
            let key = pair.items().and_then(|pair| pair.first()).cloned().unwrap_or_default();
            return fail(format!("Cannot use {} ({}) as object key", key.kind(), brief(&key)));
        };
        fuel::spend(60);
        entries.insert(key.clone(), value.clone());
    }
    Ok(Val::obj(entries))
}
