//! Stored journals: what a released version wrote must replay for ever, to the same status and the same report.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use sagabus_core::{fact::Entry, id::InstanceId, instance::Instance, report::Report};
use serde::{Deserialize, Serialize};

use crate::script;

/// A run as it is stored: its workflow, and of each instance the journal and the report.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    /// Sources of the workflows by digest.
    workflows: BTreeMap<String, String>,
    instances: Vec<StoredInstance>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredInstance {
    id: InstanceId,
    digest: String,
    entries: Vec<Entry>,
    report: Report,
}

/// Runs every script below a folder, and stores those that are not stored yet.
///
/// # Errors
/// A script cannot be run, or a file not be written.
pub fn store_all(scripts: &Path, into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    for path in script::find(scripts)? {
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().replace(".script.yaml", "");
        let file = into.join(format!("{folder}-{name}.json"));
        if !file.exists() {
            let stored = stored(&path).with_context(|| format!("{}", path.display()))?;
            fs::write(&file, serde_json::to_string(&stored)? + "\n")?;
        }
    }
    Ok(())
}

/// Replays every stored journal of a folder.
///
/// # Errors
/// One that does not read, replay, or tell the same; or there is none.
pub fn replay_all(folder: &Path) -> Result<()> {
    let mut replayed = 0;
    for file in fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let file = file?.path();
        let text = fs::read_to_string(&file)?;
        let stored: Stored = serde_json::from_str(&text).with_context(|| format!("{}", file.display()))?;
        for instance in &stored.instances {
            replay(instance, &stored.workflows).with_context(|| format!("{}: {}", file.display(), instance.id))?;
            replayed += 1;
        }
    }
    ensure!(replayed > 0, "{} holds no journal", folder.display());
    Ok(())
}

fn stored(path: &Path) -> Result<Stored> {
    let world = script::run(path)?;
    let mut stored = Stored { workflows: BTreeMap::new(), instances: Vec::new() };
    for record in &world.rows().instances {
        let source = world.plans().source(&record.digest).context("what ran has a source")?;
        stored.workflows.insert(record.digest.0.clone(), source.to_owned());
        let entries = world.rows().journal(record.id)?;
        let report = Report::of(&entries).context("what began has a report")?;
        stored.instances.push(StoredInstance { id: record.id, digest: record.digest.0.clone(), entries, report });
    }
    Ok(stored)
}

/// The journal still adds up, tells the same, and is still that of its workflow, which still compiles.
fn replay(stored: &StoredInstance, workflows: &BTreeMap<String, String>) -> Result<()> {
    let instance = Instance::replay(stored.id, &stored.entries).map_err(|reason| anyhow::anyhow!(reason))?;
    ensure!(instance.status().word() == stored.report.status, "it replays to {:?}", instance.status());
    let report = Report::of(&stored.entries).context("it has no report")?;
    ensure!(report == stored.report, "it is told as {report:?}");
    let source = workflows.get(&stored.digest).context("its workflow is not stored")?;
    let plan = sagabus_dsl::compile(source).plan.context("its workflow does not compile")?;
    ensure!(plan.digest.0 == stored.digest, "its workflow has another digest");
    Ok(())
}
