//! What a decision sends into the world, made ready beside the decision so that the loop only hands it on.

use sagabus_core::{
    cause::{Cause, EffectState, Outcome},
    effect::{Attempt, CallStatus, Effect},
    event::Event,
    id::InstanceId,
    problem::{Problem, Standard},
    time::Timestamp,
};
use sagabus_ports::{
    Address, CallMessage, ControlMessage, Envelope, Headers, LARGEST_BODY, OutcomeMessage, PendingCause,
};

use crate::cloud_event;

/// Worker id of outcomes that the engine gives itself.
const ENGINE: &str = "engine";

/// What is performed once a decision is durable.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// Attempts, events and cancellations, in the order in which they are published.
    pub(crate) envelopes: Vec<Envelope>,
    /// Rows of the outbox that those envelopes deal with.
    pub(crate) outbox: Vec<String>,
    /// Lifecycle events: published last.
    pub(crate) lifecycle: Vec<Envelope>,
    /// Attempts that no bus can carry: they fail at once.
    pub(crate) refused: Vec<OutcomeMessage>,
    /// Rows of the inbox that the commit made.
    pub(crate) inbox: Vec<PendingCause>,
    /// The earliest timer that was set.
    pub(crate) next_due: Option<Timestamp>,
}

impl Outgoing {
    /// Makes ready what these effects of entry `seq` of an instance ask for.
    pub(crate) fn of(
        instance: InstanceId,
        seq: u64,
        effects: &[Effect],
        lifecycle: &[Event],
        partition: u32,
        now: Timestamp,
    ) -> Self {
        let mut outgoing = Self::default();
        let mut cancels = Vec::new();
        for (index, effect) in effects.iter().enumerate() {
            // The id that the store gives to the row of this effect.
            let row = || format!("{instance}:{seq}:{index}");
            match effect {
                Effect::Dispatch(attempt) => match call(attempt.clone(), partition, now, false) {
                    Ok(envelope) => outgoing.envelopes.push(envelope),
                    Err(outcome) => outgoing.refused.push(*outcome),
                },
                Effect::Settle(settled) if settled.status == CallStatus::Cancelled => {
                    cancels.extend(control(&ControlMessage::Cancel { call: settled.call, attempt: settled.attempt }));
                }
                Effect::SetTimer { due, .. } => {
                    outgoing.next_due = Some(outgoing.next_due.map_or(*due, |earliest| earliest.min(*due)));
                }
                Effect::StartChild(child) => outgoing.inbox.push(PendingCause {
                    id: row(),
                    instance: child.id,
                    cause: Cause::Start(child.start.clone()),
                    workflow: Some((child.namespace.clone(), child.name.clone(), child.version.clone())),
                }),
                Effect::Notify { instance, cause } => outgoing.inbox.push(PendingCause {
                    id: row(),
                    instance: *instance,
                    cause: cause.clone(),
                    workflow: None,
                }),
                Effect::Publish(event) => {
                    outgoing.envelopes.extend(fitting(cloud_event::write(event)));
                    outgoing.outbox.push(row());
                }
                // Rows are all there is to these.
                Effect::Settle(_)
                | Effect::ClearTimer { .. }
                | Effect::Subscribe { .. }
                | Effect::Unsubscribe { .. } => {}
            }
        }
        outgoing.envelopes.append(&mut cancels);
        outgoing.lifecycle = lifecycle.iter().map(cloud_event::write).filter_map(fitting).collect();
        outgoing
    }
}

/// The envelope of an attempt; `republished` if it may have been published before. Its message id names call and attempt: a broker may drop a repetition.
///
/// # Errors
/// No bus can carry it: gives the outcome that the attempt has therefore.
pub(crate) fn call(
    attempt: Attempt,
    partition: u32,
    now: Timestamp,
    republished: bool,
) -> Result<Envelope, Box<OutcomeMessage>> {
    let (call, instance, number) = (attempt.call, attempt.instance, attempt.attempt);
    let adapter = attempt.adapter.clone();
    let refuse = |detail: String| {
        let error = Problem::standard(Standard::Validation, detail);
        let outcome = Outcome::Failed { error, effect: EffectState::None };
        Box::new(OutcomeMessage { instance, call, attempt: number, worker: ENGINE.to_owned(), outcome })
    };
    let budget_ms = attempt.deadline.map(|deadline| deadline.since_ms(now));
    let message = CallMessage { attempt, budget_ms, partition, republished };
    let body = serde_json::to_vec(&message).map_err(|error| refuse(format!("the call is no JSON: {error}")))?;
    if body.len() > LARGEST_BODY {
        let size = body.len();
        return Err(refuse(format!(
            "the call with its arguments takes {size} bytes, and an envelope at most {LARGEST_BODY}: pass less, or a reference"
        )));
    }
    Ok(Envelope { id: format!("{call}:{number}"), address: Address::Calls { adapter }, headers: Headers::new(), body })
}

/// The envelope of an event that a row of the outbox holds, or nothing if no bus can carry it.
pub(crate) fn event(event: &Event) -> Option<Envelope> {
    fitting(cloud_event::write(event))
}

fn control(message: &ControlMessage) -> Option<Envelope> {
    let body = serde_json::to_vec(message).ok()?;
    // Repeating one is harmless, so that any id will do.
    let id = uuid::Uuid::new_v4().to_string();
    Some(Envelope { id, address: Address::Control, headers: Headers::new(), body })
}

fn fitting(envelope: Envelope) -> Option<Envelope> {
    let size = envelope.body.len();
    if size > LARGEST_BODY {
        tracing::error!(event = envelope.id, size, "an event is larger than an envelope may be: not published");
        return None;
    }
    Some(envelope)
}
