//! `run`: one workflow to its end, in this process.

use std::{path::Path, time::Duration};

use sagabus_adapters::Trust;
use sagabus_core::{plan::Plan, report::Report};
use sagabus_dsl::Severity;
use sagabus_engine::{Accepted, DeployError, Handle, Progress, StartRequest};
use sagabus_ports::{Clock as _, SystemClock};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{
    arguments::Run,
    commands::check,
    compose::{self, Node, Recipe},
    exit::{Exit, Refused},
    files, input, print,
    progress::Narrator,
    settings::Settings,
    signals::Signals,
};

/// How long calls under way may go on after Ctrl-C: somebody sits there and waits.
const GRACE: Duration = Duration::from_secs(2);

/// Runs a workflow: progress on stderr, its output on stdout.
pub(crate) async fn perform(run: Run, config: Option<&Path>) -> Result<Exit, Refused> {
    let source = input::text_of(&run.file)?;
    let Some(plan) = compile(&run.file, &source) else { return Ok(Exit::Wrong) };
    let input = input::read("--input", run.input.as_deref())?;
    let deadline = input::deadline(run.begin.deadline.as_deref(), SystemClock.now())?;
    let settings = Settings::read(config, Some(&run.file))?;
    let mut signals = Signals::listen()?;

    let temporary = Temporary::unless(run.db.is_some())?;
    let database = run.db.clone().unwrap_or_else(|| temporary.url());
    let secrets = compose::secrets(run.hosting.secrets.as_deref().or(settings.secrets.as_deref()))?;
    // Who runs a workflow by hand is its author, or has read it.
    let adapters = compose::adapters(&settings, &run.hosting, Trust::Author, &secrets)?;
    if let Some(unhosted) = compose::unhosted(&plan.name, plan.adapters(), &compose::names(&adapters)) {
        return Err(Refused::wrong(unhosted));
    }
    let node = Node::start(Recipe { database: database.clone(), adapters, secrets, grace: GRACE }).await?;
    let request = StartRequest {
        namespace: plan.name.namespace,
        name: plan.name.name,
        version: Some(plan.name.version),
        input,
        key: run.begin.key.clone(),
        deadline,
    };
    let ended = tokio::select! {
        ended = to_the_end(&node.handle, &run.file, &source, request) => Some(ended),
        () = signals.next() => None,
    };
    let impatient = tokio::spawn(async move {
        signals.next().await;
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    node.stop().await;
    impatient.abort();
    match ended {
        Some(ended) => ended.map(|report| {
            print::end(&report, run.json);
            Exit::of(&report.status)
        }),
        None => {
            print::note(&how_to_go_on(&run, &database));
            Ok(Exit::Interrupted)
        }
    }
}

/// Draws the definition's problems; its plan if it can run.
fn compile(file: &Path, source: &str) -> Option<Plan> {
    let compiled = sagabus_dsl::compile(source);
    check::draw(file, source, &compiled.diagnostics);
    if compiled.plan.is_none() {
        let count = |severity| check::count(&compiled.diagnostics, severity);
        let counts = check::counts(count(Severity::Error), count(Severity::Warning));
        print::note(&format!("{} cannot run: {counts}", file.display()));
    }
    compiled.plan
}

async fn to_the_end(handle: &Handle, file: &Path, source: &str, request: StartRequest) -> Result<Report, Refused> {
    deploy_siblings(handle, file).await?;
    // Last, so that it is the one that is started, whatever lies beside it.
    handle.deploy(source).await.map_err(|error| not_deployed(file, error))?;
    let steps = handle.watch();
    let accepted = start(handle, request).await?;
    let mut narrator = Narrator::new(accepted.instance, "");
    watch(handle, &accepted, steps, &mut narrator).await
}

/// Starts an instance.
pub(crate) async fn start(handle: &Handle, request: StartRequest) -> Result<Accepted, Refused> {
    let accepted = handle.start(request).await?;
    if accepted.repeated {
        print::note(&format!("this key has started instance {} before: here is that one", accepted.instance));
    }
    Ok(accepted)
}

/// Tells an instance's progress until it has ended.
pub(crate) async fn watch(
    handle: &Handle,
    accepted: &Accepted,
    mut steps: broadcast::Receiver<Progress>,
    narrator: &mut Narrator,
) -> Result<Report, Refused> {
    let mut end = std::pin::pin!(handle.wait(accepted.instance));
    let report = loop {
        tokio::select! {
            // Steps first: whoever has ended has told all of them.
            biased;
            step = steps.recv() => match step {
                Ok(step) => narrator.tell(&step),
                Err(RecvError::Lagged(missed)) => narrator.missed(missed),
                Err(RecvError::Closed) => break end.await?,
            },
            report = &mut end => break report?,
        }
    };
    narrator.end();
    report.ok_or_else(|| Refused::unreachable(format!("instance {} is gone from the database", accepted.instance)))
}

/// Deploys the files beside a workflow, so that sub-flows are found. One that is broken is named and left out.
async fn deploy_siblings(handle: &Handle, file: &Path) -> Result<(), Refused> {
    for sibling in files::beside(file).unwrap_or_default() {
        let Ok(source) = std::fs::read_to_string(&sibling) else { continue };
        match handle.deploy(&source).await {
            Ok(_) => {}
            Err(DeployError::Invalid(_)) => {
                let name = sibling.display();
                print::note(&format!("{name} beside it is invalid and left out: `sagabus check {name}` says why"));
            }
            Err(DeployError::Store(error)) => return Err(error.into()),
        }
    }
    Ok(())
}

fn not_deployed(file: &Path, error: DeployError) -> Refused {
    match error {
        DeployError::Invalid(_) => Refused::wrong(format!("{} is invalid", file.display())),
        DeployError::Store(error) => error.into(),
    }
}

fn how_to_go_on(run: &Run, database: &str) -> String {
    if run.db.is_none() {
        return "interrupted; the temporary database is gone: with `--db sqlite:FILE` it could go on later".to_owned();
    }
    match &run.begin.key {
        Some(key) => format!(
            "interrupted; nothing is lost: run the same again (`--db {database} --key {key}`), or `sagabus serve --db \
             {database}`, and it goes on"
        ),
        None => format!("interrupted; nothing is lost: `sagabus serve --db {database}` goes on with it"),
    }
}

/// A database that goes with the process.
struct Temporary(Option<tempfile::TempDir>);

impl Temporary {
    fn unless(named: bool) -> Result<Self, Refused> {
        if named {
            return Ok(Self(None));
        }
        let folder = tempfile::Builder::new().prefix("sagabus-run-").tempdir();
        folder
            .map(|folder| Self(Some(folder)))
            .map_err(|error| Refused::unreachable(format!("cannot create a folder for a temporary database: {error}")))
    }

    fn url(&self) -> String {
        let path = self.0.as_ref().map(|folder| folder.path().join("run.db"));
        format!("sqlite:{}", path.unwrap_or_default().display())
    }
}
