//! Golden journals: what a scripted run did, as text that people read and `git diff` compares.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use sagabus_core::{
    fact::{Entry, Fact},
    id::{CallId, InstanceId},
    problem::{Problem, STANDARD_BASE},
    report::{Report, TaskReport},
    time::Timestamp,
};
use serde_json::Value;

use crate::{
    script,
    world::{BEGINNING, World},
};

/// Members of facts that say the same in every run of a journal, or that are told by other means.
const LEFT_OUT: [&str; 11] =
    ["fact", "execution", "parent", "task", "reference", "name", "call", "digest", "nonce", "instance", "workflow"];

/// Compares every script below a folder with its golden journal; rewrites the journals instead where `UPDATE_GOLDEN` is set.
///
/// # Errors
/// All differences, drawn; or there is no script at all.
pub fn compare_all(folder: &Path) -> Result<()> {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let scripts = script::find(folder)?;
    if scripts.is_empty() {
        bail!("there is no *.script.yaml below {}", folder.display());
    }
    let mut complaints = String::new();
    for path in &scripts {
        if let Err(error) = compare(path, update) {
            let _ = writeln!(complaints, "\n{}: {error:#}", path.display());
        }
    }
    if complaints.is_empty() { Ok(()) } else { bail!("{complaints}") }
}

/// Where the golden journal of a script is.
#[must_use]
pub fn golden_path(script: &Path) -> PathBuf {
    script.with_extension("").with_extension("golden")
}

fn compare(path: &Path, update: bool) -> Result<()> {
    let found = render(&script::run(path)?)?;
    let golden = golden_path(path);
    if update {
        return fs::write(&golden, found).with_context(|| format!("{}", golden.display()));
    }
    let wanted =
        fs::read_to_string(&golden).with_context(|| format!("{} (UPDATE_GOLDEN=1 writes it)", golden.display()))?;
    if wanted == found {
        Ok(())
    } else {
        bail!("not as golden (UPDATE_GOLDEN=1 rewrites it)\n{}", difference(&wanted, &found))
    }
}

/// The journals and reports of all instances of a world, in the order in which they began.
///
/// # Errors
/// A journal cannot be read.
pub fn render(world: &World) -> Result<String> {
    let names = names(world);
    let mut text = String::new();
    for (index, record) in world.rows().instances.iter().enumerate() {
        let entries = world.rows().journal(record.id)?;
        let _ = writeln!(text, "{}instance {} of {}\n", if index == 0 { "" } else { "\n" }, index + 1, record.workflow);
        let mut places = BTreeMap::new();
        for entry in &entries {
            render_entry(&mut text, world, entry, &mut places)?;
        }
        let report = Report::of(&entries).context("a journal that begins with a start has a report")?;
        render_report(&mut text, &report);
    }
    Ok(names.iter().fold(text, |text, (id, name)| text.replace(&id.to_string(), name)))
}

/// Ids of instances are the same in each run, but nothing that people can read.
fn names(world: &World) -> Vec<(InstanceId, String)> {
    let records = world.rows().instances.iter().enumerate();
    records.map(|(index, record)| (record.id, format!("instance-{}", index + 1))).collect()
}

fn render_entry(text: &mut String, world: &World, entry: &Entry, places: &mut BTreeMap<u64, String>) -> Result<()> {
    let _ = writeln!(text, "{} #{} {}", clock(entry.at), entry.seq, entry.cause);
    // An error passes through many tasks: told in full once in each entry.
    let mut told = None;
    for fact in &entry.facts {
        let Value::Object(members) = serde_json::to_value(fact)? else { bail!("a fact is an object") };
        if let Fact::TaskStarted(started) = fact {
            places.insert(u64::from(started.execution.0), started.reference.to_string());
        }
        let word = members.get("fact").and_then(Value::as_str).unwrap_or_default();
        let place = match members.get("execution").and_then(Value::as_u64) {
            Some(execution) => places.get(&execution).cloned(),
            None => members.get("reference").and_then(Value::as_str).map(str::to_owned),
        };
        let mut line = format!("         {word:<14} {}", place.as_deref().unwrap_or("/"));
        if let Fact::Called { call, .. } = fact {
            line.push_str(&request(world, *call));
        }
        for (name, value) in members.iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str())) {
            let _ = match serde_json::from_value::<Problem>(value.clone()) {
                Ok(problem) if told.as_ref() == Some(&problem) => write!(line, " {name}=(the same)"),
                Ok(problem) => write!(line, " {name}={}", shown_problem(told.insert(problem))),
                Err(_) => write!(line, " {name}={}", shown(value)),
            };
        }
        let _ = writeln!(text, "{}", without_nonce(&line));
    }
    Ok(())
}

