//! `for`, `fork`, `switch`, `try` and `raise`.

use super::{Duration, List, task::single};
use crate::{
    fields::{Fields, Object, Read, Text, wrong_type},
    problems::{Problems, quoted},
    tree::{Content, Key, Node},
};

/// `for`, with `while` and `do`.
pub(crate) struct For<'a> {
    pub(crate) each: Option<Text<'a>>,
    pub(crate) at: Option<Text<'a>>,
    /// An expression or a list.
    pub(crate) items: Option<&'a Node>,
    pub(crate) condition: Option<Text<'a>>,
    pub(crate) body: List<'a>,
}

impl<'a> For<'a> {
    pub(crate) fn read_task(task: &mut Fields<'a>) -> Option<Self> {
        let mut fields = Fields::of(task.node("for")?, "`for`", task.problems())?;
        let each = fields.optional("each");
        let at = fields.optional("at");
        let items = fields.required::<&Node>("in").filter(|node| {
            let fits = matches!(node.content, Content::String(_) | Content::Array(_));
            if !fits {
                wrong_type(node, "an expression or a list", None, fields.problems());
            }
            fits
        });
        fields.close();
        let condition = task.optional("while");
        let body = task.required("do").unwrap_or_default();
        Some(Self { each, at, items, condition, body })
    }
}

/// `fork`.
pub(crate) struct Fork<'a> {
    pub(crate) branches: List<'a>,
    pub(crate) compete: bool,
}

impl<'a> Read<'a> for Fork<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "`fork`", problems)?;
        let fork = Self {
            branches: fields.required("branches").unwrap_or_default(),
            compete: fields.optional("compete").unwrap_or_default(),
        };
        fields.close();
        Some(fork)
    }
}

/// A case of `switch`.
pub(crate) struct Case<'a> {
    pub(crate) name: &'a Key,
    pub(crate) when: Option<Text<'a>>,
    pub(crate) then: Option<Text<'a>>,
}

pub(crate) fn read_switch<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<Vec<Case<'a>>> {
    let items: Vec<&Node> = Vec::read(node, problems)?;
    if items.is_empty() {
        problems.error(node.place(), "empty", "`switch` has no case");
    }
    let mut default: Option<&Key> = None;
    let mut cases: Vec<Case<'a>> = Vec::with_capacity(items.len());
    for item in items {
        let Some((name, value)) = single(item, "a case", problems) else { continue };
        let Some(mut fields) = Fields::of(value, "a case of `switch`", problems) else { continue };
        if cases.iter().any(|case| case.name.name == name.name) {
            let message = format!("another case is already named {}", quoted(&name.name));
            problems.error_help(name.span, "duplicate-task", message, "rename one".to_owned());
        }
        if !fields.has("when") {
            if let Some(first) = default {
                let message = format!("a second case without `when`; {} is one already", quoted(&first.name));
                problems.error_help(name.span, "default-case", message, "give one of them a `when`".to_owned());
            }
            default = Some(name);
        }
        let when = fields.optional("when");
        let then = fields.required("then");
        fields.close();
        cases.push(Case { name, when, then });
    }
    Some(cases)
}

/// `try` with `catch`.
pub(crate) struct Try<'a> {
    pub(crate) body: List<'a>,
    pub(crate) catch: Catch<'a>,
}

/// `catch`.
#[derive(Default)]
pub(crate) struct Catch<'a> {
    pub(crate) filter: ErrorFilter<'a>,
    pub(crate) variable: Option<Text<'a>>,
    pub(crate) when: Option<Text<'a>>,
    pub(crate) except_when: Option<Text<'a>>,
    pub(crate) retry: Option<RetryChoice<'a>>,
    pub(crate) handler: Option<List<'a>>,
    pub(crate) then: Option<Text<'a>>,
}

/// `catch.errors.with`.
#[derive(Default)]
pub(crate) struct ErrorFilter<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) status: Option<u16>,
    pub(crate) title: Option<Text<'a>>,
    pub(crate) detail: Option<Text<'a>>,
    pub(crate) instance: Option<Text<'a>>,
}

