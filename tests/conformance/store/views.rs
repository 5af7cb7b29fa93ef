//! What people read with SQL: the views that `docs/store.md` promises.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use sagabus_core::{
    cause::{EffectState, TimerPurpose},
    effect::{CallStatus, Effect},
    fact::{EndStatus, Fact, TaskStarted},
    id::{Digest, ExecutionId},
    instance::Status,
    plan::TaskId,
    report::Report,
};
use sagabus_driver_sql::Access;
use sagabus_ports::{Change, Deployment, InstanceRow, Store};

use super::SqlPlace;
use crate::fixtures::{at, attempt, batch, call, problem, settle, start, step, timer, with, workflow};

fn began(execution: u32, parent: u32, name: &str, kind: &str) -> Fact {
    Fact::TaskStarted(TaskStarted {
        execution: ExecutionId(execution),
        parent: ExecutionId(parent),
        task: TaskId(0),
        reference: format!("/do/0/{name}").into(),
        name: name.into(),
        kind: kind.into(),
        branch: None,
        visit: 0,
        raw: None,
        input: None,
        deadline: None,
    })
}

fn called(attempt: u32) -> Fact {
    Fact::Called { execution: ExecutionId(2), call: call(1), attempt, detached: false }
}

/// Tasks of every status, in several steps of instance 1.
fn tasks() -> Vec<Change> {
    let (block, charge, pause) = (ExecutionId(1), ExecutionId(2), ExecutionId(3));
    let failed =
        Fact::CallFailed { execution: charge, call: call(1), attempt: 1, error: problem(), effect: EffectState::None };
    let steps = vec![
        vec![
            Fact::TaskSkipped {
                parent: ExecutionId(0),
                task: TaskId(0),
                reference: "/do/0/maybe".into(),
                name: "maybe".into(),
                kind: "call".into(),
                branch: None,
            },
            began(1, 0, "block", "try"),
            began(2, 1, "charge", "call"),
            called(1),
        ],
        vec![
            failed,
            Fact::TaskFaulted { execution: charge, error: problem() },
            Fact::Retrying { execution: block, retry: 1, due: at(60), call: Some(call(1)) },
        ],
        vec![Fact::Retried { execution: block }, began(3, 1, "pause", "wait"), began(4, 1, "more", "call")],
        vec![Fact::TaskCompleted { execution: pause, output: None, context: None }],
        vec![Fact::TaskCancelled { execution: ExecutionId(4) }, began(5, 1, "last", "listen")],
    ];
    let mut changes = vec![start(1)];
    for (facts, seq) in steps.into_iter().zip(1..) {
        let mut change = step(1, seq);
        change.entry.facts = facts;
        changes.push(change);
    }
    changes
}

async fn commit_all(store: &dyn Store, changes: Vec<Change>) -> anyhow::Result<()> {
    for change in changes {
        assert_eq!(store.commit(batch(vec![change])).await?, [sagabus_ports::Verdict::Committed]);
    }
    Ok(())
}

pub(crate) async fn tasks_are_one_row_for_each_execution(place: &dyn SqlPlace) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    commit_all(&*store, tasks()).await?;
    let rows = place.select("SELECT execution, parent, name, status FROM instance_tasks ORDER BY place").await?;
    let rows: Vec<_> = rows.iter().map(|row| row.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>()).collect();
    let expected = [
        ["NULL", "0", "maybe", "skipped"],
        ["1", "0", "block", "running"],
        ["2", "1", "charge", "faulted"],
        ["3", "1", "pause", "completed"],
        ["4", "1", "more", "cancelled"],
        ["5", "1", "last", "waiting"],
    ];
    assert_eq!(rows, expected);
    Ok(())
}

