//! One execution of a workflow as a value: what its journal adds up to.

use crate::{fact::Entry, id::InstanceId};

/// One execution of a workflow.
#[derive(Clone, PartialEq, Debug)]
pub struct Instance {
    id: InstanceId,
    seq: u64,
}

impl Instance {
    /// An instance that nothing has happened to.
    #[must_use]
    pub fn new(id: InstanceId) -> Self {
        Self { id, seq: 0 }
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

    /// Its status.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::Pending
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
        [Self::Pending, Self::Running, Self::Waiting, Self::Completed, Self::Faulted, Self::Cancelled]
            .into_iter()
            .find(|status| status.word() == word)
    }
}
