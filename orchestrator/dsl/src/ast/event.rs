//! `emit`, `listen` and everything about events.

use super::{Export, List, Output};
use crate::{
    fields::{Fields, Named, Object, Read, Text, word, wrong_type},
    problems::{Problems, quoted},
    tree::{Content, Node},
};
use sagabus_core::plan;

/// The attributes of the event to be emitted: `emit.event.with`, or `emit.event` itself, as the specification's table of
/// properties has it.
pub(crate) fn read_emit<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<Object<'a>> {
    let mut fields = Fields::of(node, "`emit`", problems)?;
    let event = fields.required::<&Node>("event");
    fields.close();
    let event = event?;
    let mut fields = Fields::of(event, "`event`", problems)?;
    let attributes = if fields.has("with") {
        let with = fields.required::<Object<'a>>("with");
        fields.close();
        with?
    } else {
        Object::read(event, problems)?
    };
    if !attributes.entries.iter().any(|(key, _)| key.name == "type") {
        let help = "write for example `type: com.example.order.placed`".to_owned();
        problems.error_help(attributes.node.place(), "missing-key", "an event to emit needs a `type`", help);
    }
    check_names(attributes, problems);
    Some(attributes)
}

/// Other names do not survive a bus that carries attributes in headers (CloudEvents 1.0.2, "Naming Conventions").
fn check_names(attributes: Object<'_>, problems: &Problems<'_>) {
    for (key, _) in attributes.entries {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if key.name != "data_base64" && !key.name.bytes().all(fits) {
            let message = format!("{} is no name of an attribute of an event", quoted(&key.name));
            let help = "use lower-case letters and digits only, or put it into `data`".to_owned();
            problems.error_help(key.span, "name", message, help);
        }
    }
}

/// `listen` with `foreach`.
pub(crate) struct Listen<'a> {
    pub(crate) to: Option<Consumption<'a>>,
    pub(crate) read: plan::Read,
    pub(crate) foreach: Option<Foreach<'a>>,
}

/// An event consumption strategy.
pub(crate) enum Consumption<'a> {
    One(EventFilter<'a>),
    All(Vec<EventFilter<'a>>),
    Any { filters: Vec<EventFilter<'a>>, until: Option<Until<'a>> },
}

/// `until`.
pub(crate) enum Until<'a> {
    Condition(Text<'a>),
    Events(Box<Consumption<'a>>),
}

/// An event filter.
pub(crate) struct EventFilter<'a> {
    pub(crate) with: Option<Object<'a>>,
    pub(crate) correlate: Named<'a, Correlation<'a>>,
}

/// A correlation.
pub(crate) struct Correlation<'a> {
    pub(crate) from: Option<Text<'a>>,
    pub(crate) expect: Option<&'a Node>,
}

/// `foreach`.
pub(crate) struct Foreach<'a> {
    pub(crate) item: Option<Text<'a>>,
    pub(crate) at: Option<Text<'a>>,
    pub(crate) body: Option<List<'a>>,
    pub(crate) output: Output<'a>,
    pub(crate) export: Option<Export<'a>>,
}

impl<'a> Listen<'a> {
    pub(crate) fn read_task(task: &mut Fields<'a>) -> Option<Self> {
        let mut fields = Fields::of(task.node("listen")?, "`listen`", task.problems())?;
        let to = fields.required("to");
        let read = read_mode(fields.node("read"), task.problems()).unwrap_or_default();
        fields.close();
        Some(Self { to, read, foreach: task.optional("foreach") })
    }
}

/// `read`, of `listen` and of `schedule`.
pub(crate) fn read_mode<'a>(node: Option<&'a Node>, problems: &'a Problems<'a>) -> Option<plan::Read> {
    let words = [("data", plan::Read::Data), ("envelope", plan::Read::Envelope), ("raw", plan::Read::Raw)];
    word(node, &words, problems)
}

impl<'a> Read<'a> for Consumption<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        read_consumption(node, true, problems)
    }
}

fn read_consumption<'a>(node: &'a Node, outer: bool, problems: &'a Problems<'a>) -> Option<Consumption<'a>> {
    let mut fields = Fields::of(node, "an event consumption strategy", problems)?;
    let which = fields.one_of(&["one", "any", "all"]);
    let mut until = None;
    if outer && let Some(node) = fields.node("until") {
        if which == Some("any") {
            until = read_until(node, problems);
        } else {
            let help = "remove it, or listen to `any`".to_owned();
            problems.error_help(node.place(), "exactly-one", "`until` belongs to `any` only", help);
        }
    }
    let consumption = match which {
        Some("one") => fields.required("one").map(Consumption::One),
        Some("all") => {
            let filters: Option<Vec<EventFilter<'a>>> = fields.required("all");
            if filters.as_ref().is_some_and(Vec::is_empty) {
                problems.error(node.place(), "empty", "`all` names no event");
            }
            filters.map(Consumption::All)
        }
        Some(_) => fields.required("any").map(|filters| Consumption::Any { filters, until }),
        None => None,
    };
    fields.close();
    consumption
}

fn read_until<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<Until<'a>> {
    match node.content {
        Content::String(_) => Text::read(node, problems).map(Until::Condition),
        Content::Object(_) => read_consumption(node, false, problems).map(|one| Until::Events(Box::new(one))),
        _ => {
            wrong_type(node, "an expression or an event consumption strategy", None, problems);
            None
        }
    }
}

impl<'a> Read<'a> for EventFilter<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "an event filter", problems)?;
        let with = fields.required::<Object<'a>>("with").filter(|with| {
            if with.entries.is_empty() {
                let help = "name an attribute, for example `type`; `any: []` listens to every event".to_owned();
                problems.error_help(with.node.place(), "empty", "the event filter names no attribute", help);
            }
            check_names(*with, problems);
            !with.entries.is_empty()
        });
        let correlate = fields.optional("correlate").unwrap_or_default();
        fields.close();
        Some(Self { with, correlate })
    }
}

impl<'a> Read<'a> for Correlation<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "a correlation", problems)?;
        let correlation = Self { from: fields.required("from"), expect: fields.node("expect") };
        fields.close();
        Some(correlation)
    }
}

impl<'a> Read<'a> for Foreach<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "`foreach`", problems)?;
        let foreach = Self {
            item: fields.optional("item"),
            at: fields.optional("at"),
            body: fields.optional("do"),
            output: fields.optional("output").unwrap_or_default(),
            export: fields.optional("export"),
        };
        fields.close();
        Some(foreach)
    }
}
