//! One instance's tasks as they go, on stderr: a line for each start and end; on a terminal in colour, with a last line
//! that says what is running now.

use std::collections::BTreeMap;

use sagabus_core::{
    fact::{Fact, TaskStarted},
    id::{ExecutionId, InstanceId},
    problem::Problem,
    time::Timestamp,
};
use sagabus_engine::Progress;

use crate::print;

/// Tells one instance's progress.
#[derive(Debug)]
pub(crate) struct Narrator {
    instance: InstanceId,
    prefix: String,
    live: bool,
    open: BTreeMap<ExecutionId, TaskStarted>,
    begun: BTreeMap<ExecutionId, Timestamp>,
    status_shown: bool,
}

/// How a line is painted on a terminal.
#[derive(Clone, Copy)]
enum Paint {
    Green,
    Red,
    Yellow,
    Dim,
}

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::Green => "32",
            Self::Red => "31",
            Self::Yellow => "33",
            Self::Dim => "2",
        }
    }
}

impl Narrator {
    /// Begins to tell this instance's progress; each line begins with `prefix`.
    pub(crate) fn new(instance: InstanceId, prefix: &str) -> Self {
        Self {
            instance,
            prefix: prefix.to_owned(),
            live: print::errors_in_colour(),
            open: BTreeMap::new(),
            begun: BTreeMap::new(),
            status_shown: false,
        }
    }

    /// Tells a committed step, if it is this instance's.
    pub(crate) fn tell(&mut self, progress: &Progress) {
        if progress.instance != self.instance {
            return;
        }
        for fact in &progress.entry.facts {
            self.fact(fact, progress.entry.at);
        }
        self.status();
    }

    /// Says that steps were missed, because they came faster than they could be shown.
    pub(crate) fn missed(&mut self, steps: u64) {
        self.line(Paint::Dim, "…", &format!("{steps} steps are not shown"));
    }

    /// Takes away the line that says what is running.
    pub(crate) fn end(&mut self) {
        self.clear();
    }

    fn fact(&mut self, fact: &Fact, at: Timestamp) {
        match fact {
            Fact::TaskStarted(started) => {
                // On a terminal the last line shows what runs: a line for each start would say everything twice.
                if !self.live {
                    self.line(Paint::Dim, "started", &started.reference);
                }
                self.begun.insert(started.execution, at);
                self.open.insert(started.execution, started.clone());
            }
            Fact::TaskSkipped { reference, .. } => self.line(Paint::Dim, "skipped", reference),
            Fact::Called { execution, attempt, .. } if *attempt > 1 => {
                self.task(Paint::Yellow, "again", *execution, &format!("attempt {attempt}"));
            }
            Fact::CallFailed { execution, attempt, error, .. } => {
                self.task(Paint::Yellow, "failed", *execution, &format!("attempt {attempt}: {}", without_place(error)));
            }
            Fact::Retrying { execution, retry, due, .. } => {
                let pause_ms = due.since_ms(at);
                self.task(Paint::Yellow, "retrying", *execution, &format!("retry {retry} in {}", duration(pause_ms)));
            }
            Fact::Waiting { execution, until } => {
                self.task(Paint::Dim, "waiting", *execution, &format!("until {until}"));
            }
            Fact::Caught { execution, error } => {
                self.task(Paint::Yellow, "caught", *execution, &without_place(error));
            }
            Fact::TaskCompleted { execution, .. } => self.ended(Paint::Green, "completed", *execution, at, None),
            Fact::TaskFaulted { execution, error } => self.ended(Paint::Red, "faulted", *execution, at, Some(error)),
            Fact::TaskCancelled { execution } => self.ended(Paint::Dim, "cancelled", *execution, at, None),
            _ => {}
        }
    }

    fn ended(&mut self, paint: Paint, word: &str, id: ExecutionId, at: Timestamp, error: Option<&Problem>) {
        let took = duration(at.since_ms(self.begun.remove(&id).unwrap_or(at)));
        let detail = error.map_or_else(String::new, |error| format!(": {}", without_place(error)));
        self.task(paint, word, id, &format!("after {took}{detail}"));
        self.open.remove(&id);
    }

    fn task(&mut self, paint: Paint, word: &str, id: ExecutionId, detail: &str) {
        let Some(reference) = self.open.get(&id).map(|started| started.reference.clone()) else { return };
        self.line(paint, word, &format!("{reference}  {detail}"));
    }

    fn line(&mut self, paint: Paint, word: &str, rest: &str) {
        self.clear();
        let rest = print::printable(rest);
        let word = format!("{word:<9}");
        let word = if self.live { format!("\x1b[{}m{word}\x1b[0m", paint.code()) } else { word };
        print::note(&format!("{}{word} {rest}", self.prefix));
    }

    fn status(&mut self) {
        if !self.live {
            return;
        }
        self.clear();
        // Blocks are open as long as anything inside them: only the innermost say what is being done.
        let inner = |id: &ExecutionId| !self.open.values().any(|other| other.parent == *id);
        let names: Vec<&str> =
            self.open.iter().filter(|(id, _)| inner(id)).map(|(_, started)| &*started.name).collect();
        if let [first, ..] = names[..] {
            let more = if names.len() > 1 { format!(" and {} more", names.len() - 1) } else { String::new() };
            print::raw_note(&format!("{}\x1b[2mrunning   {}{more}\x1b[0m", self.prefix, print::printable(first)));
            self.status_shown = true;
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.status_shown) {
            print::raw_note("\r\x1b[2K");
        }
    }
}

/// The place is in the same line already.
fn without_place(error: &Problem) -> String {
    print::problem(&Problem { instance: None, ..error.clone() })
}

fn duration(millis: u64) -> String {
    if millis < 1_000 { format!("{millis} ms") } else { format!("{}.{} s", millis / 1_000, millis % 1_000 / 100) }
}
