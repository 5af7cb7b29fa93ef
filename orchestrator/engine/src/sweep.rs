//! Looks through the store for work that nobody has in hand: at the start, after a failure, and now and then.

use sagabus_ports::{Bus, Envelope, Error, Retry};

use crate::{outgoing, shell::Parts, wake::Wake};

/// Rows read at a time: bounds the memory that a long list takes.
const PAGE: u32 = 500;

/// What stopped a sweep.
pub(crate) enum Failure {
    /// The store did not answer.
    Store(Error),
    /// The bus did not take what is outstanding.
    Bus(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Hands rows of the inbox to the loop and learns what is deployed; with `everything` also publishes outstanding calls
/// and events of the outbox (again: their message ids are the same).
///
/// # Errors
/// Store or bus failed; what was found until then is in hand.
pub(crate) async fn sweep(parts: &Parts, everything: bool) -> Result<(), Failure> {
    if everything {
        publish_calls(parts).await?;
        publish_events(parts).await?;
    }
    parts.catalogue.refresh().await?;
    take_inbox(parts).await
}

async fn take_inbox(parts: &Parts) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let mut page = parts.store.pending(after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        after = page.last().map(|row| row.id.clone());
        // A start comes before what else waits for the same instance.
        page.sort_by_key(|row| row.workflow.is_none());
        // Waits for room: the inbox may hold any number of rows. Fails only when the loop has ended.
        if page.is_empty() || parts.outside.send(Wake::Pending(page)).await.is_err() || is_last {
            return Ok(());
        }
    }
}

async fn publish_calls(parts: &Parts) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = parts.store.outstanding(after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        after = page.last().map(|call| call.attempt.call.to_string());
        let mut envelopes = Vec::with_capacity(page.len());
        for call in page {
            match outgoing::call(call.attempt, parts.settings.partition, parts.clock.now(), true) {
                Ok(envelope) => envelopes.push(envelope),
                Err(outcome) => drop(parts.outside.send(Wake::Outcome(outcome, None)).await),
            }
        }
        publish(parts.bus.as_ref(), envelopes).await?;
        if is_last {
            return Ok(());
        }
    }
}

async fn publish_events(parts: &Parts) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = parts.store.unpublished(after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        after = page.last().map(|(row, _)| row.clone());
        let envelopes = page.iter().filter_map(|(_, event)| outgoing::event(event)).collect();
        publish(parts.bus.as_ref(), envelopes).await?;
        let rows: Vec<_> = page.into_iter().map(|(row, _)| row).collect();
        if !rows.is_empty() {
            let _ = parts.inside.send(Wake::Published(rows));
        }
        if is_last {
            return Ok(());
        }
    }
}

/// Publishes a page. If the bus refuses it for good, its envelopes go one by one, so that one bad envelope stops no other.
async fn publish(bus: &dyn Bus, envelopes: Vec<Envelope>) -> Result<(), Failure> {
    if envelopes.is_empty() {
        return Ok(());
    }
    match bus.publish(envelopes.clone()).await {
        Ok(()) => return Ok(()),
        Err(error) if error.retry != Retry::Never => return Err(Failure::Bus(error)),
        Err(_) => {}
    }
    for envelope in envelopes {
        let id = envelope.id.clone();
        match bus.publish(vec![envelope]).await {
            Ok(()) => {}
            Err(error) if error.retry == Retry::Never => {
                tracing::error!(envelope = id, %error, "the bus refuses an envelope for good");
            }
            Err(error) => return Err(Failure::Bus(error)),
        }
    }
    Ok(())
}
