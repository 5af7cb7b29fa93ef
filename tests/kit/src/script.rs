//! Scripted runs: what third parties, events and operators do while a workflow runs, as a small YAML file beside it.
//!
//! `workflows/<folder>/<name>.script.yaml` runs `workflows/<folder>/workflow.yaml` in virtual time and is compared with
//! `<name>.golden` beside it (see [`crate::golden`]). All other workflows of the folder are deployed too, for sub-flows.
//!
//! ```yaml
//! workflow: workflow.yaml        # optional: another file of the folder
//! input: { orderId: 7 }          # optional, default {}
//! key: order-7                   # optional: the key of the start
//! deadline: PT1H                 # optional: the instance must end within so much time
//! secrets: { token: token }      # optional: every secret by name, each leaf replaced by its path
//! answers:                       # for each call: by task reference (/do/1/charge), by name of the task (charge),
//!   charge:                      # or by function@adapter (charge@payments; HTTP is request@http) - the first that fits
//!     - failed: { status: 503, title: Unavailable, detail: try later }   # type is optional, default communication
//!       effect: none             # none or unknown (the default)
//!       after: PT2S              # the answer comes so much later; default at once
//!     - lost: true               # never answered
//!     - done: { id: c-1 }        # one answer for each attempt, in order; the last one serves for all that follow
//! events:                        # from outside, at a time after the start
//!   - at: PT5S
//!     event: { type: com.example.paid, data: { orderId: 7 } }            # id and source are optional
//! cancel: { at: PT3S, reason: changed their mind }                       # optional: an operator cancels the instance
//! ```

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use sagabus_core::{
    cause::{EffectState, Outcome},
    effect::Attempt,
    event::Event,
    problem::{Problem, Standard},
};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::world::{Faults, Reaction, ThirdParty, World};

const SUFFIX: &str = ".script.yaml";

/// A scripted run; the module's documentation shows the format.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Script {
    /// The file of the workflow to run, in the folder of the script.
    #[serde(default = "default_workflow")]
    pub workflow: String,
    /// Its raw input.
    #[serde(default = "empty_object")]
    pub input: Value,
    /// The key of the start.
    #[serde(default = "default_key")]
    pub key: String,
    /// Within how much time the instance must end, ISO 8601.
    #[serde(default)]
    pub deadline: Option<String>,
    /// The secrets that exist, every leaf replaced by its path.
    #[serde(default)]
    pub secrets: Map<String, Value>,
    /// Answers of the third parties.
    #[serde(default)]
    pub answers: BTreeMap<String, Vec<Answer>>,
    /// Events from outside.
    #[serde(default)]
    pub events: Vec<TimedEvent>,
    /// When an operator cancels the instance.
    #[serde(default)]
    pub cancel: Option<TimedCancel>,
}

/// The answer to one attempt: exactly one of `done`, `failed` and `lost`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// It is done, with this output.
    #[serde(default, deserialize_with = "present")]
    pub done: Option<Value>,
    /// It failed, with this error.
    #[serde(default)]
    pub failed: Option<Failure>,
    /// What a failed attempt may have done.
    #[serde(default)]
    pub effect: Option<EffectState>,
    /// It is never answered.
    #[serde(default)]
    pub lost: bool,
    /// How long the answer takes, ISO 8601.
    #[serde(default)]
    pub after: Option<String>,
}

/// The error of a failed attempt.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// URI of the type.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    /// Status code.
    pub status: u16,
    /// Summary.
    #[serde(default)]
    pub title: Option<String>,
    /// What happened.
    #[serde(default)]
    pub detail: Option<String>,
}

/// An event from outside.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedEvent {
    /// How long after the start, ISO 8601.
    pub at: String,
    /// The event; `id` and `source` may be left out.
    pub event: Map<String, Value>,
}

/// A cancellation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedCancel {
    /// How long after the start, ISO 8601.
    pub at: String,
    /// Why.
    #[serde(default = "default_reason")]
    pub reason: String,
}

/// All scripts below a folder, sorted.
///
/// # Errors
/// The folder cannot be read.
pub fn find(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(find(&path)?);
        } else if path.to_string_lossy().ends_with(SUFFIX) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Runs a script to its end: until nothing more can happen in its world.
