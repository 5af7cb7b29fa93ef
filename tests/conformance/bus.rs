//! Questions to a bus. That something does not come is asked by publishing a marker after it, and waiting for that.

use std::{sync::Arc, time::Duration};

use sagabus_driver_embedded::EmbeddedBus;
use sagabus_ports::{Address, Bus, Consumer, Delivery, Envelope, Headers, Kind, LARGEST_BODY, Retry, Source};

/// Longer than any bus takes to deliver what is there: who waits so long has lost it.
const LONG: Duration = Duration::from_secs(20);

/// Asks each of these questions of each of these buses, in a test of its own.
macro_rules! suite {
    ($questions:tt $($driver:ident = $bus:expr;)*) => { $( suite!(@driver $driver, $bus, $questions); )* };
    (@driver $driver:ident, $bus:expr, { $($question:ident)* }) => {
        mod $driver {
            use super::*;
            $(
                #[tokio::test]
                async fn $question() -> anyhow::Result<()> {
                    super::$question($bus).await
                }
            )*
        }
    };
}

suite! {
    {
        what_is_published_is_consumed
        consumers_of_one_name_share
        each_name_gets_its_own_copy
        work_waits_for_its_first_consumer
        events_are_for_those_who_subscribed
        a_subscription_outlives_its_consumer
        what_is_acknowledged_does_not_come_again
        what_is_given_back_comes_again_after_its_delay
        what_is_dropped_comes_again
        prefetch_bounds_what_is_in_hand
        a_repeated_id_is_dropped_for_a_while
        a_body_that_is_too_large_is_refused
        a_full_queue_refuses_and_loses_nothing
        waiting_may_be_given_up
    }
    embedded = Arc::new(EmbeddedBus::new());
}

fn calls(adapter: &str) -> (Address, Source) {
    (Address::Calls { adapter: adapter.into() }, Source::Calls { adapter: adapter.into() })
}

fn envelope(id: &str, address: Address) -> Envelope {
    let headers = Headers::from([("traceparent".to_owned(), "00-1-2-01".to_owned())]);
    Envelope { id: id.into(), address, headers, body: br#"{"a":1}"#.to_vec() }
}

/// The next delivery; a bus that has none for a long time fails the question.
async fn next(consumer: &mut Box<dyn Consumer>) -> anyhow::Result<Delivery> {
    let delivery = tokio::time::timeout(LONG, consumer.next()).await?;
    delivery.ok_or_else(|| anyhow::anyhow!("the bus is closed"))
}

/// That nothing is there but what is published now.
async fn nothing(bus: &Arc<dyn Bus>, consumer: &mut Box<dyn Consumer>, address: &Address) -> anyhow::Result<()> {
    let id = uuid::Uuid::new_v4().to_string();
    bus.publish(vec![envelope(&id, address.clone())]).await?;
    assert_eq!(take(consumer, 1).await?, [id]);
    Ok(())
}

/// What is there at this moment.
async fn at_once(consumer: &mut Box<dyn Consumer>) -> Option<Delivery> {
    tokio::select! {
        biased;
        delivery = consumer.next() => delivery,
        () = std::future::ready(()) => None,
    }
}

/// Takes and acknowledges so many; their ids, sorted.
async fn take(consumer: &mut Box<dyn Consumer>, many: usize) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for _ in 0..many {
        let delivery = next(consumer).await?;
        ids.push(delivery.envelope.id.clone());
        delivery.receipt.acknowledge().await?;
    }
    ids.sort();
    Ok(ids)
}

async fn what_is_published_is_consumed(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    let addresses = [
        (Address::Requests { namespace: "shop".into(), workflow: "order".into() }, Source::Requests),
        calls("payments"),
        (Address::Results { partition: 3 }, Source::Results { partition: 3 }),
        (Address::Events { kind: "paid".into() }, Source::Events),
        (Address::Control, Source::Control),
    ];
    let mut consumers = Vec::new();
    for (_, source) in &addresses {
        consumers.push(bus.consume(source.clone(), "workers", 10).await?);
    }
    let mut other_adapter = bus.consume(calls("warehouse").1, "workers", 10).await?;
    let envelopes: Vec<_> = addresses.iter().map(|(address, _)| envelope("1", address.clone())).collect();
    bus.publish(envelopes.clone()).await?;
    for (consumer, envelope) in consumers.iter_mut().zip(envelopes) {
        let delivery = next(consumer).await?;
        assert_eq!((delivery.envelope, delivery.redelivered), (envelope, 0));
        delivery.receipt.acknowledge().await?;
    }
    nothing(&bus, &mut other_adapter, &calls("warehouse").0).await
}

