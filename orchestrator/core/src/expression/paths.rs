//! Paths into values: reading, writing and deleting what they lead to, creating parents as jq does.

use jaq_core::{Bind, Exn, ValXs, box_iter::box_once, native::Fun};

use super::{
    fuel,
    natives::{Data, Native, answer, filter, stop, values},
    value::{Error, Val, added_entries, bounds, cannot_iterate, copied_items, exhausted, fail, merge_sort, position},
};

pub(super) fn all() -> Vec<Native> {
    vec![
        ("path", filter(), |mut cv| {
            let (filter, context) = cv.0.pop_fun();
            let found = filter.paths((context, (cv.1, Default::default())));
            Box::new(found.map(|found| found.map(|(_, path)| in_order(path.iter()))))
        }),
        ("path_value", filter(), |mut cv| {
            let (filter, context) = cv.0.pop_fun();
            let found = filter.paths((context, (cv.1, Default::default())));
            Box::new(found.map(|found| found.map(|(value, path)| Val::arr(vec![in_order(path.iter()), value]))))
        }),
        ("setpath", values(2), |mut cv| {
            let (value, path) = (cv.0.pop_var(), cv.0.pop_var());
            answer(steps(&path).and_then(|path| set(cv.1, path, value)))
        }),
        ("delpaths", values(1), |mut cv| {
            let paths = cv.0.pop_var();
            answer(delete_paths(cv.1, &paths))
        }),
        ("__assign", [Bind::Fun(()), Bind::Var(())].into(), |mut cv| {
            let value = cv.0.pop_var();
            let (filter, context) = cv.0.pop_fun();
            let mut found = filter.paths((context, (cv.1.clone(), Default::default())));
            box_once(found.try_fold(cv.1, |root, found| {
                let path = in_order(found?.1.iter());
                fuel::step().map_err(stop)?;
                Ok(set(root, steps(&path)?, value.clone())?)
            }))
        }),
        ("__map_values", filter(), |mut cv| {
            let (filter, context) = cv.0.pop_fun();
            box_once(map_values(&cv.1, |old| filter.run((context.clone(), old))))
        }),
        // What `walk` does with the values of an array or object; any other value is as it was.
        ("__map_inside", filter(), |mut cv| {
            let (filter, context) = cv.0.pop_fun();
            box_once(match &cv.1 {
                Val::Obj(_) => map_values(&cv.1, |old| filter.run((context.clone(), old))),
                Val::Arr(_) => {
                    cv.1.items()
                        .unwrap_or_default()
                        .iter()
                        .try_fold(Vec::new(), |mut all, old| {
                            fuel::step().map_err(stop)?;
                            for new in filter.run((context.clone(), old.clone())) {
                                fuel::step().map_err(stop)?;
                                fuel::fits(all.len() * 2 * size_of::<Val>()).map_err(stop)?;
                                all.push(new?);
                            }
                            Ok(all)
                        })
                        .map(Val::arr)
                }
                _ => Ok(cv.1),
            })
        }),
        ("__modify", [Bind::Fun(()), Bind::Fun(())].into(), |mut cv| {
            let (update, update_context) = cv.0.pop_fun();
            let (filter, context) = cv.0.pop_fun();
            let found = filter.paths((context, (cv.1.clone(), Default::default())));
            let paths = found.map(|found| found.map(|(_, path)| in_order(path.iter())));
            box_once(modify(cv.1, paths, |old| update.run((update_context.clone(), old))))
        }),
    ]
}

