//! Publishes and acknowledges beside the loop, so that a slow bus does not stop deciding.

use std::{sync::Arc, time::Duration};

use sagabus_ports::{Bus, Envelope};
use tokio::sync::mpsc;

use crate::wake::{Receipt, Wake};

/// Parcels that wait for a slow bus, at most: each holds what one commit led to. What does not fit is read from the
/// store again later.
pub(crate) const MOST_PARCELS: usize = 64;

/// How long an engine that stops waits for a slow bus: what it does not take then is published at the next start.
pub(crate) const LAST_WAIT: Duration = Duration::from_secs(5);

/// What one commit sends into the world.
#[derive(Default)]
pub(crate) struct Parcel {
    /// In this order.
    pub(crate) envelopes: Vec<Envelope>,
    /// Rows of the outbox that are dealt with once the bus has confirmed.
    pub(crate) outbox: Vec<String>,
    /// Lifecycle events: they come after the others, and do not come again if the bus refuses them.
    pub(crate) lifecycle: Vec<Envelope>,
}

impl Parcel {
    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.envelopes.is_empty() && self.outbox.is_empty() && self.lifecycle.is_empty()
    }
}

/// Publishes parcels until the loop has ended: all that wait go out in one pipelined piece.
pub(crate) async fn publish(
    bus: Arc<dyn Bus>,
    mut parcels: mpsc::Receiver<Parcel>,
    inside: mpsc::UnboundedSender<Wake>,
) {
    let mut waiting = Vec::new();
    while parcels.recv_many(&mut waiting, MOST_PARCELS).await > 0 {
        let mut piece = Parcel::default();
        for mut parcel in waiting.drain(..) {
            piece.envelopes.append(&mut parcel.envelopes);
            piece.outbox.append(&mut parcel.outbox);
            piece.lifecycle.append(&mut parcel.lifecycle);
        }
        let lifecycle = std::mem::take(&mut piece.lifecycle);
        let answer = publish_piece(bus.as_ref(), piece).await;
        if answer.is_some_and(|answer| inside.send(answer).is_err()) {
            break;
        }
        if !lifecycle.is_empty()
            && let Err(error) = bus.publish(lifecycle).await
        {
            tracing::warn!(%error, "the bus did not take lifecycle events: they are lost, the journals have the facts");
        }
    }
}

/// Publishes what must not be lost, and says what the loop has to know about it.
async fn publish_piece(bus: &dyn Bus, piece: Parcel) -> Option<Wake> {
    if !piece.envelopes.is_empty()
        && let Err(error) = bus.publish(piece.envelopes).await
    {
        tracing::warn!(%error, "the bus did not take what was committed: it is published again from the store");
        return Some(Wake::Missed);
    }
    (!piece.outbox.is_empty()).then_some(Wake::Published(piece.outbox))
}

/// Acknowledges deliveries until the loop has ended. Their number is bounded by the prefetch of the consumers.
pub(crate) async fn acknowledge(mut receipts: mpsc::UnboundedReceiver<Receipt>) {
    while let Some(receipt) = receipts.recv().await {
        if let Err(error) = receipt.acknowledge().await {
            // It is delivered again, and ignored then.
            tracing::debug!(%error, "an acknowledgement was lost");
        }
    }
}
