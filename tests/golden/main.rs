//! Do the workflows still do what their golden journals say? Each folder of `workflows/` has scripts and journals; the
//! format of scripts is described in `tests/kit/src/script.rs`. `UPDATE_GOLDEN=1 cargo test --test golden` rewrites journals.

use std::path::Path;

#[test]
fn every_script_runs_as_its_golden_journal_says() -> anyhow::Result<()> {
    sagabus_kit::golden::compare_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows"))
}