impl<'a> Try<'a> {
    pub(crate) fn read_task(task: &mut Fields<'a>) -> Option<Self> {
        let body = List::read_or_task(task.node("try")?, "try", task.problems()).unwrap_or_default();
        let catch = task.required("catch").unwrap_or_default();
        Some(Self { body, catch })
    }
}

impl<'a> Read<'a> for Catch<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "`catch`", problems)?;
        let catch = Self {
            filter: fields.node("errors").and_then(|node| read_errors(node, problems)).unwrap_or_default(),
            variable: fields.optional("as"),
            when: fields.optional("when"),
            except_when: fields.optional("exceptWhen"),
            retry: fields.optional("retry"),
            handler: fields.optional("do"),
            then: fields.optional("then"),
        };
        fields.close();
        Some(catch)
    }
}

fn read_errors<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<ErrorFilter<'a>> {
    let mut fields = Fields::of(node, "`errors`", problems)?;
    let with = fields.node("with");
    fields.close();
    let mut fields = Fields::of(with?, "an error filter", problems)?;
    let status_node = fields.node("status");
    let filter = ErrorFilter {
        kind: fields.optional("type"),
        status: status_node.and_then(|node| read_status(node, problems)),
        title: fields.optional("title"),
        // The schema of an error says `detail`, the text of the specification `details`.
        detail: fields.optional("detail").or(fields.optional("details")),
        instance: fields.optional("instance"),
    };
    fields.close();
    for text in [filter.kind, filter.title, filter.detail, filter.instance].into_iter().flatten() {
        refuse_expression(text, problems);
    }
    Some(filter)
}

/// The filter is static (DSL reference, "Catch"): an expression in it would be compared as the text that it is.
fn refuse_expression(text: Text<'_>, problems: &Problems<'_>) {
    if text.value.contains("${") {
        let help = "compare it in `when`, for example `when: ${ $error.title == .title }`".to_owned();
        problems.error_help(text.place(), "wrong-value", "an error filter takes no expressions", help);
    }
}

/// A status code: HTTP's are recommended, not required (DSL reference, "Error").
fn read_status<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<u16> {
    let number = u64::read(node, problems)?;
    let status = u16::try_from(number).ok();
    if status.is_none() {
        let message = format!("{number} is not a status code");
        let help = format!("write one of 0 to {}, best one of HTTP's", u16::MAX);
        problems.error_help(node.value_place(), "wrong-value", message, help);
    }
    status
}

/// `catch.retry`: inline, or the name of one of `use.retries`.
pub(crate) enum RetryChoice<'a> {
    Policy(Box<Retry<'a>>),
    Named(Text<'a>),
}

impl<'a> Read<'a> for RetryChoice<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        match node.content {
            Content::String(_) => Text::read(node, problems).map(Self::Named),
            _ => Retry::read(node, problems).map(|retry| Self::Policy(Box::new(retry))),
        }
    }
}

/// A retry policy.
pub(crate) struct Retry<'a> {
    pub(crate) when: Option<Text<'a>>,
    pub(crate) except_when: Option<Text<'a>>,
    pub(crate) delay: Option<Duration<'a>>,
    /// `constant`, `exponential` or `linear`.
    pub(crate) backoff: Option<&'static str>,
    pub(crate) jitter: Option<(Duration<'a>, Duration<'a>)>,
    pub(crate) limit: Limit<'a>,
}

/// `limit` of a retry policy.
#[derive(Default)]
pub(crate) struct Limit<'a> {
    pub(crate) attempt_count: Option<u32>,
    pub(crate) attempt_duration: Option<Duration<'a>>,
    pub(crate) duration: Option<Duration<'a>>,
}

