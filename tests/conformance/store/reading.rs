//! What the reading verbs answer.

use sagabus_core::{
    cause::{Cause, Start, TimerPurpose},
    effect::{CallStatus, ChildStart, Effect},
    id::{Digest, ExecutionId, InstanceId},
    instance::Status,
    time::Timestamp,
};
use sagabus_driver_sql::Access;
use sagabus_ports::{Batch, Change, Consumed, Deployment, DueTimer, Filter, PendingCause, StoredJournal};

use super::Place;
use crate::fixtures::{at, attempt, batch, end, event, instance, problem, settle, start, step, timer, with, workflow};

pub(crate) async fn journals_are_loaded_in_the_order_asked_for(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    store.commit(batch(vec![start(1), start(2)])).await?;
    store.commit(batch(vec![step(1, 1)])).await?;
    store.commit(batch(vec![end(1, 2)])).await?;
    let journal = |n, entries| {
        Some(StoredJournal { instance: instance(n), digest: Digest::of(b"the plan"), entries: Ok(entries) })
    };
    let first = || journal(1, vec![start(1).entry, step(1, 1).entry, end(1, 2).entry]);
    let loaded = store.load(&[instance(1), instance(7), instance(2), instance(1)]).await?;
    assert_eq!(loaded, [first(), None, journal(2, vec![start(2).entry]), first()]);
    assert_eq!(store.load(&[]).await?, []);
    Ok(())
}

fn due(n: u128, execution: u32, purpose: TimerPurpose, seconds: i64) -> DueTimer {
    DueTimer { instance: instance(n), timer: timer(execution, purpose), due: at(seconds) }
}

fn set(execution: u32, purpose: TimerPurpose, seconds: i64) -> Effect {
    Effect::SetTimer { timer: timer(execution, purpose), due: at(seconds) }
}

pub(crate) async fn due_timers_come_earliest_first_with_the_next_one(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    assert_eq!(store.due(at(0), 10).await?, (vec![], None));
    let effects =
        vec![set(1, TimerPurpose::Timeout, 30), set(2, TimerPurpose::Wait, 10), set(3, TimerPurpose::Retry, 20)];
    store.commit(batch(vec![with(start(1), effects), with(start(2), vec![set(1, TimerPurpose::Attempt, 15)])])).await?;
    let earliest = due(1, 2, TimerPurpose::Wait, 10);
    let second = due(2, 1, TimerPurpose::Attempt, 15);
    let third = due(1, 3, TimerPurpose::Retry, 20);
    assert_eq!(store.due(at(9), 10).await?, (vec![], Some(at(10))));
    assert_eq!(store.due(at(10), 10).await?, (vec![earliest.clone()], Some(at(15))));
    assert_eq!(store.due(at(20), 2).await?, (vec![earliest.clone(), second.clone()], Some(at(20))));
    assert_eq!(store.due(at(20), 3).await?, (vec![earliest.clone(), second.clone(), third.clone()], Some(at(30))));
    let all = vec![earliest, second, third, due(1, 1, TimerPurpose::Timeout, 30)];
    assert_eq!(store.due(at(99), 4).await?, (all, None));
    Ok(())
}

pub(crate) async fn timers_are_replaced_cleared_consumed_and_expired(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let all = |seconds| (1..=4).map(|execution| set(execution, TimerPurpose::Wait, seconds)).collect::<Vec<_>>();
    store.commit(batch(vec![with(start(1), all(10))])).await?;
    let again = vec![
        set(1, TimerPurpose::Wait, 11),
        Effect::ClearTimer { timer: timer(2, TimerPurpose::Wait) },
        Effect::ClearTimer { timer: timer(9, TimerPurpose::Wait) },
        set(3, TimerPurpose::Wait, 12),
    ];
    // 3 is consumed and set again by the same step: it is there.
    let consumed = vec![Consumed::Timer(timer(3, TimerPurpose::Wait))];
    // 1 was set to another time than the one that expired; 4 was not.
    let expired = vec![due(1, 4, TimerPurpose::Wait, 10)];
    let change = Change { consumed, ..with(step(1, 1), again) };
    store.commit(Batch { expired, ..batch(vec![change]) }).await?;
    store.commit(Batch { expired: vec![due(1, 1, TimerPurpose::Wait, 10)], ..Batch::default() }).await?;
    let left = vec![due(1, 1, TimerPurpose::Wait, 11), due(1, 3, TimerPurpose::Wait, 12)];
    assert_eq!(store.due(at(99), 10).await?, (left, None));
    Ok(())
}

