//! The compiled, validated form of a workflow: what `dsl` builds and `decide` walks.
//!
//! Tasks live in one arena in document order and name each other by [`TaskId`]. Everything that can be checked
//! without running has been checked: every expression compiles, every name resolves, every schema is valid.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use crate::{
    expression::Expression,
    id::{Digest, WorkflowName},
    problem::Problem,
    schema::Schema,
};

/// A workflow, ready to run.
#[derive(Debug)]
pub struct Plan {
    /// `document.namespace/name:version`.
    pub name: WorkflowName,
    /// SHA-256 of the source text.
    pub digest: Digest,
    /// The source as a JSON value: `$workflow.definition`, and by JSON pointer `$task.definition`.
    pub definition: Arc<Value>,
    /// All tasks: those of `use.functions` first, each before the tasks inside it, then the workflow's own in document order.
    pub tasks: Vec<Task>,
    /// The workflow's own `do`.
    pub root: Block,
    /// Workflow `input`.
    pub input: Input,
    /// Workflow `output`.
    pub output: Output,
    /// Workflow `timeout`.
    pub timeout: Option<DurationTemplate>,
    /// Names of `use.secrets`.
    pub secrets: Vec<String>,
}

impl Plan {
    /// The task with this id. Ids come from this plan alone, so that the look-up cannot fail.
    #[must_use]
    pub fn task(&self, id: TaskId) -> &Task {
        &self.tasks[id.0 as usize]
    }

    /// The names of the adapters that its tasks call.
    #[must_use]
    pub fn adapters(&self) -> BTreeSet<&str> {
        let called = self.tasks.iter().filter_map(|task| match &task.kind {
            Kind::Call(call) => Some(call.adapter.as_ref()),
            _ => None,
        });
        called.collect()
    }
}

/// Index into [`Plan::tasks`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub u32);

/// Tasks that run one after another.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// In declaration order.
    pub tasks: Vec<TaskId>,
}

/// A task of any kind with the properties that all kinds share.
#[derive(Debug)]
pub struct Task {
    /// The key under which the task is declared.
    pub name: Arc<str>,
    /// JSON pointer into the definition: `/do/0/charge`.
    pub reference: Arc<str>,
    /// `if`.
    pub condition: Option<Expression>,
    /// `input`.
    pub input: Input,
    /// `output`.
    pub output: Output,
    /// `export`.
    pub export: Option<Export>,
    /// `timeout`.
    pub timeout: Option<DurationTemplate>,
    /// `then`.
    pub then: Then,
    /// What the task does.
    pub kind: Kind,
}

/// `input` of a workflow or task.
#[derive(Debug, Default)]
pub struct Input {
    /// `schema`: the raw input is validated against it.
    pub schema: Option<Schema>,
    /// `from`: transforms the raw input.
    pub from: Option<Template>,
}

/// `output` of a workflow or task.
#[derive(Debug, Default)]
pub struct Output {
    /// `as`: transforms the raw output.
    pub transform: Option<Template>,
    /// `schema`: the transformed output is validated against it.
    pub schema: Option<Schema>,
}

/// `export` of a task.
#[derive(Debug)]
pub struct Export {
    /// `as`: evaluates to the new context; absent = the context stays.
    pub transform: Option<Template>,
    /// `schema`: the new context is validated against it.
    pub schema: Option<Schema>,
}

/// A flow directive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Then {
    /// The next task in declaration order.
    #[default]
    Continue,
    /// Leaves the current block, which completes with this task's output.
    Exit,
    /// Completes the workflow with this task's output.
    End,
    /// Goes on at a task of the same block: its index in [`Block::tasks`].
    Goto(usize),
}

