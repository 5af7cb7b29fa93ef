//! One execution of a workflow as a value: what its journal adds up to.
//!
//! Only `apply` changes an instance, and `decide` uses it for every fact that it records: so what was decided and what a
//! replay gives cannot differ.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::{
    fact::{EndStatus, Entry, Started},
    id::{CallId, ExecutionId, InstanceId},
    plan::TaskId,
    problem::Problem,
    time::Timestamp,
};

mod apply;

/// One execution of a workflow.
#[derive(Clone, PartialEq, Debug)]
pub struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) seq: u64,
    pub(crate) started: Option<Arc<Started>>,
    pub(crate) started_at: Timestamp,
    pub(crate) context: Arc<Value>,
    /// The executions that have not ended. The workflow is number 0; children have higher numbers than their parents.
    pub(crate) executions: BTreeMap<ExecutionId, Execution>,
    pub(crate) next_execution: u32,
    /// Calls that nobody waits for (`await: false`) with their attempts, until their outcome is known.
    pub(crate) detached: BTreeMap<CallId, u32>,
    /// `source` and `id` of the events that were taken: a repeated delivery is not taken again, by a later `listen` neither.
    pub(crate) taken: std::collections::BTreeSet<(String, String)>,
    pub(crate) end: Option<End>,
}

/// How an instance ended.
#[derive(Clone, PartialEq, Debug)]
pub struct End {
    /// How.
    pub status: EndStatus,
    /// Its output, if it completed.
    pub output: Option<Arc<Value>>,
    /// Its error, if it did not.
    pub error: Option<Problem>,
    /// When.
    pub at: Timestamp,
}

/// A live execution of a task (or of the workflow itself).
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Execution {
    pub(crate) parent: Option<ExecutionId>,
    /// `None` for the workflow.
    pub(crate) task: Option<TaskId>,
    pub(crate) branch: Option<u32>,
    /// Reference, iterations and visits from the workflow down: what keys of calls are derived from.
    pub(crate) path: Arc<str>,
    pub(crate) raw: Arc<Value>,
    pub(crate) input: Arc<Value>,
    pub(crate) started_at: Timestamp,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) state: State,
}

/// What a live execution is at.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum State {
    /// Nothing to remember: it is just being decided, or a child runs.
    Plain,
    /// The workflow or a `do`.
    Block(Flow),
    /// A `for`.
    For { items: Arc<Vec<Value>>, index: u32, flow: Flow },
    /// A `fork`: the outputs of the branches that have ended.
    Fork { outputs: BTreeMap<u32, Arc<Value>>, failed: u32 },
    /// A `try`.
    Try(Box<Trying>),
    /// A call whose outcome is awaited.
    Calling { call: CallId, attempt: u32 },
    /// A sub-flow whose end is awaited.
    Child { child: InstanceId },
    /// A `wait`.
    Waiting,
    /// A `listen`.
    Listening(Box<Listening>),
}

impl State {
    /// The run of the block that runs in this state, if one does.
    pub(crate) fn flow(&self) -> Option<&Flow> {
        match self {
            Self::Block(flow) | Self::For { flow, .. } => Some(flow),
            Self::Try(trying) => Some(&trying.flow),
            Self::Listening(listening) => listening.flow.as_ref(),
            _ => None,
        }
    }

    /// See [`Self::flow`].
    pub(crate) fn flow_mut(&mut self) -> Option<&mut Flow> {
        match self {
            Self::Block(flow) | Self::For { flow, .. } => Some(flow),
            Self::Try(trying) => Some(&mut trying.flow),
            Self::Listening(listening) => listening.flow.as_mut(),
            _ => None,
        }
    }
}

/// The run of a block: what flows, and how often each task was entered.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Flow {
    pub(crate) value: Arc<Value>,
    pub(crate) visits: BTreeMap<TaskId, u32>,
}

impl Flow {
    pub(crate) fn new(value: Arc<Value>) -> Self {
        Self { value, visits: BTreeMap::new() }
    }
}

