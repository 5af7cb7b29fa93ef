//! Which tasks of a list can run at all.

use crate::{
    ast::{Kind, List, Task},
    fields::Text,
};

/// Indexes of the tasks that nothing leads to.
pub(super) fn unreachable(list: &List<'_>) -> Vec<usize> {
    let mut reached = vec![false; list.items.len()];
    let mut open = vec![0];
    while let Some(index) = open.pop() {
        if index < reached.len() && !reached[index] {
            reached[index] = true;
            open.extend(successors(list, index));
        }
    }
    (0..reached.len()).filter(|index| !reached[*index]).collect()
}

/// Where a task can lead, as far as can be told without running it.
fn successors(list: &List<'_>, index: usize) -> Vec<usize> {
    let task = &list.items[index].task;
    let mut next = Vec::new();
    let mut add = |then: Option<Text<'_>>| match then.map(|text| text.value) {
        None | Some("continue") => next.push(index + 1),
        Some("exit" | "end") => {}
        // A name that does not exist is an error by itself.
        Some(name) => next.push(list.items.iter().position(|item| item.name == name).unwrap_or(index + 1)),
    };
    match &task.kind {
        // An error goes up, never on.
        Some(Kind::Raise(_)) if task.condition.is_none() => {}
        Some(Kind::Switch(cases)) => {
            cases.iter().for_each(|case| add(case.then));
            if task.condition.is_some() || cases.iter().all(|case| case.when.is_some()) {
                add(task.then);
            }
        }
        Some(Kind::Try(task_try)) => {
            add(task.then);
            add(task_try.catch.then.or(task.then));
        }
        _ => add(task.then),
    }
    // A skipped task may go on in order, whatever its own directive says.
    if skips(task) {
        next.push(index + 1);
    }
    next
}

fn skips(task: &Task<'_>) -> bool {
    task.condition.is_some()
}
