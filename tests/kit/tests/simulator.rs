//! Do the promises hold whatever goes wrong? Random workflows in worlds full of faults; every decision, commit and end is
//! checked (see `tests/kit/src/world/check.rs`). `SAGABUS_SEEDS=N` runs more seeds, `cargo sim SEED` replays one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use sagabus_kit::{
    simulation::{Failure, compare, simulate},
    world::{Counters, World},
};

/// Enough to meet everything in [`SOMETIMES`] many times, in seconds.
const SEEDS: u64 = 1_000;

/// What a campaign must have met: a simulator that never meets it tests nothing of it.
const SOMETIMES: [&str; 33] = [
    "a block was tried again",
    "a call that nobody waited for ended",
    "a call was cancelled",
    "a cause overtook the start of its instance",
    "a fork failed with a branch",
    "a late or repeated outcome was ignored",
    "a late timer was ignored",
    "a retry helped",
    "a retry was exhausted",
    "a sub-flow failed its caller",
    "a task was given up while its call was in flight",
    "a task was visited again",
    "a timeout fired while a call was in flight",
    "a timer fired late",
    "a timer was cleared before it fired",
    "a worker died before the request",
    "an error was handled",
    "an event was delivered again after a crash",
    "an event was ignored",
    "an event was taken",
    "an instance completed",
    "an instance faulted",
    "an instance was cancelled",
    "an instance was loaded from its journal",
    "an outstanding call was published again",
    "crash before a commit",
    "crash between commit and perform",
    "crash between effect and reply",
    "the bus delayed an envelope",
    "the bus delivered an envelope twice",
    "the bus delivered an event twice",
    "the bus lost an envelope",
    "the end of a sub-flow was ignored",
];

#[test]
fn promises_hold_in_every_seed() {
    let seeds = seeds();
    let counters = campaign(simulate, seeds);
    for (what, times) in counters.iter() {
        eprintln!("{times:>9} {what}");
    }
    let never: Vec<_> = SOMETIMES.iter().filter(|what| counters.of(what) == 0).collect();
    assert!(seeds < SEEDS || never.is_empty(), "never met in {seeds} seeds: {never:?}");
}

#[test]
fn faults_change_no_result() {
    // Each runs two worlds, in which less happens: a quarter as many find what there is to find.
    campaign(compare, seeds().div_ceil(4));
}

fn seeds() -> u64 {
    std::env::var("SAGABUS_SEEDS").map_or(SEEDS, |text| text.parse().expect("SAGABUS_SEEDS is a number"))
}

/// Runs all seeds on all processors, and gives what they met.
fn campaign(run: fn(u64) -> Result<World, Box<Failure>>, seeds: u64) -> Counters {
    let next = AtomicU64::new(0);
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let results: Vec<(Counters, Vec<String>)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(|| work(run, &next, seeds))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).collect()
    });
    let mut counters = Counters::default();
    let mut failures = Vec::new();
    for (counted, failed) in results {
        counters.add(&counted);
        failures.extend(failed);
    }
    assert!(failures.is_empty(), "{} of {seeds} seeds failed\n{}", failures.len(), failures.join("\n"));
    counters
}

/// Runs seeds until there are no more, or enough have failed to look into.
fn work(run: fn(u64) -> Result<World, Box<Failure>>, next: &AtomicU64, seeds: u64) -> (Counters, Vec<String>) {
    const FAILURES_SHOWN: usize = 5;
    const RUN_TWICE_EVERY: u64 = 100;
    let mut counters = Counters::default();
    let mut failures = Vec::new();
    while failures.len() < FAILURES_SHOWN {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds {
            break;
        }
        match run(seed) {
            Ok(world) => {
                counters.add(world.counters());
                let twice = seed.is_multiple_of(RUN_TWICE_EVERY);
                if twice && run(seed).map(|again| again.fingerprint()).ok() != Some(world.fingerprint()) {
                    failures.push(format!("seed {seed} runs in two ways: something in it is not of the seed"));
                }
            }
            Err(failure) => failures.push(failure.to_string()),
        }
    }
    (counters, failures)
}
