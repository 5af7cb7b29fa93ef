//! How a command ends: the exit codes are a promise.

use sagabus_core::instance::Status;
use sagabus_engine::StartError;
use sagabus_ports::{Error, Kind};

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// It did what it was asked for.
    Done,
    /// The workflow faulted or was cancelled.
    Faulted,
    /// The request was wrong: usage, an invalid definition, an invalid input.
    Wrong,
    /// Something needed cannot be reached.
    Unreachable,
    /// The user interrupted it.
    Interrupted,
}

impl Exit {
    /// The process's exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Faulted => 1,
            Self::Wrong => 2,
            Self::Unreachable => 3,
            // 128 + SIGINT, as shells count.
            Self::Interrupted => 130,
        }
    }

    /// How a command ends that waited for an instance with this status.
    pub(crate) fn of(status: &str) -> Self {
        if status == Status::Completed.word() { Self::Done } else { Self::Faulted }
    }
}

/// A command that did not get to its end, with what to tell the user.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) exit: Exit,
    pub(crate) text: String,
}

impl Refused {
    /// The request is at fault: the text says where and what to do.
    pub(crate) fn wrong(text: impl Into<String>) -> Self {
        Self { exit: Exit::Wrong, text: text.into() }
    }

    /// The world is at fault.
    pub(crate) fn unreachable(text: impl Into<String>) -> Self {
        Self { exit: Exit::Unreachable, text: text.into() }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error.kind {
            Kind::Invalid => Self::wrong(error.to_string()),
            _ => Self::unreachable(error.to_string()),
        }
    }
}

impl From<StartError> for Refused {
    fn from(error: StartError) -> Self {
        match error {
            StartError::KeyConflict { instance } => {
                Self::wrong(format!("this key has started instance {instance} with other input; use a new --key"))
            }
            StartError::Store(error) => error.into(),
            wrong @ (StartError::NotDeployed(_) | StartError::InvalidInput(_)) => Self::wrong(wrong.to_string()),
        }
    }
}