/// What a task does.
#[derive(Debug)]
pub enum Kind {
    /// `set`.
    Set(Template),
    /// `do`.
    Do(Block),
    /// `for`.
    For(For),
    /// `fork`.
    Fork(Fork),
    /// `switch`.
    Switch(Vec<Case>),
    /// `try`.
    Try(Try),
    /// `raise`.
    Raise(Raise),
    /// `wait`.
    Wait(DurationTemplate),
    /// `emit`: the template of the event's attributes, `emit.event.with`.
    Emit(Template),
    /// `listen`.
    Listen(Listen),
    /// `call` and every `run` but `workflow`: an adapter does it.
    Call(Call),
    /// `call` of a function of `use.functions`: the function's task runs with `with` as its raw input.
    Function(Function),
    /// `run: workflow`.
    SubFlow(SubFlow),
}

impl Kind {
    /// The DSL's keyword of the kind, as in `tasks[].kind` of the printed result.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Do(_) => "do",
            Self::For(_) => "for",
            Self::Fork(_) => "fork",
            Self::Switch(_) => "switch",
            Self::Try(_) => "try",
            Self::Raise(_) => "raise",
            Self::Wait(_) => "wait",
            Self::Emit(_) => "emit",
            Self::Listen(_) => "listen",
            Self::Call(call) => call.keyword.word(),
            Self::Function(_) => "call",
            Self::SubFlow(_) => "run",
        }
    }
}

/// `for`.
#[derive(Debug)]
pub struct For {
    /// `for.each`: the variable of the current item, without `$`.
    pub each: Arc<str>,
    /// `for.at`: the variable of the current index, without `$`.
    pub at: Arc<str>,
    /// `for.in`: evaluates to an array.
    pub items: Template,
    /// `while`, evaluated before each iteration on the flowing value, with item and index in scope.
    pub condition: Option<Expression>,
    /// `do`.
    pub body: Block,
}

/// `fork`.
#[derive(Debug)]
pub struct Fork {
    /// One task each, started together with the fork's input.
    pub branches: Vec<TaskId>,
    /// Whether the first branch to complete wins and the others are cancelled.
    pub compete: bool,
}

/// A case of `switch`.
#[derive(Debug)]
pub struct Case {
    /// The case's name.
    pub name: Arc<str>,
    /// `when`; absent in the default case.
    pub when: Option<Expression>,
    /// `then`.
    pub then: Then,
}

/// `try`.
#[derive(Debug)]
pub struct Try {
    /// `try`.
    pub body: Block,
    /// `catch.errors.with`.
    pub filter: ErrorFilter,
    /// `catch.as`: the variable of the error, without `$`.
    pub variable: Arc<str>,
    /// `catch.when`.
    pub when: Option<Expression>,
    /// `catch.exceptWhen`.
    pub except_when: Option<Expression>,
    /// `catch.retry`, inline or resolved from `use.retries`.
    pub retry: Option<RetryPolicy>,
    /// `catch.do`.
    pub handler: Option<Block>,
    /// `catch.then`: where the error path goes on; overrides the task's own `then`.
    pub then: Option<Then>,
}

/// `catch.errors.with`: all that is given must be equal.
#[derive(Debug, Default)]
pub struct ErrorFilter {
    /// Compared by [`Problem::same_type`].
    pub kind: Option<String>,
    /// Status code.
    pub status: Option<u16>,
    /// Title.
    pub title: Option<String>,
    /// Detail (the schema spells it `details`; both are read).
    pub detail: Option<String>,
    /// JSON pointer of the task.
    pub instance: Option<String>,
}

impl ErrorFilter {
    /// Whether the error has all the properties that the filter names.
    #[must_use]
    pub fn matches(&self, error: &Problem) -> bool {
        let same = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        self.kind.as_ref().is_none_or(|kind| Problem::same_type(kind, &error.kind))
            && self.status.is_none_or(|status| status == error.status)
            && same(&self.title, &error.title)
            && same(&self.detail, &error.detail)
            && same(&self.instance, &error.instance)
    }
}

