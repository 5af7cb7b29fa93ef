//! `cargo sim SEED`: replays one seed of the simulator and tells all about it.

use std::io::Write as _;

use anyhow::{Context, Result, bail};
use sagabus_kit::{golden, simulation::simulate};

fn main() -> Result<()> {
    let seed = std::env::args().skip(1).find(|argument| argument != "--").context("usage: cargo sim SEED")?;
    let seed = seed.parse().with_context(|| format!("`{seed}` is not a seed, which is a whole number"))?;
    let mut out = std::io::stdout().lock();
    match simulate(seed) {
        Ok(world) => {
            for record in &world.rows().instances {
                if let Some(source) = world.plans().source(&record.digest) {
                    writeln!(out, "# {} runs\n{source}", record.id)?;
                }
            }
            writeln!(out, "{}", golden::render(&world)?)?;
            for (what, times) in world.counters().iter() {
                writeln!(out, "{times:>7} {what}")?;
            }
            writeln!(out, "fingerprint {:016x}", world.fingerprint())?;
            Ok(())
        }
        Err(failure) => {
            writeln!(out, "{}\n{}", failure.workflows.join("---\n"), failure.journals)?;
            bail!("{failure}")
        }
    }
}
