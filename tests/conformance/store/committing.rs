//! What a commit promises.

use sagabus_core::{
    cause::{Cause, TimerPurpose},
    effect::{CallStatus, Effect},
    id::ExecutionId,
};
use sagabus_driver_sql::Access;
use sagabus_ports::{Batch, Consumed, Kind, PendingCause, StartKey, Verdict};

use super::Place;
use crate::fixtures::{at, attempt, batch, end, event, instance, settle, start, step, timer, with};

/// One instance that has one of everything.
fn busy(n: u128) -> sagabus_ports::Change {
    let effects = vec![
        Effect::Dispatch(attempt(n, n, 1)),
        Effect::SetTimer { timer: timer(1, TimerPurpose::Wait), due: at(60) },
        Effect::Subscribe { execution: ExecutionId(1), types: vec!["paid".into()] },
        Effect::Notify { instance: instance(99), cause: Cause::Cancel { reason: "enough".into() } },
        Effect::Publish(event("shipped")),
    ];
    with(start(n), effects)
}

pub(crate) async fn a_batch_is_all_there_or_not_at_all(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    assert_eq!(store.commit(batch(vec![busy(1)])).await?, [Verdict::Committed]);
    // The key of 2 is taken, so nothing of it may be there: neither rows nor what it consumed.
    let mut refused = busy(2);
    refused.new = start(1).new;
    refused.consumed = vec![Consumed::Pending(format!("{}:1:3", instance(1)))];
    assert_eq!(store.commit(batch(vec![refused])).await?, [Verdict::KeyTaken(instance(1))]);

    assert_eq!(store.load(&[instance(2)]).await?, [None]);
    assert_eq!(store.outstanding(None, 10).await?.len(), 1);
    assert_eq!(store.due(at(60), 10).await?.0.len(), 1);
    assert_eq!(store.listeners("paid").await?, [instance(1)]);
    let pending = store.pending(None, 10).await?;
    assert_eq!(pending.iter().map(|it| it.instance).collect::<Vec<_>>(), [instance(99)]);
    assert_eq!(store.unpublished(None, 10).await?, [(format!("{}:1:4", instance(1)), event("shipped"))]);
    Ok(())
}

pub(crate) async fn a_conflicting_change_is_left_out_and_the_others_are_not(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    store.commit(batch(vec![start(1), start(2), start(3)])).await?;
    let stale = with(step(2, 7), vec![Effect::SetTimer { timer: timer(1, TimerPurpose::Wait), due: at(1) }]);
    let verdicts = store.commit(batch(vec![step(1, 1), stale, step(4, 1), step(3, 1)])).await?;
    assert_eq!(verdicts, [Verdict::Committed, Verdict::Conflict, Verdict::Conflict, Verdict::Committed]);
    let lengths: Vec<_> = store
        .load(&[instance(1), instance(2), instance(3), instance(4)])
        .await?
        .into_iter()
        .map(|journal| journal.and_then(|journal| journal.entries.ok()).map(|entries| entries.len()))
        .collect();
    assert_eq!(lengths, [Some(2), Some(1), Some(2), None]);
    assert_eq!(store.due(at(9), 10).await?, (vec![], None));
    Ok(())
}

pub(crate) async fn a_key_starts_one_instance(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let with_key = |n: u128, name: &str| {
        let mut change = start(n);
        if let Some(new) = &mut change.new {
            new.key = "the key".into();
            new.workflow.name = name.into();
        }
        change
    };
    // The first of a batch wins; the same key of another workflow is another key.
    let verdicts = store.commit(batch(vec![with_key(1, "a"), with_key(2, "a"), with_key(3, "b")])).await?;
    assert_eq!(verdicts, [Verdict::Committed, Verdict::KeyTaken(instance(1)), Verdict::Committed]);
    assert_eq!(store.commit(batch(vec![with_key(4, "a")])).await?, [Verdict::KeyTaken(instance(1))]);
    // An instance that has ended keeps its key.
    store.commit(batch(vec![end(1, 1)])).await?;
    assert_eq!(store.commit(batch(vec![with_key(5, "a")])).await?, [Verdict::KeyTaken(instance(1))]);

    let key = |name| StartKey { namespace: "shop", name, key: "the key" };
    let started = store.started(key("a")).await?.map(|started| (started.instance, started.status.word()));
    assert_eq!(started, Some((instance(1), "completed")));
    assert_eq!(store.started(key("b")).await?.map(|started| started.instance), Some(instance(3)));
    assert_eq!(store.started(key("c")).await?, None);
    Ok(())
}

pub(crate) async fn committing_twice_changes_nothing(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let further = || with(step(3, 1), vec![settle(3, 1, CallStatus::Done), Effect::Dispatch(attempt(3, 30, 1))]);
    let twice = || batch(vec![busy(1), busy(2), further()]);
    store.commit(batch(vec![busy(3)])).await?;
    assert_eq!(store.commit(twice()).await?, [Verdict::Committed, Verdict::Committed, Verdict::Committed]);
    let before = (store.load(&[instance(1), instance(3)]).await?, store.outstanding(None, 10).await?);
    let verdicts = store.commit(twice()).await?;
    assert_eq!(verdicts, [Verdict::KeyTaken(instance(1)), Verdict::KeyTaken(instance(2)), Verdict::Conflict]);
    assert_eq!((store.load(&[instance(1), instance(3)]).await?, store.outstanding(None, 10).await?), before);
    Ok(())
}