/// A retry policy of the DSL.
#[derive(Debug)]
pub struct RetryPolicy {
    /// `when`.
    pub when: Option<Expression>,
    /// `exceptWhen`.
    pub except_when: Option<Expression>,
    /// `delay`; absent = no delay.
    pub delay: Option<DurationTemplate>,
    /// `backoff`.
    pub backoff: Backoff,
    /// `jitter.from` and `jitter.to`.
    pub jitter: Option<(DurationTemplate, DurationTemplate)>,
    /// `limit.attempt.count`: how many retries there may be.
    pub limit_attempt_count: Option<u32>,
    /// `limit.attempt.duration`: how long one attempt may take.
    pub limit_attempt_duration: Option<DurationTemplate>,
    /// `limit.duration`: for how long retries may go on, from the first attempt's start.
    pub limit_duration: Option<DurationTemplate>,
}

/// How the delay grows from one retry to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Backoff {
    /// Always `delay`.
    #[default]
    Constant,
    /// `delay`, 2 × `delay`, 3 × `delay`, …
    Linear,
    /// `delay`, 2 × `delay`, 4 × `delay`, …
    Exponential,
}

/// `raise`: a template of a problem's members, `type` and `status` certainly among them.
#[derive(Debug)]
pub struct Raise {
    /// `error`, inline or resolved from `use.errors`; evaluates to an object.
    pub error: Template,
}

/// `listen`.
#[derive(Debug)]
pub struct Listen {
    /// `listen.to`.
    pub to: Consumption,
    /// `listen.read`.
    pub read: Read,
    /// `foreach`.
    pub foreach: Option<Foreach>,
}

/// An event consumption strategy.
#[derive(Debug)]
pub enum Consumption {
    /// The first event that matches.
    One(EventFilter),
    /// Each filter once, in any order.
    All(Vec<EventFilter>),
    /// Any filter; without `until` the first event ends the task. No filters = every event.
    Any {
        /// What is consumed.
        filters: Vec<EventFilter>,
        /// When it ends.
        until: Option<Until>,
    },
}

/// `until` of the strategy `any`.
#[derive(Debug)]
pub enum Until {
    /// An expression on the events consumed so far, evaluated after each.
    Condition(Expression),
    /// Events that end it; they are no part of the output.
    Events(Box<Consumption>),
}

/// `listen.read`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Read {
    /// The event's data.
    #[default]
    Data,
    /// The event with its context attributes.
    Envelope,
    /// The event's data as it came.
    Raw,
}

/// An event filter.
#[derive(Debug)]
pub struct EventFilter {
    /// `with`: attribute → what it must be.
    pub with: Vec<(String, Match)>,
    /// `correlate`: name → correlation.
    pub correlate: Vec<(String, Correlation)>,
}

impl EventFilter {
    /// The `type` that events must have, where it is a constant: the key under which subscriptions are found.
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        self.with.iter().find_map(|(name, test)| match test {
            Match::Constant(Value::String(text)) if name == "type" => Some(text.as_str()),
            _ => None,
        })
    }
}

/// What an attribute of an event must be.
#[derive(Debug)]
pub enum Match {
    /// Equal to the value; a string may also match as a regular expression over the whole attribute.
    Constant(Value),
    /// An expression over the attribute: true, or equal to the attribute.
    Expression(Expression),
}

/// A correlation of an event filter.
#[derive(Debug)]
pub struct Correlation {
    /// `from`: extracts the value from the event.
    pub from: Expression,
    /// `expect`: the value it must have; absent = that of the first event.
    pub expect: Option<Template>,
}

/// `listen.foreach`.
#[derive(Debug)]
pub struct Foreach {
    /// `item`: the variable of the event, without `$`.
    pub item: Arc<str>,
    /// `at`: the variable of its index, without `$`.
    pub at: Arc<str>,
    /// `do`.
    pub body: Option<Block>,
    /// `output`.
    pub output: Output,
    /// `export`.
    pub export: Option<Export>,
}

