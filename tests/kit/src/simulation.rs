//! One seed, one world: random workflows, third parties with a character, and faults, run to the end of all instances.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use anyhow::{Context, Result, ensure};
use sagabus_core::{
    cause::{EffectState, Outcome},
    effect::Attempt,
    id::{CallId, InstanceId, WorkflowName},
    problem::{Problem, Standard},
    report::Report,
};
use serde_json::{Value, json};

use crate::{
    golden,
    grammar::{self, EVENT_TYPES, Words},
    random::Random,
    world::{BEGINNING, Faults, Reaction, ThirdParty, World},
};

/// For how long faults strike.
const FAULTY_MS: u64 = 10 * 60_000;

/// How long after the faults everything must have ended. Waits, retries and slow answers within the loops that the grammar
/// allows add up to minutes; what the bus forgot is found again within half a minute each time.
const SETTLES_WITHIN_MS: u64 = 6 * 3_600_000;

/// Why a seed failed, with what is needed to look into it.
#[derive(Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What was broken.
    pub error: anyhow::Error,
    /// The workflows of the world as YAML.
    pub workflows: Vec<String>,
    /// The journals up to there.
    pub journals: String,
}

/// Runs a seed to its end.
///
/// # Errors
/// A promise was broken.
pub fn simulate(seed: u64) -> Result<World, Box<Failure>> {
    let mut random = Random::new(seed);
    let workflows = workflows(&mut random.branch(), Words::All);
    let faults = Faults::swarm(&mut random.branch(), BEGINNING.plus_ms(FAULTY_MS));
    let mut world = World::new(seed, faults, Box::new(Party::new(random.branch())));
    let done = populate(&mut world, &mut random, &workflows).and_then(|()| world.run());
    finished(seed, done, world, workflows)
}

/// Runs a seed's timeless workflows twice, in a world full of faults and in one without any, and compares what came of them.
/// Gives back the world with the faults.
///
/// # Errors
/// A promise was broken, or the faults changed a result.
pub fn compare(seed: u64) -> Result<World, Box<Failure>> {
    let mut random = Random::new(seed);
    let workflows = workflows(&mut random.branch(), Words::Timeless);
    let faults = Faults::swarm(&mut random.branch(), BEGINNING.plus_ms(FAULTY_MS));
    let run = |faults| {
        let mut world = World::new(seed, faults, Box::new(Oracle));
        world.must_end_by(BEGINNING.plus_ms(FAULTY_MS + SETTLES_WITHIN_MS));
        let mut start = || {
            let names = deploy(&mut world, &workflows)?;
            world.start(names.last().context("a world has workflows")?, json!({ "n": 1 }), "key", None)?;
            world.run()
        };
        let done = start();
        finished(seed, done, world, workflows.clone())
    };
    let (calm, faulty) = (run(Faults::none())?, run(faults)?);
    let done = results(&calm).and_then(|calm| {
        let faulty = results(&faulty)?;
        ensure!(calm == faulty, "faults changed a result:\n{calm:?}\nwithout, and with them\n{faulty:?}");
        Ok(())
    });
    finished(seed, done, faulty, workflows)
}

/// What came of each instance, and the requests that third parties got, each once.
type Results = (BTreeMap<InstanceId, (String, Option<Value>, Option<Problem>)>, BTreeSet<(CallId, u32)>);

fn results(world: &World) -> Result<Results> {
    let mut instances = BTreeMap::new();
    for record in &world.rows().instances {
        let report = Report::of(&world.rows().journal(record.id)?).context("an instance has a report")?;
        instances.insert(record.id, (report.status, report.output, report.error));
    }
    Ok((instances, world.requests().iter().map(|request| (request.call, request.attempt)).collect()))
}

fn finished(seed: u64, done: Result<()>, world: World, workflows: Vec<String>) -> Result<World, Box<Failure>> {
    match done {
        Ok(()) => Ok(world),
        Err(error) => {
            let journals = golden::render(&world).unwrap_or_else(|unreadable| format!("{unreadable:#}"));
            Err(Box::new(Failure { seed, error, workflows, journals }))
        }
    }
}

