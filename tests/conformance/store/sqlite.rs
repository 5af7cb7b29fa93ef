//! What is SQLite's own: its plans, its schema's version, its full disk.

use std::{path::Path, process::Command};

use sagabus_core::{cause::TimerPurpose, effect::Effect};
use sagabus_driver_sql::{Access, open};
use sagabus_ports::{Kind, Retry, Verdict};
use sqlx::Connection as _;

use super::{Place as _, SqlPlace as _, SqliteFile};
use crate::fixtures::{at, batch, instance, start, step, timer, with};

/// With 100,000 timers: the index answers, so the number of rows does not matter.
#[tokio::test]
async fn due_timers_are_found_by_index() -> anyhow::Result<()> {
    let place = SqliteFile::new()?;
    let store = place.open(Access::Own).await?;
    let timers = |n: u128| {
        let due = |execution: u32| at(i64::from(execution % 1000) + i64::try_from(n).unwrap_or(0));
        (0..1000).map(|e| Effect::SetTimer { timer: timer(e, TimerPurpose::Wait), due: due(e) }).collect()
    };
    store.commit(batch((1..=100).map(|n| with(start(n), timers(n))).collect())).await?;
    let (due, next) = store.due(at(3), 10).await?;
    assert_eq!((due.len(), next), (6, Some(at(4))));

    let query = "SELECT instance, execution, purpose, due
                   FROM (SELECT * FROM timer WHERE due <= '2026' ORDER BY due, instance, execution, purpose LIMIT 10)
                 UNION ALL
                 SELECT instance, execution, purpose, due
                   FROM (SELECT * FROM timer WHERE due > '2026' ORDER BY due LIMIT 1)";
    require_plan(&place, query, &["USING COVERING INDEX timer_due"]).await
}

#[tokio::test]
async fn people_who_ask_for_one_instance_do_not_scan_all() -> anyhow::Result<()> {
    let place = SqliteFile::new()?;
    place.open(Access::Own).await?;
    let by_instance = ["instance_tasks", "calls", "instances", "timers", "journal"];
    for view in by_instance {
        require_plan(&place, &format!("SELECT * FROM {view} WHERE instance_id = 'x'"), &[]).await?;
    }
    require_plan(&place, "SELECT * FROM retry_queue ORDER BY next_attempt_at LIMIT 9", &["INDEX call_retrying"])
        .await?;
    let outstanding = "SELECT * FROM call WHERE status = 'outstanding' AND id > 'x' ORDER BY id LIMIT 9";
    require_plan(&place, outstanding, &["INDEX call_outstanding"]).await?;
    let listeners = "SELECT DISTINCT instance FROM subscription WHERE type IN ('x', '') ORDER BY instance";
    require_plan(&place, listeners, &["INDEX subscription_type"]).await
}

/// That the plan of a query has these words, sorts no table and scans none but for an index that it names.
async fn require_plan(place: &SqliteFile, query: &str, words: &[&str]) -> anyhow::Result<()> {
    let plan = place.select(&format!("EXPLAIN QUERY PLAN {query}")).await?;
    let steps: Vec<String> =
        plan.into_iter().filter_map(|row| row.into_iter().next_back()).map(|(_, step)| step).collect();
    const TABLES: [&str; 6] = ["instance", "entry", "call", "timer", "subscription", "i"];
    for word in words {
        assert!(steps.iter().any(|step| step.contains(word)), "no `{word}`: {steps:#?}");
    }
    let scans = |step: &&String| {
        let table = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        TABLES.contains(&table) && !step.contains("INDEX")
    };
    assert_eq!(steps.iter().find(scans), None, "{query}: {steps:#?}");
    Ok(())
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_refused() -> anyhow::Result<()> {
    let place = SqliteFile::new()?;
    drop(place.open(Access::Own).await?);
    sqlx::query("PRAGMA user_version = 999").execute(&mut place.connect().await?).await?;
    for access in [Access::Own, Access::Write, Access::Read] {
        let error = place.open(access).await.err().expect("version 999 is not known");
        assert_eq!((error.kind, error.retry), (Kind::Corrupt, Retry::Never));
        assert!(error.to_string().contains("use a newer sagabus"), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() -> anyhow::Result<()> {
    let place = SqliteFile::new()?;
    let url = format!("sqlite:{}?mode=rwc", place.path().display());
    let mut theirs = sqlx::SqliteConnection::connect(&url).await?;
    sqlx::query("CREATE TABLE theirs (x)").execute(&mut theirs).await?;
    let error = place.open(Access::Own).await.err().expect("it is not ours");
    assert_eq!(error.kind, Kind::Corrupt, "{error}");
    std::fs::write(place.folder.path().join("text.db"), "this is no database, but a text that is long enough for one")?;
    let url = format!("sqlite:{}", place.folder.path().join("text.db").display());
    assert_eq!(open(&url, Access::Own).await.err().map(|error| error.kind), Some(Kind::Corrupt));
    Ok(())
}

#[tokio::test]
async fn urls_that_name_no_store_are_refused() {
    for (url, word) in [
        ("postgres://user:hunter2@host/db", "postgres:"),
        ("sagabus.db", "sqlite:PATH"),
        ("sqlite:", "names no file"),
        ("sqlite:///nowhere/at/all/store.db", "/nowhere/at/all/store.db"),
    ] {
        let error = open(url, Access::Own).await.err().expect("no store can be there").to_string();
        assert!(error.contains(word) && !error.contains("hunter2"), "{error}");
    }
    let error = open("sqlite::memory:", Access::Read).await.err().expect("there is none to read");
    assert_eq!(error.kind, Kind::Invalid, "{error}");
}

/// A small file system of its own, which may be filled.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where we may not mount.
    fn new() -> anyhow::Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(folder.path()).output();
        Ok(mount.is_ok_and(|output| output.status.success()).then_some(Self(folder)))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What is still open keeps it busy for a moment; a lazy unmount waits for that by itself.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_passes() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::new()? else {
        eprintln!("SKIPPED: a_full_disk_loses_nothing_and_passes needs the right to mount a tmpfs");
        return Ok(());
    };
    let url = format!("sqlite:{}", disk.path().join("store.db").display());
    std::fs::write(disk.path().join("ballast"), vec![0; 512 * 1024])?;
    let store = open(&url, Access::Own).await?;
    let mut committed = 0;
    let error = loop {
        match store.commit(batch(vec![start(committed + 1)])).await {
            Ok(verdicts) => assert_eq!(verdicts, [Verdict::Committed]),
            Err(error) => break error,
        }
        committed += 1;
        assert!(committed < 100_000, "the disk does not get full");
    };
    assert_eq!((error.kind, error.retry), (Kind::Full, Retry::Later), "{error}");
    assert!(committed > 0, "the disk was full from the beginning");

    let all: Vec<_> = (1..=committed).map(instance).collect();
    assert!(store.load(&all).await?.iter().all(Option::is_some), "what was committed is there");
    assert_eq!(store.load(&[instance(committed + 1)]).await?, [None]);
    // There is room again: the same store goes on, with what it was refused and with new steps.
    std::fs::remove_file(disk.path().join("ballast"))?;
    assert_eq!(
        store.commit(batch(vec![start(committed + 1), step(1, 1)])).await?,
        [Verdict::Committed, Verdict::Committed]
    );
    drop(store);
    let store = open(&url, Access::Own).await?;
    assert!(store.load(&all).await?.iter().all(Option::is_some), "what was committed is there after reopening");
    Ok(())
}
