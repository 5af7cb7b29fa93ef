//! The filters that are not defined in jq: control of the evaluation, and the tables of the other native filters.

mod arrays;
mod codes;
mod json;
mod regexes;
mod strings;

use jaq_core::{
    Bind, Exn, RunPtr, ValXs,
    box_iter::box_once,
    data::JustLut,
    native::{self, Fun},
};

pub(super) use regexes::Regexes;

use super::{
    fuel::{self, Exhausted, Level},
    paths,
    value::{Error, Val, fail},
};

pub(super) type Data = JustLut<Val>;
pub(super) type Native = native::Filter<RunPtr<Data>>;

/// Every native filter that an expression may come to call.
pub(super) fn all() -> Vec<Fun<Data>> {
    let ours = [control(), arrays::all(), codes::all(), json::all(), regexes::all(), strings::all(), paths::all()];
    let mut all: Vec<Fun<Data>> = ours.into_iter().flatten().map(|native| native::run::<Data>(native)).collect();
    all.extend(paths::with_paths());
    all.extend(nests());
    // Names that jaq gives to what jq names otherwise, hidden behind ours.
    let renamed = |name| match name {
        "error_empty" => Some("__error"),
        "limit" => Some("__limit"),
        "skip" => Some("__skip"),
        "first" => Some("first"),
        _ => None,
    };
    let core = jaq_core::funs::<Data>().filter_map(|(name, args, filter)| Some((renamed(name)?, args, filter)));
    all.extend(core);
    let hidden = |name| match name {
        "strftime" => Some("__strftime"),
        "strptime" => Some("__strptime"),
        name => FROM_JAQ_STD.contains(&name).then_some(name),
    };
    let standard = jaq_std::extra_funs::<Data>();
    all.extend(standard.filter_map(|(name, args, filter)| Some((hidden(name)?, args, filter))));
    all
}

/// Native filters of jaq's standard library that are pure and agree with jq: mathematics, and time in UTC.
const FROM_JAQ_STD: &[&str] = &[
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "copysign",
    "cos",
    "cosh",
    "exp",
    "exp10",
    "exp2",
    "expm1",
    "fabs",
    "fdim",
    "fma",
    "fmax",
    "fmin",
    "fmod",
    "frexp",
    "gmtime",
    "hypot",
    "ilogb",
    "j0",
    "j1",
    "ldexp",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "mktime",
    "modf",
    "nearbyint",
    "nextafter",
    "pow",
    "remainder",
    "rint",
    "scalbln",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "tgamma",
    "trunc",
    "y0",
    "y1",
];

/// What a program that ran out of fuel raises: nothing catches it.
pub(super) fn stop<'a>(_: Exhausted) -> Exn<'a, Val> {
    Exn::halt(0)
}

/// One value or an error.
pub(super) fn answer<'a>(result: Result<Val, Error>) -> ValXs<'a, Val> {
    match fuel::check() {
        Ok(()) => box_once(result.map_err(Exn::from)),
        Err(what) => box_once(Err(stop(what))),
    }
}

/// So many arguments that are values.
pub(super) fn values(count: usize) -> Box<[Bind]> {
    vec![Bind::Var(()); count].into()
}

/// One argument that is a filter.
pub(super) fn filter() -> Box<[Bind]> {
    [Bind::Fun(())].into()
}

fn control() -> Vec<Native> {
    vec![
        ("null", values(0), |_| answer(Ok(Val::Null))),
        ("true", values(0), |_| answer(Ok(Val::Bool(true)))),
        ("false", values(0), |_| answer(Ok(Val::Bool(false)))),
        ("range", values(3), |mut cv| {
            let (by, upto, from) = (cv.0.pop_var(), cv.0.pop_var(), cv.0.pop_var());
            range(&from, &upto, &by)
        }),
    ]
}

/// Units of work that a number of a range takes besides a step.
const NUMBER: u64 = 150;

/// `range(from; upto; by)`: a step of fuel for each number.
fn range<'a>(from: &Val, upto: &Val, by: &Val) -> ValXs<'a, Val> {
    let (Some(_), Some(_), Some(step)) = (from.number(), upto.number(), by.number()) else {
        return answer(fail("Range bounds must be numeric"));
    };
    let (mut next, upto, by) = (from.clone(), upto.clone(), by.clone());
    let mut ended = false;
    Box::new(std::iter::from_fn(move || {
        let more = if step > 0.0 { next < upto } else { step < 0.0 && next > upto };
        if ended || !more {
            return None;
        }
        // What goes on for each number takes as long as the number.
        fuel::spend(NUMBER);
        if let Err(what) = fuel::step() {
            ended = true;
            return Some(Err(stop(what)));
        }
        let after = next.clone() + by.clone();
        let value = std::mem::replace(&mut next, Val::Null);
        match after {
            Ok(after) => next = after,
            Err(_) => ended = true,
        }
        Some(Ok(value))
    }))
}

