//! The workflows that can be started, and the plans that running instances keep.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use sagabus_core::{
    id::{Digest, WorkflowName},
    plan::Plan,
};
use sagabus_dsl::{Diagnostic, Severity, compile};
use sagabus_ports::{Clock, Deployment, Error, Kind, Retry, StartKey, Store};

use crate::version;

/// Plans that are kept although nothing was deployed or runs with them, at most: each is some 100 KiB, and a plan that
/// is dropped is compiled again within milliseconds when an instance needs it.
const MOST_PLANS: usize = 512;

/// A workflow that was deployed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deployed {
    /// Its name.
    pub name: WorkflowName,
    /// Its digest.
    pub digest: Digest,
    /// Whether anything changed: false if the same text was deployed before.
    pub changed: bool,
    /// The adapters that it calls.
    pub adapters: BTreeSet<String>,
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

/// Why there is no plan to start with.
#[derive(Debug)]
pub(crate) enum PickError {
    /// Nothing of that name is deployed, or its text no longer compiles; the text says more.
    NotDeployed(String),
    /// The store failed.
    Store(Error),
}

impl From<Error> for PickError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// What is deployed, and plans by digest.
pub(crate) struct Catalogue {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    deployed: HashMap<WorkflowName, Digest>,
    plans: HashMap<Digest, Arc<Plan>>,
}

