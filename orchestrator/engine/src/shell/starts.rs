//! Starts: who asked is answered once the start is durable, or told why it is not.

use std::time::Duration;

use sagabus_core::{
    cause::Cause,
    id::InstanceId,
    instance::Status,
    problem::{Problem, Standard},
};
use sagabus_ports::{Error, Kind, NewInstance, Retry, StartKey};

use super::{End, Parts, Shell};
use crate::{
    Accepted, StartError,
    wake::{Job, NewStart, Origin, Starter},
};

/// Pause before a refused request is delivered again: without one, a store that fails would keep it going round.
const PAUSE: Duration = Duration::from_secs(1);

impl Shell {
    pub(super) fn start(&mut self, new: NewStart) {
        let is_outside = !matches!(new.starter, Starter::Row(_));
        if let Some(error) = self.health.refusal().filter(|_| is_outside) {
            return self.refuse(new.starter, StartError::Store(error));
        }
        self.slots.start(new.instance, Job { cause: new.cause, origin: Origin::Start(new.start, new.starter) });
    }

    pub(super) fn accept(&self, starter: Starter, accepted: Accepted) {
        match starter {
            Starter::Caller(reply) => drop(reply.send(Ok(accepted))),
            Starter::Request(receipt) => self.acknowledge(receipt),
            Starter::Row(_) => {}
        }
    }

    /// Refuses a start. A request goes back to the bus, and comes again after a pause.
    pub(super) fn refuse(&self, starter: Starter, error: StartError) {
        match starter {
            // A caller who has gone needs no answer.
            Starter::Caller(reply) => drop(reply.send(Err(error))),
            Starter::Request(receipt) => {
                tokio::spawn(async move {
                    if let Err(error) = receipt.give_back(PAUSE).await {
                        tracing::debug!(%error, "a request was not given back: the bus delivers it again by itself");
                    }
                });
            }
            Starter::Row(_) => {}
        }
    }

    /// The start is in the store already.
    pub(super) fn answer_repeated(&mut self, id: InstanceId, status: Status, new: NewInstance, starter: Starter) {
        match starter {
            Starter::Row(row) => self.finish_row(row, &End::Ignored),
            starter => self.accept(starter, Accepted { instance: id, key: new.key, repeated: true, status }),
        }
    }

    /// Looks up what the key started, to answer with that or with a conflict.
    pub(super) fn answer_key_taken(&self, new: NewInstance, starter: Starter) {
        let parts = self.parts.clone();
        tokio::spawn(async move {
            let answer = look_up(&parts, &new).await;
            match starter {
                Starter::Caller(reply) => drop(reply.send(answer)),
                // A request that the store could not answer for goes back by the drop of its receipt.
                Starter::Request(receipt) if !matches!(answer, Err(StartError::Store(_))) => {
                    if let Err(StartError::KeyConflict { instance }) = answer {
                        parts.counters.refused.add(1);
                        let workflow = &new.workflow;
                        tracing::error!(%workflow, %instance, "a request has the key of another one, with other input: dropped");
                    }
                    let _ = parts.receipts.send(receipt);
                }
                Starter::Request(_) | Starter::Row(_) => {}
            }
        });
    }

    /// A start in the inbox that cannot be: the instance that waits for it is told.
    pub(super) fn refuse_row(&mut self, row: String, id: InstanceId, cause: &Cause, reason: &str) {
        let parent = if let Cause::Start(start) = cause { start.parent.clone() } else { None };
        if let Some(parent) = parent.filter(|parent| parent.waits) {
            let problem =
                Problem::standard(Standard::Configuration, format!("the sub-flow cannot be started: {reason}"));
            let cause = Cause::Child { child: id, execution: parent.execution, result: Err(problem) };
            return self.push(parent.instance, Job { cause, origin: Origin::Row(row) });
        }
        self.parts.counters.refused.add(1);
        tracing::error!(instance = %id, reason, "a start from the inbox is dropped");
        self.finish_row(row, &End::Ignored);
    }
}

async fn look_up(parts: &Parts, new: &NewInstance) -> Result<Accepted, StartError> {
    let key = StartKey { namespace: &new.workflow.namespace, name: &new.workflow.name, key: &new.key };
    match parts.store.started(key).await.map_err(StartError::Store)? {
        Some(first) if first.input_digest != new.input_digest => {
            Err(StartError::KeyConflict { instance: first.instance })
        }
        Some(first) => {
            Ok(Accepted { instance: first.instance, key: new.key.clone(), repeated: true, status: first.status })
        }
        // Forgotten between the commit and this look: asking again starts it.
        None => Err(StartError::Store(Error::new(Kind::Other, Retry::Later, "find the instance that a key started"))),
    }
}
