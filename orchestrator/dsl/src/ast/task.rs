//! Tasks and lists of tasks.

use super::{Call, Case, Duration, ErrorChoice, Export, For, Fork, Input, Listen, Output, Run, Timeout, Try};
use sagabus_core::suggest::closest;

use crate::{
    fields::{Fields, Object, Read, Text, wrong_type},
    problems::{Problems, quoted},
    tree::{Content, Key, Node, Span},
};

/// A list of named tasks.
#[derive(Default)]
pub(crate) struct List<'a> {
    pub(crate) items: Vec<Item<'a>>,
}

/// A task in a list.
pub(crate) struct Item<'a> {
    /// What follows the pointer of the list: `/0/charge`; empty where one task stands for a list.
    pub(crate) index: Option<usize>,
    pub(crate) name: &'a str,
    pub(crate) place: Span,
    pub(crate) task: Task<'a>,
}

/// A task of any kind.
pub(crate) struct Task<'a> {
    pub(crate) condition: Option<Text<'a>>,
    pub(crate) input: Input<'a>,
    pub(crate) output: Output<'a>,
    pub(crate) export: Option<Export<'a>>,
    pub(crate) timeout: Option<Timeout<'a>>,
    pub(crate) then: Option<Text<'a>>,
    pub(crate) kind: Option<Kind<'a>>,
}

/// What a task does.
pub(crate) enum Kind<'a> {
    Set(&'a Node),
    Do(List<'a>),
    For(For<'a>),
    Fork(Fork<'a>),
    Switch(Vec<Case<'a>>),
    Try(Box<Try<'a>>),
    Raise(ErrorChoice<'a>),
    Wait(Duration<'a>),
    Emit(Object<'a>),
    Listen(Box<Listen<'a>>),
    Call(Box<Call<'a>>),
    Run(Box<Run<'a>>),
}

/// Longest name of a task: journals and messages repeat it.
const NAME_BYTES_MAX: usize = 128;

/// The keys that say what a task does; `for` has a `do` besides.
const KINDS: [&str; 12] =
    ["call", "do", "emit", "for", "fork", "listen", "raise", "run", "set", "switch", "try", "wait"];

impl<'a> Read<'a> for List<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let Content::Array(nodes) = &node.content else {
            let help = "write each task as `- name:` with its keys indented below".to_owned();
            wrong_type(node, "a list of tasks", Some(help), problems);
            return None;
        };
        if nodes.is_empty() {
            problems.error_help(node.place(), "empty", "there is no task in the list", "add one".to_owned());
        }
        let mut items: Vec<Item<'a>> = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            let Some((key, value)) = single(node, "a task", problems) else { continue };
            if items.iter().any(|item| item.name == key.name) {
                let message = format!("another task of this list is already named {}", quoted(&key.name));
                let help = "rename one: `then` and journals tell tasks apart by their names".to_owned();
                problems.error_help(key.span, "duplicate-task", message, help);
            }
            check_name(key, problems);
            if let Some(task) = Task::read(value, problems) {
                items.push(Item { index: Some(index), name: &key.name, place: key.span, task });
            }
        }
        Some(Self { items })
    }
}

impl<'a> List<'a> {
    /// Reads a list, or one task in its place, as the specification's text has it for `try`.
    pub(crate) fn read_or_task(node: &'a Node, name: &'a str, problems: &'a Problems<'a>) -> Option<Self> {
        if !matches!(node.content, Content::Object(_)) {
            return Self::read(node, problems);
        }
        let task = Task::read(node, problems)?;
        Some(Self { items: vec![Item { index: None, name, place: node.place(), task }] })
    }
}

/// Names are parts of the references of all tasks below.
pub(crate) fn check_name(key: &Key, problems: &Problems<'_>) {
    if key.name.is_empty() || key.name.len() > NAME_BYTES_MAX {
        let message = format!("a name has 1 to {NAME_BYTES_MAX} bytes, found {}", key.name.len());
        problems.error(key.span, "name", message);
    }
}

/// The only member of an object: its name and value.
pub(crate) fn single<'a>(node: &'a Node, what: &str, problems: &Problems<'_>) -> Option<(&'a Key, &'a Node)> {
    let entries = match &node.content {
        Content::Object(entries) => entries.as_slice(),
        _ => {
            wrong_type(node, &format!("{what} under its name"), None, problems);
            return None;
        }
    };
    if let [(key, value)] = entries {
        return Some((key, value));
    }
    let place = entries.get(1).map_or_else(|| node.place(), |(key, _)| key.span);
    let message = format!("{what} stands alone under its name, found {} keys", entries.len());
    let help = "start each with `- name:`, and indent its keys below the name".to_owned();
    problems.error_help(place, "wrong-type", message, help);
    None
}

/// A task that stands under its own name, as in `use.functions`.
pub(crate) struct TaskBody<'a>(pub(crate) Task<'a>);

impl<'a> Read<'a> for TaskBody<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        Task::read(node, problems).map(Self)
    }
}

impl<'a> Read<'a> for Task<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "a task", problems)?;
        let mut task = Self {
            condition: fields.optional("if"),
            input: fields.optional("input").unwrap_or_default(),
            output: fields.optional("output").unwrap_or_default(),
            export: fields.optional("export"),
            timeout: fields.optional("timeout"),
            then: fields.optional("then"),
            kind: None,
        };
        let _: Option<Object<'a>> = fields.optional("metadata");
        if let Some(compensation) = fields.node("compensate") {
            refuse_compensation(compensation, problems);
        }
        task.kind = which_kind(node, &mut fields).and_then(|kind| read_kind(kind, &mut fields));
        fields.close();
        Some(task)
    }
}

/// `compensate` is read as the task that it is, and then refused.
fn refuse_compensation<'a>(node: &'a Node, problems: &'a Problems<'a>) {
    let _: Option<Task<'a>> = Task::read(node, problems);
    let help = "undo in `catch.do` of a `try` around the tasks";
    problems.not_supported(node.place(), "`compensate`", help);
}

