//! One attempt, from checks to outcome. Knows no bus.

use std::{any::Any, sync::Arc, time::Duration};

use sagabus_core::{
    cause::{EffectState, Outcome},
    effect::Attempt,
    problem::Standard,
};
use serde_json::Value;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info, info_span};

use super::delivery::{Lane, Taken};
use crate::{
    adapter::{Adapter, Call, Failure, Unknown},
    hosted::{Hosted, HostedFunction},
};

/// How long a cancelled attempt may take to end by itself before it is dropped.
const CANCEL_GRACE: Duration = Duration::from_secs(2);

/// How long a dropped attempt is waited for, so that its outcome is published after it has really ended.
const DROP_GRACE: Duration = Duration::from_secs(1);

/// Longest `detail` of an error, in bytes: third parties send whole pages.
const LONGEST_DETAIL_BYTES: usize = 8 * 1024;

/// Makes an attempt. `None`: the worker stopped before it was begun.
pub(crate) async fn make(lane: &Lane, taken: &Taken, cancelled: CancellationToken) -> Option<Outcome> {
    let attempt = &taken.message.attempt;
    let span = info_span!(
        "attempt",
        call = %attempt.call,
        attempt = attempt.attempt,
        instance = %attempt.instance,
        task = attempt.reference,
        function = format!("{}@{}", attempt.function, attempt.adapter),
    );
    async {
        let result = begin(lane, taken, cancelled).await?;
        let outcome = outcome(lane, taken, result);
        match &outcome {
            Outcome::Done { .. } => info!("done"),
            Outcome::Failed { error, effect } => info!(status = error.status, ?effect, detail = error.detail, "failed"),
        }
        Some(outcome)
    }
    .instrument(span)
    .await
}

/// The failure of a function whose outcome does not fit into an envelope: it was done, but nobody can be told how.
pub(crate) fn too_large(attempt: &Attempt, largest: usize) -> Failure {
    Failure::unknown(
        Standard::Runtime,
        format!(
            "what `{}@{}` gave back takes more than the {largest} bytes that an envelope holds; \
             let it give back less, or a reference to where the data is",
            attempt.function, attempt.adapter
        ),
    )
    .with_status(413)
}

async fn begin(lane: &Lane, taken: &Taken, cancelled: CancellationToken) -> Option<Result<Value, Failure>> {
    let (function, call) = match prepare(lane, taken, cancelled) {
        Ok(prepared) => prepared,
        Err(failure) => return Some(Err(failure)),
    };
    let Hosted { adapter, .. } = &lane.hosted;
    let waiting = async {
        tokio::select! {
            slot = lane.hosted.slot(adapter.target(&call)) => slot.map(Ok),
            () = call.cancelled.cancelled() => Some(Err(cancelled_before_it_began())),
        }
    };
    let slot = match lane.stop.run_until_cancelled(waiting).await?? {
        Ok(slot) => slot,
        Err(failure) => return Some(Err(failure)),
    };
    // Again, because waiting for a slot took time.
    let call = match budget(lane, taken, function) {
        Ok(budget) => Call { budget, ..call },
        Err(failure) => return Some(Err(failure)),
    };
    let result = run(adapter.clone(), call).await;
    drop(slot);
    Some(result.and_then(|output| function.check_output(&output).map(|()| output)))
}

fn prepare<'l>(
    lane: &'l Lane,
    taken: &Taken,
    cancelled: CancellationToken,
) -> Result<(&'l HostedFunction, Call), Failure> {
    let attempt = &taken.message.attempt;
    let function = lane.hosted.function(&attempt.function, attempt.version.as_deref())?;
    if taken.redelivered > 0 && function.function.unknown == Unknown::AtMostOnce {
        return Err(Failure::unknown(
            Standard::Runtime,
            "a worker was lost with this attempt in hand; it may have been made, and is not made again \
             because the function is declared at-most-once",
        ));
    }
    let budget = budget(lane, taken, function)?;
    let arguments = lane.secrets.resolve(attempt.arguments.clone(), &attempt.nonce, &attempt.secrets)?;
    function.check_input(&arguments)?;
    let call = Call {
        function: attempt.function.clone(),
        arguments,
        key: attempt.call.to_string(),
        attempt: attempt.attempt,
        redelivered: taken.redelivered,
        budget,
        deadline: attempt.deadline,
        instance: attempt.instance,
        reference: attempt.reference.clone(),
        cancelled,
    };
    Ok((function, call))
}