async fn consumers_of_one_name_share(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    let (address, source) = calls("payments");
    let mut first = bus.consume(source.clone(), "workers", 1).await?;
    let mut second = bus.consume(source, "workers", 1).await?;
    bus.publish(vec![envelope("1", address.clone()), envelope("2", address.clone())]).await?;
    let (one, two) = (next(&mut first).await?, next(&mut second).await?);
    assert_ne!(one.envelope.id, two.envelope.id);
    one.receipt.acknowledge().await?;
    two.receipt.acknowledge().await?;
    drop(second);
    nothing(&bus, &mut first, &address).await
}

async fn each_name_gets_its_own_copy(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    let mut first = bus.consume(Source::Events, "first", 10).await?;
    let mut second = bus.consume(Source::Events, "second", 10).await?;
    let event = |id| envelope(id, Address::Events { kind: "paid".into() });
    bus.publish(vec![event("1"), event("2")]).await?;
    assert_eq!(take(&mut first, 2).await?, ["1", "2"]);
    assert_eq!(take(&mut second, 2).await?, ["1", "2"]);
    Ok(())
}

async fn work_waits_for_its_first_consumer(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    let (address, source) = calls("payments");
    let requests = Address::Requests { namespace: "shop".into(), workflow: "order".into() };
    bus.publish(vec![envelope("1", address.clone()), envelope("r", requests)]).await?;
    bus.publish(vec![envelope("2", address), envelope("o", Address::Results { partition: 0 })]).await?;
    assert_eq!(take(&mut bus.consume(source, "workers", 10).await?, 2).await?, ["1", "2"]);
    assert_eq!(take(&mut bus.consume(Source::Requests, "engine", 10).await?, 1).await?, ["r"]);
    assert_eq!(take(&mut bus.consume(Source::Results { partition: 0 }, "engine", 10).await?, 1).await?, ["o"]);
    Ok(())
}

async fn events_are_for_those_who_subscribed(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    let paid = Address::Events { kind: "paid".into() };
    bus.publish(vec![envelope("early", paid.clone())]).await?;
    let mut consumer = bus.consume(Source::Events, "engine", 10).await?;
    bus.publish(vec![envelope("late", paid.clone())]).await?;
    assert_eq!(take(&mut consumer, 1).await?, ["late"]);
    nothing(&bus, &mut consumer, &paid).await
}

async fn a_subscription_outlives_its_consumer(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    drop(bus.consume(Source::Events, "engine", 10).await?);
    bus.publish(vec![envelope("1", Address::Events { kind: "paid".into() })]).await?;
    assert_eq!(take(&mut bus.consume(Source::Events, "engine", 10).await?, 1).await?, ["1"]);
    Ok(())
}

async fn what_is_acknowledged_does_not_come_again(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    let (address, source) = calls("payments");
    let mut consumer = bus.consume(source.clone(), "workers", 10).await?;
    bus.publish(vec![envelope("1", address.clone())]).await?;
    let delivery = next(&mut consumer).await?;
    delivery.receipt.extend().await?;
    delivery.receipt.acknowledge().await?;
    nothing(&bus, &mut consumer, &address).await?;
    drop(consumer);
    nothing(&bus, &mut bus.consume(source, "workers", 10).await?, &address).await
}

async fn what_is_given_back_comes_again_after_its_delay(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    let (address, source) = calls("payments");
    let mut consumer = bus.consume(source, "workers", 10).await?;
    bus.publish(vec![envelope("1", address.clone())]).await?;
    next(&mut consumer).await?.receipt.give_back(Duration::ZERO).await?;
    let delivery = next(&mut consumer).await?;
    assert_eq!(delivery.redelivered, 1);
    let begin = tokio::time::Instant::now();
    delivery.receipt.give_back(Duration::from_millis(70)).await?;
    // It is not in the way of others meanwhile.
    bus.publish(vec![envelope("2", address.clone())]).await?;
    assert_eq!(take(&mut consumer, 1).await?, ["2"]);
    let delivery = next(&mut consumer).await?;
    assert_eq!((delivery.envelope.id.as_str(), delivery.redelivered), ("1", 2));
    if bus.caps().delayed_redelivery {
        assert!(begin.elapsed() >= Duration::from_millis(70));
    }
    delivery.receipt.acknowledge().await?;
    nothing(&bus, &mut consumer, &address).await
}

async fn what_is_dropped_comes_again(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    let (address, source) = calls("payments");
    let mut consumer = bus.consume(source.clone(), "workers", 10).await?;
    bus.publish(vec![envelope("1", address)]).await?;
    let delivery = next(&mut consumer).await?;
    // Its holder is gone, and then the delivery itself.
    drop(consumer);
    drop(delivery);
    let mut consumer = bus.consume(source, "workers", 10).await?;
    let delivery = next(&mut consumer).await?;
    assert_eq!((delivery.envelope.id.as_str(), delivery.redelivered), ("1", 1));
    Ok(())
}