impl Catalogue {
    /// An empty catalogue of this store; see [`Self::refresh`].
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, known: RwLock::default() }
    }

    /// Compiles and deploys a definition.
    pub(crate) async fn deploy(&self, source: &str) -> Result<Deployed, DeployError> {
        let compiled = compile_aside(source.to_owned()).await.map_err(DeployError::Store)?;
        let Some(plan) = compiled.plan else { return Err(DeployError::Invalid(compiled.diagnostics)) };
        let plan = Arc::new(plan);
        let (name, digest) = (plan.name.clone(), plan.digest.clone());
        let adapters = plan.adapters().into_iter().map(str::to_owned).collect();
        self.refresh().await.map_err(DeployError::Store)?;
        let changed = self.read(|known| known.deployed.get(&name) != Some(&digest));
        if changed {
            let deployed_at = self.clock.now();
            let deployment =
                Deployment { name: name.clone(), digest: digest.clone(), source: source.to_owned(), deployed_at };
            self.store.deploy(deployment).await.map_err(DeployError::Store)?;
        }
        self.write(|known| {
            known.keep(plan);
            known.deployed.insert(name.clone(), digest.clone());
        });
        Ok(Deployed { name, digest, changed, adapters, warnings: compiled.diagnostics })
    }

    /// Learns what is deployed by now: another process may have deployed as well.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        let deployments = self.store.deployments().await?;
        self.write(|known| {
            known.deployed = deployments.into_iter().map(|deployment| (deployment.name, deployment.digest)).collect();
        });
        Ok(())
    }

    /// The plan that a start uses. An empty namespace stands for any, if only one has the name; no version, or
    /// `latest`, for the highest.
    pub(crate) async fn pick(
        &self,
        namespace: &str,
        name: &str,
        version: Option<&str>,
    ) -> Result<Arc<Plan>, PickError> {
        let choose = || self.read(|known| known.choose(namespace, name, version));
        let digest = match choose() {
            Ok(digest) => digest,
            Err(_) => {
                self.refresh().await?;
                choose().map_err(PickError::NotDeployed)?
            }
        };
        self.plan(&digest).await
    }

    /// The plan with this digest, compiled if need be.
    pub(crate) async fn plan(&self, digest: &Digest) -> Result<Arc<Plan>, PickError> {
        if let Some(plan) = self.read(|known| known.plans.get(digest).cloned()) {
            return Ok(plan);
        }
        let Some(source) = self.store.source(digest).await? else {
            return Err(PickError::NotDeployed(format!("the store has no workflow with the digest {digest}")));
        };
        let compiled = compile_aside(source).await?;
        let Some(plan) = compiled.plan else {
            let first = compiled.diagnostics.iter().find(|found| found.severity == Severity::Error);
            let reason = first.map_or("no reason given", |found| &found.message);
            return Err(PickError::NotDeployed(format!("the workflow {digest} no longer compiles: {reason}")));
        };
        let plan = Arc::new(plan);
        self.write(|known| known.keep(plan.clone()));
        Ok(plan)
    }

    /// Whether this key has started an instance of the workflow, in whatever version.
    pub(crate) async fn has_started(&self, workflow: &WorkflowName, key: &str) -> Result<bool, Error> {
        let key = StartKey { namespace: &workflow.namespace, name: &workflow.name, key };
        Ok(self.store.started(key).await?.is_some())
    }

    fn read<T>(&self, read: impl FnOnce(&Known) -> T) -> T {
        read(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, write: impl FnOnce(&mut Known)) {
        write(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Known {
    /// Keeps a plan, and drops those that nobody uses if there are too many.
    fn keep(&mut self, plan: Arc<Plan>) {
        if self.plans.len() >= MOST_PLANS {
            let deployed: BTreeSet<_> = self.deployed.values().collect();
            self.plans.retain(|digest, plan| Arc::strong_count(plan) > 1 || deployed.contains(digest));
        }
        self.plans.insert(plan.digest.clone(), plan);
    }

    fn choose(&self, namespace: &str, name: &str, version: Option<&str>) -> Result<Digest, String> {
        let version = version.filter(|version| *version != "latest" && !version.is_empty());
        let fits = |known: &WorkflowName| {
            known.name == name
                && (namespace.is_empty() || known.namespace == namespace)
                && version.is_none_or(|version| known.version == version)
        };
        let found: Vec<_> = self.deployed.iter().filter(|(known, _)| fits(known)).collect();
        let namespaces: BTreeSet<_> = found.iter().map(|(known, _)| known.namespace.as_str()).collect();
        if namespaces.len() > 1 {
            let list = namespaces.into_iter().collect::<Vec<_>>().join(", ");
            return Err(format!("`{name}` is deployed in several namespaces ({list}): say which"));
        }
        let highest = found.into_iter().max_by(|left, right| version::compare(&left.0.version, &right.0.version));
        highest.map(|(_, digest)| digest.clone()).ok_or_else(|| self.describe_absence(namespace, name, version))
    }

    fn describe_absence(&self, namespace: &str, name: &str, version: Option<&str>) -> String {
        // More names than this are no help in one line.
        const NAMES_SHOWN: usize = 10;
        let wanted = match (namespace, version) {
            ("", None) => format!("`{name}`"),
            ("", Some(version)) => format!("`{name}:{version}`"),
            (_, None) => format!("`{namespace}/{name}`"),
            (_, Some(version)) => format!("`{namespace}/{name}:{version}`"),
        };
        let all: BTreeSet<_> = self.deployed.keys().map(ToString::to_string).collect();
        if all.is_empty() {
            return format!("{wanted} is not deployed; nothing is");
        }
        let more = if all.len() > NAMES_SHOWN { ", …" } else { "" };
        let list = all.into_iter().take(NAMES_SHOWN).collect::<Vec<_>>().join(", ");
        format!("{wanted} is not deployed; these are: {list}{more}")
    }
}

/// Compiles off the asynchronous threads: a large definition takes a while.
async fn compile_aside(source: String) -> Result<sagabus_dsl::Compiled, Error> {
    tokio::task::spawn_blocking(move || compile(&source))
        .await
        .map_err(|error| Error::new(Kind::Other, Retry::Never, "compile a workflow").caused_by(error))
}

#[cfg(test)]
mod tests {
    use sagabus_core::id::{Digest, WorkflowName};

    use super::Known;

    fn known(names: &[&str]) -> Known {
        let mut known = Known::default();
        for name in names {
            let (namespace, rest) = name.split_once('/').expect("namespace/name:version");
            let (name_only, version) = rest.split_once(':').expect("name:version");
            let parsed = WorkflowName { namespace: namespace.into(), name: name_only.into(), version: version.into() };
            known.deployed.insert(parsed, Digest((*name).to_owned()));
        }
        known
    }

    #[test]
    fn the_highest_version_is_chosen_unless_one_is_named() {
        let known = known(&["a/x:1.9.0", "a/x:1.10.0", "a/x:1.10.0-rc.1"]);
        for (version, chosen) in [(None, "1.10.0"), (Some("latest"), "1.10.0"), (Some("1.9.0"), "1.9.0")] {
            assert_eq!(known.choose("", "x", version), Ok(Digest(format!("a/x:{chosen}"))));
        }
    }

    #[test]
    fn what_cannot_be_chosen_is_said() {
        let known = known(&["a/x:1.0.0", "b/x:1.0.0"]);
        assert_eq!(known.choose("b", "x", None), Ok(Digest("b/x:1.0.0".into())));
        let several = "`x` is deployed in several namespaces (a, b): say which";
        assert_eq!(known.choose("", "x", None), Err(several.to_owned()));
        let absent = "`a/y:2.0.0` is not deployed; these are: a/x:1.0.0, b/x:1.0.0";
        assert_eq!(known.choose("a", "y", Some("2.0.0")), Err(absent.to_owned()));
    }
}