/// The one key that says what the task does.
fn which_kind(node: &Node, fields: &mut Fields<'_>) -> Option<&'static str> {
    let problems = fields.problems();
    let found: Vec<&'static str> =
        KINDS.into_iter().filter(|kind| fields.has(kind) && !(*kind == "do" && fields.has("for"))).collect();
    match found.as_slice() {
        [one] => Some(one),
        [] => {
            let Content::Object(entries) = &node.content else { return None };
            let slip = entries.iter().find_map(|(key, _)| {
                closest(&key.name, KINDS).map(|kind| format!("is {} meant to be {}?", quoted(&key.name), quoted(kind)))
            });
            let help = slip.or_else(|| problems.suggestion("", KINDS));
            problems.error_help(node.place(), "missing-key", "the task does not say what it does", help);
            None
        }
        [first, second, ..] => {
            fields.know(&found);
            let message = format!("a task cannot be both {} and {}", quoted(first), quoted(second));
            problems.error_help(node.place(), "exactly-one", message, "make two tasks of it".to_owned());
            None
        }
    }
}

fn read_kind<'a>(kind: &str, fields: &mut Fields<'a>) -> Option<Kind<'a>> {
    let problems = fields.problems();
    match kind {
        "call" => Call::read_task(fields).map(|call| Kind::Call(Box::new(call))),
        "do" => fields.required("do").map(Kind::Do),
        "emit" => super::event::read_emit(fields.node("emit")?, problems).map(Kind::Emit),
        "for" => For::read_task(fields).map(Kind::For),
        "fork" => fields.required("fork").map(Kind::Fork),
        "listen" => Listen::read_task(fields).map(|listen| Kind::Listen(Box::new(listen))),
        "raise" => super::flow::read_raise(fields.node("raise")?, problems).map(Kind::Raise),
        "run" => Run::read_task(fields).map(|run| Kind::Run(Box::new(run))),
        "set" => read_set(fields.node("set")?, problems).map(Kind::Set),
        "switch" => super::flow::read_switch(fields.node("switch")?, problems).map(Kind::Switch),
        "try" => Try::read_task(fields).map(|task| Kind::Try(Box::new(task))),
        _ => fields.required("wait").map(Kind::Wait),
    }
}

fn read_set<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<&'a Node> {
    match &node.content {
        Content::Object(entries) if entries.is_empty() => {
            problems.error(node.place(), "empty", "`set` sets nothing");
            None
        }
        Content::Object(_) | Content::String(_) => Some(node),
        _ => {
            wrong_type(node, "an object or an expression", None, problems);
            None
        }
    }
}