/// After every step: the view and the report are two tellings of one journal.
pub(crate) async fn tasks_agree_with_the_report(place: &dyn SqlPlace) -> anyhow::Result<()> {
    let store = place.open(Access::Own).await?;
    let mut entries = Vec::new();
    for change in tasks() {
        entries.push(change.entry.clone());
        commit_all(&*store, vec![change]).await?;
        let report = Report::of(&entries).ok_or_else(|| anyhow::anyhow!("the journal begins with a start"))?;
        let told = report.tasks.into_iter().map(|task| {
            let time = |time: Option<_>| {
                time.map_or("NULL".to_owned(), |time: sagabus_core::time::Timestamp| time.to_string())
            };
            let error = task.error.map_or("NULL".to_owned(), |error| serde_json::json!(error).to_string());
            let times = [time(Some(task.started_at)), time(task.ended_at)];
            let [started_at, ended_at] = times;
            [task.name, task.reference, task.kind, task.status, task.attempts.to_string(), started_at, ended_at, error]
        });
        let rows = place
            .select(
                "SELECT name, reference, kind, status, attempts, started_at, ended_at, error
                   FROM instance_tasks ORDER BY place",
            )
            .await?;
        let rows: Vec<Vec<String>> =
            rows.into_iter().map(|row| row.into_iter().map(|(_, text)| text).collect()).collect();
        assert_eq!(rows, told.map(Vec::from).collect::<Vec<_>>(), "after entry {}", entries.len());
    }
    Ok(())
}

/// A store in which every view has rows.
async fn furnish(store: &dyn Store) -> anyhow::Result<()> {
    let mut faulted = step(2, 1);
    faulted.entry.facts = vec![Fact::Ended { status: EndStatus::Faulted, output: None, error: Some(problem()) }];
    faulted.row = InstanceRow { status: Status::Faulted, output: None, error: Some(problem()), ended_at: Some(at(2)) };
    let effects = vec![
        Effect::Dispatch(attempt(1, 1, 1)),
        Effect::Dispatch(attempt(1, 2, 1)),
        settle(1, 1, CallStatus::Retrying),
        Effect::SetTimer { timer: timer(1, TimerPurpose::Retry), due: at(60) },
    ];
    let mut changes = tasks();
    let last = changes.pop().map(|change| with(change, effects));
    changes.extend(last);
    if let Some(new) = changes.first_mut().and_then(|first| first.new.as_mut()) {
        new.started_at = at(1);
    }
    changes.extend([start(2), faulted]);
    commit_all(store, changes).await?;
    let (digest, source) = (Digest::of(b"source"), "document: {}".to_owned());
    store.deploy(Deployment { name: workflow(), digest, source, deployed_at: at(0) }).await?;
    Ok(())
}

/// What a section of `docs/store.md` says of a view.
struct Section {
    columns: BTreeSet<String>,
    queries: Vec<String>,
}

/// The sections of `docs/store.md`, by view.
fn documented() -> anyhow::Result<BTreeMap<String, Section>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/store.md"))?;
    let sections = text.split("\n## ").skip(1).map(|section| {
        let view = section.lines().next().unwrap_or_default().to_owned();
        let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let columns = cells.map(|(column, _)| column.to_owned()).collect();
        let blocks = section.split("```sql\n").skip(1).filter_map(|block| block.split_once("```"));
        (view, Section { columns, queries: blocks.map(|(query, _)| query.to_owned()).collect() })
    });
    Ok(sections.collect())
}

pub(crate) async fn documented_queries_answer(place: &dyn SqlPlace) -> anyhow::Result<()> {
    furnish(&*place.open(Access::Own).await?).await?;
    for (view, Section { queries, .. }) in documented()? {
        assert!(!queries.is_empty(), "`{view}` has no example");
        for query in queries {
            assert!(!place.select(&query).await?.is_empty(), "no rows: {query}");
        }
    }
    Ok(())
}

pub(crate) async fn every_column_is_documented(place: &dyn SqlPlace) -> anyhow::Result<()> {
    furnish(&*place.open(Access::Own).await?).await?;
    let documented = documented()?;
    let views = place.select("SELECT name FROM sqlite_schema WHERE type = 'view'").await?;
    let views: BTreeSet<String> = views.into_iter().flatten().map(|(_, name)| name).collect();
    assert_eq!(documented.keys().cloned().collect::<BTreeSet<_>>(), views);
    for (view, Section { columns, .. }) in documented {
        let rows = place.select(&format!("SELECT * FROM {view}")).await?;
        let stored: BTreeSet<String> = rows.into_iter().flatten().map(|(column, _)| column).collect();
        assert_eq!(columns, stored, "{view}");
    }
    Ok(())
}
