//! Fuel: the steps and bytes that one evaluation may use, counted so that it ends at the same place on every replay.
//!
//! An evaluation runs on one thread from start to end, so the counts are the thread's: values can count where they are
//! made and dropped, without every operator being handed a meter. `begin` starts them afresh. Running out is sticky: whatever
//! a program catches afterwards, the next `check` ends it, and the evaluation ends in an error.

use std::cell::Cell;

/// Steps of one evaluation. A step is at most about a microsecond, so that all of them fit into a quarter of a second.
pub(super) const STEPS: u64 = 100_000;

/// Bytes of values alive at one time. With the stack and the evaluator's own small allocations an evaluation stays
/// below 64 MiB, so that many can run beside each other.
pub(super) const BYTES: usize = 24 << 20;

/// Levels of calls inside calls: at least four a call, more for one deep inside its definition. Stack and evaluator take up to
/// about ten KiB a level.
pub(super) const LEVELS: u32 = 4_000;

/// Levels of arrays and objects inside each other, within an evaluation: walks over a value recurse that deep.
pub(super) const HEIGHT: u32 = 512;

/// Bytes copied or compared that cost as much as one step.
const BYTES_PER_STEP: usize = 4096;

/// What ran out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exhausted {
    Steps,
    Bytes,
    Levels,
    Height,
}

impl Exhausted {
    pub(super) fn text(self) -> String {
        match self {
            Self::Steps => format!("the expression took more than {STEPS} steps: it may never end"),
            Self::Bytes => format!("the expression built values of more than {} MiB", BYTES >> 20),
            Self::Levels => format!("the expression called itself more than {LEVELS} levels deep"),
            Self::Height => format!("the expression nested arrays and objects more than {HEIGHT} levels deep"),
        }
    }
}

struct Meter {
    steps: Cell<u64>,
    bytes: Cell<usize>,
    levels: Cell<u32>,
    exhausted: Cell<Option<Exhausted>>,
}

thread_local! {
    static METER: Meter = const {
        Meter { steps: Cell::new(0), bytes: Cell::new(0), levels: Cell::new(0), exhausted: Cell::new(None) }
    };
}

/// Starts the counts afresh. No value of an earlier evaluation is alive.
pub(super) fn begin() {
    METER.with(|meter| {
        meter.steps.set(0);
        meter.bytes.set(0);
        meter.levels.set(0);
        meter.exhausted.set(None);
    });
}

/// Whether anything ran out since `begin`.
pub(super) fn check() -> Result<(), Exhausted> {
    METER.with(|meter| meter.exhausted.get()).map_or(Ok(()), Err)
}

/// Counts steps without stopping: for places that cannot fail, and are followed by one that can.
pub(super) fn spend(steps: u64) {
    METER.with(|meter| {
        let total = meter.steps.get().saturating_add(steps);
        meter.steps.set(total);
        if total > STEPS {
            run_out(meter, Exhausted::Steps);
        }
    });
}

/// Counts one step.
pub(super) fn step() -> Result<(), Exhausted> {
    spend(1);
    check()
}

/// Counts the work of going through so many bytes.
pub(super) fn work(bytes: usize) -> Result<(), Exhausted> {
    spend((bytes / BYTES_PER_STEP) as u64);
    check()
}

/// Asks for room before so many bytes are allocated.
pub(super) fn room(bytes: usize) -> Result<(), Exhausted> {
    METER.with(|meter| {
        if meter.bytes.get().saturating_add(bytes) > BYTES {
            run_out(meter, Exhausted::Bytes);
        }
    });
    work(bytes)
}

/// Refuses a value of this height.
pub(super) fn height(levels: u32) -> Result<(), Exhausted> {
    if levels > HEIGHT {
        METER.with(|meter| run_out(meter, Exhausted::Height));
    }
    check()
}

fn run_out(meter: &Meter, what: Exhausted) {
    // The first cause is the one to report: what follows it is its consequence.
    if meter.exhausted.get().is_none() {
        meter.exhausted.set(Some(what));
    }
}

/// Bytes that a value holds; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Held(usize);

impl Held {
    pub(super) fn new(bytes: usize) -> Self {
        METER.with(|meter| {
            let total = meter.bytes.get().saturating_add(bytes);
            meter.bytes.set(total);
            if total > BYTES {
                run_out(meter, Exhausted::Bytes);
            }
        });
        Self(bytes)
    }

    /// The value grew or shrank to so many bytes.
    pub(super) fn set(&mut self, bytes: usize) {
        if bytes != self.0 {
            *self = Self::new(bytes);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        METER.with(|meter| meter.bytes.set(meter.bytes.get().saturating_sub(self.0)));
    }
}

/// So many levels of calls, entered; left when it is dropped.
pub(super) struct Level(u32);

impl Level {
    pub(super) fn enter(levels: u32) -> Result<Self, Exhausted> {
        METER.with(|meter| {
            let total = meter.levels.get() + levels;
            meter.levels.set(total);
            if total > LEVELS {
                run_out(meter, Exhausted::Levels);
            }
        });
        let level = Self(levels);
        check().map(|()| level)
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        METER.with(|meter| meter.levels.set(meter.levels.get().saturating_sub(self.0)));
    }
}