impl<'a> Read<'a> for Retry<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "a retry policy", problems)?;
        let retry = Self {
            when: fields.optional("when"),
            except_when: fields.optional("exceptWhen"),
            delay: fields.optional("delay"),
            backoff: fields.node("backoff").and_then(|node| read_backoff(node, problems)),
            jitter: fields.node("jitter").and_then(|node| read_jitter(node, problems)),
            limit: fields.optional("limit").unwrap_or_default(),
        };
        fields.close();
        Some(retry)
    }
}

fn read_backoff<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<&'static str> {
    let mut fields = Fields::of(node, "`backoff`", problems)?;
    let which = fields.one_of(&["constant", "exponential", "linear"]);
    if let Some(which) = which
        && let Some(parameters) = fields.optional::<Object<'a>>(which)
        && let Some((key, _)) = parameters.entries.first()
    {
        let message = format!("unknown key {} in {}", quoted(&key.name), quoted(which));
        problems.error_help(
            key.span,
            "unknown-key",
            message,
            format!("a backoff takes no parameters: `{which}: {{}}`"),
        );
    }
    fields.close();
    which
}

fn read_jitter<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<(Duration<'a>, Duration<'a>)> {
    let mut fields = Fields::of(node, "`jitter`", problems)?;
    let from = fields.required("from");
    let to = fields.required("to");
    fields.close();
    if let (Some(Duration::Constant(low)), Some(Duration::Constant(high))) = (from, to)
        && low > high
    {
        problems.error(node.place(), "wrong-value", "`from` of the jitter is longer than its `to`");
    }
    from.zip(to)
}

impl<'a> Read<'a> for Limit<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "`limit`", problems)?;
        let mut limit = Self { duration: fields.optional("duration"), ..Self::default() };
        if let Some(attempt) = fields.node("attempt")
            && let Some(mut fields) = Fields::of(attempt, "`attempt`", problems)
        {
            let count = fields.node("count").and_then(|node| u64::read(node, problems).map(|count| (node, count)));
            limit.attempt_count = count.and_then(|(node, count)| {
                let fits = u32::try_from(count).ok();
                if fits.is_none() {
                    problems.error(node.value_place(), "wrong-value", "so many attempts cannot be counted");
                }
                fits
            });
            limit.attempt_duration = fields.optional("duration");
            fields.close();
        }
        fields.close();
        Some(limit)
    }
}

/// `raise.error`: inline, or the name of one of `use.errors`.
pub(crate) enum ErrorChoice<'a> {
    Inline(Error<'a>),
    Named(Text<'a>),
}

/// An error to be raised.
pub(crate) struct Error<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) status: Option<u16>,
    pub(crate) title: Option<Text<'a>>,
    pub(crate) detail: Option<Text<'a>>,
    pub(crate) instance: Option<Text<'a>>,
}

pub(crate) fn read_raise<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<ErrorChoice<'a>> {
    let mut fields = Fields::of(node, "`raise`", problems)?;
    let error = fields.required::<&Node>("error");
    fields.close();
    let error = error?;
    match error.content {
        Content::String(_) => Text::read(error, problems).map(ErrorChoice::Named),
        _ => Error::read(error, problems).map(ErrorChoice::Inline),
    }
}

impl<'a> Read<'a> for Error<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "an error", problems)?;
        let error = Self {
            kind: fields.required("type"),
            status: fields.required::<&Node>("status").and_then(|node| read_status(node, problems)),
            title: fields.optional("title"),
            detail: fields.optional("detail"),
            instance: fields.optional("instance"),
        };
        if let Some(instance) = error.instance {
            check_pointer(instance, problems);
        }
        fields.close();
        Some(error)
    }
}

/// A literal `instance` is a JSON pointer (RFC 6901).
fn check_pointer(text: Text<'_>, problems: &Problems<'_>) {
    let fits = text.value.is_empty() || text.value.starts_with('/') || text.value.contains("${");
    if !fits {
        let message = format!("{} is not a JSON pointer", quoted(text.value));
        problems.error_help(text.place(), "pointer", message, "start it with `/`".to_owned());
    }
}
