//! Which variables an expression sees (DSL, "Runtime expression arguments").

/// Where in the life of a workflow or task an expression is evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Workflow `input.from` and `timeout`.
    WorkflowInput,
    /// Workflow `output.as`.
    WorkflowOutput,
    /// Task `if` and `input.from`.
    Before,
    /// Everything in the task's definition, its `output.as` included.
    Definition,
    /// Task `export.as`.
    Export,
}

impl Stage {
    /// Names of the runtime's variables, without `$`.
    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::WorkflowInput => &["secrets", "workflow", "runtime"],
            Self::WorkflowOutput => &["context", "secrets", "workflow", "runtime"],
            Self::Before => &["context", "secrets", "task", "workflow", "runtime"],
            Self::Definition => &["context", "input", "secrets", "task", "workflow", "runtime", "authorization"],
            Self::Export => &["context", "input", "output", "secrets", "task", "workflow", "runtime", "authorization"],
        }
    }

    /// All names of the runtime's variables: no variable of a workflow can have one.
    pub(super) const fn reserved() -> &'static [&'static str] {
        Self::Export.arguments()
    }
}

/// The variables that tasks around a place declare: items, indexes, caught errors.
#[derive(Clone, Default, Debug)]
pub(super) struct Scope<'a> {
    declared: Vec<&'a str>,
}

impl<'a> Scope<'a> {
    /// The scope with more variables, which may hide those of the same name.
    pub(super) fn with(&self, names: &[&'a str]) -> Self {
        let mut declared = self.declared.clone();
        declared.extend_from_slice(names);
        Self { declared }
    }

    /// All variables at a place, without `$`.
    pub(super) fn variables(&self, stage: Stage) -> Vec<&'a str> {
        stage.arguments().iter().copied().chain(self.declared.iter().copied()).collect()
    }
}