fn request(world: &World, call: CallId) -> String {
    world.rows().calls.get(&call).map_or_else(String::new, |row| {
        format!(" {}@{} {}", row.attempt.function, row.attempt.adapter, row.attempt.arguments)
    })
}

fn render_report(text: &mut String, report: &Report) {
    let _ = writeln!(text, "\n{} rollback={}", report.status, report.rollback);
    if let Some(output) = &report.output {
        let _ = writeln!(text, "  output {}", without_nonce(&output.to_string()));
    }
    if let Some(error) = &report.error {
        let _ = writeln!(text, "  error {}", shown_problem(error));
    }
    for task in &report.tasks {
        let _ = writeln!(text, "{}", without_nonce(&task_line(task)));
    }
}

fn task_line(task: &TaskReport) -> String {
    let ended = task.ended_at.map_or_else(String::new, clock);
    let mut line = format!(
        "  {}..{:<8} {:<6} {:<9} attempts={} {}",
        clock(task.started_at),
        ended.trim_start(),
        task.kind,
        task.status,
        task.attempts,
        task.reference
    );
    if let Some(undone) = &task.compensates {
        let _ = write!(line, " compensates {undone}");
    }
    if let Some(error) = &task.error {
        let _ = write!(line, " error {} {}", error.status, error.title.as_deref().unwrap_or(&error.kind));
    }
    line
}

/// `408 timeout "Timeout" "took too long" at /do/0/charge`: the type without the base of the standard ones.
fn shown_problem(problem: &Problem) -> String {
    let mut text = format!("{} {}", problem.status, problem.kind.strip_prefix(STANDARD_BASE).unwrap_or(&problem.kind));
    for part in [&problem.title, &problem.detail].into_iter().flatten() {
        let _ = write!(text, " {part:?}");
    }
    if let Some(instance) = &problem.instance {
        let _ = write!(text, " at {instance}");
    }
    text
}

/// Seconds since the world began, so that a journal reads like a stop-watch.
fn clock(at: Timestamp) -> String {
    let millis = at.since_ms(BEGINNING);
    format!("{:>4}.{:03}", millis / 1000, millis % 1000)
}

/// Times as the clock shows them, everything else as JSON.
fn shown(value: &Value) -> String {
    match value.as_str().and_then(Timestamp::parse) {
        Some(time) => clock(time).trim_start().to_owned(),
        None => value.to_string(),
    }
}

/// References to secrets without the instance's mark: `«path»`.
fn without_nonce(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{E000}') {
        shown.push_str(before);
        shown.push('«');
        rest = after.split_once(':').map_or(after, |(_, path)| path);
    }
    shown.push_str(rest);
    shown.replace('\u{E001}', "»")
}

/// The lines that differ, each with the number it has, between the common beginning and the common end.
fn difference(wanted: &str, found: &str) -> String {
    const LINES_SHOWN: usize = 40;
    let (wanted, found): (Vec<&str>, Vec<&str>) = (wanted.lines().collect(), found.lines().collect());
    let before = wanted.iter().zip(&found).take_while(|(left, right)| left == right).count();
    let rest = (wanted.len() - before).min(found.len() - before);
    let after = (1..=rest).take_while(|back| wanted[wanted.len() - back] == found[found.len() - back]).count();
    let mut text = String::new();
    for (sign, lines) in [('-', &wanted), ('+', &found)] {
        for (index, line) in lines.iter().enumerate().take(lines.len() - after).skip(before).take(LINES_SHOWN) {
            let _ = writeln!(text, "{sign}{:>4} {line}", index + 1);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{difference, without_nonce};

    #[test]
    fn only_what_differs_is_shown() {
        assert_eq!(difference("a\nb\nc\nd", "a\nx\nc\nd"), "-   2 b\n+   2 x\n");
        assert_eq!(difference("a\nc", "a\nb\nc"), "+   2 b\n");
    }

    #[test]
    fn references_to_secrets_are_shown_without_their_mark() {
        let reference = sagabus_core::decide::secret_reference("0f", "db.password");
        assert_eq!(without_nonce(&format!("x {reference} y")), "x «db.password» y");
    }
}
