//! Errors of workflows, as RFC 9457 problem details with the standard types of the DSL.

use serde::{Deserialize, Serialize};

/// The base that we write; see [`Problem::same_type`] for the spellings that we read.
pub const STANDARD_BASE: &str = "https://open-workflow-specification.org/spec/1.0.0/errors/";

/// The standard error types (DSL reference, "Standard Error Types") with their default statuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standard {
    /// Incorrect or missing configuration; 400.
    Configuration,
    /// Data that does not match its schema; 400.
    Validation,
    /// An expression that could not be evaluated; 400.
    Expression,
    /// Credentials that were not accepted; 401.
    Authentication,
    /// Access that was refused, a missing secret included; 403.
    Authorization,
    /// Something took too long; 408.
    Timeout,
    /// A problem in talking to a third party; 500.
    Communication,
    /// Anything else that goes wrong while a workflow runs; 500.
    Runtime,
}

impl Standard {
    /// The last segment of the type's URI.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Validation => "validation",
            Self::Expression => "expression",
            Self::Authentication => "authentication",
            Self::Authorization => "authorization",
            Self::Timeout => "timeout",
            Self::Communication => "communication",
            Self::Runtime => "runtime",
        }
    }

    /// The default status of the type.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Configuration | Self::Validation | Self::Expression => 400,
            Self::Authentication => 401,
            Self::Authorization => 403,
            Self::Timeout => 408,
            Self::Communication | Self::Runtime => 500,
        }
    }

    /// The default title of the type.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration error",
            Self::Validation => "Validation error",
            Self::Expression => "Expression error",
            Self::Authentication => "Authentication error",
            Self::Authorization => "Authorization error",
            Self::Timeout => "Timeout",
            Self::Communication => "Communication error",
            Self::Runtime => "Runtime error",
        }
    }
}

/// An error of a workflow: an RFC 9457 object whose `instance` is the JSON pointer of the task it arose in.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// URI of the error's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Status code, by the meaning of HTTP's.
    pub status: u16,
    /// Short summary of the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What happened this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// JSON pointer of the task; filled in by the core when the error is raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

impl Problem {
    /// A problem of a standard type with its default status and title.
    pub fn standard(standard: Standard, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("{STANDARD_BASE}{}", standard.name()),
            status: standard.status(),
            title: Some(standard.title().to_owned()),
            detail: Some(detail.into()),
            instance: None,
        }
    }

    /// The same problem with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same problem, placed at a task unless it already has a place.
    #[must_use]
    pub fn at(mut self, reference: &str) -> Self {
        self.instance.get_or_insert_with(|| reference.to_owned());
        self
    }

    /// Whether two type URIs name the same type. The specification, its examples and its older editions spell
    /// the base of the standard types in several ways; all of them are one.
    #[must_use]
    pub fn same_type(left: &str, right: &str) -> bool {
        left == right || matches!((standard_name(left), standard_name(right)), (Some(l), Some(r)) if l == r)
    }
}

fn standard_name(kind: &str) -> Option<&str> {
    let rest = ["https://open-workflow-specification.org/", "https://serverlessworkflow.io/"]
        .iter()
        .find_map(|base| kind.strip_prefix(base))?;
    let name = rest.strip_prefix("spec/1.0.0/errors/").or_else(|| rest.strip_prefix("dsl/errors/types/"))?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{Problem, Standard};

    #[test]
    fn every_spelling_of_a_standard_type_is_one_type() {
        let ours = Problem::standard(Standard::Communication, "x").kind;
        for other in [
            "https://open-workflow-specification.org/dsl/errors/types/communication",
            "https://serverlessworkflow.io/spec/1.0.0/errors/communication",
            "https://serverlessworkflow.io/dsl/errors/types/communication",
        ] {
            assert!(Problem::same_type(&ours, other), "{other}");
        }
        assert!(!Problem::same_type(&ours, "https://serverlessworkflow.io/spec/1.0.0/errors/timeout"));
        assert!(!Problem::same_type(&ours, "https://example.com/spec/1.0.0/errors/communication"));
    }
}
