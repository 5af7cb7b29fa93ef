//! Bus → loop: start requests, outcomes and events. What cannot be read is logged, counted and dropped: it stops nobody.

use std::time::Duration;

use sagabus_core::{event::Event, id::InstanceId};
use sagabus_ports::{Consumer, Delivery, Error, OutcomeMessage, Source};

use crate::{
    StartError, cloud_event,
    shell::Parts,
    starting,
    wake::{Receipt, Starter, Wake},
};

/// Name under which all engines consume, so that they share what comes.
const NAME: &str = "engine";
/// Unacknowledged deliveries of one source, at most: a batch's worth, so that group commit has something to group.
const PREFETCH: usize = 1024;
/// Events that are looked up together.
const EVENTS_AT_ONCE: usize = 256;
/// Pause before something that failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a request for a workflow that is not deployed is given back, a pause each, before it is dropped: a
/// deployment that is under way gets its chance.
const CHANCES: u32 = 30;

/// Begins to listen to the bus; ends when the loop does.
///
/// # Errors
/// The bus cannot be reached or refuses.
pub(crate) async fn listen(parts: &Parts) -> Result<(), Error> {
    let results = Source::Results { partition: parts.settings.partition };
    for source in [results, Source::Requests, Source::Events] {
        let consumer = parts.bus.consume(source.clone(), NAME, PREFETCH).await?;
        tokio::spawn(keep_listening(parts.clone(), source, consumer));
    }
    Ok(())
}

async fn keep_listening(parts: Parts, source: Source, mut consumer: Box<dyn Consumer>) {
    loop {
        tokio::select! {
            () = take_all(&parts, &source, consumer.as_mut()) => {}
            () = parts.outside.closed() => return,
        }
        if parts.outside.is_closed() {
            return;
        }
        tracing::warn!(?source, "the bus closed a consumer: listening again");
        consumer = loop {
            tokio::time::sleep(PAUSE).await;
            if parts.outside.is_closed() {
                return;
            }
            match parts.bus.consume(source.clone(), NAME, PREFETCH).await {
                Ok(consumer) => break consumer,
                Err(error) => tracing::warn!(?source, %error, "cannot listen to the bus"),
            }
        };
    }
}

/// Takes deliveries until the bus closes the consumer or the loop has ended: what a loop that has ended does not take
/// goes back to the bus, which may deliver it again at once, and so for ever.
async fn take_all(parts: &Parts, source: &Source, consumer: &mut dyn Consumer) {
    while !parts.outside.is_closed()
        && let Some(delivery) = consumer.next().await
    {
        match source {
            Source::Requests => take_request(parts, delivery).await,
            Source::Events => {
                let mut deliveries = vec![delivery];
                while deliveries.len() < EVENTS_AT_ONCE
                    && let Some(delivery) = at_hand(consumer).await
                {
                    deliveries.push(delivery);
                }
                take_events(parts, deliveries).await;
            }
            _ => take_outcome(parts, delivery).await,
        }
    }
}

/// A delivery that needs no waiting.
async fn at_hand(consumer: &mut dyn Consumer) -> Option<Delivery> {
    tokio::select! {
        biased;
        delivery = consumer.next() => delivery,
        () = std::future::ready(()) => None,
    }
}

async fn take_outcome(parts: &Parts, delivery: Delivery) {
    match serde_json::from_slice::<OutcomeMessage>(&delivery.envelope.body) {
        Ok(message) => send(parts, Wake::Outcome(Box::new(message), Some(delivery.receipt))).await,
        Err(error) => refuse(parts, &delivery.envelope.id, delivery.receipt, &error.to_string()),
    }
}

async fn take_request(parts: &Parts, delivery: Delivery) {
    let Delivery { envelope, redelivered, receipt } = delivery;
    let request = match starting::read(&envelope) {
        Ok(request) => request,
        Err(reason) => return refuse(parts, &envelope.id, receipt, &reason),
    };
    let prepared = starting::prepare(&parts.catalogue, request, parts.clock.now(), Starter::Request(receipt)).await;
    match prepared {
        Ok(start) => send(parts, Wake::Start(Box::new(start))).await,
        Err((error, Starter::Request(receipt))) => {
            let may_mend = match &error {
                StartError::Store(error) => error.kind != sagabus_ports::Kind::Invalid,
                StartError::NotDeployed(_) => redelivered < CHANCES,
                StartError::InvalidInput(_) | StartError::KeyConflict { .. } => false,
            };
            if !may_mend {
                return refuse(parts, &envelope.id, receipt, &error.to_string());
            }
            tracing::warn!(request = envelope.id, %error, "a request waits");
            if let Err(error) = receipt.give_back(PAUSE).await {
                tracing::debug!(%error, "a request was not given back: the bus delivers it again by itself");
            }
        }
        Err(_) => {}
    }
}

async fn take_events(parts: &Parts, deliveries: Vec<Delivery>) {
    let mut listeners: Vec<(String, Vec<InstanceId>)> = Vec::new();
    for delivery in deliveries {
        let event = match cloud_event::read(&delivery.envelope) {
            Ok(event) => event,
            Err(reason) => {
                refuse(parts, &delivery.envelope.id, delivery.receipt, &reason);
                continue;
            }
        };
        let known = listeners.iter().position(|(kind, _)| *kind == event.kind);
        let index = match known {
            Some(index) => index,
            None => {
                listeners.push((event.kind.clone(), ask_listeners(parts, &event.kind).await));
                listeners.len() - 1
            }
        };
        let wanted = wanted_by(&event, &listeners[index].1);
        if wanted.is_empty() {
            // Fails only when the engine has ended; it comes again then.
            let _ = parts.receipts.send(delivery.receipt);
        } else {
            send(parts, Wake::Event(event, wanted, delivery.receipt)).await;
        }
    }
}

/// An instance does not hear its own lifecycle events: one that listens to everything would never come to rest.
fn wanted_by(event: &Event, listeners: &[InstanceId]) -> Vec<InstanceId> {
    let own = event.source.strip_prefix(crate::lifecycle::SOURCE);
    listeners.iter().copied().filter(|listener| own.is_none_or(|own| own != listener.to_string())).collect()
}

async fn ask_listeners(parts: &Parts, kind: &str) -> Vec<InstanceId> {
    loop {
        match parts.store.listeners(kind).await {
            Ok(listeners) => return listeners,
            Err(error) => tracing::warn!(%error, "the store does not say who listens: events wait"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn send(parts: &Parts, wake: Wake) {
    // Fails only when the loop has ended: the receipt is dropped with the wake, and the bus delivers again.
    let _ = parts.outside.send(wake).await;
}

fn refuse(parts: &Parts, envelope: &str, receipt: Receipt, reason: &str) {
    parts.counters.refused.add(1);
    tracing::error!(envelope, reason, "an envelope is dropped");
    let _ = parts.receipts.send(receipt);
}