///
/// # Errors
/// The script or a workflow of its folder cannot be read, an attempt has no answer, or the core broke a promise.
pub fn run(path: &Path) -> Result<World> {
    let script: Script = read_yaml(path)?;
    let folder = path.parent().context("a script is in a folder")?;
    let mut world = World::new(0, Faults::none(), Box::new(Answers::new(&script)?));
    world.environment_mut().secrets = script.secrets.clone();
    let mut main = None;
    for (file, source) in workflows(folder)? {
        let name = world.deploy(&source).with_context(|| format!("{}/{file}", folder.display()))?;
        if file == script.workflow {
            main = Some(name);
        }
    }
    let Some(main) = main else {
        bail!("there is no `{}` beside the script; `workflow:` names the file to run", script.workflow)
    };
    let limit_ms = script.deadline.as_deref().map(duration_ms).transpose()?;
    let instance = world.start(&main, script.input.clone(), &script.key, limit_ms)?;
    for (index, timed) in script.events.iter().enumerate() {
        world.send_after(duration_ms(&timed.at)?, event(&timed.event, index)?);
    }
    if let Some(cancel) = &script.cancel {
        world.cancel_after(duration_ms(&cancel.at)?, instance, &cancel.reason);
    }
    world.run()?;
    Ok(world)
}

/// The workflows of a folder: names of files and sources, sorted by name.
fn workflows(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".yaml") && !name.ends_with(SUFFIX) {
            let source = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
            found.push((name, source));
        }
    }
    found.sort();
    Ok(found)
}

fn read_yaml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(&text, options).map_err(|error| anyhow::anyhow!("{error}"))
}

fn event(members: &Map<String, Value>, index: usize) -> Result<Event> {
    let mut members = members.clone();
    members.entry("id").or_insert_with(|| json!(format!("event-{}", index + 1)));
    members.entry("source").or_insert_with(|| json!("/script"));
    serde_json::from_value(Value::Object(members)).context("an event needs a `type`")
}

/// Milliseconds of an ISO 8601 duration.
fn duration_ms(text: &str) -> Result<u64> {
    let duration = jiff::fmt::temporal::SpanParser::new()
        .parse_duration(text)
        .with_context(|| format!("`{text}` is not an ISO 8601 duration of hours, minutes and seconds: PT2S"))?;
    u64::try_from(duration.as_millis()).with_context(|| format!("`{text}` is negative"))
}

/// Third parties that answer as the script says.
#[derive(Debug)]
struct Answers {
    answers: BTreeMap<String, Vec<Reaction>>,
    taken: BTreeMap<String, usize>,
}

impl Answers {
    fn new(script: &Script) -> Result<Self> {
        let mut answers = BTreeMap::new();
        for (key, list) in &script.answers {
            let reactions: Result<Vec<Reaction>> = list.iter().map(Answer::reaction).collect();
            let reactions = reactions.with_context(|| format!("answers of `{key}`"))?;
            ensure!(!reactions.is_empty(), "answers of `{key}`: there is none");
            answers.insert(key.clone(), reactions);
        }
        Ok(Self { answers, taken: BTreeMap::new() })
    }
}

impl ThirdParty for Answers {
    fn react(&mut self, attempt: &Attempt) -> Result<Reaction> {
        let name = attempt.reference.rsplit('/').next().unwrap_or_default().to_owned();
        let function = format!("{}@{}", attempt.function, attempt.adapter);
        let key =
            [attempt.reference.clone(), name, function.clone()].into_iter().find(|k| self.answers.contains_key(k));
        let Some(key) = key else {
            bail!(
                "attempt {} of {} ({function}) has no answer: add one to `answers`",
                attempt.attempt,
                attempt.reference
            )
        };
        let list = &self.answers[&key];
        let taken = self.taken.entry(key).or_default();
        let reaction = list[(*taken).min(list.len() - 1)].clone();
        *taken += 1;
        Ok(reaction)
    }
}

impl Answer {
    fn reaction(&self) -> Result<Reaction> {
        let after_ms = self.after.as_deref().map_or(Ok(0), duration_ms)?;
        match (&self.done, &self.failed, self.lost) {
            (Some(output), None, false) => {
                ensure!(self.effect.is_none(), "`effect` belongs to `failed`");
                Ok(Reaction::Reply { outcome: Outcome::Done { output: output.clone() }, after_ms })
            }
            (None, Some(failure), false) => {
                let effect = self.effect.unwrap_or(EffectState::Unknown);
                Ok(Reaction::Reply { outcome: Outcome::Failed { error: failure.problem(), effect }, after_ms })
            }
            (None, None, true) => Ok(Reaction::Silence),
            _ => bail!("an answer is one of `done`, `failed` and `lost: true`"),
        }
    }
}

impl Failure {
    fn problem(&self) -> Problem {
        Problem {
            kind: self.kind.clone().unwrap_or_else(|| Problem::standard(Standard::Communication, "").kind),
            status: self.status,
            title: self.title.clone(),
            detail: self.detail.clone(),
            instance: None,
        }
    }
}

/// A `null` that is present is an output.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn default_workflow() -> String {
    "workflow.yaml".to_owned()
}

fn empty_object() -> Value {
    json!({})
}

fn default_key() -> String {
    "script".to_owned()
}

fn default_reason() -> String {
    "script".to_owned()
}