/// Time for the attempt: the smallest of the call's timeout, the function's, and what is left until the deadline by
/// either of the two clocks that tell it.
fn budget(lane: &Lane, taken: &Taken, function: &HostedFunction) -> Result<Duration, Failure> {
    let attempt = &taken.message.attempt;
    let absolute = attempt.deadline.map(|deadline| Duration::from_millis(deadline.since_ms(lane.settings.clock.now())));
    let relative =
        taken.message.budget_ms.map(|left| Duration::from_millis(left).saturating_sub(taken.received.elapsed()));
    let timeout = attempt.timeout_ms.map_or(function.function.timeout, Duration::from_millis);
    let timeout = timeout.min(function.function.timeout);
    let Some(left) = absolute.into_iter().chain(relative).min() else { return Ok(timeout) };
    let needed = function.function.minimum_budget;
    if left.is_zero() {
        return Err(Failure::without_effect(Standard::Timeout, "the deadline passed before the attempt was begun"));
    }
    if left < needed {
        return Err(Failure::without_effect(
            Standard::Timeout,
            format!(
                "{} ms are left until the deadline and `{}` needs {}; the attempt was not begun",
                left.as_millis(),
                attempt.function,
                needed.as_millis()
            ),
        ));
    }
    Ok(timeout.min(left))
}

/// Runs the adapter in a task of its own: a panic ends that task and nothing else.
async fn run(adapter: Arc<dyn Adapter>, call: Call) -> Result<Value, Failure> {
    let budget = call.budget;
    let cancelled = call.cancelled.clone();
    let mut task = JoinSet::new();
    task.spawn(async move { adapter.call(call).await }.in_current_span());
    let result = tokio::select! {
        biased;
        ended = task.join_next() => match ended {
            Some(Ok(result)) => return result,
            Some(Err(error)) => return Err(panicked(error)),
            None => Failure::unknown(Standard::Runtime, "the attempt went missing"),
        },
        () = tokio::time::sleep(budget) => Failure::unknown(
            Standard::Timeout,
            format!("no answer within {} ms; whether anything was done is not known", budget.as_millis()),
        ),
        () = async { cancelled.cancelled().await; tokio::time::sleep(CANCEL_GRACE).await } => {
            Failure::unknown(Standard::Runtime, "cancelled while it was being made")
        }
    };
    // An adapter that blocks its thread cannot be dropped; the worker does not wait for it for ever.
    let _ = tokio::time::timeout(DROP_GRACE, task.shutdown()).await;
    Err(result)
}

fn panicked(error: JoinError) -> Failure {
    let said = error.try_into_panic().ok().and_then(|panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
    });
    Failure::unknown(Standard::Runtime, format!("the adapter panicked: {}", said.as_deref().unwrap_or("no message")))
}

fn cancelled_before_it_began() -> Failure {
    Failure::without_effect(Standard::Runtime, "cancelled before the attempt was begun")
}

/// What is told to the engine: without secrets, of bounded length, and with an honest effect.
fn outcome(lane: &Lane, taken: &Taken, result: Result<Value, Failure>) -> Outcome {
    match result {
        Ok(output) => Outcome::Done { output: lane.secrets.scrub(output) },
        Err(Failure { mut error, effect }) => {
            let scrub = |text: String| shortened(lane.secrets.scrub_text(text));
            error.title = error.title.map(scrub);
            error.detail = error.detail.map(scrub);
            // "Nothing happened" is said of this delivery; an earlier one of the same attempt may have got further.
            let effect = if taken.redelivered > 0 { EffectState::Unknown } else { effect };
            Outcome::Failed { error, effect }
        }
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST_DETAIL_BYTES {
        text.truncate(text.floor_char_boundary(LONGEST_DETAIL_BYTES));
        text.push('…');
    }
    text
}
