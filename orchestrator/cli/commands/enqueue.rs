//! `enqueue`: a start as a row in the database's inbox, for whoever serves that database.

use std::{path::Path, sync::Arc, time::Duration};

use sagabus_core::{
    cause::{Cause, Start},
    id::{Digest, InstanceId},
    instance::Status,
    report::Report,
    time::Timestamp,
};
use sagabus_driver_sql::Access;
use sagabus_engine::{StartError, StartRequest, check_start, input_digest};
use sagabus_ports::{Batch, Clock as _, PendingCause, StartKey, Started, Store, SystemClock};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    arguments::{Enqueue, Sending},
    compose,
    exit::{Exit, Refused},
    input,
    lookup::{Wanted, WorkflowMeant},
    print,
    settings::Settings,
    signals::Signals,
};

/// How often the database is asked whether the instance has ended: people see no delay, and the database no load.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// After this time without anyone taking it up, the user is told what may be missing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Enqueues a start of a deployed workflow.
pub(crate) async fn perform(enqueue: Enqueue, config: Option<&Path>) -> Result<Exit, Refused> {
    let wanted = Wanted::parse(&enqueue.workflow)?;
    let input = input::read("--input", enqueue.input.as_deref())?;
    let deadline = input::deadline(enqueue.sending.begin.deadline.as_deref(), SystemClock.now())?;
    let url = Settings::read(config, None)?.database(enqueue.sending.database.db.as_deref());
    let store = compose::open(&url, Access::Write).await?;
    let workflow = wanted.among(&store.deployments().await?)?;
    Errand { store, url, workflow, input, deadline }.send(&enqueue.sending).await
}

/// A start that is to be enqueued.
pub(crate) struct Errand {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) url: String,
    pub(crate) workflow: WorkflowMeant,
    pub(crate) input: Value,
    pub(crate) deadline: Option<Timestamp>,
}

impl Errand {
    /// Enqueues it, says so, and waits for its end if that was asked for.
    pub(crate) async fn send(self, sending: &Sending) -> Result<Exit, Refused> {
        let mut signals = Signals::listen()?;
        let key = sending.begin.key.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
        let before = self.begun(&key).await?;
        let (id, status) = match before {
            Some((id, status)) => {
                print::note(&format!("this key has started instance {id} before"));
                (id, status)
            }
            None => (self.enqueue(&key).await?, Status::Pending),
        };
        if !sending.wait {
            if sending.json {
                let mut told = json!({ "id": id, "key": key, "status": status, "repeated": before.is_some() });
                if status.is_terminal() {
                    let report = self.report(id).await?;
                    told["output"] = json!(report.output);
                    told["error"] = json!(report.error);
                }
                print::json(&told);
            } else {
                print::data(&id.to_string());
            }
            return Ok(Exit::Done);
        }
        tokio::select! {
            report = self.end(&key) => {
                let report = report?;
                print::end(&report, sending.json);
                Ok(Exit::of(&report.status))
            }
            () = signals.next() => {
                print::note(&format!("no longer waiting; it goes on: `sagabus instances show {id} --db {}`", self.url));
                Ok(Exit::Interrupted)
            }
        }
    }

    async fn enqueue(&self, key: &str) -> Result<InstanceId, Refused> {
        let WorkflowMeant { namespace, name, version } = &self.workflow;
        let request = StartRequest {
            namespace: namespace.clone(),
            name: name.clone(),
            version: version.clone(),
            input: self.input.clone(),
            key: Some(key.to_owned()),
            deadline: self.deadline,
        };
        // Whoever takes it up could only let it fault.
        check_start(self.store.clone(), Arc::new(SystemClock), &request).await?;
        let id = InstanceId(Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("sagabus:{namespace}/{name} {key}").as_bytes()));
        let start = Start {
            input: self.input.clone(),
            key: key.to_owned(),
            deadline: self.deadline,
            parent: None,
            nonce: String::new(),
        };
        let pending = PendingCause {
            id: self.row(key),
            instance: id,
            cause: Cause::Start(start),
            workflow: Some((namespace.clone(), name.clone(), version.clone())),
        };
        self.store.commit(Batch { inbox: vec![pending], ..Batch::default() }).await?;
        print::note(&format!(
            "enqueued {namespace}/{name} as instance {id} with key {key}; `sagabus serve --db {}` takes it up within a second",
            self.url
        ));
        Ok(id)
    }

    /// What the key has begun, in the inbox or as an instance. The same key with other input is a conflict.
    async fn begun(&self, key: &str) -> Result<Option<(InstanceId, Status)>, Refused> {
        // The inbox first: what is taken up meanwhile is then found as an instance.
        let rows = self.rows(key);
        match self.store.pending(Some(&rows), 1).await?.pop().filter(|row| row.id.starts_with(&rows)) {
            Some(row) if row.id != self.row(key) => Err(StartError::KeyConflict { instance: row.instance }.into()),
            Some(row) => Ok(Some((row.instance, Status::Pending))),
            None => Ok(self.started(key).await?.map(|started| (started.instance, started.status))),
        }
    }

    /// How the ids of the key's rows in the inbox begin.
    fn rows(&self, key: &str) -> String {
        let WorkflowMeant { namespace, name, .. } = &self.workflow;
        format!("enqueue:{namespace}/{name}:{}:", Digest::of(key.as_bytes()))
    }

    /// Id of the row. With the input's digest, so that another input under the same key is not taken for a repetition.
    fn row(&self, key: &str) -> String {
        format!("{}{}", self.rows(key), input_digest(&self.input))
    }

    /// The instance that the key has started, if any. The same key with other input is a conflict.
    async fn started(&self, key: &str) -> Result<Option<Started>, Refused> {
        let WorkflowMeant { namespace, name, .. } = &self.workflow;
        let started = self.store.started(StartKey { namespace, name, key }).await?;
        match started {
            Some(started) if started.input_digest != input_digest(&self.input) => {
                Err(StartError::KeyConflict { instance: started.instance }.into())
            }
            started => Ok(started),
        }
    }

    async fn end(&self, key: &str) -> Result<Report, Refused> {
        let mut ticks = tokio::time::interval(POLL_EVERY);
        let begun = tokio::time::Instant::now();
        let mut warned = false;
        loop {
            ticks.tick().await;
            match self.started(key).await? {
                Some(started) if started.status.is_terminal() => {
                    return self.report(started.instance).await;
                }
                None if !warned && begun.elapsed() > PATIENCE => {
                    warned = true;
                    let url = &self.url;
                    print::note(&format!("nobody has taken it up yet: does `sagabus serve --db {url}` run?"));
                }
                _ => {}
            }
        }
    }

    async fn report(&self, id: InstanceId) -> Result<Report, Refused> {
        let report = sagabus_engine::read_report(&*self.store, id).await?;
        report.ok_or_else(|| Refused::unreachable(format!("instance {id} cannot be read")))
    }
}