pub(crate) async fn a_batch_that_breaks_the_contract_is_refused(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let mut not_next = start(2);
    not_next.entry.seq = 5;
    let mut without_fixed_part = start(3);
    without_fixed_part.new = None;
    let mut new_again = step(4, 1);
    new_again.new = start(4).new;
    for wrong in [vec![start(1), start(1)], vec![not_next], vec![without_fixed_part], vec![new_again]] {
        let error = store.commit(batch(wrong)).await.expect_err("the batch breaks the contract");
        assert_eq!(error.kind, Kind::Invalid, "{error}");
    }
    assert_eq!(store.commit(Batch::default()).await?, []);
    assert_eq!(store.load(&[instance(1)]).await?, [None]);
    Ok(())
}

pub(crate) async fn the_end_takes_timers_and_subscriptions_along(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    store.commit(batch(vec![busy(1), busy(2)])).await?;
    // What the last step itself asks for is void, too.
    let last = vec![
        Effect::SetTimer { timer: timer(2, TimerPurpose::Retry), due: at(1) },
        Effect::Subscribe { execution: ExecutionId(2), types: vec!["paid".into()] },
        settle(1, 1, CallStatus::Done),
    ];
    store.commit(batch(vec![with(end(1, 1), last)])).await?;
    let (due, next) = store.due(at(1000), 10).await?;
    assert_eq!((due.iter().map(|timer| timer.instance).collect::<Vec<_>>(), next), (vec![instance(2)], None));
    assert_eq!(store.listeners("paid").await?, [instance(2)]);
    let outstanding = store.outstanding(None, 10).await?;
    assert_eq!(outstanding.iter().map(|it| it.attempt.instance).collect::<Vec<_>>(), [instance(2)]);
    Ok(())
}

pub(crate) async fn causes_come_from_outside_once(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let cause = |reason: &str| PendingCause {
        id: "from outside".into(),
        instance: instance(1),
        cause: Cause::Cancel { reason: reason.into() },
        workflow: Some(("shop".into(), "order".into(), None)),
    };
    let inbox = |reason| Batch { inbox: vec![cause(reason)], ..Batch::default() };
    store.commit(inbox("first")).await?;
    store.commit(inbox("second")).await?;
    assert_eq!(store.pending(None, 10).await?, [cause("first")]);
    let consumed = vec![Consumed::Pending("from outside".into())];
    store.commit(batch(vec![sagabus_ports::Change { consumed, ..start(1) }])).await?;
    assert_eq!(store.pending(None, 10).await?, []);
    store.commit(inbox("third")).await?;
    store.commit(Batch { dropped: vec!["from outside".into()], ..Batch::default() }).await?;
    assert_eq!(store.pending(None, 10).await?, []);
    Ok(())
}

pub(crate) async fn strange_text_comes_back_as_it_was(place: &dyn Place) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let texts = [
        "",
        "a\u{0}b",
        "a\u{0}c",
        "'; DROP TABLE instance; --",
        "\"\\u0000",
        "\u{1F980}\u{E000}x\u{E001}",
        "\u{7f}\n\t",
    ];
    for (n, text) in (1..).zip(texts) {
        let mut change = start(n);
        if let Some(new) = &mut change.new {
            new.key = text.into();
        }
        let effects = vec![Effect::Dispatch(sagabus_core::effect::Attempt {
            reference: text.into(),
            arguments: serde_json::json!({ text: [text, 1e300, u64::MAX, -0.5] }),
            ..attempt(n, n, 1)
        })];
        assert_eq!(store.commit(batch(vec![with(change, effects)])).await?, [Verdict::Committed], "{text:?}");
        let key = StartKey { namespace: "shop", name: "order", key: text };
        assert_eq!(store.started(key).await?.map(|started| started.instance), Some(instance(n)), "{text:?}");
        let call = store.outstanding(None, 100).await?.pop().expect("the call is outstanding").attempt;
        assert_eq!(call.reference, text);
        assert_eq!(call.arguments, serde_json::json!({ text: [text, 1e300, u64::MAX, -0.5] }));
    }
    Ok(())
}

pub(crate) async fn a_large_batch_is_one_commit(place: &dyn Place) -> anyhow::Result<()> {
    const MANY: u128 = 5000;
    let store = place.open(Access::Own).await?;
    let verdicts = store.commit(batch((1..=MANY).map(busy).collect())).await?;
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Committed));
    let ids: Vec<_> = (1..=MANY).map(instance).collect();
    assert!(store.load(&ids).await?.iter().all(Option::is_some));
    assert_eq!(store.outstanding(None, u32::MAX).await?.len(), ids.len());
    Ok(())
}
