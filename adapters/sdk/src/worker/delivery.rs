//! One delivery: read it, have its attempt made, publish the outcome, acknowledge. In this order, so that whatever
//! dies in between, the bus delivers again.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use backon::BackoffBuilder as _;
use sagabus_core::cause::Outcome;
use sagabus_ports::{
    Acknowledge, Address, Bus, CallMessage, Delivery, Envelope, Headers, LARGEST_BODY, OutcomeMessage,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

use super::{
    Counters, LONGEST_DELAY, WorkerSettings, attempt,
    control::{Claim, Claimed, Running},
    patience,
};
use crate::{hosted::Hosted, secrets::Secrets};

/// Headers that go from a call to its outcome, so that a trace stays one.
const PASSED_ON: [&str; 2] = ["traceparent", "tracestate"];

/// How much of an unreadable envelope goes into the log.
const POISON_SHOWN_BYTES: usize = 256;

/// What the deliveries for one adapter share.
pub(crate) struct Lane {
    pub(crate) hosted: Hosted,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) settings: WorkerSettings,
    pub(crate) running: Arc<Running>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: CancellationToken,
    pub(crate) abandon: CancellationToken,
}

/// An attempt as it was delivered.
pub(crate) struct Taken {
    pub(crate) message: CallMessage,
    pub(crate) redelivered: u32,
    pub(crate) received: Instant,
}

impl Lane {
    pub(crate) async fn deal_with(&self, delivery: Delivery) {
        let received = Instant::now();
        let Delivery { envelope, redelivered, receipt } = delivery;
        let message: CallMessage = match serde_json::from_slice(&envelope.body) {
            Ok(message) => message,
            Err(error) => return self.quarantine(&envelope, &error, receipt).await,
        };
        match self.running.claim((message.attempt.call, message.attempt.attempt)) {
            Claim::Wait(answered) => self.repeat(answered, receipt).await,
            Claim::Make(claimed) => {
                // The bus knows nothing of a publication that another process made.
                let redelivered = redelivered.max(u32::from(message.republished));
                let taken = Taken { message, redelivered, received };
                let headers = passed_on(&envelope.headers);
                let answered = tokio::select! {
                    answered = self.answer(&taken, &claimed, headers) => answered,
                    never = self.extend(receipt.as_ref()) => match never {},
                };
                if answered {
                    claimed.answered();
                }
                drop(claimed);
                self.settle(answered, receipt).await;
            }
        }
    }

    /// Has the attempt made and its outcome published. `false`: it is to be given back to the bus.
    async fn answer(&self, taken: &Taken, claimed: &Claimed, headers: Headers) -> bool {
        let work = attempt::make(self, taken, claimed.cancelled.clone());
        let Some(Some(outcome)) = self.abandon.run_until_cancelled(work).await else { return false };
        self.publish(self.envelope(taken, outcome, headers)).await
    }

    /// Publishes until the bus confirms. `false`: the worker stops, and the bus still does not confirm.
    async fn publish(&self, envelope: Envelope) -> bool {
        let mut delays = patience().build();
        loop {
            match self.abandon.run_until_cancelled(self.bus.publish(vec![envelope.clone()])).await {
                None => return false,
                Some(Ok(())) => return true,
                Some(Err(error)) => {
                    warn!(address = %envelope.address, %error, "an outcome could not be published; trying again");
                    let delay = delays.next().unwrap_or(LONGEST_DELAY);
                    if self.abandon.run_until_cancelled(tokio::time::sleep(delay)).await.is_none() {
                        return false;
                    }
                }
            }
        }
    }

    fn envelope(&self, taken: &Taken, outcome: Outcome, headers: Headers) -> Envelope {
        let attempt = &taken.message.attempt;
        let body = |outcome| {
            serde_json::to_vec(&OutcomeMessage {
                instance: attempt.instance,
                call: attempt.call,
                attempt: attempt.attempt,
                worker: self.settings.name.clone(),
                outcome,
            })
        };
        let largest = self.bus.caps().largest_body.min(LARGEST_BODY);
        let complete = body(outcome).ok().filter(|complete| complete.len() <= largest);
        let body = complete.or_else(|| body(attempt::too_large(attempt, largest).into()).ok()).unwrap_or_default();
        Envelope {
            id: Uuid::new_v4().to_string(),
            address: Address::Results { partition: taken.message.partition },
            headers,
            body,
        }
    }

    /// Tells the bus again and again that work goes on.
    async fn extend(&self, receipt: &dyn Acknowledge) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(self.settings.extend_every).await;
            if let Err(error) = receipt.extend().await {
                warn!(%error, "the bus was not told that an attempt goes on; it may deliver it again");
            }
        }
    }

    /// Another delivery of an attempt in hand shares its fate: answered once, acknowledged twice.
    async fn repeat(&self, mut answered: watch::Receiver<bool>, receipt: Box<dyn Acknowledge>) {
        self.counters.repeated.fetch_add(1, Ordering::Relaxed);
        let ended = async {
            // An error says that the other one is dealt with: the last value stands.
            let _ = answered.wait_for(|answered| *answered).await;
            *answered.borrow()
        };
        let answered = tokio::select! {
            answered = ended => answered,
            never = self.extend(receipt.as_ref()) => match never {},
        };
        self.settle(answered, receipt).await;
    }

    async fn settle(&self, answered: bool, receipt: Box<dyn Acknowledge>) {
        let (counter, settled) = if answered {
            (&self.counters.answered, receipt.acknowledge().await)
        } else {
            (&self.counters.given_back, receipt.give_back(Duration::ZERO).await)
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = settled {
            warn!(%error, "the bus was not told that a delivery is dealt with; it may deliver it again");
        }
    }

    /// An envelope that nobody can read would come back for ever: it is logged and let go. The call that it may have been
    /// is still in SQL, and is published again from there.
    async fn quarantine(&self, envelope: &Envelope, why: &serde_json::Error, receipt: Box<dyn Acknowledge>) {
        self.counters.poisoned.fetch_add(1, Ordering::Relaxed);
        let shown = &envelope.body[..envelope.body.len().min(POISON_SHOWN_BYTES)];
        error!(
            id = envelope.id,
            address = %envelope.address,
            bytes = envelope.body.len(),
            beginning = self.secrets.scrub_text(String::from_utf8_lossy(shown).into_owned()),
            %why,
            "an envelope is no call message, and is dropped"
        );
        if let Err(error) = receipt.acknowledge().await {
            warn!(%error, "the bus was not told that an unreadable envelope is dealt with");
        }
    }
}

fn passed_on(headers: &Headers) -> Headers {
    headers
        .iter()
        .filter(|(name, _)| PASSED_ON.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
