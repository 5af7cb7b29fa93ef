//! The workflows that can be started, and the plans that running instances keep.

use sagabus_core::id::{Digest, WorkflowName};
use sagabus_dsl::Diagnostic;

/// A workflow that was deployed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deployed {
    /// Its name.
    pub name: WorkflowName,
    /// Its digest.
    pub digest: Digest,
    /// Whether anything changed: false if the same text was deployed before.
    pub changed: bool,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

/// Why a workflow was not deployed.
#[derive(Debug)]
pub enum DeployError {
    /// The definition is invalid; what was deployed before stays.
    Invalid(Vec<Diagnostic>),
    /// The store failed.
    Store(sagabus_ports::Error),
}
