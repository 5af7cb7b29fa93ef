//! The same random operations on a store and on the model: every answer must be the same.

use std::collections::{BTreeMap, HashMap};

use sagabus_core::{
    cause::{Cause, Start, TimerPurpose},
    effect::{CallStatus, ChildStart, Effect, Settlement},
    id::{Digest, ExecutionId, InstanceId, WorkflowName},
    instance::Status,
};
use sagabus_driver_sql::Access;
use sagabus_kit::model_store::ModelStore;
use sagabus_ports::{
    Batch, Change, Consumed, Deployment, DueTimer, Filter, InstanceRow, PendingCause, StartKey, Store, Verdict,
};

use super::Place;
use crate::fixtures::{at, attempt, batch, call, event, instance, problem, start, step, timer, workflow};

/// Each seed is a sequence of its own, on data that the ones before left behind.
const SEEDS: u64 = 8;

/// Few instances, so that their steps meet.
const INSTANCES: u64 = 12;

/// Numbers that follow from a seed (SplitMix64, public domain, by Sebastiano Vigna).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }

    fn small(&mut self, end: u32) -> u32 {
        u32::try_from(self.below(u64::from(end))).unwrap_or(0)
    }

    fn time(&mut self) -> sagabus_core::time::Timestamp {
        at(i64::from(self.small(30)))
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[usize::try_from(self.below(things.len() as u64)).unwrap_or(0)]
    }
}

pub(crate) async fn answers_agree_with_the_model(place: &dyn Place) -> anyhow::Result<()> {
    let (store, model) = (place.open(Access::Own).await?, ModelStore::new());
    let mut told = BTreeMap::new();
    let mut positions = HashMap::new();
    for seed in 1..=SEEDS {
        let mut random = Random(seed);
        for round in 0..40 {
            let context = format!("seed {seed}, round {round}");
            if random.chance(20) {
                let deployment = deployment(&mut random);
                model.deploy(deployment.clone()).await?;
                store.deploy(deployment).await?;
            }
            // A batch cannot be cloned; the same numbers make it twice.
            let (numbers, before) = (random.0, positions.clone());
            let batch = random_batch(&mut random, &positions);
            let again = random_batch(&mut Random(numbers), &before);
            let ids: Vec<(InstanceId, u64)> =
                batch.changes.iter().map(|change| (change.instance, change.entry.seq)).collect();
            let verdicts = model.commit(batch).await?;
            assert_eq!(store.commit(again).await?, verdicts, "{context}");
            for ((id, seq), verdict) in ids.into_iter().zip(&verdicts) {
                *told.entry(word(verdict)).or_insert(0) += 1;
                if *verdict == Verdict::Committed {
                    positions.insert(id, seq);
                }
            }
            compare(&*store, &model, &mut random, &context, &mut told).await?;
        }
    }
    let words = ["committed", "conflict", "key taken"];
    let verbs =
        ["load", "due", "outstanding", "pending", "unpublished", "listeners", "started", "deployments", "source"];
    for word in words.iter().chain(&verbs).chain(&["list", "retries"]) {
        assert!(told.contains_key(word), "no sequence came to `{word}`: {told:?}");
    }
    Ok(())
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Committed => "committed",
        Verdict::Conflict => "conflict",
        Verdict::KeyTaken(_) => "key taken",
    }
}

/// Asks both every question, with random parameters.
async fn compare(
    store: &dyn Store,
    model: &ModelStore,
    random: &mut Random,
    context: &str,
    told: &mut BTreeMap<&'static str, u32>,
) -> anyhow::Result<()> {
    /// Asks both, and notes whether there was anything to tell.
    macro_rules! ask {
        ($verb:ident($($argument:expr),*), $any:expr) => {
            let expected = model.$verb($($argument),*).await?;
            assert_eq!(store.$verb($($argument),*).await?, expected, "{}, {context}", stringify!($verb));
            if $any(&expected) {
                *told.entry(stringify!($verb)).or_insert(0) += 1;
            }
        };
    }
    let (now, limit, n) = (random.time(), random.small(5), u128::from(random.below(INSTANCES)));
    let ids: Vec<InstanceId> = (0..u128::from(INSTANCES)).map(instance).collect();
    let after = random.chance(50).then(|| call(u128::from(random.below(40))).to_string());
    let after = after.as_deref();
    ask!(load(&ids), |it: &Vec<Option<_>>| it.iter().any(Option::is_some));
    ask!(due(now, limit), |it: &(Vec<_>, _)| !it.0.is_empty());
    ask!(outstanding(after, limit + 10), |it: &Vec<_>| !it.is_empty());
    ask!(pending(after, limit + 10), |it: &Vec<_>| !it.is_empty());
    ask!(unpublished(after, limit + 10), |it: &Vec<_>| !it.is_empty());
    for kind in ["a", "b", "c"] {
        ask!(listeners(kind), |it: &Vec<_>| !it.is_empty());
    }
    let key = format!("key-{n}");
    ask!(started(StartKey { namespace: "shop", name: "order", key: &key }), Option::is_some);
    ask!(deployments(), |it: &Vec<_>| !it.is_empty());
    ask!(source(&Digest::of(&[u8::try_from(n).unwrap_or(0) % 4])), Option::is_some);
    let filter = Filter {
        name: random.chance(20).then(|| "order".into()),
        status: random.chance(50).then_some(Status::Completed),
        before: random.chance(30).then_some(instance(n)),
        limit,
        ..Filter::default()
    };
    ask!(list(filter.clone()), |it: &Vec<_>| !it.is_empty());
    ask!(retries(limit), |it: &Vec<_>| !it.is_empty());
    Ok(())
}

