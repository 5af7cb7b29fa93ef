//! The story that an instance's facts tell, kept apart from the core's own account of it: what is live, what awaits an
//! outcome, what was entered how often. A fact that does not fit the story is a broken promise.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use sagabus_core::{
    fact::{Fact, TaskStarted},
    id::{CallId, ExecutionId},
    plan::TaskId,
};

use super::Counters;

/// What the facts of one instance have told so far.
#[derive(Debug, Default)]
pub(super) struct Story {
    live: BTreeMap<ExecutionId, Told>,
    /// Calls that nobody waits for, with their attempts.
    detached: BTreeMap<CallId, u32>,
    /// The entry in which an event was taken, by source and id.
    taken: BTreeMap<(String, String), u64>,
    ended: bool,
}

/// A live execution.
#[derive(Debug, Default)]
struct Told {
    parent: Option<ExecutionId>,
    kind: String,
    branch: Option<u32>,
    /// References, visits and iterations from the workflow down: the logical place, the same in every retry.
    path: String,
    iteration: Option<u32>,
    /// Retries of a `try`.
    retries: u32,
    pausing: bool,
    handling: bool,
    awaits: Option<(CallId, u32)>,
    /// Tasks that were entered in this run of the block, with visit and branch.
    entered: BTreeSet<(TaskId, u32, Option<u32>)>,
}

impl Story {
    /// Whether an execution is live.
    pub(super) fn is_live(&self, execution: ExecutionId) -> bool {
        !self.ended && self.live.contains_key(&execution)
    }

    /// Whether an attempt's outcome is awaited, or will be noted.
    pub(super) fn awaits(&self, call: CallId, attempt: u32) -> bool {
        self.detached.get(&call) == Some(&attempt)
            || self.live.values().any(|told| told.awaits == Some((call, attempt)))
    }

    /// The logical place of a live execution.
    pub(super) fn path(&self, execution: ExecutionId) -> Option<&str> {
        self.live.get(&execution).map(|told| told.path.as_str())
    }

    /// Goes on by one fact of the entry `seq`.
    pub(super) fn tell(&mut self, seq: u64, fact: &Fact, counters: &mut Counters) -> Result<()> {
        ensure!(!self.ended || matches!(fact, Fact::CallEnded { .. }), "a fact follows the end");
        match fact {
            Fact::Started(_) => {
                ensure!(self.live.is_empty(), "an instance began twice");
                let told = Told { kind: "workflow".to_owned(), ..Told::default() };
                self.live.insert(ExecutionId::WORKFLOW, told);
            }
            Fact::TaskStarted(started) => self.began(started, counters)?,
            Fact::TaskSkipped { parent, branch, .. } => self.may_begin(*parent, *branch)?,
            Fact::Iterated { execution, index } => self.iterated(*execution, *index)?,
            Fact::Called { execution, call, attempt, detached } => {
                self.called(*execution, *call, *attempt, *detached)?
            }
            Fact::CallFailed { execution, call, attempt, .. } => {
                let told = self.told(*execution)?;
                ensure!(told.awaits.take() == Some((*call, *attempt)), "a failure of an attempt that was not awaited");
            }
            Fact::CallEnded { call, attempt } => {
                ensure!(self.detached.remove(call) == Some(*attempt), "the end of a call that was not detached");
                counters.count("a call that nobody waited for ended");
            }
            Fact::Received { execution, source, id, .. } => {
                self.told(*execution)?;
                // Several listeners may take it, but at once: a repeated delivery is for none of them.
                let first = *self.taken.entry((source.clone(), id.clone())).or_insert(seq);
                ensure!(first == seq, "an event is taken that was taken in entry {first}");
                counters.count("an event was taken");
            }
            Fact::Caught { .. } | Fact::Retrying { .. } | Fact::Retried { .. } | Fact::Handling { .. } => {
                self.tried(fact, counters)?;
            }
            Fact::TaskCompleted { execution, .. } => self.completed(*execution, counters)?,
            Fact::TaskFaulted { execution, .. } => self.faulted(*execution, counters)?,
            Fact::TaskCancelled { execution } => {
                let told = self.leave(*execution)?;
                if told.awaits.is_some() {
                    counters.count("a task was given up while its call was in flight");
                }
            }
            Fact::Ended { .. } => {
                ensure!(self.live.len() == 1, "the end of an instance in which something is live: {:?}", self.live);
                self.ended = true;
            }
            Fact::Looped { execution, .. }
            | Fact::ChildStarted { execution, .. }
            | Fact::Waiting { execution, .. }
            | Fact::Processed { execution, .. }
            | Fact::ListenEnded { execution }
            | Fact::Emitted { execution, .. } => drop(self.told(*execution)?),
        }
        Ok(())
    }

    fn told(&mut self, execution: ExecutionId) -> Result<&mut Told> {
        self.live.get_mut(&execution).with_context(|| format!("execution {execution} is not live"))
    }

