//! A folder of workflows: deployed at the start, and again as its files change.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{RecursiveMode, Watcher as _};
use sagabus_core::id::Digest;
use sagabus_engine::{DeployError, Handle};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::{commands::check, compose, exit::Refused, files};

/// Changes within this time are one change: editors and `git` write a file in several steps.
const SETTLE: Duration = Duration::from_millis(150);

/// How often the folder is searched although nothing was heard of it: some file systems (network mounts, bind mounts of
/// containers) tell nobody of their changes.
const SEARCH_EVERY: Duration = Duration::from_secs(10);

/// Watches a folder for as long as it lives.
pub(super) struct Reloading {
    _watcher: notify::RecommendedWatcher,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Reloading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Deploys the workflows of a folder and keeps doing so as they change.
pub(super) async fn begin(handle: Handle, hosted: Vec<String>, folder: &Path) -> Result<Reloading, Refused> {
    // One note that something changed is as good as many.
    let (changed, mut changes) = mpsc::channel(1);
    let cannot =
        |error: notify::Error| Refused::wrong(format!("cannot watch --workflows {}: {error}", folder.display()));
    let mut watcher = notify::recommended_watcher(move |_| {
        let _ = changed.try_send(());
    })
    .map_err(cannot)?;
    watcher.watch(folder, RecursiveMode::Recursive).map_err(cannot)?;

    let mut folder = Folder { handle, hosted, path: folder.to_owned(), known: BTreeMap::new() };
    folder.refresh().await;
    let task = tokio::spawn(async move {
        loop {
            if let Ok(heard) = tokio::time::timeout(SEARCH_EVERY, changes.recv()).await {
                if heard.is_none() {
                    return;
                }
                // Quiet for so long, or at least not for ever: then what is there is meant.
                let settled = async { while tokio::time::timeout(SETTLE, changes.recv()).await.is_ok() {} };
                let _ = tokio::time::timeout(SETTLE * 4, settled).await;
            }
            folder.refresh().await;
        }
    });
    Ok(Reloading { _watcher: watcher, task })
}

/// A folder with the digests of its files when they were last looked at.
struct Folder {
    handle: Handle,
    /// Names of the adapters that this process hosts.
    hosted: Vec<String>,
    path: PathBuf,
    known: BTreeMap<PathBuf, Digest>,
}

impl Folder {
    async fn refresh(&mut self) {
        let found = match files::below(&self.path) {
            Ok(found) => found,
            Err(error) => {
                warn!(folder = %self.path.display(), %error, "cannot be searched; what is deployed stays");
                return;
            }
        };
        let gone: Vec<PathBuf> = self.known.keys().filter(|file| !found.contains(file)).cloned().collect();
        for file in gone {
            warn!(file = %file.display(), "is gone; what was deployed of it stays");
            self.known.remove(&file);
        }
        for file in found {
            self.look_at(file).await;
        }
    }

    async fn look_at(&mut self, file: PathBuf) {
        let bytes = match std::fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) => {
                warn!(file = %file.display(), %error, "cannot be read; what is deployed stays");
                return;
            }
        };
        let digest = Digest::of(&bytes);
        if self.known.get(&file) == Some(&digest) {
            return;
        }
        let source = String::from_utf8_lossy(&bytes);
        match self.handle.deploy(&source).await {
            Ok(deployed) => {
                check::draw(&file, &source, &deployed.warnings);
                let called = deployed.adapters.iter().map(String::as_str);
                if let Some(unhosted) = compose::unhosted(&deployed.name, called, &self.hosted) {
                    warn!(file = %file.display(), "{unhosted}; its calls wait until then");
                }
                if deployed.changed {
                    info!(workflow = %deployed.name, file = %file.display(), "deployed");
                }
            }
            Err(DeployError::Invalid(diagnostics)) => {
                check::draw(&file, &source, &diagnostics);
                warn!(file = %file.display(), "is invalid; what was deployed before stays");
            }
            Err(DeployError::Store(error)) => {
                warn!(file = %file.display(), %error, "could not be deployed; trying again");
                return;
            }
        }
        self.known.insert(file, digest);
    }
}