/// `__tick` before the body of every definition, and `__nest_N(f)` around a call that is no tail call: `f` with N levels counted
/// while it runs.
fn nests() -> Vec<Fun<Data>> {
    let tick = jaq_core::Native::<Data>::new(|cv| match fuel::call() {
        Ok(()) => box_once(Ok(cv.1)),
        Err(what) => box_once(Err(stop(what))),
    })
    .with_paths(|cv| match fuel::call() {
        Ok(()) => box_once(Ok(cv.1)),
        Err(what) => box_once(Err(stop(what))),
    });
    vec![
        ("__tick", values(0), tick),
        ("__recurse", filter(), recurse()),
        ("__nest_4", filter(), nest::<4>()),
        ("__nest_8", filter(), nest::<8>()),
        ("__nest_16", filter(), nest::<16>()),
        ("__nest_64", filter(), nest::<64>()),
        ("__nest_256", filter(), nest::<256>()),
    ]
}

/// The name of the smallest nest that counts at least so many levels, and two for the call itself.
pub(super) fn nest_for(levels: u32) -> &'static str {
    match levels {
        0..=2 => "__nest_4",
        3..=6 => "__nest_8",
        7..=14 => "__nest_16",
        15..=62 => "__nest_64",
        _ => "__nest_256",
    }
}

/// Units of work that a value of `..` takes for each level that it may be handed up through.
const RECURSE: u64 = 12;

/// `__recurse(..)`: the values of `..`, each of which costs as much as the input has levels.
fn recurse() -> jaq_core::Native<Data> {
    jaq_core::Native::<Data>::new(|mut cv| {
        let (filter, context) = cv.0.pop_fun();
        let units = RECURSE * u64::from(cv.1.height());
        Box::new(filter.run((context, cv.1)).inspect(move |_| fuel::spend(units)))
    })
    .with_paths(|mut cv| {
        let (filter, context) = cv.0.pop_fun();
        let units = RECURSE * u64::from(cv.1.0.height());
        Box::new(filter.paths((context, cv.1)).inspect(move |_| fuel::spend(units)))
    })
}

fn nest<const LEVELS: u32>() -> jaq_core::Native<Data> {
    jaq_core::Native::<Data>::new(|mut cv| {
        let (filter, context) = cv.0.pop_fun();
        Nest::<LEVELS, _>::start(|| filter.run((context, cv.1)))
    })
    .with_paths(|mut cv| {
        let (filter, context) = cv.0.pop_fun();
        Nest::<LEVELS, _>::start(|| filter.paths((context, cv.1)))
    })
}

/// Units of work that entering a nested call takes, besides what it does.
const NEST: u64 = 200;

/// A stream that runs some levels below its caller.
struct Nest<'a, const LEVELS: u32, T>(Option<ValXs<'a, T, Val>>);

impl<'a, const LEVELS: u32, T: 'a> Nest<'a, LEVELS, T> {
    fn start(run: impl FnOnce() -> ValXs<'a, T, Val>) -> ValXs<'a, T, Val> {
        fuel::spend(NEST);
        match Level::enter(LEVELS) {
            Ok(_level) => Box::new(Self(Some(deep(run)))),
            Err(what) => box_once(Err(stop(what))),
        }
    }
}

impl<'a, const LEVELS: u32, T> Iterator for Nest<'a, LEVELS, T> {
    type Item = Result<T, Exn<'a, Val>>;

    fn next(&mut self) -> Option<Self::Item> {
        let stream = self.0.as_mut()?;
        match Level::enter(LEVELS) {
            Ok(_level) => deep(|| stream.next()),
            Err(what) => {
                self.0 = None;
                Some(Err(stop(what)))
            }
        }
    }

    // The evaluator treats a stream of at most one value much faster.
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.as_ref().map_or((0, Some(0)), |stream| stream.size_hint())
    }
}

impl<const LEVELS: u32, T> Drop for Nest<'_, LEVELS, T> {
    fn drop(&mut self) {
        let stream = self.0.take();
        // Streams hold each other as deep as they were called.
        deep(|| drop(stream));
    }
}

/// Stack that a part of an expression between two nested calls may use.
pub(super) const RED_ZONE: usize = 512 << 10;
/// Stack that is added when less than the red zone is left.
const STACK: usize = 4 << 20;

/// Runs with enough stack for what lies between two nested calls, however deep those are.
pub(super) fn deep<T>(run: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(RED_ZONE, STACK, run)
}
