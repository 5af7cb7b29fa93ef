//! [`Store`] as verbs over a database: each takes the right connection and names what it was doing when that failed.

use async_trait::async_trait;
use sagabus_core::{
    event::Event,
    id::{Digest, InstanceId},
    time::Timestamp,
};
use sagabus_ports::{
    Batch, Deployment, DueTimer, Filter, ListedInstance, OutstandingCall, PendingCause, QueuedRetry, Result, StartKey,
    Started, Store, StoredJournal, Verdict,
};

use crate::{
    commit, read,
    sqlite::{Database, failure},
};

/// The store on one database.
pub(crate) struct SqlStore {
    database: Database,
}

impl SqlStore {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn commit(&self, batch: Batch) -> Result<Vec<Verdict>> {
        commit::check(&batch)?;
        let mut writer = self.database.writer("commit").await?;
        let result = commit::commit(&mut writer, &batch).await;
        self.database.give_back(writer, result.is_ok()).await;
        result
    }

    async fn load(&self, instances: &[InstanceId]) -> Result<Vec<Option<StoredJournal>>> {
        let mut reader = self.database.reader("load journals").await?;
        read::journals(&mut reader, instances).await
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<(Vec<DueTimer>, Option<Timestamp>)> {
        let mut reader = self.database.reader("read due timers").await?;
        read::due(&mut reader, now, limit).await
    }

    async fn outstanding(&self, after: Option<&str>, limit: u32) -> Result<Vec<OutstandingCall>> {
        let mut reader = self.database.reader("read outstanding calls").await?;
        read::outstanding(&mut reader, after, limit).await
    }

    async fn pending(&self, after: Option<&str>, limit: u32) -> Result<Vec<PendingCause>> {
        let mut reader = self.database.reader("read the inbox").await?;
        read::pending(&mut reader, after, limit).await
    }

    async fn unpublished(&self, after: Option<&str>, limit: u32) -> Result<Vec<(String, Event)>> {
        let mut reader = self.database.reader("read the outbox").await?;
        read::unpublished(&mut reader, after, limit).await
    }

    async fn listeners(&self, event_type: &str) -> Result<Vec<InstanceId>> {
        let mut reader = self.database.reader("read subscriptions").await?;
        read::listeners(&mut reader, event_type).await
    }

    async fn started(&self, key: StartKey<'_>) -> Result<Option<Started>> {
        let mut reader = self.database.reader("look up a start").await?;
        read::started(&mut reader, key).await
    }

    async fn deploy(&self, deployment: Deployment) -> Result<()> {
        let mut writer = self.database.writer("deploy").await?;
        let result = commit::deploy(&mut writer, &deployment).await.map_err(failure("deploy a workflow"));
        self.database.give_back(writer, result.is_ok()).await;
        result
    }

    async fn deployments(&self) -> Result<Vec<Deployment>> {
        let mut reader = self.database.reader("read deployments").await?;
        read::deployments(&mut reader).await
    }

    async fn source(&self, digest: &Digest) -> Result<Option<String>> {
        let mut reader = self.database.reader("read a definition").await?;
        read::source(&mut reader, digest).await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<ListedInstance>> {
        let mut reader = self.database.reader("list instances").await?;
        read::list(&mut reader, filter).await
    }

    async fn retries(&self, limit: u32) -> Result<Vec<QueuedRetry>> {
        let mut reader = self.database.reader("read the retry queue").await?;
        read::retries(&mut reader, limit).await
    }
}