/// A sub-flow that runs no other, one that may run the first, and one that may run both.
fn workflows(random: &mut Random, words: Words) -> Vec<String> {
    vec![
        grammar::workflow(random, "leaf", &[], words),
        grammar::workflow(random, "branch", &["leaf"], words),
        grammar::workflow(random, "main", &["leaf", "branch"], words),
    ]
}

fn populate(world: &mut World, random: &mut Random, workflows: &[String]) -> Result<()> {
    let names = deploy(world, workflows)?;
    world.must_end_by(BEGINNING.plus_ms(FAULTY_MS + SETTLES_WITHIN_MS));
    world.tide(&EVENT_TYPES, 7_000);
    for number in 0..=random.below(3) {
        let name = if number == 0 { names.last() } else { Some(random.pick(&names)) };
        let name = name.context("a world has workflows")?;
        let limit_ms = random.per_mille(100).then(|| random.below(60_000));
        let instance = world.start(name, json!({ "n": random.below(5) }), &format!("key-{number}"), limit_ms)?;
        if random.per_mille(100) {
            world.cancel_after(random.below(120_000), instance, "simulated");
        }
    }
    Ok(())
}

fn deploy(world: &mut World, workflows: &[String]) -> Result<Vec<WorkflowName>> {
    workflows.iter().map(|source| world.deploy(source).context("a random workflow does not compile")).collect()
}

/// A third party whose answer depends on nothing but key and attempt.
#[derive(Debug)]
struct Oracle;

impl ThirdParty for Oracle {
    fn react(&mut self, attempt: &Attempt) -> Result<Reaction> {
        let mut random = Random::new(attempt.call.0.as_u64_pair().0 ^ u64::from(attempt.attempt));
        let after_ms = random.below(2_000);
        let outcome = match attempt.function.as_str() {
            "shaky" if random.per_mille(500) => Party::fail(503, EffectState::Unknown),
            "strict" if random.per_mille(250) => Party::fail(400, EffectState::None),
            _ => Outcome::Done { output: json!({ "by": attempt.reference, "given": attempt.arguments }) },
        };
        Ok(Reaction::Reply { outcome, after_ms })
    }
}

/// A third party that honours idempotency keys, and fails as its functions say.
#[derive(Debug)]
struct Party {
    random: Random,
    /// What was done, by idempotency key.
    done: BTreeMap<CallId, Value>,
}

impl Party {
    fn new(random: Random) -> Self {
        Self { random, done: BTreeMap::new() }
    }

    fn carry_out(&mut self, attempt: &Attempt) -> Outcome {
        let output = json!({ "by": attempt.reference, "given": attempt.arguments });
        Outcome::Done { output: self.done.entry(attempt.call).or_insert(output).clone() }
    }

    fn fail(status: u16, effect: EffectState) -> Outcome {
        let error = Problem::standard(Standard::Communication, "simulated").with_status(status);
        Outcome::Failed { error, effect }
    }
}

impl ThirdParty for Party {
    fn react(&mut self, attempt: &Attempt) -> Result<Reaction> {
        let usual_ms = self.random.below(300);
        let after_ms = if attempt.function == "slow" { self.random.below(20_000) } else { usual_ms };
        if self.done.contains_key(&attempt.call) {
            return Ok(Reaction::Reply { outcome: self.carry_out(attempt), after_ms });
        }
        let outcome = match attempt.function.as_str() {
            "shaky" if self.random.per_mille(500) => {
                // An error whose effect is unknown: half of the time it was done all the same.
                if self.random.per_mille(500) {
                    self.carry_out(attempt);
                }
                Self::fail(503, EffectState::Unknown)
            }
            "strict" if self.random.per_mille(250) => Self::fail(400, EffectState::None),
            _ => self.carry_out(attempt),
        };
        Ok(Reaction::Reply { outcome, after_ms })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} (cargo sim {}): {:#}", self.seed, self.seed, self.error)
    }
}