    fn children(&self, parent: ExecutionId) -> impl Iterator<Item = &Told> + '_ {
        self.live.values().filter(move |told| told.parent == Some(parent))
    }

    /// If B follows A, B begins after A has ended: but for the branches of a fork, one child is live at a time.
    fn may_begin(&mut self, parent: ExecutionId, branch: Option<u32>) -> Result<()> {
        let forks = self.told(parent)?.kind == "fork";
        ensure!(forks == branch.is_some(), "a branch of something that is no fork, or a fork's task without a branch");
        let busy = self.children(parent).any(|told| !forks || told.branch == branch);
        ensure!(!busy, "a task begins in execution {parent} before the one before it has ended");
        let pausing = self.told(parent)?.pausing;
        ensure!(!pausing, "a task begins in a `try` that waits for its retry");
        Ok(())
    }

    fn began(&mut self, started: &TaskStarted, counters: &mut Counters) -> Result<()> {
        self.may_begin(started.parent, started.branch)?;
        ensure!(!self.live.contains_key(&started.execution), "execution {} begins twice", started.execution);
        if started.visit > 0 {
            counters.count("a task was visited again");
        }
        let parent = self.told(started.parent)?;
        let first = parent.entered.insert((started.task, started.visit, started.branch));
        ensure!(first, "{} is entered twice in the same visit", started.reference);
        let place = parent.iteration.map_or_else(String::new, |index| format!("[{index}]"));
        let path = format!("{}{place} {}#{}", parent.path, started.reference, started.visit);
        let (parent, kind, branch) = (Some(started.parent), started.kind.clone(), started.branch);
        self.live.insert(started.execution, Told { parent, kind, branch, path, ..Told::default() });
        Ok(())
    }

    fn iterated(&mut self, execution: ExecutionId, index: u32) -> Result<()> {
        ensure!(self.children(execution).next().is_none(), "an iteration begins before the one before it has ended");
        let told = self.told(execution)?;
        let expected = told.iteration.map_or(0, |before| before + 1);
        ensure!(index == expected, "iteration {index} where {expected} was due");
        told.iteration = Some(index);
        told.entered.clear();
        Ok(())
    }

    fn called(&mut self, execution: ExecutionId, call: CallId, attempt: u32, detached: bool) -> Result<()> {
        ensure!(!self.awaits(call, attempt), "an attempt that is outstanding is made again");
        let told = self.told(execution)?;
        ensure!(told.awaits.is_none(), "a task calls twice");
        if detached {
            self.detached.insert(call, attempt);
        } else {
            told.awaits = Some((call, attempt));
        }
        Ok(())
    }

    fn tried(&mut self, fact: &Fact, counters: &mut Counters) -> Result<()> {
        let (Fact::Caught { execution, .. }
        | Fact::Retrying { execution, .. }
        | Fact::Retried { execution }
        | Fact::Handling { execution }) = fact
        else {
            return Ok(());
        };
        ensure!(self.children(*execution).next().is_none(), "a `try` reacts while its block runs: {fact:?}");
        let told = self.told(*execution)?;
        ensure!(told.kind == "try" && !told.handling, "not a `try` whose block runs: {fact:?}");
        match fact {
            Fact::Retrying { retry, .. } => {
                told.retries += 1;
                ensure!(*retry == told.retries && !told.pausing, "retry {retry} is number {}", told.retries);
                told.pausing = true;
            }
            Fact::Retried { .. } => {
                ensure!(told.pausing, "a block runs again that was not to");
                told.pausing = false;
                told.entered.clear();
                counters.count("a block was tried again");
            }
            Fact::Handling { .. } => {
                told.handling = true;
                counters.count("an error was handled");
            }
            _ => {}
        }
        Ok(())
    }

    fn completed(&mut self, execution: ExecutionId, counters: &mut Counters) -> Result<()> {
        let told = self.leave(execution)?;
        if told.kind == "try" && told.retries > 0 && !told.handling {
            counters.count("a retry helped");
        }
        Ok(())
    }

    fn faulted(&mut self, execution: ExecutionId, counters: &mut Counters) -> Result<()> {
        let told = self.leave(execution)?;
        match told.kind.as_str() {
            "try" if told.retries > 0 && !told.handling => counters.count("a retry was exhausted"),
            "fork" => counters.count("a fork failed with a branch"),
            "run" => counters.count("a sub-flow failed its caller"),
            _ => {}
        }
        if told.awaits.is_some() {
            counters.count("a timeout fired while a call was in flight");
        }
        Ok(())
    }

    /// An execution ends: it was live, and nothing in it still is.
    fn leave(&mut self, execution: ExecutionId) -> Result<Told> {
        ensure!(execution != ExecutionId::WORKFLOW, "the workflow ends as a task");
        ensure!(self.children(execution).next().is_none(), "execution {execution} ends before what runs in it");
        self.live.remove(&execution).with_context(|| format!("execution {execution} ends, and is not live"))
    }
}
