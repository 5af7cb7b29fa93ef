//! Store → instances in memory, and the journal told for people.

use std::sync::Arc;

use sagabus_core::{
    id::InstanceId,
    instance::{Instance, Status},
    plan::Plan,
    report::Report,
};
use sagabus_ports::{Error, Kind, Retry, Store, StoredJournal};

use crate::{
    catalogue::{Catalogue, PickError},
    lifecycle::Narrator,
    wake::{Loaded, Running},
};

/// Loads these instances, in their order, by one look into the store. What is wrong with one of them concerns only that one.
///
/// # Errors
/// The store failed.
pub(crate) async fn load(store: &dyn Store, catalogue: &Catalogue, ids: &[InstanceId]) -> Result<Vec<Loaded>, Error> {
    let journals = store.load(ids).await?;
    let mut loaded = Vec::with_capacity(ids.len());
    for journal in journals {
        let found = match journal {
            None => Loaded::Missing,
            Some(journal) => match catalogue.plan(&journal.digest).await {
                Ok(plan) => replay(journal, plan).await?,
                Err(PickError::NotDeployed(reason)) => Loaded::Unreadable(reason),
                Err(PickError::Store(error)) => return Err(error),
            },
        };
        loaded.push(found);
    }
    Ok(loaded)
}

/// Tells an instance's journal from a store without an engine.
///
/// # Errors
/// The store failed, or its journal cannot be read.
pub async fn read_report(store: &dyn Store, instance: InstanceId) -> Result<Option<Report>, Error> {
    let Some(journal) = store.load(&[instance]).await?.pop().flatten() else { return Ok(None) };
    let corrupt = |reason: String| {
        Error::new(Kind::Corrupt, Retry::Never, format!("read the journal of instance {instance}")).caused_by(reason)
    };
    let entries = journal.entries.map_err(corrupt)?;
    Report::of(&entries).map(Some).ok_or_else(|| corrupt("it does not begin with a start".to_owned()))
}

/// Replays a journal off the asynchronous threads: a long one takes a while.
async fn replay(journal: StoredJournal, plan: Arc<Plan>) -> Result<Loaded, Error> {
    let replayed = move || {
        let running = journal.entries.and_then(|entries| {
            let mut instance = Instance::new(journal.instance);
            let mut narrator = Narrator::new(journal.instance, &plan.name);
            for entry in &entries {
                instance.apply(entry)?;
                // Told before; only what it learns from it is of use.
                narrator.tell(entry, instance.status());
            }
            if instance.status() == Status::Pending {
                return Err("its journal is empty".to_owned());
            }
            Ok(Box::new(Running { instance, plan, narrator }))
        });
        running.map_or_else(Loaded::Unreadable, Loaded::Ready)
    };
    tokio::task::spawn_blocking(replayed)
        .await
        .or_else(|panic| Ok(Loaded::Unreadable(format!("replaying its journal broke down: {panic}"))))
}
