//! Do workflows still do what their golden journals say, and do journals of every released format still replay?
//!
//! Each folder of `workflows/` has scripts and journals; so have `language/`, one folder
//! for each family of constructs, and `found/`, with what the simulator once found. The format of
//! scripts is described in `tests/kit/src/script.rs`. `UPDATE_GOLDEN=1 cargo test --test golden` rewrites journals.
//!
//! `journals/v<N>/` holds stored journals of format N. They are never rewritten: a format that changes gets a new folder,
//! which `STORE_JOURNALS=1 cargo test --test golden` fills from the scripts.

mod limits;

use std::path::{Path, PathBuf};

use anyhow::Result;
use sagabus_core::fact::Entry;
use sagabus_kit::{golden, stored};

#[test]
fn every_script_runs_as_its_golden_journal_says() -> Result<()> {
    golden::compare_all(&root().join("workflows"))
}

#[test]
fn every_construct_of_the_language_behaves_as_its_golden_journal_says() -> Result<()> {
    golden::compare_all(&root().join("tests/golden/language"))
}

#[test]
fn what_the_simulator_found_stays_right() -> Result<()> {
    golden::compare_all(&root().join("tests/golden/found"))
}

#[test]
fn stored_journals_replay_for_ever() -> Result<()> {
    let journals = root().join("tests/golden/journals");
    if std::env::var_os("STORE_JOURNALS").is_some() {
        stored::store_all(&root().join("workflows"), &journals.join(format!("v{}", Entry::VERSION)))?;
    }
    for version in 1..=Entry::VERSION {
        stored::replay_all(&journals.join(format!("v{version}")))?;
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}