/// State of a `try`.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Trying {
    pub(crate) phase: Phase,
    pub(crate) flow: Flow,
    /// How many retries there were.
    pub(crate) retries: u32,
    pub(crate) error: Option<Problem>,
    /// Attempts of the calls made in earlier runs of the block: a call keeps its key and goes on counting.
    pub(crate) attempts: BTreeMap<CallId, u32>,
    /// The call that failed last and waits to be sent again.
    pub(crate) parked: Option<CallId>,
}

/// Where a `try` is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Trying,
    Pausing,
    Handling,
}

/// State of a `listen`.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Listening {
    /// The items taken, as `read` says, in order.
    pub(crate) items: Vec<Arc<Value>>,
    /// Filters that took an event.
    pub(crate) matched: std::collections::BTreeSet<u32>,
    /// Filters of `until` that took an event.
    pub(crate) until_matched: std::collections::BTreeSet<u32>,
    pub(crate) correlations: BTreeMap<String, Value>,
    /// Outputs of the items that `foreach` has processed.
    pub(crate) outputs: Vec<Value>,
    /// The run of `foreach.do` for the item with the index of `outputs.len()`.
    pub(crate) flow: Option<Flow>,
    pub(crate) ended: bool,
}

impl Instance {
    /// An instance that nothing has happened to.
    #[must_use]
    pub fn new(id: InstanceId) -> Self {
        Self {
            id,
            seq: 0,
            started: None,
            started_at: Timestamp::default(),
            context: Arc::new(Value::Null),
            executions: BTreeMap::new(),
            next_execution: 0,
            detached: BTreeMap::new(),
            taken: std::collections::BTreeSet::new(),
            end: None,
        }
    }

    /// The instance that this journal adds up to.
    ///
    /// # Errors
    /// The journal contradicts itself: the text says where. Such an instance is parked, not guessed at.
    pub fn replay(id: InstanceId, entries: &[Entry]) -> Result<Self, String> {
        let mut instance = Self::new(id);
        for entry in entries {
            instance.apply(entry)?;
        }
        Ok(instance)
    }

    /// Applies one more entry of the journal.
    ///
    /// # Errors
    /// The entry does not follow: its place or one of its facts makes no sense here.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), String> {
        if entry.seq != self.seq + 1 {
            return Err(format!("entry {} follows entry {}", entry.seq, self.seq));
        }
        for fact in &entry.facts {
            self.apply_fact(fact, entry.at).map_err(|error| format!("entry {}: {error}", entry.seq))?;
        }
        self.seq = entry.seq;
        Ok(())
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> InstanceId {
        self.id
    }

    /// Position of the last entry of its journal; 0 before the first.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// What it began with; `None` before its start.
    #[must_use]
    pub fn started(&self) -> Option<&Started> {
        self.started.as_deref()
    }

    /// When it began.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> Status {
        if let Some(end) = &self.end {
            return match end.status {
                EndStatus::Completed => Status::Completed,
                EndStatus::Faulted => Status::Faulted,
                EndStatus::Cancelled => Status::Cancelled,
            };
        }
        if self.started.is_none() {
            return Status::Pending;
        }
        let busy = self
            .executions
            .values()
            .any(|execution| matches!(execution.state, State::Calling { .. } | State::Child { .. }));
        if busy { Status::Running } else { Status::Waiting }
    }

    /// The calls whose outcome is awaited, each with its attempt.
    pub fn outstanding(&self) -> impl Iterator<Item = (CallId, u32)> + '_ {
        let calling = self.executions.values().filter_map(|execution| match execution.state {
            State::Calling { call, attempt } => Some((call, attempt)),
            _ => None,
        });
        calling.chain(self.detached.iter().map(|(call, attempt)| (*call, *attempt)))
    }
}

/// Status of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Nothing happened yet.
    Pending,
    /// Something is being done.
    Running,
    /// It waits for a time or an event.
    Waiting,
    /// Ended well.
    Completed,
    /// Ended with an error.
    Faulted,
    /// Ended because someone wanted it to.
    Cancelled,
}

impl Status {
    const ALL: [Self; 6] =
        [Self::Pending, Self::Running, Self::Waiting, Self::Completed, Self::Faulted, Self::Cancelled];

    /// The word used in the store and in print.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Faulted => "faulted",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing can follow.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Faulted | Self::Cancelled)
    }

    /// Reads [`Self::word`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}
