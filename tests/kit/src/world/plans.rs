//! The workflows of a world.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Result, bail};
use sagabus_core::{
    id::{Digest, WorkflowName},
    plan::Plan,
};

/// Deployed workflows: found by name for starts, by digest for what runs.
#[derive(Debug, Default)]
pub struct Plans {
    by_digest: BTreeMap<Digest, Arc<Plan>>,
    by_name: BTreeMap<WorkflowName, Digest>,
    sources: BTreeMap<Digest, String>,
}

impl Plans {
    /// Compiles and keeps a workflow.
    ///
    /// # Errors
    /// Its diagnostics, drawn.
    pub fn deploy(&mut self, source: &str) -> Result<WorkflowName> {
        let compiled = sagabus_dsl::compile(source);
        let Some(plan) = compiled.plan else {
            bail!("{}", sagabus_dsl::render("workflow.yaml", source, &compiled.diagnostics, false))
        };
        let name = plan.name.clone();
        self.by_name.insert(name.clone(), plan.digest.clone());
        self.sources.insert(plan.digest.clone(), source.to_owned());
        self.by_digest.insert(plan.digest.clone(), Arc::new(plan));
        Ok(name)
    }

    /// The plan with this digest.
    #[must_use]
    pub fn plan(&self, digest: &Digest) -> Option<Arc<Plan>> {
        self.by_digest.get(digest).cloned()
    }

    /// The source with this digest.
    #[must_use]
    pub fn source(&self, digest: &Digest) -> Option<&str> {
        self.sources.get(digest).map(String::as_str)
    }

    /// The plan of this name.
    #[must_use]
    pub fn named(&self, name: &WorkflowName) -> Option<Arc<Plan>> {
        self.plan(self.by_name.get(name)?)
    }

    /// The plan that a start of this name and version (absent = the highest) uses.
    #[must_use]
    pub fn find(&self, namespace: &str, name: &str, version: Option<&str>) -> Option<Arc<Plan>> {
        let fits = |found: &&WorkflowName| {
            found.namespace == namespace && found.name == name && version.is_none_or(|wanted| wanted == found.version)
        };
        let name = self.by_name.keys().filter(fits).max_by_key(|found| precedence(&found.version))?;
        self.named(name)
    }
}

/// Numbers of a semantic version, which suffice for the plain versions that tests use.
fn precedence(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}
