//! One seed, one world: random workflows, third parties with a character, and faults, run to the end of all instances.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result};
use sagabus_core::{
    cause::{EffectState, Outcome},
    effect::Attempt,
    id::CallId,
    problem::{Problem, Standard},
};
use serde_json::{Value, json};

use crate::{
    golden,
    grammar::{self, EVENT_TYPES},
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
    let workflows = workflows(&mut random.branch());
    let faults = Faults::swarm(&mut random.branch(), BEGINNING.plus_ms(FAULTY_MS));
    let mut world = World::new(seed, faults, Box::new(Party::new(random.branch())));
    match populate(&mut world, &mut random, &workflows).and_then(|()| world.run()) {
        Ok(()) => Ok(world),
        Err(error) => {
            let journals = golden::render(&world).unwrap_or_else(|unreadable| format!("{unreadable:#}"));
            Err(Box::new(Failure { seed, error, workflows, journals }))
        }
    }
}

/// A sub-flow that calls nothing, one that may call the first, and one or two that people start.
fn workflows(random: &mut Random) -> Vec<String> {
    vec![
        grammar::workflow(random, "leaf", &[]),
        grammar::workflow(random, "branch", &["leaf"]),
        grammar::workflow(random, "main", &["leaf", "branch"]),
    ]
}

fn populate(world: &mut World, random: &mut Random, workflows: &[String]) -> Result<()> {
    let mut names = Vec::new();
    for source in workflows {
        names.push(world.deploy(source).context("a random workflow does not compile")?);
    }
    world.must_end_by(BEGINNING.plus_ms(FAULTY_MS + SETTLES_WITHIN_MS));
    world.tide(&EVENT_TYPES, 7_000);
    for number in 0..=random.below(3) {
        let name = if number == 0 { names.last() } else { Some(random.pick(&names)) };
        let name = name.context("a world has workflows")?;
        let instance = world.start(name, json!({ "n": random.below(5) }), &format!("key-{number}"))?;
        if random.per_mille(100) {
            world.cancel_after(random.below(120_000), instance, "simulated");
        }
    }
    Ok(())
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
        write!(f, "seed {} (cargo sim -- {}): {:#}", self.seed, self.seed, self.error)
    }
}