pub(crate) async fn outstanding_calls_are_what_was_committed(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let dispatch = |c, number| Effect::Dispatch(attempt(1, c, number));
    let effects = (1..=4).map(|c| dispatch(c, 1)).collect();
    store.commit(batch(vec![with(start(1), effects)])).await?;
    let calls = async |after: Option<&str>, limit| -> anyhow::Result<Vec<_>> {
        Ok(store.outstanding(after, limit).await?.into_iter().map(|it| it.attempt).collect())
    };
    assert_eq!(calls(None, 2).await?, [attempt(1, 1, 1), attempt(1, 2, 1)]);
    let second = attempt(1, 2, 1).call.to_string();
    assert_eq!(calls(Some(&second), 9).await?, [attempt(1, 3, 1), attempt(1, 4, 1)]);
    // 1 is done; 2 is retried at once; 3 is given up in the step that would have tried it again.
    let effects = vec![
        settle(1, 1, CallStatus::Done),
        settle(2, 1, CallStatus::Retrying),
        dispatch(2, 2),
        dispatch(3, 2),
        settle(3, 2, CallStatus::Cancelled),
        settle(9, 1, CallStatus::Done),
    ];
    store.commit(batch(vec![with(step(1, 1), effects)])).await?;
    assert_eq!(calls(None, 9).await?, [attempt(1, 2, 2), attempt(1, 4, 1)]);
    Ok(())
}

pub(crate) async fn retries_say_why_and_when(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let dispatch = |c, number| Effect::Dispatch(attempt(1, c, number));
    store.commit(batch(vec![with(start(1), vec![dispatch(1, 1), dispatch(2, 1)])])).await?;
    assert_eq!(store.retries(10).await?, []);
    store.commit(batch(vec![with(step(1, 1), vec![settle(1, 1, CallStatus::Retrying)])])).await?;
    store.commit(batch(vec![with(step(1, 2), vec![dispatch(1, 2)])])).await?;
    assert_eq!(store.retries(10).await?, []);
    store.commit(batch(vec![with(step(1, 3), vec![settle(1, 2, CallStatus::Retrying)])])).await?;
    let queue = store.retries(10).await?;
    let expected = sagabus_ports::QueuedRetry {
        call: attempt(1, 1, 1).call.to_string(),
        instance: instance(1),
        workflow: workflow().to_string(),
        reference: "/do/1/charge".into(),
        adapter: "payments".into(),
        function: "charge".into(),
        attempt: 2,
        attempts_allowed: Some(5),
        next_attempt_at: Some(at(120)),
        last_error: Some(problem()),
        effect: Some("unknown".into()),
        first_enqueued_at: at(1),
        deadline: Some(at(600)),
        paused: false,
    };
    assert_eq!(queue, [expected]);
    assert_eq!(store.retries(0).await?, []);
    Ok(())
}

pub(crate) async fn listeners_are_found_by_type(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let subscribe = |execution, types: &[&str]| Effect::Subscribe {
        execution: ExecutionId(execution),
        types: types.iter().map(ToString::to_string).collect(),
    };
    store
        .commit(batch(vec![
            with(start(1), vec![subscribe(1, &["paid", "paid", "refused"]), subscribe(2, &["paid"])]),
            with(start(2), vec![subscribe(1, &[])]),
            with(start(3), vec![subscribe(1, &["refused"])]),
        ]))
        .await?;
    assert_eq!(store.listeners("paid").await?, [instance(1), instance(2)]);
    assert_eq!(store.listeners("refused").await?, [instance(1), instance(2), instance(3)]);
    assert_eq!(store.listeners("other").await?, [instance(2)]);
    let change =
        vec![Effect::Unsubscribe { execution: ExecutionId(1) }, Effect::Unsubscribe { execution: ExecutionId(7) }];
    store.commit(batch(vec![with(step(1, 1), change), with(step(3, 1), vec![subscribe(1, &["paid"])])])).await?;
    assert_eq!(store.listeners("paid").await?, [instance(1), instance(2), instance(3)]);
    assert_eq!(store.listeners("refused").await?, [instance(2)]);
    Ok(())
}

