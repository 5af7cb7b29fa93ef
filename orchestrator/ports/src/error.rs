//! One error for all seams, which answers the one question that callers have: shall I try again?

use std::{error::Error as StdError, fmt};

/// A failure at a seam.
#[derive(Debug)]
pub struct Error {
    /// What sort of failure.
    pub kind: Kind,
    /// Whether trying again may help.
    pub retry: Retry,
    /// What was being done: reads after "failed to".
    pub operation: String,
    /// What the library below said.
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What sort of failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The other side cannot be reached.
    Unreachable,
    /// The other side has no room: disk full, queue full.
    Full,
    /// The request makes no sense to the other side.
    Invalid,
    /// It is not there.
    NotFound,
    /// What is stored contradicts itself or is of a newer version.
    Corrupt,
    /// Something else.
    Other,
}

/// Whether trying again may help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// It will not.
    Never,
    /// It may, after a pause.
    Later,
    /// It might have; whoever reports this has already tried often enough.
    GaveUp,
}

/// A result at a seam.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure of this kind with what was being done.
    pub fn new(kind: Kind, retry: Retry, operation: impl Into<String>) -> Self {
        Self { kind, retry, operation: operation.into(), source: None }
    }

    /// The same failure with its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to {}", self.operation)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
