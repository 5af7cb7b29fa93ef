//! `instances`: what there is, and one instance's journal. Reads the database, so that nobody has to serve it.

use std::path::Path;

use sagabus_core::{id::InstanceId, instance::Status, report::Report, time::Timestamp};
use sagabus_driver_sql::Access;
use sagabus_ports::{Filter, ListedInstance};

use crate::{
    arguments::{ListInstances, ShowInstance},
    compose,
    exit::{Exit, Refused},
    lookup::Wanted,
    print,
    settings::Settings,
};

/// Lists instances, newest first.
pub(crate) async fn list(list: ListInstances, config: Option<&Path>) -> Result<Exit, Refused> {
    let filter = filter(&list)?;
    let url = Settings::read(config, None)?.database(list.database.db.as_deref());
    let found = compose::open(&url, Access::Read).await?.list(filter).await?;
    if list.json {
        print::json(&found);
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    print::rows(&["ID", "WORKFLOW", "STATUS", "STARTED", "ENDED", "KEY", "ERROR"], &rows);
    if let Some(last) = found.last()
        && u32::try_from(found.len()).is_ok_and(|length| length == list.limit)
    {
        print::note(&format!("these are {}; the next ones: --before {}", list.limit, last.id));
    }
    Ok(Exit::Done)
}

/// Tells one instance's journal.
pub(crate) async fn show(show: ShowInstance, config: Option<&Path>) -> Result<Exit, Refused> {
    let id = parse(&show.id)?;
    let url = Settings::read(config, None)?.database(show.database.db.as_deref());
    let store = compose::open(&url, Access::Read).await?;
    let Some(report) = sagabus_engine::read_report(&*store, id).await? else {
        return Err(Refused::wrong(format!(
            "there is no instance {id} in {url}; `sagabus instances list` shows what is"
        )));
    };
    if show.json {
        print::json(&report);
    } else {
        tell(&report);
    }
    Ok(Exit::Done)
}

/// Tells a report: the instance's properties, then its tasks.
pub(crate) fn tell(report: &Report) {
    let mut properties = vec![
        ("instance", report.id.to_string()),
        ("workflow", report.workflow.to_string()),
        ("key", report.key.clone()),
        ("status", report.status.clone()),
        ("rollback", report.rollback.clone()),
        ("started", report.started_at.to_string()),
        ("ended", time(report.ended_at)),
    ];
    properties.extend(report.output.as_ref().map(|output| ("output", output.to_string())));
    properties.extend(report.error.as_ref().map(|error| ("error", print::problem(error))));
    for (name, value) in properties {
        print::data(&format!("{name}\t{}", print::printable(&value)));
    }
    print::data("");
    let rows: Vec<Vec<String>> = report
        .tasks
        .iter()
        .map(|task| {
            vec![
                task.reference.clone(),
                task.kind.clone(),
                task.status.clone(),
                task.attempts.to_string(),
                task.started_at.to_string(),
                time(task.ended_at),
                task.error.as_ref().map(print::problem).unwrap_or_default(),
            ]
        })
        .collect();
    print::rows(&["TASK", "KIND", "STATUS", "ATTEMPTS", "STARTED", "ENDED", "ERROR"], &rows);
}

fn filter(list: &ListInstances) -> Result<Filter, Refused> {
    let mut filter = match &list.workflow {
        Some(name) => Wanted::parse(name)?.filter()?,
        None => Filter::default(),
    };
    if let Some(word) = &list.status {
        let known = "pending, running, waiting, completed, faulted, cancelled";
        let unknown = || Refused::wrong(format!("--status `{word}` is none of {known}"));
        filter.status = Some(Status::from_word(word).ok_or_else(unknown)?);
    }
    filter.before = list.before.as_deref().map(parse).transpose()?;
    filter.limit = list.limit;
    Ok(filter)
}

fn parse(id: &str) -> Result<InstanceId, Refused> {
    InstanceId::parse(id).map_err(|_| Refused::wrong(format!("`{id}` is no id of an instance")))
}

fn row(listed: &ListedInstance) -> Vec<String> {
    vec![
        listed.id.to_string(),
        listed.workflow.to_string(),
        listed.status.word().to_owned(),
        listed.started_at.to_string(),
        time(listed.ended_at),
        listed.key.clone(),
        listed.error.as_ref().map(print::problem).unwrap_or_default(),
    ]
}

fn time(time: Option<Timestamp>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}
