//! Names and ids, each its own type, so that two of them never change places unnoticed.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One execution of a workflow. A version 7 UUID, drawn by the engine, so that ids sort by start time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub Uuid);

impl InstanceId {
    /// Reads the textual form, as printed by `Display`.
    ///
    /// # Errors
    /// The text is not a UUID.
    pub fn parse(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }

    /// The id of a sub-flow: derived, so that deciding twice starts it once.
    #[must_use]
    pub fn child(self, path: &str) -> Self {
        // Version 5 over "child" and the path of the calling task's execution.
        Self(Uuid::new_v5(&self.0, format!("child {path}").as_bytes()))
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One logical call, and at the same time its idempotency key: derived from the instance, the path of the
/// execution (reference, iterations, visits, rounds) and a digest of the arguments, so that every attempt
/// carries the same key and no two calls share one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub Uuid);

impl CallId {
    /// Derives the key of the call made at `path` of `instance` with arguments of this digest.
    #[must_use]
    pub fn derive(instance: InstanceId, path: &str, arguments_digest: &str) -> Self {
        Self(Uuid::new_v5(&instance.0, format!("call {path} {arguments_digest}").as_bytes()))
    }

    /// Reads the textual form, as printed by `Display`.
    ///
    /// # Errors
    /// The text is not a UUID.
    pub fn parse(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One execution of a task within an instance, numbered in the order in which they started. 0 is the workflow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExecutionId(pub u32);

impl ExecutionId {
    /// The workflow itself, the root of all executions.
    pub const WORKFLOW: Self = Self(0);
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A workflow definition's name: `namespace/name:version`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct WorkflowName {
    /// DSL `document.namespace`.
    pub namespace: String,
    /// DSL `document.name`.
    pub name: String,
    /// DSL `document.version`, a semantic version.
    pub version: String,
}

impl fmt::Display for WorkflowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.namespace, self.name, self.version)
    }
}

/// SHA-256 of a workflow's source text in lower-case hexadecimal: identifies a plan for ever.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub String);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        let mut text = String::with_capacity(64);
        for byte in sha2::Sha256::digest(bytes) {
            use fmt::Write as _;
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