pub(crate) async fn inbox_and_outbox_are_read_in_pages(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let begin =
        Start { input: serde_json::json!([1]), key: "k".into(), deadline: None, parent: None, nonce: String::new() };
    let child = ChildStart {
        id: instance(50),
        namespace: "shop".into(),
        name: "ship".into(),
        version: None,
        start: begin.clone(),
    };
    let enough = || Cause::Cancel { reason: "enough".into() };
    let effects = vec![
        Effect::StartChild(child),
        Effect::Notify { instance: instance(9), cause: enough() },
        Effect::Publish(event("shipped")),
        Effect::Publish(event("billed")),
    ];
    store.commit(batch(vec![with(start(1), effects)])).await?;

    let id = |n: usize| format!("{}:1:{n}", instance(1));
    let workflow = Some(("shop".into(), "ship".into(), None));
    let started = PendingCause { id: id(0), instance: instance(50), cause: Cause::Start(begin), workflow };
    let notified = PendingCause { id: id(1), instance: instance(9), cause: enough(), workflow: None };
    assert_eq!(store.pending(None, 1).await?, [started]);
    assert_eq!(store.pending(Some(&id(0)), 9).await?, [notified]);
    assert_eq!(store.pending(Some(&id(1)), 9).await?, []);

    assert_eq!(store.unpublished(None, 1).await?, [(id(2), event("shipped"))]);
    assert_eq!(store.unpublished(Some(&id(2)), 9).await?, [(id(3), event("billed"))]);
    store.commit(Batch { published: vec![id(2), "unknown".into()], ..Batch::default() }).await?;
    assert_eq!(store.unpublished(None, 9).await?, [(id(3), event("billed"))]);
    Ok(())
}

pub(crate) async fn deployments_are_replaced_and_sources_kept(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let deployment = |version: &str, source: &str| Deployment {
        name: sagabus_core::id::WorkflowName { version: version.into(), ..workflow() },
        digest: Digest::of(source.as_bytes()),
        source: source.into(),
        deployed_at: at(1),
    };
    assert_eq!(store.deployments().await?, []);
    store.deploy(deployment("1.0.0", "old")).await?;
    store.deploy(deployment("2.0.0", "other")).await?;
    store.deploy(deployment("1.0.0", "new")).await?;
    store.deploy(deployment("1.0.0", "new")).await?;
    assert_eq!(store.deployments().await?, [deployment("1.0.0", "new"), deployment("2.0.0", "other")]);
    for source in ["old", "new", "other"] {
        assert_eq!(store.source(&Digest::of(source.as_bytes())).await?.as_deref(), Some(source));
    }
    assert_eq!(store.source(&Digest::of(b"unknown")).await?, None);
    Ok(())
}

pub(crate) async fn instances_are_listed_newest_first(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let started = |n: u128, seconds, name: &str| {
        let mut change = start(n);
        if let Some(new) = &mut change.new {
            new.started_at = at(seconds);
            new.workflow.name = name.into();
        }
        change
    };
    let changes =
        vec![started(1, 10, "order"), started(2, 30, "ship"), started(3, 20, "order"), started(4, 20, "order")];
    store.commit(batch(changes)).await?;
    store.commit(batch(vec![end(3, 1)])).await?;
    let ids = async |filter: Filter| -> anyhow::Result<Vec<InstanceId>> {
        Ok(store.list(filter).await?.into_iter().map(|it| it.id).collect())
    };
    let all = Filter::default;
    assert_eq!(ids(all()).await?, [2, 4, 3, 1].map(instance));
    assert_eq!(ids(Filter { limit: 2, ..all() }).await?, [2, 4].map(instance));
    assert_eq!(ids(Filter { before: Some(instance(4)), ..all() }).await?, [3, 1].map(instance));
    assert_eq!(ids(Filter { before: Some(instance(77)), ..all() }).await?, []);
    assert_eq!(ids(Filter { name: Some("order".into()), ..all() }).await?, [4, 3, 1].map(instance));
    assert_eq!(ids(Filter { status: Some(Status::Completed), ..all() }).await?, [instance(3)]);
    assert_eq!(ids(Filter { namespace: Some("elsewhere".into()), ..all() }).await?, []);
    let ended = store.list(Filter { status: Some(Status::Completed), ..all() }).await?.remove(0);
    let times: (Timestamp, Timestamp, Option<Timestamp>) = (ended.started_at, ended.updated_at, ended.ended_at);
    assert_eq!(times, (at(20), at(2), Some(at(2))));
    assert_eq!((ended.key, ended.workflow), ("key-3".into(), workflow()));
    Ok(())
}