async fn prefetch_bounds_what_is_in_hand(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    let (address, source) = calls("payments");
    let mut consumer = bus.consume(source.clone(), "workers", 2).await?;
    bus.publish((1..=3).map(|n| envelope(&n.to_string(), address.clone())).collect()).await?;
    let (first, second) = (next(&mut consumer).await?, next(&mut consumer).await?);
    // The third is still free for another, which gives it back.
    assert!(at_once(&mut consumer).await.is_none());
    let third = next(&mut bus.consume(source.clone(), "workers", 2).await?).await?;
    assert_eq!(third.envelope.id, "3");
    drop(third);
    assert!(at_once(&mut consumer).await.is_none());
    first.receipt.acknowledge().await?;
    assert_eq!(next(&mut consumer).await?.envelope.id, "3");
    drop(second);
    let error = bus.consume(source, "workers", 0).await.err().expect("nothing could ever be delivered");
    assert_eq!((error.kind, error.retry), (Kind::Invalid, Retry::Never));
    Ok(())
}

async fn a_repeated_id_is_dropped_for_a_while(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    if bus.caps().dedupe_window.is_zero() {
        return Ok(());
    }
    let (address, source) = calls("payments");
    let mut consumer = bus.consume(source, "workers", 10).await?;
    let mut other = bus.consume(calls("warehouse").1, "workers", 10).await?;
    bus.publish(vec![envelope("1", address.clone()), envelope("1", address.clone())]).await?;
    bus.publish(vec![envelope("1", address.clone()), envelope("1", calls("warehouse").0)]).await?;
    assert_eq!(take(&mut consumer, 1).await?, ["1"]);
    assert_eq!(take(&mut other, 1).await?, ["1"], "the same id to another address is another envelope");
    bus.publish(vec![envelope("1", address.clone())]).await?;
    nothing(&bus, &mut consumer, &address).await
}

async fn a_body_that_is_too_large_is_refused(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    let (address, source) = calls("payments");
    let mut consumer = bus.consume(source, "workers", 10).await?;
    let sized = |id, size| Envelope { body: vec![b' '; size], ..envelope(id, address.clone()) };
    let error = bus.publish(vec![sized("1", 1), sized("2", LARGEST_BODY + 1)]).await.expect_err("it is too large");
    assert_eq!((error.kind, error.retry), (Kind::Invalid, Retry::Never), "{error}");
    bus.publish(vec![sized("3", LARGEST_BODY)]).await?;
    assert_eq!(take(&mut consumer, 1).await?, ["3"]);
    Ok(())
}

async fn a_full_queue_refuses_and_loses_nothing(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    /// More than any queue holds, by number.
    const TOO_MANY: usize = 1_000_000;
    /// How many a batch has.
    const BATCH: usize = 1000;
    let (address, source) = calls("payments");
    let batch = |from: usize| (from..from + BATCH).map(|n| envelope(&n.to_string(), address.clone())).collect();
    let mut confirmed = 0;
    let error = loop {
        match bus.publish(batch(confirmed)).await {
            Ok(()) => confirmed += BATCH,
            Err(error) => break error,
        }
        assert!(confirmed < TOO_MANY, "the queue has no limit");
    };
    assert_eq!((error.kind, error.retry), (Kind::Full, Retry::Later), "{error}");
    // Others are not held up, and there is room again once something is taken.
    bus.publish(vec![envelope("1", calls("warehouse").0)]).await?;
    let mut consumer = bus.consume(source, "workers", 10).await?;
    take(&mut consumer, BATCH).await?;
    bus.publish(batch(confirmed)).await?;
    take(&mut consumer, confirmed).await?;
    nothing(&bus, &mut consumer, &address).await
}

async fn waiting_may_be_given_up(bus: Arc<dyn Bus>) -> anyhow::Result<()> {
    let (address, source) = calls("payments");
    let mut consumer = bus.consume(source, "workers", 1).await?;
    for n in 1..=3 {
        assert!(at_once(&mut consumer).await.is_none());
        bus.publish(vec![envelope(&n.to_string(), address.clone())]).await?;
        assert_eq!(take(&mut consumer, 1).await?, [n.to_string()]);
    }
    Ok(())
}

#[tokio::test]
async fn an_embedded_bus_that_is_dropped_ends_its_consumers() -> anyhow::Result<()> {
    let bus = EmbeddedBus::new();
    let mut consumer = bus.consume(Source::Events, "engine", 1).await?;
    let waiting = tokio::spawn(async move { consumer.next().await.is_none() });
    drop(bus);
    assert!(waiting.await?);
    Ok(())
}