fn deployment(random: &mut Random) -> Deployment {
    let source = [u8::try_from(random.below(4)).unwrap_or(0)];
    Deployment {
        name: WorkflowName { version: format!("1.{}.0", random.below(3)), ..workflow() },
        digest: Digest::of(&source),
        source: format!("source {source:?}"),
        deployed_at: random.time(),
    }
}

fn random_batch(random: &mut Random, positions: &HashMap<InstanceId, u64>) -> Batch {
    let first = random.below(INSTANCES);
    let many = random.below(5);
    let changes = (first..first + many).map(|n| change(random, u128::from(n % INSTANCES), positions)).collect();
    let outside = |random: &mut Random| format!("outside-{}", random.below(3));
    let inbox = PendingCause {
        id: outside(random),
        instance: instance(1),
        cause: Cause::Cancel { reason: "outside".into() },
        workflow: random.chance(50).then(|| ("shop".into(), "order".into(), Some("1.0.0".into()))),
    };
    let row = format!("{}:{}:{}", instance(u128::from(first)), 1 + random.below(6), random.below(4));
    let expired = DueTimer { instance: instance(u128::from(first)), timer: random_timer(random), due: random.time() };
    Batch {
        inbox: if random.chance(20) { vec![inbox] } else { vec![] },
        dropped: if random.chance(20) { vec![outside(random), row.clone()] } else { vec![] },
        published: if random.chance(40) { vec![row] } else { vec![] },
        expired: if random.chance(40) { vec![expired] } else { vec![] },
        ..batch(changes)
    }
}

fn random_timer(random: &mut Random) -> sagabus_core::cause::TimerId {
    let purpose = [TimerPurpose::Wait, TimerPurpose::Retry, TimerPurpose::Timeout, TimerPurpose::Attempt];
    timer(random.small(2), random.one_of(&purpose))
}

fn change(random: &mut Random, n: u128, positions: &HashMap<InstanceId, u64>) -> Change {
    let stored = positions.get(&instance(n)).copied().unwrap_or(0);
    // Mostly the right one, sometimes one before or after it.
    let expected = if random.chance(85) { stored } else { (stored + random.below(3)).saturating_sub(1) };
    let mut change = if expected == 0 { start(n) } else { step(n, expected) };
    if let Some(new) = &mut change.new {
        new.started_at = random.time();
        if random.chance(20) {
            new.key = format!("key-{}", n + 1);
        }
    }
    if random.chance(10) {
        let (output, ended_at) = (Some(serde_json::json!(null)), Some(random.time()));
        change.row = InstanceRow { status: Status::Completed, output, error: Some(problem()), ended_at };
    }
    // Whatever is settled was dispatched before: an instance begins with all of its calls.
    let calls = (0..3).filter(|_| expected == 0).map(|c| Effect::Dispatch(attempt(n, n * 3 + c, 1)));
    change.effects = calls.chain((0..random.below(6)).map(|_| effect(random, n))).collect();
    if random.chance(20) {
        change.consumed.push(Consumed::Timer(random_timer(random)));
    }
    if random.chance(20) {
        change.consumed.push(Consumed::Pending(format!("outside-{}", random.below(3))));
    }
    change
}

fn effect(random: &mut Random, n: u128) -> Effect {
    // Each instance has three calls of its own.
    let c = n * 3 + u128::from(random.below(3));
    let execution = ExecutionId(random.small(3));
    match random.below(9) {
        0 | 1 => Effect::Dispatch(attempt(n, c, 1 + random.small(4))),
        2 => Effect::Settle(Settlement {
            call: call(c),
            attempt: 1,
            status: random.one_of(&[CallStatus::Retrying, CallStatus::Retrying, CallStatus::Done, CallStatus::Failed]),
            error: random.chance(50).then(problem),
            effect: random.chance(50).then_some(sagabus_core::cause::EffectState::None),
            next_attempt_at: random.chance(80).then(|| random.time()),
        }),
        3 => Effect::SetTimer { timer: random_timer(random), due: random.time() },
        4 => Effect::ClearTimer { timer: random_timer(random) },
        5 => {
            let types = random.one_of(&[&[][..], &["a"], &["a", "b"], &["b", "b"]]);
            Effect::Subscribe { execution, types: types.iter().map(ToString::to_string).collect() }
        }
        6 if random.chance(50) => Effect::Unsubscribe { execution },
        6 => {
            let start = Start {
                input: serde_json::json!({ "n": 1 }),
                key: "child".into(),
                deadline: None,
                parent: None,
                nonce: String::new(),
            };
            let (namespace, name) = ("shop".to_owned(), "ship".to_owned());
            Effect::StartChild(ChildStart { id: instance(1000), namespace, name, version: None, start })
        }
        7 => Effect::Notify { instance: instance(1001), cause: Cause::Due { timer: random_timer(random) } },
        _ => Effect::Publish(event("a")),
    }
}
