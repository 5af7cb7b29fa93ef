//! Fuel: the steps and bytes that one evaluation may use, counted so that it ends at the same place on every replay.
//!
//! An evaluation runs on one thread from start to end, so the counts are the thread's: values can count where they are
//! made and dropped, without every operator being handed a meter. `begin` starts them afresh. Running out is sticky: whatever
//! a program catches afterwards, the next `check` ends it, and the evaluation ends in an error.

use std::cell::Cell;

/// Work of one evaluation, in units. A unit is about what a nanosecond does in a release build, and what costs how much is
/// charged so that a tenth of a second is the aim: the promise is a quarter.
pub(super) const WORK: u64 = 100_000_000;

/// A call of a definition, or as much syntax as one has.
const CALL: u64 = 1_000;
/// A value that is iterated over, collected, parsed or written.
const STEP: u64 = 120;
/// A value that is compared with another, or found by a key.
pub(super) const COMPARE: u64 = 20;
/// A text, array or object that is allocated, and freed.
const ALLOCATION: u64 = 100;
/// Bytes that are copied for one unit, the first touch of new memory included.
const COPIED: usize = 4;

/// Bytes of values alive at one time. What the evaluator keeps of every call that is not finished, about 450 bytes, comes on top:
/// of as many calls as there is work for, 45 MiB. So an evaluation stays below 64 MiB, and many can run beside each other.
pub(super) const BYTES: usize = 16 << 20;

/// Levels of calls inside calls: at least four a call, more for one deep inside its definition. Stack and evaluator take up to
/// about ten KiB a level.
pub(super) const LEVELS: u32 = 4_000;

/// Levels of arrays and objects inside each other, within an evaluation: walks over a value recurse that deep.
pub(super) const HEIGHT: u32 = 512;

/// What ran out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exhausted {
    Work,
    Bytes,
    Levels,
    Height,
}

impl Exhausted {
    pub(super) fn text(self) -> String {
        match self {
            Self::Work => "the expression took more work than it may: it may never end".to_owned(),
            Self::Bytes => format!("the expression built values of more than {} MiB", BYTES >> 20),
            Self::Levels => format!("the expression called itself more than {LEVELS} levels deep"),
            Self::Height => format!("the expression nested arrays and objects more than {HEIGHT} levels deep"),
        }
    }
}

struct Meter {
    work: Cell<u64>,
    bytes: Cell<usize>,
    levels: Cell<u32>,
    exhausted: Cell<Option<Exhausted>>,
}

thread_local! {
    static METER: Meter = const {
        Meter { work: Cell::new(0), bytes: Cell::new(0), levels: Cell::new(0), exhausted: Cell::new(None) }
    };
}

/// Starts the counts afresh. No value of an earlier evaluation is alive.
pub(super) fn begin() {
    METER.with(|meter| {
        meter.work.set(0);
        meter.bytes.set(0);
        meter.levels.set(0);
        meter.exhausted.set(None);
    });
}

/// Whether anything ran out since `begin`.
pub(super) fn check() -> Result<(), Exhausted> {
    METER.with(|meter| meter.exhausted.get()).map_or(Ok(()), Err)
}

/// Counts units of work without stopping: for places that cannot fail, and are followed by one that can.
pub(super) fn spend(units: u64) {
    METER.with(|meter| {
        let total = meter.work.get().saturating_add(units);
        meter.work.set(total);
        if total > WORK {
            run_out(meter, Exhausted::Work);
        }
    });
}

/// Counts a call.
pub(super) fn call() -> Result<(), Exhausted> {
    spend(CALL);
    check()
}

/// Counts a comparison of two values.
pub(super) fn compared() -> Result<(), Exhausted> {
    spend(COMPARE);
    check()
}

/// Counts a value that is gone over.
pub(super) fn step() -> Result<(), Exhausted> {
    spend(STEP);
    check()
}

/// Counts so many values that are gone over.
pub(super) fn steps(values: usize) -> Result<(), Exhausted> {
    spend(STEP.saturating_mul(values as u64));
    check()
}

/// Counts bytes, or whatever takes about a nanosecond, that are looked at one by one.
pub(super) fn look(bytes: usize) -> Result<(), Exhausted> {
    spend(bytes as u64);
    check()
}

/// Counts bytes that are copied or compared many at a time.
pub(super) fn copy(bytes: usize) -> Result<(), Exhausted> {
    spend((bytes / COPIED) as u64);
    check()
}

/// Asks for room before so many bytes are allocated.
pub(super) fn room(bytes: usize) -> Result<(), Exhausted> {
    spend((bytes / COPIED) as u64);
    fits(bytes)
}

/// Whether there is room for so many bytes more, at no cost.
pub(super) fn fits(bytes: usize) -> Result<(), Exhausted> {
    METER.with(|meter| {
        if meter.bytes.get().saturating_add(bytes) > BYTES {
            run_out(meter, Exhausted::Bytes);
        }
    });
    check()
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
        spend(ALLOCATION);
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