/// Natives that can themselves be part of a path.
pub(super) fn with_paths() -> Vec<Fun<Data>> {
    let getpath = jaq_core::Native::<Data>::new(|mut cv| {
        let path = cv.0.pop_var();
        answer(steps(&path).and_then(|path| get(&cv.1, path)))
    })
    .with_paths(|mut cv| {
        let path = cv.0.pop_var();
        let (value, before) = cv.1;
        let found = steps(&path).and_then(|steps| {
            fuel::steps(steps.len()).map_err(exhausted)?;
            // No value is higher than that, so that a longer path leads nowhere; and the evaluator's list of its steps takes stack
            // for each of them when it is dropped.
            let length = before.iter().take(fuel::HEIGHT as usize).count() + steps.len();
            fuel::height(u32::try_from(length).unwrap_or(u32::MAX)).map_err(exhausted)?;
            Ok((steps, get(&value, steps)?))
        });
        box_once(match found {
            Ok((steps, found)) => Ok((found, steps.iter().cloned().fold(before, |path, step| path.cons(step)))),
            Err(error) => Err(Exn::from(error)),
        })
    });
    let last = jaq_core::Native::<Data>::new(|mut cv| {
        let (filter, context) = cv.0.pop_fun();
        box_once(filter.run((context, cv.1)).try_fold(Val::Null, |_, value| value))
    })
    .with_paths(|mut cv| {
        let (filter, context) = cv.0.pop_fun();
        let last = filter.paths((context, cv.1)).try_fold(None, |_, found| found.map(Some));
        Box::new(last.transpose().into_iter())
    });
    vec![("getpath", values(1), getpath), ("__last", filter(), last)]
}

/// The evaluator's paths run from the last step to the first.
fn in_order<'a>(path: impl Iterator<Item = &'a Val>) -> Val {
    let mut steps: Vec<Val> = path.cloned().collect();
    fuel::spend(steps.len() as u64 * 10);
    steps.reverse();
    Val::arr(steps)
}

fn steps(path: &Val) -> Result<&[Val], Error> {
    path.items().map_or_else(|| fail("Path must be specified as an array"), Ok)
}

/// `getpath`: null where there is nothing.
fn get(value: &Val, path: &[Val]) -> Result<Val, Error> {
    let mut value = value.clone();
    for step in path {
        fuel::step().map_err(exhausted)?;
        if matches!(value, Val::Null) {
            break;
        }
        value = value.at(step)?;
    }
    Ok(value)
}

/// Units of work that a step of a path takes that is written to.
const SET: u64 = 200;

/// `setpath`: creates the arrays and objects that are missing on the way.
fn set(root: Val, path: &[Val], value: Val) -> Result<Val, Error> {
    fuel::spend(SET);
    fuel::step().map_err(exhausted)?;
    let Some((step, rest)) = path.split_first() else { return Ok(value) };
    fuel::height(u32::try_from(rest.len()).unwrap_or(u32::MAX)).map_err(exhausted)?;
    let mut root = match (root, step) {
        (Val::Null, Val::Str(_)) => Val::obj(Default::default()),
        (Val::Null, Val::Int(_) | Val::Float(_) | Val::Obj(_)) => Val::arr(Vec::new()),
        (root, _) => root,
    };
    if let (Val::Arr(_), Val::Obj(_)) = (&root, step) {
        return set_slice(&root, step, rest, value);
    }
    let place = root.place(step)?;
    // The child is taken out while it changes, so that it is not copied for being shared with its parent.
    let old = root.take(&place)?;
    let new = set(old, rest, value)?;
    root.put(place, new)?;
    Ok(root)
}

fn set_slice(root: &Val, range: &Val, rest: &[Val], value: Val) -> Result<Val, Error> {
    let items = root.items().unwrap_or_default();
    let bound = |name: &str| range.entries().and_then(|range| range.get(name));
    let (start, end) = bounds(bound("start"), bound("end"), items.len())?;
    let Val::Arr(new) = set(root.slice(bound("start"), bound("end"))?, rest, value)? else {
        return fail("A slice of an array can only be assigned another array");
    };
    let new = Val::Arr(new);
    let parts = [&items[..start], new.items().unwrap_or_default(), &items[end..]];
    copied_items(parts.iter().map(|part| part.len()).sum()).map_err(exhausted)?;
    Ok(Val::arr(parts.concat()))
}

/// `|=`: each path's value becomes the first that the update yields; where it yields none, the path is deleted.
fn modify<'a>(
    root: Val,
    paths: impl Iterator<Item = Result<Val, Exn<'a, Val>>>,
    update: impl Fn(Val) -> ValXs<'a, Val>,
) -> Result<Val, Exn<'a, Val>> {
    let mut root = root;
    let mut gone = Vec::new();
    for path in paths {
        let path = path?;
        fuel::step().map_err(stop)?;
        let old = get(&root, steps(&path)?)?;
        match update(old).next() {
            Some(new) => root = set(root, steps(&path)?, new?)?,
            None => gone.push(path),
        }
    }
    Ok(delete_paths(root, &Val::arr(gone))?)
}