/// A call of an adapter's function.
#[derive(Debug)]
pub struct Call {
    /// Under which keyword of the DSL it was written.
    pub keyword: CallKeyword,
    /// Name of the adapter: `http`, `process`, or what stands behind `@`.
    pub adapter: Arc<str>,
    /// Name of the function: `request`, `shell`, `script`, or what stands before `@`.
    pub function: Arc<str>,
    /// Version asked for, where one stands between `:` and `@`.
    pub version: Option<Arc<str>>,
    /// The arguments. What an adapter gets is their value.
    pub arguments: Template,
    /// The authentication of the call's endpoint, where it has one: `$authorization`, and member `authentication` of the
    /// arguments that the adapter gets.
    pub authentication: Option<Authentication>,
    /// `run.await`: whether the task waits for the outcome. If not, its output is its input.
    pub wait: bool,
}

/// The keyword of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallKeyword {
    /// `call`.
    Call,
    /// `run`.
    Run,
}

impl CallKeyword {
    const fn word(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Run => "run",
        }
    }
}

/// A resolved authentication policy.
#[derive(Debug)]
pub enum Authentication {
    /// `basic` with user name and password.
    Basic {
        /// `username`.
        username: Template,
        /// `password`.
        password: Template,
    },
    /// `bearer`.
    Bearer {
        /// `token`.
        token: Template,
    },
    /// `digest` with user name and password.
    Digest {
        /// `username`.
        username: Template,
        /// `password`.
        password: Template,
    },
    /// `use` of a secret: the secret has the scheme's members (`username` and `password`, or `token`).
    Secret {
        /// `basic`, `bearer` or `digest`.
        scheme: &'static str,
        /// Name of the secret.
        name: String,
    },
}

/// `call` of a function of `use.functions`.
#[derive(Debug)]
pub struct Function {
    /// The function's task.
    pub task: TaskId,
    /// `with`: the raw input of the function's task; absent = the input of the calling task.
    pub with: Option<Template>,
}

/// `run: workflow`.
#[derive(Debug)]
pub struct SubFlow {
    /// `namespace`.
    pub namespace: String,
    /// `name`.
    pub name: String,
    /// `version`; absent or `latest` = the highest that is deployed when the task starts.
    pub version: Option<String>,
    /// `input`; absent = the input of the task.
    pub input: Option<Template>,
    /// `run.await`.
    pub wait: bool,
    /// Whether its output is that of the task: not with `run.return: none`.
    pub returns: bool,
}

/// A duration: a constant, or an expression that yields an ISO 8601 duration.
#[derive(Debug)]
pub enum DurationTemplate {
    /// Milliseconds.
    Constant(u64),
    /// Evaluates to a string with an ISO 8601 duration, or to an object with `days`, `hours`, `minutes`, `seconds`,
    /// `milliseconds`.
    Template(Template),
}

/// JSON in which some strings are runtime expressions.
#[derive(Clone, Debug)]
pub enum Template {
    /// No expression inside.
    Constant(Arc<Value>),
    /// The whole value is one expression.
    Expression(Expression),
    /// Mode `loose`: an expression that stands for its own text where its evaluation fails.
    Loose(Expression),
    /// A string with expressions inside: `Hello ${ .name }!`.
    Text(Vec<Part>),
    /// An array.
    Array(Vec<Template>),
    /// An object; keys are never expressions.
    Object(Vec<(String, Template)>),
    /// A URI template (RFC 6570, simple string expansion only, DSL reference "URI Template"): `{name}` is replaced by
    /// the percent-encoded member `name` of the value that the template is evaluated on.
    Uri(Vec<UriPart>),
}

/// A piece of [`Template::Text`].
#[derive(Clone, Debug)]
pub enum Part {
    /// As it stands.
    Literal(String),
    /// Replaced by its value: a string as it is, anything else as JSON.
    Expression(Expression),
}

/// A piece of [`Template::Uri`].
#[derive(Clone, Debug)]
pub enum UriPart {
    /// As it stands.
    Literal(String),
    /// Name of a member.
    Variable(String),
}
