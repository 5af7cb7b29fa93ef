//! What holds over restarts and beside other processes.

use sagabus_core::{
    cause::{Cause, TimerPurpose},
    effect::{CallStatus, Effect},
    id::Digest,
};
use sagabus_driver_sql::Access;
use sagabus_ports::{Batch, Deployment, Filter, Kind, PendingCause, Retry, Store};

use super::SqlPlace;
use crate::fixtures::{at, attempt, batch, event, instance, settle, start, step, timer, with, workflow};

/// Everything that the reading verbs tell, as text.
async fn everything(store: &dyn Store) -> anyhow::Result<Vec<String>> {
    Ok(vec![
        format!("{:?}", store.load(&[instance(1), instance(2)]).await?),
        format!("{:?}", store.due(at(99), 10).await?),
        format!("{:?}", store.outstanding(None, 10).await?),
        format!("{:?}", store.pending(None, 10).await?),
        format!("{:?}", store.unpublished(None, 10).await?),
        format!("{:?}", store.listeners("paid").await?),
        format!("{:?}", store.deployments().await?),
        format!("{:?}", store.list(Filter::default()).await?),
        format!("{:?}", store.retries(10).await?),
    ])
}

pub(crate) async fn everything_is_there_after_reopening(place: &dyn SqlPlace) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let nothing = everything(&*store).await?;
    let effects = vec![
        Effect::Dispatch(attempt(1, 1, 1)),
        Effect::Dispatch(attempt(1, 2, 1)),
        Effect::SetTimer { timer: timer(1, TimerPurpose::Wait), due: at(60) },
        Effect::Subscribe { execution: sagabus_core::id::ExecutionId(1), types: vec!["paid".into()] },
        Effect::Notify { instance: instance(99), cause: Cause::Cancel { reason: "enough".into() } },
        Effect::Publish(event("shipped")),
    ];
    store.commit(batch(vec![with(start(1), effects), start(2)])).await?;
    store.commit(batch(vec![with(step(1, 1), vec![settle(2, 1, CallStatus::Retrying)])])).await?;
    let (digest, source) = (Digest::of(b"source"), "source".to_owned());
    store.deploy(Deployment { name: workflow(), digest, source, deployed_at: at(1) }).await?;
    let before = everything(&*store).await?;
    assert!(before.iter().zip(&nothing).all(|(before, nothing)| before != nothing), "nothing to compare: {before:?}");
    drop(store);
    assert_eq!(everything(&*place.open(Access::Own).await?).await?, before);
    Ok(())
}

pub(crate) async fn a_second_owner_is_refused(place: &dyn SqlPlace) -> anyhow::Result<()> {
    let owner = place.open(Access::Own).await?;
    let error = place.open(Access::Own).await.err().expect("there is an owner");
    assert_eq!((error.kind, error.retry), (Kind::Unreachable, Retry::Later));
    assert!(error.to_string().contains("another process owns it"), "{error}");
    drop(owner);
    place.open(Access::Own).await?;
    Ok(())
}

pub(crate) async fn another_process_may_enqueue_and_read(place: &dyn SqlPlace) -> anyhow::Result<()> {
    let owner = place.open(Access::Own).await?;
    let (writer, reader) = (place.open(Access::Write).await?, place.open(Access::Read).await?);
    let cause = PendingCause {
        id: "from outside".into(),
        instance: instance(1),
        cause: Cause::Cancel { reason: "enough".into() },
        workflow: None,
    };
    writer.commit(Batch { inbox: vec![cause.clone()], ..Batch::default() }).await?;
    owner.commit(batch(vec![start(1)])).await?;
    for store in [&owner, &reader] {
        assert_eq!(store.pending(None, 10).await?, std::slice::from_ref(&cause));
    }
    assert_eq!(reader.list(Filter::default()).await?.len(), 1);
    let error = reader.commit(batch(vec![start(2)])).await.expect_err("it was opened for reading");
    assert_eq!(error.kind, Kind::Invalid, "{error}");
    // The owner may go and the others read on.
    drop(owner);
    assert_eq!(reader.list(Filter::default()).await?.len(), 1);
    Ok(())
}

pub(crate) async fn what_is_not_there_is_not_created_by_accident(place: &dyn SqlPlace) -> anyhow::Result<()> {
    for access in [Access::Read, Access::Write, Access::Read] {
        let error = place.open(access).await.err().expect("there is no store");
        assert_eq!((error.kind, error.retry), (Kind::NotFound, Retry::Never), "{error}");
    }
    place.open(Access::Own).await?;
    place.open(Access::Read).await?;
    Ok(())
}