/// `.[] |= f`, without a path for each value: each becomes the first that the update yields, or is gone if it yields none.
fn map_values<'a>(value: &Val, update: impl Fn(Val) -> ValXs<'a, Val>) -> Result<Val, Exn<'a, Val>> {
    let updated = |old: &Val| {
        fuel::step().map_err(stop)?;
        update(old.clone()).next().transpose()
    };
    let Some(entries) = value.entries() else {
        let Some(items) = value.items() else { return Err(cannot_iterate(value).into()) };
        let items: Result<Vec<Val>, _> = items.iter().filter_map(|old| updated(old).transpose()).collect();
        return Ok(Val::arr(items?));
    };
    added_entries(entries.len()).map_err(stop)?;
    let pairs = entries.iter().filter_map(|(key, old)| Some(updated(old).transpose()?.map(|new| (key.clone(), new))));
    Ok(Val::obj(pairs.collect::<Result<_, _>>()?))
}

/// `delpaths`, all at once: every path is meant as it was before any was deleted.
fn delete_paths(root: Val, paths: &Val) -> Result<Val, Error> {
    let Some(paths) = paths.items() else { return fail("Paths must be specified as an array") };
    let mut sorted: Vec<&[Val]> = Vec::new();
    for path in paths {
        let Some(path) = path.items() else { return fail("Path must be specified as an array") };
        fuel::step().map_err(exhausted)?;
        sorted.push(path);
    }
    merge_sort(&mut sorted, |left, right| left.cmp(right));
    delete(root, &sorted)
}

fn delete(root: Val, paths: &[&[Val]]) -> Result<Val, Error> {
    if paths.is_empty() || matches!(root, Val::Null) {
        return Ok(root);
    }
    let mut root = root;
    let mut leaves = Vec::new();
    for group in paths.chunk_by(|left, right| left.first() == right.first()) {
        fuel::step().map_err(exhausted)?;
        let Some(step) = group[0].first() else { return Ok(Val::Null) };
        if group[0].len() == 1 {
            leaves.push(step);
            continue;
        }
        let deeper: Vec<&[Val]> = group.iter().map(|path| &path[1..]).collect();
        let old = root.clone().at(step)?;
        if !matches!(old, Val::Null) {
            root = set(root, std::slice::from_ref(step), delete(old, &deeper)?)?;
        }
    }
    delete_leaves(root, &leaves)
}

fn delete_leaves(root: Val, steps: &[&Val]) -> Result<Val, Error> {
    if steps.is_empty() {
        return Ok(root);
    }
    match root {
        Val::Obj(mut table) => {
            let mut keys = Vec::new();
            for step in steps {
                let Some(key) = step.text() else { return fail("Cannot delete field at array index of object") };
                keys.push(key);
            }
            Val::change_entries(&mut table, |entries| match keys.as_slice() {
                [key] => drop(entries.shift_remove(&***key)),
                keys => entries.retain(|entry, _| keys.binary_search(&entry).is_err()),
            })?;
            Ok(Val::Obj(table))
        }
        Val::Arr(mut list) => {
            let length = list.len();
            let mut gone = vec![false; length];
            for step in steps {
                let (start, end) = match step {
                    Val::Obj(_) => {
                        let bound = |name: &str| step.entries().and_then(|range| range.get(name));
                        bounds(bound("start"), bound("end"), length)?
                    }
                    Val::Int(_) | Val::Float(_) => one(step, length),
                    _ => return fail("Cannot delete field at object index of array"),
                };
                gone[start..end].fill(true);
            }
            fuel::look(length * 8).map_err(exhausted)?;
            let mut gone = gone.into_iter();
            Val::change_items(&mut list, |items| items.retain(|_| !gone.next().unwrap_or(false)))?;
            Ok(Val::Arr(list))
        }
        other => fail(format!("Cannot delete fields from {}", other.kind())),
    }
}

/// The place of one index as a range, empty if it lies outside.
fn one(index: &Val, length: usize) -> (usize, usize) {
    position(index, length).filter(|place| *place < length).map_or((0, 0), |place| (place, place + 1))
}
